//! Data in one piece behind a header, and the checksum tail.

use super::store::Store;
use super::{Checks, DecodeOptions, Decoded};
use crate::array::Array;
use crate::error::{Error, Result, shortened};
use crate::format::tail::{TAIL_HEADER, frame_length, tail_content, trailing};
use crate::format::{ChecksumState, Dest, Event, Header, Metadata, STEP, Tail, npy};
use crate::kernel::Copying;

/// Bytes of the tail of a small array without attributes, at most.
const USUAL_TAIL: usize = 256;

/// Reads data and tail.
#[derive(Debug)]
pub(super) struct Plain<'d> {
    options: DecodeOptions,
    pub(super) header: Header,
    pub(super) store: Store<'d>,
    tail: Vec<u8>,
    /// Bytes filled of the tail.
    tail_done: usize,
    tail_size: Option<usize>,
    pub(super) stage: Stage,
    checked: Option<(ChecksumState, Tail)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Data,
    Tail,
    /// One byte of space, to see that nothing follows.
    End,
    Done,
}

impl<'d> Plain<'d> {
    pub(super) fn new(options: DecodeOptions, header: Header, dest: Dest<'d>) -> Result<Self> {
        if let Some(len) = options.input_len.filter(|&len| len < header.data_end()) {
            return Err(cut_data(&header, len.saturating_sub(header.len)));
        }
        let has_tail = header.format.is_frame() || options.checks != Checks::Ignored;
        let store = Store::new(dest, header.nbytes(), options.limits.grow, has_tail)?;
        let mut body = Self {
            options,
            header,
            store,
            tail: Vec::with_capacity(USUAL_TAIL),
            tail_done: 0,
            tail_size: None,
            stage: Stage::Data,
            checked: None,
        };
        body.check_data_end();
        Ok(body)
    }

    pub(super) fn check_data_end(&mut self) {
        if self.store.is_full() {
            let has_tail = self.header.format.is_frame() || self.options.checks != Checks::Ignored;
            self.stage = if has_tail { Stage::Tail } else { Stage::Done };
        }
    }

    /// Goes on to the tail: what is filled next stands behind the data, whose sums are not compared. The state is
    /// then [`ChecksumState::Unchecked`] or [`ChecksumState::Open`].
    pub(super) fn skip_data(&mut self) {
        self.store.skip();
        self.check_data_end();
    }

    /// The space to fill next, at most 1 MiB and `Limits.grow`; empty once it is done.
    ///
    /// # Errors
    /// [`Memory`](crate::ErrorKind::Memory).
    pub(super) fn space(&mut self) -> Result<&mut [u8]> {
        match self.stage {
            Stage::Data => self.store.space(),
            Stage::Tail | Stage::End => {
                if self.tail.len() <= self.tail_done {
                    let more = if self.tail_done == 0 { self.tail_front() } else { 1 };
                    self.tail.resize(self.tail_done + more, 0);
                }
                Ok(self.tail.get_mut(self.tail_done..).unwrap_or_default())
            }
            Stage::Done => Ok(&mut []),
        }
    }

    /// Bytes of the tail that say how long it is, or all of it.
    fn tail_front(&self) -> usize {
        if !self.header.format.is_frame() {
            return TAIL_HEADER;
        }
        let size = Tail::size(self.header.format, self.header.nbytes(), 0);
        usize::try_from(size).unwrap_or(STEP).min(self.options.limits.grow.clamp(1, STEP))
    }

    /// Takes note that the first `n` bytes of the space were filled; 0 means the input ended.
    ///
    /// # Errors
    /// [`Truncated`](crate::ErrorKind::Truncated), [`Checksum`](crate::ErrorKind::Checksum),
    /// [`Malformed`](crate::ErrorKind::Malformed) for bytes that are no tail or follow it,
    /// [`Unsupported`](crate::ErrorKind::Unsupported), [`Limit`](crate::ErrorKind::Limit), and whatever a
    /// [`Dest::Sink`] returns.
    pub(super) fn filled(&mut self, n: usize) -> Result<Event> {
        match self.stage {
            Stage::Data if n == 0 => {
                return Err(cut_data(&self.header, self.store.done() as u64));
            }
            Stage::Data => {
                self.store.filled(n)?;
                self.check_data_end();
            }
            Stage::Tail => self.filled_tail(n)?,
            Stage::End if n == 0 => self.stage = Stage::Done,
            Stage::End => self.more_behind()?,
            Stage::Done => {}
        }
        Ok(if self.stage == Stage::Done { Event::Done } else { Event::More })
    }

