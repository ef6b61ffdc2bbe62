"""Every mistake has its class and its words: what is wrong, what was found, what to do."""

import contextlib
import errno
import io
import os
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest

import ndbytes as ndb
from npyfiles import numpy_save
from saving import needs_root

A = np.arange(12, dtype="<i4").reshape(3, 4)
CHECKED, FRAME, BARE = ndb.dumps(A), ndb.dumps(A, codec="none"), numpy_save(A)
WRITABLE = bytearray(CHECKED)
BUNDLE = ndb.dumps({"a": A, "b": A})


def flipped(data, at):
    data = bytearray(data)
    data[at] ^= 1
    return bytes(data)


def pickled():
    file = io.BytesIO()
    np.save(file, np.array([None]), allow_pickle=True)
    return file.getvalue()


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


STRINGS = np.array(["a"], np.dtypes.StringDType()) if hasattr(np.dtypes, "StringDType") else np.array([None])
NESTED = np.zeros(1, [("a", [("b", "O")])])
MASKED = np.ma.array([1, 2], mask=[0, 1])

def rationals():
    """An array of a dtype that an extension has registered: NumPy spells it as bytes without meaning."""
    from numpy._core._rational_tests import rational

    return np.array([rational(1, 2)])


REFUSED_ARRAYS = {
    "list": ([1, 2], ndb.ArgumentTypeError, "found list; np.asarray makes an array of lists and numbers"),
    "number": (1.5, ndb.ArgumentTypeError, "found float; np.asarray"),
    "text": ("text", ndb.ArgumentTypeError, "found str; np.asarray"),
    "None": (None, ndb.ArgumentTypeError, "found NoneType; np.asarray"),
    "objects": (np.array([None, {}]), ndb.UnsupportedError, "holds Python objects, which have no bytes of their own"),
    "nested objects": (NESTED, ndb.UnsupportedError, "holds Python objects"),
    "StringDType": (STRINGS, ndb.UnsupportedError, r"a.astype\('U'\) or a.astype\('S'\)|holds Python objects"),
    "others' dtype": (rationals(), ndb.UnsupportedError, "dtype rational is not one that ndbytes knows"),
    "masked": (MASKED, ndb.UnsupportedError, "would lose its mask; store a.filled"),
    "masked records": (np.ma.array(np.zeros(2, "i4,f8")), ndb.UnsupportedError, "would lose its mask"),
    "array of objects in a converter": (np.array([None], object), ndb.UnsupportedError, "holds Python objects"),
}
WAYS_OUT = {
    "tobytes": ndb.tobytes,
    "dumps": ndb.dumps,
    "dumps frame": lambda a: ndb.dumps(a, codec="none"),
    "dumps bundle": lambda a: ndb.dumps({"x": a}),
    "save": lambda a: ndb.save(io.BytesIO(), a),
    "tofile": lambda a: ndb.tofile(a, io.BytesIO()),
    "send": lambda a: ndb.send(io.BytesIO(), a),
    "buffers": ndb.buffers,
    "zlib": ndb.zlib.compress,
}


@pytest.mark.parametrize("way", WAYS_OUT)
@pytest.mark.parametrize("what", REFUSED_ARRAYS)
def test_what_is_no_array_of_bytes_is_refused(what, way):
    given, kind, words = REFUSED_ARRAYS[what]
    if what == "others' dtype" and way in ("tobytes", "zlib"):
        assert WAYS_OUT[way](given), "bytes as they are: nothing is said of a dtype"
        return
    with pytest.raises(kind, match=words) as raised:
        WAYS_OUT[way](given)
    assert type(raised.value) is kind


def test_classes_fit_those_that_numpy_users_catch():
    assert issubclass(ndb.Error, ValueError)
    for kind in (ndb.ArgumentError, ndb.MismatchError, ndb.FormatError, ndb.TruncatedError, ndb.ChecksumError,
                 ndb.UnsupportedError, ndb.LimitError):
        assert issubclass(kind, ndb.Error) and kind.__module__ == "ndbytes"
    assert issubclass(ndb.TruncatedError, EOFError) and issubclass(ndb.ArgumentTypeError, TypeError)


