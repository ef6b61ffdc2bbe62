"""`progress=` of channels: how far a message has come, told while it comes."""

import asyncio

import numpy as np
import pytest

import ndbytes as ndb
from channels import SMALL, sending
from streams import PATIENCE

BIG = np.arange(24 << 20, dtype="u1").reshape(6, -1)


@pytest.fixture(params=["tcp", "unix"])
def listener(request, tmp_path):
    with ndb.listen("tcp://127.0.0.1:0" if request.param == "tcp" else f"unix:{tmp_path}/socket") as listener:
        yield listener


def holds(told, total):
    """That it grows, within the total that is known, to its end, which is told once."""
    assert told[-1] == (total, total) and told.count((total, total)) in (1, 2)
    assert all(0 < done <= of <= total for done, of in told)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_both_sides_are_told(listener):
    sent, received = [], []
    group = {"small": SMALL, "big": BIG, "empty": BIG[:0]}
    total = sum(array.nbytes for array in group.values())
    with ndb.connect(listener.url) as channel:
        join = sending(lambda: channel.send(group, progress=lambda *told: sent.append(told)))
        message = listener.recv(timeout=PATIENCE, progress=lambda *told: received.append(told))
        assert join() == 0 and (message["big"] == BIG).all()
        holds(sent, total)
        holds(received, total)
        # Both ways, and where a channel is the peer's own.
        sent.clear()
        channel.send(SMALL, progress=lambda *told: sent.append(told))
        assert sent == [(48, 48)]


def test_it_is_told_while_a_slow_message_comes(listener):
    told = []
    with ndb.connect(listener.url) as channel:
        join = sending(lambda: channel.send({"a": BIG, "b": BIG}, progress=lambda *told: None))
        peer = listener.accept(PATIENCE)

        def slow(done, total):
            told.append((done, total))

        out = {"a": np.empty_like(BIG), "b": np.empty_like(BIG)}
        peer.recv(out, timeout=PATIENCE, progress=slow)
        join()
        holds(told, 2 * BIG.nbytes)
        assert (out["b"] == BIG).all()


def test_what_it_raises_ends_the_call(listener):
    def stop(done, total):
        raise KeyboardInterrupt("enough")

    with ndb.connect(listener.url) as channel:
        join = sending(lambda: channel.send(SMALL))
        with pytest.raises(KeyboardInterrupt, match="enough"):
            listener.recv(timeout=PATIENCE, progress=stop)
        join()
        with pytest.raises(KeyboardInterrupt, match="enough"):
            channel.send(SMALL, progress=stop)
        # Both had gone whole, and the channel goes on.
        channel.send(SMALL + 1)
        assert (listener.recv(timeout=PATIENCE).array == SMALL).all()
        assert (listener.recv(timeout=PATIENCE).array == SMALL + 1).all()


def test_mistakes(listener):
    with ndb.connect(listener.url) as channel:
        for call in (lambda: channel.send(SMALL, progress=3), lambda: channel.recv(progress="x"), lambda: listener.recv(progress=[])):
            with pytest.raises(TypeError, match="progress is a function of two numbers, found "):
                call()
        with pytest.raises(ValueError, match="another thread sends what gives way to newer messages"):
            channel.send(SMALL, on_full="drop_oldest", progress=print)


def test_the_newest_messages_and_what_is_handed_over(tmp_path):
    told = []
    with ndb.listen(f"unix:{tmp_path}/socket", keep="latest") as listener, ndb.connect(listener.url) as channel:
        channel.send(ndb.shm.zeros(1000, "u1"), progress=lambda *told_: told.append(told_))
        listener.recv(timeout=PATIENCE, progress=lambda *told_: told.append(told_))
    with ndb.listen(f"unix:{tmp_path}/socket") as listener, ndb.connect(listener.url) as channel:
        channel.send(ndb.shm.zeros(1000, "u1"))
        listener.recv(timeout=PATIENCE, progress=lambda *told_: told.append(told_))
    assert told == [(1000, 1000)] * 3


def test_datagrams_tell_the_sender(tmp_path):
    sent, received = [], []
    with ndb.listen("udp://127.0.0.1:0") as listener, ndb.connect(listener.url, loss=0.1, rate=20e6) as channel:
        data = BIG[:1]
        join = sending(lambda: listener.recv(timeout=PATIENCE, progress=lambda *told: received.append(told)))
        channel.send(data, progress=lambda *told: sent.append(told))
        assert (join().array == data).all()
    holds(sent, data.nbytes)
    assert len(sent) > 3 and received == [(data.nbytes, data.nbytes)]


def test_asyncio():
    told = []

    async def main():
        async with ndb.aio.listen("tcp://127.0.0.1:0") as listener, ndb.aio.connect(listener.url) as channel:
            receiving = asyncio.create_task(listener.recv(progress=lambda *told_: told.append(told_)))
            await channel.send(BIG, progress=lambda *told_: told.append(told_))
            assert ((await receiving).array == BIG).all()

    asyncio.run(main())
    assert told.count((BIG.nbytes, BIG.nbytes)) >= 2 and all(done <= total for done, total in told)
