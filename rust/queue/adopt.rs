//! Finds the segments of dead processes and adopts some of them.

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

/// The most segments that are adopted at once, since each costs a descriptor. The others wait on disk until half of these are
/// delivered.
pub const ADOPTED_AT_ONCE: usize = 32;

/// The segments that a scan has adopted.
pub struct AdoptedSegments {
    pub segments: Vec<AdoptedSegment>,
    /// Whether more segments wait than could be adopted.
    pub has_more: bool,
}

/// Scans every rung, not only the one in use: a process may have died on a lower rung while the best one was full. Orphans that
/// are not adopted are kept small and within their bound.
pub fn scan(rungs: &[PathBuf], name: &str, slots: usize, found: &mut Adopted) -> AdoptedSegments {
    let mut adopted = AdoptedSegments {
        segments: Vec::new(),
        has_more: false,
    };
    for rung in rungs {
        if let Some(directory) = Directory::existing(rung, name) {
            scan_directory(&Arc::new(directory), slots, found, &mut adopted);
        }
    }
    adopted
}

fn scan_directory(
    directory: &Arc<Directory>,
    slots: usize,
    found: &mut Adopted,
    adopted: &mut AdoptedSegments,
) {
    let mut left = Vec::new();
    for entry in directory.others().unwrap_or_default() {
        let Some((file, preamble)) = orphan(directory, entry, found) else {
            continue;
        };
        if adopted.segments.len() < slots {
            adopted
                .segments
                .extend(adopt_orphan(directory, entry, file, preamble, found));
        } else {
            adopted.has_more = true;
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
        // The file is left to processes of that version; `status` shows it.
        Err(Defect::Version(_)) => None,
        Err(_) => {
            found.corrupt_segments += usize::from(directory.unlink(entry.name).is_ok());
            None
        }
    }
}

/// Takes over an orphan to deliver it. `None` if it is empty, or if another process was faster.
fn adopt_orphan(
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

/// Takes over a segment, unless another process has.
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

/// Removes a drained segment, whose sums are added to the state file of its directory.
pub fn retire(segment: &AdoptedSegment, found: &mut Adopted) {
    let home = Home::Shared(Arc::clone(segment.lock().directory()));
    found.unreported.add_all(&segment.retire(&home));
}
