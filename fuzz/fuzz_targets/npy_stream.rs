//! libFuzzer's door to [`ndbytes_fuzz::npy_stream`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ndbytes_fuzz::npy_stream(data));
