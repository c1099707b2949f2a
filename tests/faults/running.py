"""Child processes that are started, listened to and killed."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]


def start(script: str, *arguments: object, devices: int = 1) -> "subprocess.Popen[str]":
    """Start a script of this folder on so many devices."""
    environment = {
        **os.environ, "JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(devices), "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, str(FOLDER / script), *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip


def finish(child: "subprocess.Popen[str]", *, status: int = 0) -> tuple[list[str], list[str]]:
    """Wait for the end of a child and give the lines that it wrote to its two outputs."""
    out, err = child.communicate(timeout=240)
    assert child.returncode == status, err
    return out.splitlines(), err.splitlines()


def kill_at(child: "subprocess.Popen[str]", line: str) -> list[str]:
    """Kill a child once it has said the line; give all that it said."""
    said = []
    for text in lines(child):
        said.append(text)
        if text == line:
            child.send_signal(signal.SIGKILL)
            break
    out, err = child.communicate(timeout=60)
    assert line in said, err
    return said + out.splitlines()


def lines(child: "subprocess.Popen[str]") -> Iterator[str]:
    """What a child says, as it says it."""
    assert child.stdout is not None
    for text in child.stdout:
        yield text.rstrip("\n")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return int(found.getsockname()[1])
