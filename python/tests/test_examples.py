"""Each file of examples/ as a program: it ends well, and prints what it should."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import servers

EXAMPLES = Path(__file__).parents[2] / "examples"
MEDIA_TYPE = "application/vnd.ndbytes"

PRINTED = {
    "fastapi_bodies": f"200 {MEDIA_TYPE} [5. 2.]\n422 expected <f4[?,3], found <f8[2,3]\n",
    "json_hooks": r"two channels \(2, 3\) 2026-01-02T03:04:05\nrefused: block 0 of 0 to 0 \(bytes 128 to 152\) is damaged: .*\n",
    "kafka_values": r"float32 \(5,\)\npassed over\nfloat64 \(200, 1000\)\nattributes: {'sensor': 's1'}\nrefused: .* is cut: .*\n",
    "msgpack_hooks": "add (3, 3) 1.5 7\nmessages: 2\n",
    "postgres_bytea": "2 rows, uint16 (3, 480, 640)\n",
    "redis_values": "value: float32 (8, 64, 64)\n"
    "queue: [('float32', (64, 64)), ('<U2', (2,)), ('int64', ())]\n"
    "refused: block 0\n",
    "sqlite_blob": "steps: 800000 bytes, less than a tenth of it stored: True\none: 1.5\n",
    "zmq_sockets": "parts: uint8 (1080, 1920, 3)\ninto one buffer: uint8 (1080, 1920, 3)\n",
}
PATTERNS = ("json_hooks", "kafka_values")
SERVERS = {"postgres_bytea": servers.postgres, "redis_values": servers.redis}


@pytest.mark.parametrize("name", PRINTED)
def test_it_runs(name, tmp_path):
    if name in SERVERS:
        with SERVERS[name]() as where:
            found = run(name, tmp_path, where)
    else:
        found = run(name, tmp_path)
    pattern = PRINTED[name] if name in PATTERNS else re.escape(PRINTED[name])
    assert re.fullmatch(pattern, found), found


def run(name, folder, *args):
    """What the program prints; it must not fail, nor write into the folder where it is called."""
    line = [sys.executable, EXAMPLES / f"{name}.py", *args]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert os.listdir(folder) == []
    return done.stdout


def test_every_example_is_run_and_listed():
    files = {path.stem for path in EXAMPLES.glob("*.py")}
    assert files == set(PRINTED)
    listed = re.findall(r"^\| \[(.*?)\]\((.*?)\) \|", (EXAMPLES / "README.md").read_text(), re.M)
    assert [name for name, _ in listed] == [link for _, link in listed]
    assert {name for name, _ in listed} == {*(f"{name}.py" for name in files), "axum/"}


def test_every_example_is_short_and_says_how_it_is_run():
    for path in EXAMPLES.glob("*.py"):
        text = path.read_text()
        assert len(text.splitlines()) <= 65, path
        assert f"\n    python examples/{path.name}" in text, path
