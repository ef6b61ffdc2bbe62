"""Archives and zlib streams on two threads, beside NumPy's and Python's."""

from __future__ import annotations

import statistics
import subprocess
import sys
import zlib
from pathlib import Path

import ndbytes as ndb
import ndbytes.numpy as npio
import numpy as np

from .. import data
from ..figures import MiB, Samples, ratio
from ..measure import Effort, interleave, statement
from ..run import Run, remove
from .goal import Goal, measure, one, row, told

GROUP = "npz"
QUICK = ("real_ecg_u16", "real_face_u8", "timestamps_i64")
#: Bytes of a set, at most: NumPy takes a second for so many.
MOST = 16 * MiB

#: What is written, and where; the peer first.
WRITE = {
    "peer": "np.savez_compressed(q, **d)",
    "save": "ndb.save(p, d, threads=2)",
    "savez_compressed": "npio.savez_compressed(n, **d)",
    "save at level 1": "ndb.save(f, d, level=1, threads=2)",
}
READ = {"peer": "read(np, q)", "ours": "read(ndb, p)", "NumPy's": "read(ndb, q)"}
STREAM = {
    "peer": "zlib.compress(a.tobytes(), 6)",
    "stream": "ndb.zlib.compress(a, threads=2)",
    "stream at level 1": "ndb.zlib.compress(a, level=1, threads=2)",
}
UNSTREAM = {
    "peer": "np.frombuffer(zlib.decompress(theirs), a.dtype).reshape(a.shape).copy()",
    "our stream": "ndb.zlib.decompress(ours, dtype=a.dtype, shape=a.shape)",
    "zlib's stream": "ndb.zlib.decompress(theirs, dtype=a.dtype, shape=a.shape)",
}
#: What is judged over all sets: the key, what it is called, how, and what is wanted.
OVER_ALL = [
    ("save", "save", statistics.median, 5),
    ("savez_compressed", "savez_compressed", statistics.median, 5),
    ("save at level 1", "save at level 1", statistics.geometric_mean, 10),
    ("ours", "load of ours", statistics.geometric_mean, 2.8),
    ("NumPy's", "load of NumPy's", statistics.geometric_mean, 1.5),
    ("stream", "zlib stream", statistics.median, 5),
    ("stream at level 1", "zlib stream at level 1", statistics.geometric_mean, 10),
    ("our stream", "out of our zlib stream", statistics.geometric_mean, 2.8),
    ("zlib's stream", "out of zlib's stream", statistics.geometric_mean, 1.5),
]
#: Of these no set may be slower than twice the peer, or larger by a fiftieth.
EACH, LARGER = ("save", "savez_compressed", "stream"), 1.02


def section(run: Run):
    found: dict[str, list[float]] = {}
    for name in QUICK if run.quick else data.names():
        try:
            one_set(run, name, found)
        except Exception as error:
            missing(run, f"{name}: all", error)
    for key, what, mean, wanted in OVER_ALL:
        judge(run, Goal(f"{what}, of all sets", (WRITE | READ | STREAM | UNSTREAM)[key], "", wanted, dict), mean(found[key]) if key in found else None)
    measure(run, GROUP, stored(run.work))
    slices(run)


def one_set(run: Run, name: str, found: dict[str, list[float]]):
    a = part(data.load(run, "Z", name))
    forms = {"one array": {"a": a}, "eight arrays": {f"a{n}": each for n, each in enumerate(np.array_split(a, 8))}}
    effort = Effort(3 if run.quick else run.rounds, budget=1, at_most=11, sample=0.001)
    for form, d in forms.items():
        p, q, n, f = (run.work / f"npz-{side}.npz" for side in "pqnf")
        names = {"np": np, "ndb": ndb, "npio": npio, "read": read, "d": d, "p": p, "q": q, "n": n, "f": f}
        times = timed(WRITE, names, effort)
        for path in (p, n, f):
            same(d, path)
        keep(run, found, f"{name}, {form}", WRITE, times)
        larger(run, f"{name}, {form}: size", "ndb.save", p.stat().st_size / q.stat().st_size)
        keep(run, found, f"{name}, {form}", READ, timed(READ, names, effort))
        remove(run.work / "npz-")
    names = {"np": np, "ndb": ndb, "zlib": zlib, "a": a, "ours": ndb.zlib.compress(a, threads=2), "theirs": zlib.compress(a.tobytes(), 6)}
    if zlib.decompress(names["ours"]) != a.tobytes():
        raise ValueError("zlib reads something else in our stream")
    keep(run, found, name, STREAM, timed(STREAM, names, effort))
    larger(run, f"{name}: size of the stream", "ndb.zlib.compress", len(names["ours"]) / len(names["theirs"]))
    if not all(np.array_equal(eval(line, names), a, equal_nan=a.dtype.kind == "f") for line in UNSTREAM.values()):
        raise ValueError("the array is another one out of its stream")
    keep(run, found, name, UNSTREAM, timed(UNSTREAM, names, effort))


