//! Bytes to and from one Zstandard frame, in pieces, by the C library.

use super::deflate::Step;
use super::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use zstd_safe::zstd_sys::ZSTD_EndDirective::{self, ZSTD_e_continue, ZSTD_e_end};
use zstd_safe::{CCtx, CParameter, DCtx, InBuffer, OutBuffer, get_error_name};

/// Compresses bytes that come in pieces into one frame; its caller moves them.
pub(crate) struct ZstdPacker {
    context: CCtx<'static>,
    end: bool,
}

impl ZstdPacker {
    /// A frame that has not begun; it says how long what it holds is, where that is known.
    ///
    /// # Errors
    /// Argument for another level than 1 to 19; Memory.
    pub(crate) fn new(level: i32, size: Option<u64>) -> Result<Self> {
        let (least, most, _) = Engine::Zstd.levels().unwrap_or_default();
        if !(least..=most).contains(&level) {
            let message = format!("the level of zstd is {level}; {least} to {most} are allowed");
            return Err(Error::argument(message));
        }
        let mut context = CCtx::try_create().ok_or_else(|| Error::memory(1 << 17))?;
        let set = context.set_parameter(CParameter::CompressionLevel(level));
        set.and_then(|_| context.set_pledged_src_size(size)).map_err(no_memory)?;
        Ok(Self { context, end: false })
    }

    /// Takes bytes in; what it takes may come out in a later call.
    ///
    /// # Errors
    /// Argument for more bytes than was said; Memory.
    pub(crate) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step> {
        self.run(input, output, ZSTD_e_continue)
    }

    /// Ends the frame. Call it until [`Step::end`].
    ///
    /// # Errors
    /// Argument for fewer bytes than was said; Memory.
    pub(crate) fn finish(&mut self, output: &mut [u8]) -> Result<Step> {
        self.run(&[], output, ZSTD_e_end)
    }

    fn run(&mut self, input: &[u8], output: &mut [u8], op: ZSTD_EndDirective) -> Result<Step> {
        if self.end {
            return Ok(Step { taken: 0, made: 0, end: true });
        }
        let (mut input, mut output) = (InBuffer::around(input), OutBuffer::around(output));
        let left = self.context.compress_stream2(&mut output, &mut input, op);
        let (taken, made) = (input.pos(), output.pos());
        match left {
            Ok(left) => {
                self.end = op == ZSTD_e_end && left == 0;
                Ok(Step { taken, made, end: self.end })
            }
            Err(code) if get_error_name(code).contains("size") => {
                Err(Error::argument("zstd: other bytes came than were said to come"))
            }
            Err(code) => Err(no_memory(code)),
        }
    }
}

/// Decompresses one frame that comes in pieces; its caller moves them, and says how much may come out.
pub(crate) struct ZstdUnpacker {
    context: DCtx<'static>,
    taken: u64,
    end: bool,
}

impl ZstdUnpacker {
    /// At the first byte of a frame.
    ///
    /// # Errors
    /// Memory.
    pub(crate) fn new() -> Result<Self> {
        let context = DCtx::try_create().ok_or_else(|| Error::memory(1 << 17))?;
        Ok(Self { context, taken: 0, end: false })
    }

    /// Bytes of the frame so far.
    pub(crate) fn total_in(&self) -> u64 {
        self.taken
    }

    /// Takes compressed bytes in and puts decompressed ones out, never more than there is room for, and nothing that stands behind
    /// the frame.
    ///
    /// # Errors
    /// Malformed, with the byte of the frame.
    pub(crate) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step> {
        if self.end {
            return Ok(Step { taken: 0, made: 0, end: true });
        }
        let (mut input, mut output) = (InBuffer::around(input), OutBuffer::around(output));
        let hint = self.context.decompress_stream(&mut output, &mut input);
        let (taken, made) = (input.pos(), output.pos());
        self.taken = self.taken.saturating_add(taken as u64);
        let hint = hint.map_err(|code| {
            Error::malformed(format!("the zstd frame: {}", get_error_name(code))).at(self.taken)
        })?;
        self.end = hint == 0;
        Ok(Step { taken, made, end: self.end })
    }

    /// The frame's input has ended: is it complete?
    ///
    /// # Errors
    /// Truncated, with the byte, if it is not.
    pub(crate) fn input_ended(&self) -> Result<()> {
        match (self.end, self.taken) {
            (true, _) => Ok(()),
            (false, 0) => Err(Error::truncated("no zstd frame: the input is empty").at(0)),
            (false, end) => {
                let message =
                    format!("the zstd frame is cut: the input ends after {end} bytes of it");
                Err(Error::truncated(message).at(end))
            }
        }
    }
}

impl std::fmt::Debug for ZstdPacker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ZstdPacker").field("end", &self.end).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ZstdUnpacker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ZstdUnpacker").field("taken", &self.taken).finish_non_exhaustive()
    }
}

fn no_memory(code: usize) -> Error {
    Error::new(ErrorKind::Memory, format!("zstd: {}", get_error_name(code)))
}
