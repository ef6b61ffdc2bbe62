"""Classes and messages of exceptions: NumPy's, for each argument and input that it refuses."""

import io
import os
import pickle
import struct

import numpy as np
import pytest

import ndbytes.numpy as npio
from numpy_pair import same

A = np.arange(6.0).reshape(2, 3)
STRING = np.array(["a", "bc"], np.dtypes.StringDType())


def npy(dict_text, version=(1, 0), data=b"", length=None):
    """The bytes of a file with this header."""
    text = dict_text if isinstance(dict_text, bytes) else dict_text.encode("latin1")
    form = "<H" if version == (1, 0) else "<I"
    return b"\x93NUMPY" + bytes(version) + struct.pack(form, len(text) if length is None else length) + text + data


TOBYTES = {
    "unknown order": lambda m: m.tobytes(A, "Q"),
    "two letters": lambda m: m.tobytes(A, "CC"),
    "beyond ASCII": lambda m: m.tobytes(A, "é"),
    "int order": lambda m: m.tobytes(A, 1),
    "list": lambda m: m.tobytes([1]),
    "text": lambda m: m.tobytes("abc"),
}
FROMBUFFER = {
    "text": lambda m: m.frombuffer("abc"),
    "nothing": lambda m: m.frombuffer(None),
    "strided view": lambda m: m.frombuffer(memoryview(b"abcdefgh")[::2], "u1"),
    "strided array": lambda m: m.frombuffer(np.arange(8)[::2]),
    "Fortran array": lambda m: m.frombuffer(np.ones((3, 2)).T),
    "not a multiple": lambda m: m.frombuffer(bytes(17)),
    "count too large": lambda m: m.frombuffer(bytes(16), count=3),
    "count far too large": lambda m: m.frombuffer(bytes(16), count=2**62),
    "count beyond C": lambda m: m.frombuffer(bytes(16), count=2**70),
    "count float": lambda m: m.frombuffer(bytes(16), count=2.5),
    "count None": lambda m: m.frombuffer(bytes(16), None, None),
    "offset negative": lambda m: m.frombuffer(bytes(16), offset=-1),
    "offset too large": lambda m: m.frombuffer(bytes(16), offset=17),
    "S0": lambda m: m.frombuffer(bytes(16), "S0"),
    "U0 with count": lambda m: m.frombuffer(bytes(16), "U0", 2),
    "V0": lambda m: m.frombuffer(bytes(16), "V0"),
    "empty struct": lambda m: m.frombuffer(bytes(16), []),
    "object": lambda m: m.frombuffer(bytes(16), object),
    "object inside": lambda m: m.frombuffer(bytes(16), "i4,O"),
    "StringDType": lambda m: m.frombuffer(bytes(16), np.dtypes.StringDType()),
    "no dtype": lambda m: m.frombuffer(bytes(16), "foo"),
}
FILES = {
    "tofile BytesIO": lambda m: m.tofile(A, io.BytesIO()),
    "tofile int": lambda m: m.tofile(A, 3),
    "tofile None": lambda m: m.tofile(A, None),
    "tofile list": lambda m: m.tofile([1], "x"),
    "tofile sep int": lambda m: m.tofile(A, "x", 1),
    "tofile format int": lambda m: m.tofile(A, "x", "", 1),
    "tofile missing folder": lambda m: m.tofile(A, "no/x"),
    "tofile folder": lambda m: m.tofile(A, "."),
    "tofile objects": lambda m: m.tofile(np.array([1], object), "x"),
    "tofile StringDType": lambda m: m.tofile(STRING, "x"),
    "tofile masked": lambda m: m.tofile(np.ma.array([1, 2], mask=[0, 1]), "x"),
    "tofile short format": lambda m: m.tofile(A, "x", ",", "%d%d"),
    "tofile format without place": lambda m: m.tofile(A, "x", ",", "a"),
    "tofile read-only file": lambda m: m.tofile(A, open("six", "rb")),
    "fromfile BytesIO": lambda m: m.fromfile(io.BytesIO(b"x")),
    "fromfile int": lambda m: m.fromfile(3),
    "fromfile missing": lambda m: m.fromfile("no"),
    "fromfile folder": lambda m: m.fromfile("."),
    "fromfile objects": lambda m: m.fromfile("six", object),
    "fromfile S0": lambda m: m.fromfile("six", "S0"),
    "fromfile offset negative": lambda m: m.fromfile("six", offset=-1),
    "fromfile offset behind": lambda m: m.fromfile("six", offset=100),
    "fromfile offset and sep": lambda m: m.fromfile("six", offset=1, sep=","),
    "fromfile text of bytes": lambda m: m.fromfile("six", "S3", sep=","),
    "fromfile text of records": lambda m: m.fromfile("six", "i4,i4", sep=","),
    "fromfile text of subarrays": lambda m: m.fromfile("six", "(2,)i4", sep=","),
    "fromfile text of times": lambda m: m.fromfile("six", "M8[s]", sep=","),
    "fromfile text of G": lambda m: m.fromfile("six", "G", sep=","),
    "fromfile not text": lambda m: m.fromfile("six", "f8", sep=","),
    "fromfile write-only file": lambda m: m.fromfile(open("other", "wb")),
}
MEMMAP = {
    "mode": lambda m: m.memmap("six", mode="x"),
    "mode None": lambda m: m.memmap("six", mode=None),
    "w+ without shape": lambda m: m.memmap("new", mode="w+"),
    "missing": lambda m: m.memmap("no", mode="r"),
    "folder": lambda m: m.memmap(".", mode="r"),
    "longer than the file": lambda m: m.memmap("six", "f8", "r", shape=7),
    "longer than the file, c": lambda m: m.memmap("six", "f8", "c", shape=7),
    "offset behind the end": lambda m: m.memmap("six", "u1", "r", offset=50),
    "offset negative": lambda m: m.memmap("six", "u1", "r", offset=-1, shape=4),
    "shape negative": lambda m: m.memmap("six", "f8", "r", shape=(-2,)),
    "not a multiple": lambda m: m.memmap("six", "V7", "r"),
    "empty file": lambda m: m.memmap("empty", mode="r"),
    "BytesIO": lambda m: m.memmap(io.BytesIO(bytes(8)), mode="r"),
    "order": lambda m: m.memmap("six", "f8", "r", shape=(2, 3), order="Q"),
    "dtype": lambda m: m.memmap("six", "foo", "r"),
    "open_memmap of a handle": lambda m: m.open_memmap(open("six", "rb")),
    "open_memmap shape int": lambda m: m.open_memmap("new", "w+", "f8", 3),
    "open_memmap no shape": lambda m: m.open_memmap("new", "w+", "f8"),
    "open_memmap objects": lambda m: m.open_memmap("new", "w+", object, (2,)),
    "open_memmap version": lambda m: m.open_memmap("new", "w+", "f8", (2,), version=(4, 0)),
    "open_memmap mode": lambda m: m.open_memmap("new", "w+x", "f8", (2,)),
    "open_memmap no npy": lambda m: m.open_memmap("six", "r"),
    "open_memmap pickled": lambda m: m.open_memmap("objects.npy", "r"),
}
GOOD = "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }\n"
HEADERS = {
    "empty": b"",
    "text": b"hello",
    "short magic": b"\x93NUMPY",
    "no length": b"\x93NUMPY\x01\x00\x01",
    "short header": npy(GOOD, length=200),
    "short data": npy(GOOD, data=bytes(20)),
    "version 4": npy(GOOD, (4, 0)),
    "version 1.1": npy(GOOD, (1, 1)),
    "v2": npy(GOOD, (2, 0), bytes(24)),
    "v3": npy(GOOD, (3, 0), bytes(24)),
    "v3 no UTF-8": npy(b"{'descr': '\xff'}\n", (3, 0)),
    "no dict": npy("[1]\n"),
    "no key": npy("{'descr': '<f8', 'shape': (3,)}\n"),
    "another key": npy(GOOD[:-2] + "'x': 1}\n"),
    "int shape": npy("{'descr': '<f8', 'fortran_order': False, 'shape': 3}\n"),
    "list shape": npy("{'descr': '<f8', 'fortran_order': False, 'shape': [3]}\n"),
    "float shape": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (3.0,)}\n"),
    "int order": npy("{'descr': '<f8', 'fortran_order': 0, 'shape': (3,)}\n"),
    "bad descr": npy("{'descr': 'foo', 'fortran_order': False, 'shape': (3,)}\n"),
    "int descr": npy("{'descr': 3, 'fortran_order': False, 'shape': (3,)}\n"),
    "object": npy("{'descr': '|O', 'fortran_order': False, 'shape': (3,)}\n", data=pickle.dumps([1])),
    "python 2": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (3L,), }\n", data=bytes(24)),
    "python 2, v3": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (3L,), }\n", (3, 0), bytes(24)),
    "no end": npy("{'descr': '<f8'\n"),
    "call": npy("{'descr': print('x'), 'fortran_order': False, 'shape': (3,)}\n"),
    "np.int64": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (np.int64(3),)}\n"),
    "twice": npy("{'descr': '<i4', 'descr': '<f8', 'fortran_order': False, 'shape': (3,)}\n", data=bytes(24)),
    "no newline": npy(GOOD[:-1], data=bytes(24)),
    "alias": npy("{'descr': 'int32', 'fortran_order': False, 'shape': (3,)}\n", data=bytes(12)),
    "native": npy("{'descr': '=i4', 'fortran_order': False, 'shape': (3,)}\n", data=bytes(12)),
    "comma descr": npy("{'descr': 'i4,f8', 'fortran_order': False, 'shape': (3,)}\n", data=bytes(36)),
    "unicode strings": npy("{u'descr': u'<f8', 'fortran_order': False, 'shape': (3,)}\n", data=bytes(24)),
    "trailing": npy(GOOD, data=bytes(30)),
    "negative shape": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}\n", data=bytes(24)),
    "shape True": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (True,)}\n", data=bytes(24)),
    "shape beyond C": npy(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({2**64 + 3},)}}\n"),
    "shape overflows": npy(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({2**32}, {2**32})}}\n"),
    "65 axes": npy(f"{{'descr': '<f8', 'fortran_order': False, 'shape': {(1,) * 65}}}\n", data=bytes(8)),
    "large header": npy(GOOD[:-1] + " " * 11000 + "\n", data=bytes(24)),
    "S0": npy("{'descr': '|S0', 'fortran_order': False, 'shape': (3,)}\n"),
    "no fields": npy("{'descr': [], 'fortran_order': False, 'shape': (3,)}\n"),
    "fields": npy("{'descr': [('a', '<i2'), ('', '|V2'), (('t', 'b'), '<f4', (2,))], 'fortran_order': True, "
                  "'shape': (2, 1)}\n", data=bytes(24)),
    "field twice": npy("{'descr': [('a', '<i2'), ('a', '<i2')], 'fortran_order': False, 'shape': (1,)}\n"),
    "fields of three": npy("{'descr': [('a',)], 'fortran_order': False, 'shape': (1,)}\n"),
}
FORMAT = {
    "magic": lambda m: m.format.magic(-1, 0),
    "magic minor": lambda m: m.format.magic(1, 256),
    "read_magic": lambda m: m.format.read_magic(io.BytesIO(b"\x93NUMPX\x01\x00")),
    "version": lambda m: m.format.write_array(io.BytesIO(), A, (4, 0)),
    "too big for v1": lambda m: m.format.write_array(io.BytesIO(), np.zeros(1, [("x" * 70000, "u1")]), (1, 0)),
    "no Latin-1 in v1": lambda m: m.format.write_array(io.BytesIO(), np.zeros(1, [("€", "u1")]), (1, 0)),
    "no Latin-1 in v2": lambda m: m.format.write_array(io.BytesIO(), np.zeros(1, [("€", "u1")]), (2, 0)),
    "objects": lambda m: m.format.write_array(io.BytesIO(), np.array([1], object), allow_pickle=False),
    "StringDType": lambda m: m.format.write_array(io.BytesIO(), STRING, allow_pickle=False),
    "read_array_header": lambda m: m.format.read_array_header_1_0(io.BytesIO(b"\x01")),
    "overlapping": lambda m: m.save("x.npy", np.zeros(1, {"names": ["a", "b"], "formats": ["u4", "u2"], "offsets": [0, 0]})),
    "unordered": lambda m: m.save(io.BytesIO(), np.zeros(1, {"names": ["a", "b"], "formats": ["u4", "u2"], "offsets": [4, 0]})),
    "save bytes path": lambda m: m.save(b"x.npy", A),
    "save int": lambda m: m.save(3, A),
    "save missing folder": lambda m: m.save("no/x", A),
    "save folder": lambda m: m.save("folder.npy", A),
    "save ragged": lambda m: m.save("x", [[1], [1, 2]]),
    "save fix_imports": lambda m: m.save("x", A, fix_imports=True),
    "load encoding": lambda m: m.load("six", encoding="utf8"),
    "load missing": lambda m: m.load("no.npy"),
    "load folder": lambda m: m.load("."),
    "load pickle": lambda m: m.load("six", allow_pickle=True),
    "load int": lambda m: m.load(3),
    "load mode": lambda m: m.load("good.npy", mmap_mode="x"),
    "savez clash": lambda m: m.savez(io.BytesIO(), A, arr_0=A),
    "savez key": lambda m: m.load(archive(m))["q"],
    "savez tuple key": lambda m: m.load(archive(m))[1, 2],
    "savez attribute": lambda m: m.load(archive(m)).f.q,
    "npz closed": lambda m: closed(m)["x"],
    "npz cut": lambda m: m.load(io.BytesIO(archive(m).getvalue()[:-30])),
    "npz bad CRC": lambda m: m.load(flipped(m))["x"],
    "npz objects": lambda m: m.load(archive(m, np.array([1, None])))["x"],
    "NpzFile of text": lambda m: m.NpzFile(io.BytesIO(b"hello")),
}


