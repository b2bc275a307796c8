//! JSON: no denied value is sent; all other values are sent verbatim. Text that is not JSON is not sent at all.

use super::{KEY, assert_hidden, body, denied_in_json, expand, json_members, rules, sent};
use serde::de::IgnoredAny;

pub fn check(data: &[u8]) {
    let Some((options, data)) = data.split_first() else {
        return;
    };
    let text = expand(data);
    let content_type = [
        "application/json",
        "text/plain",
        "application/x-www-form-urlencoded",
    ][usize::from(options % 3)];
    let outputs = sent(&rules(options & 0x80 != 0), &body(content_type, &text));
    assert_hidden(&denied_in_json(&text), &text, &outputs);

    let outputs = sent(&rules(false), &body("application/json", &text));
    let Ok(text) = std::str::from_utf8(&text) else {
        return;
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let is_sent = !outputs[1].starts_with("[WITHHELD");
    let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
    // Numbers that Python's parser takes and `serde_json` does not.
    if !text.contains("NaN") && !text.contains("Infinity") {
        assert_eq!(is_sent, is_json || text.trim_ascii().is_empty(), "{text:?}");
    }
    let Some(members) = json_members(text) else {
        return;
    };
    let output = json_members(&outputs[1]).expect("what was JSON is JSON");
    assert_eq!(members.len(), output.len());
    for ((key, value), (output_key, output)) in members.iter().zip(&output) {
        assert_eq!(key, output_key);
        if key == KEY {
            assert!(output.get().starts_with("\"[REDACTED"));
        } else {
            assert_eq!(value.get(), output.get());
        }
    }
}
