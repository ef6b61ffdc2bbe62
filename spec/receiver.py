"""A receiver of ndbytes messages, from WIRE.md and FORMAT.md alone: Python's standard library, uncompressed frames only.

    python receiver.py tcp PORT | unix PATH | udp PORT [COUNT]
"""
import hashlib, io, json, math, os, re, select, socket, struct, sys, time
from collections import deque, namedtuple

class NdbError(Exception): "FORMAT.md 1: what a reader reports; its kinds are the classes below."
class Malformed(NdbError): pass
class Truncated(NdbError): pass
class Limit(NdbError): pass
class Checksum(NdbError): pass
class Unsupported(NdbError): pass

Array = namedtuple("Array", "name dtype shape order attrs data message")
Message = namedtuple("Message", "seq sent stream attrs arrays")
MIB, HEADER, FIELDS = 1 << 20, 1 << 16, 256                     # limits "from strangers"

def need(ok, error, text):
    if not ok:
        raise error(text)

# ---- FORMAT.md 1: CRC-32C
_TABLE = []
for _n in range(256):
    for _ in range(8):
        _n = _n >> 1 ^ 0x82F63B78 * (_n & 1)
    _TABLE.append(_n)

def crc32c(data, table=_TABLE):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF

# ---- FORMAT.md 2: dtypes
_NUMBER = "(0|[1-9][0-9]*)"
_TYPE = re.compile(r"\|(?P<one>[biu]1)|[<>](?:[iu](?P<int>[248])|f(?P<float>2|4|8|16)|c(?P<complex>8|16|32))"
                   rf"|\|[SV](?P<raw>{_NUMBER})|[<>]U(?P<text>{_NUMBER})"
                   r"|(?P<time>[<>][Mm]8(?:\[(?P<count>[1-9][0-9]*)?(?:[YMWDhms]|[munpfa]s)\])?)|(?P<two>>?bfloat16)"
                   r"|(?P<ext>float8_(?:e3m4|e4m3b11fnuz|e4m3fnuz|e4m3fn|e4m3|e5m2fnuz|e5m2|e8m0fnu))")
_NAME = r"""([A-Za-z0-9_]+|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_FIELD, _GAP = re.compile(rf"(?:{_NAME}=)?{_NAME}:", re.S), re.compile(r":\|V([1-9][0-9]*)(?=[,}])")
_AXES, _AT = re.compile(rf"\[({_NUMBER}(?:,{_NUMBER})*)\]"), re.compile("@" + _NUMBER)

def _unquote(name):
    """The name that a field's name or title spells; only the one spelling of section 2 passes."""
    if name[0] not in "'\"":
        return name
    out = []
    for plain, short, code in re.findall(r"([^\\])|\\(?:(x..|u.{4}|U.{8})|(.))", name[1:-1], re.S):
        if plain:
            need(plain >= " " and plain != "\x7f", Malformed, "dtype: a control character in a name")
            out.append(plain)
        elif short:
            need(re.fullmatch("[0-9a-f]+", short[1:]), Malformed, "dtype: an escape")
            c = int(short[1:], 16)
            fits = {"x": c < 0x20 and c not in (9, 10, 13) or 0x7F <= c, "u": 0xFF < c and not 0xD800 <= c < 0xE000,
                    "U": 0xFFFF < c < 0x110000}
            need(fits[short[0]], Malformed, "dtype: an escape that is not the shortest")
            out.append(chr(c))
        else:
            need(code in "\\nrt'" and not (code == "'" and name[0] == '"'), Malformed, "dtype: an escape")
            out.append({"n": "\n", "r": "\r", "t": "\t"}.get(code, code))
    text = "".join(out)
    need(not re.fullmatch("[A-Za-z0-9_]+", text), Malformed, "dtype: quotes that are not needed")
    need(name[0] == ('"' if "'" in text and '"' not in text else "'"), Malformed, "dtype: the other quotes")
    return text

