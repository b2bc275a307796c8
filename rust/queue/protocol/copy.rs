//! A ring in other memory: what waits in one is copied, and both of its ends go on in the copy.

use crate::queue::protocol::layout;
use crate::queue::protocol::memory::{Memory, Word};
use crate::sync::Ordering;

/// What is copied at once.
const PIECE_BYTES: u64 = 64 << 10;

/// Makes `new`, fresh memory of the same capacity, a copy of `old` as far as its records from `head` to `tail` go. `false`
/// where that cannot be done, with nothing in `new` that would be found.
///
/// Positions stay what they were, so that whoever has read records of the old ring releases them in the new one. To be
/// called while nobody pushes, reads or releases, and before anybody else can see `new`: between its two last stores it
/// makes no sense.
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
        // SAFETY: within the capacity, by the line above; that nobody else reads or writes is for the caller.
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
