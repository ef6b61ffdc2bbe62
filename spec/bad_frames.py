"""The bad frames among the vectors: what ndbytes says of each, and at which byte; make_vectors.py calls this."""

import json
import struct

import numpy as np

from frame import frame, frame_of, header
from good_frames import NESTED, THREE
from sums import BLOCK, MAGIC, crc32c, sums_record, with_sum

DATA = THREE.tobytes()
FILE = frame("<f8", [3], DATA)  # Header 0 to 128, data to 152, tail to 196.
HEADER_DAMAGED = "Checksum", "the frame's header (bytes 0 to 128) is damaged: its CRC-32C does not hold", 0
TAIL_DAMAGED = "Checksum", "the checksum tail (bytes 152 to 196) is damaged: its own CRC-32C does not hold", 152
NO_MAGIC = "not a .npy or .ndb file: expected \\x93NUMPY or \\x89NDBF, found "
TOO_LARGE = "frame header: the array's size overflows; at most 9223372036854775807 bytes are allowed"


def bads(bad):
    """Each bad frame with the kind of its error, the message, and the byte where there is one."""

    def put(vector, file, *expected, **options):
        bad(f"{vector}.ndb", file, *expected, **options)

    bad_bytes(put)
    bad_headers(put)
    bad_dtypes_and_shapes(put)
    bad_tails(put)


def bad_bytes(put):
    """Damage to a good frame: flips, cuts, and what stands behind."""
    put("flipped_magic", flip(FILE, 0), "Malformed",
        NO_MAGIC + "\\x88NDBF\\r; for bytes without a header, declare dtype and shape", 0)
    put("text_mode", FILE.replace(b"\r\n", b"\n"), "Malformed",
        NO_MAGIC + "\\x89NDBF\\n; its magic is damaged, as by a transfer in text mode", 0)
    put("flipped_version", flip(FILE, 8), *HEADER_DAMAGED)
    put("flipped_length", flip(FILE, 12, 6), "Checksum",
        "the frame's header (bytes 0 to 192) is damaged: its CRC-32C does not hold", 0)
    put("flipped_json", flip(FILE, 40, 2), *HEADER_DAMAGED)
    put("flipped_padding", flip(FILE, 110), *HEADER_DAMAGED)
    put("flipped_header_sum", flip(FILE, 127), *HEADER_DAMAGED)
    put("flipped_data", flip(FILE, 140, 3), "Checksum",
        "block 0 of 0 to 0 (bytes 128 to 152) is damaged: its CRC-32C is "
        f"{crc32c(flip(FILE, 140, 3)[128:152]):08x}, the tail says {crc32c(DATA):08x}", 128)
    put("flipped_tail_magic", flip(FILE, 152), *TAIL_DAMAGED)
    put("flipped_state", flip(FILE, 161), *TAIL_DAMAGED)
    put("flipped_metadata_length", flip(FILE, 180), *TAIL_DAMAGED)
    put("flipped_tail_sum", flip(FILE, 184), *TAIL_DAMAGED)
    put("flipped_block_sum", flip(FILE, 188), *TAIL_DAMAGED)
    put("flipped_last_sum", flip(FILE, 195, 7), *TAIL_DAMAGED)
    put("nothing", b"", "Truncated", "npy header: the input is empty", 0)
    put("cut_magic", FILE[:5], "Truncated", "frame header: the input ends after 5 bytes, at least 8 are needed", 5)
    put("cut_length", FILE[:14], "Truncated", "frame header: the input ends after 14 bytes, at least 24 are needed", 14)
    put("cut_header", FILE[:127], "Truncated",
        "frame header: the input ends after 127 bytes, at least 128 are needed", 127)
    put("cut_before_data", FILE[:128], "Truncated", "shape (3,) of <f8 needs 24 bytes of data, the input has 0", 128)
    put("cut_data", FILE[:150], "Truncated", "shape (3,) of <f8 needs 24 bytes of data, the input has 22", 150)
    put("cut_before_tail", FILE[:152], "Truncated",
        "the checksum tail is cut: the input ends 0 bytes into it, it has 44", 152)
    put("cut_tail", FILE[:-1], "Truncated", "the checksum tail is cut: the input ends 43 bytes into it, it has 44", 195)
    put("behind_the_frame", FILE + b"\n", "Malformed", "bytes behind the end of the frame; a file holds one", 196)
    put("two_frames", FILE + FILE, "Malformed", "bytes behind the end of the frame; a file holds one", 196)
    put("other_magic", b"\x89HDF\r\n\x1a\n" + bytes(60), "Malformed",
        NO_MAGIC + "\\x89HDF\\r\\n; this looks like HDF5", 0)


