"""An archive is replaced whole or not at all: killed at any system call, refused by any, and on a full disk."""

import io
import os
import subprocess

import numpy as np
import pytest

import ndbytes as ndb
from command import ndb as command  # noqa: F401
from saving import MEMORY, Saver, killed_everywhere, needs_root, needs_strace

CODECS = ["stored", "deflate", "zstd"]


class Packer(Saver):
    """Makes an archive of files by the command line; which files, the seed says."""

    def __init__(self, command, folder, *flags, size=2_500_000):  # noqa: F811
        super().__init__(command.program, folder, *flags, size=size, name="x.npz")
        self.inputs = command.folder / f"inputs{size}"
        self.inputs.mkdir(exist_ok=True)

    def files(self, seed):
        """Of one block, of several, and of none."""
        found = []
        for name, size in [("a", 1000), ("b", self.size), ("c", 0)]:
            found.append(self.inputs / f"{seed}" / f"{name}.npy")
            if not found[-1].exists():
                found[-1].parent.mkdir(exist_ok=True)
                np.save(found[-1], np.random.default_rng(seed).integers(0, 100, size).astype("u1"))
        return found

    def args(self, seed):
        return [self.program, "convert", *self.files(seed), "-q", "-o", self.path, *self.flags]

    def run(self, seed, *before, **options):
        """None, or the line of its error and its exit code."""
        done = subprocess.run([*before, *self.args(seed)], capture_output=True, text=True, timeout=120, check=False, **options)
        return None if done.returncode == 0 and not done.stdout else (done.stderr, done.returncode)

    def whole(self, seed):
        path = self.inputs / f"{seed}{''.join(self.flags)}.npz"
        if not path.exists():
            args = [path if arg is self.path else arg for arg in self.args(seed)]
            subprocess.run(args, check=True, timeout=120)
            with np.load(path) if "zstd" not in self.flags else ndb.load(path) as archive:
                assert [archive[name].size for name in "abc"] == [1000, self.size, 0]
        return path.read_bytes()


@pytest.fixture
def folder(tmp_path):
    """A folder, for one thread alone: with several the numbers of the calls would be another's."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    path = tmp_path / "folder"
    path.mkdir()
    yield path
    os.sched_setaffinity(0, allowed)


@needs_strace
@pytest.mark.parametrize("old", [True, False], ids=["over an old archive", "of a new one"])
@pytest.mark.parametrize("codec", CODECS)
def test_killed_at_every_system_call(command, folder, codec, old):  # noqa: F811
    calls = killed_everywhere(Packer(command, folder, "--codec", codec), old)
    assert sum(call == "write" for call, _ in calls) > 3


@needs_strace
@pytest.mark.parametrize("codec", ["stored", "deflate"])
def test_an_error_from_every_system_call(command, folder, codec):  # noqa: F811
    packer = Packer(command, folder, "--codec", codec)
    assert packer.run(1) is None
    before, failed = packer.found(), set()
    for call, nth in packer.calls(2):
        if call in MEMORY | {"getrandom"}:  # Without it Rust's own tables of hashes end the program.
            continue
        packer.path.write_bytes(before)
        error = packer.failing(2, call, nth, "error=EIO")
        assert packer.others() == [], (call, nth)
        if error is None and call == "lseek":  # What does not know its place is written to as a pipe is.
            with np.load(packer.path) as found, np.load(io.BytesIO(packer.whole(2))) as wanted:
                assert all((found[name] == wanted[name]).all() for name in "abc")
        elif error is None:
            assert packer.found() == packer.whole(2), (call, nth)
        else:
            failed.add(call)
            assert error[1] != 0 and error[0].startswith("ndbytes: ") and error[0].count("\n") == 1, (call, nth, error)
            assert packer.found() in (before, packer.whole(2)), (call, nth)
    assert failed >= {"write", "rename"}


@needs_root
@pytest.mark.parametrize("codec", CODECS)
def test_a_full_disk_leaves_the_old_archive(command, small_disk, codec):  # noqa: F811
    old = Packer(command, small_disk, "--codec", codec, size=300_000)
    assert old.run(1) is None and old.found() == old.whole(1)
    error, code = Packer(command, small_disk, "--codec", codec, size=5_000_000).run(2)
    assert code == 8 and "No space left on device" in error and error.count("\n") == 1
    assert old.found() == old.whole(1) and old.others() == []
    for save in (ndb.save, lambda path, arrays: ndb.savez(path, **arrays)):
        with pytest.raises(OSError, match="No space left"):
            save(old.path, {"a": np.random.default_rng(0).integers(0, 256, 5_000_000).astype("u1")})
        assert old.found() == old.whole(1) and old.others() == []
