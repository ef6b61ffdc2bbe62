"""Handles and mapped arrays: NumPy's arrays are the oracle of every index."""

import errno
import functools
import gzip
import mmap
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import ndbytes as ndb
from cases import DTYPES, check, make
from npyfiles import numpy_save

# Files of several kinds, each a function from a path and an array to the arguments that open it.


def npy(path, array):
    ndb.save(path, array, format="npy")
    return {}


def checked(path, array):
    ndb.save(path, array, format="npy", checksum=True)
    return {}


def frame(path, array):
    ndb.save(path, array, format="ndb")
    return {}


def raw(path, array):
    path.write_bytes(bytes(11) + array.tobytes("A"))
    order = "F" if array.flags.fnc else "C"
    return {"dtype": array.dtype, "shape": array.shape, "order": order, "offset": 11}


def gaps(path, array):
    step = array.dtype.itemsize + 3
    data = np.full((array.size, step), 7, "u1")
    data[:, : array.dtype.itemsize] = np.frombuffer(array.tobytes(), "u1").reshape(array.size, -1)
    path.write_bytes(data.tobytes())
    return {"dtype": array.dtype, "shape": array.shape, "gap": 3}


def compressed(path, array):
    path.write_bytes(gzip.compress(ndb.dumps(array)))
    return {}


KINDS = {kind.__name__: kind for kind in [npy, checked, frame, raw, gaps, compressed]}


def same(found, wanted):
    """An index of a handle gave what the same index of an array gives, in memory of its own."""
    assert type(found) is type(wanted), (found, wanted)
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    check(np.asarray(found).tobytes(), np.asarray(wanted).tobytes(), wanted.dtype)


# Reading.

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


@st.composite
def indices(draw, shape):
    """An index of an array of this shape: of any kind, and sometimes wrong."""
    ways = [hnp.basic_indices(shape, allow_newaxis=True), entries(shape)]
    if shape and 0 not in shape:
        ways.append(hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(max_dims=2, max_side=4)))
    ways.append(hnp.arrays(bool, shape))
    return draw(st.one_of(ways))


@st.composite
def entries(draw, shape):
    """Slices, ints, arrays, masks, None and an Ellipsis in any order."""
    found, axes, arrays = [], list(shape), draw(hnp.array_shapes(min_dims=0, max_dims=2, max_side=3))
    dotted = False
    while axes and len(found) < 6:
        length = axes[0]
        kind = draw(st.sampled_from(["slice", "slice", "int", "array", "array", "mask", "list", "none", "dots", "bool", "end"]))
        # Sometimes one too many.
        position = st.integers(-length - draw(st.integers(0, 8).map(lambda n: n == 0)), max(0, length - 1))
        if kind == "end":
            break
        if kind == "none":
            found.append(None)
            continue
        if kind == "bool":
            found.append(draw(st.booleans()))
            continue
        if kind == "dots":
            if not dotted:
                found.append(Ellipsis)
                dotted = True
                axes.pop(0)
            continue
        if kind == "mask":
            some = draw(st.integers(1, len(axes)))
            mask = draw(hnp.arrays(bool, tuple(axes[:some])))
            found.append(mask)
            del axes[:some]
            continue
        axes.pop(0)
        if kind == "slice":
            found.append(draw(st.slices(max(1, length))))
        elif kind == "int":
            found.append(draw(position.map(draw(st.sampled_from([int, np.int8, np.asarray])))))
        elif kind == "list":
            found.append(draw(st.lists(position, max_size=3)))
        else:
            dtype = draw(st.sampled_from(["i1", "<i8", ">i4"]))
            found.append(draw(hnp.arrays(dtype, arrays, elements=position)))
    return tuple(found) if draw(st.booleans()) or len(found) != 1 else found[0]


