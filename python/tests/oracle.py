"""The `oracle` example as Python functions; its protocol stands at the top of `oracle.rs`."""

import ast
import ctypes
import os
import select
import struct
import subprocess
from dataclasses import dataclass

import numpy as np

PATIENCE = 120  # seconds for one answer

# glibc gives large blocks back to the system at once, and most of the time would go into getting them anew.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}


def keep_memory():
    """The same for this process."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt:
        trim_threshold, mmap_threshold = -1, -3
        mallopt(trim_threshold, 1 << 30)
        mallopt(mmap_threshold, 1 << 30)


NOTHING = np.empty(0, "u1")


class Refused(Exception):
    """An error of the library."""

    def __init__(self, fields):
        self.fields = fields
        kind, offset, message, detail, path = (field.decode() for field in fields[:5])
        super().__init__(f"{kind} at {offset}: {message} ({detail}; {path})")
        self.kind, self.message, self.detail, self.path = kind, message, detail, path
        self.offset = int(offset) if offset else None


@dataclass
class Decoded:
    descr: str
    spec: str
    shape: tuple
    fortran: bool
    version: int
    header: int
    state: str
    name: str
    attrs: str
    data: bytes

    @property
    def dtype(self):
        return np.lib.format.descr_to_dtype(ast.literal_eval(self.descr))


def message(fields):
    parts = [struct.pack("<I", len(fields))]
    for field in fields:
        field = field if isinstance(field, (bytes, bytearray)) else spelled(field).encode()
        parts += [struct.pack("<Q", len(field)), field]
    return b"".join(parts)


def spelled(field):
    match field:
        case None | False:
            return ""
        case True:
            return "1"
        case tuple() | list():
            return ",".join(str(int(n)) for n in field)
    return str(field)


def parsed(take):
    """The fields of a message whose bytes `take` gives, or the error that it is."""
    (count,) = struct.unpack("<I", take(4))
    fields = [take(struct.unpack("<Q", take(8))[0]) for _ in range(count)]
    word, *rest = fields
    if word == b"ok":
        return rest
    assert word == b"error", fields
    raise Refused(rest)


def decoded(fields):
    *texts, data = fields
    descr, spec, shape, fortran, version, header, state, name, attrs = (text.decode() for text in texts)
    return Decoded(descr, spec, numbers(shape), bool(fortran), int(version), int(header), state, name, attrs, data)


def numbers(text):
    return tuple(int(n) for n in text.split(",") if n)


class Oracle:
    """A serving process; it is started anew if it dies, and whatever killed it fails its test."""

    def __init__(self, program):
        self.program = program
        self.process = None
        self.last = None  # An array and its view: it is asked about in many orders.

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.stdin.close()
            assert self.process.wait(PATIENCE) == 0
            self.process.stdout.close()

    def ask(self, *fields):
        if self.process is None:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            self.process = subprocess.Popen([self.program], env=os.environ | KEEP_MEMORY, **pipes)
        try:
            self.process.stdin.write(message(fields))
            self.process.stdin.flush()
            ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
            assert ready, f"no answer within {PATIENCE} s"
            return parsed(self.take)
        except (BrokenPipeError, EOFError, AssertionError) as error:
            self.process.kill()
            status = self.process.wait()
            self.process = None
            raise AssertionError(f"the oracle ended with {status} over {fields[0]!r}: {error!r}") from error

    def take(self, n):
        data = self.process.stdout.read(n)
        if len(data) < n:
            raise EOFError("no answer")
        return data

    def tobytes(self, array, order="C", endian=None):
        if self.last is None or self.last[0] is not array:
            self.last = array, view(array)
        *layout, data = self.last[1]
        return self.ask("tobytes", *layout, order, endian, data)[0]

    def encode(self, array, version=None, endian=None, checksum=False, name=None, attrs=None, chunk=0):
        *layout, data = view(array)
        return self.ask("encode", *layout, version, endian, checksum, name, attrs, chunk, data)[0]

    def decode(self, data, lenient=False, checks="optional", chunk=0):
        return decoded(self.ask("decode", lenient, checks, chunk, data))

    def descr(self, text, lenient=False):
        """The descr and the spec of a dtype, and its size."""
        descr, spec, size = self.ask("descr", lenient, text)
        return descr.decode(), spec.decode(), int(size)

    def spec(self, text):
        return self.ask("spec", text)[0].decode()

    def raw(self, spec, data, order="C", offset=0, gap=0):
        shape, items = self.ask("raw", spec, order, offset, gap, data)
        return numbers(shape.decode()), items

    def compress(self, container, data, level=6, chunk=0):
        return self.ask("compress", container, level, chunk, data)[0]

    def decompress(self, container, data, limit=1 << 30, chunk=0):
        return self.ask("decompress", container, limit, chunk, data)[0]

    def decompress_array(self, container, spec, data, limit=1 << 62):
        shape, items = self.ask("decompress array", container, spec, limit, data)
        return numbers(shape.decode()), items

    def save_compressed(self, path, array, container, level=6, checksum=False):
        *layout, data = view(array)
        self.ask("save compressed", path, container, level, checksum, *layout, data)

    def load(self, path):
        return decoded(self.ask("load", path))

    def npz_write(self, arrays, style="numpy", level=None, streamed=False, start=0, checksum=False):
        """The archive of a dict of member names and arrays."""
        fields = [field for name, array in arrays.items() for field in (name, checksum, *view(array))]
        level = None if level is None else str(level)
        return self.ask("npz write", style, level, streamed, start, *fields)[0]

    def npz_read(self, archive):
        """Method, range and bytes of every member, by its name."""
        fields = iter(self.ask("npz read", archive))
        return {
            name.decode(): (int(method), numbers(place.decode()), data)
            for name, method, place, data in zip(fields, fields, fields, fields)
        }

    def npz_load(self, archive, key):
        return decoded(self.ask("npz load", archive, key))

    def map(self, path, *steps, array=NOTHING):
        """What the steps answer; `array` is what `write` and `append` take."""
        return self.ask("map", path, "\n".join(steps), *view(array))


def view(array):
    """What an array is made of: dtype, shape, strides, offset, and all of the memory it is a view of."""
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    data = owner.reshape(-1, order="A").view("u1") if owner.itemsize else b""
    start = array.ctypes.data - owner.ctypes.data if array.size else 0
    assert 0 <= start <= owner.nbytes, "the owner is not where the view begins"
    return spelling(array.dtype), array.shape, array.strides, start, bytes(data)


def spelling(dtype):
    """The dtype as the oracle reads it: its descr where NumPy's tells everything, else a spec."""
    try:
        if not has_extension(dtype):
            return repr(np.lib.format.dtype_to_descr(dtype))
    except ValueError:  # Fields that overlap or stand out of order.
        pass
    return spec(dtype)


def is_extension(dtype):
    return dtype.names is None and dtype.subdtype is None and dtype.type.__module__ == "ml_dtypes"


def has_extension(dtype):
    if dtype.subdtype:
        return has_extension(dtype.base)
    fields = dtype.fields or {}
    return is_extension(dtype) or any(has_extension(field[0]) for field in fields.values())


def spec(dtype):
    """The one-line spelling, with every offset and itemsize said."""
    if is_extension(dtype):
        return dtype.name
    if dtype.subdtype:
        base, shape = dtype.subdtype
        return f"{spec(base)}[{','.join(map(str, shape))}]"
    if dtype.names is None:
        return dtype.str
    fields = []
    for name in dtype.names:
        field, offset, *title = dtype.fields[name]
        prefix = f"{title[0]!r}=" if title else ""
        fields.append(f"{prefix}{name!r}:{spec(field)}@{offset}")
    return f"{{{','.join(fields)}}}/{dtype.itemsize}"
