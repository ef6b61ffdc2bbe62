"""How the stores of other projects are written and read: HDF5, Zarr, Blosc2, TensorStore. Their packages may be absent."""

from __future__ import annotations

import numpy as np

from .figures import MiB
from .run import module


def chunks_of(array, target=MiB):
    """A chunk shape of about `target` bytes: the longest side is halved until it fits."""
    chunk = list(array.shape)
    while int(np.prod(chunk)) * array.itemsize > target:
        longest = int(np.argmax(chunk))
        chunk[longest] = -(-chunk[longest] // 2)
    return tuple(chunk)


def h5_write(path, array, **options):
    with module("h5py").File(path, "w") as file:
        file.create_dataset("a", data=array, **options)


def h5_gzip(path, array):
    h5_write(path, array, chunks=chunks_of(array), compression="gzip", shuffle=True)


def h5_blosc(path, array):
    blosc = module("hdf5plugin").Blosc2
    h5_write(path, array, chunks=chunks_of(array), compression=blosc(cname="zstd", clevel=5, filters=blosc.BITSHUFFLE))


def h5_read(path, _):
    # Importing it registers the filters.
    module("hdf5plugin")
    with module("h5py").File(path, "r") as file:
        return file["a"][...]


def h5_open(path):
    return module("h5py").File(path, "r")["a"]


PIPELINES = {"zarr": "zarr.core.codec_pipeline.BatchedCodecPipeline", "zarrs": "zarrs.ZarrsCodecPipeline"}


def zarr_pipeline(name):
    module(name)
    module("zarr").config.set({"codec_pipeline.path": PIPELINES[name]})


def zarr_write(path, array, pipeline="zarr", **options):
    zarr_pipeline(pipeline)
    made = module("zarr").create_array(store=path, shape=array.shape, dtype=array.dtype, zarr_format=3, overwrite=True, **options)
    made[...] = array


def zarr_sharded(path, array, pipeline="zarr", **options):
    chunks = chunks_of(array)
    wide = tuple(side * min(4, -(-whole // side)) for side, whole in zip(chunks, array.shape))
    zarr_write(path, array, pipeline, chunks=chunks, shards=wide if array.ndim > 1 else (chunks[0] * 16,), **options)


def zarr_zstd(pipeline):
    def write(path, array):
        zarr_sharded(path, array, pipeline, compressors=[module("zarr.codecs").ZstdCodec(level=3)])

    return write


def zarr_open(pipeline):
    def opened(path):
        zarr_pipeline(pipeline)
        return module("zarr").open_array(path, mode="r")

    return opened


def zarr_read(path, _, pipeline="zarr"):
    return zarr_open(pipeline)(path)[...]


def b2_write(path, array, **options):
    more = {"cparams": options} if options else {}
    module("blosc2").asarray(np.ascontiguousarray(array), urlpath=path, mode="w", **more)


def b2_open(path):
    return module("blosc2").open(path, mode="r")


def b2_read(path, _):
    return b2_open(path)[...]


def ts_spec(path):
    return {"driver": "zarr3", "kvstore": {"driver": "file", "path": path}}


def ts_write(path, array):
    codecs = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "zstd", "configuration": {"level": 3}}]
    grid = {"name": "regular", "configuration": {"chunk_shape": list(chunks_of(array))}}
    metadata = {"shape": list(array.shape), "data_type": str(array.dtype), "chunk_grid": grid, "codecs": codecs}
    spec = {**ts_spec(path), "metadata": metadata}
    module("tensorstore").open(spec, create=True, delete_existing=True).result().write(array).result()


def ts_read(path, _):
    return module("tensorstore").open(ts_spec(path)).result().read().result()


class TsIndex:
    """TensorStore's reads are futures: this waits for them."""

    def __init__(self, path):
        self.store = module("tensorstore").open(ts_spec(path), read=True).result()

    def __getitem__(self, key):
        return self.store[key].read().result()
