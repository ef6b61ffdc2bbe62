//! A deflated member without blocks, inflated in one go: twice as quick as piece by piece, and with errors that say less. Whoever meets
//! one reads it again, piece by piece.

use crate::array::Array;
use crate::buffer::{Buffer, BufferMut};
use crate::codec::{Crc32, unpack};
use crate::error::{ErrorKind, Result};
use crate::format::npz::{Entry, Method};
use crate::format::{Checks, ChecksumState, DecodeOptions, Decoded, Header, Metadata};
use crate::io::Watch;
use crate::io::read::read as read_some;
use crate::kernel::zeroed;
use std::io::Read;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

/// The most bytes of a stream that are read before they are inflated.
const MOST: u64 = 1 << 30;
/// Fewer bytes are not worth it: the header alone is inflated twice.
const LEAST: u64 = 1 << 11;
/// From this many bytes on another thread inflates them, and the caller's own listens.
const LONG: u64 = 32 << 20;
/// How long it listens at a time.
const PATIENCE: Duration = Duration::from_millis(20);
/// Bytes to read at a time.
const STEP: usize = 1 << 22;
/// What the start of arrays is a multiple of, so that their items are aligned.
const ALIGN: u64 = 16;

/// Whether a member may be read so.
pub(super) fn suits(entry: &Entry) -> bool {
    entry.method().is_ok_and(|method| method == Method::Deflated)
        && (LEAST..=MOST).contains(&entry.packed)
}

/// Whether its array can stay where it is inflated to: behind its header, with nothing behind it.
pub(super) fn suits_array(entry: &Entry, header: &Header) -> bool {
    header.coding.is_none() && header.data_end() == entry.size && header.len.is_multiple_of(ALIGN)
}

/// Reads the stored bytes, which the reader gives next, and inflates them; none where anything is wrong with them.
///
/// # Errors
/// [`Io`](ErrorKind::Io), [`Memory`](ErrorKind::Memory), and whatever `watch` returns.
pub(super) fn read(
    reader: &mut impl Read,
    entry: &Entry,
    watch: Watch<'_>,
) -> Result<Option<BufferMut>> {
    let Ok(len) = usize::try_from(entry.packed) else { return Ok(None) };
    let mut packed = zeroed(len)?;
    let mut filled = 0;
    while let Some(space) = packed.get_mut(filled..).filter(|space| !space.is_empty()) {
        let step = space.len().min(STEP);
        match read_some(reader, space.get_mut(..step).unwrap_or_default())? {
            0 => return Ok(None),
            n => filled += n,
        }
        watch(0)?;
    }
    let (size, entry) = (entry.size, entry.clone());
    let work = move || inflated(&packed, &entry);
    let done = if size < LONG { work() } else { beside(work, watch)? };
    if done.is_ok() {
        watch(size)?;
    }
    match done {
        Ok(bytes) => Ok(bytes),
        Err(error) if *error.kind() == ErrorKind::Memory => Err(error),
        Err(_) => Ok(None),
    }
}

/// The bytes of a member's stream, if it holds as many as its entry says, with their sum.
fn inflated(packed: &[u8], entry: &Entry) -> Result<Option<BufferMut>> {
    let mut bytes = BufferMut::known(entry.size)?;
    let space = bytes.all()?;
    unpack(packed, space)?;
    match entry.has_sum(Crc32::of(space)) {
        true => Ok(Some(bytes)),
        false => Ok(None),
    }
}

/// Does it on another thread, which is left alone with it where `watch` returns an error.
fn beside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
    watch: Watch<'_>,
) -> Result<Result<T>> {
    let (sender, done) = sync_channel(1);
    let run = move || {
        let _ = sender.send(work());
    };
    if let Err(error) = thread::Builder::new().spawn(run) {
        return Ok(Err(error.into()));
    }
    loop {
        match done.recv_timeout(PATIENCE) {
            Ok(result) => return Ok(result),
            Err(RecvTimeoutError::Timeout) => watch(0)?,
            Err(RecvTimeoutError::Disconnected) => {
                return Ok(Err(std::io::Error::other("the thread that inflates has died").into()));
            }
        }
    }
}

/// The array behind the header of such bytes, which stays where it is.
pub(super) fn array(bytes: Buffer, header: Header, options: &DecodeOptions) -> Result<Decoded> {
    let start = usize::try_from(header.len).unwrap_or(usize::MAX).min(bytes.len());
    let data = Buffer::from(bytes.into_bytes().slice(start..));
    let array = Some(Array::new(header.dtype.clone(), header.layout()?, data)?);
    let state = match options.checks {
        Checks::Ignored => ChecksumState::Unchecked,
        Checks::Required | Checks::Optional => ChecksumState::Verified,
    };
    Ok(Decoded { header, state, metadata: Metadata::default(), array })
}
