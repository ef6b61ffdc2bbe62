"""Handles of arrays in blocks: NumPy's arrays are the oracle of every index, as in test_py_open.py."""

import os
import pickle
import signal
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ndbytes as ndb
from cases import DTYPES, check, make
from handles import indices, reads_alike, same

SHAPES = [(), (1,), (7,), (0,), (4, 0, 3), (5, 3, 4), (2, 1, 3, 2), (11, 13)]


def blocks_of(shape, most):
    return tuple(min(max(1, length), most) for length in shape)


@pytest.fixture(scope="module")
def handles(tmp_path_factory):
    """Handles of some shapes in blocks of some lengths, in files and buffers, with the array that each one is of."""
    folder, found = tmp_path_factory.mktemp("blocks"), {}
    for shape in SHAPES:
        for order in "CF":
            for dtype in ("<i4", ">f8"):
                for most in (1, 2, 3, 20):
                    array = np.array(make(np.dtype(dtype), shape), order=order)
                    block = blocks_of(shape, most)
                    path = folder / f"{len(found)}.ndb"
                    ndb.save(path, array, block=block)
                    found[shape, order, dtype, most, "file"] = array, ndb.open(path)
                    buffer = ndb.dumps(array, codec="fast", block=block)
                    found[shape, order, dtype, most, "buffer"] = array, ndb.open(buffer)
    yield found
    for _, handle in found.values():
        handle.close()


@settings(max_examples=settings().max_examples * 5)
@given(st.data())
def test_every_index_reads_what_numpys_does(handles, data):
    """The index of an array, or the error that NumPy raises for it."""
    key = data.draw(st.sampled_from(list(handles)))
    array, handle = handles[key]
    found = reads_alike(handle, array, data.draw(indices(array.shape)))
    if isinstance(found, np.ndarray):
        assert found.flags.writeable


@pytest.mark.parametrize("index", [1.0, "a", (0, "a"), [1.5], (slice("a"),), {}, (..., ...), (0, 0, 0, 0), 99])
def test_what_is_no_index_is_numpys_error(handles, index):
    array, handle = handles[(5, 3, 4), "C", "<i4", 2, "file"]
    with pytest.raises((IndexError, TypeError)) as wanted:
        array[index]
    with pytest.raises(type(wanted.value)) as found:
        handle[index]
    if not isinstance(index, tuple) or len(index) > 1:
        assert str(found.value) == str(wanted.value)


def test_every_header_is_told(handles):
    for (shape, _, _, most, kind), (array, handle) in handles.items():
        assert (handle.dtype, handle.shape, handle.checksum_state, handle.mode) == (array.dtype, array.shape, "present", "r")
        assert (handle.ndim, handle.size, handle.nbytes) == (array.ndim, array.size, array.nbytes)
        assert handle.block == blocks_of(shape, most)
        assert handle.codec in ("none", "lz4", "zstd", "deflate", "pco") and isinstance(handle.filter, str)
        found = ndb.info(handle)
        assert (found["codec"], found["filter"], found["block"]) == (handle.codec, handle.filter, handle.block)
        assert (found["checksum"], found["shape"], found["format"]) == ("present", shape, "ndb")
        report = ndb.verify(handle)
        assert report.state == "verified" and report.nbytes == array.nbytes


