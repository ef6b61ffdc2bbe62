"""`ndbytes send` and `ndbytes recv` between processes, with the peer of `spec/` and with NumPy, over TCP and Unix."""

import contextlib
import io
import os
import signal
import socket
import struct
import subprocess
import threading

import numpy as np

from cases import DTYPES
from command import ndb  # noqa: F401
from frames import frame, header, members
from oracle import has_extension
from saving import needs_root
from specified import specified
from wire import PATIENCE, Receiver, Server, eventually, is_closed, peak, send, sparse
from wire import listen, program  # noqa: F401

MIB = 1 << 20
peer = specified("peer")


def arrays():
    rng = np.random.default_rng(3)
    for index, (what, dtype) in enumerate(DTYPES.items()):
        if has_extension(dtype) or what in ("unordered", "overlapping"):
            continue  # np.save cannot write these.
        for shape in [(), (0, 3), (2, 3)]:
            raw = rng.integers(0, 256, int(np.prod(shape)) * dtype.itemsize, "u1").tobytes()
            array = np.frombuffer(raw, f"V{dtype.itemsize}").view(dtype) if raw else np.zeros(shape, dtype)
            yield f"a{index}-{len(shape)}", array.reshape(shape)


def same(found, sent):
    return (found.dtype, found.shape, found.tobytes()) == (sent.dtype, sent.shape, sent.tobytes())


def test_every_class_of_dtype_between_two_processes(program, tmp_path, listen):
    sent, out = dict(arrays()), tmp_path / "in"
    sent["fortran"] = np.asfortranarray(np.arange(12, dtype=">u2").reshape(3, 4))
    for name, array in sent.items():
        np.save(tmp_path / f"{name}.npy", array)
    with Receiver(program, out, "--once", listen=listen) as receiver:
        code, lines, errors = send(program, *[tmp_path / f"{name}.npy" for name in sent], receiver.address)
        assert (code, errors, len(lines)) == (0, [], len(sent))
        code, lines, errors = receiver.done()
        assert (code, errors, len(lines)) == (0, [], len(sent))
    for name in sent:
        assert (out / f"{name}.npy").read_bytes() == (tmp_path / f"{name}.npy").read_bytes()


def test_what_a_file_says_of_its_array_goes_along(program, ndb, tmp_path):
    array = np.arange(6, dtype="<f4").reshape(2, 3)
    np.save(tmp_path / "plain.npy", array)
    ndb.run("convert", tmp_path / "plain.npy", "-o", tmp_path / "packed.npy.gz")
    attrs = {"unit": "V"}
    labelled = frame("bfloat16", (2, 3), bytes(range(12)), name="from the lab", attrs=attrs)
    (tmp_path / "x.ndb").write_bytes(labelled)
    out = tmp_path / "in"
    with Receiver(program, out, "--once") as receiver:
        code, _, errors = send(program, tmp_path / "packed.npy.gz", tmp_path / "x.ndb", receiver.address)
        assert (code, errors) == (0, [])
        assert receiver.done()[0] == 0
        assert receiver.files() == ["from the lab.npy", "packed.npy"]
    assert (out / "packed.npy").read_bytes() == (tmp_path / "plain.npy").read_bytes()
    facts = ndb.json("info", out / "from the lab.npy")[0]
    assert (facts["dtype"], facts["name"], facts["attrs"]) == ("bfloat16", "from the lab", attrs)
    assert ndb.run("verify", "--require-checksum", out / "from the lab.npy").endswith(": ok\n")
    with Receiver(program, tmp_path / "in2", "--once", "--to", "ndb") as receiver:
        assert send(program, tmp_path / "x.ndb", receiver.address)[0] == 0
        assert receiver.done()[0] == 0
    assert (tmp_path / "in2" / "from the lab.ndb").read_bytes() == (tmp_path / "x.ndb").read_bytes()


