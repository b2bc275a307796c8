//! One segment: mapped by the process that made it, read through its file by the one that has adopted it.

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

/// What this process may deliver, its own or adopted.
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

    /// Ends a segment: its sums live on in the state of `home`. Returns those that the state did not take.
    fn retire(&self, home: &Home) -> Counts {
        let counts = self.counts();
        let is_buried = home.bury(self.identity(), &counts);
        self.remove();
        if is_buried { Counts::default() } else { counts }
    }
}
