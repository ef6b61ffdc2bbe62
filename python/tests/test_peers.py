"""What goes wrong between `ndbytes send` and `ndbytes recv`, and who is told."""

import contextlib
import json
import os
import re
import resource
import signal
import socket
import struct
import subprocess
import threading
import time

import numpy as np

import checked
from cases import DTYPES
from command import ndb  # noqa: F401
from frames import frame, header, members
from npyfiles import numpy_save
from oracle import spec
from wire import Receiver, Server, eventually, is_closed, is_read, other_end, peak, send, sparse
from wire import listen, program  # noqa: F401

MIB = 1 << 20


def whole(name="a", size=3 * MIB):
    return frame("|u1", (size,), bytes(size), name=name)


def is_refused(sock):
    """Whether the peer tells, however it can, that it has not taken everything: by a reset or by one byte."""
    try:
        found = sock.recv(100)
        return len(found) == 1 and sock.recv(100) == b""
    except ConnectionError:
        return True


def test_a_receiver_that_failed_tells_the_sender(program, tmp_path, listen):
    """All was read, so nothing is left in the way: only the receiver can say it."""
    damaged = bytearray(whole(size=100))
    damaged[-1] ^= 1
    for sent, is_told in [(whole(size=100), False), (damaged, True), (damaged[:50], True)]:
        with Receiver(program, tmp_path / "in", "--once", "--force", listen=listen) as receiver:
            with receiver.connect() as sock:
                sock.sendall(sent)
                sock.shutdown(socket.SHUT_WR)
                code = receiver.done()[0]
                assert (code != 0, is_refused(sock)) == (is_told, is_told)


def test_a_sender_hears_it(program, tmp_path, listen):
    """A reset, or where there is none, one byte."""
    np.save(tmp_path / "a.npy", np.arange(3))

    def told(finish):
        with Server(listen) as server:
            done = server.next(lambda sock: (drained(sock), finish(sock)))
            code, lines, errors = send(program, tmp_path / "a.npy", server.address)
            done()
            return code, len(lines), errors

    assert told(lambda sock: None) == (0, 1, [])
    broken = [r".*the receiver broke the connection off, and has not taken everything.*"]
    finishes = [lambda sock: sock.sendall(b"\0")]
    if listen.startswith("tcp"):
        finishes.append(lambda sock: sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)))
    for finish in finishes:
        code, lines, errors = told(finish)
        assert (code, lines, len(errors)) == (9, 1, 1) and re.fullmatch(broken[0], errors[0])
    # What a peer with arrays of its own sends means nothing.
    assert told(lambda sock: sock.sendall(whole(size=100))) == (0, 1, [])


def test_every_cut_on_the_way_is_seen_at_both_ends(program, tmp_path, listen):
    """A proxy that lets so many bytes through, and then closes both connections."""
    np.save(tmp_path / "a.npy", np.array([3, 4], "u1"))
    session = len(frame("|u1", (2,), b"\3\4", name="a"))
    with Receiver(program, tmp_path / "in", listen=listen) as receiver, Server(listen) as server:

        def let_through(sock, count):
            with receiver.connect() as onward:
                while count and (part := sock.recv(count)):
                    onward.sendall(part)
                    count -= len(part)
                # The whole of it has an end, and an answer to that.
                if sock.recv(1, socket.MSG_PEEK) == b"":
                    onward.shutdown(socket.SHUT_WR)
                    assert is_closed(onward)

        for cut in range(session + 1):
            done = server.next(lambda sock: (let_through(sock, cut),))
            code, lines, errors = send(program, tmp_path / "a.npy", server.address)
            done()
            assert cut == session or not (receiver.folder / "a.npy").exists(), cut
            if cut < session:
                assert (code, len(errors)) == (9, 1) and "the receiver broke the connection off" in errors[0], cut
        assert (code, len(lines), errors, receiver.files()) == (0, 1, [], ["a.npy"])
        eventually(lambda: len(receiver.said(receiver.err)) == session - 1)
        receiver.process.send_signal(signal.SIGINT)
        code, lines, errors = receiver.done()
        assert (code, len(lines), len(errors)) == (5, 1, session - 1)


def drained(sock):
    while sock.recv(1 << 20):
        pass


def test_a_receiver_that_never_closes_may_not_have_everything(program, tmp_path, listen):
    np.save(tmp_path / "a.npy", np.arange(3))
    with Server(listen) as server:
        code, lines, errors = send(program, "--timeout", "1", tmp_path / "a.npy", server.address)
    assert (code, len(lines), len(errors)) == (9, 1, 1) and "whether it has everything is not known" in errors[0]


