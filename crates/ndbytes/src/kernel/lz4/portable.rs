//! Lanes as arrays.

use super::{LANE, Lanes};

pub(super) fn decode(from: &[u8], to: &mut [u8]) -> Option<usize> {
    super::decode_with(&Plain, from, to)
}

struct Plain;

/// For each number of bytes below a lane: a lane of which these are left, and the sum of the powers of 256 by which they are repeated.
const KEPT: [u128; LANE + 1] = {
    let mut kept = [u128::MAX; LANE + 1];
    let mut near = 0;
    while near < LANE {
        kept[near] = (1 << (8 * near)) - 1;
        near += 1;
    }
    kept
};
const TIMES: [u128; LANE + 1] = {
    let mut times = [0; LANE + 1];
    let mut near = 1;
    while near <= LANE {
        let mut at = 0;
        while at < LANE {
            times[near] |= 1 << (8 * at);
            at += near;
        }
        near += 1;
    }
    times
};

impl Lanes for Plain {
    type Lane = [u8; LANE];

    #[inline(always)]
    fn load(&self, from: &[u8; LANE]) -> Self::Lane {
        *from
    }

    #[inline(always)]
    fn store(&self, to: &mut [u8; LANE], lane: Self::Lane) {
        *to = lane;
    }

    #[inline(always)]
    fn repeated(&self, from: &[u8; LANE], near: usize) -> Self::Lane {
        match near {
            LANE => *from,
            1 => [from[0]; LANE],
            // The bytes do not overlap, so nothing is carried.
            _ => (u128::from_le_bytes(*from) & KEPT[near]).wrapping_mul(TIMES[near]).to_le_bytes(),
        }
    }
}
