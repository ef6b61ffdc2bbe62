//! The array of a file: its data are read straight to where they stay, by several threads where they are many.

use super::file::Input;
use super::read::{fill_header, read, run_body, settled};
use super::{Watch, read_whole};
use crate::error::Result;
use crate::format::{DecodeOptions, Decoded, Dest, Header, HeaderDecoder, Shares};
use crate::threads::Threads;

/// Reads the array of a file as [`read_whole`] does, from its first byte on; its length is held against the header before memory
/// is taken, unless it is compressed.
///
/// # Errors
/// As [`read_whole`].
pub fn read_file<'d>(
    input: Input,
    mut options: DecodeOptions,
    choose: impl FnOnce(&Header) -> Result<Dest<'d>>,
    threads: Threads,
    watch: Watch<'_>,
) -> Result<Decoded> {
    options.input_len = input.len();
    if options.input_len.is_none() {
        return read_whole(input, options, choose, watch);
    }
    options.whole = true;
    #[cfg(feature = "deflate")]
    {
        let mut front = super::sniff(input.at(0))?;
        if front.container().is_some() {
            return front.read_whole(options, choose, watch);
        }
    }
    let (header, mut machine) = settled(|| {
        let (mut front, mut machine) = (input.at(0), HeaderDecoder::new(options.clone()));
        let header = fill_header(&mut |space| read(&mut front, space), &mut machine)?;
        Ok((header, machine))
    })?;
    if header.grown().is_some() {
        machine.set_input_len(input.measured()?);
    }
    let start = header.len;
    let mut body = machine.body(choose(&header)?)?;
    let fetch = |at: u64, space: &mut [u8]| read(&mut input.at(start + at), space);
    // Elsewhere the threads would share one place in the file.
    let threads = if cfg!(unix) { threads } else { Threads::ONE };
    let fetched =
        body.fetch(&fetch, Shares::default(), threads, &mut |seen| watch(start + seen))?;
    let mut rest = input.at(start + fetched);
    run_body(&mut |space| read(&mut rest, space), &mut body, &mut |seen| {
        watch(start + fetched + seen)
    })?;
    body.finish()
}
