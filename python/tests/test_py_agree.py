"""Every way out and back says the same of an array: dtype, shape, order and bytes, for all dtypes and layouts."""

import io

import numpy as np
import pytest

import cases
import ndbytes as ndb
from cases import DTYPES, LAYOUTS, check
from npyfiles import numpy_save

# What a `descr` cannot spell: a frame can.
WITHOUT_DESCR = ["unordered", "overlapping"]


def gaps(dtype):
    """The bytes of an item that hold no value: between fields, and in a long double of x87."""
    mask = cases.padding(dtype) if dtype.names else np.zeros(dtype.itemsize, bool)
    for start, stop in long_doubles(dtype):
        mask[start:stop] = True
    return mask


def long_doubles(dtype, at=0):
    """Where an item has the padding of long doubles; only machines whose long double is x87's have it."""
    if np.finfo(np.longdouble).nmant != 63:
        return
    if dtype.subdtype:
        base, shape = dtype.subdtype
        for index in range(int(np.prod(shape))):
            yield from long_doubles(base, at + index * base.itemsize)
    elif dtype.names:
        for name in dtype.names:
            field, offset = dtype.fields[name][:2]
            yield from long_doubles(field, at + offset)
    elif dtype.char in "gG":
        for part in range(dtype.itemsize // 16):
            start = at + part * 16
            yield (start, start + 6) if dtype.str[0] == ">" else (start + 10, start + 16)


def values(array):
    """The bytes of its items with zeros for those that hold no value."""
    items = np.frombuffer(array.view(f"V{array.dtype.itemsize}").tobytes(), "u1").reshape(-1, array.dtype.itemsize)
    return np.where(gaps(array.dtype), 0, items).tobytes()


def same(found, wanted, *, zeroed):
    """Whether both are one array: dtype with titles and offsets, shape, contiguity, and the bytes of values."""
    assert found.dtype == wanted.dtype and found.dtype.fields == wanted.dtype.fields
    assert found.shape == wanted.shape
    fortran = wanted.flags.f_contiguous and not wanted.flags.c_contiguous
    assert found.flags.f_contiguous if fortran else found.flags.c_contiguous
    void = f"V{wanted.dtype.itemsize}"
    assert found.view(void).tobytes() == (values(wanted) if zeroed else wanted.view(void).tobytes())


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", DTYPES)
def test_all_ways_agree(name, layout, tmp_path):
    array = cases.array(name, layout)
    itemsize = array.dtype.itemsize
    exact = array.view(f"V{itemsize}").tobytes()
    assert ndb.tobytes(array) == exact
    room = bytearray(len(exact))
    assert ndb.tobytes(array, out=room) is room and room == exact
    back = ndb.frombuffer(exact, array.dtype, array.shape)
    assert back.dtype == array.dtype and back.shape == array.shape and ndb.tobytes(back) == exact

    frame = ndb.dumps(array, codec="none")
    same(ndb.loads(frame), array, zeroed=True)
    ndb.save(tmp_path / "a.ndb", array, codec="none")
    assert (tmp_path / "a.ndb").read_bytes() == frame
    same(ndb.load(tmp_path / "a.ndb"), array, zeroed=True)
    ndb.save(tmp_path / "a.ndb", array)
    assert (tmp_path / "a.ndb").read_bytes() == ndb.dumps(array, codec="auto")
    same(ndb.load(tmp_path / "a.ndb"), array, zeroed=True)
    wire = io.BytesIO()
    ndb.send(wire, array)
    assert wire.getvalue() == frame == b"".join(map(bytes, ndb.buffers(array)))
    wire.seek(0)
    same(ndb.recv(wire), array, zeroed=True)
    decoder = ndb.Decoder()
    decoder.feed(frame)
    same(next(decoder), array, zeroed=True)
    file = io.BytesIO()
    ndb.tofile(array, file)
    ndb.save(tmp_path / "a.raw", array)
    assert file.getvalue() == (tmp_path / "a.raw").read_bytes() == exact
    items = ndb.load(tmp_path / "a.raw", dtype=array.dtype, shape=array.shape)
    assert items.dtype == array.dtype and ndb.tobytes(items) == exact

    if name in WITHOUT_DESCR:
        for refused in (lambda: ndb.dumps(array), lambda: ndb.save(tmp_path / "a.npy", array)):
            with pytest.raises(ndb.ArgumentError, match="overlapping or out-of-order fields"):
                refused()
        assert not (tmp_path / "a.npy").exists()
        return
    checked = ndb.dumps(array)
    same(ndb.loads(checked), array, zeroed=True)
    same(ndb.loads(checked, copy=False), array, zeroed=True)
    ndb.save(tmp_path / "a.npy", array)
    bare = (tmp_path / "a.npy").read_bytes()
    same(ndb.load(tmp_path / "a.npy"), array, zeroed=False)
    if not cases.is_extension(array.dtype) and name != "extended":
        wanted = numpy_save(array)
        start = len(wanted) - array.nbytes
        assert bare[:start] == wanted[:start]
        check(bare[start:], wanted[start:], array.dtype)
        read = np.load(io.BytesIO(checked))
        assert read.dtype == array.dtype and read.shape == array.shape
        assert values(read) == values(array)


@pytest.mark.parametrize("order", "CFAK")
@pytest.mark.parametrize("name", DTYPES)
def test_tobytes_in_every_order(name, order):
    for layout in LAYOUTS:
        array = cases.array(name, layout).view(f"V{DTYPES[name].itemsize}")
        assert ndb.tobytes(array.view(DTYPES[name]), order) == array.tobytes("C" if order == "K" else order), layout


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("codec", [None, "none"])
def test_out_at_any_strides(codec, layout):
    """`out` takes the items wherever its own stand, and only these."""
    array = cases.array(">i4", layout)
    data = ndb.dumps(array, codec=codec)
    outs = {
        "C": np.empty(array.shape, array.dtype),
        "F": np.empty(array.shape, array.dtype, "F"),
        "every other": np.empty((*array.shape, 2), array.dtype)[..., 1],
        "backwards": np.empty(array.shape, array.dtype)[::-1] if array.ndim else np.empty((), array.dtype),
        "unaligned": np.ndarray(array.shape, array.dtype, bytearray(array.nbytes + 1), 1),
    }
    for kind, out in outs.items():
        out[...] = 7
        assert ndb.loads(data, out=out) is out, kind
        assert np.array_equal(out, array), kind
    beside = np.zeros((*array.shape, 2), array.dtype)
    ndb.loads(data, out=beside[..., 0])
    assert not beside[..., 1].any()


def test_scalars_and_exporters_go_in():
    import array as arrays
    import ctypes

    assert ndb.loads(ndb.dumps(np.float32(1.5))) == np.float32(1.5) and ndb.loads(ndb.dumps(np.float32(1.5))).shape == ()
    for exporter, wanted in {
        b"abc": np.array([97, 98, 99], "u1"),
        bytes(): np.array([], "u1"),
    }.items():
        assert np.array_equal(ndb.loads(ndb.dumps(exporter)), wanted)
    grid = memoryview(bytes(range(12))).cast("B", (3, 4))
    assert ndb.tobytes(grid) == bytes(range(12))
    assert ndb.loads(ndb.dumps(grid)).shape == (3, 4)
    assert ndb.loads(ndb.dumps(bytearray(b"xy"))).tolist() == [120, 121]
    assert ndb.loads(ndb.dumps(memoryview(b"abcdef")[::2])).tolist() == [97, 99, 101]
    assert ndb.loads(ndb.dumps(arrays.array("d", [1.0, 2.0]))).tolist() == [1.0, 2.0]
    assert ndb.loads(ndb.dumps((ctypes.c_int16 * 3)(1, 2, 3))).dtype == np.dtype("i2")
    records = np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])
    assert ndb.loads(ndb.dumps(records)).dtype.names == ("a", "b")


