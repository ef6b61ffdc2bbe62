"""Arrays to bytes and back: exact, self-describing, checked.

>>> import numpy as np, ndbytes as ndb
>>> data = ndb.dumps(np.arange(6.0).reshape(2, 3))
>>> ndb.loads(data)
array([[0., 1., 2.],
       [3., 4., 5.]])
"""

from typing import TYPE_CHECKING

from ndbytes import gzip, zlib
from ndbytes._core import (
    Decoder,
    Limits,
    Report,
    __version__,
    buffers,
    checksum,
    dumps,
    frombuffer,
    fromfile,
    load,
    loads,
    recv,
    recv_iter,
    save,
    send,
    tobytes,
    tofile,
)
from ndbytes._archive import Archive, savez
from ndbytes._channel import Channel, Listener, Message, connect, listen
from ndbytes._diff import Difference, diff
from ndbytes._errors import (
    ArgumentError,
    ArgumentTypeError,
    ChecksumError,
    Error,
    FormatError,
    LimitError,
    MismatchError,
    TruncatedError,
    UnsupportedError,
)
from ndbytes._handle import Handle
from ndbytes._hooks import MEDIA_TYPE, json_default, json_object_hook, msgpack_default, msgpack_ext_hook
from ndbytes._look import digest, info, verify
from ndbytes._open import open

if TYPE_CHECKING:
    from ndbytes import multiprocessing as multiprocessing, shm as shm

__all__ = [
    "Archive",
    "ArgumentError",
    "ArgumentTypeError",
    "Channel",
    "ChecksumError",
    "Decoder",
    "Difference",
    "Error",
    "FormatError",
    "Handle",
    "LimitError",
    "Limits",
    "Listener",
    "MEDIA_TYPE",
    "Message",
    "MismatchError",
    "Report",
    "TruncatedError",
    "UnsupportedError",
    "buffers",
    "checksum",
    "connect",
    "diff",
    "digest",
    "dumps",
    "frombuffer",
    "fromfile",
    "gzip",
    "info",
    "json_default",
    "json_object_hook",
    "listen",
    "load",
    "loads",
    "msgpack_default",
    "msgpack_ext_hook",
    "open",
    "recv",
    "recv_iter",
    "save",
    "savez",
    "send",
    "tobytes",
    "tofile",
    "verify",
    "zlib",
]

for _class in (Archive, ArgumentError, ArgumentTypeError, Channel, ChecksumError, Difference, Error, FormatError, Handle, LimitError,
               Listener, Message, MismatchError, TruncatedError, UnsupportedError):
    _class.__module__ = "ndbytes"
del _class


def __getattr__(name):
    # Not at the top: they take as long to import as all the rest.
    if name in ("aio", "multiprocessing", "shm"):
        import importlib

        return importlib.import_module(f"ndbytes.{name}")
    raise AttributeError(f"module 'ndbytes' has no attribute {name!r}")