@settings(max_examples=settings().max_examples * 20)
@given(st.data())
def test_every_index_reads_what_numpys_does(data):
    """The index of an array, or the error that NumPy raises for it."""
    key = data.draw(st.sampled_from(sorted(FILES)))
    array, handle = FILES[key]
    index = data.draw(indices(array.shape))
    try:
        wanted = array[index]
    except (IndexError, ValueError) as error:
        with pytest.raises(type(error)) as raised:
            handle[index]
        assert str(raised.value) == str(error)
        return
    found = handle[index]
    same(found, wanted)
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


# Writing.


def mutable(folder, kind, array, mode="r+"):
    path = folder / "a.npy"
    options = KINDS[kind](path, array)
    return path, options, ndb.open(path, mode, **options)


@settings(max_examples=settings().max_examples * 3)
@given(st.data())
def test_every_index_writes_what_numpys_does(tmp_path_factory, data):
    folder = functools.cache(tmp_path_factory.mktemp)("written")
    kind = data.draw(st.sampled_from(["npy", "checked", "raw", "gaps"]))
    array = np.array(make(np.dtype("<i4"), (5, 3, 4)), order=data.draw(st.sampled_from("CF")) if kind != "gaps" else "C")
    mode = data.draw(st.sampled_from(["r+", "c"]))
    path, options, handle = mutable(folder, kind, array, mode)
    before = path.read_bytes()
    index = data.draw(indices(array.shape))
    try:
        shape = array[index].shape
        values = st.one_of(st.integers(-9, 9), hnp.arrays("i2", hnp.broadcastable_shapes(shape, max_dims=len(shape))))
        value = data.draw(values) if 0 not in shape else 1
        array[index] = value
    except (IndexError, ValueError) as error:
        with pytest.raises((IndexError, ValueError)):
            handle[index] = 1 if isinstance(error, IndexError) else value
        handle.close()
        assert path.read_bytes() == before
        return
    handle[index] = value
    same(handle[...], array)
    handle.close()
    if mode == "c":
        assert path.read_bytes() == before
    else:
        same(ndb.load(path, **options), array)
        if not options:
            assert ndb.info(path)["checksum"] == ("present" if kind == "checked" else "none")


@pytest.mark.parametrize("name", ["<f8", ">u2", "<M8[ns]", "S5", ">U3", "bfloat16", "nested", "offsets", "V12"])
def test_items_of_every_class_are_written(tmp_path, name):
    dtype = DTYPES[name]
    old, new = make(dtype, (4, 3)), make(dtype, (4, 3), skip=31)
    path, _, handle = mutable(tmp_path, "checked", old)
    with handle:
        handle[1:3] = new[1:3]
        handle[[0]] = new[[0]]
        handle[3, 2] = new[3, 2]
        if dtype.names:
            handle[dtype.names[0]] = new[dtype.names[0]]
    wanted = old.copy()
    wanted[1:3], wanted[0], wanted[3, 2] = new[1:3], new[0], new[3, 2]
    if dtype.names:
        wanted[dtype.names[0]] = new[dtype.names[0]]
    found = ndb.load(path, require_checksum=True)
    # Where NumPy itself copies field by field, what lies between them stays as it was.
    assert found.dtype == dtype and ndb.diff(found, wanted).identical or found.tobytes() == wanted.tobytes()


def test_large_arrays_go_in_piece_by_piece(tmp_path):
    """Over the size of a piece in each axis, from arrays of other orders and dtypes."""
    shape = (3, 5, 700_001)
    path = tmp_path / "a.npy"
    for order in "CF":
        with ndb.open(path, "w+", dtype="<i2", shape=shape, order=order) as handle:
            values = np.arange(np.prod(shape)).reshape(shape[::-1]).T
            handle[...] = values
            handle[1] = 7
            handle[2, :, ::2] = np.arange(350_001)
        wanted = values.astype("<i2")
        wanted[1] = 7
        wanted[2, :, ::2] = np.arange(350_001)
        found = np.load(path)
        assert found.flags[f"{order}_CONTIGUOUS"] and (found == wanted).all()


