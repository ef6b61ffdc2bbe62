"""Reads what ndbytes wrote, without ndbytes: one file, NumPy, and for some codecs `lz4`, `zstandard` and `pcodec`.

    array, said = ndbytes_reader.read("counts.ndb")     a .npy or .ndb file, by its path or as bytes

`said` is a dict: dtype (where section 2 spells it), name, attrs, order, and state: "verified", "unchecked" (a bare
.npy) or "open" (a writer did not finish, nothing was compared). bfloat16 and float8 come as raw bytes, for ml_dtypes.
What breaks a rule of spec/FORMAT.md, from which alone this is made, or is damaged, is a FormatError, never an array.
"""

import ast, io, itertools, json, math, re, struct, zlib

import numpy as np

MIB, PAGE, MOST, NPY = 1 << 20, 24 * 1024, 2**63 - 1, b"\x93NUMPY"
FRAME, TAIL, INDEX, MARK = (b"\x89NDB%c\r\n\x1a" % letter for letter in b"FTIG")
TAIL_HEADER = rb"\x93NUMPY\x01\x00v\x00{'descr': '\|u1', 'fortran_order': False, 'shape': \(([1-9]\d*),\), } *\n"
METADATA = {"dtype": str, "name": str, "attrs": dict}
FILTERS = [number for number in range(128) if number & 3 < 3 and number >> 2 & 7 < 5]
NAME = r"""[A-Za-z0-9_]+|'(?:[^'\\]|\\[\\'"nrtxuU])*'|"(?:[^"\\]|\\[\\'"nrtxuU])*\""""
TOKEN = re.compile(
    rf"(:\|V(?P<gap>\d+),?)?(((?P<title>{NAME})=)?(?P<name>{NAME}):|(?P<close>}})(/(?P<size>\d+))?)|{{"
    r"|\[(?P<axes>\d[\d,]*)\]|@(?P<at>\d+)|(?P<type>[<>|]?[A-NP-Za-z]\w*(\[([1-9]\d*)?[A-Za-z]+\])?)", re.A)
RAW = {">?bfloat16": "V2", "float8_(e3m4|e4m3(b11fnuz|fn|fnuz)?|e5m2(fnuz)?|e8m0fnu)": "V1"}
RAW |= {} if hasattr(np, "float128") else {"[<>]f16": "V16", "[<>]c32": "V32"}
BITS = itertools.accumulate(range(32767), lambda crc, _: crc >> 1 ^ (crc & 1) * 0x82F63B78, initial=0x82F63B78)
BITS = np.array([*BITS], "u4")[::-1]  # What a set bit makes of a CRC that was 0, with 32767, ..., 1, 0 bits behind it.


class FormatError(ValueError):
    """Its `args`: malformed, truncated, checksum, unsupported or limit (section 1), and what is wrong."""


def need(holds, message, kind="malformed"):
    if not holds:
        raise FormatError(kind, message)


def read(source, require_checksum=False):
    file = File(source if isinstance(source, (bytes, bytearray, memoryview)) else np.fromfile(source, "u1").tobytes())
    file.cut = "truncated"
    try:
        dtype, shape, data, said = (file.npy if NPY.startswith(file.getvalue()[:6]) else file.frame)(require_checksum)
        need(not file.read(), "bytes behind the end")
        return np.ndarray(shape, dtype, bytearray(data), order=said["order"]), said
    except (FormatError, ImportError, MemoryError):
        raise
    except Exception as error:  # Python's parsers, NumPy or a codec found that a rule is broken.
        raise FormatError("limit" if isinstance(error, RecursionError) else "malformed", str(error)) from error


def crc32c(data):  # Its four bytes. It goes on from one part to the next by its xor with the first bytes there.
    data, crc = np.frombuffer(bytes.fromhex("54641f64") + data, "u1"), np.zeros(1, "<u4")  # Makes the initial value.
    for part in np.split(data, range(len(data) % 4096, len(data), 4096)):
        bits = np.unpackbits(np.append(part[:4] ^ crc.view("u1")[: len(part)], part[4:]), bitorder="little")
        crc = np.bitwise_xor.reduce(BITS[len(BITS) - len(bits) :] * bits, keepdims=True)
    return (~crc).tobytes()


