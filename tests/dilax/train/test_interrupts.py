"""Signals, in processes of their own."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from dilax.train.interrupts import Interrupts

# Compiled code in which Python's handlers do not run, as in a compilation.
_BUSY = """
import hashlib, os, signal, sys, threading, time
from dilax.train.interrupts import Interrupts

def send(*signals):
    for which in signals:
        time.sleep(0.3)
        os.kill(os.getpid(), which)
        print("sent", flush=True)

with Interrupts() as interrupts:
    threading.Thread(target=send, args=(signal.{first}, signal.{second}), daemon=True).start()
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
"""


@pytest.mark.parametrize(("first", "second", "status"), [("SIGTERM", "SIGINT", 130), ("SIGINT", "SIGTERM", 143)])
def test_the_second_ends_the_process_at_once(first: str, second: str, status: int) -> None:
    begin = time.monotonic()
    code = _BUSY.replace("{first}", first).replace("{second}", second)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (run.returncode, run.stdout.split()[:1]) == (status, ["sent"]), run.stderr
    assert time.monotonic() - begin < 30


def test_the_first_is_noted_and_handlers_come_back() -> None:
    before = [signal.getsignal(which) for which in (signal.SIGTERM, signal.SIGINT)]
    threads = threading.active_count()
    with Interrupts() as interrupts:
        assert interrupts.received is None
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
        assert interrupts.received == signal.SIGINT
    assert [signal.getsignal(which) for which in (signal.SIGTERM, signal.SIGINT)] == before
    assert threading.active_count() == threads
    assert signal.set_wakeup_fd(-1) == -1


def test_another_thread_notes_nothing() -> None:
    noted = []

    def enter() -> None:
        with Interrupts() as interrupts:
            noted.append(interrupts.received)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert noted == [None]
