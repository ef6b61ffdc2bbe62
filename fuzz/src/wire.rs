//! Conversations: arrays sent over a stream that cuts, interrupts, damages, ends or resets. What arrives is what was
//! sent, up to where the stream was not whole any more, and then an error of the right kind.

use crate::arrays::{array, metadata};
use crate::input::{Input, Rng};
use ndbytes::io::stream::{Receiver, Sender, StreamOptions};
use ndbytes::io::unwatched;
use ndbytes::{Array, Decoded, Error, ErrorKind, Metadata, Order, crc32c, to_bytes};
use std::io::{ErrorKind as IoKind, Read, Result as IoResult, Write};

/// One byte of choices, two of limits, two of seed; then arrays to send, or a stream of any bytes.
pub fn wire(data: &[u8]) {
    let mut input = Input::new(data);
    let choices = input.byte();
    let mut options = StreamOptions::default();
    options.npy = choices & 1 == 1;
    let limits = input.limits();
    options.timeout = None;
    let how = How { seed: u64::from(input.u16()), reset: choices >> 1 & 1 == 1, options };
    if choices >> 2 & 1 == 0 {
        conversation(input, &how);
    } else {
        let mut how = how;
        how.options.limits = limits;
        any_bytes(input, &how);
    }
}

/// How a stream behaves.
struct How {
    seed: u64,
    /// It ends with a reset.
    reset: bool,
    options: StreamOptions,
}

impl How {
    fn receiver<'s>(&self, stream: &'s [u8]) -> Receiver<Line<&'s [u8]>> {
        // Magic and version of a header are no claim of the input's.
        let most = self.options.limits.grow.max(8);
        let line = Line { inner: stream, rng: Rng::new(self.seed), reset: self.reset, most };
        Receiver::new(line).with(self.options.clone())
    }
}

/// A stream that moves a few bytes at a time, and is interrupted.
#[derive(Debug)]
struct Line<T> {
    inner: T,
    rng: Rng,
    reset: bool,
    /// The most memory that may be ready for bytes that have not come.
    most: usize,
}

impl<T> Line<T> {
    fn next(&mut self) -> IoResult<usize> {
        match self.rng.below(8) {
            0 => Err(IoKind::Interrupted.into()),
            1 => Ok(1 + self.rng.below(100_000)),
            _ => Ok(1 + self.rng.below(90)),
        }
    }
}

impl Read for Line<&[u8]> {
    fn read(&mut self, space: &mut [u8]) -> IoResult<usize> {
        assert!(!space.is_empty(), "a read of nothing would look like an end");
        assert!(space.len() <= self.most, "{} bytes of space", space.len());
        if self.inner.is_empty() && self.reset {
            return Err(IoKind::ConnectionReset.into());
        }
        let n = self.next()?.min(space.len());
        self.inner.read(&mut space[..n])
    }
}

impl Write for Line<&mut Vec<u8>> {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        let n = self.next()?.min(bytes.len());
        self.inner.write(&bytes[..n])
    }

    fn flush(&mut self) -> IoResult<()> {
        Ok(())
    }
}

/// What was sent: the array, its name and attributes, and where its bytes end.
struct Sent {
    array: Array,
    metadata: Metadata,
    end: usize,
}

/// Sends arrays, damages or cuts what was sent, and receives it.
fn conversation(mut input: Input<'_>, how: &How) {
    let mut bytes = Vec::new();
    let mut sent = Vec::new();
    for _ in 0..1 + input.below(5) {
        let Some(array) = array(&mut input) else { break };
        let metadata = if how.options.npy { Metadata::default() } else { metadata(&mut input) };
        let line = Line { inner: &mut bytes, rng: Rng::new(how.seed), reset: false, most: 0 };
        let mut sender = Sender::new(line).with(how.options.clone());
        if let Err(error) = sender.send_named(&array.view(), metadata.clone(), &mut unwatched) {
            assert_eq!(*error.kind(), ErrorKind::Argument, "{error}");
            assert!(!sender.is_broken(), "it was refused before its first byte");
            continue;
        }
        assert!(!sender.is_broken());
        sent.push(Sent { array, metadata, end: bytes.len() });
    }
    let at = (usize::from(input.u16()) | usize::from(input.byte()) << 16) % (bytes.len() + 1);
    match input.byte() % 4 {
        0 => whole_up_to(&bytes, &sent, how),
        1 => whole_up_to(&bytes[..at], &sent, how),
        3 if !how.options.npy && !sent.is_empty() => {
            another_version(&mut bytes, &sent, at % sent.len(), how);
        }
        // In bare .npy nobody sees it.
        _ if how.options.npy || at == bytes.len() => {}
        _ => {
            bytes[at] ^= 1 << (input.byte() % 8);
            let _ = damaged(&bytes, &sent, at, how);
        }
    }
}

/// One of the frames is of a version, or has a flag, filter or codec, that nobody knows yet.
fn another_version(bytes: &mut [u8], sent: &[Sent], index: usize, how: &How) {
    let start = index.checked_sub(1).map_or(0, |before| sent[before].end);
    let frame = &mut bytes[start..sent[index].end];
    frame[8 + index % 4] ^= 1 << (start / 64 % 8);
    let length = [frame[12], frame[13], frame[14], frame[15]];
    let summed = u32::from_le_bytes(length) as usize - 4;
    let sum = crc32c(&frame[..summed]).to_le_bytes();
    frame[summed..summed + 4].copy_from_slice(&sum);
    let error = damaged(bytes, sent, start, how);
    // What is known wants a key that this header does not have.
    let is_known = error.message().contains("the key \"block\" is missing");
    assert!(is_known || *error.kind() == ErrorKind::Unsupported, "{error}");
}

