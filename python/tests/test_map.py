"""Memory maps held against NumPy's: through files that each side writes and the other maps."""

import errno
import os
import select
import socket
import subprocess

import numpy as np
import pytest

from cases import DTYPES, RECORDS, check, make
from npyfiles import npy, header, numpy_save
from oracle import Refused, parsed, spec
from saving import needs_root

NAMES = ["?", "i1", "<u2", ">i4", "<f4", ">f8", "<g", ">c16", "<M8[ns]", ">m8[25s]", "S5", ">U3", "V12", "bfloat16"]
NAMES += ["nested", "aligned"]
# Raw files begin their items at these bytes; None is a .npy. The third is beyond a page and no multiple of anything.
OFFSETS = [None, 0, 7, 4099]
MODES = ["r", "r+", "c"]
SHAPE = (5, 3, 7)


def raw_steps(order, offset, gap=0):
    return [f"order={order}", f"offset={offset}", f"gap={gap}"]


def opened(mode, dtype, shape, order, offset, gap=0):
    """The steps that map such a file."""
    if offset is None:
        return [f"open={mode}"]
    shape = ",".join(["?", *map(str, shape[1:])])
    return [*raw_steps(order, offset, gap), f"raw={mode}:{spec(dtype)}[{shape}]"]


def numpy_map(path, mode, dtype, shape, order, offset):
    if offset is None:
        return np.load(path, mmap_mode=mode)
    return np.memmap(path, dtype, mode, offset, shape, order)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", NAMES)
def test_each_side_maps_what_the_other_writes(oracle, tmp_path, name, order, offset, mode):
    path, dtype = tmp_path / "a.npy", DTYPES[name]
    # As items without fields: NumPy does not copy what lies between fields.
    void = np.dtype(f"V{dtype.itemsize}")
    before = np.array(make(dtype, SHAPE).view(void), order=order)
    after = np.array(make(dtype, SHAPE, skip=11).view(void), order=order)
    # NumPy writes the file, and the library maps it.
    if offset is None:
        path.write_bytes(numpy_save(before.view(dtype)))
    else:
        path.write_bytes(bytes(range(256)) * (offset // 256 + 1))
        os.truncate(path, offset)
        written = np.memmap(path, dtype, "r+", offset, SHAPE, order)
        written.view(void)[...] = before
        written.flush()
        del written
    file = path.read_bytes()
    steps = opened(mode, dtype, SHAPE, order, offset)
    # What is written through the map is written as it lies in the file.
    data = np.frombuffer(after.tobytes(order), "u1")
    if mode == "r":
        _, shape, state, items = oracle.map(path, *steps, "view")
        with pytest.raises(Refused, match="mapped for reading"):
            oracle.map(path, *steps, "write", array=data)
        assert path.read_bytes() == file
    else:
        _, shape, state, items, _, _, _, changed = oracle.map(path, *steps, "view", "write", "view", "close", array=data)
        assert changed == after.tobytes()
        # c leaves the file as it is, r+ changes the items and nothing else.
        assert path.read_bytes() == (file if mode == "c" else file[: -data.size] + data.tobytes())
    check(items, before.tobytes(), dtype)
    assert state == b"none"
    assert tuple(map(int, shape.split(b","))) == SHAPE

    # The library writes it, and NumPy maps it.
    path.unlink()
    sized = f"{spec(dtype)}[{','.join(map(str, SHAPE))}]"
    if offset is None:
        create = [f"order={order}", f"create={sized}"]
    else:
        create = [*raw_steps(order, offset), f"create-raw={sized}"]
    oracle.map(path, *create, "write", "close", array=data)
    file = path.read_bytes()
    mapped = numpy_map(path, mode, dtype, SHAPE, order, offset)
    assert mapped.shape == SHAPE and mapped.flags[f"{order}_CONTIGUOUS"]
    assert mapped.view(void).tobytes() == after.tobytes()
    if offset is None and name != "bfloat16":
        assert mapped.dtype == dtype
        if not mapped.dtype.names:
            assert file == numpy_save(after.view(dtype))
    if mode != "r":
        mapped.view(void)[...] = before
        mapped.flush()
        _, _, _, seen = oracle.map(path, *opened("r", dtype, SHAPE, order, offset), "view")
        assert seen == (after if mode == "c" else before).tobytes()
    assert (path.read_bytes() == file) == (mode != "r+")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("gap", [1, 8, 4093])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", ["i1", ">f8", "nested"])
def test_items_with_gaps_are_strided_arrays(oracle, tmp_path, name, order, gap, mode):
    path, dtype, offset = tmp_path / "a.bin", DTYPES[name], 13
    step = dtype.itemsize + gap
    count = int(np.prod(SHAPE))
    file = make(np.dtype("u1"), (offset + count * step - gap,)).tobytes()
    path.write_bytes(file)
    strides = np.empty(SHAPE, f"V{step}", order=order).strides
    wanted = np.ndarray(SHAPE, dtype, np.memmap(path, mode="r"), offset, strides)
    _, _, _, items = oracle.map(path, *opened(mode, dtype, SHAPE, order, offset, gap), "view")
    assert items == wanted.tobytes()
    if mode != "r":
        oracle.map(path, *opened(mode, dtype, SHAPE, order, offset, gap), "fill=3", "close")
        filled = file[:offset] + bytes((3 + at) % 256 for at in range(len(file) - offset))
        assert path.read_bytes() == (file if mode == "c" else filled)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(), (7,), (0, 3), (3, 0), (2, 3, 4)])
