//! What became of every request that should have been logged: `made = sent + queued + dropped`.

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
    /// The segment of a dead process was removed because orphans had reached their bound.
    Orphan,
    /// An entry in shared memory was not whole.
    Corrupt,
    /// Its process was killed after it had begun to queue the entry and before it had.
    Killed,
}

impl DropReason {
    pub const ALL: [DropReason; 8] = [
        DropReason::Full,
        DropReason::Oversize,
        DropReason::Grouping,
        DropReason::Internal,
        DropReason::Refused,
        DropReason::Orphan,
        DropReason::Corrupt,
        DropReason::Killed,
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
            DropReason::Killed => "killed",
        }
    }

    pub fn from_name(name: &str) -> Option<DropReason> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

/// One of the sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Requests that should have been logged.
    Made,
    /// Entries that the Metrics server has confirmed.
    Sent,
    /// Entries queued without their bodies, since they did not fit with them. Part of no balance.
    BodiesDropped,
    Dropped(DropReason),
}

/// How many sums there are.
pub const COUNTERS: usize = 3 + DropReason::ALL.len();

impl Counter {
    pub fn all() -> impl Iterator<Item = Counter> {
        [Counter::Made, Counter::Sent, Counter::BodiesDropped]
            .into_iter()
            .chain(DropReason::ALL.map(Counter::Dropped))
    }

    /// From 0 up to [`COUNTERS`].
    pub fn index(self) -> usize {
        match self {
            Counter::Made => 0,
            Counter::Sent => 1,
            Counter::BodiesDropped => 2,
            Counter::Dropped(reason) => 3 + reason as usize,
        }
    }
}

/// A set of the sums: of a segment, a process, or a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; COUNTERS]);

impl Counts {
    pub fn get(&self, counter: Counter) -> u64 {
        self.0[counter.index()]
    }

    /// Saturating, as all sums here are: what a file says must not turn a sum over.
    pub fn add(&mut self, counter: Counter, count: u64) {
        let sum = &mut self.0[counter.index()];
        *sum = sum.saturating_add(count);
    }

    pub fn add_all(&mut self, other: &Counts) {
        for counter in Counter::all() {
            self.add(counter, other.get(counter));
        }
    }

    pub fn set(&mut self, counter: Counter, count: u64) {
        self.0[counter.index()] = count;
    }

    pub fn is_zero(&self) -> bool {
        self.0 == [0; COUNTERS]
    }

    pub fn dropped(&self) -> u64 {
        DropReason::ALL.iter().fold(0, |sum, &reason| {
            sum.saturating_add(self.get(Counter::Dropped(reason)))
        })
    }

    /// Makes the sums of a dead process's segment agree with the `queued` entries that were found in it.
    ///
    /// A process counts in this order: made, then the entry is queued; sent or dropped, then the entry is released. So one
    /// that was killed in between has either made one that was never queued: it is dropped for `reason`. Or it has counted
    /// as sent what is queued still: that will be counted when it is sent again.
    /// Returns how many were dropped now.
    pub fn balance(&mut self, queued: u64, reason: DropReason) -> u64 {
        let accounted = |counts: &Counts| {
            counts
                .get(Counter::Sent)
                .saturating_add(counts.dropped())
                .saturating_add(queued)
        };
        let made = self.get(Counter::Made);
        let excess = accounted(self).saturating_sub(made);
        let sent = self.get(Counter::Sent);
        self.set(Counter::Sent, sent - excess.min(sent));
        // Still too many: they were counted as refused. Which ones cannot be told, so they count as made again.
        let made = made.max(accounted(self));
        self.set(Counter::Made, made);
        let lost = made - accounted(self);
        self.add(Counter::Dropped(reason), lost);
        lost
    }
}
