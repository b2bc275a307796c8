//! The pushing side: this process's own segments, how they grow and shrink, and what waits.

use std::sync::Arc;

use crate::counters::{Counter, Counts, DropReason};
use crate::queue::Refusal;
use crate::queue::files::directory::Directory;
use crate::queue::files::file_lock::FileLock;
use crate::queue::protocol::layout::{self, HEADER_BYTES, RECORD_HEADER_BYTES};
use crate::queue::protocol::ledger::Ledger;
use crate::queue::protocol::ring::{Consumer, Producer, ring};
use crate::queue::segment::create;
use crate::queue::segment::mapping::Mapping;

/// What an idle process holds.
pub const HOME_BYTES: u64 = 1 << 20;
/// Drained segments outlive a burst by so many calls of `inspect`.
const CALM_LOOKS: u32 = 5;
/// Rather refuse than add a segment smaller than this.
const LEAST_OVERFLOW_BYTES: u64 = 64 * 1024;

/// One of this process's own segments.
pub struct Own {
    pub id: u64,
    file_bytes: u64,
    producer: Producer<Mapping>,
    /// Its file and lock; `None` in private memory.
    pub lease: Option<FileLock>,
    pub waiting: Waiting,
    /// Its file is gone or its lock lost: what is in it will be sent, nothing more goes in.
    sealed: bool,
}

impl Own {
    pub fn ledger(&self) -> &impl Ledger {
        self.producer.memory()
    }

    pub fn identity(&self) -> u64 {
        self.ledger().load_word(layout::IDENTITY_OFFSET)
    }
}

/// What waits somewhere.
#[derive(Clone, Copy, Default)]
pub struct Waiting {
    pub segments: usize,
    pub entries: u64,
    pub bytes: u64,
}

impl Waiting {
    pub fn add(&mut self, entries: u64, bytes: u64) {
        self.entries += entries;
        self.bytes += bytes;
    }

