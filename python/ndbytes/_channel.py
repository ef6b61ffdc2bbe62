"""Messages of arrays between processes and machines: ``connect``, ``listen`` and what they give."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import numpy as np

from ndbytes import _core
from ndbytes._datagram import Receiver, Sender
from ndbytes._errors import ArgumentError, ArgumentTypeError, Error, MismatchError


#: Arrays of the caller's that take what comes.
Out = np.ndarray[Any, Any] | Mapping[str, np.ndarray[Any, Any]] | None
#: What is told how many bytes of how many have moved.
Progress = Callable[[int, int], object] | None


def connect(
    url: str,
    *,
    timeout: float = 10,
    reconnect: bool = False,
    ca: str | os.PathLike[str] | None = None,
    pin: str | None = None,
    loss: float = 0,
    rate: float | None = None,
    limits: _core.Limits | None = None,
) -> Channel:
    """Connect to a listener.

    Parameters
    ----------
    url : str
        ``"tcp://HOST:PORT"``, ``"tls://HOST:PORT"``: the same within TLS 1.3, ``"unix:/path"``, or ``"udp://HOST:PORT"``:
        datagrams, which go one way, may be lost, and are neither secret nor authenticated.
    timeout : float
        Seconds that connecting may take, and the peer for each message once it has begun: for its header, and for each 64 KiB
        behind it, and for taking 64 KiB of one: a receiver that does not ask for messages for so long, while more waits than
        the system keeps, breaks the channel. Between messages there is no bound.
    reconnect : bool
        True: a connection that is lost is made anew, for ``timeout`` seconds at most, by whoever sends or receives next. The peer
        then confirms what it has; ``stats`` tells what was lost.
    ca : path, optional
        Over ``tls://``, a PEM file of those who may sign the listener's certificate. Default: those whom the system trusts.
    pin : str, optional
        Over ``tls://``, in place of that, the one key that the listener may have: ``"sha256/BASE64"`` of the public key of its
        certificate, as ``Listener.pin`` says it, and curl's ``--pinnedpubkey``. Then neither the name in the certificate, nor its
        time, nor who signed it is looked at.
    loss : float
        Over ``udp://``, which part of the datagrams may be lost, from 0 to below 0.5: as much parity is sent as it takes that a
        message arrives all the same. With 0.01 a lost or damaged datagram in a hundred does no harm.
    rate : float, optional
        Over ``udp://``, bytes a second: what is sent faster than the way, or the receiver, can take is lost. Default 100 MB/s.
    limits : Limits, optional
        Bounds on what the peer may send. Default ``Limits.stream()``.

    Returns
    -------
    Channel

    Raises
    ------
    ArgumentError
        For a url that is none, for arguments that are for another kind of url, and for a ``ca`` or ``pin`` that is none.
    ConnectionError, TimeoutError, OSError
        If nobody listens there, or over ``tls://`` somebody else than should; if there is no file ``ca``.

    Notes
    -----
    A channel is neither secret nor authenticated, but over ``tls://``, where who connects knows the listener, and nobody on the way
    reads or changes anything. Whoever can reach a listener can send to it.

    Examples
    --------
    >>> import numpy as np, ndbytes as ndb
    >>> with ndb.listen("tcp://127.0.0.1:0") as listener, ndb.connect(listener.url) as channel:
    ...     _ = channel.send({"left": np.arange(3, dtype="<i2"), "right": np.zeros(2, "<f4")}, attrs={"frame": 7})
    ...     message = listener.recv()
    >>> message["left"], message.attrs["frame"]
    (array([0, 1, 2], dtype=int16), 7)
    """
    if _text(url).startswith("udp://"):
        if reconnect:
            raise ArgumentError("reconnect is for connections: datagrams have none")
        if ca is not None or pin is not None:
            raise ArgumentError("ca and pin are for tls://; datagrams are neither secret nor authenticated")
        return Channel(Sender(url, loss, rate))
    if loss or rate is not None:
        raise ArgumentError("loss and rate are for udp://; a connection loses nothing, and goes as fast as its peer")
    return Channel(_core.connect(url, timeout=timeout, reconnect=bool(reconnect), ca=ca, pin=pin, limits=limits))


def listen(
    url: str,
    *,
    keep: Literal["all", "latest"] | int = "all",
    cert: str | os.PathLike[str] | None = None,
    key: str | os.PathLike[str] | None = None,
    partial: bool = False,
    timeout: float | None = None,
    limits: _core.Limits | None = None,
) -> Listener:
    """Listen for channels.

    Parameters
    ----------
    url : str
        ``"tcp://HOST:PORT"``, port 0 for any that is free, ``"tls://HOST:PORT"``, where ``HOST`` is a name that the certificate
        has, ``"unix:/path"``, a socket that only its owner may connect to, or ``"udp://HOST:PORT"``.
    keep : "all", "latest" or int
        Which messages are kept until they are asked for. All: they wait at the peers, which wait too. The latest, or so many of the
        newest: a slow consumer gets what is new, and what gave way is counted. With the latest, who asks while the next message
        comes waits for it, if its header came less than 10 ms ago.
    cert, key : path
        Over ``tls://``, PEM files of the listener's certificate, with those between it and one that is trusted, and of its private
        key. ``openssl req -x509 -newkey ed25519 -nodes -subj /CN=me -addext subjectAltName=DNS:localhost -keyout key.pem -out
        cert.pem`` makes some; who connects gives ``cert.pem`` as ``ca``, or ``Listener.pin``.
    partial : bool
        Over ``udp://``, True: a single array that has not come whole is given as far as it has, with ``Message.mask``; else it is
        lost, and counted.
    timeout : float, optional
        Seconds that a peer may take for each message once it has begun, as for ``connect``, and over ``tls://`` for its handshake:
        10. Over ``udp://`` how long a message
        is waited for behind the last datagram of it: 1.
    limits : Limits, optional
        Bounds on what peers may send. Default ``Limits.stream()``.

    Returns
    -------
    Listener

    Raises
    ------
    ArgumentError
        For a url that is none, for arguments that are for another kind of url, for another ``keep``, and for files without a
        certificate, or without its key.
    OSError
        If the address is in use, or not to be had, or there is no file ``cert`` or ``key``.

    Examples
    --------
    >>> import numpy as np, ndbytes as ndb
    >>> with ndb.listen("tcp://127.0.0.1:0", keep="latest") as listener, ndb.connect(listener.url) as channel:
    ...     _ = channel.send(np.arange(3, dtype="<i2"))
    ...     listener.recv().array
    array([0, 1, 2], dtype=int16)
    """
    if _text(url).startswith("udp://"):
        if cert is not None or key is not None:
            raise ArgumentError("cert and key are for tls://; datagrams are neither secret nor authenticated")
        if keep != "all":
            raise ArgumentError("over udp:// what nobody asks for waits in the system, and what has no room there is lost")
        return Listener(Receiver(url, bool(partial), 1 if timeout is None else timeout, limits))
    if partial:
        raise ArgumentError("partial is for udp://; over a connection a message comes whole")
    if keep == "all":
        count = None
    elif keep == "latest":
        count = 1
    elif isinstance(keep, int) and not isinstance(keep, bool) and keep > 0:
        count = keep
    else:
        raise ArgumentError(f'keep must be "all", "latest" or a number of messages, found {keep!r}')
    timeout = 10 if timeout is None else timeout
    return Listener(_core.listen(url, keep=count, timeout=timeout, cert=cert, key=key, limits=limits))


def _text(url):
    if not isinstance(url, str):
        raise ArgumentTypeError(f"a url is text such as \"tcp://HOST:PORT\", found {type(url).__name__}")
    return url


class Message:
    """Arrays that were sent together."""

    __slots__ = ("_arrays", "_found")

    def __init__(self, found):
        # A small message comes in less time than it takes to sort it: what nobody asks for is not made.
        self._found = found
        self._arrays: dict[str, np.ndarray[Any, Any]] | None = None

    @property
    def arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        """The arrays by name, in their order; one without a name, or with that of another, is called ``arr_0``, ``arr_1``, … by its
        place.
        """
        if self._arrays is None:
            self._arrays = {}
            for at, (name, array) in enumerate(self._found[0]):
                self._arrays[f"arr_{at}" if name is None or name in self._arrays else name] = array
        return self._arrays

    @property
    def array(self) -> np.ndarray[Any, Any]:
        """The array of a message that has one.

        Raises
        ------
        MismatchError
            If it has several.
        """
        found = self._found[0]
        if len(found) != 1:
            raise MismatchError(f"the message has {len(self.arrays)} arrays, by name: {', '.join(self.arrays)}")
        return found[0][1]

    @property
    def name(self) -> str | None:
        """The name of the first array, or None."""
        return self._found[0][0][0]

    @property
    def attrs(self) -> dict[str, Any]:
        """What else was said of it, a new dict each time."""
        return json.loads(self._found[1]) if self._found[1] else {}

    @property
    def seq(self) -> int | None:
        """Its number among those of its sender, from 0 on; None where the sender does not say."""
        told = self._found[2]
        return told and told[0]

    @property
    def sent_ns(self) -> int | None:
        """When it was sent, by the sender's clock in nanoseconds since 1970; None where the sender does not say."""
        told = self._found[2]
        return told and told[1]

    @property
    def mask(self) -> np.ndarray[Any, Any] | None:
        """Where an array of datagrams is given in part, which of its items have come; else None. The other items are zeros."""
        return self._found[3] if len(self._found) > 3 else None

    def __getitem__(self, name: str) -> np.ndarray[Any, Any]:
        return self.arrays[name]

    def __contains__(self, name):
        return name in self.arrays

    def __iter__(self):
        return iter(self.arrays)

    def __len__(self):
        return len(self.arrays)

    def __repr__(self):
        arrays = ", ".join(f"{name if name.isprintable() else ascii(name)}: {array.dtype.str}{list(array.shape)}" for name, array in self.arrays.items())
        return f"<Message {self.seq if self.seq is not None else ''}: {arrays}>".replace(" :", ":")