fn whole_up_to(bytes: &[u8], sent: &[Sent], how: &How) {
    let mut receiver = how.receiver(bytes);
    let mut start = 0;
    for one in sent.iter().take_while(|one| one.end <= bytes.len()) {
        let got = receiver.recv().expect("it is whole").expect("it is there");
        is_same(&got, one);
        start = one.end;
    }
    let inside = bytes.len() - start;
    match receiver.recv() {
        Ok(None) => assert!(inside == 0 && !how.reset, "a cut passed for an end"),
        Ok(Some(_)) => unreachable!("an array that was cut"),
        Err(error) if inside == 0 => {
            assert!(how.reset && *error.kind() == ErrorKind::Peer, "{error}");
        }
        Err(error) => {
            assert_eq!(*error.kind(), ErrorKind::Truncated, "{error}");
            assert_eq!(error.offset(), Some(inside as u64), "{error}");
            assert_eq!(error.message().starts_with("the peer closed"), how.reset, "{error}");
        }
    }
    if inside > 0 || how.reset {
        is_over(receiver);
    }
}

/// What is said of damage in byte `at`; what came before it is whole.
fn damaged(bytes: &[u8], sent: &[Sent], at: usize, how: &How) -> Error {
    let mut receiver = how.receiver(bytes);
    for one in sent.iter().take_while(|one| one.end <= at) {
        is_same(&receiver.recv().expect("it is whole").expect("it is there"), one);
    }
    let error = match receiver.recv() {
        Err(error) => error,
        got => unreachable!("damage in byte {at} passed: {got:?}"),
    };
    assert!(is_of_bytes(&error), "{error:?}");
    is_over(receiver);
    error
}

/// Behind an error nothing comes, neither an array nor an end.
fn is_over(mut receiver: Receiver<impl Read>) {
    let after = receiver.recv().expect_err("nothing can be found behind it");
    assert_eq!(*after.kind(), ErrorKind::Argument);
    assert!(receiver.next().is_none_or(|next| next.is_err()));
    assert!(receiver.next().is_none(), "the iterator goes on behind an error");
}

/// Whether the error is about what came.
fn is_of_bytes(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Malformed
            | ErrorKind::Truncated
            | ErrorKind::Checksum { .. }
            | ErrorKind::Unsupported
            | ErrorKind::Limit { .. }
    )
}

fn is_same(got: &Decoded, sent: &Sent) {
    let array = got.array.as_ref().expect("an owned array");
    assert_eq!((array.dtype(), array.shape()), (sent.array.dtype(), sent.array.shape()));
    let items = |array: &Array| to_bytes(&array.view(), Order::C).expect("memory");
    assert_eq!(items(array), items(&sent.array));
    assert_eq!(got.metadata.name, sent.metadata.name);
    let attrs = |metadata: &Metadata| metadata.attrs.as_deref().map(str::trim).map(str::to_owned);
    assert_eq!(attrs(&got.metadata), attrs(&sent.metadata));
}

/// Whatever comes, the receiver ends, in the same way however it comes, and gives only bytes that came.
fn any_bytes(input: Input<'_>, how: &How) {
    let stream = input.rest();
    let receive = |seed: u64| {
        let how = How { seed, reset: how.reset, options: how.options.clone() };
        let mut receiver = how.receiver(stream);
        let got: Vec<_> = receiver.by_ref().collect();
        assert!(receiver.next().is_none(), "it goes on behind its end");
        got
    };
    let (one, two) = (receive(how.seed), receive(how.seed ^ 1));
    let said = |got: &[ndbytes::Result<Decoded>]| -> Vec<String> {
        got.iter().map(|got| got.as_ref().map_or_else(ToString::to_string, told)).collect()
    };
    assert_eq!(said(&one), said(&two));
    in_messages(&one, how.receiver(stream), how.reset);
    let mut bytes = 0;
    for (index, got) in one.iter().enumerate() {
        match got {
            Ok(decoded) => bytes += decoded.header.len + decoded.header.nbytes(),
            Err(error) => {
                assert_eq!(index, one.len() - 1, "it goes on behind an error");
                let lost = how.reset && *error.kind() == ErrorKind::Peer;
                assert!(is_of_bytes(error) || lost, "{error:?}");
            }
        }
    }
    assert!(bytes <= stream.len() as u64, "more than has come");
}

/// Taken as messages, the same arrays come, up to the first that breaks its message.
fn in_messages(one: &[ndbytes::Result<Decoded>], mut receiver: Receiver<impl Read>, reset: bool) {
    let mut arrays = one.iter().map_while(|got| got.as_ref().ok());
    let end = loop {
        match receiver.recv_message(&mut unwatched) {
            Ok(Some(received)) => {
                let count = received.message.map_or(1, |message| message.count);
                assert_eq!(count, received.arrays.len() as u64);
                for array in &received.arrays {
                    assert_eq!(Some(told(array)), arrays.next().map(told));
                }
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    match end {
        None => assert!(arrays.next().is_none() && one.iter().all(|got| got.is_ok())),
        Some(error) => {
            assert!(is_of_bytes(&error) || reset && *error.kind() == ErrorKind::Peer, "{error:?}");
            assert!(receiver.recv_message(&mut unwatched).is_err(), "it goes on behind an error");
        }
    }
}

fn told(decoded: &Decoded) -> String {
    let array = decoded.array.as_ref().expect("an owned array");
    format!("{:?} {:?} {:?}", decoded.header, decoded.metadata, &array.data()[..])
}
