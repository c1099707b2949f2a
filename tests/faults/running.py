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
# Seconds that a child may take on a busy machine.
PATIENCE = 400


def start(
    script: str, *arguments: object, devices: int = 1, stdin: int | None = None, group: int | None = None,
    **variables: str,
) -> "subprocess.Popen[str]":  # fmt: skip
    """Start a script of this folder on so many devices, with variables of the environment.

    A ``group`` of 0 makes the child the leader of a group, which a signal reaches as one from a terminal does.
    """
    return _start([str(FOLDER / script), *map(str, arguments)], devices, variables, stdin=stdin, group=group)


def start_dilax(*arguments: object, devices: int = 1) -> "subprocess.Popen[str]":
    """Start the command ``dilax``."""
    return _start(["-m", "dilax", *map(str, arguments)], devices, {})


def _start(
    command: list[str], devices: int, variables: dict[str, str], *, stdin: int | None = None, group: int | None = None
) -> "subprocess.Popen[str]":
    environment = {
        **os.environ, "JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(devices), "PYTHONPATH": str(ROOT), **variables,
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, *command], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment, process_group=group,
    )  # fmt: skip


def finish(child: "subprocess.Popen[str]", *, status: int = 0) -> tuple[list[str], list[str]]:
    """Wait for the end of a child and give the lines that it wrote to its two outputs."""
    try:
        out, err = child.communicate(timeout=PATIENCE)
    finally:
        child.kill()
    assert child.returncode == status, (out, err)
    return out.splitlines(), err.splitlines()


def kill_at(child: "subprocess.Popen[str]", line: str, *, send: int = signal.SIGKILL) -> list[str]:
    """Send a signal to a child once it has said the line, wait for its end, and give all that it said."""
    said = []
    for text in lines(child):
        said.append(text)
        if text == line:
            child.send_signal(send)
            break
    try:
        out, err = child.communicate(timeout=PATIENCE)
    finally:
        child.kill()
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
