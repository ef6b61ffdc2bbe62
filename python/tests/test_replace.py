"""What `save` replaces and what it keeps: readers of the old file, its mode and owner, links; and savers at once."""

import io
import os
import stat
import subprocess
import threading
import time

import numpy as np
import pytest

from conftest import LONG
from saving import Saver, needs_root, needs_strace

MIB = 1 << 20


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    return path


def test_a_mapped_reader_survives_1000_replacements(oracle_program, folder):
    saver = Saver(oracle_program, folder, "--times", "250", size=3 * MIB)
    assert saver.run(1) is None
    mapped = np.load(saver.path, mmap_mode="r")
    copy = mapped.tobytes()
    inode = os.stat(saver.path).st_ino
    for seed, size in [(2, 3 * MIB), (3, 10), (4, 4 * MIB), (5, 2 * MIB)]:
        saver.size = size
        assert saver.run(seed) is None
        assert mapped.tobytes() == copy
    assert saver.found() == saver.whole(5) and saver.others() == []
    assert os.stat(saver.path).st_ino != inode


def test_a_mapped_reader_does_not_survive_an_in_place_writer(oracle_program, folder):
    """The positive control; a shorter file would kill the reader with SIGBUS."""
    saver = Saver(oracle_program, folder, "--in-place", size=3 * MIB)
    assert saver.run(1) is None
    mapped = np.load(saver.path, mmap_mode="r")
    copy = mapped.tobytes()
    assert saver.run(2) is None
    assert mapped.tobytes() != copy


def test_whoever_has_the_old_file_open_reads_it_to_the_end(oracle_program, folder):
    saver = Saver(oracle_program, folder)
    assert saver.run(1) is None
    with open(saver.path, "rb") as old:
        start = old.read(1000)
        assert saver.run(2) is None
        assert start + old.read() == saver.whole(1)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o666, 0o4755, 0o2644, 0o777])
def test_the_mode_is_kept(oracle_program, folder, mode):
    saver = Saver(oracle_program, folder)
    assert saver.run(1) is None
    saver.path.chmod(mode)
    assert saver.run(2) is None
    assert stat.S_IMODE(saver.path.stat().st_mode) == mode and saver.found() == saver.whole(2)


