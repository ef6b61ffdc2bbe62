"""Channels over udp://: what is lost or damaged on the way is repaired, or counted, and nothing wrong is given."""

import socket
import threading
import time

import numpy as np
import pytest

import ndbytes as ndb
from channels import SMALL, relayed, sending, stop
from streams import PATIENCE, arrays, assert_same


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
    relay, url = relayed(datagrams.url, spoiling(7, 0.04, 0.10, 0.03))
    array = np.random.default_rng(3).random(1 << 17)
    with ndb.connect(url, loss=0.10, rate=5e6) as channel:
        for at in range(5):
            join = sending(lambda: channel.send(array + at))
            assert (datagrams.recv(timeout=PATIENCE).array == array + at).all()
            assert join() == at
    stop(relay)
    stats = datagrams.stats
    assert stats["repaired"] > 100 and stats["corrupt"] > 50 and stats["duplicates"] > 50 and stats["lost"] == 0


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
    with pytest.raises(OSError, match="cannot send to udp://nobody.invalid:9"):
        ndb.connect("udp://nobody.invalid:9")
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


def test_a_close_that_is_refused_closes_nothing(datagrams):
    said = []

    def close(*_):
        try:
            channel.close()
        except ndb.ArgumentError as error:
            said.append((str(error), channel.closed))

    channel = ndb.connect(datagrams.url, rate=4e6)
    # It is called within the call, which holds the channel, and behind that.
    channel.send(np.zeros(1 << 20, "u1"), progress=close)
    assert said and all(text.startswith("in use by the very call") and not closed for text, closed in said)
    channel.close()
    assert channel.closed
