"""Timing side by side: every case once a round, the order rotating, ratios within the round.

What slows a shared machine for a while then slows all cases of that round, and a ratio of two cases of one round
shows it least. A figure is the median over the rounds; so is a ratio.
"""

from __future__ import annotations

import ctypes
import gc
import time
import timeit
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from .figures import KiB, Samples, repeats, rotated

#: Seconds that so many calls take together.
Runner = Callable[[int], float]


@dataclass(frozen=True)
class Effort:
    """How long to measure: at least `rounds`, more while the seconds of `budget` last, and never over `at_most`."""

    rounds: int = 5
    budget: float = 1.5
    at_most: int = 21
    #: A sample repeats its call until about so many seconds have passed.
    sample: float = 0.003


def interleave(cases: Mapping[str, Runner], effort: Effort, setups: Mapping[str, Callable] | None = None) -> Samples:
    """Seconds per call of each case, one entry a round. What has a setup is called once a round, after it."""
    setups = setups or {}

    def once(name, number):
        if name in setups:
            setups[name]()
        return cases[name](number) / number

    numbers = {}
    for name in cases:
        # The first call may connect, import or fault in what the later ones find.
        warm = min(once(name, 1) for _ in range(1 if name in setups else 2))
        numbers[name] = 1 if name in setups else repeats(warm, effort.sample)
    samples: Samples = {name: [] for name in cases}
    gc.collect()
    gc.disable()
    try:
        start, done = time.perf_counter(), 0
        while done < effort.rounds or (done < effort.at_most and time.perf_counter() - start < effort.budget):
            for name in rotated(list(cases), done):
                samples[name].append(once(name, numbers[name]))
            done += 1
    finally:
        gc.enable()
    return samples


def calls(function: Callable) -> Runner:
    """A function as a case. What it returns is freed within the timing."""

    def run(number):
        start = time.perf_counter()
        for _ in range(number):
            function()
        return time.perf_counter() - start

    return run


def statement(source: str, names: dict, clock: Callable[[], float] = time.perf_counter) -> Runner:
    """A line of Python as a case, without the call around it that a function costs."""
    return timeit.Timer(source, timer=clock, globals=names).timeit


def same(a, b) -> bool:
    """Equal in dtype, shape and every item, NaN being NaN."""
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")


def status(key: str) -> int:
    """Bytes that the kernel counts for this process under VmRSS, VmHWM, …; OSError where it does not say (not Linux)."""
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(key + ":")) * KiB


def peak_rss(function: Callable) -> int | None:
    """Bytes by which a call raises the resident memory of this process at its peak; None where nothing tells it."""
    try:
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        with open("/proc/self/clear_refs", "w") as peak:
            peak.write("5")
        before = status("VmRSS")
    except (OSError, AttributeError):
        function()
        return None
    kept = function()
    peak = status("VmHWM")
    del kept
    return max(0, peak - before)
