//! The query of a request's URL, and urlencoded forms, which are written the same way.

pub(in crate::redact) mod component;
pub(in crate::redact) mod denied;
pub(in crate::redact) mod hidden;
pub(in crate::redact) mod pair;

use std::borrow::Cow;
use std::ops::Range;

use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

use crate::redact::Param;
use crate::redact::edit::{Edit, Text};
use crate::redact::marker;
use crate::redact::repeats::Repeats;
use crate::redact::url::component::decode;
use crate::redact::url::hidden::{Denied, Hidden, merge};
use crate::redact::url::pair::split;
use crate::rules::Rules;

/// Bytes that RFC 3986 does not allow in a query. A `%` is allowed only at the start of an escape: see `ascii`.
const NOT_IN_QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The query of a URL, and which values of it may not be sent.
pub struct Query<'a> {
    text: Cow<'a, str>,
    sent: &'a [u8],
    denied: Vec<Denied>,
}

impl<'a> Query<'a> {
    /// Judges the query string `sent`, which has no question mark.
    pub fn new(rules: &Rules, sent: &'a [u8]) -> Query<'a> {
        let text = text(sent);
        let denied = denied::in_parameters(rules, &text, 0..text.len());
        Query { text, sent, denied }
    }

    /// The query as it was sent, with denied values replaced, for use inside a URL. Bytes that a URL cannot have are
    /// percent-encoded.
    pub fn url_text(&self) -> Cow<'_, str> {
        if self.denied.is_empty() {
            return match &self.text {
                Cow::Borrowed(text) if component::is_plain(text) => Cow::Borrowed(text),
                _ => ascii(self.sent),
            };
        }
        Cow::Owned(rewrite(
            &self.text,
            0..self.text.len(),
            &self.denied,
            |kept| ascii(kept.as_bytes()),
            |denied| denied.hidden.component().into(),
        ))
    }

    /// The parameters for HAR's `queryString`: decoded, in order, empty ones included.
    pub fn params(&self, rules: &Rules) -> Vec<Param<'_>> {
        params_of(rules, &self.text, &self.denied)
    }

    /// Denies the whole query, with its names, since a parser that splits it differently may find other names.
    pub fn deny(&mut self) {
        let characters = decode(&self.text).chars().count();
        self.denied = vec![Denied {
            range: 0..self.text.len(),
            hidden: Hidden::Characters(characters),
            name: None,
            layers: 0,
        }];
    }

    /// Notes the denied parameters, so that they are redacted wherever the log repeats them.
    pub fn note_repeats(&self, repeats: &mut Repeats) {
        repeats.add(&self.text, &self.denied);
    }

    /// Denies the values that the query repeats from denied parameters of its own or of a header's URL.
    pub fn deny_repeats(&mut self, repeats: &Repeats) {
        let found = repeats.search(&self.text).into_iter();
        let found = found.map(|found| Denied {
            range: found.range,
            hidden: Hidden::Characters(found.characters),
            name: None,
            layers: 0,
        });
        self.denied.extend(found);
        merge(&mut self.denied);
    }
}

/// The decoded parameters of a form.
pub(in crate::redact) fn params<'a>(rules: &Rules, text: &'a str) -> Vec<Param<'a>> {
    params_of(
        rules,
        text,
        &denied::in_parameters(rules, text, 0..text.len()),
    )
}

fn params_of<'a>(rules: &Rules, text: &'a str, denied: &[Denied]) -> Vec<Param<'a>> {
    split(text, 0..text.len(), b'&')
        .filter(|pair| pair.start < pair.end && !is_inside(denied, pair.start, pair.end))
        .map(|pair| Param {
            name: match piece(text, pair.start..pair.name_end(), denied) {
                name if name.unedited().is_some() => name.into_source(),
                name => name.to_string().into(),
            },
            value: match pair.equals {
                // A parameter that is denied together with its name is one marker, in place of the name.
                Some(equals) if is_inside(denied, equals, equals + 1) => Text::plain(""),
                Some(_) => piece(text, pair.value_start()..pair.end, denied),
                None if denied::denies(rules, pair.name(text)) => Text::plain(marker::redacted(0)),
                None => Text::plain(""),
            },
            file_name: None,
            content_type: None,
        })
        .collect()
}

