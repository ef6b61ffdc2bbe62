"""Archives: byte for byte as `np.savez` writes them, and each side reads the other's."""

import io
import shutil
import struct
import subprocess
import sys
import warnings
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import DTYPES, make, padding
from oracle import Refused, has_extension

# What NumPy writes the same way each time: it leaves the gaps of items to chance.
SAVED = [
    name
    for name, dtype in DTYPES.items()
    if name not in ("unordered", "overlapping") and not has_extension(dtype) and not padding(dtype).any()
]
SHAPES = [(), (0,), (1,), (7,), (13, 11), (3, 0, 5), (257, 3), (2, 2)]
ARRAYS = {f"{name}.npy": make(DTYPES[name], SHAPES[i % len(SHAPES)]) for i, name in enumerate(SAVED)}
NAMES = ["a", "params/dense/kernel", "../x", "é", "日本語", "🐍", "", " ", "a.npy", "con", "x" * 5000, "\\", "ÿ\u0301"]


class Placed(io.BytesIO):
    """A file that counts from `start` on, as one that has much in front."""

    def __init__(self, start):
        super().__init__()
        self.start = start

    def tell(self):
        return super().tell() + self.start

    def seek(self, to, whence=0):
        return super().seek(to - self.start if whence == 0 else to, whence) + self.start


class Pipe(io.RawIOBase):
    """A file that goes one way."""

    def __init__(self):
        self.bytes = bytearray()

    def writable(self):
        return True

    def write(self, data):
        self.bytes += data
        return len(memoryview(data).cast("B"))


def numpy_savez(arrays, streamed=False, start=0, compressed=False):
    """What NumPy writes for a dict of member names and arrays."""
    file = Pipe() if streamed else Placed(start)
    save = np.savez_compressed if compressed else np.savez
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of versions 2 and 3.
        save(file, **{name.removesuffix(".npy"): array for name, array in arrays.items()})
    return bytes(file.bytes) if streamed else file.getvalue()


def numpy_contents(archive):
    with np.load(io.BytesIO(archive)) as read:
        # By the names of members: a key may be the name of another's.
        arrays = {name: read[name] for name in read.zip.namelist()}
    return {name: (a.dtype, a.shape, a.tobytes("A")) for name, a in arrays.items()}


def same_arrays(archive, arrays):
    assert numpy_contents(archive) == {n: (a.dtype, a.shape, a.tobytes("A")) for n, a in arrays.items()}
    assert zipfile.ZipFile(io.BytesIO(archive)).testzip() is None


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("name", ARRAYS)
def test_every_dtype_as_np_savez(oracle, name, streamed):
    arrays = {name: ARRAYS[name], "arr_0.npy": ARRAYS[name]}
    assert oracle.npz_write(arrays, streamed=streamed) == numpy_savez(arrays, streamed)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("count", [0, 1, 2, 50, 1000])
def test_any_number_of_members_as_np_savez(oracle, count, streamed):
    names = list(ARRAYS)
    arrays = {f"arr_{i}.npy": ARRAYS[names[i % len(names)]] for i in range(count)}
    theirs = numpy_savez(arrays, streamed)
    assert oracle.npz_write(arrays, streamed=streamed) == theirs
    read = oracle.npz_read(theirs)
    with zipfile.ZipFile(io.BytesIO(theirs)) as archive:
        assert list(read) == archive.namelist()
        assert {n: data for n, (_, _, data) in read.items()} == {n: archive.read(n) for n in read}


@pytest.mark.parametrize("streamed", [False, True])
def test_names_as_np_savez(oracle, streamed):
    arrays = {f"{name}.npy": np.arange(i) for i, name in enumerate(NAMES)}
    theirs = numpy_savez(arrays, streamed)
    assert oracle.npz_write(arrays, streamed=streamed) == theirs
    assert list(oracle.npz_read(theirs)) == list(arrays)
    for style in ["aligned", "numpy"]:
        same_arrays(oracle.npz_write(arrays, style), arrays)


