"""Arrays inside MessagePack: an extension type that holds the checked bytes as they are.

    pip install msgpack
    python examples/msgpack_hooks.py
"""

import msgpack
import numpy as np

import ndbytes as ndb


def main():
    message = {"op": "add", "args": [np.eye(3, dtype=">i2"), np.float32(1.5)], "id": 7}
    data = msgpack.packb(message, default=ndb.msgpack_default)

    back = msgpack.unpackb(data, ext_hook=ndb.msgpack_ext_hook)
    matrix, number = back["args"]
    assert matrix.dtype == ">i2" and np.array_equal(matrix, np.eye(3))
    assert number.dtype == "f4" and number.shape == ()  # A scalar comes back as an array without axes.
    print(back["op"], matrix.shape, float(number), back["id"])

    # Many messages on one stream, as they come.
    unpacker = msgpack.Unpacker(ext_hook=ndb.msgpack_ext_hook)
    for start in range(0, 2 * len(data), 100):
        unpacker.feed((data * 2)[start : start + 100])
    print("messages:", sum(1 for _ in unpacker))


if __name__ == "__main__":
    main()