def itemsize(text):
    """FORMAT.md 2: the item size of a dtype; anything but the one spelling is malformed."""
    pos, count = 0, 0

    def take(pattern):
        nonlocal pos
        found = pattern.match(text, pos)
        pos = found.end() if found else pos
        return found

    def skip(char):
        nonlocal pos
        hit = text[pos:pos + 1] == char
        pos += hit
        return hit

    def sized(size):
        need(size < 1 << 31, Limit, "dtype: the bytes of an item")
        return size

    def type_(depth):
        """(size, records inside each other)"""
        if not skip("{"):
            t = take(_TYPE)
            need(t, Malformed, f"dtype: no type at {pos} of {text!r}")
            need(not t["count"] or 2 <= int(t["count"]) < 1 << 31, Malformed, "dtype: the count of a unit")
            sizes = {"one": 1, "time": 8, "two": 2, "ext": 1}
            key = next(k for k in ("one", "int", "float", "complex", "raw", "text", "time", "two", "ext") if t[k])
            return sized(sizes.get(key) or int(t[key]) * (4 if key == "text" else 1)), 0
        need(depth < 16, Limit, "dtype: records inside each other")
        return record(depth)

    def record(depth):
        nonlocal count
        names, fields, height, end, gap = [], [], 0, 0, False   # fields: (offset or None, size)
        while not skip("}"):
            need(end == 0 and not fields and not gap or skip(","), Malformed, "dtype: no comma")
            g = take(_GAP)
            if g:
                need(not gap and not any(at is not None for at, _ in fields), Malformed, "dtype: a gap")
                gap, end = True, sized(end + int(g[1]))
                fields.append((None, int(g[1])))
                continue
            f = take(_FIELD)
            need(f, Malformed, f"dtype: no field at {pos} of {text!r}")
            count, gap = count + 1, False
            need(count <= FIELDS, Limit, "dtype: fields")
            names += [_unquote(n) for n in f.groups() if n]
            size, inner = type_(depth + 1)
            pairs, bound = 0, size
            while axes := take(_AXES):
                lengths = [int(n) for n in axes[1].split(",")]
                need(size and len(lengths) <= 64 and max(lengths) < 1 << 63, Malformed, "dtype: brackets")
                bound = sized(bound * math.prod(n or 1 for n in lengths))
                size, pairs = size * math.prod(lengths), pairs + 1
            height = max(height, inner + max(pairs - 1, 0))
            at = take(_AT)
            fields.append((int(at[1]) if at else None, size))
            end = sized(end + size)
        need(len(set(names)) == len(names), Malformed, "dtype: a name stands twice")
        need(height + 1 + depth <= 16, Limit, "dtype: records inside each other")
        offsets = [at for at, _ in fields if at is not None]
        if offsets or text[pos:pos + 1] == "/":
            need(offsets and len(offsets) == len(fields) and skip("/"), Malformed, "dtype: offsets")
            total = take(re.compile(_NUMBER))
            need(total, Malformed, "dtype: no itemsize")
            end = sized(int(total[1]))
            need(all(at + size <= end for at, size in fields), Malformed, "dtype: a field behind the itemsize")
            ordered = all(a + size <= b for (a, size), (b, _) in zip(fields, fields[1:]))
            need(not ordered, Malformed, "dtype: offsets that are not needed")
        return sized(end), height + 1

    size, _ = type_(0)
    need(pos == len(text), Malformed, "dtype: something behind it")
    return size

# ---- FORMAT.md 6, 7: the frame
_JSON = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=lambda s: 1 / 0)
_WS, _INTS = re.compile(r"[ \t\n\r]*"), re.compile(r"\[[ \t\n\r]*([0-9]+[ \t\n\r]*(,[ \t\n\r]*[0-9]+[ \t\n\r]*)*)?\]")
KEYS = ("dtype", "shape", "order", "name", "attrs", "message", "block")