    /// Saturates: an entry released twice, or of a segment set aside meanwhile, must not turn a count over.
    pub fn remove(&mut self, entries: u64, bytes: u64) {
        self.entries = self.entries.saturating_sub(entries);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// Everything a push touches, behind one short lock.
///
/// Home is the first segment. Pushes go to the newest, so the order of entries is the order of segments. When it is full, a
/// drained one becomes the newest, or else a new one of twice the size joins. To make one takes milliseconds, so what is
/// drained stays until all has been calm for some seconds; then only home is left.
pub struct Writer {
    directory: Option<Arc<Directory>>,
    max_bytes: u64,
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
    /// How often `inspect` was called since the last push that home alone could hardly have taken.
    calm_looks: u32,
    /// The last segment could not be made: not tried again until something has changed.
    blocked: bool,
    /// Why there is no room, where there is none.
    cause: DropReason,
    closed: bool,
    /// Sums of own segments that are gone, and of what was refused while there was none.
    past: Counts,
    /// The part of all sums that neither a file nor the host's state knows.
    pub unburied: Counts,
    /// Own entries that were left behind by `close`.
    left_entries: u64,
    /// What this process did with the entries of others, who count them; `Made` is what it took over.
    pub adopted: Counts,
    /// Entries in own segments that were set aside, not yet reported.
    pub lost_entries: u64,
    pub lost_segments: usize,
}

impl Writer {
    /// Starts with a home; the error is why there is no room for one.
    pub fn open(directory: Option<Arc<Directory>>, max_bytes: u64) -> std::io::Result<Writer> {
        let mut writer = Writer::without_home(directory, max_bytes);
        writer.add(writer.home_bytes())?;
        Ok(writer)
    }

    /// Makes its home when the first entry needs it, or refuses that.
    pub fn without_home(directory: Option<Arc<Directory>>, max_bytes: u64) -> Writer {
        Writer {
            directory,
            max_bytes: max_bytes.clamp(2 * HEADER_BYTES, layout::MAX_SEGMENT_BYTES) / HEADER_BYTES
                * HEADER_BYTES,
            segments: Vec::new(),
            next_id: 0,
            arrivals: Vec::new(),
            waiting: Waiting::default(),
            leased: Waiting::default(),
            is_reordered: false,
            calm_looks: 0,
            blocked: false,
            cause: DropReason::Full,
            closed: false,
            past: Counts::default(),
            unburied: Counts::default(),
            left_entries: 0,
            adopted: Counts::default(),
            lost_entries: 0,
            lost_segments: 0,
        }
    }

    fn home_bytes(&self) -> u64 {
        HOME_BYTES.min(self.max_bytes)
    }

    /// The largest payload that an empty queue takes: in home, or in an overflow that takes all the rest.
    pub fn max_entry_bytes(&self) -> usize {
        let home = self.home_bytes();
        let rest = self.max_bytes - home;
        let largest = if rest < LEAST_OVERFLOW_BYTES {
            home
        } else {
            home.max(rest)
        };
        layout::index(layout::capacity(largest) - RECORD_HEADER_BYTES)
    }

    /// Appends `entry`, growing if need be, and returns the number of own entries waiting.
    pub fn push(&mut self, entry: &[u8]) -> Result<u64, Refusal> {
        if entry.len() > self.max_entry_bytes() {
            return Err(Refusal::TooLarge);
        }
        if self.closed {
            return Err(Refusal::Dropped(DropReason::Closed));
        }
        // A ring that a stranger has scribbled on refuses as a full one does; the reader will set it aside.
        let taken = self.push_newest(entry).or_else(|| {
            self.reuse(entry.len()).or_else(|| self.grow(entry.len()))?;
            self.push_newest(entry)
        });
        let bytes = taken.ok_or(Refusal::Dropped(self.cause))?;
        self.waiting.add(1, bytes);
        if self.waiting.bytes > HOME_BYTES / 2 {
            self.calm_looks = 0;
        }
        Ok(self.waiting.entries)
    }

    fn push_newest(&mut self, entry: &[u8]) -> Option<u64> {
        let newest = self.segments.last_mut().filter(|newest| !newest.sealed)?;
        // Counted first: killed in between, the process has made an entry that is missing, not one too many.
        newest.ledger().count(Counter::Made, 1);
        let Ok(bytes) = newest.producer.push(entry) else {
            newest.ledger().uncount(Counter::Made, 1);
            return None;
        };
        newest.waiting.add(1, bytes);
        Some(bytes)
    }

    /// Counts what is not queued: with a drop comes the request that should have been logged.
    pub fn count(&mut self, counter: Counter, count: u64) {
        let made = match counter {
            Counter::Dropped(_) | Counter::Sampled => count,
            _ => 0,
        };
        if let Some(newest) = self.segments.last() {
            newest.ledger().count(Counter::Made, made);
            newest.ledger().count(counter, count);
        } else {
            for sums in [&mut self.past, &mut self.unburied] {
                sums.add(Counter::Made, made);
                sums.add(counter, count);
            }
        }
    }

    /// The sums of all requests that this process has seen.
    pub fn counts(&self) -> Counts {
        let mut counts = self.past;
        self.segments
            .iter()
            .for_each(|own| counts.add_all(&own.ledger().counts()));
        counts
    }

    /// The part of them that only this process can tell.
    pub fn untold(&self) -> Counts {
        let mut counts = self.unburied;
        self.segments
            .iter()
            .for_each(|own| counts.add_all(&own.ledger().counts()));
        counts
    }

    /// Of `counts()`, what is neither sent nor dropped.
    pub fn own_entries(&self) -> u64 {
        self.waiting.entries + self.left_entries
    }

    /// Makes a drained segment the newest, if there is one with room for `payload` bytes.
    fn reuse(&mut self, payload: usize) -> Option<()> {
        let need = HEADER_BYTES + layout::record_bytes(payload)?;
        let has_room =
            |own: &Own| own.waiting.entries == 0 && !own.sealed && own.file_bytes >= need;
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
        if self.blocked {
            return None;
        }
        let need = HEADER_BYTES + layout::record_bytes(payload)?;
        let held: u64 = self.segments.iter().map(|segment| segment.file_bytes).sum();
        let left = self.max_bytes.saturating_sub(held);
        let (usual, least) = match self.segments.last() {
            None => (self.home_bytes(), 2 * HEADER_BYTES),
            Some(newest) => (
                (2 * newest.file_bytes)
                    .min(self.max_bytes / 4)
                    .max(HOME_BYTES),
                LEAST_OVERFLOW_BYTES,
            ),
        };
        let file_bytes = usual.max(need.next_multiple_of(HEADER_BYTES)).min(left);
        if file_bytes < need.max(least) {
            if self.segments.iter().all(|own| own.file_bytes < need) {
                // No segment will ever be drained for this one: what is drained makes room for the next like it.
                self.calm_looks = CALM_LOOKS;
            }
            self.cause = DropReason::Full;
            return None;
        }
        match self.add_halving(file_bytes, need.max(least)) {
            Ok(()) => Some(()),
            Err(error) => {
                self.blocked = true;
                self.cause = cause(&error);
                None
            }
        }
    }

    /// Where the file system has less room than that, half as much is tried, and so on down to `least_bytes`.
    fn add_halving(&mut self, mut file_bytes: u64, least_bytes: u64) -> std::io::Result<()> {
        loop {
            let error = match self.add(file_bytes) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let smaller = (file_bytes / 2)
                .max(least_bytes)
                .next_multiple_of(HEADER_BYTES);
            let is_room = matches!(cause(&error), DropReason::NoSpace | DropReason::NoMemory);
            if !is_room || smaller >= file_bytes {
                return Err(error);
            }
            file_bytes = smaller;
        }
    }

    fn add(&mut self, file_bytes: u64) -> std::io::Result<()> {
        let (mapping, lease) = match &self.directory {
            Some(directory) => {
                let (mapping, lease) = create::create(directory, file_bytes)?;
                (mapping, Some(lease))
            }
            None => (Mapping::private(file_bytes)?, None),
        };
        let (producer, consumer) = ring(mapping);
        let id = self.new_id();
        self.segments.push(Own {
            id,
            file_bytes,
            producer,
            lease,
            waiting: Waiting::default(),
            sealed: false,
        });
        self.arrivals.push((id, consumer));
        Ok(())
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
        self.blocked = false;
        if let Some(own) = self.segments.iter_mut().find(|own| own.id == id) {
            own.waiting.remove(entries, bytes);
            self.waiting.remove(entries, bytes);
        }
    }

    /// Takes out the drained segments that will not be used again: all but home, once it has been calm for a while.
    pub fn retire(&mut self) -> Vec<Own> {
        let home_bytes = self.home_bytes();
        let is_calm = self.calm_looks >= CALM_LOOKS;
        let mut has_home = false;
        let drained = |own: &mut Own| {
            let is_home = !has_home && !own.sealed && own.file_bytes <= home_bytes;
            has_home |= is_home;
            own.waiting.entries == 0 && (own.sealed || is_calm && !is_home)
        };
        let retired: Vec<_> = self.segments.extract_if(.., drained).collect();
        for own in &retired {
            self.settle(own);
        }
        retired
    }

    /// Keeps the sums of a segment that goes. Those of a file are for the caller to bury.
    fn settle(&mut self, own: &Own) {
        let counts = own.ledger().counts();
        self.past.add_all(&counts);
        if own.lease.is_none() {
            self.unburied.add_all(&counts);
        }
    }

    /// Takes out a segment whose memory makes no sense; its entries are lost and counted.
    pub fn set_aside(&mut self, id: u64) -> Option<Own> {
        let index = self.segments.iter().position(|own| own.id == id)?;
        let own = self.segments.remove(index);
        self.lost_segments += 1;
        self.lost_entries += own.waiting.entries;
        // Whoever scribbled on the ring may have scribbled on the ledger, which agrees with the count kept here or is false.
        let mut counts = own.ledger().counts();
        let accounted = counts.get(Counter::Sent).saturating_add(counts.dropped());
        if counts.get(Counter::Made).checked_sub(accounted) != Some(own.waiting.entries) {
            counts = Counts::default();
            counts.set(Counter::Made, own.waiting.entries);
        }
        counts.balance(0, DropReason::Corrupt);
        own.ledger().store_counts(&counts);
        self.settle(&own);
        self.waiting.remove(own.waiting.entries, own.waiting.bytes);
        Some(own)
    }

    /// Seals the segments whose file or lock is gone, and lets a refused growth be tried again. Called once a second or so.
    pub fn inspect(&mut self) {
        self.calm_looks = self.calm_looks.saturating_add(1);
        for own in &mut self.segments {
            own.sealed |= own.lease.as_ref().is_some_and(|lease| !lease.renew());
        }
        self.blocked = false;
    }

    /// Ends pushing and gives away all segments.
    pub fn close(&mut self) -> Vec<Own> {
        self.closed = true;
        self.waiting = Waiting::default();
        self.leased = Waiting::default();
        let segments = std::mem::take(&mut self.segments);
        for own in &segments {
            if own.lease.is_none() {
                // Nobody is left to send what waits in private memory.
                own.ledger()
                    .count(Counter::Dropped(DropReason::Orphan), own.waiting.entries);
            } else {
                self.left_entries += own.waiting.entries;
            }
            self.settle(own);
        }
        segments
    }

    pub fn is_closed(&self) -> bool {
        self.closed
    }
}

/// Why a segment could not be made.
fn cause(error: &std::io::Error) -> DropReason {
    use std::io::ErrorKind;
    #[cfg(unix)]
    if matches!(
        error.raw_os_error(),
        Some(libc::ENOMEM | libc::EMFILE | libc::ENFILE | libc::ENOLCK)
    ) {
        return DropReason::NoMemory;
    }
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            DropReason::NoSpace
        }
        ErrorKind::OutOfMemory => DropReason::NoMemory,
        _ => DropReason::NoDirectory,
    }
}
