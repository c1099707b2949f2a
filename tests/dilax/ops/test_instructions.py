"""The compiled convolutions with fewer instructions than this machine has: their blocks and vectors are others."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import pytest

from dilax.ops import compiled

TESTS = Path(__file__).with_name("test_compiled.py")


def instructions():
    found = Path("/proc/cpuinfo")
    return set(found.read_text().split()) if found.exists() else set()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not compiled.takes(jnp.float32), reason=compiled.status())
@pytest.mark.parametrize(("without", "has"), [("avx512f", "avx512f"), ("avx", "avx2")])
def test_fewer_instructions_give_the_same(without, has, tmp_path):
    if has not in instructions():
        pytest.skip(f"this machine has no {has}, so that all tests run without it")
    compiler = tmp_path / "compiler"
    real = os.environ.get("CXX") or next(filter(shutil.which, ("g++", "clang++", "c++")))
    compiler.write_text(f'#!/bin/sh\nexec {real} "$@" -mno-{without}\n')
    compiler.chmod(0o700)
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HYPOTHESIS_PROFILE": "some"}
    environment = {**os.environ, "CXX": str(compiler), **cache}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-k", "exact", str(TESTS)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout
    assert list((tmp_path / "cache" / "dilax").glob("*.so")), done.stdout