def archive(m, array=A):
    file = io.BytesIO()
    m.savez(file, x=array)
    file.seek(0)
    return file


def closed(m):
    found = m.load(archive(m))
    found.close()
    return found


def flipped(m):
    data = bytearray(archive(m).getvalue())
    data[200] ^= 1
    return io.BytesIO(data)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "six").write_bytes(bytes(range(48)))
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "folder.npy").mkdir()
    np.save("good", A)
    np.save("objects", np.array([1, None]))
    return tmp_path


def refused(call):
    """That both refuse it in the same words."""
    found = same(call)
    assert isinstance(found, tuple) and issubclass(found[0], Exception), found


@pytest.mark.parametrize("name", TOBYTES)
def test_tobytes(name):
    refused(TOBYTES[name])


@pytest.mark.parametrize("name", FROMBUFFER)
def test_frombuffer(name):
    refused(FROMBUFFER[name])


@pytest.mark.parametrize("name", FILES)
def test_tofile_and_fromfile(name):
    refused(FILES[name])


@pytest.mark.parametrize("name", MEMMAP)
def test_memmap(name):
    refused(MEMMAP[name])


@pytest.mark.parametrize("name", FORMAT)
def test_format(name):
    refused(FORMAT[name])


@pytest.mark.parametrize("kind", ["stream", "file", "handle"])
@pytest.mark.parametrize("name", HEADERS)
def test_headers(name, kind):
    """Read or refused, with the same result, words and warnings."""
    data = HEADERS[name]
    with open("x.npy", "wb") as file:
        file.write(data)
    if kind == "stream":
        same(lambda m: m.load(io.BytesIO(data)))
    elif kind == "file":
        same(lambda m: m.load("x.npy"))
    else:
        with open("x.npy", "rb") as file:
            same(lambda m: (file.seek(0), m.load(file))[1])


