//! What is left of a damaged array.

use super::read::{fill_header, read, read_to_end};
use super::recover_blocks::recover_blocks;
use super::{Watch, unwatched};
use crate::buffer::BufferMut;
use crate::codec::{BLOCK, BlockSums};
use crate::error::Result;
use crate::format::{DecodeOptions, Header, HeaderDecoder, Metadata, Tail};
use std::io::Read;
use std::ops::Range;

/// An array that was read as far as it goes.
#[derive(Debug)]
pub struct Recovered {
    /// What its header says; with the true dtype, where a tail that holds names it.
    pub header: Header,
    /// Name and attributes, where what holds them is undamaged.
    pub metadata: Metadata,
    /// The data; zeros for what is missing.
    pub data: BufferMut,
    /// Bytes of the data that no sum vouches for, in order and apart: damaged or missing blocks, or all of them
    /// where the tail is.
    pub damaged: Vec<Range<u64>>,
}

/// Reads a checked `.npy` or a frame whose data or tail may be damaged or cut. Its header must hold.
///
/// # Errors
/// As [`HeaderDecoder::filled`]; [`Memory`](crate::ErrorKind::Memory); [`Io`](crate::ErrorKind::Io) from the reader,
/// and whatever `watch` returns.
pub fn recover(
    mut reader: impl Read,
    options: DecodeOptions,
    watch: Watch<'_>,
) -> Result<Recovered> {
    let limits = options.limits.clone();
    let mut machine = HeaderDecoder::new(options);
    let mut header = fill_header(&mut |space| read(&mut reader, space), &mut machine)?;
    if header.coding.is_some() {
        let bytes = read_to_end(reader, None, &limits, &mut unwatched)?;
        return recover_blocks(header, &bytes, watch);
    }
    let mut data = BufferMut::new(header.nbytes())?;
    let mut sums = BlockSums::default();
    let mut done = 0;
    while done < data.capacity() {
        let end = data.capacity().min(done + limits.grow.clamp(1, BLOCK));
        let n = read(&mut reader, data.space(done, end)?)?;
        if n == 0 {
            break;
        }
        sums.update(data.space(done, done + n)?);
        done += n;
        watch(header.len + done as u64)?;
    }
    let whole = done == data.capacity();
    let tail = if whole { tail(&mut reader, &header, &limits)? } else { None };
    let damaged = damaged(&header, tail.as_ref(), &sums.finish());
    let metadata = match tail {
        Some(tail) if !header.format.is_frame() => tail.metadata,
        _ => header.metadata.clone(),
    };
    if let Some(dtype) = metadata.dtype.clone().filter(|dtype| dtype.storage() == header.dtype) {
        header.dtype = dtype;
    }
    Ok(Recovered { header, metadata, data, damaged })
}

/// The tail that stands in the rest of the input, if it is one that holds.
fn tail(reader: &mut impl Read, header: &Header, limits: &crate::Limits) -> Result<Option<Tail>> {
    let most = Tail::size(header.format, header.nbytes(), limits.header);
    let mut bytes = Vec::new();
    reader.take(most).read_to_end(&mut bytes)?;
    let tail = Tail::decode(&bytes, header, limits).ok().filter(|tail| !tail.open);
    Ok(tail.filter(|tail| tail.verify_header(header).is_ok()))
}

/// The bytes of blocks whose sums are not those of the tail; all of them without a tail.
fn damaged(header: &Header, tail: Option<&Tail>, sums: &[u32]) -> Vec<Range<u64>> {
    let size = header.nbytes();
    let Some(tail) = tail else {
        return std::iter::once(0..size).filter(|all| !all.is_empty()).collect();
    };
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for (block, sum) in sums.iter().enumerate() {
        if tail.verify_block(header, block, *sum).is_ok() {
            continue;
        }
        let start = block as u64 * BLOCK as u64;
        let end = size.min(start + BLOCK as u64);
        match ranges.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => ranges.push(start..end),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::ArrayRef;
    use crate::io::{to_vec, unwatched};

    fn recovered(bytes: &[u8]) -> Result<(Vec<u8>, Vec<Range<u64>>)> {
        let mut found = recover(bytes, DecodeOptions::default(), &mut unwatched)?;
        Ok((found.data.all()?.to_vec(), found.damaged))
    }

    #[test]
    fn intact_blocks_come_back_and_the_others_are_named() {
        let size = 3 * BLOCK + 10;
        let values: Vec<u8> = (0..size).map(|i| u8::try_from(i % 251).unwrap()).collect();
        let bytes = to_vec(&ArrayRef::from_slice(&values, &[size]).unwrap()).unwrap();
        assert_eq!(recovered(&bytes).unwrap(), (values.clone(), vec![]));

        let mut flipped = bytes.clone();
        flipped[128 + BLOCK + 5] ^= 1;
        flipped[128 + 3 * BLOCK] ^= 1;
        let (data, damaged) = recovered(&flipped).unwrap();
        let (block, all) = (BLOCK as u64, size as u64);
        assert_eq!(damaged, [block..2 * block, 3 * block..all]);
        assert_eq!(data[..BLOCK], values[..BLOCK]);
        assert_eq!(data[2 * BLOCK..3 * BLOCK], values[2 * BLOCK..3 * BLOCK]);

        // Without the tail nothing vouches for anything; what has not come is zeros.
        for cut in [128, 128 + 7, 128 + size, bytes.len() - 1] {
            let (data, damaged) = recovered(&bytes[..cut]).unwrap();
            assert_eq!(damaged, std::slice::from_ref(&(0..all)));
            let there = (cut - 128).min(size);
            assert!(data[..there] == values[..there] && data[there..].iter().all(|&b| b == 0));
        }
        assert!(recovered(&bytes[..100]).is_err());
    }
}
