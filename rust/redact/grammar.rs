//! The grammar of JSON containers, 64 bytes at a time.
//!
//! What may follow a token depends on the token before it and, for commas, on the kind of container: so all tokens of a block
//! are judged at once, each by its predecessor. Only brackets are looked at one by one.

use super::scan::Malformed;
use super::tokens::Block;

/// What a container has come to after some blocks.
#[derive(Debug)]
pub(super) struct Grammar {
    is_object: bool,
    nesting: Nesting,
    /// For each kind of token that matters to the next, 1 if the last one was of this kind.
    after_open: u64,
    after_comma: u64,
    after_colon: u64,
    after_key: u64,
}

impl Grammar {
    /// At the beginning of a container.
    pub(super) fn new(is_object: bool) -> Self {
        Self {
            is_object,
            nesting: Nesting::new(),
            after_open: 1,
            after_comma: 0,
            after_colon: 0,
            after_key: 0,
        }
    }

    /// Reads the next block: the number of the bit at which the container ends, if it ends in it.
    #[inline]
    pub(super) fn read(&mut self, block: &Block) -> Result<Option<u32>, Malformed> {
        let (in_object, end) = self.brackets(block)?;
        let Block {
            open,
            close,
            comma,
            colon,
            string,
            scalar,
            ..
        } = end.map_or(*block, |end| block.and(u64::MAX >> (63 - end)));
        let tokens = open | close | comma | colon | string | scalar;
        let after_open = follow(open, tokens, &mut self.after_open);
        let after_comma = follow(comma, tokens, &mut self.after_comma);
        let after_colon = follow(colon, tokens, &mut self.after_colon);
        let key = string & in_object & (after_open | after_comma);
        let after_key = follow(key, tokens, &mut self.after_key);
        let after_value = tokens & !(after_open | after_comma | after_colon | after_key);

        let value = open | string | scalar;
        let wrong = (after_key & !colon)
            | (after_open & in_object & !(string | close))
            | (after_open & !in_object & !(value | close))
            | (after_comma & in_object & !string)
            | (after_comma & !in_object & !value)
            | (after_colon & !value)
            | (after_value & !(comma | close));
        if wrong == 0 { Ok(end) } else { Err(Malformed) }
    }

    /// Follows the brackets of a block: which bytes lie in an object, brackets counting to the container around them (an
    /// opening one) or that they end (a closing one), and where the container ends.
    #[inline]
    fn brackets(&mut self, block: &Block) -> Result<(u64, Option<u32>), Malformed> {
        let mut in_object = if self.is_object { u64::MAX } else { 0 };
        let mut left = block.open | block.close;
        while left != 0 {
            let bit = left & left.wrapping_neg();
            left ^= bit;
            let is_curly = block.curly & bit != 0;
            let before = self.is_object;
            if block.open & bit != 0 {
                self.nesting.push(before);
                self.is_object = is_curly;
            } else if is_curly != before {
                return Err(Malformed);
            } else if let Some(outer) = self.nesting.pop() {
                self.is_object = outer;
            } else {
                return Ok((in_object, Some(bit.trailing_zeros())));
            }
            if self.is_object != before {
                in_object ^= bit.wrapping_neg() ^ bit;
            }
        }
        Ok((in_object, None))
    }
}

/// Those of `tokens` that come next after one of `kind`. `carry` says so of the last token of the block before, and then of
/// this block's.
#[inline]
fn follow(kind: u64, tokens: u64, carry: &mut u64) -> u64 {
    // The bit above each one of the kind, added to the gaps between tokens, ripples through its gap to the next token.
    let (sum, is_beyond) = (kind << 1 | *carry).overflowing_add(!tokens);
    *carry = kind >> 63 | u64::from(is_beyond);
    sum & tokens
}

/// The containers around a position: for each, whether it is an object.
#[derive(Debug)]
struct Nesting {
    /// The innermost ones, the last in bit 0, above them a bit that is always set: 1 is none.
    inner: u64,
    /// The others, a full word each.
    outer: Vec<u64>,
}

impl Nesting {
    fn new() -> Self {
        Self {
            inner: 1,
            outer: Vec::new(),
        }
    }

    #[inline]
    fn push(&mut self, is_object: bool) {
        if self.inner >> 63 == 1 {
            self.outer.push(self.inner);
            self.inner = 1;
        }
        self.inner = self.inner << 1 | u64::from(is_object);
    }

    #[inline]
    fn pop(&mut self) -> Option<bool> {
        if self.inner == 1 {
            self.inner = self.outer.pop()?;
        }
        let is_object = self.inner & 1 == 1;
        self.inner >>= 1;
        Some(is_object)
    }
}
