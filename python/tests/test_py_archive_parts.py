"""`ndb.open("x.npz", member=...)`: NumPy's arrays are the oracle of every index, and no more is read than it needs."""

import io
import os
import pickle
import re
import subprocess
import sys
import threading
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ndbytes as ndb
from cases import DTYPES, make
from handles import indices, reads_alike, same

SHAPES = [(), (1,), (7,), (0,), (4, 0, 3), (5, 3, 4), (2, 1, 3, 2), (11, 13)]
# Of several blocks.
LARGE = [(300, 500, 5), (3, 300_000)]
WRITERS = {
    "stored": lambda path, arrays: ndb.save(path, arrays, codec="stored"),
    "deflate": lambda path, arrays: ndb.save(path, arrays, codec="deflate", level=1),
    "zstd": lambda path, arrays: ndb.save(path, arrays, codec="zstd"),
    "numpy stored": lambda path, arrays: np.savez(path, **arrays),
    "numpy deflate": lambda path, arrays: np.savez_compressed(path, **arrays),
}
ARRAYS = {
    f"{dtype}/{order}/{'x'.join(map(str, shape))}": np.array(np.arange(np.prod(shape, dtype=int)).reshape(shape), dtype, order=order)
    for shape in SHAPES + LARGE for order in "CF" for dtype in ("<i4", ">f8") if dtype == "<i4" or shape in SHAPES
}
A = np.arange(3_000_000, dtype="<i4").reshape(3000, 1000)


@pytest.fixture(scope="module")
def handles(tmp_path_factory):
    folder, found = tmp_path_factory.mktemp("parts"), {}
    for name, write in WRITERS.items():
        path = folder / f"{name}.npz"
        write(path, ARRAYS)
        data = path.read_bytes()
        for key, array in ARRAYS.items():
            found[name, key] = array, ndb.open(path, member=key)
            if array.size < 1000:
                found[f"{name} in memory", key] = array, ndb.open(data, member=key)
    yield found
    for _, handle in found.values():
        handle.close()


@pytest.fixture(params=WRITERS)
def saved(request, tmp_path):
    path = tmp_path / "x.npz"
    WRITERS[request.param](path, {"a": A, "b": np.arange(3)})
    return path


@settings(max_examples=settings().max_examples * 5)
@given(st.data())
def test_every_index_reads_what_numpys_does(handles, data):
    key = data.draw(st.sampled_from([key for key, (array, _) in handles.items() if array.size < 1000]))
    array, handle = handles[key]
    found = reads_alike(handle, array, data.draw(indices(array.shape)))
    if isinstance(found, np.ndarray):
        assert found.flags.writeable


INDICES = [
    ..., 5, -1, slice(None, None, 97), (slice(3, 5), slice(None, None, -40)), (slice(None), 7), ([5, -1, 5], slice(10, 30)),
    (slice(None, 2), [3, 400, 3]), ([1, 2, 1], [0, 499, 77]), slice(2, 2), (..., 1), (slice(1, None), slice(5, 300, 7), ..., slice(0, 2)),
]


@pytest.mark.parametrize("way", WRITERS)
def test_indices_of_arrays_of_many_blocks(handles, way):
    for (writer, key), (array, handle) in handles.items():
        if writer == way and array.size > 1000:
            for index in INDICES:
                reads_alike(handle, array, index)
            rows = np.random.default_rng(0).integers(-array.shape[0], array.shape[0], 50)
            same(handle.take(rows), array.take(rows, 0))
            out = np.empty((50, *array.shape[1:]), array.dtype)
            assert handle.take(rows, out=out) is out
            same(out, array.take(rows, 0))
            where = tuple(np.random.default_rng(1).integers(0, length, 200) for length in array.shape)
            same(handle[where], array[where])


@pytest.mark.parametrize("codec", ["stored", "deflate", "zstd"])
def test_every_dtype(codec, tmp_path):
    arrays = {name: make(dtype, (5, 7)) for name, dtype in DTYPES.items() if name not in ("unordered", "overlapping")}
    ndb.save(tmp_path / "x.npz", arrays, codec=codec)
    for name, array in arrays.items():
        with ndb.open(tmp_path / "x.npz", member=name) as handle:
            assert (handle.dtype, handle.shape, handle.mode) == (array.dtype, array.shape, "r")
            for index in (..., 3, (slice(1, 4), slice(None, None, 2)), ([0, 4], [6, 1])):
                same(handle[index], array[index])


@pytest.mark.unpickles
def test_what_a_handle_says(saved):
    with ndb.open(saved, member="a") as handle:
        infos = zipfile.ZipFile(saved).infolist()
        codec = {0: "stored", 8: "deflate", 93: "zstd"}[infos[0].compress_type]
        assert (handle.codec, handle.filter, handle.block, handle.checksum_state) == (codec, "none", None, "present")
        assert (handle.dtype, handle.shape, handle.nbytes, handle.name, handle.attrs) == (A.dtype, A.shape, A.nbytes, None, None)
        assert handle.path == str(saved) and "x.npz" in repr(handle)
        assert ndb.info(handle) == ndb.load(saved).info("a") and ndb.info(handle)["shape"] == A.shape
        assert ndb.verify(handle) and ndb.verify(handle).nbytes == A.nbytes
        assert ndb.digest(handle) == ndb.digest(A) and not ndb.diff(handle, A)
        with pytest.raises(ndb.ArgumentError, match="opened for reading"):
            handle[0] = 1
        for call in (lambda: handle.append(A), lambda: handle.resize(3)):
            with pytest.raises(ndb.ArgumentError, match="mapped"):
                call()
        again = pickle.loads(pickle.dumps(handle))
        assert (again[17] == A[17]).all() and again.path == os.path.abspath(saved)
    with pytest.raises(ndb.ArgumentError, match="closed"):
        handle[0]
    with ndb.open(saved, member="a.npy") as handle:
        assert ndb.info(handle)["shape"] == A.shape
    data = saved.read_bytes()
    for buffer in data, memoryview(data), bytearray(data):
        with ndb.open(buffer, member="b") as handle:
            assert handle[1] == 1 and ndb.info(handle)["shape"] == (3,)


