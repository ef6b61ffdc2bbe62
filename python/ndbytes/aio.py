"""Channels for asyncio: ``connect`` and ``listen`` of ``ndbytes``, whose calls are awaited.

>>> import asyncio, numpy as np, ndbytes as ndb
>>> async def main():
...     async with ndb.aio.listen("tcp://127.0.0.1:0") as listener, ndb.aio.connect(listener.url) as channel:
...         await channel.send({"a": np.arange(3, dtype="<i2")}, attrs={"k": 1})
...         message = await listener.recv()
...         return message["a"], message.attrs
>>> asyncio.run(main())
(array([0, 1, 2], dtype=int16), {'k': 1})

Arrays are sent and received by a thread for each direction of a channel, without the interpreter: the event loop runs meanwhile.
``ndb.Decoder`` is what an ``asyncio.BufferedProtocol`` of one's own stands on.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import math
import queue
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from ndbytes import _channel
from ndbytes._channel import Message
from ndbytes._errors import ArgumentError

__all__ = ["Channel", "Listener", "connect", "listen"]

T = TypeVar("T", "Channel", "Listener")
# How often a thread that waits for a message, or a peer, looks whether anybody wants it still.
_LOOK = 0.1
# For so long it is asked at least.
_MOMENT = 0.02


def connect(url: str, **options: Any) -> _Opening[Channel]:
    """Connect to a listener: as ``ndbytes.connect``, to be awaited or entered with ``async with``.

    Returns
    -------
    awaitable of Channel

    Raises
    ------
    Error, OSError
        As ``ndbytes.connect``.

    Examples
    --------
    >>> import asyncio, ndbytes as ndb
    >>> async def main():
    ...     async with ndb.aio.listen("tcp://127.0.0.1:0") as listener:
    ...         channel = await ndb.aio.connect(listener.url)
    ...         await channel.close()
    ...         return channel.closed
    >>> asyncio.run(main())
    True
    """
    return _Opening(lambda: Channel(_channel.connect(url, **options)))


def listen(url: str, **options: Any) -> _Opening[Listener]:
    """Listen for channels: as ``ndbytes.listen``, to be awaited or entered with ``async with``.

    Returns
    -------
    awaitable of Listener

    Raises
    ------
    Error, OSError
        As ``ndbytes.listen``.

    Examples
    --------
    >>> import asyncio, numpy as np, ndbytes as ndb
    >>> async def main():
    ...     async with ndb.aio.listen("tcp://127.0.0.1:0") as listener, ndb.aio.connect(listener.url) as channel:
    ...         for number in range(3):
    ...             await channel.send(np.full(2, number))
    ...         await channel.close()
    ...         peer = await listener.accept()
    ...         async with peer:
    ...             return [int(message.array[0]) async for message in peer]
    >>> asyncio.run(main())
    [0, 1, 2]
    """
    return _Opening(lambda: Listener(_channel.listen(url, **options)))


class _Opening(Generic[T]):
    """Something that is being opened."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: T | None = None

    async def _open(self) -> T:
        self._made = await _Worker("ndbytes-open").once(self._make, _let_go)
        return self._made

    def __await__(self) -> Generator[Any, None, T]:
        return self._open().__await__()

    async def __aenter__(self) -> T:
        return await self._open()

    async def __aexit__(self, *_: object) -> None:
        if self._made is not None:
            await self._made.close()


def _let_go(opened: Future[Any]) -> None:
    """Closes what nobody will have; in a thread, since it can take a while."""
    if opened.exception() is None:
        # Where no thread is to be had, it is closed as it is dropped.
        with contextlib.suppress(RuntimeError):
            threading.Thread(target=opened.result()._sync.close, name="ndbytes-close", daemon=True).start()


class _NotYet(Exception):
    """Nothing has come so far."""


