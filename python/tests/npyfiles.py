"""`.npy` files: as NumPy writes and reads them, and with headers of one's own."""

import io
import struct
import warnings

import numpy as np

MAX_HEADER = 1 << 22


def numpy_save(array, version=None):
    """What `np.save` writes."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # It warns of versions 2 and 3.
        np.lib.format.write_array(file, array, version=version, allow_pickle=False)
    return file.getvalue()


def numpy_load(data):
    """What `np.load` reads, or whatever it raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # It warns of what Python 2 wrote.
        return np.load(io.BytesIO(data), max_header_size=MAX_HEADER)


def header_length(data):
    """Where the data begins."""
    length = "<H" if data[6] == 1 else "<I"
    return 8 + struct.calcsize(length) + struct.unpack_from(length, data, 8)[0]


def npy(header, data=b"", version=1, align=False):
    """A file with this header text; as it is, unless it is to be padded as NumPy pads it."""
    text = header if isinstance(header, bytes) else header.encode("utf8" if version == 3 else "latin1")
    length = "<H" if version == 1 else "<I"
    start = b"\x93NUMPY" + bytes([version, 0])
    if align:
        used = len(start) + struct.calcsize(length) + len(text) + 1
        text += b" " * (64 - used % 64) + b"\n"
    return start + struct.pack(length, len(text)) + text + data


def header(descr="'<i4'", shape="(3,)", order="False"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"
