//! A link that loses, repeats, reorders and damages datagrams, in memory; the same from the same seed.

use ndbytes::datagram::{FragmentOptions, Fragmenter};
use ndbytes::{ArrayRef, Encode as _, Message, Piece, frame};

/// Xorshift.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let bits = u32::try_from(self.0 >> 32).unwrap();
        bits as usize % n
    }

    pub(crate) fn chance(&mut self, of: f64) -> bool {
        f64::from(u32::try_from(self.below(1 << 24)).unwrap()) < of * f64::from(1 << 24)
    }

    pub(crate) fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| u8::try_from(self.below(256)).unwrap()).collect()
    }
}

/// What a link does to datagrams: chances, and how many others one may be overtaken by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    pub(crate) loss: f64,
    pub(crate) repeat: f64,
    pub(crate) damage: f64,
    pub(crate) reorder: usize,
}

impl Link {
    /// What goes through; how many datagrams were lost or damaged.
    pub(crate) fn carry(self, sent: Vec<Vec<u8>>, rng: &mut Rng) -> (Vec<Vec<u8>>, usize) {
        let mut through: Vec<(usize, Vec<u8>)> = Vec::new();
        let mut gone = 0;
        for (at, datagram) in sent.into_iter().enumerate() {
            if rng.chance(self.loss) {
                gone += 1;
                continue;
            }
            let copies = 1 + usize::from(rng.chance(self.repeat));
            let mut is_whole = false;
            for _ in 0..copies {
                let mut copy = datagram.clone();
                if rng.chance(self.damage) {
                    for _ in 0..=rng.below(3) {
                        let bit = rng.below(copy.len() * 8);
                        copy[bit / 8] ^= 1 << (bit % 8);
                    }
                } else {
                    is_whole = true;
                }
                let later = rng.below(self.reorder + 1);
                through.push((at + later, copy));
            }
            gone += usize::from(!is_whole);
        }
        through.sort_by_key(|(at, _)| *at);
        (through.into_iter().map(|(_, datagram)| datagram).collect(), gone)
    }
}

/// The pieces of a message of arrays.
pub(crate) fn pieces<'a>(arrays: &[ArrayRef<'a>], message: Option<Message>) -> Vec<Piece<'a>> {
    let mut pieces = Vec::new();
    for (at, array) in arrays.iter().enumerate() {
        let mut options = frame::EncodeOptions::default();
        options.metadata.message = message.filter(|_| at == 0);
        let mut encoder = frame::Encoder::new(array, &options).unwrap();
        while let Some(piece) = encoder.next().unwrap() {
            pieces.push(piece);
        }
    }
    pieces
}

/// The datagrams of a message.
pub(crate) fn datagrams(
    pieces: Vec<Piece<'_>>,
    stream: u32,
    number: u64,
    options: &FragmentOptions,
) -> Vec<Vec<u8>> {
    let mut fragmenter = Fragmenter::new(pieces, stream, number, options).unwrap();
    let (mut all, mut space) = (Vec::new(), vec![0; fragmenter.datagram_len()]);
    let count = fragmenter.datagrams();
    while let Some(len) = fragmenter.next(&mut space).unwrap() {
        assert_eq!(len, space.len());
        all.push(space.clone());
    }
    assert_eq!(all.len() as u64, count);
    all
}
