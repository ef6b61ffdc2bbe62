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
import queue
import threading
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

from ndbytes import _channel
from ndbytes._channel import Message

__all__ = ["Channel", "Listener", "connect", "listen"]

T = TypeVar("T", "Channel", "Listener")
# How often a thread that waits for a message looks whether anybody wants it still.
_LOOK = 0.1


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
        opened = asyncio.create_task(_Worker("ndbytes-open").once(self._make))
        try:
            self._made = await asyncio.shield(opened)
        except asyncio.CancelledError:
            # Nobody will have it.
            opened.add_done_callback(lambda task: task.exception() or task.result()._sync.close())
            raise
        return self._made

    def __await__(self) -> Generator[Any, None, T]:
        return self._open().__await__()

    async def __aenter__(self) -> T:
        return await self._open()

    async def __aexit__(self, *_: object) -> None:
        if self._made is not None:
            await self._made.close()


class _Worker:
    """A thread that does one thing behind the other, and ends when nobody asks for more."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._work: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._running = False

    async def call(self, work: Callable[[], Any]) -> Any:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        if not self._running:
            # The end of the program does not wait for a message.
            threading.Thread(target=_run, args=(self._work,), name=self._name, daemon=True).start()
            self._running = True
        self._work.put((loop, future, work))
        return await future

    async def once(self, work: Callable[[], Any]) -> Any:
        """The same, and nothing behind it."""
        try:
            return await self.call(work)
        finally:
            self.stop()

    def stop(self) -> None:
        if self._running:
            self._work.put(None)
            # Who asks once more gets another thread.
            self._work, self._running = queue.SimpleQueue(), False


def _run(asked: queue.SimpleQueue[Any]) -> None:
    while (one := asked.get()) is not None:
        loop, future, work = one
        try:
            done = (future.set_result, work())
        except BaseException as error:  # It is the caller's.
            done = (future.set_exception, error)
        try:
            loop.call_soon_threadsafe(_settle, future, *done)
        except RuntimeError:  # The loop was closed: nobody waits.
            pass
        del one, future, work, done


def _settle(future: asyncio.Future[Any], settle: Callable[[Any], None], value: Any) -> None:
    if not future.cancelled():
        settle(value)


class _Receives:
    """What channels and listeners have in common."""

    def __init__(self, sync: Any) -> None:
        self._sync = sync
        self._receiver = _Worker("ndbytes-recv")
        self._closed = False
        #: The message that is waited for, also where nobody does any more.
        self._coming: asyncio.Task[Message] | None = None

    async def recv(
        self, out: _channel.Out = None, *, timeout: float | None = None, progress: _channel.Progress = None
    ) -> Message:
        """Receive a message, as ``ndbytes.Channel.recv``.

        Where it is cancelled, or its time is up, nothing is lost: what has begun to come is the next message, in the ``out`` that
        was given for it. ``progress`` is called in another thread.
        """
        if self._closed:
            return self._sync.recv(out, timeout=0)
        if self._coming is None:
            self._coming = asyncio.create_task(self._receiver.call(lambda: self._next(out, progress)))
        coming = self._coming
        try:
            message = await asyncio.wait_for(asyncio.shield(coming), timeout)
        except asyncio.TimeoutError:
            if coming.done() and not coming.cancelled() and isinstance(coming.exception(), TimeoutError):
                self._coming = None
                raise
            raise TimeoutError(f"no message came within {timeout} s") from None
        except asyncio.CancelledError:
            raise
        except BaseException:
            self._coming = None
            raise
        self._coming = None
        return message

    def _next(self, out: _channel.Out, progress: _channel.Progress) -> Message:
        while True:
            try:
                return self._sync.recv(out, timeout=_LOOK, progress=progress)
            except TimeoutError as error:
                # Only that none began is no end.
                if not str(error).startswith("no message "):
                    raise

    @property
    def stats(self) -> dict[str, Any]:
        """As of ``ndbytes.Channel``."""
        return self._sync.stats

    async def close(self) -> None:
        """Let all connections go; whoever waits for a message gets an error. Twice is once."""
        self._closed = True
        await _Worker("ndbytes-close").once(self._sync.close)
        if (coming := self._coming) is not None:
            await asyncio.wait([coming])
            # Who waits for it hears of it; where nobody does it is no news.
            coming.exception()
        self._receiver.stop()

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
        sending = self._sender.call(lambda: self._sync.send(a, attrs, **options))
        return await asyncio.shield(asyncio.ensure_future(sending))

    async def flush(self, timeout: float | None = None) -> None:
        """Wait until the peer has confirmed all messages: as ``ndbytes.Channel.flush``."""
        await self._sender.call(lambda: self._sync.flush(timeout))

    async def close(self) -> None:
        await super().close()
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

    @property
    def url(self) -> str:
        """Where it listens, with the port that it got."""
        return self._sync.url

    @property
    def pin(self) -> str | None:
        """As ``ndbytes.Listener.pin``."""
        return self._sync.pin

    async def accept(self, timeout: float | None = None) -> Channel:
        """Give the next peer a channel of its own: as ``ndbytes.Listener.accept``."""
        return Channel(await _Worker("ndbytes-accept").once(lambda: self._sync.accept(timeout)))
