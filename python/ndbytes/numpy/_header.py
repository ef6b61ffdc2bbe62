"""The header of a ``.npy`` file, as text and as the dict that the text is."""

import ast
import io
import struct
import tokenize
import warnings

import numpy as np

from ndbytes import _core

MAGIC_PREFIX = b"\x93NUMPY"
MAGIC_LEN = len(MAGIC_PREFIX) + 2
ARRAY_ALIGN = 64
GROWTH_AXIS_MAX_DIGITS = 21
EXPECTED_KEYS = {"descr", "fortran_order", "shape"}
MAX_HEADER_SIZE = 10000

#: Version: how the length of the header is stored, and how its text.
_VERSIONS = {(1, 0): ("<H", "latin1"), (2, 0): ("<I", "latin1"), (3, 0): ("<I", "utf8")}


def check_version(version):
    if version is not None and version not in _VERSIONS:
        raise ValueError(f"we only support format version (1,0), (2,0), and (3,0), not {version}")


def magic(major, minor):
    """The first eight bytes of a file of this version."""
    if not 0 <= major <= 255:
        raise ValueError("major version must be 0 <= major < 256")
    if not 0 <= minor <= 255:
        raise ValueError("minor version must be 0 <= minor < 256")
    return MAGIC_PREFIX + bytes([major, minor])


def encode(d, version=None, stacklevel=2):
    """The header that says `d`; without a version, of the oldest that can hold it."""
    text = "{" + "".join(f"{key!r}: {value!r}, " for key, value in sorted(d.items())) + "}"
    shape = d["shape"]
    if len(shape) > 0:
        growing = repr(shape[-1 if d["fortran_order"] else 0])
        text += " " * (GROWTH_AXIS_MAX_DIGITS - len(growing))
    if version is not None:
        return _wrap(text, version)
    try:
        return _wrap(text, (1, 0))
    except ValueError:  # UnicodeEncodeError is one.
        pass
    try:
        header, said = _wrap(text, (2, 0)), "2.0. It can only beread by NumPy >= 1.9"
    except UnicodeEncodeError:
        header, said = _wrap(text, (3, 0)), "3.0. It can only be read by NumPy >= 1.17"
    warnings.warn(f"Stored array in format {said}", UserWarning, stacklevel=stacklevel + 1)
    return header


def _wrap(text, version):
    length_format, encoding = _VERSIONS[version]
    text = text.encode(encoding)
    used = MAGIC_LEN + struct.calcsize(length_format) + len(text) + 1
    padding = ARRAY_ALIGN - used % ARRAY_ALIGN
    try:
        length = struct.pack(length_format, len(text) + 1 + padding)
    except struct.error:
        raise ValueError(f"Header length {len(text) + 1} too big for version={version}") from None
    return magic(*version) + length + text + b" " * padding + b"\n"


def read(fp, version, max_header_size, stacklevel=2):
    """Shape, order and dtype of the header behind the magic that `fp` stands at."""
    if version not in _VERSIONS:
        raise ValueError(f"Invalid version {version!r}")
    length_format, encoding = _VERSIONS[version]
    length = read_bytes(fp, struct.calcsize(length_format), "array header length")
    raw = read_bytes(fp, struct.unpack(length_format, length)[0], "array header")
    text = raw.decode(encoding)
    if len(text) > max_header_size:
        raise ValueError(
            f"Header info length ({len(text)}) is large and may not be safe to load securely.\n"
            "To allow loading, adjust `max_header_size` or fully trust the `.npy` file using `allow_pickle=True`.\n"
            "For safety against large resource use or crashes, sandboxing may be necessary."
        )
    # The core reads the grammar that headers are written in. What it refuses may be something that Python reads all
    # the same; and if not, what is wrong with it is said in NumPy's words.
    parsed = _core.numpy.parse_header(magic(*version) + length + raw)
    return parsed or _from_dict(_literal(text, version, stacklevel + 1))


