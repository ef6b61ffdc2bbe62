//! The frames of a message on their way in.

use super::{
    Accept, BodyDecoder, Checks, DecodeOptions, Decoded, Dest, Event, Header, HeaderDecoder,
    Message, Received,
};
use crate::error::{Error, Result};
use crate::limits::Limits;

/// The arrays of a message so far: the rules of `spec/WIRE.md`, section 8, whoever reads the frames.
#[derive(Debug)]
pub(crate) struct Gathering {
    message: Option<Message>,
    count: u64,
    arrays: Vec<Decoded>,
}

impl Gathering {
    /// A message whose first header this is.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit) for more arrays than `limits.members`.
    pub(crate) fn begin(first: &Header, limits: &Limits) -> Result<Self> {
        let message = first.metadata.message;
        let (count, max) = (message.map_or(1, |message| message.count), limits.members as u64);
        if count > max {
            return Err(Error::limit("members", count, max).context("a message"));
        }
        Ok(Self { message, count, arrays: Vec::new() })
    }

    /// Holds the header of the next array against it.
    ///
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed) where another message begins.
    pub(crate) fn check(&self, next: &Header) -> Result<()> {
        if next.metadata.message.is_none() {
            return Ok(());
        }
        let (at, count) = (self.arrays.len(), self.count);
        let found = format!("another message begins after {at} of the {count} arrays of one");
        Err(Error::malformed(found))
    }

    /// An array is there; whether it was the last.
    pub(crate) fn push(&mut self, decoded: Decoded) -> bool {
        self.arrays.push(decoded);
        self.is_whole()
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.arrays.len() as u64 >= self.count
    }

    /// What is wrong where the stream ends here, between two arrays.
    pub(crate) fn cut(&self) -> Error {
        let (at, count) = (self.arrays.len(), self.count);
        Error::truncated(format!("the stream ended after {at} of the {count} arrays of a message"))
    }

    pub(crate) fn finish(self) -> Received {
        Received { message: self.message, arrays: self.arrays }
    }
}

/// Reads a message, whatever brings its bytes: fill the space it hands out until it is whole.
///
/// It keeps what has come, so that whoever fills it can stop at any byte and go on later.
///
/// ```
/// use ndbytes::{Array, ArrayRef, Dest, Limits, MessageDecoder, Progress};
///
/// let mut sender = ndbytes::io::stream::Sender::new(Vec::new());
/// sender.send(&ArrayRef::from_slice(&[1.0f32, 2.0], &[2])?)?;
/// let bytes = sender.into_inner();
///
/// let (mut decoder, mut rest) = (MessageDecoder::new(&Limits::stream()), &bytes[..]);
/// let mut progress = Progress::More;
/// while progress != Progress::Whole {
///     let space = decoder.space()?;
///     let n = space.len().min(rest.len());
///     space[..n].copy_from_slice(&rest[..n]);
///     rest = &rest[n..];
///     progress = decoder.filled(n)?;
///     if progress == Progress::Header {
///         progress = decoder.own()?; // Or `decoder.body(…)`, for memory of one's own.
///     }
/// }
/// assert_eq!(decoder.finish()?.arrays[0].header.shape, [2]);
/// # Ok::<(), ndbytes::Error>(())
/// ```
#[derive(Debug)]
pub struct MessageDecoder {
    limits: Limits,
    gathering: Option<Gathering>,
    stage: Stage,
}

/// How far a message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It wants more: ask for space again.
    More,
    /// The header of an array is there: say where its data go, with [`MessageDecoder::own`] or [`MessageDecoder::body`].
    Header,
    /// An array is there, and another one follows.
    Array,
    /// All arrays are there, and every sum of theirs held.
    Whole,
}

#[derive(Debug)]
enum Stage {
    Header(HeaderDecoder),
    /// Its header is there.
    Known(HeaderDecoder, Box<Header>),
    Body(Box<BodyDecoder<'static>>),
    /// Whoever asked for it reads the body.
    Away,
    Whole,
}

impl MessageDecoder {
    /// At the first byte of a message.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self { limits: limits.clone(), gathering: None, stage: Stage::next(limits) }
    }

