"""The bad frames that grow among the vectors, with the kind of each error; make_vectors.py calls this."""

import struct

import coded
from bad_frames import flip
from coded import block
from frame import header_of
from growing import end_record, frame, header, mark, steps, whole
from sums import crc32c

# Five rows of three columns in three bands of two blocks each, of 2, 1 and 2 rows; indices of two and of four entries.
TYPE, SHAPE, LENGTHS, BANDS, ROW = "<i8", [5, 3], [2, 2], [[2], [1, 2]], 24
DATA = struct.pack("<15q", *range(15))
HEAD = header(TYPE, SHAPE, LENGTHS)
STEPS = steps(TYPE, SHAPE, LENGTHS, DATA, BANDS)
ONE, TWO = STEPS
APART = {0: 0, 1: 2}
FILE = whole(HEAD, STEPS, APART)
H = len(HEAD)
BODY = H + 64
ENDS = [BODY + sum(map(len, ONE)), len(FILE) - (24 + 4 * 24 + 4 + 64)]  # Where the end records begin.
INDEX = ENDS[0] + 24 + 2 * 24 + 4 + 64  # Where the first index ends.


def bads(bad):
    def put(vector, file, kind):
        bad(f"growing_{vector}.ndb", file, kind)

    bad_bytes(put)
    bad_headers(put)
    bad_marks(put)
    bad_ends(put)
    bad_blocks(put)
    bad_records(put)
    bad_indices(put)
    bad_steps(put)


def bad_bytes(put):
    """Damage to a good frame: flips and cuts."""
    for what, at in {
        "header": 40, "mark": H, "mark_header": H + 12, "mark_end": H + 40, "mark_zeros": H + 59, "mark_sum": H + 60,
        "block_header": BODY, "block_header_to_an_end_record": BODY + 5, "stored": BODY + 30, "end_record": ENDS[0],
        "end_record_to_a_block": ENDS[0] + 5, "end_record_number": ENDS[0] + 12, "end_record_sum": ENDS[1] + 20,
        "page": ENDS[0] + 30, "page_sum": ENDS[0] + 24 + 48, "footer": INDEX - 60, "back": len(FILE) - 16,
        "footer_sum": len(FILE) - 1,
    }.items():
        put(f"flipped_{what}", flip(FILE, at), "Checksum")
    for what, at in {
        "header": H - 1, "before_the_mark": H, "mark": BODY - 1, "behind_the_mark": BODY, "block_header": BODY + 23,
        "block": BODY + 30, "end_record": ENDS[0] + 23, "page": ENDS[0] + 30, "between_steps": INDEX,
        "before_the_end_record": ENDS[1], "last_index": ENDS[1] + 24, "footer": len(FILE) - 1,
    }.items():
        put(f"cut_{what}", FILE[:at], "Truncated")
    nothing = whole(HEAD, [])
    put("cut_mark_of_no_rows", nothing[:-1], "Truncated")
    put("flipped_mark_of_no_rows", flip(nothing, H + 16), "Checksum")


