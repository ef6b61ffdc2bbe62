//! `.npy` bytes to an array: machines that hand out the space they want filled.

use super::header::{version, wrong_magic};
use super::tail::{TAIL_HEADER, tail_header, trailing};
use super::{Header, MAGIC, Metadata, Tail};
use crate::array::Array;
use crate::buffer::{Buffer, BufferMut};
use crate::codec::{BLOCK, BlockSums, crc32c};
use crate::error::{Error, ErrorKind, Result, shortened};
use crate::format::{ChecksumState, Dest, Event};
use crate::limits::Limits;

/// Whether a checksum tail must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Checks {
    /// The input must be checked, and is read to the end of its tail.
    Required,
    /// The input is checked if it has a tail, and must end behind it or behind the data.
    #[default]
    Optional,
    /// Reading stops behind the data, whatever follows.
    Ignored,
}

/// How `.npy` bytes are read.
#[derive(Debug, Clone, Default)]
pub struct DecodeOptions {
    /// Bounds on what the input may ask for.
    pub limits: Limits,
    /// Whether a checksum tail must be there.
    pub checks: Checks,
    /// Reads what `np.load` reads: Python 2 headers, duplicate keys, aliases of dtypes.
    pub lenient: bool,
    /// Bytes of the whole input, where they are known: then a short file is refused before memory is taken.
    pub input_len: Option<u64>,
    /// Whether the input must end behind a required tail (with [`Checks::Optional`] it always must).
    pub whole: bool,
}

/// Reads a header: fill the space it hands out until it gives a [`Header`].
#[derive(Debug)]
pub struct HeaderDecoder {
    options: DecodeOptions,
    bytes: Vec<u8>,
    filled: usize,
    header: Option<Header>,
}

impl HeaderDecoder {
    /// A decoder at the first byte.
    #[must_use]
    pub fn new(options: DecodeOptions) -> Self {
        Self { options, bytes: vec![0; MAGIC.len() + 2], filled: 0, header: None }
    }

