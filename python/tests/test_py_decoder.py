"""`ndbytes.Decoder`: arrays out of bytes that others bring, and the memory it hands out meanwhile."""

import asyncio
import contextlib
import gc
import io
import random
import socket
import sys
import threading

import numpy as np
import pytest

import ndbytes
from cases import DTYPES, make
from frames import header, members
from oracle import has_extension
from streams import PATIENCE, arrays, assert_same, contexts, running, tcp

MIB = 1 << 20
SMALL = np.arange(24, dtype=">i2").reshape(2, 3, 4).transpose(2, 0, 1)
LARGE = np.random.default_rng(0).random(5 * MIB // 8 + 3)


def joined(*arrays):
    return b"".join(part for a in arrays for part in ndbytes.buffers(a))


def through_buffers(decoder, data, sizes):
    """Brings the bytes as an event loop does, in steps of these sizes."""
    at = 0
    while at < len(data):
        room = decoder.get_buffer(-1)
        assert type(room) is memoryview and not room.readonly and len(room) > 0
        n = min(next(sizes), len(room), len(data) - at)
        room[:n] = data[at : at + n]
        decoder.buffer_updated(n)
        at += n


def steps(*sizes):
    while True:
        yield from sizes


def test_every_class_of_dtype_and_layout_in_steps_of_any_size():
    sent = [a for _, a in arrays()]
    data, rng = joined(*sent), random.Random(4)
    for sizes in [steps(1 << 20), steps(1, 7, 100), iter(lambda: rng.randrange(1, 5000), None)]:
        decoder = ndbytes.Decoder()
        through_buffers(decoder, data, sizes)
        decoder.eof_received()
        for found, a in zip(decoder, sent, strict=True):
            assert_same(found, a)


@pytest.mark.parametrize("sizes", [(MIB,), (1,), (65_535, 3, 4097)])
def test_a_large_array_between_small_ones(sizes):
    data = joined(SMALL, LARGE, SMALL) if sizes != (1,) else joined(SMALL, LARGE[:20_000], SMALL)
    decoder = ndbytes.Decoder()
    through_buffers(decoder, data, steps(*sizes))
    first, large, last = decoder
    assert_same(first, SMALL)
    assert np.array_equal(large, LARGE[: len(large)]) and len(large) in (len(LARGE), 20_000)
    assert_same(last, SMALL)
    assert list(decoder) == []


def test_large_data_come_straight_to_their_destination():
    data = joined(LARGE)
    at = data.index(LARGE[:2].tobytes())
    decoder = ndbytes.Decoder()
    decoder.feed(data[:at])
    views = []
    while at < len(data):
        room = decoder.get_buffer()
        n = min(len(room), len(data) - at)
        room[:n] = data[at : at + n]
        views.append((room, at - len(data) + n))
        decoder.buffer_updated(n)
        at += n
    (found,) = decoder
    assert np.array_equal(found, LARGE)
    assert np.shares_memory(np.frombuffer(views[0][0], "u1"), found)
    # Views outlive everything, and stay what they were.
    del decoder, found
    gc.collect()
    assert bytes(views[0][0][:16]) == LARGE[:2].tobytes()
    views[0][0][:8] = bytes(8)


@pytest.mark.parametrize("data", [lambda a: a, bytearray, memoryview, lambda a: np.frombuffer(a, "u1")])
def test_feed_takes_any_buffer_in_any_cut(data):
    whole = joined(SMALL, SMALL[:0], LARGE[:9000])
    for cut in range(0, len(whole), 97):
        decoder = ndbytes.Decoder()
        decoder.feed(data(whole[:cut]))
        decoder.feed(data(whole[cut:]))
        assert [a.shape for a in decoder] == [SMALL.shape, SMALL[:0].shape, (9000,)]


def test_every_cut_is_truncated_and_the_end_is_not():
    data = joined(SMALL)
    for n in range(len(data) + 1):
        for feed in [lambda d: d.feed(data[:n]), lambda d: through_buffers(d, data[:n], steps(11))]:
            decoder = ndbytes.Decoder()
            feed(decoder)
            if n in (0, len(data)):
                assert decoder.eof_received() is None
                assert len(list(decoder)) == (n > 0)
                with pytest.raises(ndbytes.ArgumentError, match="has ended"):
                    decoder.feed(b"more")
            else:
                with pytest.raises(ndbytes.TruncatedError):
                    decoder.eof_received()
                assert list(decoder) == []
    decoder = ndbytes.Decoder()
    decoder.feed(joined(LARGE)[: 3 * MIB])
    with pytest.raises(ndbytes.TruncatedError, match=f"needs {LARGE.nbytes} bytes of data"):
        decoder.eof_received()


def test_every_flipped_byte_is_an_error_and_what_came_before_stays():
    data = joined(SMALL)
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 4
        decoder = ndbytes.Decoder()
        with pytest.raises(ndbytes.Error):
            decoder.feed(data + damaged)
            decoder.eof_received()
        for call in [decoder.get_buffer, lambda: decoder.buffer_updated(1), lambda: decoder.feed(data)]:
            with pytest.raises(ndbytes.ArgumentError, match="failed before"):
                call()
        assert decoder.eof_received() is None
        (found,) = decoder
        assert_same(found, SMALL)


def test_damage_of_large_data_names_the_block():
    damaged = bytearray(joined(LARGE))
    damaged[3 * MIB + 500] ^= 1
    decoder = ndbytes.Decoder()
    with pytest.raises(ndbytes.ChecksumError) as error:
        through_buffers(decoder, damaged, steps(MIB))
    assert error.value.block == 3


def test_a_view_that_is_held_makes_growth_a_buffer_error():
    decoder = ndbytes.Decoder()
    held = decoder.get_buffer(-1)
    size = len(held)
    assert len(decoder.get_buffer(size)) == size  # No growth, no error.
    with pytest.raises(BufferError):
        decoder.get_buffer(size + 1)
    part = held[5:9]
    held.release()
    with pytest.raises(BufferError):
        decoder.get_buffer(2 * size)
    part.release()
    assert len(decoder.get_buffer(2 * size)) == 2 * size
    assert len(decoder.get_buffer(1 << 40)) == MIB
    decoder.feed(joined(SMALL))
    assert len(list(decoder)) == 1


def test_views_are_never_of_freed_memory():
    """Views of everything that was handed out, written to after all of it has gone."""
    held, data = [], joined(LARGE, SMALL, LARGE[:100_000])
    decoder, at = ndbytes.Decoder(), 0
    while at < len(data):
        held.append(decoder.get_buffer(-1))
        n = min(len(held[-1]), len(data) - at, 50_000)
        held[-1][:n] = data[at : at + n]
        decoder.buffer_updated(n)
        at += n
    found = list(decoder)
    assert [a.shape for a in found] == [LARGE.shape, SMALL.shape, (100_000,)]
    del decoder, found
    gc.collect()
    for view in held:
        view[:] = bytes(len(view))


def test_calls_out_of_turn_are_refused_and_cost_nothing():
    decoder = ndbytes.Decoder()
    with pytest.raises(ndbytes.ArgumentError, match="call get_buffer before"):
        decoder.buffer_updated(1)
    room = decoder.get_buffer()
    with pytest.raises(ndbytes.ArgumentError, match="cannot have come"):
        decoder.buffer_updated(len(room) + 1)
    data = joined(SMALL)
    room[: len(data)] = data
    decoder.buffer_updated(len(data))
    with pytest.raises(ndbytes.ArgumentError, match="call get_buffer before"):
        decoder.buffer_updated(1)
    with pytest.raises(OverflowError):
        decoder.buffer_updated(-1)
    with pytest.raises(TypeError):
        decoder.feed("text")
    assert len(list(decoder)) == 1


def test_expectations_and_limits_are_held_against_the_header():
    huge = header(members("<f8", [1 << 40]), 1 << 43)
    for options, kind in [
        ({"expect": "<f4[?]"}, ndbytes.MismatchError),
        ({"expect": np.dtype(">f8")}, ndbytes.MismatchError),
        ({"limits": ndbytes.Limits(array=1 << 42)}, ndbytes.LimitError),
        ({"npy": True}, ndbytes.FormatError),
    ]:
        with pytest.raises(kind):
            ndbytes.Decoder(**options).feed(huge)
    decoder = ndbytes.Decoder(expect="<f8[?]")
    decoder.feed(huge + bytes(1000))
    with pytest.raises(ndbytes.TruncatedError):
        decoder.eof_received()
    for options in [{"expect": "<f8["}, {"expect": 7}]:
        with pytest.raises(ndbytes.ArgumentError):
            ndbytes.Decoder(**options)


def test_bare_npy():
    sent = [a for name, a in arrays() if not has_extension(DTYPES[name]) and name not in ("unordered", "overlapping")]
    file = io.BytesIO()
    for a in sent:
        np.save(file, a, allow_pickle=False)
    decoder = ndbytes.Decoder(npy=True)
    through_buffers(decoder, file.getvalue(), steps(5, 1000, 64))
    decoder.eof_received()
    for found, a in zip(decoder, sent, strict=True):
        assert_same(found, a)


def test_two_threads_that_share_one_do_no_harm():
    """Nobody can say what comes out; but every array that does was sent, and the process lives."""
    data = joined(SMALL)
    decoder, found = ndbytes.Decoder(), []

    def work():
        for _ in range(300):
            with contextlib.suppress(ndbytes.Error, RuntimeError):
                decoder.feed(data)
                found.extend(decoder)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    for a in found:
        assert_same(a, SMALL)


class Arrays(asyncio.BufferedProtocol):
    """The decoder as the protocol of a connection."""

    def __init__(self):
        self.decoder, self.arrays = ndbytes.Decoder(), []
        self.done = asyncio.get_running_loop().create_future()

    def get_buffer(self, sizehint):
        return self.decoder.get_buffer(sizehint)

    def buffer_updated(self, nbytes):
        self.decoder.buffer_updated(nbytes)
        self.arrays.extend(self.decoder)

    def eof_received(self):
        self.decoder.eof_received()

    def connection_lost(self, error):
        if not self.done.done():
            self.done.set_exception(error) if error else self.done.set_result(None)


@pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])
def test_asyncio_receives(secure):
    sent = [a for _, a in arrays()][::7] + [LARGE]
    client, server = contexts()

    async def main():
        loop, made = asyncio.get_running_loop(), []
        make = lambda: made.append(Arrays()) or made[-1]  # noqa: E731
        listening = await loop.create_server(make, "127.0.0.1", 0, ssl=server if secure else None)
        address = listening.sockets[0].getsockname()

        def sending():
            with socket.create_connection(address, PATIENCE) as sock:
                sock = client.wrap_socket(sock, server_hostname="localhost") if secure else sock
                for a in sent:
                    ndbytes.send(sock, a)
                if secure:
                    sock.unwrap()

        await asyncio.to_thread(sending)
        async with asyncio.timeout(PATIENCE):
            while not made:
                await asyncio.sleep(0.01)
            await made[0].done
        listening.close()
        return made[0].arrays

    for found, a in zip(asyncio.run(main()), sent, strict=True):
        assert_same(found, a)


