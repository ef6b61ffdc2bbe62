"""The good coded frames among the vectors; make_vectors.py calls this.

The compressors are not ours, and make other bytes from version to version: see `agrees`.
"""

import json
import pathlib
import struct
import sys
import zlib

import numpy as np

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "python"))

import coded
import ndbytes_reader
from coded import ARRANGE, DECIMAL, PLANES, PREDICT
from dtypes import itemsize
from good_frames import good_row
from sums import crc32c

NONE, LZ4, ZSTD, DEFLATE, PCO = range(5)
NAMES = ["none", "lz4", "zstd", "deflate", "pco"]


def compress(codec, part, kind):
    try:
        if codec == LZ4:
            import lz4.block
            return lz4.block.compress(part, store_size=False)
        if codec == ZSTD:
            import zstandard
            return zstandard.ZstdCompressor(level=9).compress(part)
        if codec == PCO:
            from pcodec import ChunkConfig, PagingSpec
            from pcodec.standalone import simple_compress
            paging = PagingSpec.equal_pages_up_to(200)  # So that longer segments are of several chunks.
            return simple_compress(np.frombuffer(part, kind), ChunkConfig(paging_spec=paging))
        deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
        return deflate.compress(part) + deflate.flush()
    except ImportError:
        return b"?"  # Its skeleton is all that will be looked at.


def agrees(file, made, row):
    """Whether a coded frame (or one that grows) is the made one in all but compressed bytes, and these hold what the row
    says. Without the library for them the latter is not looked at; `cargo xtask test` has all of them.
    """
    if file == made:
        return True
    try:
        items = ndbytes_reader.read(file)[0].tobytes("A")
        return skeleton(file) == skeleton(made) and f"{crc32c(items):08x}" == row["data_crc32c"]
    except ImportError:
        return skeleton(file) == skeleton(made)
    except (ValueError, struct.error):
        return False


def skeleton(file):
    """All of a coded frame but what compressors made, how long that is, and the sums over it."""
    (h,) = struct.unpack("<I", file[12:16])
    w, _, _ = coded.elements(json.loads(file[24 : h - 4])["dtype"])
    if file[9] == 3:
        return grown(file, h, w)
    blocks, t = struct.unpack("<Q16xQ", file[-48:-16])
    return [file[:h], blocks, file[-64:-24], *bare(file, h, blocks, w)[0]]


