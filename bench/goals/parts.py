"""Parts of one compressed file, written with default options, beside b2nd's and TensorStore's."""

from __future__ import annotations

import ndbytes as ndb
import numpy as np

from .. import stores
from ..data import brownian
from ..run import Run, module, remove
from .goal import Goal, one, row, told

GROUP = "Parts"
CUBE = "{}[50:150, 60:160, 70:170]"
#: What is read of a walk of 512 by 512 by 512, the peer, and how many times as fast it shall be.
OF_CUBE = [
    ("100 by 100 by 100 beside b2nd", CUBE, "b2", 2.5),
    ("100 by 100 by 100 beside TensorStore", CUBE, "ts", 2.5),
    ("one row beside b2nd", "{}[200, 300]", "b2", 1.5),
]
#: The same of its items in rows of 4 KiB.
OF_ROWS = [
    ("one row of 4 KiB beside b2nd", "{}[7777]", "b2", 1.5),
    ("1,000 random rows beside b2nd", "{}[some]", "b2", 2),
]


def section(run: Run):
    side = 128 if run.quick else 512
    cube = brownian(np.random.default_rng(20261129), (side, side, side), np.float32)
    rows = cube.reshape(-1, 1024)
    some = np.random.default_rng(4).choice(len(rows), min(1000, len(rows)), replace=False)
    for array, goals in [] if run.quick else [(cube, OF_CUBE), (rows, OF_ROWS)]:
        stem = run.work / "parts.ndb"
        try:
            names = {"np": np, "ndb": ndb, "some": some, "h": opened(stem, array), "b2": b2nd(stem, array), "ts": tensorstore(stem, array)}
            for what, line, peer, wanted in goals:
                ours, theirs = line.format("h"), f"np.asarray({line.format(peer)})"
                one(run, GROUP, Goal(what, ours, theirs, wanted, dict, check=f"np.array_equal({ours}, {theirs})"), names)
                print("  " + told(run.record.goals[-1]), flush=True)
        except Exception as error:
            for what, line, peer, wanted in goals:
                goal = Goal(what, line.format("h"), line.format(peer), wanted, dict)
                run.record.goals.append(row(GROUP, goal) | {"why": f"{type(error).__name__}: {error}"[:200]})
                print("  " + told(run.record.goals[-1]), flush=True)
        names = None
        remove(stem.with_suffix(""))


def opened(stem, array):
    ndb.save(stem, array)
    return ndb.open(stem)


def b2nd(stem, array):
    path = str(stem.with_suffix(".b2nd"))
    stores.b2_write(path, array)
    return stores.b2_open(path)


def tensorstore(stem, array):
    if module("tensorstore") is None:
        return None
    path = str(stem.with_suffix(".zarr"))
    stores.ts_write(path, array)
    return stores.TsIndex(path)
