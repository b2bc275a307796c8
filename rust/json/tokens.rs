//! Finds the tokens of a JSON text: punctuation, and where strings, numbers and names begin.
//!
//! Checks the inside of strings on the way. `cursor` and `grammar` check the order of the tokens.

use super::classify::{self, Classes};

/// The positions of tokens, in order.
#[derive(Debug)]
pub(super) struct Tokens<'t> {
    bytes: &'t [u8],
    /// Where the block after the current one begins.
    next_block: usize,
    /// Tokens of the current block that have not been taken.
    left: u64,
    /// All tokens of the current block.
    block: Block,
    /// All ones if the current block ends inside a string.
    in_string: u64,
    /// 1 if the current block ends in a backslash that belongs to the byte after it.
    escaped: u64,
    /// 1 if the current block ends in a number or name.
    in_scalar: u64,
    /// Whether any block up to the current one has a backslash.
    has_backslash: bool,
    /// Not zero once a string has been found to be malformed.
    malformed: u64,
    read_block: fn(&mut Self) -> Option<()>,
}

/// The tokens of one block by their kinds: a bit at the first byte of each.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Block {
    pub(super) open: u64,
    pub(super) close: u64,
    /// Set for `{` and `}`. Meaningless for bytes that are not brackets: mask with `open | close` first.
    pub(super) curly: u64,
    pub(super) comma: u64,
    pub(super) colon: u64,
    pub(super) string: u64,
    /// Numbers and names, and what is not JSON.
    pub(super) scalar: u64,
}

impl Block {
    #[inline]
    pub(super) fn tokens(&self) -> u64 {
        self.open | self.close | self.comma | self.colon | self.string | self.scalar
    }

    /// The block as far as `mask` goes.
    #[inline]
    pub(super) fn and(&self, mask: u64) -> Block {
        Block {
            open: self.open & mask,
            close: self.close & mask,
            curly: self.curly,
            comma: self.comma & mask,
            colon: self.colon & mask,
            string: self.string & mask,
            scalar: self.scalar & mask,
        }
    }
}

impl<'t> Tokens<'t> {
    pub(super) fn new(bytes: &'t [u8]) -> Self {
        Self {
            bytes,
            next_block: 0,
            left: 0,
            block: Block::default(),
            in_string: 0,
            escaped: 0,
            in_scalar: 0,
            has_backslash: false,
            malformed: 0,
            read_block: Self::reader(),
        }
    }

    /// Whether everything that was read so far is well-formed; after the last token, also whether no string is left open.
    pub(super) fn is_well_formed(&self) -> bool {
        self.malformed == 0 && self.in_string == 0
    }

    /// Whether any backslash has been read so far.
    pub(super) fn has_backslash(&self) -> bool {
        self.has_backslash
    }

    /// The position of the next token, which is not taken.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<usize> {
        while self.left == 0 {
            self.read_block()?;
        }
        Some(self.block_start() + self.left.trailing_zeros() as usize)
    }

    #[inline]
    pub(super) fn skip(&mut self) {
        self.left &= self.left.wrapping_sub(1);
    }

    /// Takes what is left of a block: where the block begins, and its tokens.
    #[inline]
    pub(super) fn block(&mut self) -> Option<(usize, &Block)> {
        if self.left != 0 {
            self.block = self.block.and(self.left);
        }
        while self.left == 0 {
            self.read_block()?;
        }
        self.left = 0;
        Some((self.block_start(), &self.block))
    }

    /// Gives back the tokens of the current block that are in `mask`.
    #[inline]
    pub(super) fn put_back(&mut self, mask: u64) {
        self.left = self.block.tokens() & mask;
    }

    fn block_start(&self) -> usize {
        self.next_block.wrapping_sub(classify::SIZE)
    }

    #[inline]
    fn read_block(&mut self) -> Option<()> {
        (self.read_block)(self)
    }

    #[cfg(target_arch = "x86_64")]
    fn read_block_avx2(&mut self) -> Option<()> {
        #[target_feature(enable = "avx2,bmi1,pclmulqdq")]
        fn read(tokens: &mut Tokens<'_>) -> Option<()> {
            tokens.read_block_by(
                |block| classify::avx2::classify(block),
                |bits| classify::avx2::prefix_xor(bits),
            )
        }
        // SAFETY: `reader` has checked that this processor has these features.
        unsafe { read(self) }
    }

    fn read_block_portable(&mut self) -> Option<()> {
        self.read_block_by(classify::classify, classify::prefix_xor)
    }

    /// The fastest reader that this processor can run.
    fn reader() -> fn(&mut Self) -> Option<()> {
        #[cfg(target_arch = "x86_64")]
        if classify::avx2::is_here() {
            return Self::read_block_avx2;
        }
        Self::read_block_portable
    }

    // Inlined into the two functions above, so that it is compiled with their processor features.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn read_block_by(
        &mut self,
        classify: impl Fn(&[u8; classify::SIZE]) -> Classes,
        prefix_xor: impl Fn(u64) -> u64,
    ) -> Option<()> {
        let rest = self
            .bytes
            .get(self.next_block..)
            .filter(|rest| !rest.is_empty())?;
        let last;
        let classes = classify(if let Some(block) = rest.first_chunk() {
            block
        } else {
            last = padded(rest);
            &last
        });
        let escaped = if classes.backslash == 0 {
            std::mem::take(&mut self.escaped)
        } else {
            self.escapes(classes.backslash)
        };
        let quote = classes.quote & !escaped;
        // From the opening quote to the byte before the closing one.
        let in_string = prefix_xor(quote) ^ self.in_string;
        if classes.control != 0 {
            self.malformed |= classes.control & in_string;
            self.malformed |= self.not_white_space(classes.control & !in_string);
        }
        if quote | !in_string == 0 {
            // The whole block lies inside one string.
            self.next_block += classify::SIZE;
            return Some(());
        }
        self.in_string = if in_string >> 63 == 1 { u64::MAX } else { 0 };
        let Classes {
            open,
            close,
            comma,
            colon,
            curly,
            ..
        } = classes;
        let punctuation = open | close | comma | colon;
        let scalar = !(in_string | quote | classes.blank | punctuation);
        let outside = !in_string;
        self.block = Block {
            open: open & outside,
            close: close & outside,
            curly,
            comma: comma & outside,
            colon: colon & outside,
            string: quote & in_string,
            scalar: scalar & !(scalar << 1 | self.in_scalar),
        };
        self.in_scalar = scalar >> 63;
        self.left = self.block.tokens();
        self.next_block += classify::SIZE;
        Some(())
    }

    /// The control characters in the next block that are not white space to JSON.
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

    /// Checks the escapes that begin in this block. Returns the bytes that a backslash precedes and so deprives of their meaning.
    fn escapes(&mut self, backslash: u64) -> u64 {
        self.has_backslash = true;
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

/// The end of a text, as a block.
#[cold]
fn padded(rest: &[u8]) -> [u8; classify::SIZE] {
    let mut block = [b' '; classify::SIZE];
    block
        .iter_mut()
        .zip(rest)
        .for_each(|(to, from)| *to = *from);
    block
}
