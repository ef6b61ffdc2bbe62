//! libFuzzer's door to [`ndbytes_fuzz::coded_index`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ndbytes_fuzz::coded_index(data));
