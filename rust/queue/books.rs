//! `Books`: the sums of a queue that are in none of its segments. Guarded by the writer's lock.

use crate::counters::{Counter, Counts, DropReason};
use crate::queue::Adopted;

#[derive(Default)]
pub struct Books {
    /// The sums of own segments that are gone, and of entries that were refused while there was no segment.
    pub past: Counts,
    /// Counts that are not yet written to any segment or to the state file; the only copy is here.
    pub unreported: Counts,
    /// Own entries that `close` left to a sibling or the next start.
    pub left_entries: u64,
    /// What this process did with the entries of dead processes; `Made` is the number that it adopted. The sums of the dead
    /// processes count these entries too.
    pub adopted: Counts,
    /// What the next call of `adopt` returns.
    found: Adopted,
}

impl Books {
    /// Counts in the books, for a queue without a segment.
    pub fn count(&mut self, counter: Counter, count: u64) {
        self.past.add(counter, count);
        self.unreported.add(counter, count);
    }

    /// Adds what a scan has found.
    pub fn enter(&mut self, found: &Adopted) {
        for (counter, count) in [
            (Counter::Made, found.entries),
            (Counter::Dropped(DropReason::Orphan), found.dropped_entries),
            (Counter::Dropped(DropReason::Corrupt), found.corrupt_entries),
            (Counter::Dropped(DropReason::Killed), found.killed_entries),
        ] {
            self.adopted.add(counter, count);
        }
        self.unreported.add_all(&found.unreported);
        self.found.add(found);
    }

    /// Notes that a segment, own or adopted, was set aside with this many entries.
    pub fn lost(&mut self, entries: u64) {
        self.found.corrupt_segments += 1;
        self.found.corrupt_entries += entries;
    }

    /// What was found since the last call.
    pub fn take_found(&mut self) -> Adopted {
        std::mem::take(&mut self.found)
    }
}