@pytest.mark.parametrize("value, error, words", [
    (np.zeros(3), ndb.ArgumentError, r"an array of shape \(3,\) does not go into the shape \(2, 4\)"),
    (np.ma.array([1, 2, 3, 4], mask=[0, 1, 0, 0]), ndb.UnsupportedError, "would lose its mask"),
    ("text", ValueError, "invalid literal"),
])
def test_what_does_not_go_in_is_refused(tmp_path, value, error, words):
    path, _, handle = mutable(tmp_path, "checked", make(np.dtype("<i4"), (5, 4)))
    before = path.read_bytes()
    with handle, pytest.raises(error, match=words):
        handle[:2] = value
    assert path.read_bytes() == before


# Checksums, and lengths.


def test_a_write_opens_the_checksums_and_a_flush_seals_them(tmp_path):
    path, _, handle = mutable(tmp_path, "checked", np.arange(6.0))
    assert (handle.checksum_state, ndb.verify(path).state) == ("present", "verified")
    with pytest.raises(IndexError):
        handle[9] = 1
    handle[2]
    assert (handle.checksum_state, ndb.verify(path).state) == ("present", "verified")
    handle[2] = 7
    assert (handle.checksum_state, ndb.verify(path).state) == ("open", "open")
    handle.flush()
    assert (handle.checksum_state, ndb.verify(handle).state) == ("present", "verified")
    handle[2] = 8
    handle.close()
    assert ndb.load(path, require_checksum=True)[2] == 8
    # One that is dropped leaves them open, and says so.
    handle = ndb.open(path, "r+")
    handle[2] = 9
    del handle
    assert ndb.info(path)["checksum"] == "open" and ndb.load(path)[2] == 9
    assert ndb.checksum(path) and ndb.verify(path).state == "verified"


@pytest.mark.parametrize("kind", ["npy", "checked", "raw"])
def test_lengths_change(tmp_path, kind):
    array = make(np.dtype("<i4"), (5, 3))
    path, options, handle = mutable(tmp_path, kind, array)
    if options:
        options["shape"] = (-1, 3)
    with handle:
        held = handle[...]
        handle.append(array[:2][::-1])
        same(handle[...], np.concatenate([array, array[:2][::-1]]))
        handle.resize(2)
        same(handle[...], array[:2])
        handle[1] = 5
        handle.resize(3)
        wanted = np.concatenate([array[:1], [[5, 5, 5], [0, 0, 0]]]).astype("<i4")
        same(handle[...], wanted)
        for rows, error, words in [
            (array.astype(">i4"), ndb.MismatchError, r"expected <i4\[\?,3\], found >i4\[5,3\]"),
            (array.T, ndb.MismatchError, r"found <i4\[3,5\]"),
            ([1, 2], ndb.ArgumentTypeError, "found list"),
        ]:
            with pytest.raises(error, match=words):
                handle.append(rows)
        with pytest.raises(ndb.ArgumentError, match="an axis cannot have the length -1"):
            handle.resize(-1)
        with pytest.raises(ndb.LimitError):
            handle.resize(1 << 62)
    same(held, array)
    same(ndb.load(path, **options), wanted)


def test_arrays_over_the_old_file_outlive_a_resize(tmp_path):
    """Windows that a handle's methods leave in a traceback stand on memory that stays."""
    path, _, handle = mutable(tmp_path, "npy", np.arange(1 << 18))
    seen = handle._memory.core.view(True)
    handle.append(np.arange(3))
    handle.close()
    assert seen.sum() == np.arange(1 << 18).sum()
    seen[:] = 0


@pytest.mark.parametrize("kind, words", [
    ("frame", "a frame is written once"),
    ("gaps", "rows with gaps belong to other data"),
])
def test_lengths_that_cannot_change_say_why(tmp_path, kind, words):
    _, _, handle = mutable(tmp_path, kind, make(np.dtype("<i4"), (5, 3)))
    with handle, pytest.raises(ndb.ArgumentError, match=words):
        handle.resize(3)


