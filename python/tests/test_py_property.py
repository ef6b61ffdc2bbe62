"""Any array in any layout through every way out and back, and any damage on the way."""

import io
import socket
import zlib

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

import ndbytes as ndb
from conftest import examples
from npyfiles import numpy_load, numpy_save
from strategies import arrays, corrupted, has_descr, is_numpys, overlaps, stored
from streams import assert_equal, assert_same, running, values

pytestmark = [
    pytest.mark.usefixtures("arrays_described"),
    pytest.mark.filterwarnings("ignore:Stored array in format"),  # NumPy, of names beyond Latin.
]


def assert_zeroed(found):
    """What holds no value is zeros, so that equal arrays are equal bytes."""
    if overlaps(found.dtype):
        return  # There, gaps inside of fields stay as they are.
    items = np.frombuffer(stored(found), "u1").reshape(found.size, found.dtype.itemsize)
    assert not items[:, ~values(found.dtype)].any()


@examples
@hypothesis.given(arrays(), st.sampled_from("CFAK"), st.integers(0, 9))
def test_memory(array, order, level):
    exact = stored(array)
    assert ndb.tobytes(array, order) == stored(array, order)
    room = bytearray(array.nbytes)
    assert ndb.tobytes(array, order, out=room) is room and room == stored(array, order)
    if array.dtype.itemsize:
        flat = np.frombuffer(exact, array.dtype)
        back = ndb.frombuffer(exact, array.dtype)
        assert back.dtype == flat.dtype and back.shape == flat.shape and stored(back) == exact
        back = ndb.frombuffer(stored(array, "F"), array.dtype, array.shape, order="F", copy=True)
        assert_equal(back, array)

    frame = ndb.dumps(array, codec="none")
    check_loads(frame, array)
    for module in (ndb.zlib, ndb.gzip):
        packed = module.compress(array, level)
        assert bytes(module.decompress(packed)) == exact
        if array.dtype.itemsize:
            back = module.decompress(packed, dtype=array.dtype, shape=array.shape)
            assert back.dtype == array.dtype and stored(back) == exact
    assert zlib.decompress(ndb.zlib.compress(array, level)) == exact

    if not has_descr(array.dtype):
        with pytest.raises(ndb.ArgumentError, match="overlapping or out-of-order"):
            ndb.dumps(array)
        return
    checked = ndb.dumps(array)
    check_loads(checked, array)
    if is_numpys(array.dtype):
        bare = numpy_save(array)
        assert checked.startswith(bare[: len(bare) - array.nbytes])
        assert_same(ndb.loads(bare, require_checksum=False), numpy_load(bare))
        assert_same(numpy_load(checked), numpy_load(bare))


def check_loads(data, array):
    assert ndb.verify(data)
    found = ndb.loads(data)
    assert_same(found, array)
    assert_zeroed(found)
    view = ndb.loads(data, copy=False)
    assert not view.flags.writeable
    assert_equal(view, array)
    out = np.ndarray((*array.shape, 2), array.dtype)[..., 1]
    assert ndb.loads(data, out=out) is out
    assert_equal(out, array)


SUFFIXES = ["npy", "ndb", "npz", "npy.zz", "npy.gz", "raw"]


