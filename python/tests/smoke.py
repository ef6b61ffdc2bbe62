"""Every public name of ndbytes once, with NumPy and nothing else beside it: run in the venvs of users.

`python smoke.py` prints the names that were exercised. A public name that has no check here is a failure.
"""

import asyncio
import faulthandler
import importlib
import importlib.util
import json
import multiprocessing
import pkgutil
import socket
import sys
import tempfile
from pathlib import Path

import numpy as np

import ndbytes as ndb

# A hang says where it was, and ends.
WATCHDOG_SECONDS = 20

A = np.arange(24, dtype=">i2").reshape(4, 6).T
BIG = np.arange(300_000, dtype="f8")
CHECKS = []


def exercises(*names):
    """The function under it calls these public names, given an empty folder."""

    def register(check):
        CHECKS.append((names, check))
        return check

    return register


def same(found, wanted):
    """Equal to the bit, with dtype, shape and order."""
    found = np.asarray(found)
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape), (found.dtype, found.shape)
    assert found.tobytes() == wanted.tobytes()


def raises(classes, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except classes as error:
        assert str(error)
        return error
    raise AssertionError(f"{call} raised nothing, not {classes}")


@exercises("tobytes", "frombuffer")
def memory(_):
    assert ndb.tobytes(A) == A.tobytes() and ndb.tobytes(BIG) == BIG.tobytes()
    same(ndb.frombuffer(ndb.tobytes(A), ">i2", (6, -1)), A)


@exercises("dumps", "loads")
def checked_bytes(_):
    for array in (A, BIG):
        same(ndb.loads(ndb.dumps(array)), array)


@exercises("save", "load")
def files(folder):
    for suffix in ("npy", "ndb", "npy.zz", "npy.gz"):
        for array in (A, BIG):
            ndb.save(folder / f"a.{suffix}", array)
            same(ndb.load(folder / f"a.{suffix}"), array)
    ndb.save(folder / "a.npy", A)
    same(np.load(folder / "a.npy"), A)


@exercises("tofile", "fromfile")
def headerless(folder):
    with open(folder / "a.raw", "wb") as file:
        ndb.tofile(A, file)
    with open(folder / "a.raw", "rb") as file:
        same(ndb.fromfile(file, ">i2", (6, 4)), A)


@exercises("open", "Handle")
def handle(folder):
    ndb.save(folder / "h.npy", A)
    with ndb.open(folder / "h.npy", "r+") as opened:
        assert isinstance(opened, ndb.Handle)
        same(opened[1:3], A[1:3])
        opened[0] = 7
        opened.flush()
    assert (np.load(folder / "h.npy")[0] == 7).all()


@exercises("info", "verify", "Report", "checksum", "diff", "Difference", "digest")
def reports(folder):
    path = folder / "r.npy"
    ndb.save(path, BIG)
    ndb.checksum(path)
    assert ndb.info(path)
    report = ndb.verify(path)
    assert isinstance(report, ndb.Report) and report.ok
    difference = ndb.diff(path, BIG)
    assert isinstance(difference, ndb.Difference) and difference.equal
    assert not ndb.diff(path, BIG + 1).equal
    assert ndb.digest(path) == ndb.digest(BIG) != ndb.digest(BIG + 1)
    same(ndb.load(path, require_checksum=True), BIG)


@exercises("zlib.compress", "zlib.decompress", "gzip.compress", "gzip.decompress")
def compressed(_):
    for module in (ndb.zlib, ndb.gzip):
        same(module.decompress(module.compress(BIG), dtype="f8"), BIG)


@exercises("send", "recv", "recv_iter")
def streams(_):
    left, right = socket.socketpair()
    with left, right:
        for _ in range(3):
            ndb.send(left, A)
        left.close()
        same(ndb.recv(right), A)
        assert [array.shape for array in ndb.recv_iter(right)] == [A.shape] * 2


@exercises("connect", "listen", "Channel", "Listener", "Message")
def channels(_):
    with ndb.listen("tcp://127.0.0.1:0") as listener, ndb.connect(listener.url) as channel:
        channel.send({"a": A, "b": A[1:]}, attrs={"k": 1})
        message = listener.recv(timeout=WATCHDOG_SECONDS)
        same(message["a"], A)
        assert (type(channel), type(listener), type(message)) == (ndb.Channel, ndb.Listener, ndb.Message)
        assert message.attrs == {"k": 1} and list(message.arrays) == ["a", "b"]


@exercises("aio.connect", "aio.listen", "aio.Channel", "aio.Listener")
def asynchronous(_):
    async def main():
        async with ndb.aio.listen("tcp://127.0.0.1:0") as listener, ndb.aio.connect(listener.url) as channel:
            await channel.send(A)
            same((await listener.recv(timeout=WATCHDOG_SECONDS)).array, A)
            assert (type(channel), type(listener)) == (ndb.aio.Channel, ndb.aio.Listener)

    asyncio.run(main())


@exercises("buffers", "Decoder")
def machines(_):
    frame = b"".join(map(bytes, ndb.buffers(BIG)))
    same(ndb.loads(frame), BIG)
    decoder = ndb.Decoder()
    rest = memoryview(frame)
    while len(rest):
        space = decoder.get_buffer(-1)
        count = min(len(space), len(rest))
        space[:count] = rest[:count]
        del space
        decoder.buffer_updated(count)
        rest = rest[count:]
    decoder.eof_received()
    (array,) = decoder
    same(array, BIG)


@exercises("shm.zeros", "shm.empty", "shm.share", "shm.is_shared", "shm.send", "shm.recv")
def shared_memory(_):
    here, there = socket.socketpair()
    with here, there:
        for a in (ndb.shm.share(A), ndb.shm.zeros((2, 3), "f4"), ndb.shm.empty(5)):
            ndb.shm.send(here, a[1:])
            found = ndb.shm.recv(there)
            same(found, a[1:])
            assert ndb.shm.is_shared(found) == np.shares_memory(found, a) == sys.platform.startswith("linux")


@exercises("multiprocessing.install", "multiprocessing.uninstall")
def processes(_):
    queue = multiprocessing.SimpleQueue()
    by_descriptor = ndb.multiprocessing.install()
    try:
        if by_descriptor:
            queue.put(BIG)
            same(queue.get(), BIG)
    finally:
        ndb.multiprocessing.uninstall()


@exercises("Limits", "LimitError", "Error")
def limits(_):
    error = raises(ndb.LimitError, ndb.loads, ndb.dumps(BIG), limits=ndb.Limits(array=1000))
    assert isinstance(error, ndb.Error)


@exercises("ArgumentError", "ArgumentTypeError", "MismatchError", "UnsupportedError")
def refusals(_):
    raises(ndb.ArgumentError, ndb.tobytes, A, "Z")
    raises(ndb.ArgumentTypeError, ndb.tobytes, A, 1)
    raises(ndb.MismatchError, ndb.loads, ndb.dumps(A), expect="<f4[?]")
    raises(ndb.UnsupportedError, ndb.dumps, np.array([None]))


@exercises("ChecksumError", "FormatError", "TruncatedError")
def damage(_):
    good = ndb.dumps(BIG)
    flipped = bytearray(good)
    flipped[len(flipped) // 2] ^= 1
    raises(ndb.ChecksumError, ndb.loads, flipped)
    raises(ndb.TruncatedError, ndb.loads, good[:-1])
    raises(ndb.FormatError, ndb.loads, b"neither of these formats, and long enough to be one of them" * 10)


@exercises("json_default", "json_object_hook", "msgpack_default", "msgpack_ext_hook")
def hooks(_):
    text = json.dumps({"a": A, "n": 1}, default=ndb.json_default)
    same(json.loads(text, object_hook=ndb.json_object_hook)["a"], A)
    same(ndb.msgpack_ext_hook(78, ndb.dumps(A)), A)
    # The package msgpack is no dependency, and whoever asks without it hears so.
    if importlib.util.find_spec("msgpack"):
        same(ndb.msgpack_ext_hook(*ndb.msgpack_default(A)), A)
    else:
        raises(ModuleNotFoundError, ndb.msgpack_default, A)


@exercises("Archive", "savez")
def archives(folder):
    for save in (ndb.save, lambda path, arrays: ndb.savez(path, **arrays)):
        save(folder / "x.npz", {"a": A, "net/b": BIG})
        with ndb.load(folder / "x.npz") as archive:
            assert isinstance(archive, ndb.Archive) and list(archive) == ["a", "net/b"]
            same(archive["a"], A)
            same(archive.read()["net/b"], BIG)
        with ndb.open(folder / "x.npz", member="net/b") as handle:
            same(handle[3:5], BIG[3:5])


@exercises("numpy.save", "numpy.load", "numpy.savez", "numpy.savez_compressed", "numpy.NpzFile")
def numpy_files(folder):
    npio = ndb.numpy
    npio.save(folder / "n.npy", A)
    same(npio.load(folder / "n.npy"), A)
    for save in (npio.savez, npio.savez_compressed):
        save(folder / "n.npz", a=A, b=BIG)
        with npio.load(folder / "n.npz") as archive:
            assert isinstance(archive, npio.NpzFile)
            same(archive["a"], A)
            same(archive["b"], BIG)


@exercises("numpy.memmap", "numpy.open_memmap")
def numpy_maps(folder):
    npio = ndb.numpy
    made = npio.open_memmap(folder / "m.npy", "w+", dtype=A.dtype, shape=A.shape)
    made[:] = A
    made.flush()
    same(np.load(folder / "m.npy"), A)
    made = npio.memmap(folder / "m.raw", dtype="f8", mode="w+", shape=BIG.shape)
    made[:] = BIG
    made.flush()
    same(npio.memmap(folder / "m.raw", dtype="f8", mode="r"), BIG)


@exercises("numpy.tofile", "numpy.fromfile", "numpy.tobytes", "numpy.frombuffer")
def numpy_bytes(folder):
    npio = ndb.numpy
    npio.tofile(BIG, folder / "n.raw")
    same(npio.fromfile(folder / "n.raw", "f8"), BIG)
    same(npio.frombuffer(npio.tobytes(A), ">i2").reshape(A.shape), A)


@exercises(
    "numpy.format.read_magic",
    "numpy.format.magic",
    "numpy.format.read_array_header_1_0",
    "numpy.format.read_array_header_2_0",
    "numpy.format.write_array_header_1_0",
    "numpy.format.write_array_header_2_0",
    "numpy.format.header_data_from_array_1_0",
    "numpy.format.isfileobj",
)
def numpy_headers(folder):
    npf = ndb.numpy.format
    header = npf.header_data_from_array_1_0(A)
    for version in (1, 0), (2, 0):
        with open(folder / "h.npy", "w+b") as file:
            assert npf.isfileobj(file.raw)
            number = version[0]
            getattr(npf, f"write_array_header_{number}_0")(file, header)
            file.seek(0)
            assert file.read(npf.MAGIC_LEN) == npf.magic(*version)
            file.seek(0)
            assert npf.read_magic(file) == version
            assert getattr(npf, f"read_array_header_{number}_0")(file) == (A.shape, True, A.dtype)


@exercises(
    "numpy.format.write_array",
    "numpy.format.read_array",
    "numpy.format.open_memmap",
    "numpy.format.descr_to_dtype",
    "numpy.format.dtype_to_descr",
    "numpy.format.drop_metadata",
)
def numpy_format(folder):
    npf = ndb.numpy.format
    with open(folder / "f.npy", "w+b") as file:
        npf.write_array(file, A)
        file.seek(0)
        same(npf.read_array(file), A)
    same(npf.open_memmap(folder / "f.npy"), A)
    assert npf.descr_to_dtype(npf.dtype_to_descr(A.dtype)) == A.dtype
    assert npf.drop_metadata(np.dtype("f4", metadata={"a": 1})).metadata is None


def public(module=ndb, prefix=""):
    """The public names, with dots those of public modules. Constants are no names of functions."""
    modules = {found.name for found in pkgutil.iter_modules(module.__path__)} if hasattr(module, "__path__") else ()
    for name in {*module.__all__, *(name for name in modules if not name.startswith("_"))}:
        if name in modules:
            yield from public(importlib.import_module(f"{module.__name__}.{name}"), f"{prefix}{name}.")
        elif not name.isupper():
            yield prefix + name


def every():
    """Runs every check; the public names, which are those that the checks name."""
    names = set(public())
    checked = {name for names, _ in CHECKS for name in names}
    assert not names - checked, f"public, and exercised by no check of smoke.py: {sorted(names - checked)}"
    assert not checked - names, f"exercised by smoke.py, and not public: {sorted(checked - names)}"
    for _, check in CHECKS:
        with tempfile.TemporaryDirectory() as folder:
            check(Path(folder))
    return names


if __name__ == "__main__":
    faulthandler.dump_traceback_later(WATCHDOG_SECONDS, exit=True)
    print(*sorted(every()), sep="\n")
