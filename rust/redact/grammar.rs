//! The grammar of JSON, checked for all the tokens of a block at once.
//!
//! JSON is simple enough that a token only has to suit the one before it, but for two things that depend on the container it
//! is in: what kind of bracket ends it, and whether there are keys. The former is left to the scanner; for the latter this
//! says which tokens can only stand in an object, and which only in an array.

/// The tokens of one block, a bit per byte.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    /// White space between tokens.
    pub(super) blank: u64,
    /// From each opening quote to before the closing one.
    pub(super) in_string: u64,
    pub(super) string_start: u64,
    pub(super) string_end: u64,
    /// First bytes of numbers and names.
    pub(super) scalar_start: u64,
    /// `{` and `[`, `}` and `]`.
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) colon: u64,
    pub(super) comma: u64,
}

/// What a block says about its containers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Containers {
    /// Brackets.
    pub(super) brackets: u64,
    /// Tokens that have to be in an object, and tokens that have to be in an array. A bracket speaks for the container that
    /// it stands in or that it ends.
    pub(super) in_object: u64,
    pub(super) in_array: u64,
}

/// The token before a block, and the string that it starts in.
#[derive(Debug)]
pub(super) struct Grammar {
    after_start: Carry,
    after_comma: Carry,
    /// A colon. The start of the document counts as one, since a value is what it wants.
    after_colon: Carry,
    /// A string after `{`, `[` or a comma.
    after_possible_key: Carry,
    /// 1 if the block starts in a string that may be a key.
    in_possible_key: u64,
}

/// 1 if the next token comes after a token of some kind.
#[derive(Debug, Default)]
struct Carry(u64);

impl Carry {
    /// The positions after `ends` where the next token starts, if there is nothing but blanks between.
    #[inline]
    fn next(&mut self, ends: u64, blank: u64) -> u64 {
        let after = ends << 1 | self.0;
        // Adding a bit to the run of ones that it stands at the start of moves it past the end.
        let (moved, is_over) = (after & blank).overflowing_add(blank);
        self.0 = ends >> 63 | u64::from(is_over);
        (after | moved) & !blank
    }
}

impl Grammar {
    pub(super) fn new() -> Self {
        Self {
            after_start: Carry::default(),
            after_comma: Carry::default(),
            after_colon: Carry(1),
            after_possible_key: Carry::default(),
            in_possible_key: 0,
        }
    }

    /// Reads the next block. `None` if there is a token in it that cannot follow the one before.
    #[inline]
    pub(super) fn read(&mut self, block: &Block) -> Option<Containers> {
        let scalar_or_start = block.scalar_start | block.start;
        let value = scalar_or_start | block.string_start;
        let end_or_comma = block.end | block.comma;
        let token = value | end_or_comma | block.colon;

        let after_start = self.after_start.next(block.start, block.blank);
        let after_comma = self.after_comma.next(block.comma, block.blank);
        let after_colon = self.after_colon.next(block.colon, block.blank);
        let possible_key = block.string_start & (after_start | after_comma);
        // As in `next`: each of these strings becomes the one bit after it.
        let (moved, is_over) = block
            .in_string
            .overflowing_add(possible_key | self.in_possible_key);
        self.in_possible_key = u64::from(is_over);
        let after_possible_key = self
            .after_possible_key
            .next(moved & block.string_end, block.blank);
        let after_value = !(after_start | after_comma | after_colon | after_possible_key);

        let right = after_start & (value | block.end)
            | (after_comma | after_colon) & value
            | after_possible_key & (end_or_comma | block.colon)
            | after_value & end_or_comma;
        (token & !right == 0).then_some(Containers {
            brackets: block.start | block.end,
            in_object: block.colon,
            in_array: (after_start | after_comma) & scalar_or_start
                | after_possible_key & end_or_comma,
        })
    }
}