def test_the_peer_of_the_specification_sends_and_receives(program, tmp_path, listen):
    """60 lines of Python, written from FORMAT.md and WIRE.md alone."""
    sent = {name: array for name, array in arrays() if array.dtype.names is None}
    out = tmp_path / "in"
    with Receiver(program, out, "--once", listen=listen) as receiver:
        with receiver.connect() as sock:
            for name, array in sent.items():
                peer.send(sock, name, array.dtype.str, array.shape, array.tobytes())
        code, _, errors = receiver.done()
        assert (code, errors) == (0, [])
    for name, array in sent.items():
        assert same(np.load(out / f"{name}.npy"), array)
    with Server(listen) as server:
        got = server.next(lambda sock: list(iter(lambda: peer.recv(sock), None)))
        code, _, errors = send(program, *[out / f"{name}.npy" for name in sent], server.address)
        assert (code, errors) == (0, [])
        for (name, array), found in zip(sent.items(), got(), strict=True):
            assert (found["name"], found["dtype"], found["shape"]) == (name, array.dtype.str, list(array.shape))
            assert found["data"] == array.tobytes()


def test_ten_thousand_small_arrays(program, tmp_path):
    out = tmp_path / "in"
    one = frame("<u4", (), b"\1\2\3\4")
    with Receiver(program, out, "--once") as receiver:
        sock = receiver.connect()

        def work():
            with sock:
                sock.sendall(one * 10_000)

        thread = threading.Thread(target=work)
        thread.start()
        code, lines, errors = receiver.done()
        thread.join()
        assert (code, len(lines), errors) == (0, 10_000, [])
    names = {path.name for path in out.iterdir()}
    assert names == {f"array-{i + 1}.npy" for i in range(10_000)}
    assert same(np.load(out / "array-10000.npy"), np.array(0x04030201, "<u4"))


def test_peers_that_have_only_numpy(program, tmp_path):
    sent = [np.arange(5.0), np.array(3, ">i2"), np.zeros((0, 2), "S3")]
    out = tmp_path / "in"
    with Receiver(program, out, "--once", "--npy") as receiver:
        with receiver.connect() as sock:
            for array in sent:
                buffer = io.BytesIO()
                np.save(buffer, array, allow_pickle=False)
                sock.sendall(buffer.getbuffer())
        assert receiver.done()[0] == 0
    for index, array in enumerate(sent):
        assert same(np.load(out / f"array-{index + 1}.npy"), array)

    def read(sock):
        file = sock.makefile("rb", buffering=0)
        return [np.lib.format.read_array(file, allow_pickle=False) for _ in sent]

    with Server("tcp://:0") as server:
        got = server.next(read)
        files = [out / f"array-{index + 1}.npy" for index in range(len(sent))]
        assert send(program, "--npy", *files, server.address)[0] == 0
        assert all(same(found, array) for found, array in zip(got(), sent, strict=True))
    # Without the word for it, each says what the other speaks.
    with Receiver(program, out, "--once") as receiver:
        with receiver.connect() as sock:
            sock.sendall(files[0].read_bytes())
            assert is_closed(sock)
        code, _, errors = receiver.done()
        assert code == 5 and "this looks like .npy: a sender that has only NumPy needs npy=True" in errors[0]


def test_names_are_names(program, tmp_path):
    out = tmp_path / "in"
    names = {
        "../../evil": "_.._evil.npy",
        "/etc/passwd": "_etc_passwd.npy",
        "..": "array-1.npy",
        "": "array-2.npy",
        ".hidden": "hidden.npy",
        "a\0b\nc": "a_b_c.npy",
        "C:\\x": "C__x.npy",
        "con": "_con.npy",
        "\u202egnp.exe": "_gnp.exe.npy",
        "déjà vu.npy": "déjà vu.npy",
        "x" * 300: "x" * 150 + ".npy",
    }
    with Receiver(program, out, "--once") as receiver:
        with receiver.connect() as sock:
            for name in names:
                sock.sendall(frame("|u1", (1,), b"\7", name=name))
        code, lines, errors = receiver.done()
        assert (code, errors, len(lines)) == (0, [], len(names))
        assert receiver.files() == sorted(names.values())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


