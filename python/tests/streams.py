"""Everything that arrays travel over in Python, and how to compare what came with what was sent."""

import contextlib
import gzip
import io
import os
import socket
import ssl
import threading
from pathlib import Path

import numpy as np

from cases import DTYPES, make

PATIENCE = 60  # seconds for what takes a moment
CERTIFICATE = Path(__file__).with_name("localhost.pem")

# Small relatives of `cases.LAYOUTS`.
SMALL = {
    "C": lambda make: make(3, 5),
    "F": lambda make: make(5, 3).T,
    "transposed": lambda make: make(2, 3, 4).transpose(2, 0, 1),
    "negative": lambda make: make(4, 5)[::-1, ::-2],
    "broadcast": lambda make: np.broadcast_to(make(1, 3), (4, 3)),
    "0-d": lambda make: make(2, 2)[1:, 1:].reshape(()),
    "empty": lambda make: make(4, 0, 3),
    "unaligned": lambda make: make(3, 4, skip=1),
}


def arrays():
    """Each class of dtype in each small layout."""
    for name, dtype in DTYPES.items():
        for layout in SMALL.values():
            yield name, layout(lambda *shape, skip=0: make(dtype, shape, skip))


def values(dtype):
    """The bytes of an item that hold its value, as a mask."""
    if dtype.subdtype:
        base, shape = dtype.subdtype
        return np.tile(values(base), int(np.prod(shape)))
    mask = np.zeros(dtype.itemsize, bool)
    if dtype.names is not None:
        for field, offset, *_ in dtype.fields.values():
            mask[offset : offset + field.itemsize] |= values(field)
        return mask
    mask[:] = True
    if dtype.type in (np.longdouble, np.clongdouble) and np.finfo(np.longdouble).nmant == 63:
        number = np.arange(16) < 10
        mask = np.tile(number if dtype.newbyteorder("<") == dtype else number[::-1], dtype.itemsize // 16)
    return mask


def content(array):
    """Its items in C order, as rows of the bytes that hold values."""
    itemsize = array.dtype.itemsize
    items = array.view(f"V{itemsize}") if itemsize else array
    return np.frombuffer(items.tobytes(), "u1").reshape(array.size, itemsize)[:, values(array.dtype)]


def assert_equal(found, sent):
    """Dtype with titles and offsets, shape and the bytes of all values."""
    __tracebackhide__ = True
    assert (found.dtype, found.dtype.fields, found.shape) == (sent.dtype, sent.dtype.fields, sent.shape)
    assert np.array_equal(content(found), content(sent))


def assert_same(found, sent):
    """All that, and that it is an array of its own in the same order."""
    __tracebackhide__ = True
    assert type(found) is np.ndarray
    assert_equal(found, sent)
    assert found.flags.writeable and found.flags.aligned
    fortran = sent.flags.f_contiguous and not sent.flags.c_contiguous
    assert found.flags.f_contiguous if fortran else found.flags.c_contiguous


def tcp():
    """Two ends of a TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        here = socket.create_connection(server.getsockname(), PATIENCE)
        there, _ = server.accept()
    there.settimeout(PATIENCE)
    return here, there


def contexts():
    """TLS for a client and for a server with a certificate of its own."""
    client = ssl.create_default_context(cafile=CERTIFICATE)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(CERTIFICATE)
    server.num_tickets = 0  # A client that closes with tickets unread resets the connection.
    return client, server


def tls(**options):
    """Two ends of a TLS connection; the options are those of the second."""
    (client, server), (here, there) = contexts(), tcp()
    with running(lambda: server.wrap_socket(there, server_side=True, **options)) as wrapped:
        here = client.wrap_socket(here, server_hostname="localhost")
    return here, wrapped()


@contextlib.contextmanager
def running(work):
    """Runs it in a thread for the time of the block; a function that gives its result, or raises its error."""
    results = []

    def run():
        try:
            results.append((work(), None))
        except BaseException as error:
            results.append((None, error))

    def result():
        assert results, "it has not ended"
        value, error = results[0]
        if error is not None:
            raise error
        return value

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield result
    thread.join(PATIENCE)
    assert not thread.is_alive(), "it did not end"


def descriptors():
    """The descriptors that this process has open."""
    return sorted(os.listdir("/proc/self/fd"))


class Live:
    """Two ends that are open at once: each takes what the other gives."""

    def __init__(self, make):
        self.make = make

    def pass_on(self, write, read, _):
        """What `read` makes of one end while `write` fills the other and closes it."""
        out, into, more = self.make()

        def writing():
            with out:
                write(out)
            for end in more:
                end.close()

        with running(writing) as result, into:
            found = read(into)
        result()
        return found


class Stored:
    """A file that is written, and then read."""

    def __init__(self, opened):
        self.opened = opened

    def pass_on(self, write, read, folder):
        path = folder / "stream"
        with self.opened(path, "wb") as out:
            write(out)
        with self.opened(path, "rb") as into:
            return read(into)


class InMemory:
    def pass_on(self, write, read, _):
        file = io.BytesIO()
        write(file)
        file.seek(0)
        return read(file)


def ends(pair, wrap_out=None, wrap_in=None):
    def make():
        here, there = pair()
        if wrap_out is None:
            return here, there, []
        out, into = wrap_out(here), wrap_in(there)
        # What makefile gives keeps the connection open until both are closed.
        there.close()
        return out, into, [here]

    return make


def pipe(buffering):
    def make():
        reading, writing = os.pipe()
        return open(writing, "wb", buffering), open(reading, "rb", buffering), []

    return make


MEDIA = {
    "socketpair": Live(ends(socket.socketpair)),
    "tcp": Live(ends(tcp)),
    "tls": Live(ends(tls)),
    "makefile": Live(ends(tcp, lambda sock: sock.makefile("wb"), lambda sock: sock.makefile("rb"))),
    "raw makefile": Live(ends(tcp, lambda sock: sock.makefile("wb", 0), lambda sock: sock.makefile("rb", 0))),
    "pipe": Live(pipe(0)),
    "buffered pipe": Live(pipe(-1)),
    "file": Stored(open),
    "raw file": Stored(lambda path, mode: open(path, mode, 0)),
    "gzip": Stored(lambda path, mode: gzip.open(path, mode, compresslevel=1)),
    "BytesIO": InMemory(),
}
