"""Channels for asyncio: the same messages, cancelled and timed out without loss, while the loop runs."""

import asyncio
import subprocess
import sys
import threading

import numpy as np
import pytest

import ndbytes as ndb
from channels import SMALL
from streams import PATIENCE, arrays, assert_same


@pytest.fixture(params=["tcp", "unix"])
def url(request, tmp_path):
    return "tcp://127.0.0.1:0" if request.param == "tcp" else f"unix:{tmp_path}/socket"


def run(work):
    threads = threading.active_count()
    found = asyncio.run(asyncio.wait_for(work, PATIENCE))
    end = 1000
    while threading.active_count() > threads and end:
        threading.Event().wait(0.005)
        end -= 1
    assert end, "a thread is left"
    return found


def test_every_dtype_and_layout(url):
    everything = [array for _, array in arrays()]

    async def main():
        async with ndb.aio.listen(url) as listener, ndb.aio.connect(listener.url) as channel:
            for at in range(0, len(everything), 7):
                group = dict(zip("abcdefg", everything[at : at + 7]))
                assert await channel.send(group, attrs={"at": at}) == at // 7
                message = await listener.recv()
                assert (message.seq, message.attrs, list(message.arrays)) == (at // 7, {"at": at}, list(group))
                for name, array in group.items():
                    assert_same(message[name], array)
            assert listener.stats["received"] == channel.stats["sent"] == message.seq + 1

    run(main())


def test_a_server_of_many_peers(url):
    async def serve(peer):
        async for message in peer:
            await peer.send(-message.array, message.attrs)
        await peer.close()

    async def ask(url, number):
        async with ndb.aio.connect(url) as channel:
            for at in range(20):
                await channel.send(SMALL + number, {"at": at})
                message = await channel.recv()
                assert (message.array == -(SMALL + number)).all() and message.attrs == {"at": at}
        assert channel.closed

    async def main():
        async with ndb.aio.listen(url) as listener:
            asking = [asyncio.create_task(ask(listener.url, number)) for number in range(5)]
            serving = [asyncio.create_task(serve(await listener.accept(PATIENCE))) for _ in range(5)]
            await asyncio.gather(*asking, *serving)

    run(main())


def test_the_loop_runs_while_an_array_is_sent_and_received(url):
    large = np.random.default_rng(2).integers(0, 256, 1 << 26, "u1")

    async def main():
        async with ndb.aio.listen(url) as listener, ndb.aio.connect(listener.url) as channel:
            ticks, done = 0, asyncio.Event()

            async def tick():
                nonlocal ticks
                while not done.is_set():
                    await asyncio.sleep(0.001)
                    ticks += 1

            ticking = asyncio.create_task(tick())
            sending = asyncio.create_task(channel.send(large))
            out = np.empty_like(large)
            message = await listener.recv(out)
            done.set()
            await asyncio.gather(ticking, sending)
            assert message.array is out and (out == large).all()
            assert ticks > 3

    run(main())


def test_a_cancelled_wait_and_a_time_out_lose_nothing(url):
    async def main():
        async with ndb.aio.listen(url) as listener, ndb.aio.connect(listener.url) as channel:
            with pytest.raises(TimeoutError, match="no message came within 0.05 s"):
                await listener.recv(timeout=0.05)
            waiting = asyncio.create_task(listener.recv())
            await asyncio.sleep(0.05)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            for at in range(5):
                await channel.send(SMALL + at)
            await asyncio.sleep(0.3)
            for at in range(5):
                assert (await listener.recv(timeout=PATIENCE)).array[0, 0] == at

    run(main())


def number(message):
    return int(message.array[0, 0])


def test_errors_are_those_of_channels(url):
    async def main():
        async with ndb.aio.listen(url) as listener, ndb.aio.connect(listener.url) as channel:
            with pytest.raises(ndb.ArgumentError):
                await channel.send({})
            await channel.send(SMALL)
            with pytest.raises(ndb.MismatchError):
                await listener.recv(np.empty(3))
            with pytest.raises((ndb.TruncatedError, ConnectionError, EOFError)):
                await channel.recv(timeout=PATIENCE)
        with pytest.raises(ndb.ArgumentError, match="was closed"):
            await listener.recv()
        with pytest.raises((ConnectionError, FileNotFoundError)):
            await ndb.aio.connect(listener.url)

    run(main())


def test_closing_ends_who_waits(url):
    async def main():
        listener = await ndb.aio.listen(url)
        waiting = asyncio.create_task(listener.recv())
        await asyncio.sleep(0.1)
        await listener.close()
        with pytest.raises(ndb.ArgumentError, match="the listener was closed"):
            await waiting

    run(main())


def test_without_a_thread_one_call_fails_and_not_those_behind_it(url, monkeypatch):
    def none(_):
        raise RuntimeError("can't start new thread")

    async def main():
        async with ndb.aio.listen(url) as listener, ndb.aio.connect(listener.url) as channel:
            with monkeypatch.context() as without:
                without.setattr(threading.Thread, "start", none)
                for call in (channel.send(SMALL), listener.recv(), listener.accept()):
                    with pytest.raises(RuntimeError, match="can't start new thread"):
                        await call
            assert await asyncio.wait_for(channel.send(SMALL), 2) == 0
            assert number(await listener.recv(timeout=2)) == 0

    run(main())


def test_a_program_ends_though_a_channel_waits():
    program = """
import asyncio, ndbytes as ndb
async def main():
    listener = await ndb.aio.listen("tcp://127.0.0.1:0")
    asyncio.create_task(listener.recv())
    await asyncio.sleep(0.1)
    print("end")
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert done.stdout == "end\n"
