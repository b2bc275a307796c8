//! The pushing side: this process's own segments, and what waits in them.

use std::io;

use crate::counters::{Counter, Counts, DropReason};
use crate::queue::Refusal;
use crate::queue::books::Books;
use crate::queue::growth::{self, Growth, Size};
use crate::queue::home::{Holding, Home};
use crate::queue::protocol::layout::{self, HEADER_BYTES};
use crate::queue::protocol::ring::{Consumer, ring};
use crate::queue::segment::Segment;
use crate::queue::segment::mapping::Mapping;
use crate::queue::segment::own::Own;
use crate::queue::waiting::Waiting;
use crate::sync::Arc;

/// Spare segments are kept for this many calls of `inspect` after a burst.
const IDLE_LOOKS: u32 = 5;
/// In private memory, the rungs are tried again once in this many calls of `is_retry_due`: the reason for their refusal (a full
/// file system, no descriptors) may be over, and a try costs a few system calls for each rung.
const RETRY_LOOKS: u32 = 30;
/// Everything that a push touches, behind one short lock.
///
/// Pushes go to the newest segment, so the order of entries is the order of segments. When the newest is full, a drained one
/// becomes the newest, or a larger one is made. To make a segment takes a system call for each 256 KiB, so drained segments are
/// kept as spares until the process has been idle for some seconds; then only the first, or one of its size, is left.
pub struct Writer {
    home: Home,
    growth: Growth,
    segments: Vec<Own>,
    next_id: u64,
    /// The reading ends of new segments, until the reader fetches them. A push does not hand them to the reader, whose lock is
    /// held while it copies.
    arrivals: Vec<(u64, Consumer<Mapping>)>,
    waiting: Waiting,
    /// What waits in adopted segments. Kept here, so that a count does not need the reader's lock.
    pub adopted: Waiting,
    /// Whether the order of the segments has changed since the reader last fetched it.
    is_reordered: bool,
    /// How many times `inspect` was called since the backlog last exceeded half the first segment. At `IDLE_LOOKS`, spare segments
    /// are freed.
    idle_looks: u32,
    closed: bool,
    /// How many times `is_retry_due` was called in private memory.
    private_looks: u32,
    pub books: Books,
}

/// An own segment that other processes would not find after this process's death.
pub struct Displaced {
    pub id: u64,
    pub identity: u64,
    pub file_bytes: u64,
    pub counts: Counts,
    pub waiting: Waiting,
    /// Whether another process delivers it.
    pub is_taken: bool,
}

impl Writer {
    /// Starts without a segment: the first is made for the first entry, or given by [`Writer::move_to`].
    pub fn new(max_bytes: u64) -> Writer {
        Writer {
            home: Home::Private,
            growth: Growth::new(max_bytes),
            segments: Vec::new(),
            next_id: 0,
            arrivals: Vec::new(),
            waiting: Waiting::default(),
            adopted: Waiting::default(),
            is_reordered: false,
            idle_looks: 0,
            closed: false,
            private_looks: 0,
            books: Books::default(),
        }
    }

    /// Makes new segments at `home` from now on; `first` is the first of them.
    pub fn move_to(&mut self, home: Home, first: Option<(Mapping, Holding)>) {
        self.home = home;
        self.growth.unblock();
        if let Some((mapping, holding)) = first {
            self.join(mapping, holding);
        }
    }

    pub fn home(&self) -> &Home {
        &self.home
    }

    /// In private memory, returns whether to try the rungs again. `is_last`: there will be no other call, so a try is due if any
    /// entry waits.
    pub fn is_retry_due(&mut self, is_last: bool) -> bool {
        if is_last {
            return self.waiting.entries > 0;
        }
        self.private_looks += 1;
        self.private_looks.is_multiple_of(RETRY_LOOKS)
    }

    pub fn growth(&self) -> &Growth {
        &self.growth
    }

    /// Appends `entry`, growing if need be, and returns the number of own entries waiting.
    pub fn push(&mut self, entry: &[u8]) -> Result<u64, Refusal> {
        if entry.len() > self.growth.max_entry_bytes() {
            return Err(Refusal::TooLarge);
        }
        if self.closed {
            return Err(Refusal::Dropped(DropReason::Closed));
        }
        let taken = self.push_newest(entry).or_else(|| {
            self.reuse(entry.len()).or_else(|| self.grow(entry.len()))?;
            self.push_newest(entry)
        });
        let bytes = taken.ok_or(Refusal::Dropped(self.growth.cause()))?;
        self.waiting.add(1, bytes);
        if self.waiting.bytes > growth::FIRST_BYTES / 2 {
            self.idle_looks = 0;
        }
        Ok(self.waiting.entries)
    }

