//! Parity of groups of shards, by Reed–Solomon: of `k` shards and `m` of parity any `k` make the others.

use crate::error::{Error, Result};
use reed_solomon_simd::engine::DefaultEngine;
use reed_solomon_simd::rate::{HighRateDecoder, HighRateEncoder, RateDecoder, RateEncoder};

/// How many shards a group has, of data and of parity, and their bytes: a multiple of 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GroupSize {
    pub(crate) data: usize,
    pub(crate) parity: usize,
    pub(crate) shard: usize,
}

/// Makes parity; keeps its memory between groups.
///
/// The one arrangement of the code that `spec/WIRE.md` names is taken for any numbers, though another would be faster where there is
/// more parity than data.
#[derive(Default)]
pub(crate) struct ParityEncoder(Option<HighRateEncoder<DefaultEngine>>);

impl ParityEncoder {
    /// Begins a group, of which [`ParityEncoder::add`] takes each shard in order.
    pub(crate) fn begin(&mut self, size: GroupSize) -> Result<()> {
        let GroupSize { data, parity, shard } = size;
        match &mut self.0 {
            Some(encoder) => encoder.reset(data, parity, shard).map_err(refused),
            none => {
                let engine = DefaultEngine::new();
                let encoder = HighRateEncoder::new(data, parity, shard, engine, None);
                *none = Some(encoder.map_err(refused)?);
                Ok(())
            }
        }
    }

    pub(crate) fn add(&mut self, shard: &[u8]) -> Result<()> {
        let encoder = self.0.as_mut().ok_or_else(unbegun)?;
        encoder.add_original_shard(shard).map_err(refused)
    }

    /// Gives the shards of parity in order.
    pub(crate) fn finish(&mut self, mut each: impl FnMut(&[u8])) -> Result<()> {
        let made = self.0.as_mut().ok_or_else(unbegun)?.encode().map_err(refused)?;
        made.recovery_iter().for_each(&mut each);
        Ok(())
    }
}

/// Makes the shards again that a group has lost; keeps its memory between groups.
#[derive(Default)]
pub(crate) struct ParityMender(Option<HighRateDecoder<DefaultEngine>>);

impl ParityMender {
    /// Begins a group, of which at least as many shards must be added as it has of data.
    pub(crate) fn begin(&mut self, size: GroupSize) -> Result<()> {
        let GroupSize { data, parity, shard } = size;
        match &mut self.0 {
            Some(decoder) => decoder.reset(data, parity, shard).map_err(refused),
            none => {
                let engine = DefaultEngine::new();
                let decoder = HighRateDecoder::new(data, parity, shard, engine, None);
                *none = Some(decoder.map_err(refused)?);
                Ok(())
            }
        }
    }

    pub(crate) fn add_data(&mut self, index: usize, shard: &[u8]) -> Result<()> {
        let decoder = self.0.as_mut().ok_or_else(unbegun)?;
        decoder.add_original_shard(index, shard).map_err(refused)
    }

    pub(crate) fn add_parity(&mut self, index: usize, shard: &[u8]) -> Result<()> {
        let decoder = self.0.as_mut().ok_or_else(unbegun)?;
        decoder.add_recovery_shard(index, shard).map_err(refused)
    }

    /// Gives the shards of data that were not added, each with its index.
    pub(crate) fn finish(
        &mut self,
        mut each: impl FnMut(usize, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let made = self.0.as_mut().ok_or_else(unbegun)?.decode().map_err(refused)?;
        made.restored_original_iter().try_for_each(|(index, shard)| each(index, shard))
    }
}

impl std::fmt::Debug for ParityEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ParityEncoder")
    }
}

impl std::fmt::Debug for ParityMender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ParityMender")
    }
}

fn refused(error: reed_solomon_simd::Error) -> Error {
    Error::argument(format!("parity: {error}"))
}

