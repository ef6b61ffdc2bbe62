"""The one-line spelling of dtypes (FORMAT.md, section 2), in pure Python: how many bytes an item has.

>>> itemsize("<f8"), itemsize("{t:<u8,:|V2,img:>u2[3]}"), itemsize("{b:<i4@4,a:<i4@0}/8")
(8, 16, 8)
>>> itemsize("{a:<i4@0}/4")
Traceback (most recent call last):
sums.FormatError: malformed: the dtype '{a:<i4@0}/4' is written '{a:<i4}'
>>> itemsize("|O")
Traceback (most recent call last):
sums.FormatError: malformed: dtype '|O', at character 0
"""

import ast
import math
import re

from sums import FormatError

FLOAT8 = ["e3m4", "e4m3", "e4m3b11fnuz", "e4m3fn", "e4m3fnuz", "e5m2", "e5m2fnuz", "e8m0fnu"]
NUMBERS = {"f16": 16, "c8": 8, "c16": 16, "c32": 32} | {f"{kind}{n}": n for kind in "iuf" for n in (2, 4, 8)}
SIZES = {name: 1 for name in ["|b1", "|i1", "|u1", *(f"float8_{name}" for name in FLOAT8)]}
SIZES |= {"bfloat16": 2, ">bfloat16": 2} | {sign + name: n for sign in "<>" for name, n in NUMBERS.items()}
TIME = r"[<>][Mm]8(\[([1-9][0-9]*)?(Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?"
INTEGER = r"0|[1-9][0-9]*"
BARE = r"[A-Za-z0-9_]+"
QUOTED = r"""(['"])((?!\1)[^\\\n\r\0]|\\([\\'"nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}))*\1"""


def itemsize(spelling, max_fields=4096):
    """Bytes of an item of this dtype, which must be spelled in the one canonical way."""
    reader = Reader(spelling, max_fields)
    written, size, _ = reader.type()
    if reader.at < len(spelling):
        raise reader.error()
    if written != spelling.encode("ascii", "backslashreplace").decode():
        raise FormatError("malformed", f"the dtype {spelling!r} is written {written!r}")
    return size


class Reader:
    """Each method reads a part of the grammar and gives its canonical spelling in ASCII first."""

    def __init__(self, text, max_fields):
        self.text, self.at, self.fields_left = text, 0, max_fields

    def error(self):
        return FormatError("malformed", f"dtype {self.text!r}, at character {self.at}")

    def take(self, pattern):
        found = re.compile(pattern).match(self.text, self.at)
        self.at = found.end() if found else self.at
        return found

    def expect(self, pattern):
        found = self.take(pattern)
        if not found:
            raise self.error()
        return found[0]

    def integer(self):
        return int(self.expect(INTEGER))

    def items(self, item, end):
        """What stands between commas, up to the closing bracket."""
        found = []
        while not self.take(end):
            if found:
                self.expect(",")
            found.append(item())
        return found

    def type(self, depth=0):
        """Spelling, bytes, levels of nesting."""
        if self.take(r"\{"):
            return self.record(bounded("levels of records", depth + 1, 16))
        if time := self.take(TIME):
            if int(time[2] or 2) not in range(2, 2**31):
                raise self.error()
            return time[0], 8, 0
        start, word = self.at, self.expect(r"[<>|]?\w+")
        if word in SIZES:
            return word, SIZES[word], 0
        sized = re.fullmatch(rf"(\|S|\|V|[<>]U)({INTEGER})", word)
        if not sized:
            self.at = start
            raise self.error()
        return word, bounded("bytes of an item", int(sized[2]) * (4 if "U" in sized[1] else 1)), 0

    def record(self, depth):
        fields, names, end, nested = [], [], 0, 0
        for own_names, spelling, size, offset, levels in self.items(lambda: self.field(depth), r"\}"):
            offset = end if offset is None else offset
            end, nested = bounded("bytes of an item", max(end, offset + size)), max(nested, levels)
            names += own_names
            if own_names:
                fields.append((spelling, size, offset))
        size = bounded("bytes of an item", self.integer()) if self.take("/") else end
        if end > size or len(set(names)) < len(names):
            raise self.error()
        return spelled(fields, size), size, bounded("levels of records", nested + 1, 16)

    def field(self, depth):
        """Names, spelling, bytes, offset where one stands, levels of nesting; a gap has no names."""
        if self.take(":"):
            self.expect(r"\|V")
            return [], "", self.integer(), None, 0
        self.fields_left -= 1
        bounded("fields", -self.fields_left, 0)
        names = [self.name()]
        if self.take("="):
            names.append(self.name())
        self.expect(":")
        spelling, size, levels = self.type(depth)
        spelling = "=".join(map(quoted, names)) + ":" + spelling
        pairs = 0
        while self.take(r"\["):
            lengths, pairs = self.items(self.integer, r"\]"), pairs + 1
            if size == 0 or len(lengths) not in range(1, 65):
                raise self.error()
            bounded("bytes of an item", size * math.prod(n or 1 for n in lengths))
            size *= math.prod(lengths)
            spelling += f"[{','.join(map(str, lengths))}]"
        return names, spelling, size, self.offset(), levels + max(pairs - 1, 0)

    def offset(self):
        return self.integer() if self.take("@") else None

    def name(self):
        if name := self.take(BARE):
            return name[0]
        try:
            name = ast.literal_eval(self.expect(QUOTED))
            name.encode()  # Half a surrogate pair is no character.
            return name
        except (SyntaxError, UnicodeEncodeError):
            raise self.error() from None


def spelled(fields, itemsize):
    """A record: with gaps where its fields stand in order and apart, else with offsets."""
    parts, end = [], 0
    for spelling, size, offset in fields:
        if offset < end:
            return f"{{{','.join(f'{spelling}@{offset}' for spelling, _, offset in fields)}}}/{itemsize}"
        parts += [f":|V{offset - end}"] * (offset > end) + [spelling]
        end = offset + size
    parts += [f":|V{itemsize - end}"] * (itemsize > end)
    return f"{{{','.join(parts)}}}"


def quoted(name):
    return name if re.fullmatch(BARE, name) else ascii(name)


def bounded(what, n, most=2**31 - 1):
    if n > most:
        raise FormatError("limit", f"{what}: {n}, at most {most}")
    return n