@pytest.mark.parametrize("umask, mode", [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_has_the_mode_of_any_new_file(oracle_program, folder, umask, mode):
    saver = Saver(oracle_program, folder)
    assert saver.run(1, umask=umask) is None
    assert stat.S_IMODE(saver.path.stat().st_mode) == mode


@needs_root
@pytest.mark.parametrize("mode", [0o640, 0o4750])
def test_the_owner_is_kept(oracle_program, folder, mode):
    saver = Saver(oracle_program, folder)
    assert saver.run(1) is None
    os.chown(saver.path, 1234, 4321)
    saver.path.chmod(mode)
    assert saver.run(2) is None
    found = saver.path.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1234, 4321, mode)


@needs_root
@pytest.mark.parametrize("mode, kept", [(0o666, 0o666), (0o676, 0o666), (0o604, None)])
def test_another_ones_file_becomes_ones_own(oracle_program, folder, mode, kept):
    """Who may write to a file may replace it, but not give it away, and its new group gains nothing."""
    program = folder / "oracle"
    program.write_bytes(oracle_program.read_bytes())
    program.chmod(0o755)
    shared = folder / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    saver = Saver(program, shared)
    assert saver.run(1) is None
    saver.path.chmod(mode)
    save = subprocess.run(
        ["./oracle", "save", "shared/a.npy", str(saver.size), "2"],
        cwd=folder, user=65534, group=65534, extra_groups=[], capture_output=True, text=True,
    )  # fmt: skip
    found = saver.path.stat()
    if kept is None:
        assert save.returncode != 0 and "Permission denied" in save.stdout
        assert (found.st_uid, saver.found()) == (0, saver.whole(1))
        return
    assert save.returncode == 0
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (65534, 65534, kept)
    assert saver.found() == saver.whole(2)


@pytest.mark.parametrize("target", ["relative", "absolute", "of a link", "dangling"])
def test_the_target_of_a_link_is_replaced(oracle_program, folder, target):
    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir()
    saver = Saver(oracle_program, folder, name="link.npy")
    real = elsewhere / "real.npy"
    if target != "dangling":
        real.write_bytes(b"old")
        real.chmod(0o640)
    link = {"relative": "../elsewhere/real.npy", "dangling": "../elsewhere/real.npy"}.get(target, real)
    if target == "of a link":
        (elsewhere / "middle").symlink_to("real.npy")
        link = elsewhere / "middle"
    saver.path.symlink_to(link)
    assert saver.run(1) is None
    assert saver.path.is_symlink() and os.readlink(saver.path) == str(link)
    assert not real.is_symlink() and real.read_bytes() == saver.whole(1)
    assert target == "dangling" or stat.S_IMODE(real.stat().st_mode) == 0o640
    assert saver.others() == [] and set(os.listdir(elsewhere)) <= {"real.npy", "middle"}


def test_a_circle_of_links(oracle_program, folder):
    saver = Saver(oracle_program, folder)
    saver.path.symlink_to("b.npy")
    (folder / "b.npy").symlink_to("a.npy")
    error = saver.run(1)
    assert (error.kind, error.detail, error.path) == ("Io", "40", str(saver.path))
    assert saver.others() == ["b.npy"]


@pytest.mark.parametrize("length", [200, 251, 252])
def test_long_names(oracle_program, folder, length):
    """The temporary file's name stays short; beyond 255 bytes the system refuses."""
    saver = Saver(oracle_program, folder, name="é" * (length // 2) + "x" * (length % 2) + ".npy")
    error = saver.run(1)
    if length < 252:
        assert error is None and saver.found() == saver.whole(1)
    else:
        assert (error.kind, error.detail) == ("Io", "36")
    assert saver.others() == []


@pytest.mark.parametrize("name, errno", [("no/folder.npy", 2), (".", 21), ("/dev/null", 19), ("/dev/full", 19)])
def test_where_nothing_can_be_saved(oracle_program, folder, name, errno):
    saver = Saver(oracle_program, folder)
    saver.path = folder / name
    error = saver.run(1)
    assert (error.kind, error.detail, error.path) == ("Io", str(errno), str(saver.path))
    assert os.listdir(folder) == []


def test_a_fifo_is_written_to(oracle_program, folder):
    saver = Saver(oracle_program, folder)
    os.mkfifo(saver.path)
    got = []
    reader = threading.Thread(target=lambda: got.append(saver.path.read_bytes()))
    reader.start()
    assert saver.run(1) is None
    reader.join(20)
    assert got == [saver.whole(1)] and stat.S_ISFIFO(saver.path.stat().st_mode)


def start(saver, seed):
    return subprocess.Popen(saver.args(seed), stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.parametrize("way", [[], ["--checksum"]])
def test_two_savers_never_tear(oracle_program, folder, way):
    times = "2000" if LONG else "200"
    savers = [Saver(oracle_program, folder, *way, "--times", times, size=size) for size in (MIB, 3 * MIB // 2)]
    whole = {saver.whole(seed) for seed, saver in enumerate(savers)}
    assert savers[0].run(0) is None
    running = [start(saver, seed) for seed, saver in enumerate(savers)]
    seen, reads = set(), 0
    while any(process.poll() is None for process in running):
        found = savers[0].found()
        assert found in whole
        seen.add(found)
        reads += 1
        assert len(np.load(io.BytesIO(found))) in (MIB, 3 * MIB // 2)
    assert [process.communicate() for process in running] == [(b"", b"")] * 2
    assert [process.returncode for process in running] == [0, 0]
    assert seen == whole and reads > 20 and savers[0].others() == []


def test_many_savers_all_succeed(oracle_program, folder):
    """None takes the temporary file of another away, which made some of 20,000 saves fail once."""
    savers = [Saver(oracle_program, folder, "--times", "20000" if LONG else "1500", size=100) for _ in range(6)]
    running = [start(saver, seed) for seed, saver in enumerate(savers)]
    assert [process.communicate() for process in running] == [(b"", b"")] * 6
    assert savers[0].found() in {saver.whole(seed) for seed, saver in enumerate(savers)}
    assert savers[0].others() == []


@needs_strace
def test_a_slow_saver_keeps_its_temporary_file(oracle_program, folder):
    """A second saver does not take the living one for dead; the last rename wins."""
    slow, quick = Saver(oracle_program, folder), Saver(oracle_program, folder)
    delay = ["strace", "-f", "-qq", "-o", os.devnull, "-e", "inject=rename:delay_enter=1500000"]
    process = subprocess.Popen([*delay, *slow.args(1)], stdout=subprocess.PIPE)
    deadline = time.monotonic() + 10
    while not slow.others():
        assert time.monotonic() < deadline
    for _ in range(3):
        assert quick.run(2) is None and quick.found() == quick.whole(2)
        assert len(quick.others()) == 1
    assert process.communicate() == (b"", None) and process.returncode == 0
    assert slow.found() == slow.whole(1) and slow.others() == []