def json_object(raw):
    """FORMAT.md 1, "JSON object": the named keys, each with the text of its value."""
    try:
        text, depth, found = raw.decode("utf-8"), 0, {}
        for c in re.findall(r"[\[\]{}]", re.sub(r'"(?:[^"\\]|\\.)*"', "", text, flags=re.S)):
            depth += 1 if c in "[{" else -1
            need(depth <= 64, Malformed, "header: brackets too deep")
        _JSON.decode(text)                                                  # is it JSON at all?
        pos = _WS.match(text).end()
        need(text[pos] == "{", Malformed, "header: no JSON object")
        pos = _WS.match(text, pos + 1).end()
        while text[pos] != "}":
            key, pos = _JSON.raw_decode(text, pos)
            start = _WS.match(text, _WS.match(text, pos).end() + 1).end()   # behind the colon
            _, end = _JSON.raw_decode(text, start)
            need(key not in found, Malformed, f"header: {key} stands twice")
            if key in KEYS:
                found[key] = text[start:end]
            pos = _WS.match(text, end).end()
            pos = _WS.match(text, pos + (text[pos] == ",")).end()
        return found
    except (ValueError, ZeroDivisionError) as e:
        raise Malformed(f"header: {e}") from None

def _ints(text, what):
    need(_INTS.fullmatch(text), Malformed, f"header: {what} is not integers in digits alone")
    return [int(n) for n in re.findall("[0-9]{1,4000}", text)]

def _string(text, what):
    need(text[:1] == '"', Malformed, f"header: {what} is no string")
    value = json.loads(text)
    need(not re.search("[\ud800-\udfff]", value), Malformed, f"header: {what} has half a surrogate pair")
    return value

def read_frame(read, limit, begun=lambda: None):
    """FORMAT.md 7, WIRE.md 2: one frame by `read(n)`, or None where the input ends in front of it."""
    magic = read(8, magic=True)
    if magic is None:
        return None
    need(magic[:6] != b"\x93NUMPY", Malformed, "a bare .npy array, no frame: WIRE.md 6, npy=True, says how to receive it")
    need(magic != b"\x89NDBS\r\n\x1a", Unsupported, "a descriptor (WIRE.md 9)")
    need(magic == b"\x89NDBF\r\n\x1a", Malformed, f"no frame: it begins with {magic!r}")
    head = magic + read(16)
    version, flags, filter_, codec, h, d = struct.unpack("<4BIQ", head[8:])
    need(h <= HEADER, Limit, f"a header of {h} bytes")
    need(h >= 64 and h % 64 == 0, Malformed, f"a header of {h} bytes")
    head += read(h - 24)
    crc, = struct.unpack("<I", head[-4:])
    need(crc32c(head[:-4]) == crc, Checksum, "header: its CRC does not hold")
    need((version, flags, filter_, codec) == (0, 0, 0, 0), Unsupported, f"version {version}, flags {flags}, filter {filter_},"
         f" codec {codec}: only uncompressed frames of version 0 are read here")
    keys = json_object(head[24:-4])
    need("dtype" in keys and "shape" in keys, Malformed, "header: no dtype, or no shape")
    dtype, shape = _string(keys["dtype"], "dtype"), _ints(keys["shape"], "shape")
    size, order = itemsize(dtype), _string(keys.get("order", '"C"'), "order")
    need(order in ("C", "F"), Malformed, "header: order")
    need(len(shape) <= 64 and max(shape, default=0) < 1 << 63, Malformed, "header: shape")
    need((size or 1) * math.prod(n or 1 for n in shape) < 1 << 63, Limit, "header: shape")
    need(d == size * math.prod(shape), Malformed, f"header: {d} bytes of data are not the shape's")
    name = _string(keys["name"], "name") if "name" in keys else None
    need(keys.get("attrs", "{")[0] == "{", Malformed, "header: attrs")
    attrs = json.loads(keys["attrs"], parse_int=lambda s: int(s) if len(s) < 4000 else s) if "attrs" in keys else None
    message = _ints(keys["message"], "message") if "message" in keys else None
    need(message is None or len(message) in (3, 4) and message[0], Malformed, "header: message")
    need(message is None or message[3:] < [1 << 63], Malformed, "header: the stream")
    need(d <= limit, Limit, f"an array of {d} bytes")
    begun()
    data = read(d)
    sums = [crc32c(data[at:at + MIB]) for at in range(0, d, MIB)]
    check_tail(read(40 + 4 * len(sums)), crc, d, sums)
    return Array(name, dtype, shape, order, attrs, data, message)

