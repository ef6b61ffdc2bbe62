//! `ndbytes._core`: the door between Python's arrays and the core.
//!
//! One file per verb. What they have in common: arrays come in through `array`, dtypes through `dtype`, files through
//! `file`; work runs without the GIL in `work`; errors leave through `errors`.

#![expect(clippy::too_many_arguments, reason = "the options of a Python function are its keywords")]

mod archive;
mod array;
#[cfg(unix)]
mod arrivals;
mod buffers;
mod bundle;
#[cfg(unix)]
mod channel;
mod checksum;
mod compare;
#[cfg(unix)]
mod datagram;
mod declared;
mod decode;
mod decoder;
mod digest;
mod dtype;
mod dumps;
mod errors;
#[cfg(unix)]
mod fd;
mod file;
mod format;
mod frombuffer;
mod fromfile;
mod growing;
mod info;
mod interpreter;
mod limits;
mod load;
mod map;
mod message;
mod numpy;
mod options;
mod parts;
mod progress;
mod reading;
mod recv;
mod save;
mod send;
#[cfg(target_os = "linux")]
mod shm;
mod slot;
mod socket;
mod tobytes;
mod verify;
mod work;
mod zlib;

use pyo3::prelude::*;

/// The compiled half of the package `ndbytes`.
// Everything here holds the GIL or a lock of its own, but nothing was tested without a GIL so far.
#[pymodule(gil_used = true)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    interpreter::only_main(module.py())?;
    interpreter::know_main_thread(module.py())?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<limits::Limits>()?;
    module.add("tobytes", array::with_front(&wrap_pyfunction!(tobytes::tobytes, module)?)?)?;
    module.add_function(wrap_pyfunction!(frombuffer::frombuffer, module)?)?;
    module.add_function(wrap_pyfunction!(dumps::dumps, module)?)?;
    module.add_function(wrap_pyfunction!(dumps::loads, module)?)?;
    module.add_function(wrap_pyfunction!(fromfile::tofile, module)?)?;
    module.add_function(wrap_pyfunction!(fromfile::fromfile, module)?)?;
    module.add_function(wrap_pyfunction!(save::save, module)?)?;
    module.add_function(wrap_pyfunction!(load::load, module)?)?;
    module.add_function(wrap_pyfunction!(send::send, module)?)?;
    module.add_function(wrap_pyfunction!(recv::recv, module)?)?;
    module.add_function(wrap_pyfunction!(recv::recv_iter, module)?)?;
    #[cfg(unix)]
    add_channels(module)?;
    module.add_function(wrap_pyfunction!(buffers::buffers, module)?)?;
    module.add_class::<decoder::Decoder>()?;
    module.add_class::<map::Map>()?;
    module.add_class::<archive::Archive>()?;
    module.add_class::<parts::Parts>()?;
    module.add_class::<growing::Growing>()?;
    module.add_function(wrap_pyfunction!(parts::is_coded, module)?)?;
    module.add_class::<verify::Report>()?;
    module.add_function(wrap_pyfunction!(info::peek, module)?)?;
    module.add_function(wrap_pyfunction!(info::held, module)?)?;
    module.add_function(wrap_pyfunction!(info::spec, module)?)?;
    module.add_function(wrap_pyfunction!(verify::verify, module)?)?;
    module.add_function(wrap_pyfunction!(checksum::checksum, module)?)?;
    module.add_function(wrap_pyfunction!(compare::compare, module)?)?;
    module.add_function(wrap_pyfunction!(digest::digest, module)?)?;
    module.add_function(wrap_pyfunction!(digest::digest_stored, module)?)?;
    module.add_function(wrap_pyfunction!(zlib::compress, module)?)?;
    module.add_function(wrap_pyfunction!(zlib::decompress, module)?)?;
    #[cfg(target_os = "linux")]
    shm::add(module)?;
    numpy::add(module)
}

#[cfg(unix)]
fn add_channels(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<channel::Channel>()?;
    module.add_class::<channel::Listener>()?;
    module.add_class::<datagram::DatagramSender>()?;
    module.add_class::<datagram::DatagramReceiver>()?;
    module.add_function(wrap_pyfunction!(channel::connect, module)?)?;
    module.add_function(wrap_pyfunction!(channel::listen, module)?)
}
