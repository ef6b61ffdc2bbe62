"""The command line knows the arrays in archives: `x.npz:name`, archives made of files, and files made of archives."""

import io
import json
import os
import subprocess
import zipfile

import numpy as np
import pytest

import ndbytes as ndb
from test_digest import Command

A = np.arange(300_000, dtype="<i4").reshape(500, 600)
MIXED = {"a": A, "net/bias": np.arange(3.0), "f": np.asfortranarray(np.ones((3, 4), ">f4"))}


@pytest.fixture
def command(tmp_path):
    return Command(tmp_path)


def save(path, arrays, others=(), **options):
    ndb.save(path, arrays, **options)
    with zipfile.ZipFile(path, "a") as archive:
        for name in others:
            archive.writestr(name, b"hello")


def same(found, wanted):
    assert list(found) == list(wanted)
    for key, array in wanted.items():
        assert (found[key].dtype, found[key].shape) == (array.dtype, array.shape)
        assert found[key].tobytes("A") == array.tobytes("A") and found[key].flags.f_contiguous == array.flags.f_contiguous


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("codec", ["stored", "deflate"])
def test_info_lists_the_members_and_knows_each(command, tmp_path, codec):
    save(tmp_path / "x.npz", MIXED, ["readme.txt"], codec=codec)
    out, _ = command.run("info", "x.npz")
    lines = out.splitlines()
    assert lines[0] == "x.npz: npz, 4 members" and len(lines) == 5
    assert lines[1].split()[:4] == ["a", "'<i4[500,600]'", "1,200,128", "bytes,"] and f", {codec}" in lines[1]
    assert lines[4].split() == ["readme.txt", "no", "array", "5", "bytes,", "stored"]
    infos = zipfile.ZipFile(tmp_path / "x.npz").infolist()
    (row,) = (json.loads(line) for line in command.run("info", "--json", "x.npz")[0].splitlines())
    assert (row["format"], row["file_bytes"]) == ("npz", os.path.getsize(tmp_path / "x.npz"))
    assert [member["name"] for member in row["members"]] == [*MIXED, "readme.txt"]
    assert [member["spec"] for member in row["members"]] == ["<i4[500,600]", "<f8[3]", ">f4[3,4]", None]
    assert [(m["bytes"], m["stored_bytes"], m["crc32"]) for m in row["members"]] == [
        (info.file_size, info.compress_size, info.CRC) for info in infos
    ]
    assert row["members"][0]["method"] == codec
    for options in [], ["--stats"]:
        row = json.loads(command.run("info", "--json", "x.npz:f", *options)[0])
        assert (row["path"], row["format"], row["dtype"], row["shape"], row["order"]) == ("x.npz:f", "npy", "float32", [3, 4], "F")
        assert (row["method"], row["file_bytes"], row["checksum_kind"]) == (codec, infos[2].compress_size, "crc32")
        assert row["checksum"] == ("verified" if options else "present")
    text = command.run("info", "x.npz:net/bias.npy")[0]
    assert "spec      '<f8[3]'" in text and "the archive's CRC-32" in text and f"as {codec}" in text
    rows = [json.loads(line) for line in command.run("info", "--json", "--stats", "x.npz")[0].splitlines()]
    assert [(row["path"], row["stats"]["max"]) for row in rows] == [("x.npz:a", "299999"), ("x.npz:net/bias", "2.0"), ("x.npz:f", "1.0")]


def test_head_prints_members(command, tmp_path):
    save(tmp_path / "x.npz", MIXED, ["readme.txt"])
    assert command.run("head", "x.npz:net/bias")[0] == "[0. 1. 2.]\n"
    out, err = command.run("head", "x.npz", "-n", 1)
    assert [line for line in out.splitlines() if line.startswith("==>")] == ["==> x.npz:a <==", "==> x.npz:net/bias <==", "==> x.npz:f <=="]
    assert err == "ndbytes: x.npz: passed over what is no array: readme.txt\n"
    assert command.run("head", "x.npz", "-q", "-n", 1) == ("", "")


