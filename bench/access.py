"""F: parts of a large stored array, the page cache warm."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ndbytes as ndb
import numpy as np

from . import stores
from .data import load
from .files import np_save
from .figures import MiB
from .measure import calls, same
from .run import Contender, Run, files_of, remove


@dataclass(frozen=True, kw_only=True)
class Store(Contender):
    write: Callable[[str, np.ndarray], None]
    open: Callable[[str], Any]
    rows: Callable[[Any, np.ndarray], np.ndarray] = lambda opened, at: opened[at]


@dataclass(frozen=True, kw_only=True)
class Job:
    name: str
    #: From a way to read rows and the opened array to a list of arrays.
    read: Callable[[Callable, Any], list]
    nbytes: int
    #: Reads in one call.
    times: int = 1


def section(run: Run):
    small = load(run, "F", "walk3d_f32")
    if small is None:
        return
    by = 1 if run.quick else 2
    cube = np.repeat(np.repeat(np.repeat(small, by, 0), by, 1), by, 2)
    # Without repeats, as no real array has them.
    cube += np.random.default_rng(3).standard_normal(cube.shape, dtype=np.float32)
    one_array(run, f"{cube.nbytes // MiB} MiB f4, {cube.ndim}-D", cube, cubes(cube))
    rows = cube.reshape(-1, 1024)
    one_array(run, f"{cube.nbytes // MiB} MiB f4, rows of 4 KiB", rows, rows_of(rows))


def cubes(array) -> list[Job]:
    side = array.shape[0]
    corners = np.random.default_rng(4).integers(0, side - 100, (4, 3))
    keys = [tuple(slice(int(at), int(at) + 100) for at in corner) for corner in corners]
    return [
        Job(name="a[i:i+100, j:j+100, k:k+100]", read=lambda rows, a: [a[key] for key in keys], nbytes=4_000_000, times=4),
        Job(name="a[:, :, k]", read=lambda rows, a: [a[:, :, 7]], nbytes=side * side * 4),
    ]


def rows_of(array) -> list[Job]:
    some = np.sort(np.random.default_rng(4).choice(array.shape[0], 1000, replace=False))
    return [
        Job(name="1000 random rows", read=lambda rows, a: [rows(a, some)], nbytes=1000 * 4096),
        Job(name="one row", read=lambda rows, a: [a[int(some[500])]], nbytes=4096),
    ]


def one_array(run: Run, label: str, array: np.ndarray, jobs: list[Job]):
    opened, extra, stems = {}, {}, []
    for number, store in enumerate(run.here("F", STORES)):
        stem = run.work / f"f{number}.npy"
        stems.append(stem)
        try:
            remove(stem)
            start = time.perf_counter()
            store.write(str(stem), array)
            took = time.perf_counter() - start
            size = sum(file.stat().st_size for file in files_of(stem))
            extra[store.name] = {"build_s": took, "size": size, "comp": array.nbytes / size}
            opened[store.name] = store, store.open(str(stem))
        except Exception as error:
            run.record.miss("F", label, store.name, error)
    os.sync()
    for job in jobs:
        wanted = job.read(lambda a, at: a[at], array)
        cases = {}
        for name, (store, handle) in opened.items():
            try:
                if not all(same(got, want) for got, want in zip(job.read(store.rows, handle), wanted, strict=True)):
                    raise ValueError("what was read differs")
                cases[name] = calls(lambda s=store, h=handle, j=job: [np.array(part) for part in j.read(s.rows, h)])
            except Exception as error:
                run.record.miss("F", f"{label}: {job.name}", name, error)
        samples = run.compare(cases, run.effort(budget=3, at_most=11))
        each = {name: [taken / job.times for taken in seconds] for name, seconds in samples.items()}
        run.record.add("F", f"{label}: {job.name}", each, job.nbytes, "np.load(mmap_mode='r')", extra)
    opened.clear()
    for stem in stems:
        remove(stem)


def orthogonal(opened, at):
    return opened.oindex[at]


STORES = [
    Store(name="ndb.open", write=ndb.save, open=ndb.open),
    Store(name="ndb.load(mmap='r')", write=ndb.save, open=lambda p: ndb.load(p, mmap="r")),
    Store(name="np.load(mmap_mode='r')", write=np_save, open=lambda p: np.load(p, mmap_mode="r")),
    Store(name="h5py contiguous", needs="h5py", write=stores.h5_write, open=stores.h5_open),
    Store(name="h5py shuffle+gzip 4", needs="h5py", write=stores.h5_gzip, open=stores.h5_open),
    Store(name="zarr v3 sharded zstd 3", needs="zarr", write=stores.zarr_zstd("zarr"), open=stores.zarr_open("zarr"), rows=orthogonal),
    Store(name="zarr v3 sharded zstd 3, zarrs", needs="zarr zarrs", write=stores.zarr_zstd("zarrs"), open=stores.zarr_open("zarrs"),
          rows=orthogonal),
    Store(name="b2nd default", needs="blosc2", write=stores.b2_write, open=stores.b2_open),
    Store(name="tensorstore zarr3 zstd 3", needs="tensorstore", write=stores.ts_write, open=stores.TsIndex),
]
