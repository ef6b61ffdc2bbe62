"""Arrays to bytes and back: exact, self-describing, checked.

>>> import numpy as np, ndbytes as ndb
>>> data = ndb.dumps(np.arange(6.0).reshape(2, 3))
>>> ndb.loads(data)
array([[0., 1., 2.],
       [3., 4., 5.]])
"""

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

__all__ = [
    "Archive",
    "ArgumentError",
    "ArgumentTypeError",
    "ChecksumError",
    "Decoder",
    "Difference",
    "Error",
    "FormatError",
    "Handle",
    "LimitError",
    "Limits",
    "MEDIA_TYPE",
    "MismatchError",
    "Report",
    "TruncatedError",
    "UnsupportedError",
    "buffers",
    "checksum",
    "diff",
    "digest",
    "dumps",
    "frombuffer",
    "fromfile",
    "gzip",
    "info",
    "json_default",
    "json_object_hook",
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

for _class in (Archive, ArgumentError, ArgumentTypeError, ChecksumError, Difference, Error, FormatError, Handle, LimitError,
               MismatchError, TruncatedError, UnsupportedError):
    _class.__module__ = "ndbytes"
del _class
