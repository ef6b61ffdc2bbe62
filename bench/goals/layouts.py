"""Other layouts and byte orders to bytes: named ones of 64 MiB, and a sweep of random ones."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import ndbytes as ndb
import numpy as np

from ..figures import KiB, MiB, ratio
from ..measure import Effort, interleave, statement
from ..run import Run
from .goal import Goal, row

OURS, PEER = "ndb.tobytes(a, threads=1)", "a.tobytes()"


def random(dtype: str, shape: tuple[int, ...], view: Callable[[np.ndarray], np.ndarray]):
    """A view of random bytes, as items of a dtype."""

    def data() -> dict:
        items = np.random.default_rng(2).bytes(int(np.prod(shape)) * np.dtype(dtype).itemsize)
        return {"a": view(np.frombuffer(items, dtype).reshape(shape))}

    return data


def layout(name: str, goal: float, dtype: str, shape: tuple[int, ...], view, nbytes: int = 64 * MiB) -> Goal:
    return Goal(f"{dtype} {name}", OURS, PEER, goal, random(dtype, shape, view), nbytes=nbytes, alone=True)


def transposed(a):
    return a.T


def axes(*order):
    return lambda a: a.transpose(order)


CUBE, IMAGE = 8 * 200**3, 4000 * 5000 * 3
LAYOUTS = [
    layout("8192x8192 .T", 18, "u1", (8192, 8192), transposed),
    layout("4096x8192 .T", 11, "u2", (4096, 8192), transposed),
    layout("4096x4096 .T", 7.5, "f4", (4096, 4096), transposed),
    layout("2048x4096 .T", 7, "f8", (2048, 4096), transposed),
    layout("256x256x256 (2,0,1)", 6.5, "f4", (256, 256, 256), axes(2, 0, 1)),
    layout("256x256x256 (2,1,0)", 6.5, "f4", (256, 256, 256), axes(2, 1, 0)),
    layout("200x200x200 (2,0,1)", 3.5, "f8", (200, 200, 200), axes(2, 0, 1), CUBE),
    layout("200x200x200 (2,1,0)", 5, "f8", (200, 200, 200), axes(2, 1, 0), CUBE),
    layout("4000x5000x3, HWC to CHW", 4, "u1", (4000, 5000, 3), axes(2, 0, 1), IMAGE),
    layout("3x4000x5000, CHW to HWC", 3.5, "u1", (3, 4000, 5000), axes(1, 2, 0), IMAGE),
    layout("[64:4160, 64:4160] of 4224x4224", 2.8, "f4", (4224, 4224), lambda a: a[64:4160, 64:4160]),
    layout("[::-1, ::-1] of 4096x4096", 2.8, "f4", (4096, 4096), lambda a: a[::-1, ::-1]),
    layout("[::-1] of 16 Mi items", 2.8, "f4", (16 * MiB,), lambda a: a[::-1]),
    layout("one row broadcast to 4096x4096", 2.8, "f4", (1, 4096), lambda a: np.broadcast_to(a, (4096, 4096))),
    layout("one column broadcast to 4096x4096", 2.8, "f4", (4096, 1), lambda a: np.broadcast_to(a, (4096, 4096))),
    layout("[:, ::2] of 4096x8192", 2.8, "f4", (4096, 8192), lambda a: a[:, ::2]),
    layout("[::2, ::3] of 4096x4096", 1.2, "f8", (4096, 4096), lambda a: a[::2, ::3], 2048 * 1366 * 8),
]

RECORD = np.dtype([("t", ">i8"), ("x", ">f4"), ("y", ">f4"), ("n", ">u2"), ("flags", "u1", 6)])


def swapped(dtype: str):
    return lambda: {"a": np.frombuffer(np.random.default_rng(3).bytes(64 * MiB), dtype)}


def big_records() -> dict:
    a = np.zeros(64 * MiB // RECORD.itemsize, RECORD)
    a["t"], a["x"], a["n"] = np.arange(a.size), np.arange(a.size), np.arange(a.size) % 1000
    return {"a": a, "little": RECORD.newbyteorder("<")}


def swap(dtype: str, to: str, goal: float) -> Goal:
    theirs = f"a.astype('{to}').tobytes()"
    return Goal(f"{dtype} to {to}, 64 MiB", "ndb.tobytes(a, byteorder='<', threads=1)", theirs, goal, swapped(dtype),
                check=f"ndb.tobytes(a, byteorder='<') == {theirs}", nbytes=64 * MiB, alone=True)


BYTE_ORDER = [
    swap(">f8", "<f8", 4.4),
    swap(">f4", "<f4", 4.4),
    swap(">i2", "<i2", 4.4),
    Goal("records of 24 bytes to little-endian, 64 MiB", "ndb.tobytes(a, byteorder='<', threads=1)", "a.astype(little).tobytes()", 3,
         big_records, check="ndb.tobytes(a, byteorder='<') == a.astype(little).tobytes()", nbytes=64 * MiB, alone=True),
]

NEVER_BELOW, WORST = 0.9, 5


def sweep(run: Run):
    """Random layouts of 16 KiB to 8 MiB; what is slower than NumPy at first is measured again, longer, and that counts."""
    rng = np.random.default_rng(300)
    found, count = [], 40 if run.quick else 300
    for _ in range(count):
        array, described = random_layout(rng)
        if ndb.tobytes(array, threads=1) != array.tobytes():
            raise ValueError(f"not exact: {described}")
        times = beside(array, Effort(rounds=3 if run.quick else 5, budget=0, sample=0.001))
        if times < 1:
            times = beside(array, Effort(rounds=11, budget=0, sample=0.004))
        found.append((times, described))
    found.sort()
    share = statistics.mean(times >= NEVER_BELOW for times, _ in found)
    goal = Goal(f"{count} random layouts: the share at {NEVER_BELOW}x of NumPy or more", OURS, PEER, 1.0, dict, unit="share", alone=True)
    worst = [{"layout": described, "x": times} for times, described in found[:WORST]]
    median = statistics.median(times for times, _ in found)
    run.record.goals.append(row("Layouts", goal, share) | {"worst": worst, "median_x": median, "rounds": count})


def beside(array: np.ndarray, effort: Effort) -> float:
    names = {"np": np, "ndb": ndb, "a": array}
    samples = interleave({side: statement(source, names, time.process_time) for side, source in (("ours", "ndb.tobytes(a)"), ("peer", PEER))}, effort)
    return ratio(samples["ours"], samples["peer"])


def random_layout(rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """A view with one to four axes: cut, stepped, reversed, broadcast and permuted by chance."""
    dtype = np.dtype(str(rng.choice(["u1", "u2", "f4", "f8", "c16"])))
    items, ndim = int(2 ** rng.uniform(14, 23)) // dtype.itemsize, int(rng.integers(1, 5))
    whole, view, shape = [], [], []
    for part in rng.dirichlet(np.ones(ndim)):
        length, edge, step = max(1, round(items**part)), int(rng.integers(0, 4)), int(rng.choice([1, 1, 1, 2, 3, -1, -2]))
        repeated = rng.random() < 0.08
        whole.append(1 if repeated else length * abs(step) + edge)
        view.append(slice(None) if repeated else slice(edge, None, step) if step > 0 else slice(None, edge - 1 if edge else None, step))
        shape.append(length if repeated else len(range(whole[-1])[view[-1]]))
    nbytes = [float(np.prod(sizes, dtype=float)) * dtype.itemsize for sizes in (whole, shape)]
    if nbytes[0] > 64 * MiB or not 16 * KiB <= nbytes[1] <= 16 * MiB:
        return random_layout(rng)
    memory = np.frombuffer(rng.bytes(int(nbytes[0])), dtype).reshape(whole)
    array = np.broadcast_to(memory[tuple(view)], shape).transpose(rng.permutation(ndim))
    return array, f"{dtype.str} shape {array.shape} strides {array.strides}"
