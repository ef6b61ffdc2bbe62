"""The good frames that grow among the vectors; make_vectors.py calls this."""

import numpy as np

import growing
from coded import DECIMAL, PLANES, PREDICT
from dtypes import itemsize
from good_coded import DEFLATE, LZ4, NONE, PCO, ZSTD, compress, record, wavy
from good_frames import good_row

SIX = (np.arange(6 * 5) * 7 % 31).astype("<i4").reshape(6, 5)
ONE = [[1]]


def goods(good):
    def put(vector, dtype, array, lengths, bands, filter=0, codec=0, choose=None, firsts=None, behind=b"", **more):
        """Steps of bands of so many rows; behind its end the frame has the bytes `behind`."""
        array = np.ascontiguousarray(array)
        assert itemsize(dtype) == array.itemsize, vector
        data, shape = array.tobytes(), list(array.shape)
        said = {key: more.pop(key) for key in ("name", "attrs") if key in more}
        choose = choose or (lambda i: {"filter": filter, "codec": codec, **more})
        head = growing.header(dtype, shape, lengths, filter=filter, codec=codec, **said)
        steps = growing.steps(dtype, shape, lengths, data, bands, choose, compress)
        row = good_row(dtype, shape, "C", data, **said) | {"written": False}
        file = growing.whole(head, steps, firsts) + behind
        good(f"growing_{vector}.ndb", file, row | {"codec": codec, "filter": filter, "block": lengths})

    steps_and_bands(put)
    indices(put)
    ends(put)
    dtypes_and_shapes(put)
    codecs(put)


def steps_and_bands(put):
    put("no_rows", "<f4", np.zeros(0, "<f4"), [4], [])
    put("no_rows_of_three_axes", ">i2", np.zeros((0, 5, 2), ">i2"), [4, 3, 2], [], 1, ZSTD, name="none yet")
    put("no_rows_of_a_gib", "|u1", np.zeros((0, 1 << 30), "u1"), [1, 1], [])
    put("one_step", "<i4", SIX, [4, 5], [[4, 2]])
    put("one_row", "<i4", SIX[:1], [4, 5], [[1]])
    put("rows_of_one", "<i4", SIX, [1, 5], [[1, 1], [1], [1, 1, 1]])
    put("block_of_16_mib", "<i4", SIX[:, 0], [1 << 22], [[2], [3, 1]])
    put("three_steps", "<i4", wavy(17, 5).astype("<i4"), [4, 5], [[4, 2], [3], [4, 4]])
    put("short_bands", "<i4", wavy(20, 5).astype("<i4"), [4, 5], [[1, 4, 2], [3, 3, 1], [2, 4]])
    put("bands_of_blocks", "<i4", wavy(11, 7).astype("<i4"), [4, 3], [[4], [2, 4], [1]])
    put("bands_of_boxes", "<u2", wavy(8, 7, 5).astype("<u2"), [3, 3, 2], [[3, 1], [1], [3]])


def indices(put):
    line = (np.arange(40) * 11 % 251).astype("u1")
    put("merged", "|u1", line[:9], [2], 9 * ONE)  # Their numbers of entries: 1, 2, 1, 4, 1, 2, 1, 8, 1.
    put("merged_unevenly", "|u1", line, [4], [[4, 4, 4, 4], [4, 3], [2], [1], [4], [4, 4], [2]])
    put("chain", "|u1", line[:7], [2], [[2], [1], [1], [2], [1]], firsts=dict(enumerate(range(5))))
    put("chain_of_bands", "<i4", wavy(9, 5).astype("<i4"), [2, 3], [[2], [2, 1], [2], [1], [1]],
        firsts={0: 0, 1: 2, 2: 6, 3: 8, 4: 6})
    put("back_to_an_earlier_one", "|u1", line[:4], [2], 4 * ONE, firsts={0: 0, 1: 1, 2: 1, 3: 3})
    put("back_past_a_merged_one", "|u1", line[:5], [2], 5 * ONE, firsts={0: 0, 1: 0, 2: 0, 3: 1, 4: 2})
    put("index_of_all_each_time", "|u1", line[:6], [2], [[2], [2, 1], [1]], firsts={0: 0, 1: 0, 2: 0})
    many = (np.arange(1030) % 251).astype("u1")
    put("two_pages", "|u1", many, [1], [[1] * 3, [1] * 1027], firsts={1: 3})
    put("two_pages_merged", "|u1", many.reshape(5, 206), [1, 1], [[1], [1] * 4])


def ends(put):
    whole = growing.frame("<i4", [6, 5], [4, 5], SIX.tobytes(), [[4], [2]])
    first = growing.frame("<i4", [4, 5], [4, 5], SIX[:4].tobytes(), [[4]])
    step = whole[len(first) :]
    put("unfinished_mark", "<i4", SIX[:4], [4, 5], [[4]], behind=step)  # The mark alone is still to be written.
    for name, end in {"byte": 1, "block_header": 24, "block": 50, "end_record": 64 + 20, "index": 64 + 24 + 30}.items():
        put(f"unfinished_{name}", "<i4", SIX[:4], [4, 5], [[4]], behind=step[:end])
    put("unfinished_zeros", "<i4", SIX[:4], [4, 5], [[4]], behind=bytes(500))
    put("unfinished_first_step", "<i4", SIX[:0], [4, 5], [], behind=first[-200:-100])
    put("two_behind_each_other", "<i4", SIX, [4, 5], [[4], [2]], behind=whole)


