"""The bad coded frames among the vectors, with the kind of each error; make_vectors.py calls this.

What is compressed here was made by hand or once and for all, so that the files do not hang on the version of a library.
"""

import struct

from bad_frames import flip
from coded import DECIMAL, PLANES, PREDICT, block, blocks, decimal_front_of, entry, frame, header, segments, whole
from frame import frame_of, header_of
from sums import crc32c

LENGTHS, SHAPE, TYPE = [2], [6], "<i4"
DATA = struct.pack("<6i", 3, 1, 4, 1, 5, 9)
HEAD = header(TYPE, SHAPE, LENGTHS)
BLOCKS = blocks(TYPE, SHAPE, LENGTHS, DATA)
FILE = frame(TYPE, SHAPE, LENGTHS, DATA)
H, T = len(HEAD), len(HEAD) + 3 * 32  # Behind T: three entries (to T + 72), a page's CRC, a footer.
LZ4, ZSTD, DEFLATE, PCO = range(1, 5)
ZEROS = bytes(64)
# Sixty-four zeros. LZ4: a zero, 58 times what is a byte back, five zeros. Zstandard: a run of 64.
AS_LZ4 = bytes.fromhex("1f 00 0100 27 50 0000000000")
AS_ZSTD = bytes.fromhex("28b52ffd 20 40 030200 00")
AS_DEFLATE = bytes.fromhex("6360a00c0000")
PCO_U4 = bytes.fromhex("70636f21030004040401010f000000100000000000000000")  # Sixteen of them, of four bytes.
PCO_I4 = bytes.fromhex("70636f21030004040401030f000000100000000000040000")


def bads(bad):
    def put(vector, file, kind):
        bad(f"coded_{vector}.ndb", file, kind)

    bad_bytes(put)
    bad_headers(put)
    bad_grids(put)
    bad_blocks(put)
    bad_segments(put)
    bad_streams(put)
    bad_filters(put)
    bad_indices(put)


def bad_bytes(put):
    """Damage to a good frame: flips, cuts, blocks in other places, and what stands behind."""
    put("flipped_header", flip(FILE, 40), "Checksum")
    put("flipped_block_header", flip(FILE, H + 32), "Checksum")
    put("flipped_block_header_sum", flip(FILE, H + 20), "Checksum")
    put("flipped_stored", flip(FILE, H + 32 + 25, 5), "Checksum")
    put("flipped_page", flip(FILE, T + 30), "Checksum")
    put("flipped_page_sum", flip(FILE, T + 72), "Checksum")
    put("flipped_index_magic", flip(FILE, T + 76), "Checksum")
    put("flipped_footer_sum", flip(FILE, len(FILE) - 1, 7), "Checksum")
    for what, at in {"header": H - 1, "before_blocks": H, "block_header": H + 23, "block": H + 31,
                     "later_block": H + 40, "before_index": T, "page": T + 71, "page_sums": T + 75, "footer": len(FILE) - 1}.items():
        put(f"cut_{what}", FILE[:at], "Truncated")
    put("behind_the_footer", FILE + b"\n", "Malformed")
    put("two_frames", FILE + FILE, "Malformed")
    tail = FILE[T:]
    put("swapped_blocks", HEAD + BLOCKS[1] + BLOCKS[0] + BLOCKS[2] + tail, "Checksum")
    put("dropped_block", HEAD + BLOCKS[0] + BLOCKS[2] + tail, "Checksum")
    put("repeated_block", HEAD + BLOCKS[0] + BLOCKS[1] + BLOCKS[1] + BLOCKS[2] + tail, "Checksum")
    put("block_twice", HEAD + BLOCKS[0] + BLOCKS[0] + BLOCKS[2] + tail, "Checksum")
    other = blocks(TYPE, SHAPE, LENGTHS, DATA[::-1])
    put("spliced_block", HEAD + BLOCKS[0] + other[1] + BLOCKS[2] + tail, "Checksum")
    wide = header(TYPE, [1 << 48], [1 << 22])
    put("cut_petabyte", wide + block(DATA, DATA, 1 << 22, s=1 << 24), "Truncated")


