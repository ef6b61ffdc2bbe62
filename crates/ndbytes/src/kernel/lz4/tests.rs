//! The decoder on every set of instructions, against the block format (lz4_Block_format.md) read byte by byte.

use proptest::prelude::*;

use super::*;

/// One byte after the other.
fn naive(from: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut bytes = from.iter().copied();
    let length = |nibble: u8, bytes: &mut dyn Iterator<Item = u8>| -> Option<usize> {
        let mut len = usize::from(nibble);
        if nibble == 15 {
            loop {
                let byte = bytes.next()?;
                len += usize::from(byte);
                if byte != 255 {
                    break;
                }
            }
        }
        Some(len)
    };
    let mut to = Vec::new();
    loop {
        let token = bytes.next()?;
        for _ in 0..length(token >> 4, &mut bytes)? {
            to.push(bytes.next()?);
        }
        if to.len() > most {
            return None;
        }
        let Some(low) = bytes.next() else { return Some(to) };
        let back = usize::from(low) + 256 * usize::from(bytes.next()?);
        let len = length(token & 15, &mut bytes)? + 4;
        if back == 0 || back > to.len() || to.len() + len > most {
            return None;
        }
        for _ in 0..len {
            to.push(to[to.len() - back]);
        }
    }
}

/// Decodes between other bytes, which must stay as they are.
fn decoded(isa: Isa, from: &[u8], room: usize) -> Option<Vec<u8>> {
    let mut space = vec![0xA5; room + 2 * LANE];
    let made = decode_by(isa, from, &mut space[LANE..][..room]);
    assert!(space[..LANE].iter().chain(&space[LANE + room..]).all(|&byte| byte == 0xA5));
    made.map(|len| space[LANE..][..len].to_vec())
}

fn check(from: &[u8], rooms: impl IntoIterator<Item = usize>) {
    for room in rooms {
        let expected = naive(from, room);
        for isa in Isa::all() {
            assert_eq!(decoded(isa, from, room), expected, "{isa:?}, room {room}");
        }
    }
}

/// A sequence: its literals, and how far back its match is, and how long.
fn sequence(to: &mut Vec<u8>, literals: &[u8], found: Option<(u16, usize)>) {
    let len = found.map_or(0, |(_, len)| len - LEAST);
    let nibble = |len: usize| u8::try_from(len.min(MORE)).unwrap();
    let go_on = |to: &mut Vec<u8>, len: usize| {
        if let Some(rest) = len.checked_sub(MORE) {
            to.extend(std::iter::repeat_n(255, rest / 255));
            to.push(u8::try_from(rest % 255).unwrap());
        }
    };
    to.push(nibble(literals.len()) << 4 | nibble(len));
    go_on(to, literals.len());
    to.extend(literals);
    if let Some((back, _)) = found {
        to.extend(back.to_le_bytes());
        go_on(to, len);
    }
}

#[test]
fn every_distance_and_length_at_every_distance_from_the_end() {
    let lens: &[usize] = if cfg!(miri) {
        &[4, 19, 300]
    } else {
        &[4, 5, 15, 16, 17, 18, 19, 31, 40, 255, 300, 5000]
    };
    for &len in lens {
        for back in (1..40).chain([64, 65, 200]).step_by(if cfg!(miri) { 7 } else { 1 }) {
            let literals: Vec<u8> = (0..).take(usize::from(back).max(3)).collect();
            for tail in [0, 1, 15, 16, 17, 70, 300] {
                let mut bytes = Vec::new();
                sequence(&mut bytes, &literals, Some((back, len)));
                sequence(&mut bytes, &vec![7; tail], None);
                let whole = literals.len() + len + tail;
                check(&bytes, [whole, whole - 1, whole + 1, whole + 100]);
            }
        }
    }
}

fn sequences() -> impl Strategy<Value = Vec<u8>> {
    let one = (0usize..300, 1u16..400, 4usize..400, any::<bool>(), any::<u8>());
    prop::collection::vec(one, 1..40).prop_map(|sequences| {
        let (mut to, mut made) = (Vec::new(), 0);
        for (count, back, len, is_short, byte) in sequences {
            let (count, len) = if is_short { (count % 18, 4 + len % 18) } else { (count, len) };
            let count = count.max(usize::from(made == 0));
            let literals: Vec<u8> = (byte..=255).cycle().take(count).collect();
            made += count;
            let back = back.min(u16::try_from(made).unwrap_or(u16::MAX));
            sequence(&mut to, &literals, Some((back, len)));
            made += len;
        }
        sequence(&mut to, b"the end", None);
        to
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 512 }))]

    #[test]
    fn sequences_become_what_they_say(bytes in sequences(), more in 0usize..200) {
        let len = naive(&bytes, usize::MAX).unwrap().len();
        check(&bytes, [len, len + more, len.saturating_sub(more)]);
    }

    #[test]
    fn whatever_comes_is_decoded_alike(
        bytes in sequences(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut bytes = bytes;
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(if is_cut { cut.index(bytes.len()) } else { bytes.len() });
        check(&bytes, [0, 100, 2000, 20_000]);
    }

    #[test]
    fn noise_is_decoded_alike(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&bytes, [0, 60, 500]);
    }
}
