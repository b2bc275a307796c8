//! `Cookie` and `Set-Cookie`: lists apply to the name of each cookie, in addition to the name of the header.
//!
//! Parsers split a header into cookies differently: some respect quotes, some take a comma for a separator, as RFC 2965 did. A value
//! is redacted if it is denied by any of these ways.

use std::ops::Range;

use crate::redact::edit::{Edit, Text};
use crate::redact::marker::{self, Marker};
use crate::redact::url::denied;
use crate::redact::url::hidden::Denied;
use crate::rules::Rules;

/// A way to split a header into cookies.
#[derive(Clone, Copy)]
struct Cut {
    separators: &'static [u8],
    quotes: Quotes,
}

/// What a quote means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    Nothing,
    /// Separators between two quotes separate nothing.
    Quote,
    /// Separators between two quotes separate nothing, and a quote after a backslash is no quote.
    QuoteUnlessEscaped,
}

/// RFC 6265, except that a quoted value is one piece, since RFC 2109 allows a `;` in it.
const USUAL: Cut = Cut {
    separators: b";",
    quotes: Quotes::Quote,
};

const OTHERS: [Cut; 5] = [
    Cut {
        separators: b";",
        quotes: Quotes::Nothing,
    },
    Cut {
        separators: b";",
        quotes: Quotes::QuoteUnlessEscaped,
    },
    Cut {
        separators: b";,",
        quotes: Quotes::Nothing,
    },
    Cut {
        separators: b";,",
        quotes: Quotes::Quote,
    },
    Cut {
        separators: b";,",
        quotes: Quotes::QuoteUnlessEscaped,
    },
];

/// What browsers know of a cookie beside its name and value.
const ATTRIBUTES: [&str; 9] = [
    "domain",
    "expires",
    "httponly",
    "max-age",
    "partitioned",
    "path",
    "priority",
    "samesite",
    "secure",
];

/// The value of a request's `Cookie` header.
pub(in crate::redact) fn in_request<'a>(rules: &Rules, value: &'a str) -> Text<'a> {
    match edits(rules, value, 0..value.len()) {
        Some(edits) => Text::edited(value, edits),
        None => Text::plain(marker::redacted(value.chars().count())),
    }
}

/// The value of a response's `Set-Cookie` header: one cookie, and its attributes, which are kept. What is no attribute is judged as a
/// cookie, since a server or proxy may have joined two headers by a comma.
pub(in crate::redact) fn in_response<'a>(rules: &Rules, value: &'a str) -> Text<'a> {
    let first = pieces(value, 0..value.len(), USUAL).next();
    let first = first.unwrap_or_default();
    let Some(mut edits) = edits(rules, value, first.clone()) else {
        return Text::plain(marker::redacted(value.chars().count()));
    };
    for separators in [&b";"[..], b";,"] {
        let cut = Cut {
            separators,
            quotes: Quotes::Nothing,
        };
        let rest = pieces(value, first.end..value.len(), cut);
        let others = rest.map(|piece| Cookie::new(value, piece));
        let denied = others.filter(|other| {
            let is_attribute = |name: &&str| name.eq_ignore_ascii_case(other.name);
            other.is_named && !ATTRIBUTES.iter().any(is_attribute) && other.is_denied(rules)
        });
        edits.extend(denied.map(|other| other.hidden(value)));
    }
    Text::edited(value, merged(value, edits))
}

/// What is denied of the cookies in a range of a header's value; `None` for all of it.
fn edits(rules: &Rules, value: &str, range: Range<usize>) -> Option<Vec<Edit>> {
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
        return None;
    }
    if !is_plain(value.get(range.clone()).unwrap_or_default()) {
        edits.extend(searched(rules, value, range.clone()));
        for cut in OTHERS {
            for piece in pieces(value, range.clone(), cut) {
                let cookie = Cookie::new(value, piece);
                // To parsers that split at commas, a piece without a name is no cookie.
                let is_cookie = cookie.is_named || cut.separators == USUAL.separators;
                if is_cookie && cookie.is_denied(rules) {
                    edits.push(cookie.hidden(value));
                }
            }
        }
        edits = merged(value, edits);
    }
    Some(edits)
}

/// Whether every way splits this text at the same places: every blank in it follows a `;`.
fn is_plain(text: &str) -> bool {
    let mut before = b';';
    text.bytes().all(|byte| {
        let is_plain =
            is_name_byte(byte) || matches!(byte, b'=' | b';') || (byte == b' ' && before == b';');
        before = byte;
        is_plain
    })
}

/// The edits for parsers that search the whole header for anything that looks like a cookie.
///
/// Under an allowlist there are none: what such a parser finds is part of a value whose cookie is allowed.
fn searched(rules: &Rules, text: &str, range: Range<usize>) -> Vec<Edit> {
    let mut found = Vec::new();
    if rules.is_allowlist() {
        return found;
    }
    let part = text.get(range.clone()).unwrap_or_default();
    for (equals, _) in part.match_indices('=') {
        let before = part.get(..equals).unwrap_or_default().trim_ascii_end();
        let length = before
            .bytes()
            .rev()
            .take_while(|byte| is_name_byte(*byte))
            .count();
        let name = before.get(before.len() - length..).unwrap_or_default();
        if name.is_empty() || !denied::denies(rules, name) {
            continue;
        }
        let rest = range.start + equals + 1..range.end;
        for quotes in [Quotes::Quote, Quotes::QuoteUnlessEscaped] {
            let cut = Cut { quotes, ..USUAL };
            found.extend(
                pieces(text, rest.clone(), cut)
                    .next()
                    .map(|value| hidden(text, value)),
            );
        }
    }
    found
}

/// Whether `WebOb` takes this byte for part of a cookie's name.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"~!@#$%^&*()_+-`.?|:/{}<>'".contains(&byte)
}

/// One piece of a header.
struct Cookie<'a> {
    name: &'a str,
    is_named: bool,
    /// The range of the value; the whole piece if there is no name.
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

    /// Whether the value is redacted, as it is if the name is empty (`=value`).
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

/// The edits inside the value of a cookie that is not denied itself: it may hold a URL or JSON.
fn inside(rules: &Rules, text: &str, range: Range<usize>) -> Vec<Edit> {
    let value = text.get(range.clone()).unwrap_or_default();
    let edit = |found: Denied| Edit {
        start: range.start + found.range.start,
        end: range.start + found.range.end,
        replacement: found.hidden.text(),
    };
    denied::in_value(rules, value)
        .into_iter()
        .map(edit)
        .collect()
}

/// The edits in order. Edits that overlap become one.
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

/// The ranges between separators, without the blanks around them.
fn pieces(value: &str, range: Range<usize>, cut: Cut) -> impl Iterator<Item = Range<usize>> {
    let bytes = value.as_bytes().get(..range.end).unwrap_or_default();
    let mut next = Some(range.start);
    let is_separator = move |byte: &u8| cut.separators.contains(byte);
    std::iter::from_fn(move || {
        let start = next?;
        let rest = bytes.get(start..)?;
        let mut is_quoted = false;
        let mut before = 0;
        let length = rest.iter().position(|byte| {
            let is_escaped = before == b'\\' && cut.quotes == Quotes::QuoteUnlessEscaped;
            is_quoted ^= *byte == b'"' && cut.quotes != Quotes::Nothing && !is_escaped;
            before = *byte;
            is_separator(byte) && !is_quoted
        });
        // A quote that is never closed does not quote.
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
