"""`ndbytes.send`, `recv`, `recv_iter` and `buffers` over all that Python has for streams, and with other peers."""

import fcntl
import io
import os
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading

import numpy as np
import pytest

import ndbytes
from cases import DTYPES, LAYOUTS, array, make
from command import ndb  # noqa: F401
from frames import frame, header, members
from oracle import has_extension
from specified import specified
from streams import MEDIA, PATIENCE, arrays, assert_same, descriptors, running, tcp, tls, values
from wire import Receiver, Server, eventually, is_read, send
from wire import listen, program  # noqa: F401

MIB = 1 << 20
peer = specified("peer")
SMALL = np.arange(24, dtype=">i2").reshape(2, 3, 4).transpose(2, 0, 1)


def frame_of(a, **options):
    file = io.BytesIO()
    ndbytes.send(file, a, **options)
    return file.getvalue()


@pytest.mark.parametrize("medium", MEDIA)
def test_every_class_of_dtype_and_layout_over_every_medium(medium, tmp_path):
    sent = [a for _, a in arrays()]

    def write(out):
        for a in sent:
            ndbytes.send(out, a)

    before = descriptors()
    found = MEDIA[medium].pass_on(write, lambda into: list(ndbytes.recv_iter(into)), tmp_path)
    assert descriptors() == before
    assert len(found) == len(sent)
    for one, other in zip(found, sent):
        assert_same(one, other)


