//! Finds the segments of dead processes and leases some of them.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use crate::queue::Adopted;
use crate::queue::files::directory::{Directory, Entry};
use crate::queue::files::file_lock::FileLock;
use crate::queue::files::names::Extension;
use crate::queue::home::Home;
use crate::queue::orphans::Orphans;
use crate::queue::protocol::layout::{Defect, Preamble};
use crate::queue::segment::Segment;
use crate::queue::segment::adopted::{self, AdoptedSegment};

/// Segments leased at once: each costs a descriptor. The rest wait on disk until half of these are delivered.
pub const LEASED_AT_ONCE: usize = 32;

/// What a scan has leased.
pub struct Leased {
    pub segments: Vec<AdoptedSegment>,
    /// Whether more segments wait than could be leased.
    pub has_more: bool,
}

/// Scans every rung, the one in use or not: a process may have died on a lower one while the best was full. What is not
/// leased is kept small and within its bound.
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
    for entry in directory.others().unwrap_or_default() {
        let Some((file, preamble)) = orphan(directory, entry, found) else {
            continue;
        };
        if leased.segments.len() < slots {
            leased
                .segments
                .extend(lease(directory, entry, file, preamble, found));
        } else {
            leased.has_more = true;
            left.push(entry);
        }
    }
    Orphans::new(directory, left).keep_within_bound(found);
}

/// Opens and locks `entry` if it is a dead process's segment. Removes it if it is rubbish.
pub fn orphan(
    directory: &Arc<Directory>,
    entry: Entry,
    found: &mut Adopted,
) -> Option<(File, Preamble)> {
    let file = FileLock::lock(directory, entry.name).ok()??;
    if entry.name.extension == Extension::Temporary {
        let _ = directory.unlink(entry.name); // its creator died before it had a segment
        return None;
    }
    match adopted::inspect(&file) {
        Ok(preamble) => Some((file, preamble)),
        // Left to the processes that can read it: `status` says what it is.
        Err(Defect::Version(_)) => None,
        Err(_) => {
            found.corrupt_segments += usize::from(directory.unlink(entry.name).is_ok());
            None
        }
    }
}

/// Takes over an orphan to deliver it. `None` if there was nothing in it, or if another process was faster.
fn lease(
    directory: &Arc<Directory>,
    entry: Entry,
    file: File,
    preamble: Preamble,
    found: &mut Adopted,
) -> Option<AdoptedSegment> {
    let lock = FileLock::adopt(directory, entry.name, file).ok()??;
    let segment = open(lock, preamble, found);
    found.corrupt_segments += usize::from(segment.damaged);
    if segment.entries == 0 {
        retire(&segment, found);
        return None;
    }
    found.segments += 1;
    found.entries += segment.entries;
    Some(segment)
}

/// Takes over a segment, if it is still nobody's.
pub fn take(
    directory: &Arc<Directory>,
    entry: Entry,
    found: &mut Adopted,
) -> Option<AdoptedSegment> {
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
