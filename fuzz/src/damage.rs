//! Damage to what was written, as an input describes it, and what must be said of it where that is known.

use crate::coded::Taken;
use crate::input::Input;
use crate::machine::{Fault, Read};
use ndbytes::{BLOCK, ErrorKind, Format};

/// Damages what reads as `original` up to three times: no damage passes for it. `read` is told whether the input
/// must end behind the array.
pub(crate) fn never_passes(
    mut input: Input<'_>,
    bytes: &[u8],
    original: &Read,
    read: impl Fn(&[u8], bool) -> Result<Read, Fault>,
) {
    let mut copy = bytes.to_vec();
    for _ in 0..3 {
        if input.is_empty() {
            return;
        }
        let damage = damage(&mut input, &mut copy, bytes);
        if copy == bytes {
            continue;
        }
        let answer = read(&copy, true);
        let Err(fault) = answer else {
            unreachable!("{damage:?} passed for the array: {answer:?}");
        };
        fault.says_where(copy.len());
        if let Some(damage) = damage {
            is_named(&damage, &fault, original, bytes);
        }
        // A reader that goes on behind the tail sees the original, or an error.
        if let Ok(read) = read(&copy, false) {
            assert_eq!(copy[..read.consumed], bytes[..], "damage passed for the array");
        }
    }
}

/// Damage to an untouched file, of which it is known what must be reported.
#[derive(Debug)]
enum Damage {
    Bit(usize),
    Cut(usize),
}

/// Damages the copy; says how, where it is the first damage and of a simple kind.
fn damage(input: &mut Input<'_>, copy: &mut Vec<u8>, bytes: &[u8]) -> Option<Damage> {
    let first = copy == bytes;
    let len = copy.len().max(1);
    let wide =
        |input: &mut Input<'_>| (usize::from(input.u16()) | usize::from(input.byte()) << 16) % len;
    let kind = input.byte();
    let (one, two, n) = (wide(input), wide(input), usize::from(input.byte()));
    if copy.is_empty() {
        return None;
    }
    match kind % 9 {
        0 | 1 => {
            copy[one] ^= 1 << (n % 8);
            return first.then_some(Damage::Bit(one));
        }
        2 => {
            copy.truncate(one);
            return first.then_some(Damage::Cut(one));
        }
        3 => copy.swap(one, two),
        // A part stands a second time over another, or is gone, or comes in twice.
        4 => copy.copy_within(one..len.min(one + n), two.min(len - n.min(len - one))),
        5 => drop(copy.drain(one..len.min(one + n))),
        6 => {
            let part = copy[one..len.min(one + n)].to_vec();
            copy.splice(two..two, part);
        }
        // Runs of bytes, or whole blocks, change places.
        7 => {
            let n = if n == 255 { BLOCK } else { n };
            let (low, high) = (one.min(two), one.max(two));
            let n = n.min(high - low).min(len - high);
            let (front, back) = copy.split_at_mut(high);
            front[low..low + n].swap_with_slice(&mut back[..n]);
        }
        _ => copy.extend(std::iter::repeat_n(0, n)),
    }
    None
}

/// One flipped bit is reported as its block, and in a frame as its header or tail; a cut as a cut.
fn is_named(damage: &Damage, fault: &Fault, original: &Read, bytes: &[u8]) {
    let header = original.header.len;
    let data_end = header + original.header.nbytes();
    let at = match damage {
        Damage::Bit(at) => *at as u64,
        Damage::Cut(at) => {
            assert_eq!(fault.kind, ErrorKind::Truncated, "{fault:?}");
            assert_eq!(fault.offset, Some(*at as u64), "{fault:?}");
            return;
        }
    };
    let is_frame = original.header.format == Format::Frame;
    if let (Some(frame), true) = (Taken::apart(bytes), at >= header) {
        let (block, range) = frame.part_at(at);
        assert_eq!(fault.kind, ErrorKind::Checksum { block, range }, "byte {at}: {fault:?}");
        return;
    }
    let (block, range) = match at {
        _ if (header..data_end).contains(&at) => {
            let block = (at - header) / BLOCK as u64;
            let start = header + block * BLOCK as u64;
            (Some(block), start..data_end.min(start + BLOCK as u64))
        }
        // Its magic and its length are used before any sum.
        0..8 | 12..16 => return,
        _ if !is_frame => return,
        _ if at < header => (None, 0..header),
        _ => (None, data_end..original.consumed as u64),
    };
    assert_eq!(fault.kind, ErrorKind::Checksum { block, range }, "a flip of byte {at}: {fault:?}");
}
