"""Channels for asyncio: the same messages, cancelled and timed out without loss, while the loop runs."""

import asyncio
import contextlib
import gc
import subprocess
import sys
import threading

import numpy as np
import pytest

import ndbytes as ndb
from channels import SMALL, raw, until
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


async def soon(holds):
    end = asyncio.get_running_loop().time() + PATIENCE
    while not holds():
        assert asyncio.get_running_loop().time() < end, "it never was so"
        await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def nothing_said():
    """Nothing is left to the event loop's handler, as "Task exception was never retrieved" is."""
    said = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context["message"]))
    yield
    gc.collect()
    await asyncio.sleep(0)
    assert not said


def test_tasks_that_receive_take_turns(url):
    async def main():
        async with ndb.aio.listen(url) as listener, ndb.aio.connect(listener.url) as channel:
            waiting = [asyncio.create_task(listener.recv()) for _ in range(4)]
            await asyncio.sleep(0.05)
            waiting[1].cancel()
            for at in range(4):
                await channel.send(SMALL + at)
            assert [number(await waiting[at]) for at in (0, 2, 3)] == [0, 1, 2]
            assert number(await listener.recv(timeout=PATIENCE)) == 3

    run(main())


def test_short_waits_of_several_tasks_lose_nothing_and_double_nothing(url):
    async def main():
        async with ndb.aio.listen(url) as listener, ndb.aio.connect(listener.url) as channel:
            got = []

            async def receive():
                while len(got) < 60:
                    with contextlib.suppress(TimeoutError):
                        got.append(number(await listener.recv(timeout=0.01)))
                        await asyncio.sleep(0.001)

            receiving = [asyncio.create_task(receive()) for _ in range(3)]
            for at in range(60):
                await channel.send(SMALL + at)
                await asyncio.sleep(0.012)
            await asyncio.gather(*receiving)
            assert sorted(got) == list(range(60))

    run(main())


def test_a_time_out_counts_the_wait_for_one_s_turn(url):
    async def main():
        async with ndb.aio.listen(url) as listener, ndb.aio.connect(listener.url) as channel:
            first = asyncio.create_task(listener.recv())
            await asyncio.sleep(0)
            with pytest.raises(TimeoutError, match="no message came within 0.05 s"):
                await listener.recv(timeout=0.05)
            for at in range(2):
                await channel.send(SMALL + at)
            assert number(await first) == 0 and number(await listener.recv(timeout=PATIENCE)) == 1

    run(main())


def test_a_message_is_not_lost_with_who_was_to_have_it(url):
    """It has come, and the task has not seen it yet when it is cancelled."""

    async def main():
        async with ndb.aio.listen(url) as listener:
            waiting = asyncio.create_task(listener.recv())
            await asyncio.sleep(0.05)
            # The loop stands still meanwhile.
            with ndb.connect(listener.url) as channel:
                channel.send(SMALL)
                until(lambda: listener.stats["received"] == 1)
                threading.Event().wait(0.05)
                waiting.cancel()
                assert number(await listener.recv(timeout=PATIENCE)) == 0
                with pytest.raises(asyncio.CancelledError):
                    await waiting

    run(main())


def test_who_only_looks_finds_what_has_come(url):
    async def main():
        async with ndb.aio.listen(url) as listener, ndb.aio.connect(listener.url) as channel:
            with pytest.raises(TimeoutError):
                await listener.recv(timeout=0)
            await channel.send(SMALL)
            await soon(lambda: listener.stats["received"] == 1)
            await asyncio.sleep(0.02)
            assert number(await listener.recv(timeout=0)) == 0

    run(main())


def test_who_only_looks_finds_the_peer_that_waits(url):
    async def finds():
        async with ndb.aio.listen(url) as listener:
            with raw(listener.url):
                await asyncio.sleep(0.02)
                try:
                    await (await listener.accept(timeout=0)).close()
                except TimeoutError:
                    return False
                return True

    async def main():
        # The machine may stand still for longer than it waits for its thread, but not each time.
        return any([await finds() for _ in range(5)])

    assert run(main())


def test_an_error_that_nobody_waits_for_is_no_news_of_the_loop(url):
    async def main():
        async with nothing_said():
            listener = await ndb.aio.listen(url)
            with pytest.raises(TimeoutError):
                await listener.recv(timeout=0.01)
            with raw(listener.url) as peer:
                peer.sendall(b"no message at all" * 10)
                await soon(lambda: listener.stats["failed"] == 1)
            await asyncio.sleep(0.02)
            del listener

    run(main())


def test_a_listener_outlives_its_event_loop(url):
    held = []

    async def waits():
        held.append(await ndb.aio.listen(url))
        with pytest.raises(TimeoutError):
            await held[0].recv(timeout=0.01)

    async def receives():
        async with held[0] as listener, ndb.aio.connect(listener.url) as channel:
            await channel.send(SMALL)
            waiting = [asyncio.create_task(listener.recv(timeout=PATIENCE)) for _ in range(2)]
            await channel.send(SMALL + 1)
            assert [number(await one) for one in waiting] == [0, 1]

    asyncio.run(waits())
    run(receives())


@pytest.mark.parametrize("cancelled", [True, False])
def test_an_accept_that_was_given_up_loses_no_peer(url, cancelled):
    async def main():
        async with ndb.aio.listen(url) as listener:
            if cancelled:
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(listener.accept(), 0.05)
            else:
                with pytest.raises(TimeoutError, match="no peer came within 0.05 s"):
                    await listener.accept(timeout=0.05)
            for at in range(2):
                async with ndb.aio.connect(listener.url) as channel:
                    await channel.send(SMALL + at)
                    async with await listener.accept(PATIENCE) as peer:
                        assert number(await peer.recv(timeout=PATIENCE)) == at
            with pytest.raises(ndb.ArgumentError, match="-1 is no number of seconds"):
                await listener.accept(-1)

    run(main())


