"""`ndbytes convert` to and from compressed .npy and .ndb: Python's modules, NumPy and the reader of the specification
read what it writes, and it reads theirs."""

import gzip
import io
import zlib

import numpy as np
import pytest

from cases import DTYPES, check, make
from command import ndb  # noqa: F401
from npyfiles import numpy_save
from oracle import is_extension
from specified import specified

frame = specified("frame")

SHAPES = [(), (0,), (1,), (7,), (13, 11), (3, 0, 5), (257, 3), (20_011,), (5, 7, 11), (2, 2)]
# NumPy saves extension floats under names that it does not read, and some records not at all.
UNSAVED = {"extended", "unordered", "overlapping"}
NAMES = [name for name, dtype in DTYPES.items() if not is_extension(dtype) and name not in UNSAVED]
ARRAYS = [make(DTYPES[name], SHAPES[i % len(SHAPES)]) for i, name in enumerate(NAMES)]
ARRAYS += [np.asfortranarray(a) for a in ARRAYS if a.ndim > 1]
UNPACK = {"gz": gzip.decompress, "zz": zlib.decompress}
PACK = {"gz": gzip.compress, "zz": zlib.compress}
READ = {"gz": gzip.open, "zz": lambda path: io.BytesIO(zlib.decompress(path.read_bytes()))}


def test_there_are_enough():
    assert len(ARRAYS) >= 50 and {a.shape for a in ARRAYS} == set(SHAPES)


@pytest.fixture(scope="module")
def saved(ndb):  # noqa: F811
    return ndb.save(ARRAYS, "saved")


def same(found, wanted):
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    assert found.flags.f_contiguous == wanted.flags.f_contiguous
    check(found.tobytes(), wanted.tobytes(), wanted.dtype)


@pytest.mark.parametrize("suffix", UNPACK)
def test_python_unpacks_the_file_that_np_save_writes(ndb, saved, suffix):  # noqa: F811
    for level in (None, 0, 1, 9):
        options = [] if level is None else ["--level", level]
        ndb.run("convert", *saved, "-o", f"packed-{suffix}", "--to", suffix, *options)
        for name, array in zip(saved, ARRAYS):
            path = ndb.folder / f"packed-{suffix}" / f"{name}.{suffix}"
            assert UNPACK[suffix](path.read_bytes()) == (ndb.folder / name).read_bytes()
            with READ[suffix](path) as stream:
                same(np.load(stream), array)


@pytest.mark.parametrize("suffix", UNPACK)
def test_what_python_packs_is_read(ndb, saved, suffix):  # noqa: F811
    for level in (0, 1, 6, 9):
        names = []
        for name in saved:
            names.append(f"{name}.{suffix}")
            (ndb.folder / names[-1]).write_bytes(PACK[suffix]((ndb.folder / name).read_bytes(), level))
        ndb.run("convert", *names, "-o", "unpacked")
        for name in saved:
            assert (ndb.folder / "unpacked" / name).read_bytes() == (ndb.folder / name).read_bytes()
    lines = ndb.run("verify", "--require-checksum", *names).splitlines()
    assert lines == [f"{name}: ok" for name in names]


def test_np_save_into_an_open_stream_and_several_members(ndb):  # noqa: F811
    array = make(np.dtype("<f4"), (300, 7))
    with gzip.open(ndb.folder / "named.npy.gz", "wb") as stream:
        np.save(stream, array)
    file = numpy_save(array)
    members = [gzip.compress(part) for part in (file[:5], file[5:128], file[128:])]
    (ndb.folder / "members.npy.gz").write_bytes(b"".join(members))
    ndb.run("convert", "named.npy.gz", "members.npy.gz", "-o", "streams")
    for name in ("named.npy", "members.npy"):
        same(np.load(ndb.folder / "streams" / name), array)


@pytest.mark.parametrize("suffix", UNPACK)
def test_raw_items_are_packed_piece_by_piece(ndb, suffix):  # noqa: F811
    array = make(np.dtype("<u2"), (700, 1001))
    array.tofile(ndb.folder / "items.raw")
    ndb.run("convert", "items.raw", "-o", f"items.npy.{suffix}", "--raw", "<u2[?,1001]")
    assert UNPACK[suffix]((ndb.folder / f"items.npy.{suffix}").read_bytes()) == numpy_save(array)


def test_a_checked_file_is_packed_with_its_tail(ndb):  # noqa: F811
    array = make(np.dtype("<i8"), (1000,))
    np.save(ndb.folder / "bare.npy", array)
    ndb.run("convert", "bare.npy", "-o", "checked.npy.gz", "--check")
    ndb.run("convert", "bare.npy", "-o", "checked.npy", "--check")
    file = gzip.decompress((ndb.folder / "checked.npy.gz").read_bytes())
    assert file == (ndb.folder / "checked.npy").read_bytes()
    same(np.load(io.BytesIO(file)), array)


def test_the_reader_of_the_specification_reads_ndb(ndb, saved):  # noqa: F811
    ndb.run("convert", *saved, "-o", "frames", "--to", "ndb", "--codec", "none")
    for name, array in zip(saved, ARRAYS):
        read = frame.read((ndb.folder / "frames" / name).with_suffix(".ndb").read_bytes())
        order = "F" if array.flags.fnc else "C"
        assert (read["shape"], read["order"], read["state"]) == (list(array.shape), order, "sealed")
        assert frame.itemsize(read["dtype"]) == array.dtype.itemsize
        check(read["data"], array.tobytes(order="A"), array.dtype)
    names = [f"frames/{name.removesuffix('.npy')}.ndb" for name in saved]
    ndb.run("convert", *names, "-o", "back")
    for name in saved:
        assert (ndb.folder / "back" / name).read_bytes() == (ndb.folder / name).read_bytes()


def test_a_frame_of_the_specification_becomes_a_file_of_numpy(ndb):  # noqa: F811
    array = np.asfortranarray(make(np.dtype(">f4"), (5, 7)))
    whole = frame.frame(">f4", [5, 7], array.tobytes(order="F"), "F", name="counts", attrs='{"unit": "V"}')
    (ndb.folder / "spec.ndb").write_bytes(whole)
    ndb.run("convert", "spec.ndb", "-o", "spec.npy", "--check")
    same(np.load(ndb.folder / "spec.npy"), array)
    ndb.run("convert", "spec.npy", "-o", "again.ndb")
    assert (ndb.folder / "again.ndb").read_bytes() == whole


def test_raw_items_become_a_frame_piece_by_piece(ndb):  # noqa: F811
    array = make(np.dtype("<u2"), (700, 1001))
    array.tofile(ndb.folder / "frame.raw")
    ndb.run("convert", "frame.raw", "-o", "frame.ndb", "--raw", "<u2[?,1001]", "--codec", "none")
    assert (ndb.folder / "frame.ndb").read_bytes() == frame.frame("<u2", [700, 1001], array.tobytes())