def bad_headers(put):
    """Headers whose sum holds, with fields or a JSON text that cannot be."""
    for field, at in (("version", 8), ("filter", 10), ("codec", 11)):
        put(f"{field}_1", of_text(said(), **{field: 1}), "Unsupported",
            f"frame header: {field} 1; 0 is read: update ndbytes", at)
    put("header_of_100", of_text(said(), h=100), "Malformed",
        "frame header: its length is 100, which is no multiple of 64", 12)
    put("header_of_0", of_text(said(), h=0), "Malformed",
        "frame header: its length is 0, which is no multiple of 64", 12)
    put("header_of_2_mib", of_text(said(), h=1 << 21), "Limit",
        "frame header is 2097152, at most 1048576 are allowed", 12)
    put("other_data_length", of_text(said(), d=32), "Malformed",
        "frame header: it says 32 bytes of data, dtype and shape make 24", 16)
    put("not_utf8", of_text(said().encode().replace(b'"C"', b'"\xff"')), "Malformed",
        "frame header: its JSON is not UTF-8", 60)
    put("half_a_character", of_text(said(more=',"name":"\\ud83d"')), "Malformed",
        "frame header: unexpected end of hex escape at line 1 column 8", 24)
    put("no_json", of_text("dtype: <f8"), "Malformed", "frame header: expected value at line 1 column 1", 24)
    put("no_object", of_text('["<f8",[3]]'), "Malformed",
        "frame header: invalid type: sequence, expected a JSON object at line 1 column 0", 24)
    put("no_end", of_text(said()[:-1]), "Malformed",
        "frame header: EOF while parsing an object at line 1 column 100", 24)
    put("trailing_comma", of_text(said(more=",")), "Malformed", "frame header: trailing comma at line 1 column 40", 24)
    put("two_objects", of_text(said() + "{}"), "Malformed", "frame header: trailing characters at line 1 column 40", 24)
    put("nul_padding", of_text(said() + "\0"), "Malformed", "frame header: trailing characters at line 1 column 40", 24)
    put("not_a_number", of_text(said(more=',"later":NaN')), "Malformed",
        "frame header: expected value at line 1 column 48", 24)
    put("brackets_65_deep", of_text(said(more=',"attrs":' + NESTED.replace("[]", "[[]]"))), "Malformed",
        "frame header: brackets nest more than 64 deep", 24)
    put("no_dtype", of_text('{"shape":[3]}'), "Malformed", 'frame header: the key "dtype" is missing', 24)
    put("no_shape", of_text('{"dtype":"<f8"}'), "Malformed", 'frame header: the key "shape" is missing', 24)
    put("duplicate_key", of_text(said(more=',"shape":[3]')), "Malformed",
        'frame header: the key "shape" stands twice at line 1 column 46', 24)
    put("duplicate_name", of_text(said(more=',"name":"a","name":"a"')), "Malformed",
        'frame header: the key "name" stands twice at line 1 column 56', 24)
    put("order_x", of_text(said().replace('"C"', '"X"')), "Malformed",
        'frame header: order: expected "C" or "F", found "X"', 24)
    put("order_null", of_text(said().replace('"C"', "null")), "Malformed",
        "frame header: invalid type: null, expected a string at line 1 column 4", 24)
    put("name_null", of_text(said(more=',"name":null')), "Malformed",
        "frame header: invalid type: null, expected a string at line 1 column 4", 24)
    put("attrs_array", of_text(said(more=',"attrs":[]')), "Malformed",
        "frame header: invalid type: sequence, expected a JSON object at line 1 column 0", 24)
    put("cut_petabyte", of_text(said(shape="[140737488355328]"), DATA[:10], d=1 << 50), "Truncated",
        "shape (140737488355328,) of <f8 needs 1125899906842624 bytes of data, the input has 54", 182)


