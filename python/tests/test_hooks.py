"""Arrays inside JSON and MessagePack: exact for every dtype, in the form that the specification says, and checked when read."""

import base64
import functools
import gzip
import io
import json
import re
import subprocess
import sys
import zlib

import hypothesis
import msgpack
import msgpack.fallback
import numpy as np
import pytest
from hypothesis import strategies as st

import ndbytes as ndb
from cases import DTYPES, make
from specified import SPEC
from test_py_errors import REFUSED_ARRAYS
from test_reader import READER

A = np.arange(12, dtype=">i4").reshape(3, 4)
CHECKED = ndb.dumps(A)
KEY, CODE = "__ndbytes__", 78
FORMAT = (SPEC / "FORMAT.md").read_text()
SECTION = FORMAT[FORMAT.index("## 16. Inside other formats") :]


def through_json(obj, write=json.dumps, read=json.loads):
    return read(write(obj, default=ndb.json_default), object_hook=ndb.json_object_hook)


def through_msgpack(obj, **options):
    return msgpack.unpackb(msgpack.packb(obj, default=ndb.msgpack_default, **options), ext_hook=ndb.msgpack_ext_hook)


def through_fallback(obj):
    """By the part of msgpack that is Python, where there is no compiled one."""
    packer = msgpack.fallback.Packer(default=ndb.msgpack_default)
    unpacker = msgpack.fallback.Unpacker(ext_hook=ndb.msgpack_ext_hook)
    unpacker.feed(packer.pack(obj))
    return unpacker.unpack()


def object_of(data):
    return {KEY: base64.b64encode(data).decode()}


def from_json(data):
    return json.loads(json.dumps(object_of(data)), object_hook=ndb.json_object_hook)


def from_msgpack(data):
    return msgpack.unpackb(msgpack.packb(msgpack.ExtType(CODE, data)), ext_hook=ndb.msgpack_ext_hook)


WAYS = {"json": through_json, "msgpack": through_msgpack, "fallback": through_fallback}
READS = {"json": from_json, "msgpack": from_msgpack}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
reads = pytest.mark.parametrize("read", READS.values(), ids=READS)


