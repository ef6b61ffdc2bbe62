//! libFuzzer's door to [`ndbytes_fuzz::checksum_tail`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ndbytes_fuzz::checksum_tail(data));