def bad_dtypes_and_shapes(put):
    for name, (dtype, message) in {
        "object": ("|O", 'spec "|O": "|O" is no dtype, at character 0'),
        "object_field": ("{a:|O}", 'spec "{a:|O}": "|O" is no dtype, at character 3'),
        "alias": ("float64", 'the dtype "float64" is written <f8'),
        "no_byte_order": ("f8", 'the dtype "f8" is written <f8'),
        "native_byte_order": ("=f8", 'the dtype "=f8" is written <f8'),
        "byte_order_of_a_byte": ("<u1", 'the dtype "<u1" is written |u1'),
        "subarray": ("<f8[1]", "spec \"<f8[1]\": spec: expected the end, found '[', at character 3"),
        "white_space": ("<f8 ", 'the dtype "<f8 " is written <f8'),
        "empty": ("", 'spec "": expected a dtype such as <f4, float32 or {name:<f4}, at character 0'),
        "f10": ("<f10", 'spec "<f10": "<f10" is no dtype, at character 0'),
        "one_second": ("<M8[1s]", 'the dtype "<M8[1s]" is written <M8[s]'),
        "little_bfloat16": ("{a:<bfloat16,:|V6}", 'the dtype "{a:<bfloat16,:|V6}" is written {a:bfloat16,:|V6}'),
        "needless_offset": ("{a:<f8@0}/8", 'the dtype "{a:<f8@0}/8" is written {a:<f8}'),
        "two_gaps": ("{a:<i4,:|V2,:|V2}", 'the dtype "{a:<i4,:|V2,:|V2}" is written {a:<i4,:|V4}'),
        "offset_for_a_gap": ("{a:<i2,b:<i4@4}", 'the dtype "{a:<i2,b:<i4@4}" is written {a:<i2,:|V2,b:<i4}'),
        "needless_escape": (r"{'\x61 b':<f8}", r"""the dtype "{'\\x61 b':<f8}" is written {'a b':<f8}"""),
        "long_escape": (r"{'\u00e9':<f8}", r"""the dtype "{'\\u00e9':<f8}" is written {'é':<f8}"""),
        "needless_quotes": ("{'a':<f8}", "the dtype \"{'a':<f8}\" is written {a:<f8}"),
        "field_outside": ("{b:<i4@4,a:<i4@0}/4",
            'spec "{b:<i4@4,a:<i4@0}/4": field "b" of 4 bytes at offset 4 does not fit an item of 4 bytes, '
            "at character 19"),
        "field_twice": ("{a:<i4,a:<i4}", 'spec "{a:<i4,a:<i4}": the field name "a" stands twice, at character 13'),
    }.items():
        put(f"dtype_{name}", of_text(said(dtype=json.dumps(dtype))), "Malformed", f"frame header: {message}", 24)
    deep = 17 * "{a:" + "<f8" + 17 * "}"
    put("dtype_17_deep", of_text(said(dtype=f'"{deep}"')), "Limit",
        f'frame header: spec "{deep[:60]}"… (71 bytes): dtype depth is 17, at most 16 are allowed', 24)
    put("dtype_of_2_gib", of_text(said(dtype='"|V2147483648"')), "Limit",
        'frame header: spec "|V2147483648": itemsize is 2147483648, at most 2147483647 are allowed', 24)
    put("dtype_number", of_text(said(dtype="8")), "Malformed",
        "frame header: invalid type: integer `8`, expected a string at line 1 column 1", 24)
    for name, (shape, message) in {
        "negative": ("[-3]", "shape: invalid value: integer `-3`, expected u64 at line 1 column 3"),
        "float": ("[3.0]", "shape: invalid type: floating point `3.0`, expected u64 at line 1 column 4"),
        "exponent": ("[3e0]", "shape: invalid type: floating point `3.0`, expected u64 at line 1 column 4"),
        "true": ("[true]", "shape: invalid type: boolean `true`, expected u64 at line 1 column 5"),
        "number": ("3",
            "shape: invalid type: integer `3`, expected a JSON array of integers from 0 to 2^63 - 1 "
            "at line 1 column 1"),
        "null": ("[null]", "shape: invalid type: null, expected u64 at line 1 column 5"),
        "2_to_the_63": ("[0,9223372036854775808]",
            "shape: 9223372036854775808 is more than 2^63 - 1 at line 1 column 23"),
        "huge": (f"[{10**30}]", "shape: invalid type: floating point `1e+30`, expected u64 at line 1 column 32"),
        "leading_zero": ("[03]", "invalid number at line 1 column 26"),
        "minus_zero": ("[-0]", "shape: invalid type: floating point `-0.0`, expected u64 at line 1 column 3"),
        "axes_65": (f"[{','.join(65 * ['1'])}]", "shape: more than 64 axes at line 1 column 131"),
    }.items():
        put(f"shape_{name}", of_text(said(shape=shape)), "Malformed", f"frame header: {message}", 24)
    put("overflow", of_text(said(shape="[4294967296,4294967296]"), b"", d=0), "Limit",
        TOO_LARGE, 24)
    put("overflow_of_nothing", of_text(said(shape=f"[0,{2**62},{2**62}]"), b"", d=0), "Limit",
        TOO_LARGE, 24)