class _Asked:
    """Work that a task has asked a thread for. What comes of it is the task's, or where that has given it up, goes to ``left``.

    Where it ``waits``, its ``work`` looks for a while, and again as long as that makes sense.
    """

    def __init__(self, work: Callable[[], Any], left: Callable[[Future[Any]], Any], waits: bool) -> None:
        self._work, self._left, self._waits = work, left, waits
        self._loop = asyncio.get_running_loop()
        self._has_come = self._loop.create_future()
        # At most one; whoever takes it out has it.
        self._found: collections.deque[Future[Any]] = collections.deque()
        self._given_up = False

    async def found(self) -> Future[Any]:
        """What has come of it: a result or an error."""
        try:
            await self._has_come
        except BaseException:
            self._give_up()
            raise
        return self._found.pop()

    def _give_up(self) -> None:
        self._given_up = True
        # The thread may be here too: one of both finds it.
        with contextlib.suppress(IndexError):
            self._left(self._found.pop())

    def do(self, behind: queue.SimpleQueue[Any]) -> None:
        """Does it, in the thread."""
        while self._makes_sense(behind):
            try:
                found = _outcome(self._work)
            except _NotYet:
                continue
            return self._bring(found)

    def _makes_sense(self, behind: queue.SimpleQueue[Any]) -> bool:
        if not self._waits:
            return True
        # What was given up is looked for until there is other work, or the end.
        return not self._loop.is_closed() and not (self._given_up and not behind.empty())

    def _bring(self, found: Future[Any]) -> None:
        self._found.append(found)
        try:
            self._loop.call_soon_threadsafe(_wake, self._has_come)
        except RuntimeError:  # The loop was closed: nobody waits.
            self._given_up = True
        if self._given_up:
            self._give_up()


def _outcome(work: Callable[[], Any]) -> Future[Any]:
    found: Future[Any] = Future()
    try:
        found.set_result(work())
    except _NotYet:
        raise
    except BaseException as error:  # It is the caller's.
        found.set_exception(error)
    try:
        return found
    finally:
        # An error knows this frame, which would know the error.
        del found


def _wake(has_come: asyncio.Future[None]) -> None:
    if not has_come.done():
        has_come.set_result(None)


