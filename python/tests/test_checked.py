"""Checked `.npy`: NumPy reads it as ever, and an implementation that shares no code makes the same tails."""

import io
import json
import random

import ml_dtypes
import numpy as np
import pytest

import cases
import checked
from cases import DTYPES, check
from checked import BLOCK
from npyfiles import numpy_save
from oracle import Refused, has_extension
from specified import specified
from test_npy import SAVED_EXACTLY

LAYOUTS = ["F", "transposed 3-D", "[::2, ::3]", "broadcast", "0-d", "empty", "unaligned"]


def reference():
    """The reader and writer that stands beside the specification."""
    return specified("checked_npy")


def same(found, array):
    """The same dtype, shape, order and values as the array."""
    __tracebackhide__ = True
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.flags.fnc == array.flags.fnc or not array.size
    check(found.tobytes(), array.tobytes(), array.dtype)


def test_the_sum_is_crc32c():
    assert checked.crc32c(b"123456789") == 0xE3069283
    assert checked.crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, B.4
    assert checked.crc32c(b"\xff" * 32) == 0x62A8AB43
    assert checked.crc32c(bytes(range(32))) == 0x46DD794E


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", SAVED_EXACTLY)
def test_numpy_reads_it_as_ever(oracle, tmp_path, dtype, layout):
    array = cases.array(dtype, layout)
    bare, file = oracle.encode(array), oracle.encode(array, checksum=True)
    assert file.startswith(bare)
    assert oracle.decode(file, checks="required").state == "verified"

    # Twice the same behind each other: data, tail, data, tail, and the end.
    path = tmp_path / "two.npy"
    path.write_bytes(file + file)
    same(np.load(path), array)
    mapped = np.load(path, mmap_mode="r")
    same(mapped, array)
    del mapped
    with open(path, "rb") as stream:
        same(np.lib.format.read_array(stream), array)
        assert stream.tell() == len(bare)
        stream.seek(0)
        for _ in range(2):
            same(np.load(stream), array)
            assert np.load(stream).tobytes().startswith(checked.MAGIC)
        with pytest.raises(EOFError):
            np.load(stream)


SIZES = [0, 1, 1000, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 17]


@pytest.mark.parametrize("size", SIZES)
def test_tails_are_made_alike(oracle, size):
    array = cases.pool()[:size]
    file = oracle.encode(array, checksum=True)
    header, data, tail = checked.split(file)
    assert header + data == numpy_save(array)
    assert tail == checked.tail(header, data)
    assert checked.verify(file) == b""
    assert oracle.decode(header + data + tail, checks="required").data == array.tobytes()
    if size < BLOCK:
        assert tail == reference().tail(header, data)
        assert reference().read(file)["state"] == "sealed"


@pytest.mark.parametrize("chunk", [1, 13, 128, 4096])
@pytest.mark.parametrize("dtype", ["<f4", "subarray", ">c16", ">M8[ns]", "titles", "<U3"])
def test_tails_are_made_alike_in_any_pieces(oracle, dtype, chunk):
    array = cases.make(DTYPES[dtype], (11, 9)).T
    attrs = '{"unit": "mV"}'
    file = oracle.encode(array, checksum=True, name="x", attrs=attrs, chunk=chunk)
    header, data, tail = checked.split(file)
    assert tail == checked.tail(header, data, b'{"name":"x","attrs":{"unit": "mV"}}')
    read = oracle.decode(file, checks="required", chunk=chunk)
    assert (read.state, read.name, read.attrs, read.data) == ("verified", "x", attrs, data)


NAMES = ["a", "a b", 'quoted "one"', "back\\slash\n\t\x00\x1f", "日本語 😀", "\x7f\u2028"]
ATTRS = [
    "{}",
    '{"unit": "mV", "rate": 1e3}',
    '{"nested": {"a": [1, 2, {"b": null}]}, "t": true}',
    ' { "space" : 1 } ',
    '{"a": 1, "a": 2}',
    '{"text": "\\u00e9 é 😀", "big": 123456789012345678901234567890}',
]


@pytest.mark.parametrize("name", [None, *NAMES])
@pytest.mark.parametrize("attrs", [None, *ATTRS])
def test_name_and_attributes_come_back(oracle, name, attrs):
    file = oracle.encode(np.arange(5), checksum=True, name=name, attrs=attrs)
    metadata = checked.verify(file)
    wanted = ({"name": name} if name else {}) | ({"attrs": json.loads(attrs)} if attrs else {})
    assert json.loads(metadata or b"{}") == wanted
    read = oracle.decode(file)
    assert (read.name, read.attrs) == (name or "", (attrs or "").strip())


@pytest.mark.parametrize("attrs", ["[]", "1", "{", '{"a": 1} x', "{'a': 1}", '{"a": NaN}'])
def test_attributes_are_one_json_object(oracle, attrs):
    with pytest.raises(Refused, match="attrs") as refused:
        oracle.encode(np.arange(5), checksum=True, attrs=attrs)
    assert refused.value.kind == "Argument"