    fn push_newest(&mut self, entry: &[u8]) -> Option<u64> {
        let newest = self.segments.last_mut().filter(|newest| !newest.sealed)?;
        newest.push(entry)
    }

    /// Counts a request that is not queued. A dropped one also counts as made.
    pub fn count(&mut self, counter: Counter, count: u64) {
        let made = match counter {
            Counter::Dropped(_) | Counter::Sampled => count,
            _ => 0,
        };
        for (counter, count) in [(Counter::Made, made), (counter, count)] {
            match self.segments.last().filter(|newest| !newest.sealed) {
                Some(newest) => newest.ledger().count(counter, count),
                None => self.books.count(counter, count),
            }
        }
    }

    /// The sums of all requests that this process has seen.
    pub fn counts(&self) -> Counts {
        self.with_segments(self.books.past)
    }

    /// This process's share of the host's sums.
    pub fn own_share(&self) -> Counts {
        self.with_segments(self.books.unreported)
    }

    fn with_segments(&self, mut counts: Counts) -> Counts {
        for own in &self.segments {
            counts.add_all(&own.counts());
        }
        counts
    }

    /// The entries that `counts()` counts as made, and neither as sent nor as dropped.
    pub fn own_entries(&self) -> u64 {
        self.waiting.entries + self.books.left_entries
    }

    /// Makes a drained segment the newest, if there is one with room for `payload` bytes.
    fn reuse(&mut self, payload: usize) -> Option<()> {
        let need = HEADER_BYTES + layout::record_bytes(payload)?;
        let has_room = |own: &Own| own.is_drained() && !own.sealed && own.file_bytes >= need;
        let index = self.segments.iter().position(has_room)?;
        if index + 1 == self.segments.len() {
            return None; // this segment has just refused the entry
        }
        let own = self.segments.remove(index);
        self.segments.push(own);
        self.is_reordered = true;
        Some(())
    }

    /// Adds a segment with room for `payload` bytes, within the bound.
    fn grow(&mut self, payload: usize) -> Option<()> {
        if self.growth.is_blocked() {
            return None;
        }
        let need = HEADER_BYTES + layout::record_bytes(payload)?;
        let held = self.segments.iter().map(|segment| segment.file_bytes).sum();
        let newest = self.segments.last().map(|newest| newest.file_bytes);
        let Some(size) = self.growth.next(held, newest, need) else {
            if self.segments.iter().all(|own| own.file_bytes < need) {
                // Frees drained segments, none of which is large enough for this entry: that makes room for the next such entry.
                self.idle_looks = IDLE_LOOKS;
            }
            return None;
        };
        self.add_halving(size)
            .inspect_err(|error| self.growth.refused(error))
            .ok()
    }

    /// Adds a segment. If the file system has too little room, half the size is tried, and so on.
    fn add_halving(&mut self, mut size: Size) -> io::Result<()> {
        loop {
            let error = match self.home.make_segment(size.usual_bytes) {
                Ok((mapping, holding)) => {
                    self.join(mapping, holding);
                    return Ok(());
                }
                Err(error) => error,
            };
            if !growth::is_short_of_room(&error) {
                // The directory is gone: private memory serves until `adopt` finds another home, within a second or so.
                self.join(Mapping::private(size.usual_bytes)?, Holding::Memory);
                return Ok(());
            }
            size = size.halved().ok_or(error)?;
        }
    }

    fn join(&mut self, mapping: Mapping, holding: Holding) {
        let file_bytes = mapping.bytes();
        let (producer, consumer) = ring(mapping);
        let id = self.new_id();
        self.segments.push(Own {
            id,
            file_bytes,
            producer,
            holding,
            waiting: Waiting::default(),
            sealed: false,
        });
        self.arrivals.push((id, consumer));
    }

    pub fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Updates the reader's list of reading ends, oldest first.
    pub fn hand_over(&mut self, own: &mut Vec<(u64, Consumer<Mapping>)>) {
        own.append(&mut self.arrivals);
        if std::mem::take(&mut self.is_reordered) {
            own.sort_by_key(|(id, _)| self.segments.iter().position(|own| own.id == *id));
        }
    }

