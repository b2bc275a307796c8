//! Finds the tokens of a JSON text: punctuation, and where strings, numbers and names begin.
//!
//! Checks the inside of strings on the way. What comes in which order is the scanner's business.

use super::block::{self, classify};

/// The positions of tokens, in order.
#[derive(Debug)]
pub(super) struct Tokens<'t> {
    bytes: &'t [u8],
    /// Where the block after the current one begins.
    next_block: usize,
    /// Tokens of the current block that have not been taken.
    found: u64,
    /// All ones if the current block ends inside a string.
    in_string: u64,
    /// 1 if the current block ends in a backslash that belongs to the byte after it.
    escaped: u64,
    /// 1 if the current block ends in a number or name.
    in_scalar: u64,
    /// Not zero once a string has been found to be malformed.
    malformed: u64,
}

/// Tokens of one block, to be taken without a look at the text.
#[derive(Debug)]
pub(super) struct Batch {
    start: usize,
    found: u64,
}

impl Iterator for Batch {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.found == 0 {
            return None;
        }
        let at = self.start + self.found.trailing_zeros() as usize;
        self.found &= self.found.wrapping_sub(1);
        Some(at)
    }
}

impl<'t> Tokens<'t> {
    pub(super) fn new(bytes: &'t [u8]) -> Self {
        Self {
            bytes,
            next_block: 0,
            found: 0,
            in_string: 0,
            escaped: 0,
            in_scalar: 0,
            malformed: 0,
        }
    }

    /// Whether all that has been read was well-formed so far; after the last token, whether the text ended outside a string.
    pub(super) fn is_well_formed(&self) -> bool {
        self.malformed == 0 && self.in_string == 0
    }

    /// The next token stays where it is.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<usize> {
        let batch = self.batch()?;
        Some(batch.start + batch.found.trailing_zeros() as usize)
    }

    #[inline]
    pub(super) fn skip(&mut self) {
        self.found &= self.found.wrapping_sub(1);
    }

    /// Some of the next tokens.
    #[inline]
    pub(super) fn batch(&mut self) -> Option<Batch> {
        while self.found == 0 {
            self.read_block()?;
        }
        Some(Batch {
            start: self.next_block - block::SIZE,
            found: self.found,
        })
    }

    /// Takes all of the batch but what is left of it.
    #[inline]
    pub(super) fn put_back(&mut self, rest: &Batch) {
        self.found = rest.found;
    }

    #[inline(never)]
    fn read_block(&mut self) -> Option<()> {
        let rest = self
            .bytes
            .get(self.next_block..)
            .filter(|rest| !rest.is_empty())?;
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
        self.malformed |= classes.control & in_string;
        self.malformed |= self.not_white_space(classes.control & !in_string);
        let scalar = !(in_string | quote | classes.blank | classes.punctuation);
        let scalar_start = scalar & !(scalar << 1 | self.in_scalar);
        self.in_scalar = scalar >> 63;
        self.found = classes.punctuation & !in_string | quote & in_string | scalar_start;
        self.next_block += block::SIZE;
        Some(())
    }

    /// Those of the control characters in the next block that are no white space to JSON.
    fn not_white_space(&self, mut control: u64) -> u64 {
        let mut found = 0;
        while control != 0 {
            let at = control.trailing_zeros();
            let byte = self.bytes.get(self.next_block + at as usize);
            if !matches!(byte, Some(b'\t' | b'\n' | b'\r')) {
                found |= 1 << at;
            }
            control &= control.wrapping_sub(1);
        }
        found
    }

    /// Checks the escapes that begin in this block: the bytes they take the meaning from.
    fn escapes(&mut self, backslash: u64) -> u64 {
        let mut escaped = std::mem::take(&mut self.escaped);
        let mut left = backslash & !escaped;
        while left != 0 {
            let at = left.trailing_zeros();
            if !is_escape(self.bytes, self.next_block + at as usize) {
                self.malformed = 1;
            }
            let next = (1 << at) << 1;
            escaped |= next;
            self.escaped |= u64::from(at == 63);
            left &= left.wrapping_sub(1) & !next;
        }
        escaped
    }
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