@pytest.mark.parametrize("start", [1, 64, (1 << 31) - 300, (1 << 31) - 1, 1 << 31, (1 << 32) - 300, 1 << 32, 1 << 40])
def test_archives_behind_much_as_np_savez(oracle, start):
    """Offsets on all sides of where zip64 begins, without files of that size."""
    arrays = {f"{i}.npy": np.arange(i, dtype="f4") for i in range(8)}
    assert oracle.npz_write(arrays, start=start) == numpy_savez(arrays, start=start)


def test_more_members_than_16_bits_count_as_np_savez(oracle):
    nothing = np.empty(0, "u1")
    for count in [65_535, 65_536]:
        arrays = {f"{i}.npy": nothing for i in range(count)}
        theirs = numpy_savez(arrays)
        assert oracle.npz_write(arrays) == theirs
        if count == 65_535:
            assert len(oracle.npz_read(theirs)) == count
        else:
            with pytest.raises(Refused) as refused:
                oracle.npz_read(theirs)
            assert (refused.value.kind, refused.value.detail) == ("Limit", "npz members")


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("level", range(10))
def test_deflated_archives_go_both_ways(oracle, level, streamed):
    """Only the streams differ from NumPy's."""
    ours = oracle.npz_write(ARRAYS, "numpy", level, streamed)
    same_arrays(ours, ARRAYS)
    theirs = numpy_savez(ARRAYS, streamed, compressed=True)
    facts = ["filename", "flag_bits", "compress_type", "create_version", "extract_version", "create_system"]
    facts += ["external_attr", "internal_attr", "date_time", "extra", "comment", "CRC", "file_size"]
    infos = [zipfile.ZipFile(io.BytesIO(a)).infolist() for a in (ours, theirs)]
    for one, two in zip(*infos, strict=True):
        assert [getattr(one, fact) for fact in facts] == [getattr(two, fact) for fact in facts]
    mine, other = oracle.npz_read(ours), oracle.npz_read(theirs)
    assert {n: (m, data) for n, (m, _, data) in mine.items()} == {n: (m, data) for n, (m, _, data) in other.items()}
    for archive, read in [(ours, mine), (theirs, other)]:
        for method, (start, end), data in read.values():
            assert method == 8 and zlib.decompress(archive[start:end], -15) == data


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_are_read_out_of_numpys_archives(oracle, name, compressed):
    array = ARRAYS[name]
    read = oracle.npz_load(numpy_savez({name: array}, compressed=compressed), name.removesuffix(".npy"))
    assert (read.dtype, read.shape, read.state) == (array.dtype, array.shape, "verified")
    assert read.data == array.tobytes("A")


@pytest.mark.parametrize("streamed", [False, True])
def test_aligned_members_are_read_by_numpy_and_can_be_mapped(oracle, tmp_path, streamed):
    ours = oracle.npz_write(ARRAYS, "aligned", streamed=streamed)
    same_arrays(ours, ARRAYS)
    path = tmp_path / "x.npz"
    path.write_bytes(ours)
    for name, (_, (start, end), data) in oracle.npz_read(ours).items():
        assert start % 64 == 0 and ours[start:end] == data
        array = ARRAYS[name]
        if array.size:
            header = len(data) - array.nbytes
            mapped = np.memmap(path, array.dtype, "r", start + header, array.shape or (1,))
            assert header % 64 == 0 and mapped.flags.aligned
            assert mapped.tobytes() == array.tobytes()


def test_checked_members_are_read_by_numpy(oracle):
    ours = oracle.npz_write(ARRAYS, "aligned", checksum=True)
    same_arrays(ours, ARRAYS)
    assert oracle.npz_load(ours, "<f8").state == "verified"