    /// Takes what is data of bytes that are in memory already, straight to where they stay, and gives how many it took;
    /// `each` is told how many of them so far.
    ///
    /// # Errors
    /// As [`super::BodyDecoder::filled`] and [`super::BodyDecoder::space`], and whatever `each` returns.
    pub(super) fn take(
        &mut self,
        input: &[u8],
        how: Copying,
        each: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<usize> {
        if self.stage != Stage::Data {
            return Ok(0);
        }
        let taken = self.store.take(input, how, each)?;
        self.check_data_end();
        Ok(taken)
    }

    fn more_behind(&self) -> Result<()> {
        let end = self.tail_done as u64;
        if self.header.format.is_frame() {
            return frame_length(&self.header, end + 1);
        }
        Err(trailing(self.header.data_end() + end))
    }

    fn filled_tail(&mut self, n: usize) -> Result<()> {
        if n == 0 {
            return self.cut_tail();
        }
        self.tail_done = self.tail_done.saturating_add(n).min(self.tail.len());
        if self.tail_done < self.tail.len() {
            return Ok(());
        }
        let wanted = match self.tail_size {
            Some(size) => size,
            None => *self.tail_size.insert(self.tail_size()?),
        };
        if self.tail.len() < wanted {
            let grow = (wanted - self.tail.len()).min(self.options.limits.grow.clamp(1, STEP));
            self.tail.reserve_exact(grow);
            self.tail.resize(self.tail.len() + grow, 0);
            return Ok(());
        }
        self.check()
    }

    /// Holds everything against the tail.
    fn check(&mut self) -> Result<()> {
        let tail = Tail::decode(&self.tail, &self.header, &self.options.limits)?;
        if tail.open && self.options.checks == Checks::Required {
            let message = "the checksum tail is marked open: a writer did not finish; `ndbytes checksum` seals it";
            return Err(Error::truncated(message).at(self.header.data_end()));
        }
        let state = if tail.open {
            ChecksumState::Open
        } else if let Some(sums) = self.store.take_sums() {
            tail.verify(&self.header, &sums)?;
            ChecksumState::Verified
        } else {
            tail.verify_header(&self.header)?;
            ChecksumState::Unchecked
        };
        self.checked = Some((state, tail));
        let whole = self.options.whole || self.options.checks == Checks::Optional;
        self.stage = if whole { Stage::End } else { Stage::Done };
        Ok(())
    }

    /// How long the tail is: a frame's header tells, or the tail's own, which has one spelling only.
    fn tail_size(&self) -> Result<usize> {
        let start = self.header.data_end();
        let least = Tail::size(self.header.format, self.header.nbytes(), 0);
        let fits = |size| usize::try_from(size).map_err(|_| Error::overflow("the checksum tail"));
        if self.header.format.is_frame() {
            return fits(least);
        }
        let bytes = self.tail.get(..TAIL_HEADER).unwrap_or_default();
        let content = tail_content(bytes).ok_or_else(|| trailing(start))?;
        let size = (TAIL_HEADER as u64).saturating_add(content as u64);
        if size < least {
            return Err(trailing(start));
        }
        let max = self.options.limits.header as u64;
        if size - least > max {
            return Err(Error::limit("metadata", size - least, max).at(start));
        }
        fits(size)
    }

    /// The input ended inside the tail, or before it.
    fn cut_tail(&mut self) -> Result<()> {
        let (start, found) = (self.header.data_end(), self.tail_done);
        let end = start.saturating_add(found as u64);
        if self.header.format.is_frame() {
            return frame_length(&self.header, found as u64);
        }
        if found == 0 && self.options.checks == Checks::Required && !self.options.sealed {
            return Err(Error::truncated(
                "no checksum tail: the file is bare or was cut; to read it unchecked, do not require a checksum \
                 (require_checksum=False, or npy=True on a stream); `ndbytes checksum` adds one",
            )
            .at(start));
        }
        if found == 0 {
            self.stage = Stage::Done;
            return Ok(());
        }
        if !self.tail.iter().take(found).zip(npy::MAGIC).all(|(&byte, magic)| byte == magic) {
            return Err(trailing(start));
        }
        Err(Error::truncated(format!(
            "the checksum tail is cut: the input ends {found} bytes into it"
        ))
        .at(end))
    }

    /// The state without a tail: read to its end, a sealed input was checked.
    fn bare_state(&self) -> ChecksumState {
        match self.options.sealed && self.options.checks != Checks::Ignored {
            true => ChecksumState::Verified,
            false => ChecksumState::Unchecked,
        }
    }

    /// What was read, and the tail: what it says, and its bytes.
    pub(super) fn finish_with_tail(mut self) -> Result<(Decoded, Option<Tail>, Vec<u8>)> {
        if self.stage != Stage::Done {
            return Err(Error::argument("the array is not complete"));
        }
        let start = self.header.data_end();
        let bare = self.bare_state();
        let (state, tail) = self.checked.unzip();
        let state = state.unwrap_or(bare);
        let metadata = match &tail {
            _ if self.header.format.is_frame() => self.header.metadata.clone(),
            Some(tail) => tail.metadata.clone(),
            None => Metadata::default(),
        };
        self.tail.truncate(self.tail_done);
        let mut header = self.header;
        if let Some(dtype) = &metadata.dtype {
            if dtype.storage() != header.dtype {
                let (said, found) = (shortened(dtype), shortened(&header.dtype));
                return Err(Error::malformed(format!(
                    "the checksum tail names the dtype {said}, the header {found}"
                ))
                .at(start));
            }
            header.dtype = dtype.clone();
        }
        let array = match self.store.finish()? {
            Some(data) => Some(Array::new(header.dtype.clone(), header.layout()?, data)?),
            None => None,
        };
        Ok((Decoded { header, state, metadata, array }, tail, self.tail))
    }
}

pub(super) fn cut_data(header: &Header, found: u64) -> Error {
    let (expected, shape) = (header.nbytes(), crate::dtype::tuple(&header.shape));
    let message = format!(
        "shape {shape} of {} needs {expected} bytes of data, the input has {found}",
        shortened(&header.dtype)
    );
    Error::truncated(message).at(header.len.saturating_add(found))
}
