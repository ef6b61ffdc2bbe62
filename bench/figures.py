"""What is computed from times: ratios, medians, the order of rounds, and whether a goal is met."""

from __future__ import annotations

import statistics

KiB, MiB, GiB = 1 << 10, 1 << 20, 1 << 30

#: Seconds per call of each case, one entry a round.
Samples = dict[str, list[float]]

#: The units of goals: whether what is measured shall be at most the goal, rather than at least.
UNITS = {
    "x": False,  # times as fast as the peer
    "x its time": True,  # of the peer's time
    "µs": True,
    "GB/s": False,
    "MiB": True,
    "share": False,
    "x its size": True,
    "of the time": True,
}


def met(unit: str, goal: float, measured: float) -> bool:
    return measured <= goal if UNITS[unit] else measured >= goal


def ratio(samples: list[float], reference: list[float]) -> float:
    """How many times as fast as the reference: the median over the rounds."""
    return statistics.median(theirs / ours for ours, theirs in zip(samples, reference, strict=True))


def rotated(names: list[str], by: int) -> list[str]:
    at = by % len(names) if names else 0
    return names[at:] + names[:at]


def repeats(seconds: float, sample: float) -> int:
    """How many calls fill a sample, by the time that one took."""
    return max(1, min(20_000, int(sample / max(seconds, 1e-8))))


def size_label(nbytes: int) -> str:
    for unit, name in ((GiB, "GiB"), (MiB, "MiB"), (KiB, "KiB")):
        if nbytes >= unit:
            return f"{nbytes // unit} {name}"
    return f"{nbytes} B"
