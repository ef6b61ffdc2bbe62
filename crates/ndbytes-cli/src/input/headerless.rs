//! Inputs without a header: what they are declared to be, and what they may be.

use crate::args::{OrderArg, RawArgs};
use crate::formats::{FormatArg, named_as};
use crate::sources::Source;
use ndbytes::raw::{self, Raw};
use ndbytes::{Container, Error, Order, Result, frame, npy};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// What headerless inputs are, as the options declare it.
///
/// # Errors
/// [`ndbytes::ErrorKind::Argument`] for a spec that cannot be read.
pub(crate) fn declared(args: &RawArgs) -> Result<Option<Raw>> {
    let Some(spec) = &args.raw else { return Ok(None) };
    let mut raw = Raw::new(spec.parse()?);
    raw.offset = args.offset;
    raw.gap = args.gap;
    raw.order = args.raw_order.map_or(Order::C, Order::from);
    Ok(Some(raw))
}

impl From<OrderArg> for Order {
    fn from(order: OrderArg) -> Self {
        match order {
            OrderArg::C => Self::C,
            OrderArg::F => Self::F,
        }
    }
}

/// Refuses a file whose name says that it has no header, with a guess at what it may be.
///
/// # Errors
/// [`ndbytes::ErrorKind::Argument`], and [`ndbytes::ErrorKind::Io`] if there is no such file.
pub(crate) fn refuse_headerless(source: &Source) -> Result<()> {
    let Source::File(path) = source else { return Ok(()) };
    if named_as(path).is_none_or(|(_, format)| format != FormatArg::Raw) {
        return Ok(());
    }
    let metadata = std::fs::metadata(path).map_err(|e| Error::io(e).in_file(path))?;
    if !metadata.is_file() || describes_itself(&front(path)) {
        return Ok(());
    }
    let message = format!(
        "no header says what these bytes are; {}: say which with --raw",
        raw::guess(metadata.len())
    );
    Err(Error::argument(message).in_file(path))
}

/// The first bytes of every gzip stream. Those of a zlib stream are two, and too likely among other bytes.
const GZIP: &[u8] = b"\x1f\x8b\x08";

/// Refuses a file that is compressed, by its name and by its bytes: taken as they are, they would be wrong numbers.
///
/// # Errors
/// [`ndbytes::ErrorKind::Argument`].
pub(crate) fn refuse_compressed(source: &Source) -> Result<()> {
    let Source::File(path) = source else { return Ok(()) };
    let Some(suffix) = path.extension().filter(|_| path.is_file()) else { return Ok(()) };
    match Container::of(front(path)) {
        Some(container) if suffix == container.suffix() => {
            let message = format!(
                "{container} compressed it, and --raw takes bytes as they are; unpack it first"
            );
            Err(Error::argument(message).in_file(path))
        }
        _ => Ok(()),
    }
}

fn describes_itself(front: &[u8; 8]) -> bool {
    [&npy::MAGIC[..], &frame::MAGIC, GZIP].iter().any(|magic| front.starts_with(magic))
}

/// The first bytes of a file; zeros where there are none.
fn front<const N: usize>(path: &Path) -> [u8; N] {
    let mut front = [0; N];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut front));
    if read.is_ok() { front } else { [0; N] }
}

/// The same error, with advice if it is that the bytes have no header.
pub(crate) fn with_guess(
    error: Error,
    source: &Source,
    len: Option<u64>,
    container: Option<Container>,
) -> Error {
    // Not where the error has a guess of its own, as that it is an archive.
    if !error.message().ends_with("declare dtype and shape") {
        return error;
    }
    match (container, len, source) {
        (Some(_), ..) => {
            Error::malformed(format!("{} with --raw, once it is unpacked", error.message())).at(0)
        }
        (None, Some(len), Source::File(_)) => Error::malformed(format!(
            "{} ({})",
            error.message(),
            format_args!("{}: say which with --raw", raw::guess(len))
        ))
        .at(0),
        _ => error,
    }
}