@examples
@hypothesis.given(arrays(), st.sampled_from(SUFFIXES), st.booleans(), st.integers(0, 9))
def test_files(folder, array, suffix, checked, level):
    path = folder / f"a.{suffix}"
    if suffix == "raw":
        check_raw(path, array)
        return
    options = {"npy": {"checksum": checked}, "ndb": {}}.get(suffix, {"level": level})
    given = {"a": array} if suffix == "npz" else array
    if suffix != "ndb" and not has_descr(array.dtype):
        with pytest.raises(ndb.ArgumentError, match="overlapping or out-of-order"):
            ndb.save(path, given, **options)
        return
    ndb.save(path, given, **options)
    for file in (path, io.BytesIO(path.read_bytes())):
        found = ndb.load(file)
        assert_same(found["a"] if suffix == "npz" else found, array)
    assert suffix == "npz" or ndb.verify(path)
    if suffix in ("npy", "ndb"):
        if ndb.info(path)["block"] is None:
            assert_equal(ndb.load(path, mmap="c"), array)
        with ndb.open(path) as handle:
            assert (handle.shape, handle.dtype) == (array.shape, array.dtype)
            assert stored(handle[...]) == stored(found)
    file = io.BytesIO()
    if suffix != "ndb" and not suffix.startswith("npy."):
        ndb.save(file, given, **({"checksum": checked} if suffix == "npy" else {"level": level}))
        assert file.getvalue() == path.read_bytes()
    if is_numpys(array.dtype) and suffix in ("npy", "npz"):
        wanted = numpy_load(numpy_save(array))
        found = np.load(path)
        assert_same(found["a"] if suffix == "npz" else found, wanted)
        np.savez(path, a=array) if suffix == "npz" else np.save(path, array)
        found = ndb.load(path)
        assert_same(found["a"] if suffix == "npz" else found, wanted)


def check_raw(path, array):
    exact = stored(array)
    ndb.save(path, array)
    assert path.read_bytes() == exact
    file = io.BytesIO()
    ndb.tofile(array, file)
    assert file.getvalue() == exact
    if not array.dtype.itemsize:
        return
    for found in (ndb.load(path, dtype=array.dtype, shape=array.shape), ndb.fromfile(path, array.dtype, array.shape),
                  ndb.fromfile(io.BytesIO(exact), array.dtype, array.shape)):
        assert (found.dtype, found.dtype.fields, found.shape) == (array.dtype, array.dtype.fields, array.shape)
        assert stored(found) == exact
    assert stored(ndb.fromfile(path, array.dtype)) == stored(np.fromfile(path, array.dtype)) == exact


@examples
@hypothesis.given(st.lists(arrays(), min_size=1, max_size=3), st.integers(0, 1 << 16), st.booleans())
def test_streams(sent, seed, npy):
    if npy:
        sent = [array for array in sent if has_descr(array.dtype) and is_numpys(array.dtype)]
    file = io.BytesIO()
    for array in sent:
        ndb.send(file, array, npy=npy)
    data = file.getvalue()
    file.seek(0)
    for array in sent:
        assert_same(ndb.recv(file, npy=npy), array)
    with pytest.raises(EOFError):
        ndb.recv(file, npy=npy)
    if not npy:
        assert b"".join(part for array in sent for part in ndb.buffers(array)) == data
        file.seek(0)
        for found, array in zip(ndb.recv_iter(file), sent, strict=True):
            assert_same(found, array)

    here, there = socket.socketpair()
    with here, there, running(lambda: [ndb.recv(there, npy=npy) for _ in sent]) as received:
        for array in sent:
            ndb.send(here, array, npy=npy)
    for found, array in zip(received(), sent, strict=True):
        assert_same(found, array)

    decoder = ndb.Decoder(npy=npy)
    for part in pieces(data, seed):
        decoder.feed(part)
    decoder.eof_received()
    for found, array in zip(decoder, sent, strict=True):
        assert_same(found, array)


