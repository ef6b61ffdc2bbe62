"""`ndbytes send` and `ndbytes recv` with messages: groups, folders, the newest alone, and channels of Python at the other end."""

import contextlib
import itertools
import json
import os
import pty
import re
import signal
import socket
import subprocess
import time

import numpy as np
import pytest

import ndbytes as ndb
from channels import SMALL
from command import ndb as command  # noqa: F401
from frames import frame
from oracle import has_extension
from wire import PATIENCE, Receiver, eventually, is_closed, send
from wire import listen  # noqa: F401

GROUP = {"left": SMALL, "right": np.asfortranarray(np.arange(6, dtype=">u2").reshape(2, 3)), "none": np.zeros((0, 3))}


@pytest.fixture
def program(command):
    return command.program


def same(found, wanted):
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        one = found[name]
        assert (one.dtype, one.shape, one.tobytes("A")) == (array.dtype, array.shape, array.tobytes("A"))


def stored(path):
    with np.load(path) as found:
        return dict(found)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_group_arrives_as_one_archive(program, tmp_path, listen, compressed):
    (np.savez_compressed if compressed else np.savez)(tmp_path / "x.npz", **GROUP)
    with Receiver(program, tmp_path / "in", "--once", listen=listen) as receiver:
        code, lines, errors = send(program, "--group", "run 7", tmp_path / "x.npz", receiver.address)
        assert (code, len(lines), errors) == (0, 3, [])
        code, lines, errors = receiver.done()
        assert (code, errors, receiver.files()) == (0, [], ["run 7.npz"])
        assert re.fullmatch(r".*/run 7.npz: 3 arrays, \d+ bytes from .*", lines[0])
        assert receiver.counted.startswith("ndbytes: received 3 arrays, ")
    same(stored(tmp_path / "in" / "run 7.npz"), GROUP)
    # Each member is byte for byte what np.savez has there.
    if not compressed:
        ours, theirs = (archive_members(path) for path in (tmp_path / "in" / "run 7.npz", tmp_path / "x.npz"))
        assert ours == theirs


def archive_members(path):
    import zipfile

    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_without_the_word_for_it_every_array_goes_by_itself(program, tmp_path, listen):
    np.savez(tmp_path / "x.npz", **GROUP)
    with Receiver(program, tmp_path / "in", "--once", listen=listen) as receiver:
        assert send(program, tmp_path / "x.npz", receiver.address)[0] == 0
        assert receiver.done()[0] == 0
        assert receiver.files() == sorted(f"{name}.npy" for name in GROUP)


def test_folders(program, tmp_path, listen):
    (tmp_path / "d" / "deep").mkdir(parents=True)
    for name in ("a", "deep/b"):
        np.save(tmp_path / "d" / f"{name}.npy", SMALL)
    (tmp_path / "d" / "notes.txt").write_text("no array")
    with Receiver(program, tmp_path / "one", "--once", listen=listen) as receiver:
        # The address may stand before the files, and options anywhere.
        code, _, errors = send(program, receiver.address, "-r", tmp_path / "d")
        assert (code, errors, receiver.done()[0]) == (0, [], 0)
        assert receiver.files() == ["a.npy", "deep_b.npy"]
    with Receiver(program, tmp_path / "all", "--once", listen=listen) as receiver:
        assert send(program, "-r", tmp_path / "d", "--group", "d", receiver.address)[0] == 0
        assert receiver.done()[0] == 0
    same(stored(tmp_path / "all" / "d.npz"), {"a": SMALL, "deep/b": SMALL})
    code, _, errors = send(program, tmp_path / "d", "tcp://127.0.0.1:1", "--timeout", "2")
    assert code == 9
    np.save(tmp_path / "a.npy", SMALL)
    code, _, errors = send(program, "--group", "g", tmp_path / "a.npy", tmp_path / "d" / "a.npy", "tcp://127.0.0.1:1")
    assert code == 2 and len(errors) == 1 and "would be called \"a\"; nothing was sent" in errors[0]


