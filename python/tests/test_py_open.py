"""Handles that are read: NumPy's arrays are the oracle of every index."""

import errno
import functools
import mmap
import os
import pickle
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ndbytes as ndb
from cases import DTYPES, check, make
from handles import KINDS, indices, mutable, raw, reads_alike, same
from npyfiles import numpy_save

FILES = {}


@pytest.fixture(scope="module", autouse=True)
def files(tmp_path_factory):
    """Handles of some shapes, with the array that each one is of."""
    shapes = [(), (0,), (7,), (4, 0, 3), (5, 3, 4), (2, 1, 3, 2)]
    folder = tmp_path_factory.mktemp("indexed")
    for kind, write in KINDS.items():
        for shape in shapes:
            for order in "CF":
                if kind == "gaps" and order == "F" or 0 in shape and kind == "gaps":
                    continue
                array = np.array(make(np.dtype("<i4"), shape), order=order)
                path = folder / f"{kind}{len(FILES)}"
                options = write(path, array)
                FILES[kind, shape, order] = array, ndb.open(path, **options)
    yield
    for _, handle in FILES.values():
        handle.close()
    FILES.clear()


@settings(max_examples=settings().max_examples * 5)
@given(st.data())
def test_every_index_reads_what_numpys_does(data):
    """The index of an array, or the error that NumPy raises for it."""
    key = data.draw(st.sampled_from(sorted(FILES)))
    array, handle = FILES[key]
    found = reads_alike(handle, array, data.draw(indices(array.shape)))
    if isinstance(found, np.ndarray):
        assert found.flags.writeable and not np.shares_memory(found, array)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("index", [1.0, "a", (0, "a"), [1.5], (slice("a"),), {}, (..., ...), (0, 0, 0, 0), 99])
def test_what_is_no_index_is_numpys_error(kind, index):
    array, handle = FILES[kind, (5, 3, 4), "C"]
    with pytest.raises((IndexError, TypeError)) as wanted:
        array[index]
    with pytest.raises(type(wanted.value)) as found:
        handle[index]
    if not isinstance(index, tuple) or len(index) > 1:
        assert str(found.value) == str(wanted.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DTYPES)
def test_every_dtype_is_read(tmp_path, name, kind):
    dtype = DTYPES[name]
    if name in ("unordered", "overlapping") and kind in ("npy", "checked", "compressed"):
        kind = "frame"  # A .npy does not spell these.
    array = make(dtype, (6, 5))
    options = KINDS[kind](tmp_path / "a", array)
    void = np.dtype(f"V{dtype.itemsize}")
    with ndb.open(tmp_path / "a", **options) as handle:
        assert (handle.dtype, handle.shape, handle.ndim, handle.nbytes) == (dtype, (6, 5), 2, array.nbytes)
        mask = np.arange(30).reshape(6, 5) % 3 == 0
        for index in [..., np.s_[1::2, ::-1], np.s_[[3, 0, -1]], np.s_[:, [1, 1]], mask]:
            found = handle[index]
            assert found.dtype == dtype
            if dtype.char in "gG":  # Frames have zeros where they hold no value.
                assert ndb.diff(found, array[index]).identical
            else:
                check(found.tobytes(), array.view(void)[index].tobytes(), dtype)
        if dtype.kind != "U":  # NumPy itself makes no scalar of arbitrary code points.
            same(handle[2, 3], array[2, 3])
        for field in dtype.names or ():
            same(handle[field], np.array(array[field]))
        if dtype.names:
            assert handle[list(dtype.names[:1])].dtype == array[list(dtype.names[:1])].dtype


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", "CF")
def test_take(tmp_path, kind, order):
    if (kind, (5, 3, 4), order) not in FILES:
        return
    array, handle = FILES[kind, (5, 3, 4), order]
    for axis in [0, 1, 2, -1]:
        for rows in [1, -1, [0], [2, 0, 2, -1], [[0, 1], [1, 0]], np.array([], int), [], np.array([1], ">u2")]:
            wanted = array.take(np.asarray(rows, int), axis)
            same(np.asarray(handle.take(rows, axis)), wanted)
            for out in [np.empty_like(wanted), np.empty(wanted.shape[::-1], wanted.dtype).T]:
                assert handle.take(rows, axis, out=out) is out
                same(out, wanted)
    for rows, axis, error, words in [
        ([5], 0, IndexError, "index 5 is out of bounds for axis 0 with size 5"),
        ([0, -4], 1, IndexError, "index -4 is out of bounds for axis 1 with size 3"),
        (0, 3, IndexError, "axis 3 is out of bounds for array of dimension 3"),
        ([0.5], 0, ndb.ArgumentTypeError, "rows must be ints, found float64"),
        ([True], 0, ndb.ArgumentTypeError, "rows must be ints, found bool"),
    ]:
        with pytest.raises(error, match=words):
            handle.take(rows, axis)
    untouched = np.full((2, 3, 4), 9, "<i4")
    for out, error, words in [
        (untouched.astype(">i4"), ndb.MismatchError, r"out is of >i4 and shape \(2, 3, 4\), what is read of <i4"),
        (untouched[:1], ndb.MismatchError, r"shape \(1, 3, 4\)"),
        (untouched.tolist(), ndb.ArgumentTypeError, "found list"),
    ]:
        with pytest.raises(error, match=words):
            handle.take([0, 1], out=out)
    untouched.flags.writeable = False
    with pytest.raises(ndb.ArgumentError, match="out is read-only"):
        handle.take([0, 1], out=untouched)
    assert (untouched == 9).all()


