"""ndb.digest and `ndbytes digest`: one name for an array in every container, order, byte order and codec.

The oracle is spec/digest.py, which shares no code with the library.
"""

import gzip
import json
import os
import resource
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ndbytes as ndb
from cases import DTYPES, LAYOUTS, array, make
from specified import specified
from strategies import arrays, is_numpys, overlaps, stored

CODECS = [None, "none", "auto", "fast", "small", "lz4", "zstd", "deflate", "pco"]
MIB = 1 << 20


def oracle(a):
    """The digest by the specification's own program."""
    spelling = ndb._core.spec(a.dtype, ()).removesuffix("[]")
    return specified("digest").digest(spelling, list(a.shape), stored(a))


def turned(a, order):
    """The array in this byte order and order of items, of which nothing shows in its digest."""
    dtype = a.dtype.newbyteorder(">" if order == "F" else "<")
    items = ndb.tobytes(a, order, byteorder=">" if order == "F" else "<")
    return ndb.frombuffer(items, dtype, a.shape, order=order)


@settings(max_examples=settings().max_examples // 2)
@given(arrays(large=False), st.sampled_from(CODECS))
def test_any_array_has_the_digest_of_the_specification(a, codec):
    wanted = oracle(a)
    assert ndb.digest(a) == wanted
    assert ndb.digest(ndb.dumps(a, codec=codec)) == wanted
    if not overlaps(a.dtype):
        assert ndb.digest(turned(a, "C")) == ndb.digest(turned(a, "F")) == wanted


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_in_every_container(dtype, tmp_path):
    a = make(DTYPES[dtype], (5, 6))
    wanted = oracle(a)
    holds = {"npy": {"checksum": True}, "ndb": {}, "npy.gz": {"checksum": True}, "npy.zz": {"checksum": True}}
    if is_numpys(a.dtype):
        holds["bare.npy"] = {"checksum": False}
    has_descr = dtype not in ("unordered", "overlapping")
    for suffix, options in holds.items():
        if suffix == "ndb" or has_descr:
            for order in "CF":
                ndb.save(tmp_path / f"{order}.{suffix}", np.asarray(a, order=order), **options)
                assert ndb.digest(tmp_path / f"{order}.{suffix}") == wanted, suffix
    for codec in CODECS:
        if codec or has_descr:
            assert ndb.digest(ndb.dumps(a, codec=codec)) == wanted, codec
            assert ndb.digest(ndb.dumps(np.asfortranarray(a), codec=codec)) == wanted, codec
    if has_descr and is_numpys(a.dtype):
        bundle = {"a": a, "f": np.asfortranarray(a)}
        ndb.save(tmp_path / "packed.npz", bundle, codec="deflate")
        assert ndb.digest(ndb.dumps(bundle)) == ndb.digest(tmp_path / "packed.npz") == {"a": wanted, "f": wanted}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout(layout):
    for dtype in ("<f8", ">i2", "aligned", "V3"):
        a = array(dtype, layout)
        straight = np.ndarray(a.shape, a.dtype, stored(a))
        wanted = ndb.digest(straight)
        assert ndb.digest(a) == ndb.digest(a, threads=1) == ndb.digest(np.asarray(straight, order="F")) == wanted, dtype
        if a.dtype.names is None:
            assert ndb.digest(ndb.dumps(a, codec="zstd")) == wanted


def test_large_arrays_by_any_number_of_threads():
    a = np.arange(3 * MIB, dtype="<i8").reshape(3, -1)
    digests = {ndb.digest(a, threads=n) for n in (None, 1, 2, 5)}
    digests |= {ndb.digest(x) for x in (a.astype(">i8"), np.asfortranarray(a), ndb.dumps(a), ndb.dumps(a, codec="fast"))}
    assert len(digests) == 1
    with pytest.raises(ndb.ArgumentError, match="threads must be at least 1"):
        ndb.digest(a, threads=0)


def test_whatever_differs_has_another_name():
    zero = np.zeros(4)
    bit = zero.copy()
    bit.view("u8")[3] = 1
    nans = [np.array([bits], "<u8").view("<f8") for bits in (0x7FF8000000000000, 0x7FF8000000000001, 0xFFF8000000000000)]
    different = [
        zero, -zero, bit, zero[:3], zero.reshape(2, 2), zero.reshape(4, 1), zero.astype("f4"), zero.view("i8"), *nans,
        zero.view("V8"), zero.view([("a", "f8")]), zero.view([("b", "f8")]), zero.view([(("t", "b"), "f8")]),
        zero.view([("a", "f4"), ("b", "f4")]), zero.view("M8[s]"), zero.view("M8[ms]"), zero.view("m8[s]"), np.array(0.0),
        np.zeros((0, 3)), np.zeros((3, 0)), np.array(["a"]), np.array(["a"], "U2"), np.array([b"a"]),
    ]
    assert len({ndb.digest(a) for a in different}) == len(different)


@given(arrays(large=False), st.integers(0))
def test_one_bit_that_is_a_value_makes_another_name(a, bit):
    flipped = bytearray(stored(a))
    if not flipped or a.dtype.names is not None or a.dtype.char in "gG":
        return
    bit %= 8 * len(flipped)
    flipped[bit // 8] ^= 1 << bit % 8
    assert ndb.digest(np.ndarray(a.shape, a.dtype, flipped)) != ndb.digest(a)


def test_what_holds_no_value_does_not_count():
    aligned = np.dtype([("a", "u1"), ("b", "<f8"), ("c", [("x", "u1"), ("y", "<i2")], (2,))], align=True)
    items = np.frombuffer(bytes(range(2 * aligned.itemsize)), aligned)
    clean = np.zeros(2, aligned)
    for name in aligned.names:
        clean[name] = items[name]
    assert stored(clean) != stored(items) and ndb.digest(clean) == ndb.digest(items)


def test_records_that_share_bytes_keep_their_byte_order():
    def record(sign):
        return np.dtype({"names": ["a", "b"], "formats": [f"{sign}u4", f"{sign}u2"], "offsets": [0, 2], "itemsize": 8})

    little, big = (np.frombuffer(bytes(range(8)), record(sign)) for sign in "<>")
    assert ndb.digest(little) == oracle(little) != ndb.digest(big) == oracle(big)
    assert ndb.digest(little) == ndb.digest(np.frombuffer(bytes([0, 1, 2, 3, 9, 9, 9, 9]), record("<")))


def test_bfloat16_has_its_name_where_a_file_can_say_it(tmp_path):
    a = np.array([1, 2], ml_dtypes.bfloat16)
    for big in (False, True):
        given = a.astype(a.dtype.newbyteorder(">" if big else "<"))
        ndb.save(tmp_path / "a.npy", given, checksum=True)
        assert ndb.digest(given) == ndb.digest(tmp_path / "a.npy") == ndb.digest(ndb.dumps(given, codec="none")) == ndb.digest(a)
    np.save(tmp_path / "bare.npy", a.view("V2"))
    assert ndb.digest(tmp_path / "bare.npy") == ndb.digest(a.view("V2")) != ndb.digest(a)


def test_everything_that_has_a_digest(tmp_path):
    a = np.arange(12, dtype="<u4").reshape(3, 4)
    wanted, path = ndb.digest(a), tmp_path / "a.npy"
    ndb.save(path, a, checksum=True)
    data = ndb.dumps(a)
    for given in (path, str(path), data, bytearray(data), memoryview(data), a.T.copy().T):
        assert ndb.digest(given) == wanted
    for opened in (path, data):
        with ndb.open(opened) as h:
            assert ndb.digest(h) == wanted
    with ndb.open(path, "r+") as h:
        h[0, 0] = 7
        a[0, 0] = 7
        assert ndb.digest(h) == ndb.digest(a) != wanted
    a.tofile(tmp_path / "a.raw")
    with ndb.open(tmp_path / "a.raw", dtype="<u4", shape=(3, 4)) as h:
        assert ndb.digest(h) == ndb.digest(a)
    assert ndb.digest(np.float32(1.5)) == ndb.digest(np.array(1.5, "f4"))
    with pytest.raises(ndb.ArgumentError, match="closed"):
        ndb.digest(h)
    for given, error in [
        (open(path, "rb"), ndb.ArgumentError), (3, ndb.Error), (np.array([None]), ndb.UnsupportedError),
        (tmp_path / "no.npy", FileNotFoundError), (b"abc", ndb.FormatError), (tmp_path / "a.raw", ndb.ArgumentError),
    ]:
        with pytest.raises(error):
            ndb.digest(given)
    with pytest.raises(ndb.LimitError):
        ndb.digest(data, limits=ndb.Limits(array=10))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("codec", CODECS)
def test_damage_has_no_digest(codec, order, tmp_path):
    a = np.arange(700, dtype="<i4").reshape(20, 35)
    data = ndb.dumps(np.asarray(a, order=order), codec=codec)
    for at in range(0, len(data), max(1, len(data) // 40)):
        flipped = bytearray(data)
        flipped[at] ^= 4
        # Damage to a header of a .npy can make a bare file of it, which is another array.
        try:
            assert ndb.digest(flipped) != ndb.digest(a), at
        except ndb.Error:
            continue
        assert codec is None and at < 128, at
    for cut in (1, 30, len(data) // 2, len(data) - 1):
        with pytest.raises(ndb.Error):
            ndb.digest(data[:cut])
        (tmp_path / "cut").write_bytes(data[:cut])
        with pytest.raises(ndb.Error):
            ndb.digest(tmp_path / "cut")


def test_a_damaged_archive_has_no_digest():
    data = bytearray(ndb.dumps({"a": np.arange(100), "b": np.arange(5)}))
    data[data.index(b"NUMPY") + 200] ^= 1
    with pytest.raises(ndb.ChecksumError):
        ndb.digest(data)


CHILD = """
import sys
import ndbytes as ndb

def peak():
    with open("/proc/self/status") as status:
        return int(next(line for line in status if line.startswith("VmHWM")).split()[1])

ndb.digest(sys.argv[1])
before = peak()
ndb.digest(sys.argv[2])
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("suffix", ["npy", "big.npy", "npy.gz", "ndb", "npz"])
def test_a_large_file_takes_little_memory(suffix, tmp_path):
    for name, rows in (("small", 16), ("large", 1 << 16)):
        a = np.broadcast_to(np.arange(128, dtype=">f8" if suffix == "big.npy" else "<f8"), (rows, 128))
        path = tmp_path / f"{name}.{suffix}"
        if suffix == "npy.gz":
            with gzip.open(path, "wb", 1) as file:
                np.save(file, a)
        else:
            options = {"codec": "lz4"} if suffix == "ndb" else {}
            ndb.save(path, {"a": a} if suffix == "npz" else a, **options)
    line = [sys.executable, "-c", CHILD, tmp_path / f"small.{suffix}", tmp_path / f"large.{suffix}"]
    run = subprocess.run(line, capture_output=True, text=True, check=True)
    assert int(run.stdout) < 16 << 10, "KiB, for 64 MiB"


class Command:
    def __init__(self, folder):
        path = os.environ.get("NDBYTES_BIN")
        assert path, "NDBYTES_BIN is not set: it names the binary `ndbytes`; `cargo xtask test` builds it and sets it"
        self.program, self.folder = os.path.abspath(path), folder

    def run(self, *args, exit=0, stdin=None, **options):
        """Standard output and standard error."""
        line = [self.program, *map(str, args)]
        done = subprocess.run(line, cwd=self.folder, input=stdin, capture_output=True, timeout=120, **options)
        assert done.returncode == exit, done
        return done.stdout.decode(), done.stderr.decode()


@pytest.fixture
def command(tmp_path):
    return Command(tmp_path)


@pytest.fixture
def folder(command):
    """A folder of files of every kind, and its manifest."""
    names = {"A/a.npy": np.arange(5.0), "A/deep/b.ndb": np.asfortranarray(np.arange(6, dtype=">i2").reshape(2, 3))}
    names |= {"A/new\nline.npy": np.arange(3), "A/back\\slash.npy": np.arange(4), "A/x.npz": {"p": np.ones(2), "q": np.zeros(3)}}
    (command.folder / "A" / "deep").mkdir(parents=True)
    for name, a in names.items():
        ndb.save(command.folder / name, a)
    out, _ = command.run("digest", "-r", "A")
    (command.folder / "SUMS").write_text(out)
    return names


def test_the_command_prints_lines_that_it_reads(command, folder):
    found = {name: ndb.digest(a) for name, a in folder.items() if not isinstance(a, dict)}
    found |= {f"A/x.npz:{key}": ndb.digest(a) for key, a in folder["A/x.npz"].items()}
    lines = (command.folder / "SUMS").read_text().splitlines()
    escaped = {"A/new\nline.npy": "A/new\\nline.npy", "A/back\\slash.npy": "A/back\\\\slash.npy"}
    wanted = [("\\" if name in escaped else "") + f"{found[name]}  {escaped.get(name, name)}" for name in found]
    assert sorted(lines) == sorted(wanted)
    assert [line.split("  ")[1] for line in lines] == sorted(escaped.get(name, name) for name in found)
    objects = [json.loads(line) for line in command.run("digest", "-r", "A", "--json")[0].splitlines()]
    assert {row["path"]: row["digest"] for row in objects} == found
    assert command.run("digest", "-r", "A", "-j", 3)[0].splitlines() == lines
    out, _ = command.run("verify", "--manifest", "SUMS")
    assert out.splitlines() == [f"{escaped.get(name, name).replace(2 * chr(92), chr(92))}: ok" for name in
                                sorted(found, key=lambda name: escaped.get(name, name))]


def test_a_manifest_proves_that_a_conversion_lost_nothing(command, folder):
    command.run("convert", "A/a.npy", "-o", "A/a.raw", "--endian", "big")
    command.run("convert", "A/deep/b.ndb", "-o", "A/deep/b.npy.gz", "--order", "C", "--endian", "little")
    for name in ("A/a.npy", "A/deep/b.ndb"):
        (command.folder / name).unlink()
    out, _ = command.run("verify", "--manifest", "SUMS", "./A/deep/b.npy.gz", "A/x.npz")
    assert out.splitlines() == ["./A/deep/b.npy.gz: ok, the array of A/deep/b.ndb", "A/x.npz:p: ok", "A/x.npz:q: ok"]
    out, _ = command.run("verify", "--manifest", "SUMS", "A/a.raw", "--raw", ">f8[5]")
    assert out == "A/a.raw: ok, the array of A/a.npy\n"
    _, err = command.run("verify", "--manifest", "SUMS", "A/a.raw", "--raw", "<f8[5]", exit=1)
    assert err.startswith("ndbytes: A/a.raw: differs: its digest is ") and "line 1 of SUMS says" in err
    # All of it at once, and what is missing by its old name.
    (command.folder / "A" / "a.raw").unlink()
    out, _ = command.run("verify", "--manifest", "SUMS", "-r", "A")
    assert len(out.splitlines()) == 5
    _, err = command.run("verify", "--manifest", "SUMS", exit=3)
    assert err.count("No such file") == 2 and err.endswith("2 of 6 arrays did not pass\n")


def test_what_has_changed_is_told_from_what_is_damaged(command, folder):
    ndb.save(command.folder / "A/a.npy", np.arange(5.0) + 1, checksum=True)
    out, err = command.run("verify", "--manifest", "SUMS", exit=1)
    assert len(out.splitlines()) == 5 and err.startswith("ndbytes: A/a.npy: differs")
    row = json.loads(command.run("verify", "--manifest", "SUMS", "A/a.npy", "--json", exit=1)[0])
    assert (row["state"], row["line"], row["digest"]) == ("differs", 1, ndb.digest(np.arange(5.0) + 1))
    assert row["expected"] == ndb.digest(np.arange(5.0))
    data = bytearray((command.folder / "A/a.npy").read_bytes())
    data[130] ^= 1
    (command.folder / "A/a.npy").write_bytes(data)
    assert "is damaged" in command.run("verify", "--manifest", "SUMS", "A/a.npy", exit=6)[1]
    out, err = command.run("digest", "A/a.npy", "A/x.npz", exit=6)
    assert "a.npy" not in out and len(out.splitlines()) == 2 and "is damaged" in err


def test_mistakes_are_one_line_each(command, folder):
    lines = (command.folder / "SUMS").read_text()
    first = lines.split("\n")[0]
    (command.folder / "twice.npy").write_bytes((command.folder / "A/a.npy").read_bytes())
    for text, said in [
        ("", "no line in it"),
        (lines + "oops\n", "line 7: expected a digest of 64 hexadecimal digits, two spaces and a path, found \"oops\""),
        (first.replace("  ", " "), "line 1: expected a digest"),
        (first[1:], "line 1: expected a digest"),
        ("\\" + first + "\\x", "line 1: an escaped path has"),
        (f"{first}\n{64 * '0'}  A/a.npy\n", "line 2: \"A/a.npy\" stands in line 1 with another digest"),
    ]:
        (command.folder / "BAD").write_text(text)
        out, err = command.run("verify", "--manifest", "BAD", exit=5)
        assert out == "" and err.startswith(f"ndbytes: BAD: {said}") and err.count("\n") == 1, err
    for args, exit, said in [
        (("verify", "--manifest", "none"), 3, "ndbytes: none: No such file"),
        (("verify", "--manifest", "SUMS", "twice.npy"), 2, "ndbytes: twice.npy: no line of the manifest has this path"),
        (("verify", "--manifest", "SUMS", "A/none.npy"), 2, "ndbytes: A/none.npy: no line of the manifest"),
        (("verify", "--raw", "<f8[5]", "A/a.npy"), 2, "ndbytes: --raw is for --manifest"),
        (("verify", "--manifest", "-", "-"), 2, "ndbytes: '-' stands twice"),
        (("digest", "none.npy"), 3, "ndbytes: none.npy: No such file"),
        (("digest", "A"), 8, "ndbytes: A: a folder; -r takes the array files in it"),
        (("digest", "-", "-"), 2, "ndbytes: '-' stands twice"),
        (("digest", "A/a.npy", "--raw", "<f8[7,7,7]"), 5, "ndbytes: A/a.npy"),
    ]:
        out, err = command.run(*args, exit=exit, stdin=b"")
        assert err.startswith(said) and err.count("\n") == 1, err
    # Two lines that fit alike, and none that is meant.
    both = f"{first}\n{first.replace('a.npy', 'a.npy.gz')}\n"
    (command.folder / "BOTH").write_text(both)
    _, err = command.run("verify", "--manifest", "BOTH", "A/a.ndb", exit=2)
    assert "lines 1 and 2 of the manifest both have this path with another suffix" in err


def test_standard_input_and_the_manifest_on_it(command, folder):
    data = (command.folder / "A/a.npy").read_bytes()
    out, _ = command.run("digest", "-", stdin=data)
    assert out == f"{ndb.digest(data)}  -\n"
    out, _ = command.run("verify", "--manifest", "-", "A/a.npy", stdin=(command.folder / "SUMS").read_bytes())
    assert out == "A/a.npy: ok\n"
    (command.folder / "ONE").write_text(f"{ndb.digest(data)}  -\n")
    assert command.run("verify", "--manifest", "ONE", stdin=data)[0] == "standard input: ok\n"


def test_a_broken_archive_is_an_error_among_others(command, folder):
    (command.folder / "A/x.npz").write_bytes((command.folder / "A/x.npz").read_bytes()[:-5])
    out, err = command.run("digest", "-r", "A", exit=5)
    assert len(out.splitlines()) == 4 and err.startswith("ndbytes: A/x.npz: ") and err.count("\n") == 1
    out, err = command.run("verify", "--manifest", "SUMS", exit=5)
    assert len(out.splitlines()) == 4 and err.count("A/x.npz") == 2


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space")
def test_the_command_takes_little_memory(command):
    with open(command.folder / "large.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (300 * MIB // 8,)})
        file.truncate(file.tell() + 300 * MIB)

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (200 * MIB, 200 * MIB))

    out, _ = command.run("digest", "large.npy", preexec_fn=limit)
    assert out.endswith("  large.npy\n") and len(out) == 64 + len("  large.npy\n")