def test_verify_reads_every_member(command, tmp_path):
    save(tmp_path / "x.npz", MIXED, ["readme.txt"], codec="stored")
    (tmp_path / "d").mkdir()
    np.savez(tmp_path / "d" / "y.npz", **MIXED)
    assert command.run("verify", "--require-checksum", "x.npz", "x.npz:f", "-r", "d")[0] == "x.npz: ok\nx.npz:f: ok\nd/y.npz: ok\n"
    row = json.loads(command.run("verify", "--json", "x.npz")[0])
    assert (row["state"], row["members"], row["data_bytes"]) == ("ok", 4, sum(a.nbytes for a in MIXED.values()))
    data = bytearray((tmp_path / "x.npz").read_bytes())
    readme = data.index(b"hello")
    data[readme] ^= 1
    (tmp_path / "x.npz").write_bytes(data)
    _, err = command.run("verify", "x.npz", exit=6)
    assert err.startswith("ndbytes: x.npz: ") and "readme.txt" in err and err.count("\n") == 1
    assert command.run("verify", "x.npz:a")[0] == "x.npz:a: ok\n"
    data[readme] ^= 1
    data[5000] ^= 4
    (tmp_path / "x.npz").write_bytes(data)
    _, err = command.run("verify", "x.npz", exit=6)
    assert "a.npy" in err and err.count("\n") == 1
    (tmp_path / "x.npz").write_bytes(data[:-5])
    for name in "x.npz", "x.npz:a":
        assert command.run("verify", name, exit=5)[1].count("\n") == 1


def test_diff_compares_archives_by_name(command, tmp_path):
    save(tmp_path / "x.npz", MIXED, ["readme.txt"])
    np.savez_compressed(tmp_path / "y.npz", **dict(reversed(MIXED.items())))
    out, _ = command.run("diff", "x.npz", "y.npz")
    assert [line for line in out.splitlines() if "are equal" in line] == [f"x.npz:{key} and y.npz:{key} are equal" for key in MIXED]
    np.savez(tmp_path / "y.npz", a=A + (A == 700), f=MIXED["f"], more=A)
    out, _ = command.run("diff", "x.npz", "y.npz", exit=1)
    assert "x.npz:a and y.npz:a differ" in out and "differing 1 of 300,000 items" in out and "x.npz:f and y.npz:f are equal" in out
    assert "x.npz:net/bias has no counterpart in y.npz\n" in out and "y.npz:more has no counterpart in x.npz\n" in out
    assert "are equal" in command.run("diff", "x.npz:f", "y.npz:f.npy")[0]
    np.save(tmp_path / "a.npy", A)
    assert "are equal" in command.run("diff", "x.npz:a", "a.npy")[0]
    for pair in ("x.npz", "a.npy"), ("a.npy", "y.npz"):
        _, err = command.run("diff", *pair, exit=2)
        assert "an .npz holds many arrays" in err and err.count("\n") == 1


def test_digests_have_names_of_members(command, tmp_path):
    save(tmp_path / "x.npz", MIXED, ["readme.txt"])
    out, _ = command.run("digest", "x.npz")
    assert out == "".join(f"{ndb.digest(array)}  x.npz:{key}\n" for key, array in MIXED.items())
    assert command.run("digest", "x.npz:f")[0] == f"{ndb.digest(MIXED['f'])}  x.npz:f\n"


@pytest.mark.parametrize("codec", ["stored", "deflate"])
def test_an_archive_becomes_files_and_files_an_archive(command, tmp_path, codec):
    save(tmp_path / "x.npz", MIXED, ["readme.txt"], codec=codec)
    out, err = command.run("convert", "x.npz", "-o", "out")
    assert out.splitlines()[1] == "x.npz:net/bias -> out/net/bias.npy: <f8[3], 152 bytes"
    assert err == "ndbytes: x.npz: passed over what is no array: readme.txt\n"
    found = files(tmp_path / "out")
    assert sorted(found) == ["a.npy", "f.npy", "net/bias.npy"]
    for name, data in found.items():
        file = io.BytesIO()
        np.save(file, MIXED[name.removesuffix(".npy")])
        assert data == file.getvalue()
    out, _ = command.run("convert", "-r", "out", "-o", "y.npz", "--codec", codec)
    assert out == f"3 arrays -> y.npz: {os.path.getsize(tmp_path / 'y.npz'):,} bytes\n"
    same(np.load(tmp_path / "y.npz"), {key: MIXED[key] for key in sorted(MIXED)})
    command.run("convert", "x.npz", "-o", "z.npz", "--codec", codec)
    same(ndb.load(tmp_path / "z.npz"), MIXED)
    command.run("convert", "out/f.npy", "x.npz:a", "-", "-o", "w.npz", "--codec", codec, stdin=found["net/bias.npy"])
    same(np.load(tmp_path / "w.npz"), {"f": MIXED["f"], "a": A, "arr_0": MIXED["net/bias"]})
    assert {info.compress_type for info in zipfile.ZipFile(tmp_path / "w.npz").infolist()} == {0 if codec == "stored" else 8}
    # One array, to a file that is named; in another format; in another byte order.
    command.run("convert", "x.npz:net/bias", "-o", "b.npy")
    assert (tmp_path / "b.npy").read_bytes() == found["net/bias.npy"]
    command.run("convert", "x.npz", "-o", "packed/", "--to", "ndb")
    same({key: ndb.load(tmp_path / f"packed/{key}.ndb") for key in MIXED}, MIXED)
    command.run("convert", "x.npz", "-o", "big.npz", "--endian", "big", "--order", "C")
    assert np.load(tmp_path / "big.npz")["a"].dtype == ">i4" and np.load(tmp_path / "big.npz")["f"].flags.c_contiguous


