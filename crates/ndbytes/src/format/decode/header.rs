//! The header at the front of an input, of whichever format it is.

use super::body::BodyDecoder;
use super::{Accept, DecodeOptions};
use crate::error::{Error, Result};
use crate::format::header::Parsed;
use crate::format::{Dest, Format, Header, STEP, frame, npy};

/// Bytes that tell the formats apart.
const FRONT: usize = 8;
/// Bytes of most headers.
const USUAL: usize = 128;

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
        let mut bytes = Vec::with_capacity(USUAL);
        bytes.resize(FRONT, 0);
        Self { options, bytes, filled: 0, header: None }
    }

    /// The space to fill next, never more than 64 KiB or `Limits.grow`.
    pub fn space(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.filled..).unwrap_or_default()
    }

    /// Takes note that the first `n` bytes of the space were filled; 0 means the input ended.
    ///
    /// # Errors
    /// [`Truncated`](crate::ErrorKind::Truncated) at the end of the input; [`Malformed`](crate::ErrorKind::Malformed)
    /// with the byte; [`Checksum`](crate::ErrorKind::Checksum) for a damaged header of a frame;
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for objects and unknown versions, filters and codecs;
    /// [`Limit`](crate::ErrorKind::Limit).
    pub fn filled(&mut self, n: usize) -> Result<Option<Header>> {
        if n == 0 && self.filled < self.bytes.len() {
            return Err(self.cut());
        }
        self.filled = self.filled.saturating_add(n).min(self.bytes.len());
        if self.filled < self.bytes.len() {
            return Ok(None);
        }
        match self.parse()? {
            Parsed::Header(header) => {
                header.check_size(&self.options.limits)?;
                Ok(Some(self.header.insert(*header).clone()))
            }
            Parsed::Needs(size) => {
                // Only so far ahead of what has come.
                let missing = size.saturating_sub(self.bytes.len());
                let grow = missing.min(self.options.limits.grow.clamp(1, STEP));
                self.bytes.reserve_exact(grow);
                self.bytes.resize(self.bytes.len() + grow, 0);
                Ok(None)
            }
        }
    }

    /// A decoder behind this header, which was read before.
    #[cfg(feature = "std")]
    pub(crate) fn behind(options: DecodeOptions, header: Header) -> Self {
        Self { options, bytes: Vec::new(), filled: 0, header: Some(header) }
    }

    /// Says anew how long the input is, which may have grown since.
    #[cfg(feature = "std")]
    pub(crate) fn set_input_len(&mut self, len: u64) {
        self.options.input_len = Some(len);
    }

    /// The bytes of the header, once it is complete.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether nothing has come yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    fn cut(&self) -> Error {
        let (found, wanted) = (self.filled, self.bytes.len());
        let front = self.bytes.get(..found).unwrap_or_default();
        let starts = |magic: &[u8]| front.iter().zip(magic).all(|(a, b)| a == b);
        let (npy, frame) = (starts(&npy::MAGIC), starts(&frame::MAGIC));
        let name = match self.options.accept {
            _ if !npy && !frame => return self.wrong_magic(),
            Accept::Frame if !frame => return self.wrong_magic(),
            Accept::Npy if !npy => return self.wrong_magic(),
            Accept::Frame => "frame header",
            _ if !npy => "frame header",
            _ => "npy header",
        };
        let message = match found {
            0 => format!("{name}: the input is empty"),
            _ => {
                format!("{name}: the input ends after {found} bytes, at least {wanted} are needed")
            }
        };
        Error::truncated(message).at(found as u64)
    }

    /// Decides from what is there: more space, or a header.
    fn parse(&self) -> Result<Parsed> {
        let is_frame = self.bytes.starts_with(&frame::MAGIC);
        let is_npy = self.bytes.starts_with(&npy::MAGIC);
        match self.options.accept {
            Accept::Any | Accept::Frame if is_frame => {
                frame::parse(&self.bytes, &self.options.limits)
            }
            Accept::Any | Accept::Npy if is_npy => {
                npy::parse(&self.bytes, self.options.lenient, &self.options.limits)
            }
            _ => Err(self.wrong_magic()),
        }
    }

    fn wrong_magic(&self) -> Error {
        npy::wrong_magic(self.bytes.get(..self.filled).unwrap_or_default(), self.options.accept)
    }

    /// Goes on to the data, which will be put where `dest` says.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) before the header is complete, or for a destination of another size;
    /// [`Truncated`](crate::ErrorKind::Truncated) if the input is known to be too short;
    /// [`Memory`](crate::ErrorKind::Memory).
    pub fn body(self, dest: Dest<'_>) -> Result<BodyDecoder<'_>> {
        let header = self.header.ok_or_else(|| Error::argument("the header is not complete"))?;
        BodyDecoder::new(self.options, header, dest)
    }
}

impl Format {
    /// Whether it is a frame, whose tail is part of it.
    pub(crate) fn is_frame(self) -> bool {
        self == Self::Frame
    }
}
