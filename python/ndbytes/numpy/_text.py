"""Text mode: numbers with a separator between them, as NumPy's C code reads and writes them."""

import re
import warnings

import numpy as np

UNMATCHED = "string or file could not be read to its end due to unmatched data"
#: A number was read, and what is behind it is none of the separator's, whatever it is.
JUNK = 2
_SPACE = b" \t\n\v\f\r"

# What is taken off the input: as far as it goes on like a number. "1.", "1e" and "infin" are taken, and understood.
_TAKEN = re.compile(
    rb"[ \t\n\v\f\r]*([+-]?(?:"
    rb"n(?:a(?:n(?:\([0-9a-z_]*\)?)?)?)?"
    rb"|i(?:n(?:f(?:i(?:n(?:i(?:t(?:y)?)?)?)?)?)?)?"
    rb"|[0-9]*(?:\.(?:[0-9]+(?:e[+-]?[0-9]*)?)?|e[+-]?[0-9]*)?)?)",
    re.IGNORECASE,
)
_MOST = 120
_VALUE = re.compile(rb"[+-]?(?:(nan)|(inf)|[0-9]+\.?[0-9]*(?:e[+-]?[0-9]+)?|\.[0-9]+(?:e[+-]?[0-9]+)?)", re.IGNORECASE)
_INTEGER = re.compile(rb"[ \t\n\v\f\r]*([+-]?)([0-9]*)")


def write(write_bytes, a, sep, form):
    """Gives `write_bytes` the items of an array in C order, `sep` between them and nothing behind the last one."""
    sep = sep.encode()
    flat, step = a.flat, 4096
    for start in range(0, a.size, step):
        items = flat[start : start + step].tolist()
        texts = [str(item) if not form else form % (item,) for item in items]
        part = sep.join([text.encode("ascii") for text in texts])
        write_bytes(part if start == 0 else sep + part)


def read(data, dtype, count, sep):
    """The numbers that `data` begins with, at most `count` of them (negative: all).

    Returns
    -------
    array, int, ValueError or None
        The numbers; how many bytes they took; what is wrong with the ones behind them, if something is.

    Raises
    ------
    ValueError
        For a dtype that has no text.
    """
    scan = _scanner(dtype)
    pattern = _separator(sep)
    values, at, state = [], 0, 0
    while state == 0 and (count < 0 or len(values) < count):
        value, at, state = scan(data, at)
        if state not in (1, JUNK):
            break
        values.append(value)
        at, state = _skip(data, at, pattern) if state == 1 else (at, -2)
    matched = state != -2 or len(values) == count
    array = _array(values, dtype)
    return array, at, None if matched else ValueError(UNMATCHED)


def _array(values, dtype):
    """Values of the machine's byte order as values of this dtype."""
    native = dtype.newbyteorder("=")
    if dtype.kind in "iu":
        bits = 8 * dtype.itemsize
        unsigned = np.array([value & ((1 << bits) - 1) for value in values], f"u{dtype.itemsize}")
        return unsigned.view(native).astype(dtype, copy=False)
    wide = {"b": np.bool_, "f": np.float64, "c": np.complex128, "g": np.longdouble}
    with np.errstate(all="ignore"):
        return np.array(values, wide.get(dtype.char, wide.get(dtype.kind))).astype(dtype, copy=False)


def _scanner(dtype):
    if dtype.isbuiltin == 2:  # Packages give their dtypes letters that NumPy's have too.
        raise ValueError("Unable to read character files of that array type")
    if dtype.kind == "b":
        return _scan_bool
    if dtype.kind == "i":
        return lambda data, at: _scan_integer(data, at, -(1 << 63), (1 << 63) - 1)
    if dtype.kind == "u":
        return _scan_unsigned
    if dtype.char == "g":
        return lambda data, at: _scan_float(data, at, _long_double)
    if dtype.char in "efd":
        return _scan_float
    if dtype.char in "FD":
        return _scan_complex
    raise ValueError("Unable to read character files of that array type")


def _scan_float(data, at, parse=float):
    """A number, where it ends, and 1; or nothing, and -1 at the end of the input or -2 before it."""
    if at >= len(data):
        return None, at, -1
    taken = _TAKEN.match(data, at)
    text = taken[1][:_MOST]
    at = taken.start(1) + len(text)
    value = _VALUE.match(text)
    if value is None:
        return None, at, -2
    if value[1]:
        return parse("nan"), at, 1
    if value[2]:
        return parse("-inf" if text.startswith(b"-") else "inf"), at, 1
    return parse(value[0].decode()), at, 1


def _long_double(text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # Too large a number is inf, which NumPy reads without a word.
        return np.longdouble(text)


def _scan_bool(data, at):
    value, at, state = _scan_float(data, at)
    return value is not None and value != 0, at, state


def _scan_complex(data, at):
    first, at, state = _scan_float(data, at)
    if state == -1:
        return None, at, state
    first = 0.0 if first is None else first
    behind = data[at : at + 1]
    if behind == b"j":
        return complex(0.0, first), at + 1, state
    if behind not in (b"+", b"-") or not behind:
        # NumPy takes this one byte for the end of the file, and does not put it back.
        return complex(first, 0.0), at + (behind == b"\xff"), state
    second, at, found = _scan_float(data, at)
    if found == 1 and data[at : at + 1] == b"j":
        return complex(first, second), at + 1, state
    # NumPy has the number for one that is real, and puts something back that no separator begins with.
    return complex(first, 0.0), min(at, len(data) - 1), JUNK if state == 1 else state


def _scan_integer(data, at, low, high):
    if at >= len(data):
        return None, at, -1
    taken = _INTEGER.match(data, at)
    (sign, digits), end = taken.groups(), taken.end()
    if not digits:
        return None, end, -1 if end >= len(data) and not sign else -2
    number = int(digits) if len(digits) < 40 else 1 << 128
    number = -number if sign == b"-" else number
    return min(max(number, low), high), end, 1


def _scan_unsigned(data, at):
    value, at, state = _scan_integer(data, at, -(1 << 64), 1 << 64)
    if state == 1 and abs(value) > (1 << 64) - 1:
        value = (1 << 64) - 1
    return value, at, state


def _separator(sep):
    """The separator with one space for each run of white space, and one in front."""
    sep = sep.encode()
    runs = re.sub(rb"[ \t\n\v\f\r]+", b" ", sep)
    return runs if runs.startswith(b" ") else b" " + runs


def _skip(data, at, pattern):
    """Where the separator ends, and 0; -1 at the end of the input; -2 if something else stands there."""
    place, spaces = 0, 0
    while True:
        if at >= len(data):
            return at, -1
        char = data[at : at + 1]
        if place == len(pattern):
            return at, 0 if place != spaces else -2
        wanted = pattern[place : place + 1]
        if wanted == b" ":
            if char in _SPACE:
                at += 1
                if place == spaces:
                    spaces -= 1
            else:
                place += 1
                spaces += 1
        elif wanted != char:
            return at, -2
        else:
            place += 1
            at += 1
