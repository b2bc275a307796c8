//! Reads JSON without building anything: finds where keys and values begin and end.
//!
//! Understands RFC 8259, and `NaN`, `Infinity` and `-Infinity` as Python does. Anything else is refused, however harmless,
//! because a parser that accepts it may see other keys than we do. Nesting costs one bit per level and no recursion.

use super::scalar::scalar_end;
use super::tokens::Tokens;

/// The text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

type Result<T> = std::result::Result<T, Malformed>;

/// A position in a JSON text.
#[derive(Debug)]
pub(super) struct Scanner<'t> {
    text: &'t str,
    tokens: Tokens<'t>,
}

/// A string as written, without its quotes.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawString<'t> {
    pub(super) text: &'t str,
    pub(super) has_escapes: bool,
}

impl<'t> RawString<'t> {
    /// `None` if the value is not a string.
    pub(super) fn unquote(value: &'t str) -> Option<Self> {
        let text = value.strip_prefix('"')?.strip_suffix('"')?;
        let has_escapes = memchr::memchr(b'\\', text.as_bytes()).is_some();
        Some(Self { text, has_escapes })
    }
}

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            tokens: Tokens::new(text.as_bytes()),
        }
    }

    /// Where the next token is, and its first byte.
    #[inline]
    pub(super) fn peek(&mut self) -> Result<(usize, u8)> {
        let at = self.tokens.peek().ok_or(Malformed)?;
        let byte = self.text.as_bytes().get(at).ok_or(Malformed)?;
        Ok((at, *byte))
    }

    /// Takes the next token.
    #[inline]
    pub(super) fn token(&mut self) -> Result<(usize, u8)> {
        let token = self.peek()?;
        self.tokens.skip();
        Ok(token)
    }

    /// Nothing may follow.
    pub(super) fn end(&mut self) -> Result<()> {
        match self.tokens.peek() {
            None if self.tokens.is_well_formed() => Ok(()),
            _ => Err(Malformed),
        }
    }

    /// A key and its colon.
    pub(super) fn key(&mut self) -> Result<RawString<'t>> {
        let (start, quote) = self.token()?;
        let (end, colon) = self.token()?;
        if (quote, colon) != (b'"', b':') {
            return Err(Malformed);
        }
        let string = self.text.get(start..end).ok_or(Malformed)?;
        RawString::unquote(string.trim_ascii_end()).ok_or(Malformed)
    }

    /// A value of any kind: where it ends.
    pub(super) fn value(&mut self) -> Result<usize> {
        let (start, first) = self.token()?;
        match first {
            b'{' => self.container(true),
            b'[' => self.container(false),
            b'"' => self.string_end(start),
            _ => scalar_end(self.text.as_bytes(), start),
        }
    }

    /// The end of the string at `start`: nothing but white space stands between it and the next token.
    fn string_end(&mut self, start: usize) -> Result<usize> {
        let next = self.tokens.peek().unwrap_or(self.text.len());
        let string = self.text.get(start..next).ok_or(Malformed)?;
        Ok(start + string.trim_ascii_end().len())
    }

    /// The rest of a container: where it ends.
    fn container(&mut self, mut is_object: bool) -> Result<usize> {
        let bytes = self.text.as_bytes();
        let mut nesting = Nesting::default();
        loop {
            let mut rest = self.tokens.rest().ok_or(Malformed)?;
            while let Some(at) = rest.next_bracket(is_object)? {
                match (bytes.get(at), is_object) {
                    (Some(b'{'), _) => {
                        nesting.push(is_object);
                        is_object = true;
                    }
                    (Some(b'['), _) => {
                        nesting.push(is_object);
                        is_object = false;
                    }
                    (Some(b'}'), true) | (Some(b']'), false) => {
                        let Some(outer) = nesting.pop() else {
                            self.tokens.put_back(&rest);
                            return Ok(at + 1);
                        };
                        is_object = outer;
                    }
                    _ => return Err(Malformed),
                }
            }
            self.tokens.skip_block();
        }
    }
}

/// The containers around a position: for each, whether it is an object.
#[derive(Debug, Default)]
struct Nesting {
    depth: usize,
    /// The innermost ones, the last in bit 0.
    inner: u64,
    /// The others, 64 to a word.
    outer: Vec<u64>,
}

impl Nesting {
    #[inline]
    fn push(&mut self, is_object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.outer.push(self.inner);
        }
        self.inner = self.inner << 1 | u64::from(is_object);
        self.depth += 1;
    }

    #[inline]
    fn pop(&mut self) -> Option<bool> {
        self.depth = self.depth.checked_sub(1)?;
        let is_object = self.inner & 1 == 1;
        self.inner >>= 1;
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.inner = self.outer.pop().unwrap_or_default();
        }
        Some(is_object)
    }
}
