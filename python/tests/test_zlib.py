"""zlib and gzip: Python's own modules, and `gunzip`, read ours, and we read what they write."""

import gzip
import io
import shutil
import struct
import subprocess
import zlib

import numpy as np
import pytest

from cases import DTYPES, array, make
from npyfiles import header, npy, numpy_save
from once import MIB, run
from oracle import Refused

LEVELS = range(10)
CONTAINERS = ["zlib", "gzip"]
READ = {"zlib": zlib.decompress, "gzip": gzip.decompress}

# Ragged sizes, empty ones and 0-d in every class of dtype: 60 arrays.
SHAPES = [(), (0,), (1,), (7,), (13, 11), (3, 0, 5), (257, 3), (20_011,), (5, 7, 11), (2, 2)]
ARRAYS = [(dtype, SHAPES[i % len(SHAPES)]) for i, dtype in enumerate(DTYPES)]
STRATEGIES = [zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED]


def smooth(n):
    """Bytes with something to find in them."""
    return (np.arange(n) // 7 % 251).astype("u1").tobytes()


NOISE = make(np.dtype("u1"), (70_001,)).tobytes()
DATA = {"empty": b"", "one": b"a", "zeros": bytes(100_000), "smooth": smooth(70_001), "noise": NOISE}


def test_there_are_at_least_fifty_arrays():
    assert len(ARRAYS) >= 50 and {shape for _, shape in ARRAYS} == set(SHAPES)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("dtype, shape", ARRAYS)
def test_arrays_go_both_ways_at_every_level(oracle, container, dtype, shape):
    data = make(DTYPES[dtype], shape).tobytes()
    for level in LEVELS:
        assert READ[container](oracle.compress(container, data, level)) == data
        theirs = zlib.compress(data, level) if container == "zlib" else gzip.compress(data, level)
        assert oracle.decompress(container, theirs, len(data)) == data
        if data:
            with pytest.raises(Refused) as refused:
                oracle.decompress(container, theirs, len(data) - 1)
            assert (refused.value.kind, refused.value.detail) == ("Limit", "decompressed")


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("name", DATA)
def test_streams_piece_by_piece(oracle, container, name):
    data = DATA[name]
    for level, chunk in [(0, 1000), (1, 7), (6, 4096), (9, 100_000)]:
        stream = oracle.compress(container, data, level, chunk)
        assert READ[container](stream) == data
        assert oracle.decompress(container, stream, chunk=chunk) == data


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("wbits", range(9, 16))
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_window_and_strategy_is_read(oracle, container, wbits, strategy):
    for data in DATA.values():
        for level, memory in [(1, 1), (6, 8), (9, 9)]:
            theirs = zlib.compressobj(level, zlib.DEFLATED, wbits + 16 * (container == "gzip"), memory, strategy)
            stream = theirs.compress(data[:1000]) + theirs.flush(zlib.Z_FULL_FLUSH)
            stream += theirs.compress(data[1000:]) + theirs.flush()
            assert oracle.decompress(container, stream, len(data)) == data
            assert oracle.decompress(container, stream, chunk=997) == data


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.skipif(shutil.which("gunzip") is None, reason="no gunzip")
def test_gunzip_reads_ours(oracle, level):
    for data in DATA.values():
        stream = oracle.compress("gzip", data, level)
        assert subprocess.run(["gunzip"], input=stream, capture_output=True, check=True).stdout == data


def test_members_names_and_padding_are_read(oracle):
    named = io.BytesIO()
    with gzip.GzipFile("a name.npy", "wb", fileobj=named) as file:
        file.write(DATA["smooth"])
    members = [named.getvalue(), gzip.compress(b"", mtime=1), gzip.compress(b"two", 9)]
    for stream in [b"".join(members), bytes(3).join(members), b"".join(members) + bytes(1000)]:
        assert gzip.decompress(stream) == DATA["smooth"] + b"two"
        for chunk in [0, 1, 1000]:
            assert oracle.decompress("gzip", stream, chunk=chunk) == DATA["smooth"] + b"two"


def test_a_stream_with_a_dictionary_is_unsupported(oracle):
    theirs = zlib.compressobj(zdict=b"abcdef")
    with pytest.raises(Refused) as refused:
        oracle.decompress("zlib", theirs.compress(b"abcdef" * 10) + theirs.flush())
    assert refused.value.kind == "Unsupported" and "dictionary" in refused.value.message


@pytest.mark.parametrize("container", CONTAINERS)
def test_what_python_refuses_is_refused(oracle, container):
    """Every cut, and every byte changed to some others."""
    data = smooth(200)
    stream = zlib.compress(data) if container == "zlib" else gzip.compress(data, mtime=0)
    for n in range(len(stream)):
        with pytest.raises(Refused) as refused:
            oracle.decompress(container, stream[:n])
        assert (refused.value.kind, refused.value.offset) == ("Truncated", n)
    differ = []
    for at in range(len(stream)):
        for flip in [1, 2, 16, 128, 255]:
            damaged = bytearray(stream)
            damaged[at] ^= flip
            try:
                theirs = READ[container](damaged)
            except (zlib.error, EOFError, OSError, struct.error):
                theirs = None
            try:
                ours = oracle.decompress(container, damaged)
            except Refused:
                ours = None
            assert ours in (None, data)
            if ours != theirs:
                differ.append((at, flip))
    # Python's gzip passes over reserved flags, which RFC 1952 forbids.
    assert all(container == "gzip" and at == 3 and flip & 0xE0 for at, flip in differ), differ


# Files.


@pytest.mark.parametrize("checksum", [False, True])
@pytest.mark.parametrize("container, suffix", [("zlib", "zz"), ("gzip", "gz")])
def test_npy_files_in_streams(oracle, tmp_path, container, suffix, checksum):
    path = tmp_path / f"x.npy.{suffix}"
    layouts = [("<f8", "F"), ("<u2", "negative"), ("?", "0-d"), ("<M8[D]", "empty"), ("nested", "[::2, ::3]")]
    for dtype, layout in layouts:
        source = array(dtype, layout)
        for level in [0, 6]:
            oracle.save_compressed(path, source, container, level, checksum)
            if container == "zlib":
                ours = np.load(io.BytesIO(zlib.decompress(path.read_bytes())))
            else:
                with gzip.open(path) as file:
                    ours = np.load(file)
            assert ours.dtype == source.dtype and ours.shape == source.shape
            assert ours.tobytes() == source.tobytes() or source.dtype.names
            back = oracle.load(path)
            assert (back.state, back.shape, back.version) == ("verified", source.shape, 1)
        plain = numpy_save(source)
        path.write_bytes(zlib.compress(plain, 4) if container == "zlib" else gzip.compress(plain, 4))
        back = oracle.load(path)
        assert back.state == "verified" and back.data == plain[back.header :]


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_damaged_file_names_itself_and_the_byte(oracle, tmp_path, container):
    path = tmp_path / "x.npy.zz"
    plain = numpy_save(np.arange(1000))
    stream = bytearray(oracle.compress(container, plain))
    stream[-1] ^= 1
    path.write_bytes(stream)
    with pytest.raises(Refused) as refused:
        oracle.load(path)
    assert (refused.value.kind, refused.value.path) == ("Checksum", str(path))
    assert refused.value.detail.split() == ["0", str(len(stream))]
    path.write_bytes(oracle.compress(container, plain[:-1]))
    with pytest.raises(Refused) as refused:
        oracle.load(path)
    assert (refused.value.kind, refused.value.offset) == ("Truncated", len(plain) - 1)
    assert refused.value.message.startswith(f"inside the {container} stream: ")


# Bombs.


def bomb(container, head=b""):
    """`head` and a gibibyte of zeros, in about a mebibyte."""
    theirs = zlib.compressobj(9, wbits=15 + 16 * (container == "gzip"))
    zeros = bytes(MIB)
    return theirs.compress(head) + b"".join(theirs.compress(zeros) for _ in range(1024)) + theirs.flush()


@pytest.mark.parametrize("container", CONTAINERS)
def test_8_bombs_stop_at_the_bound(oracle, oracle_program, baseline, tmp_path, container):
    stream = bomb(container)
    path = tmp_path / "bomb"
    path.write_bytes(stream)
    answer, peak = run(oracle_program, "decompress", container, "1000", path)
    assert (answer.kind, answer.detail) == ("Limit", "decompressed") and "more than the 1000 bytes" in answer.message
    assert peak - baseline <= 2 * MIB + 2 * len(stream), f"{(peak - baseline) / MIB:.1f} MiB"
    for spec, size in [("<f8[16]", 128), ("<f8[]", 8)]:
        with pytest.raises(Refused) as refused:
            oracle.decompress_array(container, spec, stream)
        assert refused.value.kind == "Limit" and f"more than the {size} bytes" in refused.value.message
    with pytest.raises(Refused) as refused:
        oracle.decompress_array(container, "<f8[?]", stream, limit=1000)
    assert refused.value.kind == "Limit"
    # In a file, the header of the array says how much is wanted.
    path.write_bytes(bomb(container, numpy_save(np.arange(16.0))))
    answer, peak = run(oracle_program, "read", path)
    assert (answer.kind, answer.offset) == ("Malformed", 256)
    assert peak - baseline <= 2 * MIB, f"{(peak - baseline) / MIB:.1f} MiB"


@pytest.mark.parametrize("container", CONTAINERS)
def test_the_measure_sees_what_comes_out(oracle_program, baseline, tmp_path, container):
    """The positive control: 64 MiB that are allowed show up."""
    path = tmp_path / "stream"
    data = bytes(64 * MIB)
    path.write_bytes(zlib.compress(data) if container == "zlib" else gzip.compress(data))
    answer, peak = run(oracle_program, "decompress", container, str(len(data)), path)
    assert answer[0] == str(len(data)).encode() and peak - baseline > 60 * MIB


@pytest.mark.parametrize("container", CONTAINERS)
def test_claims_of_terabytes_cost_nothing(oracle_program, oracle, baseline, tmp_path, container):
    """Made by the caller, or by the header in a stream."""
    stream = oracle.compress(container, b"abc")
    with pytest.raises(Refused) as refused:
        oracle.decompress_array(container, "|u1[1099511627776]", stream)
    assert refused.value.kind == "Malformed" and "needs 1099511627776 bytes, found 3" in refused.value.message
    path = tmp_path / "x.npy.gz"
    path.write_bytes(oracle.compress(container, npy(header("'|u1'", "(1099511627776,)"), bytes(10), align=True)))
    answer, peak = run(oracle_program, "read", path)
    assert (answer.kind, answer.offset) == ("Truncated", 138) and "needs 1099511627776 bytes" in answer.message
    assert peak - baseline <= 2 * MIB, f"{(peak - baseline) / MIB:.1f} MiB"