fn unbegun() -> Error {
    Error::argument("parity: no group has begun")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The field as `spec/WIRE.md` says it: a product of two elements, each the exclusive or of elements of the Cantor basis.
    struct Field {
        exp: Vec<u16>,
        log: Vec<usize>,
        /// From bits of an element to the polynomial, and back.
        to: Vec<u16>,
        from: Vec<u16>,
    }

    const BASIS: [u16; 16] = [
        0x0001, 0xACCA, 0x3C0E, 0x163E, 0xC582, 0xED2E, 0x914C, 0x4012, 0x6C98, 0x10D8, 0x6A72,
        0xB900, 0xFDB8, 0xFB34, 0xFF38, 0x991E,
    ];

    impl Field {
        fn new() -> Self {
            let (mut exp, mut log) = (vec![0u16; 65_535], vec![0; 65_536]);
            let mut power = 1u32;
            for (at, slot) in exp.iter_mut().enumerate() {
                *slot = u16::try_from(power).unwrap();
                log[power as usize] = at;
                power <<= 1;
                if power > 0xffff {
                    power ^= 0x1002D;
                }
            }
            let (mut to, mut from) = (vec![0u16; 65_536], vec![0; 65_536]);
            for element in 0..=u16::MAX {
                let bits = (0..16).filter(|bit| element >> bit & 1 == 1);
                let sum = bits.fold(0, |sum, bit| sum ^ BASIS[bit]);
                (to[usize::from(element)], from[usize::from(sum)]) = (sum, element);
            }
            Self { exp, log, to, from }
        }

        fn log(&self, element: u16) -> usize {
            self.log[usize::from(self.to[usize::from(element)])]
        }

        fn product(&self, one: u16, two: u16) -> u16 {
            match (one, two) {
                (0, _) | (_, 0) => 0,
                _ => self.of(self.log(one) + self.log(two)),
            }
        }

        fn quotient(&self, one: u16, two: u16) -> u16 {
            if one == 0 { 0 } else { self.of(self.log(one) + 65_535 - self.log(two)) }
        }

        fn of(&self, log: usize) -> u16 {
            self.from[usize::from(self.exp[log % 65_535])]
        }

        /// What shard `i` of data is multiplied with for shard `j` of parity.
        fn factor(&self, i: usize, j: usize, m: usize) -> u16 {
            let (wide, j) = (m.next_power_of_two(), u16::try_from(j).unwrap());
            let x = u16::try_from(wide + i).unwrap();
            let s = (0..wide.ilog2()).fold(x, |s, _| self.product(s, s) ^ s);
            self.quotient(s, x ^ j)
        }
    }

    /// Element `at` of a shard: in each 64 bytes the low halves of 32 elements, then their high halves.
    fn element(shard: &[u8], at: usize) -> u16 {
        let low = at / 32 * 64 + at % 32;
        u16::from_le_bytes([shard[low], shard[low + 32]])
    }

    fn shards(count: usize, len: usize) -> Vec<Vec<u8>> {
        let byte = |at: usize, i: usize| (at * 131 + i * 71 + at * i / 7) % 256;
        let shard = |at| (0..len).map(|i| u8::try_from(byte(at, i)).unwrap()).collect();
        (0..count).map(shard).collect()
    }

    fn parity(data: &[Vec<u8>], size: GroupSize) -> Vec<Vec<u8>> {
        let mut encoder = ParityEncoder::default();
        encoder.begin(size).unwrap();
        data.iter().for_each(|shard| encoder.add(shard).unwrap());
        let mut made = Vec::new();
        encoder.finish(|shard| made.push(shard.to_vec())).unwrap();
        made
    }

    #[test]
    fn parity_is_what_the_specification_says() {
        let field = Field::new();
        for (data, count) in [(1, 1), (1, 2), (2, 1), (3, 5), (5, 3), (17, 4), (40, 13), (9, 40)] {
            let size = GroupSize { data, parity: count, shard: 128 };
            let shards = shards(data, 128);
            for (j, made) in parity(&shards, size).iter().enumerate() {
                for at in 0..64 {
                    let part = |(i, shard): (usize, &Vec<u8>)| {
                        field.product(field.factor(i, j, count), element(shard, at))
                    };
                    let sum = shards.iter().enumerate().map(part).fold(0, |sum, part| sum ^ part);
                    assert_eq!(sum, element(made, at), "{data} + {count}: {j}, {at}");
                }
            }
        }
    }

    #[test]
    fn any_k_of_them_make_the_others() {
        let mut mender = ParityMender::default();
        for (data, count) in [(1, 1), (1, 6), (4, 2), (7, 7), (30, 9)] {
            let size = GroupSize { data, parity: count, shard: 64 };
            let shards = shards(data, 64);
            let made = parity(&shards, size);
            for lost in 0..=count.min(data) {
                for turn in 0..data + count {
                    mender.begin(size).unwrap();
                    let gone = |at: usize| (at + turn) % (data + count) < count && at < data;
                    let missing: Vec<_> = (0..data).filter(|&at| gone(at)).take(lost).collect();
                    for at in (0..data).filter(|at| !missing.contains(at)) {
                        mender.add_data(at, &shards[at]).unwrap();
                    }
                    for (at, shard) in made.iter().enumerate().rev().take(missing.len()) {
                        mender.add_parity(at, shard).unwrap();
                    }
                    let mut mended = Vec::new();
                    let keep = |at: usize, shard: &[u8]| {
                        mended.push((at, shard.to_vec()));
                        Ok(())
                    };
                    mender.finish(keep).unwrap();
                    assert_eq!(mended.len(), missing.len());
                    assert!(mended.iter().all(|(at, shard)| *shard == shards[*at]));
                }
            }
        }
        assert!(ParityMender::default().add_data(0, &[0; 64]).is_err());
        assert!(mender.begin(GroupSize { data: 0, parity: 1, shard: 64 }).is_err());
    }
}
