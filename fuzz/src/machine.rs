//! The decoding machines driven over a slice, cut in some way, with what they hand out held against their promises.

use crate::input::Rng;
use ndbytes::{
    Array, BLOCK, BodyDecoder, ChecksumState, DecodeOptions, Dest, Error, ErrorKind, Event, Format,
    Header, HeaderDecoder, Metadata,
};

/// What a program and a person see of an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: ErrorKind,
    pub(crate) offset: Option<u64>,
    pub(crate) message: String,
}

impl Fault {
    /// Its offset is one of the input's; only a limit may have none.
    pub(crate) fn says_where(&self, input: usize) {
        assert!(self.offset.is_none_or(|offset| offset <= input as u64), "{self:?}");
        if !matches!(self.kind, ErrorKind::Limit { .. }) {
            assert!(self.offset.is_some(), "it does not say where: {self:?}");
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let (kind, offset) = (error.kind().clone(), error.offset());
        Self { kind, offset, message: error.message().to_owned() }
    }
}

/// How a stream comes in: at most so many bytes at a time.
#[derive(Debug, Clone)]
pub(crate) enum Cuts {
    /// As much as there is room for.
    Whole,
    /// This many.
    Every(usize),
    /// A few, sometimes many.
    Random(Rng),
}

impl Cuts {
    /// How many bytes come next; at least 1.
    pub(crate) fn next(&mut self) -> usize {
        match self {
            Self::Whole => usize::MAX,
            Self::Every(n) => (*n).max(1),
            Self::Random(rng) => 1 + if rng.below(8) == 0 { rng.below(300) } else { rng.below(9) },
        }
    }
}

/// Puts the next bytes of the stream into `space`; says how many.
fn fill(space: &mut [u8], stream: &[u8], at: &mut usize, cuts: &mut Cuts) -> usize {
    let left = &stream[*at..];
    let n = space.len().min(left.len()).min(cuts.next());
    space[..n].copy_from_slice(&left[..n]);
    *at += n;
    n
}

/// Reads the header at the front of the stream.
pub(crate) fn read_header(
    stream: &[u8],
    options: &DecodeOptions,
    cuts: &mut Cuts,
) -> Result<(HeaderDecoder, Header), Fault> {
    let mut decoder = HeaderDecoder::new(options.clone());
    let mut at = 0;
    loop {
        let space = decoder.space();
        assert!(!space.is_empty(), "the header is not complete and has no space");
        // The 8 bytes of magic and version are no claim of the input's.
        let most = options.limits.grow.max(8);
        assert!(space.len() <= most, "{} bytes of space, Limits.grow is {most}", space.len());
        let n = fill(space, stream, &mut at, cuts);
        match decoder.filled(n)? {
            Some(header) => {
                assert_eq!(header.len, at as u64, "the header took more or less than its bytes");
                assert_eq!(decoder.bytes(), &stream[..at]);
                return Ok((decoder, header));
            }
            None => assert_ne!(n, 0, "the header goes on behind the end of the input"),
        }
    }
}

/// Where a test puts the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Owned,
    Into,
    Discard,
}

/// What was read of a stream.
#[derive(Debug, Clone)]
pub(crate) struct Read {
    pub(crate) header: Header,
    /// The dtype is the tail's where it names one.
    pub(crate) decoded: Header,
    pub(crate) state: ChecksumState,
    pub(crate) metadata: Metadata,
    /// The bytes of the data, unless they were discarded.
    pub(crate) data: Option<Vec<u8>>,
    pub(crate) array: Option<Array>,
    /// How far into the stream it read.
    pub(crate) consumed: usize,
}

impl Read {
    /// Whether both say the same, as far as both have it.
    pub(crate) fn same(&self, other: &Self) -> bool {
        let data = match (&self.data, &other.data) {
            (Some(one), Some(two)) => one == two,
            _ => true,
        };
        let (one, two) = (self, other);
        data && (&one.header, &one.decoded, one.state, &one.metadata, one.consumed)
            == (&two.header, &two.decoded, two.state, &two.metadata, two.consumed)
    }
}

/// Reads a whole array from the front of the stream.
pub(crate) fn read_array(
    stream: &[u8],
    options: &DecodeOptions,
    target: Target,
    cuts: &mut Cuts,
) -> Result<Read, Fault> {
    let (decoder, header) = read_header(stream, options, cuts)?;
    let mut memory = Vec::new();
    let dest = match target {
        Target::Owned => Dest::Owned,
        Target::Discard => Dest::Discard,
        Target::Into => {
            memory.resize(usize::try_from(header.nbytes()).expect("a small array"), 0xa5);
            Dest::Into(&mut memory)
        }
    };
    let body = decoder.body(dest)?;
    let mut read = read_body(stream, header, body, options.limits.grow, cuts)?;
    match target {
        Target::Owned => {
            let array = read.array.as_ref().expect("an owned array");
            assert_eq!(array.layout().offset(), 0);
            read.data = Some(array.data().to_vec());
        }
        Target::Into => read.data = Some(memory),
        Target::Discard => {}
    }
    Ok(read)
}

fn read_body(
    stream: &[u8],
    header: Header,
    mut body: BodyDecoder<'_>,
    grow: usize,
    cuts: &mut Cuts,
) -> Result<Read, Fault> {
    let mut at = usize::try_from(header.len).expect("a header in memory");
    // The npy header of a tail is always as long, and no claim of the input's.
    let least = if header.format == Format::Frame { 1 } else { 128 };
    let most = grow.clamp(least, BLOCK);
    loop {
        let space = body.space()?;
        if space.is_empty() {
            break;
        }
        assert!(space.len() <= most, "{} bytes of space, {most} are promised", space.len());
        let n = fill(space, stream, &mut at, cuts);
        match body.filled(n)? {
            Event::Done => break,
            Event::More => assert!(n != 0, "the array goes on behind the end of the input"),
        }
    }
    assert!(body.space()?.is_empty(), "done, and there is space");
    let decoded = body.finish()?;
    Ok(Read {
        header,
        decoded: decoded.header,
        state: decoded.state,
        metadata: decoded.metadata,
        data: None,
        array: decoded.array,
        consumed: at,
    })
}
