"""Files beside NumPy's, the page cache warm, and the peak of resident memory."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import ndbytes as ndb
import numpy as np

from ..files import np_save
from ..figures import MiB
from ..run import Run
from .goal import Goal, row

NEW = "p.unlink(missing_ok=True); q.unlink(missing_ok=True)"
SAVED = "ndb.save(p, a) or np_save(q, a) or p.read_bytes() == q.read_bytes()"
CHECKED = "ndb.save(p, a, checksum=True) or np_save(q, a) or np.array_equal(np.load(p), a)"
READ = "np.array_equal(ndb.load(p), np.load(q)) and np.array_equal(ndb.load(c, require_checksum=True), a)"


def tables(work: Path) -> list[Goal]:
    """The goals, for files in a folder."""
    at_64, at_512 = arrays(work, 64 * MiB), arrays(work, 512 * MiB)
    save = functools.partial(Goal, peer="np_save(q, a)", check=SAVED, before=NEW)
    load = functools.partial(Goal, peer="np.load(q)", check=READ)
    usual, large = {"data": at_64, "nbytes": 64 * MiB}, {"data": at_512, "nbytes": 512 * MiB, "big": True}
    bare, checked = "ndb.save(p, a)", "ndb.save(p, a, checksum=True)"
    return [
        load("load 64 MiB", "ndb.load(p)", goal=0.95, **usual),
        load("load 64 MiB, checked", "ndb.load(c, require_checksum=True)", goal=0.9, **usual),
        save("save 64 MiB", bare, goal=1.0, **usual),
        save("save 64 MiB over an old file", bare, goal=1.0, **usual | {"before": "pass"}),
        save("save 64 MiB, checked", checked, goal=0.9, check=CHECKED, **usual),
        save("save f4 256x256x256 (2,0,1)", "ndb.save(p, b)", peer="np_save(q, b)", goal=4,
             check="ndb.save(p, b) or np.array_equal(np.load(p), b)", **usual),
        load("load 512 MiB", "ndb.load(p)", goal=0.95, **large),
        load("load 512 MiB, checked", "ndb.load(c, require_checksum=True)", goal=0.9, **large),
        save("save 512 MiB", bare, goal=1.0, **large),
        save("save 512 MiB, checked", checked, goal=0.9, check=CHECKED, **large),
    ]


def arrays(work: Path, nbytes: int) -> Callable[[], dict]:
    def data() -> dict:
        a = np.random.default_rng(4).random(nbytes // 8)
        b = np.random.default_rng(5).random((256, 256, 256), np.float32).transpose(2, 0, 1)
        p, q, c = (work / name for name in ("goal-ours.npy", "goal-theirs.npy", "goal-checked.npy"))
        ndb.save(p, a)
        ndb.save(c, a, checksum=True)
        np_save(q, a)
        return {"a": a, "b": b, "p": p, "q": q, "c": c, "np_save": np_save}

    return data


#: What a child does between two looks at its memory; the array is in neither where it is loaded.
PEAKS = {
    "save 64 MiB": ("a = np.ones(8 << 20)", "ndb.save(path, a)"),
    "save 64 MiB, checked": ("a = np.ones(8 << 20)", "ndb.save(path, a, checksum=True)"),
    "save f4 256x256x256 (2,0,1)": ("a = np.ones((256, 256, 256), 'f4').transpose(2, 0, 1)", "ndb.save(path, a)"),
    "load 64 MiB": ("np.save(path, np.ones(8 << 20))", "a = ndb.load(path)"),
    "load 64 MiB, checked": ("ndb.save(path, np.ones(8 << 20), checksum=True)", "a = ndb.load(path, require_checksum=True)"),
}
CHILD = """
import sys, numpy as np, ndbytes as ndb
from bench.measure import status
path = sys.argv[1]
ndb.save(path, np.ones(1000)); ndb.load(path)
before = status("VmRSS")
{made}
with open("/proc/self/clear_refs", "w") as peak: peak.write("5")
{done}
print(status("VmHWM") - before)
"""


def peaks(run: Run):
    """The array itself is in the peak: what is over it is judged."""
    for name, (made, done) in PEAKS.items():
        goal = Goal(f"{name}: peak of memory over the array's 64 MiB", done, "", 16, dict, unit="MiB", nbytes=64 * MiB)
        try:
            child = [sys.executable, "-c", CHILD.format(made=made, done=done), run.work / "goal-peak.npy"]
            told = subprocess.run(child, cwd=Path(__file__).parents[2], check=True, capture_output=True, text=True).stdout
            run.record.goals.append(row("Files", goal, int(told) / MiB - 64))
        except Exception as error:
            run.record.goals.append(row("Files", goal) | {"why": f"{type(error).__name__}: {error}"[:200]})
