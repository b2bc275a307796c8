//! Finds the segments of dead processes, leases some, and keeps the rest small and within a bound.

use std::path::PathBuf;
use std::sync::Arc;

use crate::counters::{Counter, DropReason};
use crate::queue::Adopted;
use crate::queue::files::directory::{Directory, Entry};
use crate::queue::files::file_lock::FileLock;
use crate::queue::files::names::{Extension, Name};
use crate::queue::home::Home;
use crate::queue::machine::{pause, state_file};
use crate::queue::protocol::layout::{Defect, Preamble};
use crate::queue::scan_lock::ScanLock;
use crate::queue::segment::Segment;
use crate::queue::segment::adopted::{self, AdoptedSegment};
use crate::queue::segment::compact::compact;

/// Segments leased at once: each costs a descriptor. The rest wait on disk until half of these are delivered.
pub const LEASED_AT_ONCE: usize = 32;
/// What the dead may leave in one directory, in bytes of shared memory, when every process that could deliver it dies or
/// lags. Beyond it the oldest segments go, counted, unless the server takes logs.
pub const ORPHAN_BYTES: u64 = 64 << 20;
/// The server takes logs if it has taken some within so many milliseconds, and has refused none since.
const TAKES_LOGS_MS: u64 = 60_000;
/// Files rewritten or removed while a segment is made: a bound on the time it takes. Each segment that is made adds one
/// file, so the sum of them comes down all the same.
const FILES_AT_ONCE: usize = 64;

/// What a scan has leased.
pub struct Leased {
    pub segments: Vec<AdoptedSegment>,
    /// Whether more segments wait than could be leased.
    pub has_more: bool,
}

/// Scans every rung, the one in use or not: a process may have died on a lower one while the best was full.
pub fn scan(rungs: &[PathBuf], name: &str, slots: usize, found: &mut Adopted) -> Leased {
    let mut leased = Leased {
        segments: Vec::new(),
        has_more: false,
    };
    for rung in rungs {
        if let Some(directory) = Directory::existing(rung, name) {
            scan_directory(&Arc::new(directory), slots, found, &mut leased);
        }
    }
    leased
}

fn scan_directory(
    directory: &Arc<Directory>,
    slots: usize,
    found: &mut Adopted,
    leased: &mut Leased,
) {
    let mut left = Vec::new();
    let mut rewrites = FILES_AT_ONCE;
    for entry in directory.others().unwrap_or_default() {
        match consider(directory, entry, leased.segments.len() < slots, found) {
            Triage::Leased(segment) => leased.segments.push(*segment),
            Triage::Waits => {
                leased.has_more = true;
                left.push(Orphan::of(entry));
            }
            Triage::Done => {}
        }
    }
    for orphan in &mut left {
        if rewrites > 0 && orphan.is_wasteful() {
            rewrites -= 1;
            orphan.shrink(directory, found);
        }
    }
    evict(directory, &left, usize::MAX, found);
}

/// Keeps what the dead have left in `directory` within its bound, before a segment is made there.
pub fn make_room(directory: &Arc<Directory>) -> Adopted {
    let mut found = Adopted::default();
    let others = directory.others().unwrap_or_default();
    let bytes: u64 = others.iter().map(|entry| entry.bytes).sum();
    // Of the living and the dead: the dead alone cannot have more.
    if bytes <= ORPHAN_BYTES {
        return found;
    }
    let Some(_scan) = ScanLock::begin() else {
        return found; // another thread of this process is at it
    };
    let mut left = Vec::new();
    for entry in others {
        if let Triage::Waits = consider(directory, entry, false, &mut found) {
            left.push(Orphan::of(entry));
        }
    }
    let mut rewrites = FILES_AT_ONCE;
    for orphan in &mut left {
        if rewrites > 0 && orphan.is_wasteful() {
            rewrites -= 1;
            orphan.shrink(directory, &mut found);
        }
    }
    evict(directory, &left, FILES_AT_ONCE, &mut found);
    found
}

enum Triage {
    Leased(Box<AdoptedSegment>),
    /// An orphan that waits on disk.
    Waits,
    /// Not an orphan, not of this version, or removed.
    Done,
}