LOADS = {
    "another dtype": (CHECKED, {"expect": "<f4"}, ndb.MismatchError, r"expected <f4, found <i4\[3,4\]"),
    "another byte order": (CHECKED, {"expect": ">i4"}, ndb.MismatchError, r"expected >i4, found <i4\[3,4\]"),
    "another shape": (CHECKED, {"expect": "<i4[?,5]"}, ndb.MismatchError, r"expected <i4\[\?,5\], found <i4\[3,4\]"),
    "a dtype object": (FRAME, {"expect": np.dtype(">i4")}, ndb.MismatchError, "expected >i4, found"),
    "no spec": (CHECKED, {"expect": "<q9["}, ndb.ArgumentError, r'spec "<q9\["'),
    "a type": (CHECKED, {"expect": np.float32}, ndb.MismatchError, r"expected <f4, found <i4\[3,4\]"),
    "no text": (CHECKED, {"expect": 4}, ndb.ArgumentTypeError, "expect must be a text such as '<f4"),
    "out of another dtype": (CHECKED, {"out": np.zeros((3, 4), ">i4")}, ndb.MismatchError,
                             r"out is >i4\[3,4\], the array <i4\[3,4\]"),
    "out of another shape": (FRAME, {"out": np.zeros((4, 3), "<i4")}, ndb.MismatchError,
                             r"out is <i4\[4,3\], the array <i4\[3,4\]"),
    "out read-only": (CHECKED, {"out": read_only(A)}, ndb.ArgumentError, "out is read-only"),
    "out a list": (CHECKED, {"out": [1]}, ndb.ArgumentTypeError, "out must be a NumPy array, found list"),
    "out masked": (CHECKED, {"out": MASKED}, ndb.UnsupportedError, "out is a masked array; pass out.data"),
    "out and no copy": (CHECKED, {"out": A.copy(), "copy": False}, ndb.ArgumentError, "out takes a copy"),
    "empty": (b"", {}, ndb.TruncatedError, r"the input is empty \(at byte 0\)"),
    "no format": (b"x" * 100, {}, ndb.FormatError, r"not a .npy or .ndb file: .*found xxxxxx.*\(at byte 0\)"),
    "bare": (BARE, {}, ndb.TruncatedError, "no checksum tail: .*require_checksum=False"),
    "cut in the header": (CHECKED[:60], {}, ndb.TruncatedError, r"\(at byte 60\)"),
    "cut in the data": (CHECKED[:150], {}, ndb.TruncatedError,
                        r"needs 48 bytes of data, the input has 22 \(at byte 150\)"),
    "cut in the tail": (CHECKED[:-3], {}, ndb.TruncatedError, "the checksum tail is cut"),
    "a cut frame": (FRAME[:-1], {}, ndb.TruncatedError, r"\(at byte \d+\)"),
    "flipped": (flipped(CHECKED, 140), {}, ndb.ChecksumError, r"block 0 of 0 to 0 \(bytes 128 to 176\) is damaged"),
    "flipped, as a view": (flipped(CHECKED, 140), {"copy": False}, ndb.ChecksumError, "block 0 .* is damaged"),
    "a flipped header": (flipped(FRAME, 40), {}, ndb.ChecksumError, "header"),
    "bytes behind": (CHECKED + b"x", {}, ndb.FormatError, r"bytes behind|ends"),
    "objects": (pickled(), {"require_checksum": False}, ndb.UnsupportedError,
                "object"),
    "over a limit": (CHECKED, {"limits": ndb.Limits(array=47)}, ndb.LimitError,
                     r"the array has 48 bytes, at most 47 are allowed \(Limits.array\).*; limits=ndbytes.Limits\(array=…\)"),
    "many fields": (ndb.dumps(np.zeros(1, [(f"f{i}", "u1") for i in range(9)])), {"limits": ndb.Limits(fields=8)},
                    ndb.LimitError, r"dtype fields .*; limits=ndbytes.Limits\(fields=…\) sets another bound"),
    "out of its own bytes": (WRITABLE, {"out": np.frombuffer(WRITABLE, "<i4", 12, 128).reshape(3, 4)}, ndb.ArgumentError,
                             "out is memory of the bytes themselves"),
    "a long header": (CHECKED, {"limits": ndb.Limits(header=64)}, ndb.LimitError, "npy header"),
    "a damaged bundle": (flipped(BUNDLE, 200), {}, ndb.ChecksumError, r'member "a.npy" \(bytes 64 to 240\) is damaged'),
    "a cut bundle": (BUNDLE[:-1], {}, ndb.TruncatedError, "the zip archive is cut"),
    "a bundle as one": (BUNDLE, {"expect": "<i4"}, ndb.ArgumentError, "an .npz holds many arrays"),
}