    /// Whether nothing has come yet: then an end of the stream is an end between two messages.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.gathering.is_none()
            && matches!(&self.stage, Stage::Header(machine) if machine.is_empty())
    }

    /// The space to fill next, at most 1 MiB; empty where it waits for a word on where data go, and when it is whole.
    ///
    /// # Errors
    /// [`Memory`](crate::ErrorKind::Memory).
    pub fn space(&mut self) -> Result<&mut [u8]> {
        match &mut self.stage {
            Stage::Header(machine) => Ok(machine.space()),
            Stage::Body(machine) => machine.space(),
            Stage::Known(..) | Stage::Away | Stage::Whole => Ok(&mut []),
        }
    }

    /// Takes note that the first `n` bytes of the space were filled; 0 means that the stream has ended.
    ///
    /// # Errors
    /// As [`HeaderDecoder::filled`] and [`BodyDecoder::filled`]; [`Limit`](crate::ErrorKind::Limit) for more arrays than
    /// `limits.members`; [`Truncated`](crate::ErrorKind::Truncated) where the stream ends between two of them, and
    /// [`Malformed`](crate::ErrorKind::Malformed) where another message begins there. Nothing can be read behind any of them.
    pub fn filled(&mut self, n: usize) -> Result<Progress> {
        match &mut self.stage {
            Stage::Header(machine) => {
                if let Some(gathering) = self.gathering.as_ref().filter(|_| n == 0)
                    && machine.is_empty()
                {
                    return Err(gathering.cut());
                }
                let Some(header) = machine.filled(n)? else { return Ok(Progress::More) };
                match &self.gathering {
                    Some(gathering) => gathering.check(&header)?,
                    None => self.gathering = Some(Gathering::begin(&header, &self.limits)?),
                }
                if let Stage::Header(machine) = std::mem::replace(&mut self.stage, Stage::Away) {
                    self.stage = Stage::Known(machine, Box::new(header));
                }
                Ok(Progress::Header)
            }
            Stage::Body(machine) => match machine.filled(n)? {
                Event::More => Ok(Progress::More),
                Event::Done => self.end(),
            },
            Stage::Known(..) => Ok(Progress::Header),
            Stage::Away => Ok(Progress::More),
            Stage::Whole => Ok(Progress::Whole),
        }
    }

    /// The header of the array whose data come next, until it was said where they go.
    #[must_use]
    pub fn header(&self) -> Option<&Header> {
        match &self.stage {
            Stage::Known(_, header) => Some(header),
            _ => None,
        }
    }

    /// The data come into a buffer of their own.
    ///
    /// # Errors
    /// As [`MessageDecoder::body`].
    pub fn own(&mut self) -> Result<Progress> {
        let mut machine = self.body(Dest::Owned)?;
        let is_done = machine.space()?.is_empty();
        self.stage = Stage::Body(Box::new(machine));
        if is_done { self.end() } else { Ok(Progress::More) }
    }

    /// The machine of the array whose header is there, for the caller to fill; what comes of it is to be given back by
    /// [`MessageDecoder::give`]. Until then this decoder is at no known place.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) where no header is there, or for a destination of another size; as
    /// [`HeaderDecoder::body`].
    pub fn body<'d>(&mut self, dest: Dest<'d>) -> Result<BodyDecoder<'d>> {
        match std::mem::replace(&mut self.stage, Stage::Away) {
            Stage::Known(machine, _) => machine.body(dest),
            stage => {
                self.stage = stage;
                Err(Error::argument("no header of an array is there"))
            }
        }
    }

    /// Takes the array that was read elsewhere.
    pub fn give(&mut self, decoded: Decoded) -> Progress {
        let is_whole = self.gathering.as_mut().is_none_or(|gathering| gathering.push(decoded));
        self.stage = if is_whole { Stage::Whole } else { Stage::next(&self.limits) };
        if is_whole { Progress::Whole } else { Progress::Array }
    }

    /// Whether whoever asked for a body has not given its array back: nothing can be found behind it.
    #[must_use]
    pub fn is_away(&self) -> bool {
        matches!(self.stage, Stage::Away)
    }

    /// An array of its own is complete.
    fn end(&mut self) -> Result<Progress> {
        match std::mem::replace(&mut self.stage, Stage::Away) {
            Stage::Body(machine) => {
                let decoded = machine.finish()?;
                Ok(self.give(decoded))
            }
            _ => Ok(Progress::More),
        }
    }

    /// The message.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) before it is whole.
    pub fn finish(self) -> Result<Received> {
        match self.gathering {
            Some(gathering) if gathering.is_whole() => Ok(gathering.finish()),
            _ => Err(Error::argument("the message is not complete")),
        }
    }
}

impl Stage {
    fn next(limits: &Limits) -> Self {
        Self::Header(HeaderDecoder::new(DecodeOptions {
            limits: limits.clone(),
            accept: Accept::Frame,
            checks: Checks::Required,
            ..Default::default()
        }))
    }
}
