//! Denied parameters that stand elsewhere in the log: in a redirect's page, a link of a JSON answer, the next request's headers.
//!
//! A parameter is looked for as it reads, `name=value`. Each of its bytes may be written in another way: percent-encoded (more
//! than once), as a space written `+`, as an entity of HTML or as an escape of JSON.

use std::borrow::Cow;
use std::collections::HashSet;

use super::component::decode;
use super::component::hex;
use super::denied::{Denied, decode_all};
use super::edit::Text;
use super::marker::{Marker, Reason, withheld};

/// Bytes of a text times parameters to look for. Beyond this a text is withheld, so that a client cannot make us search for
/// long: it takes a tenth of a second.
const MAX_WORK: usize = 1 << 26;

/// How often a byte may be percent-encoded.
const MAX_LAYERS: usize = 4;

/// How often two ways of reading one place are both tried.
const MAX_TRIES: usize = 100;

/// The denied parameters of one exchange.
#[derive(Debug, Default)]
pub struct Repeats {
    targets: Vec<Target>,
    seen: HashSet<(String, String)>,
}

/// One parameter as it reads.
#[derive(Debug)]
struct Target {
    name_and_equals: String,
    value: String,
}

impl Repeats {
    /// Whether there is nothing to look for.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Notes the denied parameters that were found in `text`.
    pub(super) fn add(&mut self, text: &str, denied: &[Denied]) {
        for denied in denied {
            let Some(name) = denied.name.clone().and_then(|name| text.get(name)) else {
                continue;
            };
            let value = text.get(denied.range.clone()).unwrap_or_default();
            let mut value = Cow::Borrowed(value);
            for _ in 0..=denied.layers {
                value = Cow::Owned(decode(&value).into_owned());
            }
            let name_and_equals = format!("{}=", decode_all(name));
            if !value.is_empty()
                && self
                    .seen
                    .insert((name_and_equals.clone(), value.to_string()))
            {
                self.targets.push(Target {
                    name_and_equals,
                    value: value.into_owned(),
                });
            }
        }
    }

    /// A text that was judged by its own place already, without the parameters that it repeats.
    pub fn redact_text<'a>(&self, text: &'a Text<'a>) -> Cow<'a, str> {
        let text = match text.unedited() {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(text.to_string()),
        };
        if self.targets.len().saturating_mul(text.len()) > MAX_WORK {
            return Cow::Owned(withheld(text.len() as u64, Reason::ManyRepeats));
        }
        match self.search(&text, Marker::plain) {
            Some(redacted) => Cow::Owned(redacted),
            None => text,
        }
    }

    /// A header's value or a decoded parameter.
    pub fn redact_value<'a>(&self, value: &'a str) -> Cow<'a, str> {
        if self.targets.len().saturating_mul(value.len()) > MAX_WORK {
            return Cow::Owned(withheld(value.len() as u64, Reason::ManyRepeats));
        }
        match self.search(value, Marker::plain) {
            Some(redacted) => Cow::Owned(redacted),
            None => Cow::Borrowed(value),
        }
    }

    /// A URL, which stays one.
    pub fn redact_url(&self, url: String) -> String {
        self.search(&url, Marker::component).unwrap_or(url)
    }

    fn search(&self, text: &str, marker: fn(usize) -> Marker) -> Option<String> {
        let bytes = text.as_bytes();
        let mut redacted: Option<String> = None;
        let (mut copied, mut at) = (0, 0);
        while at < bytes.len() {
            let found = self
                .targets
                .iter()
                .filter(|target| target.may_begin_with(bytes[at]))
                .find_map(|target| target.at(bytes, at));
            let Some((value_start, end, characters)) = found else {
                at += 1;
                continue;
            };
            let out = redacted.get_or_insert_with(String::new);
            out.push_str(text.get(copied..value_start).unwrap_or_default());
            out.push_str(&String::from_utf8_lossy(marker(characters).as_bytes()));
            (copied, at) = (end, end);
        }
        let mut redacted = redacted?;
        redacted.push_str(text.get(copied..).unwrap_or_default());
        Some(redacted)
    }
}

impl Target {
    /// Whether the name may be written with this first byte: its own, or that of an escape.
    fn may_begin_with(&self, byte: u8) -> bool {
        matches!(byte, b'%' | b'&' | b'\\' | b'+')
            || self.name_and_equals.as_bytes().first() == Some(&byte)
    }

    /// Where the value begins and ends if the parameter is written at this position, and its number of characters.
    fn at(&self, text: &[u8], position: usize) -> Option<(usize, usize, usize)> {
        let value_start = written(text, position, &self.name_and_equals)?;
        let end = written(text, value_start, &self.value)?;
        Some((value_start, end, self.value.chars().count()))
    }
}

