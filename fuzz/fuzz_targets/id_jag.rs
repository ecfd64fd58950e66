#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| deputy_fuzz_targets::run("id_jag", data));