    /// The space to fill next, never more than `Limits.grow` bytes.
    pub fn space(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.filled..).unwrap_or_default()
    }

    /// Takes note that the first `n` bytes of the space were filled; 0 means the input ended.
    ///
    /// # Errors
    /// [`Truncated`](crate::ErrorKind::Truncated) at the end of the input; [`Malformed`](crate::ErrorKind::Malformed)
    /// with the byte; [`Unsupported`](crate::ErrorKind::Unsupported) for objects and unknown versions;
    /// [`Limit`](crate::ErrorKind::Limit).
    pub fn filled(&mut self, n: usize) -> Result<Option<Header>> {
        if n == 0 && self.filled < self.bytes.len() {
            return Err(self.cut());
        }
        self.filled = self.filled.saturating_add(n).min(self.bytes.len());
        if self.filled < self.bytes.len() {
            return Ok(None);
        }
        self.parse()
    }

    /// The bytes of the header, once it is complete.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn cut(&self) -> Error {
        let (found, wanted) = (self.filled, self.bytes.len());
        let front = self.bytes.get(..found.min(MAGIC.len())).unwrap_or_default();
        if !MAGIC.starts_with(front) {
            return wrong_magic(front);
        }
        let message = match found {
            0 => "npy header: the input is empty".to_owned(),
            _ => format!(
                "npy header: the input ends after {found} bytes, at least {wanted} are needed"
            ),
        };
        Error::truncated(message).at(found as u64)
    }

    /// Decides from what is there: more space, or a header.
    fn parse(&mut self) -> Result<Option<Header>> {
        let Some((prefix, rest)) = self.bytes.split_first_chunk::<8>() else { return Ok(None) };
        let [magic @ .., major, minor] = *prefix;
        if magic != MAGIC {
            return Err(wrong_magic(prefix));
        }
        let version = version(major, minor)?;
        let Some((length, text)) = rest.split_at_checked(version.length_size()) else {
            self.bytes.resize(8 + version.length_size(), 0);
            return Ok(None);
        };
        let length = length.iter().rev().fold(0u64, |n, &byte| n << 8 | u64::from(byte));
        let max = self.options.limits.header;
        let Some(length) = usize::try_from(length).ok().filter(|&n| n <= max) else {
            return Err(Error::limit("npy header", length, max as u64).at(8));
        };
        if text.len() < length {
            // Only so far ahead of what has come: a length is a claim, not bytes.
            let grow = (length - text.len()).min(self.options.limits.grow.clamp(1, 1 << 16));
            self.bytes.reserve_exact(grow);
            self.bytes.resize(self.bytes.len() + grow, 0);
            return Ok(None);
        }
        let header = Header::parse(version, text, self.options.lenient, &self.options.limits)?;
        let (size, max) = (header.nbytes(), self.options.limits.array);
        if size > max {
            let message = format!(
                "npy header: the array has {size} bytes, at most {max} are allowed (Limits.array)"
            );
            return Err(Error::new(ErrorKind::Limit { name: "array", asked: size, max }, message)
                .at(header.len));
        }
        self.header = Some(header.clone());
        Ok(Some(header))
    }

    /// Goes on to the data, which will be put where `dest` says.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) before the header is complete, or for a destination of another size;
    /// [`Truncated`](crate::ErrorKind::Truncated) if the input is known to be too short;
    /// [`Memory`](crate::ErrorKind::Memory).
    pub fn body(self, dest: Dest<'_>) -> Result<BodyDecoder<'_>> {
        let header = self.header.ok_or_else(|| Error::argument("the header is not complete"))?;
        let end = header.len.saturating_add(header.nbytes());
        if let Some(len) = self.options.input_len.filter(|&len| len < end) {
            return Err(cut_data(&header, len.saturating_sub(header.len)));
        }
        let size =
            usize::try_from(header.nbytes()).map_err(|_| Error::overflow("the array's size"))?;
        let store = match dest {
            Dest::Owned => Store::Owned(BufferMut::new(header.nbytes())?),
            Dest::Into(memory) if memory.len() == size => Store::Into(memory),
            Dest::Into(memory) => {
                return Err(Error::argument(format!(
                    "the array has {size} bytes, the destination {}",
                    memory.len()
                )));
            }
            Dest::Discard => Store::Discard(Vec::new()),
        };
        let header_sum = crc32c(&self.bytes);
        let stage = if size == 0 { Stage::after_data(self.options.checks) } else { Stage::Data };
        Ok(BodyDecoder {
            options: self.options,
            header,
            header_sum,
            size,
            store,
            done: 0,
            sums: BlockSums::default(),
            tail: Vec::new(),
            tail_size: None,
            stage,
            checked: None,
        })
    }
}

fn cut_data(header: &Header, found: u64) -> Error {
    let (expected, shape) = (header.nbytes(), crate::dtype::tuple(&header.shape));
    let message = format!(
        "shape {shape} of {} needs {expected} bytes of data, the input has {found}",
        shortened(&header.dtype)
    );
    Error::truncated(message).at(header.len.saturating_add(found))
}

#[derive(Debug)]
enum Store<'d> {
    Owned(BufferMut),
    Into(&'d mut [u8]),
    Discard(Vec<u8>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Data,
    Tail,
    /// One byte of space, to see that nothing follows.
    End,
    Done,
}

impl Stage {
    fn after_data(checks: Checks) -> Self {
        if checks == Checks::Ignored { Self::Done } else { Self::Tail }
    }
}

/// Reads data and tail: fill the space it hands out until it is done.
#[derive(Debug)]
pub struct BodyDecoder<'d> {
    options: DecodeOptions,
    header: Header,
    header_sum: u32,
    size: usize,
    store: Store<'d>,
    /// Bytes filled of the current stage's whole.
    done: usize,
    sums: BlockSums,
    tail: Vec<u8>,
    tail_size: Option<usize>,
    stage: Stage,
    checked: Option<(ChecksumState, Metadata)>,
}

