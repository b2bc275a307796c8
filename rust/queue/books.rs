//! The sums of a queue that stand in none of its segments, behind the writer's lock.

use crate::counters::{Counter, Counts, DropReason};
use crate::queue::Adopted;

#[derive(Default)]
pub struct Books {
    /// Of own segments that are gone, and of what was refused while there was none.
    pub past: Counts,
    /// Not yet written to any segment or to the state file; the only copy is here.
    pub unreported: Counts,
    /// Own entries that `close` left to a sibling or the next start.
    pub left_entries: u64,
    /// What this process did with the entries of dead ones, who count them; `Made` is what it took over.
    pub adopted: Counts,
    /// What the next `adopt` reports.
    found: Adopted,
}

impl Books {
    /// Counts what no segment can count.
    pub fn count(&mut self, counter: Counter, count: u64) {
        self.past.add(counter, count);
        self.unreported.add(counter, count);
    }

    /// Enters what a scan has found.
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

    /// Notes a segment, own or adopted, that was set aside with so many entries.
    pub fn lost(&mut self, entries: u64) {
        self.found.corrupt_segments += 1;
        self.found.corrupt_entries += entries;
    }

    /// All that was found since the last call.
    pub fn take_found(&mut self) -> Adopted {
        std::mem::take(&mut self.found)
    }
}