def test_recv_into_fills_it_too():
    here, there = tcp()
    sent = [SMALL, LARGE, SMALL]

    def sending():
        with here:
            for a in sent:
                ndbytes.send(here, a)

    decoder = ndbytes.Decoder()
    with there, running(sending):
        while n := there.recv_into(decoder.get_buffer()):
            decoder.buffer_updated(n)
        decoder.eof_received()
    for found, a in zip(decoder, sent, strict=True):
        assert_same(found, a)


def test_a_subclass_is_a_protocol():
    class Protocol(ndbytes.Decoder, asyncio.BufferedProtocol):
        pass

    decoder = Protocol(expect=">i2[4,2,3]")
    assert isinstance(decoder, asyncio.BufferedProtocol)
    through_buffers(decoder, joined(SMALL, make(np.dtype(">i2"), (4, 2, 3))), steps(100))
    assert len(list(decoder)) == 2


def test_room_that_was_handed_out_leaves_nothing_behind():
    decoder = ndbytes.Decoder()
    decoder.feed(ndbytes.dumps(np.zeros(1 << 20, "u1"), codec="none")[:5000])

    def ask(times):
        for _ in range(times):
            decoder.get_buffer(-1)
        return sys.getallocatedblocks()

    assert ask(1000) - ask(100) < 100