def test_a_handle_is_an_array_to_numpy(tmp_path):
    array, handle = FILES["checked", (5, 3, 4), "F"]
    same(np.asarray(handle), array)
    same(np.asarray(handle, "f8"), array.astype("f8"))
    same(np.array(handle, copy=True), array)
    same(np.add(handle, 1), array + 1)
    with pytest.raises(ValueError, match="what a handle gives is a copy"):
        handle.__array__(copy=False)
    assert (len(handle), handle.size, handle.itemsize) == (5, 60, 4)
    for found, wanted in zip(handle, array, strict=True):
        same(found, wanted)
    _, scalar = FILES["npy", (), "C"]
    with pytest.raises(TypeError, match=r"len\(\) of unsized object"):
        len(scalar)
    with pytest.raises(TypeError, match="iteration over a 0-d array"):
        iter(scalar)
    assert repr(handle).endswith(f"dtype int32, shape (5, 3, 4), mode 'r'>") and str(handle.path) in repr(handle)


def test_ndb_functions_take_handles():
    array, handle = FILES["frame", (5, 3, 4), "C"]
    assert ndb.tobytes(handle) == array.tobytes()
    same(ndb.loads(ndb.dumps(handle)), array)


# Buffers.


@pytest.mark.parametrize("kind", ["bytes", "bytearray", "memoryview", "mmap", "ndarray"])
@pytest.mark.parametrize("packed", [False, True])
def test_buffers_are_opened(tmp_path, kind, packed):
    array = make(np.dtype("<f4"), (4, 5))
    data = ndb.dumps(array, name="x", attrs={"k": [1]})
    data = zlib.compress(data) if packed else data
    (tmp_path / "a").write_bytes(data)
    with open(tmp_path / "a", "rb") as file:
        buffer = {
            "bytes": lambda: data,
            "bytearray": lambda: bytearray(data),
            "memoryview": lambda: memoryview(data),
            "mmap": lambda: mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ),
            "ndarray": lambda: np.frombuffer(data, "u1"),
        }[kind]()
    handle = ndb.open(buffer)
    assert (handle.name, handle.attrs, handle.checksum_state, handle.path) == ("x", {"k": [1]}, "verified", None)
    same(handle[1:, ::2], array[1:, ::2])
    part = handle[1]
    with pytest.raises(ndb.ArgumentError, match="opened for reading"):
        handle[0] = 1
    for call in [lambda: handle.resize(3), lambda: handle.append(array)]:
        with pytest.raises(ndb.ArgumentError, match="only a file that is mapped can change its length"):
            call()
    with pytest.raises(ndb.ArgumentTypeError, match="only a handle of a path, of mode 'r', can be pickled"):
        pickle.dumps(handle)
    handle.close()
    same(part, array[1])
    if kind == "bytearray":
        buffer.clear()  # Nobody looks at it any more.
    with pytest.raises(ndb.ArgumentError, match="mode 'r\\+' is for files"):
        ndb.open(data, "r+")


def test_a_buffer_of_items_alone():
    handle = ndb.open(bytes(range(12)), dtype="<u2", shape=(-1, 2), offset=4)
    same(handle[...], np.arange(4, 12, dtype="u1").view("<u2").reshape(2, 2))
    assert handle.checksum_state == "none" and ndb.info(handle)["spec"] == "<u2[2,2]"
    with pytest.raises(ndb.FormatError, match=r"<u2\[\?\] needs a multiple of 2 bytes, found 3"):
        ndb.open(b"abc", dtype="<u2")


# Arguments and files that are wrong.


