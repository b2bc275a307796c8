//! Keeps the orphans of one directory that nobody delivers yet small, and within a bound.

use std::sync::Arc;

use crate::counters::{Counter, DropReason};
use crate::queue::Adopted;
use crate::queue::adopt::{orphan, retire, take};
use crate::queue::files::directory::{Directory, Entry};
use crate::queue::files::names::Name;
use crate::queue::machine::{pause, state_file};
use crate::queue::scan_lock::ScanLock;
use crate::queue::segment::Segment;
use crate::queue::segment::compact::compact;

/// The most bytes that orphans may take in one directory, for the case that no process delivers them. Beyond it, the oldest are
/// evicted and counted, unless the server takes logs.
pub const BOUND_BYTES: u64 = 64 << 20;
/// The server takes logs if it has taken some within this many milliseconds, and has refused none since.
const TAKES_LOGS_MS: u64 = 60_000;
/// The most files that the opening of a queue makes smaller or removes, on a request's thread: some 0.1 ms each. A process that
/// ends before it has a thread adds one file, so the number of files does not grow as long as this is more than one.
const FILES_AT_OPENING: usize = 8;
/// The most files that a scan makes smaller while the orphans are within the bound.
const FILES_AT_LEISURE: usize = 64;

/// The orphans of one directory, oldest first.
pub struct Orphans<'a> {
    directory: &'a Arc<Directory>,
    left: Vec<Orphan>,
    bytes: u64,
}

struct Orphan {
    entry: Entry,
    /// Whether it cannot be made smaller, or is gone.
    is_final: bool,
}

impl Orphans<'_> {
    /// `left`: segments of dead processes, oldest first.
    pub fn new(directory: &Arc<Directory>, left: Vec<Entry>) -> Orphans<'_> {
        Orphans {
            directory,
            bytes: left.iter().map(|entry| entry.bytes).sum(),
            left: left
                .into_iter()
                .map(|entry| Orphan {
                    entry,
                    is_final: false,
                })
                .collect(),
        }
    }

    fn exceed_bound(&self) -> bool {
        self.bytes > BOUND_BYTES
    }

    /// Shrinks and evicts until the orphans are within the bound. For a flusher's thread, which may wait.
    pub fn keep_within_bound(mut self, found: &mut Adopted) {
        self.shrink(FILES_AT_LEISURE, found);
        while self.exceed_bound() && self.shrink(FILES_AT_LEISURE, found) > 0 {}
        self.evict(usize::MAX, found);
    }

    /// Rewrites up to `most` orphans into files that are just large enough; returns how many. No segment is rewritten twice.
    fn shrink(&mut self, most: usize, found: &mut Adopted) -> usize {
        let mut done = 0;
        let wasteful = |orphan: &&mut Orphan| !orphan.is_final && !orphan.entry.name.is_compact();
        for orphan in self.left.iter_mut().filter(wasteful).take(most) {
            let before = orphan.entry.bytes;
            orphan.shrink(self.directory, found);
            self.bytes = self.bytes.saturating_sub(before) + orphan.entry.bytes;
            done += 1;
        }
        done
    }

    /// Removes up to `most` of the oldest orphans until the others are within the bound; removes none while the server takes
    /// logs, since then all of them will be delivered.
    fn evict(&mut self, most: usize, found: &mut Adopted) {
        if !self.exceed_bound() || takes_logs(self.directory) {
            return;
        }
        let mut tries = most;
        for orphan in self.left.iter().filter(|orphan| orphan.entry.bytes > 0) {
            if self.bytes <= BOUND_BYTES || tries == 0 {
                break;
            }
            tries -= 1;
            if drop_orphan(self.directory, orphan.entry, DropReason::Orphan, found) {
                self.bytes -= orphan.entry.bytes;
            }
        }
    }
}

impl Orphan {
    /// Rewrites the orphan into a file that is just large enough; removes it if it is empty.
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
        // The new name says that the file is compact, even if it could not be made smaller, so that it is not tried again.
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

/// Makes room in `directory` before a queue's first segment is made there, in a time that does not depend on how much orphans
/// take; the scan of a flusher does the rest.
///
/// A process that adds further segments need not call this: it has a flusher that scans every second.
pub fn make_room(directory: &Arc<Directory>) -> Adopted {
    let mut found = Adopted::default();
    let others = directory.others().unwrap_or_default();
    let bytes: u64 = others.iter().map(|entry| entry.bytes).sum();
    // The bytes of all segments, live ones included: the orphans cannot take more.
    if bytes <= BOUND_BYTES {
        return found;
    }
    let Some(_scan) = ScanLock::begin() else {
        return found; // another thread of this process is at it
    };
    // The name of a compact file says that it is an orphan, so most of them need not be opened.
    let mut is_orphan =
        |entry: &Entry| entry.name.is_compact() || orphan(directory, *entry, &mut found).is_some();
    let left = others
        .into_iter()
        .filter(|entry| is_orphan(entry))
        .collect();
    let mut orphans = Orphans::new(directory, left);
    let shrunk = orphans.shrink(FILES_AT_OPENING, &mut found);
    orphans.evict(FILES_AT_OPENING - shrunk, &mut found);
    found
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