class _Receives:
    """What channels and listeners have in common."""

    __slots__ = ("_core",)

    def __init__(self, core):
        self._core = core

    @property
    def stats(self) -> dict[str, Any]:
        """Counts of messages, a dict.

        ``sent``, ``received``; where it reconnects, ``confirmed``: sent, and the peer has said that it has them, ``lost``: sent, and
        nothing was heard of them before their connection was lost, ``lost_seqs``: runs of their numbers as (first, last), and
        ``reconnects``. At the receiver's end ``missed``: gaps in the numbers of peers that reconnect; ``dropped``: gave way to
        newer ones; ``failed``: connections that ended with an error.

        Over ``udp://`` ``sent``; at the receiver's end ``received``, ``partial``: given in part, ``lost``: given up, or missing among
        the numbers, and of these ``dropped``: for want of room, and ``damaged``. Of datagrams all that came, ``datagrams``, and
        ``late``, ``duplicates``, ``spare``: parity that was not needed, ``corrupt``, ``refused``: of too long messages, and
        ``repaired``; and ``granted``: bytes that the system keeps of what nobody has read yet, of 4 MiB that were asked for.
        """
        return self._core.stats()

    def close(self) -> None:
        """Let all connections go. Threads that wait for messages stop. Twice is once."""
        self._core.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __iter__(self) -> Iterator[Message]:
        return self


