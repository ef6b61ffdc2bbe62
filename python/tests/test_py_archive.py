"""`ndb.load("x.npz")` is a mapping that reads when it is asked; `ndb.savez` and `ndb.save` write what NumPy reads."""

import collections.abc
import io
import os
import shutil
import subprocess
import textwrap
import threading
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

import ndbytes as ndb
from cases import DTYPES, check, make, padding
from oracle import has_extension
from pythons import find

LONG = bool(os.environ.get("NDBYTES_LONG"))
SHAPES = [(), (0,), (1,), (7,), (13, 11), (3, 0, 5), (257, 3), (2, 2)]
# NumPy cannot spell some dtypes, and leaves the gaps of items to chance.
NAMES = [name for name, dtype in DTYPES.items() if name not in ("unordered", "overlapping") and not has_extension(dtype)]
ARRAYS = {name: make(DTYPES[name], SHAPES[i % len(SHAPES)]) for i, name in enumerate(NAMES)}
ARRAYS |= {f"{name}/F": np.asfortranarray(make(DTYPES[name], (5, 3))) for name in NAMES}
KEYS = ["a", "params/dense/kernel", "../x", "é", "日本語", "🐍", " ", "a.b", "con", "x" * 5000, "\\", "ÿ\u0301"]
CODECS = ["stored", "deflate"]  # zstd is read by NumPy on Python 3.14 and newer.
A = np.arange(300_000, dtype="<i4").reshape(500, 600)
MIXED = {"a": A, "net/bias": np.float64(2.5), "f": np.asfortranarray(A[:7]), "empty": np.zeros((0, 3))}


def same(found, wanted):
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    check(found.tobytes("A"), wanted.tobytes("A"), wanted.dtype)


def with_bytes(path, arrays, method=zipfile.ZIP_STORED):
    """An archive that NumPy made, and a member that is no array."""
    np.savez(path, **arrays)
    with zipfile.ZipFile(path, "a", method) as archive:
        archive.writestr("readme.txt", b"hello")
        archive.writestr("short", b"\x93NUM")
    return path


@pytest.fixture(params=CODECS)
def saved(request, tmp_path):
    path = tmp_path / "x.npz"
    ndb.save(path, MIXED, codec=request.param)
    return path


@pytest.mark.parametrize("codec", CODECS)
def test_numpy_reads_every_dtype_that_is_written(codec, tmp_path):
    path = tmp_path / "x.npz"
    ndb.save(path, ARRAYS, codec=codec)
    assert zipfile.ZipFile(path).testzip() is None
    with np.load(path) as read, ndb.load(path) as d:
        assert read.files == list(ARRAYS) == list(d)
        for name, array in ARRAYS.items():
            same(read[name], array)
            same(d[name], array)
            assert d[name].flags.f_contiguous == read[name].flags.f_contiguous


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed], ids=["stored", "deflate"])
def test_every_dtype_that_numpy_writes_is_read(save, tmp_path):
    path = tmp_path / "x.npz"
    save(path, **ARRAYS)
    for place in (path, str(path), os.fsencode(path), io.BytesIO(path.read_bytes()), open(path, "rb")):
        d = ndb.load(place)
        assert list(d) == list(ARRAYS)
        for name, array in ARRAYS.items():
            same(d[name], array)
    found = ndb.load(path).read()
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        same(found[name], array)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("count", [0, 1, 2, 50, 1000])
def test_any_number_of_members(codec, count, tmp_path):
    arrays = {f"layer{i}/w": np.full(i % 5, i) for i in range(count)}
    ndb.save(tmp_path / "x.npz", arrays, codec=codec)
    with np.load(tmp_path / "x.npz") as theirs:
        assert {name: a.tolist() for name, a in theirs.items()} == {name: a.tolist() for name, a in arrays.items()}
    np.savez(tmp_path / "y.npz", **arrays)
    for name in "xy":
        d = ndb.load(tmp_path / f"{name}.npz")
        assert len(d) == count and list(d) == list(arrays)
        assert {key: a.tolist() for key, a in dict(d).items()} == {key: a.tolist() for key, a in arrays.items()}
        assert list(d.read()) == list(arrays)


