"""Channels: messages of arrays both ways, many peers, peers that are killed, and what must not happen."""

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import ndbytes as ndb
from channels import SMALL, flushed, raw, sending, until
from checked import crc32c
from streams import PATIENCE, arrays, assert_same, descriptors


@pytest.fixture(params=["tcp", "unix"])
def url(request, tmp_path):
    return "tcp://127.0.0.1:0" if request.param == "tcp" else f"unix:{tmp_path}/socket"


@pytest.fixture
def pair(url):
    with ndb.listen(url) as listener, ndb.connect(listener.url) as channel:
        yield channel, listener


def test_every_dtype_and_layout_in_groups(pair):
    channel, listener = pair
    everything = [array for _, array in arrays()]
    groups = [dict(zip("abcdefg", everything[at : at + 7])) for at in range(0, len(everything), 7)]

    def work():
        for at, group in enumerate(groups):
            assert channel.send(group, attrs={"at": at}) == at

    join = sending(work)
    for at, group in enumerate(groups):
        message = listener.recv(timeout=PATIENCE)
        assert (message.seq, message.attrs, list(message.arrays)) == (at, {"at": at}, list(group))
        assert abs(message.sent_ns - time.time_ns()) < 600e9
        for name, array in group.items():
            assert_same(message[name], array)
    join()
    assert listener.stats["received"] == channel.stats["sent"] == len(groups)


def test_ten_thousand_small_ones_and_one_large(pair):
    channel, listener = pair
    large = np.random.default_rng(5).integers(0, 256, (1 << 26,), "u1")

    def work():
        for at in range(10_000):
            channel.send(SMALL + at, on_full="block")
        channel.send(large)

    join = sending(work)
    for at in range(10_000):
        assert (listener.recv().array == SMALL + at).all()
    assert (listener.recv().array == large).all()
    join()


def test_answers_and_the_end(pair):
    channel, listener = pair

    def work():
        with listener.accept(PATIENCE) as peer:
            for message in peer:
                peer.send({name: -array for name, array in message.arrays.items()}, attrs=message.attrs)

    join = sending(work)
    for at in range(100):
        channel.send(SMALL, {"at": at}, name="x")
        answer = channel.recv()
        assert (answer["x"] == -SMALL).all() and answer.attrs == {"at": at} and answer.name == "x"
    channel.close()
    join()
    assert channel.closed
    for call in (lambda: channel.send(SMALL), channel.recv):
        with pytest.raises(ndb.ArgumentError, match="the channel was closed"):
            call()


def test_the_end_of_the_other_side(pair):
    channel, listener = pair
    listener.accept(PATIENCE).close()
    with pytest.raises(EOFError, match="the peer has closed the channel"):
        channel.recv(timeout=PATIENCE)
    assert list(channel) == []


def test_into_arrays_of_ones_own(pair):
    channel, listener = pair
    out = {"a": np.empty((3, 4), "<i4")[::-1], "b": np.empty(2, ">f8")}
    channel.send({"b": np.ones(2, ">f8"), "a": SMALL})
    message = listener.recv(out)
    assert message["a"] is out["a"] and message["b"] is out["b"]
    assert (out["a"] == SMALL).all() and (out["b"] == 1).all()
    one = np.empty((3, 4), "<i4")
    channel.send(SMALL)
    assert listener.recv(one).array is one and (one == SMALL).all()


@pytest.mark.parametrize("out, message", [
    (np.empty((4, 3), "<i4"), "out is <i4[4,3], the array <i4[3,4]"),
    ({"b": np.empty((3, 4), "<i4")}, "out has no array for array 1 of the message, \"a\""),
])
def test_what_does_not_fit_ends_the_connection(pair, out, message):
    channel, listener = pair
    channel.send({"a": SMALL})
    with pytest.raises(ndb.MismatchError) as raised:
        listener.recv(out)
    assert message in str(raised.value)
    with pytest.raises(ConnectionError, match="the peer (closed the connection|broke the channel off)"):
        channel.recv(timeout=PATIENCE)
    with ndb.connect(listener.url) as other:
        other.send(SMALL)
        assert (listener.recv().array == SMALL).all()
    assert listener.stats["failed"] == 1