def bad_headers(put):
    text = HEAD[24:-4].rstrip()
    for name, numbers in {"flags_2": {"flags": 2}, "flags_5": {"flags": 5}, "version_1": {"flags": 1, "version": 1},
                          "header_filter_3": {"flags": 1, "filter": 3}, "header_filter_20": {"flags": 1, "filter": 20},
                          "header_filter_128": {"flags": 1, "filter": 128},
                          "header_codec_5": {"flags": 1, "codec": 5}}.items():
        head = header_of(text, 24, **numbers)
        put(name, whole(head, BLOCKS, SHAPE), "Unsupported")
    half = text.replace(b'"<i4"', rb'''"{'\\ud83d':<i4}"''')
    put("dtype_half_a_character", whole(header_of(half, 24, flags=1), BLOCKS, SHAPE), "Malformed")
    order = text.replace(b'"order":"C"', b'"order":""')
    put("order_of_nothing", whole(header_of(order, 24, flags=1), BLOCKS, SHAPE), "Malformed")
    put("other_data_length", whole(header_of(text, 28, flags=1), BLOCKS, SHAPE), "Malformed")
    put("tail_of_a_frame", frame_of(text, DATA, flags=1), "Checksum")
    put("flag_off", header_of(text, 24) + FILE[H:], "Checksum")


def bad_grids(put):
    for name, said in {"missing": "", "null": ',"block":null', "number": ',"block":2', "0": ',"block":[0]',
                       "negative": ',"block":[-2]', "float": ',"block":[2.0]', "true": ',"block":[true]',
                       "more_than_the_axis": ',"block":[7]', "no_axis": ',"block":[]', "two_axes": ',"block":[2,1]',
                       "twice": ',"block":[2],"block":[2]'}.items():
        text = f'{{"dtype":"<i4","shape":[6],"order":"C"{said}}}'
        put(f"grid_{name}", whole(header_of(text.encode(), 24, flags=1), BLOCKS, SHAPE), "Malformed")
    text = b'{"dtype":"<i4","shape":[6],"block":[2],"block":[2]}'
    put("grid_twice_in_a_plain_frame", frame_of(text, DATA), "Malformed")
    put("grid_over_16_mib", header(TYPE, [1 << 23], [(1 << 22) + 1]), "Malformed")
    put("grid_over_16_mib_of_nothing", whole(header(TYPE, [0, 1 << 23], [1, 1 << 23]), [], [0, 1 << 23]), "Malformed")
    put("grid_2_of_no_length", whole(header(TYPE, [0], [2]), [], [0]), "Malformed")
    put("grid_of_axes_turned_round", whole(header(TYPE, [2, 3], [3, 2], "F"), [], [2, 3], "F"), "Malformed")


def bad_blocks(put):
    """Blocks whose header's CRC holds."""

    def second(name, kind, items=DATA[8:16], stored=None, rows=2, **broken):
        changed = block(items, items if stored is None else stored, rows, **broken)
        put(name, whole(HEAD, [BLOCKS[0], changed, BLOCKS[2]], SHAPE), kind)

    head = header("|V16777217", [1], [1])
    large = [block(ZEROS, segments([(1 << 24) + 1], [AS_ZSTD]), 1, 0, ZSTD)]
    put("item_over_16_mib", whole(head, large, [1]), "Malformed")
    for number in (3, 12 + 8, 24 + 4, 128):
        second(f"filter_{number}", "Unsupported", filter=number, codec=1)
    second("codec_5", "Unsupported", codec=5)
    second("block_zero", "Unsupported", zero=1)
    second("filter_of_codec_0", "Malformed", filter=1)
    second("rows_1", "Malformed", rows=1)
    second("rows_0", "Malformed", rows=0)
    second("stored_too_long", "Malformed", codec=3, stored=bytes(9))
    second("stored_4_gib", "Malformed", codec=3, s=2**32 - 1)
    second("codec_0_too_short", "Malformed", stored=DATA[8:15])
    second("codec_0_too_long", "Malformed", stored=DATA[8:17])
    second("items_sum", "Checksum", items_sum=0)
    second("stored_sum", "Checksum", stored_sum=0)
    ones = segments([64], [AS_DEFLATE])
    put("items_sum_of_deflate", one(block(ZEROS, ones, 16, 0, DEFLATE, items_sum=crc32c(DATA))), "Checksum")
    put("stored_sum_of_deflate", one(block(ZEROS, ones, 16, 0, DEFLATE, stored_sum=0)), "Checksum")
    put("rows_of_a_scalar", one(block(DATA[:4], DATA[:4], 0), shape=[]), "Malformed")