def test_what_an_array_says_of_itself_stays_in_an_archive(program, command, tmp_path):
    labelled = frame("bfloat16", (2, 3), bytes(range(12)), name="own", attrs={"unit": "V"})
    (tmp_path / "x.ndb").write_bytes(labelled)
    np.save(tmp_path / "y.npy", SMALL)
    with Receiver(program, tmp_path / "in", "--once", "--to", "ndb") as receiver:
        assert send(program, "-g", "g", tmp_path / "x.ndb", tmp_path / "y.npy", receiver.address)[0] == 0
        assert receiver.done()[0] == 0
        assert receiver.files() == ["g.npz"]  # Whatever single arrays become.
    (x, y) = command.json("info", tmp_path / "in" / "g.npz")[0]["members"]
    assert (x["name"], y["name"]) == ("x", "y")
    member = command.json("info", f"{tmp_path}/in/g.npz:x")[0]
    assert (member["dtype"], member["attrs"]) == ("bfloat16", {"group": "g", "unit": "V"})
    assert command.run("verify", f"{tmp_path}/in/g.npz:x").endswith(": ok\n")


def test_a_cut_at_every_array_of_a_group_leaves_nothing(program, tmp_path, listen):
    parts = [frame("|u1", (3,), b"\1\2\3", name="a", attrs={"group": "g"}, message=[3, 0, 0])]
    parts += [frame("<i2", (70_000,), bytes(140_000), name=name) for name in "bc"]
    session = b"".join(parts)
    cuts = [1, len(parts[0]) - 1, len(parts[0]), len(parts[0]) + 9, len(session) - len(parts[2]), len(session) - 1]
    with Receiver(program, tmp_path / "in", listen=listen) as receiver:
        for cut in cuts:
            with receiver.connect() as sock:
                sock.sendall(session[:cut])
                sock.shutdown(socket.SHUT_WR)
                is_closed(sock)
        eventually(lambda: len(receiver.said(receiver.err)) == len(cuts))
        damaged = bytearray(session)
        damaged[-60_000] ^= 1
        with receiver.connect() as sock:
            with contextlib.suppress(OSError):  # It may have seen enough.
                sock.sendall(damaged)
                sock.shutdown(socket.SHUT_WR)
            is_closed(sock)
        eventually(lambda: len(receiver.said(receiver.err)) == len(cuts) + 1)
        assert receiver.files() == []
        with receiver.connect() as sock:
            sock.sendall(session)
            sock.shutdown(socket.SHUT_WR)
            assert is_closed(sock)
        receiver.process.send_signal(signal.SIGINT)
        code, lines, errors = receiver.done()
        assert (code, len(lines), len(errors), receiver.files()) == (6, 1, len(cuts) + 1, ["g.npz"])
    same(stored(tmp_path / "in" / "g.npz"), {"a": np.array([1, 2, 3], "u1"), "b": np.zeros(70_000, "<i2"), "c": np.zeros(70_000, "<i2")})


def test_a_damaged_file_cuts_its_group_off(program, tmp_path, listen):
    np.save(tmp_path / "good.npy", SMALL)
    damaged = bytearray(frame("|u1", (300_000,), bytes(300_000)))
    damaged[150_000] ^= 1
    (tmp_path / "bad.ndb").write_bytes(damaged)
    with Receiver(program, tmp_path / "in", "--once", listen=listen) as receiver:
        code, lines, errors = send(program, "-g", "g", tmp_path / "good.npy", tmp_path / "bad.ndb", receiver.address)
        assert (code, lines, len(errors)) == (6, [], 1) and "bad.ndb" in errors[0]
        code, lines, errors = receiver.done()
        assert code in (5, 9) and (lines, len(errors), receiver.files()) == ([], 1, [])
    # One that is not there: nothing is sent.
    code, lines, errors = send(program, "-g", "g", tmp_path / "good.npy", tmp_path / "none.npy", "tcp://127.0.0.1:1")
    assert code in (3, 9) and lines == []


def test_nothing_is_replaced_by_a_group_unasked(program, tmp_path):
    np.savez(tmp_path / "x.npz", **GROUP)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "g.npz").write_bytes(b"mine")
    for options, wanted in [((), 8), (("--force",), 0)]:
        with Receiver(program, tmp_path / "in", "--once", *options) as receiver:
            code, _, errors = send(program, "-g", "g", tmp_path / "x.npz", receiver.address)
            assert code == (9 if wanted else 0)
            code, lines, errors = receiver.done()
            assert code == wanted and bool(wanted) == (len(errors) == 1 and "passed over" in errors[0])
            assert receiver.files() == ["g.npz"]
        assert ((tmp_path / "in" / "g.npz").read_bytes() == b"mine") == bool(wanted)
    same(stored(tmp_path / "in" / "g.npz"), GROUP)