def test_tasks_that_accept_take_turns(url):
    async def main():
        async with ndb.aio.listen(url) as listener:
            waiting = [asyncio.create_task(listener.accept()) for _ in range(3)]
            for at in range(3):
                async with ndb.aio.connect(listener.url) as channel:
                    await channel.send(SMALL + at)
                    async with await waiting[at] as peer:
                        assert number(await peer.recv(timeout=PATIENCE)) == at

    run(main())


def test_closing_ends_all_who_wait_for_their_turn(url):
    async def main():
        listener = await ndb.aio.listen(url)
        waiting = [asyncio.create_task(wait()) for wait in 3 * [listener.accept] + 3 * [listener.recv]]
        await asyncio.sleep(0.01)
        await listener.close()
        for one in waiting:
            with pytest.raises(ndb.ArgumentError, match="the listener was closed"):
                await one
        with pytest.raises(ndb.ArgumentError, match="the listener was closed"):
            await listener.accept()

    run(main())


def test_closing_ends_the_peer_that_came_for_nobody(url):
    async def main():
        listener = await ndb.aio.listen(url)
        with pytest.raises(TimeoutError):
            await listener.accept(timeout=0.01)
        async with ndb.aio.connect(listener.url) as channel:
            await asyncio.sleep(0.05)
            await listener.close()
            with pytest.raises((EOFError, ConnectionError)):
                await channel.recv(timeout=PATIENCE)

    run(main())


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


def test_channels_that_are_dropped_leave_no_thread(url):
    async def main():
        async with ndb.aio.listen(url) as listener:
            for _ in range(3):
                channel = await ndb.aio.connect(listener.url)
                await channel.send(SMALL)
                await listener.recv(timeout=PATIENCE)
                del channel

    run(main())


def test_a_listener_that_is_dropped_behind_a_wait_is_closed(url):
    async def main():
        listener = await ndb.aio.listen(url)
        for wait in (listener.recv, listener.accept):
            with pytest.raises(TimeoutError):
                await wait(timeout=0.01)
        return listener.url

    url = run(main())
    with pytest.raises(OSError):
        raw(url)


def test_a_wait_ends_with_its_event_loop(url):
    """The thread is there, and looks no more."""
    looks = []

    class Watched:
        def __init__(self, sync):
            self.sync = sync

        def recv(self, *given, **options):
            looks.append(given)
            return self.sync.recv(*given, **options)

    async def main():
        listener = await ndb.aio.listen(url)
        listener._sync = Watched(listener._sync)
        with pytest.raises(TimeoutError):
            await listener.recv(timeout=0.01)
        return listener

    listener = asyncio.run(main())
    threading.Event().wait(0.15)
    count = len(looks)
    threading.Event().wait(0.25)
    assert len(looks) == count and listener


def test_a_close_that_was_cancelled_closes(url):
    held = []

    async def main():
        listener = await ndb.aio.listen(url)
        channel = await ndb.aio.connect(listener.url)
        await channel.send(SMALL)
        await listener.recv(timeout=PATIENCE)
        with pytest.raises(TimeoutError):
            await listener.recv(timeout=0.01)
        held.extend([listener, channel])
        for one in held:
            closing = asyncio.create_task(one.close())
            await asyncio.sleep(0)
            closing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await closing

    run(main())
    assert held[1].closed


class Opened:
    """What stands for a channel, and says which threads call it."""

    def __init__(self):
        self.asked, self.may, self.threads = threading.Event(), threading.Event(), []

    def connect(self, url):
        self.asked.set()
        assert self.may.wait(PATIENCE)
        return self

    def close(self):
        self.threads.append(threading.current_thread())


@pytest.mark.parametrize("late", [True, False])
def test_what_was_opened_for_nobody_is_closed_beside_the_loop(monkeypatch, late):
    opened = Opened()
    monkeypatch.setattr(ndb._channel, "connect", opened.connect)

    async def main():
        async def opens():
            async with ndb.aio.connect("tcp://127.0.0.1:1"):
                pass

        async with nothing_said():
            opening = asyncio.create_task(opens())
            await soon(opened.asked.is_set)
            if late:
                # The loop stands still meanwhile.
                opened.may.set()
                threading.Event().wait(0.05)
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await opening
            opened.may.set()
            await soon(lambda: opened.threads)

    asyncio.run(main())
    assert len(opened.threads) == 1 and opened.threads[0] is not threading.main_thread()


def test_the_loop_waits_for_nothing_while_a_listener_is_closed(url):
    threads = []

    class Watched:
        def __init__(self, sync):
            self.sync, self.may = sync, threading.Event()

        def recv(self, *given, **options):
            threads.append(threading.current_thread())
            return self.sync.recv(*given, **options)

        def close(self):
            assert self.may.wait(PATIENCE)
            self.sync.close()

    async def main():
        listener = await ndb.aio.listen(url)
        listener._sync = watched = Watched(listener._sync)
        closing = asyncio.create_task(listener.close())
        await asyncio.sleep(0)
        receiving = asyncio.create_task(listener.recv())
        await soon(lambda: threads)
        watched.may.set()
        await closing
        with pytest.raises(ndb.ArgumentError, match="the listener was closed"):
            await receiving
        with pytest.raises(ndb.ArgumentError, match="the listener was closed"):
            await listener.recv()
        assert threading.main_thread() not in threads

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
