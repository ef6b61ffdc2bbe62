"""Hostile files, each to a process of its own: refused with the right kind, and without the memory they ask for."""

import fcntl
import math
import os
import socket
import struct
import subprocess
import termios
import time
from pathlib import Path

import numpy as np
import pytest

import frames
from frames import frame, members, sum_of
from npyfiles import header, npy, numpy_save
from once import MIB, answered, run
from oracle import Refused
from specified import SPEC, specified


def deep(n):
    return "[('a', " * n + "'|u1'" + ")]" * n


FILES = {
    # Number of section 8 and what it is: file, kind, detail or offset, message.
    "1 header of 4 GiB": (b"\x93NUMPY\x02\x00\xf0\xff\xff\xff" + b"{'descr'", "Limit", 8, "npy header is 4294967280"),
    "1 header of 4 GiB, version 3": (b"\x93NUMPY\x03\x00\xf0\xff\xff\xff{'descr'", "Limit", 8, "npy header is"),
    "1 header of 2 MiB": (npy(header() + " " * 2 * MIB, version=2), "Limit", 8, "npy header is"),
    "1 header cut at 1 MiB": (b"\x93NUMPY\x02\x00\x00\x00\x10\x00{", "Truncated", 13, "the input ends after 13 bytes"),
    "2 overflow": (npy(header("'<f8'", "(4294967296, 4294967296)"), align=True), "Limit", None, "overflows"),
    "2 overflow of nothing": (
        npy(header("'<f8'", "(0, 9223372036854775807, 9223372036854775807)"), align=True),
        "Limit",
        None,
        "overflows",
    ),
    "2 2**63 items": (npy(header("'|u1'", "(9223372036854775808,)")), "Malformed", 61, "integer of 19 digits"),
    "2 65 axes": (npy(header(shape="(" + "1, " * 65 + ")"), align=True), "Malformed", 253, "more than 64 axes"),
    "3 objects": (npy(header("'|O'"), b"\x80\x04cos\nsystem\n(S'true'\ntR."), "Unsupported", 20, "means pickle"),
    "3 objects in a field": (npy(header("[('a', '<i4'), ('b', '|O')]")), "Unsupported", 41, "means pickle"),
    "4 duplicate key": (npy(header("'<f8', 'descr': '<f4'"), bytes(24), align=True), "Malformed", 27, "duplicate key"),
    "5 parentheses": (npy("(" * 3000 + ")" * 3000), "Malformed", 10, "dict: expected '{'"),
    "5 parentheses in the shape": (npy(header(shape="(" * 3000)), "Malformed", 61, "expected an integer from 0"),
    "5 parentheses in the descr": (npy(header("(" * 3000)), "Limit", 37, "dtype depth is 17"),
    "5 brackets": (npy(header(deep(3000))), "Limit", None, "dtype depth is 17"),
    "5 braces": (npy("{" * 6000), "Malformed", 11, "key: expected a string"),
    "5 call": (npy(header("__import__('os').system('true')")), "Malformed", 20, "expected a string in quotes"),
    "5 expression": (npy(header("'<f8' + ''")), "Malformed", 26, "expected ',', found '+'"),
    "5 digits": (npy(header(shape="(" + "9" * 5000 + ",)")), "Malformed", 61, "an integer of 5000 digits"),
    "5 negative": (npy(header(shape="(-1,)")), "Malformed", 61, 'found "-1"'),
    "5 bool": (npy(header(shape="(True,)")), "Malformed", 61, 'found "True"'),
    "5 float": (npy(header(shape="(3.0,)")), "Malformed", 62, "expected ',', found '.'"),
    "5 fields": (
        npy(header(repr([(f"f{i}", "u1") for i in range(5000)]).replace("'u1'", "'|u1'")), version=2),
        "Limit",
        None,
        "dtype fields is 4097",
    ),
    "5 itemsize": (npy(header("'|V2147483648'")), "Limit", 20, "itemsize is 2147483648"),
    "5 subarray": (npy(header("[('a', '|V2147483647', (2147483647,))]")), "Limit", None, "itemsize is"),
    "5 a header of one field name": (npy(header(f"[('{'n' * MIB}', '|u1')]"), version=2), "Limit", 8, "npy header is"),
    "6 honest terabyte": (
        npy(header("'|u1'", "(1099511627776,)"), bytes(10), align=True),
        "Truncated",
        138,
        "needs 1099511627776 bytes of data, the input has 10",
    ),
    "6 honest exbibyte of 2 GiB items": (
        npy(header("'|V2147483647'", "(2147483647,)"), bytes(10), align=True),
        "Truncated",
        138,
        "the input has 10",
    ),
    "6 8 MiB of a gibibyte": (
        npy(header("'|u1'", "(1073741824,)"), bytes(8 * MIB), align=True),
        "Truncated",
        128 + 8 * MIB,
        "the input has 8388608",
    ),
    "tail of 4 GiB": (
        npy(header("'|u1'", "(3,)"), b"abc", align=True) + npy(header("'|u1'", "(4294967296,)"), b"\x89NDBT", align=True),
        "Limit",
        131,
        "metadata is",
    ),
}