@pytest.mark.parametrize("what", LOADS)
def test_loads(what):
    data, options, kind, words = LOADS[what]
    out = options.get("out")
    before = out.tobytes() if isinstance(out, np.ndarray) else None
    with pytest.raises(ndb.Error, match=words) as raised:
        ndb.loads(data, **options)
    assert type(raised.value) is kind
    if before is not None:
        assert out.tobytes() == before, "a byte was written before the mismatch was seen"


def test_errors_carry_where():
    with pytest.raises(ndb.ChecksumError) as raised:
        ndb.loads(flipped(CHECKED, 140))
    error = raised.value
    assert (error.block, error.start, error.stop, error.filename) == (0, 128, 176, None)
    with pytest.raises(ndb.LimitError) as raised:
        ndb.loads(CHECKED, limits=ndb.Limits(array=47))
    assert (raised.value.name, raised.value.asked, raised.value.max) == ("array", 48, 47)
    with pytest.raises(ndb.TruncatedError) as raised:
        ndb.loads(CHECKED[:150])
    assert raised.value.offset == 150


@pytest.mark.parametrize("given", ["text", None, 5, [1]])
def test_what_has_no_buffer(given):
    for call in (lambda: ndb.loads(given), lambda: ndb.frombuffer(given, "u1")):
        with pytest.raises(TypeError, match="a bytes-like object is required|takes bytes"):
            call()


@pytest.mark.parametrize("given", ["a.npy", Path("a.npy")])
def test_loads_is_not_load(given):
    with pytest.raises(ndb.ArgumentTypeError, match=r"loads\(\) takes bytes, found a path or text; load\(\) reads files"):
        ndb.loads(given)


FROMBUFFER = {
    "no multiple": ((bytes(10), "<f8"), {}, ndb.FormatError, r"<f8\[\?\] needs a multiple of 8 bytes, found 10"),
    "too short": ((bytes(10), "<u2", 6), {}, ndb.FormatError, r"<u2\[6\] needs 12 bytes, found 10"),
    "too long": ((bytes(10), "<u2", 4), {}, ndb.FormatError, r"<u2\[4\] needs 8 bytes, found 10"),
    "with offset and gap": ((bytes(10), "<u2", 4), {"offset": 1, "gap": 1}, ndb.FormatError,
                            r"<u2\[4\] with offset 1 with gap 1 needs 12 bytes, found 10"),
    "two open axes": ((bytes(10), "<u2", (-1, -1)), {}, ndb.ArgumentError, "only one axis may be of any length"),
    "negative": ((bytes(10), "<u2", (-2,)), {}, ndb.ArgumentError, "an axis cannot have the length -2"),
    "no shape": ((bytes(10), "<u2", "x"), {}, ndb.ArgumentTypeError, "shape must be an int or a tuple of ints"),
    "an order": ((bytes(10), "<u2"), {"order": "Z"}, ndb.ArgumentError, "order must be one of C, F, A or K"),
    "a negative offset": ((bytes(10), "<u2"), {"offset": -1}, ndb.ArgumentError, "there cannot be -1 bytes"),
    "a negative gap": ((bytes(10), "<u2"), {"gap": -1}, ndb.ArgumentError, "there cannot be -1 bytes"),
    "no length": ((bytes(10), "<u2", 2**64), {}, ndb.ArgumentError, "an axis cannot have the length 18446744073709551616"),
    "no lengths": ((bytes(10), "<u2", (1.5,)), {}, ndb.ArgumentTypeError, "shape must be an int or a tuple of ints"),
    "objects": ((bytes(16), "O"), {}, ndb.UnsupportedError, "holds Python objects"),
    "huge": ((bytes(10), "<u2", (1 << 62, 1 << 62)), {}, ndb.LimitError, "overflows"),
}


@pytest.mark.parametrize("what", FROMBUFFER)
def test_frombuffer(what):
    arguments, options, kind, words = FROMBUFFER[what]
    with pytest.raises(kind, match=words) as raised:
        ndb.frombuffer(*arguments, **options)
    assert type(raised.value) is kind


def test_frombuffer_of_what_is_not_contiguous():
    with pytest.raises(BufferError):
        ndb.frombuffer(memoryview(bytes(10))[::2], "u1")


def test_tobytes_out():
    with pytest.raises(ndb.ArgumentError, match="out has 47 bytes, the array 48"):
        ndb.tobytes(A, out=bytearray(47))
    with pytest.raises(BufferError):
        ndb.tobytes(A, out=bytes(48))
    square = np.arange(16.0).reshape(4, 4)
    for source, out in ((square, square), (square.T, square), (square[1:], square[:3]), (square[::-1], square)):
        with pytest.raises(ndb.ArgumentError, match="out is memory of the array itself"):
            ndb.tobytes(source, out=out)
    assert np.array_equal(square, np.arange(16.0).reshape(4, 4))
    assert ndb.tobytes(square[:2], out=square[2:]) is not None
    with pytest.raises(ndb.ArgumentError, match="order must be one of C, F, A or K, found \"X\""):
        ndb.tobytes(A, "X")
    with pytest.raises(TypeError, match="order must be str, not int"):
        ndb.tobytes(A, 1)


