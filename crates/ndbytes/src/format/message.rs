//! What the first frame of a message says of all of them.

#[cfg(feature = "std")]
use super::frame::{EncodeOptions, Encoder};
#[cfg(feature = "datagram")]
use super::{Accept, Checks, DecodeOptions, Dest, Event, Gathering, HeaderDecoder};
use super::{Decoded, json};
#[cfg(feature = "datagram")]
use crate::array::Array;
#[cfg(feature = "std")]
use crate::array::ArrayRef;
#[cfg(feature = "datagram")]
use crate::buffer::Buffer;
use crate::error::{Error, Result};
#[cfg(feature = "datagram")]
use crate::kernel::Copying;
#[cfg(feature = "datagram")]
use crate::limits::Limits;

/// A message on a wire: arrays that belong together, each a frame, one directly behind the other (`spec/WIRE.md`, section 8).
///
/// It stands in the header of the first; a frame without one is a message of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// How many frames it has, this one among them: at least 1.
    pub count: u64,
    /// Its number among those of its sender, from 0 on.
    pub seq: u64,
    /// When it was sent, by the sender's clock: nanoseconds since 1970 in UTC.
    pub sent_ns: u64,
    /// The number of a sender that goes on behind the loss of a connection, and asks for receipts.
    pub stream: Option<u64>,
}

impl Message {
    /// The value of its key in a header.
    pub(super) fn to_json(self) -> String {
        let Self { count, seq, sent_ns, stream } = self;
        let stream = stream.map(|stream| format!(",{stream}")).unwrap_or_default();
        format!("[{count},{seq},{sent_ns}{stream}]")
    }

    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed) for anything but three or four numbers, of which the first is not 0.
    pub(super) fn of(text: &str) -> Result<Self> {
        match json::lengths(text, 4).map_err(|error| error.context("message"))?[..] {
            [count, seq, sent_ns] if count > 0 => Ok(Self { count, seq, sent_ns, stream: None }),
            [count, seq, sent_ns, stream] if count > 0 => {
                Ok(Self { count, seq, sent_ns, stream: Some(stream) })
            }
            _ => Err(Error::malformed(
                "message: expected how many frames, at least 1, its number, when it was sent, and perhaps its stream",
            )),
        }
    }
}

#[cfg(feature = "std")]
impl Message {
    /// The machines of its frames, of which the first says that it is one.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) for no arrays; as [`frame::Encoder::new`](super::frame::Encoder::new).
    pub fn encoders<'a>(
        self,
        arrays: &[(ArrayRef<'a>, EncodeOptions)],
    ) -> Result<Vec<Encoder<'a>>> {
        if arrays.is_empty() {
            return Err(Error::argument("a message has at least one array"));
        }
        let mut message = Some(self);
        let encoder = |(array, options): &(ArrayRef<'a>, EncodeOptions)| {
            let mut options = options.clone();
            options.metadata.message = message.take();
            Encoder::new(array, &options)
        };
        arrays.iter().map(encoder).collect()
    }
}

/// A message that has come.
#[derive(Debug)]
#[non_exhaustive]
pub struct Received {
    /// What its sender says of it; nothing of a single array that was not sent as a message.
    pub message: Option<Message>,
    /// Its arrays, at least one; each has its name in its header.
    pub arrays: Vec<Decoded>,
}

impl Received {
    /// The message that these bytes are, all of them.
    ///
    /// # Errors
    /// As [`HeaderDecoder::filled`] and [`BodyDecoder::take`](super::BodyDecoder::take), with the byte of the message;
    /// [`Limit`](crate::ErrorKind::Limit) for more arrays than `limits.members`; [`Malformed`](crate::ErrorKind::Malformed) for arrays
    /// that are no message, and for bytes behind them.
    #[cfg(feature = "datagram")]
    pub(super) fn of(bytes: &Buffer, limits: &Limits) -> Result<Self> {
        let mut rest: &[u8] = bytes;
        let first = frame(&mut rest, limits, Some(bytes))?;
        let mut gathering = Gathering::begin(&first.header, limits)?;
        let mut is_whole = gathering.push(first);
        while !is_whole {
            let start = (bytes.len() - rest.len()) as u64;
            let next = frame(&mut rest, limits, None).map_err(|error| error.shifted(start))?;
            gathering.check(&next.header).map_err(|error| error.at(start))?;
            is_whole = gathering.push(next);
        }
        let received = gathering.finish();
        if rest.is_empty() {
            return Ok(received);
        }
        let count = received.arrays.len();
        let (more, start) = (rest.len(), bytes.len() - rest.len());
        let found = format!("{more} bytes behind the {count} arrays of a message");
        Err(Error::malformed(found).at(start as u64))
    }
}

/// Reads the frame that `rest` begins with. The array of one that is in one piece, and alone in the bytes of `whole`, stays there.
#[cfg(feature = "datagram")]
fn frame(rest: &mut &[u8], limits: &Limits, whole: Option<&Buffer>) -> Result<Decoded> {
    let options = DecodeOptions {
        limits: limits.clone(),
        accept: Accept::Frame,
        checks: Checks::Required,
        input_len: Some(rest.len() as u64),
        ..Default::default()
    };
    let mut machine = HeaderDecoder::new(options);
    let header = loop {
        let n = move_front(rest, machine.space());
        if let Some(header) = machine.filled(n)? {
            break header;
        }
    };
    let is_alone = header.metadata.message.is_none_or(|message| message.count == 1);
    let whole = whole.filter(|_| is_alone && header.coding.is_none());
    let dest = if whole.is_some() { Dest::Discard } else { Dest::Owned };
    let mut body = machine.body(dest)?;
    let taken = body.take(rest, Copying::default(), &mut |_| Ok(()))?;
    *rest = rest.get(taken..).unwrap_or_default();
    // Where it is not done, the bytes have ended.
    if !body.space()?.is_empty() {
        while body.filled(0)? == Event::More {}
    }
    let mut decoded = body.finish()?;
    if let Some(whole) = whole {
        let fits = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(whole.len());
        let data = fits(header.len)..fits(header.data_end());
        let items = Buffer::from(whole.clone().into_bytes().slice(data));
        decoded.array = Some(Array::new(header.dtype.clone(), header.layout()?, items)?);
    }
    Ok(decoded)
}

/// Moves as many bytes as there are, and as fit.
#[cfg(feature = "datagram")]
pub(super) fn move_front(rest: &mut &[u8], space: &mut [u8]) -> usize {
    let n = rest.len().min(space.len());
    let (front, behind) = rest.split_at(n);
    space.iter_mut().zip(front).for_each(|(to, from)| *to = *from);
    *rest = behind;
    n
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_comes_back() {
        let most = u64::MAX >> 1;
        for (count, seq, sent_ns) in [(1, 0, 0), (7, 1, 2), (most, most, most)] {
            for stream in [None, Some(0), Some(most)] {
                let message = Message { count, seq, sent_ns, stream };
                assert_eq!(Message::of(&message.to_json()).unwrap(), message);
            }
        }
    }

    #[test]
    fn anything_else_is_malformed() {
        for text in [
            "",
            "1",
            "[]",
            "[1,2]",
            "[0,1,2]",
            "[1,2,3,4,5]",
            "[0,2,3,4]",
            "[1,-2,3]",
            "{}",
            "[1,2,9223372036854775808]",
        ] {
            let error = Message::of(text).unwrap_err();
            assert_eq!(*error.kind(), crate::ErrorKind::Malformed, "{text}");
            assert!(error.message().starts_with("message: "), "{}", error.message());
        }
    }
}
