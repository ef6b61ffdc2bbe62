"""Maps killed at any system call, or refused by any: lengths change whole or not at all, and a tail is never torn."""

import subprocess

import numpy as np
import pytest

from npyfiles import numpy_save
from saving import MEMORY, Saver, needs_strace

ROWS = 250_000
FORMS = {
    "bare": ["create=<u2[250000,5]"],
    "checked": ["checked", "create=<u2[250000,5]"],
    "checked F": ["order=F", "checked", "create=<u2[250000,5]"],
    "raw": ["offset=13", "create-raw=<u2[250000,5]"],
}
CHANGES = {"append": "append=70000:9", "longer": "resize=310000", "shorter": "resize=130000"}


class Mapper(Saver):
    """Maps one path of a folder, each time with the same steps."""

    def __init__(self, program, folder, steps):
        super().__init__(program, folder)
        self.steps = steps

    def args(self, _seed):
        return [self.program, "map", self.path, *self.steps]


def opened(form):
    return ["offset=13", "raw=r+:<u2[?,5]"] if form == "raw" else ["open=r+"]


def mapper(program, tmp_path, *steps):
    folder = tmp_path / "folder"
    folder.mkdir(exist_ok=True)
    return Mapper(program, folder, steps)


def made(program, tmp_path, form):
    """A file of this form with something in it."""
    file = mapper(program, tmp_path, *FORMS[form], "fill=1", "close")
    assert file.run(0) is None
    return file.found()


def sweep(changer, before, after):
    """Kills it at each of its calls: how often the file was the old and the new one, and how many strays there were;
    or the call that left neither."""
    seen, strays = [0, 0], 0
    changer.path.write_bytes(before)
    for call, nth in changer.calls(0):
        changer.path.write_bytes(before)
        changer.killed(0, call, nth)
        found = changer.found()
        if found not in (before, after):
            return call, nth
        seen[found == after] += 1
        strays += len(changer.others())
        if changer.others():
            # What the killed one left is gone once the file is changed again.
            changer.path.write_bytes(before)
            assert changer.run(0) is None
            assert changer.found() == after and changer.others() == []
    return seen, strays


@needs_strace
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("change", CHANGES)
def test_a_length_changes_whole_or_not_at_all(oracle_program, tmp_path, change, form):
    before = made(oracle_program, tmp_path, form)
    changer = mapper(oracle_program, tmp_path, *opened(form), CHANGES[change], "close")
    assert changer.run(0) is None
    after = changer.found()
    assert len(after) != len(before) and after != before
    changer.path.write_bytes(before)
    calls = changer.calls(0)
    assert ("rename", 1) in calls and ("fsync", 2) in calls
    seen, strays = sweep(changer, before, after)
    assert isinstance(seen, list), f"torn by a kill at {seen} {strays}"
    assert min(seen) >= 3 and strays > 0


@needs_strace
def test_rows_added_in_place_fail_the_same_test(oracle_program, tmp_path):
    """The positive control: rows and header cannot be written at once."""
    before = numpy_save(np.arange(ROWS, dtype="<u2"))
    changer = mapper(oracle_program, tmp_path, "append-in-place=70000:9")
    changer.path.write_bytes(before)
    assert changer.run(0) is None
    after = changer.found()
    assert len(np.load(changer.path)) == ROWS + 70_000
    call, _ = sweep(changer, before, after)
    assert call in ("write", "lseek")


@needs_strace
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("change", CHANGES)
def test_an_error_of_any_call_leaves_file_and_map(oracle_program, tmp_path, change, form):
    before = made(oracle_program, tmp_path, form)
    changer = mapper(oracle_program, tmp_path, *opened(form), CHANGES[change], "close")
    changer.path.write_bytes(before)
    calls = changer.calls(0)
    after, failed = changer.found(), set()
    renamed = calls.index(("rename", 1))
    for place, (call, nth) in enumerate(calls):
        if call in MEMORY - {"mmap"}:
            continue
        changer.path.write_bytes(before)
        error = changer.failing(0, call, nth, "error=EIO")
        assert changer.others() == [], (call, nth)
        if error is None:
            assert changer.found() == after, (call, nth)
        else:
            failed.add(call)
            assert (error.kind, error.detail, error.path) == ("Io", "5", str(changer.path)), (call, nth, error)
            assert changer.found() == (after if place > renamed else before), (call, nth)
    assert failed >= {"openat", "write", "fsync", "rename", "mmap"}


TAILED = {
    "checked": ["checked", "create=<u2[250000,5]"],
    "one block": ["checked", "create=<u2[77]"],
    "empty": ["checked", "create=<u2[0]"],
    "frame": None,
}


def tailed(oracle, program, tmp_path, form):
    file = mapper(program, tmp_path, *(TAILED[form] or []), "fill=1", "close")
    if form == "frame":
        file.path.write_bytes(oracle.encode(np.arange(1_250_000, dtype="<u2"), version=0))
    else:
        assert file.run(0) is None
    return file.found()