SAVE = {
    "suffix": ("x.foo", {}, "the name says no format; it must end in one of .npy, .npz, .ndb, .npy.zz, .npy.gz, .raw, .bin"),
    "no suffix": ("x", {}, "the name says no format"),
    "format": ("x", {"format": "hdf5"}, 'format "hdf5" is not one of npy, npz, ndb, npy.zz, npy.gz, raw, bin'),
    "unchecked frame": ("x.ndb", {"checksum": False}, "a .ndb file always has checksums"),
    "name without a tail": ("x.npy", {"name": "a"}, "a name and attributes stand in the checksum tail"),
    "name of items": ("x.raw", {"name": "a"}, "no place for checksums, a name or attributes"),
    "checked items": ("x.bin", {"checksum": True}, "no place for checksums, a name or attributes"),
    "level": ("x.npy", {"level": 3}, "level=3: there is no codec here that has levels"),
    "high level": ("x.npy.gz", {"level": 10}, "level"),
    "name in npz": ("x.npz", {"name": "a"}, "no place for a name or attributes"),
    "level of stored": ("x.npz", {"codec": "stored", "level": 1}, "members that are stored as they are have none"),
}


@pytest.mark.parametrize("what", SAVE)
def test_save_options(what, tmp_path):
    name, options, words = SAVE[what]
    (tmp_path / name).write_bytes(b"old")
    with pytest.raises(ndb.ArgumentError, match=words):
        ndb.save(tmp_path / name, A, **options)
    assert (tmp_path / name).read_bytes() == b"old" and os.listdir(tmp_path) == [name]


def test_save_of_unknown_codecs_and_attributes(tmp_path):
    with pytest.raises(ndb.UnsupportedError, match='codec "pco" is not one of'):
        ndb.save(tmp_path / "x.npz", A, codec="pco")
    unknown = 'there is no codec "gzip"; there are none, auto, fast, small, lz4, zstd, deflate and pco'
    for wrong in (lambda: ndb.save(tmp_path / "x.ndb", A, codec="gzip"), lambda: ndb.dumps(A, codec="gzip")):
        with pytest.raises(ndb.ArgumentError, match=unknown):
            wrong()
    for codec, level, message in [
        ("zstd", 20, "codec zstd has levels 1 to 19, found 20"),
        ("pco", -1, "codec pco has levels 0 to 12, found -1"),
        ("auto", 3, "codec auto has no levels"),
        ("lz4", 1, "codec lz4 has no levels"),
    ]:
        with pytest.raises(ndb.ArgumentError, match=message):
            ndb.save(tmp_path / "x.ndb", A, codec=codec, level=level)
    with pytest.raises(ndb.ArgumentError, match='codec "zstd" is for .ndb files and frames'):
        ndb.save(tmp_path / "x.npy", A, codec="zstd")
    with pytest.raises(ndb.ArgumentTypeError, match="attrs must be a dict, found list"):
        ndb.dumps(A, attrs=[1])
    with pytest.raises(TypeError, match="not JSON serializable"):
        ndb.dumps(A, attrs={"a": object()})
    with pytest.raises(ValueError, match="JSON"):
        ndb.dumps(A, attrs={"a": float("nan")})
    assert not os.listdir(tmp_path)


def test_dicts_go_to_npz_alone(tmp_path):
    with pytest.raises(ndb.ArgumentError, match="a dict of arrays is saved as .npz"):
        ndb.save(tmp_path / "x.ndb", {"a": A})
    with pytest.raises(ndb.ArgumentError, match="a dict becomes an .npz"):
        ndb.dumps({"a": A}, codec="none")
    with pytest.raises(ndb.ArgumentTypeError, match="have text as names, found 1"):
        ndb.dumps({1: A})


@pytest.mark.parametrize("call", [ndb.load, lambda path: ndb.save(path, A), lambda path: ndb.tofile(A, path),
                                  lambda path: ndb.fromfile(path, "u1")])
