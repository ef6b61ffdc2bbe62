//! libFuzzer's door to [`ndbytes_fuzz::zlib_bound`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ndbytes_fuzz::zlib_bound(data));