def test_the_newest_alone(url):
    with ndb.listen(url, keep="latest") as listener, ndb.connect(listener.url) as channel:
        for at in range(100):
            channel.send({"a": np.full(5, at), "b": SMALL})
        until(lambda: listener.stats["received"] == 100)
        assert (listener.recv()["a"] == 99).all()
        with pytest.raises(TimeoutError, match="no message began within 0.05 s"):
            listener.recv(timeout=0.05)
        out = {"a": np.empty(5, int), "b": np.empty((3, 4), "<i4")}
        channel.send({"a": np.full(5, 7), "b": SMALL})
        message = listener.recv(out)
        assert message["a"] is out["a"] and (out["a"] == 7).all() and (out["b"] == SMALL).all()
        assert listener.stats["dropped"] == 99


def test_a_slow_consumer_never_sees_an_old_frame(url):
    frame = np.zeros((108, 192, 3), "u1")
    with ndb.listen(url, keep="latest") as listener, ndb.connect(listener.url) as channel:
        stop = threading.Event()

        def work():
            while not stop.wait(1 / 60):
                channel.send(frame)

        join = sending(work)
        for _ in range(15):
            time.sleep(0.1)
            until(lambda: listener.stats["received"] > 0)
            newest = listener.stats["received"] - 1
            assert listener.recv(timeout=PATIENCE).seq >= newest, "nothing older than what was there when it asked"
        stop.set()
        join()
        assert listener.stats["dropped"] > 30


def test_a_slow_peer_and_drop_oldest(pair):
    channel, listener = pair
    large = np.zeros(1 << 23, "u1")
    started = time.monotonic()
    for at in range(50):
        large[0] = at
        assert channel.send(large, on_full="drop_oldest") is None
    assert time.monotonic() - started < PATIENCE / 2
    found = [listener.recv(timeout=PATIENCE).array[0]]
    while found[-1] != 49:
        found.append(listener.recv(timeout=PATIENCE).array[0])
    assert found == sorted(set(found)) and len(found) < 50
    assert channel.stats["dropped"] == 50 - len(found)
    # One that waits goes before one that is waited for.
    channel.send(SMALL, on_full="drop_oldest")
    join = sending(lambda: channel.send(SMALL + 1))
    assert [listener.recv().array[0, 0] for _ in range(2)] == [0, 1]
    join()


def test_mistakes(url):
    with ndb.listen(url) as listener, ndb.connect(listener.url) as channel:
        for wrong, error in [
            (lambda: channel.send({}), "a message has at least one array"),
            (lambda: channel.send({1: SMALL}), "the arrays of a message have text as names, found 1"),
            (lambda: channel.send({"a": SMALL}, name="b"), "name is for a single array"),
            (lambda: channel.send(SMALL, on_full="drop"), 'on_full must be "block" or "drop_oldest"'),
            (lambda: channel.send(np.array([object()])), "object"),
            (lambda: channel.recv(timeout=-1), "-1 is no number of seconds"),
            (channel.flush, "a channel that reconnects alone"),
            (lambda: ndb.listen(url, keep=0), "keep must be"),
            (lambda: ndb.connect("tcp://127.0.0.1:0"), "port 0 is for listeners"),
            (lambda: ndb.connect("http://a:1"), "neither tcp://, tls://, udp:// nor unix:"),
            (lambda: ndb.connect(None), "a url is text such as"),
            (lambda: ndb.listen(b"tcp://:0"), "found bytes"),
        ]:
            with pytest.raises(ndb.Error, match=error.replace("(", r"\(")):
                wrong()
        channel.send(SMALL)
        with pytest.raises(ndb.MismatchError, match="2 arrays, by name: a, b"):
            channel.send({"a": SMALL, "b": SMALL})
            listener.recv()
            listener.recv().array  # noqa: B018
    with pytest.raises(ConnectionRefusedError if url.startswith("tcp") else FileNotFoundError) as raised:
        ndb.connect(listener.url)
    assert raised.value.errno in (errno.ECONNREFUSED, errno.ENOENT)


def test_a_peer_that_is_cut_off(pair):
    channel, listener = pair
    channel.close()
    whole = b"".join(ndb.buffers(np.zeros(1000)))
    peer = raw(listener.url)
    peer.sendall(whole[:3000])
    peer.close()
    with pytest.raises(ndb.TruncatedError):
        listener.recv(timeout=PATIENCE)
    peer = raw(listener.url)
    peer.sendall(whole)
    message = listener.recv(timeout=PATIENCE)
    assert message.array.shape == (1000,) and message.seq is None
    peer.close()


RECEIVER = """
import sys, ndbytes as ndb
listener = ndb.listen(sys.argv[1])
print("up", flush=True)
for message in listener:
    print(message.seq, int(message.array[0]), flush=True)
"""


