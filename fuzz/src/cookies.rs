//! Cookies: no value of a denied cookie is sent, however a parser may cut the header.

use std::collections::HashSet;

use super::{KEY, assert_hidden, expand, rules, secrets};
use readme_metrics_core::redact::Treatment;

pub fn check(data: &[u8]) {
    let text = expand(data);
    let Ok(value) = std::str::from_utf8(&text) else {
        return;
    };
    let rules = rules(false);
    let sent = Treatment::in_request(&rules, "Cookie").apply(&rules, value);
    assert_hidden(&denied(&text), &text, &[sent.to_string()]);

    let sent = Treatment::in_response(&rules, "Set-Cookie").apply(&rules, value);
    let cookie = text.split(|byte| *byte == b';').next().unwrap_or_default();
    assert_hidden(&denied(cookie), &text, &[sent.to_string()]);
}

/// The secrets under the denied name, split at `;` alone or at `,` as well, whether quoted or not.
fn denied(header: &[u8]) -> HashSet<Vec<u8>> {
    let mut denied = HashSet::new();
    for separators in [&b";"[..], b";,"] {
        for pair in header.split(|byte| separators.contains(byte)) {
            if let Some(equals) = pair.iter().position(|&byte| byte == b'=')
                && pair[..equals].trim_ascii() == KEY.as_bytes()
            {
                denied.extend(secrets(&pair[equals..]));
            }
        }
    }
    denied
}
