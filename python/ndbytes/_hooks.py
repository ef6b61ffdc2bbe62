"""Arrays inside JSON and MessagePack, and their name in HTTP: section 16 of spec/FORMAT.md."""

import binascii
from typing import TYPE_CHECKING, Any

from ndbytes import _core
from ndbytes._errors import ArgumentError, ArgumentTypeError, FormatError

if TYPE_CHECKING:
    from msgpack import ExtType

MEDIA_TYPE = "application/vnd.ndbytes"

_KEY = "__ndbytes__"
_CODE = 78
_NPY, _FRAME = b"\x93NUMPY", b"\x89NDBF\r\n\x1a"


def json_default(obj: Any) -> dict[str, str]:
    """What ``json.dumps(…, default=ndbytes.json_default)`` writes for an array: an object with the base64 of its checked bytes.

    Parameters
    ----------
    obj : array or NumPy scalar
        Any array without Python objects. A scalar becomes an array without axes. Where a scalar is a Python number or
        string as well, as ``np.float64`` and ``np.str_``, JSON writes it as that and does not ask.

    Returns
    -------
    dict
        ``{"__ndbytes__": …}``, of which ``json_object_hook`` makes the array again. Behind the base64 are the bytes of
        ``dumps``, which ``np.load`` reads too.

    Raises
    ------
    UnsupportedError
        For objects, StringDType and masked arrays.
    ArgumentTypeError
        For anything else: a TypeError, as ``json`` expects.
    ArgumentError
        For a dtype that no format can spell.

    Examples
    --------
    >>> import json, numpy as np, ndbytes as ndb
    >>> text = json.dumps({"of": "two", "values": np.array([1, 2], "<u2")}, default=ndb.json_default)
    >>> json.loads(text, object_hook=ndb.json_object_hook)
    {'of': 'two', 'values': array([1, 2], dtype=uint16)}
    """
    return {_KEY: binascii.b2a_base64(_bytes_of(obj, "JSON"), newline=False).decode("ascii")}


def json_object_hook(obj: dict[str, Any]) -> Any:
    """Makes arrays of what ``json_default`` wrote: ``json.loads(text, object_hook=ndbytes.json_object_hook)``.

    Parameters
    ----------
    obj : dict
        Any object of the text, as ``json`` hands it over.

    Returns
    -------
    ndarray, or ``obj`` itself where it is something else
        An array in memory of its own, after its checksums were compared. It is never larger than the text: what is compressed
        is refused.

    Raises
    ------
    FormatError
        For an object with the key ``__ndbytes__`` that has other keys too, or whose value is not the base64 of an array.
    TruncatedError, ChecksumError, UnsupportedError, LimitError
        As ``loads``, for bytes that are cut or damaged.

    Examples
    --------
    >>> import ndbytes as ndb
    >>> ndb.json_object_hook({"a": 1})
    {'a': 1}
    """
    if _KEY not in obj:
        return obj
    text = obj[_KEY]
    if len(obj) != 1:
        raise FormatError(f"an object with the key {_KEY!r} is an array and has no other key, found {len(obj)} keys")
    if not isinstance(text, str):
        raise FormatError(f"the value of {_KEY!r} must be a string of base64, found {type(text).__name__}")
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise FormatError(f"the value of {_KEY!r} must be base64 with nothing between it: {error}") from None
    return _array_of(data)


def msgpack_default(obj: Any) -> "ExtType":
    """What ``msgpack.packb(…, default=ndbytes.msgpack_default)`` writes for an array: an extension with its checked bytes.

    Parameters
    ----------
    obj : array or NumPy scalar
        Any array without Python objects. A scalar becomes an array without axes. Where a scalar is a Python number, string
        or bytes as well, as ``np.float64``, MessagePack writes it as that and does not ask, unless ``strict_types=True``.

    Returns
    -------
    msgpack.ExtType
        Of the type 78, with the bytes of ``dumps``. MessagePack has room for 4 GiB.

    Raises
    ------
    UnsupportedError
        For objects, StringDType and masked arrays.
    ArgumentTypeError
        For anything else: a TypeError.
    ArgumentError
        For a dtype that no format can spell.
    ImportError
        Without the package ``msgpack``, whoever asks.

    Examples
    --------
    >>> import msgpack, numpy as np, ndbytes as ndb
    >>> data = msgpack.packb([1, np.array([2, 3], "<u2")], default=ndb.msgpack_default)
    >>> msgpack.unpackb(data, ext_hook=ndb.msgpack_ext_hook)
    [1, array([2, 3], dtype=uint16)]
    """
    from msgpack import ExtType

    return ExtType(_CODE, _bytes_of(obj, "MessagePack"))


def msgpack_ext_hook(code: int, data: bytes) -> Any:
    """Makes arrays of what ``msgpack_default`` wrote: ``msgpack.unpackb(data, ext_hook=ndbytes.msgpack_ext_hook)``.

    Parameters
    ----------
    code : int
        The extension's type, as ``msgpack`` hands it over.
    data : bytes
        What is in it.

    Returns
    -------
    ndarray, or msgpack.ExtType for another type than 78
        An array in memory of its own, after its checksums were compared. It is never larger than ``data``: what is compressed
        is refused.

    Raises
    ------
    FormatError, TruncatedError, ChecksumError, UnsupportedError, LimitError
        As ``loads``, for bytes that are no array, are cut, or damaged.

    Examples
    --------
    >>> import numpy as np, ndbytes as ndb
    >>> ndb.msgpack_ext_hook(78, ndb.dumps(np.array([2, 3], "<u2")))
    array([2, 3], dtype=uint16)
    """
    if code == _CODE:
        return _array_of(data)
    from msgpack import ExtType

    return ExtType(code, data)


def _bytes_of(obj, where):
    # Not whatever has a buffer: `bytes` would come back as an array.
    if not any(hasattr(type(obj), name) for name in ("__array_interface__", "__dlpack__")):
        raise ArgumentTypeError(f"expected an array or a NumPy scalar, found {type(obj).__name__}, which {where} cannot say")
    try:
        return _core.dumps(obj)
    except ArgumentError:
        # Records with fields that overlap or are out of order: no .npy header says them, that of a frame does.
        return _core.dumps(obj, codec="none")


def _array_of(data):
    """The array that checked bytes hold, which are all of it: nothing is unpacked, so that none is larger than what came."""
    front = bytes(data[:10])
    if not (_NPY.startswith(front[:6]) or _FRAME.startswith(front[:8]) and front[9:] in (b"", b"\0")):
        raise FormatError(
            f"expected the bytes of a checked .npy, or of a frame that is not compressed, found {front!r} and "
            f"{max(0, len(data) - 10)} bytes behind it"
        )
    return _core.loads(data)
