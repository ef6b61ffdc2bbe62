//! zlib and gzip streams: never more than the bound comes out, and any cut gives the same answer.

use crate::input::{Input, Rng};
use crate::machine::{Cuts, Fault};
use ndbytes::{Container, Deflater, ErrorKind, Inflater, Level, gzip, io, zlib};
use std::io::{Read, Write as _};

/// Reads a stream, then compresses its bytes: one byte of choices, two of the bound, two of cuts, two of seed; then
/// the stream.
pub fn zlib_bound(data: &[u8]) {
    let mut input = Input::new(data);
    let choices = input.byte();
    let container = if choices & 1 == 0 { Container::Zlib } else { Container::Gzip };
    let level = Level::new(u32::from(choices >> 1) % 10).expect("a level");
    let bound = u64::from(input.u16());
    let (every, space) = (usize::from(input.byte()), usize::from(input.byte()));
    let seed = u64::from(input.u16());
    let stream = input.rest();
    let cuts = || [Cuts::Whole, Cuts::Every(1), Cuts::Every(every), Cuts::Random(Rng::new(seed))];
    let spaces =
        || [Cuts::Whole, Cuts::Every(space), Cuts::Random(Rng::new(!seed)), Cuts::Every(1)];

    let whole = decompress(container, stream, bound).map_err(Fault::from);
    known(&whole, stream, bound);
    for (mut cuts, mut space) in cuts().into_iter().zip(spaces()) {
        assert_eq!(inflated(container, stream, bound, &mut cuts, &mut space), whole);
    }
    for mut cuts in cuts() {
        assert_eq!(read(container, stream, bound, &mut cuts), whole);
    }

    let once = match container {
        Container::Zlib => zlib::compress(stream, level),
        Container::Gzip => gzip::compress(stream, level),
    };
    returns(container, &once.expect("memory"), stream);
    let (mut cuts, mut spaces) = (Cuts::Random(Rng::new(seed)), Cuts::Every(1 + space * 16));
    returns(container, &deflated(container, level, stream, &mut cuts, &mut spaces), stream);
    returns(container, &joined(container, level, stream, every), stream);
}

fn decompress(container: Container, stream: &[u8], max: u64) -> ndbytes::Result<Vec<u8>> {
    match container {
        Container::Zlib => zlib::decompress(stream, max),
        Container::Gzip => gzip::decompress(stream, max),
    }
}

fn known(whole: &Result<Vec<u8>, Fault>, stream: &[u8], bound: u64) {
    let fault = match whole {
        Ok(bytes) => return assert!(bytes.len() as u64 <= bound),
        Err(fault) => fault,
    };
    fault.says_where(stream.len());
    match &fault.kind {
        ErrorKind::Malformed | ErrorKind::Truncated | ErrorKind::Unsupported => {}
        ErrorKind::Checksum { block: None, range } => {
            assert!(range.start < range.end && range.end <= stream.len() as u64, "{fault:?}");
            assert_eq!(fault.offset, Some(range.start));
        }
        kind => assert_eq!(*kind, limit(bound)),
    }
}

fn limit(max: u64) -> ErrorKind {
    ErrorKind::Limit { name: "decompressed", asked: max + 1, max }
}

/// What one byte more than the bound allows is to all but the machine, which gives what there is room for.
fn too_long(container: Container, max: u64) -> Fault {
    let message = format!("the {container} stream holds more than the {max} bytes allowed");
    Fault { kind: limit(max), offset: None, message }
}

fn most(bound: u64) -> usize {
    usize::try_from(bound).expect("a small bound") + 1
}

/// The machine, with room for one byte more than the bound.
fn inflated(
    container: Container,
    stream: &[u8],
    bound: u64,
    cuts: &mut Cuts,
    spaces: &mut Cuts,
) -> Result<Vec<u8>, Fault> {
    let mut inflater = Inflater::new(container);
    let mut out = vec![0; most(bound)];
    let (mut at, mut filled) = (0, 0);
    loop {
        let room = out.len() - filled;
        let piece = &stream[at..][..cuts.next().min(stream.len() - at)];
        let space = &mut out[filled..][..spaces.next().min(room)];
        let step = inflater.step(piece, space)?;
        assert!(step.taken <= piece.len() && step.made <= space.len());
        at += step.taken;
        filled += step.made;
        if filled == out.len() {
            return Err(too_long(container, bound));
        }
        assert_eq!(inflater.total_in(), at as u64);
        if step.end && at < stream.len() {
            let message = format!("bytes behind the end of the {container} stream");
            let kind = ErrorKind::Malformed;
            return Err(Fault { kind, offset: Some(at as u64), message });
        }
        if step.end || (step.made == 0 && at == stream.len()) {
            inflater.input_ended()?;
            out.truncate(filled);
            return Ok(out);
        }
        assert!(step.taken + step.made > 0, "it neither takes nor makes");
    }
}

/// The reader, of which one byte more than the bound is asked.
fn read(
    container: Container,
    stream: &[u8],
    bound: u64,
    cuts: &mut Cuts,
) -> Result<Vec<u8>, Fault> {
    struct Choppy<'a>(&'a [u8], &'a mut Cuts);
    impl Read for Choppy<'_> {
        fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> {
            let n = space.len().min(self.1.next());
            self.0.read(&mut space[..n])
        }
    }
    let mut out = Vec::new();
    let reader = io::Decompressor::new(Choppy(stream, cuts), container);
    reader.take(bound + 1).read_to_end(&mut out).map_err(ndbytes::Error::from)?;
    if out.len() as u64 > bound {
        return Err(too_long(container, bound));
    }
    Ok(out)
}

fn deflated(
    container: Container,
    level: Level,
    mut bytes: &[u8],
    cuts: &mut Cuts,
    spaces: &mut Cuts,
) -> Vec<u8> {
    let mut deflater = Deflater::new(container, level);
    let (mut out, mut space) = (Vec::new(), [0; 4096]);
    loop {
        let space = &mut space[..spaces.next().min(4096)];
        let piece = &bytes[..cuts.next().min(bytes.len())];
        let step = match bytes {
            [] => deflater.finish(space),
            _ => deflater.step(piece, space),
        };
        let step = step.expect("nothing is wrong with any bytes");
        assert!(step.taken + step.made > 0 || step.end, "it neither takes nor makes");
        bytes = &bytes[step.taken..];
        out.extend_from_slice(&space[..step.made]);
        if step.end {
            return out;
        }
    }
}

/// A stream of blocks of their own: each flush ends one.
fn joined(container: Container, level: Level, bytes: &[u8], every: usize) -> Vec<u8> {
    const MOST: usize = 8;
    let mut writer = io::Compressor::new(Vec::new(), container, level);
    for piece in bytes.chunks(every.max(bytes.len() / MOST).max(1)) {
        writer.write_all(piece).and_then(|()| writer.flush()).expect("memory");
    }
    writer.finish().expect("memory")
}

/// The stream is one of these bytes.
fn returns(container: Container, stream: &[u8], bytes: &[u8]) {
    let back = decompress(container, stream, bytes.len() as u64).expect("what was compressed");
    assert_eq!(back, bytes);
    assert_eq!(Container::of([stream[0], stream[1]]), Some(container));
}
