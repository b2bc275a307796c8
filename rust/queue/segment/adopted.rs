//! A dead process's segment, read through its file.
//!
//! The file is never mapped: if it is damaged or cut, or if its disk fails, a read returns an error instead of a SIGBUS.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::counters::DropReason;
use crate::queue::files::file_lock::FileLock;
use crate::queue::files::names::Name;
use crate::queue::protocol::layout::{self, Defect, HEADER_BYTES, PREAMBLE_BYTES, Preamble};
use crate::queue::protocol::ledger::Ledger;
use crate::queue::protocol::memory::{Memory, Word};
use crate::queue::protocol::ring::{Consumer, Corrupt, Records};
use crate::queue::segment::Segment;
use crate::sync::{AtomicU64, Ordering};

/// The file as the memory of a ring. Its producer is dead, so the positions change through this process alone.
pub struct AdoptedFile {
    lock: FileLock,
    capacity: u64,
    tail: AtomicU64,
    head: AtomicU64,
}

impl AdoptedFile {
    fn open(lock: FileLock, preamble: Preamble) -> AdoptedFile {
        let word = |offset| {
            // If a position cannot be read, its value is one that no ring has.
            let mut bytes = [0xFF; 8];
            let _ = lock.file().read_exact_at(&mut bytes, offset);
            AtomicU64::new(u64::from_ne_bytes(bytes))
        };
        let (tail, head) = (word(layout::TAIL_OFFSET), word(layout::HEAD_OFFSET));
        AdoptedFile {
            lock,
            capacity: layout::capacity(preamble.file_bytes),
            tail,
            head,
        }
    }

    fn word(&self, word: Word) -> (&AtomicU64, u64) {
        match word {
            Word::Tail => (&self.tail, layout::TAIL_OFFSET),
            Word::Head => (&self.head, layout::HEAD_OFFSET),
        }
    }
}

impl Memory for AdoptedFile {
    fn capacity(&self) -> u64 {
        self.capacity
    }

    fn load(&self, word: Word, order: Ordering) -> u64 {
        self.word(word).0.load(order)
    }

    fn store(&self, word: Word, value: u64, order: Ordering) {
        let (cached, offset) = self.word(word);
        cached.store(value, order);
        // If the store does not reach the file, the next adopter sends these records again.
        let _ = self.lock.file().write_all_at(&value.to_ne_bytes(), offset);
    }

    /// Does nothing: nobody pushes into a dead process's segment.
    unsafe fn write(&self, _: u64, _: &[u8]) {}

    unsafe fn read(&self, offset: u64, bytes: &mut [u8]) -> bool {
        self.lock
            .file()
            .read_exact_at(bytes, HEADER_BYTES + offset)
            .is_ok()
    }
}

impl Ledger for AdoptedFile {
    fn load_word(&self, offset: u64) -> u64 {
        let mut bytes = [0; 8];
        let _ = self.lock.file().read_exact_at(&mut bytes, offset);
        u64::from_ne_bytes(bytes)
    }

    /// If the store does not reach the file, [`Counts::balance`] corrects the counts when another process adopts the segment.
    fn store_word(&self, offset: u64, value: u64) {
        let _ = self.lock.file().write_all_at(&value.to_ne_bytes(), offset);
    }
}

/// Reads and checks the preamble of a locked file.
pub fn inspect(file: &File) -> Result<Preamble, Defect> {
    let mut bytes = [0; PREAMBLE_BYTES];
    file.read_exact_at(&mut bytes, 0)
        .map_err(|_| Defect::NotASegment)?;
    let length = file.metadata().map_err(|_| Defect::NotASegment)?.len();
    Preamble::decode(&bytes, length)
}

/// An adopted segment and what waits in it.
pub struct AdoptedSegment {
    pub consumer: Consumer<AdoptedFile>,
    pub preamble: Preamble,
    pub entries: u64,
    /// Whether the segment is damaged after these entries.
    pub damaged: bool,
    /// The entries that its process had counted and that are missing.
    pub lost: u64,
}

impl AdoptedSegment {
    /// Counts the waiting entries by reading them, since a stored count could be off by one after a crash. Records that cannot be
    /// read are cut off. Afterwards the counters agree with the entries.
    pub fn open(lock: FileLock, preamble: Preamble) -> AdoptedSegment {
        let mut consumer = Consumer::attach(AdoptedFile::open(lock, preamble));
        let (entries, broken) = match consumer.records() {
            Ok(records) => count(records),
            Err(Corrupt) => (0, Some(0)),
        };
        if let Some(position) = broken {
            consumer.cut(position);
        }
        let mut counts = consumer.memory().counts();
        let damaged = broken.is_some();
        let lost = counts.balance(
            entries,
            if damaged {
                DropReason::Corrupt
            } else {
                DropReason::Killed
            },
        );
        consumer.memory().store_counts(&counts);
        AdoptedSegment {
            consumer,
            preamble,
            entries,
            damaged,
            lost,
        }
    }

    pub fn lock(&self) -> &FileLock {
        &self.consumer.memory().lock
    }

    /// Gives the segment up for any process to adopt. Drop `self` under the scan lock: see [`FileLock::disown`].
    pub fn leave(&self) {
        let _ = self.lock().disown(Name::nobodys());
    }

    pub fn bytes(&self) -> u64 {
        self.consumer.records().map_or(0, |records| records.bytes())
    }
}

impl Segment for AdoptedSegment {
    fn ledger(&self) -> &dyn Ledger {
        self.consumer.memory()
    }

    fn remove(&self) {
        self.lock().unlink();
    }
}

/// The number of readable records, and where they end if that is not the tail.
fn count<M: Memory>(mut records: Records<'_, M>) -> (u64, Option<u64>) {
    let mut entries = 0;
    loop {
        match records.next_record() {
            Ok(Some(_)) => entries += 1,
            Ok(None) => return (entries, None),
            Err(Corrupt) => return (entries, Some(records.position())),
        }
    }
}
