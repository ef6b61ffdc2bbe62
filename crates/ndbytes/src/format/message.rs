//! What the first frame of a message says of all of them.

use super::json;
use crate::error::{Error, Result};

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