def one(block, dtype=TYPE, shape=(16,)):
    """A frame of this one block."""
    head = header(dtype, list(shape), list(shape))
    return whole(head, [block], list(shape))


def of(stored, codec, filter=0, dtype=TYPE, shape=(16,)):
    """A frame of 64 zeros, stored as these bytes."""
    return one(block(ZEROS, stored, (*shape, 1)[0], filter, codec), dtype, shape)


def bad_segments(put):
    half = bytes.fromhex("1f 00 0100 07 50 0000000000")  # Thirty-two zeros.
    table = lambda *rows: struct.pack("<H", len(rows)) + b"".join(struct.pack("<II", *row) for row in rows)
    for name, stored in {
        "nothing": b"",
        "half_a_number": b"\1",
        "0": table(),
        "0_and_more": table() + AS_LZ4,
        "half_a_table": table((64, 11))[:-1],
        "65535": b"\xff\xff" + AS_LZ4,
        "too_short": table((63, 11)) + AS_LZ4,
        "too_long": table((65, 11)) + AS_LZ4,
        "one_missing": table((32, 11)) + half,
        "one_more": table((64, 11), (32, 11)) + AS_LZ4 + half,
        "of_no_length": table((64, 11), (0, 0)) + AS_LZ4,
        "stored_too_short": table((64, 10)) + AS_LZ4,
        "stored_too_long": table((64, 12)) + AS_LZ4,
        "stored_in_no_bytes": table((32, 11), (32, 0)) + half,
        "longer_than_decoded": table((57, 11), (7, 8)) + AS_LZ4 + bytes(8),
        "wraps": table((64, 11), (2**32 - 1, 1), (1, 1)) + AS_LZ4 + bytes(2),
        "behind_the_last": table((64, 11)) + AS_LZ4 + b"\0",
    }.items():
        put(f"segments_{name}", of(stored, LZ4), "Malformed")


def bad_streams(put):
    """One segment each, which is not of 64 bytes or not of its codec."""
    magic, run = AS_ZSTD[:4], AS_ZSTD[6:]
    for codec, streams in {
        ("lz4", LZ4): {
            "too_short": bytes.fromhex("1f 00 0100 26 50 0000000000"),
            "too_long": bytes.fromhex("1f 00 0100 28 50 0000000000"),
            "cut": AS_LZ4[:-1],
            "trailing": AS_LZ4 + b"\0",
            "offset_before_the_start": bytes.fromhex("1f 00 0200 27 50 0000000000"),
            "with_length": struct.pack("<I", 64) + AS_LZ4,
            "of_zstd": AS_ZSTD,
        },
        ("zstd", ZSTD): {
            "without_content_size": magic + b"\x00\x00" + run,
            "of_63": magic + bytes.fromhex("20 3f fb0100 00"),
            "says_63": magic + b"\x20\x3f" + run,
            "says_64_is_63": magic + bytes.fromhex("20 40 fb0100 00"),
            "trailing": AS_ZSTD + b"\0",
            "two_frames": magic + bytes.fromhex("20 20 030100 00") + magic + bytes.fromhex("20 20 030100 00"),
            "cut": AS_ZSTD[:-1],
            "dictionary": magic + b"\x21\x07\x40" + run,
            "skippable": bytes.fromhex("502a4d18 02000000 0000"),
            "skippable_behind": AS_ZSTD + bytes.fromhex("502a4d18 02000000 0000"),
            "of_deflate": AS_DEFLATE,
        },
        ("deflate", DEFLATE): {
            "too_short": bytes.fromhex("6360a0080000"),
            "too_long": bytes.fromhex("6360a0100000"),
            "trailing": AS_DEFLATE + b"\0",
            "unfinished": bytes.fromhex("6260a00c00000000ffff"),  # No last block.
            "cut": AS_DEFLATE[:-1],
            "zlib": b"\x78\x9c" + AS_DEFLATE + bytes.fromhex("00400001"),
        },
        ("pco", PCO): {
            "of_another_type": PCO_I4,
            "too_short": bytes.fromhex("70636f210300c3030401010e000000100000000000000000"),
            "too_long": bytes.fromhex("70636f210300440404010110000000100000000000000000"),
            "cut": PCO_U4[:-1],
            "of_lz4": AS_LZ4,
        },
    }.items():
        for name, stream in streams.items():
            dtype = "<u4" if codec[1] == PCO else TYPE
            put(f"{codec[0]}_{name}", of(segments([64], [stream]), codec[1], dtype=dtype), "Malformed")
    put("pco_length_no_multiple", of(segments([63, 1], [PCO_U4, b"\0"]), PCO, dtype="<u4"), "Malformed")
    put("zstd_skippable_first", of(segments([64], [bytes.fromhex("502a4d18 02000000 0000") + AS_ZSTD]), ZSTD), "Malformed")


