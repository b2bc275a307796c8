//! The counters in a segment's header: what became of the entries that were, or should have been, pushed into the segment.
//!
//! The counters are in the segment, so that a process that adopts it finds both entries and counters and can correct the sums of a
//! killed process. One process writes at a time (the owner, under the writer's lock; later the adopter), so an addition is a load
//! and a store. All accesses are Relaxed: the Release of the ring makes sure that a count is stored before the entry's position.

use crate::counters::{Counter, Counts, DropReason};
use crate::queue::protocol::layout::{PUSHED_OFFSET, RELEASED_OFFSET};

/// Memory that holds the words of a segment's header.
pub trait Ledger {
    /// The word at `offset` of the header.
    fn load_word(&self, offset: u64) -> u64;
    fn store_word(&self, offset: u64, value: u64);

    fn count(&self, counter: Counter, count: u64) {
        let sum = self.load_word(offset(counter));
        self.store_word(offset(counter), sum.wrapping_add(count));
    }

    /// Subtracts what [`Ledger::count`] has just added.
    fn uncount(&self, counter: Counter, count: u64) {
        self.count(counter, count.wrapping_neg());
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for counter in Counter::all() {
            counts.set(counter, self.load_word(offset(counter)));
        }
        counts
    }

    fn store_counts(&self, counts: &Counts) {
        for counter in Counter::all() {
            if self.load_word(offset(counter)) != counts.get(counter) {
                self.store_word(offset(counter), counts.get(counter));
            }
        }
    }
}

/// The offset and the value of each of `counts`.
pub fn words(counts: &Counts) -> impl Iterator<Item = (u64, u64)> {
    Counter::all().map(|counter| (offset(counter), counts.get(counter)))
}

fn offset(counter: Counter) -> u64 {
    let (area, place) = match counter {
        Counter::Made => (PUSHED_OFFSET, 0),
        Counter::BodiesDropped => (PUSHED_OFFSET, 1),
        Counter::Dropped(DropReason::Full) => (PUSHED_OFFSET, 2),
        Counter::Dropped(DropReason::Oversize) => (PUSHED_OFFSET, 3),
        Counter::Dropped(DropReason::Grouping) => (PUSHED_OFFSET, 4),
        Counter::Dropped(DropReason::Internal) => (PUSHED_OFFSET, 5),
        Counter::Dropped(DropReason::NoSpace) => (PUSHED_OFFSET, 6),
        Counter::Dropped(DropReason::NoMemory) => (PUSHED_OFFSET, 7),
        Counter::Dropped(DropReason::NoDirectory) => (PUSHED_OFFSET, 8),
        Counter::Dropped(DropReason::Closed) => (PUSHED_OFFSET, 9),
        Counter::Sampled => (PUSHED_OFFSET, 10),
        Counter::Sent => (RELEASED_OFFSET, 0),
        Counter::Dropped(DropReason::Refused) => (RELEASED_OFFSET, 1),
        Counter::Dropped(DropReason::Orphan) => (RELEASED_OFFSET, 2),
        Counter::Dropped(DropReason::Corrupt) => (RELEASED_OFFSET, 3),
        Counter::Dropped(DropReason::Killed) => (RELEASED_OFFSET, 4),
        Counter::Dropped(DropReason::Expired) => (RELEASED_OFFSET, 5),
        Counter::Dropped(DropReason::Discarded) => (RELEASED_OFFSET, 6),
        Counter::Dropped(DropReason::BeforeSend) => (RELEASED_OFFSET, 7),
    };
    area + 8 * place
}