@pytest.mark.parametrize("medium", MEDIA)
def test_large_arrays_over_every_medium(medium, tmp_path):
    sent = [make(np.dtype("<f8"), (3 * MIB // 8 + 5,)), make(np.dtype(">u2"), (1031, 1033))[::-1].T]

    def write(out):
        for a in sent:
            ndbytes.send(out, a)

    def read(into):
        first = ndbytes.recv(into, out=(out := np.empty_like(sent[0])))
        assert first is out
        second = ndbytes.recv(into)
        with pytest.raises(EOFError) as end:
            ndbytes.recv(into)
        assert type(end.value) is EOFError and str(end.value) == "the stream has ended: no more arrays come"
        return first, second

    for one, other in zip(MEDIA[medium].pass_on(write, read, tmp_path), sent):
        assert_same(one, other)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_over_a_socket(layout):
    for dtype in ["u1", "<f8", ">c16", "offsets", "nested", "bfloat16"] if layout != "6-D" else ["<f8", "subarray"]:
        sent = array("?" if dtype == "u1" else dtype, layout)
        here, there = socket.socketpair()
        with here, there, running(lambda: ndbytes.send(here, sent)):
            assert_same(ndbytes.recv(there), sent)


def test_not_a_byte_more_than_the_array(tmp_path):
    data = frame_of(SMALL) + b"behind"
    here, there = socket.socketpair()
    with here, there:
        here.sendall(data)
        assert_same(ndbytes.recv(there), SMALL)
        assert there.recv(100) == b"behind"
    (tmp_path / "file").write_bytes(data)
    reading, writing = os.pipe()
    os.write(writing, data)
    os.close(writing)
    for file in [io.BytesIO(data), open(tmp_path / "file", "rb", 0), open(tmp_path / "file", "rb"), open(reading, "rb", 0)]:
        with file:
            assert_same(ndbytes.recv(file), SMALL)
            assert file.read() == b"behind"


@pytest.mark.parametrize("medium", ["socketpair", "tls", "makefile", "raw makefile", "pipe", "buffered pipe", "BytesIO", "gzip"])
def test_every_cut_is_truncated_and_the_end_is_not(medium, tmp_path):
    data = frame_of(SMALL, name="small")

    def read(into):
        with pytest.raises(EOFError) as error:
            ndbytes.recv(into)
        return error.value

    def put(out, n):
        out.sendall(data[:n]) if hasattr(out, "sendall") else out.write(data[:n])

    for n in range(0, len(data), 1 if medium in ("socketpair", "BytesIO") else 5):
        error = MEDIA[medium].pass_on(lambda out: put(out, n), read, tmp_path)
        assert isinstance(error, ndbytes.TruncatedError) == (n > 0), n
    assert isinstance(error, ndbytes.Error)


def reset(sock):
    """Closes the connection so that the peer is told that something was lost."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.parametrize("kind", ["socket", "tls", "makefile"])
def test_a_reset_inside_an_array_is_truncated_and_between_two_an_error_of_the_connection(kind):
    data = frame_of(make(np.dtype("<f8"), (100_000,)))
    between = OSError if kind == "tls" else ConnectionError
    for n, expected in [(0, between), (10, ndbytes.TruncatedError), (150_000, ndbytes.TruncatedError)]:
        here, there = tls(suppress_ragged_eofs=False) if kind == "tls" else tcp()
        into = there.makefile("rb", buffering=0) if kind == "makefile" else there

        def cut():
            here.sendall(data[:n])
            # What is still on its way is not in the other end's queue yet.
            eventually(lambda: fcntl.ioctl(here, termios.TIOCOUTQ, bytes(4)) == bytes(4) and is_read(here))
            reset(here)

        with there, into, running(cut), pytest.raises(expected) as error:
            ndbytes.recv(into)
        assert "reset by peer" in str(error.value) or kind == "tls" and "EOF" in str(error.value)


def test_tls_that_ends_without_a_word_is_truncated_too():
    data = frame_of(SMALL)
    for n, expected in [(100, ndbytes.TruncatedError), (0, OSError)]:
        here, there = tls(suppress_ragged_eofs=False)
        with there:
            here.sendall(data + data[:n])
            here.close()
            assert_same(ndbytes.recv(there), SMALL)
            with pytest.raises(expected) as error:
                ndbytes.recv(there)
        assert "EOF" in str(error.value)


def test_bytes_that_hold_no_value_stay_at_home():
    for name in ["offsets", "aligned", "<g", ">G"]:
        one = make(DTYPES[name], (7,))
        gaps = np.frombuffer(one.tobytes(), "u1").reshape(7, -1)[:, ~values(one.dtype)]
        assert gaps.any()
        for data in [frame_of(one), b"".join(ndbytes.buffers(np.frombuffer(one.tobytes(), one.dtype)))]:
            found = np.frombuffer(ndbytes.recv(io.BytesIO(data)).tobytes(), "u1").reshape(7, -1)
            assert not found[:, ~values(one.dtype)].any()


def test_a_sender_hears_of_a_peer_that_has_gone():
    for pair in [socket.socketpair, tcp]:
        here, there = pair()
        with here, running(lambda: (there.recv(1000), reset(there))), pytest.raises(ConnectionError) as error:
            ndbytes.send(here, np.zeros(4 * MIB))
        assert "bytes of an array" in str(error.value)
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb", 0) as out, pytest.raises(ConnectionError):
        ndbytes.send(out, SMALL)


def modes(sock):
    timeouts = [sock.getsockopt(socket.SOL_SOCKET, name, 16) for name in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO)]
    return sock.gettimeout(), sock.getblocking(), fcntl.fcntl(sock, fcntl.F_GETFL), timeouts


@pytest.mark.parametrize("pair", [socket.socketpair, tcp, tls], ids=["unix", "tcp", "tls"])
def test_the_time_out_of_the_socket_is_the_time_out(pair):
    here, there = pair()
    with here, there:
        data = frame_of(np.arange(1000.0))
        there.settimeout(0.2)
        before = modes(there)
        with pytest.raises(TimeoutError):
            ndbytes.recv(there)
        # Nothing had begun, so nothing is lost.
        here.sendall(data)
        assert ndbytes.recv(there)[999] == 999
        here.sendall(data[:-1])
        with pytest.raises(TimeoutError):
            ndbytes.recv(there)
        assert modes(there) == before
        here.settimeout(0.2)
        before = modes(here)
        with pytest.raises(TimeoutError):
            ndbytes.send(here, np.zeros(4 * MIB))
        assert modes(here) == before


def test_a_trickle_meets_the_time_out_and_a_socket_without_one_waits():
    data, stop = frame_of(np.arange(1000.0)), threading.Event()
    here, there = tcp()

    def trickle():
        for n in range(len(data)):
            here.sendall(data[n : n + 1])
            if stop.wait(0.02):
                return

    with here, there:
        there.settimeout(0.5)
        with running(trickle):
            with pytest.raises(TimeoutError) as error:
                ndbytes.recv(there)
            stop.set()
    assert "it has that long for a header and for each 64 KiB" in str(error.value)
    here, there = socket.socketpair()
    with here, there, running(lambda: stop.wait(0) and threading.Event().wait(0.3) or here.sendall(data)):
        before = modes(there)
        assert len(ndbytes.recv(there)) == 1000
        assert modes(there) == before


def test_what_is_no_stream_is_refused_with_what_to_do(tmp_path):
    here, there = socket.socketpair()
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    (tmp_path / "file").write_bytes(b"")
    with here, there, datagrams, open(tmp_path / "file") as text, open(tmp_path / "file", "rb", 0) as raw:
        here.setblocking(False)
        for f, says in [
            (here, ["non-blocking", "settimeout(seconds or None)", "ndb.Decoder"]),
            (datagrams, ["SOCK_STREAM"]),
            (text, ["binary mode"]),
            (io.StringIO(), ["binary mode"]),
            (7, ["a socket or a binary file object", "found int"]),
            (b"bytes", ["found bytes"]),
        ]:
            for call in [lambda: ndbytes.send(f, SMALL), lambda: ndbytes.recv(f), lambda: ndbytes.recv_iter(f)]:
                with pytest.raises(ndbytes.ArgumentError) as error:
                    call()
                assert all(word in str(error.value) for word in says)
        with pytest.raises(ndbytes.ArgumentError, match="not open for writing"):
            ndbytes.send(raw, SMALL)
    for call in [lambda: ndbytes.send(there, SMALL), lambda: ndbytes.recv(there)]:
        with pytest.raises(OSError) as error:
            call()
        assert error.value.errno == 9
    for call in [lambda: ndbytes.send(raw, SMALL), lambda: ndbytes.recv(raw)]:
        with pytest.raises(ValueError, match="closed file"):
            call()


def test_what_a_file_object_raises_comes_out_as_it_was():
    class Broken:
        def read(self, n):
            raise KeyError(n)

        def write(self, data):
            raise LookupError(len(data))

    with pytest.raises(KeyError):
        ndbytes.recv(Broken())
    with pytest.raises(LookupError):
        ndbytes.send(Broken(), SMALL)

    class Text(Broken):
        def read(self, n):
            return "text"

    class Generous(Broken):
        def read(self, n):
            return bytes(n + 1)

    for stream in [Text(), Generous()]:
        with pytest.raises(TypeError):
            ndbytes.recv(stream)


def test_arrays_that_have_no_bytes_are_refused_and_nothing_is_sent():
    file = io.BytesIO()
    for bad, kind in [
        (np.array([{}]), ndbytes.UnsupportedError),
        (np.ma.masked_array([1], [True]), ndbytes.UnsupportedError),
        (np.array(["a"], np.dtypes.StringDType()), ndbytes.UnsupportedError),
        ([1, 2], ndbytes.ArgumentError),
    ]:
        with pytest.raises(kind):
            ndbytes.send(file, bad)
        with pytest.raises(kind):
            ndbytes.buffers(bad)
    with pytest.raises(ndbytes.ArgumentError, match="there is no codec"):
        ndbytes.send(file, SMALL, codec="gzip")
    with pytest.raises(ndbytes.ArgumentError, match="a .npy is not compressed"):
        ndbytes.send(file, SMALL, codec="zstd", npy=True)
    for attrs in [{"f": float("nan")}, [1]]:
        with pytest.raises(ValueError):
            ndbytes.send(file, SMALL, attrs=attrs)
    assert file.getvalue() == b""
    ndbytes.send(file, SMALL, codec="none")
    assert file.getvalue() == frame_of(SMALL)


def test_out_takes_the_items_at_any_strides_and_only_what_fits():
    rng = np.random.default_rng(5)
    for sent in [rng.random((40, 50)), np.asfortranarray(rng.random((40, 50))), rng.random((80, 50))[::2]]:
        data = frame_of(sent)
        for out in [np.empty((40, 50)), np.empty((50, 40)).T, np.empty((80, 150))[::-2, ::3], make(sent.dtype, (40, 50), 1)]:
            assert ndbytes.recv(io.BytesIO(data), out=out) is out
            assert np.array_equal(out, sent)
    for out, kind in [
        (np.full((40, 50), 7, ">f8"), ndbytes.MismatchError),
        (np.full((50, 40), 7, "<f8"), ndbytes.MismatchError),
        (np.full((40, 50), 7, "<i8"), ndbytes.MismatchError),
        (np.broadcast_to(np.full(1, 7.0), (40, 50)), ndbytes.ArgumentError),
    ]:
        with pytest.raises(kind):
            ndbytes.recv(io.BytesIO(data), out=out)
        assert (out == 7).all()
    for dtype in ["offsets", "titles", "extended", "bfloat16", ">M8[ns]"]:
        sent = make(DTYPES[dtype], (6, 5))
        out = make(DTYPES[dtype], (12, 5)).copy()[::-2]
        assert_values(ndbytes.recv(io.BytesIO(frame_of(sent)), out=out), sent)


def assert_values(found, sent):
    assert_same(found.copy(), sent)


def test_expectations_and_limits_are_held_against_the_header():
    huge = header(members("<f8", [1 << 40]), 1 << 43)
    data = frame_of(np.zeros((3, 128), "<f4"))
    assert ndbytes.recv(io.BytesIO(data), expect="<f4[?,128]").shape == (3, 128)
    for expect in ["<f4[?,64]", ">f4[?,128]", "<f4[?]", np.dtype("<f8")]:
        with pytest.raises(ndbytes.MismatchError):
            ndbytes.recv(io.BytesIO(data), expect=expect)
    with pytest.raises(ndbytes.MismatchError):
        # It does not wait for the data.
        ndbytes.recv(io.BytesIO(huge), expect="<f4[?,128]")
    with pytest.raises(ndbytes.ArgumentError):
        ndbytes.recv(io.BytesIO(data), expect="<f4[")
    for limits, kind in [(ndbytes.Limits(array=1535), ndbytes.LimitError), (ndbytes.Limits(array=1536), None)]:
        if kind is None:
            assert ndbytes.recv(io.BytesIO(data), limits=limits).nbytes == 1536
        else:
            with pytest.raises(kind, match="1535"):
                ndbytes.recv(io.BytesIO(data), limits=limits)
    with pytest.raises(ndbytes.LimitError):
        ndbytes.recv(io.BytesIO(huge), limits=ndbytes.Limits.untrusted())
    # A promise of 8 TiB costs what has come.
    with pytest.raises(ndbytes.TruncatedError):
        ndbytes.recv(io.BytesIO(huge + bytes(1000)))


def test_every_flipped_byte_is_an_error():
    data = frame_of(SMALL)
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 0x10
        with pytest.raises(ndbytes.Error):
            ndbytes.recv(io.BytesIO(damaged))


def test_an_iterator_ends_behind_an_error_and_keeps_what_came_before():
    data = frame_of(SMALL)
    for behind, kind in [(data[:-1], ndbytes.TruncatedError), (b"x" * 100, ndbytes.FormatError)]:
        stream = ndbytes.recv_iter(io.BytesIO(data + behind))
        assert iter(stream) is stream
        assert_same(next(stream), SMALL)
        with pytest.raises(kind):
            next(stream)
        assert list(stream) == []
    out = np.empty_like(SMALL)
    assert all(found is out for found in ndbytes.recv_iter(io.BytesIO(data * 3), out=out, expect=">i2[4,2,3]"))
    stream = ndbytes.recv_iter(io.BytesIO(data))
    assert len(list(stream)) == 1 and list(stream) == []


def test_ten_thousand_small_arrays_and_no_descriptor_more():
    before = descriptors()
    here, there = tcp()
    rows = np.arange(40_000, dtype="<i4").reshape(10_000, 4)

    def sending():
        with here:
            for row in rows:
                ndbytes.send(here, row)

    with there, running(sending):
        count = 0
        for found, row in zip(ndbytes.recv_iter(there), rows):
            assert found.tobytes() == row.tobytes()
            count += 1
    assert count == len(rows)
    assert descriptors() == before


def test_errors_leave_no_descriptor_behind():
    before = descriptors()
    for _ in range(50):
        here, there = socket.socketpair()
        with here, there:
            here.sendall(b"no frame at all" * 10)
            with pytest.raises(ndbytes.FormatError):
                ndbytes.recv(there)
            here.settimeout(0.01)
            with pytest.raises(TimeoutError):
                ndbytes.send(here, np.zeros(MIB))
    assert descriptors() == before


def test_two_threads_in_each_direction_of_one_connection():
    here, there = socket.socketpair()
    rng = np.random.default_rng(1)
    mine, theirs = ([rng.random(n) for n in rng.integers(0, 50_000, 40)] for _ in range(2))

    def sending(sock, arrays):
        for a in arrays:
            ndbytes.send(sock, a)
        sock.shutdown(socket.SHUT_WR)

    with here, there:
        with running(lambda: sending(here, mine)), running(lambda: sending(there, theirs)):
            with running(lambda: list(ndbytes.recv_iter(here))) as received:
                found = list(ndbytes.recv_iter(there))
    for one, other in zip(found + received(), mine + theirs, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("layout", ["contiguous", "strided"])
def test_an_array_that_changes_while_it_is_sent_verifies(layout):
    sent = np.zeros((64, MIB // 16))
    sent = sent if layout == "contiguous" else sent[:, ::-1]
    stop = threading.Event()

    def change():
        n = 0
        while not stop.is_set():
            n += 1
            sent[:] = n

    here, there = socket.socketpair()
    with here, there, running(change):
        try:
            for _ in range(5):
                with running(lambda: ndbytes.send(here, sent)):
                    assert ndbytes.recv(there).shape == sent.shape
                assert b"".join(map(bytes, ndbytes.buffers(sent)))[:5] == b"\x89NDBF"
        finally:
            stop.set()


INTERRUPTED = """
import os, signal, socket, threading, numpy as np, ndbytes
here, there = socket.socketpair()
reading, writing = os.pipe()
data = b"".join(ndbytes.buffers(np.zeros(100_000)))[:70_000]
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    {call}
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize(
    "call",
    [
        "ndbytes.recv(there)",
        "here.sendall(data); ndbytes.recv(there)",
        "there.settimeout(50); ndbytes.recv(there)",
        "ndbytes.recv(there.makefile('rb'))",
        "ndbytes.recv(open(reading, 'rb', 0))",
        "ndbytes.recv(open(reading, 'rb'))",
        "ndbytes.send(here, np.zeros(1 << 20))",
        "ndbytes.send(open(writing, 'wb', 0), np.zeros(1 << 20))",
    ],
)
def test_control_c_ends_any_wait(call):
    # A pytest that was started in the background may have SIGINT ignored.
    line = [sys.executable, "-c", "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
            + INTERRUPTED.format(call=call)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.stdout, done.returncode) == ("interrupted\n", 0), done.stderr


def test_handlers_of_other_signals_run_and_the_wait_goes_on():
    here, there = socket.socketpair()
    ran = []
    old = signal.signal(signal.SIGUSR1, lambda *_: (ran.append(1), here.sendall(frame_of(SMALL))))
    try:
        with here, there:
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1)).start()
            assert_same(ndbytes.recv(there), SMALL)
    finally:
        signal.signal(signal.SIGUSR1, old)
    assert ran == [1]


def test_buffers_are_what_send_sends():
    for _, a in arrays():
        parts = ndbytes.buffers(a, name="x", attrs={"unit": "V"})
        assert b"".join(map(bytes, parts)) == frame_of(a, name="x", attrs={"unit": "V"})


def test_buffers_borrow_only_what_cannot_change():
    owner = np.random.default_rng(0).bytes(3 * MIB + 16)
    fixed = np.frombuffer(owner, "<f4", offset=16)
    for a in [fixed, fixed.reshape(-1, 8)[10:].T, memoryview(owner)[16:], owner]:
        parts = ndbytes.buffers(a)
        assert len(parts) > 4
        assert all(type(part) is memoryview and part.obj is owner for part in parts[1:-1])
        assert ndbytes.loads(b"".join(parts)).tobytes("A") == (a.tobytes("A") if isinstance(a, np.ndarray) else bytes(a))
    changing = fixed.copy()
    for a in [changing, changing[::2], memoryview(changing), bytearray(owner), fixed[::2]]:
        parts = ndbytes.buffers(a)
        before = b"".join(parts)
        changing[:] = 7
        assert all(type(part) is bytes for part in parts) and b"".join(parts) == before
    frozen = changing.copy()[:]
    frozen.flags.writeable = False  # Its base can still be written to.
    assert all(type(part) is bytes for part in ndbytes.buffers(frozen))


def test_the_command_line_receives_and_sends(program, tmp_path, listen):
    sent = {"a": SMALL, "b": np.arange(300_000.0), "c": np.array(3, "<u2")}
    with Receiver(program, tmp_path / "in", "--once", listen=listen) as receiver:
        with receiver.connect() as sock:
            for name, a in sent.items():
                ndbytes.send(sock, a, name=name)
        code, lines, errors = receiver.done()
        assert (code, errors, len(lines)) == (0, [], 3)
    for name, a in sent.items():
        assert np.array_equal(np.load(tmp_path / "in" / f"{name}.npy"), a)
    with Server(listen) as server:
        wait = server.next(lambda sock: list(ndbytes.recv_iter(sock)))
        files = [tmp_path / "in" / f"{name}.npy" for name in sent]
        assert send(program, *files, server.address)[0] == 0
        for found, a in zip(wait(), sent.values(), strict=True):
            assert np.array_equal(found, a) and found.dtype == a.dtype


def test_the_peer_of_the_specification_sends_and_receives():
    here, there = tcp()
    with here, there:
        ndbytes.send(here, np.arange(6, dtype=">u4").reshape(2, 3), name="six", attrs={"unit": "K"})
        found = peer.recv(there)
        assert (found["dtype"], found["shape"], found["name"], found["attrs"]) == (">u4", [2, 3], "six", {"unit": "K"})
        assert found["data"] == np.arange(6, dtype=">u4").tobytes()
        peer.send(there, "seven", "<i2", (7,), np.arange(7, dtype="<i2").tobytes())
        assert np.array_equal(ndbytes.recv(here, expect="<i2[7]"), np.arange(7))
        there.shutdown(socket.SHUT_WR)
        with pytest.raises(EOFError):
            ndbytes.recv(here)


@pytest.mark.parametrize("pair", [socket.socketpair, tls], ids=["unix", "tls"])
def test_a_peer_that_has_only_numpy(pair):
    sent = [a for name, a in arrays() if not has_extension(DTYPES[name]) and name not in ("unordered", "overlapping")]

    def numpy_sends(sock):
        with sock:
            for a in sent:
                buffer = io.BytesIO()
                np.save(buffer, a, allow_pickle=False)
                sock.sendall(buffer.getbuffer())

    here, there = pair()
    with there, running(lambda: numpy_sends(here)) as result:
        for found, a in zip(ndbytes.recv_iter(there, npy=True), sent, strict=True):
            assert_same(found, a)
    result()

    def we_send(sock):
        with sock:
            for a in sent:
                ndbytes.send(sock, a, npy=True)

    here, there = pair()
    with there, there.makefile("rb", buffering=0) as file, running(lambda: we_send(here)) as result:
        for a in sent:
            found = np.lib.format.read_array(file, allow_pickle=False)
            assert (found.dtype, found.shape) == (a.dtype, a.shape)
            if a.dtype.names is None:
                assert found.tobytes() == a.tobytes()
        with pytest.raises(ValueError, match="EOF"):
            np.lib.format.read_array(file, allow_pickle=False)
    result()


def test_the_two_modes_name_each_other():
    file = io.BytesIO()
    np.save(file, np.arange(3))
    with pytest.raises(ndbytes.FormatError, match="npy"):
        ndbytes.recv(io.BytesIO(file.getvalue()))
    with pytest.raises(ndbytes.FormatError):
        ndbytes.recv(io.BytesIO(frame_of(SMALL)), npy=True)
    for options in [{"name": "x"}, {"attrs": {"a": 1}}]:
        with pytest.raises(ndbytes.ArgumentError):
            ndbytes.send(io.BytesIO(), SMALL, npy=True, **options)
    with pytest.raises(ndbytes.ArgumentError, match="bfloat16"):
        ndbytes.send(io.BytesIO(), make(DTYPES["bfloat16"], (3,)), npy=True)


def test_a_frame_of_another_writer_arrives():
    data = frame("<u2", (3,), b"\1\0\2\0\3\0", name="n", attrs={"a": [1]})
    assert ndbytes.recv(io.BytesIO(data)).tolist() == [1, 2, 3]