def test_a_receiver_that_is_killed_fifty_times(tmp_path):
    """Each message is printed once by one of the receivers, or the sender says that it is lost."""
    url = f"unix:{tmp_path}/socket"
    stop, printed = threading.Event(), []
    starting = threading.Event()

    def receivers():
        for life in range(51):
            line = [sys.executable, "-c", RECEIVER, url]
            with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout.readline() == "up\n"
                starting.set()
                for text in process.stdout:
                    printed.append(tuple(map(int, text.split())))
                    if life < 50 and len(printed) % 7 == 6:
                        process.send_signal(signal.SIGKILL)
                        # What it has printed before it died counts.
                        printed.extend(tuple(map(int, text.split())) for text in process.stdout if text.endswith("\n"))
                        break
                    if stop.is_set() and printed[-1][0] == printed[-1][1] == last[0]:
                        process.kill()
                        return

    last = [None]
    join = sending(receivers)
    assert starting.wait(PATIENCE)
    with ndb.connect(url, reconnect=True, timeout=PATIENCE) as channel:
        at = 0
        while channel.stats["reconnects"] < 50:
            assert channel.send(np.full(100, at)) == at
            at += 1
            time.sleep(0.002)
        last[0] = at
        stop.set()
        channel.send(np.full(100, at))
        join()
        stats = channel.stats
    assert all(seq == value for seq, value in printed)
    seen = [seq for seq, _ in printed]
    assert len(set(seen)) == len(seen), "none comes twice"
    lost = {seq for first, last in stats["lost_seqs"] for seq in range(first, last + 1)}
    assert len(lost) == stats["lost"]
    assert set(range(at + 1)) - set(seen) <= lost
    assert stats["sent"] == at + 1


