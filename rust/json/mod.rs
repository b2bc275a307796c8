//! Reads JSON without building anything.
//!
//! Two stages, 64 bytes at a time, and a cursor over what they find:
//!
//! ```text
//! classify   one bit per byte and class: quotes, backslashes, brackets, commas, colons, blanks
//! tokens     what lies inside a string is masked out; what is left are the tokens
//! grammar    whether each token may follow the one before it
//! cursor     walks keys and values; skips a value by counting brackets in the masks
//! string     what a string says: escapes undone, characters counted
//! ```
//!
//! A worked example, the first 22 of 64 bytes (`.` is a bit that is not set):
//!
//! ```text
//! text       {"id":7,"a":[1,"x,y"]}
//! quote      .1..1...1.1....1...1..
//! in string  .111....11.....1111...   a running exclusive-or over the quotes
//! comma      .......1......1..1....   before masking: the comma inside "x,y" is among them
//! comma      .......1......1.......   after masking: only the two that separate
//! tokens     11...1111..11111....11   punctuation outside strings, and the first byte of each value
//! ```
//!
//! The exclusive-or is one carry-less multiplication by all ones, so that 64 bytes cost the same whether they hold one string
//! or ten. A value that no rule asks for never leaves the masks: skipping it is counting brackets.
//!
//! Why not a library: decision 46 in `docs/decisions/libraries.md`.

mod classify;
mod cursor;
mod grammar;
mod string;
mod tokens;

pub(crate) use cursor::Cursor;
pub(crate) use string::RawString;

/// The text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotJson;