def check_tail(tail, header, d, sums):
    """FORMAT.md 3, "reading a record", of a frame: an open tail is truncated (WIRE.md 1)."""
    m, = struct.unpack_from("<I", tail, 28)
    need(36 + m <= len(tail) and crc32c(tail[:32 + m]) == struct.unpack_from("<I", tail, 32 + m)[0], Checksum, "tail: first CRC")
    magic, version, state, zero, crc, length, block, m = struct.unpack_from("<8sBBHIQII", tail)
    need(magic == b"\x89NDBT\r\n\x1a", Malformed, "tail: its magic")
    need(version == 0 and state < 2 and zero == 0, Unsupported, "tail: version, state or zero")
    need((length, block, m) == (d, MIB, 0), Malformed, "tail: lengths")
    need(state == 0, Truncated, "tail: it is open, its writer did not finish")
    need(crc32c(tail[36:-4]) == struct.unpack("<I", tail[-4:])[0], Checksum, "tail: last CRC")
    need(crc == header, Checksum, "header: its CRC is not the tail's")
    for i, (a, b) in enumerate(zip(sums, struct.unpack_from(f"<{len(sums)}I", tail, 36))):
        need(a == b, Checksum, f"block {i}: bytes {i * MIB} to {min(d, (i + 1) * MIB)} of the data")

def read_message(read_one, frames):
    """WIRE.md 8: `read_one(within)` reads a frame; the message is given when all are there. None at the clean end."""
    first = read_one(False)
    if first is None:
        return None
    n, seq, sent, stream = (first.message + [None])[:4] if first.message else (1, None, None, None)
    need(n <= frames, Limit, f"a message of {n} frames")
    arrays = [first]
    while len(arrays) < n:
        arrays.append(read_one(True))
        need(arrays[-1] is not None, Truncated, f"a message of {n} frames ends behind {len(arrays) - 1}")
        need(arrays[-1].message is None, Malformed, "a message inside of a message")
    return Message(seq, sent, stream, first.attrs, arrays)

# ---- WIRE.md 1, 2, 3, 4, 8, 11: streams
class Receiver:
    """Yields the messages of a connected socket; behind an error, or the clean end, the socket is closed (WIRE.md 1)."""

    def __init__(self, stream, limit=1 << 30, timeout=30.0, frames=1024):
        self.sock, self.limit, self.timeout, self.frames = stream, limit, timeout, frames
        self.due, self.gone, self.deadline, self.since, self.last = b"", None, None, 0, None

    def __iter__(self):
        return self

    def __next__(self):
        try:
            self.receipt(used=True)
            message = read_message(self.frame, self.frames)
        except BaseException:
            self.refuse()
            raise
        if message is None:
            self.sock.close()
            if self.gone:                                       # the system tells of a reset once: here a receipt met it
                raise ConnectionResetError("reset between two frames: messages may be missing") from self.gone
            raise StopIteration
        self.last = message
        self.receipt(used=False)
        return message

    def receipt(self, used):
        """WIRE.md 11: that the last message has arrived, or was used; one for which there is no room is left out, but none is cut."""
        if self.last is None or self.last.stream is None:
            return
        receipt = struct.pack("<8sQQI", b"\x89NDBR\r\n\x1a", self.last.stream, self.last.seq, used)
        self.due += receipt + struct.pack("<I", crc32c(receipt))
        try:
            self.sock.settimeout(0)
            self.due = self.due[self.sock.send(self.due):] if self.due else b""
        except BlockingIOError:
            self.due = self.due[:len(self.due) % 32]            # the rest of one that was begun
        except OSError as e:
            self.due, self.gone = b"", e if self.sock.family != socket.AF_UNIX else None     # which takes nothing back

    def refuse(self):
        """WIRE.md 3: a receiver that failed resets the connection, or says so with one byte."""
        try:
            if self.sock.family == socket.AF_UNIX:
                self.sock.settimeout(0)
                self.sock.send(b"\0")
            else:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        self.sock.close()

    def frame(self, within):
        """WIRE.md 4: no time-out in front of a message; within one it goes on from the end of the frame before."""
        self.deadline, self.since = time.monotonic() + self.timeout if within else None, 0
        return read_frame(self.read, self.limit, self.again)

    def again(self):
        self.deadline, self.since = time.monotonic() + self.timeout, 0

    def read(self, n, magic=False):
        got = bytearray()
        while len(got) < n:
            try:
                if self.deadline is not None and self.deadline <= time.monotonic():
                    raise TimeoutError
                self.sock.settimeout(None if self.deadline is None else self.deadline - time.monotonic())
                part = self.sock.recv(min(n - len(got), HEADER - self.since))
            except OSError as e:
                if magic and not got and not isinstance(e, TimeoutError):
                    raise                                       # between two frames: "an error too, but none of a frame"
                if isinstance(e, TimeoutError):                 # WIRE.md 4 names no kind
                    raise TimeoutError(f"{len(got)} bytes of {n} within {self.timeout} s") from None
                raise Truncated(f"{len(got)} bytes of {n}: {e}") from e
            if not part:
                need(not magic or b"\x89NDBF\r\n\x1a".startswith(got), Malformed, f"no frame: it begins with {bytes(got)!r}")
                need(magic and not got, Truncated, f"{len(got)} bytes of {n}")
                return None
            got += part
            self.since += len(part)
            if self.deadline is None or self.since >= HEADER:
                self.again()
        return bytes(got)