def test_nothing_is_replaced_unasked(program, tmp_path):
    out = tmp_path / "in"
    out.mkdir()
    (out / "a.npy").write_bytes(b"mine")
    (out / "link.npy").symlink_to(tmp_path / "outside.npy")
    (out / "folder.npy").mkdir()
    sent = [frame("|u1", (1,), bytes([i]), name=name) for i, name in enumerate(["a", "link", "folder", "b", "b"])]
    with Receiver(program, out, "--once") as receiver:
        with receiver.connect() as sock:
            sock.sendall(b"".join(sent))
        code, lines, errors = receiver.done()
    assert (code, len(lines)) == (8, 1)
    assert len(errors) == 4 and all("passed over: only --force replaces it" in error for error in errors)
    assert (out / "a.npy").read_bytes() == b"mine" and np.load(out / "b.npy") == 3
    with Receiver(program, out, "--once", "--force") as receiver:
        with receiver.connect() as sock:
            sock.sendall(b"".join(sent))
        code, lines, errors = receiver.done()
    assert (code, len(lines)) == (2, 3)
    assert "a symbolic link, which may lead out of the folder" in errors[0] and "is no file" in errors[1]
    assert np.load(out / "a.npy") == 0 and np.load(out / "b.npy") == 4
    assert not (tmp_path / "outside.npy").exists()


def test_every_cut_of_a_session_is_reported(program, tmp_path):
    """One receiver, a connection for each cut, by the end of the connection and by a reset."""
    sent = [frame("<i2", (2, 3), bytes(range(12)), name="a"), frame("|u1", (), b"\1", name="b"), frame("|S2", (0,), b"")]
    session = b"".join(sent)
    ends = np.cumsum([0] + [len(part) for part in sent])
    out = tmp_path / "in"
    with Receiver(program, out, "--force") as receiver:
        for cut in range(len(session) + 1):
            with receiver.connect() as sock:
                sock.sendall(session[:cut])
                if cut % 2:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # They are taken in turn: once the last one has been, all have.
        with receiver.connect() as sock:
            sock.sendall(frame("|u1", (), b"\1", name="last"))
        eventually((out / "last.npy").exists)
        eventually(lambda: not connections(receiver))
        receiver.process.send_signal(signal.SIGINT)
        code, lines, errors = receiver.done()
    inside = [cut for cut in range(len(session) + 1) if cut not in ends]
    # A reset may come before what was sent was read: then it is all that is reported.
    reset = [error for error in errors if "the peer closed the connection" in error]
    assert len(errors) <= len(inside) + 2 and len(errors) - len(reset) >= len([cut for cut in inside if cut % 2 == 0])
    assert code in (5, 9) and len(lines) <= 1 + sum(int((ends[1:] <= cut).sum()) for cut in range(len(session) + 1))
    unnamed = [name for name in receiver.files() if name not in ("a.npy", "b.npy", "last.npy")]
    assert len(unnamed) <= 1 and all(name.startswith("array-") for name in unnamed)
    assert all(np.load(out / name).nbytes in (0, 1, 12) for name in receiver.files())


