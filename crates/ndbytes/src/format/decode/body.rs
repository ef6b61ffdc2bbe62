//! What stands behind a header: data in one piece or in blocks, and what vouches for them.

use super::DecodeOptions;
use super::blocks::Coded;
use super::plain::Plain;
use crate::array::Array;
use crate::error::Result;
use crate::format::{ChecksumState, Dest, Event, Header, Metadata, Tail};
use crate::kernel::Copying;

/// Reads what stands behind a header: fill the space it hands out until it is done.
#[derive(Debug)]
pub struct BodyDecoder<'d>(pub(super) Form<'d>);

#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "small arrays are not compressed: they take no allocation more"
)]
pub(super) enum Form<'d> {
    Plain(Plain<'d>),
    Coded(Box<Coded<'d>>),
}

/// What was read.
#[derive(Debug)]
#[non_exhaustive]
pub struct Decoded {
    /// What the header said.
    pub header: Header,
    /// Whether the bytes were checked.
    pub state: ChecksumState,
    /// Name, attributes and true dtype, of the header or the tail.
    pub metadata: Metadata,
    /// The array, unless its bytes went elsewhere.
    pub array: Option<Array>,
}

impl<'d> BodyDecoder<'d> {
    pub(super) fn new(options: DecodeOptions, header: Header, dest: Dest<'d>) -> Result<Self> {
        Ok(Self(match header.coding {
            None => Form::Plain(Plain::new(options, header, dest)?),
            Some(_) => Form::Coded(Box::new(Coded::new(options, header, dest)?)),
        }))
    }

    /// Goes on to the tail of data in one piece: what is filled next stands behind them, and their sums are not compared. The state is
    /// then [`ChecksumState::Unchecked`] or [`ChecksumState::Open`].
    pub fn skip_data(&mut self) {
        if let Form::Plain(plain) = &mut self.0 {
            plain.skip_data();
        }
    }

    /// The space to fill next, at most 1 MiB and `Limits.grow`; empty once it is done.
    ///
    /// # Errors
    /// [`Memory`](crate::ErrorKind::Memory).
    pub fn space(&mut self) -> Result<&mut [u8]> {
        match &mut self.0 {
            Form::Plain(plain) => plain.space(),
            Form::Coded(coded) => coded.space(),
        }
    }

    /// Takes note that the first `n` bytes of the space were filled; 0 means the input ended.
    ///
    /// # Errors
    /// [`Truncated`](crate::ErrorKind::Truncated), [`Checksum`](crate::ErrorKind::Checksum),
    /// [`Malformed`](crate::ErrorKind::Malformed) for bytes that are no tail or follow it, and that a codec cannot decode,
    /// [`Unsupported`](crate::ErrorKind::Unsupported), [`Limit`](crate::ErrorKind::Limit), and whatever a
    /// [`Dest::Sink`] returns.
    pub fn filled(&mut self, n: usize) -> Result<Event> {
        match &mut self.0 {
            Form::Plain(plain) => plain.filled(n),
            Form::Coded(coded) => coded.filled(n),
        }
    }

    /// Takes bytes that are in memory already, as [`BodyDecoder::filled`] those of the space, and gives how many it took;
    /// `each` is told how many of them so far.
    ///
    /// # Errors
    /// As [`BodyDecoder::filled`] and [`BodyDecoder::space`], and whatever `each` returns.
    pub fn take(
        &mut self,
        input: &[u8],
        how: Copying,
        each: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<usize> {
        let mut taken = match &mut self.0 {
            Form::Plain(plain) => plain.take(input, how, each)?,
            Form::Coded(coded) => coded.take(input, how.threads, each)?,
        };
        // A tail, and what has not come whole.
        loop {
            let rest = input.get(taken..).unwrap_or_default();
            let space = self.space()?;
            let n = space.len().min(rest.len());
            if n == 0 {
                return Ok(taken);
            }
            if let (Some(to), Some(from)) = (space.get_mut(..n), rest.get(..n)) {
                to.copy_from_slice(from);
            }
            taken += n;
            self.filled(n)?;
        }
    }

    /// What was read.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) before it is done; [`Malformed`](crate::ErrorKind::Malformed) if the
    /// tail's dtype does not fit the header's; [`Memory`](crate::ErrorKind::Memory).
    pub fn finish(self) -> Result<Decoded> {
        self.finish_with_tail().map(|(decoded, ..)| decoded)
    }

    /// The same, and the tail of data in one piece: what it says, and its bytes.
    pub(crate) fn finish_with_tail(self) -> Result<(Decoded, Option<Tail>, Vec<u8>)> {
        match self.0 {
            Form::Plain(plain) => plain.finish_with_tail(),
            Form::Coded(coded) => coded.finish().map(|decoded| (decoded, None, Vec::new())),
        }
    }
}
