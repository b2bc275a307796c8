//! Components of a URL or of an urlencoded form: names and values, encoded and decoded.

use std::borrow::Cow;
use std::ops::Range;

use percent_encoding::percent_decode;

/// Bytes of a query that stand for themselves, and `&` and `=`, which have only one meaning.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut rest: &[u8] =
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$'()*,:/&=";
    while let [byte, after @ ..] = rest {
        plain[*byte as usize] = true;
        rest = after;
    }
    plain
};

/// Below this length a loop is faster than a search with SIMD.
const SHORT_BYTES: usize = 16;

/// Whether all of `text` is [`PLAIN`], as most queries are.
pub(in crate::redact) fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| PLAIN[usize::from(byte)])
}

/// Whether one of at most three `bytes` is in a range of `text`.
pub(in crate::redact) fn has_any(text: &str, range: Range<usize>, bytes: &[u8]) -> bool {
    let part = text.as_bytes().get(range).unwrap_or_default();
    match bytes {
        _ if part.len() < SHORT_BYTES => part.iter().any(|byte| bytes.contains(byte)),
        [] => false,
        [only] => memchr::memchr(*only, part).is_some(),
        [one, other] => memchr::memchr2(*one, *other, part).is_some(),
        [one, other, third, ..] => memchr::memchr3(*one, *other, *third, part).is_some(),
    }
}

pub(in crate::redact) fn find(byte: u8, text: &[u8]) -> Option<usize> {
    if text.len() < SHORT_BYTES {
        return text.iter().position(|other| *other == byte);
    }
    memchr::memchr(byte, text)
}

pub(in crate::redact) fn is_encoded(component: &str) -> bool {
    let bytes = component.as_bytes();
    if bytes.len() < SHORT_BYTES {
        return bytes.iter().any(|byte| matches!(byte, b'%' | b'+'));
    }
    memchr::memchr2(b'%', b'+', bytes).is_some()
}

/// The decoded component. Bytes that are not UTF-8 become U+FFFD, as in Python's `parse_qsl`.
pub(in crate::redact) fn decode(component: &str) -> Cow<'_, str> {
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

/// `component` with `+` read as a space.
pub(in crate::redact) fn spaces(component: &str) -> Cow<'_, str> {
    if memchr::memchr(b'+', component.as_bytes()).is_some() {
        Cow::Owned(component.replace('+', " "))
    } else {
        Cow::Borrowed(component)
    }
}

/// A text decoded once, with the position of each of its bytes in the encoded text.
pub(in crate::redact) struct Decoded {
    /// The decoded text. Each byte that is not UTF-8 becomes a `?`, so that positions stay right.
    pub(in crate::redact) text: String,
    /// For each byte of `text`, where it begins in the encoded text; and one more for the end.
    starts: Vec<usize>,
}

impl Decoded {
    /// `None` if nothing in `component` is encoded.
    pub(in crate::redact) fn new(component: &str) -> Option<Decoded> {
        if !is_encoded(component) {
            return None;
        }
        let written = component.as_bytes();
        let mut bytes = Vec::with_capacity(written.len());
        let mut starts = Vec::with_capacity(written.len() + 1);
        let mut at = 0;
        while let Some(&byte) = written.get(at) {
            starts.push(at);
            let escaped = written.get(at + 1..at + 3).and_then(hex);
            if let (b'%', Some(escaped)) = (byte, escaped) {
                bytes.push(escaped);
                at += 3;
            } else {
                bytes.push(if byte == b'+' { b' ' } else { byte });
                at += 1;
            }
        }
        starts.push(at);
        Some(Decoded {
            text: one_byte_each(bytes),
            starts,
        })
    }

    /// The range of the encoded text that a range of `text` was decoded from.
    pub(in crate::redact) fn written(&self, range: Range<usize>) -> Range<usize> {
        let end = self.starts.last().copied().unwrap_or_default();
        let at = |position: usize| self.starts.get(position).copied().unwrap_or(end);
        at(range.start)..at(range.end)
    }
}

/// The byte that two hexadecimal digits stand for.
pub(in crate::redact) fn hex(digits: &[u8]) -> Option<u8> {
    let [high, low] = digits else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// Bytes as text; each byte of an invalid sequence becomes `?`.
fn one_byte_each(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| {
        let mut text = String::new();
        for chunk in error.as_bytes().utf8_chunks() {
            text.push_str(chunk.valid());
            text.extend(chunk.invalid().iter().map(|_| '?'));
        }
        text
    })
}