def connections(receiver):
    """Open sockets of the process, its listener aside."""
    links = []
    for fd in os.listdir(f"/proc/{receiver.pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            links.append(os.readlink(f"/proc/{receiver.pid}/fd/{fd}"))
    return [link for link in links if link.startswith("socket:")][1:]


def test_damage_on_the_way_is_reported_and_leaves_no_file(program, tmp_path):
    whole = frame("<f8", (40_000,), os.urandom(320_000), name="a")
    out = tmp_path / "in"
    with Receiver(program, out) as receiver:
        for at in [0, 9, 30, 100, 128, 200_000, len(whole) - 50, len(whole) - 1]:
            damaged = bytearray(whole)
            damaged[at] ^= 4
            with receiver.connect() as sock:
                with contextlib.suppress(OSError):  # It may have seen enough.
                    sock.sendall(damaged)
                    sock.shutdown(socket.SHUT_WR)
                assert is_closed(sock)
        receiver.process.send_signal(signal.SIGINT)
        code, lines, errors = receiver.done()
    assert (code, lines, receiver.files()) == (6, [], [])
    assert len(errors) == 8 and sum("damaged" in error or "not a frame" in error for error in errors) == 8


def test_a_damaged_file_is_cut_off(program, tmp_path):
    """What was damaged on disk must not arrive as if it were whole."""
    good, out = tmp_path / "good.ndb", tmp_path / "in"
    good.write_bytes(frame("|u1", (3 * MIB,), bytes(3 * MIB), name="good"))
    damaged = bytearray(good.read_bytes())
    damaged[2 * MIB] ^= 1
    (tmp_path / "bad.ndb").write_bytes(damaged)
    with Receiver(program, out, "--once") as receiver:
        code, lines, errors = send(program, good, tmp_path / "bad.ndb", good, receiver.address)
        assert code == 6 and len(lines) == 1 and "block 1 of 0 to 2" in errors[0]
        code, lines, errors = receiver.done()
        assert len(lines) == 1 and code in (5, 9) and len(errors) == 1
        assert receiver.files() == ["good.npy"]


def test_a_trickling_peer_meets_the_time_out_and_no_other_waits_for_it(program, tmp_path):
    whole = frame("<f8", (100,), bytes(800), name="a")
    with Receiver(program, tmp_path / "in", "--timeout", "1.5") as receiver:
        slow, silent = receiver.connect(), receiver.connect()
        slow.settimeout(1)
        closed = False
        with receiver.connect() as quick:
            quick.sendall(whole)
        for byte in whole:  # A byte a second; it would take a quarter of an hour.
            try:
                slow.sendall(bytes([byte]))
                closed = slow.recv(1) == b""
            except TimeoutError:
                continue
            except ConnectionError:
                closed = True
            if closed:
                break
        assert closed
        # Who has sent nothing yet may take its time.
        silent.sendall(whole.replace(b'"a"', b'"b"'))
        silent.close()
        receiver.process.send_signal(signal.SIGTERM)
        code, _, errors = receiver.done()
    assert any("the peer moved" in error for error in errors)
    assert "a.npy" in receiver.files()


def test_limits_come_before_memory(program, tmp_path):
    huge = {
        "header": frame("|u1", (1,), b"\0")[:12] + struct.pack("<IQ", 0xFFFFFFC0, 1 << 63),
        "array": frame_header("|u1", (1 << 62,), 1 << 62),
        "max-bytes": frame_header("|u1", (1001,), 1001),
    }
    with Receiver(program, tmp_path / "in", "--max-bytes", "1000") as receiver:
        before = peak(receiver.pid)
        for start in huge.values():
            with receiver.connect() as sock:
                sock.sendall(start)
                assert is_closed(sock)
        grown = peak(receiver.pid) - before
        receiver.process.send_signal(signal.SIGINT)
        code, _, errors = receiver.done()
    assert code == 7 and grown <= 2 * MIB
    assert "frame header is 4294967232, at most 65536 are allowed" in errors[0]
    assert all("at most 1000 are allowed" in error for error in errors[1:]) and len(errors) == 3


def frame_header(dtype, shape, size):
    return header(members(dtype, shape), size)


def test_three_gib_in_little_memory(program, oracle_program, tmp_path):
    big = sparse(tmp_path / "big.npy", 3)
    with Receiver(program, tmp_path / "in", "--once") as receiver:
        before = peak(receiver.pid)
        sender = subprocess.Popen([program, "send", big, receiver.address], stdout=subprocess.PIPE)
        most = 0
        while receiver.process.poll() is None and sender.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                most = max(most, peak(receiver.pid))
        assert sender.wait(60) == 0 and sender.stdout.read().decode().endswith("3,221,225,472 bytes sent\n")
        assert receiver.done()[0] == 0
        assert 0 < most - before <= 64 * MIB
    received = tmp_path / "in" / "big.npy"
    assert received.stat().st_size == (3 << 30) + 128
    received.unlink()
    # The library, into memory: the array and little else.
    receiver = subprocess.Popen([oracle_program, "recv"], stdout=subprocess.PIPE)
    address = receiver.stdout.readline().decode().strip()
    assert send(program, big, f"tcp://{address}")[0] == 0
    count, nbytes, kib = receiver.communicate(timeout=60)[0].split()
    assert (int(count), int(nbytes)) == (1, 3 << 30)
    assert (3 << 30) <= int(kib) * 1024 <= (3 << 30) + 16 * MIB


@needs_root
def test_a_full_disk_leaves_no_file_and_the_sender_sees_it(program, tmp_path):
    out, array = tmp_path / "in", tmp_path / "a.npy"
    out.mkdir()
    np.save(array, np.zeros(4 * MIB, "u1"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", out], check=True)
    try:
        with Receiver(program, out, "--once") as receiver:
            code, _, errors = send(program, array, receiver.address)
            assert code == 9 and ("the peer closed the connection" in errors[0] or "broke the connection" in errors[0])
            code, lines, errors = receiver.done()
            assert (code, lines, receiver.files()) == (8, [], []) and "No space left" in errors[0]
    finally:
        subprocess.run(["umount", out], check=True)


def test_killed_in_the_middle_nothing_is_there_and_the_rest_is_cleaned(program, tmp_path):
    whole, out = frame("|u1", (3 * MIB,), bytes(3 * MIB), name="a"), tmp_path / "in"
    with Receiver(program, out) as receiver:
        with receiver.connect() as sock:
            sock.sendall(whole[: 2 * MIB])
            eventually(lambda: receiver.files())
            receiver.process.kill()
            receiver.process.wait()
    assert not (out / "a.npy").exists() and len(receiver.files()) == 1
    with Receiver(program, out, "--once") as receiver:
        with receiver.connect() as sock:
            sock.sendall(whole)
        assert receiver.done()[0] == 0
        assert receiver.files() == ["a.npy"]


def test_a_socket_file_is_private_and_goes_with_its_listener(program, tmp_path):
    path = tmp_path / "socket"
    with Receiver(program, tmp_path / "in", listen=f"unix:{path}") as receiver:
        assert path.stat().st_mode & 0o777 == 0o600
        other = listen_at(program, path)
        assert other.returncode == 8 and "Address already in use" in other.stderr
        receiver.process.send_signal(signal.SIGINT)
        assert receiver.done()[0] == 0
    assert not path.exists()
    with Receiver(program, tmp_path / "in", listen=f"unix:{path}") as receiver:
        receiver.process.kill()
        receiver.process.wait()
    assert path.exists()  # It was left, and is in nobody's way.
    with Receiver(program, tmp_path / "in", "--once", listen=f"unix:{path}") as receiver:
        receiver.connect().close()
        assert receiver.done()[0] == 0
    path.write_bytes(b"a file of mine")
    other = listen_at(program, path)
    assert other.returncode == 8 and path.read_bytes() == b"a file of mine"


def listen_at(program, path):
    """A listener that should find that it cannot be one."""
    line = [program, "recv", "--listen", f"unix:{path}"]
    return subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE)


def test_nobody_there(program, tmp_path):
    np.save(tmp_path / "a.npy", np.arange(3))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    code, _, errors = send(program, tmp_path / "a.npy", f"tcp://127.0.0.1:{free}")
    assert (code, errors) == (9, [f"ndbytes: cannot connect to tcp://127.0.0.1:{free}: Connection refused (os error 111)"])
    code, _, errors = send(program, tmp_path / "a.npy", f"unix:{tmp_path}/none")
    assert code == 3 and "No such file or directory" in errors[0]
    code, _, errors = send(program, tmp_path / "a.npy", tmp_path / "b.npy")
    assert code == 2 and "neither tcp://, tls://, udp:// nor unix:" in errors[0]


def test_beyond_loopback_there_is_a_warning(program, tmp_path):
    with Receiver(program, tmp_path / "in", listen="tcp://0.0.0.0:0") as receiver:
        receiver.process.send_signal(signal.SIGINT)
        code, _, errors = receiver.done()
    assert code == 0 and errors == [
        "ndbytes: other machines can connect: nobody is asked who they are, and nothing is encrypted"
    ]