def bad_headers(put):
    """Headers whose CRC holds, with the steps or, where these would not fit, a mark that says no rows."""

    def of(text, d=0, **numbers):
        return header_of(text.encode(), d, **{"flags": 3} | numbers)

    good = HEAD[24:-4].decode().rstrip()
    for name, numbers, kind in [
        ("version_1", {"version": 1}, "Unsupported"), ("flags_2", {"flags": 2}, "Unsupported"),
        ("flags_7", {"flags": 7}, "Unsupported"), ("filter_3", {"filter": 3}, "Unsupported"),
        ("codec_5", {"codec": 5}, "Unsupported"), ("codec_255", {"codec": 255}, "Unsupported"),
        ("flags_0", {"flags": 0}, "Malformed"), ("flags_1", {"flags": 1}, "Malformed"), ("d", {"d": 120}, "Malformed"),
    ]:
        put(f"header_{name}", whole(of(good, **numbers), STEPS, APART), kind)
    put("header_d_of_no_rows", whole(of(good, d=12), []), "Malformed")
    data = coded.blocks(TYPE, [2, 3], LENGTHS, DATA[:48])
    coded_one = coded.header(TYPE, [2, 3], LENGTHS)
    put("header_of_a_coded_frame", coded.whole(of(coded_one[24:-4].decode().rstrip()), data, [2, 3], d=48), "Malformed")
    put("coded_with_null", coded.whole(of(good, flags=1, d=48), data, [2, 3]), "Malformed")
    for name, shape in {"of_a_number": "[5,3]", "of_0": "[0,3]", "of_a_string": '["null",3]',
                        "two_nulls": "[null,null]", "null_last": "[3,null]", "missing_axis": "[null]"}.items():
        head = of(good.replace("[null,3]", shape))
        put(f"shape_{name}", whole(head, STEPS, APART, grid=(ROW, 2)), "Malformed")
    for name, text in {
        "order_f": good.replace('"C"', '"F"'),
        "order_x": good.replace('"C"', '"X"'),
        "no_axes": '{"dtype":"<i4","shape":[],"order":"C","block":[]}',
        "axis_of_0": '{"dtype":"<i4","shape":[null,0],"order":"C","block":[1,1]}',
        "axes_65": f'{{"dtype":"<i4","shape":[null{64 * ",1"}],"order":"C","block":[1{64 * ",1"}]}}',
        "items_of_no_bytes": '{"dtype":"{}","shape":[null],"order":"C","block":[1]}',
        "strings_of_no_bytes": '{"dtype":"|S0","shape":[null],"order":"C","block":[1]}',
        "no_block": '{"dtype":"<i4","shape":[null],"order":"C"}',
    }.items():
        put(f"header_{name}", whole(of(text), [], grid=(0, 1)), "Malformed")
    for name, lengths in {"0": "[0,2]", "negative": "[-1,2]", "null": "[null,2]", "float": "[2.0,2]",
                          "true": "[true,2]", "more_than_an_axis": "[2,4]", "other_0": "[2,0]", "one_length": "[2]",
                          "three_lengths": "[2,2,1]", "over_16_mib": f"[{(1 << 20) + 1},2]",
                          "of_2_to_the_62": f"[{1 << 62},2]"}.items():
        head = of(good.replace("[2,2]", lengths))
        put(f"grid_{name}", whole(head, [], grid=(ROW, 2)), "Malformed")
    overflow = f'{{"dtype":"|u1","shape":[null,{1 << 32},{1 << 32}],"order":"C","block":[1,1,1]}}'
    put("overflow_of_no_rows", whole(of(overflow), [], grid=(0, 1)), "Limit")


def bad_marks(put):
    """Marks whose CRC holds."""

    def broken(name, kind, **fields):
        put(f"mark_{name}", whole(HEAD, STEPS, APART, **fields), kind)

    broken("magic", "Malformed", magic=coded.MAGIC)
    broken("version", "Unsupported", version=1)
    broken("flags", "Unsupported", flags=1)
    broken("zero", "Unsupported", zero=256)
    broken("first_zero", "Unsupported", zeros=b"\1" + bytes(7))
    broken("last_zero", "Unsupported", zeros=bytes(7) + b"\1")
    broken("of_another_header", "Checksum", header=crc32c(header(">i4", SHAPE, LENGTHS)[:-4]))
    broken("of_another_index", "Checksum", last=1)
    broken("of_no_index", "Checksum", last=0)
    put("mark_of_an_index_and_no_rows", whole(HEAD, [], last=1), "Malformed")
    put("mark_missing", HEAD + FILE[BODY:], "Checksum")
    put("mark_twice", FILE[:BODY] + FILE[H:], "Checksum")
    for name, fields in {
        "no_multiple": {"B": 7}, "half_a_band": {"B": 5}, "one_band_less": {"B": 4, "rows": 4, "d": 4 * ROW},
        "one_band_more": {"B": 8}, "blocks_of_no_rows": {"rows": 0, "d": 0}, "no_blocks": {"B": 0},
        "nothing": {"B": 0, "rows": 0, "d": 0}, "too_few_rows": {"rows": 2, "d": 2 * ROW},
        "too_many_rows": {"rows": 7, "d": 7 * ROW}, "one_row_less": {"rows": 4, "d": 4 * ROW},
        "one_row_more": {"rows": 6, "d": 6 * ROW}, "d_less": {"d": 119}, "d_more": {"d": 121}, "d_0": {"d": 0},
    }.items():
        broken(name, "Malformed", **fields)
    head = header("|u1", [0], [1])
    wraps = 0x5555555555555556  # Times 48 this is 32, modulo 2 to the 64.
    put("mark_wraps", whole(head, [], B=wraps, rows=wraps, d=wraps, end=len(head) + 64 + 124) + bytes(124), "Malformed")
    head = header("<i4", [0], [1 << 22])
    large = {"B": 1 << 39, "rows": 1 << 61, "d": 1 << 63, "end": len(head) + 64 + 48 * (1 << 39) + 92}
    put("mark_overflow", whole(head, [], **large), "Limit")
    large = {"B": 1 << 38, "rows": 1 << 60, "d": 1 << 62, "end": len(head) + 64 + 48 * (1 << 38) + 92}
    put("mark_petabytes", whole(head, [], **large), "Truncated")


