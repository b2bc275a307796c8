//! `Cookie` and `Set-Cookie`: each cookie is judged by its name, beside the header as a whole.
//!
//! Parsers cut a header into cookies in different ways: some heed quotes and some do not, some take a comma for a separator as
//! RFC 2965 did. What is denied in any of these ways is redacted.

use std::ops::Range;

use super::denied;
use super::edit::{Edit, Text};
use super::marker::{self, Marker};
use crate::rules::Rules;

/// A way to cut a header into cookies.
#[derive(Clone, Copy)]
struct Cut {
    separators: &'static [u8],
    heeds_quotes: bool,
}

/// RFC 6265, but that a quoted value is one piece: RFC 2109 allows a `;` in it.
const USUAL: Cut = Cut {
    separators: b";",
    heeds_quotes: true,
};

const OTHERS: [Cut; 3] = [
    Cut {
        separators: b";",
        heeds_quotes: false,
    },
    Cut {
        separators: b";,",
        heeds_quotes: true,
    },
    Cut {
        separators: b";,",
        heeds_quotes: false,
    },
];

/// The value of a request's `Cookie` header.
pub(super) fn in_request<'a>(rules: &Rules, value: &'a str) -> Text<'a> {
    judged(rules, value, 0..value.len())
}

/// The value of a response's `Set-Cookie` header: one cookie, and its attributes, which stay.
pub(super) fn in_response<'a>(rules: &Rules, value: &'a str) -> Text<'a> {
    let first = pieces(value, 0..value.len(), USUAL).next();
    judged(rules, value, first.unwrap_or_default())
}

/// Judges the cookies in a range of a header's value.
fn judged<'a>(rules: &Rules, value: &'a str, range: Range<usize>) -> Text<'a> {
    let mut edits = Vec::new();
    let mut is_any_kept = false;
    for piece in pieces(value, range.clone(), USUAL) {
        let cookie = Cookie::new(value, piece);
        if cookie.is_denied(rules) {
            edits.push(cookie.hidden(value));
        } else {
            is_any_kept |= cookie.is_named;
            edits.extend(inside(rules, value, cookie.value));
        }
    }
    if rules.is_allowlist() && !is_any_kept {
        return Text::plain(marker::redacted(value.chars().count()));
    }
    let text = value.get(range.clone()).unwrap_or_default();
    if memchr::memchr2(b'"', b',', text.as_bytes()).is_some() {
        for cut in OTHERS {
            for piece in pieces(value, range.clone(), cut) {
                let cookie = Cookie::new(value, piece);
                // What has no name is no cookie to those who cut at commas.
                let is_cookie = cookie.is_named || cut.separators == USUAL.separators;
                if is_cookie && cookie.is_denied(rules) {
                    edits.push(cookie.hidden(value));
                }
            }
        }
        edits = merged(value, edits);
    }
    Text::edited(value, edits)
}

/// One piece of a header.
struct Cookie<'a> {
    name: &'a str,
    is_named: bool,
    /// All of the piece if there is no name.
    value: Range<usize>,
}

impl<'a> Cookie<'a> {
    fn new(text: &'a str, piece: Range<usize>) -> Self {
        let content = text.get(piece.clone()).unwrap_or_default();
        let (name, is_named) = match content.split_once('=') {
            Some((name, _)) => (name, true),
            None => (content, false),
        };
        let start = piece.start + if is_named { name.len() + 1 } else { 0 };
        Self {
            name: name.trim(),
            is_named,
            value: start..piece.end,
        }
    }

    /// Whether the value is redacted. Of `=value` nobody can say that it may be sent.
    fn is_denied(&self, rules: &Rules) -> bool {
        (self.is_named && self.name.is_empty()) || denied::denies(rules, self.name)
    }

    fn hidden(&self, text: &str) -> Edit {
        hidden(text, self.value.clone())
    }
}

fn hidden(text: &str, range: Range<usize>) -> Edit {
    let content = text.get(range.clone()).unwrap_or_default();
    Edit {
        start: range.start,
        end: range.end,
        replacement: Marker::plain(content.trim().chars().count()),
    }
}

/// What is denied inside the value of a cookie that is not denied itself: a URL, JSON.
fn inside(rules: &Rules, text: &str, range: Range<usize>) -> Vec<Edit> {
    let value = text.get(range.clone()).unwrap_or_default();
    let edit = |found: denied::Denied| Edit {
        start: range.start + found.range.start,
        end: range.start + found.range.end,
        replacement: found.hidden.text(),
    };
    denied::in_value(rules, value)
        .into_iter()
        .map(edit)
        .collect()
}

/// The edits in order; those that overlap become one.
fn merged(text: &str, mut edits: Vec<Edit>) -> Vec<Edit> {
    edits.sort_by_key(|edit| (edit.start, edit.end));
    let mut merged: Vec<Edit> = Vec::with_capacity(edits.len());
    for edit in edits {
        match merged.last_mut() {
            Some(last) if (last.start, last.end) == (edit.start, edit.end) => {}
            Some(last) if edit.start < last.end || edit.start == last.start => {
                *last = hidden(text, last.start..last.end.max(edit.end));
            }
            _ => merged.push(edit),
        }
    }
    merged
}

/// The ranges between separators, without the blanks round them.
fn pieces(value: &str, range: Range<usize>, cut: Cut) -> impl Iterator<Item = Range<usize>> {
    let bytes = value.as_bytes().get(..range.end).unwrap_or_default();
    let mut next = Some(range.start);
    let is_separator = move |byte: &u8| cut.separators.contains(byte);
    std::iter::from_fn(move || {
        let start = next?;
        let rest = bytes.get(start..)?;
        let mut is_quoted = false;
        let length = rest.iter().position(|byte| {
            is_quoted ^= cut.heeds_quotes && *byte == b'"';
            is_separator(byte) && !is_quoted
        });
        // A quote that is never closed quotes nothing.
        let length = match length {
            None if is_quoted => rest.iter().position(is_separator),
            length => length,
        };
        let end = length.map_or(bytes.len(), |length| start + length);
        next = length.map(|_| end + 1);
        let piece = value.get(start..end)?;
        let blanks = piece.len() - piece.trim_start().len();
        Some(start + blanks..start + blanks.max(piece.trim_end().len()))
    })
}
