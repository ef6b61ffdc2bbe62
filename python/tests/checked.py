"""The checksum tail in pure Python, written from `spec/FORMAT.md`, sections 1, 3 and 4, and nothing else.

It shares no line with the library or with the reference reader beside that document.
"""

import io
import struct

import numpy as np

BLOCK = 1024 * 1024
MAGIC = bytes([0x89]) + b"NDBT" + bytes([0x0D, 0x0A, 0x1A])
SEALED, OPEN = 0, 1


def crc_tables():
    """Eight tables, for eight bytes at a time; the first is the usual one."""
    first = np.arange(256, dtype="u4")
    for _ in range(8):
        first = np.where(first & 1, (first >> 1) ^ 0x82F63B78, first >> 1).astype("u4")
    tables = [first]
    for _ in range(7):
        tables.append(first[tables[-1] & 0xFF] ^ (tables[-1] >> 8))
    return [table.tolist() for table in tables]


T0, T1, T2, T3, T4, T5, T6, T7 = crc_tables()


def crc32c(data):
    crc = 0xFFFFFFFF
    whole = len(data) & ~7
    for low, high in struct.iter_unpack("<II", data[:whole]):
        low ^= crc
        crc = (
            T7[low & 0xFF]
            ^ T6[low >> 8 & 0xFF]
            ^ T5[low >> 16 & 0xFF]
            ^ T4[low >> 24]
            ^ T3[high & 0xFF]
            ^ T2[high >> 8 & 0xFF]
            ^ T1[high >> 16 & 0xFF]
            ^ T0[high >> 24]
        )
    for byte in data[whole:]:
        crc = crc >> 8 ^ T0[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def split(file):
    """Header and data of the array at the front, and what follows."""
    stream = io.BytesIO(file)
    array = np.load(stream, max_header_size=1 << 20)
    start = 10 + struct.unpack_from("<H", file, 8)[0] if file[6] == 1 else 12 + struct.unpack_from("<I", file, 8)[0]
    end = start + array.nbytes
    return file[:start], file[start:end], file[end:]


def tail(header, data, metadata=b"", state=SEALED):
    """The tail that belongs to this array."""
    blocks = [data[start : start + BLOCK] for start in range(0, len(data), BLOCK)]
    file = io.BytesIO()
    size = 40 + len(metadata) + 4 * len(blocks)
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (size,)})
    assert file.tell() == 128
    file.write(MAGIC)
    file.write(struct.pack("<BBH", 0, state, 0))
    file.write(struct.pack("<IQ", crc32c(header), len(data)))
    file.write(struct.pack("<II", BLOCK, len(metadata)))
    file.write(metadata)
    file.write(struct.pack("<I", crc32c(file.getvalue())))
    sums = b"".join(struct.pack("<I", crc32c(block)) for block in blocks)
    file.write(sums)
    file.write(struct.pack("<I", crc32c(sums)))
    return file.getvalue()


def verify(file):
    """The metadata of a checked file in which every sum holds; anything else is an AssertionError."""
    header, data, rest = split(file)
    assert rest[:6] == b"\x93NUMPY"
    content = np.load(io.BytesIO(rest)).tobytes()
    assert len(rest) == 128 + len(content) and content[:8] == MAGIC
    version, state, zero, header_sum, length, block, size = struct.unpack_from("<BBHIQII", content, 8)
    assert (version, state, zero, length, block) == (0, SEALED, 0, len(data), BLOCK)
    assert header_sum == crc32c(header)
    count = -(-len(data) // BLOCK)
    assert len(content) == 40 + size + 4 * count
    own, *sums, last = struct.unpack_from(f"<{count + 2}I", content, 32 + size)
    assert own == crc32c(rest[: 128 + 32 + size]) and last == crc32c(content[36 + size : -4])
    assert sums == [crc32c(data[i * BLOCK : (i + 1) * BLOCK]) for i in range(count)]
    return content[32 : 32 + size]