def bad_ends(put):
    """Marks that say another end."""

    def at(name, end, kind="Malformed", behind=b"", **fields):
        put(f"end_{name}", whole(HEAD, STEPS, APART, end=end, **fields) + behind, kind)

    least = BODY + 48 * 6 + 92
    at("of_0", 0)
    at("too_small", least - 1)
    at("least", least)
    at("one_less", len(FILE) - 1)
    at("in_the_last_index", ENDS[1] + 60)
    at("behind_the_end_record", ENDS[1] + 24)
    at("in_the_end_record", ENDS[1] + 20)
    at("behind_the_blocks", ENDS[1])
    at("in_the_last_block", ENDS[1] - 3)
    at("in_the_last_block_header", ENDS[1] - len(TWO[-1]) + 20)
    at("one_more", len(FILE) + 1, "Truncated")
    at("of_2_to_the_64", 2**64 - 1, "Truncated")
    at("one_more_than_its_own", len(FILE) + 1, behind=b"\0")
    at("23_more_than_its_own", len(FILE) + 23, behind=bytes(23))
    at("zeros_behind_its_own", len(FILE) + 24, "Checksum", behind=bytes(24))
    put("end_of_no_rows_too_large", whole(HEAD, [], end=BODY + 1) + b"\0", "Malformed")
    put("end_of_no_rows_too_small", whole(HEAD, [], end=BODY - 1), "Malformed")
    put("end_of_no_rows_behind_a_step", whole(HEAD, [], end=INDEX) + FILE[BODY:INDEX], "Malformed")
    put("end_of_a_later_step", HEAD + mark(HEAD, B=2, rows=2, d=2 * ROW, end=len(FILE)) + FILE[BODY:], "Malformed")
    put("end_of_an_earlier_step", HEAD + mark(HEAD, B=2, rows=1, d=ROW, end=INDEX) + FILE[BODY:], "Malformed")
    one, items = header("<i4", [0], [1000]), bytes(4000)
    cut = block(items, items, 1000)[:500]
    end = len(one) + 64 + 500
    put("end_in_a_block", one + mark(one, B=1, rows=1000, d=4000, end=end) + cut, "Malformed")


def bad_blocks(put):
    """Blocks whose header's CRC holds."""

    def fourth(name, kind, items=TWO[1][24:], rows=1, **broken):
        changed = block(items, items, rows, **broken)
        put(f"block_{name}", whole(HEAD, [ONE, [TWO[0], changed, *TWO[2:]]], APART), kind)

    fourth("of_two_rows_that_says_one", "Malformed", items=2 * TWO[1][24:])
    fourth("rows_0_in_a_band", "Malformed", rows=0)
    fourth("other_rows_than_its_band", "Malformed", items=2 * TWO[1][24:], rows=2)
    fourth("zero", "Unsupported", zero=1)
    fourth("filter", "Unsupported", filter=3, codec=1)
    fourth("codec_5", "Unsupported", codec=5)
    fourth("codec_254", "Unsupported", codec=254)
    fourth("codec_255", "Malformed", codec=255)
    fourth("items_sum", "Checksum", items_sum=0)
    fourth("stored_sum", "Checksum", stored_sum=0)
    head = header("<i4", [0], [2])
    of = lambda rows, items=4: block(DATA[:items], DATA[:items], rows)
    put("rows_0", whole(head, [[of(1), of(0, 0)]], rows=2, d=8), "Malformed")
    put("rows_over_the_block_length", whole(head, [[of(3, 12), of(1)]], rows=4, d=16), "Malformed")
    put("rows_over_what_is_left", whole(head, [[of(1), of(2, 8)]], rows=2, d=8), "Malformed")
    put("rows_left_over", whole(head, [[of(1), of(1)]], rows=3, d=12), "Malformed")
    put("rows_of_4_gib", whole(head, [[of(1), of(2**32 - 1)]], rows=2, d=8), "Malformed")
    put("block_more", whole(head, [[of(1), of(1), of(1)]], B=2, rows=3, d=12), "Malformed")