# New files.


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("checksum", [False, True])
def test_new_files(tmp_path, order, checksum):
    path = tmp_path / "new.npy"
    path.write_bytes(b"what was there")
    with ndb.open(path, "w+", dtype=">u2", shape=(3, 4), order=order, checksum=checksum) as handle:
        assert handle.mode == "r+" and (handle[...] == 0).all()
        handle[1] = range(4)
    wanted = np.zeros((3, 4), ">u2", order=order)
    wanted[1] = range(4)
    assert ndb.verify(path).state == ("verified" if checksum else "unchecked")
    if not checksum:
        assert path.read_bytes() == numpy_save(wanted)
    same(np.load(path), wanted)
    with ndb.open(tmp_path / "new.raw", "w", dtype="<f4", shape=5, offset=8, gap=4) as handle:
        handle[:] = range(5)
        same(handle[::2], np.arange(0, 5, 2, dtype="<f4"))
        assert ndb.info(handle)["format"] == "raw" and ndb.verify(handle).state == "unchecked"
    assert (tmp_path / "new.raw").stat().st_size == 8 + 5 * 8


def test_new_files_have_names(tmp_path):
    path = tmp_path / "new.npy"
    with ndb.open(path, "w+", dtype="f4", shape=(2,), checksum=True, name="n", attrs={"a": "ü"}) as handle:
        assert (handle.name, handle.attrs) == ("n", {"a": "ü"})
    with ndb.open(path) as handle:
        assert (handle.name, handle.attrs) == ("n", {"a": "ü"})


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
    ("a.ndb", "a .ndb is written once, by save"),
    ("a.npy.gz", "the name says no format; a new file that is written in place ends in .npy, .raw or .bin"),
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


# Arrays over files: load(mmap=).


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "compressed"])
@pytest.mark.parametrize("mode", ["r", "r+", "c"])
@pytest.mark.parametrize("order", "CF")
def test_mapped_arrays(tmp_path, kind, mode, order):
    if kind == "gaps" and order == "F":
        return
    array = np.array(make(np.dtype(">i4"), (5, 3)), order=order)
    path = tmp_path / "a"
    options = KINDS[kind](path, array)
    before = path.read_bytes()
    mapped = ndb.load(path, mmap=mode, **options)
    assert type(mapped) is np.ndarray and mapped.flags.writeable == (mode != "r")
    same(mapped, array)
    assert kind == "gaps" or mapped.flags[f"{order}_CONTIGUOUS"]
    assert ndb.verify(path).state == {"checked": "verified", "frame": "verified"}.get(kind, "unchecked") or mode == "r+" \
        if not options else True
    if mode == "r":
        with pytest.raises(ValueError, match="read-only"):
            mapped[0] = 1
        with pytest.raises(ValueError):
            mapped.flags.writeable = True
        return
    part = mapped[1:]
    del mapped
    part[0] = [7, 8, 9]
    array[1] = [7, 8, 9]
    same(part, array[1:])
    if mode == "r+" and kind in ("checked", "frame"):
        assert ndb.info(path)["checksum"] == "open"
    del part  # The last one that looks at it.
    if mode == "c":
        assert path.read_bytes() == before
    else:
        same(ndb.load(path, **options, require_checksum=kind in ("checked", "frame")), array)


def test_mapped_arrays_stay_when_the_file_is_replaced(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.arange(5))
    mapped = ndb.load(path, mmap="r")
    ndb.save(path, np.zeros(3))
    os.unlink(path)
    same(mapped, np.arange(5))


