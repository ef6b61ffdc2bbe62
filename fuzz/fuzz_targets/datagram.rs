//! libFuzzer's door to [`ndbytes_fuzz::datagram`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ndbytes_fuzz::datagram(data));
