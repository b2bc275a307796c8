//! Forms and queries: no denied value is sent, in any of the places that it goes to.
#![no_main]

use libfuzzer_sys::fuzz_target;
use readme_metrics_core::redact::{query_params, query_text, request_header};
use readme_metrics_fuzz::{body, check, denied_in_form, expand, rules, sent};

fuzz_target!(|data: &[u8]| {
    let text = expand(data);
    let rules = rules(false);
    let denied = denied_in_form(&text);
    let form = body("application/x-www-form-urlencoded", &text);
    if !text.trim_ascii_start().starts_with(b"{") && !text.trim_ascii_start().starts_with(b"[") {
        check(&denied, &text, &sent(&rules, &form));
    }
    let params = query_params(&rules, &text);
    let params = params
        .iter()
        .map(|p| format!("{}={}&", p.name, p.value))
        .collect();
    check(
        &denied,
        &text,
        &[params, query_text(&rules, &text).to_string()],
    );
    if let Ok(query) = std::str::from_utf8(&text) {
        for name in ["Referer", "Location"] {
            let url = format!("https://host/path?{query}");
            check(
                &denied,
                &text,
                &[request_header(&rules, name, &url).to_string()],
            );
        }
    }
});
