"""The Pythons of this machine that the wheel is for, and where they were looked for."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

MINORS = (11, 12, 13)

# ensurepip: without it a venv ends half made. A free-threaded build takes no abi3 wheel.
PROBE = """
import ensurepip, platform, sys, sysconfig, venv
print(platform.python_implementation(), sys.version_info[1], sysconfig.get_config_var("Py_GIL_DISABLED") or 0)
"""


def find():
    """A program for each minor version of Python 3 that there is, and what stood at each place that was looked at."""
    found, looked = {}, {}
    for minor in MINORS:
        for place, program in places(minor):
            if place not in looked:
                looked[place] = probed(program) if program else "not there"
            if looked[place] == f"CPython {minor} 0":
                found[minor] = program
                break
    return found, "; ".join(f"{place}: {answer}" for place, answer in looked.items())


def places(minor):
    named = os.environ.get("PYTHON")
    yield "$PYTHON", named and shutil.which(named)
    yield "the Python of the tests", sys.executable
    yield f"python3.{minor}", shutil.which(f"python3.{minor}")
    pattern = f".pyenv/versions/3.{minor}.*/bin/python"
    programs = sorted(Path.home().glob(pattern))
    yield from ((f"~/{program.relative_to(Path.home())}", str(program)) for program in programs)
    if not programs:
        yield f"~/{pattern}", None


def probed(program):
    """Implementation, minor version, and whether it is without a GIL."""
    answer = subprocess.run([program, "-c", PROBE], capture_output=True, text=True, timeout=60)
    return answer.stdout.strip() if answer.returncode == 0 else f"exit code {answer.returncode}"
