//! One segment: mapped by the process that made it, read through its file by a process that has adopted it.

#[cfg(all(unix, not(portable)))]
pub mod adopted;
#[cfg(all(unix, not(portable)))]
pub mod compact;
#[cfg(all(unix, not(portable)))]
pub mod create;
pub mod mapping;
pub mod own;

use crate::counters::Counts;
use crate::queue::home::Home;
use crate::queue::protocol::layout;
use crate::queue::protocol::ledger::Ledger;

/// A segment that this process may deliver, its own or an adopted one.
pub trait Segment {
    fn ledger(&self) -> &dyn Ledger;
    /// Removes the file, if it has one.
    fn remove(&self);

    fn counts(&self) -> Counts {
        self.ledger().counts()
    }

    fn identity(&self) -> u64 {
        self.ledger().load_word(layout::IDENTITY_OFFSET)
    }

    /// Ends a segment, whose sums are added to the state file of `home`. Returns the sums that the state file did not take.
    fn retire(&self, home: &Home) -> Counts {
        let counts = self.counts();
        let is_recorded = home.record_gone(self.identity(), &counts);
        self.remove();
        if is_recorded {
            Counts::default()
        } else {
            counts
        }
    }
}