# ---- WIRE.md 10: parity
class Field:
    """GF(2^16) of WIRE.md 10, "Parity". A shard is 16 planes: integers that have bit i of each element, one to a byte."""
    BASIS = [int(b, 16) for b in "0001 ACCA 3C0E 163E C582 ED2E 914C 4012 6C98 10D8 6A72 B900 FDB8 FB34 FF38 991E".split()]

    def __init__(self):
        poly, power = [0] * 65536, [0] * 65536
        for x in range(1, 65536):
            low = (x & -x).bit_length() - 1
            poly[x] = poly[x & (x - 1)] ^ self.BASIS[low]
        element = {p: x for x, p in enumerate(poly)}
        self.exp, self.log, p = [0] * 131070, [0] * 65536, 1
        for i in range(65535):
            self.exp[i] = self.exp[i + 65535] = element[p]
            self.log[element[p]] = i
            p = p << 1 ^ (0x1002D if p & 0x8000 else 0)

    def mul(self, a, b):
        return self.exp[self.log[a] + self.log[b]] if a and b else 0

    def div(self, a, b):
        return self.exp[self.log[a] - self.log[b] + 65535] if a else 0

    def factor(self, m, i, j):
        """What data[i] counts in parity[j]."""
        size = 1 << (m - 1).bit_length()
        s = size + i
        for _ in range(size.bit_length() - 1):
            s = self.mul(s, s) ^ s
        return self.div(s, (size + i) ^ j)

    def split(self, shard):
        ones = int.from_bytes(b"\1" * (len(shard) // 2), "little")
        halves = (b"".join(shard[at + o:at + o + 32] for at in range(0, len(shard), 64)) for o in (0, 32))
        return [int.from_bytes(half, "little") >> b & ones for half in halves for b in range(8)][:16]

    def join(self, planes, size):
        low, high = (sum(p << b for b, p in enumerate(planes[o:o + 8])).to_bytes(size // 2, "little") for o in (0, 8))
        return b"".join(low[at:at + 32] + high[at:at + 32] for at in range(0, size // 2, 32))

    def add(self, to, planes, c):
        """to += c · planes"""
        for i, plane in enumerate(planes):
            product = self.mul(c, 1 << i)
            while plane and product:
                to[(product & -product).bit_length() - 1] ^= plane
                product &= product - 1

    def solve(self, k, m, data, parity):
        """The shards of data that are missing in `data`, from as many of `parity`: Gaussian elimination."""
        size = len(next(iter(parity.values())))
        missing, rows = [i for i in range(k) if i not in data], []
        known = {i: self.split(shard) for i, shard in data.items()}
        for j in sorted(parity)[:len(missing)]:
            right = self.split(parity[j])
            for i, planes in known.items():
                self.add(right, planes, self.factor(m, i, j))
            rows.append(([self.factor(m, i, j) for i in missing], right))
        for c in range(len(missing)):
            pivot = next(r for r in range(c, len(rows)) if rows[r][0][c])
            rows[c], rows[pivot] = rows[pivot], rows[c]
            inverse, right = self.div(1, rows[c][0][c]), [0] * 16
            self.add(right, rows[c][1], inverse)
            rows[c] = [self.mul(x, inverse) for x in rows[c][0]], right
            for r, (left, other) in enumerate(rows):
                if r != c and (x := left[c]):
                    rows[r] = [a ^ self.mul(b, x) for a, b in zip(left, rows[c][0])], other
                    self.add(other, right, x)
        return {i: self.join(right, size) for i, (_, right) in zip(missing, rows)}

_field = None

# ---- WIRE.md 10: datagrams
class Partial:
    """A message that is not whole: its shards by group, and the time of the last."""

    def __init__(self, S, m, T):
        self.shape, self.n, self.bytes, self.left = (S, m, T), -(-T // S), 0, -(-T // S)
        self.groups, self.time = {}, 0.0
        last = self.n % 3072 or 3072
        self.parities = ((self.n - 1) // 3072 * 8 + -(-last // 384)) * m

    def place(self, parity, number):
        """WIRE.md 10, "Windows and groups": (window, group), shard in the group, k."""
        S, m, T = self.shape
        W = number // (8 * m) if parity else number // 3072
        w = min(3072, self.n - W * 3072)
        G = -(-w // 384)
        j, g = divmod(number - W * (8 * m if parity else 3072), G)
        return (W, g), j, -(-(w - g) // G)

    def add(self, parity, number, shard):
        """Takes a shard; solves its group where it can. Whether the message is whole."""
        global _field
        key, j, k = self.place(parity, number)
        data, extra = self.groups.setdefault(key, ({}, {}))
        if j in (extra if parity else data) or len(data) == k:
            return False
        (extra if parity else data)[j] = shard
        self.bytes, self.left = self.bytes + len(shard), self.left - (not parity)
        if len(data) < k <= len(data) + len(extra):
            _field = _field or Field()
            found = _field.solve(k, self.shape[1], data, extra)
            data.update(found)
            self.left -= len(found)
        if len(data) == k:
            extra.clear()
        return self.left == 0

    def whole(self):
        shards = ((key, j) for key, j, _ in (self.place(False, number) for number in range(self.n)))
        return b"".join(self.groups[key][0][j] for key, j in shards)[:self.shape[2]]

def parse(packet):
    """WIRE.md 10, "Receiving", 1: (stream, number of the message, (S, m, T), parity?, number of the shard, shard) or None."""
    S = len(packet) - 32
    if not 96 <= len(packet) <= 1440 or S % 64 or packet[:4] != b"\x89NDD":
        return None
    if crc32c(packet[:-4]) != int.from_bytes(packet[-4:], "little"):
        return None
    version, flags, m, stream, shard = struct.unpack_from("<BBHII", packet, 4)
    number, T = int.from_bytes(packet[16:22], "little"), int.from_bytes(packet[22:28], "little")
    if version or flags > 2 or m > 1024 or not T:
        return None
    p = Partial(S, m, T)
    if p.n >= 1 << 32 or p.parities >= 1 << 32 or shard >= (p.parities if flags == 1 else p.n):
        return None
    if flags != 1 and any(packet[28 + max(T - shard * S, 0):-4]):
        return None
    return stream, number, (S, m, T), flags == 1, shard, packet[28:-4]

def message_of(raw, limit, frames):
    """WIRE.md 10, "Receiving", 4: the frames of a message that is whole."""
    source = io.BytesIO(raw)
    def read(n, magic=False):
        part = source.read(n)
        if magic and not part:
            return None
        need(len(part) == n, Truncated, f"{len(part)} bytes of {n}")
        return part
    message = read_message(lambda within: read_frame(read, limit), frames)
    need(source.tell() == len(raw), Malformed, "bytes behind the last frame")
    return message

def datagrams(sock, limit=1 << 28, quiet=1.0, frames=1024, lost=lambda stream, number, why: None):
    """WIRE.md 10, "Receiving": yields messages as they become whole; tells `lost` of those that something came of and are lost."""
    streams, backlog, arrived = {}, deque(), []                 # streams: id -> [partials, done, floor, marks]
    def lose(stream, number, why):
        streams[stream][0].pop(number)
        streams[stream][1].add(number)
        lost(stream, number, why)
    while True:
        wait = 0 if backlog else quiet / 4
        while len(backlog) < 65536 and select.select([sock], [], [], wait)[0]:      # CRCs are slow here: empty the system's buffer
            backlog.append(sock.recv(2048))
            wait = 0
        now, packet = time.monotonic(), parse(backlog.popleft()) if backlog else None
        for stream, state in [] if backlog else streams.items():                    # 5: what nothing came of
            for number in [n for n, p in state[0].items() if p.time < now - quiet]:
                lose(stream, number, f"{state[0][number].left} of {state[0][number].n} shards are missing")
            while state[3] and state[3][0][0] < now - quiet:
                state[2] = max(state[2], state[3].popleft()[1])                     # numbers below were given, given up or never came
            state[1] = {n for n in state[1] if n >= state[2]}
        if packet is None or packet[2][2] > limit:                                  # 1, 2
            continue
        stream, number, shape, parity, index, shard = packet
        if stream not in streams and len(streams) >= 64:                            # 6: room
            streams.pop(min(streams, key=lambda s: streams[s][3][-1][0] if streams[s][3] else 0))
        state = streams.setdefault(stream, [{}, set(), 0, deque()])
        partials, done, floor, marks = state
        if number in done or number < floor and number not in partials:             # 3
            continue
        if not marks or number > marks[-1][1]:
            marks.append((now, number))
        p = partials.setdefault(number, Partial(*shape))
        if p.shape != shape:
            continue
        p.time = now
        if p.add(parity, index, shard):                                             # 4
            partials.pop(number)
            done.add(number)
            try:
                message = message_of(p.whole(), limit, frames)
            except NdbError as e:
                lost(stream, number, f"{type(e).__name__}: {e}")
            else:
                yield message
        while sum(q.bytes for s in streams.values() for q in s[0].values()) > limit:    # 2: room
            lose(*min((q.time, s, n) for s, v in streams.items() for n, q in v[0].items())[1:], "no room")

def line(m):
    arrays = [{"name": a.name, "dtype": a.dtype, "shape": a.shape, "order": a.order,
               "sha256": hashlib.sha256(a.data).hexdigest()} for a in m.arrays]
    return json.dumps({"seq": m.seq, "sent": m.sent, "attrs": m.attrs, "arrays": arrays})

def main(kind, where, count=None):
    if kind == "udp":
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 23)
    else:
        sock = socket.socket(socket.AF_UNIX if kind == "unix" else socket.AF_INET)
    sock.bind(where if kind == "unix" else ("127.0.0.1", int(where)))
    if kind != "udp":
        sock.listen(1)
    print("listening on", where if kind == "unix" else "%s:%d" % sock.getsockname(), flush=True)
    if kind == "udp":
        source = datagrams(sock, lost=lambda *what: print("lost", *what, file=sys.stderr, flush=True))
    else:
        source = Receiver(sock.accept()[0])
    for i, message in enumerate(source, 1):
        print(line(message), flush=True)
        if kind == "udp" and count and i >= int(count):
            break

if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (NdbError, OSError) as e:
        sys.exit(f"{type(e).__name__}: {e}")
