"""NumPy's own tests of arrays and bytes, run against `ndbytes.numpy`: as many must pass as for NumPy itself."""

import concurrent.futures
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = Path(__file__).parent / "numpy_suite"

#: Of each run: the target, and what is watched.
RUNS = {
    "numpy": ("numpy_suite_identity", {}),
    "ours": ("ndbytes.numpy", {}),
    "ours, watched": ("ndbytes.numpy", {"NUMPY_SUITE_POISON": "1"}),
    "ours, nothing unpickled": ("ndbytes.numpy", {"NUMPY_SUITE_NO_OBJECT": "1"}),
    "numpy, watched": ("numpy_suite_identity", {"NUMPY_SUITE_POISON": "1"}),
    "broken": ("numpy_suite_broken", {"NUMPY_SUITE_NO_OBJECT": "1"}),
}
OURS = [name for name in RUNS if name.startswith("ours")]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The exit code, the summary and the output of each run."""
    folder = tmp_path_factory.mktemp("suite")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return dict(zip(RUNS, pool.map(lambda name: suite(folder, name), RUNS)))


def suite(folder, name):
    target, watched = RUNS[name]
    summary = folder / f"{name}.json"
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("NUMPY_SUITE", "PYTEST"))}
    environment |= {"PYTHON": sys.executable, "NUMPY_SUITE_JSON": str(summary), "NUMPY_SUITE_STRICT": "1", **watched}
    command = ["sh", SUITE / "run.sh", target, f"--basetemp={folder / name.replace(',', '').replace(' ', '-')}"]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=600)
    found = json.loads(summary.read_text()) if summary.exists() else {}
    return done.returncode, found, done.stdout + done.stderr


def test_numpy_passes_its_own_tests(results):
    code, summary, output = results["numpy"]
    assert code == 0, output
    assert summary["numpy"] == "2.4.6" and summary["failed"] == summary["error"] == 0
    # The French variants are skipped where the system has no such locale.
    assert summary["passed"] + summary["skipped"] == 260


@pytest.mark.parametrize("name", OURS)
def test_as_many_pass_as_for_numpy_itself(results, name):
    code, summary, output = results[name]
    assert code == 0 and summary["failed"] == summary["error"] == 0, output
    assert summary["passed"] == results["numpy"][1]["passed"]
    assert summary["skipped"] == results["numpy"][1]["skipped"]
    assert not summary["missing_in_target"]


@pytest.mark.parametrize("name", OURS)
def test_every_function_was_called_and_none_forwarded(results, name):
    _, summary, output = results[name]
    calls = summary["calls_to_target"]
    assert calls.keys() == results["numpy"][1]["calls_to_target"].keys(), output
    assert min(calls.values()) > 0
    assert not summary["calls_target_made_to_numpy"]


@pytest.mark.parametrize("name", OURS[1:])
def test_nothing_forbidden_was_called(results, name):
    assert results[name][1]["forbidden_calls"] == {}


def test_the_watch_sees_what_numpy_does(results):
    code, summary, output = results["numpy, watched"]
    assert code != 0 and summary["failed"] == 0, output
    seen = " ".join(summary["forbidden_calls"])
    for what in ("ndarray.tobytes", "ndarray.tofile", "numpy._core.memmap.memmap.__new__", "numpy.lib._format_impl.",
                 "numpy.lib._npyio_impl.", "zipfile.ZipFile", "numpy.fromfile", "numpy.frombuffer"):
        assert what in seen


def test_planted_faults_are_found(results):
    code, summary, output = results["broken"]
    assert code != 0 and summary["failed"] > 0, output
    assert any("pickle" in what for what in summary["forbidden_calls"])