class File(io.BytesIO):
    def take(self, n, most=MOST):
        need(n <= most, f"{n} bytes, at most {most}", "limit")
        part = self.read(n)
        need(len(part) == n, f"it ends at byte {self.tell()}, {n - len(part)} too early", self.cut)
        return part

    def unsealed(self, part, what):  # The part without its last four bytes, which are its CRC.
        need(len(part) >= 4 and part[-4:] == crc32c(part[:-4]), f"{what} is damaged", "checksum")
        return part[:-4]

    def npy(self, required):  # Sections 4 and 5.
        version = self.take(8)[6:]
        need(version in (b"\1\0", b"\2\0", b"\3\0"), f"npy version {version}", "unsupported")
        text = self.take(int.from_bytes(self.take(2 if version[0] == 1 else 4), "little"), MIB)
        tree = ast.parse(text.decode("utf8" if version[0] == 3 else "latin1").strip(), mode="eval")
        fields, keys = ast.literal_eval(tree), tree.body.keys
        dtype, shape, fortran = np.lib.format.descr_to_dtype(fields["descr"]), fields["shape"], fields["fortran_order"]
        need(len(keys) == 3 and type(fortran) is bool and type(shape) is tuple, f"the npy header: {text}")
        need(not dtype.hasobject, "an object dtype, which means pickle", "unsupported")
        header, said, state = self.getvalue()[: self.tell()], {}, "unchecked"
        data = self.take(self.size_of(dtype, shape))
        if self.tell() < len(self.getvalue()):
            lead, least = self.take(136), 40 + 4 * -(-len(data) // MIB)
            n = int((re.fullmatch(TAIL_HEADER, lead[:128]) or [0, 0])[1])
            need(n >= least and lead[128:] == TAIL, "bytes behind the array that are no tail")
            state, text = self.record(TAIL + self.take(n - 8, least + MIB), header, data, required, lead[:128])
            said = json_object(text, METADATA) if text else {}
        need(state != "unchecked" or not required, "there is no tail", "truncated")
        need("dtype" not in said or dtype_of(said["dtype"]) == dtype, f"the header's dtype is not that of {said}")
        return dtype, shape, data, said | {"order": "F" if fortran else "C", "state": state}

    def frame(self, required):  # Sections 6 to 10.
        need(FRAME.startswith(self.getvalue()[:8]), "neither .npy nor .ndb")
        h = int.from_bytes((start := self.take(16))[12:], "little")
        need(h and h % 64 == 0, f"a header of {h} bytes")
        header = self.unsealed(start + self.take(h - 16, MIB), "the header")
        version, flags, filter, codec, d = struct.unpack("<BBBB4xQ", header[8:24])
        fits = filter in FILTERS and codec < 5 if flags in (1, 3) else flags == filter == codec == 0
        need(version == 0 and fits, "version, flags, filter or codec", "unsupported")
        types = METADATA | {"shape": list, "order": str, "block": list if flags else object}
        said = {"order": "C"} | json_object(header[24:], types)
        dtype, shape = dtype_of(said["dtype"]), said["shape"]
        need(said["order"] in ("C", "F") and (flags or self.size_of(dtype, shape) == d), f"{d} bytes of {said}")
        if flags:
            return dtype, shape, self.coded(header, said, dtype, d), said | {"state": "verified"}
        data = self.take(d)
        state, _ = self.record(self.take(40 + 4 * -(-d // MIB)), header, data, required)
        return dtype, shape, data, said | {"state": state}

    def coded(self, header, said, dtype, d):  # The data of a coded frame, or of one that grows.
        shape, lengths, grows, itemsize = said["shape"], said["block"], header[9] == 3, dtype.itemsize
        if grows:
            need(shape[0] is None and 0 not in shape and itemsize and d == 0 and said["order"] == "C", f"{said}")
            shape[0] = lengths[0]  # Until the mark says it.
        shape, lengths = (shape[::-1], lengths[::-1]) if said["order"] == "F" else (shape, lengths)
        grid = [-(-n // b) for n, b in zip(shape, lengths, strict=True) if 0 < b <= max(n, 1) and type(b) is int]
        fits = math.prod(lengths) == 1 or itemsize * math.prod(lengths) <= 16 * MIB
        need(fits and len(grid) == len(shape), f"blocks of {lengths}")
        count, wide, end = math.prod(grid) if d else 0, math.prod(grid[1:]), len(self.getvalue())
        if grows:
            count, shape[0], d, end, last = struct.unpack("<4Q4s8x", self.bound(MARK, header, "mark"))
            fits = count % wide == 0 and any(last) <= count <= shape[0] * wide <= count * lengths[0]
            need(fits and (end - self.tell() >= 48 * count + 92 if count else end == self.tell()), f"to byte {end}")
        need(self.size_of(dtype, shape) == d, f"{d} bytes of {said}")
        need(max(end, 24 * count) <= len(self.getvalue()), f"it is too short for {count} blocks", "truncated")
        _, self.cut = self.truncate(end), "malformed" if grows else self.cut  # What is behind is no part of the frame.
        array, entries, ends, top, height = np.zeros(shape or 1, f"V{itemsize}"), bytearray(), {0: (0, b"")}, 0, 0
        while (number := len(entries) // 24) < count or grows and self.tell() < end:
            what, at = f"block {number} of 0 to {count - 1}", self.tell()
            s, filter, codec, zero, rows, *crcs = struct.unpack("<IBBHI4s4s", self.unsealed(self.take(24), what))
            if grows and codec == 255:
                first = number - int.from_bytes(b"".join(crcs), "little")
                fits = s == filter == zero == rows == 0 == number % wide and number not in ends and first in ends
                need(fits, f"an end record of {first} to {number}")
                ends[number] = self.index(header, entries[24 * first :], number, top + height, *ends[first], "checksum")
                continue
            need(filter in FILTERS and codec < 5 and zero == 0, f"{what}: filter, codec or zero", "unsupported")
            if number % wide == 0:  # A band begins.
                top += height
                height = min([len(array) - top, *lengths[:1], *[rows] * grows])
            places = zip(np.unravel_index(number % wide, grid[1:]), lengths[1:])
            part = array[(slice(top, top + height), *(slice(i * b, i * b + b) for i, b in places))]
            box, size = list(part.shape[: len(shape)]), part.nbytes
            fits = s <= size <= 1 << 24 if codec else s == size and filter == 0
            need(fits and number < count and 0 < rows == height, f"{what}: {s} bytes of {size}, {rows} rows")
            stored = self.take(s)
            need(crc32c(stored) == crcs[0], f"{what} is damaged", "checksum")
            items = self.decoded(stored, filter, codec, box, said["dtype"], itemsize) if codec else stored
            need(crc32c(items) == crcs[1], f"{what} does not hold the items that were written", "checksum")
            part[...] = np.ndarray(box, array.dtype, items)
            entries += struct.pack("<QII4s4s", at, s, rows, *crcs)
        if not grows:
            self.index(header, entries, count, len(array), 0, d.to_bytes(8, "little"), "malformed")
        need(not grows or count in ends and top + height == shape[0], "the blocks are others than the mark says")
        need(count == 0 or not grows or ends[count][1] == last, "the last index is not the mark's", "checksum")
        return array.tobytes()

    def index(self, header, entries, blocks, rows, back, bound, kind):  # Must be this. Where it ends, and its CRC.
        numbers = struct.pack("<QQ8sQQ", blocks, rows, bound, self.tell(), back)
        crcs = b"".join(crc32c(entries[at : at + PAGE]) for at in range(0, len(entries), PAGE))
        found, footer = self.take(len(entries + crcs)), self.bound(INDEX, header, "index")
        need(footer[:16] + footer[24:40] == numbers[:16] + numbers[24:], "the index is for another number of blocks")
        need(footer[16:24] == numbers[16:24], "the index is for other data, or follows another index", kind)
        need(found + footer[40:] == entries + crcs + crc32c(crcs), "the index is damaged, or not for these", "checksum")
        return self.tell(), self.getvalue()[self.tell() - 4 : self.tell()]

    def bound(self, magic, header, what):  # What a mark or a footer says behind the CRC that binds it to the header.
        part = self.unsealed(self.take(64), f"the {what}")
        need(part[:8] == magic, f"no {what} is there")
        need(not any(part[8:12] + part[52:] * (magic == MARK)), f"the {what}: version, flags or zeros", "unsupported")
        need(part[12:16] == crc32c(header), f"the {what} is of another frame", "checksum")
        return part[16:]

    def record(self, record, header, data, required, lead=b""):  # State and metadata (section 3).
        m = int.from_bytes(record[28:32], "little")
        self.unsealed((lead + record)[: len(lead) + 36 + m] if 36 + m <= len(record) else b"", "the tail")
        magic, version, state, zero, crc, *numbers = struct.unpack("<8sBBH4sQI", record[:28])
        need(magic == TAIL, "no tail behind the data")
        need(version == zero == 0 and state <= 1, f"a tail of version {version}, state {state}, {zero}", "unsupported")
        fits = numbers == [len(data), MIB] and len(record) == 40 + m + 4 * -(-len(data) // MIB)
        need(fits and (lead or m == 0), f"a tail for {numbers[0]} bytes")
        need(state == 0 or not required, "a writer did not finish", "truncated")
        if state == 0:
            crcs = self.unsealed(record[36 + m :], "the tail")
            need(crc == crc32c(header), "the header is damaged, or the tail is another array's", "checksum")
            for i, at in enumerate(range(0, len(data), MIB)):
                need(crcs[4 * i :][:4] == crc32c(data[at : at + MIB]), f"MiB {i} of the data is damaged", "checksum")
        return ["verified", "open"][state], record[32 : 32 + m]

    def size_of(self, dtype, shape):  # Holds both to the limits of section 1.
        need(len(shape) <= 64 and all(type(n) is int and 0 <= n <= MOST for n in shape), f"shape {shape}")
        need(max(dtype.itemsize, 1) * math.prod(n or 1 for n in shape) <= MOST, f"too large: shape {shape}", "limit")
        return dtype.itemsize * math.prod(shape)

    def decoded(self, stored, filter, codec, box, dtype, itemsize):  # Undoes the filter's parts, the last one first.
        arrange, predict, planes, decimal = filter & 3, filter >> 2 & 7, filter >> 5 & 1, filter >> 6
        raw = (word := dtype.lstrip("<>|"))[0] in "{SV" or word in ("f16", "c32")
        m = itemsize if raw else {"c": 2, "U": itemsize // 4}.get(word[0], 1)  # Elements of an item, of w bytes each.
        w, box = itemsize // m, box + [m] * (m != 1)
        kind = {"c": "f", "m": "i", "M": "i"}.get(word[0], word[0]) + str(w)
        box, axes = box[-1:] + box[:-1] if planes else box, [(), (-1,), (-1, -2), (-1, -2, -3), (-2,)][predict]
        fits = len(box) >= max(2 * planes, -min(axes, default=0)) and (not decimal or kind in ("f4", "f8"))
        need(fits, f"filter {filter} for {dtype} in a box of {box}")
        digits, width, e = struct.unpack("<BBH", stored[:4]) if decimal else (0, w, 0)
        n, front = math.prod(box), 4 * decimal + (4 + w) * e
        listed = np.frombuffer(stored[4 * decimal : front], [("place", "<u4"), ("bits", f"<u{w}")])
        bounds = [-1, *listed["place"].tolist(), n]
        need(digits <= 22 and width <= w and width in (1, 2, 4, 8) and bounds == sorted(set(bounds)), f"{bounds}")
        kind = f"u{width}" if decimal or predict else kind
        need(codec != 4 or arrange == 0 and re.fullmatch("[iuf][248]", kind), f"pco with filter {filter} for {dtype}")
        data = np.frombuffer(b"".join(self.segments(stored[front:], codec, n * width, kind)), "u1")
        data = data.reshape(width, n).T if arrange == 1 else data
        if arrange == 2:
            eights, rest = np.split(data, [n // 8 * 8 * width])
            bits = np.unpackbits(eights, bitorder="little").reshape(8 * width, -1).T
            data = np.append(np.packbits(bits, axis=1, bitorder="little"), rest)
        data = np.frombuffer(data.tobytes(), f"<u{width}").reshape(box)
        data = data >> 1 ^ -(data & 1) if predict else data
        for axis in axes:
            data = np.cumsum(data, axis=axis, dtype=data.dtype)
        if decimal:
            data = (data.view(f"<i{width}").astype("<f8") / float(10**digits)).astype(f"<f{w}").view(f"<u{w}")
            data.flat[bounds[1:-1]] = listed["bits"]
        data = np.moveaxis(data, 0, -1) if planes else data
        return (data.byteswap() if dtype[0] == ">" else data).tobytes()

    def segments(self, stored, codec, length, kind):
        at = 2 + 8 * int.from_bytes(stored[:2], "little")
        sizes = np.frombuffer(stored[2:at], "<u4").reshape(-1, 2).astype("u8")
        need([*sizes.sum(axis=0)] == [length, len(stored) - at], "segments that do not add up")
        for size, here in sizes.tolist():
            part, at = stored[at : at + here], at + here
            part = part if here == size else self.decompressed(codec, part, size, kind)
            need(len(part) == size and 0 < here <= size, f"a segment of codec {codec} is not of {size} bytes")
            yield part

    def decompressed(self, codec, part, size, kind):
        if codec == 1:
            from lz4.block import decompress
            return decompress(part, uncompressed_size=size)
        if codec == 2:
            import zstandard
            need(zstandard.frame_content_size(part) == size, "a zstd frame of another size, or that does not say it")
            return zstandard.ZstdDecompressor().decompress(part, allow_extra_data=False)
        if codec == 3:
            stream = zlib.decompressobj(-15)
            found = stream.decompress(part, size + 1)
            return found if stream.eof and not stream.unused_data else b""
        from pcodec.standalone import simple_decompress_into
        array = np.empty(size // int(kind[1]), "<" + kind)
        done = simple_decompress_into(part, array)
        return array[: done.n_processed].tobytes() if done.finished else b""


def json_object(text, types):  # The members with these keys, which must be of these types (section 1).
    text, pairs = text.decode(), []
    brackets = re.findall(r"[][{}]", re.sub(r'"(\\.|[^"\\])*"', "", text))
    need(np.cumsum([1 if x in "[{" else -1 for x in brackets]).max(initial=0) <= 64, "brackets nest more than 64 deep")
    integer = lambda digits: int(digits) if digits != "-0" and len(digits) < 4000 else float(digits)
    ended = lambda found: pairs.append(found) or dict(found)
    whole = json.loads(text, object_pairs_hook=ended, parse_int=integer, parse_constant=[].index)  # Fails for NaN.
    own = [(key, value) for key, value in pairs[-1] if key in types and f"{key}{value}".encode()]  # No half character.
    need(type(whole) is dict and [key for key, value in own if isinstance(value, types[key])] == [*dict(own)], text)
    return dict(own)


def dtype_of(text):  # Of a spelling (section 2), which is read by loose rules and must be how the dtype is spelled.
    tokens = list(TOKEN.finditer(text))[::-1]
    need(sum(token["name"] is not None for token in tokens) <= 4096, "too many fields", "limit")
    dtype, spelled, _ = type_of(tokens)
    need(spelled == text.encode("ascii", "backslashreplace").decode(), f"the dtype {text} is written {spelled}")
    return dtype


def type_of(tokens):  # The dtype that begins with the last token, its spelling, and the levels of its records.
    token = tokens.pop()
    if word := token["type"]:
        need(int(re.search(r"\d+|$", word)[0] or 0) * (4 if "U" in word else 1) < 2**31, f"a large {word}", "limit")
        raw = [kind for pattern, kind in RAW.items() if re.fullmatch(pattern, word)]
        return np.dtype(*raw or [word]), word if raw else np.dtype(word).str, 0
    fields, packed, apart, levels, last = [], [], True, 1, 0
    while not (token := tokens.pop())["close"]:
        words = [ast.literal_eval(word) if word[0] in "'\"" else word for word in token.group("title", "name") if word]
        written = [re.sub(r"^'(\w+)'$", r"\1", ascii(word.encode().decode()), flags=re.A) for word in words]
        dtype, spelled, inner = type_of(tokens)
        while pair := tokens[-1]["axes"]:
            axes = ast.literal_eval(tokens.pop()["axes"] + ",")
            need(dtype.itemsize and len(axes) <= 64, f"the brackets [{pair}]")
            need(dtype.itemsize * math.prod(n or 1 for n in axes) < 2**31, f"[{pair}] is too large", "limit")
            dtype, spelled, inner = np.dtype((dtype, axes)), f"{spelled}[{pair}]", inner + bool(dtype.shape)
        start = int(tokens.pop()["at"]) if tokens[-1]["at"] else last + int(token["gap"] or 0)
        packed += [f":|V{start - last}"] * (start > last) + [f"{'='.join(written)}:{spelled}"]
        fields.append(([None, *words][-2], words[-1], dtype, start, f"{packed[-1]}@{start}"))
        apart, levels, last = apart and start >= last, max(levels, inner + 1), start + dtype.itemsize
    size = int(token["size"] or last + int(token["gap"] or 0))
    need(max(size, last) < 2**31 and levels <= 16, f"a record of {size} bytes, {levels} levels", "limit")
    titles, names, formats, offsets, placed = zip(*fields) if fields else [()] * 5
    dtype = np.dtype({"names": names, "formats": formats, "offsets": offsets, "titles": titles, "itemsize": size})
    packed += [f":|V{size - last}"] * (size > last)
    return dtype, "{" + ",".join(packed) + "}" if apart else "{" + ",".join(placed) + f"}}/{size}", levels
