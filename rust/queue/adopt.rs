//! Finds the segments of dead processes, leases some, and keeps the rest within a bound.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::counters::{Counter, DropReason};
use crate::queue::Adopted;
use crate::queue::files::directory::{Directory, Entry};
use crate::queue::files::file_lock::FileLock;
use crate::queue::files::names::Extension;
use crate::queue::machine::state_file;
use crate::queue::protocol::layout::{Defect, Preamble};
use crate::queue::protocol::ledger::Ledger;
use crate::queue::segment::adopted::{self, AdoptedSegment};

/// Segments leased at once: each costs a descriptor. The rest wait on disk for the next scan.
pub const LEASED_AT_ONCE: usize = 8;
/// What may wait for adoption in one directory, when every process that could deliver it dies or lags. Beyond it the
/// oldest segments go, counted.
pub const ORPHAN_BYTES: u64 = 64 << 20;
/// How long a segment of another layout version is left to those who can read it: longer than any rolling upgrade.
const OTHER_VERSION_SECONDS: i64 = 24 * 60 * 60;

/// Scans every rung, the one in use or not: a process may have died on a lower one while the best was full.
pub fn scan(
    rungs: &[PathBuf],
    name: &str,
    mut slots: usize,
    found: &mut Adopted,
) -> Vec<AdoptedSegment> {
    let mut leased = Vec::new();
    for rung in rungs {
        if let Some(directory) = Directory::existing(rung, name) {
            scan_directory(&Arc::new(directory), &mut slots, found, &mut leased);
        }
    }
    leased
}

fn scan_directory(
    directory: &Arc<Directory>,
    slots: &mut usize,
    found: &mut Adopted,
    leased: &mut Vec<AdoptedSegment>,
) {
    let mut left = Vec::new();
    for entry in directory.others().unwrap_or_default() {
        match consider(directory, entry, *slots > 0, found) {
            Triage::Adopted(segment) => {
                *slots -= 1;
                leased.push(*segment);
            }
            Triage::Left => left.push(entry),
            Triage::Done => {}
        }
    }
    let mut bytes: u64 = left.iter().map(|entry| entry.bytes).sum();
    for entry in left {
        if bytes <= ORPHAN_BYTES {
            break;
        }
        if evict(directory, entry, found) {
            bytes -= entry.bytes;
        }
    }
}

enum Triage {
    Adopted(Box<AdoptedSegment>),
    /// An orphan that waits on disk.
    Left,
    /// Not an orphan, or removed.
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
        Err(Defect::Version(_)) if age_seconds(&entry) < OTHER_VERSION_SECONDS => {
            return Triage::Left;
        }
        Err(_) => {
            found.corrupt_segments += usize::from(directory.unlink(entry.name).is_ok());
            return Triage::Done;
        }
    };
    if !may_lease {
        return Triage::Left;
    }
    let Ok(Some(lease)) = FileLock::adopt(directory, entry.name, file) else {
        return Triage::Done;
    };
    let segment = open(lease, preamble, found);
    found.corrupt_segments += usize::from(segment.damaged);
    if segment.entries == 0 {
        bury(&segment, found);
        return Triage::Done;
    }
    found.segments += 1;
    found.entries += segment.entries;
    Triage::Adopted(Box::new(segment))
}

/// Removes an orphan and counts its entries as dropped.
fn evict(directory: &Arc<Directory>, entry: Entry, found: &mut Adopted) -> bool {
    let Ok(Some(file)) = FileLock::lock(directory, entry.name) else {
        return false;
    };
    let preamble = adopted::inspect(&file);
    let Ok(Some(lease)) = FileLock::adopt(directory, entry.name, file) else {
        return false;
    };
    found.dropped_segments += 1;
    let Ok(preamble) = preamble else {
        lease.unlink();
        return true;
    };
    let segment = open(lease, preamble, found);
    let orphan = Counter::Dropped(DropReason::Orphan);
    segment.ledger().count(orphan, segment.entries);
    found.dropped_entries += segment.entries;
    bury(&segment, found);
    true
}

fn open(lease: FileLock, preamble: Preamble, found: &mut Adopted) -> AdoptedSegment {
    let segment = AdoptedSegment::open(lease, preamble);
    if segment.damaged {
        found.corrupt_entries += segment.lost;
    } else {
        found.killed_entries += segment.lost;
    }
    segment
}

/// Removes a drained segment. Its sums live on in the host's state.
pub fn bury(segment: &AdoptedSegment, found: &mut Adopted) {
    let (identity, counts) = (segment.identity(), segment.counts());
    let directory = segment.lease().directory();
    if !counts.is_zero()
        && state_file::update(directory, |state| state.bury(identity, &counts)).is_none()
    {
        found.unburied.add_all(&counts);
    }
    segment.lease().unlink();
}

fn age_seconds(entry: &Entry) -> i64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    i64::try_from(elapsed)
        .unwrap_or(i64::MAX)
        .saturating_sub(entry.modified)
}