@pytest.mark.parametrize("name", ["<f4", ">U3", "nested", "titles", "aligned"])
def test_a_new_file_is_byte_for_byte_numpys(oracle, tmp_path, name, shape, order):
    ours, theirs, dtype = tmp_path / "a.npy", tmp_path / "b.npy", DTYPES[name]
    made = np.lib.format.open_memmap(theirs, "w+", dtype, shape, fortran_order=order == "F")
    made.flush()
    oracle.map(ours, f"order={order}", f"create={spec(dtype)}[{','.join(map(str, shape))}]", "close")
    # NumPy does not make the one byte of padding of an empty file that its own maps need.
    assert ours.read_bytes() == theirs.read_bytes()[: ours.stat().st_size]
    assert theirs.stat().st_size - ours.stat().st_size in (0, 1)


@pytest.mark.parametrize("checked", [False, True], ids=["bare", "checked"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", ["i1", ">f8", "bfloat16", ">U3", *RECORDS])
def test_rows_are_added_and_cut_as_numpy_would(oracle, tmp_path, name, order, checked):
    path, dtype = tmp_path / "a.npy", DTYPES[name]
    if name in ("unordered", "overlapping"):
        with pytest.raises(Refused, match="descr"):
            oracle.map(path, f"create={spec(dtype)}[3]")
        return
    raw = np.dtype(f"V{dtype.itemsize}")
    start = make(dtype, (4, 3, 5)).view(raw)
    sized = f"{spec(dtype)}[4,3,5]"
    create = [f"order={order}", *["checked"] * checked, f"create={sized}"]
    oracle.map(path, *create, "write", "close", array=np.frombuffer(start.tobytes(order), "u1"))
    wanted, state = start, b"sealed" if checked or name == "bfloat16" else b"none"
    layouts = [make(dtype, (6, 3, 5)), make(dtype, (5, 3, 2)).T, make(dtype, (8, 3, 5))[::-3], make(dtype, (0, 3, 5))]
    layouts += [np.broadcast_to(make(dtype, (1, 5)), (2, 3, 5))]
    for rows in layouts:
        _, shape, found, items = oracle.map(path, "open=r+", "append", "view", array=rows)
        wanted = np.concatenate([wanted, rows.view(raw)])
        assert tuple(map(int, shape.split(b","))) == wanted.shape
        assert (items, found) == (wanted.tobytes(), state)
        assert np.load(path, mmap_mode="r").view(raw).tobytes() == wanted.tobytes()
    for rows in (3, 9, 0, 2):
        _, _, _, items, verified = oracle.map(path, "open=r+", f"resize={rows}", "view", "verify")
        kept = wanted[:rows]
        wanted = np.concatenate([kept, np.zeros((rows - len(kept), 3, 5), raw)])
        assert items == wanted.tobytes()
        assert verified == (b"Verified" if state == b"sealed" else b"Unchecked")
        loaded = np.load(path, mmap_mode="r")
        assert loaded.view(raw).tobytes() == wanted.tobytes() and loaded.flags.fnc == (order == "F" and rows > 1)
        assert os.listdir(tmp_path) == ["a.npy"]


def test_numpys_changes_of_a_checked_file_show_as_damage(oracle, tmp_path):
    path = tmp_path / "a.npy"
    oracle.map(path, "checked", "create=<u2[700000]", "fill=1", "close")
    mapped = np.load(path, mmap_mode="r+")
    mapped[600_000] += 1
    mapped.flush()
    with pytest.raises(Refused, match="block 1 of 0 to 1") as refused:
        oracle.map(path, "open=r", "block=0", "verify")
    assert refused.value.kind == "Checksum"
    assert oracle.map(path, "open=r", "block=0") == [b"Verified"]
    # A map of the library seals what it finds: that is its user's to know.
    oracle.map(path, "open=r+", "set=0:1", "close")
    assert oracle.map(path, "open=r", "verify") == [b"Verified"]


def once(program, path, *steps, **options):
    """A fresh process, which must end by itself: its answer, or its error."""
    result = subprocess.run([program, "map", path, *steps], capture_output=True, timeout=60, **options)
    assert result.returncode in (0, 1), result
    if not result.stdout:
        assert result.returncode == 0, result
        return []
    return answer(result.stdout)


def answer(out):
    def take(n):
        nonlocal out
        part, out = out[:n], out[n:]
        return part

    return parsed(take)


def refused(program, path, *steps, **options):
    with pytest.raises(Refused) as error:
        once(program, path, *steps, **options)
    assert error.value.path == str(path)
    return error.value


BARE = numpy_save(np.arange(1000.0))
BAD = {
    "empty": (b"", "Truncated", 0, "the input is empty"),
    "cut in the header": (BARE[:60], "Truncated", 60, "the input ends after 60 bytes, at least 128 are needed"),
    "cut in the data": (BARE[:6000], "Truncated", 6000, "shape (1000,) of <f8 needs 8000 bytes of data, the input has 5872"),
    "longer": (BARE + b"more", "Malformed", 8128, "bytes behind the array that are no checksum tail"),
    "objects": (npy(header("'|O'"), b"\x80" * 24), "Unsupported", 20, "is an object dtype"),
    "nested objects": (npy(header("[('a', '<i4'), ('b', '|O')]"), b"\x80" * 36), "Unsupported", None, "is an object dtype"),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("what", BAD)
def test_a_file_that_is_no_array_is_refused_and_left(oracle_program, tmp_path, what, mode):
    file, kind, offset, message = BAD[what]
    path = tmp_path / "a.npy"
    path.write_bytes(file)
    error = refused(oracle_program, path, f"open={mode}")
    assert error.kind == kind and message in error.message
    assert offset is None or error.offset == offset
    assert path.read_bytes() == file


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [0, 3, 100, 7999, 8001])
def test_a_raw_file_of_another_size_is_refused_and_left(oracle_program, tmp_path, size, mode):
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(size))
    error = refused(oracle_program, path, f"raw={mode}:<f8[1000]")
    assert (error.kind, error.message) == ("Malformed", f"<f8[1000] needs 8000 bytes, found {size}")
    assert path.stat().st_size == size


def test_numpy_grows_a_cut_file_and_we_do_not(oracle_program, tmp_path):
    """Why the size is checked before mapping."""
    path = tmp_path / "a.npy"
    path.write_bytes(BARE[:6000])
    assert refused(oracle_program, path, "open=r+").kind == "Truncated"
    assert path.read_bytes() == BARE[:6000]
    np.load(path, mmap_mode="r+")
    assert path.stat().st_size == len(BARE)


@pytest.mark.parametrize("steps", [["open=r"], ["open=r+"], ["open=c"], ["raw=r:|u1"], ["create=<f8[3]"]], ids=str)
def test_what_is_no_file_is_refused_at_once(oracle_program, tmp_path, steps):
    (tmp_path / "folder").mkdir()
    assert refused(oracle_program, tmp_path / "folder", *steps).detail == str(errno.EISDIR)
    os.mkfifo(tmp_path / "fifo")
    error = refused(oracle_program, tmp_path / "fifo", *steps)
    assert (error.kind, error.detail) == ("Io", str(errno.ENODEV)) and "read it as a stream" in error.message
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        assert refused(oracle_program, tmp_path / "socket", *steps).detail == str(errno.ENODEV)
    assert refused(oracle_program, "/dev/null", *steps).detail == str(errno.ENODEV)
    os.symlink("loop", tmp_path / "loop")
    assert refused(oracle_program, tmp_path / "loop", *steps).detail == str(errno.ELOOP)
    if steps != ["create=<f8[3]"]:
        assert refused(oracle_program, tmp_path / "missing", *steps).detail == str(errno.ENOENT)


@needs_root
def test_rights_are_kept(oracle_program, tmp_path):
    program = tmp_path / "oracle"
    program.write_bytes(oracle_program.read_bytes())
    program.chmod(0o755)
    (tmp_path / "a.npy").write_bytes(BARE)
    # Folders above may be closed to others: they start inside.
    tmp_path.chmod(0o777)
    nobody = {"cwd": tmp_path, "user": 65534, "group": 65534, "extra_groups": []}
    (tmp_path / "a.npy").chmod(0o444)
    for mode in ("r", "c"):
        assert once("./oracle", "a.npy", f"open={mode}", **nobody) == []
    for step in ("open=r+", "create=<f8[3]", "create-raw=<f8[3]"):
        assert refused("./oracle", "a.npy", step, **nobody).detail == str(errno.EACCES)
    (tmp_path / "a.npy").chmod(0o000)
    assert refused("./oracle", "a.npy", "open=r", **nobody).detail == str(errno.EACCES)
    assert (tmp_path / "a.npy").read_bytes() == BARE


@needs_root
def test_a_disk_that_is_read_only_or_full(oracle_program, small_disk):
    path = small_disk / "a.npy"
    path.write_bytes(BARE)
    for step in ("create=<f8[1000000]", "create-raw=|u1[1100000]"):
        assert refused(oracle_program, path, step).detail == str(errno.ENOSPC)
    for steps in (["resize=200000"], ["append=150000:1"]):
        assert refused(oracle_program, path, "open=r+", *steps).detail == str(errno.ENOSPC)
        answers = once(oracle_program, path, "open=r+", f"try:{steps[0]}", "view")
        assert b"No space left on device" in answers[0] and answers[4] == BARE[128:]
    assert path.read_bytes() == BARE and os.listdir(small_disk) == ["a.npy"]
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert refused(oracle_program, path, "open=r+").detail == str(errno.EROFS)
    assert refused(oracle_program, path, "create=<f8[3]").detail == str(errno.EROFS)
    assert once(oracle_program, path, "open=r", "verify") == [b"Unchecked"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [0, 100, 4096, 8127])
def test_a_file_cut_under_its_map_is_an_error_and_the_process_lives(oracle_program, tmp_path, size, mode):
    path = tmp_path / "a.npy"
    path.write_bytes(BARE)
    steps = [f"open={mode}", "view", "wait", "try:view", "try:probe", "try:fill=1", "try:verify", "try:flush", "try:close"]
    with subprocess.Popen([oracle_program, "map", path, *steps], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        ready = process.stdout.read(4 + 8 + 5)
        assert ready.endswith(b"ready")
        os.truncate(path, size)
        out, _ = process.communicate(b"\n", timeout=60)
    assert process.returncode == 0
    _, _, _, items, *tried = answer(out)
    assert items == BARE[128:]
    message = f"Truncated|{size}|the file was cut under its map: it ends at byte {size}, 8128 are needed"
    wanted = "Argument||mapped for reading; open it with Mode::ReadWrite or Mode::CopyOnWrite" if mode == "r" else message
    assert [text.decode() for text in tried[:3]] == [message, message, wanted]
    assert tried[3].startswith(b"Truncated|%d|" % size)
    assert tried[4:] == [b"ok", b"ok"], "nothing was changed"
    assert path.stat().st_size == size


def test_probes_live_through_every_truncation(oracle_program, tmp_path):
    """A probe finds the file short, or whole, and is never ended by a signal, whenever the file is cut."""
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(1 << 20))
    steps = ["raw=r:|u1[1048576]", "wait", "probes=1", "wait", "probes=20000", "wait", "probes=1"]
    with subprocess.Popen([oracle_program, "map", path, *steps], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        def wait_until_ready():
            assert process.stdout.read(17).endswith(b"ready")

        def go_on():
            process.stdin.write(b"\n")
            process.stdin.flush()

        wait_until_ready()
        os.truncate(path, 4096)
        go_on()
        wait_until_ready()
        go_on()
        cuts = 0
        # What the probes meet here is chance; that they live is not.
        while not select.select([process.stdout], [], [], 0)[0]:
            os.truncate(path, 4096 * (cuts % 200))
            os.truncate(path, 1 << 20)
            cuts += 1
        wait_until_ready()
        go_on()
        short, chance, whole = map(int, answer(process.stdout.read()))
    assert process.returncode == 0
    assert (short, whole) == (1, 0) and 0 <= chance <= 20_000 and cuts > 0
