//! Header values.

use std::ops::Range;

use super::edit::{Edit, Text};
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

/// What becomes of a header's value, which follows from the header's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    Keep,
    /// Kept, without the denied parameters in its URLs.
    KeepUrl,
    /// The same of `Link`, which holds several, each in angle brackets and followed by parameters of another kind.
    KeepLinks,
    Mask,
    Redact,
}

impl Treatment {
    /// Of a request's header.
    pub fn in_request(rules: &Rules, name: &str) -> Treatment {
        match Treatment::in_response(rules, name) {
            Treatment::Redact => Treatment::Redact,
            _ if is_one_of(&CREDENTIALS, name) => Treatment::Mask,
            other => other,
        }
    }

    /// Of a response's header.
    pub fn in_response(rules: &Rules, name: &str) -> Treatment {
        if rules.denies_header(name) {
            Treatment::Redact
        } else if !rules.is_active() || !is_one_of(&URLS, name) {
            Treatment::Keep
        } else if name.eq_ignore_ascii_case("Link") {
            Treatment::KeepLinks
        } else {
            Treatment::KeepUrl
        }
    }

    /// The value, as far as it may be sent.
    #[inline]
    pub fn apply<'a>(self, rules: &Rules, value: &'a str) -> Text<'a> {
        match self {
            Treatment::Keep => Text::plain(value),
            Treatment::KeepUrl => Text::edited(value, edits(rules, value, 0..value.len())),
            Treatment::KeepLinks => Text::edited(value, link_edits(rules, value)),
            Treatment::Mask => Text::plain(mask(value)),
            Treatment::Redact => Text::plain(marker::redacted(value.chars().count())),
        }
    }
}

/// For the parameters of the URL in a range of `value`.
fn edits(rules: &Rules, value: &str, range: Range<usize>) -> Vec<Edit> {
    let url = value.as_bytes().get(range.clone()).unwrap_or_default();
    let question = memchr::memchr2(b'?', b'#', url);
    question.map_or_else(Vec::new, |at| {
        url::edits(rules, value, range.start + at + 1..range.end)
    })
}

/// The same of several URLs, each of which ends at an angle bracket.
fn link_edits(rules: &Rules, value: &str) -> Vec<Edit> {
    let mut found = Vec::new();
    let mut start = 0;
    for url in value.split('>') {
        let end = start + url.len();
        found.extend(edits(rules, value, start..end));
        start = end + 1;
    }
    found
}

/// Most names differ in length or in the first letter.
fn is_one_of(names: &[&str], name: &str) -> bool {
    let first = name.as_bytes().first().map(u8::to_ascii_uppercase);
    names.iter().any(|known| {
        known.len() == name.len()
            && known.as_bytes().first().copied() == first
            && known.eq_ignore_ascii_case(name)
    })
}