def test_other_handles_have_no_codec(tmp_path):
    for name, options in [("a.npy", {}), ("a.ndb", {"codec": "none"}), ("a.npy.gz", {})]:
        ndb.save(tmp_path / name, np.arange(600), **options)
        with ndb.open(tmp_path / name) as handle:
            assert (handle.codec, handle.filter, handle.block) == ("none", "none", None)
        found = ndb.info(tmp_path / name)
        assert (found["codec"], found["filter"], found["block"]) == ("none", "none", None)


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("order", "CF")
def test_every_dtype_is_read(tmp_path, name, order):
    dtype = DTYPES[name]
    array = np.array(make(dtype, (6, 5)), order=order) if dtype.itemsize else make(dtype, (6, 5))
    ndb.save(tmp_path / "a.ndb", array, codec="fast", block=(4, 2), name="n", attrs={"k": [1]})
    void = np.dtype(f"V{dtype.itemsize}")
    with ndb.open(tmp_path / "a.ndb") as handle:
        assert (handle.dtype, handle.shape, handle.ndim, handle.nbytes) == (dtype, (6, 5), 2, array.nbytes)
        assert (handle.name, handle.attrs) == ("n", {"k": [1]})
        mask = np.arange(30).reshape(6, 5) % 3 == 0
        for index in [..., np.s_[1::2, ::-1], np.s_[[3, 0, -1]], np.s_[:, [1, 1]], mask, np.s_[[0, 5], [4, 4]]]:
            found = handle[index]
            assert found.dtype == dtype
            if dtype.char in "gG":  # Frames have zeros where they hold no value.
                assert ndb.diff(found, array[index]).identical
            elif dtype.itemsize:
                check(found.tobytes(), array.view(void)[index].tobytes(), dtype)
            else:
                assert found.shape == array[index].shape
        if dtype.kind != "U":  # NumPy itself makes no scalar of arbitrary code points.
            same(handle[2, 3], array[2, 3])
        for field in dtype.names or ():
            same(handle[field], np.array(array[field]))
        if dtype.names:
            assert handle[list(dtype.names[:1])].dtype == array[list(dtype.names[:1])].dtype
            with pytest.raises(ValueError, match="no field of name"):
                handle["no such field"]


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("kind", ["file", "buffer"])
def test_take(handles, order, kind):
    array, handle = handles[(5, 3, 4), order, ">f8", 2, kind]
    for axis in [0, 1, 2, -1]:
        for rows in [1, -1, [0], [2, 0, 2, -1], [[0, 1], [1, 0]], np.array([], int), [], np.array([1], ">u2")]:
            wanted = array.take(np.asarray(rows, int), axis)
            same(np.asarray(handle.take(rows, axis)), wanted)
            for out in [np.empty_like(wanted), np.empty(wanted.shape[::-1], wanted.dtype).T]:
                assert handle.take(rows, axis, out=out) is out
                same(out, wanted)
    with pytest.raises(IndexError, match="index 5 is out of bounds for axis 0 with size 5"):
        handle.take([5])


def test_a_handle_is_an_array_to_numpy(handles):
    array, handle = handles[(5, 3, 4), "F", "<i4", 2, "file"]
    same(np.asarray(handle), array)
    same(np.asarray(handle, "f8"), array.astype("f8"))
    same(np.add(handle, 1), array + 1)
    assert ndb.tobytes(handle) == array.tobytes()
    with pytest.raises(ValueError, match="what a handle gives is a copy"):
        handle.__array__(copy=False)
    for found, wanted in zip(handle, array, strict=True):
        same(found, wanted)
    assert len(handle) == 5 and ndb.diff(handle, array).identical


def test_results_of_one_block_are_memory_of_their_own(tmp_path):
    array = np.arange(4000.0).reshape(40, 100)
    ndb.save(tmp_path / "a.ndb", array)
    with ndb.open(tmp_path / "a.ndb") as handle:
        one, other = handle[3], handle[3]
        one[:] = 0
        same(other, array[3])
        same(handle[3], array[3])


