"""What both formats share: CRC-32C and the sums record (FORMAT.md, sections 1 and 3), in pure Python.

>>> hex(crc32c(b"123456789"))
'0xe3069283'
>>> record = sums_record(7, b"data", b'{"name":"x"}')
>>> read_record(record, 7, b"data")
('sealed', b'{"name":"x"}')
>>> read_record(record, 7, b"date")
Traceback (most recent call last):
sums.FormatError: checksum: block 0 of 0 to 0
"""

import struct

MAGIC = b"\x89NDBT\r\n\x1a"
BLOCK = 1 << 20


class FormatError(ValueError):
    """What a reader reports; `kind` is a word of FORMAT.md's, such as truncated."""

    def __init__(self, kind, what):
        super().__init__(f"{kind}: {what}")
        self.kind = kind


def _table():
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        yield byte


TABLE = list(_table())


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def with_sum(data):
    return data + struct.pack("<I", crc32c(data))


def holds_its_sum(data):
    return len(data) >= 4 and with_sum(data[:-4]) == data


def block_sums(data):
    return [crc32c(data[i : i + BLOCK]) for i in range(0, len(data), BLOCK)]


def record_length(data_length, metadata_length=0):
    return 40 + metadata_length + 4 * -(-data_length // BLOCK)


def sums_record(header_sum, data, metadata=b"", state=0, lead=b"", version=0):
    """The record for data behind a header with this CRC; its first CRC covers `lead` too, which stands before it."""
    fields = struct.pack("<BBHIQII", version, state, 0, header_sum, len(data), BLOCK, len(metadata))
    sums = block_sums(data)
    return with_sum(lead + MAGIC + fields + metadata) + with_sum(struct.pack(f"<{len(sums)}I", *sums))


def read_record(record, header_sum, data, lead=b"", required=True):
    """State and metadata of the record behind this data, whose sums must hold."""
    front = len(lead) + 36 + int.from_bytes(record[28:32], "little")
    parts = (lead + record)[:front], (lead + record)[front:]
    if len(lead + record) < front + 4 or not holds_its_sum(parts[0]):
        raise FormatError("checksum", "the tail's fields")
    version, state, zero, header, length, block, m = struct.unpack("<BBHIQII", record[8:32])
    if record[:8] != MAGIC:
        raise FormatError("malformed", "no tail")
    if version != 0 or state > 1 or zero != 0:
        raise FormatError("unsupported", f"version {version}, state {state}, {zero} of a tail")
    if length != len(data) or block != BLOCK or len(record) != record_length(length, m):
        raise FormatError("malformed", f"a tail for {length} bytes in blocks of {block}")
    if state == 1 and required:
        raise FormatError("truncated", "a writer did not finish")
    if state == 1:
        return "open", record[32 : 32 + m]
    if not holds_its_sum(parts[1]):
        raise FormatError("checksum", "the tail's sums")
    if header != header_sum:
        raise FormatError("checksum", "the header, or the tail is another array's")
    sums = struct.unpack(f"<{len(parts[1]) // 4 - 1}I", parts[1][:-4])
    for index, (expected, found) in enumerate(zip(sums, block_sums(data), strict=True)):
        if found != expected:
            raise FormatError("checksum", f"block {index} of 0 to {len(sums) - 1}")
    return "sealed", record[32 : 32 + m]