def test_an_archive_goes_to_standard_output_and_levels_count(command, tmp_path):
    save(tmp_path / "x.npz", MIXED)
    (tmp_path / "d").mkdir()
    for level in 0, 1, 9:
        out = command.run("convert", "x.npz", "-o", f"d/{level}.npz", "--level", level)[0]
        assert out.startswith(f"3 arrays -> d/{level}.npz: ")
        same(np.load(tmp_path / f"d/{level}.npz"), MIXED)
    sizes = [os.path.getsize(tmp_path / f"d/{level}.npz") for level in (0, 1, 9)]
    assert sizes[2] < min(sizes[:2])
    line = [command.program, "convert", "x.npz", "--to", "npz", "-o", "-"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, check=True)
    assert done.stderr == b""
    same(np.load(io.BytesIO(done.stdout)), MIXED)


def test_archives_of_one_and_no_array(command, tmp_path):
    save(tmp_path / "one.npz", {"a": A})
    save(tmp_path / "none.npz", {})
    command.run("convert", "one.npz", "-o", "one")
    command.run("convert", "one.npz", "-o", "one.npy")
    assert list(files(tmp_path / "one")) == ["a.npy"] and (np.load(tmp_path / "one.npy") == A).all()
    assert command.run("convert", "none.npz", "-o", "none") == ("", "")
    assert command.run("info", "none.npz")[0] == "none.npz: npz, 0 members\n"
    assert command.run("convert", "none.npz", "-o", "again.npz")[0].startswith("0 arrays -> again.npz")
    assert len(np.load(tmp_path / "again.npz")) == 0


EVIL = ["../out", "/etc/out", "a/../../out", "c:/out", "..\\out", "con", "a//b", "a/./b"]


@pytest.mark.parametrize("name", EVIL)
def test_nothing_is_written_for_names_that_are_no_paths(command, tmp_path, name):
    """One of them is enough for none to be written; each can be read by its name."""
    (tmp_path / "in").mkdir()
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        for member in ["good", name]:
            file = io.BytesIO()
            np.save(file, np.arange(3))
            archive.writestr(f"{member}.npy", file.getvalue())
    before = files(tmp_path)
    out, err = command.run("convert", "x.npz", "-o", "in/to", exit=2)
    assert out == "" and err.count("\n") == 1 and "cannot be extracted" in err
    assert files(tmp_path) == before and os.listdir(tmp_path / "in") == []
    assert (ndb.load(tmp_path / "x.npz")[name] == [0, 1, 2]).all()
    command.run("convert", f"x.npz:{name}", "-o", "in/it.npy")
    assert (np.load(tmp_path / "in/it.npy") == [0, 1, 2]).all()


@pytest.mark.parametrize("names", [("A/b", "a/B"), ("É", "é"), ("a", "A"), ("a", "a.npy/b")])
def test_nothing_is_written_where_two_would_be_one(command, tmp_path, names):
    save(tmp_path / "x.npz", {name: np.arange(3) for name in names})
    _, err = command.run("convert", "x.npz", "-o", "out", exit=2)
    assert "would be extracted to one place" in err and err.count("\n") == 1
    assert os.listdir(tmp_path) == ["x.npz"]


