//! libFuzzer's door to [`ndbytes_fuzz::frame_stream`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ndbytes_fuzz::frame_stream(data));
