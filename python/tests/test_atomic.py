"""`save` replaces a file whole or not at all: killed at any system call, refused by any, and on a full disk."""

import resource
import signal
import subprocess

import pytest

from saving import MEMORY, Saver, killed_everywhere, needs_root, needs_strace

WAYS = {"plain": [], "durable": ["--durable"], "durable and checked": ["--durable", "--checksum"]}


def folder(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    return path


@needs_strace
@pytest.mark.parametrize("old", [True, False], ids=["over an old file", "of a new file"])
@pytest.mark.parametrize("way", WAYS)
def test_killed_at_every_system_call(oracle_program, tmp_path, way, old):
    saver = Saver(oracle_program, folder(tmp_path), *WAYS[way])
    calls = killed_everywhere(saver, old)
    assert ("fallocate", 1) in calls and any(call == "writev" for call, _ in calls)


@needs_strace
def test_an_in_place_writer_fails_the_same_test(oracle_program, tmp_path):
    """The positive control: the sweep tells a torn file from a whole one."""
    saver = Saver(oracle_program, folder(tmp_path), "--in-place")
    assert saver.run(1) is None
    before, torn = saver.found(), 0
    for call, nth in saver.calls(2):
        saver.path.write_bytes(before)
        saver.killed(2, call, nth)
        torn += saver.found() not in (before, saver.whole(2))
    assert torn >= 3


@needs_strace
@pytest.mark.parametrize("way", WAYS)
def test_an_error_from_every_system_call(oracle_program, tmp_path, way):
    """Success means the new file, an error the old one; nothing else is ever left."""
    saver = Saver(oracle_program, folder(tmp_path), *WAYS[way])
    assert saver.run(1) is None
    before, failed = saver.found(), set()
    calls = saver.calls(2)
    renamed = calls.index(("rename", 1))
    for place, (call, nth) in enumerate(calls):
        if call in MEMORY:
            continue
        saver.path.write_bytes(before)
        error = saver.failing(2, call, nth, "error=EIO")
        assert saver.others() == [], (call, nth)
        if error is None:
            assert saver.found() == saver.whole(2), (call, nth)
        else:
            failed.add(call)
            assert (error.kind, error.detail, error.path) == ("Io", "5", str(saver.path)), (call, nth, error)
            # Once it is renamed it is there; only whether it would survive a loss of power is unknown.
            assert saver.found() == (saver.whole(2) if place > renamed else before), (call, nth)
    assert failed >= {"openat", "writev", "rename"} | ({"fsync"} if way != "plain" else set())


@needs_strace
@pytest.mark.parametrize("errno", ["EIO", "ENOSPC", "EDQUOT"])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_failed_fsync_is_an_error(oracle_program, tmp_path, nth, errno):
    """The first is of the file: it is given up and the old one stays. The second is of the folder."""
    saver = Saver(oracle_program, folder(tmp_path), "--durable")
    assert saver.run(1) is None
    before = saver.found()
    error = saver.failing(2, "fsync", nth, f"error={errno}")
    assert (error.kind, error.path) == ("Io", str(saver.path))
    assert saver.found() == (before if nth == 1 else saver.whole(2)) and saver.others() == []


@needs_strace
@pytest.mark.parametrize("way", WAYS)
def test_interrupted_calls_are_made_again(oracle_program, tmp_path, way):
    saver = Saver(oracle_program, folder(tmp_path), *WAYS[way])
    calls = [(call, nth) for call, nth in saver.calls(1) if call in ("openat", "flock", "fallocate", "writev", "fsync", "close")]
    assert len(calls) >= 6
    for turn, (call, nth) in enumerate(calls):
        assert saver.failing(turn % 2, call, nth, "error=EINTR") is None, (call, nth)
        assert saver.found() == saver.whole(turn % 2) and saver.others() == [], (call, nth)


@needs_strace
def test_a_lost_write_is_seen_by_these_tests(oracle_program, tmp_path):
    """The positive control of the one above: a write that is only said to have been made leaves another file."""
    saver = Saver(oracle_program, folder(tmp_path))
    assert saver.failing(1, "writev", 1, "retval=100") is None
    assert saver.found() != saver.whole(1)


@needs_root
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [700_000, 900_000, 5_000_000])
def test_a_full_disk(oracle_program, small_disk, way, size):
    """The write that fills it is a short one; the next one fails."""
    old = Saver(oracle_program, small_disk, size=400_000)
    assert old.run(1) is None
    saver = Saver(oracle_program, small_disk, *WAYS[way], size=size)
    error = saver.run(2)
    assert (error.kind, error.detail, error.path) == ("Io", "28", str(saver.path))
    assert "No space left on device" in error.message
    assert saver.found() == old.whole(1) and saver.others() == []
    # There is room again for what fits.
    fits = Saver(oracle_program, small_disk, *WAYS[way], size=500_000)
    assert fits.run(3) is None and fits.found() == fits.whole(3)


@needs_root
def test_a_full_disk_without_an_old_file(oracle_program, small_disk):
    saver = Saver(oracle_program, small_disk)
    assert saver.run(1).detail == "28"
    assert saver.found() is None and saver.others() == []


def test_a_limit_on_the_size_of_files(oracle_program, tmp_path):
    """As a full disk: the write up to the limit is short, the next one is EFBIG."""
    saver = Saver(oracle_program, folder(tmp_path))
    assert saver.run(1) is None
    before = saver.found()

    def limited():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_234_567, 1_234_567))

    error = saver.run(2, preexec_fn=limited)
    assert (error.kind, error.detail, error.path) == ("Io", "27", str(saver.path))
    assert saver.found() == before and saver.others() == []
