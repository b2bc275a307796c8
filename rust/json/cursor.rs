//! Reads JSON without building anything: finds where keys and values begin and end.
//!
//! Understands RFC 8259, and `NaN`, `Infinity` and `-Infinity` as Python does. Anything else is refused, however harmless,
//! because a parser that accepts it may see other keys than we do. Values that no rule asks for are skipped, 64 bytes at a time,
//! by the rules of `grammar.rs`.

use super::NotJson;
use super::grammar::Grammar;
use super::string::{RawString, has_backslash};
use super::tokens::Tokens;

type Result<T> = std::result::Result<T, NotJson>;

/// A position in a JSON text.
#[derive(Debug)]
pub(crate) struct Cursor<'t> {
    text: &'t str,
    tokens: Tokens<'t>,
}

impl<'t> Cursor<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self {
            text,
            tokens: Tokens::new(text.as_bytes()),
        }
    }

    /// The position of the next token, and its first byte.
    #[inline]
    pub(crate) fn peek(&mut self) -> Result<(usize, u8)> {
        let at = self.tokens.peek().ok_or(NotJson)?;
        let byte = self.text.as_bytes().get(at).ok_or(NotJson)?;
        Ok((at, *byte))
    }

    /// Takes the next token.
    #[inline]
    pub(crate) fn token(&mut self) -> Result<(usize, u8)> {
        let token = self.peek()?;
        self.tokens.skip();
        Ok(token)
    }

    /// Checks that no token follows.
    pub(crate) fn end(&mut self) -> Result<()> {
        match self.tokens.peek() {
            None if self.tokens.is_well_formed() => Ok(()),
            _ => Err(NotJson),
        }
    }

    /// Reads a key and its colon.
    #[inline]
    pub(crate) fn key(&mut self) -> Result<RawString<'t>> {
        let (start, quote) = self.token()?;
        let (end, colon) = self.token()?;
        if (quote, colon) != (b'"', b':') {
            return Err(NotJson);
        }
        let inside = self.text.get(start + 1..end).ok_or(NotJson)?;
        let text = match inside.strip_suffix('"') {
            Some(text) => text,
            None => inside.trim_ascii_end().strip_suffix('"').ok_or(NotJson)?,
        };
        let has_escapes = self.tokens.has_backslash() && has_backslash(text);
        Ok(RawString { text, has_escapes })
    }

    /// A value of any kind.
    pub(crate) fn skip(&mut self) -> Result<()> {
        let (start, first) = self.token()?;
        match first {
            b'{' | b'[' => self.container(first == b'{').map(drop),
            // `tokens` checks the inside of strings.
            b'"' => Ok(()),
            _ => scalar(self.text.as_bytes(), start).map(drop),
        }
    }

    /// Skips a value of any kind; returns where it ends.
    pub(crate) fn value(&mut self) -> Result<usize> {
        let (start, first) = self.token()?;
        match first {
            b'{' => self.container(true),
            b'[' => self.container(false),
            b'"' => self.string_end(start),
            _ => scalar(self.text.as_bytes(), start),
        }
    }

    /// The end of the string at `start`: nothing but white space stands between it and the next token.
    fn string_end(&mut self, start: usize) -> Result<usize> {
        let next = self.tokens.peek().unwrap_or(self.text.len());
        let string = self.text.get(start..next).ok_or(NotJson)?;
        Ok(start + string.trim_ascii_end().len())
    }

    /// Skips the rest of a container whose opening bracket was taken; returns where it ends.
    #[inline(never)] // in a function of its own, the loop keeps its variables in registers
    fn container(&mut self, is_object: bool) -> Result<usize> {
        let bytes = self.text.as_bytes();
        let mut grammar = Grammar::new(is_object);
        loop {
            let (start, block) = self.tokens.block().ok_or(NotJson)?;
            let (inside, end) = grammar.read(block)?;
            let mut scalars = inside.scalar;
            while scalars != 0 {
                scalar(bytes, start + scalars.trailing_zeros() as usize)?;
                scalars &= scalars.wrapping_sub(1);
            }
            if let Some(end) = end {
                self.tokens.put_back((u64::MAX << end) << 1);
                return Ok(start + end as usize + 1);
            }
        }
    }
}

