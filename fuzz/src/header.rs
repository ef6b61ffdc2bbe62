//! `.npy` headers: any cut gives the same answer, and what was read can be written and read again.

use crate::input::{Input, Rng};
use crate::machine::{Cuts, Fault, read_header};
use ndbytes::npy::{MAGIC, Version, encode_header};
use ndbytes::{Accept, DecodeOptions, ErrorKind, Format, Header, Limits};

/// Reads a header: one byte of choices, two of limits, two of seed; then the stream, or the dict alone.
pub fn npy_header(data: &[u8]) {
    let mut input = Input::new(data);
    let choices = input.byte();
    let mut options = DecodeOptions::default();
    // Frames have a target of their own.
    options.accept = Accept::Npy;
    options.lenient = choices & 1 == 1;
    options.limits = input.limits();
    let seed = input.u16();
    let bytes = input.rest();
    let stream = match choices >> 1 & 3 {
        0 => bytes.to_vec(),
        version => framed(bytes, version),
    };

    let answer = |mut cuts: Cuts| read_header(&stream, &options, &mut cuts).map(|(_, h)| h);
    let whole = answer(Cuts::Whole);
    for cuts in [Cuts::Every(1), Cuts::Every(7), Cuts::Random(Rng::new(seed.into()))] {
        let cut = answer(cuts.clone());
        assert_eq!(cut, whole, "cut as {cuts:?}");
    }
    match whole {
        Ok(header) => accepted(&header, &stream, &options),
        Err(fault) => refused(&fault, &stream),
    }
}

/// The bytes as the dict of a header, so that its length is right.
fn framed(dict: &[u8], version: u8) -> Vec<u8> {
    let mut stream = MAGIC.to_vec();
    stream.extend([version, 0]);
    let length = u32::try_from(dict.len()).unwrap_or(u32::MAX).to_le_bytes();
    stream.extend(if version == 1 { &length[..2] } else { &length[..] });
    stream.extend(dict);
    stream
}

fn accepted(header: &Header, stream: &[u8], options: &DecodeOptions) {
    let limits = &options.limits;
    assert!(header.len <= limits.header as u64 + 12, "a header of {} bytes", header.len);
    assert!(header.nbytes() <= limits.array, "an array of {} bytes", header.nbytes());
    let end = usize::try_from(header.len).expect("it is in memory");
    let read = |bytes: &[u8], lenient: bool| {
        let mut options = DecodeOptions::default();
        options.lenient = lenient;
        // What is printed may have escapes, and be longer.
        options.limits.header = usize::MAX;
        read_header(bytes, &options, &mut Cuts::Whole).map(|(_, header)| header)
    };
    assert_eq!(read(&stream[..end], true).as_ref(), Ok(header), "the lenient mode says otherwise");

    let written = |version: Option<Version>| {
        encode_header(&header.dtype, &header.shape, header.fortran_order, version)
    };
    let reread = |bytes: &[u8]| {
        assert_eq!(bytes.len() % 64, 0, "the data would not be aligned");
        let again = read(bytes, false).expect("a header that was written reads back");
        assert_eq!(again.len, bytes.len() as u64);
        assert_eq!(
            (&again.dtype, &again.shape, again.fortran_order),
            (&header.dtype, &header.shape, header.fortran_order)
        );
        assert_eq!(again.nbytes(), header.nbytes());
        assert_eq!(again.layout().expect("it was counted"), header.layout().expect("so was it"));
        again.format
    };
    let Format::Npy(version) = header.format else { return };
    match written(Some(version)) {
        Ok(bytes) => assert_eq!(reread(&bytes), header.format),
        Err(error) => {
            // A name with an escape may stand for what Latin-1 cannot hold, or be longer as it is printed.
            assert_eq!(*error.kind(), ErrorKind::Argument);
            assert_ne!(version, Version::V3, "{error}");
        }
    }
    reread(&written(None).expect("some version can hold it"));
}

fn refused(fault: &Fault, stream: &[u8]) {
    let known = matches!(
        fault.kind,
        ErrorKind::Malformed
            | ErrorKind::Truncated
            | ErrorKind::Unsupported
            | ErrorKind::Limit { .. }
    );
    assert!(known, "{fault:?}");
    fault.says_where(stream.len());
    let front = &stream[..stream.len().min(MAGIC.len())];
    if !front.is_empty() && !MAGIC.starts_with(front) {
        assert_eq!(fault.kind, ErrorKind::Malformed, "no .npy at all, however short: {fault:?}");
    }
    if fault.kind == ErrorKind::Truncated {
        assert_eq!(fault.offset, Some(stream.len() as u64), "{fault:?}");
        // With more bytes than any header may have, nothing is too short.
        let mut longer = stream.to_vec();
        longer.resize(stream.len() + (1 << 12), b' ');
        let mut options = DecodeOptions::default();
        options.accept = Accept::Npy;
        options.limits = Limits::local();
        options.limits.header = 1 << 11;
        if let Err(fault) = read_header(&longer, &options, &mut Cuts::Whole) {
            assert_ne!(fault.kind, ErrorKind::Truncated, "{fault:?}");
        }
    }
}