class Channel(_Receives):
    """A connection with a peer: messages go both ways. Any thread may send, and any receive, at the same time.

    Made by ``connect``, or by ``Listener.accept``. As an iterator it gives messages until the peer closes.
    """

    __slots__ = ()

    def send(
        self,
        a: Any,
        attrs: dict[str, Any] | None = None,
        *,
        name: str | None = None,
        codec: str | None = None,
        on_full: Literal["block", "drop_oldest"] = "block",
        progress: Progress = None,
    ) -> int | None:
        """Send an array, or arrays by name, as one message.

        Parameters
        ----------
        a : array or mapping of str to array
            Any arrays without Python objects, at any strides; not copied beforehand. A SINGLE ARRAY OF ``ndb.shm`` IS SHARED with
            a peer on a Unix socket: it is handed over without its items, and both see what either writes.
        attrs : dict, optional
            Whatever else is to be said of it, as far as JSON can.
        name : str, optional
            The name of a single array.
        codec : str, optional
            As for ``ndb.send``; None: items as they are.
        on_full : "block" or "drop_oldest"
            What to do if the peer is slow: wait; or leave a copy to a thread, where one message is on its way and one waits, which
            gives way to the next (``stats["dropped"]``).
        progress : callable, optional
            Called as ``progress(done, total)`` several times a second while it is sent, and once it has been: bytes of its arrays.
            What it raises ends the call, and with a message that was sent in part the connection.

        Returns
        -------
        int or None
            The number of the message, from 0 on; None if it was left to a thread.

        Raises
        ------
        ArgumentError
            For no arrays, another ``on_full``, and a channel that was closed.
        UnsupportedError
            For objects, StringDType and masked arrays.
        TimeoutError, ConnectionError, OSError
            If the connection is lost, and if it reconnects, if no new one was to be had in time. A message that was left to a
            thread says so at the next one.
        """
        return self._core.send(a, attrs, name, codec, on_full, progress)

    def recv(self, out: Out = None, *, timeout: float | None = None, progress: Progress = None) -> Message:
        """Receive a message.

        Parameters
        ----------
        out : ndarray or mapping of str to ndarray, optional
            Writable arrays of the same dtypes and shapes, at any strides, that take the items. Their content is undefined after an
            error.
        timeout : float, optional
            Seconds to wait for it to begin; None: for ever.
        progress : callable, optional
            Called as ``progress(done, total)`` several times a second while it comes, and once it has: bytes of its arrays, as far
            as their headers have come. What it raises ends the call, and with a message that has come in part the connection. Over
            ``udp://`` it is called at the end alone.

        Returns
        -------
        Message
            All of it has come, and every checksum held.

        Raises
        ------
        EOFError
            If the peer has closed, and no more will come. Not if it reconnects.
        TruncatedError
            If the connection was lost inside of a message. It is an ``EOFError`` too.
        TimeoutError
            If none began in time, after which it can be called again; or if the peer stopped inside of one.
        ChecksumError, FormatError, UnsupportedError, LimitError, MismatchError
            For a message that is damaged, none, too large, or not as ``out`` wants it; the connection is ended.
        """
        found = self._core.recv(out, timeout, progress)
        if found is None:
            raise EOFError("the peer has closed the channel: no more messages come")
        return Message(found)

    def flush(self, timeout: float | None = None) -> None:
        """Wait until the peer has confirmed all messages. It does so when it asks for the next one.

        Raises
        ------
        TimeoutError
            If it has not within so many seconds.
        ConnectionError
            If messages were lost since it was asked last; ``stats`` says which.
        ArgumentError
            For a channel that does not reconnect: nothing is confirmed to it.
        """
        if not self._core.flush(timeout):
            raise TimeoutError(f"the peer has not confirmed all messages within {timeout} s")

    @property
    def peer(self) -> str:
        """What is known of who is at the other end."""
        return self._core.peer

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._core.closed

    def __next__(self) -> Message:
        found = self._core.recv(None, None, None)
        if found is None:
            raise StopIteration
        return Message(found)

    def __repr__(self):
        return f"<Channel {'closed' if self.closed else self.peer}>"


