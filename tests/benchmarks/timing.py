"""Time several functions against one another, fairly."""

import os

# PyTorch's idle threads spin after each call and slow whatever runs next, unless told to sleep. Before it is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

# Seconds from which a call counts as long.
_LONG = 1.0


@dataclass(frozen=True)
class Timing:
    """How long something took.

    Attributes:
        median: Seconds.
        spread: Distance of the quartiles over the median: how noisy the machine was.
    """

    median: float
    spread: float


def interleaved(functions: Mapping[str, Callable[[], object]], *, repeats: int) -> dict[str, Timing]:
    """Call all functions in a random order, ``repeats`` times, after two calls of each that do not count.

    In one order always, one function would find its input in the cache that the one before had left there.

    Args:
        functions: What to time; each returns when its work is done.
        repeats: Calls of each; three of one that takes seconds.
    """
    calls = {}
    for name, function in functions.items():
        function()  # compiles
        begin = time.perf_counter()
        function()
        calls[name] = repeats if time.perf_counter() - begin < _LONG else min(3, repeats)
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    shuffled = random.Random(0)
    for repeat in range(repeats):
        for name, function in shuffled.sample(list(functions.items()), len(functions)):
            if repeat >= calls[name]:
                continue
            time.sleep(0.01)
            begin = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - begin)
    return {name: _summary(values) for name, values in seconds.items()}


def _summary(values: list[float]) -> Timing:
    median = statistics.median(values)
    quartiles = statistics.quantiles(values, n=4) if len(values) > 1 else [median] * 3
    return Timing(median, (quartiles[2] - quartiles[0]) / median)