def same(found, wanted):
    """The array itself, in memory of its own."""
    __tracebackhide__ = True
    assert type(found) is np.ndarray and (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    assert ndb.diff(found, wanted).identical
    assert found.flags.writeable and found.flags.f_contiguous >= np.asarray(wanted).flags.f_contiguous


@ways
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_comes_back(dtype, way):
    dtype = DTYPES[dtype]
    arrays = [make(dtype, shape) for shape in [(), (0,), (1,), (3, 0, 2), (5, 7)]]
    arrays += [arrays[-1].T, arrays[-1][::-2, 1:], np.broadcast_to(arrays[2], (3, 1))]
    for found, wanted in zip(way(arrays), arrays, strict=True):
        same(found, wanted)


@pytest.mark.parametrize("dtype", ["unordered", "overlapping"])
def test_what_npy_cannot_say_is_a_frame(dtype):
    array = make(DTYPES[dtype], (5, 7))
    with pytest.raises(ndb.ArgumentError):
        ndb.dumps(array)
    assert base64.b64decode(ndb.json_default(array)[KEY]) == ndb.msgpack_default(array).data == ndb.dumps(array, codec="none")


@ways
def test_arrays_stand_anywhere(way):
    found = way({"a": A, "b": [1, {"c": [A.T, [A[0]]], "d": None}], "e": {"f": {"g": A[:0]}}, "h": "text", "i": 1.5})
    same(found["a"], A)
    same(found["b"][1]["c"][0], A.T)
    same(found["b"][1]["c"][1][0], A[0])
    same(found["e"]["f"]["g"], A[:0])
    assert (found["b"][0], found["b"][1]["d"], found["h"], found["i"]) == (1, None, "text", 1.5)
    same(way(A), A)


@ways
def test_a_large_array(way):
    wanted = np.random.default_rng(1).integers(0, 1 << 60, (1000, 700))
    same(way(wanted), wanted)


SCALARS = [np.float32(3), np.int64(-1), np.uint8(7), np.True_, np.complex64(1 + 2j), np.datetime64("2026-01-02", "D"),
           np.timedelta64(5, "ms"), np.void(b"abc"), np.array([(1, 2.0)], "i4,f8")[0], np.float16("nan"), np.longdouble(1) / 3]


@ways
@pytest.mark.parametrize("scalar", SCALARS, ids=lambda scalar: str(scalar.dtype))
def test_a_scalar_is_an_array_without_axes(scalar, way):
    same(way([scalar])[0], np.asarray(scalar))


def test_scalars_that_are_pythons_numbers_and_strings_are_written_as_these():
    found = through_json([np.float64(0.1), np.str_("é")])
    assert found == [0.1, "é"] and [type(item) for item in found] == [float, str]
    same(through_json(np.bytes_(b"ab")), np.array(b"ab"))
    given = [np.float64(0.1), np.str_("é"), np.bytes_(b"ab")]
    assert through_msgpack(given) == [0.1, "é", b"ab"]
    for found, scalar in zip(through_msgpack(given, strict_types=True), given, strict=True):
        same(found, np.asarray(scalar))


class Interface:
    """Another library's array, by the array interface."""

    __array_interface__ = property(lambda self: A.__array_interface__)


class DLPack:
    """Another library's array, by DLPack."""

    def __dlpack__(self, **options):
        return np.arange(4.0).__dlpack__(**options)

    def __dlpack_device__(self):
        return np.arange(4.0).__dlpack_device__()


@ways
def test_arrays_of_other_libraries(way):
    same(way([Interface()])[0], A)
    same(way([DLPack()])[0], np.arange(4.0))


def test_the_form_is_the_specified_one():
    array = np.array([1, 2], "<u2")
    text = json.dumps(array, default=ndb.json_default)
    assert list(json.loads(text)) == [KEY]
    data = base64.b64decode(json.loads(text)[KEY], validate=True)
    packed = msgpack.packb(array, default=ndb.msgpack_default)
    found = msgpack.unpackb(packed)
    assert found == msgpack.ExtType(CODE, data) and data == ndb.dumps(array)
    # NumPy reads it, and the reader that was made from the specification alone.
    assert np.array_equal(np.load(io.BytesIO(data), allow_pickle=False), array)
    assert READER.read(data, require_checksum=True)[0].tobytes() == array.tobytes()
    # The specification's own example.
    shown, hexadecimal = re.search(r"the object begins `(.*?)`, and the extension\n`(.*?)`", SECTION).groups()
    assert text.replace(" ", "").startswith(shown) and packed.hex(" ").startswith(hexadecimal)
    assert f"whose only key is `{KEY}`" in SECTION and f"extension of the type {CODE} (`{chr(CODE)}`)" in SECTION


def test_the_media_type_is_the_specified_one():
    assert re.search(r"^\*\*Media type\*\*: `(.*?)`", SECTION, re.M)[1] == ndb.MEDIA_TYPE
    assert re.fullmatch(r"application/vnd\.[a-z]+", ndb.MEDIA_TYPE)


@ways
@pytest.mark.parametrize("what", ["objects", "nested objects", "StringDType", "masked", "others' dtype"])
def test_what_is_no_bytes_is_refused(what, way):
    array, error, message = REFUSED_ARRAYS[what]
    with pytest.raises(error, match=message):
        way({"a": [array]})


OTHERS = [set(), 1j, object(), np.float32, bytearray(b"ab"), memoryview(b"ab"), np.dtype("f4")]


@pytest.mark.parametrize("default", [ndb.json_default, ndb.msgpack_default])
@pytest.mark.parametrize("other", OTHERS, ids=lambda other: type(other).__name__)
def test_what_is_no_array_is_a_type_error(other, default):
    with pytest.raises(TypeError, match=f"expected an array or a NumPy scalar, found {type(other).__name__}, which"):
        default(other)


def test_bytes_do_not_become_an_array():
    with pytest.raises(TypeError, match="found bytes, which JSON cannot say"):
        through_json(b"abc")
    assert through_msgpack([b"abc", bytearray(b"d")]) == [b"abc", b"d"]


@reads
def test_every_flipped_bit_is_an_error(read):
    same(read(CHECKED), A)
    for at in range(len(CHECKED)):
        for bit in range(8):
            data = bytearray(CHECKED)
            data[at] ^= 1 << bit
            # What lies in the data is told apart from what lies around it.
            expected = ndb.ChecksumError if 128 <= at < 128 + A.nbytes else ndb.Error
            with pytest.raises(expected):
                read(bytes(data))


@reads
def test_every_cut_is_an_error(read):
    for end in range(len(CHECKED)):
        with pytest.raises(ndb.TruncatedError):
            read(CHECKED[:end])
    with pytest.raises(ndb.FormatError):
        read(CHECKED + b"\0")


def test_every_changed_character_is_an_error_or_changes_nothing():
    text = json.dumps(A, default=ndb.json_default)
    start, unseen = text.index("k05V"), 0
    for at in range(start, len(text) - 2):
        for character in "AQz/=- é":
            changed = text[:at] + character + text[at + 1 :]
            try:
                found = json.loads(changed, object_hook=ndb.json_object_hook)
            except ndb.Error:
                continue
            unseen += changed != text
            same(found, A)
    # Bits of the last character that stand for nothing.
    assert unseen <= 3


def saved(write):
    file = io.BytesIO()
    write(file)
    return file.getvalue()


BARE = saved(lambda file: np.save(file, A))
REFUSED_BYTES = {
    "coded": (ndb.dumps(np.zeros(1000), codec="zstd"), ndb.FormatError, "expected the bytes of a checked .npy, or of a frame"),
    "zlib": (zlib.compress(CHECKED), ndb.FormatError, "found b'x"),
    "gzip": (gzip.compress(CHECKED), ndb.FormatError, r"found b'\\x1f\\x8b"),
    "npz": (ndb.dumps({"a": A}), ndb.FormatError, "found b'PK"),
    "npz of NumPy": (saved(lambda file: np.savez(file, a=A)), ndb.FormatError, "found b'PK"),
    "bare npy": (BARE, ndb.TruncatedError, "no checksum|checksum"),
    "objects": (saved(lambda file: np.save(file, np.array([None]), allow_pickle=True)), ndb.UnsupportedError, "is an object dtype, which means pickle"),
    "two arrays": (CHECKED + CHECKED, ndb.FormatError, "behind"),
    "another version": (b"\x93NUMPY\x09" + CHECKED[7:], ndb.UnsupportedError, "version"),
    "text": (b"neither of these", ndb.FormatError, "found b'neither of' and 6 bytes behind it"),
}


@reads
@pytest.mark.parametrize("what", REFUSED_BYTES)
def test_other_bytes_are_refused(what, read):
    data, error, message = REFUSED_BYTES[what]
    with pytest.raises(error, match=message):
        read(data)


@reads
def test_frames_are_read_as_well(read):
    for array in A, A.T, np.array(1.5), A[:0]:
        same(read(ndb.dumps(array, codec="none")), array)
        same(read(b"".join(ndb.buffers(array, name="n", attrs={"k": 1}))), array)


@reads
@hypothesis.given(st.binary(max_size=300), st.sampled_from([b"", CHECKED[:100], ndb.dumps(A, codec="none")[:100]]))
def test_any_bytes_are_an_error_of_ours(read, data, front):
    with pytest.raises(ndb.Error):
        read(front + data)


BAD_OBJECTS = {
    "another key": ({**object_of(CHECKED), "more": 1}, "has no other key, found 2 keys"),
    "a number": ({KEY: 5}, "must be a string of base64, found int"),
    "nothing": ({KEY: None}, "must be a string of base64, found NoneType"),
    "an array in it": ({KEY: object_of(CHECKED)}, "must be a string of base64, found ndarray"),
    "a line break": ({KEY: base64.encodebytes(CHECKED).decode()}, "must be base64 with nothing between it"),
    "no padding": ({KEY: object_of(CHECKED)[KEY].rstrip("=") + "A"}, "must be base64 with nothing between it"),
    "another alphabet": ({KEY: base64.urlsafe_b64encode(b"\xff\xef\xbe" * 9).decode()}, "must be base64"),
    "no ASCII": ({KEY: "é"}, "must be base64"),
}


@pytest.mark.parametrize("what", BAD_OBJECTS)
def test_other_objects_under_the_key_are_refused(what):
    value, message = BAD_OBJECTS[what]
    with pytest.raises(ndb.FormatError, match=message):
        json.loads(json.dumps([value]), object_hook=ndb.json_object_hook)


def test_objects_without_the_key_are_left_alone():
    given = {"a": {"__ndbytes": 1}, "b": {}, "": KEY}
    assert json.loads(json.dumps(given), object_hook=ndb.json_object_hook) == given


def test_other_extensions_are_left_alone():
    given = [msgpack.ExtType(5, b"abc"), msgpack.Timestamp(3, 4), msgpack.ExtType(79, CHECKED)]
    assert through_msgpack(given) == given


def test_json_of_another_encoding_and_to_files():
    stream = io.StringIO()
    json.dump({"é": A}, stream, default=ndb.json_default, indent=2, ensure_ascii=False)
    stream.seek(0)
    same(json.load(stream, object_hook=ndb.json_object_hook)["é"], A)
    encoder = functools.partial(json.dumps, separators=(",", ":"), sort_keys=True)
    same(through_json({"a": A}, write=encoder)["a"], A)
    same(json.loads(json.dumps(A, default=ndb.json_default).encode("utf-16"), object_hook=ndb.json_object_hook), A)


LAZY = """
import sys, json, numpy, ndbytes
assert "msgpack" not in sys.modules
a = numpy.arange(3)
json.loads(json.dumps(a, default=ndbytes.json_default), object_hook=ndbytes.json_object_hook)
ndbytes.msgpack_ext_hook(78, ndbytes.dumps(a))
assert "msgpack" not in sys.modules
ndbytes.msgpack_default(a)
assert "msgpack" in sys.modules
"""


def test_msgpack_is_imported_by_who_uses_it():
    subprocess.run([sys.executable, "-c", LAZY], check=True)
