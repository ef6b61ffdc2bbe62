//! libFuzzer's door to [`ndbytes_fuzz::npz`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ndbytes_fuzz::npz(data));
