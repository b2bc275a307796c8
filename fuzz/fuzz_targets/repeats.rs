#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| readme_metrics_fuzz::repeats::check(data));