def test_zstd_members_go_both_ways(tmp_path):
    path = tmp_path / "x.npz"
    sizes = []
    for level in None, 1, 19:
        ndb.save(path, ARRAYS | MIXED, codec="zstd", level=level)
        assert {info.compress_type for info in zipfile.ZipFile(path).infolist()} == {93}
        d = ndb.load(path)
        for name, array in (ARRAYS | MIXED).items():
            same(d[name], np.asarray(array))
        assert d.info("a")["codec"] == "zstd" and ndb.verify(path)
        sizes.append(path.stat().st_size)
    assert sizes[2] < sizes[1]
    for level in 0, 20, -1:
        with pytest.raises(ndb.ArgumentError, match="1 to 19 are allowed"):
            ndb.save(path, MIXED, codec="zstd", level=level)
    with pytest.raises(ndb.UnsupportedError, match="'stored', 'deflate' and 'zstd' are"):
        ndb.save(path, MIXED, codec="lz4")
    assert (ndb.load(path)["a"] == A).all()


@pytest.mark.parametrize("codec", [*CODECS, "zstd"])
def test_the_bytes_are_the_same_for_any_number_of_threads(codec, tmp_path):
    arrays = MIXED | {"big": np.random.default_rng(0).integers(0, 9, 5 << 20).astype("u1")}
    files = []
    for threads in 1, 2, 5:
        ndb.save(tmp_path / "x.npz", arrays, codec=codec, threads=threads)
        files.append((tmp_path / "x.npz").read_bytes())
    assert files[0] == files[1] == files[2]
    with zipfile.ZipFile(tmp_path / "x.npz") if codec != "zstd" else io.BytesIO() as archive:
        assert codec == "zstd" or archive.testzip() is None
    for threads in 1, 2, 5:
        assert (ndb.load(tmp_path / "x.npz", threads=threads)["big"] == arrays["big"]).all()


@pytest.mark.parametrize("codec", CODECS)
def test_names_are_keys_and_nothing_else(codec, tmp_path):
    arrays = {key: np.arange(i) for i, key in enumerate(KEYS)}
    ndb.save(tmp_path / "x.npz", arrays, codec=codec)
    with np.load(tmp_path / "x.npz") as theirs:
        assert theirs.files == KEYS
    d = ndb.load(tmp_path / "x.npz")
    assert list(d) == d.files == KEYS
    for i, key in enumerate(KEYS):
        assert len(d[key]) == len(d[key + ".npy"]) == i and key in d and key + ".npy" in d


def test_keys_go_before_names_of_members(tmp_path):
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {"a.npy": np.arange(3), "a": b"bytes", "b.npy.npy": np.arange(4), "b.npy": np.arange(5)}.items():
            file = io.BytesIO()
            file.write(data) if isinstance(data, bytes) else np.save(file, data)
            archive.writestr(name, file.getvalue())
    d = ndb.load(path)
    assert list(d) == ["a.npy", "a", "b.npy.npy", "b"]
    assert (d["a"], len(d["a.npy"]), len(d["b"]), len(d["b.npy.npy"])) == (b"bytes", 3, 5, 4)


def test_it_is_a_mapping(saved):
    d = ndb.load(saved)
    assert isinstance(d, ndb.Archive) and isinstance(d, collections.abc.Mapping) and type(d).__module__ == "ndbytes"
    assert len(d) == 4 and list(d.keys()) == list(MIXED) and d.path == str(saved)
    assert [key for key, _ in d.items()] == list(MIXED) and [a.shape for a in d.values()] == [np.shape(a) for a in MIXED.values()]
    assert d.get("no") is None and "no" not in d and 3 not in d
    for key in ("no", 3, None):
        with pytest.raises(KeyError, match="is not in the archive"):
            d[key]
        with pytest.raises(KeyError, match="is not in the archive"):
            d.read([key])
    for key, array in MIXED.items():
        same(d[key], np.asarray(array))
        assert d[key].flags.writeable and d[key] is not d[key]
        assert d[key].flags.f_contiguous == np.asarray(array).flags.f_contiguous
    assert d == d and d != ndb.load(saved) and hash(d) == hash(d)
    assert repr(d) == f"<ndbytes.Archive of {str(saved)!r}: 4 members: 'a', 'net/bias', 'f', 'empty'>"
    assert list(d.read(["f", "a"])) == ["f", "a"]
    with d:
        pass
    assert repr(d) == f"<ndbytes.Archive of {str(saved)!r}, closed>"