def dtypes_and_shapes(put):
    put("big_endian", ">i4", wavy(30, 10).astype(">i4"), [11, 10], [[11, 4], [11], [4]], PREDICT + 1, LZ4)
    put("big_endian_text", ">U5", np.array([f"{i:5}" for i in range(90)], ">U5"), [40], [[40], [30, 20]], PLANES, LZ4)
    put("big_endian_complex", ">c16", (wavy(90) + 1j).astype(">c16"), [32], [[32], [20, 32, 6]], 1, ZSTD)
    put("complex", "<c8", (wavy(150) + 1j * wavy(150)).astype("<c8"), [64], [[64], [22], [64]], PLANES + 1, DEFLATE)
    put("bfloat16", "bfloat16", (wavy(300) + 500).astype("<u2").view("V2"), [128], [[128], [44, 128]], PREDICT + 1, LZ4)
    put("bool", "|b1", wavy(400) > 20, [150], [[150, 50], [150], [50]], 2, DEFLATE)
    put("bytes", "|S8", np.array([f"item{i:04}" for i in range(99)], "S8"), [40], [[40], [19, 40]], 4 * PREDICT, ZSTD)
    put("longdouble", "<f16", np.array([bytes(i // 9 for i in range(16))] * 40, "V16"), [15], [[15], [10, 15]], 0, ZSTD)
    days = (wavy(200) + 18000).astype("<i8").view("<M8[D]")
    put("datetime", "<M8[D]", days, [80], [[80, 20], [80, 20]], PREDICT, ZSTD)
    put("record", "{t:<u4,x:<f2}", record(200), [80], [[80], [40], [80]], 4 * PREDICT, LZ4)
    put("axes_64", "|u1", np.arange(3, dtype="u1").reshape(3, *63 * [1]), [2, *63 * [1]], [[2], [1]])
    waves = wavy(200).astype("<i2")
    put("attributes", "<i2", waves, [80], [[80], [40, 80]], 1, ZSTD, name="waves", attrs='{"unit": "µV"}')
    # Bytes of an end record and of a mark as items.
    items = np.frombuffer(growing.end_record(n=1) + growing.mark(growing.header("|u1", [0], [88])), "u1")
    put("items_like_its_own", "|u1", items, [88], [[24], [64]])


def codecs(put):
    mixture = [(NONE, 0), (LZ4, 1), (ZSTD, PREDICT + 2), (DEFLATE, 2 * PREDICT), (PCO, 2 * PREDICT), (PCO, 0)]
    choose = lambda i: dict(zip(("codec", "filter"), mixture[i % 6]))
    put("mixed", "<i4", wavy(64, 30).astype("<i4"), [9, 20], [[9, 9], [5, 9], [9], [9, 5, 9]], 1, ZSTD, choose=choose)
    put("pco", "<f8", wavy(400) / 4, [150], [[150], [100], [150]], 0, PCO)
    put("predict_two_axes", "<i4", wavy(14, 70).astype("<i4"), [5, 70], [[5], [2, 5], [1], [1]], 2 * PREDICT + 1, ZSTD)
    slow = (wavy(428) // 16).astype("<u2")
    put("segments", "<u2", slow, [214], [[214], [214]], 0, LZ4, cuts=[100, 200, 300], raw=[1, 3])
    tenths = np.round(wavy(300) / 16) / 10
    put("decimal", "<f8", tenths, [75], [[75, 60], [75, 75], [15]], DECIMAL + PREDICT + 1, ZSTD, digits=1, width=2)
    widths = [(1, 1), (1, 2), (2, 4), (3, 8)]
    choose = lambda i: {"codec": ZSTD, "filter": DECIMAL + 1, "digits": widths[i % 4][0], "width": widths[i % 4][1]}
    put("mixed_decimals", "<f8", tenths, [75], [[75], [75, 75], [75]], DECIMAL + 1, ZSTD, choose=choose)
    odd = tenths.copy()
    odd[[3, 50, 120]] = [-0.0, np.inf, 1 / 3]
    put("exceptions", "<f4", odd.astype("<f4"), [80], [[80, 20], [80, 80], [40]], DECIMAL, DEFLATE, digits=1, width=2)
    parts = np.round(wavy(150)) / 10 + 1j * (np.round(wavy(150)) / 10 + 5)
    put("decimal_complex", ">c16", parts.astype(">c16"), [64], [[64], [22, 64]], DECIMAL + PLANES + PREDICT + 1, ZSTD,
        digits=1, width=2)