@needs_strace
@pytest.mark.parametrize("last", ["flush", "close"])
@pytest.mark.parametrize("form", TAILED)
def test_a_tail_is_sealed_or_open_at_every_call(oracle, oracle_program, tmp_path, form, last):
    """The old sealed file, then an open one, then the new sealed one: nothing else, and in this order."""
    before = tailed(oracle, oracle_program, tmp_path, form)
    changer = mapper(oracle_program, tmp_path, "open=r+", "fill=5", last)
    changer.path.write_bytes(before)
    calls, states = changer.calls(0), []
    after = changer.found()
    assert (after != before) == (form != "empty") and oracle.decode(after).state == "verified"
    for call, nth in calls:
        changer.path.write_bytes(before)
        changer.killed(0, call, nth)
        found = changer.found()
        if found in (before, after):
            states.append("new" if found == after and "open" in states else "old")
        else:
            # Its own first sum held, or this were an error.
            assert oracle.decode(found).state == "open", (call, nth)
            states.append("open")
        assert changer.others() == []
    order = [state for at, state in enumerate(states) if at == 0 or states[at - 1] != state]
    assert order == ["old", "open", "new"], states
    # Open are the calls from behind the one that marks it to the one that seals it, with the sums between.
    assert [call for call, _ in calls].count("fdatasync") == 3


@needs_strace
@pytest.mark.parametrize("form", TAILED)
def test_nothing_changes_before_the_mark_is_on_the_disk(oracle, oracle_program, tmp_path, form):
    """If it cannot be waited for, no byte is given out; and whatever a failed seal has left is marked again."""
    before = tailed(oracle, oracle_program, tmp_path, form)
    changer = mapper(oracle_program, tmp_path, "open=r+", "fill=5", "close")
    changer.path.write_bytes(before)
    error = changer.failing(0, "fdatasync", 1, "error=EIO")
    assert (error.kind, error.detail) == ("Io", "5")
    found, size = changer.found(), 0 if form == "empty" else 2 * 77 if form == "one block" else 2_500_000
    assert found[: 128 + size] == before[: 128 + size] and oracle.decode(found).state == "open"
    changes = ["set=0:77"] if size else ["fill=1"]
    changer = mapper(oracle_program, tmp_path, "open=r+", "fill=5", "try:flush", *changes)
    for call in ("pwrite64", "fdatasync"):
        for nth in (2, 3):
            changer.path.write_bytes(before)
            answered = changer.failing(0, call, nth, "error=EIO")
            assert answered == [b"Io||Input/output error (os error 5)"]
            # It was changed after the flush that failed, and dropped: nothing may vouch for it.
            assert oracle.decode(changer.found()).state == "open", (call, nth)


@needs_strace
@pytest.mark.parametrize("form", ["bare", "checked", "raw"])
@pytest.mark.parametrize("old", [True, False], ids=["over an old file", "of a new file"])
def test_a_new_file_is_there_whole_or_not_at_all(oracle, oracle_program, tmp_path, form, old):
    before = made(oracle_program, tmp_path, "bare") if old else None
    maker = mapper(oracle_program, tmp_path, *FORMS[form])
    calls = maker.calls(0)
    after = maker.found()
    assert after != before and (form != "checked" or oracle.decode(after).state == "open")
    seen = set()
    for call, nth in calls:
        if old:
            maker.path.write_bytes(before)
        else:
            maker.path.unlink(missing_ok=True)
        maker.killed(0, call, nth)
        assert maker.found() in (before, after), (call, nth)
        seen.add(maker.found() == after)
    assert seen == {True, False}
    assert maker.run(0) is None and maker.others() == [] and maker.found() == after


@needs_strace
def test_where_no_place_can_be_taken_the_file_is_made_all_the_same(oracle_program, tmp_path):
    maker = mapper(oracle_program, tmp_path, *FORMS["checked"], "fill=3", "close")
    assert maker.run(0) is None
    whole = maker.found()
    assert maker.path.stat().st_blocks * 512 >= 2_500_000
    maker.path.unlink()
    assert maker.failing(0, "fallocate", 1, "error=EOPNOTSUPP") is None
    assert maker.found() == whole
    error = maker.failing(0, "fallocate", 1, "error=ENOSPC")
    assert (error.kind, error.detail, error.path) == ("Io", "28", str(maker.path))
    assert maker.found() == whole and maker.others() == []


@needs_strace
def test_a_kernel_that_cannot_probe_is_no_error(oracle_program, tmp_path):
    before = made(oracle_program, tmp_path, "checked")
    prober = mapper(oracle_program, tmp_path, "open=r", "probe")
    nth = len([call for call, _ in calls_of(prober) if call == "madvise"])
    assert nth >= 1, "a probe asks the kernel"
    assert prober.failing(0, "madvise", nth, "error=EINVAL") is None
    error = prober.failing(0, "madvise", nth, "error=EFAULT")
    assert error.kind == "Truncated" and error.message.startswith("the file was cut under its map")
    assert prober.found() == before


def calls_of(prober):
    log = prober.folder.parent / "all.log"
    subprocess.run(["strace", "-f", "-o", log, *prober.args(0)], check=True, timeout=120)
    names = [line.split("(")[0].split()[-1] for line in log.read_text().splitlines() if "(" in line]
    return [(name, names[: at + 1].count(name)) for at, name in enumerate(names)]
