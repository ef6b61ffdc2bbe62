"""Arrays to and from ndbytes over any socket, in 60 lines of code written from FORMAT.md and WIRE.md alone.

python peer.py send HOST PORT NAME DTYPE SHAPE < data     such as: send 127.0.0.1 7000 counts "<i2" 2,3
python peer.py recv PORT                                  a line for each array; port 0 takes a free one
"""

import json
import math
import re
import socket
import struct
import sys

TABLE = list(range(256))
for _ in range(8):
    TABLE = [n >> 1 ^ (0x82F63B78 if n & 1 else 0) for n in TABLE]


def with_crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return data + struct.pack("<I", crc ^ 0xFFFFFFFF)


def tail(header, data):
    front = b"\x89NDBT\r\n\x1a" + bytes(4) + header[-4:] + struct.pack("<QII", len(data), 1 << 20, 0)
    sums = b"".join(with_crc32c(data[at : at + (1 << 20)])[-4:] for at in range(0, len(data), 1 << 20))
    return with_crc32c(front) + with_crc32c(sums)


def send(sock, name, dtype, shape, data):
    text = json.dumps({"dtype": dtype, "shape": list(shape), "order": "C", "name": name}).encode()
    h = -(-(28 + len(text)) // 64) * 64
    header = with_crc32c((struct.pack("<8s4xIQ", b"\x89NDBF\r\n\x1a", h, len(data)) + text).ljust(h - 4))
    sock.sendall(header + data + tail(header, data))


def take(sock, n, clean_end=False):
    found = bytearray()
    while len(found) < n and (part := sock.recv(min(n - len(found), 1 << 20))):
        found += part
    if len(found) < n and (found or not clean_end):
        raise EOFError(f"truncated: {len(found)} of {n} bytes came")
    return bytes(found)


def recv(sock, limit=1 << 30):
    """The next array: dtype, shape, order and data, and name and attrs if it has them. None at a clean end."""
    header = take(sock, 24, clean_end=True)
    if not header:
        return None
    magic, zeros, h, d = struct.unpack("<8sIIQ", header)
    if magic != b"\x89NDBF\r\n\x1a" or h % 64 or not 64 <= h <= 1 << 16:
        raise ValueError("this is no frame")
    header += take(sock, h - 24)
    if with_crc32c(header[:-4]) != header or zeros:
        raise ValueError("the header is damaged, or of another version")
    array = {"order": "C"} | json.loads(header[24:-4])
    sized = re.fullmatch(r"[<>|]([biufcmMSVU])(\d+)(\[\w+\])?", array["dtype"])  # The size of others is believed.
    size = int(sized[2]) * (4 if sized[1] == "U" else 1) if sized else d // max(1, math.prod(array["shape"]))
    if d > limit or d != size * math.prod(array["shape"]):
        raise ValueError("too large, or not the size of dtype and shape")
    data = take(sock, d)
    if take(sock, 40 + 4 * -(-d // (1 << 20))) != tail(header, data):
        raise ValueError("data or tail are damaged, or a writer did not finish")
    return array | {"data": data}


if __name__ == "__main__" and sys.argv[1] == "send":
    with socket.create_connection((sys.argv[2], int(sys.argv[3]))) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        send(sock, *sys.argv[4:6], [int(n) for n in sys.argv[6].split(",") if n], sys.stdin.buffer.read())
elif __name__ == "__main__":
    with socket.create_server(("127.0.0.1", int(sys.argv[2]))) as server:
        print("listening on port", server.getsockname()[1], flush=True)
        sock, _ = server.accept()
        while array := recv(sock):
            print(json.dumps(array | {"data": array["data"].hex()}), flush=True)