def part(a: np.ndarray) -> np.ndarray:
    """As many rows of a set as may be."""
    rows = max(1, MOST // max(1, a[:1].nbytes))
    return np.ascontiguousarray(a[:rows])


def read(package, path) -> list[np.ndarray]:
    with package.load(path) as archive:
        return [archive[key] for key in archive]


def same(d: dict, path: Path):
    """NumPy reads the very arrays."""
    with np.load(path) as archive:
        if list(archive) != list(d) or any(archive[key].tobytes() != a.tobytes() for key, a in d.items()):
            raise ValueError(f"NumPy reads something else in {path.name}")


def timed(lines: dict[str, str], names: dict, effort: Effort) -> Samples:
    return interleave({case: statement(line, names) for case, line in lines.items()}, effort)


def keep(run: Run, found: dict[str, list[float]], name: str, lines: dict[str, str], times: Samples):
    """Takes the ratios for what is judged over all sets, and judges those that every set must reach."""
    for case in lines.keys() - {"peer"}:
        measured = ratio(times[case], times["peer"])
        found.setdefault(case, []).append(measured)
        if case in EACH:
            judge(run, Goal(f"{name}: {case}", lines[case], lines["peer"], 2, dict), measured)


def larger(run: Run, name: str, ours: str, measured: float):
    judge(run, Goal(name, ours, "level 6 of zlib", LARGER, dict, unit="x its size"), measured)


def judge(run: Run, goal: Goal, measured: float | None):
    if measured is None:
        return missing(run, goal.name, "no set was measured")
    run.record.goals.append(row(GROUP, goal, measured))
    print("  " + told(run.record.goals[-1]), flush=True)


def missing(run: Run, name: str, why):
    run.record.goals.append(row(GROUP, Goal(name, "", "", 1, dict)) | {"why": str(why)[:200]})
    print("  " + told(run.record.goals[-1]), flush=True)


def stored(work: Path) -> list[Goal]:
    """Members that are stored, beside a .npy of 256 MiB."""

    def arrays() -> dict:
        a = np.random.default_rng(7).random(32 << 20)
        p, q = work / "stored.npz", work / "stored.npy"
        ndb.save(p, {"a": a}, codec="stored")
        np.save(q, a)
        return {"a": a, "p": p, "q": q}

    exact = "np.array_equal(np.load(p)['a'], a) and np.array_equal(ndb.load(p, mmap='r')['a'], np.load(q))"
    new = "p.unlink(missing_ok=True); q.unlink(missing_ok=True)"
    mapped = "ndb.load(p, mmap='r')['a'].sum()", "np.load(q, mmap_mode='r').sum()"
    return [
        Goal("stored: mapped and summed", *mapped, 0.95, arrays, check=exact, nbytes=256 * MiB, big=True),
        Goal("stored: save", "ndb.save(p, {'a': a}, codec='stored')", "np.save(q, a)", 0.95, arrays, check=exact, before=new, nbytes=256 * MiB, big=True),
    ]


CHILD = """
import sys, numpy as np, ndbytes as ndb
from bench.measure import status
path = sys.argv[1]
with open("/proc/self/clear_refs", "w") as peak: peak.write("5")
before = status("VmRSS")
with ndb.open(path, member="a") as h: found = h[175_000_000:175_262_144]
assert found.nbytes == 1 << 20
print(status("VmHWM") - before)
"""


def slices(run: Run):
    """A MiB out of a deflated GiB."""
    if run.quick:
        return
    try:
        a = np.resize(data.load(run, "Z", "walk3d_f32").reshape(-1), 1 << 28)
        path = run.work / "slice.npz"
        ndb.save(path, {"a": a})
        line = "ndb.open(path, member='a')[175_000_000:175_262_144]"
        goal = Goal("1 MiB of a deflated GiB, opening included", line, "", 20_000, dict, unit="µs",
                    check=f"np.array_equal({line}, a[175_000_000:175_262_144])")
        one(run, GROUP, goal, {"np": np, "ndb": ndb, "path": path, "a": a})
        print("  " + told(run.record.goals[-1]), flush=True)
        child = subprocess.run([sys.executable, "-c", CHILD, path], cwd=Path(__file__).parents[2], check=True, capture_output=True, text=True)
        judge(run, Goal("1 MiB of a deflated GiB: peak of memory", line, "", 32, dict, unit="MiB"), int(child.stdout) / MiB)
    except Exception as error:
        missing(run, "1 MiB of a deflated GiB", error)
