//! One block of a stream that is compressed in blocks.

use super::{Deflater, Level, Step};
use crate::error::Result;

/// The bare stream of `bytes` alone: with its end if it is the `last` of its stream, or else up to a byte, behind which
/// others may stand.
pub(super) fn pack_block(bytes: &[u8], last: bool, level: Level) -> Result<Vec<u8>> {
    let mut deflater = Deflater::bare(level);
    let mut out = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let step = run(&mut out, |space| deflater.step(rest, space))?;
        rest = rest.get(step.taken..).unwrap_or_default();
    }
    loop {
        let step =
            run(
                &mut out,
                |space| if last { deflater.finish(space) } else { deflater.flush(space) },
            )?;
        if step.end || !last && step.made < ROOM {
            return Ok(out);
        }
    }
}

/// Bytes that one step may make.
const ROOM: usize = 1 << 16;

fn run(out: &mut Vec<u8>, step: impl FnOnce(&mut [u8]) -> Result<Step>) -> Result<Step> {
    let len = out.len();
    out.resize(len + ROOM, 0);
    let step = step(out.get_mut(len..).unwrap_or_default())?;
    out.truncate(len + step.made);
    Ok(step)
}
