//! Forms and queries: no denied value is sent in any of the places where the log shows a form or a query.

use super::{assert_hidden, body, denied_in_form, expand, rules, sent};
use readme_metrics_core::redact::{Query, Treatment};

pub fn check(data: &[u8]) {
    let text = expand(data);
    let rules = rules(false);
    let denied = denied_in_form(&text);
    let form = body("application/x-www-form-urlencoded", &text);
    if !text.trim_ascii_start().starts_with(b"{") && !text.trim_ascii_start().starts_with(b"[") {
        assert_hidden(&denied, &text, &sent(&rules, &form));
    }
    let query = Query::new(&rules, &text);
    let params = query.params(&rules);
    let params: Vec<_> = params
        .iter()
        .map(|param| format!("{}={}", param.name, param.value))
        .collect();
    assert_hidden(&denied, &text, &params);
    assert_hidden(&denied, &text, &[query.url_text().to_string()]);
    if let Ok(query) = std::str::from_utf8(&text) {
        for name in ["Referer", "Location"] {
            let url = format!("https://host/path?{query}");
            assert_hidden(
                &denied,
                &text,
                &[Treatment::in_request(&rules, name)
                    .apply(&rules, &url)
                    .to_string()],
            );
        }
    }
}
