"""What ndbytes raises beside Python's own MemoryError, OSError, TimeoutError and ConnectionError."""


class Error(ValueError):
    """Anything that is wrong with an argument, or with the bytes of an array.

    ``offset`` is the byte of the input at which it was seen, ``filename`` the file; either may be None.
    """

    offset = None
    filename = None


class ArgumentError(Error):
    """A dtype, shape, order, index or option that cannot be meant."""


class ArgumentTypeError(ArgumentError, TypeError):
    """An argument of a type that cannot be meant."""


class MismatchError(Error):
    """The dtype or shape is not the expected one."""


class FormatError(Error):
    """The bytes do not follow the format."""


class TruncatedError(Error, EOFError):
    """The bytes end before the array does, or before its checksum."""


class ChecksumError(Error):
    """A checksum does not hold.

    ``block`` is the damaged block of the data (None for a header or tail); the damaged bytes are those from ``start``
    up to ``stop``.
    """

    block = None
    start = None
    stop = None


class UnsupportedError(Error):
    """Something that ndbytes does not read or write: objects, unknown versions and codecs."""


class LimitError(Error):
    """A bound was exceeded: ``name`` says which, ``asked`` how much was asked for, ``max`` what is allowed."""

    name = None
    asked = None
    max = None
