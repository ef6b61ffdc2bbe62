//! libFuzzer's door to [`ndbytes_fuzz::coded_stream`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ndbytes_fuzz::coded_stream(data));