def test_a_sender_that_is_killed_is_no_end_of_an_array(pair):
    channel, listener = pair
    program = '''
import sys, numpy as np, ndbytes as ndb
channel = ndb.connect(sys.argv[1])
print("up", flush=True)
channel.send(np.zeros(1 << 28, "u1"))
'''
    with subprocess.Popen([sys.executable, "-c", program, listener.url], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "up\n"
        time.sleep(0.3)
        process.kill()
    with pytest.raises(ndb.TruncatedError):
        listener.recv(timeout=PATIENCE)


def test_connections_leave_nothing(url):
    with ndb.listen(url) as listener:
        def one():
            with ndb.connect(listener.url) as channel:
                channel.send(SMALL)
                listener.recv(timeout=PATIENCE)

        one()
        before = len(descriptors())
        for _ in range(10_000 if os.environ.get("NDBYTES_LONG") else 1000):
            one()
        until(lambda: flushed(listener) and len(descriptors()) <= before)


def test_listeners_that_keep_the_newest_leave_nothing(url):
    before, threads = len(descriptors()), threading.active_count()
    for _ in range(20):
        with ndb.listen(url, keep=3) as listener, ndb.connect(listener.url) as channel:
            channel.send(SMALL)
            listener.recv(timeout=PATIENCE)
    until(lambda: len(descriptors()) <= before)
    assert threading.active_count() == threads


@pytest.mark.parametrize("wait", ["listener.recv()", "channel.recv()", "listener.accept()", "next(latest)"])
def test_ctrl_c_ends_every_wait(wait):
    program = f"""
import os, signal, threading, time, ndbytes as ndb
signal.signal(signal.SIGINT, signal.default_int_handler)
listener, latest = ndb.listen("tcp://127.0.0.1:0"), ndb.listen("tcp://127.0.0.1:0", keep="latest")
silent = ndb.listen("tcp://127.0.0.1:0")
channel = ndb.connect(silent.url)
at = []
def interrupt():
    at.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)
threading.Timer(0.3, interrupt).start()
try:
    {wait}
except KeyboardInterrupt:
    print(time.monotonic() - at[0])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert float(done.stdout) < 0.5


def test_threads_send_and_receive_at_once(pair):
    channel, listener = pair
    peer = listener.accept(PATIENCE)
    counts = [0, 0]

    def send(over):
        for at in range(500):
            over.send(np.full(1000, at))

    def receive(over, side):
        for at in range(500):
            counts[side] += int((over.recv().array == at).all())

    joins = [sending(lambda: send(channel)), sending(lambda: send(peer)),
             sending(lambda: receive(channel, 0)), sending(lambda: receive(peer, 1))]
    for join in joins:
        join()
    assert counts == [500, 500]


def test_a_message_prints_what_it_is(pair):
    channel, listener = pair
    channel.send({"left": SMALL, "right": np.zeros(0, ">f8")})
    message = listener.recv()
    assert repr(message) == "<Message 0: left: <i4[3, 4], right: >f8[0]>"
    assert len(message) == 2 and "left" in message and "other" not in message
    assert repr(listener) == f"<Listener {listener.url}>"
    with pytest.raises(KeyError):
        message["other"]


def test_the_command_line_is_a_peer_both_ways(tmp_path):
    program = os.environ["NDBYTES_BIN"]
    np.save(tmp_path / "one.npy", SMALL)
    with ndb.listen("tcp://127.0.0.1:0") as listener:
        process = subprocess.Popen([program, "send", str(tmp_path / "one.npy"), listener.url, "--quiet"])
        message = listener.recv(timeout=PATIENCE)
        assert message.name == "one" and (message.array == SMALL).all()
        with pytest.raises(TimeoutError):
            listener.recv(timeout=1)
        assert process.wait(PATIENCE) == 0
    line = [program, "recv", "--listen", "tcp://127.0.0.1:0", "-o", str(tmp_path / "got"), "--once"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        url = process.stdout.readline().split()[-1]
        with ndb.connect(url) as channel:
            channel.send({"left": SMALL, "right": SMALL + 1})
        assert process.wait(PATIENCE) == 0
    with np.load(tmp_path / "got" / "group-1.npz") as group:
        assert list(group) == ["left", "right"]
        assert (group["left"] == SMALL).all() and (group["right"] == SMALL + 1).all()


def test_the_last_message_is_confirmed_too(url):
    with ndb.listen(url) as listener, ndb.connect(listener.url, reconnect=True) as channel:
        channel.send(SMALL)
        listener.recv(timeout=PATIENCE)
        with pytest.raises(TimeoutError, match="has not confirmed all messages within 0.05 s"):
            channel.flush(0.05)
        join = sending(lambda: flushed(listener))
        channel.flush(PATIENCE)
        join()
        assert channel.stats["confirmed"] == 1


@pytest.mark.parametrize("size", [1000, 100_000])
def test_what_was_sent_arrives_though_the_sender_closes(url, size):
    """Receipts that come to a connection that is closed would reset it, with all that is under way."""
    with ndb.listen(url) as listener:
        def work():
            with ndb.connect(listener.url, reconnect=True) as channel:
                for at in range(60):
                    channel.send(np.full(size, at))
            return channel.stats

        join = sending(work)
        for at in range(60):
            time.sleep(0.005)
            assert (listener.recv(timeout=PATIENCE).array == at).all()
        stats = join()
        assert (stats["sent"], stats["lost"]) == (60, 0)
        flushed(listener)
        assert listener.stats["failed"] == 0


def test_closing_does_not_wait_for_the_last_message_to_be_used(url):
    with ndb.listen(url) as listener, ndb.connect(listener.url, reconnect=True) as channel:
        channel.send(SMALL)
        listener.recv(timeout=PATIENCE)
        started = time.monotonic()
        channel.close()
        assert time.monotonic() - started < 5


def test_closing_waits_no_longer_than_the_time_out(url):
    with ndb.listen(url) as listener, ndb.connect(listener.url, reconnect=True, timeout=0.5) as channel:
        channel.send(SMALL)
        started = time.monotonic()
        channel.close()
        assert 0.4 < time.monotonic() - started < 5
        assert (listener.recv(timeout=PATIENCE).array == SMALL).all()


def test_two_arrays_of_one_name_are_two():
    named = [("a", SMALL), ("a", SMALL + 1), (None, SMALL + 2)]
    message = ndb.Message((named, None, None))
    assert [(name, array[0, 0]) for name, array in message.arrays.items()] == [("a", 0), ("arr_1", 1), ("arr_2", 2)]


def test_what_has_not_arrived_when_a_channel_is_closed_is_lost(url):
    with ndb.listen(url) as listener, ndb.connect(listener.url, reconnect=True, timeout=0.3) as channel:
        channel.send(SMALL)
        channel.close()
    assert (channel.stats["sent"], channel.stats["lost"], channel.stats["lost_seqs"]) == (1, 1, [(0, 0)])


def test_flush_tells_of_what_was_lost(tmp_path):
    url = f"unix:{tmp_path}/socket"
    with ndb.listen(url) as first, ndb.connect(url, reconnect=True, timeout=5) as channel:
        first.accept(PATIENCE).close()
        for _ in range(3):
            channel.send(SMALL)
        first.close()
        with ndb.listen(url) as second:
            join = sending(lambda: [second.recv(timeout=PATIENCE) for _ in range(1)])
            channel.send(SMALL)
            join()
            sending(lambda: flushed(second))
            if channel.stats["lost"]:
                with pytest.raises(ConnectionError, match="messages? were lost with their connection"):
                    channel.flush(PATIENCE)
            else:
                channel.flush(PATIENCE)
            assert channel.stats["confirmed"] + channel.stats["lost"] == channel.stats["sent"] == 4


def test_a_name_is_asked_for_while_another_thread_connects_again(tmp_path):
    url = f"unix:{tmp_path}/socket"
    with ndb.listen(url) as listener:
        channel = ndb.connect(url, reconnect=True, timeout=1)
    join = sending(lambda: pytest.raises((ConnectionError, OSError), channel.send, SMALL))
    for _ in range(20):
        time.sleep(0.02)
        assert channel.peer and repr(channel)
    join()
    channel.close()
    listener.close()


INTERRUPTED = """
import os, signal, sys, threading, time, ndbytes as ndb
signal.signal(signal.SIGINT, signal.default_int_handler)
with ndb.listen(sys.argv[1]) as listener:
    channel = ndb.connect(sys.argv[1], reconnect=True, timeout=30)
at = []
def interrupt():
    at.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)
