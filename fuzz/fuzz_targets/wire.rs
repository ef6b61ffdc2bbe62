//! libFuzzer's door to [`ndbytes_fuzz::wire`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ndbytes_fuzz::wire(data));
