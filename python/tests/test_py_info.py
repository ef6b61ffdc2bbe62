"""ndb.info, verify and checksum: the same facts of paths, buffers and handles, and every kind of damage."""

import gzip
import os
import zlib

import numpy as np
import pytest

import ndbytes as ndb
from cases import DTYPES, make
from npyfiles import numpy_save

A = make(np.dtype("<f4"), (300, 1000))
NPY = numpy_save(A)
CHECKED, FRAME = ndb.dumps(A, name="ä", attrs={"unit": "m", "n": [1, None]}), ndb.dumps(A, codec="none", name="f")
FORTRAN = numpy_save(np.asfortranarray(A))


def facts(data, **others):
    header = 128
    base = dict(format="npy", version="1.0", dtype=A.dtype, shape=A.shape, order="C", nbytes=A.nbytes, header_bytes=header,
                file_bytes=len(data), compression=None, codec="none", filter="none", block=None, grows=False,
                checksum="none", name=None, attrs=None, spec="<f4[300,1000]")
    return base | others


META = {"name": "ä", "attrs": {"unit": "m", "n": [1, None]}}
FILES = {
    "bare": (NPY, {}, "unchecked"),
    "fortran": (FORTRAN, {"order": "F"}, "unchecked"),
    "checked": (CHECKED, {"checksum": "present"} | META, "verified"),
    "frame": (FRAME, {"format": "ndb", "version": "0", "checksum": "present", "name": "f"}, "verified"),
    "zlib": (zlib.compress(CHECKED), {"compression": "zlib", "checksum": "present"}, "verified"),
    "gzip": (gzip.compress(NPY), {"compression": "gzip", "checksum": "present"}, "verified"),
    "frame in gzip": (gzip.compress(FRAME), {"format": "ndb", "version": "0", "compression": "gzip", "checksum": "present",
                                             "name": "f"}, "verified"),
}


@pytest.fixture(params=["path", "str", "bytes", "memoryview", "handle", "buffer handle"])
def way(request, tmp_path):
    """How bytes are shown to a function."""

    def show(data):
        (tmp_path / "a").write_bytes(data)
        return {
            "path": lambda: tmp_path / "a",
            "str": lambda: str(tmp_path / "a"),
            "bytes": lambda: data,
            "memoryview": lambda: memoryview(data),
            "handle": lambda: ndb.open(tmp_path / "a"),
            "buffer handle": lambda: ndb.open(data),
        }[request.param]()

    show.opens = "handle" in request.param
    return show


@pytest.mark.parametrize("name", FILES)
def test_info_and_verify(way, name):
    data, others, state = FILES[name]
    wanted = facts(data, **others)
    found = ndb.info(way(data))
    if wanted["format"] == "ndb":
        wanted["header_bytes"] = found["header_bytes"]
        assert found["header_bytes"] % 64 == 0
    assert found == wanted
    assert type(found["shape"]) is tuple and type(found["dtype"]) is np.dtype("f4").__class__
    report = ndb.verify(way(data))
    assert (report.state, report.ok, bool(report), report.nbytes, report.blocks) == (state, True, True, A.nbytes, 2)
    assert (report.error, report.block, report.start, report.stop) == (None, None, None, None)
    if not isinstance(way(data), ndb.Handle):
        assert report.compression == wanted["compression"]
    report.raise_for_damage()
    assert repr(report) == f"<ndbytes.Report {state}: 1200000 bytes in 2 blocks>"
    if state == "verified":
        report.raise_for_damage(require_checksum=True)
    else:
        with pytest.raises(ndb.MismatchError, match="unchecked: whole, but it has no checksum"):
            report.raise_for_damage(require_checksum=True)


@pytest.mark.parametrize("name", DTYPES)
def test_every_dtype_is_named(name):
    dtype = DTYPES[name]
    data = ndb.dumps(make(dtype, (2, 3)), codec="none")
    found = ndb.info(data)
    assert found["dtype"] == dtype and found["shape"] == (2, 3)
    assert ndb.loads(data, expect=found["spec"]).dtype == dtype
    if not dtype.names or name not in ("unordered", "overlapping"):
        assert ndb.info(ndb.dumps(make(dtype, (2, 3))))["dtype"] == dtype