class Interface:
    """What other libraries' arrays are to us."""

    def __init__(self, array):
        self.__array_interface__ = array.__array_interface__
        self.array = array


class Dlpack:
    def __init__(self, array, device=(1, 0)):
        self.array, self.device = array, device

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.device


class Converted:
    """As a pandas Series: it only knows how to become an array."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


@pytest.mark.parametrize("wrap", [Interface, Dlpack, Converted])
def test_arrays_of_other_libraries_go_in(wrap):
    array = np.arange(24, dtype="<f4").reshape(2, 3, 4)[:, ::2]
    assert np.array_equal(ndb.loads(ndb.dumps(wrap(array))), array)
    assert ndb.tobytes(wrap(array)) == array.tobytes()


def test_what_lies_on_another_device_is_refused():
    with pytest.raises(ndb.ArgumentError, match=r"lies on another device \(DLPack's number 2\); bring it to the CPU"):
        ndb.tobytes(Dlpack(np.zeros(3), device=(2, 0)))


def test_zero_copy_is_zero_copy():
    room = bytearray(range(16))
    view = ndb.frombuffer(room, "<u2", (2, -1), offset=4, gap=0)
    view[0, 0] = 0xFFFF
    assert room[4:6] == b"\xff\xff" and view.shape == (2, 3)
    with pytest.raises(BufferError):
        room.extend(b"x")
    data = ndb.dumps(np.arange(4))
    shown = ndb.loads(data, copy=False)
    assert np.shares_memory(shown, np.frombuffer(data, "u1")) and not shown.flags.writeable
    gapped = ndb.frombuffer(bytes(range(10)), "u1", gap=2)
    assert gapped.tolist() == [0, 3, 6, 9] and gapped.strides == (3,)
    fortran = ndb.frombuffer(bytes(range(6)), "u1", (2, 3), order="F")
    assert fortran.flags.f_contiguous and fortran.tolist() == [[0, 2, 4], [1, 3, 5]]
    own = ndb.frombuffer(bytes(6), "u1", copy=True)
    own[0] = 1
    pairs = ndb.frombuffer(bytes(range(8)), ("<u2", (2,)))
    assert pairs.shape == (2, 2)
