"""L: arrays that do not lie as their bytes shall: transposed, strided, reversed, of the other byte order, records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import ndbytes as ndb
import numpy as np

from .figures import MiB
from .measure import calls
from .memory import copyto, touched
from .run import Contender, Run

QUICK = ("f8 2048x4096", "u1 2048x2048", "::2, ::3] f8", ">f8")


@dataclass(frozen=True, kw_only=True)
class Layout(Contender):
    #: Anything with a buffer that holds the items in C order and native byte order.
    run: Callable[[np.ndarray], Any]
    #: Only where the items have the other byte order.
    swaps: bool = False


def section(run: Run):
    for label, array in layouts():
        if run.quick and not any(part in label for part in QUICK):
            continue
        wanted = native(array).tobytes()
        cases = {}
        for contender in run.here("L", LAYOUT):
            if contender.swaps and is_native(array):
                continue
            try:
                if memoryview(contender.run(array)).cast("B") != wanted:
                    raise ValueError("the bytes differ")
                cases[contender.name] = calls(lambda c=contender: c.run(array))
            except Exception as error:
                run.record.miss("L", label, contender.name, error)
        samples = run.compare(cases, run.effort(budget=1.0, at_most=11))
        run.record.add("L", label, samples, array.nbytes, "a.tobytes()")


def layouts() -> Iterator[tuple[str, np.ndarray]]:
    rng = np.random.default_rng(2)
    f8, f8_odd = rng.random((2048, 4096)), rng.random((2900, 2900))
    f4, f4_odd = rng.random((4096, 4096), np.float32), rng.random((4100, 4100), np.float32)
    u1, u1_odd = rng.integers(0, 256, (8192, 8192), np.uint8), rng.integers(0, 256, (8200, 8200), np.uint8)
    yield "F to C u1 2048x2048", u1[:2048, :2048].copy().T
    yield "F to C f8 2048x4096", f8.T
    yield "F to C f8 2900x2900", f8_odd.T
    yield "F to C f4 4096x4096", f4.T
    yield "F to C f4 4100x4100", f4_odd.T
    yield "F to C u1 8192x8192", u1.T
    yield "F to C u1 8200x8200", u1_odd.T
    yield "F to C f4 256x256", f4[:256, :256].copy().T
    cube = rng.random((256, 256, 128))
    for axes in ((2, 1, 0), (1, 0, 2), (0, 2, 1), (2, 0, 1)):
        yield f"f8 256x256x128 axes {axes}", cube.transpose(axes)
    images = rng.integers(0, 256, (16, 1080, 1280, 3), np.uint8)
    yield "NHWC to NCHW u1 16x1080x1280x3", images.transpose(0, 3, 1, 2)
    yield "NCHW to NHWC u1 16x3x1080x1280", np.ascontiguousarray(images.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    big8 = rng.random((4096, 8192))
    yield "a[::2, ::3] f8", big8[::2, ::3]
    yield "a[:, 100:4196] f8 (crop)", big8[:2048, 100:4196]
    big4 = rng.random((8192, 8192), np.float32)
    yield "a[::2, ::3] f4", big4[::2, ::3]
    yield "a[:, ::2] f4", big4[:, ::2]
    yield "a[:, ::3] u1", rng.integers(0, 256, (12288, 8192), np.uint8)[:, ::3]
    yield "a[::-1, ::-1] f4", f4[::-1, ::-1]
    yield ">f8 to native 64 MiB", rng.random(8 * MiB).astype(">f8")
    yield ">f4 to native 64 MiB", f4.astype(">f4").ravel()
    yield ">i2 to native 64 MiB", u1.view(">i2").ravel()
    record = records(2 * MiB)
    yield "records, whole, 80 MiB", record
    yield "one field of them, rec['x']", record["x"]


def records(count: int) -> np.ndarray:
    fields = [("t", "<i8"), ("x", "<f8"), ("y", "<f8"), ("flag", "u1"), ("id", "<u4")]
    array = np.zeros(count, np.dtype(fields, align=True))
    array["t"], array["x"], array["id"] = np.arange(count), np.random.default_rng(5).random(count), 7
    return array


def is_native(array) -> bool:
    return array.dtype == array.dtype.newbyteorder("=")


def native(array) -> np.ndarray:
    return array if is_native(array) else array.astype(array.dtype.newbyteorder("="))


def as_contiguous(array):
    return np.ascontiguousarray(array, array.dtype.newbyteorder("="))


def ours(array, **options):
    return ndb.tobytes(array, **options) if is_native(array) else ndb.tobytes(array, byteorder="=", **options)


LAYOUT = [
    Layout(name="ndb.tobytes", run=ours),
    Layout(name="ndb.tobytes, one thread", run=lambda a: ours(a, threads=1)),
    Layout(name="ndb.tobytes(out=), touched", run=lambda a: ours(a, out=touched(a))),
    Layout(name="a.tobytes()", run=lambda a: native(a).tobytes()),
    Layout(name="np.ascontiguousarray", run=as_contiguous),
    Layout(name="ascontiguousarray, tobytes", run=lambda a: as_contiguous(a).tobytes()),
    Layout(name="byteswap, tobytes", run=lambda a: a.byteswap().tobytes(), swaps=True),
    Layout(name="np.copyto, touched", run=copyto),
]
