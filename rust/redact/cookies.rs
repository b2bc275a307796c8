//! `Cookie` and `Set-Cookie`: each cookie is judged by its name, beside the header as a whole.

use std::ops::Range;

use super::denied;
use super::edit::{Edit, Text};
use super::marker::{self, Marker};
use crate::rules::Rules;

/// The value of a request's `Cookie` header.
pub(super) fn in_request<'a>(rules: &Rules, value: &'a str) -> Text<'a> {
    judged(rules, value, |_| true)
}

/// The value of a response's `Set-Cookie` header: one cookie, and its attributes, which stay.
pub(super) fn in_response<'a>(rules: &Rules, value: &'a str) -> Text<'a> {
    judged(rules, value, |index| index == 0)
}

fn judged<'a>(rules: &Rules, value: &'a str, is_cookie: fn(usize) -> bool) -> Text<'a> {
    let mut edits = Vec::new();
    let mut is_any_kept = false;
    for (index, pair) in pairs(value).enumerate() {
        if !is_cookie(index) {
            break;
        }
        let content = value.get(pair.clone()).unwrap_or_default();
        let name_length = content.find('=');
        let name = content
            .get(..name_length.unwrap_or(content.len()))
            .unwrap_or_default();
        if denied::denies(rules, name.trim()) {
            // A cookie without a name is all value.
            let start = pair.start + name_length.map_or(0, |length| length + 1);
            let characters = value
                .get(start..pair.end)
                .unwrap_or_default()
                .trim()
                .chars()
                .count();
            edits.push(Edit {
                start,
                end: pair.end,
                replacement: Marker::plain(characters),
            });
        } else {
            is_any_kept |= name_length.is_some();
            let start = pair.start + name_length.map_or(0, |length| length + 1);
            edits.extend(inside(rules, value, start..pair.end));
        }
    }
    if rules.is_allowlist() && !is_any_kept {
        return Text::plain(marker::redacted(value.chars().count()));
    }
    Text::edited(value, edits)
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

/// The ranges between semicolons, without the blanks round them. A quoted value is one piece: RFC 2109 allows a `;` in it.
fn pairs(value: &str) -> impl Iterator<Item = Range<usize>> {
    let bytes = value.as_bytes();
    let mut next = Some(0);
    std::iter::from_fn(move || {
        let start = next?;
        let mut is_quoted = false;
        let length = bytes.get(start..)?.iter().position(|byte| {
            is_quoted ^= *byte == b'"';
            *byte == b';' && !is_quoted
        });
        // A quote that is never closed quotes nothing.
        let length = match length {
            None if is_quoted => memchr::memchr(b';', bytes.get(start..)?),
            length => length,
        };
        let end = length.map_or(bytes.len(), |length| start + length);
        next = length.map(|_| end + 1);
        let piece = value.get(start..end)?;
        let blanks = piece.len() - piece.trim_start().len();
        Some(start + blanks..start + blanks.max(piece.trim_end().len()))
    })
}
