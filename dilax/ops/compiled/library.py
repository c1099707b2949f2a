"""Compile ``source/`` once for each machine, keep the library in the user's cache, and make it known to XLA."""

import ctypes
import functools
import hashlib
import importlib.metadata
import logging
import os
import platform
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import jax

_SOURCE = Path(__file__).with_name("source")
_FLAGS = ("-std=c++17", "-O3", "-fPIC", "-shared")
# How GCC and Clang, on the machines that they know, are asked for the instructions of the machine at hand.
_TUNINGS = (("-march=native",), ("-mcpu=native",), ())
_SECONDS = 120

#: Handlers that the source defines, and what XLA knows them by.
TARGETS = {
    "dilax_convolve": "DilaxConvolve",
    "dilax_convolve_kernel_gradient": "DilaxConvolveKernelGradient",
    "dilax_sample": "DilaxSample",
    "dilax_total": "DilaxTotal",
}


def status() -> str:
    """Say what computes convolutions on a CPU here: the compiled library's path, or why there is none.

    The environment variable ``DILAX_COMPILE=0`` keeps to XLA's operations.
    """
    return _load()[1]


def is_loaded() -> bool:
    """Whether the compiled library can be called; compiles it on the first call."""
    return _load()[0]


@functools.cache
def _load() -> tuple[bool, str]:
    if os.environ.get("DILAX_COMPILE") == "0":
        return False, "XLA's operations: DILAX_COMPILE=0"
    compiler = os.environ.get("CXX") or next(filter(shutil.which, ("g++", "clang++", "c++")), None)
    if compiler is None or shutil.which(compiler) is None:
        return False, "XLA's operations: there is no C++ compiler"
    try:
        path = _built(compiler)
        library = ctypes.CDLL(str(path))
        for target, symbol in TARGETS.items():
            jax.ffi.register_ffi_target(target, jax.ffi.pycapsule(getattr(library, symbol)), platform="cpu")
    except (OSError, AttributeError, subprocess.SubprocessError) as error:
        logging.getLogger("dilax").warning("convolutions are slower, because they are not compiled: %s", error)
        return False, f"XLA's operations: {error}"
    return True, f"compiled: {path}"


def _built(compiler: str) -> Path:
    """The library for this source, compiler, CPU and JAX; compiled unless the cache has it."""
    parts = (
        *_source(),
        compiler.encode(),
        importlib.metadata.version("jaxlib").encode(),
        _processor(),
        " ".join(_FLAGS).encode(),
    )
    name = hashlib.sha256(b"\0".join(parts)).hexdigest()[:24] + ".so"
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dilax"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:  # no home that can be written to: compiled anew by each process
        folder = Path(tempfile.mkdtemp(prefix="dilax-"))
    path = folder / name
    if not (path.exists() and _is_ours(path)):
        _compile(compiler, path)
    return path


def _compile(compiler: str, path: Path) -> None:
    logging.getLogger("dilax").info("compiling convolutions for this machine, once")
    descriptor, partial = tempfile.mkstemp(dir=path.parent, suffix=".so")
    os.close(descriptor)
    try:
        for tuning in _TUNINGS:
            command = [
                compiler,
                *_FLAGS,
                *tuning,
                "-isystem",
                jax.ffi.include_dir(),
                str(_SOURCE / "library.cc"),
                "-o",
                partial,
            ]
            result = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
            if result.returncode == 0:
                os.chmod(partial, 0o700)
                os.replace(partial, path)  # another process may have been faster: both are the same
                return
        raise OSError(f"{compiler} failed: {result.stderr.strip()[:500]}")
    finally:
        Path(partial).unlink(missing_ok=True)


def _is_ours(path: Path) -> bool:
    """Whether nobody else could have written the library that is about to be loaded."""
    if not hasattr(os, "getuid"):
        return True
    found = path.stat()
    return found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _source() -> list[bytes]:
    return [path.read_bytes() for path in sorted(_SOURCE.iterdir())]


def _processor() -> bytes:
    """What the machine's instructions depend on: a home directory may be shared by several machines."""
    try:
        lines = Path("/proc/cpuinfo").read_bytes().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}".encode()
    return b"\n".join(next((line for line in lines if line.startswith(key)), b"") for key in (b"model name", b"flags"))