def _literal(text, version, stacklevel):
    try:
        return ast.literal_eval(text)
    except SyntaxError as error:
        if version > (2, 0):
            raise ValueError(f"Cannot parse header: {text!r}") from error
    text = _without_longs(text)
    try:
        d = ast.literal_eval(text)
    except SyntaxError as error:
        raise ValueError(f"Cannot parse header: {text!r}") from error
    python2(stacklevel + 1)
    return d


def python2(stacklevel):
    warnings.warn(
        "Reading `.npy` or `.npz` file required additional header parsing as it was created on Python 2. Save the "
        "file again to speed up loading and avoid this warning.",
        UserWarning,
        stacklevel=stacklevel + 1,
    )


def _without_longs(text):
    """The text without the L that Python 2 put behind its long integers."""
    tokens, behind_number = [], False
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if behind_number and token[0] == tokenize.NAME and token[1] == "L":
            continue
        tokens.append(token)
        behind_number = token[0] == tokenize.NUMBER
    return tokenize.untokenize(tokens)


def _from_dict(d):
    if not isinstance(d, dict):
        raise ValueError(f"Header is not a dictionary: {d!r}")
    if d.keys() != EXPECTED_KEYS:
        raise ValueError(f"Header does not contain the correct keys: {sorted(d.keys())!r}")
    shape, order, descr = d["shape"], d["fortran_order"], d["descr"]
    if not isinstance(shape, tuple) or not all(isinstance(length, int) for length in shape):
        raise ValueError(f"shape is not valid: {shape!r}")
    if not isinstance(order, bool):
        raise ValueError(f"fortran_order is not a valid bool: {order!r}")
    try:
        return shape, order, descr_to_dtype(descr)
    except TypeError as error:
        raise ValueError(f"descr is not a valid dtype descriptor: {descr!r}") from error


def descr_to_dtype(descr):
    """The dtype that a ``descr`` describes; fields without a name are gaps."""
    if isinstance(descr, str):
        return np.dtype(descr)
    if isinstance(descr, tuple):
        return np.dtype((descr_to_dtype(descr[0]), descr[1]))
    fields = {"names": [], "formats": [], "offsets": [], "titles": []}
    offset = 0
    for field in descr:
        if len(field) == 2:
            name, spelled = field
            dtype = descr_to_dtype(spelled)
        else:
            name, spelled, shape = field
            dtype = np.dtype((descr_to_dtype(spelled), shape))
        if not (name == "" and dtype.type is np.void and dtype.names is None):
            title, name = name if isinstance(name, tuple) else (None, name)
            for key, value in zip(fields, (name, dtype, offset, title)):
                fields[key].append(value)
        offset += dtype.itemsize
    return np.dtype({**fields, "itemsize": offset})


def dtype_to_descr(dtype, stacklevel=2):
    """What a header says for a dtype: something that `descr_to_dtype` reads."""
    kept = np.lib.format.drop_metadata(dtype)
    if kept is not dtype:
        warnings.warn(
            "metadata on a dtype is not saved to an npy/npz. Use another format (such as pickle) to store it.",
            UserWarning,
            stacklevel=stacklevel,
        )
    dtype = kept
    if dtype.names is not None:
        return dtype.descr
    if not type(dtype)._legacy:
        warnings.warn(
            "Custom dtypes are saved as python objects using the pickle protocol. Loading this file requires "
            "allow_pickle=True to be set.",
            UserWarning,
            stacklevel=stacklevel,
        )
        return "|O"
    return dtype.str


def read_bytes(fp, size, what):
    """So many bytes, however the file cuts them."""
    data = b""
    while True:
        try:
            part = fp.read(size - len(data))
            data += part
            if not part or len(data) == size:
                break
        except BlockingIOError:
            pass
    if len(data) != size:
        raise ValueError(f"EOF: reading {what}, expected {size} bytes got {len(data)}")
    return data
