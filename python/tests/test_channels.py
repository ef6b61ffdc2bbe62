"""Channels: messages of arrays both ways, many peers, peers that are killed, and what must not happen."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import ndbytes as ndb
from checked import crc32c
from streams import PATIENCE, arrays, assert_same, descriptors

SMALL = np.arange(12, dtype="<i4").reshape(3, 4)


@pytest.fixture(params=["tcp", "unix"])
def url(request, tmp_path):
    return "tcp://127.0.0.1:0" if request.param == "tcp" else f"unix:{tmp_path}/socket"


@pytest.fixture
def pair(url):
    with ndb.listen(url) as listener, ndb.connect(listener.url) as channel:
        yield channel, listener


def sending(work):
    """Work in a thread; a function that gives its result, or raises its error."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(work)
    pool.shutdown(wait=False)
    return lambda: future.result(PATIENCE)


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
            message = listener.recv(timeout=PATIENCE)
            newest = listener.stats["received"] - 1
            # What was received since it was asked for is no older than the time of a call.
            assert newest - message.seq <= 2
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
            (lambda: ndb.connect("http://a:1"), "neither tcp://, udp:// nor unix:"),
        ]:
            with pytest.raises(ndb.Error, match=error.replace("(", r"\(")):
                wrong()
        channel.send(SMALL)
        with pytest.raises(ndb.MismatchError, match="2 arrays, by name: a, b"):
            channel.send({"a": SMALL, "b": SMALL})
            listener.recv()
            listener.recv().array  # noqa: B018
    with pytest.raises(ConnectionError if url.startswith("tcp") else FileNotFoundError):
        ndb.connect(listener.url)


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


def raw(url):
    """A plain socket, connected to a listener."""
    if url.startswith("unix:"):
        peer = socket.socket(socket.AF_UNIX)
        peer.connect(url.removeprefix("unix:"))
        return peer
    host, port = url.removeprefix("tcp://").split(":")
    return socket.create_connection((host, int(port)))


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


def flushed(listener):
    """Has a listener look at its peers once more."""
    with pytest.raises(TimeoutError):
        listener.recv(timeout=0)
    return True


def test_listeners_that_keep_the_newest_leave_nothing(url):
    before, threads = len(descriptors()), threading.active_count()
    for _ in range(20):
        with ndb.listen(url, keep=3) as listener, ndb.connect(listener.url) as channel:
            channel.send(SMALL)
            listener.recv(timeout=PATIENCE)
    until(lambda: len(descriptors()) <= before)
    assert threading.active_count() == threads


def until(holds):
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it never was so"
        time.sleep(0.005)


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
    for name, wanted in [("left", SMALL), ("right", SMALL + 1)]:
        assert (ndb.load(tmp_path / "got" / f"{name}.npy") == wanted).all()


@pytest.fixture
def datagrams():
    with ndb.listen("udp://127.0.0.1:0") as listener:
        yield listener


def test_datagrams_bring_every_dtype_and_layout(datagrams):
    everything = [array for _, array in arrays()]
    with ndb.connect(datagrams.url, loss=0.01) as channel:
        for at in range(0, len(everything), 7):
            group = dict(zip("abcdefg", everything[at : at + 7]))
            assert channel.send(group, attrs={"at": at}) == at // 7
            message = datagrams.recv(timeout=PATIENCE)
            assert (message.seq, message.attrs, list(message.arrays), message.mask) == (at // 7, {"at": at}, list(group), None)
            for name, array in group.items():
                assert_same(message[name], array)
        assert channel.stats == {"sent": message.seq + 1}
    stats = datagrams.stats
    assert stats["received"] == message.seq + 1 and stats["lost"] == stats["corrupt"] == 0 and stats["granted"] > 0


def relayed(to, spoil):
    """A relay of datagrams on the way to a listener: `spoil` says what becomes of each, by its number."""
    relay, out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    relay.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    relay.bind(("127.0.0.1", 0))
    host, port = to.removeprefix("udp://").split(":")

    def run():
        with relay, out:
            at = 0
            while datagram := relay.recv(2000):
                for one in spoil(at, datagram):
                    out.sendto(one, (host, int(port)))
                at += 1

    threading.Thread(target=run, daemon=True).start()
    return relay, f"udp://127.0.0.1:{relay.getsockname()[1]}"


def stop(relay):
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"", relay.getsockname())