def bad_tails(put):
    """Tails whose own sums hold, but that are not this array's, or none that is read."""
    head = header("<f8", [3])
    of, front = crc32c(head[:-4]), head + DATA
    put("open_where_required", frame("<f8", [3], DATA, state=1), "Truncated",
        "the checksum tail is marked open: a writer did not finish; `ndbytes checksum` seals it", 152)
    put("no_tail", front + with_sum(bytes(32)) + with_sum(bytes(4)), "Malformed",
        "the checksum tail does not start with its magic", 152)
    put("tail_of_another", front + sums_record(crc32c(header(">f8", [3])[:-4]), DATA), "Checksum",
        "header and tail belong to different arrays: the tail names another header", 0)
    put("tail_version", front + sums_record(of, DATA, version=1), "Unsupported",
        "checksum tail of version 1; 0 is read: update ndbytes", 152)
    put("tail_state_2", front + sums_record(of, DATA, state=2), "Unsupported",
        "checksum tail with state 2 and flags 0, 0; 0 or 1 and zeros are read", 152)
    put("tail_with_metadata", front + sums_record(of, DATA, b'{"name":"x"}'), *TAIL_DAMAGED)
    put("tail_with_short_metadata", front + sums_record(of, DATA, b"{}  ")[:44], "Malformed",
        "the tail of a frame has 4 bytes of metadata; they stand in its header", 152)
    for name, numbers, kind, message in [
        ("flags", (0, 0, 1, of, 24, BLOCK, 0), "Unsupported",
         "checksum tail with state 0 and flags 1, 0; 0 or 1 and zeros are read"),
        ("blocks", (0, 0, 0, of, 24, BLOCK // 2, 0), "Malformed",
         "the checksum tail is for 24 bytes in blocks of 524288, the array has 24 in blocks of 1048576"),
        ("length", (0, 0, 0, of, 25, BLOCK, 0), "Malformed",
         "the checksum tail is for 25 bytes in blocks of 1048576, the array has 24 in blocks of 1048576"),
    ]:
        fields = with_sum(MAGIC + struct.pack("<BBHIQII", *numbers))
        put(f"tail_{name}", front + fields + with_sum(struct.pack("<I", crc32c(DATA))), kind, message, 152)
    put("wrong_block_sum", front + sums_record(of, DATA)[:-8] + with_sum(bytes(4)), "Checksum",
        "block 0 of 0 to 0 (bytes 128 to 152) is damaged: its CRC-32C is "
        f"{crc32c(DATA):08x}, the tail says 00000000", 128)
    two = np.arange(BLOCK // 8 + 2, dtype="<i8").tobytes()
    head = header("<i8", [BLOCK // 8 + 2])
    swapped = two[BLOCK:] + two[:BLOCK]
    put("swapped_blocks", head + swapped + sums_record(crc32c(head[:-4]), two), "Checksum",
        "block 0 of 0 to 1 (bytes 128 to 1048704) is damaged: its CRC-32C is "
        f"{crc32c(swapped[:BLOCK]):08x}, the tail says {crc32c(two[:BLOCK]):08x}; 1 more blocks too", 128)


def of_text(text, data=DATA, **numbers):
    text = text if isinstance(text, bytes) else text.encode()
    return frame_of(text, data, **numbers)


def said(dtype='"<f8"', shape="[3]", more=""):
    """The JSON text of a header."""
    return f'{{"dtype":{dtype},"shape":{shape},"order":"C"{more}}}'


def flip(file, byte, bit=0):
    return file[:byte] + bytes([file[byte] ^ 1 << bit]) + file[byte + 1 :]
