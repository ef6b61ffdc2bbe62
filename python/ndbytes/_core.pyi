"""What `ndbytes._core` has; see the docstrings there."""

from collections.abc import Iterator
from typing import Any, Literal, Protocol, TypeAlias, final

import numpy as np
import numpy.typing as npt

Array: TypeAlias = np.ndarray[Any, Any]
# A NumPy array or scalar, a buffer, or an object with an array interface.
ArrayIn: TypeAlias = Any
Expected: TypeAlias = str | np.dtype[Any]
Codec: TypeAlias = Literal["none"]

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
    def __new__(cls, *, header: int = ..., fields: int = ..., array: int | None = None) -> Limits: ...
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

# What is not spelled out here yet.
def __getattr__(name: str) -> Any: ...