DAMAGE = {
    "block 1": (CHECKED, 128 + (1 << 20) + 7, 1, 128 + (1 << 20), 128 + A.nbytes),
    "block 0": (CHECKED, 128, 0, 128, 128 + (1 << 20)),
    # An f becomes an i: another dtype, of the same size.
    "header": (CHECKED, CHECKED.index(b"<f4") + 1, None, 0, 128),
    "frame": (FRAME, 500, 0, None, None),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_told_with_its_place(tmp_path, name):
    data, at, block, start, stop = DAMAGE[name]
    data = bytearray(data)
    data[at] ^= 0x0F
    path = tmp_path / "a.npy"
    path.write_bytes(data)
    for x in [path, bytes(data)]:
        report = ndb.verify(x)
        assert not report and (report.ok, report.state, report.block) == (False, "damaged", block)
        if start is not None:
            assert (report.start, report.stop) == (start, stop)
        assert report.start <= at < report.stop
        assert type(report.error) is ndb.ChecksumError and (report.error.start, report.error.stop) == (report.start, report.stop)
        for require in [False, True]:
            with pytest.raises(ndb.ChecksumError) as raised:
                report.raise_for_damage(require_checksum=require)
            assert raised.value is report.error
        assert repr(report) == f"<ndbytes.Report damaged: {report.error}>"
    assert ndb.verify(path).error.filename == str(path)


@pytest.mark.parametrize("cut", [1, 5, 100, 128, 1000, len(CHECKED) - 40, len(CHECKED) - 1])
def test_a_cut_is_damage_of_verify_and_an_error_of_info(tmp_path, cut):
    path = tmp_path / "a.npy"
    path.write_bytes(CHECKED[:cut])
    for x in [path, CHECKED[:cut]]:
        report = ndb.verify(x)
        assert (report.state, type(report.error)) == ("damaged", ndb.TruncatedError)
        with pytest.raises(ndb.TruncatedError):
            ndb.info(x)
    if cut > 128:
        path.write_bytes(CHECKED)
        with ndb.open(path) as handle:
            os.truncate(path, cut)
            assert type(ndb.verify(handle).error) is ndb.TruncatedError


def test_damage_in_the_data_is_nothing_to_info():
    data = bytearray(CHECKED)
    data[5000] ^= 1
    assert ndb.info(data)["checksum"] == "present"
    for at in [60, -3]:
        damaged = bytearray(CHECKED)
        damaged[at] ^= 1
        with pytest.raises(ndb.Error):
            ndb.info(damaged)


@pytest.mark.parametrize("function", [ndb.info, ndb.verify])
def test_what_cannot_be_looked_at(tmp_path, function):
    (tmp_path / "a.bin").write_bytes(bytes(8))
    np.save(tmp_path / "objects.npy", np.array([None]))
    limits = ndb.Limits(array=100)
    for x, error, words in [
        (tmp_path / "missing", FileNotFoundError, "missing"),
        (tmp_path, IsADirectoryError, "Is a directory"),
        (3, ndb.ArgumentTypeError, "expected a path"),
        (open(tmp_path / "a.bin", "rb"), ndb.ArgumentError, "a file object is gone once it is read"),
        (tmp_path / "a.bin", ndb.ArgumentError, "no header says what these bytes are; 8 bytes may be"),
        (tmp_path / "objects.npy", ndb.UnsupportedError, "object"),
    ]:
        with pytest.raises(error, match=words):
            function(x)
    with pytest.raises(ndb.LimitError, match="at most 100 are allowed"):
        function(NPY, limits=limits)


# Checksums on and off.


def test_checksums_go_on_and_off(tmp_path):
    path = tmp_path / "a.npy"
    path.write_bytes(NPY)
    path.chmod(0o640)
    assert ndb.checksum(path) is True
    assert ndb.verify(path).state == "verified" and path.read_bytes()[: len(NPY)] == NPY
    assert path.stat().st_mode & 0o777 == 0o640
    sealed = path.read_bytes()
    assert ndb.checksum(str(path)) is False and path.read_bytes() == sealed
    assert ndb.checksum(path, strip=True) is True and path.read_bytes() == NPY
    assert ndb.checksum(path, True) is False and path.read_bytes() == NPY
    assert os.listdir(tmp_path) == ["a.npy"]


def test_damaged_files_are_left_as_they_are(tmp_path):
    path = tmp_path / "a.npy"
    data = bytearray(CHECKED)
    data[5000] ^= 1
    for bad, error in [(bytes(data), ndb.ChecksumError), (CHECKED[:-1], ndb.TruncatedError), (NPY[:-1], ndb.TruncatedError)]:
        path.write_bytes(bad)
        for strip in [False, True]:
            with pytest.raises(error):
                ndb.checksum(path, strip)
            assert path.read_bytes() == bad


def test_what_has_no_checksums_to_take_off(tmp_path):
    frame, named = tmp_path / "a.ndb", tmp_path / "b.npy"
    frame.write_bytes(FRAME)
    ndb.save(named, make(DTYPES["bfloat16"], (3,)), checksum=True)
    for path, words in [(frame, "a .ndb file always has its checksums"), (named, "the name of the dtype bfloat16")]:
        with pytest.raises(ndb.ArgumentError, match=words):
            ndb.checksum(path, strip=True)
    assert ndb.checksum(frame) is False
    for given, error, words in [
        (tmp_path / "missing", FileNotFoundError, "missing"),
        (open(frame, "rb"), ndb.ArgumentError, "checksum replaces a file: pass its path"),
    ]:
        with pytest.raises(error, match=words):
            ndb.checksum(given)


def test_an_open_file_is_sealed_anew(tmp_path):
    path = tmp_path / "a.npy"
    path.write_bytes(CHECKED)
    handle = ndb.open(path, "r+")
    handle[0, 0] = 7
    report = ndb.verify(path)
    assert (report.state, report.ok, ndb.info(path)["checksum"]) == ("open", True, "open")
    with pytest.raises(ndb.MismatchError, match="open: whole, but a writer did not finish its checksums"):
        report.raise_for_damage(require_checksum=True)
    del handle
    assert ndb.checksum(path) and ndb.info(path)["name"] == "ä" and ndb.load(path, require_checksum=True)[0, 0] == 7


def test_archives_are_verified_member_by_member(tmp_path):
    arrays = {"a": np.arange(300_000), "b": np.array("text")}
    for name, save in {"ours": ndb.save, "numpy": lambda path, arrays: np.savez_compressed(path, **arrays)}.items():
        path = tmp_path / f"{name}.npz"
        save(path, arrays)
        report = ndb.verify(path)
        assert report and report.state == "verified" and report.nbytes == sum(a.nbytes for a in arrays.values())
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0x40
        damaged = ndb.verify(data)
        assert not damaged and damaged.state == "damaged" and isinstance(damaged.error, ndb.Error)
        assert not ndb.verify(data[:-1])


@pytest.mark.parametrize("data", [b"PNG and other things", b"\x80\x04K\x01.", b"text"])
def test_what_is_something_else_is_not_called_damaged(data):
    with pytest.raises(ndb.FormatError, match="not a .npy or .ndb file"):
        ndb.verify(data)
