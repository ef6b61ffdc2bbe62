//! Bare deflate streams to memory of known size, by the one engine that has to be asked in C.
#![allow(
    unsafe_code,
    reason = "the crate over this engine that is safe does not say where a stream ends"
)]

use libdeflate_sys::{
    libdeflate_alloc_decompressor, libdeflate_deflate_decompress_ex, libdeflate_free_decompressor,
    libdeflate_result_LIBDEFLATE_SUCCESS as SUCCESS,
};

/// Inflates the stream at the front of `packed`, if that fits into `out`: how many bytes it took and how many it made.
/// None for what is no stream, does not fit, or where there is no memory for it; the output may be anything then.
pub(crate) fn inflate(packed: &[u8], out: &mut [u8]) -> Option<(usize, usize)> {
    // SAFETY: it may be called at any time.
    let engine = unsafe { libdeflate_alloc_decompressor() };
    if engine.is_null() {
        return None;
    }
    let (mut taken, mut made) = (0, 0);
    // SAFETY: the engine is there and used by this call alone; it reads and writes within these two slices.
    let result = unsafe {
        libdeflate_deflate_decompress_ex(
            engine,
            packed.as_ptr().cast(),
            packed.len(),
            out.as_mut_ptr().cast(),
            out.len(),
            &raw mut taken,
            &raw mut made,
        )
    };
    // SAFETY: it came from the call above, and nobody has it any more.
    unsafe { libdeflate_free_decompressor(engine) };
    (result == SUCCESS).then_some((taken, made))
}

#[cfg(test)]
mod tests {
    use super::inflate;

    #[test]
    fn a_stream_is_as_long_as_it_is() {
        // "aaaa" stored, and bytes behind it.
        let stream = *b"\x01\x04\0\xfb\xffaaaabehind";
        let mut out = [0; 6];
        assert_eq!(inflate(&stream, &mut out), Some((9, 4)));
        assert_eq!(&out, b"aaaa\0\0");
        assert_eq!(inflate(&stream, &mut out[..3]), None);
        assert_eq!(inflate(&stream[..8], &mut out), None);
        assert_eq!(inflate(&[], &mut []), None);
        assert_eq!(inflate(&[3, 0], &mut []), Some((2, 0)));
    }
}