def spoiling(seed, loss, double, corrupt):
    random = np.random.default_rng(seed)

    def spoil(_, datagram):
        if random.random() < loss:
            return []
        if random.random() < corrupt:
            damaged = bytearray(datagram)
            damaged[random.integers(len(damaged))] ^= 1 << random.integers(8)
            return [bytes(damaged)]
        return [datagram] * (2 if random.random() < double else 1)

    return spoil


def test_what_is_lost_or_damaged_on_the_way_is_repaired(datagrams):
    relay, url = relayed(datagrams.url, spoiling(7, 0.05, 0.10, 0.05))
    array = np.random.default_rng(3).random(1 << 18)
    with ndb.connect(url, loss=0.10, rate=20e6) as channel:
        for at in range(5):
            join = sending(lambda: channel.send(array + at))
            assert (datagrams.recv(timeout=PATIENCE).array == array + at).all()
            assert join() == at
    stop(relay)
    stats = datagrams.stats
    assert stats["repaired"] > 100 and stats["corrupt"] > 100 and stats["duplicates"] > 100 and stats["lost"] == 0


def test_without_parity_what_is_lost_is_counted_and_nothing_is_half_given(datagrams):
    relay, url = relayed(datagrams.url, lambda at, datagram: [] if at == 5 else [datagram])
    array = np.random.default_rng(3).random(1 << 14)
    with ndb.connect(url, rate=20e6) as channel:
        channel.send(array)
        channel.send(array + 1)
        assert (datagrams.recv(timeout=PATIENCE).array == array + 1).all()
        with pytest.raises(TimeoutError):
            datagrams.recv(timeout=1.5)
    stop(relay)
    assert (datagrams.stats["lost"], datagrams.stats["received"]) == (1, 1)


def test_a_part_of_an_array_has_a_mask():
    array = np.random.default_rng(3).random((64, 256))
    with ndb.listen("udp://127.0.0.1:0", partial=True, timeout=0.3) as listener:
        relay, url = relayed(listener.url, lambda at, datagram: [] if at in (5, 6, 40) else [datagram])
        with ndb.connect(url, rate=20e6) as channel:
            channel.send(array, name="part")
            message = listener.recv(timeout=PATIENCE)
        stop(relay)
        mask = message.mask
        assert message.name == "part" and (mask.dtype, mask.shape) == (bool, array.shape)
        # Three datagrams of 1,408 bytes each: 176 items, and those at their edges.
        assert 3 * 176 <= (~mask).sum() <= 3 * 178
        assert (message.array[mask] == array[mask]).all() and (message.array[~mask] == 0).all()
        assert listener.stats["partial"] == 1


def test_mistakes_with_datagrams(datagrams):
    with ndb.connect(datagrams.url) as channel:
        for wrong, error in [
            (channel.recv, "it goes one way"),
            (channel.flush, "it goes one way"),
            (lambda: channel.send(SMALL, on_full="drop_oldest"), "datagrams go at their rate"),
            (datagrams.accept, "no connections to accept"),
            (lambda: ndb.connect(datagrams.url, loss=0.5), "loss"),
            (lambda: ndb.connect(datagrams.url, rate=0), "at least 1, found 0"),
            (lambda: ndb.connect(datagrams.url, reconnect=True), "datagrams have none"),
            (lambda: ndb.connect("udp://127.0.0.1:0"), "port 0 is for listeners"),
            (lambda: ndb.connect("tcp://127.0.0.1:9", loss=0.1), "loss and rate are for udp://"),
            (lambda: ndb.listen("udp://127.0.0.1:0", keep=1), "over udp://"),
            (lambda: ndb.listen("tcp://127.0.0.1:0", partial=True), "partial is for udp://"),
        ]:
            with pytest.raises(ndb.ArgumentError, match=error):
                wrong()
    assert channel.closed
    with pytest.raises(ndb.ArgumentError, match="the channel was closed"):
        channel.send(SMALL)
    datagrams.close()
    with pytest.raises(ndb.ArgumentError, match="was closed"):
        datagrams.recv()