def test_a_closed_archive_knows_its_names_and_reads_nothing(saved):
    d = ndb.load(saved)
    kept = d["a"]
    d.close()
    d.close()
    assert d.closed and list(d) == list(MIXED) and kept[0, 1] == 1
    for call in (lambda: d["a"], lambda: d.info("a"), d.read, d.__enter__):
        with pytest.raises(ndb.ArgumentError, match="the archive is closed"):
            call()


def test_what_is_no_array_comes_as_bytes(tmp_path):
    for method in zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED:
        d = ndb.load(with_bytes(tmp_path / "x.npz", {"a": A}, method))
        assert d["readme.txt"] == b"hello" and d["short"] == b"\x93NUM" and (d["a"] == A).all()
        assert d.info("readme.txt") == {
            "format": "bytes", "nbytes": 5, "checksum": "present", "crc32": zlib.crc32(b"hello"), "blocks": 1,
            "codec": "deflate" if method else "stored", "stored_bytes": 7 if method else 5,
        }
        assert d.read()["short"] == b"\x93NUM"


def test_info_reads_no_data(saved):
    d = ndb.load(saved)
    infos = {info.filename.removesuffix(".npy"): info for info in zipfile.ZipFile(saved).infolist()}
    for key, array in MIXED.items():
        found, array = d.info(key), np.asarray(array)
        file = io.BytesIO()
        np.save(file, array)
        alone = ndb.info(file.getvalue())
        codec = "deflate" if infos[key].compress_type else "stored"
        assert found == {
            **alone, "codec": codec, "checksum": "present", "stored_bytes": infos[key].compress_size, "crc32": infos[key].CRC,
            "blocks": 3 if (key, codec) == ("a", "deflate") else 1,
        }
        assert found["shape"] == array.shape and found["dtype"] == array.dtype
    # One of which only the front is there.
    data = bytearray(saved.read_bytes())
    start = data.index(b"\x93NUMPY") if codec == "stored" else infos["a"].header_offset + 200
    data[start + 1000 : start + 2000] = bytes(1000)
    saved.write_bytes(data)
    assert ndb.load(saved).info("a")["shape"] == A.shape
    with pytest.raises(ndb.Error, match="a.npy"):
        ndb.load(saved)["a"]
    found = ndb.info(saved)
    assert (found["format"], found["file_bytes"], list(found["members"])) == ("npz", len(data), list(MIXED))
    assert ndb.info(bytes(data)) == found and found["members"]["f"] == d.info("f")


def test_each_access_reads_anew(saved):
    with open(saved, "r+b") as file:
        d = ndb.load(file)
        assert (d["a"] == A).all()
        where = zipfile.ZipFile(saved).getinfo("a.npy").header_offset + 1000
        file.seek(where)
        byte = file.read(1)
        file.seek(where)
        file.write(bytes([byte[0] ^ 1]))
        file.flush()
        with pytest.raises(ndb.Error):
            d["a"]
        assert d["net/bias"] == 2.5


def test_damage_is_told_with_path_and_member(saved):
    data = bytearray(saved.read_bytes())
    data[zipfile.ZipFile(saved).getinfo("a.npy").header_offset + 5000] ^= 4
    saved.write_bytes(data)
    d = ndb.load(saved)
    with pytest.raises((ndb.ChecksumError, ndb.FormatError)) as caught:
        d["a"]
    assert str(saved) in str(caught.value) and "a.npy" in str(caught.value)
    with pytest.raises((ndb.ChecksumError, ndb.FormatError)):
        d.read()
    assert d["net/bias"] == 2.5 and len(d.read(["f", "empty"])) == 2
    saved.write_bytes(data[:-10])
    with pytest.raises(ndb.TruncatedError):
        ndb.load(saved)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_methods_are_unsupported(method, tmp_path):
    path = with_bytes(tmp_path / "x.npz", {"a": A}, method)
    d = ndb.load(path)
    assert (d["a"] == A).all()
    for call in (lambda: d["readme.txt"], lambda: d.info("readme.txt"), d.read):
        with pytest.raises(ndb.UnsupportedError, match=r"member .*(bzip2|lzma)"):
            call()