    /// What waits in own and adopted segments together.
    pub fn waiting(&self) -> Waiting {
        Waiting {
            segments: self.segments.len() + self.adopted.segments,
            entries: self.waiting.entries + self.adopted.entries,
            bytes: self.waiting.bytes + self.adopted.bytes,
        }
    }

    /// Notes that the reader has released entries of an own segment.
    pub fn released(&mut self, id: u64, entries: u64, bytes: u64) {
        self.growth.unblock();
        if let Some(own) = self.segments.iter_mut().find(|own| own.id == id) {
            own.waiting.remove(entries, bytes);
            self.waiting.remove(entries, bytes);
        }
    }

    /// Takes out the drained segments that will not be used again: once the process is idle, all but one of the first size.
    pub fn retire(&mut self) -> Vec<Own> {
        let first_bytes = self.growth.first_bytes();
        let is_idle = self.idle_looks >= IDLE_LOOKS;
        let mut has_first = false;
        let is_spare = |own: &mut Own| {
            let is_first = !has_first && !own.sealed && own.file_bytes <= first_bytes;
            has_first |= is_first;
            own.is_drained() && (own.sealed || is_idle && !is_first)
        };
        self.segments.extract_if(.., is_spare).collect()
    }

    /// Adds the sums of segments that were removed; `unreported` is the part that the state file did not take.
    pub fn settle(&mut self, counts: &Counts, unreported: &Counts) {
        self.books.past.add_all(counts);
        self.books.unreported.add_all(unreported);
    }

    /// Takes out a segment whose memory is damaged; its entries are lost and counted.
    pub fn set_aside(&mut self, id: u64) -> Option<Own> {
        let index = self.segments.iter().position(|own| own.id == id)?;
        let own = self.segments.remove(index);
        self.books.lost(own.waiting.entries);
        // Whatever damaged the ring may have damaged the ledger: it is believed only if it agrees with the count kept here.
        let mut counts = own.counts();
        if counts.unaccounted() != Some(own.waiting.entries) {
            counts = Counts::default();
            counts.set(Counter::Made, own.waiting.entries);
        }
        counts.balance(0, DropReason::Corrupt);
        own.ledger().store_counts(&counts);
        self.waiting.remove(own.waiting.entries, own.waiting.bytes);
        Some(own)
    }

    /// Seals the segments that other processes would not find, and lets a segment that could not be made be tried again. Called
    /// about once a second.
    pub fn inspect(&mut self) {
        self.idle_looks = self.idle_looks.saturating_add(1);
        self.growth.unblock();
        for own in &mut self.segments {
            own.sealed |= !self.home.keeps(&own.holding);
        }
    }

    /// The sealed segments, each of which needs a file at this home.
    pub fn displaced(&self) -> Vec<Displaced> {
        let sealed = self.segments.iter().filter(|own| own.sealed);
        sealed
            .map(|own| Displaced {
                id: own.id,
                identity: own.identity(),
                file_bytes: own.file_bytes,
                counts: own.counts(),
                waiting: own.waiting,
                is_taken: own.holding.is_taken(),
            })
            .collect()
    }

    /// Continues a sealed segment in `memory`, a copy of it with a file. `waiting`: the entries in the copy; another process has
    /// delivered the others. Returns the old file, which is to be removed.
    pub fn rehome(
        &mut self,
        id: u64,
        memory: Arc<Mapping>,
        holding: Holding,
        waiting: Waiting,
    ) -> Option<Holding> {
        let own = self.segments.iter_mut().find(|own| own.id == id)?;
        self.waiting.remove(own.waiting.entries, own.waiting.bytes);
        self.waiting.add(waiting.entries, waiting.bytes);
        let mut gone = own.counts();
        own.producer.move_to(memory);
        gone.remove_all(&own.counts());
        self.books.past.add_all(&gone);
        own.waiting = waiting;
        own.sealed = false;
        Some(std::mem::replace(&mut own.holding, holding))
    }

    /// Ends pushing and returns all segments.
    pub fn close(&mut self) -> Vec<Own> {
        self.closed = true;
        self.waiting = Waiting::default();
        self.adopted = Waiting::default();
        let segments = std::mem::take(&mut self.segments);
        for own in &segments {
            if own.holding.is_file() {
                self.books.left_entries += own.waiting.entries;
            } else {
                // No other process can send entries in private memory.
                own.ledger()
                    .count(Counter::Dropped(DropReason::Orphan), own.waiting.entries);
            }
            self.books.past.add_all(&own.counts());
        }
        segments
    }

    pub fn is_closed(&self) -> bool {
        self.closed
    }
}
