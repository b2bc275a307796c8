//! URL parameters, in a query of their own and inside URLs; urlencoded forms are written the same way.
//!
//! `&` separates. For redaction `;`, `#` and `?` inside a parameter separate too, because some frameworks split at `;` and
//! because a value may be a URL itself: what is not denied as a whole is cut at the next of them, and its pieces are judged.

use std::borrow::Cow;
use std::ops::Range;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode, percent_encode};

use super::Param;
use super::edit::{Edit, Text};
use super::marker::{self, Marker};
use crate::rules::Rules;

/// Bytes that RFC 3986 does not allow in a query. `%` is allowed at the start of an escape only, see `ascii`.
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

/// Bytes that mean themselves in a query, wherever they stand; and the `&` and `=` that nobody reads in another way.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut rest: &[u8] =
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$'()*,:@/&=";
    while let [byte, after @ ..] = rest {
        plain[*byte as usize] = true;
        rest = after;
    }
    plain
};

/// How often a name may have been encoded. A proxy in front of the application may decode what we see encoded twice.
const MAX_ENCODINGS: usize = 4;

/// Not worth a search with SIMD.
const SHORT: usize = 16;

/// From the outermost to the innermost.
const SEPARATORS: &[u8] = b"&;#?";
/// Those that stand inside a parameter: no more than `has_any` looks for.
const INNER_SEPARATORS: &[u8] = b";#?";

/// The parameters of a query as HAR's `queryString` wants them: decoded, in order, blank ones included.
pub fn query_params<'a>(rules: &Rules, query: &'a [u8]) -> Vec<Param<'a>> {
    match text(query) {
        Cow::Borrowed(query) => params(rules, query),
        Cow::Owned(query) => {
            let params = params(rules, &query);
            params.into_iter().map(Param::into_owned).collect()
        }
    }
}

/// A query as it was sent, denied values replaced, for use inside a URL. What may not stand in a URL is percent-encoded.
pub fn query_text<'a>(rules: &Rules, query: &'a [u8]) -> Cow<'a, str> {
    let text = text(query);
    let source = Source::of(&text);
    let denied = source.denied(rules, 0..text.len());
    if denied.is_empty() {
        return match text {
            Cow::Borrowed(text) if source.is_plain => Cow::Borrowed(text),
            _ => ascii(query),
        };
    }
    Cow::Owned(rewrite(
        &text,
        0..text.len(),
        &denied,
        |kept| ascii(kept.as_bytes()),
        |characters| Marker::component(characters).into(),
    ))
}

/// The decoded parameters of a query or of a form.
pub(super) fn params<'a>(rules: &Rules, text: &'a str) -> Vec<Param<'a>> {
    let source = Source::of(text);
    split(text, 0..text.len(), b'&')
        .filter(|pair| pair.start < pair.end)
        .map(|pair| Param {
            name: source.decode(pair.name(text)),
            value: source.param_value(rules, &pair),
            file_name: None,
            content_type: None,
        })
        .collect()
}

/// The edits for the parameters in one range of `text`.
pub(super) fn edits(rules: &Rules, text: &str, range: Range<usize>) -> Vec<Edit> {
    let edit = |denied: Denied| Edit {
        start: denied.start,
        end: denied.end,
        replacement: Marker::component(denied.characters),
    };
    let denied = Source::of(text).denied(rules, range);
    denied.into_iter().map(edit).collect()
}

/// A value, as it stands in a text, that may not be sent.
struct Denied {
    start: usize,
    end: usize,
    /// After decoding.
    characters: usize,
}

/// What parameters are looked for in.
#[derive(Clone, Copy)]
struct Source<'a> {
    text: &'a str,
    /// All of it is `PLAIN`, as most queries are: nothing to decode, nor a separator inside a parameter.
    is_plain: bool,
}

impl<'a> Source<'a> {
    fn of(text: &'a str) -> Self {
        let is_plain = text.bytes().all(|byte| PLAIN[usize::from(byte)]);
        Self { text, is_plain }
    }

    fn param_value(self, rules: &Rules, pair: &Pair) -> Text<'a> {
        let value = self.decode(pair.value(self.text));
        if self.denies(rules, pair.name(self.text)) {
            return Text::plain(marker::redacted(value.chars().count()));
        }
        let range = pair.value_start()..pair.end;
        if !self.has_any(pair.start..pair.end, INNER_SEPARATORS) {
            return Text::plain(value);
        }
        let denied = self.denied(rules, pair.start..pair.end);
        if denied.is_empty() {
            return Text::plain(value);
        }
        Text::plain(rewrite(self.text, range, &denied, decode, marker::redacted))
    }

    /// The denied values among the parameters in one range.
    fn denied(self, rules: &Rules, range: Range<usize>) -> Vec<Denied> {
        let mut denied = Vec::new();
        if rules.is_active() {
            self.find_denied(rules, range, SEPARATORS, &mut denied);
        }
        denied
    }

    fn find_denied(
        self,
        rules: &Rules,
        range: Range<usize>,
        separators: &[u8],
        found: &mut Vec<Denied>,
    ) {
        let Some((&separator, inner)) = separators.split_first() else {
            return;
        };
        for pair in split(self.text, range, separator) {
            if self.denies(rules, pair.name(self.text)) {
                found.extend(pair.denied(self.text));
            } else if self.has_any(pair.start..pair.end, inner) {
                self.find_denied(rules, pair.start..pair.end, inner, found);
            }
        }
    }

    fn has_any(self, range: Range<usize>, bytes: &[u8]) -> bool {
        !self.is_plain && has_any(self.text, range, bytes)
    }

    fn denies(self, rules: &Rules, name: &str) -> bool {
        if self.is_plain {
            rules.denies(name)
        } else {
            denies(rules, name)
        }
    }

    fn decode(self, component: &str) -> Cow<'_, str> {
        if self.is_plain {
            Cow::Borrowed(component)
        } else {
            decode(component)
        }
    }
}

