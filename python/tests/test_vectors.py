"""spec/vectors is what spec/make_vectors.py makes, byte for byte, and the reader written from FORMAT.md agrees."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

SPEC = pathlib.Path(__file__).parents[2] / "spec"
ROWS = json.loads((SPEC / "vectors" / "vectors.json").read_text())
STATES = {"verified": "sealed", "unchecked": "unchecked", "open": "open"}


@pytest.fixture(scope="module")
def reader():
    sys.path.insert(0, str(SPEC))
    try:
        import checked_npy
    finally:
        sys.path.remove(str(SPEC))
    return checked_npy


def test_the_committed_vectors_are_the_made_ones():
    made = subprocess.run([sys.executable, "-B", "make_vectors.py", "--check"], cwd=SPEC, capture_output=True, text=True)
    assert (made.returncode, made.stderr) == (0, "")


@pytest.mark.parametrize("row", [row for row in ROWS if "kind" not in row], ids=lambda row: row["file"])
def test_the_reader_of_the_specification_reads_the_good(reader, row):
    path = SPEC / "vectors" / row["file"]
    array = np.load(path)
    read = reader.read(path.read_bytes(), array.dtype.itemsize)
    assert read["state"] == STATES[row["state"]]
    assert read["data"] == array.tobytes(order="A")
    assert read["metadata"].get("name") == row["name"]


@pytest.mark.parametrize(
    "name", ["flipped_data", "flipped_order", "flipped_tail", "cut_data", "cut_tail", "trailing", "second_array",
             "behind_the_tail", "tail_version", "tail_of_another", "no_magic"])
def test_the_reader_of_the_specification_refuses_the_bad(reader, name):
    with pytest.raises(ValueError):
        reader.read((SPEC / "vectors" / "bad" / f"{name}.npy").read_bytes(), 8)
