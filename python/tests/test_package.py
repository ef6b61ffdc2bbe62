"""The wheel as its users get it: what is in it, and that it works in a clean venv of each Python there is."""

import ast
import inspect
import os
import re
import statistics
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import pythons
from conftest import LONG

HERE = Path(__file__).parent
PROJECT = HERE.parent
MAX_WHEEL = 6_000_000
MAX_IMPORT_MS = 15

FOUND, LOOKED = pythons.find()
OLDEST_NUMPY = "numpy==1.26.4"
# A Python, and what of NumPy to install: the newest for it, and once the oldest allowed.
VENVS = [(minor, "numpy") for minor in pythons.MINORS] + [(11, OLDEST_NUMPY)]


@pytest.fixture(scope="module")
def contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module", params=VENVS, ids=lambda venv: f"3.{venv[0]}-{venv[1]}")
def user(request, wheel, tmp_path_factory):
    """A function that runs the Python of a clean venv with the wheel and a NumPy."""
    minor, numpy = request.param
    if minor not in FOUND:
        pytest.skip(f"no CPython 3.{minor} with venv and a GIL: set PYTHON to one; looked at: {LOOKED}")
    return clean(FOUND[minor], tmp_path_factory.mktemp("venv"), wheel, numpy)


def clean(program, folder, *packages):
    """Makes a venv of `program` with `packages`; a function that runs its Python and gives its output."""
    run(program, "-m", "venv", folder)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages, timeout=500)
    return lambda *args, **options: run(python, *args, **options)


def run(*line, timeout=120, folder=None):
    """The standard output of a program that sees nothing of this tree; it must succeed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    options = dict(capture_output=True, text=True, timeout=timeout, env=environment)
    done = subprocess.run([*map(str, line)], cwd=folder or Path.home(), **options)
    assert done.returncode == 0, f"{line} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_a_python_was_found(note):
    assert FOUND, f"looked at: {LOOKED}"
    note(f"Pythons: {', '.join(f'3.{minor}' for minor in FOUND)}; looked at: {LOOKED}")


def test_what_the_tests_import_is_the_wheel(contents):
    import ndbytes

    root = Path(ndbytes.__file__).parents[1]
    package = {name: data for name, data in contents.items() if name.startswith("ndbytes/")}
    assert package and all((root / name).read_bytes() == data for name, data in package.items())


def test_the_wheel_is_one_for_all_pythons_and_small(wheel, note):
    size = wheel.stat().st_size
    note(f"wheel: {wheel.name}, {size:,} bytes (at most {MAX_WHEEL:,})")
    assert "-cp311-abi3-" in wheel.name
    assert size <= MAX_WHEEL


def test_the_wheel_holds_the_package_and_nothing_else(contents):
    info = {name for name in contents if re.match(r"ndbytes-[^/]*\.dist-info/", name)}
    package = set(contents) - info
    source = PROJECT / "ndbytes"
    wanted = {
        path.relative_to(PROJECT).as_posix()
        for path in source.rglob("*")
        if path.suffix in (".py", ".pyi") or path.name == "py.typed"
    }
    compiled = {name for name in package if name.startswith("ndbytes/_core.")} - {"ndbytes/_core.pyi"}
    assert package - compiled == wanted and len(compiled) == 1
    assert {"ndbytes/py.typed", "ndbytes/_core.pyi"} <= package
    if sys.platform == "linux":
        # The names of functions are for debuggers, and larger than the code.
        assert b"\0.symtab\0" not in contents[compiled.pop()]


def test_the_stub_says_what_the_compiled_half_has(contents):
    import ndbytes
    from ndbytes import _core

    stubs = {}
    for node in ast.parse(contents["ndbytes/_core.pyi"]).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not is_private(node.name):
            stubs.setdefault(node.name, []).append(node)
    public = {name for name in ndbytes.__all__ if getattr(ndbytes, name) is getattr(_core, name, None)}
    assert not public - set(stubs)
    for name, nodes in stubs.items():
        found = getattr(_core, name)
        for method in (node for each in nodes if isinstance(each, ast.ClassDef) for node in each.body):
            if isinstance(method, ast.FunctionDef):
                assert hasattr(found, method.name), f"{name}.{method.name}"
        functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
        if functions:
            # Overloads may leave parameters out, but not all of them.
            assert {arg for node in functions for arg in arguments(node)} == set(signed(found)), name


def is_private(name):
    return name.startswith("_")


def arguments(node):
    args = node.args
    yield from ((arg.arg, "") for arg in [*args.posonlyargs, *args.args])
    yield from ((arg.arg, "keyword") for arg in args.kwonlyargs)


def signed(function):
    for parameter in inspect.signature(function).parameters.values():
        yield parameter.name, "keyword" if parameter.kind is parameter.KEYWORD_ONLY else ""


def test_the_metadata_is_complete(contents):
    (name,) = (name for name in contents if name.endswith(".dist-info/METADATA"))
    head, _, readme = contents[name].decode().partition("\n\n")
    lines = head.splitlines()
    version = re.search(r'^version = "(.*)"', (PROJECT.parent / "Cargo.toml").read_text(), re.M)[1]
    for wanted in (
        f"Version: {version}",
        "License-Expression: MIT OR Apache-2.0",
        "Requires-Python: >=3.11",
        "Requires-Dist: numpy>=1.26",
        "Classifier: Typing :: Typed",
    ):
        assert wanted in lines
    assert readme.strip() == (PROJECT.parent / "README.md").read_text().strip()
    for licence in ("LICENSE-MIT", "LICENSE-APACHE"):
        assert f"License-File: {licence}" in lines
        stored = contents[name.replace("METADATA", f"licenses/{licence}")]
        assert stored == (PROJECT.parent / licence).read_bytes()


def test_every_public_function_works_for_a_user(user):
    import ndbytes

    names = user(HERE / "smoke.py").split()
    # Constants are no names of functions.
    public = {name for name in ndbytes.__all__ if not name.isupper()}
    assert public <= {*names, *(name.partition(".")[0] for name in names)}


IMPORT = """
import time, numpy
start = time.perf_counter()
import ndbytes
print(1000 * (time.perf_counter() - start))
"""


def test_importing_takes_no_time(user, note, request):
    # Medians over fresh interpreters; the best of three series, for a busy machine.
    medians = []
    while len(medians) < 3 and min(medians, default=MAX_IMPORT_MS + 1) > MAX_IMPORT_MS:
        medians.append(statistics.median(float(user("-c", IMPORT)) for _ in range(15)))
    note(
        f"import ndbytes beyond import numpy, {request.node.callspec.id}: {min(medians):.2f} ms (at most {MAX_IMPORT_MS})"
    )
    assert min(medians) <= MAX_IMPORT_MS


# A file for what was seen, since the subinterpreter's own output is not ours to read.
SUBINTERPRETERS = """
import sys
kinds = sys.argv[3:]
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
    kinds = [kind == "isolated" for kind in kinds]
