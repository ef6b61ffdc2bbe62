"""spec/vectors is what spec/make_vectors.py makes, byte for byte, and the readers written from FORMAT.md agree."""

import doctest
import io
import json
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ndbytes as ndb
from oracle import Refused
from specified import SPEC, in_ascii, specified

ROWS = json.loads((SPEC / "vectors" / "vectors.json").read_text())
STATES = {"verified": "sealed", "unchecked": "unchecked", "open": "open"}
MODULES = ["sums", "dtypes", "checked_npy", "digest", "frame"]


def is_coded(row):
    """Also of frames that grow: they are coded."""
    return Path(row["file"]).name.startswith(("coded_", "growing_"))


def rows(form, bad=False, coded=False):
    """The vectors of a format, the good or the bad; coded frames, others, or (None) all."""
    found = [row for row in ROWS if row["format"] == form and ("kind" in row) == bad and coded in (None, is_coded(row))]
    return pytest.mark.parametrize("row", found, ids=lambda row: row["file"])


def data(row):
    return (SPEC / "vectors" / row["file"]).read_bytes()


def test_the_committed_vectors_are_the_made_ones():
    made = subprocess.run([sys.executable, "-B", "make_vectors.py", "--check"], cwd=SPEC, capture_output=True, text=True)
    assert (made.returncode, made.stderr) == (0, "")


@pytest.mark.parametrize("name", [*MODULES, "coded", "growing"])
def test_the_examples_of_the_specification_run(name):
    failed, tried = doctest.testmod(specified(name))
    assert tried >= 3 and not failed


def test_the_readers_need_nothing_but_python_itself():
    code = f"import sys; sys.path.insert(0, {str(SPEC)!r}); import {', '.join(MODULES)}, peer"
    subprocess.run([sys.executable, "-I", "-S", "-B", "-c", code], check=True)


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="long doubles of vectors are x87's")
@pytest.mark.parametrize("row", [row for row in ROWS if "kind" not in row], ids=lambda row: row["file"])
def test_the_digest_is_that_of_the_specification(row):
    assert ndb.digest(SPEC / "vectors" / row["file"]) == ndb.digest(data(row)) == row["digest"]


@rows("npy")
def test_the_reader_of_the_specification_reads_the_good(row):
    array = np.load(SPEC / "vectors" / row["file"])
    read = specified("checked_npy").read(data(row), array.dtype.itemsize)
    assert read["state"] == STATES[row["state"]]
    assert read["data"] == array.tobytes(order="A")
    assert read["metadata"].get("name") == row["name"]


@pytest.mark.parametrize(
    "name", ["flipped_data", "flipped_order", "flipped_tail", "flipped_tail_fields", "flipped_tail_magic", "cut_data",
             "cut_tail", "trailing", "second_array", "behind_the_tail", "tail_version", "tail_of_another", "no_magic"])
def test_the_reader_of_the_specification_refuses_the_bad(name):
    reader = specified("checked_npy")
    with pytest.raises(specified("sums").FormatError):
        reader.read((SPEC / "vectors" / "bad" / f"{name}.npy").read_bytes(), 8)


@rows("frame")
def test_the_reader_of_frames_reads_the_good(row):
    read = specified("frame").read(data(row), required=False)
    found = {
        "spec": in_ascii(read["dtype"]),
        "shape": read["shape"],
        "fortran_order": read["order"] == "F",
        "state": read["state"],
        "name": read["name"],
        "attrs": read["attrs"] and json.loads(read["attrs"]),
        "data_crc32c": f"{specified('sums').crc32c(read['data']):08x}",
    }
    expected = {key: row[key] for key in found}
    assert found == expected | {"spec": in_ascii(row["spec"]), "state": STATES[row["state"]]}


@rows("frame", bad=True)
def test_the_reader_of_frames_refuses_the_bad(row):
    with pytest.raises(specified("sums").FormatError) as refused:
        specified("frame").read(data(row), required=row["require_checksum"])
    assert refused.value.kind == row["kind"].lower()


@rows("frame", coded=True)
def test_the_reader_and_the_peer_of_plain_frames_refuse_coded_ones(row):
    with pytest.raises(specified("sums").FormatError, match="unsupported: a coded frame"):
        specified("frame").read(data(row))
    with pytest.raises(ValueError, match="another version"):
        specified("peer").recv(Wire(data(row)))


@rows("frame", coded=None)
def test_frames_are_read_the_same_in_pieces(oracle, row):
    read = oracle.decode(data(row), chunk=97 if len(data(row)) < 1 << 16 else 0)
    assert (read.spec, list(read.shape), read.fortran) == (row["spec"], row["shape"], row["fortran_order"])
    assert (read.version, read.state, read.name) == (0, row["state"], row["name"] or "")


@rows("frame", bad=True, coded=None)
def test_bad_frames_are_refused_the_same_in_pieces(oracle, row):
    checks = "required" if row["kind"] == "Truncated" else "optional"
    with pytest.raises(Refused) as refused:
        oracle.decode(data(row), checks=checks, chunk=13 if len(data(row)) < 1 << 16 else 0)
    # Only a reader that knows how long the input is sees at once how much is missing, or that anything is.
    if row["file"] == "bad/growing_end_one_more.ndb":
        assert refused.value.kind == "Malformed"
        return
    assert (refused.value.kind, refused.value.offset) == (row["kind"], row["offset"])
    if row["file"] not in ("bad/coded_cut_petabyte.ndb", "bad/growing_mark_petabytes.ndb", "bad/growing_end_of_2_to_the_64.ndb"):
        assert refused.value.message == row["message"]


class Wire:
    """A socket on which these bytes have come, in pieces, and then the end."""

    def __init__(self, data):
        self.stream = io.BytesIO(data)

    def recv(self, n):
        return self.stream.read(min(n, 1000))


@rows("frame")
def test_the_peer_receives_what_the_specification_says(row):
    peer, wire = specified("peer"), Wire(2 * data(row))
    if row["state"] == "open":
        with pytest.raises(ValueError, match="did not finish"):
            peer.recv(wire)
        return
    for _ in range(2):
        array = peer.recv(wire)
        assert (in_ascii(array["dtype"]), array["shape"]) == (in_ascii(row["spec"]), row["shape"])
        assert (array["order"] == "F", array.get("name")) == (row["fortran_order"], row["name"])
        assert f"{specified('sums').crc32c(array['data']):08x}" == row["data_crc32c"]
    assert peer.recv(wire) is None


@pytest.mark.parametrize("kind", ["Checksum", "Truncated", "Unsupported"])
def test_the_peer_refuses_what_is_damaged_or_new(kind):
    found = [row for row in ROWS if row["format"] == "frame" and row.get("kind") == kind and not is_coded(row)]
    for row in found:
        if row["file"] == "bad/nothing.ndb":
            assert specified("peer").recv(Wire(b"")) is None
            continue
        with pytest.raises((ValueError, EOFError)):
            pytest.fail(f"{row['file']}: {specified('peer').recv(Wire(data(row)))}")
    assert len(found) >= 5


def test_the_peer_has_60_lines():
    text = (SPEC / "peer.py").read_text()
    body = text.split('"""\n', 1)[1]
    assert sum(bool(line.strip()) for line in body.splitlines()) <= 60