def test_limits_and_threads_pass_through(saved):
    with pytest.raises(ndb.LimitError, match="members"):
        ndb.load(saved, limits=ndb.Limits(members=3))
    d = ndb.load(saved, limits=ndb.Limits(array=1000), threads=1)
    assert d["net/bias"] == 2.5
    for call in (lambda: d["a"], d.read):
        with pytest.raises(ndb.LimitError):
            call()
    for threads in 1, 2, 5:
        assert (ndb.load(saved, threads=threads).read()["a"] == A).all()
    with pytest.raises(ndb.ArgumentError, match="threads must be at least 1"):
        ndb.load(saved, threads=0)
    for options in {"expect": "<i4"}, {"out": A.copy()}, {"expect": "<i4", "mmap": "r"}:
        with pytest.raises(ndb.ArgumentError, match="an .npz holds many arrays"):
            ndb.load(saved, **options)


def test_stored_arrays_are_mapped(tmp_path):
    path = tmp_path / "x.npz"
    for save in (np.savez, ndb.savez):
        save(path, **MIXED)
        d = ndb.load(path, mmap="r")
        for key, array in MIXED.items():
            mapped = d[key]
            same(mapped, np.asarray(array))
            assert not mapped.flags.writeable and mapped.flags.f_contiguous == np.asarray(array).flags.f_contiguous
        assert d["a"].flags.aligned or save is np.savez
        kept = d["a"]
        d.close()
        assert (kept == A).all() and list(d) == list(MIXED)
        assert str(path) in Path("/proc/self/maps").read_text()
    assert list(ndb.load(path, mmap="r").read()) == list(MIXED)


def test_what_cannot_be_mapped_says_what_to_do(tmp_path):
    path = tmp_path / "x.npz"
    ndb.save(path, MIXED)
    d = ndb.load(path, mmap="r")
    with pytest.raises(ndb.ArgumentError, match=r'a\.npy.* is compressed, and cannot be mapped.*codec="stored"'):
        d["a"]
    assert d.info("a")["codec"] == "deflate"
    for mode in "r+", "c":
        with pytest.raises(ndb.ArgumentError, match="mmap='r' only"):
            ndb.load(path, mmap=mode)
    with pytest.raises(ndb.ArgumentError, match="mode must be one of"):
        ndb.load(path, mmap="x")
    with pytest.raises(ndb.ArgumentError, match="mmap is for a path"):
        ndb.load(io.BytesIO(path.read_bytes()), mmap="r")
    d = ndb.load(with_bytes(path, {"a": A}), mmap="r")
    assert d["readme.txt"] == b"hello" and (d["a"] == A).all()


def test_bytes_are_loaded_as_a_dict(saved):
    found = ndb.loads(saved.read_bytes())
    assert type(found) is dict and list(found) == list(MIXED)
    for key, array in found.items():
        same(array, np.asarray(MIXED[key]))


def test_an_archive_is_saved_like_a_dict(saved, tmp_path):
    d = ndb.load(saved)
    ndb.save(tmp_path / "y.npz", d, codec="stored")
    assert ndb.dumps(d) == ndb.dumps(MIXED)
    ndb.save(saved, d)
    for path in saved, tmp_path / "y.npz":
        assert ndb.digest(path) == {key: ndb.digest(np.asarray(array)) for key, array in MIXED.items()}
    with pytest.raises(ndb.ArgumentError, match="a dict of arrays is saved as .npz"):
        ndb.save(tmp_path / "y.npy", d)