def test_errors_of_the_system(call, tmp_path):
    missing = tmp_path / "nothing" / "x.npy"
    with pytest.raises(FileNotFoundError) as raised:
        call(missing)
    assert raised.value.errno == errno.ENOENT and raised.value.filename == str(missing)
    folder = tmp_path / "folder.npy"
    folder.mkdir()
    with pytest.raises(IsADirectoryError) as raised:
        call(folder)
    assert raised.value.errno == errno.EISDIR and raised.value.filename == str(folder)
    with pytest.raises(ndb.ArgumentTypeError, match="expected a path, or a file object with the method"):
        call(5)


def test_permissions():
    with tempfile.TemporaryDirectory() as folder, as_nobody(folder):
        path = os.path.join(folder, "x.npy")
        ndb.save(path, A)
        os.chmod(path, 0)
        for call in (lambda: ndb.load(path), lambda: ndb.save(path, A)):
            with pytest.raises(PermissionError) as raised:
                call()
            assert raised.value.errno == errno.EACCES and raised.value.filename == path
        os.chmod(path, 0o600)
        assert np.array_equal(ndb.load(path), A)


@contextlib.contextmanager
def as_nobody(folder):
    """Root may read and write everything: for a while someone else, whose the folder is."""
    if os.geteuid() != 0:
        yield
        return
    os.chown(folder, 65534, 65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_files_without_a_header_say_what_they_may_be(tmp_path):
    path = tmp_path / "x.raw"
    path.write_bytes(bytes(100))
    words = "no header says what these bytes are; 100 bytes may be '|u1[100]', '<u2[50]', '<f4[25]', '|u1[10,10]': say which with dtype= and shape="
    with pytest.raises(ndb.ArgumentError, match=re.escape(words)):
        ndb.load(path)
    with pytest.raises(ndb.FormatError, match=r"<f4\[3,\?\] needs a multiple of 12 bytes, found 100"):
        ndb.load(path, dtype="<f4", shape=(3, -1))
    with pytest.raises(ndb.ArgumentError, match="shape, order, offset and gap are for files without a header"):
        ndb.load(path, shape=3)


def test_bytes_are_no_path_and_true_is_no_mode(tmp_path):
    with pytest.raises(ndb.ArgumentError, match=r"a NUL character in it; loads\(\) reads bytes"):
        ndb.load(CHECKED)
    ndb.save(tmp_path / "a.npy", A)
    with pytest.raises(ndb.ArgumentTypeError, match="mmap must be 'r', 'r\\+' or 'c'"):
        ndb.load(tmp_path / "a.npy", mmap=True)
    with pytest.raises(ndb.ArgumentError, match="there cannot be -1 bytes"):
        ndb.zlib.decompress(ndb.zlib.compress(A), max_bytes=-1)


def test_file_objects_pass_their_own_errors_on():
    class Broken(io.RawIOBase):
        def readable(self):
            return True

        def writable(self):
            return True

        def readinto(self, buffer):
            raise KeyError("mine")

        def write(self, data):
            raise ZeroDivisionError("mine")

    with pytest.raises(KeyError, match="mine"):
        ndb.load(Broken())
    with pytest.raises(ZeroDivisionError, match="mine"):
        ndb.save(Broken(), A)
    with pytest.raises(TypeError, match="open it in binary mode"):
        ndb.load(io.StringIO("text"))
    with pytest.raises(TypeError):
        ndb.save(io.StringIO(), A)
    closed = io.BytesIO()
    closed.close()
    with pytest.raises(ValueError, match="closed"):
        ndb.save(closed, A)


@needs_root
@pytest.mark.parametrize("name", ["x.npy", "x.ndb", "x.npz", "x.npy.gz", "x.raw"])
def test_a_full_disk_leaves_the_old_file(small_disk, name):
    path = small_disk / name
    ndb.save(path, A)
    old = path.read_bytes()
    with pytest.raises(OSError) as raised:
        ndb.save(path, np.random.default_rng(1).integers(0, 256, 1 << 21, "u1"))
    assert raised.value.errno == errno.ENOSPC and raised.value.filename == str(path)
    assert path.read_bytes() == old and os.listdir(small_disk) == [name]


def test_what_fails_inside_a_package_is_not_in_the_way():
    """Without ml_dtypes the error names the package."""
    import subprocess
    import sys

    import ml_dtypes

    data = ndb.dumps(np.arange(3).astype(ml_dtypes.bfloat16))
    code = "import sys; sys.modules['ml_dtypes'] = None; import ndbytes; ndbytes.loads(sys.stdin.buffer.read())"
    run = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True)
    assert b"UnsupportedError: dtype bfloat16 is one of the package ml_dtypes, which is not installed" in run.stderr
