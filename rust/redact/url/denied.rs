//! Finds the values that may not be sent among the parameters of a query, an urlencoded form or a URL.
//!
//! `&` separates parameters. For redaction `;`, `#` and `?` inside a parameter are separators too, because some frameworks split at
//! `;` and because a value may be a URL: a parameter that is not denied as a whole is split at them, and its pieces are judged. A
//! value that is still kept is then read as JSON, as a parameter of its own (`state=ticket=..`), and decoded, up to [`MAX_LAYERS`]
//! times, since a URL inside a URL is encoded.

use std::borrow::Cow;
use std::ops::Range;

use percent_encoding::percent_decode;

use crate::json::RawString;
use crate::redact::json;
use crate::redact::url::component::{self, Decoded, decode, find, has_any, is_encoded, spaces};
use crate::redact::url::hidden::{Denied, Hidden, merge};
use crate::redact::url::pair::{Pair, split};
use crate::rules::Rules;

/// How often a name is decoded. A proxy in front of the app may decode a name that we see encoded twice.
const MAX_ENCODINGS: usize = 4;

/// How often a value is decoded and judged again.
const MAX_LAYERS: usize = 3;

/// The separators, from the outermost to the innermost.
const SEPARATORS: &[u8] = b"&;#?";

/// The denied values in a range of `text`, in order and without overlap.
pub(in crate::redact) fn in_parameters(
    rules: &Rules,
    text: &str,
    range: Range<usize>,
) -> Vec<Denied> {
    let mut finder = Finder::new(rules, text);
    if rules.is_active() {
        finder.is_plain = component::is_plain(text);
        finder.userinfo(range.clone());
        finder.parameters(range, SEPARATORS);
    }
    finder.finish()
}

/// The denied values inside the value of a form field that is not denied itself and was not written encoded.
pub(in crate::redact) fn in_value(rules: &Rules, value: &str) -> Vec<Denied> {
    let mut finder = Finder::new(rules, value);
    if rules.is_active() {
        finder.userinfo(0..value.len());
        finder.any(0..value.len());
    }
    finder.finish()
}

/// The denied values inside a header's value, if it looks like a URL.
///
/// `is_url`: the header is known to hold a URL. The text after a `>` is searched separately, since `Link` holds several URLs.
pub(in crate::redact) fn in_header(rules: &Rules, value: &str, is_url: bool) -> Vec<Denied> {
    let mut finder = Finder::new(rules, value);
    if rules.is_active() {
        finder.userinfo(0..value.len());
        finder.urls(is_url);
    }
    finder.finish()
}

/// Whether the parameter of this encoded name is redacted. It is if the name cannot be decoded with certainty.
pub(in crate::redact) fn denies(rules: &Rules, name: &str) -> bool {
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

/// Looks for denied values in one text.
struct Finder<'a> {
    rules: &'a Rules,
    text: &'a str,
    /// The current parameters are known to be plain: there is nothing to decode in them, nor a separator inside one.
    is_plain: bool,
    layer: usize,
    found: Vec<Denied>,
}

impl<'a> Finder<'a> {
    fn new(rules: &'a Rules, text: &'a str) -> Self {
        Self {
            rules,
            text,
            is_plain: false,
            layer: 0,
            found: Vec::new(),
        }
    }

