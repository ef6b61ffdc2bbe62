//! pco standalone files of numbers.

use super::{Effort, Engine, undecodable};
use crate::codec::block::{Elements, Kind};
use crate::error::Result;
use bytemuck::{cast_slice, pod_collect_to_vec};
use pco::ChunkConfig;
use pco::data_types::Number;
use pco::standalone::{simple_compress, simple_decompress_into};

/// Calls a function for the number type of these elements, or gives `$else` where pco has none.
macro_rules! with_type {
    ($elements:expr, $function:ident($($argument:expr),*), $else:expr) => {
        match ($elements.kind, $elements.width) {
            (Kind::Unsigned, 2) => $function::<u16>($($argument),*),
            (Kind::Unsigned, 4) => $function::<u32>($($argument),*),
            (Kind::Unsigned, 8) => $function::<u64>($($argument),*),
            (Kind::Signed, 2) => $function::<i16>($($argument),*),
            (Kind::Signed, 4) => $function::<i32>($($argument),*),
            (Kind::Signed, 8) => $function::<i64>($($argument),*),
            (Kind::Float, 2) => $function::<half::f16>($($argument),*),
            (Kind::Float, 4) => $function::<f32>($($argument),*),
            (Kind::Float, 8) => $function::<f64>($($argument),*),
            _ => $else,
        }
    };
}

pub(super) fn encode(
    effort: Effort,
    elements: Elements,
    from: &[u8],
    to: &mut [u8],
) -> Result<Option<usize>> {
    let level = match effort {
        Effort::Quick | Effort::Dense => 8,
        Effort::Level(level) => usize::try_from(level).unwrap_or_default(),
    };
    let config = ChunkConfig::default().with_compression_level(level);
    let made = with_type!(elements, compressed(from, &config), None);
    Ok(made.and_then(|made| {
        to.get_mut(..made.len())?.copy_from_slice(&made);
        Some(made.len())
    }))
}

fn compressed<T: Number + bytemuck::Pod>(from: &[u8], config: &ChunkConfig) -> Option<Vec<u8>> {
    simple_compress::<T>(&native(from), config).ok()
}

pub(super) fn decode(elements: Elements, from: &[u8], to: &mut [u8]) -> Result<()> {
    let wrong = || Err(undecodable(Engine::Pco, "it has no type for such elements"));
    with_type!(elements, decompressed(from, to), wrong())
}

fn decompressed<T: Number + bytemuck::Pod>(from: &[u8], to: &mut [u8]) -> Result<()> {
    let mut numbers = vec![T::zeroed(); to.len() / size_of::<T>()];
    if !to.len().is_multiple_of(size_of::<T>()) {
        return Err(undecodable(Engine::Pco, "a part of a number"));
    }
    let progress = simple_decompress_into(from, &mut numbers)
        .map_err(|error| undecodable(Engine::Pco, error))?;
    if progress.n_processed != numbers.len() || !progress.finished {
        let (made, wanted) = (progress.n_processed, numbers.len());
        let more = if progress.finished { "" } else { " and more" };
        return Err(undecodable(Engine::Pco, format!("{made} numbers{more} instead of {wanted}")));
    }
    to.copy_from_slice(cast_slice(&numbers));
    if cfg!(target_endian = "big") {
        to.chunks_exact_mut(size_of::<T>()).for_each(<[u8]>::reverse);
    }
    Ok(())
}

/// The numbers that little-endian bytes are.
fn native<T: bytemuck::Pod>(bytes: &[u8]) -> Vec<T> {
    if cfg!(target_endian = "little") {
        return pod_collect_to_vec(bytes);
    }
    let mut bytes = bytes.to_vec();
    bytes.chunks_exact_mut(size_of::<T>()).for_each(<[u8]>::reverse);
    pod_collect_to_vec(&bytes)
}