def test_metadata_has_a_limit(oracle):
    fits = json.dumps({"x": "y" * ((1 << 20) - 100)})
    assert oracle.decode(oracle.encode(np.arange(5), checksum=True, attrs=fits)).attrs == fits
    with pytest.raises(Refused) as refused:
        oracle.encode(np.arange(5), checksum=True, attrs=json.dumps({"x": "y" * (1 << 20)}))
    assert (refused.value.kind, refused.value.detail) == ("Limit", "metadata")


def sealed(array, metadata=b"", state=checked.SEALED):
    bare = numpy_save(array)
    header, data, _ = checked.split(bare)
    return bare + checked.tail(header, data, metadata, state)


def test_unknown_keys_are_passed_over(oracle):
    read = oracle.decode(sealed(np.arange(5), b'{"later": [1], "name": "n"}'), checks="required")
    assert (read.state, read.name) == ("verified", "n")


@pytest.mark.parametrize(
    "metadata", [b"[]", b"{", b"\xff", b'{"name": 1}', b'{"name":"a","name":"b"}', b'{"attrs":[]}', b'{"dtype":"<f9"}']
)
def test_bad_metadata_is_malformed(oracle, metadata):
    with pytest.raises(Refused, match="metadata") as refused:
        oracle.decode(sealed(np.arange(5), metadata))
    assert refused.value.kind == "Malformed"


def test_an_open_tail_says_nothing(oracle):
    array = np.arange(5)
    file = sealed(array, state=checked.OPEN)
    assert oracle.decode(file).state == "open"
    with pytest.raises(Refused, match="marked open: a writer did not finish") as refused:
        oracle.decode(file, checks="required")
    assert (refused.value.kind, refused.value.offset) == ("Truncated", len(numpy_save(array)))


def test_a_bare_file_where_a_checksum_is_required(oracle):
    file = numpy_save(np.arange(5))
    assert oracle.decode(file).state == "unchecked"
    with pytest.raises(Refused, match="no checksum tail: the file is bare or was cut") as refused:
        oracle.decode(file, checks="required")
    assert (refused.value.kind, refused.value.offset) == ("Truncated", len(file))


def test_each_flipped_byte_is_reported_and_numpy_says_nothing(oracle):
    array = np.arange(40, dtype="<f8")
    file = oracle.encode(array, checksum=True, name="forty")
    random.seed(7)
    for at in range(len(file)):
        damaged = bytearray(file)
        damaged[at] ^= 1 << random.randrange(8)
        with pytest.raises(Refused) as refused:
            oracle.decode(bytes(damaged), checks="required")
        if 128 <= at < 128 + array.nbytes:
            assert (refused.value.kind, refused.value.detail) == ("Checksum", f"0 128 {128 + array.nbytes}")
            assert np.load(io.BytesIO(damaged)).tobytes() != array.tobytes()


def test_the_damaged_block_is_named(oracle):
    file = bytearray(oracle.encode(cases.pool()[: 3 * BLOCK + 5], checksum=True))
    file[128 + 2 * BLOCK + 77] ^= 0x10
    with pytest.raises(Refused, match="block 2 of 0 to 3 .* is damaged") as refused:
        oracle.decode(bytes(file))
    assert refused.value.detail == f"2 {128 + 2 * BLOCK} {128 + 3 * BLOCK}"


@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("dtype", cases.EXTENSIONS)
def test_extension_floats_by_name(oracle, dtype, endian):
    """`np.save` loses their type or writes what `np.load` refuses; the tail keeps the name."""
    array = cases.make(DTYPES[dtype], (5, 7)).T
    file = oracle.encode(array, endian=endian)
    swapped = endian == ">" and array.itemsize > 1
    name = f">{dtype}" if swapped else dtype
    assert json.loads(checked.verify(file)) == {"dtype": name}
    read = oracle.decode(file, checks="required")
    assert (read.spec, read.shape, read.fortran) == (name, (7, 5), True)
    integers = array.view(f"u{array.itemsize}")
    assert read.data == (integers.byteswap() if swapped else integers).tobytes("F")
    back = np.load(io.BytesIO(file))
    assert back.dtype.kind == "V" and back.itemsize == array.itemsize
    if not swapped:
        assert back.view(array.dtype).tobytes() == array.tobytes()


def test_extension_floats_as_fields(oracle):
    array = cases.make(DTYPES["extended"], (9,))
    assert has_extension(array.dtype) and array["w"].dtype == ml_dtypes.bfloat16
    file = oracle.encode(array)
    assert json.loads(checked.verify(file)) == {"dtype": "{w:bfloat16[2],n:<i4,s:float8_e5m2}"}
    read = oracle.decode(file, checks="required")
    assert (read.spec, read.data) == ("{w:bfloat16[2],n:<i4,s:float8_e5m2}", array.tobytes())
    assert np.load(io.BytesIO(file)).dtype.names == ("w", "n", "s")


def test_a_name_that_does_not_fit_the_header(oracle):
    with pytest.raises(Refused, match="the checksum tail names the dtype bfloat16, the header <f4") as refused:
        oracle.decode(sealed(np.arange(5, dtype="<f4"), b'{"dtype":"bfloat16"}'))
    assert refused.value.kind == "Malformed"
