"""The oracle's `save` as a process: what it leaves behind, alone and under strace."""

import functools
import os
import re
import shutil
import subprocess
from collections import Counter

import numpy as np
import pytest

import checked
from npyfiles import numpy_save
from oracle import Refused, parsed

needs_strace = pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
needs_root = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="not root")

# Calls that have nothing to do with files; they come between the others all the same.
MEMORY = {"mmap", "munmap", "mremap", "brk", "madvise", "sigaltstack", "exit_group", "rt_sigaction", "fcntl"}


@functools.cache
def saved(size, seed, checksum=False):
    """What a whole save of these leaves."""
    file = numpy_save((np.arange(size) + seed).astype("u1"))
    return file + checked.tail(*checked.split(file)[:2]) if checksum else file


class Saver:
    """Saves to one path of a folder."""

    def __init__(self, program, folder, *flags, size=2_500_000, name="a.npy"):
        self.program, self.folder, self.flags, self.size = program, folder, flags, size
        self.path = folder / name

    def args(self, seed):
        return [self.program, "save", self.path, str(self.size), str(seed), *self.flags]

    def run(self, seed, *before, **options):
        """None, or the error it answered."""
        result = subprocess.run([*before, *self.args(seed)], capture_output=True, timeout=120, **options)
        if result.returncode == 0 and not result.stdout:
            return None
        return answered(result)

    def whole(self, seed):
        return saved(self.size, seed, "--checksum" in self.flags)

    def found(self):
        """The bytes at the path, if any."""
        return self.path.read_bytes() if self.path.exists() else None

    def others(self):
        """Every other name in the folder."""
        return sorted(name for name in os.listdir(self.folder) if name != self.path.name)

    def calls(self, seed):
        """Its system calls from the first that names the path on, each as its name and which of that name it is."""
        log = self.folder.parent / "strace.log"
        assert self.run(seed, "strace", "-f", "-o", log) is None
        found, counts = [], Counter()
        begun = False
        for line in log.read_text().splitlines():
            call = re.match(r"\d+ +(\w+)\(", line)
            if call:
                counts[call[1]] += 1
                begun = begun or self.path.name in line and call[1] != "execve"
                if begun:
                    found.append((call[1], counts[call[1]]))
        assert ("exit_group", 1) in found and len(found) > 8
        return found

    def killed(self, seed, call, nth):
        """Killed as it enters this call."""
        result = subprocess.run(
            ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"inject={call}:signal=KILL:when={nth}", *self.args(seed)],
            capture_output=True,
            timeout=120,
        )
        assert result.returncode in (-9, 137), (call, nth, result)

    def failing(self, seed, call, nth, how):
        """With this call answered by an error, or whatever else is injected."""
        return self.run(seed, "strace", "-f", "-qq", "-o", os.devnull, "-e", f"inject={call}:{how}:when={nth}")


def killed_everywhere(saver, old):
    """Kills it at each of its system calls, over an old file or none: one of the two is there, whole. The calls."""
    if old:
        assert saver.run(1) is None
    calls = saver.calls(2)
    assert ("rename", 1) in calls
    before, seen, strays = saver.whole(1) if old else None, set(), 0
    for call, nth in calls:
        if before is None:
            saver.path.unlink(missing_ok=True)
        else:
            saver.path.write_bytes(before)
        saver.killed(2, call, nth)
        found = saver.found()
        assert found in (before, saver.whole(2)), f"torn by a kill at {call} {nth}"
        seen.add(found == before)
        strays += len(saver.others())
        # What the killed one left is gone once the file is saved again.
        assert saver.run(3) is None
        assert saver.others() == [] and saver.found() == saver.whole(3)
    # Some kills came before the replacement, some after it, and some left something to clean.
    assert seen == {True, False} and strays > 0
    return calls


def answered(result):
    out = result.stdout

    def take(n):
        nonlocal out
        part, out = out[:n], out[n:]
        return part

    assert result.returncode in (0, 1) and result.stdout, result
    try:
        return parsed(take)
    except Refused as refused:
        return refused