def test_a_receiver_that_never_reads_meets_the_time_out(program, tmp_path, listen):
    path = sparse(tmp_path / "big.npy", 1)
    with Server(listen) as server:
        code, lines, errors = send(program, "--timeout", "1", path, server.address)
    assert (code, lines, len(errors)) == (9, [], 1) and "the peer moved" in errors[0]


def test_a_listener_that_takes_nobody_meets_the_time_out(program, tmp_path):
    np.save(tmp_path / "a.npy", np.arange(3))
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as busy, contextlib.ExitStack() as waiting:
        busy.bind(os.fspath(path))
        busy.listen(0)
        with contextlib.suppress(BlockingIOError):
            for _ in range(10):  # Until no more fit into its queue.
                sock = waiting.enter_context(socket.socket(socket.AF_UNIX))
                sock.setblocking(False)
                sock.connect(os.fspath(path))
        code, _, errors = send(program, "--timeout", "1", tmp_path / "a.npy", f"unix:{path}")
        assert (code, len(errors)) == (9, 1) and errors[0].startswith(f"ndbytes: cannot connect to unix:{path}: ")
        process = subprocess.Popen([program, "send", tmp_path / "a.npy", f"unix:{path}"], stderr=subprocess.PIPE)
        eventually(lambda: len(os.listdir(f"/proc/{process.pid}/task")) == 2)
        process.send_signal(signal.SIGINT)
        assert b"interrupted" in process.communicate(timeout=10)[1] and process.returncode == 130


def test_ctrl_c_ends_either_side_and_the_other_is_told(program, tmp_path, listen):
    # In the data, and in a header: what had come of it is gone.
    for sent in (whole()[: 2 * MIB], whole()[:10]):
        with Receiver(program, tmp_path / "in", listen=listen) as receiver:
            with receiver.connect() as sock:
                sock.sendall(sent)
                eventually(lambda: is_read(sock))  # So nothing in it makes the system reset it.
                receiver.process.send_signal(signal.SIGINT)
                code, lines, errors = receiver.done()
                assert (code, lines, receiver.files()) == (130, [], []) and "interrupted" in errors[0]
                assert is_refused(sock)
    # Between two arrays it is the way to end a listener, but not one that was to take something.
    for option, wanted in [("--check", 0), ("--once", 130)]:
        for connected in (False, True):
            with Receiver(program, tmp_path / "in", option, "--force", listen=listen) as receiver:
                with contextlib.ExitStack() as stack:
                    if connected:
                        sock = stack.enter_context(receiver.connect())
                        sock.sendall(whole(size=10))
                        eventually(lambda: len(receiver.said(receiver.out)) == 2)
                    receiver.process.send_signal(signal.SIGINT)
                    assert receiver.done()[0] == wanted
                    assert not connected or is_refused(sock)
    # A sender that is stopped leaves an array that is cut.
    path = sparse(tmp_path / "big.npy", 1)
    with Server(listen) as server:
        process = subprocess.Popen([program, "send", path, server.address], stderr=subprocess.PIPE)
        sock, _ = server.sock.accept()
        with sock:
            sock.recv(1)
            process.send_signal(signal.SIGINT)
            assert b"interrupted" in process.communicate(timeout=10)[1] and process.returncode == 130


def test_a_receiver_that_is_killed_is_no_end(program, tmp_path):
    for sent in (whole()[:10], whole(size=3)):
        with Receiver(program, tmp_path / "in", "--force") as receiver, receiver.connect() as sock:
            sock.sendall(sent)
            eventually(lambda: is_read(sock))
            receiver.process.kill()
            assert is_refused(sock)


def test_a_damaged_file_is_not_sent_as_a_whole_npy(program, tmp_path, listen):
    """A bare .npy has no tail that could be held back: its end is."""
    for size in (100, 60_000, 3 * MIB):
        file = numpy_save(np.zeros(size, "u1"))
        file += checked.tail(*checked.split(file)[:2])
        path = tmp_path / "a.npy"
        path.write_bytes(file)
        with Receiver(program, tmp_path / "good", "--once", "--npy", "--force", listen=listen) as receiver:
            assert send(program, "--npy", path, receiver.address)[0] == 0
            assert receiver.done()[0] == 0
        assert (tmp_path / "good" / "array-1.npy").read_bytes() == file[: 128 + size]
        (tmp_path / "good" / "array-1.npy").unlink()
        path.write_bytes(file[:200] + b"\1" + file[201:])
        with Receiver(program, tmp_path / "in", "--once", "--npy", listen=listen) as receiver:
            code, lines, errors = send(program, "--npy", path, receiver.address)
            assert (code, lines, len(errors)) == (6, [], 1)
            receiver.done()
            assert receiver.files() == []