if sys.argv[2] == "after":
    import ndbytes
code = '''
try:
    import ndbytes
    seen = "it was imported"
except BaseException as error:
    seen = f"{type(error).__name__}: {error}"
open(%r, "a", encoding="utf-8").write(seen + chr(10))
''' % sys.argv[1]
for kind in kinds:
    made = interpreters.create(kind) if isinstance(kind, str) else interpreters.create(isolated=kind)
    interpreters.run_string(made, code)
    interpreters.destroy(made)
import ndbytes
print(ndbytes.loads(ndbytes.dumps(ndbytes.frombuffer(b"abc", "u1"))).tolist())
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_subinterpreter_gets_an_import_error(user, when, tmp_path):
    seen = tmp_path / "seen"
    # The main interpreter is as good as ever, whether it imported ndbytes before or after.
    assert user("-c", SUBINTERPRETERS, seen, when, "isolated", "legacy") == "[97, 98, 99]\n"
    lines = seen.read_text().splitlines()
    assert len(lines) == 2
    for line in lines:
        assert re.match(r"ImportError: .*ndbytes.* does not support .*subinterpreters", line)


def test_the_module_asks_for_the_gil():
    # Only a free-threaded Python obeys it, and there is no abi3 wheel for one: the word in the source is what there is.
    source = (PROJECT.parent / "crates/ndbytes-py/src/lib.rs").read_text()
    assert re.search(r"^#\[pymodule\(gil_used = true\)\]$", source, re.M)


def test_pip_installs_the_clone(contents, tmp_path):
    python = clean(FOUND[min(FOUND)], tmp_path / "venv", PROJECT)
    root = Path(python("-c", "import ndbytes; print(ndbytes.__file__)").strip()).parents[1]
    for name, data in contents.items():
        if name.startswith("ndbytes/"):
            assert (root / name).read_bytes() == data, name


def test_the_source_distribution_is_the_sources_and_builds(contents, tmp_path):
    run(sys.executable, "-m", "maturin", "sdist", "--out", tmp_path, folder=PROJECT)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as sources:
        names = {name.partition("/")[2] for name in sources.getnames()}
    assert {"Cargo.lock", "LICENSE-MIT", "LICENSE-APACHE", "README.md", "ndbytes/py.typed"} <= names
    assert not [name for name in names if name.startswith(("tests/", "python/", "fuzz/", "data/", "spec/"))]
    if LONG:
        pip = ("-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path)
        run(sys.executable, *pip, archive, timeout=1000)
        (wheel,) = tmp_path.glob("*.whl")
        with zipfile.ZipFile(wheel) as built:
            assert set(built.namelist()) == set(contents)