    fn get(&self, range: Range<usize>) -> &'a str {
        self.text.get(range).unwrap_or_default()
    }

    fn finish(mut self) -> Vec<Denied> {
        merge(&mut self.found);
        self.found
    }

    fn parameters(&mut self, range: Range<usize>, separators: &[u8]) {
        let Some((&separator, inner)) = separators.split_first() else {
            return;
        };
        for pair in split(self.text, range, separator) {
            if self.denies(pair.name(self.text)) {
                self.deny_value(&pair);
            } else if self.is_plain {
                self.plain_value(&pair);
            } else if inner.is_empty() || !has_any(self.text, pair.start..pair.end, inner) {
                self.pair(&pair);
            } else if pair.equals.is_none() || !self.json(pair.value_start()..pair.end) {
                self.parameters(pair.start..pair.end, inner);
            }
        }
    }

    fn denies(&self, name: &str) -> bool {
        if self.is_plain {
            self.rules.denies(name)
        } else {
            denies(self.rules, name)
        }
    }

    fn deny_value(&mut self, pair: &Pair) {
        if pair.equals.is_some() {
            let value = decode(pair.value(self.text));
            self.found.push(Denied {
                range: pair.value_start()..pair.end,
                hidden: Hidden::Characters(value.chars().count()),
                name: Some(pair.start..pair.name_end()),
                layers: self.layer,
            });
        }
    }

    /// Judges a value without escapes and separators: it can only be another parameter.
    fn plain_value(&mut self, pair: &Pair) {
        if pair.equals.is_some() && find(b'=', pair.value(self.text).as_bytes()).is_some() {
            self.pair(pair);
        }
    }

    /// Judges a parameter that is not denied by its name and has no separator inside.
    fn pair(&mut self, pair: &Pair) {
        if json::is_claimed(&decode_all(pair.name(self.text))) {
            // The client has declared a form and sent JSON, all of which is now the name of a parameter.
            let text = decode_all(self.get(pair.start..pair.end));
            if !json::filter_field(self.rules, &text).is_ok_and(|edits| edits.is_empty()) {
                self.deny_rest(pair.start);
            }
        } else if pair.equals.is_some() {
            self.value(pair.value_start()..pair.end);
        } else {
            self.value(pair.start..pair.end);
        }
    }

    /// Judges a text that may be JSON, a URL, parameters or a plain value.
    fn any(&mut self, range: Range<usize>) {
        if self.json(range.clone()) {
            return;
        }
        // A `;` separates parameters in a URL, but not in a text such as `1;t=b`.
        if has_any(self.text, range.clone(), b"?#&") || has_any(self.text, range.clone(), b"/") {
            self.parameters(range, SEPARATORS);
        } else {
            self.value(range);
        }
    }

    fn deny(&mut self, range: Range<usize>, hidden: Hidden) {
        self.found.push(Denied {
            range,
            hidden,
            name: None,
            layers: self.layer,
        });
    }

    /// Judges a value that is not denied by its own name.
    fn value(&mut self, range: Range<usize>) {
        if self.json(range.clone()) {
            return;
        }
        let value = self.get(range.clone());
        // An allowlist that has the name allows the whole value; many signed tokens look like `a=b=c`.
        if !self.rules.is_allowlist() {
            let mut start = 0;
            while let Some(length) = find(b'=', value.as_bytes().get(start..).unwrap_or_default()) {
                if denies(
                    self.rules,
                    value.get(start..start + length).unwrap_or_default(),
                ) {
                    self.deny_value(&Pair {
                        start: range.start + start,
                        equals: Some(range.start + start + length),
                        end: range.end,
                    });
                    return;
                }
                start += length + 1;
            }
        }
        if !self.decoded(range.clone()) && json::is_claimed(value) {
            // We cannot parse this, but the app might. A separator may have cut it, so everything after it is hidden too.
            self.deny_rest(range.start);
        }
    }

    /// Judges a value that is JSON; returns false if it is not.
    fn json(&mut self, range: Range<usize>) -> bool {
        let value = self.get(range.clone());
        if !json::is_claimed(value) {
            return false;
        }
        let Ok(edits) = json::filter_field(self.rules, value) else {
            return false;
        };
        for edit in edits {
            let source = value.get(edit.start..edit.end).unwrap_or_default();
            let (start, end) = (range.start + edit.start, range.start + edit.end);
            match RawString::unquote(source) {
                Some(string) => {
                    self.deny(start + 1..end - 1, Hidden::Characters(string.count()));
                }
                None => self.deny(start..end, Hidden::JsonValue),
            }
        }
        true
    }

    fn deny_rest(&mut self, start: usize) {
        let rest = start..self.text.len();
        let characters = decode(self.get(rest.clone())).chars().count();
        self.deny(rest, Hidden::Characters(characters));
    }

    /// Judges a range of the text after one more decoding; returns false if decoding changes nothing.
    fn decoded(&mut self, range: Range<usize>) -> bool {
        if self.layer >= MAX_LAYERS {
            return false;
        }
        let Some(decoded) = Decoded::new(self.get(range.clone())) else {
            return false;
        };
        let mut finder = Finder::new(self.rules, &decoded.text);
        finder.layer = self.layer + 1;
        finder.userinfo(0..decoded.text.len());
        finder.any(0..decoded.text.len());
        self.take(finder.finish(), |inner| {
            let written = decoded.written(inner);
            range.start + written.start..range.start + written.end
        });
        true
    }

    fn take(&mut self, found: Vec<Denied>, place: impl Fn(Range<usize>) -> Range<usize>) {
        self.found.extend(found.into_iter().map(|denied| Denied {
            range: place(denied.range),
            name: denied.name.map(&place),
            ..denied
        }));
    }

    /// Denies `user:password@` after `://`.
    fn userinfo(&mut self, range: Range<usize>) {
        let part = self.get(range.clone()).as_bytes();
        if memchr::memchr(b'@', part).is_none() {
            return;
        }
        for at in memchr::memmem::find_iter(part, b"://") {
            let start = at + 3;
            let authority = part.get(start..).unwrap_or_default();
            let ends = |byte: &u8| {
                matches!(
                    byte,
                    b'/' | b'?' | b'#' | b'\\' | b'"' | b'\'' | b'<' | b'>'
                ) || byte.is_ascii_whitespace()
            };
            let length = authority.iter().position(ends).unwrap_or(authority.len());
            let authority = authority.get(..length).unwrap_or_default();
            let Some(length) = memchr::memrchr(b'@', authority) else {
                continue;
            };
            let found = range.start + start..range.start + start + length;
            let characters = decode(self.get(found.clone())).chars().count();
            if length > 0 {
                self.deny(found, Hidden::Characters(characters));
            }
        }
    }

    /// Judges the parameters of each URL in a header's value. `Link` holds several, each in angle brackets.
    fn urls(&mut self, is_url: bool) {
        let mut start = 0;
        while start < self.text.len() {
            let rest = self.text.get(start..).unwrap_or_default();
            let end = end_of_url(rest);
            self.url(start..start + end, is_url);
            start += end + 1;
        }
    }

    fn url(&mut self, range: Range<usize>, is_url: bool) {
        let piece = self.get(range.clone());
        match memchr::memchr2(b'?', b'#', piece.as_bytes()) {
            Some(at) if is_url || looks_like_url(piece, at) => {
                let parameters = range.start + at + 1..range.end;
                self.is_plain = component::is_plain(self.get(parameters.clone()));
                self.parameters(parameters, SEPARATORS);
            }
            Some(_) => {}
            None => self.encoded_url(range),
        }
    }

    /// Judges a URL that is encoded as a whole.
    fn encoded_url(&mut self, range: Range<usize>) {
        if self.layer >= MAX_LAYERS || !has_any(self.text, range.clone(), b"%") {
            return;
        }
        let Some(decoded) = Decoded::new(self.get(range.clone())) else {
            return;
        };
        let mut finder = Finder::new(self.rules, &decoded.text);
        finder.layer = self.layer + 1;
        finder.userinfo(0..decoded.text.len());
        finder.urls(false);
        self.take(finder.finish(), |inner| {
            let written = decoded.written(inner);
            range.start + written.start..range.start + written.end
        });
    }
}

