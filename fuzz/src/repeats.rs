//! Repeats: a denied parameter of the query does not stand in a text that repeats it, in whatever way it is written there.

use super::{KEY, expand, rules};
use readme_metrics_core::redact::{Query, Repeats, Text};

const SECRET: &str = "S3cr0000t";

pub fn check(data: &[u8]) {
    let [layers, last, length, data @ ..] = data else {
        return;
    };
    let text = String::from_utf8_lossy(&expand(data)).replace(SECRET, "");
    // So short that every way of reading it is tried.
    let cut = text
        .char_indices()
        .nth(usize::from(length % 12))
        .map_or(text.len(), |(at, _)| at);
    let (around_secret, noise) = text.split_at(cut);
    let value = format!("{around_secret}{SECRET}{around_secret}");
    let query = format!("{KEY}={}", percent_encoded(&value, false));
    let rules = rules(false);
    let query = Query::new(&rules, query.as_bytes());
    let mut repeats = Repeats::default();
    query.note_repeats(&mut repeats);

    let mut written = format!("{KEY}={value}");
    for layer in 0..layers % 4 {
        written = percent_encoded(&written, (layers >> 2 >> layer) & 1 == 1);
    }
    written = match last % 3 {
        0 => written,
        1 => with_entities(&written),
        _ => serde_json::to_string(&written).unwrap(),
    };
    let page = format!("{noise} {written} {noise}");
    let sent = repeats.redact_text(&Text::plain(&page)).into_owned();
    assert!(
        !sent.contains(SECRET),
        "{value:?} is denied but sent\ntext:   {page:?}\noutput: {sent:?}"
    );
}

/// What is not a letter or a digit encoded, a blank as `+` where the text is a form.
fn percent_encoded(text: &str, is_form: bool) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' if is_form => encoded.push('+'),
            _ if byte.is_ascii_alphanumeric() => encoded.push(char::from(byte)),
            _ => encoded.extend(["%".to_owned(), format!("{byte:02X}")]),
        }
    }
    encoded
}

fn with_entities(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#x27;")
}
