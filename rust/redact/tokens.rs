//! Finds the tokens of a JSON text: punctuation, and where strings, numbers and names begin.
//!
//! Checks what is inside the tokens on the way, and lets the grammar check their order.

use super::block::{self, classify};
use super::grammar::{Block, Containers, Grammar};
use super::scalar::scalar_end;
use super::scan::Malformed;

/// The positions of tokens, in order.
#[derive(Debug)]
pub(super) struct Tokens<'t> {
    bytes: &'t [u8],
    /// Where the block after the current one begins.
    next_block: usize,
    /// Tokens of the current block that have not been taken.
    found: u64,
    containers: Containers,
    grammar: Grammar,
    /// All ones if the current block ends inside a string.
    in_string: u64,
    /// 1 if the current block ends in a backslash that belongs to the byte after it.
    escaped: u64,
    /// 1 if the current block ends in a number or name.
    in_scalar: u64,
    is_malformed: bool,
}

/// The tokens of a block that have not been taken.
#[derive(Debug)]
pub(super) struct Rest {
    start: usize,
    /// Ones from the first token on.
    left: u64,
    containers: Containers,
}

impl Rest {
    /// Takes the tokens up to the next bracket, which is where this container ends or another one starts. If there is none,
    /// takes the rest.
    #[inline]
    pub(super) fn next_bracket(&mut self, is_object: bool) -> Result<Option<usize>, Malformed> {
        let brackets = self.containers.brackets & self.left;
        let first = brackets & brackets.wrapping_neg();
        // All of the block if there is no bracket left.
        let taken = self.left & (first | first.wrapping_sub(1));
        let strangers = if is_object {
            self.containers.in_array
        } else {
            self.containers.in_object
        };
        if strangers & taken != 0 {
            return Err(Malformed);
        }
        self.left &= !taken;
        Ok((first != 0).then(|| self.start + first.trailing_zeros() as usize))
    }
}

impl<'t> Tokens<'t> {
    pub(super) fn new(bytes: &'t [u8]) -> Self {
        Self {
            bytes,
            next_block: 0,
            found: 0,
            containers: Containers::default(),
            grammar: Grammar::new(),
            in_string: 0,
            escaped: 0,
            in_scalar: 0,
            is_malformed: false,
        }
    }

    /// Whether the text, once there are no more tokens, has come to a good end.
    pub(super) fn is_well_formed(&self) -> bool {
        !self.is_malformed && self.in_string == 0
    }

    /// The next token stays where it is. `None` at the end, and where the text is malformed.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<usize> {
        while self.found == 0 {
            self.read_block()?;
        }
        Some(self.next_block - block::SIZE + self.found.trailing_zeros() as usize)
    }

    #[inline]
    pub(super) fn skip(&mut self) {
        self.found &= self.found.wrapping_sub(1);
    }

    /// The next tokens, as far as they are in one block.
    #[inline]
    pub(super) fn rest(&mut self) -> Option<Rest> {
        self.peek()?;
        Some(Rest {
            start: self.next_block - block::SIZE,
            left: self.found | self.found.wrapping_neg(),
            containers: self.containers,
        })
    }

    /// Takes what has been taken of the rest.
    #[inline]
    pub(super) fn put_back(&mut self, rest: &Rest) {
        self.found &= rest.left;
    }

    /// Takes all of the rest.
    #[inline]
    pub(super) fn skip_block(&mut self) {
        self.found = 0;
    }

    /// `None` at the end, and where the text is malformed.
    #[inline(never)]
    fn read_block(&mut self) -> Option<()> {
        let rest = self.bytes.get(self.next_block..)?;
        if rest.is_empty() || self.is_malformed {
            return None;
        }
        let mut last = [b' '; block::SIZE];
        let classes = classify(rest.first_chunk().unwrap_or_else(|| {
            last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            &last
        }));
        let escaped = if classes.backslash == 0 {
            std::mem::take(&mut self.escaped)
        } else {
            self.escapes(classes.backslash)
        };
        let quote = classes.quote & !escaped;
        // From the opening quote to the byte before the closing one.
        let in_string = prefix_xor(quote) ^ self.in_string;
        self.in_string = if in_string >> 63 == 1 { u64::MAX } else { 0 };
        let outside = !(in_string | quote);
        let punctuation = classes.start | classes.end | classes.colon | classes.comma;
        let scalar = outside & !(classes.blank | punctuation);
        let scalar_start = scalar & !(scalar << 1 | self.in_scalar);
        self.in_scalar = scalar >> 63;
        let block = Block {
            blank: outside & classes.blank,
            in_string,
            string_start: quote & in_string,
            string_end: quote & !in_string,
            scalar_start,
            start: outside & classes.start,
            end: outside & classes.end,
            colon: outside & classes.colon,
            comma: outside & classes.comma,
        };
        let containers = self.grammar.read(&block);
        self.is_malformed |= containers.is_none()
            || classes.control & in_string != 0
            || !self.all(classes.control & outside, is_white_space)
            || !self.all(scalar_start, |bytes, at| scalar_end(bytes, at).is_ok());
        self.containers = containers.unwrap_or_default();
        self.found = outside & punctuation | block.string_start | scalar_start;
        self.next_block += block::SIZE;
        (!self.is_malformed).then_some(())
    }

    /// Whether `is_right` of all these positions of the next block.
    #[inline]
    fn all(&self, mut bits: u64, is_right: impl Fn(&[u8], usize) -> bool) -> bool {
        while bits != 0 {
            let at = self.next_block + bits.trailing_zeros() as usize;
            if !is_right(self.bytes, at) {
                return false;
            }
            bits &= bits.wrapping_sub(1);
        }
        true
    }

    /// Checks the escapes that begin in this block: the bytes they take the meaning from.
    fn escapes(&mut self, backslash: u64) -> u64 {
        let mut escaped = std::mem::take(&mut self.escaped);
        let mut left = backslash & !escaped;
        while left != 0 {
            let at = left.trailing_zeros();
            if !is_escape(self.bytes, self.next_block + at as usize) {
                self.is_malformed = true;
            }
            let next = (1 << at) << 1;
            escaped |= next;
            self.escaped |= u64::from(at == 63);
            left &= left.wrapping_sub(1) & !next;
        }
        escaped
    }
}

/// Of the characters up to 0x20 other than the space itself.
fn is_white_space(bytes: &[u8], at: usize) -> bool {
    matches!(bytes.get(at), Some(b'\t' | b'\n' | b'\r'))
}

/// Whether there is an escape of RFC 8259 at the backslash `at`.
fn is_escape(bytes: &[u8], at: usize) -> bool {
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => true,
        Some(b'u') => bytes
            .get(at + 2..at + 6)
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)),
        _ => false,
    }
}

/// Bit `n` is the parity of bits `0..=n`.
fn prefix_xor(bits: u64) -> u64 {
    [1, 2, 4, 8, 16, 32]
        .iter()
        .fold(bits, |bits, shift| bits ^ bits << shift)
}