/// Whether a denied value begins before `start` and reaches `end` or beyond.
fn is_inside(denied: &[Denied], start: usize, end: usize) -> bool {
    let covers = |denied: &Denied| denied.range.start < start && denied.range.end >= end;
    denied.iter().any(covers)
}

/// The decoded text of a range, with its denied values replaced.
fn piece<'a>(text: &'a str, range: Range<usize>, denied: &[Denied]) -> Text<'a> {
    let said = |start: usize, end: usize| decode(text.get(start..end).unwrap_or_default());
    if denied.is_empty() {
        return Text::plain(said(range.start, range.end));
    }
    // An empty value may be denied too, at the very end of the range.
    let overlaps =
        |denied: &&Denied| denied.range.start <= range.end && denied.range.end >= range.start;
    let mut inside = denied.iter().filter(overlaps).peekable();
    if inside.peek().is_none() {
        return Text::plain(said(range.start, range.end));
    }
    let mut all = String::new();
    let mut edits = Vec::new();
    let mut at = range.start;
    for denied in inside {
        all.push_str(&said(at, denied.range.start.max(at)));
        let start = all.len();
        at = denied.range.end.min(range.end);
        all.push_str(&said(denied.range.start.max(range.start), at));
        edits.push(Edit {
            start,
            end: all.len(),
            replacement: denied.hidden.text(),
        });
    }
    all.push_str(&said(at, range.end));
    Text::edited(all, edits)
}

/// The edits for the parameters of a form that stays text.
pub(in crate::redact) fn edits(rules: &Rules, text: &str) -> Vec<Edit> {
    denied::in_parameters(rules, text, 0..text.len())
        .into_iter()
        .map(|denied| Edit {
            start: denied.range.start,
            end: denied.range.end,
            replacement: denied.hidden.component(),
        })
        .collect()
}

/// Rewrites a range of `text`: kept parts go through `keep`, denied ones through `hide`.
fn rewrite(
    text: &str,
    range: Range<usize>,
    denied: &[Denied],
    keep: fn(&str) -> Cow<'_, str>,
    hide: fn(&Denied) -> String,
) -> String {
    let kept = |start, end| keep(text.get(start..end).unwrap_or_default());
    let mut rewritten = String::new();
    let mut start = range.start;
    for value in denied {
        rewritten.push_str(&kept(start, value.range.start.max(start)));
        rewritten.push_str(&hide(value));
        start = value.range.end.min(range.end);
    }
    rewritten.push_str(&kept(start.min(range.end), range.end));
    rewritten
}

/// A query as text. Bytes that are not UTF-8 are percent-encoded, which means the same.
fn text(query: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(query) {
        Ok(query) => Cow::Borrowed(query),
        Err(_) => percent_encode(query, &AsciiSet::EMPTY).into(),
    }
}

/// A query in which bytes that may not be in one are percent-encoded.
fn ascii(query: &[u8]) -> Cow<'_, str> {
    let stray = |at: usize| {
        let digits = query.get(at + 1..at + 3).unwrap_or_default();
        digits.len() < 2 || !digits.iter().all(u8::is_ascii_hexdigit)
    };
    if !memchr::memchr_iter(b'%', query).any(stray) {
        return percent_encode(query, NOT_IN_QUERY).into();
    }
    let mut encoded = String::new();
    let mut start = 0;
    for at in memchr::memchr_iter(b'%', query).filter(|&at| stray(at)) {
        let before = query.get(start..at).unwrap_or_default();
        encoded.extend(percent_encode(before, NOT_IN_QUERY));
        encoded.push_str("%25");
        start = at + 1;
    }
    let rest = query.get(start..).unwrap_or_default();
    encoded.extend(percent_encode(rest, NOT_IN_QUERY));
    Cow::Owned(encoded)
}