/// The end of the number or name at `start`.
#[inline]
fn scalar(bytes: &[u8], start: usize) -> Result<usize> {
    let rest = bytes.get(start..).unwrap_or_default();
    match short(rest) {
        Some(length) => Ok(start + length),
        None => long(rest).map(|length| start + length),
    }
}

/// The length of any number or name.
#[inline(never)]
fn long(rest: &[u8]) -> Result<usize> {
    let length = if matches!(rest, [b'-' | b'0'..=b'9', ..]) && !rest.starts_with(b"-I") {
        number(rest)?
    } else {
        name(rest)?
    };
    match rest.get(length) {
        Some(&byte) if !ENDS_SCALAR[usize::from(byte)] => Err(NotJson),
        _ => Ok(length),
    }
}

const ENDS_SCALAR: [bool; 256] = {
    let mut ends = [false; 256];
    let mut rest: &[u8] = b" \n\r\t,]}";
    while let [byte, after @ ..] = rest {
        ends[*byte as usize] = true;
        rest = after;
    }
    ends
};

/// The names of RFC 8259 by their first four bytes, which are compared at once.
const TRUE: u32 = u32::from_le_bytes(*b"true");
const NULL: u32 = u32::from_le_bytes(*b"null");
const FALS: u32 = u32::from_le_bytes(*b"fals");

/// The length of a common number or name, found in eight bytes at once: a positive number of few digits without an exponent, or
/// one of the three names of RFC 8259. `None` if it may be anything else.
#[inline]
fn short(rest: &[u8]) -> Option<usize> {
    let chunk: &[u8; 8] = rest.first_chunk()?;
    let length = match u32::from_le_bytes(*chunk.first_chunk()?) {
        TRUE | NULL => 4,
        FALS if chunk[4] == b'e' => 5,
        _ => short_number(rest, *chunk)?,
    };
    // An exponent or a further digit belongs to the number too.
    ENDS_SCALAR[usize::from(*rest.get(length)?)].then_some(length)
}

#[inline]
fn short_number(rest: &[u8], chunk: [u8; 8]) -> Option<usize> {
    let integer = leading_digits(u64::from_le_bytes(chunk));
    if integer == 0 || chunk[0] == b'0' && integer > 1 {
        return None;
    }
    if rest.get(integer) != Some(&b'.') {
        return Some(integer);
    }
    let fraction = rest.get(integer + 1..)?.first_chunk()?;
    match leading_digits(u64::from_le_bytes(*fraction)) {
        0 => None,
        digits => Some(integer + 1 + digits),
    }
}

fn name(rest: &[u8]) -> Result<usize> {
    ["true", "false", "null", "NaN", "Infinity", "-Infinity"]
        .iter()
        .find(|name| rest.starts_with(name.as_bytes()))
        .map(|name| name.len())
        .ok_or(NotJson)
}

fn number(rest: &[u8]) -> Result<usize> {
    let at = |i: usize| rest.get(i).copied().unwrap_or_default();
    let digits = |start: usize| {
        let mut end = start;
        while at(end).is_ascii_digit() {
            end += 1;
        }
        if end > start { Ok(end) } else { Err(NotJson) }
    };
    let start = usize::from(at(0) == b'-');
    let mut end = digits(start)?;
    if at(start) == b'0' && end > start + 1 {
        return Err(NotJson);
    }
    if at(end) == b'.' {
        end = digits(end + 1)?;
    }
    if let b'e' | b'E' = at(end) {
        let has_sign = matches!(at(end + 1), b'+' | b'-');
        end = digits(end + 1 + usize::from(has_sign))?;
    }
    Ok(end)
}

/// How many of the eight bytes, the lowest first, are digits.
#[inline]
fn leading_digits(word: u64) -> usize {
    // Digits become 0 to 9. Adding 0x76 sets the highest bit of a byte of 10 or more. Only such a byte can carry into the next,
    // and bytes after the first that is no digit do not matter.
    let values = word ^ 0x3030_3030_3030_3030;
    let others = (values.wrapping_add(0x7676_7676_7676_7676) | values) & 0x8080_8080_8080_8080;
    others.trailing_zeros() as usize / 8
}
