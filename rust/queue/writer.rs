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

/// Spare segments outlive a burst by so many calls of `inspect`.
const CALM_LOOKS: u32 = 5;
/// In private memory, each so many-th look tries the rungs again: what made them refuse (a full file system, no descriptors)
/// may be over, and a try costs a few system calls for each rung.
const RETRY_LOOKS: u32 = 30;
/// Everything a push touches, behind one short lock.
///
/// Pushes go to the newest segment, so the order of entries is the order of segments. When it is full, a drained one
/// becomes the newest, or else a larger one joins. To make one takes a system call for each 256 KiB, so what is drained
/// stays until all has been calm for some seconds; then only the first, or one of its size, is left.
pub struct Writer {
    home: Home,
    growth: Growth,
    segments: Vec<Own>,
    next_id: u64,
    /// Reading ends of new segments, until the reader fetches them: the reader's lock is held while it copies, so a push
    /// never takes it.
    arrivals: Vec<(u64, Consumer<Mapping>)>,
    waiting: Waiting,
    /// Kept here for the counts: the reader's lock may be busy.
    pub leased: Waiting,
    /// The segments are not in the order of their making any more, and the reader does not know.
    is_reordered: bool,
    /// `inspect` calls since the backlog last exceeded half the first segment. At `CALM_LOOKS`, spare segments are freed.
    calm_looks: u32,
    closed: bool,
    /// Calls of `is_retry_due`.
    private_looks: u32,
    pub books: Books,
}

/// An own segment that other processes would not find after this one's death.
pub struct Homeless {
    pub id: u64,
    pub identity: u64,
    pub file_bytes: u64,
    pub counts: Counts,
    pub waiting: Waiting,
    /// Another process is delivering it.
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
            leased: Waiting::default(),
            is_reordered: false,
            calm_looks: 0,
            closed: false,
            private_looks: 0,
            books: Books::default(),
        }
    }

    /// Makes new segments at `home` from now on, `first` being the first of them.
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

    /// In private memory: whether the rungs should be tried again. `is_last`: there will be no other try, so this one is due
    /// if something waits.
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
            self.calm_looks = 0;
        }
        Ok(self.waiting.entries)
    }

    fn push_newest(&mut self, entry: &[u8]) -> Option<u64> {
        let newest = self.segments.last_mut().filter(|newest| !newest.sealed)?;
        newest.push(entry)
    }

    /// Counts what is not queued: with a drop comes the request that should have been logged.
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

    /// The part of them that only this process can tell.
    pub fn untold(&self) -> Counts {
        self.with_segments(self.books.unreported)
    }

    fn with_segments(&self, mut counts: Counts) -> Counts {
        for own in &self.segments {
            counts.add_all(&own.counts());
        }
        counts
    }

    /// Of `counts()`, what is neither sent nor dropped.
    pub fn own_entries(&self) -> u64 {
        self.waiting.entries + self.books.left_entries
    }

    /// Makes a drained segment the newest, if there is one with room for `payload` bytes.
    fn reuse(&mut self, payload: usize) -> Option<()> {
        let need = HEADER_BYTES + layout::record_bytes(payload)?;
        let has_room = |own: &Own| own.is_drained() && !own.sealed && own.file_bytes >= need;
        let index = self.segments.iter().position(has_room)?;
        if index + 1 == self.segments.len() {
            return None; // the one that has just refused
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
                // No segment will ever be drained for this one: what is drained makes room for the next like it.
                self.calm_looks = CALM_LOOKS;
            }
            return None;
        };
        self.add_halving(size)
            .inspect_err(|error| self.growth.refused(error))
            .ok()
    }

    /// Where the file system has less room than that, half as much is tried, and so on.
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
                // The directory is gone. Private memory, until `adopt` has found another home, a second from now.
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

    /// Brings the reading ends, oldest first, up to date.
    pub fn hand_over(&mut self, own: &mut Vec<(u64, Consumer<Mapping>)>) {
        own.append(&mut self.arrivals);
        if std::mem::take(&mut self.is_reordered) {
            own.sort_by_key(|(id, _)| self.segments.iter().position(|own| own.id == *id));
        }
    }

    /// Own and leased together.
    pub fn waiting(&self) -> Waiting {
        Waiting {
            segments: self.segments.len() + self.leased.segments,
            entries: self.waiting.entries + self.leased.entries,
            bytes: self.waiting.bytes + self.leased.bytes,
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

    /// Takes out the drained segments that will not be used again: all but one of the first one's size, once it has been
    /// calm for a while.
    pub fn retire(&mut self) -> Vec<Own> {
        let first_bytes = self.growth.first_bytes();
        let is_calm = self.calm_looks >= CALM_LOOKS;
        let mut has_first = false;
        let is_spare = |own: &mut Own| {
            let is_first = !has_first && !own.sealed && own.file_bytes <= first_bytes;
            has_first |= is_first;
            own.is_drained() && (own.sealed || is_calm && !is_first)
        };
        self.segments.extract_if(.., is_spare).collect()
    }

    /// Enters the sums of segments that have been retired, of which the state file did not take `unreported`.
    pub fn settle(&mut self, counts: &Counts, unreported: &Counts) {
        self.books.past.add_all(counts);
        self.books.unreported.add_all(unreported);
    }

    /// Takes out a segment whose memory makes no sense; its entries are lost and counted.
    pub fn set_aside(&mut self, id: u64) -> Option<Own> {
        let index = self.segments.iter().position(|own| own.id == id)?;
        let own = self.segments.remove(index);
        self.books.lost(own.waiting.entries);
        // Whoever scribbled on the ring may have scribbled on the ledger, which agrees with the count kept here or is false.
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

    /// Seals the segments that other processes would not find, and lets a refused growth be tried again. Called once a
    /// second or so.
    pub fn inspect(&mut self) {
        self.calm_looks = self.calm_looks.saturating_add(1);
        self.growth.unblock();
        for own in &mut self.segments {
            own.sealed |= !self.home.keeps(&own.holding);
        }
    }

    /// The sealed segments, which need a file at this home.
    pub fn homeless(&self) -> Vec<Homeless> {
        let sealed = self.segments.iter().filter(|own| own.sealed);
        sealed
            .map(|own| Homeless {
                id: own.id,
                identity: own.identity(),
                file_bytes: own.file_bytes,
                counts: own.counts(),
                waiting: own.waiting,
                is_taken: own.holding.is_taken(),
            })
            .collect()
    }

    /// Goes on with a sealed segment in `memory`, a copy of it with a file. `waiting`: what is in the copy; the other
    /// entries were delivered by another process. Returns the old file, to be removed.
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

    /// Ends pushing and gives away all segments.
    pub fn close(&mut self) -> Vec<Own> {
        self.closed = true;
        self.waiting = Waiting::default();
        self.leased = Waiting::default();
        let segments = std::mem::take(&mut self.segments);
        for own in &segments {
            if own.holding.is_file() {
                self.books.left_entries += own.waiting.entries;
            } else {
                // Nobody is left to send what waits in private memory.
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