def traversals():
    """200 names that lead elsewhere, or would."""
    ways = ["../", "..\\", "/", "./", "a/../../", "C:\\", "\\\\host\\", "~/", "%2e%2e/", "....//"]
    ends = ["x", "..", ".", "", "etc/passwd", "con", "x\0y", "x\n", ".x", "x ", "x.", "a/b", "-rf", "NUL.npy", "x:y", "é\u202e", "*", "x|y", "$(x)", " "]
    return [way + end for way, end in itertools.product(ways, ends)]


def test_no_name_in_a_group_leads_out_of_its_folder(program, command, tmp_path):
    names = traversals()
    assert len(set(names)) == 200
    with Receiver(program, tmp_path / "in") as receiver:
        with ndb.connect(receiver.address) as channel:
            # As names of arrays in groups, as names of groups, and of arrays.
            for at in range(0, 200, 20):
                channel.send({name: SMALL for name in names[at : at + 20]})
            for name in names:
                channel.send({"a": SMALL, "b": SMALL}, attrs={"group": name})
                channel.send(SMALL, name=name)
        eventually(lambda: len(receiver.said(receiver.out)) + len(receiver.said(receiver.err)) >= 411)
        receiver.process.send_signal(signal.SIGINT)
        code, lines, errors = receiver.done()
    # Several become the same safe name, and the later ones are passed over.
    assert code in (0, 8) and len(lines) + len(errors) == 410 and all("passed over" in error for error in errors)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    files = [path for path in (tmp_path / "in").rglob("*")]
    assert all(path.is_file() and path.parent == tmp_path / "in" and not path.name.startswith(".") for path in files)
    for at in range(1, 11):
        found = stored(tmp_path / "in" / f"group-{at}.npz")
        assert len(found) == 20 and all((array == SMALL).all() for array in found.values())
    # Other tools extract it below their folder, too.
    command.run("convert", tmp_path / "in" / "group-1.npz", "-o", tmp_path / "out")
    assert len([path for path in (tmp_path / "out").rglob("*.npy")]) == 20


def test_names_that_are_one_in_a_group_stay_apart(program, tmp_path):
    parts = [frame("|u1", (), bytes([at]), **more) for at, more in enumerate([{"message": [4, 0, 0]}, {"name": "a"}, {"name": "A"}, {"name": "a"}])]
    with Receiver(program, tmp_path / "in", "--once") as receiver:
        with receiver.connect() as sock:
            sock.sendall(b"".join(parts))
        assert receiver.done()[0] == 0
    assert {name: int(array) for name, array in stored(tmp_path / "in" / "group-1.npz").items()} == {"arr_0": 0, "a": 1, "A-2": 2, "a-3": 3}


def test_channels_of_python_send_to_it(program, tmp_path, listen):
    with Receiver(program, tmp_path / "in", "--check", listen=listen) as receiver:
        for options in ({}, {"reconnect": True}):
            with ndb.connect(receiver.address, **options) as channel:
                channel.send(SMALL, name="one")
                channel.send(GROUP, attrs={"frame": 7})
                channel.send(GROUP, attrs={"group": "named"})
                channel.send({"single": SMALL}, codec="auto")
                if options:
                    assert channel.stats["lost"] == 0
            if options:
                assert channel.stats["lost"] == 0
            eventually(lambda: len(receiver.said(receiver.out)) + len(receiver.said(receiver.err)) == (9 if options else 5))
        receiver.process.send_signal(signal.SIGINT)
        code, lines, errors = receiver.done()
        # The second time the names are taken, but for those that are numbers.
        assert (code, len(lines), len(errors)) == (8, 5, 3)
        assert receiver.files() == ["group-1.npz", "group-2.npz", "named.npz", "one.npy", "single.npy"]
    for name in ("group-1", "group-2", "named"):
        same(stored(tmp_path / "in" / f"{name}.npz"), GROUP)
    assert (ndb.load(tmp_path / "in" / "single.npy") == SMALL).all()


def test_it_confirms_what_it_has(program, tmp_path, listen):
    with Receiver(program, tmp_path / "in", "--once", listen=listen) as receiver:
        with ndb.connect(receiver.address, reconnect=True) as channel:
            for at in range(20):
                channel.send(np.full(3, at))
            channel.flush(PATIENCE)
            assert channel.stats["confirmed"] == 20
        assert receiver.done()[0] == 0
        assert len(receiver.files()) == 20


