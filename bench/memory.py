"""A: contiguous arrays to bytes in memory. B: bytes to arrays."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ndbytes as ndb
import numpy as np

from .figures import KiB, MiB, size_label
from .measure import calls, same
from .run import Contender, Run, lazy, module

SIZES = [1 * KiB, 64 * KiB, 1 * MiB, 64 * MiB, 512 * MiB]
QUICK = [1 * KiB, 1 * MiB, 64 * MiB]


@dataclass(frozen=True, kw_only=True)
class Memory(Contender):
    dump: Callable[[np.ndarray], Any]
    #: What was dumped, and an array of the same dtype and shape for those that do not tell these themselves.
    load: Callable[[Any, np.ndarray], np.ndarray]
    #: Which of the two are measured.
    directions: str = "AB"
    #: Also at 512 MiB.
    big: bool = False


def section(run: Run):
    rng = np.random.default_rng(1)
    for nbytes in QUICK if run.quick else SIZES:
        array = rng.random(nbytes // 8)
        label = f"{size_label(nbytes)} f8"
        cases = {"A": {}, "B": {}}
        for contender in run.here("A", MEMORY):
            if nbytes > 64 * MiB and not contender.big:
                run.record.miss("A", label, contender.name, "not at this size")
                continue
            try:
                dumped = contender.dump(array)
                if not same(contender.load(dumped, array), array):
                    raise ValueError("the round trip is not exact")
            except Exception as error:
                run.record.miss("A", label, contender.name, error)
                continue
            if "A" in contender.directions:
                cases["A"][contender.name] = calls(lambda c=contender: c.dump(array))
            if "B" in contender.directions:
                cases["B"][contender.name] = calls(lambda c=contender, d=dumped: c.load(d, array))
        run.record.add("A", label, run.compare(cases["A"]), nbytes, "a.tobytes() / np.frombuffer")
        run.record.add("B", label, run.compare(cases["B"]), nbytes, "np.frombuffer and copy")


def frombuffer(data, array):
    return np.frombuffer(data, array.dtype).reshape(array.shape)


_touched: dict = {}


def touched(array: np.ndarray) -> np.ndarray:
    """Memory for an array's native items that was written to before: what a caller's own buffer is."""
    key = (array.shape, array.dtype.str)
    if key not in _touched:
        _touched.clear()
        _touched[key] = np.zeros(array.shape, array.dtype.newbyteorder("="))
    return _touched[key]


def copyto(array):
    out = touched(array)
    np.copyto(out, array)
    return out


def save_to_memory(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getbuffer()


def pickle_out_of_band(array):
    buffers = []
    return pickle.dumps(array, 5, buffer_callback=buffers.append), buffers


def arrow_dump(array):
    arrow = module("pyarrow")
    sink = arrow.BufferOutputStream()
    arrow.ipc.write_tensor(arrow.Tensor.from_numpy(array), sink)
    return sink.getvalue()


def arrow_load(data, _):
    arrow = module("pyarrow")
    return arrow.ipc.read_tensor(arrow.BufferReader(data)).to_numpy()


MEMORY = [
    Memory(name="ndb.tobytes / frombuffer", dump=ndb.tobytes, load=lambda d, a: ndb.frombuffer(d, a.dtype, a.shape), big=True),
    Memory(name="ndb.tobytes, one thread", dump=lambda a: ndb.tobytes(a, threads=1), load=frombuffer, directions="A", big=True),
    Memory(name="ndb.tobytes(out=), touched", dump=lambda a: ndb.tobytes(a, out=touched(a)), load=lambda d, a: d, directions="A", big=True),
    Memory(name="ndb.dumps / loads", dump=ndb.dumps, load=lambda d, a: ndb.loads(d), big=True),
    Memory(name="ndb.dumps / loads, one thread", dump=lambda a: ndb.dumps(a, threads=1), load=lambda d, a: ndb.loads(d, threads=1)),
    Memory(name="ndb.loads(copy=False)", dump=ndb.dumps, load=lambda d, a: ndb.loads(d, copy=False), directions="B"),
    Memory(name="ndb.loads(out=), touched", dump=ndb.dumps, load=lambda d, a: ndb.loads(d, out=touched(a)), directions="B"),
    Memory(name="a.tobytes() / np.frombuffer", dump=lambda a: a.tobytes(), load=frombuffer, big=True),
    Memory(name="np.frombuffer and copy", dump=lambda a: a.tobytes(), load=lambda d, a: frombuffer(d, a).copy(), directions="B", big=True),
    Memory(name="a.copy()", dump=lambda a: a.copy(), load=lambda d, a: d, directions="A", big=True),
    Memory(name="np.copyto, touched", dump=copyto, load=lambda d, a: d, directions="A", big=True),
    Memory(name="memoryview (no copy)", dump=lambda a: memoryview(a).cast("B"), load=frombuffer),
    Memory(name="pickle 5", dump=lambda a: pickle.dumps(a, 5), load=lambda d, a: pickle.loads(d), big=True),
    Memory(name="pickle 5 out-of-band", dump=pickle_out_of_band, load=lambda d, a: pickle.loads(d[0], buffers=d[1])),
    Memory(name="np.save BytesIO", dump=save_to_memory, load=lambda d, a: np.load(io.BytesIO(d))),
    Memory(name="safetensors", needs="safetensors.numpy", dump=lambda a: lazy("safetensors.numpy.save")({"a": a}),
           load=lambda d, a: lazy("safetensors.numpy.load")(d)["a"]),
    Memory(name="msgpack_numpy", needs="msgpack_numpy", dump=lazy("msgpack_numpy.packb"),
           load=lambda d, a: lazy("msgpack_numpy.unpackb")(d)),
    Memory(name="pyarrow tensor", needs="pyarrow", dump=arrow_dump, load=arrow_load),
    Memory(name="blosc2 clevel=0", needs="blosc2", dump=lambda a: lazy("blosc2.pack_tensor")(a, cparams={"clevel": 0}),
           load=lambda d, a: lazy("blosc2.unpack_tensor")(d)),
    Memory(name="blosc2 default", needs="blosc2", dump=lazy("blosc2.pack_tensor"),
           load=lambda d, a: lazy("blosc2.unpack_tensor")(d)),
    Memory(name="dask serialize_bytes", needs="distributed.protocol", dump=lazy("distributed.protocol.serialize_bytes"),
           load=lambda d, a: lazy("distributed.protocol.deserialize_bytes")(d)),
]