def bad_records(put):
    """End records whose CRC holds."""

    def second(name, kind="Malformed", **fields):
        put(f"end_record_{name}", whole(HEAD, STEPS, APART, ends={1: fields}), kind)

    for field in ("s", "filter", "zero", "rows"):
        second(field, **{field: 1})
    second("codec_254", "Unsupported", codec=254)
    for n in (0, 1, 3, 5, 7, 2**32 + 4, 2**63, 2**64 - 1, 2**64 - 4):
        second(f"n_{n}", n=n)
    second("n_of_all_and_an_index_of_less", n=6)  # It would reach beyond the end.
    three = whole(HEAD, [ONE, TWO[:2], TWO[2:]], {1: 2, 2: 4}, ends={1: {"n": 4}})
    put("end_record_n_of_all_and_an_index_between", three, "Checksum")
    put("end_record_before_any_block", whole(HEAD, [[], *STEPS]), "Malformed")
    put("end_record_twice", whole(HEAD, [ONE, [], TWO]), "Malformed")
    put("end_record_twice_at_the_end", whole(HEAD, [ONE, TWO, []]), "Malformed")
    put("end_record_twice_of_all", whole(HEAD, [ONE, TWO, []], {2: 0}), "Malformed")
    put("end_record_in_a_band", whole(HEAD, [ONE[:1], ONE[1:] + TWO], rows=5, d=120), "Malformed")
    put("end_record_in_a_later_band", whole(HEAD, [ONE, TWO[:3], TWO[3:]], rows=5, d=120), "Malformed")
    put("index_from_a_band_between", whole(HEAD, [ONE, TWO], {1: 4}), "Malformed")
    put("index_from_a_band_before", whole(HEAD, [ONE + TWO[:2], TWO[2:]], {1: 2}), "Malformed")
    put("index_from_within_a_band", whole(HEAD, [ONE, TWO], {1: 1}), "Malformed")
    body = FILE[BODY:]
    missing = body[: ENDS[1] - BODY] + body[ENDS[1] - BODY + 24 :]
    put("end_record_missing", HEAD + mark(HEAD, B=6, rows=5, d=120, end=len(FILE) - 24) + missing, "Checksum")
    first = ENDS[0] + 24 - BODY
    missing = body[:first] + body[first + 48 + 4 + 64 :]
    put("index_missing", HEAD + mark(HEAD, B=6, rows=5, d=120, end=len(FILE) - 116) + missing, "Checksum")