def test_memory_that_is_handed_over_is_written(program, tmp_path):
    with Receiver(program, tmp_path / "in", "--once", listen=f"unix:{tmp_path}/socket") as receiver:
        with ndb.connect(receiver.address) as channel:
            shared = ndb.shm.zeros((300, 70), "<f4")
            shared[:] = np.arange(70)
            channel.send(shared, name="shared")
            channel.send(shared.T, name="turned")
            eventually(lambda: len(receiver.said(receiver.out)) == 3)
        assert receiver.done()[0] == 0
    assert (np.load(tmp_path / "in" / "shared.npy") == shared).all()
    assert (np.load(tmp_path / "in" / "turned.npy") == shared.T).all()


def test_it_sends_to_channels_of_python(program, tmp_path, listen):
    np.savez(tmp_path / "x.npz", **GROUP)
    with ndb.listen(listen if listen.startswith("unix") else "tcp://127.0.0.1:0") as listener:
        process = subprocess.Popen([program, "send", "-q", "-g", "run7", tmp_path / "x.npz", listener.url])
        message = listener.recv(timeout=PATIENCE)
        same(message.arrays, GROUP)
        assert (message.attrs, message.seq) == ({"group": "run7"}, 0) and abs(message.sent_ns - time.time_ns()) < 60e9
        with pytest.raises(TimeoutError):
            listener.recv(timeout=1)
        assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize("keep, options", [("latest", ["--once"]), ("3", [])])
def test_the_newest_alone(program, tmp_path, keep, options):
    """Nobody reads what it prints, until all was sent: what comes meanwhile gives way."""
    count = 5000
    line = [program, "recv", "tcp://:0", "-o", tmp_path / "in", "--keep", keep, "--force", "--idle", "1", *options]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        url = process.stdout.readline().split()[-1]
        with ndb.connect(url) as channel:
            for at in range(1 if options else count):
                channel.send({"a": np.array(at), "b": np.array(at)}, attrs={"group": f"a name that is long enough to fill a pipe soon {at}"})
        out, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
    written, dropped = len(out.splitlines()), int(re.search(r"; (\d+) gave way to newer messages", errors)[1])
    if options:
        assert (written, dropped) == (1, 0)
        return
    # 64 KiB of lines fit into the pipe; of the rest the newest three are there.
    assert written + dropped == count and 3 < written < 2000
    last = [int(re.search(r"(\d+)\.npz: ", row)[1]) for row in out.splitlines()[-3:]]
    assert last == [count - 3, count - 2, count - 1]


def test_silence_ends_it_where_that_was_asked_for(program, tmp_path, listen):
    with Receiver(program, tmp_path / "in", "--idle", "0.5", listen=listen) as receiver:
        time.sleep(1)  # Nothing has come: it waits.
        assert receiver.process.poll() is None
        with ndb.connect(receiver.address) as channel:
            channel.send(SMALL, name="a")
            code, lines, errors = receiver.done()  # Though somebody is still connected.
        assert (code, len(lines), errors) == (0, 1, [])


def test_statistics_for_programs(program, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(1000))
    with Receiver(program, tmp_path / "in", "--once", "--json") as receiver:
        line = [program, "send", "--json", tmp_path / "a.npy", receiver.address]
        done = subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE)
        sent = json.loads(done.stdout.splitlines()[-1])["statistics"]
        assert (done.returncode, done.stderr, sent["sent"], sent["data_bytes"]) == (0, "", 1, 8000)
        assert receiver.done() [0] == 0
        assert (receiver.counted["received"], receiver.counted["data_bytes"]) == (1, 8000)
    with Receiver(program, tmp_path / "in", "--once", "--force") as receiver:
        done = subprocess.run([program, "send", "-q", tmp_path / "a.npy", receiver.address], capture_output=True, text=True, timeout=PATIENCE)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        receiver.done()


