"""A handle that is closed says so to every thread, the first error of a process too, whose class is imported meanwhile."""

import subprocess
import sys

import numpy as np
import pytest

import ndbytes as ndb

# In a process of its own no error was raised yet. While the first is made, who imports lets other threads run.
CHILD = """
import builtins, sys, threading, time
import ndbytes as ndb

imports = builtins.__import__

def slow(name, *rest):
    time.sleep(0.3)
    return imports(name, *rest)

way, path = sys.argv[1:]
if way == "archive":
    handle = ndb.load(path)
    core, use = handle._core, lambda: core.read(0)
else:
    handle = ndb.open(path)
    core, use = handle._memory.core, lambda: core.verify()
handle.close()
said = []

def work():
    try:
        use()
    except ndb.ArgumentError as error:
        said.append("closed" in str(error))

threads = [threading.Thread(target=work, daemon=True) for _ in range(3)]
builtins.__import__ = slow
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert said == [True] * 3, said
print("said")
"""


@pytest.mark.parametrize("way", ["archive", "parts", "map"])
def test_no_thread_waits_for_one_that_makes_an_error(way, tmp_path):
    path = tmp_path / {"archive": "a.npz", "parts": "a.ndb", "map": "a.npy"}[way]
    ndb.save(path, np.arange(1000), **({"codec": "deflate"} if way == "parts" else {}))
    run = subprocess.run([sys.executable, "-c", CHILD, way, path], capture_output=True, text=True, timeout=60)
    assert (run.stdout, run.stderr, run.returncode) == ("said\n", "", 0)
