//! libFuzzer's door to [`ndbytes_fuzz::coded_mutated`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ndbytes_fuzz::coded_mutated(data));
