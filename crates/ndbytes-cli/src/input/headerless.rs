//! Inputs without a header: what they are declared to be, and what they may be.

use crate::args::{OrderArg, RawArgs};
use crate::formats::{FormatArg, named_as};
use crate::sources::Source;
use ndbytes::raw::Raw;
use ndbytes::{Error, Order, Result, frame, npy};
use std::fs::File;
use std::io::Read;
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
    if !metadata.is_file() || describes_itself(path) {
        return Ok(());
    }
    let message = format!("no header says what these bytes are; {}", guess(metadata.len()));
    Err(Error::argument(message).in_file(path))
}

fn describes_itself(path: &Path) -> bool {
    let mut start = [0; 8];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && (start.starts_with(&npy::MAGIC) || start.starts_with(&frame::MAGIC))
}

/// The same error, with a guess if it is that the file has no header.
pub(crate) fn with_guess(error: Error, source: &Source, len: Option<u64>) -> Error {
    match (len, source) {
        // Not where the error has a guess of its own, as that it is an archive.
        (Some(len), Source::File(_)) if error.message().ends_with("declare dtype and shape") => {
            Error::malformed(format!("{} ({})", error.message(), guess(len))).at(0)
        }
        _ => error,
    }
}

/// What so many bytes may be.
fn guess(len: u64) -> String {
    let side = len.isqrt();
    let square = (side > 1 && side * side == len).then(|| format!("'|u1[{side},{side}]'"));
    let flat = [("|u1", 1), ("<u2", 2), ("<f4", 4), ("<f8", 8)]
        .into_iter()
        .filter(|(_, size)| len.is_multiple_of(*size))
        .map(|(dtype, size)| format!("'{dtype}[{}]'", len / size));
    let shapes: Vec<String> = flat.chain(square).collect();
    format!("{len} bytes may be {}: say which with --raw", shapes.join(", "))
}
