//! libFuzzer's door to [`ndbytes_fuzz::coded_filters`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ndbytes_fuzz::coded_filters(data));
