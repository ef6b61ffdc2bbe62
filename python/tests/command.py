"""The command line as a process: many files a call, because starting it costs more than printing them."""

import json
import os
import subprocess

import numpy as np
import pytest


class Command:
    """The binary that NDBYTES_BIN names, working in a folder of its own."""

    def __init__(self, program, folder):
        self.program = program
        self.folder = folder

    def run(self, *args, exit=0):
        """What it wrote to standard output; its errors where another exit code than 0 is expected."""
        line = [self.program, *map(str, args)]
        done = subprocess.run(line, cwd=self.folder, capture_output=True, timeout=120)
        assert done.returncode == exit, f"exit {done.returncode}: {done.stderr.decode()}"
        text = done.stdout.decode("utf-8")
        # Who pipes numbers in reads only one of the two; the tests of errors read the other.
        return text if exit in (0, 1) else done.stderr.decode()

    def json(self, *args, exit=0):
        """One object for each line."""
        return [json.loads(line) for line in self.run(*args, "--json", exit=exit).splitlines()]

    def save(self, arrays, prefix="a"):
        """The arrays as files; their names."""
        names = [f"{prefix}{index}.npy" for index in range(len(arrays))]
        for name, array in zip(names, arrays):
            np.save(self.folder / name, array)
        return names

    def heads(self, arrays, *options):
        """What `head` prints for each array."""
        names = self.save(arrays)
        if len(names) == 1:
            return [self.run("head", *names, *options).removesuffix("\n")]
        text = self.run("head", *names, *options)
        parts = []
        for name, following in zip(names, [*names[1:], None]):
            header = f"==> {name} <==\n"
            assert text.startswith(header), text[:200]
            text = text[len(header) :]
            end = len(text) if following is None else text.index(f"==> {following} <==\n")
            parts.append(text[:end].removesuffix("\n"))
            text = text[end:]
        return parts


@pytest.fixture(scope="module")
def ndb(tmp_path_factory):
    path = os.environ.get("NDBYTES_BIN")
    assert path, "NDBYTES_BIN is not set: it names the binary `ndbytes`; `cargo xtask test` builds it and sets it"
    return Command(os.path.abspath(path), tmp_path_factory.mktemp("command"))
