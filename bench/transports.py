"""The ways over a socket: each serves in a process of its own, and is called from the one that measures.

`serve` tells its port and answers for ever; `connect` and `call` are the near side. A call sends an array and returns
what the far side answers: the array itself up to 64 KiB, else a few numbers of it, so that a round trip can be checked.
"""

from __future__ import annotations

import io
import json
import os
import socket
import struct
import sys
import zlib

import numpy as np

from .figures import KiB
from .memory import save_to_memory

HEAD = struct.Struct("<4sQ")


def answer(array: np.ndarray) -> np.ndarray:
    if array.nbytes <= 64 * KiB:
        return array
    if array.dtype == np.uint8:
        return np.array([zlib.crc32(array)], np.uint32)
    return np.array([array.size, array.flat[0], array.flat[-1]], np.float64)


def listening():
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, listener.getsockname()[1]


def nodelay(connection):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


class Joined:
    """`sendall(a.tobytes())`, and a loop that joins what `recv` gives, as tutorials have it."""

    needs = ""
    step = 4096

    def send(self, connection, array):
        connection.sendall(HEAD.pack(array.dtype.str.encode().ljust(4), array.nbytes))
        connection.sendall(array.tobytes())

    def recv(self, connection):
        head = b""
        while len(head) < HEAD.size:
            head += connection.recv(HEAD.size - len(head)) or sys.exit(0)
        dtype, nbytes = HEAD.unpack(head)
        parts, got = [], 0
        while got < nbytes:
            parts.append(connection.recv(min(self.step, nbytes - got)))
            got += len(parts[-1])
        return np.frombuffer(b"".join(parts), dtype.decode().strip())

    def serve(self, ready):
        listener, port = listening()
        ready(port)
        connection = nodelay(listener.accept()[0])
        while True:
            self.send(connection, answer(self.recv(connection)))

    def connect(self, port):
        self.connection = nodelay(socket.create_connection(("127.0.0.1", port)))

    def call(self, array):
        self.send(self.connection, array)
        return self.recv(self.connection)


class Joined64K(Joined):
    step = 65536


class Into(Joined):
    """One `sendmsg` of header and array, and `recv_into` fresh memory."""

    def room(self, nbytes):
        return np.empty(nbytes, np.uint8)

    def send(self, connection, array):
        head, body = HEAD.pack(array.dtype.str.encode().ljust(4), array.nbytes), memoryview(array).cast("B")
        sent = connection.sendmsg([head, body])
        if sent < len(head) + len(body):
            connection.sendall(body[sent - len(head) :])

    def recv(self, connection):
        head = bytearray(HEAD.size)
        if not connection.recv_into(head, HEAD.size, socket.MSG_WAITALL):
            sys.exit(0)
        dtype, nbytes = HEAD.unpack(head)
        array = self.room(nbytes)
        view, got = memoryview(array), 0
        while got < nbytes:
            got += connection.recv_into(view[got:])
        return array.view(dtype.decode().strip())


class Reused(Into):
    """The same into one buffer that was touched before."""

    store = np.zeros(0, np.uint8)

    def room(self, nbytes):
        if self.store.size < nbytes:
            self.store = np.zeros(nbytes, np.uint8)
        return self.store[:nbytes]


class Ours(Joined):
    """`ndb.send` and `ndb.recv`: dtype, shape and checksums go with the array; each is received into fresh memory."""

    def send(self, connection, array):
        import ndbytes as ndb

        ndb.send(connection, array)

    def recv(self, connection):
        import ndbytes as ndb

        try:
            return ndb.recv(connection)
        except EOFError:
            sys.exit(0)


class OursReused:
    """`ndb.recv(out=)`: a connection for arrays of one kind, told by its first array, received into the same memory."""

    needs = ""
    kind = None

    def serve(self, ready):
        import ndbytes as ndb

        listener, port = listening()
        ready(port)
        while True:
            with nodelay(listener.accept()[0]) as connection:
                try:
                    out = np.zeros_like(ndb.recv(connection))
                    while True:
                        ndb.send(connection, answer(ndb.recv(connection, out=out)))
                except (EOFError, ConnectionError):
                    continue

    def connect(self, port):
        self.port = port

    def call(self, array):
        import ndbytes as ndb

        if self.kind != (array.dtype, array.shape):
            if self.kind:
                self.connection.close()
            self.connection = nodelay(socket.create_connection(("127.0.0.1", self.port)))
            ndb.send(self.connection, array)
            self.kind, self.out = (array.dtype, array.shape), np.zeros_like(answer(array))
        ndb.send(self.connection, array)
        return ndb.recv(self.connection, out=self.out)


class PickleConnection:
    """`multiprocessing.connection.Connection.send`, which pickles."""

    needs = ""

    def serve(self, ready):
        from multiprocessing.connection import Listener

        with Listener(("127.0.0.1", 0)) as listener:
            ready(listener.address[1])
            connection = listener.accept()
            self.quick(connection)
            while True:
                try:
                    connection.send(answer(connection.recv()))
                except EOFError:
                    return

    def quick(self, connection):
        nodelay(socket.socket(fileno=os.dup(connection.fileno()))).close()

    def connect(self, port):
        from multiprocessing.connection import Client

        self.connection = Client(("127.0.0.1", port))
        self.quick(self.connection)

    def call(self, array):
        self.connection.send(array)
        return self.connection.recv()


class Zmq:
    """A PAIR: a header in JSON and the array as a frame, without copies."""

    needs = "zmq"

    def send(self, pair, array):
        pair.send_multipart([json.dumps({"d": array.dtype.str, "s": array.shape}).encode(), array], copy=False)

    def recv(self, pair):
        head, frame = pair.recv_multipart(copy=False)
        head = json.loads(head.bytes)
        return np.frombuffer(frame.buffer, head["d"]).reshape(head["s"])

    def serve(self, ready):
        import zmq

        pair = zmq.Context().socket(zmq.PAIR)
        ready(pair.bind_to_random_port("tcp://127.0.0.1"))
        while True:
            self.send(pair, answer(self.recv(pair)))

    def connect(self, port):
        import zmq

        self.pair = zmq.Context().socket(zmq.PAIR)
        self.pair.linger = 0
        self.pair.connect(f"tcp://127.0.0.1:{port}")

    def call(self, array):
        self.send(self.pair, array)
        return self.recv(self.pair)


class Http:
    """A POST of what `np.save` writes to the standard library's server, and `np.load` of the answer."""

    needs = ""

    def serve(self, ready):
        from http.server import BaseHTTPRequestHandler, HTTPServer

        class Handler(BaseHTTPRequestHandler):
            protocol_version, disable_nagle_algorithm, wbufsize = "HTTP/1.1", True, 65536

            def do_POST(self):
                array = np.load(io.BytesIO(self.rfile.read(int(self.headers["Content-Length"]))))
                out = save_to_memory(answer(array))
                self.send_response(200)
                self.send_header("Content-Length", str(len(out)))
                self.end_headers()
                self.wfile.write(out)

            def log_message(self, *_):
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        ready(server.server_port)
        server.serve_forever()

    def connect(self, port):
        import http.client

        self.client = http.client.HTTPConnection("127.0.0.1", port)

    def call(self, array):
        data = save_to_memory(array)
        self.client.request("POST", "/", data, {"Content-Length": str(len(data))})
        return np.load(io.BytesIO(self.client.getresponse().read()))
