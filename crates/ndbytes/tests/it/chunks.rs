//! The same bytes give the same result however they are cut.

use crate::{array, checked_files, encode};
use ndbytes::npy::EncodeOptions;
use ndbytes::{Checks, DecodeOptions, Decoded, Dest, Event, HeaderDecoder, Result};
use std::io::Read;

/// A reader that gives at most `step` bytes at a time, and now and then an interruption.
struct Choppy<'a> {
    bytes: &'a [u8],
    step: usize,
    calls: usize,
}

impl Read for Choppy<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.calls += 1;
        if self.calls.is_multiple_of(5) {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        let n = buffer.len().min(self.step);
        self.bytes.read(&mut buffer[..n])
    }
}

fn chopped(bytes: &[u8], step: usize, checks: Checks) -> Result<Decoded> {
    let options = DecodeOptions { checks, ..Default::default() };
    let reader = Choppy { bytes, step, calls: 0 };
    ndbytes::io::read_array(reader, options, |_| Ok(Dest::Owned), &mut ndbytes::io::unwatched)
}

#[test]
fn every_split_gives_the_same_result_or_the_same_error() {
    for (what, _, good) in checked_files().into_iter().take(3) {
        let mut inputs = vec![
            good.clone(),
            good[..good.len() - 3].to_vec(),
            good[..60].to_vec(),
            good[..8].to_vec(),
            vec![],
        ];
        for at in [3, 20, 140, good.len() - 1] {
            let mut damaged = good.clone();
            damaged[at] ^= 64;
            inputs.push(damaged);
        }
        for checks in [Checks::Required, Checks::Optional, Checks::Ignored] {
            for input in &inputs {
                let whole = chopped(input, usize::MAX, checks);
                for step in (1..=17).chain([63, 64, 65, 127, 128, 129, 1000]) {
                    match (&whole, chopped(input, step, checks)) {
                        (Ok(whole), Ok(part)) => {
                            assert_eq!(whole.state, part.state);
                            assert_eq!(whole.metadata, part.metadata);
                            assert_eq!(
                                whole.array.as_ref().unwrap().data(),
                                part.array.unwrap().data()
                            );
                        }
                        (Err(whole), Err(part)) => {
                            assert_eq!(
                                (whole.kind(), whole.to_string()),
                                (part.kind(), part.to_string()),
                                "{what}"
                            );
                        }
                        (whole, part) => {
                            panic!("{what}: whole {whole:?}, in steps of {step} {part:?}")
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn arrays_in_a_row_are_read_one_by_one() {
    let (first, second) = (array("<i2[3]"), array(">f8[2,2]"));
    let bytes =
        [encode(&first, &EncodeOptions::checked()), encode(&second, &EncodeOptions::checked())]
            .concat();
    let mut reader = &bytes[..];
    let limits = ndbytes::Limits::untrusted();
    assert_eq!(ndbytes::from_reader(&mut reader, &limits).unwrap().data(), first.data());
    assert_eq!(ndbytes::from_reader(&mut reader, &limits).unwrap().dtype(), second.dtype());
    assert_eq!(
        ndbytes::from_reader(&mut reader, &limits).unwrap_err().to_string(),
        "npy header: the input is empty (at byte 0)"
    );
}

#[test]
fn the_machine_never_hands_out_more_space_than_it_may() {
    let header = b"\x93NUMPY\x02\x00\x00\x00\x0f\x00";
    let mut machine = HeaderDecoder::new(DecodeOptions::default());
    let mut given = 0;
    for byte in header.iter().chain(std::iter::repeat_n(&b' ', 70_000)) {
        let space = machine.space();
        assert!((1..=1 << 16).contains(&space.len()));
        space[0] = *byte;
        given += 1;
        assert!(machine.filled(1).unwrap().is_none(), "{given}");
    }
    let bytes = encode(&array("<u4[262145]"), &EncodeOptions::checked());
    let mut machine = HeaderDecoder::new(DecodeOptions::default());
    let mut rest = &bytes[..];
    let mut fill = |space: &mut [u8]| rest.read(space).unwrap();
    while {
        let n = fill(machine.space());
        machine.filled(n).unwrap().is_none()
    } {}
    let mut body = machine.body(Dest::Discard).unwrap();
    loop {
        let space = body.space().unwrap();
        assert!((1..=1 << 20).contains(&space.len()));
        let n = fill(space);
        if body.filled(n).unwrap() == Event::Done {
            break;
        }
    }
    assert!(body.finish().unwrap().array.is_none());
}

#[test]
fn the_caller_chooses_the_destination_or_refuses() {
    let source = array("<u2[4]");
    let bytes = encode(&source, &EncodeOptions::checked());
    let mut memory = [0; 8];
    let options = || DecodeOptions { checks: Checks::Required, ..Default::default() };
    let decoded = ndbytes::io::read_array(
        &bytes[..],
        options(),
        |_| Ok(Dest::Into(&mut memory)),
        &mut ndbytes::io::unwatched,
    );
    assert!(decoded.unwrap().array.is_none());
    assert_eq!(memory, source.data()[..]);
    let mut small = [0; 7];
    let error = ndbytes::io::read_array(
        &bytes[..],
        options(),
        |_| Ok(Dest::Into(&mut small)),
        &mut ndbytes::io::unwatched,
    );
    assert_eq!(error.unwrap_err().to_string(), "the array has 8 bytes, the destination 7");
    let expect: ndbytes::Spec = "<u2[5]".parse().unwrap();
    let refuse =
        |header: &ndbytes::Header| expect.check(&header.dtype, &header.shape).map(|()| Dest::Owned);
    let error = ndbytes::io::read_array(&bytes[..], options(), refuse, &mut ndbytes::io::unwatched)
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (&ndbytes::ErrorKind::Mismatch, "expected <u2[5], found <u2[4]")
    );
}