def test_no_file_is_replaced_without_force(command, tmp_path):
    save(tmp_path / "x.npz", MIXED)
    command.run("convert", "x.npz", "-o", "out")
    save(tmp_path / "x.npz", {"new": A, **MIXED, "f": A})
    before = files(tmp_path)
    _, err = command.run("convert", "x.npz", "-o", "out", exit=2)
    assert err == "ndbytes: out/a.npy: is there already, and --force would replace it; nothing was written\n"
    assert files(tmp_path) == before
    command.run("convert", "x.npz", "-o", "out", "--force")
    assert sorted(files(tmp_path / "out")) == ["a.npy", "f.npy", "net/bias.npy", "new.npy"]
    assert (np.load(tmp_path / "out/f.npy") == A).all()


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_links_lead_nowhere(command, tmp_path, force):
    save(tmp_path / "x.npz", {"net/bias": np.arange(3), "good": A})
    (tmp_path / "else").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "net").symlink_to(tmp_path / "else")
    _, err = command.run("convert", "x.npz", "-o", "out", *force, exit=2)
    assert err.startswith("ndbytes: out/net: a link is there") and os.listdir(tmp_path / "else") == []
    (tmp_path / "out" / "net").unlink()
    (tmp_path / "out" / "net").mkdir()
    (tmp_path / "out" / "net" / "bias.npy").symlink_to(tmp_path / "else" / "bias.npy")
    _, err = command.run("convert", "x.npz", "-o", "out", *force, exit=2)
    assert err.startswith("ndbytes: out/net/bias.npy: a link is there") and os.listdir(tmp_path / "else") == []
    assert not (tmp_path / "out" / "good.npy").exists()
    (tmp_path / "out" / "net" / "bias.npy").unlink()
    (tmp_path / "out" / "net").rmdir()
    (tmp_path / "out" / "net").write_bytes(b"file")
    _, err = command.run("convert", "x.npz", "-o", "out", *force, exit=2)
    assert err.startswith("ndbytes: out/net: a file is there, where a folder is needed")
    (tmp_path / "out" / "net").unlink()
    (tmp_path / "out" / "good.npy").mkdir()
    _, err = command.run("convert", "x.npz", "-o", "out", *force, exit=2)
    assert err.startswith("ndbytes: out/good.npy: a folder is there")


def test_mistakes_are_one_line_and_a_code(command, tmp_path):
    save(tmp_path / "x.npz", MIXED)
    np.save(tmp_path / "a.npy", A)
    (tmp_path / "e.npz").write_bytes((tmp_path / "x.npz").read_bytes()[:-9])
    before = files(tmp_path)
    for args, exit, said in [
        (("info", "x.npz:no"), 3, "ndbytes: x.npz:no: no such member in the archive"),
        (("head", "no.npz:a"), 3, "ndbytes: no.npz: No such file"),
        (("head", "e.npz:a"), 5, "ndbytes: e.npz: "),
        (("info", "e.npz"), 5, "ndbytes: e.npz: "),
        (("convert", "e.npz", "-o", "out"), 5, "ndbytes: e.npz: "),
        (("convert", "e.npz", "-o", "out.npy"), 5, "ndbytes: e.npz: "),
        (("convert", "a.npy", "e.npz", "-o", "out.npz"), 5, "ndbytes: e.npz: "),
        (("convert", "a.npy", "no.npy", "-o", "x.npz"), 3, "ndbytes: no.npy: No such file"),
        (("convert", "x.npz", "a.npy", "-o", "y.npz"), 2, 'ndbytes: y.npz: both x.npz:a and a.npy would be called "a"; nothing was written'),
        (("convert", "a.npy", "-o", "y.npz", "--codec", "lz4"), 5, 'ndbytes: codec "lz4" is not one of an .npz'),
        (("convert", "a.npy", "-o", "y.npz", "--codec", "stored", "--level", 3), 2, "ndbytes: level=3: members that are stored"),
        (("convert", "a.npy", "-o", "y.npz", "--level", 10), 2, "ndbytes: the compression level is 10"),
        (("convert", "a.npy", "-o", "b.npy", "--codec", "deflate"), 2, "ndbytes: --codec is for"),
        (("convert", "a.npy", "-o", ".", "--to", "npz"), 2, "ndbytes: .: an archive is one file; this is a folder"),
        (("convert", "x.npz", "-o", "a.npy"), 2, "ndbytes: a.npy: many inputs go to a folder, this is a file"),
        (("checksum", "x.npz:a"), 2, "ndbytes: x.npz:a: an array in an archive is no file of its own"),
    ]:
        out, err = command.run(*args, exit=exit)
        assert out == "" and err.startswith(said) and err.count("\n") == 1, (args, err)
    assert files(tmp_path) == before


def test_a_file_of_that_name_goes_first(command, tmp_path):
    np.save(tmp_path / "y.npy", A)
    (tmp_path / "y.npy").rename(tmp_path / "x.npz:f")
    save(tmp_path / "x.npz", MIXED)
    assert json.loads(command.run("info", "--json", "x.npz:f")[0])["spec"] == "<i4[500,600]"


def test_members_are_sent_under_their_names(command, tmp_path):
    save(tmp_path / "x.npz", {"a": A, "f": MIXED["f"]})
    line = [command.program, "recv", "--listen", "unix:s", "-o", "in", "--once"]
    with subprocess.Popen(line, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as receiver:
        receiver.stdout.readline()  # That it listens.
        command.run("send", "x.npz", "unix:s")
        receiver.stdout.read()
    assert receiver.returncode == 0
    same({key: np.load(tmp_path / f"in/{key}.npy") for key in "af"}, {"a": A, "f": MIXED["f"]})