def bad_filters(put):
    """Filters that this dtype or this box cannot have; the bytes are those of 64 zeros, or would be."""
    zeros = segments([64], [AS_LZ4])
    for name, filter, dtype, shape in [
        ("predict_1_without_axes", PREDICT, "<i4", []),
        ("predict_2_of_one_axis", 2 * PREDICT, "<i4", [16]),
        ("predict_3_of_two_axes", 3 * PREDICT, "<i4", [4, 4]),
        ("predict_3_of_complex", 3 * PREDICT, "<c8", [8]),
        ("predict_4_of_one_axis", 4 * PREDICT, "<i4", [16]),
        ("planes_of_one_axis", PLANES, "<i4", [16]),
        ("planes_of_no_axis", PLANES, "<i4", []),
        ("planes_of_bytes", PLANES, "|S1", [64]),
    ]:
        if shape:
            put(name, of(zeros, LZ4, filter, dtype, shape), "Malformed")
        else:
            put(name, one(block(bytes(4), b"\1\0\4\0", 1, filter, LZ4), dtype, shape), "Malformed")
    for name, dtype, shape in [("integers", "<i4", [16]), ("half", "<f2", [32]), ("times", "<m8", [8]),
                               ("text", "<U16", [1]), ("longdouble", "<f16", [4]), ("a_record", "{x:<f4}", [16])]:
        put(f"decimal_of_{name}", of(b"\0\4\0\0" + zeros, LZ4, DECIMAL, dtype, shape), "Malformed")
    put("decimal_23_digits", of(b"\x17\4\0\0" + zeros, LZ4, DECIMAL, "<f4"), "Malformed")
    put("decimal_255_digits", of(b"\xff\4\0\0" + zeros, LZ4, DECIMAL, "<f4"), "Malformed")
    put("decimal_width_0", of(b"\0\0\0\0" + segments([1], [b"\0"]), LZ4, DECIMAL, "<f4"), "Malformed")
    as_48, as_128 = (segments([n], [AS_LZ4.replace(b"\x27", bytes([n - 25]))]) for n in (48, 128))
    put("decimal_width_3", of(b"\0\3\0\0" + as_48, LZ4, DECIMAL, "<f4"), "Malformed")
    put("decimal_width_8_of_4", of(b"\0\x08\0\0" + as_128, LZ4, DECIMAL, "<f4"), "Malformed")
    put("decimal_without_numbers", of(b"\0", LZ4, DECIMAL, "<f4"), "Malformed")
    put("decimal_half_a_count", of(b"\0\4\0", LZ4, DECIMAL, "<f4"), "Malformed")
    put("decimal_without_segments", of(b"\0\4\0\0", LZ4, DECIMAL, "<f4"), "Malformed")
    for name, places in {"descend": [5, 4], "repeated": [4, 4], "out_of_range": [16], "far_out_of_range": [1, 2**32 - 1],
                         "descend_out_of_range": [16, 2]}.items():
        front = decimal_front_of(0, 4, [(place, 0) for place in places], 4)
        put(f"exceptions_{name}", of(front + zeros, LZ4, DECIMAL, "<f4"), "Malformed")
    front = decimal_front_of(0, 4, [(place, 0) for place in range(4)], 4)
    put("exceptions_cut", of(front[:-1], LZ4, DECIMAL, "<f4"), "Malformed")
    put("exceptions_and_no_more", of(front, LZ4, DECIMAL, "<f4"), "Malformed")
    put("exceptions_beyond_the_block", of(front[:2] + b"\xff\xff" + front[4:] + zeros, LZ4, DECIMAL, "<f4"), "Malformed")
    put("exceptions_one_too_few", of(front[:2] + b"\3\0" + front[4:] + zeros, LZ4, DECIMAL, "<f4"), "Malformed")
    # Of an element in two planes, of which there are sixteen, and not of an item, of which there are eight.
    front = decimal_front_of(0, 4, [(8, 0), (16, 0)], 4)
    put("exceptions_of_planes_out_of_range", of(front + zeros, LZ4, DECIMAL + PLANES, "<c8", (8,)), "Malformed")
    put("pco_arrange_1", of(segments([64], [PCO_U4]), PCO, 1, "<u4"), "Malformed")
    put("pco_arrange_2", of(segments([64], [PCO_U4]), PCO, 2, "<u4"), "Malformed")
    for name, filter, dtype, shape in [
        ("one_byte", 0, "|u1", [64]), ("one_byte_predicted", PREDICT, "|u1", [64]), ("bytes", 0, "|S4", [16]),
        ("text", 0, "<U4", [4]), ("bfloat16", 0, "bfloat16", [32]), ("longdouble", 0, "<f16", [4]),
        ("a_record", 0, "{x:<u4}", [16]),
    ]:
        put(f"pco_of_{name}", of(segments([64], [PCO_U4]), PCO, filter, dtype, shape), "Malformed")
    bytes_only = b"\0\1\0\0" + segments([64], [PCO_U4])
    put("pco_decimal_width_1", one(block(bytes(256), bytes_only, 64, DECIMAL, PCO), "<f4", [64]), "Malformed")
    stored = b"\0\1\0\0" + segments([64], [bytes(64)])
    put("pco_decimal_width_1_uncompressed", one(block(bytes(256), stored, 64, DECIMAL, PCO), "<f4", [64]), "Malformed")
    put("pco_integers_predicted", of(segments([64], [PCO_I4]), PCO, PREDICT, "<i4"), "Malformed")