class _Worker:
    """A thread that does one thing behind the other, and ends when nobody asks for more."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._asked: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._running = False

    def ask(self, work: Callable[[], Any], left: Callable[[Future[Any]], Any], waits: bool = False) -> _Asked:
        asked = _Asked(work, left, waits)
        if not self._running:
            # The end of the program does not wait for a message.
            threading.Thread(target=_run, args=(self._asked,), name=self._name, daemon=True).start()
            self._running = True
        self._asked.put(asked)
        return asked

    async def call(self, work: Callable[[], Any], left: Callable[[Future[Any]], Any] = lambda _: None) -> Any:
        """What comes of the work, which is done also where nobody waits any more."""
        return (await self.ask(work, left).found()).result()

    async def once(self, work: Callable[[], Any], left: Callable[[Future[Any]], Any] = lambda _: None) -> Any:
        """The same, and nothing behind it."""
        try:
            return await self.call(work, left)
        finally:
            self.stop()

    async def rest(self) -> None:
        """Until all is done that it was asked for."""
        if self._running:
            await self.call(lambda: None)

    def stop(self) -> None:
        if self._running:
            self._asked.put(None)
            # Who asks once more gets another thread.
            self._asked, self._running = queue.SimpleQueue(), False

    def __del__(self) -> None:
        # The thread knows nothing but the queue.
        self._asked.put(None)


def _run(asked: queue.SimpleQueue[Any]) -> None:
    while (one := asked.get()) is not None:
        one.do(asked)
        del one


class _Next:
    """What comes next: messages, or peers. Each goes to one of the tasks that ask, which take turns."""

    def __init__(self, what: str, name: str) -> None:
        self._what = what
        self._worker = _Worker(name)
        # What came when it had been given up.
        self._kept: collections.deque[Future[Any]] = collections.deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = asyncio.Lock()
        self._stopped = False

    async def get(self, look: Callable[[], Any], timeout: float | None) -> Any:
        """The next one. ``look`` waits for ``_LOOK`` seconds at most; it must not know whose it is, which else is never dropped."""
        return (await self._get(look, timeout)).result()

    async def _get(self, look: Callable[[], Any], timeout: float | None) -> Future[Any]:
        try:
            # What is there already takes its thread a moment.
            async with asyncio.timeout(timeout if timeout is None else max(timeout, _MOMENT)), self._turn():
                return _first(self._kept) or await self._ask(look)
        except TimeoutError:
            raise TimeoutError(f"no {self._what} came within {timeout} s") from None

    def _turn(self) -> asyncio.Lock:
        # A lock is for one event loop; a channel may see several, one behind the other.
        if self._loop is not (loop := asyncio.get_running_loop()):
            self._loop, self._lock = loop, asyncio.Lock()
        return self._lock

    async def _ask(self, look: Callable[[], Any]) -> Future[Any]:
        kept, none = self._kept, f"no {self._what} "
        try:
            return await self._worker.ask(lambda: _look(kept, look, none), kept.append, waits=True).found()
        finally:
            if self._stopped:
                self._worker.stop()

    async def rest(self) -> None:
        await self._worker.rest()

    def stop(self) -> None:
        self._stopped = True
        self._worker.stop()
        self._kept.clear()


def _first(kept: collections.deque[Future[Any]]) -> Future[Any] | None:
    try:
        return kept.popleft()
    except IndexError:
        return None


def _look(kept: collections.deque[Future[Any]], look: Callable[[], Any], none: str) -> Any:
    # While this was asked for, something may have come for somebody who has given it up.
    if (found := _first(kept)) is not None:
        try:
            return found.result()
        finally:
            del found  # An error knows this frame, which would know the error.
    try:
        return look()
    except TimeoutError as error:
        # Another one is of something that has begun to come.
        if str(error).startswith(none):
            raise _NotYet from None
        raise


class _Receives:
    """What channels and listeners have in common."""

    def __init__(self, sync: Any) -> None:
        self._sync = sync
        self._messages = _Next("message", "ndbytes-recv")

    async def recv(
        self, out: _channel.Out = None, *, timeout: float | None = None, progress: _channel.Progress = None
    ) -> Message:
        """Receive a message, as ``ndbytes.Channel.recv``. Several tasks take turns; ``timeout`` counts the wait for one's own.

        Where it is cancelled, or its time is up, nothing is lost: what has begun to come is the next message, in the ``out`` that
        was given for it. ``progress`` is called in another thread.
        """
        sync = self._sync
        return await self._messages.get(lambda: sync.recv(out, timeout=_LOOK, progress=progress), timeout)

    @property
    def stats(self) -> dict[str, Any]:
        """As of ``ndbytes.Channel``."""
        return self._sync.stats

    async def close(self) -> None:
        """Let all connections go; whoever waits for a message gets an error. Twice is once."""
        try:
            await _Worker("ndbytes-close").once(self._sync.close)
            await self._messages.rest()
        finally:
            self._stop()

    def _stop(self) -> None:
        self._messages.stop()

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> Message:
        try:
            return await self.recv()
        except EOFError as error:
            if type(error) is EOFError:
                raise StopAsyncIteration from None
            raise

    def __repr__(self) -> str:
        return f"<aio {self._sync!r}>"


class Channel(_Receives):
    """``ndbytes.Channel`` for asyncio. As an asynchronous iterator it gives messages until the peer closes."""

    def __init__(self, sync: _channel.Channel) -> None:
        super().__init__(sync)
        self._sender = _Worker("ndbytes-send")

    async def send(self, a: Any, attrs: dict[str, Any] | None = None, **options: Any) -> int | None:
        """Send an array, or arrays by name, as one message: as ``ndbytes.Channel.send``.

        Where it is cancelled the message is sent all the same: a part of one would be the end of the channel.
        """
        sync = self._sync
        return await self._sender.call(lambda: sync.send(a, attrs, **options))

    async def flush(self, timeout: float | None = None) -> None:
        """Wait until the peer has confirmed all messages: as ``ndbytes.Channel.flush``."""
        sync = self._sync
        await self._sender.call(lambda: sync.flush(timeout))

    def _stop(self) -> None:
        super()._stop()
        self._sender.stop()

    @property
    def peer(self) -> str:
        """What is known of who is at the other end."""
        return self._sync.peer

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._sync.closed


class Listener(_Receives):
    """``ndbytes.Listener`` for asyncio."""

    def __init__(self, sync: _channel.Listener) -> None:
        super().__init__(sync)
        self._peers = _Next("peer", "ndbytes-accept")

    @property
    def url(self) -> str:
        """Where it listens, with the port that it got."""
        return self._sync.url

    @property
    def pin(self) -> str | None:
        """As ``ndbytes.Listener.pin``."""
        return self._sync.pin

    async def accept(self, timeout: float | None = None) -> Channel:
        """Give the next peer a channel of its own: as ``ndbytes.Listener.accept``. Tasks take turns as in ``recv``.

        Where it is cancelled, or its time is up, nothing is lost: who connects then is the next peer.
        """
        if timeout is not None and not 0 <= timeout < math.inf:
            raise ArgumentError(f"timeout: {timeout} is no number of seconds")
        sync = self._sync
        return Channel(await self._peers.get(lambda: sync.accept(_LOOK), timeout))

    async def close(self) -> None:
        try:
            await super().close()
            await self._peers.rest()
        finally:
            self._stop()

    def _stop(self) -> None:
        super()._stop()
        self._peers.stop()