def test_a_listener_of_datagrams_is_closed_while_another_thread_waits(datagrams):
    join = sending(lambda: datagrams.recv())
    time.sleep(0.2)
    datagrams.close()
    with pytest.raises(ndb.ArgumentError, match="was closed"):
        join()


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is shared by descriptor on Linux")


@linux
@pytest.mark.parametrize("reconnect", [False, True])
def test_an_array_that_was_born_shared_is_handed_over(tmp_path, reconnect):
    with ndb.listen(f"unix:{tmp_path}/socket") as listener, ndb.connect(listener.url, reconnect=reconnect) as channel:
        a = ndb.shm.zeros((4, 6), ">f4")
        a[:] = np.arange(24).reshape(4, 6)
        for at, view in enumerate([a, a[::-1, ::2], a.T, a[2, 3:4].reshape(())]):
            assert channel.send(view, {"at": at}, name="shared") == at
            message = listener.recv(timeout=PATIENCE)
            found = message["shared"]
            assert (message.seq, message.attrs, message.name) == (at, {"at": at}, "shared")
            assert np.shares_memory(found, a) and ndb.shm.is_shared(found) and (found == view).all()
            assert (found.dtype, found.shape) == (view.dtype, view.shape)
        found[()] = -5
        assert -5 in a
        # Others go by their items, and so do those of a group, and those that come into memory of one's own.
        channel.send(a + 1)
        assert not ndb.shm.is_shared(listener.recv().array)
        channel.send({"a": a, "b": SMALL})
        message = listener.recv()
        assert not ndb.shm.is_shared(message["a"]) and (message["a"] == a).all()
        out = np.empty_like(a)
        channel.send(a)
        assert listener.recv(out).array is out and (out == a).all()
        assert channel.stats["sent"] == listener.stats["received"] == 7
        if reconnect:
            join = sending(lambda: flushed(listener))
            channel.flush(PATIENCE)
            join()


@linux
def test_what_is_handed_over_is_kept_as_a_copy(tmp_path):
    a = ndb.shm.zeros(100, "i4")
    with ndb.listen(f"unix:{tmp_path}/socket", keep=2) as listener, ndb.connect(listener.url) as channel:
        for at in range(3):
            a[:] = at
            channel.send(a)
            until(lambda: listener.stats["received"] == at + 1)
        found = [listener.recv(timeout=PATIENCE).array for _ in range(2)]
    assert [array[0] for array in found] == [1, 2]
    assert not any(np.shares_memory(array, a) for array in found)


@linux
def test_over_tcp_a_shared_array_goes_by_its_items():
    a = ndb.shm.zeros(100, "i4")
    with ndb.listen("tcp://127.0.0.1:0") as listener, ndb.connect(listener.url) as channel:
        channel.send(a)
        found = listener.recv(timeout=PATIENCE).array
        assert (found == a).all() and not ndb.shm.is_shared(found)


@linux
def test_handing_over_leaves_nothing(tmp_path):
    with ndb.listen(f"unix:{tmp_path}/socket") as listener, ndb.connect(listener.url) as channel:
        def one():
            channel.send(ndb.shm.zeros(1 << 16))
            assert listener.recv(timeout=PATIENCE).array.size == 1 << 16

        one()
        before = len(descriptors())
        for _ in range(1000):
            one()
        assert len(descriptors()) <= before


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
