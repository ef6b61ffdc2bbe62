"""Arrays to bytes and back: exact, self-describing, checked.

>>> import numpy as np, ndbytes as ndb
>>> data = ndb.dumps(np.arange(6.0).reshape(2, 3))
>>> ndb.loads(data)
array([[0., 1., 2.],
       [3., 4., 5.]])
"""

from ndbytes._core import (
    Decoder,
    Limits,
    __version__,
    buffers,
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

__all__ = [
    "ArgumentError",
    "ArgumentTypeError",
    "ChecksumError",
    "Decoder",
    "Error",
    "FormatError",
    "LimitError",
    "Limits",
    "MismatchError",
    "TruncatedError",
    "UnsupportedError",
    "buffers",
    "dumps",
    "frombuffer",
    "fromfile",
    "load",
    "loads",
    "recv",
    "recv_iter",
    "save",
    "send",
    "tobytes",
    "tofile",
]

for _class in (ArgumentError, ArgumentTypeError, ChecksumError, Error, FormatError, LimitError, MismatchError,
               TruncatedError, UnsupportedError):
    _class.__module__ = "ndbytes"
del _class
