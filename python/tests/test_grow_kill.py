"""Appending killed at any system call, or refused by any: the file has the rows of before, or all of the new ones."""

import numpy as np
import pytest

from saving import MEMORY, Saver, needs_strace
from test_reader import READER

BEGIN = ["codec=none", "create=<u2[?,50]", "append=700:1", "flush", "append=3:2", "flush"]
MORE = ["codec=none", "open", "append=9000:3", "append=20:4", "flush"]


def counted(rows, seed):
    return (np.arange(rows * 100) + seed).astype("u1").view("<u2").reshape(rows, 50)


BEFORE = np.concatenate([counted(700, 1), counted(3, 2)])
AFTER = np.concatenate([BEFORE, counted(9000, 3), counted(20, 4)])


class Grower(Saver):
    """Appends to one path of a folder, each time by the same steps."""

    def __init__(self, program, folder, steps):
        super().__init__(program, folder, name="a.ndb")
        self.steps = steps

    def args(self, _seed):
        return [self.program, "grow", self.path, *self.steps]

    def rows(self):
        """What a reader makes of the file that shares no code with the writer."""
        return READER.read(self.path)[0]


def grower(program, tmp_path, *steps):
    folder = tmp_path / "folder"
    folder.mkdir(exist_ok=True)
    return Grower(program, folder, steps)


@pytest.fixture
def begun(oracle_program, tmp_path):
    file = grower(oracle_program, tmp_path, *BEGIN)
    assert file.run(0) is None
    np.testing.assert_array_equal(file.rows(), BEFORE)
    return file.found()


@needs_strace
def test_a_kill_leaves_the_rows_of_before_or_all_of_them(oracle_program, tmp_path, begun):
    changer = grower(oracle_program, tmp_path, *MORE)
    changer.path.write_bytes(begun)
    calls = changer.calls(0)
    assert [call for call, _ in calls if call in ("fdatasync", "fsync")] == ["fdatasync"] * 2
    seen = [0, 0]
    for call, nth in calls:
        changer.path.write_bytes(begun)
        changer.killed(0, call, nth)
        found = changer.rows()
        assert len(found) in (len(BEFORE), len(AFTER)), (call, nth)
        np.testing.assert_array_equal(found, AFTER[: len(found)])
        seen[len(found) == len(AFTER)] += 1
        if len(found) == len(BEFORE):
            # What the killed one left is no obstacle to the next.
            assert changer.run(0) is None
            np.testing.assert_array_equal(changer.rows(), AFTER)
        assert changer.others() == []
    assert min(seen) >= 2, seen


@needs_strace
def test_an_error_of_any_call_leaves_the_rows_of_before(oracle_program, tmp_path, begun):
    changer = grower(oracle_program, tmp_path, *MORE)
    changer.path.write_bytes(begun)
    calls, failed = changer.calls(0), set()
    for call, nth in calls:
        if call in MEMORY or call == "getpid":  # Which never fails.
            continue
        for error in ("EIO", "ENOSPC"):
            changer.path.write_bytes(begun)
            told = changer.failing(0, call, nth, f"error={error}")
            found = changer.rows()
            np.testing.assert_array_equal(found, AFTER[: len(found)])
            if told is None:
                assert len(found) == len(AFTER), (call, nth)
            else:
                failed.add(call)
                assert (told.kind, told.path) == ("Io", str(changer.path)), (call, nth, told)
                assert len(found) in (len(BEFORE), len(AFTER)), (call, nth)
    assert {"pwrite64", "fdatasync"} <= failed, failed


@needs_strace
def test_a_new_file_takes_the_place_of_the_old_one_whole(oracle_program, tmp_path, begun):
    changer = grower(oracle_program, tmp_path, "codec=none", "create=<u2[?,50]")
    changer.path.write_bytes(begun)
    seen = [0, 0]
    for call, nth in changer.calls(0):
        changer.path.write_bytes(begun)
        changer.killed(0, call, nth)
        found = changer.rows()
        assert len(found) in (len(BEFORE), 0), (call, nth)
        seen[len(found) == 0] += 1
    assert min(seen) >= 2, seen


@needs_strace
def test_a_mark_that_is_written_before_its_blocks_fails_the_same_test(oracle_program, tmp_path, begun):
    """The positive control: the mark in front of what it vouches for."""
    changer = grower(oracle_program, tmp_path, *MORE)
    changer.path.write_bytes(begun)
    assert changer.run(0) is None
    after = changer.found()
    early = bytearray(begun)
    early[: 192] = after[: 192]
    changer.path.write_bytes(early)
    with pytest.raises(READER.FormatError):
        changer.rows()