def test_large_parts_by_several_threads(tmp_path):
    array = np.cumsum(np.random.default_rng(1).standard_normal((80, 90, 300)), 2).astype("<f4")
    rng = np.random.default_rng(2)
    rows = rng.integers(-80, 80, 200)
    wanted = [np.s_[...], np.s_[::-1, 10:], np.s_[:, :, 7], np.s_[3:70:3, 5:, 100:200], rows, np.sort(rows), np.s_[:, [89, 0], ::-2],
              np.s_[rows, rows % 90], np.s_[rows, :, rows], array > 1, array[:, 0, 0] > 0, np.s_[None, 5, ..., None]]
    for order in "CF":
        ndb.save(tmp_path / "a.ndb", np.array(array, order=order))
        with ndb.open(tmp_path / "a.ndb") as handle:
            for index in wanted:
                same(handle[index], array[index])
            failed = []

            def read():
                try:
                    for index in wanted[1:8]:
                        same(handle[index], array[index])
                except BaseException as error:
                    failed.append(error)

            threads = [threading.Thread(target=read) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert not failed


# Arguments and files that are wrong.


def test_blocks_that_cannot_be(tmp_path):
    array = np.zeros((4, 5))
    for block, error, words in [
        ((4,), ndb.ArgumentError, "block: 1 lengths for 2 axes"),
        ((4, 0), ndb.ArgumentError, "block: a length of 0 along an axis of 5"),
        ((4, 6), ndb.ArgumentError, "block: a length of 6 along an axis of 5"),
        ((4, -1), ndb.ArgumentTypeError, "block must be a tuple of lengths, one for each axis"),
        ("ab", ndb.ArgumentTypeError, "block must be a tuple of lengths"),
        (1.5, ndb.ArgumentTypeError, "block must be a tuple of lengths"),
    ]:
        with pytest.raises(error, match=words):
            ndb.dumps(array, codec="auto", block=block)
        with pytest.raises(error, match=words):
            ndb.save(tmp_path / "a.ndb", array, block=block)
    for call in [
        lambda: ndb.dumps(array, block=(4, 5)),
        lambda: ndb.dumps(array, codec="none", block=(4, 5)),
        lambda: ndb.save(tmp_path / "a.ndb", array, codec="none", block=(4, 5)),
        lambda: ndb.save(tmp_path / "a.npy", array, block=(4, 5)),
        lambda: ndb.save(tmp_path / "a.npz", {"a": array}, block=(4, 5)),
    ]:
        with pytest.raises(ndb.ArgumentError, match="block= is for .ndb files and frames that a codec compresses"):
            call()
    with pytest.raises(ndb.ArgumentError, match="a dict becomes an .npz"):
        ndb.dumps({"a": array}, block=(4, 5))
    assert not os.listdir(tmp_path)
    assert ndb.open(ndb.dumps(np.arange(9), codec="fast", block=4)).block == (4,)


def test_only_read(tmp_path):
    path = tmp_path / "a.ndb"
    ndb.save(path, np.arange(1000.0))
    for mode in ["r+", "c"]:
        with pytest.raises(ndb.ArgumentError, match=r'its data are in blocks, so it is only read; save it with codec="none", or as .npy, '):
            ndb.open(path, mode)
    for mode in ["r", "r+", "c"]:
        with pytest.raises(ndb.ArgumentError, match=r'the data are in blocks, which must be decoded: load it without mmap, or save it with codec="none"'):
            ndb.load(path, mmap=mode)
    data = path.read_bytes()
    with pytest.raises(ndb.ArgumentError, match='in blocks, which must be decoded: leave out copy=False, or make it with codec="none"'):
        ndb.loads(data, copy=False)
    for given in [path, data]:
        handle = ndb.open(given)
        with pytest.raises(ndb.ArgumentError, match="opened for reading"):
            handle[0] = 1
        for call in [lambda: handle.resize(3), lambda: handle.append(np.zeros(1))]:
            with pytest.raises(ndb.ArgumentError, match="only a file that is mapped can change its length"):
                call()
        with pytest.raises(ndb.ArgumentError, match="shape, order, offset and gap are for items without a header"):
            ndb.open(given, shape=3)
        handle.flush()
        handle.close()
        for use in [lambda: handle[0], lambda: handle.block, lambda: handle.codec, lambda: ndb.verify(handle)]:
            with pytest.raises(ndb.ArgumentError, match="the handle is closed; open the file again"):
                use()
    assert path.read_bytes() == data


def test_a_buffer_is_let_go_of(tmp_path):
    buffer = bytearray(ndb.dumps(np.arange(1000), codec="fast"))
    handle = ndb.open(buffer)
    with pytest.raises(BufferError):
        buffer.clear()
    part = handle[5:9]
    handle.close()
    buffer.clear()
    same(part, np.arange(5, 9))


@pytest.mark.unpickles
def test_handles_are_pickled_by_their_path(tmp_path):
    ndb.save(tmp_path / "a.ndb", np.arange(1000))
    with ndb.open(tmp_path / "a.ndb") as handle:
        same(pickle.loads(pickle.dumps(handle))[7:], np.arange(7, 1000))
    with pytest.raises(ndb.ArgumentTypeError, match="only a handle of a path"):
        pickle.dumps(ndb.open((tmp_path / "a.ndb").read_bytes()))


def test_damage_is_told_with_its_block(tmp_path):
    path = tmp_path / "a.ndb"
    array = np.arange(3000, dtype="<u2").reshape(30, 100)
    ndb.save(path, array, codec="fast", block=(10, 100))
    data = path.read_bytes()
    at = data.index(b"NDBI") - 1 - 4 - 72  # Where the index begins: the block before ends there.
    path.write_bytes(data[: at - 1] + bytes([data[at - 1] ^ 1]) + data[at:])
    with ndb.open(path) as handle:
        same(handle[:20], array[:20])
        for read in [lambda: handle[20], lambda: handle[...], lambda: handle[[0, 29]], lambda: handle[[0, 29], [1, 1]]]:
            with pytest.raises(ndb.ChecksumError, match=r"block 2 of 0 to 2 \(bytes \d+ to \d+\) is damaged") as raised:
                read()
            assert raised.value.filename == str(path) and raised.value.block == 2
        report = ndb.verify(handle)
        assert (report.state, report.block, report.stop) == ("damaged", 2, at)
    for cut in (1, 64, 100, len(data) - 100):
        path.write_bytes(data[:-cut])
        for call in [lambda: ndb.open(path), lambda: ndb.info(path), lambda: ndb.open(path.read_bytes())]:
            with pytest.raises((ndb.ChecksumError, ndb.TruncatedError)):
                call()


def test_a_file_cut_under_a_handle_is_an_error(tmp_path):
    path = tmp_path / "a.ndb"
    array = np.random.default_rng(1).integers(0, 1 << 40, (100, 1000))
    ndb.save(path, array, block=(10, 1000))
    with ndb.open(path) as handle:
        same(handle[0], array[0])
        os.truncate(path, 100000)
        same(handle[1], array[1])
        for read in [lambda: handle[-1], lambda: handle[[0, -1]], lambda: handle[...], lambda: handle.take([99])]:
            with pytest.raises(ndb.TruncatedError, match="block 9 |block [1-9] ") as raised:
                read()
            assert raised.value.filename == str(path)
        ndb.save(path, array + 1)  # Another file in its place: the handle has the old one, which was cut.
        same(handle[1], array[1])


def test_limits(tmp_path):
    data = ndb.dumps(np.zeros(10000), codec="auto")
    with pytest.raises(ndb.LimitError, match="80000 bytes, at most 1000"):
        ndb.open(data, limits=ndb.Limits(array=1000))


def test_ctrl_c_is_heard(tmp_path):
    path = tmp_path / "a.ndb"
    ndb.save(path, np.arange(1 << 20).reshape(-1, 4), codec="fast", block=(2, 4))

    def heard(*_):
        raise InterruptedError("enough")

    old = signal.signal(signal.SIGALRM, heard)
    try:
        with ndb.open(path) as handle:
            signal.setitimer(signal.ITIMER_REAL, 0.06)
            with pytest.raises(InterruptedError, match="enough"):
                while True:
                    handle[...]
            same(handle[5], np.arange(20, 24))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
