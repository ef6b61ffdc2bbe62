"""ndbytes_reader.py, a reader made from FORMAT.md alone, reads each good vector and says the same of each bad one."""

import ast
import importlib.util
import itertools
import json
import math
import sys
import zlib
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from specified import SPEC, in_ascii, specified

PATH = Path(__file__).parents[1] / "ndbytes_reader.py"
ROWS = json.loads((SPEC / "vectors" / "vectors.json").read_text())
MAX_LINES = 300


def loaded():
    """Not by sys.path: beside the reader lies the package's source, and the tests are of the wheel."""
    found = importlib.util.spec_from_file_location("ndbytes_reader", PATH)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


READER = loaded()


def rows(bad):
    return pytest.mark.parametrize("row", [row for row in ROWS if ("kind" in row) == bad], ids=lambda row: row["file"])


def vector(name):
    return (SPEC / "vectors" / name).read_bytes()


def refusal(data, **options):
    with pytest.raises(READER.FormatError) as refused:
        pytest.fail(f"read: {READER.read(data, **options)}")
    return refused.value.args[0]


@rows(bad=False)
def test_it_reads_the_good(row):
    array, found = READER.read(SPEC / "vectors" / row["file"])
    items = array.tobytes("F" if found["order"] == "F" else "C")
    said = {
        "shape": list(array.shape),
        "fortran_order": found["order"] == "F",
        "state": found["state"],
        "name": found.get("name"),
        "attrs": found.get("attrs"),
        "data_crc32c": READER.crc32c(items)[::-1].hex(),
    }
    assert said == {key: row[key] for key in said}
    assert array.dtype == READER.dtype_of(row["spec"])
    assert "dtype" not in found and row["format"] == "npy" or in_ascii(found["dtype"]) == in_ascii(row["spec"])
    assert array.flags.writeable


@rows(bad=True)
def test_it_refuses_the_bad(row):
    assert refusal(vector(row["file"]), require_checksum=row["require_checksum"]) == row["kind"].lower()


@pytest.mark.parametrize("name", ["coded_segments_zstd.ndb", "coded_mixed_decimals.ndb", "growing_chain_of_bands.ndb"])
def test_no_part_of_a_coded_frame_is_an_array(name):
    whole = vector(name)
    assert {refusal(whole[:n]) for n in range(len(whole))} == {"truncated"}


@pytest.mark.parametrize(
    "name", ["coded_bits_of_seven.ndb", "growing_no_rows.ndb", "growing_one_step.ndb", "growing_merged.ndb"])
def test_every_bit_of_a_coded_frame_counts(name):
    whole = vector(name)
    assert len(whole) < 2000
    for bit in range(8 * len(whole)):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        assert refusal(bytes(changed)) in ("checksum", "malformed", "limit", "truncated")


@hypothesis.given(st.data())
def test_frames_that_grow_in_any_steps_are_read(data):
    growing, number = specified("growing"), lambda most: data.draw(st.integers(1, most))
    others = data.draw(st.lists(st.integers(1, 5), max_size=2))
    lengths = [number(6), *map(number, others)]
    bands = data.draw(st.lists(st.lists(st.integers(1, lengths[0]), min_size=1, max_size=4), max_size=6))
    wide = math.prod(-(-n // b) for n, b in zip(others, lengths[1:]))
    ends = [wide * n for n in itertools.accumulate(map(len, bands), initial=0)]
    firsts = {step: data.draw(st.sampled_from(ends[: step + 1])) for step in range(len(bands))}
    shape = [sum(map(sum, bands)), *others]
    items = np.arange(math.prod(shape), dtype=">i2").tobytes()
    file = growing.frame(">i2", shape, lengths, items, bands, firsts=data.draw(st.sampled_from([None, firsts])))
    array, said = READER.read(file + data.draw(st.binary(max_size=100)))
    assert (array.tobytes(), list(array.shape), said["state"]) == (items, shape, "verified")


FILTERS = [
    (decimal, planes, predict, arrange)
    for decimal in (0, 1) for planes in (0, 1) for predict in range(5) for arrange in range(3)
]


@pytest.mark.parametrize("dtype", ["|u1", ">i2", "<f4", ">f8", "<c8", ">c16", "<U3", "|S5", "{a:<u2,b:|u1}"])
def test_all_filters_that_fit_are_undone(dtype):
    coded, tried = specified("coded"), 0
    shape = [3, 5, 40]
    numbers = np.arange(np.prod(shape)) % 11 // 4 / 4
    if dtype[1] in "ifc":
        items = numbers.astype(dtype).tobytes()
    else:
        items = np.resize((4 * numbers).astype("u1"), numbers.size * READER.dtype_of(dtype).itemsize).tobytes()
    for decimal, planes, predict, arrange in FILTERS:
        if decimal and dtype[1:] not in ("f4", "f8", "c8", "c16"):
            continue
        number = 64 * decimal + 32 * planes + 4 * predict + arrange
        options = {"filter": number, "codec": 3, "digits": 2, "width": 4}
        file = coded.frame(dtype, shape, [2, 4, 40], items, choose=lambda i: options, compress=deflate)
        assert READER.read(file)[0].tobytes() == items, number
        tried += 1
    assert tried >= 30


def deflate(codec, part, kind):
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    return stream.compress(part) + stream.flush()


@pytest.mark.parametrize(
    "package, name", [("zstandard", "coded_zstd_bytes.ndb"), ("pcodec", "coded_pco_i4.ndb")], ids=["zstd", "pco"])
def test_it_says_which_package_is_missing(package, name, monkeypatch):
    for module in (package, "pcodec.standalone"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=package):
        READER.read(vector(name))


def test_it_is_one_short_file_that_needs_numpy_alone():
    text = PATH.read_text()
    assert len(text.splitlines()) < MAX_LINES
    imported = [alias.name for node in ast.parse(text).body if isinstance(node, ast.Import) for alias in node.names]
    imported += [node.module for node in ast.parse(text).body if isinstance(node, ast.ImportFrom)]
    assert {name.split(".")[0] for name in imported} - sys.stdlib_module_names == {"numpy"}
