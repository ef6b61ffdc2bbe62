//! BLAKE3's tree, of which threads make the parts.

use super::{Digest, STEP};
use crate::error::Result;
use crate::threads::Threads;
use blake3::hazmat::{HasherExt as _, Mode, merge_subtrees_non_root, merge_subtrees_root};

/// Bytes of a subtree of the hash, which one thread makes: a power of two.
pub(super) const SUBTREE: usize = 1 << 21;
/// From this many bytes on a second thread gains more than its start costs.
const PARALLEL: usize = 2 * SUBTREE;

/// The digest of items that lie in memory as they are hashed, behind `lead`.
pub(super) fn of_run(
    lead: &[u8],
    run: &[u8],
    threads: Threads,
    told: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<Digest> {
    let mut done = 0;
    let first = SUBTREE.saturating_sub(lead.len()).min(run.len());
    if threads == Threads::ONE || run.len() < PARALLEL || first == 0 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(lead);
        for part in run.chunks(STEP) {
            hasher.update(part);
            done += part.len() as u64;
            told(done)?;
        }
        return Ok(Digest(*hasher.finalize().as_bytes()));
    }
    // Whole subtrees of the hash, which can be made apart.
    let (first, rest) = run.split_at_checked(first).unwrap_or((run, &[]));
    let mut parts = vec![(0, lead, first)];
    parts.extend((1..).zip(rest.chunks(SUBTREE)).map(|(number, part)| (number, &[][..], part)));
    let mut found = vec![[0; Digest::LEN]; parts.len()];
    let work = |(number, lead, part): (usize, &[u8], &[u8])| {
        let mut hasher = blake3::Hasher::new();
        hasher.set_input_offset((number * SUBTREE) as u64).update(lead).update(part);
        Ok((number, part.len(), hasher.finalize_non_root()))
    };
    threads.run(parts, &work, &mut |(number, len, value)| {
        found.iter_mut().skip(number).take(1).for_each(|place| *place = value);
        done += len as u64;
        told(done)
    })?;
    let (left, right) = halves(&found);
    let root = merge_subtrees_root(&joined(left), &joined(right), Mode::Hash);
    Ok(Digest(*root.as_bytes()))
}

/// The value above subtrees of one size, but for the last.
fn joined(values: &[[u8; Digest::LEN]]) -> [u8; Digest::LEN] {
    match values {
        [] => [0; Digest::LEN],
        [one] => *one,
        _ => {
            let (left, right) = halves(values);
            merge_subtrees_non_root(&joined(left), &joined(right), Mode::Hash)
        }
    }
}

/// BLAKE3's way to cut two or more in two: as many of a power of two on the left as leave something.
fn halves<T>(values: &[T]) -> (&[T], &[T]) {
    let left = values.len().next_power_of_two() / 2;
    values.split_at_checked(left).unwrap_or((values, &[]))
}
