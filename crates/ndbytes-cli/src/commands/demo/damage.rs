//! What damage looks like: to ndbytes, and to NumPy.

use super::arrays::Sample;
use super::table;
use super::ways::over_tcp;
use crate::exit::{Exit, kind_name};
use crate::report::{Report, counted, grouped};
use ndbytes::io::SaveOptions;
use ndbytes::npy::{EncodeOptions, Encoder, encode_header};
use ndbytes::raw::{self, Raw};
use ndbytes::{DecodeOptions, Dest, Error, Metadata, Order, Result, Spec, frame, io};
use serde_json::json;
use std::fs::OpenOptions;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

/// Damages copies of an array, one in each way, and reports what is said about them.
///
/// # Errors
/// [`ndbytes::ErrorKind::Io`]; damage that goes unseen is a report that fails.
pub(super) fn cases(sample: &Sample, folder: &Path) -> Result<Vec<Report>> {
    if sample.array.nbytes() < 2 {
        return Ok(Vec::new());
    }
    CASES.iter().map(|case| case(sample, folder)).collect()
}

/// Does one kind of damage to a copy in the folder, and reports what is said about it.
type Case = fn(&Sample, &Path) -> Result<Report>;

/// Every kind of damage.
const CASES: &[Case] = &[flipped, cut, cut_raw, cut_connection];

fn flipped(sample: &Sample, folder: &Path) -> Result<Report> {
    let path = folder.join("flipped.npy");
    let header = save(sample, &path, &EncodeOptions::checked())?;
    let at = header.len() as u64 + sample.array.nbytes() as u64 / 2;
    flip(&path, at)?;
    let read = io::load(&path, DecodeOptions::default(), Dest::Discard, &mut io::unwatched);
    let items = counted(sample.array.layout().len() as u64, "item");
    Ok(case(
        &format!(
            "one bit of {} flipped (in byte {}), the file has checksums",
            sample.name,
            grouped(at)
        ),
        read.err(),
        &format!("np.load returns the array without a word; one of its {items} is wrong"),
    ))
}

fn cut(sample: &Sample, folder: &Path) -> Result<Report> {
    let path = folder.join("cut.npy");
    let header = save(sample, &path, &EncodeOptions::bare())?;
    let len = header.len() as u64 + sample.array.nbytes() as u64 / 2;
    shorten(&path, len)?;
    let read = io::load(&path, DecodeOptions::default(), Dest::Discard, &mut io::unwatched);
    Ok(case(
        &format!("{} cut to {} bytes, no checksums", sample.name, grouped(len)),
        read.err(),
        "np.load sees this one too, and raises a ValueError",
    ))
}

fn cut_raw(sample: &Sample, folder: &Path) -> Result<Report> {
    let path = folder.join("cut.raw");
    let array = &sample.array;
    let mut encoder = raw::Encoder::new(&array.view(), Order::C, None)?;
    io::save(&path, &mut encoder, SaveOptions::default(), &mut io::unwatched)?;
    let itemsize = array.dtype().itemsize();
    let left = array.layout().len() / 2;
    let len = (left * itemsize) as u64;
    shorten(&path, len)?;
    let declared = Raw::new(Spec::exact(array.dtype().clone(), array.shape()));
    Ok(case(
        &format!("{} as bare items without a header, cut to {} bytes", sample.name, grouped(len)),
        declared.shape(len).err(),
        &format!("np.fromfile returns {} without a word", counted(left as u64, "item")),
    ))
}

/// The other side goes away in the middle of an array, between two items.
fn cut_connection(sample: &Sample, _: &Path) -> Result<Report> {
    let array = &sample.array;
    let mut bytes = Vec::new();
    let mut encoder = frame::Encoder::new(&array.view(), &frame::EncodeOptions::default())?;
    io::write(&mut encoder, &mut bytes, &mut io::unwatched)?;
    let left = array.layout().len() / 2;
    let data = left * array.dtype().itemsize();
    let (header, _) =
        frame::encode_header(array.dtype(), array.shape(), false, &Metadata::default())?;
    bytes.truncate(header.len() + data);
    let received = over_tcp(|mut socket| Ok(socket.write_all(&bytes)?));
    let (name, sent) = (&sample.name, grouped(data as u64));
    Ok(case(
        &format!("{name} over TCP, and the sender is gone after {sent} bytes of it"),
        received.err(),
        &format!(
            "a loop of sock.recv and np.frombuffer return {} without a word",
            counted(left as u64, "item")
        ),
    ))
}

fn case(what: &str, error: Option<Error>, numpy: &str) -> Report {
    let (exit, kind) = match &error {
        Some(error) => (Exit::OK, Some(kind_name(error.kind()))),
        None => (Exit::DIFFERENCE, None),
    };
    let said = match &error {
        Some(error) => error.message().to_owned(),
        None => "saw nothing: this is a bug, please report it".to_owned(),
    };
    let text = table::damage(what, &said, numpy);
    let json = json!({ "damage": what, "kind": kind, "ndbytes": said, "numpy": numpy });
    Report { exit, ..Report::new(text, json) }
}

/// Saves the array; the bytes of its header.
fn save(sample: &Sample, path: &Path, options: &EncodeOptions) -> Result<Vec<u8>> {
    let view = sample.array.view();
    let mut encoder = Encoder::new(&view, options)?;
    io::save(path, &mut encoder, SaveOptions::default(), &mut io::unwatched)?;
    encode_header(view.dtype(), view.shape(), view.is_fortran(), None)
}

fn flip(path: &Path, at: u64) -> Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut byte = [0];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut byte)?;
    file.seek(SeekFrom::Start(at))?;
    file.write_all(&[byte[0] ^ 4])?;
    Ok(())
}

fn shorten(path: &Path, len: u64) -> Result<()> {
    Ok(OpenOptions::new().write(true).open(path)?.set_len(len)?)
}
