"""What channels over udp:// stand on: messages that go one way, and may be lost."""

from ndbytes import _core
from ndbytes._errors import ArgumentError


class Sender:
    """The side that sends, behind ``Channel``."""

    def __init__(self, url, loss, rate):
        self._core = _core.DatagramSender(url, loss=loss, rate=None if rate is None else _rate(rate))
        self.peer = url
        self.closed = False

    def send(self, *message):
        return self._core.send(*message)

    def recv(self, out, timeout, progress):
        raise ArgumentError("nothing comes over a channel of datagrams: it goes one way")

    def flush(self, timeout):
        raise ArgumentError("nothing is confirmed over a channel of datagrams: it goes one way")

    def stats(self):
        return {"sent": self._core.sent}

    def close(self):
        # Which may refuse.
        self._core.close()
        self.closed = True


class Receiver:
    """The side that receives, behind ``Listener``."""

    def __init__(self, url, partial, timeout, limits):
        self._core = _core.DatagramReceiver(url, partial=partial, timeout=timeout, limits=limits)
        self.url = self._core.url

    def recv(self, out, timeout, progress):
        found, mask = self._core.recv(out, timeout, progress)
        return (*found, mask)

    def accept(self, timeout):
        raise ArgumentError("datagrams have no connections to accept: call recv")

    def stats(self):
        return self._core.stats()

    def close(self):
        self._core.close()


def _rate(rate):
    if not 1 <= rate < 2**63:
        raise ArgumentError(f"rate: expected bytes a second, at least 1, found {rate}")
    return int(rate)
