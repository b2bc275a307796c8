//! `Memory`: what a ring is made in, two shared words and a data area.

use crate::sync::Ordering;

/// The two positions that a ring shares between its ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Everything before it is committed. Stored by the producer alone.
    Tail,
    /// Everything before it is released. Stored by the consumer alone.
    Head,
}

/// The memory of a ring: a mapped file, private memory, an adopted file, or a stand-in of the tests.
pub trait Memory {
    /// The size of the data area: a multiple of [`ALIGNMENT`](crate::queue::protocol::layout::ALIGNMENT), and not zero.
    fn capacity(&self) -> u64;
    fn load(&self, word: Word, order: Ordering) -> u64;
    fn store(&self, word: Word, value: u64, order: Ordering);

    /// Copies `bytes` into the data area at `offset`.
    ///
    /// # Safety
    /// `offset + bytes.len() <= capacity()`, and nobody else reads or writes these bytes meanwhile.
    unsafe fn write(&self, offset: u64, bytes: &[u8]);

    /// Fills `bytes` from the data area at `offset`; `false` if they cannot be read.
    ///
    /// # Safety
    /// `offset + bytes.len() <= capacity()`, and nobody writes these bytes meanwhile.
    #[must_use]
    unsafe fn read(&self, offset: u64, bytes: &mut [u8]) -> bool;
}
