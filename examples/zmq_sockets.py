"""Arrays over ZeroMQ: as parts of one message, and into a buffer that is used again.

    pip install pyzmq
    python examples/zmq_sockets.py
"""

import numpy as np
import zmq

import ndbytes as ndb


def send(socket, array, **what):
    """Header, data in pieces and tail as the parts of one message; ZeroMQ copies none of them again."""
    socket.send_multipart(ndb.buffers(array, **what), copy=False)


def recv(socket):
    decoder = ndb.Decoder()
    for part in socket.recv_multipart(copy=False):
        decoder.feed(part.buffer)
    decoder.eof_received()
    (array,) = decoder
    return array


def recv_into(socket, buffer):
    """The array of a message of one part, as a view of the buffer: until the next one comes. Too small a buffer is an error."""
    size = socket.recv_into(buffer)
    return ndb.loads(memoryview(buffer)[:size], copy=False)


def main():
    with zmq.Context() as context, context.socket(zmq.PULL) as pull, context.socket(zmq.PUSH) as push:
        push.connect(f"tcp://127.0.0.1:{pull.bind_to_random_port('tcp://127.0.0.1')}")
        image = np.arange(1080 * 1920 * 3, dtype="u1").reshape(1080, 1920, 3)
        send(push, image[::-1], name="upside down")
        back = recv(pull)
        assert np.array_equal(back, image[::-1])
        print("parts:", back.dtype, back.shape)

        buffer = bytearray(8 << 20)
        for turn in range(3):
            push.send(ndb.dumps(image + turn), copy=False)
            view = recv_into(pull, buffer)
            assert np.array_equal(view, image + turn)
        print("into one buffer:", view.dtype, view.shape)


if __name__ == "__main__":
    main()
