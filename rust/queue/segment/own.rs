//! A segment that this process pushes into.

use crate::counters::Counter;
use crate::queue::home::Holding;
use crate::queue::protocol::ledger::Ledger;
use crate::queue::protocol::ring::Producer;
use crate::queue::segment::Segment;
use crate::queue::segment::mapping::Mapping;
use crate::queue::waiting::Waiting;

pub struct Own {
    pub id: u64,
    pub file_bytes: u64,
    pub producer: Producer<Mapping>,
    pub holding: Holding,
    pub waiting: Waiting,
    /// Whether no other process would find it. A sealed segment takes no entry until it has a file again.
    pub sealed: bool,
}

impl Own {
    /// Appends `entry` and returns the bytes it takes; `None` if there is no room.
    pub fn push(&mut self, entry: &[u8]) -> Option<u64> {
        // Counted first: if the process is killed in between, an entry is missing, and none is there that was not counted.
        self.producer.memory().count(Counter::Made, 1);
        // A damaged ring refuses as a full one does; the reader will set it aside.
        let Ok(bytes) = self.producer.push(entry) else {
            self.producer.memory().uncount(Counter::Made, 1);
            return None;
        };
        self.waiting.add(1, bytes);
        Some(bytes)
    }

    pub fn is_drained(&self) -> bool {
        self.waiting.entries == 0
    }
}

impl Segment for Own {
    fn ledger(&self) -> &dyn Ledger {
        self.producer.memory()
    }

    fn remove(&self) {
        self.holding.remove();
    }
}
