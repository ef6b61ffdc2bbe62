"""NumPy is the oracle of what is right; the `oracle` example is the library's side of the pipe."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from npyfiles import numpy_save
from once import run
from oracle import Oracle, keep_memory
from strategies import described

LONG = bool(os.environ.get("NDBYTES_LONG"))

# The same cases in every run, so that a red run is red again; the long mode looks for new ones.
hypothesis.settings.register_profile("quick", derandomize=True, deadline=None, database=None, max_examples=100)
hypothesis.settings.register_profile("long", deadline=None, database=None, max_examples=10_000)
hypothesis.settings.load_profile("long" if LONG else "quick")

#: For tests that put everything at once to the test.
examples = hypothesis.settings(
    max_examples=10_000 if LONG else 500,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large],
)


def built(variable, what):
    """The file that an environment variable names, or a word on how to get it."""
    path = os.environ.get(variable)
    if not path:
        raise pytest.UsageError(f"{variable} is not set: it names {what}; `cargo xtask test` builds it and sets it")
    return Path(path).resolve()


def program(variable, what):
    path = built(variable, what)
    if not os.access(path, os.X_OK):
        raise pytest.UsageError(f"{variable}={path} is no program: `cargo xtask test` builds it and sets it")
    return path


NOTES = pytest.StashKey()


def pytest_configure(config):
    config.stash[NOTES] = []
    config.addinivalue_line("markers", "unpickles: the test itself unpickles something")
    sys.addaudithook(watch)
    # A job in the background of a shell is deaf to Ctrl-C, and so would be every process that a test sends it to.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    program("NDBYTES_ORACLE", "the example `oracle` of the crate ndbytes")
    keep_memory()


def pytest_terminal_summary(terminalreporter, config):
    for line in config.stash[NOTES]:
        terminalreporter.write_line(line)


UNPICKLED = []


def watch(event, args):
    if event == "pickle.find_class":
        UNPICKLED.append(f"{args[0]}.{args[1]} in {os.environ.get('PYTEST_CURRENT_TEST')}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Nothing of ours unpickles: neither Python nor what is compiled, whose calls show in no stack."""
    result = yield
    found = UNPICKLED.copy()
    UNPICKLED.clear()
    if found and item.get_closest_marker("unpickles") is None:
        pytest.fail(f"something was unpickled: {found}")
    return result


@pytest.fixture(scope="session")
def note(pytestconfig):
    """A function that prints a line at the end of the run: a figure that one wants to see though the test passed."""
    return pytestconfig.stash[NOTES].append


@pytest.fixture(scope="module")
def folder():
    """A folder for many small files: in memory, where that is."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as path:
        yield Path(path)


@pytest.fixture(scope="module")
def arrays_described():
    """Arrays as hypothesis should show them."""
    with np.printoptions(override_repr=described):
        yield


@pytest.fixture(scope="session")
def wheel():
    return built("NDBYTES_WHEEL", "the wheel of the package `ndbytes`")


@pytest.fixture(scope="session")
def oracle_program():
    return program("NDBYTES_ORACLE", "the example `oracle` of the crate ndbytes")


@pytest.fixture(scope="session")
def oracle(oracle_program):
    """The serving process, one for the whole run: what a panic or a leak leaves behind would show."""
    with Oracle(oracle_program) as process:
        yield process


@pytest.fixture(scope="session")
def baseline(oracle_program, tmp_path_factory):
    """The resident size of a process that reads a tiny valid file, by file and by pipe."""
    path = tmp_path_factory.mktemp("baseline") / "tiny.npy"
    path.write_bytes(numpy_save(np.arange(3)))
    runs = [run(oracle_program, "read", path) for _ in range(3)]
    runs += [run(oracle_program, "read", "-", data=path.read_bytes()) for _ in range(3)]
    assert all(isinstance(answer, list) for answer, _ in runs)
    return min(peak for _, peak in runs)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MiB."""
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", path], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted: {mounted.stderr.strip()}")
    yield path
    subprocess.run(["umount", path], check=True)