/// Where the first URL of a text ends: at `>` if it begins with `<`, else at the end of the text.
fn end_of_url(text: &str) -> usize {
    let bytes = text.as_bytes();
    if memchr::memchr(b'<', bytes).is_none() {
        return bytes.len();
    }
    let question = memchr::memchr2(b'?', b'#', bytes).unwrap_or(bytes.len());
    let before = bytes.get(..question).unwrap_or_default();
    let is_first = |at: &usize| {
        let last = before.get(..*at).and_then(<[u8]>::last);
        last.is_none_or(|byte| *byte == b',' || byte.is_ascii_whitespace())
    };
    let bracket = memchr::memchr_iter(b'<', before).find(is_first);
    let end = bracket.and_then(|at| memchr::memchr(b'>', bytes.get(at..)?).map(|end| at + end));
    end.unwrap_or(bytes.len())
}

/// Whether the text before the `?` is empty, or has a slash with neither quote nor blank between it and the `?`.
fn looks_like_url(text: &str, question: usize) -> bool {
    let before = text.as_bytes().get(..question).unwrap_or_default();
    let is_end = |byte: &u8| matches!(byte, b'"' | b'\'') || byte.is_ascii_whitespace();
    let word = before.rsplit(is_end).next().unwrap_or_default();
    question == 0 || word.contains(&b'/')
}

/// The component decoded until nothing in it is encoded, or [`MAX_ENCODINGS`] times.
pub(in crate::redact) fn decode_all(component: &str) -> Cow<'_, str> {
    let mut text = decode(component);
    for _ in 1..MAX_ENCODINGS {
        if !has_any(&text, 0..text.len(), b"%") {
            break;
        }
        text = Cow::Owned(decode(&text).into_owned());
    }
    text
}