def test_savez_has_numpys_names(tmp_path):
    one, two = np.arange(3), np.ones((2, 2))
    for save, name in (np.savez, "n"), (ndb.savez, "o"):
        save(tmp_path / name, one, two, level=one, codec=two)
    with np.load(tmp_path / "n.npz") as theirs, np.load(tmp_path / "o.npz") as ours:
        assert theirs.files == ours.files == ["level", "codec", "arr_0", "arr_1"]
        assert all((theirs[key] == ours[key]).all() for key in ours)
        assert {info.compress_type for info in ours.zip.infolist()} == {0}
    ndb.savez(tmp_path / "p.npz", one, file=two)
    assert list(ndb.load(tmp_path / "p.npz")) == ["file", "arr_0"]
    with pytest.raises(ndb.ArgumentError, match="would be called arr_0"):
        ndb.savez(tmp_path / "p.npz", one, arr_0=two)
    file = io.BytesIO()
    ndb.savez(file, one)
    file.seek(0)
    ndb.savez(tmp_path / "q.npz")
    assert ndb.load(file)["arr_0"].tolist() == [0, 1, 2] and len(ndb.load(tmp_path / "q.npz")) == 0
    assert sorted(os.listdir(tmp_path)) == ["n.npz", "o.npz", "p.npz", "q.npz"]


@pytest.mark.parametrize("codec", CODECS)
def test_one_way_files_and_pipes(codec, tmp_path):
    read, write = os.pipe()
    got = []
    reader = threading.Thread(target=lambda: got.append(open(read, "rb").read()))
    reader.start()
    with open(write, "wb") as pipe:
        ndb.save(pipe, MIXED, codec=codec)
    reader.join()
    fifo = tmp_path / "x.npz"
    os.mkfifo(fifo)
    reader = threading.Thread(target=lambda: got.append(fifo.read_bytes()))
    reader.start()
    ndb.save(fifo, MIXED, codec=codec)
    reader.join()
    assert streamed(MIXED, codec) == got[0] == got[1]
    with np.load(io.BytesIO(got[0])) as theirs:
        for key, array in MIXED.items():
            same(theirs[key], np.asarray(array))
    read, write = os.pipe()
    with open(write, "wb") as pipe:
        pipe.write(got[0][:1000])
    with open(read, "rb") as pipe, pytest.raises(ndb.Error, match=".npz archive"):
        ndb.load(pipe)


def test_strided_and_swapped_arrays_go_in_as_numpy_has_them(tmp_path):
    base = np.arange(10_000, dtype="<i8").reshape(10, 20, 50)
    arrays = {"cut": base[::2, 3:, ::-5], "turned": base.T, "big": base.astype(">i8")[1:], "wide": np.broadcast_to(base[0], (3, 20, 50))}
    for codec in CODECS:
        ndb.save(tmp_path / "x.npz", arrays, codec=codec)
        with np.load(tmp_path / "x.npz") as theirs:
            for key, array in arrays.items():
                assert theirs[key].dtype == array.dtype and (theirs[key] == array).all()


def test_many_threads_read_one_archive_while_it_is_closed(saved):
    """Who is reading gets the array, who comes later a clear error, and nobody hangs."""
    for file in (saved, io.BytesIO(saved.read_bytes())):
        for _ in range(5):
            if isinstance(file, io.BytesIO):
                file.seek(0)  # The reads of a round end anywhere in it.
            d = ndb.load(file)
            outcomes, start = [], threading.Barrier(9)

            def work(d=d, outcomes=outcomes, start=start):
                start.wait()
                for _ in range(200):
                    for key in ("a", "f", "net/bias"):
                        try:
                            right = (d[key] == MIXED[key]).all()
                        except ndb.ArgumentError as error:
                            assert "closed" in str(error)
                            return
                        outcomes.append(bool(right))

            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads:
                thread.start()
            start.wait()
            while len(outcomes) < 20:
                pass
            d.close()
            for thread in threads:
                thread.join(60)
            assert not any(thread.is_alive() for thread in threads) and all(outcomes)


def test_no_descriptor_is_left(saved):
    count = lambda: len(os.listdir("/proc/self/fd"))  # noqa: E731
    before = count()
    for _ in range(50):
        d = ndb.load(saved)
        d.read()
        ndb.load(saved, threads=2)["f"]
        if saved.stat().st_size > A.nbytes:
            ndb.load(saved, mmap="r")["a"]
        del d
    assert count() == before


