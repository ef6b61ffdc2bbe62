"""Contiguous arrays to bytes and back, bare and checked."""

from __future__ import annotations

import functools
import pickle

import ndbytes as ndb
import numpy as np

from ..figures import KiB, MiB, size_label
from .goal import Goal


def floats(nbytes: int):
    """Random float64 of so many bytes, and what the calls on it need."""

    def data() -> dict:
        a = np.random.default_rng(1).random(nbytes // 8)
        names = {"a": a, "pickle": pickle, "dumped": ndb.dumps(a), "pickled": pickle.dumps(a, 5)}
        if nbytes <= 64 * MiB:
            names |= {"out": bytearray(nbytes), "into": np.zeros_like(a)}
        return names

    return data


small, usual, large = floats(1 * KiB), floats(64 * MiB), floats(512 * MiB)
at_64 = functools.partial(Goal, data=usual, nbytes=64 * MiB)
at_512 = functools.partial(Goal, data=large, nbytes=512 * MiB, big=True)
at_1k = functools.partial(Goal, data=small, nbytes=1 * KiB, alone=True)

INTO = "ndb.tobytes(a, out=out) is out and out == a.tobytes()"
LOADS = "np.array_equal(ndb.loads(dumped), a) and np.array_equal(pickle.loads(pickled), a)"

CONTIGUOUS = [
    at_1k("1 KiB", "ndb.tobytes(a)", "a.tobytes()", 1.25, unit="x its time"),
    *(Goal(size_label(nbytes), "ndb.tobytes(a)", "a.tobytes()", 0.9, floats(nbytes), nbytes=nbytes, alone=True)
      for nbytes in (4 * KiB, 64 * KiB, 256 * KiB, 1 * MiB, 4 * MiB)),
    at_64("64 MiB, one thread", "ndb.tobytes(a, threads=1)", "a.tobytes()", 4.5, alone=True),
    at_64("64 MiB, two threads", "ndb.tobytes(a, threads=2)", "a.tobytes()", 5.5),
    at_64("64 MiB into touched memory, one thread", "ndb.tobytes(a, out=out, threads=1)", "np.copyto(into, a)", 1.5, check=INTO, alone=True),
    at_64("64 MiB into touched memory", "ndb.tobytes(a, out=out)", "np.copyto(into, a)", 1.5, check=INTO),
    at_512("512 MiB, one thread", "ndb.tobytes(a, threads=1)", "a.tobytes()", 3, alone=True),
    at_512("512 MiB", "ndb.tobytes(a)", "a.tobytes()", 3),
]

CHECKED = [
    at_1k("dumps 1 KiB", "ndb.dumps(a)", "pickle.dumps(a, protocol=5)", 1.5, unit="µs", check=LOADS),
    at_1k("loads 1 KiB", "ndb.loads(dumped)", "pickle.loads(pickled)", 1.5, unit="µs", check=LOADS),
    at_64("dumps 64 MiB, one thread", "ndb.dumps(a, threads=1)", "pickle.dumps(a, protocol=5)", 4, check=LOADS, alone=True),
    at_64("dumps 64 MiB", "ndb.dumps(a)", "pickle.dumps(a, protocol=5)", 4, check=LOADS),
    at_64("dumps 64 MiB beside our unchecked copy, one thread", "ndb.dumps(a, threads=1)", "ndb.tobytes(a, threads=1)", 0.9, check=LOADS, alone=True),
    at_64("dumps 64 MiB beside our unchecked copy", "ndb.dumps(a)", "ndb.tobytes(a)", 0.9, check=LOADS),
    at_64("loads 64 MiB, one thread", "ndb.loads(dumped, threads=1)", "pickle.loads(pickled)", 3, check=LOADS, alone=True),
    at_64("loads 64 MiB", "ndb.loads(dumped)", "pickle.loads(pickled)", 3, check=LOADS),
    at_64("loads(copy=False) 64 MiB, one thread", "ndb.loads(dumped, copy=False, threads=1)", "", 20, unit="GB/s", alone=True,
          check="np.array_equal(ndb.loads(dumped, copy=False), a)"),
    at_64("loads(copy=False) 64 MiB", "ndb.loads(dumped, copy=False)", "", 20, unit="GB/s",
          check="np.array_equal(ndb.loads(dumped, copy=False), a)"),
]
