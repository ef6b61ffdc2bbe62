//! libFuzzer's door to [`ndbytes_fuzz::descr`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ndbytes_fuzz::descr(data));