def test_what_is_expected_of_a_mapped_array(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.arange(5, dtype="<i8"))
    same(ndb.load(path, mmap="r", expect="<i8[?]"), np.arange(5))
    for options, error, words in [
        ({"expect": "<i4[?]"}, ndb.MismatchError, r"expected <i4\[\?\], found <i8\[5\]"),
        ({"mmap": "w+"}, ndb.ArgumentError, r"mode must be one of r, r\+ or c, found \"w\+\""),
        ({"shape": 5}, ndb.ArgumentError, "for files without a header"),
    ]:
        with pytest.raises(error, match=words):
            ndb.load(path, **{"mmap": "r"} | options)
    with path.open("rb") as file, pytest.raises(ndb.ArgumentError, match="mmap is for a path, found a file object"):
        ndb.load(file, mmap="r")


# Threads, signals, descriptors.


def test_threads_read_at_once_while_others_write_and_grow(tmp_path):
    """Each row is the same number throughout, whatever happens meanwhile."""
    path = tmp_path / "a.npy"
    handle = ndb.open(path, "w+", dtype="<i8", shape=(64, 1000), checksum=True)
    stop, wrong = threading.Event(), []

    def read():
        while not stop.is_set():
            try:
                for row in (*handle[3:60:7], *handle[[1, 5, -1]], *handle.take([2, 9])):
                    if len(set(row[:2].tolist())) > 2 or row.shape != (1000,):
                        wrong.append(row)
                handle.shape, handle.checksum_state
            except ndb.Error as error:
                if "closed" not in str(error):
                    wrong.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(40):
        handle[turn] = turn
        handle.append(np.full((2, 1000), turn))
        handle.flush()
    handle.close()
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong
    found = ndb.load(path, require_checksum=True)
    assert found.shape == (144, 1000) and (found[:40] == np.arange(40)[:, None]).all()


def interrupted(work):
    """Seconds from a SIGINT to its KeyboardInterrupt."""
    timer = threading.Timer(0.3, lambda: (sent.append(time.monotonic()), os.kill(os.getpid(), signal.SIGINT)))
    sent = []
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        while True:
            work()
    return time.monotonic() - sent[0]


@pytest.mark.parametrize("work", ["read", "write", "fill", "flush", "append", "verify", "compress", "decompress", "diff"])
def test_ctrl_c_is_answered(tmp_path, work):
    """In any long call; how soon is looked at by hand, and a minute is a failure everywhere."""
    shape = (1 << 21, 8)
    path = tmp_path / "a.npy"
    handle = ndb.open(path, "w+", dtype="<i8", shape=shape, checksum=True)
    handle.flush()
    values = np.random.default_rng(0).integers(0, 100, shape)
    packed = ndb.zlib.compress(values[: 1 << 18], 1)

    def flush():
        handle[0] = 1
        handle.flush()

    assert 60 > interrupted({
        "read": lambda: handle[:, ::-1],
        "write": lambda: handle.__setitem__(..., values),
        "fill": lambda: handle.__setitem__(..., 1),
        "flush": flush,
        "append": lambda: handle.append(values),
        "verify": lambda: ndb.verify(path),
        "compress": lambda: ndb.zlib.compress(values),
        "decompress": lambda: ndb.zlib.decompress(packed),
        "diff": lambda: ndb.diff(values, values + 1),
    }[work])
    handle.close()
    assert ndb.verify(path).state == "verified"
    assert len(os.listdir(tmp_path)) == 1


def test_descriptors_and_maps_go_with_their_handles(tmp_path):
    path = tmp_path / "a.npy"
    ndb.save(path, np.arange(1000), checksum=True)

    def counted():
        with open("/proc/self/maps") as maps:
            return len(os.listdir("/proc/self/fd")), sum("a.npy" in line for line in maps)

    before = counted()
    for turn in range(50):
        handle = ndb.open(path, ["r", "r+", "c"][turn % 3])
        handle[3:5], handle[[1]]
        array = ndb.load(path, mmap=["r", "r+", "c"][turn % 3])
        array[2]
        with pytest.raises(ndb.ArgumentError):
            ndb.open(path, shape=3)
        if turn % 2:
            handle.close()
    del handle, array
    assert counted() == before


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
