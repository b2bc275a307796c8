//! The text that a JSON string stands for, with its escapes undone.

use std::borrow::Cow;

/// A string as written, without its quotes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawString<'t> {
    pub(crate) text: &'t str,
    pub(crate) has_escapes: bool,
}

impl<'t> RawString<'t> {
    /// `None` if the value is not a string.
    pub(crate) fn unquote(value: &'t str) -> Option<Self> {
        let text = value.strip_prefix('"')?.strip_suffix('"')?;
        let has_escapes = has_backslash(text);
        Some(Self { text, has_escapes })
    }
}

pub(super) fn has_backslash(text: &str) -> bool {
    text.as_bytes().contains(&b'\\') // most texts are too short for memchr to pay
}

impl<'t> RawString<'t> {
    /// The text, or `None` if it has an unpaired surrogate: no name equals such a text, and parsers differ on what it is.
    #[inline]
    pub(crate) fn unescape(self) -> Option<Cow<'t, str>> {
        if self.has_escapes {
            self.unescaped().map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(self.text))
        }
    }

    fn unescaped(self) -> Option<String> {
        let mut string = String::with_capacity(self.text.len());
        for piece in Pieces(self.text) {
            match piece {
                Piece::Plain(text) => string.push_str(text),
                Piece::Escape(character) => string.push(character?),
            }
        }
        Some(string)
    }

    /// The text, with U+FFFD for each unpaired surrogate.
    pub(crate) fn unescape_lossy(self) -> String {
        let mut string = String::with_capacity(self.text.len());
        for piece in Pieces(self.text) {
            match piece {
                Piece::Plain(text) => string.push_str(text),
                Piece::Escape(escape) => string.push(escape.unwrap_or(char::REPLACEMENT_CHARACTER)),
            }
        }
        string
    }

    /// The number of characters of the text; an unpaired surrogate counts as one.
    pub(crate) fn count(self) -> usize {
        if !self.has_escapes {
            return characters(self.text);
        }
        Pieces(self.text)
            .map(|piece| match piece {
                Piece::Plain(text) => characters(text),
                Piece::Escape(_) => 1,
            })
            .sum()
    }
}

/// The number of characters; most texts are ASCII, which is found out sooner than the characters are counted.
fn characters(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        text.chars().count()
    }
}

/// The rest of a string whose escapes are known to be valid.
struct Pieces<'t>(&'t str);

enum Piece<'t> {
    Plain(&'t str),
    /// `None` is an unpaired surrogate.
    Escape(Option<char>),
}

impl<'t> Iterator for Pieces<'t> {
    type Item = Piece<'t>;

    fn next(&mut self) -> Option<Piece<'t>> {
        let text = self.0;
        match memchr::memchr(b'\\', text.as_bytes()) {
            Some(0) => {
                let (character, rest) = escape(text)?;
                self.0 = rest;
                Some(Piece::Escape(character))
            }
            None if text.is_empty() => None,
            next => {
                let (plain, rest) = text.split_at_checked(next.unwrap_or(text.len()))?;
                self.0 = rest;
                Some(Piece::Plain(plain))
            }
        }
    }
}

/// The character of the escape that `text` starts with, and what follows it.
fn escape(text: &str) -> Option<(Option<char>, &str)> {
    if let Some((unit, rest)) = code_unit(text) {
        if let (0xD800..=0xDBFF, Some((low @ 0xDC00..=0xDFFF, rest))) = (unit, code_unit(rest)) {
            let code_point = 0x1_0000 + ((unit & 0x3FF) << 10 | (low & 0x3FF));
            return Some((char::from_u32(code_point), rest));
        }
        return Some((char::from_u32(unit), rest));
    }
    let character = match text.as_bytes().get(1)? {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        &itself => char::from(itself),
    };
    Some((Some(character), text.get(2..)?))
}

/// The UTF-16 code unit of the `\uXXXX` that `text` starts with, and what follows it.
fn code_unit(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.strip_prefix("\\u")?.split_at_checked(4)?;
    Some((u32::from_str_radix(digits, 16).ok()?, rest))
}