@pytest.mark.parametrize("dtype", [[("x" * 70000, "u1")], [("€", "u1")], np.dtype("i4", metadata={"a": 1})])
def test_what_is_written_with_a_warning(dtype):
    """Versions 2 and 3, and metadata that is not kept."""
    def call(m):
        file = io.BytesIO()
        m.save(file, np.zeros(2, dtype))
        return file.getvalue()

    assert isinstance(same(call), bytes)


@pytest.mark.parametrize("buffering", [0, -1])
def test_pipes(buffering):
    """A pipe has no position: buffered files over it are refused, and raw ones written to."""
    def call(m):
        read, write = os.pipe()
        with open(read, "rb", 0) as reader, open(write, "wb", buffering) as writer:
            m.tofile(A, writer)
            return reader.read(48)

    def read(m):
        reader, writer = os.pipe()
        os.write(writer, bytes(48))
        os.close(writer)
        with open(reader, "rb", buffering) as file:
            return m.fromfile(file, count=2)

    same(call)
    refused(read)


def test_objects_are_not_mapped():
    """NumPy maps them, and crashes when an item is looked at."""
    for dtype in (object, np.dtypes.StringDType()):
        with pytest.raises(ValueError, match="Python objects in dtype"):
            npio.memmap("six", dtype, "r")
