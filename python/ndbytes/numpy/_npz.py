"""``savez``, ``savez_compressed`` and `NpzFile`."""

import os
import weakref
from collections.abc import Mapping

import numpy as np

from ndbytes import _core
from ndbytes.numpy import format
from ndbytes.numpy._file import is_special
from ndbytes.numpy._header import MAX_HEADER_SIZE as _MAX_HEADER_SIZE


class NpzFile(Mapping): pass
def savez(*a,**k): raise NotImplementedError
savez_compressed = savez
