//! Copies a ring into other memory: its waiting records are copied, and both of its ends continue there.

use crate::queue::protocol::layout;
use crate::queue::protocol::memory::{Memory, Word};
use crate::sync::Ordering;

/// The most bytes that are copied at once.
const PIECE_BYTES: u64 = 64 << 10;

/// Copies the records of `old` from `head` to `tail` into `new`, fresh memory of the same capacity. Returns `false` if that
/// cannot be done; `new` then holds no record.
///
/// Positions stay what they were, so that records which were read from the old ring can be released in the new one. To be
/// called while nobody pushes, reads or releases, and before anybody else can see `new`, whose positions contradict each
/// other between the two last stores.
#[must_use]
pub fn copy(old: &impl Memory, new: &impl Memory, head: u64, tail: u64) -> bool {
    let capacity = new.capacity();
    if old.capacity() != capacity || tail.checked_sub(head).is_none_or(|bytes| bytes > capacity) {
        return false;
    }
    let mut piece = vec![0; layout::index(PIECE_BYTES.min(capacity))];
    let mut position = head;
    while position < tail {
        let offset = position % capacity;
        let length = PIECE_BYTES.min(tail - position).min(capacity - offset);
        let piece = &mut piece[..layout::index(length)];
        // SAFETY: within the capacity, by the line above; the caller makes sure that nobody else reads or writes.
        unsafe {
            if !old.read(offset, piece) {
                return false;
            }
            new.write(offset, piece);
        }
        position += length;
    }
    new.store(Word::Head, head, Ordering::Release);
    new.store(Word::Tail, tail, Ordering::Release);
    true
}
