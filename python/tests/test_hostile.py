"""Hostile files, each to a process of its own: refused with the right kind, and without the memory they ask for."""

import os
import socket
import subprocess

import numpy as np
import pytest

from npyfiles import header, npy, numpy_save
from once import MIB, run
from oracle import Refused


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


@pytest.mark.parametrize("door", ["file", "pipe"])
@pytest.mark.parametrize("name", FILES)
def test_hostile_files_are_refused_without_memory(oracle_program, baseline, tmp_path, name, door):
    data, kind, offset, why = FILES[name]
    if door == "pipe":
        answer, peak = run(oracle_program, "read", "-", data=data)
    else:
        path = tmp_path / "hostile.npy"
        path.write_bytes(data)
        answer, peak = run(oracle_program, "read", path)
        assert getattr(answer, "path", None) == str(path)
    assert isinstance(answer, Refused), f"read as {answer[:3]}"
    assert answer.kind == kind and offset in (None, answer.offset) and why in answer.message, answer
    assert peak - baseline <= 2 * MIB + 2 * len(data), f"{(peak - baseline) / MIB:.1f} MiB for {len(data)} bytes"


def test_every_length_field_that_lies(oracle_program, baseline):
    """Twenty bytes and the end, with each bit of the length set."""
    for bit in range(32):
        data = b"\x93NUMPY\x02\x00" + (1 << bit).to_bytes(4, "little") + b"{'descr'"
        answer, peak = run(oracle_program, "read", "-", data=data)
        assert answer.kind == ("Limit" if bit > 20 else "Truncated" if bit > 3 else "Malformed"), bit
        assert peak - baseline <= 2 * MIB


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