/// What was read.
#[derive(Debug)]
#[non_exhaustive]
pub struct Decoded {
    /// What the header said.
    pub header: Header,
    /// Whether the bytes were checked.
    pub state: ChecksumState,
    /// What the tail said beside its sums.
    pub metadata: Metadata,
    /// The array, unless its bytes went elsewhere.
    pub array: Option<Array>,
}

impl BodyDecoder<'_> {
    /// The space to fill next, at most 1 MiB and `Limits.grow`; empty once it is done.
    ///
    /// # Errors
    /// [`Memory`](crate::ErrorKind::Memory).
    pub fn space(&mut self) -> Result<&mut [u8]> {
        let step = BLOCK.min(self.options.limits.grow.max(1));
        let end = self.size.min(self.done.saturating_add(step));
        match (self.stage, &mut self.store) {
            (Stage::Data, Store::Owned(buffer)) => buffer.space(self.done, end),
            (Stage::Data, Store::Into(memory)) => {
                Ok(memory.get_mut(self.done..end).unwrap_or_default())
            }
            (Stage::Data, Store::Discard(scratch)) => {
                scratch.resize(BLOCK.min(self.size), 0);
                Ok(scratch.get_mut(..end - self.done).unwrap_or_default())
            }
            (Stage::Tail | Stage::End, _) => {
                if self.tail.len() <= self.done {
                    let more = if self.done == 0 { TAIL_HEADER } else { 1 };
                    self.tail.resize(self.done + more, 0);
                }
                Ok(self.tail.get_mut(self.done..).unwrap_or_default())
            }
            (Stage::Done, _) => Ok(&mut []),
        }
    }

    /// Takes note that the first `n` bytes of the space were filled; 0 means the input ended.
    ///
    /// # Errors
    /// [`Truncated`](crate::ErrorKind::Truncated), [`Checksum`](crate::ErrorKind::Checksum),
    /// [`Malformed`](crate::ErrorKind::Malformed) for bytes that are no tail or follow it,
    /// [`Unsupported`](crate::ErrorKind::Unsupported), [`Limit`](crate::ErrorKind::Limit).
    pub fn filled(&mut self, n: usize) -> Result<Event> {
        match self.stage {
            Stage::Data => self.filled_data(n)?,
            Stage::Tail => self.filled_tail(n)?,
            Stage::End if n == 0 => self.stage = Stage::Done,
            Stage::End => return Err(trailing(self.tail_start() + self.done as u64)),
            Stage::Done => {}
        }
        Ok(if self.stage == Stage::Done { Event::Done } else { Event::More })
    }

    fn tail_start(&self) -> u64 {
        self.header.len + self.size as u64
    }

    fn filled_data(&mut self, n: usize) -> Result<()> {
        if n == 0 {
            return Err(cut_data(&self.header, self.done as u64));
        }
        let n = n.min(self.size - self.done).min(BLOCK);
        if self.options.checks != Checks::Ignored {
            let end = self.done + n;
            let bytes: &[u8] = match &mut self.store {
                Store::Owned(buffer) => buffer.space(self.done, end)?,
                Store::Into(memory) => memory.get(self.done..end).unwrap_or_default(),
                Store::Discard(scratch) => scratch.get(..n).unwrap_or_default(),
            };
            self.sums.update(bytes);
        }
        self.done += n;
        if self.done == self.size {
            self.done = 0;
            self.stage = Stage::after_data(self.options.checks);
        }
        Ok(())
    }

    fn filled_tail(&mut self, n: usize) -> Result<()> {
        if n == 0 {
            return self.cut_tail();
        }
        self.done = self.done.saturating_add(n).min(self.tail.len());
        if self.done < self.tail.len() {
            return Ok(());
        }
        let start = self.tail_start();
        let wanted = match self.tail_size {
            Some(size) => size,
            None => *self.tail_size.insert(self.tail_size()?),
        };
        if self.tail.len() < wanted {
            let grow = (wanted - self.tail.len()).min(self.options.limits.grow.clamp(1, 1 << 16));
            self.tail.reserve_exact(grow);
            self.tail.resize(self.tail.len() + grow, 0);
            return Ok(());
        }
        let tail = Tail::decode(&self.tail, start, self.header.nbytes(), &self.options.limits)?;
        let sums = std::mem::take(&mut self.sums).finish();
        if tail.open {
            if self.options.checks == Checks::Required {
                let message = "the checksum tail is marked open: a writer did not finish; `ndbytes checksum` seals it";
                return Err(Error::truncated(message).at(start));
            }
        } else {
            tail.verify(&self.header, self.header_sum, &sums)?;
        }
        let state = if tail.open { ChecksumState::Open } else { ChecksumState::Verified };
        self.checked = Some((state, tail.metadata));
        let whole = self.options.whole || self.options.checks == Checks::Optional;
        self.stage = if whole { Stage::End } else { Stage::Done };
        Ok(())
    }

    /// How long the tail is, from its own header, which has one spelling only.
    fn tail_size(&self) -> Result<usize> {
        let start = self.tail_start();
        let mut parser = HeaderDecoder::new(DecodeOptions::default());
        parser.bytes = self.tail.get(..TAIL_HEADER).unwrap_or_default().to_vec();
        parser.filled = parser.bytes.len();
        let header = parser.parse().ok().flatten().ok_or_else(|| trailing(start))?;
        let [content] = *header.shape else { return Err(trailing(start)) };
        let size = (TAIL_HEADER as u64).saturating_add(content as u64);
        let least = Tail::size(self.header.nbytes(), 0);
        if size < least || parser.bytes != tail_header(content)? {
            return Err(trailing(start));
        }
        let max = self.options.limits.header as u64;
        if size - least > max {
            return Err(Error::limit("metadata", size - least, max).at(start));
        }
        usize::try_from(size).map_err(|_| Error::overflow("the checksum tail"))
    }

    /// The input ended inside the tail, or before it.
    fn cut_tail(&mut self) -> Result<()> {
        let start = self.tail_start();
        match (self.done, self.options.checks) {
            (0, Checks::Required) => Err(Error::truncated(
                "no checksum tail: the file is bare or was cut; to read it unchecked, do not require a checksum \
                 (require_checksum=False, or npy=True on a stream); `ndbytes checksum` adds one",
            )
            .at(start)),
            (0, _) => {
                self.stage = Stage::Done;
                Ok(())
            }
            (found, _)
                if !self.tail.iter().take(found).zip(MAGIC).all(|(&byte, magic)| byte == magic) =>
            {
                Err(trailing(start))
            }
            (found, _) => {
                let end = start + found as u64;
                Err(Error::truncated(format!("the checksum tail is cut: the input ends {found} bytes into it")).at(end))
            }
        }
    }

    /// What was read.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) before it is done; [`Malformed`](crate::ErrorKind::Malformed) if the
    /// tail's dtype does not fit the header's; [`Memory`](crate::ErrorKind::Memory).
    pub fn finish(self) -> Result<Decoded> {
        if self.stage != Stage::Done {
            return Err(Error::argument("the array is not complete"));
        }
        let start = self.tail_start();
        let (state, metadata) =
            self.checked.unwrap_or_else(|| (ChecksumState::Unchecked, Metadata::default()));
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
        let data: Option<Buffer> = match self.store {
            Store::Owned(buffer) => Some(buffer.freeze()?),
            Store::Into(_) | Store::Discard(_) => None,
        };
        let array = match data {
            Some(data) => Some(Array::new(header.dtype.clone(), header.layout()?, data)?),
            None => None,
        };
        Ok(Decoded { header, state, metadata, array })
    }
}