def bad_indices(put):
    """Indices whose footer's CRC holds, unless it is said."""

    def broken(name, kind, **fields):
        put(f"index_{name}", whole(HEAD, BLOCKS, SHAPE, **fields), kind)

    broken("magic", "Malformed", magic=b"\x89NDBT\r\n\x1a")
    broken("version", "Unsupported", version=1)
    broken("flags", "Unsupported", flags=1)
    broken("zero", "Unsupported", zero=1)
    broken("of_another_header", "Checksum", header=crc32c(header(">i4", SHAPE, LENGTHS)[:-4]))
    for field, value in {"B": 4, "rows": 5, "d": 28, "t": T + 1, "zeros": 1}.items():
        broken(field, "Malformed", **{field: value})
    sums = FILE[T + 72 : T + 76]
    broken("sums_sum", "Checksum", sums_sum=crc32c(sums) ^ 1)
    broken("page_sum", "Checksum", sums=flip(sums, 0))
    for field, value in {"place": H + 33, "s": 9, "rows": 1, "stored_sum": 0, "items_sum": 0}.items():
        entries = [entry(H + 32 * i, block, **({field: value} if i == 1 else {})) for i, block in enumerate(BLOCKS)]
        broken(f"entry_{field}", "Checksum", entries=entries)
    places = [entry(H + 32 * i, block) for i, block in enumerate(BLOCKS)]
    broken("entries_swapped", "Checksum", entries=[places[1], places[0], places[2]])
    put("index_twice", FILE + FILE[T:], "Malformed")
    empty = header("<f4", [0], [1])
    put("index_of_nothing_with_a_block", whole(empty, [block(b"", b"", 0)], [0]), "Checksum")