def grown(file, h, w):
    """Of one that grows also the end records, and the mark and the footers but for the places that they name."""
    kept, at, n = [file[: h + 40], file[h + 48 : h + 60]], h + 64, 0
    (end,) = struct.unpack("<Q", file[h + 40 : h + 48])
    while at < end:
        if file[at + 5] == 255:
            (n,) = struct.unpack("<Q", file[at + 12 : at + 20])
            at += 24 + 24 * n + 4 * -(-n // coded.PAGE) + 64
            kept += [n, file[at - 64 : at - 24]]
        else:
            (part,), at = bare(file, at, 1, w)
            kept.append(part)
    return [*kept, file[end:]]


def bare(file, at, blocks, w):
    """What is kept of these blocks, and where they end."""
    kept = []
    for _ in range(blocks):
        s, filter, codec, zero, rows, _, items_sum, _ = struct.unpack("<IBBHIIII", file[at : at + 24])
        stored, at = file[at + 24 : at + 24 + s], at + 24 + s
        front = 4 + (4 + w) * int.from_bytes(stored[2:4], "little") if filter & DECIMAL else 0
        n = int.from_bytes(stored[front : front + 2], "little") if codec else 0
        lengths = [stored[front + 2 + 8 * i :][:4] for i in range(n)]
        kept.append((filter, codec, zero, rows, items_sum, stored[: front + 2], lengths) if codec else stored)
    return kept, at


def goods(good):
    def put(vector, dtype, array, lengths, filter=0, codec=0, choose=None, **more):
        array = np.asarray(array)
        assert itemsize(dtype) == array.itemsize, vector
        order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
        data, shape = array.tobytes("A"), list(array.shape)
        said = {key: more.pop(key) for key in ("name", "attrs") if key in more}
        choose = choose or (lambda i: {"filter": filter, "codec": codec, **more})
        file = coded.frame(dtype, shape, lengths, data, order, choose, compress, filter=filter, codec=codec, **said)
        row = good_row(dtype, shape, order, data, **said) | {"written": False}
        good(f"coded_{vector}.ndb", file, row | {"codec": codec, "filter": filter, "block": lengths})

    codecs_and_arrangements(put)
    pco_types(put)
    predictions(put)
    planes(put)
    decimals(put)
    exceptions(put)
    dtypes_and_orders(put)
    shapes(put)
    segments_and_mixtures(put)


def codecs_and_arrangements(put):
    walk = (wavy(60, 11) // 16).astype("<i4")
    for arrange, what in enumerate(["plain", "bytes", "bits"]):
        for codec in (LZ4, ZSTD, DEFLATE):
            put(f"{NAMES[codec]}_{what}", "<i4", walk, [25, 4], arrange, codec)
    for width in "u1", "i2", "i8":
        dtype = f"{'|' if width == 'u1' else '<'}{width}"
        put(f"bits_of_{width}", dtype, wavy(603).astype(dtype), [250], 2, ZSTD)
    put("bits_of_seven", "<i8", np.zeros(21, "<i8"), [7], 2, LZ4)  # No eight: all as they are.


def pco_types(put):
    for kind in "i2 i4 i8 u2 u4 u8 f2 f4 f8".split():
        put(f"pco_{kind}", f"<{kind}", (wavy(700) + 300).astype(f"<{kind}"), [256], 0, PCO)
    put("pco_big_endian", ">f8", (wavy(400) / 4).astype(">f8"), [150], 0, PCO)
    put("pco_complex", "<c16", (wavy(300) + 1j * wavy(300)).astype("<c16"), [128], 0, PCO)
    put("pco_complex_planes", "<c8", (wavy(300) + 1j * wavy(300)).astype("<c8"), [128], PLANES, PCO)
    put("pco_time", "<m8[ms]", (wavy(400) * 1000).astype("<i8").view("<m8[ms]"), [170], 0, PCO)
    put("pco_big_endian_datetime", ">M8[s]", (wavy(400) * 10).astype(">i8").view(">M8[s]"), [170], 0, PCO)
    put("pco_predict", "<i4", wavy(30, 20).astype("<i4"), [13, 20], 2 * PREDICT, PCO)
    put("pco_predict_half", "<f2", (wavy(400) // 16).astype("<f2"), [150], PREDICT, PCO)
    put("pco_predict_bfloat16", "bfloat16", (wavy(300) + 500).astype("<u2").view("V2"), [128], PREDICT, PCO)
    put("pco_predict_text", "<U3", np.array([f"{i:3}" for i in range(200)], "<U3"), [90], 4 * PREDICT, PCO)
    for width in (2, 4, 8):
        put(f"pco_decimal_{width}", "<f8", wavy(300) / 100, [128], DECIMAL, PCO, digits=2, width=width)
    put("pco_decimal_predict", ">f4", (wavy(300) / 10).astype(">f4"), [128], DECIMAL + PREDICT, PCO, digits=1, width=2)


def predictions(put):
    cube = wavy(7, 12, 13).astype("<i2")
    for predict in range(1, 5):
        for arrange in range(3):
            put(f"predict_{predict}_arrange_{arrange}", "<i2", cube, [3, 12, 5], predict * PREDICT + arrange, ZSTD)
    put("predict_floats", "<f4", wavy(200).astype("<f4"), [64], PREDICT + 1, DEFLATE)
    put("predict_wraps", "|i1", (wavy(400) * 7).astype("i4").astype("i1"), [150], PREDICT, LZ4)
    extremes = np.array([0, 2**63 - 1, -(2**63), -1, 1] * 40, "<i8")
    put("predict_extremes", "<i8", extremes, [75], PREDICT, DEFLATE)
    put("predict_float8", "float8_e5m2", wavy(400).astype("u1").view("V1"), [150], PREDICT, ZSTD)
    put("predict_one_row", "<i4", wavy(5, 70).astype("<i4"), [1, 70], 2 * PREDICT + 1, ZSTD)
    put("predict_text", "<U4", np.array([f"ab{i:02}" for i in range(99)], "<U4"), [40], PREDICT + 1, ZSTD)
    put("predict_bytes", "|S8", np.array([f"item{i:04}" for i in range(99)], "S8"), [40], 4 * PREDICT, ZSTD)


def planes(put):
    put("planes", "<f4", wavy(60, 5).astype("<f4"), [25, 5], PLANES + 1, LZ4)
    put("planes_three_axes", "<i2", wavy(9, 10, 6).astype("<i2"), [4, 10, 4], PLANES + 3 * PREDICT + 2, ZSTD)
    put("planes_last_but_one", "<i2", wavy(9, 10, 6).astype("<i2"), [4, 10, 4], PLANES + 4 * PREDICT + 1, DEFLATE)
    put("planes_complex", "<c8", (wavy(150) + 1j * wavy(150)).astype("<c8"), [64], PLANES + PREDICT + 1, DEFLATE)
    put("planes_record", "{t:<u4,x:<f2}", record(150), [64], PLANES + PREDICT, ZSTD)
    put("planes_text", ">U5", np.array([f"{i:5}" for i in range(90)], ">U5"), [40], PLANES + 1, LZ4)
    put("planes_fortran", "<i4", np.asfortranarray(wavy(6, 70).astype("<i4")), [3, 30], PLANES + PREDICT + 1, ZSTD)


def decimals(put):
    for kind, width, digits in [("f8", 1, 1), ("f8", 2, 2), ("f8", 4, 3), ("f8", 8, 0), ("f8", 8, 22),
                                ("f4", 1, 2), ("f4", 2, 1), ("f4", 4, 3)]:
        scale, span = 10**digits, {1: 100, 2: 1, 4: 0.01, 8: 0.001}[width]
        values = (np.round(wavy(220) / span) / scale).astype(f"<{kind}")
        filter = DECIMAL + (width > 1)
        put(f"decimal_{kind}_{digits}_{width}", f"<{kind}", values, [96], filter, ZSTD, digits=digits, width=width)
    parts = np.round(wavy(150)) / 10 + 1j * (np.round(wavy(150)) / 10 + 5)
    put("decimal_c16", "<c16", parts, [64], DECIMAL + 4 * PREDICT + 1, DEFLATE, digits=1, width=2)
    put("decimal_c8_planes", "<c8", parts.astype("<c8"), [64], DECIMAL + PLANES + PREDICT, LZ4, digits=1, width=2)
    grid = (wavy(40, 18) / 100).astype(">f8")
    put("all_parts", ">f8", grid, [17, 10], DECIMAL + PLANES + 2 * PREDICT + 2, ZSTD, digits=2, width=2)
    large = np.array([2**53 + 2 * i for i in range(99)], "<f8")
    put("decimal_large", "<f8", large, [40], DECIMAL + PREDICT, DEFLATE, digits=0, width=8)


def exceptions(put):
    fine = wavy(200) // 16 / 10
    f8 = fine.copy()
    f8[[3, 50, 51, 64, 120, 121, 199]] = [-0.0, np.inf, -np.inf, 1 / 3, 1e300, 5e-324, 4e9]
    f8.view("<u8")[[0, 130]] = 0x7FF8_0000_1234_5678, 0xFFF0_0000_0000_0001  # NaNs, the second one signalling.
    f4 = fine.astype("<f4")
    f4.view("<u4")[[0, 3, 50, 51, 64, 130, 199]] = (
        0x7FC0_1234, 0x8000_0000, 0x7F80_0000, 0xFF80_0000, 0x7F7F_FFFF, 0xFF80_0001, 1)
    for kind, array in {"f8": f8, "f4": f4}.items():
        said = {"digits": 1, "width": 2}
        put(f"exceptions_{kind}", f"<{kind}", array, [100], DECIMAL, ZSTD, **said)
        put(f"exceptions_{kind}_predict", f"<{kind}", array, [100], DECIMAL + PREDICT + 1, DEFLATE, **said)
        put(f"exceptions_{kind}_planes", f">{kind}", array.astype(f">{kind}").reshape(40, 5), [21, 5],
            DECIMAL + PLANES + PREDICT + 1, LZ4, **said)
    put("exceptions_c16_planes", "<c16", f8.view("<c16"), [50], DECIMAL + PLANES + PREDICT + 2, ZSTD, digits=1, width=2)
    put("exceptions_pco", "<f8", f8, [128], DECIMAL + PREDICT, PCO, digits=1, width=4)
    put("exceptions_needless", "<f8", fine, [100], DECIMAL + 1, ZSTD, digits=1, width=2, listed=[0, 1, 50, 99])


def dtypes_and_orders(put):
    put("fortran", "<i4", np.asfortranarray(wavy(12, 9, 5).astype("<i4")), [5, 9, 2], 2 * PREDICT + 1, ZSTD)
    put("fortran_stored", ">i2", np.asfortranarray(wavy(5, 4).astype(">i2")), [2, 3])
    put("big_endian", ">i4", wavy(30, 10).astype(">i4"), [11, 10], PREDICT + 1, LZ4)
    put("big_endian_bfloat16", ">bfloat16", (wavy(300) + 500).astype(">u2").view("V2"), [128], PREDICT + 1, LZ4)
    put("big_endian_complex", ">c16", (wavy(90) + 1j).astype(">c16"), [32], 1, ZSTD)
    put("bool", "|b1", wavy(400) > 20, [150], 2, DEFLATE)
    put("longdouble", "<f16", np.array([bytes(i // 9 for i in range(16))] * 40, "V16"), [15], 0, ZSTD)
    put("void", "|V3", np.array([bytes([i, 0, 7]) for i in range(120)], "V3"), [50], 4 * PREDICT, DEFLATE)
    put("datetime", "<M8[D]", (wavy(200) + 18000).astype("<i8").view("<M8[D]"), [80], PREDICT + 1, ZSTD)
    put("record", "{t:<u4,x:<f2}", record(200), [80], 4 * PREDICT, LZ4)
    put("name_of_nothing", "<i2", wavy(200).astype("<i2"), [80], 1, ZSTD, name="")
    put("attributes", "<i2", wavy(200).astype("<i2"), [80], 1, ZSTD, name="waves", attrs='{"unit": "µV"}')


def shapes(put):
    put("scalar", "<f8", np.array(2.5), [])
    put("scalar_complex_text", ">U40", np.array("a" * 40, ">U40"), [], PREDICT + 1, LZ4)  # Its box is 40.
    put("empty", "<f4", np.zeros((0, 5), "<f4"), [1, 5], 1, ZSTD)
    put("no_bytes", "{}", np.zeros(3, []), [2])
    put("one_item_blocks", "<i4", wavy(3, 2).astype("<i4"), [1, 1])
    put("one_block", "<i4", wavy(30, 7).astype("<i4"), [30, 7], 1, LZ4)
    put("axes_64", "|u1", np.zeros(64 * (1,), "u1"), 64 * [1])
    put("stored", "<i4", wavy(11, 7).astype("<i4"), [4, 3])
    put("two_pages", "|u1", (np.arange(1030) % 251).astype("u1"), [1])
    put("three_axes", "|u1", (np.arange(5 * 6 * 7) % 251).astype("u1").reshape(5, 6, 7), [2, 4, 3])


def segments_and_mixtures(put):
    noise = wavy(64) * 0 + (np.arange(64) * 2654435761 % 65537 * 40503 % 65536)
    table = np.concatenate([wavy(150) // 16, noise, wavy(150) // 16, noise]).astype("<u2")
    for codec in (LZ4, ZSTD, DEFLATE, PCO):
        put(f"segments_{NAMES[codec]}", "<u2", table, [214], 0, codec, cuts=[100, 200, 300], raw=[1, 3])
    put("segments_odd", "<u2", table, [214], PREDICT + 2, ZSTD, cuts=[99, 100, 350], raw=[1])
    put("segments_pco_odd", "<u2", table, [214], 0, PCO, cuts=[200, 301], raw=[1, 2])
    tenths = np.round(wavy(90)) / 10
    put("segments_all_stored", "<f8", tenths, [40], DECIMAL, LZ4, digits=1, width=2, cuts=[7], raw=[0, 1])
    mixture = [(NONE, 0), (LZ4, 1), (ZSTD, PREDICT + 2), (DEFLATE, 2 * PREDICT), (PCO, 2 * PREDICT), (PCO, 0), (NONE, 0)]
    choose = lambda i: dict(zip(("codec", "filter"), mixture[i % len(mixture)]))
    put("mixed", "<i4", wavy(64, 30).astype("<i4"), [9, 20], 1, ZSTD, choose=choose)
    widths = [(1, 1), (1, 2), (2, 4), (3, 8)]
    choose = lambda i: {"codec": ZSTD, "filter": DECIMAL + 1, "digits": widths[i % 4][0], "width": widths[i % 4][1]}
    put("mixed_decimals", "<f8", np.round(wavy(300) / 16) / 10, [75], DECIMAL + 1, ZSTD, choose=choose)


def wavy(*shape):
    """Whole numbers that go up and down slowly along each axis, from 0 to about 100 and with a little noise."""
    grid = np.indices(shape)
    waves = sum(abs((axis * (7 + 2 * i)) % 100 - 50) for i, axis in enumerate(grid))
    return (waves + np.arange(waves.size).reshape(shape) * 37 % 3).astype("f8")


def record(n):
    found = np.zeros(n, [("t", "<u4"), ("x", "<f2")])
    found["t"], found["x"] = 1000 + 20 * np.arange(n), wavy(n) % 7
    return found