/// Whether one of these bytes is in a range of `text`.
fn has_any(text: &str, range: Range<usize>, bytes: &[u8]) -> bool {
    let part = text.as_bytes().get(range).unwrap_or_default();
    match bytes {
        _ if part.len() < SHORT => part.iter().any(|byte| bytes.contains(byte)),
        [] => false,
        [only] => memchr::memchr(*only, part).is_some(),
        [one, other] => memchr::memchr2(*one, *other, part).is_some(),
        [one, other, third, ..] => memchr::memchr3(*one, *other, *third, part).is_some(),
    }
}

fn find(byte: u8, text: &[u8]) -> Option<usize> {
    if text.len() < SHORT {
        return text.iter().position(|other| *other == byte);
    }
    memchr::memchr(byte, text)
}

/// A range of `text`: what is kept put through `keep`, and what is denied through `hide`.
fn rewrite(
    text: &str,
    range: Range<usize>,
    denied: &[Denied],
    keep: fn(&str) -> Cow<'_, str>,
    hide: fn(usize) -> String,
) -> String {
    let kept = |start, end| keep(text.get(start..end).unwrap_or_default());
    let mut rewritten = String::new();
    let mut start = range.start;
    for value in denied {
        rewritten.push_str(&kept(start, value.start));
        rewritten.push_str(&hide(value.characters));
        start = value.end;
    }
    rewritten.push_str(&kept(start, range.end));
    rewritten
}

/// Whether the parameter of this encoded name is redacted. It is, too, if the name cannot be decoded for certain.
fn denies(rules: &Rules, name: &str) -> bool {
    if !rules.is_active() {
        return false;
    }
    if !is_encoded(name) {
        return rules.denies(name);
    }
    let mut name = spaces(name);
    let mut is_decoded = false;
    for _ in 0..MAX_ENCODINGS {
        let decoded = match Cow::from(percent_decode(name.as_bytes())) {
            Cow::Borrowed(_) if is_decoded => return false,
            Cow::Borrowed(_) => return rules.denies(&name),
            Cow::Owned(decoded) => String::from_utf8(decoded),
        };
        match decoded {
            Ok(decoded) if !rules.denies(&decoded) => name = Cow::Owned(decoded),
            _ => return true,
        }
        is_decoded = true;
    }
    true
}

/// A name and a value as they stand in a text.
struct Pair {
    start: usize,
    /// Of the first `=`; `None` if there is no value.
    equals: Option<usize>,
    end: usize,
}

impl Pair {
    fn value_start(&self) -> usize {
        self.equals.map_or(self.end, |equals| equals + 1)
    }

    fn name<'a>(&self, text: &'a str) -> &'a str {
        let end = self.equals.unwrap_or(self.end);
        text.get(self.start..end).unwrap_or_default()
    }

    fn value<'a>(&self, text: &'a str) -> &'a str {
        text.get(self.value_start()..self.end).unwrap_or_default()
    }

    /// The value, if there is one.
    fn denied(&self, text: &str) -> Option<Denied> {
        self.equals.map(|equals| Denied {
            start: equals + 1,
            end: self.end,
            characters: decode(self.value(text)).chars().count(),
        })
    }
}

/// Cuts a range of `text` at each `separator`.
fn split(text: &str, range: Range<usize>, separator: u8) -> impl Iterator<Item = Pair> {
    let mut next = Some(range.start);
    std::iter::from_fn(move || {
        let start = next?;
        let rest = text.as_bytes().get(start..range.end)?;
        let separator = find(separator, rest);
        next = separator.map(|at| start + at + 1);
        let pair = rest.get(..separator.unwrap_or(rest.len()))?;
        Some(Pair {
            start,
            equals: find(b'=', pair).map(|at| start + at),
            end: start + pair.len(),
        })
    })
}

/// What a component says. Bytes that are not UTF-8 become U+FFFD, as in Python's `parse_qsl`.
fn decode(component: &str) -> Cow<'_, str> {
    if !is_encoded(component) {
        return Cow::Borrowed(component);
    }
    match spaces(component) {
        Cow::Borrowed(component) => percent_decode(component.as_bytes()).decode_utf8_lossy(),
        Cow::Owned(component) => Cow::Owned(
            percent_decode(component.as_bytes())
                .decode_utf8_lossy()
                .into_owned(),
        ),
    }
}

fn is_encoded(component: &str) -> bool {
    has_any(component, 0..component.len(), b"%+")
}

fn spaces(component: &str) -> Cow<'_, str> {
    if memchr::memchr(b'+', component.as_bytes()).is_some() {
        Cow::Owned(component.replace('+', " "))
    } else {
        Cow::Borrowed(component)
    }
}

/// A query as text; what is not UTF-8 is percent-encoded, which changes nothing once it is decoded.
fn text(query: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(query) {
        Ok(query) => Cow::Borrowed(query),
        Err(_) => percent_encode(query, &AsciiSet::EMPTY).into(),
    }
}

/// A query without the bytes that may not stand in one.
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