@pytest.mark.skipif(shutil.which("unzip") is None, reason="no unzip")
@pytest.mark.parametrize("options", [("numpy", None), ("aligned", None), ("aligned", 6)])
@pytest.mark.parametrize("streamed", [False, True])
def test_unzip_finds_no_fault(oracle, tmp_path, options, streamed):
    path = tmp_path / "x.npz"
    path.write_bytes(oracle.npz_write({f"{i}.npy": a for i, a in enumerate(ARRAYS.values())}, *options, streamed))
    result = subprocess.run(["unzip", "-tqq", path], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


class Named(zipfile.ZipInfo):
    """A member whose name stands in the archive as these bytes."""

    def _encodeFilenameFlags(self):
        return self.raw, self.flag_bits


def named(raw, data=b"data"):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        info = Named("x")
        info.raw = raw
        archive.writestr(info, data)
    return file.getvalue()


def test_names_without_the_utf8_flag_are_code_page_437(oracle):
    for byte in [b for b in range(1, 256) if chr(b) != "/"]:
        archive = named(b"<" + bytes([byte]) + b">")
        assert list(oracle.npz_read(archive)) == zipfile.ZipFile(io.BytesIO(archive)).namelist()


def test_what_others_write_is_read(oracle):
    """Comments, folders, other flags, sizes that need no zip64, and bytes in front that the offsets count."""
    file = io.BytesIO()
    file.write(b"#!/bin/sh\n")
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = b"made by hand"
        archive.mkdir("folder") if sys.version_info >= (3, 11) else archive.writestr("folder/", b"")
        archive.writestr("folder/text", b"text" * 100)
        info = zipfile.ZipInfo("old", (2026, 1, 2, 3, 4, 6))
        info.comment = b"a comment"
        info.extra = struct.pack("<HHB", 0x5455, 1, 0)
        archive.writestr(info, b"stored")
    read = oracle.npz_read(file.getvalue())
    assert {name: data for name, (_, _, data) in read.items()} == {
        "folder/": b"",
        "folder/text": b"text" * 100,
        "old": b"stored",
    }


def archives():
    """Small archives of every kind, to be changed."""
    one, two = np.arange(3, dtype="i2"), np.arange(4.0)
    arrays = {"a.npy": one, "é.npy": two}
    found = [numpy_savez(arrays), numpy_savez(arrays, True), numpy_savez(arrays, compressed=True)]
    for method in [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            archive.comment = b"comment"
            archive.writestr("a", b"first" * 9)
            archive.writestr("b", b"second" * 7)
        found.append(file.getvalue())
    return found


ARCHIVES = archives()


def pythons(archive):
    """What Python reads: names and bytes, or an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            return [(info.filename, opened.read(info)) for info in opened.infolist()]


INTERESTING = [0, 1, 0x7F, 0x80, 0xFF, *b"PK\x01\x02\x03\x04\x05\x06\x07\x08", 8, 12, 45, 64]
EDITS = st.lists(st.tuples(st.integers(0, 4000), st.sampled_from(INTERESTING) | st.integers(0, 255)), min_size=1, max_size=4)


@given(st.sampled_from(range(len(ARCHIVES))), EDITS, st.none() | st.tuples(st.integers(0, 4000), st.integers(0, 4000)))
def test_what_is_read_of_a_changed_archive_python_reads_too(oracle, which, edits, move):
    archive = bytearray(ARCHIVES[which])
    for at, value in edits:
        archive[at % len(archive)] = value
    if move:
        start, end = sorted(at % len(archive) for at in move)
        archive[start:start] = archive[start:end]
    try:
        ours = oracle.npz_read(bytes(archive))
    except Refused:
        return
    assert [(name, data) for name, (_, _, data) in ours.items()] == pythons(bytes(archive))


def test_every_changed_byte_of_a_header_means_what_it_means_to_python(oracle):
    """All that stands around the data, each byte to some others; what is taken, Python takes, and reads the same."""
    taken = 0
    for archive in ARCHIVES[:5]:
        for at in range(len(archive)):
            for value in {archive[at] ^ 1, archive[at] ^ 0x80, 0, 255, *INTERESTING[:4]} - {archive[at]}:
                changed = archive[:at] + bytes([value]) + archive[at + 1 :]
                try:
                    ours = oracle.npz_read(changed)
                except Refused:
                    continue
                taken += 1
                assert [(name, data) for name, (_, _, data) in ours.items()] == pythons(changed)
    assert taken > 100
