//! Bare deflate streams.

use super::{Effort, Engine, undecodable};
use crate::codec::deflate::{Deflater, Inflater, Level};
use crate::error::Result;

pub(super) fn encode(effort: Effort, mut from: &[u8], to: &mut [u8]) -> Result<Option<usize>> {
    let level = match effort {
        Effort::Quick => 1,
        Effort::Dense => 6,
        Effort::Level(level) => u32::try_from(level).unwrap_or_default(),
    };
    let mut deflater = Deflater::bare(Level::new(level)?);
    let mut len = 0;
    loop {
        let Some(space) = to.get_mut(len..).filter(|space| !space.is_empty()) else {
            return Ok(None);
        };
        let step =
            if from.is_empty() { deflater.finish(space)? } else { deflater.step(from, space)? };
        from = from.get(step.taken..).unwrap_or_default();
        len += step.made;
        if step.end {
            return Ok(Some(len));
        }
    }
}

pub(super) fn decode(mut from: &[u8], to: &mut [u8]) -> Result<()> {
    let (mut inflater, mut len, wanted) = (Inflater::bare(), 0, to.len());
    // One byte more than is wanted, to see a stream that goes on.
    let mut more = [0];
    loop {
        let space = match to.get_mut(len..) {
            Some(space) if !space.is_empty() => space,
            _ => &mut more[..],
        };
        let step = inflater
            .step(from, space)
            .map_err(|error| undecodable(Engine::Deflate, error.message()))?;
        from = from.get(step.taken..).unwrap_or_default();
        len += step.made;
        let problem = match () {
            () if len > wanted => format!("more than {wanted} bytes"),
            () if step.end && len < wanted => format!("{len} bytes instead of {wanted}"),
            () if step.end && !from.is_empty() => format!("{} bytes behind its end", from.len()),
            () if step.end => return Ok(()),
            () if step.taken == 0 && step.made == 0 => "the stream is cut".to_owned(),
            () => continue,
        };
        return Err(undecodable(Engine::Deflate, problem));
    }
}
