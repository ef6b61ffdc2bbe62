"""The good frames among the vectors; make_vectors.py calls this."""

import json

import numpy as np

from digest import digest
from dtypes import itemsize
from frame import frame, frame_of
from sums import BLOCK, crc32c

THREE = np.array([1.5, -2.25, np.pi])
ATTRS = '{"unit": "µV", "n": 123456789012345678901, "x": [1e3, null, {"deep": true}]}'
NESTED = '{"a":' + 62 * "[" + 62 * "]" + "}"  # With the header's own, 64 deep.


def goods(good):
    def put(vector, dtype, array, **options):
        array = np.asarray(array)
        assert itemsize(dtype) == array.itemsize, vector
        fortran = array.flags.f_contiguous and not array.flags.c_contiguous
        order, data = "F" if fortran else "C", array.tobytes("A")
        file = frame(dtype, list(array.shape), data, order, **options)
        row = good_row(dtype, array.shape, order, data, **options)
        good(vector, file, row | {"written": "state" not in options})

    put("bool.ndb", "|b1", [[True, False, True]])
    put("int8.ndb", "|i1", np.array([-128, 127], "i1"))
    put("big_endian_int32.ndb", ">i4", np.arange(6, dtype=">i4").reshape(2, 3))
    put("uint64.ndb", "<u8", np.array([0, 2**64 - 1], "<u8"))
    put("float16.ndb", "<f2", np.array([1, -2, np.inf], "<f2"))
    put("float64.ndb", "<f8", THREE)
    put("complex128.ndb", "<c16", np.array([1 + 2j, -1j]))
    put("longdouble.ndb", "<f16", np.array([bytes(range(16)), bytes(16)], "V16"))
    put("clongdouble.ndb", ">c32", np.array([bytes(range(32))], "V32"))
    put("bytes.ndb", "|S3", np.array([b"ab", b"", b"xyz"]))
    put("big_endian_text.ndb", ">U3", np.array(["é日", "😀"], ">U3"))
    put("void.ndb", "|V5", np.array([b"\0\1\2\3\4"], "V5"))
    put("datetime.ndb", "<M8[25s]", np.array(["2020-02-29", "NaT"], "<M8[25s]"))
    put("big_endian_timedelta.ndb", ">m8[ns]", np.array([-1, 1], ">m8[ns]"))
    put("timedelta_without_unit.ndb", "<m8", np.array([7], "<m8"))
    put("bfloat16.ndb", "bfloat16", np.array([0x3F80, 0xC000], "<u2").view("V2"))
    put("big_endian_bfloat16.ndb", ">bfloat16", np.array([0x3F80], ">u2").view("V2"))
    put("float8.ndb", "float8_e4m3fn", np.array([0x38, 0xB8], "u1").view("V1"))
    put("scalar.ndb", "|u1", np.array(7, "u1"))
    put("empty.ndb", "<f4", np.zeros((0, 5), "<f4"))
    put("no_fields.ndb", "{}", np.zeros(3, []))
    put("fortran.ndb", "<i2", np.asfortranarray(np.arange(6, dtype="<i2").reshape(2, 3)))
    put("axes_64.ndb", "|u1", np.zeros(64 * (1,), "u1"))
    put("attributes.ndb", "<f8", THREE, name="déjà \"vu\"\n\x1f😀", attrs=ATTRS)
    put("nested_attributes.ndb", "<f8", THREE, attrs=NESTED)
    put("two_blocks.ndb", "<i8", np.arange(BLOCK // 8 + 2, dtype="<i8"))
    put("open.ndb", "<f8", THREE, state=1)
    inner = np.dtype({"names": ["x", "n"], "formats": ["<f4", "|S3"], "offsets": [4, 8], "itemsize": 12})
    record = np.zeros(2, np.dtype({"names": ["t", "img", "p"], "formats": ["<u8", (">u2", (3, 2)), inner],
                                   "offsets": [0, 8, 24], "titles": ["Long title", None, None], "itemsize": 40}))
    record["t"], record["img"], record["p"]["x"], record["p"]["n"] = [1, 2], 3, 4, b"abc"
    put("record.ndb", "{'Long title'=t:<u8,img:>u2[3,2],:|V4,p:{:|V4,x:<f4,n:|S3,:|V1},:|V4}", record)
    union = np.zeros(2, np.dtype({"names": ["all", "low"], "formats": ["<u4", "<u2"], "offsets": [0, 0], "itemsize": 8}))
    put("overlapping.ndb", "{all:<u4@0,low:<u2@0}/8", union)
    nested = np.zeros(1, np.dtype([("w", "V2", (2,)), ("s", [("u", ">V1"), ("m", "<m8[7ms]", (2, 2))])]))
    put("extension_fields.ndb", "{w:bfloat16[2],s:{u:float8_e5m2,m:<m8[7ms][2,2]}}", nested)
    names = np.zeros(1, [("a b", "u1"), ("it's", "u1"), ("日\t", "u1"), ("\\", "u1")])
    put("field_names.ndb", "{'a b':|u1,\"it's\":|u1,'日\\t':|u1,'\\\\':|u1}", names)

    def put_text(vector, text, dtype="<f8", shape=(3,), order="C", **said):
        """A frame of the three numbers with a header that ndbytes does not write."""
        row = good_row(dtype, shape, order, THREE.tobytes(), **said)
        good(vector, frame_of(text.encode(), THREE.tobytes()), row | {"written": False})

    put_text("unknown_keys.ndb", '{"later":[{"shape":1}],"dtype":"<f8","later":null,"shape":[3]}')
    put_text("block_of_anything.ndb", '{"dtype":"<f8","shape":[3],"order":"C","block":{"later":[1,null]}}')
    put_text("white_space.ndb", '\n{ "shape" :\t[ 3 ] ,\r\n"order": "C" , "dtype" : "<f8" }' + 100 * " " + "\n")
    put_text("json_escapes.ndb", r'{"\u0064type":"\u003cf8","shape":[3],"name":"\ud83d\ude00\/"}', name="😀/")
    put_text("escaped_field_names.ndb", r"""{"dtype":"{'\\xe9\\u65e5\\U0001f600':<f8}","shape":[3]}""", "{'é日😀':<f8}")
    put_text("any_order.ndb", '{"attrs":{"a":1,"a":2},"order":"F","shape":[3],"dtype":"<f8"}', order="F", attrs='{"a":2}')


def good_row(dtype, shape, order, data, name=None, attrs=None, state=0):
    return {
        "spec": dtype,
        "shape": list(shape),
        "fortran_order": order == "F",
        "state": {0: "verified", 1: "open"}[state],
        "name": name,
        "attrs": attrs and json.loads(attrs),
        "data_crc32c": f"{crc32c(data):08x}",
        "digest": digest(dtype, shape, data, order == "F"),
    }
