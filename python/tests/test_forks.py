"""Processes made by a process in which ndbytes is at work: every function works in them, and none hangs."""

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import LONG

FORKS = Path(__file__).parent / "forks.py"
TIMES = {"fork": 1000 if LONG else 5, "mp-fork": 3, "mp-spawn": 2, "mp-forkserver": 2}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="fork is not a start method everywhere")
@pytest.mark.parametrize("method", TIMES)
def test_no_child_hangs(method):
    # Python itself warns of forks among threads: that they work here is what is tested.
    line = [sys.executable, "-W", "ignore::DeprecationWarning", FORKS, method, str(TIMES[method])]
    done = subprocess.run(line, capture_output=True, text=True, timeout=3000 if LONG else 200)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