def bad_indices(put):
    """Indices whose footer's CRC holds, unless it is said."""

    def broken(name, kind, i=1, firsts=APART, **fields):
        put(f"index_{name}", whole(HEAD, STEPS, firsts, indices={i: fields}), kind)

    broken("magic", "Malformed", magic=b"\x89NDBT\r\n\x1a")
    broken("version", "Unsupported", version=1)
    broken("flags", "Unsupported", 0, flags=1)
    broken("zero", "Unsupported", zero=1)
    broken("of_another_header", "Checksum", 0, header=crc32c(header(">i4", SHAPE, LENGTHS)[:-4]))
    for field, value in {"B": 4, "rows": 3, "t": ENDS[1] + 25}.items():
        broken(field, "Malformed", **{field: value})
    before = int.from_bytes(FILE[INDEX - 4 : INDEX], "little")
    for name, value in {"0": 0, "another": before ^ 1, "of_33_bits": before + 2**32, "d": 120}.items():
        broken(f"back_crc_{name}", "Checksum", d=value)
    broken("back_crc_of_the_first", "Checksum", 0, d=1)
    broken("first_of_all", "Malformed", 0, B=6, rows=5)
    for name, value in {"0": 0, "to_its_end_record": ENDS[0], "to_its_entries": ENDS[0] + 24, "one_less": INDEX - 1,
                        "to_itself": len(FILE), "to_the_mark": BODY}.items():
        broken(f"back_{name}", "Malformed", zeros=value)
    broken("back_of_the_first", "Malformed", 0, zeros=BODY)
    broken("back_where_all_is_covered", "Malformed", firsts={1: 0}, zeros=INDEX)
    chain = whole(HEAD, [ONE, TWO[:2], TWO[2:]], {1: 0, 2: 4}, indices={2: {"zeros": INDEX}})
    put("index_back_to_another", chain, "Malformed")
    broken("sums_sum", "Checksum", sums_sum=0)
    broken("page_sum", "Checksum", 0, sums=bytes(4))
    places, at = [], BODY
    for i, part in enumerate([*ONE, None, *TWO]):
        places += [coded.entry(at, part)] if part else []
        at += len(part) if part else INDEX - ENDS[0]
    for field, value in {"place": BODY, "s": 9, "rows": 2, "stored_sum": 0, "items_sum": 0}.items():
        wrong = coded.entry(int.from_bytes(places[3][:8], "little"), TWO[1], **{field: value})
        broken(f"entry_{field}", "Checksum", entries=[places[2], wrong, *places[4:]])
    broken("entries_swapped", "Checksum", entries=[places[3], places[2], *places[4:]])
    broken("entries_of_the_step_before", "Checksum", entries=places[:4])
    wrong = coded.entry(BODY, ONE[0], items_sum=0)
    broken("entry_of_a_covered_block", "Checksum", firsts={1: 0}, entries=[wrong, *places[1:]])
    again = FILE[BODY:] + FILE[-164:]
    put("index_twice", HEAD + mark(HEAD, B=6, rows=5, d=120, end=BODY + len(again)) + again, "Checksum")


def bad_steps(put):
    """Blocks and steps in other places."""
    one, two = steps(TYPE, [4, 3], LENGTHS, DATA[:96], [[2], [2]])
    body = whole(HEAD, [one, two], APART)[BODY:]
    n = len(body) // 2

    def put_body(name, body, kind, bands=2):
        numbers = {"B": 2 * bands, "rows": 2 * bands, "d": 2 * bands * ROW, "end": BODY + len(body)}
        put(name, HEAD + mark(HEAD, **numbers) + body, kind)

    size = len(one[0])
    swapped = two[0] + body[size:n] + one[0] + body[n + size :]
    put_body("blocks_swapped_between_steps", swapped, "Checksum")
    put_body("block_twice_in_two_steps", body[:n] + one[0] + body[n + size :], "Checksum")
    put_body("blocks_swapped_in_a_band", one[1] + one[0] + body[len(one[0] + one[1]) :], "Malformed")
    put_body("steps_swapped", body[n:] + body[:n], "Malformed")
    put_body("step_twice", body[:n] + body[:n], "Malformed")
    put_body("first_step_dropped", body[n:], "Malformed")
    put_body("first_step_dropped_and_not_counted", body[n:], "Malformed", bands=1)
    put_body("last_step_dropped", body[:n], "Malformed")
    three = frame(TYPE, [6, 3], LENGTHS, DATA[:96] + bytes(48), [[2], [2], [2]], firsts={0: 0, 1: 2, 2: 4})[BODY:]
    put_body("step_dropped", three[:n] + three[2 * n :], "Malformed")
    put_body("step_dropped_and_counted", three[:n] + three[2 * n :], "Malformed", bands=3)
    other = frame(">i8", [4, 3], LENGTHS, DATA[:96], [[2], [2]], firsts=APART)[BODY:]
    put_body("step_of_another_frame", body[:n] + other[n:], "Checksum")
    spliced = steps(TYPE, [4, 3], LENGTHS, DATA[24:120], [[2], [2]])[1]
    put_body("spliced_block", body[:n] + spliced[0] + body[n + size :], "Checksum")
    # Only the later index, which covers the first step too, tells that it is another.
    covering, first = (whole(HEAD, [step, two], {1: 0})[BODY:] for step in (one, spliced))
    put_body("first_step_of_another_frame", first[:n] + covering[n:], "Checksum")
    # All of a step, of a frame of the same header: only what follows it tells, an index or the mark.
    front = whole(HEAD, [one, two], APART)[:BODY]
    other, last = (whole(HEAD, [step, spliced], APART)[BODY:] for step in (spliced, one))
    put("first_step_of_another_frame_of_its_header", front + other[:n] + body[n:], "Checksum")
    put("last_step_of_another_frame_of_its_header", front + last, "Checksum")
