//! The ways that bytes can take, there and back: one function for each.

use ndbytes::io::SaveOptions;
use ndbytes::io::map::{Map, Mode};
use ndbytes::io::stream::{Receiver, Sender};
use ndbytes::npy::{EncodeOptions, Encoder};
use ndbytes::raw::{self, Raw};
use ndbytes::{
    Array, ArrayRef, Container, DecodeOptions, Decoded, Dest, Encode, Error, Level, Limits, Order,
    Result, Spec, frame, io, to_bytes,
};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

/// A way that bytes can take.
pub(super) struct Way {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// Takes an array there and back; the path is free for a file.
    pub(super) carry: fn(&ArrayRef<'_>, &Path) -> Result<Arrived>,
}

/// What came back.
pub(super) struct Arrived {
    pub(super) array: Array,
    /// Bytes that it was on the way.
    pub(super) stored: u64,
}

/// Every way there is.
pub(super) const WAYS: &[Way] = &[
    Way { name: "memory", what: "to bytes with checksums, and back", carry: by_memory },
    Way { name: ".npy file", what: "exactly as np.save writes it", carry: by_npy },
    Way {
        name: "checked file",
        what: "a .npy with checksums, which NumPy reads too",
        carry: by_checked,
    },
    Way { name: "raw file", what: "bare items; dtype and shape are declared", carry: by_raw },
    Way { name: ".ndb file", what: "a frame: says what it is, and has checksums", carry: by_frame },
    Way { name: "memory map", what: "a checked .npy, written and read in place", carry: by_map },
    Way { name: "zlib", what: "a .npy.zz file, compressed at level 1", carry: by_zlib },
    Way { name: "TCP", what: "a frame over a connection of its own", carry: by_tcp },
];

fn by_memory(array: &ArrayRef<'_>, _: &Path) -> Result<Arrived> {
    let bytes = ndbytes::to_vec(array)?;
    let array = ndbytes::from_slice(&bytes, &Limits::local())?;
    Ok(Arrived { array, stored: bytes.len() as u64 })
}

fn by_npy(array: &ArrayRef<'_>, path: &Path) -> Result<Arrived> {
    by_file(&mut Encoder::new(array, &EncodeOptions::bare())?, path)
}

fn by_checked(array: &ArrayRef<'_>, path: &Path) -> Result<Arrived> {
    by_file(&mut Encoder::new(array, &EncodeOptions::checked())?, path)
}

fn by_frame(array: &ArrayRef<'_>, path: &Path) -> Result<Arrived> {
    by_file(&mut frame::Encoder::new(array, &frame::EncodeOptions::default())?, path)
}

fn by_file<'a>(encoder: &mut dyn Encode<'a>, path: &Path) -> Result<Arrived> {
    io::save(path, encoder, SaveOptions::default(), &mut io::unwatched)?;
    load(path)
}

fn by_map(array: &ArrayRef<'_>, path: &Path) -> Result<Arrived> {
    let order = if array.is_fortran() { Order::F } else { Order::C };
    let options = EncodeOptions { order: Some(order), ..EncodeOptions::checked() };
    let mut map = Map::create(path, array.dtype(), array.shape(), &options)?;
    map.bytes_mut()?.copy_from_slice(&to_bytes(array, Order::A)?);
    map.close()?;
    let map = Map::open(path, Mode::Read, DecodeOptions::default())?;
    map.verify(&mut io::unwatched)?;
    Ok(Arrived { array: map.array()?, stored: std::fs::metadata(path)?.len() })
}

fn by_zlib(array: &ArrayRef<'_>, path: &Path) -> Result<Arrived> {
    let mut encoder = Encoder::new(array, &EncodeOptions::bare())?;
    let (container, level) = (Container::Zlib, Level::new(1)?);
    let options = SaveOptions::default();
    io::save_compressed(path, &mut encoder, container, level, options, &mut io::unwatched)?;
    load(path)
}

fn load(path: &Path) -> Result<Arrived> {
    let decoded = io::load(path, DecodeOptions::default(), Dest::Owned, &mut io::unwatched)?;
    let array = decoded.array.ok_or_else(|| Error::argument("the array went elsewhere"))?;
    Ok(Arrived { array, stored: std::fs::metadata(path)?.len() })
}

fn by_raw(array: &ArrayRef<'_>, path: &Path) -> Result<Arrived> {
    let mut encoder = raw::Encoder::new(array, Order::A, None)?;
    io::save(path, &mut encoder, SaveOptions::default(), &mut io::unwatched)?;
    let mut declared = Raw::new(Spec::exact(array.dtype().clone(), array.shape()));
    declared.order = if array.is_fortran() { Order::F } else { Order::C };
    let file = io::open(path, io::PATIENCE)?;
    let len = file.len();
    let bytes = io::read_to_end(file, len, &Limits::local(), &mut io::unwatched)?;
    let stored = bytes.len() as u64;
    Ok(Arrived { array: declared.array(bytes)?, stored })
}

fn by_tcp(array: &ArrayRef<'_>, _: &Path) -> Result<Arrived> {
    let stored = frame::Encoder::new(array, &frame::EncodeOptions::default())?.most();
    let decoded = over_tcp(|socket| Sender::over(socket)?.send(array))?;
    let array = decoded.and_then(|decoded| decoded.array);
    let array = array.ok_or_else(|| Error::argument("nothing was sent"))?;
    Ok(Arrived { array, stored })
}

/// What arrives at the other end of a connection on this machine, while `send` has this end.
///
/// # Errors
/// As [`Receiver::recv`], and whatever `send` returns if that went well.
pub(super) fn over_tcp(
    send: impl FnOnce(TcpStream) -> Result<()> + Send,
) -> Result<Option<Decoded>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let here = TcpStream::connect(listener.local_addr()?)?;
    let (there, _) = listener.accept()?;
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| send(here));
        let received = Receiver::over(there)?.recv()?;
        sending.join().map_err(|_| Error::argument("the sending thread panicked"))??;
        Ok(received)
    })
}
