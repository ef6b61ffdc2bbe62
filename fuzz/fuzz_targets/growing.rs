//! libFuzzer's door to [`ndbytes_fuzz::growing`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ndbytes_fuzz::growing(data));
