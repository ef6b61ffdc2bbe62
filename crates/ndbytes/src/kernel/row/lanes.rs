//! Which bytes shuffles move: tables for what is constant.

/// Bytes that a shuffle moves within.
pub(super) const LANE: usize = 16;

/// For each byte of a lane, which one moves there.
pub(super) type Lane = [u8; LANE];

/// The byte that moves nowhere: zero is put there.
const NONE: u8 = 0x80;

pub(super) const fn reversed<const N: usize>() -> Lane {
    let mut lane = [NONE; LANE];
    let mut to = 0;
    while to < LANE {
        lane[to] = index(LANE - N - to / N * N + to % N);
        to += 1;
    }
    lane
}

/// From lane `part` of groups to row `c`: `[c][part]`.
pub(super) const fn splits<const N: usize, const C: usize>() -> [[Lane; C]; C] {
    let mut table = [[[NONE; LANE]; C]; C];
    let mut from = 0;
    while from < C * LANE {
        let (group, c) = (from / N / C, from / N % C);
        table[c][from / LANE][group * N + from % N] = index(from % LANE);
        from += 1;
    }
    table
}

/// From row `c` to lane `part` of groups: `[part][c]`.
pub(super) const fn joins<const N: usize, const C: usize>() -> [[Lane; C]; C] {
    let mut table = [[[NONE; LANE]; C]; C];
    let mut to = 0;
    while to < C * LANE {
        let (group, c) = (to / N / C, to / N % C);
        table[to / LANE][c][to % LANE] = index(group * N + to % N);
        to += 1;
    }
    table
}

#[expect(clippy::cast_possible_truncation, reason = "below 16")]
const fn index(at: usize) -> u8 {
    assert!(at < LANE);
    at as u8
}
