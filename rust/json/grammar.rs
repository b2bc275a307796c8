//! The grammar of JSON containers, 64 bytes at a time.
//!
//! What may follow a token depends on the token before it and, for commas, on the kind of container. So all tokens of a block
//! are checked at once, each against its predecessor. Only brackets are read one by one.

use super::NotJson;
use super::tokens::Block;

/// The state of a container after some of its blocks.
#[derive(Debug)]
pub(super) struct Grammar {
    nesting: Nesting,
    after: After,
}

/// For each kind of token that restricts what may follow, 1 if the last token was of this kind.
#[derive(Debug)]
struct After {
    /// An opening bracket or a comma.
    begin: u64,
    comma: u64,
    colon: u64,
    key: u64,
}

impl Grammar {
    /// The state at the beginning of a container.
    pub(super) fn new(is_object: bool) -> Self {
        Self {
            nesting: Nesting::new(is_object),
            after: After {
                begin: 1,
                comma: 0,
                colon: 0,
                key: 0,
            },
        }
    }

    /// Reads the next block, which has tokens. Returns the tokens that belong to the container and, if the container ends in this
    /// block, the number of the bit at which it ends.
    #[inline]
    pub(super) fn read(&mut self, block: &Block) -> Result<(Block, Option<u32>), NotJson> {
        let (in_object, end) = self.brackets(block)?;
        let block = end.map_or(*block, |end| block.and(u64::MAX >> (63 - end)));
        let tokens = block.tokens();
        let Block {
            open,
            close,
            comma,
            colon,
            string,
            scalar,
            ..
        } = block;
        // The next token after each token of a kind, found by one addition. A bit above each such token is added to a mask of
        // the gaps between tokens, and its carry runs through the gap and stops at the next token (bit 0 on the left):
        //
        //     tokens              1...1.1..
        //     kind, shifted by 1  .1...1...
        //     gaps                .111.1.11
        //     sum & tokens        ....1.1..
        let follow = |kind: u64, after: u64| (kind << 1 | after).wrapping_add(!tokens) & tokens;
        let begin = open | comma;
        let after_begin = follow(begin, self.after.begin);
        let after_colon = follow(colon, self.after.colon);
        let key = string & in_object & after_begin;
        let after_key = follow(key, self.after.key);

        let value = open | string | scalar;
        let empty = after_begin & close;
        // A value stands after an opening bracket, a comma or a colon, and nowhere else; a colon after a key.
        let mut wrong = (value ^ (after_begin | after_colon) ^ empty)
            | (after_begin & in_object & !(string | close))
            | (after_key ^ colon);
        if empty != 0 {
            // A closing bracket after an opening one ends an empty container; after a comma it is an error.
            wrong |= follow(comma, self.after.comma) & close;
        }
        if wrong != 0 {
            return Err(NotJson);
        }
        let last = tokens.ilog2();
        self.after = After {
            begin: begin >> last & 1,
            comma: comma >> last & 1,
            colon: colon >> last & 1,
            key: key >> last & 1,
        };
        Ok((block, end))
    }

    /// Follows the brackets of a block. Returns which bytes lie in an object, and where the container ends. An opening bracket
    /// counts to the container around it, a closing bracket to the one that it ends.
    #[inline]
    fn brackets(&mut self, block: &Block) -> Result<(u64, Option<u32>), NotJson> {
        let mut in_object = self.nesting.innermost().wrapping_neg();
        let mut left = block.open | block.close;
        while left != 0 {
            let bit = left & left.wrapping_neg();
            left ^= bit;
            let is_curly = u64::from(block.curly & bit != 0);
            let before = self.nesting.innermost();
            if block.open & bit != 0 {
                self.nesting.push(is_curly);
            } else if is_curly != before {
                return Err(NotJson);
            } else if !self.nesting.pop() {
                return Ok((in_object, Some(bit.trailing_zeros())));
            }
            let is_other = (self.nesting.innermost() ^ before).wrapping_neg();
            in_object ^= (bit.wrapping_neg() ^ bit) & is_other;
        }
        Ok((in_object, None))
    }
}

/// The containers around a position: for each, 1 if it is an object, and 0 if it is an array.
#[derive(Debug)]
struct Nesting {
    /// The innermost containers, the last of them in bit 0, and above them one bit that is always set.
    inner: u64,
    /// The other containers, in full words.
    outer: Vec<u64>,
}

impl Nesting {
    fn new(is_object: bool) -> Self {
        Self {
            inner: 0b10 | u64::from(is_object),
            outer: Vec::new(),
        }
    }

    #[inline]
    fn innermost(&self) -> u64 {
        self.inner & 1
    }

    #[inline]
    fn push(&mut self, is_object: u64) {
        if self.inner >> 63 == 1 {
            self.outer.push(self.inner);
            self.inner = 1;
        }
        self.inner = self.inner << 1 | is_object;
    }

    /// Ends the innermost container; returns whether there is one around it.
    #[inline]
    fn pop(&mut self) -> bool {
        self.inner >>= 1;
        if self.inner == 1 {
            match self.outer.pop() {
                Some(inner) => self.inner = inner,
                None => return false,
            }
        }
        true
    }
}