def pieces(data, seed):
    """The bytes in random pieces: small ones first, where headers are, but not too many."""
    random, at = np.random.default_rng(seed), 0
    while at < len(data):
        size = int(random.integers(1, 2 + at % 200 + at // 4 + (seed % 2) * 1000))
        yield data[at : at + size]
        at += size


ENCODERS = {
    "npy": ndb.dumps,
    "frame": lambda array: ndb.dumps(array, codec="none"),
    "attributes": lambda array: ndb.dumps(array, name="n", attrs={"a": [1, None, "ß"]}),
}


@examples
@hypothesis.given(arrays(), st.sampled_from(list(ENCODERS)), st.floats(0, 1, exclude_max=True), st.data())
def test_a_flipped_bit_is_an_error_and_a_cut_too(array, way, where, data):
    hypothesis.assume(way == "frame" or has_descr(array.dtype))
    whole = ENCODERS[way](array)
    bit = int(where * len(whole) * 8)
    flipped = bytearray(whole)
    flipped[bit // 8] ^= 1 << bit % 8
    for read in (ndb.loads, lambda given: ndb.loads(given, copy=False)):
        with pytest.raises(ndb.Error):
            read(bytes(flipped))
    try:
        assert not ndb.verify(bytes(flipped))
    except (ndb.FormatError, ndb.UnsupportedError, ndb.LimitError):
        pass  # It may be another format or version now, or too much: no report, and no word of being right either.

    # The header and the tail are short: half of the cuts go there.
    near = data.draw(st.sampled_from(["start", "end", "any"]))
    length = {"start": min(bit % 400, len(whole) - 1), "end": max(0, len(whole) - 1 - bit % 400)}.get(near, bit // 8)
    with pytest.raises(ndb.TruncatedError):
        ndb.loads(whole[:length])


def valid(array):
    """Everything that is read, of this array."""
    file = io.BytesIO()
    np.savez(file, a=np.arange(3), **{"ß": np.zeros((2, 2), ">f4")})
    found = [ndb.dumps(array, codec="none"), file.getvalue(), ndb.zlib.compress(array), b""]
    found += [ndb.dumps({"a": np.arange(5.0), "b": np.zeros(3, "u1")})]
    if has_descr(array.dtype):
        file = io.BytesIO()
        ndb.save(file, array)
        found += [file.getvalue(), ndb.dumps(array), ndb.dumps(array, name="n", attrs={"b": [1.5, {}]})]
        found += [numpy_save(array, (3, 0)), ndb.gzip.compress(file.getvalue()), ndb.zlib.compress(ndb.dumps(array))]
    return found


anything = st.one_of(corrupted(arrays().flatmap(lambda array: st.sampled_from(valid(array)))), st.binary(max_size=300))
ALLOWED = (ndb.Error, ValueError, OSError, EOFError, MemoryError)


def decoded(data, npy):
    decoder = ndb.Decoder(npy=npy)
    decoder.feed(data)
    decoder.eof_received()
    return list(decoder)


READERS = {
    "loads": ndb.loads,
    "loads unchecked": lambda data: ndb.loads(data, require_checksum=False, copy=False),
    "load": lambda data: ndb.load(io.BytesIO(data)),
    "recover": lambda data: ndb.load(io.BytesIO(data), recover=True),
    "recv": lambda data: list(ndb.recv_iter(io.BytesIO(data))),
    "recv npy": lambda data: ndb.recv(io.BytesIO(data), npy=True),
    "Decoder": lambda data: decoded(data, False),
    "Decoder npy": lambda data: decoded(data, True),
    "info": lambda data: str(ndb.info(data)),
    "verify": lambda data: str(ndb.verify(data)),
    "zlib": lambda data: ndb.zlib.decompress(data, max_bytes=1 << 24),
    "gzip": lambda data: ndb.gzip.decompress(data, max_bytes=1 << 24),
    "open": lambda data: ndb.open(data)[...],
}


@examples
@hypothesis.given(anything)
def test_no_input_raises_anything_else(folder, data):
    path = folder / "any"
    path.write_bytes(data)
    calls = READERS | {
        "load path": lambda data: ndb.load(path),
        "map": lambda data: ndb.load(path, mmap="r"),
        "open path": lambda data: ndb.open(path)[...],
        "verify path": lambda data: ndb.verify(path),
    }
    for name, call in calls.items():
        try:
            call(data)
        except ALLOWED:
            pass
        except BaseException as error:
            error.add_note(f"{name} of {data!r}")
            raise
