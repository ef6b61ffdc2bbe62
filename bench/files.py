"""C: files, written and read with the page cache warm; their size, how many, and the peak of resident memory."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import ndbytes as ndb
import numpy as np

from . import stores
from .data import load
from .measure import calls, peak_rss, same
from .run import Contender, Run, files_of, lazy, module, remove

SETS = ["walk3d_f32", "real_diamonds_f64"]
#: Compressing takes all of their time, whatever the disk does.
NOT_SYNCED = ("np.savez_compressed", "joblib zlib 3", "h5py shuffle+gzip 4", "np.save / np.load mmap + sum")


@dataclass(frozen=True, kw_only=True)
class File(Contender):
    write: Callable[[str, np.ndarray], None]
    read: Callable[[str, np.ndarray], np.ndarray]
    #: Left out of a quick run.
    slow: bool = False


def section(run: Run):
    for name in SETS[1:] if run.quick else SETS:
        array = load(run, "C", name)
        if array is not None:
            one_set(run, name, array)


def one_set(run: Run, name: str, array: np.ndarray):
    writes, syncs, reads, setups, extra, stems = {}, {}, {}, {}, {}, []
    for number, contender in enumerate(run.here("C", FILES)):
        if run.quick and contender.slow:
            run.record.miss("C", name, contender.name, "not in a quick run")
            continue
        stem = run.work / f"c{number}.npy"
        stems.append(stem)
        try:
            extra[contender.name] = probe(contender, stem, array)
        except Exception as error:
            run.record.miss("C", name, contender.name, error)
            continue
        setups[contender.name] = lambda s=stem: remove(s)
        writes[contender.name] = calls(lambda c=contender, s=stem: c.write(str(s), array))
        reads[contender.name] = calls(lambda c=contender, s=stem: c.read(str(s), array))
        if contender.name not in NOT_SYNCED:
            syncs[contender.name] = calls(lambda c=contender, s=stem: (c.write(str(s), array), sync(s)))
    os.sync()
    effort, ref = run.effort(budget=2, at_most=11), "np.save / np.load"
    run.record.add("C", f"{name} write, cached", run.compare(writes, effort, setups), array.nbytes, ref, extra)
    run.record.add("C", f"{name} read, cached", run.compare(reads, effort), array.nbytes, ref, extra)
    if run.quick:
        run.record.miss("C", f"{name} write + fsync", "all", "not in a quick run")
    else:
        run.record.add("C", f"{name} write + fsync", run.compare(syncs, effort, setups), array.nbytes, ref, extra)
    for stem in stems:
        remove(stem)


def probe(contender: File, stem: Path, array: np.ndarray) -> dict:
    """Writes it once and reads it back: what it takes, and that it is exact."""
    remove(stem)
    write_peak = peak_rss(lambda: contender.write(str(stem), array))
    files = list(files_of(stem))
    size = sum(file.stat().st_size for file in files)
    if not same(contender.read(str(stem), array), array):
        raise ValueError("the round trip is not exact")
    read_peak = peak_rss(lambda: contender.read(str(stem), array))
    return {"size": size, "comp": array.nbytes / size, "files": len(files), "rss_write": write_peak, "rss_read": read_peak}


def sync(stem: Path):
    for path in files_of(stem):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def summed(array: np.ndarray) -> np.ndarray:
    """A mapped array, every page of it looked at."""
    array.sum()
    return array


def np_save(path, array):
    with open(path, "wb") as file:
        np.save(file, array)


def npz_load(path, _):
    with np.load(path + ".npz") as archive:
        return archive["a"]


def pickle_dump(path, array):
    with open(path, "wb") as file:
        pickle.dump(array, file, 5)


def pickle_load(path, _):
    with open(path, "rb") as file:
        return pickle.load(file)


def arrow_write(path, array):
    arrow = module("pyarrow")
    with arrow.OSFile(path, "wb") as file:
        arrow.ipc.write_tensor(arrow.Tensor.from_numpy(array), file)


def arrow_read(path, _):
    arrow = module("pyarrow")
    with arrow.memory_map(path) as file:
        return summed(arrow.ipc.read_tensor(file).to_numpy())


FILES = [
    File(name="ndb.save / load", write=ndb.save, read=lambda p, a: ndb.load(p)),
    File(name="ndb.save / load mmap + sum", write=ndb.save, read=lambda p, a: summed(ndb.load(p, mmap="r"))),
    File(name="ndb.save / load, checked", write=lambda p, a: ndb.save(p, a, checksum=True),
         read=lambda p, a: ndb.load(p, require_checksum=True)),
    File(name="ndb.save / load .ndb", write=lambda p, a: ndb.save(p + ".ndb", a), read=lambda p, a: ndb.load(p + ".ndb")),
    File(name="ndb.tofile / fromfile", write=lambda p, a: ndb.tofile(a, p), read=lambda p, a: ndb.fromfile(p, a.dtype, a.shape)),
    File(name="ndb.save / load .npz", write=lambda p, a: ndb.save(p + ".npz", {"a": a}), read=lambda p, a: ndb.load(p + ".npz")["a"]),
    File(name="a.tofile / np.fromfile", write=lambda p, a: a.tofile(p), read=lambda p, a: np.fromfile(p, a.dtype).reshape(a.shape)),
    File(name="np.save / np.load", write=np_save, read=lambda p, a: np.load(p)),
    File(name="np.save / np.load mmap + sum", write=np_save, read=lambda p, a: summed(np.load(p, mmap_mode="r"))),
    File(name="np.savez", write=lambda p, a: np.savez(p + ".npz", a=a), read=npz_load),
    File(name="np.savez_compressed", write=lambda p, a: np.savez_compressed(p + ".npz", a=a), read=npz_load),
    File(name="pickle 5", write=pickle_dump, read=pickle_load),
    File(name="safetensors", needs="safetensors.numpy", write=lambda p, a: lazy("safetensors.numpy.save_file")({"a": a}, p),
         read=lambda p, a: lazy("safetensors.numpy.load_file")(p)["a"]),
    File(name="pyarrow tensor / mmap + sum", needs="pyarrow", write=arrow_write, read=arrow_read),
    File(name="joblib zlib 3", needs="joblib", write=lambda p, a: lazy("joblib.dump")(a, p, compress=("zlib", 3)),
         read=lambda p, a: lazy("joblib.load")(p), slow=True),
    File(name="h5py contiguous", needs="h5py", write=stores.h5_write, read=stores.h5_read),
    File(name="h5py shuffle+gzip 4", needs="h5py", write=stores.h5_gzip, read=stores.h5_read, slow=True),
    File(name="h5py blosc2 zstd5 bitshuffle", needs="h5py hdf5plugin", write=stores.h5_blosc, read=stores.h5_read),
    File(name="zarr v3 default", needs="zarr", write=stores.zarr_write, read=stores.zarr_read),
    File(name="zarr v3 sharded", needs="zarr", write=stores.zarr_sharded, read=stores.zarr_read),
    File(name="zarr v3 sharded, zarrs pipeline", needs="zarr zarrs", write=lambda p, a: stores.zarr_sharded(p, a, "zarrs"),
         read=lambda p, a: stores.zarr_read(p, a, "zarrs")),
    File(name="blosc2.save_array", needs="blosc2", write=lambda p, a: lazy("blosc2.save_array")(a, p, mode="w"),
         read=lambda p, a: lazy("blosc2.load_array")(p)),
    File(name="b2nd default", needs="blosc2", write=stores.b2_write, read=stores.b2_read),
    File(name="b2nd clevel=0", needs="blosc2", write=lambda p, a: stores.b2_write(p, a, clevel=0), read=stores.b2_read),
    File(name="tensorstore zarr3 zstd 3", needs="tensorstore", write=stores.ts_write, read=stores.ts_read),
]