PROGRAMS = {"unzip": ["-tqq"], "bsdtar": ["-tf"], "7z": ["t"]}


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_other_programs_find_no_fault(program, codec, tmp_path):
    if shutil.which(program) is None:
        pytest.skip(f"no {program}")
    arrays = MIXED | {"big": np.random.default_rng(0).integers(0, 9, 5 << 20).astype("u1")}
    ndb.save(tmp_path / "file.npz", arrays, codec=codec)
    (tmp_path / "streamed.npz").write_bytes(streamed(arrays, codec))
    for name in "file.npz", "streamed.npz":
        line = [program, *PROGRAMS[program], tmp_path / name]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and done.stderr == "", done
        if program == "bsdtar":
            out = subprocess.run([program, "-xOf", tmp_path / name, "big.npy"], capture_output=True, check=True).stdout
            assert (np.load(io.BytesIO(out)) == arrays["big"]).all()


def streamed(arrays, codec):
    """The archive as it goes to a pipe."""

    class OneWay(io.RawIOBase):
        bytes = b""

        def writable(self):
            return True

        def write(self, data):
            self.bytes += data
            return len(data)

    file = OneWay()
    ndb.save(file, arrays, codec=codec)
    return file.bytes


SCRIPT = """
    import sys, numpy as np
    folder, way = sys.argv[1:]
    arrays = {name: array for name, array in np.load(folder + "/wanted.npz").items()}
    if way == "write":
        np.savez(folder + "/stored.npz", **arrays)
        np.savez_compressed(folder + "/deflate.npz", **arrays)
    else:
        for codec in ("stored", "deflate"):
            with np.load(f"{folder}/ours-{codec}.npz") as ours:
                assert ours.files == list(arrays)
                for name, array in arrays.items():
                    assert ours[name].dtype == array.dtype and ours[name].tobytes() == array.tobytes(), name
        print("read")
"""


@pytest.mark.parametrize("program", sorted(set(find()[0].values())))
def test_other_pythons_read_and_write_the_same(program, tmp_path):
    if subprocess.run([program, "-c", "import numpy"], capture_output=True, check=False).returncode:
        pytest.skip("no NumPy in it")
    arrays = {key: array for key, array in ARRAYS.items() if not padding(array.dtype).any()}
    np.savez(tmp_path / "wanted.npz", **arrays)
    for codec in CODECS:
        ndb.save(tmp_path / f"ours-{codec}.npz", arrays, codec=codec)
    script = textwrap.dedent(SCRIPT)
    for way in "read", "write":
        done = subprocess.run([program, "-c", script, tmp_path, way], capture_output=True, text=True, check=False)
        assert done.returncode == 0 and done.stdout == ("read\n" if way == "read" else ""), done.stderr
    for codec in CODECS:
        for key, array in ndb.load(tmp_path / f"{codec}.npz").items():
            same(array, arrays[key])


@pytest.mark.skipif(not LONG, reason="for the long mode")
@pytest.mark.parametrize("codec", CODECS)
def test_more_than_4_gib(codec, tmp_path):
    """Members and archives on both sides of where zip64 begins; the data are zeros but for a few."""
    big = np.lib.format.open_memmap(tmp_path / "big.npy", "w+", "u1", ((1 << 32) + 77,))
    big[-1], big[1 << 31] = 7, 9
    path = tmp_path / "x.npz"
    ndb.save(path, {"first": np.arange(3), "big": big, "last": np.arange(4)}, codec=codec, level=1 if codec == "deflate" else None)
    infos = zipfile.ZipFile(path).infolist()
    assert infos[1].file_size == big.nbytes + 128 and (infos[2].header_offset > 1 << 32) == (codec == "stored")
    with np.load(path) as theirs:
        assert theirs["last"].tolist() == [0, 1, 2, 3] and theirs["first"].tolist() == [0, 1, 2]
    with ndb.load(path) as d:
        found = d["big"]
        assert found.shape == big.shape and (found[-1], found[1 << 31], found[5]) == (7, 9, 0)
        assert d["last"].tolist() == [0, 1, 2, 3]
    assert ndb.verify(path)
    if codec == "stored":
        mapped = ndb.load(path, mmap="r")["big"]
        assert (mapped[-1], mapped[1 << 31]) == (7, 9)
        return
    (tmp_path / "big.npy").unlink()
    path.unlink()
    np.savez(path, big=found, last=np.arange(4))
    assert ndb.load(path)["last"].tolist() == [0, 1, 2, 3] and ndb.load(path, mmap="r")["big"][-1] == 7