@pytest.mark.parametrize("options, words", [
    ({"mode": "x"}, r"mode must be one of r, r\+, c, w\+ \(or w\), found 'x'"),
    ({"mode": "w+"}, "a new file needs dtype and shape"),
    ({"mode": "w+", "dtype": "f4"}, "a new file needs dtype and shape"),
    ({"mode": "w+", "dtype": "f4", "shape": -1}, "a new file needs the length of every axis"),
    ({"mode": "w+", "dtype": "f4", "shape": 2, "gap": 1}, "offset and gap are for files without a header"),
    ({"mode": "w+", "dtype": "f4", "shape": 2, "name": "n"}, "name"),
    ({"shape": 3}, "shape, order, offset and gap are for files without a header, with dtype"),
    ({"offset": 3}, "shape, order, offset and gap are for files without a header, with dtype"),
    ({"checksum": True}, r"checksum, name and attrs are for a new file, of mode w\+"),
    ({"dtype": "f4", "require_checksum": True}, "a file of items alone has no checksum"),
])
def test_arguments_that_cannot_be_meant(tmp_path, options, words):
    path = tmp_path / "a.npy"
    ndb.save(path, np.arange(3))
    before = path.read_bytes()
    with pytest.raises(ndb.ArgumentError, match=words):
        ndb.open(path, **options)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name, words", [
    ("a.ndb", r"a .ndb is not written in place: save\(\) an array, or open it with shape=\(None,\) and append rows"),
    ("a.npy.gz", "the name says no format; a new file ends in .npy, .raw, .bin or .ndb"),
    ("a", "the name says no format"),
])
def test_names_of_new_files(tmp_path, name, words):
    with pytest.raises(ndb.ArgumentError, match=words):
        ndb.open(tmp_path / name, "w+", dtype="f4", shape=2)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("function", [ndb.open, functools.partial(ndb.load, mmap="r")])
def test_files_that_cannot_be_opened(tmp_path, function):
    missing, bare = tmp_path / "missing.npy", tmp_path / "bare.npy"
    with pytest.raises(FileNotFoundError) as raised:
        function(missing)
    assert (raised.value.errno, raised.value.filename) == (errno.ENOENT, str(missing))
    with pytest.raises(IsADirectoryError):
        function(tmp_path)
    bare.write_bytes(numpy_save(np.arange(3)))
    with pytest.raises(ndb.TruncatedError, match="checksum"):
        function(bare, require_checksum=True)
    bare.write_bytes(numpy_save(np.arange(3))[:-1])
    with pytest.raises(ndb.TruncatedError) as raised:
        function(bare)
    assert raised.value.filename == str(bare)
    bare.write_bytes(b"no header at all")
    with pytest.raises(ndb.FormatError, match="bare.npy"):
        function(bare)
    items = tmp_path / "a.bin"
    items.write_bytes(bytes(12))
    with pytest.raises(ndb.ArgumentError, match=r"no header says what these bytes are; 12 bytes may be .*dtype= and shape="):
        function(items)
    with pytest.raises(ndb.FormatError, match="needs 8 bytes, found 12"):
        function(items, dtype="<f8", shape=1)
    np.save(tmp_path / "o.npy", np.array([None]), allow_pickle=True)
    with pytest.raises(ndb.UnsupportedError, match="object"):
        function(tmp_path / "o.npy")


def test_what_is_neither_path_nor_buffer():
    for given in [3, None, object(), sys.stdin]:
        with pytest.raises(ndb.ArgumentTypeError, match="expected a path or a buffer, found"):
            ndb.open(given)


@pytest.mark.unpickles
def test_compressed_files_are_only_read(tmp_path):
    path = tmp_path / "a.npy.zz"
    ndb.save(path, np.arange(3))
    handle = ndb.open(path)
    assert handle.checksum_state == "verified"
    for mode in ["r+", "c"]:
        with pytest.raises(ndb.ArgumentError, match="compressed, so it is only read"):
            ndb.open(path, mode)
    same(pickle.loads(pickle.dumps(handle))[...], np.arange(3))


@pytest.mark.parametrize("mode", ["r", "r+"])
def test_closed_handles(tmp_path, mode):
    path, _, handle = mutable(tmp_path, "checked", np.arange(6).reshape(2, 3), mode)
    with handle as entered:
        assert entered is handle and not handle.closed
    assert handle.closed and repr(handle) == f"<ndbytes.Handle of {str(path)!r}, closed>"
    handle.close()
    uses = [
        lambda: handle[0],
        lambda: handle.__setitem__(0, 1),
        lambda: np.asarray(handle),
        lambda: len(handle),
        lambda: list(handle),
        lambda: handle.take([0]),
        lambda: handle.shape,
        lambda: handle.dtype,
        lambda: handle.name,
        lambda: handle.checksum_state,
        lambda: handle.flush(),
        lambda: handle.resize(1),
        lambda: handle.append(np.arange(3)),
        lambda: handle.__enter__(),
        lambda: pickle.dumps(handle),
        lambda: ndb.info(handle),
        lambda: ndb.verify(handle),
        lambda: ndb.diff(handle, handle),
    ]
    for use in uses:
        with pytest.raises(ndb.ArgumentError, match="the handle is closed; open the file again"):
            use()