def on_a_terminal(line):
    """What it writes to standard error, which is a terminal; and its exit code."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        found = b""
        while True:
            try:
                part = os.read(ours, 1 << 16)
            except OSError:  # So Linux says that the other side has gone.
                break
            if not part:
                break
            found += part
        os.close(ours)
        return found.decode(), process.wait(PATIENCE)


def test_progress_on_a_terminal_and_none_on_a_pipe(program, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(10 << 20, "u1"))
    with ndb.listen("udp://127.0.0.1:0") as listener:
        line = [program, "send", tmp_path / "a.npy", listener.url, "--rate", "4M"]
        shown, code = on_a_terminal(line)
        assert code == 0 and re.search(r"MiB of 10.00 MiB, [\d.]+ MiB/s, \d+ seconds? left", shown), shown
        done = subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0 and len(done.stderr.splitlines()) == 1
    # A receiver says how far what has begun has come.
    line = [program, "recv", "tcp://127.0.0.1:0", "-o", tmp_path / "in", "--once"]
    ours, theirs = pty.openpty()
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=theirs, text=True) as process:
        os.close(theirs)
        host, port = process.stdout.readline().split("//")[1].strip().split(":")
        whole = frame("|u1", (4 << 20,), bytes(4 << 20), name="a")
        with socket.create_connection((host, int(port))) as sock:
            for at in range(8):
                sock.sendall(whole[at << 19 : (at + 1) << 19 if at < 7 else None])
                time.sleep(0.3)
        assert process.wait(PATIENCE) == 0
        shown = os.read(ours, 1 << 16).decode()
        os.close(ours)
    assert re.search(r"MiB of 4.00 MiB, [\d.]+ [KM]iB/s, \d+ seconds? left", shown), shown


def test_mistakes_are_one_clear_line(command, tmp_path):
    np.save(command.folder / "a.npy", SMALL)
    mistakes = [
        ("send a.npy tcp://:5 --loss 0.1", 2, "--loss is for udp://; the address is tcp://127.0.0.1:5"),
        ("send a.npy unix:s --rate 5M", 2, "--rate is for udp://; the address is unix:s"),
        ("send a.npy udp://:5 --rate 0", 2, "--rate 0: expected bytes a second, as 800K, 50M or 1.5G, and not 0"),
        ("send a.npy udp://:5 --rate fast", 2, "--rate fast: expected bytes a second, as 800K, 50M or 1.5G, and not 0"),
        ("send a.npy udp://:5 --loss 0.5", 2, "--loss 0.5: a loss of 0.5; from 0 to below 0.5 can be made up for (0.05 is 5 %)"),
        ("send a.npy udp://:0", 2, '"udp://:0": port 0 is for listeners; `ndbytes recv` prints the port it got'),
        ("send a.npy udp://:5 --npy", 2, "--npy is for tcp://, tls:// and unix:; the address is udp://127.0.0.1:5"),
        ("send a.npy udp://nobody.invalid:5", 8, "cannot send to udp://nobody.invalid:5: "),
        ("send a.npy tcp://nobody.invalid:5", 8, "cannot connect to tcp://nobody.invalid:5: "),
        ("send tcp://:5", 2, "no file to send"),
        ("recv tcp://:0 --keep 0", 2, "--keep 0: expected latest, or how many messages, from 1 on"),
        ("recv udp://:0 --keep latest", 2, "--keep is for tcp://, tls:// and unix:; the address is udp://127.0.0.1:0"),
        ("recv tcp://:0 --partial", 2, "--partial is for udp://; the address is tcp://127.0.0.1:0"),
        ("recv tcp://:0 --idle 0", 2, "--idle: 0 is no time to wait"),
        ("recv udp://:0 --timeout -1", 2, None),
        ("recv udp://:0 -o a.npy", 8, "a.npy: not a directory"),
        ("recv udp://nobody.invalid:0", 8, "cannot listen on udp://nobody.invalid:0: "),
    ]
    for line, code, words in mistakes:
        found = command.run(*line.split(), exit=code)
        if words is not None:
            assert found.startswith(f"ndbytes: {words}") and found.count("\n") == 1, (line, found)


def test_every_class_of_dtype_in_a_group(program, tmp_path):
    from cases import DTYPES, make

    arrays = {f"{at}": make(dtype, (2, 3)) for at, (what, dtype) in enumerate(DTYPES.items()) if not has_extension(dtype) and what not in ("unordered", "overlapping")}
    with Receiver(program, tmp_path / "in", "--once") as receiver:
        with ndb.connect(receiver.address) as channel:
            channel.send(arrays, attrs={"group": "all"})
        code, _, errors = receiver.done()
        assert (code, errors) == (0, [])
    with ndb.load(tmp_path / "in" / "all.npz") as found:
        assert list(found) == list(arrays)
        for name, array in arrays.items():
            assert found[name].dtype == array.dtype and found[name].shape == array.shape
