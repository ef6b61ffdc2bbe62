//! A compressed stream to bytes.

use super::{Container, Step, name};
use crate::error::{Error, ErrorKind, Result};
use flate2::{Decompress, DecompressError, FlushDecompress, Status};

/// Decompresses a stream that comes in pieces; its caller moves them, and says how much may come out.
///
/// Its checksums are compared before it says that the stream ended. Of gzip it reads all members, one behind the
/// other, and zero bytes between and behind them, as `gunzip` and Python do.
#[derive(Debug)]
pub struct Inflater {
    engine: Decompress,
    /// None around a bare stream.
    container: Option<Container>,
    place: Place,
    /// Bytes taken before the current zlib stream or gzip member.
    start: u64,
    /// Seen behind bytes that were good.
    failed: Option<Error>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a zlib stream or a gzip member.
    Inside,
    /// Behind a gzip member and `zeros` bytes of padding: another may follow.
    Between {
        zeros: u64,
    },
    End,
}

/// Base-2 logarithm of the largest window that is read: all there are.
const WINDOW: u8 = 15;

/// The first byte of a gzip member.
const MEMBER: u8 = 0x1f;

impl Inflater {
    /// At the first byte of a stream.
    #[must_use]
    pub fn new(container: Container) -> Self {
        Self::at_start(Some(container))
    }

    /// At the first byte of a bare deflate stream (RFC 1951). It has no checksum: whoever reads it needs one around it.
    #[must_use]
    pub fn bare() -> Self {
        Self::at_start(None)
    }

    fn at_start(container: Option<Container>) -> Self {
        Self { engine: engine(container), container, place: Place::Inside, start: 0, failed: None }
    }

    /// Bytes of the stream so far.
    #[must_use]
    pub fn total_in(&self) -> u64 {
        match self.place {
            Place::Inside => self.start.saturating_add(self.engine.total_in()),
            Place::Between { zeros } => self.start.saturating_add(zeros),
            Place::End => self.start,
        }
    }

    /// What stands around the stream; none around a bare one.
    #[must_use]
    pub fn container(&self) -> Option<Container> {
        self.container
    }

    /// Takes compressed bytes in and puts decompressed ones out, never more than there is room for. Room that is left
    /// may have been used as scratch.
    ///
    /// It wants more input when there is room left in the output; where there is no more, [`Inflater::input_ended`]
    /// says whether the stream may end there. It takes nothing that stands behind the stream. What stands before a
    /// fault comes out before the error does.
    ///
    /// # Errors
    /// All with the byte of the stream: [`Malformed`](ErrorKind::Malformed);
    /// [`Checksum`](ErrorKind::Checksum) if the bytes are not those that were compressed;
    /// [`Unsupported`](ErrorKind::Unsupported) for a stream that needs a dictionary.
    pub fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let mut taken = 0;
        loop {
            let rest = input.get(taken..).unwrap_or_default();
            match self.place {
                Place::End => return Ok(Step { taken, made: 0, end: true }),
                Place::Between { zeros } => {
                    let more = rest.iter().take_while(|&&byte| byte == 0).count();
                    taken += more;
                    self.place = Place::Between { zeros: zeros.saturating_add(more as u64) };
                    match rest.get(more) {
                        None => return Ok(Step { taken, made: 0, end: false }),
                        Some(&MEMBER) => self.enter(),
                        Some(_) => self.leave(Place::End),
                    }
                }
                Place::Inside => {
                    let (more, made) = self.inside(rest, output)?;
                    taken += more;
                    // A member that made nothing may be followed by one that does.
                    if made > 0 || self.place == Place::Inside {
                        let end = self.place == Place::End;
                        return Ok(Step { taken, made, end });
                    }
                }
            }
        }
    }

    /// The stream's input has ended: is it complete?
    ///
    /// # Errors
    /// [`Truncated`](ErrorKind::Truncated) with the byte if it is not, or the fault that the next step would tell.
    pub fn input_ended(&self) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if self.place != Place::Inside {
            return Ok(());
        }
        let (container, end) = (name(self.container), self.total_in());
        let message = match end {
            0 => format!("no {container} stream: the input is empty"),
            _ => format!("the {container} stream is cut: the input ends after {end} bytes of it"),
        };
        Err(Error::truncated(message).at(end))
    }

    fn inside(&mut self, input: &[u8], output: &mut [u8]) -> Result<(usize, usize)> {
        let (taken, made) = (self.engine.total_in(), self.engine.total_out());
        let status = self.engine.decompress(input, output, FlushDecompress::None);
        let moved = |now: u64, before: u64| usize::try_from(now - before).unwrap_or(usize::MAX);
        let taken = moved(self.engine.total_in(), taken);
        let made = moved(self.engine.total_out(), made);
        match status {
            Ok(Status::Ok | Status::BufError) => {}
            Ok(Status::StreamEnd) if self.container == Some(Container::Gzip) => {
                self.leave(Place::Between { zeros: 0 });
            }
            Ok(Status::StreamEnd) => self.leave(Place::End),
            Err(error) => {
                let error = self.failed.insert(self.wrong(&error));
                return if made > 0 { Ok((taken, made)) } else { Err(error.clone()) };
            }
        }
        Ok((taken, made))
    }

    fn enter(&mut self) {
        self.start = self.total_in();
        self.engine = engine(self.container);
        self.place = Place::Inside;
    }

    fn leave(&mut self, place: Place) {
        self.start = self.total_in();
        self.place = place;
    }

    fn wrong(&self, error: &DecompressError) -> Error {
        let (container, start, end) = (name(self.container), self.start, self.total_in());
        if error.needs_dictionary().is_some() {
            let message = "a zlib stream that needs a dictionary (FDICT); none is known here";
            return Error::unsupported(message).at(start);
        }
        let damaged = |what: &str| {
            let message =
                format!("the {container} stream (bytes {start} to {end}) is damaged: {what}");
            let kind = ErrorKind::Checksum { block: None, range: start..end };
            Error::new(kind, message).at(start)
        };
        let sum = self.container.map_or("checksum", Container::sum_name);
        match error.message() {
            Some("incorrect data check") => damaged(&format!("its {sum} does not hold")),
            Some("incorrect length check") => damaged("its length is not what it says"),
            Some("header crc mismatch") => damaged("the CRC-16 of its header does not hold"),
            Some("incorrect header check") => {
                Error::malformed(format!("not a {container} stream: incorrect header")).at(start)
            }
            other => {
                // The engine forgets which of these it was where it was quick.
                let forgotten = |what: &str| {
                    what.starts_with("invalid distance ")
                        || what == "invalid literal/length code"
                        || what == "repeated call with bad state"
                };
                let what = match other {
                    Some(what) if !forgotten(what) => what,
                    _ => "invalid length, literal or distance",
                };
                Error::malformed(format!("the {container} stream: {what}")).at(end)
            }
        }
    }
}

fn engine(container: Option<Container>) -> Decompress {
    match container {
        None => Decompress::new(false),
        Some(Container::Zlib) => Decompress::new(true),
        Some(Container::Gzip) => Decompress::new_gzip(WINDOW),
    }
}
