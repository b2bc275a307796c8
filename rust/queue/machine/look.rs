//! Reads the segments of other processes, dead or alive, and changes nothing.
//!
//! Files are read, never mapped and never locked. The files of this process are left out: closing any descriptor of such a file
//! would drop the lock that says that this process lives.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::counters::Counts;
use crate::queue::files::directory::Directory;
use crate::queue::files::file_lock;
use crate::queue::files::names::{Extension, Name};
use crate::queue::machine::state_file;
use crate::queue::machine::survey::{FoundSegment, Survey};
use crate::queue::protocol::layout::{self, HEADER_BYTES, Preamble, RECORD_HEADER_BYTES};
use crate::queue::protocol::ledger::Ledger;
use crate::queue::segment::adopted;

/// Reads `directory`, an app's directory on some rung; the error says why it must not be used.
pub fn survey(directory: &Path) -> Result<Survey, String> {
    let directory = Directory::at(directory)?;
    let others = directory.others().map_err(|error| error.to_string())?;
    let segments = others
        .into_iter()
        .filter(|entry| entry.name.extension == Extension::Segment)
        .filter_map(|entry| {
            // A file that is gone or unreadable by now is left out.
            let file = directory.open(entry.name).ok()?;
            Some(look(&file, entry.name))
        });
    Ok(Survey {
        segments: segments.collect(),
        state: state_file::read(&directory),
    })
}

/// Copies the entries of one segment from position `from` on (0: from the oldest that waits), released or not, as far as they are
/// not overwritten. Also returns the position to continue from; `None` if the file is gone.
pub fn entries(directory: &Path, name: &str, from: u64) -> Option<(u64, Vec<Vec<u8>>)> {
    let directory = Directory::at(directory).ok()?;
    let name = Name::parse(name).filter(|name| !name.is_own())?;
    let file = directory.open(name).ok()?;
    let preamble = adopted::inspect(&file).ok()?;
    let view = View::new(&file, &preamble);
    let start = from.max(view.head().min(view.tail()));
    let mut entries = Vec::new();
    let end = view.walk(start, |payload| entries.push(payload));
    Some((end, entries))
}

fn look(file: &File, name: Name) -> FoundSegment {
    let mut found = FoundSegment {
        name: name.to_string(),
        owner_pid: file_lock::holder(file),
        creator_pid: 0,
        created_ms: 0,
        file_bytes: file.metadata().map_or(0, |status| status.len()),
        entries: 0,
        bytes: 0,
        counts: Counts::default(),
        defect: None,
    };
    match adopted::inspect(file) {
        Ok(preamble) => {
            let view = View::new(file, &preamble);
            found.creator_pid = preamble.creator_pid;
            found.created_ms = preamble.created_ms;
            found.counts = view.counts();
            let (head, tail) = (view.head(), view.tail());
            view.walk(head, |_| found.entries += 1);
            found.bytes = tail.saturating_sub(head).min(view.capacity);
        }
        Err(defect) => found.defect = Some(defect.to_string()),
    }
    found
}

/// The file of a segment to which its owner may be writing.
struct View<'a> {
    file: &'a File,
    capacity: u64,
}

impl View<'_> {
    fn new<'a>(file: &'a File, preamble: &Preamble) -> View<'a> {
        View {
            file,
            capacity: layout::capacity(preamble.file_bytes),
        }
    }

    fn head(&self) -> u64 {
        self.load_word(layout::HEAD_OFFSET)
    }

    fn tail(&self) -> u64 {
        self.load_word(layout::TAIL_OFFSET)
    }

    /// Calls `see` with each payload from `position` to the tail; returns the tail, or the position of the first damaged record.
    fn walk(&self, mut position: u64, mut see: impl FnMut(Vec<u8>)) -> u64 {
        let tail = self.tail();
        if tail
            .checked_sub(position)
            .is_none_or(|bytes| bytes > self.capacity)
        {
            return tail;
        }
        while position < tail {
            let Some((payload, end)) = self.record(position, tail) else {
                return tail;
            };
            // The record was overwritten while it was copied.
            if self.tail() - position > self.capacity {
                return tail;
            }
            see(payload);
            position = end;
        }
        position
    }

    fn record(&self, position: u64, tail: u64) -> Option<(Vec<u8>, u64)> {
        let mut header = [0; 8];
        self.read(position, &mut header)?;
        let length = layout::payload_length(position, u64::from_le_bytes(header))?;
        let end = position + layout::record_bytes(length)?;
        if end > tail {
            return None;
        }
        let mut payload = vec![0; length];
        self.read(position + RECORD_HEADER_BYTES, &mut payload)?;
        Some((payload, end))
    }

    fn read(&self, position: u64, bytes: &mut [u8]) -> Option<()> {
        let offset = position % self.capacity;
        let split = bytes.len().min(layout::index(self.capacity - offset));
        let (first, rest) = bytes.split_at_mut(split);
        self.file.read_exact_at(first, HEADER_BYTES + offset).ok()?;
        self.file.read_exact_at(rest, HEADER_BYTES).ok()
    }
}

impl Ledger for View<'_> {
    fn load_word(&self, offset: u64) -> u64 {
        let mut bytes = [0; 8];
        let _ = self.file.read_exact_at(&mut bytes, offset);
        u64::from_ne_bytes(bytes)
    }

    /// Does nothing: a view is read-only.
    fn store_word(&self, _: u64, _: u64) {}
}