def test_who_is_told_of_what_is_passed_over(program, tmp_path, listen):
    with Receiver(program, tmp_path / "in", "--once", "--json", listen=listen) as receiver:
        with receiver.connect() as sock:
            sock.sendall(whole(size=3) * 2 + frame("bfloat16", (1,), bytes(2), name="b"))
            sock.shutdown(socket.SHUT_WR)
            assert is_refused(sock)
        code, lines, errors = receiver.done()
    first, second, third = map(json.loads, lines)
    assert (code, errors) == (8, [])
    assert (first["stored"], second["stored"], third["stored"]) == (True, False, True)
    assert "only --force replaces it" in second["message"] and "message" not in first
    assert first["path"] == second["path"] and third["spec"] == "bfloat16[1]"


def test_one_name_for_many_at_a_time(program, tmp_path):
    """One of them gets it; the others are passed over, and their connections go on."""
    count = 24
    with Receiver(program, tmp_path / "in") as receiver:
        starts = threading.Barrier(count)

        def one(index):
            with receiver.connect() as sock:
                starts.wait()
                for name in ("a", "b", "c", "d", f"own{index}"):
                    sock.sendall(frame("|u1", (70_000,), bytes([index]) * 70_000, name=name))
                sock.shutdown(socket.SHUT_WR)
                assert is_closed(sock)

        threads = [threading.Thread(target=one, args=[index]) for index in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        receiver.process.send_signal(signal.SIGINT)
        code, lines, errors = receiver.done()
        assert code == 8 and all("passed over" in error for error in errors)
        assert (len(lines), len(errors)) == (count + 4, 4 * count - 4)
        assert receiver.files() == sorted([f"own{i}.npy" for i in range(count)] + [f"{name}.npy" for name in "abcd"])
        for name in receiver.files():
            array = np.load(receiver.folder / name)
            assert array.shape == (70_000,) and np.all(array == array[0])


def test_a_name_that_is_taken_while_its_array_comes(program, tmp_path):
    parts = [frame("|u1", (3,), bytes([index] * 3), name="a") for index in range(2)]
    with Receiver(program, tmp_path / "in") as receiver, receiver.connect() as first, receiver.connect() as second:
        for sock, part in zip((first, second), parts):
            sock.sendall(part[:-1])
        eventually(lambda: len(receiver.files()) == 2)  # Both have begun a file.
        for sock, part in zip((first, second), parts):
            sock.sendall(part[-1:] + frame("|u1", (), b"\7", name=f"{sock.fileno()}"))
            sock.shutdown(socket.SHUT_WR)
            assert is_closed(sock)
        receiver.process.send_signal(signal.SIGINT)
        code, lines, errors = receiver.done()
        assert (code, len(lines), len(errors)) == (8, 3, 1) and "passed over: only --force replaces it" in errors[0]
        assert len(receiver.files()) == 3 and np.load(tmp_path / "in" / "a.npy").tolist() == [0, 0, 0]


def test_more_connections_than_descriptors(program, tmp_path):
    """A receiver takes no more at a time than it has files for; the others wait."""
    bound = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    frames = [whole(f"n{index}", size=100) for index in range(200)]
    with Receiver(program, tmp_path / "in", preexec_fn=bound) as receiver, contextlib.ExitStack() as stack:
        socks = [stack.enter_context(receiver.connect()) for _ in frames]
        for sock, part in zip(socks, frames):
            sock.sendall(part[:-1])
        eventually(lambda: len(receiver.files()) >= 50)
        time.sleep(0.2)
        for sock, part in zip(socks, frames):
            sock.sendall(part[-1:])
            sock.shutdown(socket.SHUT_WR)
        assert all(is_closed(sock) for sock in socks)
        receiver.process.send_signal(signal.SIGINT)
        code, lines, errors = receiver.done()
        assert (code, errors, len(lines)) == (0, [], len(frames))


def test_a_sender_needs_little_memory(program, tmp_path):
    path = sparse(tmp_path / "big.npy", 1)
    with Server("tcp://:0") as server:
        done = server.next(drained)
        process = subprocess.Popen([program, "send", path, server.address], stdout=subprocess.DEVNULL)
        most = 0
        while process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                most = max(most, peak(process.pid))
            time.sleep(0.01)
        done()
        assert process.returncode == 0
        assert 0 < most <= 32 * MIB  # The program itself takes a good part of that.


def test_every_class_of_dtype_goes_as_a_frame(program, oracle, tmp_path, listen):
    files = []
    for index, (what, dtype) in enumerate(DTYPES.items()):
        size = 6 * dtype.itemsize
        data = (bytes(range(256)) * (size // 256 + 1))[:size]
        path = tmp_path / f"{index}.ndb"
        path.write_bytes(frame(oracle.spec(spec(dtype)), (2, 3), data, name=f"n{index}", attrs={"what": what}))
        files.append(path)
    odd = {f"n{i}" for i, what in enumerate(DTYPES) if what in ("unordered", "overlapping")}
    for options, suffix, refused in ([["--to", "ndb"], "ndb", set()], [[], "npy", odd]):
        out, again = tmp_path / suffix, tmp_path / f"{suffix} again"
        with Receiver(program, out, "--once", *options, listen=listen) as receiver:
            # Of what was passed over the sender hears.
            assert send(program, *files, receiver.address)[0] == (9 if refused else 0)
            code, lines, errors = receiver.done()
            assert (code, len(errors)) == ((2, len(refused)) if refused else (0, 0))
            assert all("passed over" in error and "--to ndb takes it" in error for error in errors)
        # And on from what was received: a checked .npy has kept all of it.
        names = [f"n{index}" for index in range(len(files)) if f"n{index}" not in refused]
        with Receiver(program, again, "--once", "--to", "ndb", listen=listen) as receiver:
            code, _, errors = send(program, *[out / f"{name}.{suffix}" for name in names], receiver.address)
            assert (code, errors) == (0, [])
            assert receiver.done()[0] == 0
        for name in names:
            assert (again / f"{name}.ndb").read_bytes() == (tmp_path / f"{name[1:]}.ndb").read_bytes(), name


def test_lengths_that_lie_and_silence(program, tmp_path):
    """20 bytes and a header that holds, both with lengths of 2^63, then nothing: an error in time, in little memory."""
    magic = whole(size=1)[:8]
    starts = {
        "long header": (magic + bytes(4) + struct.pack("<IQ", 0xFFFFFFC0, 1 << 63), "frame header is 4294967232"),
        "long data": (magic + bytes(4) + struct.pack("<IQ", 64, 1 << 63)[:8], "the peer moved 20 bytes"),
        "half a magic": (magic[:4], "the peer moved 4 bytes"),
        "2^62 bytes": (header(members("|u1", (1 << 62,)), 1 << 62), "the peer moved 0 bytes"),
        "2^63 bytes": (header(members("<u2", (1 << 62,)), 1 << 63), "array's size overflows"),
        "another protocol": (b"GET / HTTP/1.1\r\n\r\n  ", "not a frame"),
    }
    with Receiver(program, tmp_path / "in", "--timeout", "1") as receiver:
        with receiver.connect() as sock:
            sock.sendall(whole(size=3))
        eventually(lambda: receiver.files() == ["a.npy"])
        before = peak(receiver.pid)
        with contextlib.ExitStack() as stack:
            socks = [stack.enter_context(receiver.connect()) for _ in starts]
            for sock, (start, _) in zip(socks, starts.values()):
                sock.sendall(start)
            assert all(is_closed(sock) for sock in socks)
        grown = peak(receiver.pid) - before
        receiver.process.send_signal(signal.SIGINT)
        code, lines, errors = receiver.done()
    assert (code, len(lines), receiver.files()) == (9, 1, ["a.npy"])
    for what, (_, words) in starts.items():
        assert sum(words in error for error in errors) == 1, (what, errors)
    assert len(errors) == len(starts) and grown <= 2 * MIB


def test_the_system_looks_after_a_silent_peer(program, tmp_path):
    """Between arrays there is no time-out: a machine that has gone would hold its connection for ever."""
    with Receiver(program, tmp_path / "in") as receiver, receiver.connect() as sock:
        sock.sendall(whole(size=3))
        eventually(receiver.files)
        assert other_end(sock)[5].startswith("02:")  # The timer that asks is running.


def test_a_listener_removes_no_other_socket_file(program, tmp_path):
    path = tmp_path / "socket"
    with Receiver(program, tmp_path / "in", listen=f"unix:{path}") as receiver:
        path.unlink()
        with socket.socket(socket.AF_UNIX) as another:
            another.bind(os.fspath(path))
            receiver.process.send_signal(signal.SIGINT)
            assert receiver.done()[0] == 0
    assert path.exists()


def test_addresses_that_are_none(ndb, tmp_path):
    np.save(tmp_path / "a.npy", np.arange(3))
    allowed = "an address is tcp://HOST:PORT (tcp://:0 is any port of this machine), tls://HOST:PORT, udp://HOST:PORT or unix:/path"
    for address, why in {
        "tcp://:+80": f"no port from 0 to 65535; {allowed}",
        "unix://host/path": f"two slashes begin the name of a host, and there is none; {allowed}",
        "file:///a": f"neither tcp://, tls://, udp:// nor unix:; {allowed}",
        "tcp://localhost:0": "port 0 is for listeners; `ndbytes recv` prints the port it got",
    }.items():
        assert ndb.run("send", tmp_path / "a.npy", address, exit=2) == f'ndbytes: "{address}": {why}\n'
        if "port 0" not in why:
            assert ndb.run("recv", "--listen", address, exit=2) == f'ndbytes: "{address}": {why}\n'
