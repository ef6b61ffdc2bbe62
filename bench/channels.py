"""Channels between two processes: over TCP, within TLS and over a Unix socket, blocking and for asyncio, each into memory that is used again."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

import numpy as np

from .transports import answer


#: A certificate and its key, which everybody may know.
CERTIFICATE = Path(__file__).parents[1] / "python/tests/localhost.pem"


def address(unix: bool, number: int) -> str:
    return f"unix:{tempfile.gettempdir()}/ndbytes-bench-{number}" if unix else f"tcp://127.0.0.1:{number}"


class Channel:
    """`channel.send` and `channel.recv(out)`: a channel for arrays of one kind, told by its first array."""

    needs = ""
    unix = False
    kind = None
    listening, connecting = {}, {}

    def serve(self, ready):
        import ndbytes as ndb

        number = os.getpid() if self.unix else 0
        with ndb.listen(self.address(number), **self.listening) as listener:
            ready(number if self.unix else int(listener.url.rsplit(":", 1)[1]))
            while True:
                with listener.accept() as peer:
                    try:
                        out = np.zeros_like(peer.recv().array)
                        while True:
                            peer.send(answer(peer.recv(out).array))
                    except (EOFError, ConnectionError):
                        continue

    def address(self, number):
        return address(self.unix, number)

    def connect(self, number):
        self.url = self.address(number)

    def call(self, array):
        import ndbytes as ndb

        if self.kind != (array.dtype, array.shape):
            if self.kind:
                self.channel.close()
            self.channel = ndb.connect(self.url, **self.connecting)
            self.channel.send(array)
            self.kind, self.out = (array.dtype, array.shape), np.zeros_like(answer(array))
        self.channel.send(array)
        return self.channel.recv(self.out).array


class UnixChannel(Channel):
    unix = True


class TlsChannel(Channel):
    listening, connecting = {"cert": CERTIFICATE, "key": CERTIFICATE}, {"ca": CERTIFICATE}

    def address(self, number):
        return f"tls://localhost:{number}"


class AioChannel(Channel):
    """The same for asyncio, on both sides."""

    def serve(self, ready):
        asyncio.run(self.serving(ready))

    async def serving(self, ready):
        import ndbytes as ndb

        async with ndb.aio.listen("tcp://127.0.0.1:0") as listener:
            ready(int(listener.url.rsplit(":", 1)[1]))
            while True:
                async with await listener.accept() as peer:
                    try:
                        out = np.zeros_like((await peer.recv()).array)
                        while True:
                            await peer.send(answer((await peer.recv(out)).array))
                    except (EOFError, ConnectionError):
                        continue

    def call(self, array):
        if self.kind is None:
            self.loop = asyncio.new_event_loop()
        return self.loop.run_until_complete(self.calling(array))

    async def calling(self, array):
        import ndbytes as ndb

        if self.kind != (array.dtype, array.shape):
            if self.kind:
                await self.channel.close()
            self.channel = await ndb.aio.connect(self.url)
            await self.channel.send(array)
            self.kind, self.out = (array.dtype, array.shape), np.zeros_like(answer(array))
        await self.channel.send(array)
        return (await self.channel.recv(self.out)).array
