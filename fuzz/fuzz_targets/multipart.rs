//! Multipart: no denied value is sent, however a parser may cut up the body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use readme_metrics_fuzz::{body, check, denied_in_multipart, expand, rules, sent};

fuzz_target!(|data: &[u8]| {
    let text = expand(data);
    let multipart = body("multipart/form-data; boundary=B", &text);
    check(
        &denied_in_multipart(&text),
        &text,
        &sent(&rules(false), &multipart),
    );
});
