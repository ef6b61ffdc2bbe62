//! Opening and reading what the command line names; every wait can be interrupted.

use crate::args::{OrderArg, RawArgs};
use crate::session::Session;
use crate::sources::Source;
use ndbytes::io::Watch;
use ndbytes::raw::Raw;
use ndbytes::{
    Array, ChecksumState, DecodeOptions, Decoded, Dest, Error, Limits, Metadata, Order, Result, io,
};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// An array in memory, and what was known of it besides.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) array: Array,
    pub(crate) state: ChecksumState,
    pub(crate) metadata: Metadata,
}

/// Reads an array: a `.npy` file, or bytes that `raw` declares.
///
/// # Errors
/// As [`open`], [`io::read_array`] and [`Raw::array`].
pub(crate) fn load(
    session: &Session,
    source: &Source,
    raw: Option<&Raw>,
    watch: Watch<'_>,
) -> Result<Loaded> {
    if let Some(raw) = raw {
        let array = load_raw(session, source, raw, watch).map_err(|e| named(e, source))?;
        let state = ChecksumState::Unchecked;
        return Ok(Loaded { array, state, metadata: Metadata::default() });
    }
    let decoded = read(session, source, Dest::Owned, watch)?;
    let array = decoded.array.ok_or_else(|| Error::argument("the array went elsewhere"))?;
    let Decoded { state, metadata, .. } = decoded;
    Ok(Loaded { array, state, metadata })
}

/// Reads a `.npy` file into `dest`, and checks it where it can be checked.
///
/// # Errors
/// As [`open`] and [`io::read_array`].
pub(crate) fn read(
    session: &Session,
    source: &Source,
    dest: Dest<'_>,
    watch: Watch<'_>,
) -> Result<Decoded> {
    let reader = open(session, source)?;
    let len = reader.len;
    io::read_array(reader, options(len), |_| Ok(dest), watch)
        .map_err(|error| named(with_guess(error, source, len), source))
}

fn load_raw(session: &Session, source: &Source, raw: &Raw, watch: Watch<'_>) -> Result<Array> {
    let reader = open(session, source)?;
    if let Some(len) = reader.len {
        raw.shape(len)?; // What does not fit is not read.
    }
    let len = reader.len;
    raw.array(io::read_to_end(reader, len, &Limits::local(), watch)?)
}

/// How `.npy` files are read here; `len` is the input's length where it is known.
#[expect(clippy::field_reassign_with_default, reason = "it may get more fields")]
pub(crate) fn options(len: Option<u64>) -> DecodeOptions {
    let mut options = DecodeOptions::default();
    options.input_len = len;
    options
}

/// The error, about this source.
pub(crate) fn named(error: Error, source: &Source) -> Error {
    if error.path().is_some() { error } else { error.in_file(source.name()) }
}

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

/// Suffixes of files without a header.
pub(crate) const RAW_SUFFIXES: [&str; 3] = ["raw", "bin", "dat"];

/// Refuses a file whose name says that it has no header, with a guess at what it may be.
///
/// # Errors
/// [`ndbytes::ErrorKind::Argument`], and [`ndbytes::ErrorKind::Io`] if there is no such file.
pub(crate) fn refuse_headerless(source: &Source) -> Result<()> {
    let Source::File(path) = source else { return Ok(()) };
    if !RAW_SUFFIXES.iter().any(|suffix| path.extension().is_some_and(|own| own == *suffix)) {
        return Ok(());
    }
    let metadata = std::fs::metadata(path).map_err(|e| Error::io(e).in_file(path))?;
    if !metadata.is_file() || starts_as_npy(path) {
        return Ok(());
    }
    let message = format!("no header says what these bytes are; {}", guess(metadata.len()));
    Err(Error::argument(message).in_file(path))
}

fn starts_as_npy(path: &Path) -> bool {
    let mut start = [0; ndbytes::npy::MAGIC.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start == ndbytes::npy::MAGIC
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

/// An open input whose waits end on Ctrl-C.
#[derive(Debug)]
pub(crate) struct Reader<'s> {
    stream: Stream,
    /// Its length, if it is a file.
    pub(crate) len: Option<u64>,
    session: &'s Session,
}

#[derive(Debug)]
enum Stream {
    Stdin(File),
    File(io::Input),
}

/// Opens a source.
///
/// # Errors
/// As [`io::open`].
pub(crate) fn open<'s>(session: &'s Session, source: &Source) -> Result<Reader<'s>> {
    match source {
        Source::Stdin => {
            let file = stdin().map_err(|error| named(error.into(), source))?;
            Ok(Reader { stream: Stream::Stdin(file), len: None, session })
        }
        Source::File(path) => {
            let file = io::open_watched(path, session.patience, &mut |_| session.check())
                .map_err(about_folder)?;
            let len = file.len();
            Ok(Reader { stream: Stream::File(file), len, session })
        }
    }
}

fn about_folder(error: Error) -> Error {
    let kind = error.io_error().map(std::io::Error::kind);
    if kind == Some(std::io::ErrorKind::IsADirectory) {
        return error.context("a folder; -r takes the .npy files in it");
    }
    error
}

/// Standard input without a buffer that could hide from `poll` what has arrived.
#[cfg(unix)]
fn stdin() -> std::io::Result<File> {
    use std::os::fd::AsFd as _;
    std::io::stdin().as_fd().try_clone_to_owned().map(File::from)
}

#[cfg(windows)]
fn stdin() -> std::io::Result<File> {
    use std::os::windows::io::AsHandle as _;
    std::io::stdin().as_handle().try_clone_to_owned().map(File::from)
}

impl Read for Reader<'_> {
    fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> {
        self.wait()?;
        match &mut self.stream {
            Stream::Stdin(file) => file.read(space),
            Stream::File(file) => file.read(space),
        }
    }
}

impl Seek for Reader<'_> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        match &mut self.stream {
            Stream::Stdin(file) => file.seek(to),
            Stream::File(file) => file.seek(to),
        }
    }
}

impl Reader<'_> {
    /// Waits for bytes, or the end, with an eye on Ctrl-C.
    #[cfg(unix)]
    fn wait(&self) -> std::io::Result<()> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        use std::os::fd::AsFd as _;
        let fd = match &self.stream {
            Stream::Stdin(file) => file.as_fd(),
            Stream::File(file) => file.as_fd(),
        };
        // A signal ends a wait early, unless it came just before: then the clock does.
        let step = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        loop {
            self.session.check().map_err(std::io::Error::other)?;
            match poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&step)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    #[cfg(not(unix))]
    fn wait(&self) -> std::io::Result<()> {
        self.session.check().map_err(std::io::Error::other)
    }
}