def test_what_cannot_be_meant(saved, tmp_path):
    with pytest.raises(ndb.ArgumentError, match="name one with member="):
        ndb.open(saved)
    with pytest.raises(KeyError, match="'no' is not in the archive"):
        ndb.open(saved, member="no")
    for options in {"mode": "r+"}, {"mode": "w"}, {"mode": "c"}, {"codec": "zstd"}, {"block": (3,)}:
        with pytest.raises(ndb.ArgumentError, match="is only read"):
            ndb.open(saved, member="a", **options)
    with pytest.raises(ndb.ArgumentError, match="without a header"):
        ndb.open(saved, member="a", dtype="<i4", shape=3)
    with pytest.raises(FileNotFoundError):
        ndb.open(tmp_path / "no.npz", member="a")
    np.save(tmp_path / "a.npy", A[:2])
    with pytest.raises(ndb.FormatError, match="no zip archive"):
        ndb.open(tmp_path / "a.npy", member="a")
    with pytest.raises(ndb.ArgumentTypeError, match="expected a path or a buffer"):
        ndb.open(io.BytesIO(saved.read_bytes()), member="a").read
    with zipfile.ZipFile(saved, "a") as archive:
        archive.writestr("text", b"hello")
    with pytest.raises(ndb.FormatError, match="not a .npy"):
        ndb.open(saved, member="text")


def test_damage_is_seen_where_it_is_touched(tmp_path):
    path = tmp_path / "x.npz"
    ndb.save(path, {"a": A}, level=1)
    info = zipfile.ZipFile(path).getinfo("a.npy")
    data = bytearray(path.read_bytes())
    data[info.header_offset + info.compress_size // 2] ^= 16
    path.write_bytes(data)
    with ndb.open(path, member="a") as handle:
        assert (handle[:500] == A[:500]).all() and (handle[-500:] == A[-500:]).all()
        with pytest.raises((ndb.ChecksumError, ndb.FormatError), match=r"block \d+ of member .*a\.npy"):
            handle[1000:2000]
        assert not ndb.verify(handle)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ndb.TruncatedError):
        ndb.open(path, member="a")


def test_a_file_cut_under_a_handle_is_an_error(saved):
    with ndb.open(saved, member="a") as handle:
        os.truncate(saved, 5000)
        with pytest.raises(ndb.Error):
            handle[2500]


def test_many_threads_read_one_handle_while_it_is_closed(saved):
    handle = ndb.open(saved, member="a")
    outcomes = []

    def work(seed):
        random = np.random.default_rng(seed)
        for _ in range(300):
            row = int(random.integers(0, len(A)))
            try:
                outcomes.append(bool((handle[row] == A[row]).all()))
            except ndb.ArgumentError as error:
                assert "closed" in str(error)
                return

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    while len(outcomes) < 30:
        pass
    handle.close()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads) and all(outcomes)


CHILD = """
import sys, numpy as np, ndbytes as ndb
def peak():
    with open("/proc/self/status") as status:
        return int(next(line for line in status if line.startswith("VmHWM")).split()[1])
with ndb.open(sys.argv[1], member="small") as handle:
    handle[1:2]
before = peak()
with ndb.open(sys.argv[1], member="a") as handle:
    assert handle[3000:3256].nbytes == 1 << 20 and handle[3000, 5] == 3000
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("codec", ["stored", "deflate"])
def test_a_slice_of_a_large_member_takes_little_memory(codec, tmp_path):
    rows = np.broadcast_to(np.arange(1 << 14, dtype="<i4")[:, None], (1 << 14, 1024))
    ndb.save(tmp_path / "x.npz", {"a": rows, "small": rows[:3]}, codec=codec, level=1 if codec == "deflate" else None)
    done = subprocess.run([sys.executable, "-c", CHILD, tmp_path / "x.npz"], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 32 << 10, "KiB, for 1 of 64 MiB"


def test_only_the_blocks_that_are_touched_are_read(tmp_path):
    """Zeros instead of all other blocks change nothing."""
    path = tmp_path / "x.npz"
    noise = np.random.default_rng(0).integers(0, 256, (20, 1 << 20)).astype("u1")
    ndb.save(path, {"a": noise}, level=1)
    data = path.read_bytes()
    start, end = 1 << 20, zipfile.ZipFile(path).getinfo("a.npy").compress_size - (4 << 20)
    path.write_bytes(data[: start * 3] + bytes(end - start * 3) + data[end:])
    with ndb.open(path, member="a") as handle:
        assert (handle[0] == noise[0]).all() and (handle[19] == noise[19]).all() and (handle[19, ::5] == noise[19, ::5]).all()
        with pytest.raises(ndb.Error):
            handle[10]
    assert re.search("damaged", repr(ndb.verify(path)))