/// Where `wanted` ends if it is written at this position, in whatever way.
///
/// A `&` may be itself or begin an entity that stands for it, and so with `%` and `\`: what fits is all tried.
fn written(text: &[u8], position: usize, wanted: &str) -> Option<usize> {
    let mut others: Vec<(usize, usize)> = Vec::new();
    let mut lengths = Vec::new();
    let mut tries = 0;
    let (mut at, mut rest) = (position, wanted);
    loop {
        let Some(character) = rest.chars().next() else {
            return Some(at);
        };
        let after = wanted.len() - rest.len() + character.len_utf8();
        lengths.clear();
        lengths_written(text.get(at..).unwrap_or_default(), character, &mut lengths);
        let mut next = None;
        for length in &lengths {
            if next.is_none() {
                next = Some((at + length, after));
            } else if tries < MAX_TRIES {
                tries += 1;
                others.push((at + length, after));
            }
        }
        let next = next.or_else(|| others.pop())?;
        at = next.0;
        rest = wanted.get(next.1..)?;
    }
}

/// The numbers of bytes that a character may take at the start of a text.
fn lengths_written(text: &[u8], wanted: char, lengths: &mut Vec<usize>) {
    let mut buffer = [0; 4];
    let bytes = wanted.encode_utf8(&mut buffer).as_bytes();
    if text.starts_with(bytes) {
        lengths.push(bytes.len());
    }
    match text.first() {
        Some(b'+') if wanted == ' ' => lengths.push(1),
        Some(b'%' | b'&' | b'\\') => {
            if let Some((found, length)) = escape(text)
                && (found == wanted || (found == '+' && wanted == ' '))
            {
                lengths.push(length);
            }
            match *bytes {
                [b' '] => {
                    lengths.extend(percent_encoded(text, b' '));
                    lengths.extend(percent_encoded(text, b'+'));
                }
                [byte] => lengths.extend(percent_encoded(text, byte)),
                // In UTF-8, one escape for each byte.
                _ => {
                    let mut length = 0;
                    for byte in bytes {
                        let rest = text.get(length..).unwrap_or_default();
                        match percent_encoded(rest, *byte).next() {
                            Some(one) => length += one,
                            None => return,
                        }
                    }
                    lengths.push(length);
                }
            }
        }
        _ => {}
    }
}

/// The numbers of bytes that a percent-encoded `wanted` may take: `%3D`, `%253D`, and so on. There is more than one for `%` itself,
/// as in `%25252B`. The first `%` may itself be an escape of HTML or JSON.
fn percent_encoded(text: &[u8], wanted: u8) -> impl Iterator<Item = usize> {
    let mut at = match text.first() {
        Some(b'%') => Some(1),
        _ => match escape(text) {
            Some(('%', length)) => Some(length),
            _ => None,
        },
    };
    std::iter::from_fn(move || {
        let start = at?;
        let byte = hex(text.get(start..start + 2)?)?;
        at = (byte == b'%').then_some(start + 2);
        Some((byte, start + 2))
    })
    .take(MAX_LAYERS)
    .filter(move |(byte, _)| *byte == wanted)
    .map(|(_, end)| end)
}

/// The character that an escape of HTML or of JSON stands for, and the escape's length.
fn escape(text: &[u8]) -> Option<(char, usize)> {
    match text {
        [b'&', rest @ ..] => {
            let end = rest.iter().take(10).position(|byte| *byte == b';')?;
            let entity = std::str::from_utf8(rest.get(..end)?).ok()?;
            let number = entity.strip_prefix('#');
            let character = match number.map(|number| number.strip_prefix(['x', 'X']).ok_or(number))
            {
                Some(Ok(digits)) => char::from_u32(u32::from_str_radix(digits, 16).ok()?)?,
                Some(Err(digits)) => char::from_u32(digits.parse().ok()?)?,
                None => named(entity)?,
            };
            Some((character, end + 2))
        }
        [b'\\', b'u', digits @ ..] => {
            let unit = |digits: &[u8]| {
                let digits = std::str::from_utf8(digits.get(..4)?).ok()?;
                u32::from_str_radix(digits, 16).ok()
            };
            let first = unit(digits)?;
            if let Some(character) = char::from_u32(first) {
                return Some((character, 6));
            }
            let second = unit(digits.get(4..)?.strip_prefix(b"\\u")?)?;
            let pair = [u16::try_from(first).ok()?, u16::try_from(second).ok()?];
            let character = char::decode_utf16(pair).next()?.ok()?;
            Some((character, 12))
        }
        [b'\\', character, ..] => {
            let character = match character {
                b'"' | b'\\' | b'/' | b'\'' => char::from(*character),
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                b'b' => '\u{8}',
                b'f' => '\u{c}',
                _ => return None,
            };
            Some((character, 2))
        }
        _ => None,
    }
}

/// The entities that frameworks write for what a URL may hold.
fn named(entity: &str) -> Option<char> {
    Some(match entity {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "equals" => '=',
        "percnt" => '%',
        "plus" => '+',
        "sol" => '/',
        "nbsp" => '\u{a0}',
        _ => return None,
    })
}
