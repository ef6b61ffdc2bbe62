"""What the README and the docstrings show, run: each way of its table, its Python, and what a flipped byte gives."""

import doctest
import inspect
import re
import shutil
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest

import ndbytes as ndb
import ndbytes.numpy as npio
from conftest import program
from streams import CERTIFICATE

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
TABLE = re.search(r"\| today \| what bites \| here \|\n\|[-|]+\|\n((?:\|.*\n)+)", README)[1]
ROWS = [[cell.strip(" `") for cell in line.strip("|\n ").split(" | ")] for line in TABLE.splitlines()]


def test_the_table_has_the_six_ways():
    assert [row[0].split("(")[0] for row in ROWS] == [
        "a.tobytes", "a.tofile", "np.memmap", "np.savez_compressed", "zlib.compress", "sock.sendall"]


@pytest.fixture
def namespace(tmp_path, monkeypatch):
    """What the snippets speak of."""
    import zlib

    monkeypatch.chdir(tmp_path)
    a = np.arange(12, dtype="<f4").reshape(4, 3)
    a.tofile("a.bin")
    ndb.save("a.npy", a, checksum=True)
    names = {"np": np, "ndb": ndb, "zlib": zlib, "a": a, "c": a[::2]}
    names["sock"], names["peer"] = socket.socketpair()
    with names["sock"], names["peer"]:
        yield names


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_each_way(row, namespace):
    """Both sides run, and ours gives the array back with dtype, shape and every item."""
    today, _, here = row
    exec(today, dict(namespace))
    if "sock" in today:
        namespace["peer"].recv(1000)
    a = namespace["a"]
    exec(here, namespace)
    if "h" in namespace:
        assert np.array_equal(ndb.load("a.npy"), np.concatenate([a[:1], 0 * a[1:3], a[3:], a]))
        assert ndb.verify("a.npy").ok
        return
    back = namespace["d"]["x"] if "d" in namespace else namespace["b"]
    assert back.dtype == a.dtype and np.array_equal(back, a)


def test_the_python_of_the_readme(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"## In Python\n\n```python\n(.*?)```", README, re.S)
    names = {}
    exec(code, names)
    assert np.array_equal(names["out"], names["a"]) and np.array_equal(names["part"], names["a"][1])
    assert ndb.verify("a.ndb").ok and ndb.diff("a.ndb", names["a"]).equal


@pytest.mark.unpickles
def test_the_channels_of_the_readme(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("cert.pem", "key.pem"):
        shutil.copy(CERTIFICATE, name)
    (code,) = re.findall(r"## Between processes and machines\n\n```python\n(.*?)```", README, re.S)
    names = {}
    try:
        exec(code, names)
    finally:
        ndb.multiprocessing.uninstall()
    a, message = names["a"], names["message"]
    assert np.array_equal(message["right"], a[::-1]) and message.attrs == {"frame": 7}
    assert np.array_equal(names["newest"], a) and np.array_equal(names["repaired"], a)
    assert np.array_equal(names["secret"], a)
    assert names["frame"].shape == (1080, 1920, 3) and ndb.shm.is_shared(names["frame"])
    assert capsys.readouterr().out == f"[np.float64(1048576.0)]\n{a}\n"


def test_one_flipped_byte(tmp_path):
    """NumPy is silent, and the command line and `ndb.load` say what the README says they say."""
    shown, code = re.search(r"\$ ndbytes verify face.npy\n(.*)\n\$ echo \$\?\n(\d)\n", README).groups()
    path = tmp_path / "face.npy"
    shutil.copy(ROOT / "data/face_u8.npy", path)
    whole = np.load(path)
    binary = program("NDBYTES_BIN", "the program `ndbytes`")
    subprocess.run([binary, "checksum", path], check=True, capture_output=True)
    data = bytearray(path.read_bytes())
    data[1_500_000] ^= 0xFF
    path.write_bytes(data)
    assert np.count_nonzero(np.load(path) != whole) == 1
    run = subprocess.run([binary, "verify", path.name], cwd=tmp_path, capture_output=True, text=True)
    assert (run.stderr.strip(), str(run.returncode)) == (shown, code)
    with pytest.raises(ndb.ChecksumError) as raised:
        ndb.load(path)
    assert str(raised.value) == shown.removeprefix("ndbytes: ").replace("face.npy", str(path))


MODULES = [ndb, ndb.zlib, ndb.gzip, ndb.aio, ndb.shm, ndb.multiprocessing, npio, npio.format]
THINGS = {f"{module.__name__}.{name}": getattr(module, name) for module in MODULES for name in module.__all__}
THINGS = {name: thing for name, thing in THINGS.items() if callable(thing)} | {module.__name__: module for module in MODULES}


def marked(name):
    """Python's own queues unpickle."""
    return pytest.param(name, marks=[pytest.mark.unpickles] if name.startswith("ndbytes.multiprocessing") else [])


@pytest.mark.parametrize("name", list(map(marked, THINGS)))
def test_the_examples_of_the_docstrings(name):
    thing = THINGS[name]
    assert inspect.getdoc(thing)
    if inspect.isroutine(thing) and not name.startswith("ndbytes.numpy"):
        assert re.search(r"^Raises\n-+\n", inspect.getdoc(thing), re.M), "it says what it raises"
        assert ">>> " in inspect.getdoc(thing), "it has an example"
    runner = doctest.DocTestRunner()
    for test in doctest.DocTestFinder(recurse=not inspect.ismodule(thing)).find(thing, name, globs={}):
        runner.run(test)
    assert runner.failures == 0