fn consider(
    directory: &Arc<Directory>,
    entry: Entry,
    may_lease: bool,
    found: &mut Adopted,
) -> Triage {
    let Ok(Some(file)) = FileLock::lock(directory, entry.name) else {
        return Triage::Done;
    };
    if entry.name.extension == Extension::Temporary {
        let _ = directory.unlink(entry.name); // its creator died before it had a segment
        return Triage::Done;
    }
    let preamble = match adopted::inspect(&file) {
        Ok(preamble) => preamble,
        // Left to the processes that can read it: `status` says what it is.
        Err(Defect::Version(_)) => return Triage::Done,
        Err(_) => {
            found.corrupt_segments += usize::from(directory.unlink(entry.name).is_ok());
            return Triage::Done;
        }
    };
    if !may_lease {
        return Triage::Waits;
    }
    let Ok(Some(lock)) = FileLock::adopt(directory, entry.name, file) else {
        return Triage::Done;
    };
    let segment = open(lock, preamble, found);
    found.corrupt_segments += usize::from(segment.damaged);
    if segment.entries == 0 {
        retire(&segment, found);
        return Triage::Done;
    }
    found.segments += 1;
    found.entries += segment.entries;
    Triage::Leased(Box::new(segment))
}

/// A segment that waits on disk.
struct Orphan {
    entry: Entry,
    /// It could not be made smaller, or is gone.
    is_final: bool,
}

impl Orphan {
    fn of(entry: Entry) -> Orphan {
        Orphan {
            entry,
            is_final: false,
        }
    }

    /// Whether a rewrite may save memory. A segment that was rewritten is as small as it gets.
    fn is_wasteful(&self) -> bool {
        !self.is_final && !self.entry.name.is_compact()
    }

    /// Rewrites it as small as will hold what waits in it; removes it if that is nothing.
    fn shrink(&mut self, directory: &Arc<Directory>, found: &mut Adopted) {
        self.is_final = true;
        let Some(segment) = take(directory, self.entry, found) else {
            return;
        };
        if segment.entries == 0 {
            retire(&segment, found);
            self.entry.bytes = 0;
            return;
        }
        // Under a name that says so in any case: what cannot be made smaller now is not tried again.
        let name = Name::compact();
        let new = compact(segment.lock(), &segment.consumer, &segment.preamble);
        let lock = new.as_ref().ok().and_then(Option::as_ref);
        let lock = lock.unwrap_or(segment.lock());
        self.entry.bytes = lock.bytes();
        if lock.disown(name).is_ok() {
            self.entry.name = name;
        }
    }
}

/// Removes the oldest orphans until the rest is within the bound, `most` of them at most. None while the server takes
/// logs: they will all be delivered.
fn evict(directory: &Arc<Directory>, left: &[Orphan], most: usize, found: &mut Adopted) {
    let mut bytes: u64 = left.iter().map(|orphan| orphan.entry.bytes).sum();
    if bytes <= ORPHAN_BYTES || takes_logs(directory) {
        return;
    }
    for orphan in left
        .iter()
        .filter(|orphan| orphan.entry.bytes > 0)
        .take(most)
    {
        if bytes <= ORPHAN_BYTES {
            break;
        }
        if drop_orphan(directory, orphan.entry, DropReason::Orphan, found) {
            bytes -= orphan.entry.bytes;
        }
    }
}

fn takes_logs(directory: &Directory) -> bool {
    let now_ms = pause::now_ms();
    state_file::read(directory).is_some_and(|state| {
        state.failures == 0 && now_ms.saturating_sub(state.last_success_ms) < TAKES_LOGS_MS
    })
}

/// Removes an orphan and counts its entries as dropped.
fn drop_orphan(
    directory: &Arc<Directory>,
    entry: Entry,
    reason: DropReason,
    found: &mut Adopted,
) -> bool {
    let Some(segment) = take(directory, entry, found) else {
        return false;
    };
    segment
        .ledger()
        .count(Counter::Dropped(reason), segment.entries);
    found.dropped_segments += 1;
    found.dropped_entries += segment.entries;
    retire(&segment, found);
    true
}

/// Takes over a segment, if it is still nobody's.
fn take(directory: &Arc<Directory>, entry: Entry, found: &mut Adopted) -> Option<AdoptedSegment> {
    let file = FileLock::lock(directory, entry.name).ok()??;
    let preamble = adopted::inspect(&file).ok()?;
    let lock = FileLock::adopt(directory, entry.name, file).ok()??;
    Some(open(lock, preamble, found))
}

fn open(lock: FileLock, preamble: Preamble, found: &mut Adopted) -> AdoptedSegment {
    let segment = AdoptedSegment::open(lock, preamble);
    if segment.damaged {
        found.corrupt_entries += segment.lost;
    } else {
        found.killed_entries += segment.lost;
    }
    segment
}

/// Removes a drained segment. Its sums live on in the state of its directory.
pub fn retire(segment: &AdoptedSegment, found: &mut Adopted) {
    let home = Home::Shared(Arc::clone(segment.lock().directory()));
    found.unreported.add_all(&segment.retire(&home));
}
