//! Header values.

use super::edit::Text;
use super::{marker, mask, url};
use crate::rules::Rules;

/// Request headers that are masked even if they are allowed.
const CREDENTIALS: [&str; 2] = ["Authorization", "Proxy-Authorization"];

/// Headers whose values are or contain URLs, of which the parameters are judged too.
const URLS: [&str; 10] = [
    "Content-Location",
    "Destination",
    "Link",
    "Location",
    "Referer",
    "Refresh",
    "X-Forwarded-Uri",
    "X-Original-Uri",
    "X-Original-Url",
    "X-Rewrite-Url",
];

/// The value of a request header, as far as it may be sent.
pub fn request_header<'a>(rules: &Rules, name: &str, value: &'a str) -> Text<'a> {
    if rules.denies_header(name) {
        Text::plain(marker::redacted(value.chars().count()))
    } else if is_one_of(&CREDENTIALS, name) {
        Text::plain(mask(value))
    } else {
        allowed(rules, name, value)
    }
}

/// The value of a response header, as far as it may be sent.
pub fn response_header<'a>(rules: &Rules, name: &str, value: &'a str) -> Text<'a> {
    if rules.denies_header(name) {
        Text::plain(marker::redacted(value.chars().count()))
    } else {
        allowed(rules, name, value)
    }
}

/// The value of a header that is allowed itself.
fn allowed<'a>(rules: &Rules, name: &str, value: &'a str) -> Text<'a> {
    if !rules.is_active() || !is_one_of(&URLS, name) {
        return Text::plain(value);
    }
    // `Link` holds several URLs, each in angle brackets and followed by parameters of another kind.
    let closing = name.eq_ignore_ascii_case("Link").then_some('>');
    let mut edits = Vec::new();
    let mut start = 0;
    for piece in value.split(|character| Some(character) == closing) {
        let end = start + piece.len();
        if let Some(at) = piece.find(['?', '#']) {
            edits.extend(url::edits(rules, value, start + at + 1..end));
        }
        start = end + 1;
    }
    Text::edited(value, edits)
}

#[inline]
fn is_one_of(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}