class Listener(_Receives):
    """Takes the messages of all peers that connect, each in the order in which it sends them. As an iterator it ends when it is
    closed, and passes over peers whose connection ends with an error: ``stats["failed"]`` counts them.

    With ``keep="all"`` a message is received when it is asked for, and no other meanwhile: a peer that is slow within a message holds the
    others up, 64 KiB for each ``timeout`` at most.

    Made by ``listen``.
    """

    __slots__ = ()

    @property
    def url(self) -> str:
        """Where it listens, with the port that it got."""
        return self._core.url

    @property
    def pin(self) -> str | None:
        """Over ``tls://`` what whoever connects can give as ``pin``; else None."""
        return getattr(self._core, "pin", None)

    def recv(self, out: Out = None, *, timeout: float | None = None, progress: Progress = None) -> Message:
        """Receive the next message of any peer: as ``Channel.recv``, but that there is no end.

        An error ends the connection of one peer, and names it; call again for what others send. A TLS handshake that failed is one.
        """
        return Message(self._core.recv(out, timeout, progress))

    def accept(self, timeout: float | None = None) -> Channel:
        """Give the next peer a channel of its own: its messages do not come here, and it can be answered.

        Raises
        ------
        TimeoutError
            If none came within so many seconds; None: it waits for ever.
        ArgumentError
            If it keeps the newest messages, for which it receives from all peers.
        """
        return Channel(self._core.accept(timeout))

    def __next__(self) -> Message:
        while True:
            try:
                return self.recv()
            except ArgumentError:
                raise StopIteration from None  # It was closed.
            except (Error, OSError):
                # One peer's connection has ended; the others go on, and stats["failed"] counts.
                continue

    def __repr__(self):
        return f"<Listener {self.url}>"