@pytest.mark.unpickles
def test_handles_are_pickled_by_their_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    array = make(np.dtype("<u2"), (4, 3))
    options = raw(tmp_path / "a.bin", array)
    handle = ndb.open("a.bin", **options)
    text = pickle.dumps(handle)
    monkeypatch.chdir("/")
    same(pickle.loads(text)[1:], array[1:])
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer)[1:].tolist())"
    done = subprocess.run([sys.executable, "-c", code], input=text, capture_output=True, check=True)
    assert done.stdout.decode().strip() == str(array[1:].tolist())
    with pytest.raises(ndb.ArgumentTypeError, match="mode 'r'"):
        pickle.dumps(ndb.open(tmp_path / "a.bin", "c", **options))


# Files that others cut.


def test_a_file_cut_under_a_handle_is_an_error(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.arange(1 << 18))
    for mode in ["r", "r+", "c"]:
        np.save(path, np.arange(1 << 18))
        with ndb.open(path, mode) as handle:
            os.truncate(path, 4096)
            uses = [lambda: handle[-1], lambda: handle[[0, -1]], lambda: handle[...], lambda: handle.take([9])]
            if mode != "r":
                uses += [lambda: handle.__setitem__(-1, 1), lambda: handle.__setitem__([1, -1], 1)]
            for use in uses:
                with pytest.raises(ndb.TruncatedError, match="the file was cut under its map") as raised:
                    use()
                assert raised.value.filename == str(path)
            assert (ndb.verify(handle).state, bool(ndb.verify(handle))) == ("damaged", False)


def test_items_without_a_byte_stay_that(tmp_path):
    """NumPy's own copies of an S0 are S1, with whatever lay in memory."""
    path = tmp_path / "a.npy"
    for dtype in ("S0", "U0", "V0"):
        np.save(path, np.ndarray((3, 4), dtype))
        wanted = np.load(path)
        for handle in (ndb.open(path), ndb.open(path.read_bytes())):
            for index in (..., np.s_[1:], np.s_[1], np.s_[:, 2:0:-1], [0, 2], np.s_[:, :0], ([], [])):
                assert (handle[index].dtype, handle[index].shape) == (wanted.dtype, wanted[index].shape)
            assert type(handle[1, 2]) is type(wanted[1, 2])
        assert ndb.frombuffer(b"", dtype, (3, 4), copy=True).dtype == wanted.dtype


def test_what_is_written_behind_a_flush_is_sealed_when_the_array_goes(tmp_path):
    path = tmp_path / "a.npy"
    ndb.save(path, np.zeros(1000), checksum=True)
    array = ndb.load(path, mmap="r+")
    array[0] = 1
    array.base.flush()
    assert ndb.verify(path).state == "verified"
    array[0] = 2
    del array
    assert ndb.verify(path).state == "verified" and ndb.load(path)[0] == 2


@pytest.mark.unpickles
def test_dask_reads_a_handle_chunk_by_chunk(tmp_path):
    import dask.array

    path = tmp_path / "a.npy"
    array = make(np.dtype("<i4"), (50, 40)).copy()
    ndb.save(path, array, checksum=True)
    with ndb.open(path) as handle:
        lazy = dask.array.from_array(handle, chunks=(20, 15))
        assert lazy.dtype == array.dtype and lazy.shape == array.shape
        same(lazy.compute(), array)
        same(lazy[3:33:2, ::-1].compute(), array[3:33:2, ::-1])
        assert lazy.sum(dtype="i8").compute() == array.sum(dtype="i8")
        # To other processes it goes by its path.
        same(lazy.compute(scheduler="processes", num_workers=1), array)


def test_an_ellipsis_of_no_axes_parts_arrays_of_ints(tmp_path):
    array = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    ndb.save(tmp_path / "a.npy", array)
    with ndb.open(tmp_path / "a.npy") as handle:
        for index in (np.s_[:, [0, 1], ..., 3], np.s_[:, 1, ..., [0, 1]], np.s_[[0, 1], ..., [1, 2], 0], np.s_[:, [0, 1], 3, ...]):
            assert handle[index].shape == array[index].shape
            assert handle[index].tolist() == array[index].tolist()