PLAIN = frame("<f8", [3], bytes(range(24)))
LONG = [frame("|u1", [5 * MIB // 2], np.random.default_rng(seed).bytes(5 * MIB // 2)) for seed in (1, 2)]
NAMED = frame("<f8", [3], bytes(range(24)), name="another")


def of(dtype="|u1", shape=(3,), size=3, data=b"", numbers=bytes(4), **more):
    """A frame's header, with a sum that holds, and what follows it."""
    return frames.header(members(dtype, shape, **more), size, numbers) + data


def flipped(file, at, by=1):
    return file[:at] + bytes([file[at] ^ by]) + file[at + 1 :]


def blocks(file, *order, other=b""):
    """A frame of two and a half blocks with its data in another order; block 9 is the other frame's first."""
    parts = {i: file[128 + i * MIB : 128 + min((i + 1) * MIB, 5 * MIB // 2)] for i in range(3)}
    parts[9] = other[128 : 128 + MIB]
    return file[:128] + b"".join(parts[i] for i in order) + file[128 + 5 * MIB // 2 :]


def tailed(**what):
    """A frame whose tail says this, under sums that hold."""
    data = bytes(range(24))
    header_sum = what.pop("header_sum", sum_of(PLAIN[:128]))
    return PLAIN[:152] + frames.tail(header_sum, data, **what)


LAST = 128 + 5 * MIB // 2
FRAMES = {
    "9 a bit of the magic": (flipped(PLAIN, 5), "Malformed", 0, "as by a transfer in text mode"),
    "9 a bit of the version": (flipped(PLAIN, 8), "Checksum", 0, "the frame's header (bytes 0 to 128) is damaged"),
    "9 a bit of the codec": (flipped(PLAIN, 11, 4), "Checksum", 0, "the frame's header (bytes 0 to 128) is damaged"),
    "9 a bit of the size": (flipped(PLAIN, 23, 128), "Checksum", 0, "the frame's header (bytes 0 to 128) is damaged"),
    "9 a bit of the dtype": (flipped(PLAIN, 35), "Checksum", 0, "the frame's header (bytes 0 to 128) is damaged"),
    "9 a bit of the header's sum": (flipped(PLAIN, 127), "Checksum", 0, "the frame's header (bytes 0 to 128) is damaged"),
    "9 a bit of the data": (flipped(PLAIN, 151), "Checksum", 128, "block 0 of 0 to 0 (bytes 128 to 152) is damaged"),
    "9 a bit of the tail": (flipped(PLAIN, 161), "Checksum", 152, "the checksum tail (bytes 152 to 196) is damaged"),
    "9 a bit of the last sum": (flipped(PLAIN, 195), "Checksum", 152, "the checksum tail (bytes 152 to 196) is damaged"),
    "9 a bit of the last block": (
        flipped(LONG[0], LAST - 1),
        "Checksum",
        128 + 2 * MIB,
        f"block 2 of 0 to 2 (bytes {128 + 2 * MIB} to {LAST}) is damaged",
    ),
    "9 blocks swapped": (
        blocks(LONG[0], 1, 0, 2),
        "Checksum",
        128,
        f"block 0 of 0 to 2 (bytes 128 to {128 + MIB}) is damaged",
    ),
    "9 a block twice": (
        blocks(LONG[0], 0, 0, 2),
        "Checksum",
        128 + MIB,
        f"block 1 of 0 to 2 (bytes {128 + MIB} to {128 + 2 * MIB}) is damaged",
    ),
    "9 a block of another frame": (
        blocks(LONG[0], 9, 1, 2, other=LONG[1]),
        "Checksum",
        128,
        f"block 0 of 0 to 2 (bytes 128 to {128 + MIB}) is damaged",
    ),
    "9 a block dropped": (blocks(LONG[0], 0, 2), "Truncated", len(LONG[0]) - MIB, "the input has"),
    "9 a block too many": (blocks(LONG[0], 0, 1, 1, 2), "Checksum", LAST, "the checksum tail (bytes"),
    "9 another's tail": (PLAIN[:152] + NAMED[-44:], "Checksum", 0, "header and tail belong to different arrays"),
    "9 bytes behind": (PLAIN + b"x", "Malformed", 196, "bytes behind the end of the frame"),
    "10 header of 4 GiB": (PLAIN[:12] + b"\xff" * 12, "Limit", 12, "frame header is 4294967295, at most 1048576"),
    "10 header of 4 GiB, 20 bytes": (PLAIN[:12] + b"\xff" * 8, "Truncated", 20, "frame header: the input ends after 20"),
    "10 header of 1 MiB": (PLAIN[:12] + struct.pack("<IQ", MIB, 24) + b"{", "Truncated", 25, "frame header: the input ends"),
    "10 header of 63": (PLAIN[:12] + struct.pack("<IQ", 63, 24), "Malformed", 12, "its length is 63, which is no multiple of 64"),
    "10 version": (of(numbers=b"\1\0\0\0"), "Unsupported", 8, "version 1; 0 is read: update ndbytes"),
    "10 flags": (of(numbers=b"\0\x80\0\0"), "Unsupported", 9, "flags 128; 0, 1 and 3 are read"),
    "10 filter": (of(numbers=b"\0\0\1\0"), "Unsupported", 10, "filter 1; 0 is read"),
    "10 codec": (of(numbers=b"\0\0\0\xff"), "Unsupported", 11, "codec 255; 0 is read"),
    "10 size 2**63": (of(size=1 << 63), "Malformed", 16, "it says 9223372036854775808 bytes of data, dtype and shape make 3"),
    "10 size 2**64 - 1": (of(size=2**64 - 1), "Malformed", 16, "it says 18446744073709551615 bytes of data"),
    "10 size 2**64 - 1 of nothing": (of(shape=(0,), size=2**64 - 1), "Malformed", 16, "dtype and shape make 0"),
    "10 2**32 - 1 items": (of(shape=(2**32 - 1,), size=2**32 - 1), "Truncated", 128, "the input has 0"),
    "10 2**63 - 1 items": (of(shape=(2**63 - 1,), size=2**63 - 1), "Truncated", 128, "the input has 0"),
    "10 2**63 items": (of(shape=(2**63,), size=2**63), "Malformed", 24, "9223372036854775808 is more than 2^63 - 1"),
    "10 2**64 - 1 items": (of(shape=(2**64 - 1,), size=2**64 - 1), "Malformed", 24, "is more than 2^63 - 1"),
    "10 2**64 items": (of(shape=(2**64,), size=0), "Malformed", 24, "frame header: shape: "),
    "10 2**63 bytes": (of("<f8", (2**60,), 2**63), "Limit", 24, "the array's size overflows"),
    "10 2**64 bytes": (of("<f8", (2**32, 2**32), 0), "Limit", 24, "the array's size overflows"),
    "10 overflow of nothing": (of("<f8", (0, 2**63 - 1, 2**63 - 1), 0), "Limit", 24, "the array's size overflows"),
    "10 exbibytes of 2 GiB items": (of("|V2147483647", (2**31 - 1,), (2**31 - 1) ** 2), "Truncated", 128, "the input has 0"),
    "10 itemsize": (of("|V2147483648", (1,), 2**31), "Limit", 24, "itemsize is 2147483648"),
    "10 65 axes": (of(shape=[1] * 65, size=1), "Malformed", 24, "more than 64 axes"),
    "10 a million axes": (of(shape=[1] * 500_000, size=1), "Malformed", 24, "more than 64 axes"),
    "10 depth": (of("{a:" * 17 + "|u1" + "}" * 17, (), 1), "Limit", 24, "dtype depth is 17"),
    "10 braces": (of("{a:" * 20_000, (), 1), "Limit", 24, "dtype depth is 17"),
    "10 fields": (of("{" + ",".join(f"f{i}:|u1" for i in range(5000)) + "}", (), 5000), "Limit", 24, "dtype fields is 4097"),
    "10 objects": (of("|O", (1,), 8), "Malformed", 24, "is no dtype"),
    "10 a dtype of a name": (of("float64", (3,), 24), "Malformed", 24, 'the dtype "float64" is written <f8'),
    "10 a key twice": (
        frames.header('{"dtype":"|u1","shape":[3],"shape":[4]}', 3),
        "Malformed",
        24,
        'the key "shape" stands twice',
    ),
    "10 brackets": (frames.header("[" * 1_000_000, 0), "Malformed", 24, "brackets nest more than 64 deep"),
    "10 a megabyte of nothing": (frames.header("", 0, length=MIB), "Malformed", 24, "EOF while parsing a value"),
    "10 a megabyte of name": (of(name="n" * MIB), "Limit", 12, "frame header is"),
    "10 an honest terabyte": (of(shape=(2**40,), size=2**40, data=bytes(10)), "Truncated", 138, "needs 1099511627776 bytes of data"),
    "10 8 MiB of a gibibyte": (of(shape=(2**30,), size=2**30, data=bytes(8 * MIB)), "Truncated", 128 + 8 * MIB, "the input has 8388608"),
    "10 a tail of metadata": (flipped(PLAIN, 181, 255), "Checksum", 152, "the checksum tail (bytes 152 to 196) is damaged"),
    "10 a tail of 2**64 bytes": (tailed(size=2**64 - 1), "Malformed", 152, "the checksum tail is for 18446744073709551615 bytes"),
    "10 a tail in blocks of 1": (tailed(block=1), "Malformed", 152, "in blocks of 1, the array has 24"),
    "10 a tail of version 1": (tailed(version=1), "Unsupported", 152, "checksum tail of version 1; 0 is read"),
    "10 a tail of state 2": (tailed(state=2), "Unsupported", 152, "checksum tail with state 2"),
    "10 a tail of another header": (tailed(header_sum=7), "Checksum", 0, "header and tail belong to different arrays"),
}
FILES |= FRAMES


@pytest.mark.parametrize("door", ["file", "pipe"])
@pytest.mark.parametrize("name", FILES)
def test_hostile_files_are_refused_without_memory(oracle_program, baseline, tmp_path, name, door):
    data, kind, offset, why = FILES[name]
    if door == "pipe":
        answer, peak = run(oracle_program, "read", "-", data=data)
    else:
        path = tmp_path / ("hostile.ndb" if name in FRAMES else "hostile.npy")
        path.write_bytes(data)
        answer, peak = run(oracle_program, "read", path)
        assert getattr(answer, "path", None) == str(path)
    assert isinstance(answer, Refused), f"read as {answer[:3]}"
    assert answer.kind == kind and offset in (None, answer.offset) and why in answer.message, answer
    assert peak - baseline <= 2 * MIB + 2 * len(data), f"{(peak - baseline) / MIB:.1f} MiB for {len(data)} bytes"


CODED = sorted(file for kind in ("coded", "growing") for file in (SPEC / "vectors" / "bad").glob(f"{kind}_*.ndb"))


@pytest.mark.parametrize("file", CODED, ids=lambda file: file.stem)
def test_bad_coded_frames_are_refused_without_memory(oracle_program, baseline, file):
    data = file.read_bytes()
    for answer, peak in run(oracle_program, "read", file), run(oracle_program, "read", "-", data=data):
        assert isinstance(answer, Refused), f"read as {answer[:3]}"
        assert peak - baseline <= 2 * MIB + 2 * len(data), f"{(peak - baseline) / MIB:.1f} MiB for {len(data)} bytes"


def a_mark(lengths, shape=(None, 3), dtype="<i2", block=(2, 2), steps=True, **said):
    """A frame that grows whose mark lies, under right sums, with two steps behind it or none."""
    growing = specified("growing")
    head = growing.header(dtype, [0, *shape[1:]], list(block))
    found = growing.steps("<i2", [3, 3], [2, 2], bytes(range(18)), [[2], [1]]) if steps else []
    row = specified("dtypes").itemsize(dtype) * math.prod(shape[1:])
    fields = dict(zip(("B", "rows", "end"), lengths, strict=True))
    fields = {"d": fields["rows"] * row % 2**64} | {key: value for key, value in fields.items() if value is not None}
    return growing.whole(head, found, grid=(row, 1), **fields | said)


#: What a mark says, of frames of some hundred bytes: blocks, rows, and end.
MARKS = {
    "2**60 blocks": (a_mark((2**60, 2**60, 2**63)), ("Malformed", "Limit")),
    "2**40 blocks of a byte": (a_mark((2**40, 2**40, 2**47), (None,), "|u1", (1,), False), ("Truncated",)),
    "2**57 blocks of a byte": (a_mark((2**57, 2**57, 2**63), (None,), "|u1", (1,), False), ("Truncated",)),
    "2**62 bytes": (a_mark((2**40, 2**62, 2**47), (None,), "|u1", (2**24,), False), ("Truncated",)),
    "2**63 bytes": (a_mark((2**40, 2**63, 2**63), (None,), "|u1", (2**24,), False), ("Limit",)),
    "an end at 2**62": (a_mark((4, 3, 2**62)), ("Truncated",)),
    "an end at 2**63": (a_mark((4, 3, 2**63)), ("Truncated",)),
    "an end at 2**64 - 1": (a_mark((4, 3, 2**64 - 1)), ("Truncated",)),
    "a band of 2**40 blocks": (a_mark((2**40, 1, 2**47), (None, 2**40), "|u1", (2**24, 1), False), ("Truncated",)),
    "bands of 2**62 blocks": (a_mark((2**62, 1, 2**64 - 1), (None, 2**62), "|u1", (1, 1), False), ("Malformed",)),
    "blocks of one row of 2**62 bytes": (a_mark((2**58, 1, 2**64 - 1), (None, 2**62), "|u1", (1, 2**24), False), ("Malformed",)),
    "rows that no block has": (a_mark((2, 2**62, 2**20), (None,), "|u1", (1,), False), ("Malformed",)),
    "2**64 - 1 of all": (a_mark((2**64 - 1,) * 3, (None,), "|u1", (1,), False), ("Limit",)),
    "62 axes of 1 and one of 2**56": (a_mark((2**56, 1, 2**62), (None, *[1] * 62, 2**56), "|u1", [1] * 64, False), ("Truncated",)),
}


@pytest.mark.parametrize("door", ["file", "pipe"])
@pytest.mark.parametrize("name", MARKS)
def test_marks_that_lie_are_refused_without_memory(oracle_program, baseline, tmp_path, name, door):
    data, kinds = MARKS[name]
    (tmp_path / "hostile.ndb").write_bytes(data)
    given = ("-",) if door == "pipe" else (tmp_path / "hostile.ndb",)
    answer, peak = run(oracle_program, "read", *given, data=data if door == "pipe" else None)
    assert isinstance(answer, Refused), f"read as {answer[:3]}"
    # Where it is not known how long the input is, what is there may contradict the mark first.
    assert answer.kind in kinds or door == "pipe" and "an end at" in name and answer.kind == "Malformed", answer
    assert peak - baseline <= 2 * MIB + 2 * len(data), f"{(peak - baseline) / MIB:.1f} MiB for {len(data)} bytes"


def a_block(stored, codec, filter=0, dtype="|u1", size=1 << 24):
    """A frame of one block of so many bytes, whose sums hold as far as they are compared."""
    coded, w = specified("coded"), specified("dtypes").itemsize(dtype)
    head = coded.header(dtype, [size // w], [size // w])
    block = coded.block(b"", stored, size // w, filter, codec, items_sum=7)
    return head + block + coded.index(head, [block], rows=size // w, d=size)


def one_segment(stored, size=1 << 24):
    return specified("coded").segments([size], [stored])


#: What a codec, a filter or a table of segments asks for, of blocks that say 16 MiB.
LIES = {
    "zstd with a window of 2 GiB": (one_segment(bytes.fromhex("28b52ffd80a8000000010100000000")), 2, 0, "|u1"),
    "zstd of a tebibyte": (one_segment(bytes.fromhex("28b52ffdc0580000000000010000010000")), 2, 0, "|u1"),
    "lz4 that ends": (one_segment(b"\x1f\0\1\0" + b"\xff" * 40), 1, 2, "<f8"),
    "deflate that ends": (one_segment(bytes.fromhex("edc1010d000000c2a0f74f6d0e37a00000")), 3, 0, "|u1"),
    "pco of 2**24 numbers": (one_segment(bytes.fromhex("70636f210318181804010fffffff0000")), 4, 4, "<f8"),
    "no pco": (one_segment(b"pco!"), 4, 0, "<f8"),
    "65,535 segments": (b"\xff\xff" + bytes(60), 2, 1, "<f8"),
    "a segment of 4 GiB": (specified("coded").segments([2**32 - 1], [b"xy"]), 1, 0, "|u1"),
    "65,535 exceptions": (b"\2\4\xff\xff" + bytes(60), 1, 64, "<f8"),
}


@pytest.mark.parametrize("door", ["file", "pipe"])
@pytest.mark.parametrize("name", LIES)
def test_blocks_that_lie_are_refused_without_memory(oracle_program, baseline, tmp_path, name, door):
    data = a_block(*LIES[name])
    (tmp_path / "hostile.ndb").write_bytes(data)
    given = ("-",) if door == "pipe" else (tmp_path / "hostile.ndb",)
    answer, peak = run(oracle_program, "read", *given, data=data if door == "pipe" else None)
    assert isinstance(answer, Refused) and answer.kind == "Malformed", answer
    assert answer.message.startswith("block 0 of 0 to 0: "), answer
    assert peak - baseline <= 2 * MIB + 2 * len(data), f"{(peak - baseline) / MIB:.1f} MiB for {len(data)} bytes"


def test_every_length_field_that_lies(oracle_program, baseline):
    """Twenty bytes and the end, with each bit of the length set."""
    for bit in range(32):
        data = b"\x93NUMPY\x02\x00" + (1 << bit).to_bytes(4, "little") + b"{'descr'"
        answer, peak = run(oracle_program, "read", "-", data=data)
        assert answer.kind == ("Limit" if bit > 20 else "Truncated" if bit > 3 else "Malformed"), bit
        assert peak - baseline <= 2 * MIB


def test_every_length_field_of_a_frame_that_lies(oracle_program, baseline):
    """At most 192 bytes and the end, with each bit of each length set; the sums hold."""

    def asked(data):
        answer, peak = run(oracle_program, "read", "-", data=data)
        assert peak - baseline <= 2 * MIB
        return answer.kind, answer.offset

    for bit in range(32):
        kind = "Limit" if bit > 20 else "Truncated" if bit > 5 else "Malformed"
        assert asked(PLAIN[:12] + struct.pack("<IQ", 1 << bit, 24)) == (kind, 24 if kind == "Truncated" else 12), bit
    for bit in range(64):
        size = 1 << bit
        assert asked(of(size=size)) == ("Malformed", 16), bit
        whole = asked(of(shape=(size,), size=size))
        assert whole == (("Malformed", 24) if bit == 63 else ("Truncated", 128)), bit
        twice = asked(of(shape=(size, 2), size=2 * size % 2**64))
        assert twice == (("Malformed", 24) if bit == 63 else ("Limit", 24) if bit == 62 else ("Truncated", 128)), bit


def test_11_a_frame_cut_at_every_length(oracle_program, baseline, tmp_path):
    path = tmp_path / "cut.ndb"
    for n in range(len(PLAIN)):
        path.write_bytes(PLAIN[:n])
        for args, data in [((path,), None), (("-",), PLAIN[:n])]:
            answer, peak = run(oracle_program, "read", *args, data=data)
            assert (answer.kind, answer.offset) == ("Truncated", n), answer
            assert peak - baseline <= 2 * MIB


@pytest.mark.parametrize(
    "data, kind, offset",
    [
        (PLAIN[:12] + b"\xff" * 8, "Truncated", 20),
        (PLAIN[:12] + struct.pack("<I", MIB), "Truncated", 16),
        (PLAIN[:12] + struct.pack("<IQ", MIB, 2**63), "Truncated", 24),
        (of(shape=(2**63 - 1,), size=2**63 - 1), "Truncated", 128),
        (of(shape=(2**40,), size=2**40, data=bytes(10)), "Truncated", 138),
        (PLAIN[:152], "Truncated", 152),
    ],
)
def test_13_a_length_and_then_silence(oracle_program, baseline, data, kind, offset):
    """While the peer is silent nothing is taken ahead of it; when it goes, it is said where."""
    process = subprocess.Popen([oracle_program, "read", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdin.write(data)
    process.stdin.flush()
    status = Path(f"/proc/{process.pid}/status")
    deadline = time.monotonic() + 20
    # It has read everything and sleeps in the next read.
    while not (pipe_is_empty(process.stdin) and "State:\tS" in status.read_text()):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.005)
    [peak] = [int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
    assert peak * 1024 - baseline <= 2 * MIB
    answer, peak = answered(process.communicate(timeout=20)[0])
    assert (answer.kind, answer.offset) == (kind, offset)
    assert peak - baseline <= 2 * MIB


def pipe_is_empty(pipe):
    waiting = bytearray(4)
    fcntl.ioctl(pipe, termios.FIONREAD, waiting)
    return not any(waiting)


def test_the_measure_sees_memory(oracle_program, baseline):
    """The positive control: an honest array of 16 MiB shows up."""
    data = npy(header("'|u1'", f"({16 * MIB},)"), bytes(16 * MIB), align=True)
    answer, peak = run(oracle_program, "read", "-", data=data)
    assert isinstance(answer, list) and 15 * MIB < peak - baseline < 2 * MIB + 3 * len(data)


@pytest.mark.parametrize("door", ["file", "pipe"])
@pytest.mark.parametrize(
    "spec, size, why",
    [
        ("<f8", 10, "<f8 needs a multiple of 8 bytes, found 10"),
        ("<f8[3]", 10, "<f8[3] needs 24 bytes, found 10"),
        ("<f8[?,3]", 24 * 4 + 8, "<f8[?,3] needs a multiple of 24 bytes, found 104"),
        ("<f8[1099511627776]", 10, "needs 8796093022208 bytes, found 10"),
    ],
)
def test_12_raw_bytes_that_do_not_fit(oracle_program, baseline, tmp_path, spec, size, why, door):
    path = tmp_path / "raw"
    path.write_bytes(bytes(size))
    source, data = (path, None) if door == "file" else ("-", bytes(size))
    answer, peak = run(oracle_program, "raw", spec, source, data=data)
    assert (answer.kind, answer.offset) == ("Malformed", None) and why in answer.message
    assert peak - baseline <= 2 * MIB + 2 * size


def test_12_raw_sizes_that_overflow(oracle_program):
    answer, _ = run(oracle_program, "raw", "<f8[4294967296,4294967296]", "-", data=bytes(10))
    assert (answer.kind, answer.detail) == ("Limit", "size")


# 17: what is no file.


def test_17_a_fifo_without_a_writer_is_a_timeout(oracle_program, tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    answer, _ = run(oracle_program, "read", path, "--patience", "100")
    assert (answer.kind, answer.path) == ("Timeout", str(path))
    assert "nobody wrote to within 0.1 s" in answer.message


def test_17_a_fifo_with_a_writer_is_read(oracle_program, tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    writer = subprocess.Popen(["sh", "-c", 'sleep 0.2; cat "$1" > "$0"', path, "/dev/stdin"], stdin=subprocess.PIPE)
    writer.stdin.write(numpy_save(np.arange(1000)))
    writer.stdin.close()
    answer, _ = run(oracle_program, "read", path, "--patience", "20000")
    assert writer.wait(20) == 0
    assert answer[2] == b"1000" and answer[9] == np.arange(1000).tobytes()


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/tty"])
def test_17_devices_are_refused(oracle_program, device):
    answer, _ = run(oracle_program, "read", device)
    assert (answer.kind, answer.detail, answer.path) == ("Io", "19", device)
    assert "a device, not a file" in answer.message


def test_17_a_directory_is_refused(oracle_program, tmp_path):
    answer, _ = run(oracle_program, "read", tmp_path)
    assert (answer.kind, answer.detail, answer.path) == ("Io", "21", str(tmp_path))


def test_17_a_socket_is_refused(oracle_program, tmp_path):
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        answer, _ = run(oracle_program, "read", path, "--patience", "100")
    assert (answer.kind, answer.detail, answer.path) == ("Io", "6", str(path))


def test_a_missing_file(oracle_program, tmp_path):
    answer, _ = run(oracle_program, "read", tmp_path / "none.npy")
    assert (answer.kind, answer.detail, answer.path) == ("Io", "2", str(tmp_path / "none.npy"))


@pytest.mark.skipif(os.geteuid() != 0, reason="without root nobody else's rights can be taken on")
def test_a_file_without_permission(oracle_program, tmp_path):
    path = tmp_path / "secret.npy"
    path.write_bytes(numpy_save(np.arange(3)))
    path.chmod(0)
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.stat().st_mode & 0o001 == 0 and folder.owner() == "root":
            folder.chmod(folder.stat().st_mode | 0o011)
    result = subprocess.run([oracle_program, "read", path], capture_output=True, user=65534, group=65534)
    assert result.returncode == 1 and b"Io" in result.stdout and b"13" in result.stdout