threading.Timer(0.3, interrupt).start()
try:
    channel.recv()
except KeyboardInterrupt:
    print(time.monotonic() - at[0])
"""


def test_ctrl_c_ends_connecting_again(tmp_path):
    line = [sys.executable, "-c", INTERRUPTED, f"unix:{tmp_path}/socket"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert float(done.stdout) < 3


@pytest.mark.parametrize("sent", [b"\x89NDBR", b"receipts"])
def test_receipts_that_lie_hold_nobody(sent):
    """A peer that sends a part of one, or one of a message that never was, ends the connection; times are kept meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with ndb.connect(url, reconnect=True, timeout=2) as channel:
            peer, _ = server.accept()
            channel.send(SMALL)
            header = peer.recv(1000)
            stream = int(header.split(b'"message":[')[1].split(b"]")[0].split(b",")[3])
            if sent == b"receipts":
                body = b"\x89NDBR\r\n\x1a" + stream.to_bytes(8, "little") + (2**64 - 1).to_bytes(8, "little") + bytes(4)
                sent = body + crc32c(body).to_bytes(4, "little")
            peer.sendall(sent)
            started = time.monotonic()
            with pytest.raises((TimeoutError, ConnectionError, OSError)):
                channel.recv(timeout=1)
            assert time.monotonic() - started < 10
            assert channel.stats["confirmed"] == 0
            peer.close()


def test_a_child_that_was_forked_leaves_the_channels_of_its_parent_alone(tmp_path):
    program = f"""
import os, sys, numpy as np, ndbytes as ndb
listener, latest = ndb.listen("unix:{tmp_path}/a"), ndb.listen("unix:{tmp_path}/b", keep="latest")
channel, other = ndb.connect(listener.url, reconnect=True), ndb.connect(latest.url)
channel.send(np.arange(3), on_full="drop_oldest")
listener.recv()
child = os.fork()
if child == 0:
    try:
        channel.send(np.arange(3))
    except ndb.ArgumentError:
        pass
    else:
        os._exit(1)
    for one in (channel, other, listener, latest):
        one.close()
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
for over, to in ((channel, listener), (other, latest)):
    over.send(np.arange(4))
    assert to.recv(timeout=20).array.size == 4
    assert os.path.exists(to.url.removeprefix("unix:"))
    over.close()
    to.close()
print("well")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout == "well\n", done.stderr


def test_a_loop_over_a_listener_outlives_its_peers(url):
    with ndb.listen(url) as listener:
        found = []
        join = sending(lambda: found.extend(int(message.array[0, 0]) for message in listener))
        for at in range(3):
            with raw(listener.url) as stranger:
                stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
            with ndb.connect(listener.url) as channel:
                channel.send(SMALL + at)
            until(lambda: len(found) == at + 1)
        until(lambda: listener.stats["failed"] == 3)
        listener.close()
        join()
    assert found == [0, 1, 2]
