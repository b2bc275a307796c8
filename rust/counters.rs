//! What became of every request that should have been logged: `made = sent + queued + dropped`.

use crate::queue::sync::{AtomicU64, Ordering};

/// Why a log was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// The queue had reached `queue_bytes`.
    Full,
    /// The entry does not fit the queue even without its bodies.
    Oversize,
    /// The grouping function raised or answered with something unusable.
    Grouping,
    /// A step of ours failed on this request: capture or encoding.
    Internal,
    /// The Metrics server refused this entry for good.
    Refused,
    /// An adopted segment was removed because orphans had reached their bound.
    Orphan,
    /// An entry in shared memory was not whole.
    Corrupt,
}

impl DropReason {
    pub const ALL: [DropReason; 7] = [
        DropReason::Full,
        DropReason::Oversize,
        DropReason::Grouping,
        DropReason::Internal,
        DropReason::Refused,
        DropReason::Orphan,
        DropReason::Corrupt,
    ];

    /// The name that `stats()` shows.
    pub fn name(self) -> &'static str {
        match self {
            DropReason::Full => "full",
            DropReason::Oversize => "oversize",
            DropReason::Grouping => "grouping",
            DropReason::Internal => "internal",
            DropReason::Refused => "refused",
            DropReason::Orphan => "orphan",
            DropReason::Corrupt => "corrupt",
        }
    }

    pub fn from_name(name: &str) -> Option<DropReason> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

/// Monotonic sums of one process. Relaxed throughout: each is a sum of its own, none publishes other data.
pub struct Counters {
    made: AtomicU64,
    sent: AtomicU64,
    adopted: AtomicU64,
    bodies_dropped: AtomicU64,
    dropped: [AtomicU64; DropReason::ALL.len()],
}

impl Default for Counters {
    fn default() -> Counters {
        let zero = || AtomicU64::new(0);
        Counters {
            made: zero(),
            sent: zero(),
            adopted: zero(),
            bodies_dropped: zero(),
            dropped: std::array::from_fn(|_| zero()),
        }
    }
}

impl Counters {
    pub fn add_made(&self) {
        self.made.fetch_add(1, Ordering::Relaxed);
    }

    pub fn add_sent(&self, count: u64) {
        self.sent.fetch_add(count, Ordering::Relaxed);
    }

    /// Entries taken over from dead processes; those processes made them.
    pub fn add_adopted(&self, count: u64) {
        self.adopted.fetch_add(count, Ordering::Relaxed);
    }

    pub fn add_bodies_dropped(&self) {
        self.bodies_dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub fn add_dropped(&self, reason: DropReason, count: u64) {
        if let Some(counter) = self.dropped.get(reason as usize) {
            counter.fetch_add(count, Ordering::Relaxed);
        }
    }

    pub fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub fn adopted(&self) -> u64 {
        self.adopted.load(Ordering::Relaxed)
    }

    pub fn bodies_dropped(&self) -> u64 {
        self.bodies_dropped.load(Ordering::Relaxed)
    }

    pub fn dropped(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.into_iter().zip(
            self.dropped
                .iter()
                .map(|counter| counter.load(Ordering::Relaxed)),
        )
    }
}
