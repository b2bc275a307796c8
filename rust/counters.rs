//! What became of every request that should have been logged: `made = sent + queued + dropped + sampled`.

/// Why a log was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// The queue had reached `queue_bytes`.
    Full,
    /// The file system had no room for another segment, and the segments that exist were full.
    NoSpace,
    /// The system had no memory or no file descriptor for another segment.
    NoMemory,
    /// The queue's directory was gone or could not be used, and the segments that exist were full.
    NoDirectory,
    /// The request ended after this process's queue had been closed.
    Closed,
    /// The entry does not fit the queue even without its bodies.
    Oversize,
    /// The grouping function raised or answered with something unusable.
    Grouping,
    /// A step of ours failed on this request: capture or encoding.
    Internal,
    /// The Metrics server refused this entry for good.
    Refused,
    /// The user's `before_send` function returned None, or raised.
    BeforeSend,
    /// The segment of a dead process was removed because too much waited in segments of the dead.
    Orphan,
    /// No process has used this API key for `orphan_days` days.
    Expired,
    /// Somebody ran `readme-metrics flush --discard`.
    Discarded,
    /// An entry in shared memory was not whole.
    Corrupt,
    /// The process was killed while it queued the entry.
    Killed,
}

impl DropReason {
    pub const ALL: [DropReason; 15] = [
        DropReason::Full,
        DropReason::NoSpace,
        DropReason::NoMemory,
        DropReason::NoDirectory,
        DropReason::Closed,
        DropReason::Oversize,
        DropReason::Grouping,
        DropReason::Internal,
        DropReason::Refused,
        DropReason::BeforeSend,
        DropReason::Orphan,
        DropReason::Expired,
        DropReason::Discarded,
        DropReason::Corrupt,
        DropReason::Killed,
    ];

    /// The name that `stats()` shows.
    pub fn name(self) -> &'static str {
        match self {
            DropReason::Full => "full",
            DropReason::NoSpace => "no_space",
            DropReason::NoMemory => "no_memory",
            DropReason::NoDirectory => "no_directory",
            DropReason::Closed => "closed",
            DropReason::Oversize => "oversize",
            DropReason::Grouping => "grouping",
            DropReason::Internal => "internal",
            DropReason::Refused => "refused",
            DropReason::BeforeSend => "before_send",
            DropReason::Orphan => "orphan",
            DropReason::Expired => "expired",
            DropReason::Discarded => "discarded",
            DropReason::Corrupt => "corrupt",
            DropReason::Killed => "killed",
        }
    }

    pub fn from_name(name: &str) -> Option<DropReason> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

/// One counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Requests that should have been logged.
    Made,
    /// Entries that the Metrics server has confirmed.
    Sent,
    /// Entries that were queued without their bodies, since they did not fit with them. Not part of the balance.
    BodiesDropped,
    /// Requests that a rule's `sample` left out.
    Sampled,
    Dropped(DropReason),
}

/// The number of counters.
pub const COUNTERS: usize = 4 + DropReason::ALL.len();

impl Counter {
    pub fn all() -> impl Iterator<Item = Counter> {
        [
            Counter::Made,
            Counter::Sent,
            Counter::BodiesDropped,
            Counter::Sampled,
        ]
        .into_iter()
        .chain(DropReason::ALL.map(Counter::Dropped))
    }

    /// From 0 up to [`COUNTERS`].
    pub fn index(self) -> usize {
        match self {
            Counter::Made => 0,
            Counter::Sent => 1,
            Counter::BodiesDropped => 2,
            Counter::Sampled => 3,
            Counter::Dropped(reason) => 4 + reason as usize,
        }
    }
}

/// The values of all counters: those of a segment, a process or a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; COUNTERS]);

impl Counts {
    pub fn get(&self, counter: Counter) -> u64 {
        self.0[counter.index()]
    }

    /// Adds with saturation, as all methods here do: a number out of a file must not make a sum overflow.
    pub fn add(&mut self, counter: Counter, count: u64) {
        let sum = &mut self.0[counter.index()];
        *sum = sum.saturating_add(count);
    }

    pub fn add_all(&mut self, other: &Counts) {
        for counter in Counter::all() {
            self.add(counter, other.get(counter));
        }
    }

    /// Saturating.
    pub fn remove_all(&mut self, other: &Counts) {
        for counter in Counter::all() {
            let left = self.get(counter).saturating_sub(other.get(counter));
            self.set(counter, left);
        }
    }

    /// The number of entries that must be queued: made, and neither sent, dropped nor sampled. `None` if the sums contradict
    /// each other.
    pub fn unaccounted(&self) -> Option<u64> {
        let accounted = self
            .get(Counter::Sent)
            .saturating_add(self.dropped())
            .saturating_add(self.get(Counter::Sampled));
        self.get(Counter::Made).checked_sub(accounted)
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
    /// A process counts in this order: made, then the entry is queued; sent or dropped, then the entry is released.
    ///
    /// * Killed between *made* and *queued*: one entry is missing. It is counted as dropped for `reason`.
    /// * Killed between *sent* and *released*: the entry is still queued. It is no longer counted as sent; it will be
    ///   when it is sent again.
    ///
    /// Returns how many were dropped now.
    pub fn balance(&mut self, queued: u64, reason: DropReason) -> u64 {
        let accounted = |counts: &Counts| {
            counts
                .get(Counter::Sent)
                .saturating_add(counts.dropped())
                .saturating_add(counts.get(Counter::Sampled))
                .saturating_add(queued)
        };
        let made = self.get(Counter::Made);
        let excess = accounted(self).saturating_sub(made);
        let sent = self.get(Counter::Sent);
        self.set(Counter::Sent, sent - excess.min(sent));
        // Still too many entries: some of them were counted as dropped. Which ones cannot be known, so they count as made again.
        let made = made.max(accounted(self));
        self.set(Counter::Made, made);
        let lost = made - accounted(self);
        self.add(Counter::Dropped(reason), lost);
        lost
    }
}
