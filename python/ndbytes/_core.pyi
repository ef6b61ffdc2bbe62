"""What `ndbytes._core` has; see the docstrings there."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias, TypeVar, final, overload

import numpy as np
import numpy.typing as npt

Array: TypeAlias = np.ndarray[Any, Any]
# A NumPy array or scalar, a buffer, or an object with an array interface.
ArrayIn: TypeAlias = Any
Expected: TypeAlias = str | np.dtype[Any]
Codec: TypeAlias = Literal["none", "auto", "fast", "small", "lz4", "zstd", "deflate", "pco"]
Order: TypeAlias = Literal["C", "F", "A", "K"]
ByteOrder: TypeAlias = Literal["<", ">", "="]
Shape: TypeAlias = int | Sequence[int]
StrPath: TypeAlias = str | os.PathLike[str]
# Anything with a buffer: Python 3.11 has no name for it.
Buffer: TypeAlias = Any
Out = TypeVar("Out")

class _Readable(Protocol):
    def read(self, size: int, /) -> bytes | None: ...

class _Writable(Protocol):
    def write(self, data: bytes, /) -> Any: ...

class _Socket(Protocol):
    def gettimeout(self) -> float | None: ...
    def recv(self, size: int, /) -> bytes: ...
    def send(self, data: bytes, /) -> int: ...

__version__: str

@final
class Limits:
    def __new__(
        cls, *, header: int = ..., fields: int = 4096, array: int | None = None, members: int = 65535
    ) -> Limits: ...
    @staticmethod
    def local() -> Limits: ...
    @staticmethod
    def untrusted() -> Limits: ...
    @staticmethod
    def stream() -> Limits: ...
    @property
    def header(self) -> int: ...
    @property
    def fields(self) -> int: ...
    @property
    def array(self) -> int | None: ...
    @property
    def members(self) -> int: ...

@final
class Report:
    @staticmethod
    def unchecked(nbytes: int) -> Report: ...
    @property
    def ok(self) -> bool: ...
    @property
    def state(self) -> str: ...
    @property
    def nbytes(self) -> int | None: ...
    @property
    def blocks(self) -> int | None: ...
    @property
    def compression(self) -> str | None: ...
    @property
    def error(self) -> Exception | None: ...
    @property
    def block(self) -> int | None: ...
    @property
    def start(self) -> int | None: ...
    @property
    def stop(self) -> int | None: ...
    def __bool__(self) -> bool: ...
    def raise_for_damage(self, *, require_checksum: bool = False) -> None: ...

@overload
def tobytes(
    a: ArrayIn,
    order: Order | None = "C",
    *,
    byteorder: ByteOrder | None = None,
    threads: int | None = None,
    out: None = None,
) -> bytes: ...
@overload
def tobytes(
    a: ArrayIn,
    order: Order | None = "C",
    *,
    byteorder: ByteOrder | None = None,
    threads: int | None = None,
    out: Out,
) -> Out: ...
def frombuffer(
    buf: Buffer,
    dtype: npt.DTypeLike,
    shape: Shape | None = -1,
    *,
    order: Order | None = "C",
    offset: int = 0,
    gap: int = 0,
    copy: bool = False,
) -> Array: ...
def tofile(a: ArrayIn, file: StrPath | _Writable) -> None: ...
def fromfile(
    file: StrPath | _Readable, dtype: npt.DTypeLike, shape: Shape | None = -1, *, offset: int = 0, gap: int = 0
) -> Array: ...
@overload
def dumps(
    a: ArrayIn | Mapping[str, ArrayIn],
    *,
    codec: Codec | None = None,
    level: int | None = None,
    block: int | Sequence[int] | None = None,
    name: str | None = None,
    attrs: dict[str, Any] | None = None,
    threads: int | None = None,
    out: None = None,
) -> bytes: ...
@overload
def dumps(
    a: ArrayIn | Mapping[str, ArrayIn],
    *,
    codec: Codec | None = None,
    level: int | None = None,
    block: int | Sequence[int] | None = None,
    name: str | None = None,
    attrs: dict[str, Any] | None = None,
    threads: int | None = None,
    out: Buffer,
) -> memoryview: ...

# A dict comes out of archives, which only the bytes tell from others: so the result is Any.
def loads(
    buf: Buffer,
    *,
    expect: Expected | None = None,
    copy: bool = True,
    out: Array | None = None,
    limits: Limits | None = None,
    require_checksum: bool = True,
    threads: int | None = None,
) -> Any: ...
def save(
    file: StrPath | _Writable,
    a: ArrayIn | Mapping[str, ArrayIn],
    *,
    format: str | None = None,
    codec: str | None = "auto",
    level: int | None = None,
    block: int | Sequence[int] | None = None,
    checksum: bool | None = None,
    name: str | None = None,
    attrs: dict[str, Any] | None = None,
    durable: bool = False,
    threads: int | None = None,
) -> None: ...
def load(
    file: StrPath | _Readable,
    *,
    mmap: Literal["r", "r+", "c"] | None = None,
    expect: Expected | None = None,
    dtype: npt.DTypeLike | None = None,
    shape: Shape | None = None,
    order: Order | None = "C",
    offset: int = 0,
    gap: int = 0,
    recover: bool = False,
    limits: Limits | None = None,
    require_checksum: bool = False,
    threads: int | None = None,
    out: Array | None = None,
) -> Any: ...
def checksum(path: StrPath, strip: bool = False) -> bool: ...

def send(
    f: _Socket | _Writable,
    a: ArrayIn,
    *,
    name: str | None = None,
    attrs: dict[str, Any] | None = None,
    codec: Codec | None = None,
    npy: bool = False,
) -> None: ...
def recv(
    f: _Socket | _Readable,
    *,
    out: Array | None = None,
    expect: Expected | None = None,
    limits: Limits | None = None,
    npy: bool = False,
) -> Array: ...
def recv_iter(
    f: _Socket | _Readable,
    *,
    out: Array | None = None,
    expect: Expected | None = None,
    limits: Limits | None = None,
    npy: bool = False,
) -> Iterator[Array]: ...
def buffers(
    a: ArrayIn, *, name: str | None = None, attrs: dict[str, Any] | None = None
) -> list[bytes | memoryview]: ...

class Decoder:
    def __new__(
        cls, *, expect: Expected | None = None, limits: Limits | None = None, npy: bool = False
    ) -> Decoder: ...
    def get_buffer(self, sizehint: int = -1) -> memoryview: ...
    def buffer_updated(self, nbytes: int) -> None: ...
    def feed(self, data: bytes | bytearray | memoryview | npt.NDArray[Any]) -> None: ...
    def eof_received(self) -> None: ...
    def __iter__(self) -> Iterator[Array]: ...
    def __next__(self) -> Array: ...

# The rest serves the package's own Python files.
def __getattr__(name: str) -> Any: ...
