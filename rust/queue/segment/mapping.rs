//! A segment in this process's address space.

#[cfg(all(unix, not(portable)))]
use std::fs::File;
use std::io;

use memmap2::{MmapOptions, MmapRaw};

use crate::queue::protocol::layout::{self, HEADER_BYTES};
use crate::queue::protocol::ledger::Ledger;
use crate::queue::protocol::memory::{Memory, Word};
use crate::sync::{AtomicU64, Ordering};

/// Header page and data area, of a file or of private memory.
///
/// `MmapRaw` hands out raw pointers only: no reference to bytes that another process may touch is ever made.
pub struct Mapping {
    raw: MmapRaw,
}

impl Mapping {
    #[cfg(all(unix, not(portable)))]
    /// Maps a file that this process has created, locked and allocated in full.
    pub fn of_file(file: &File, file_bytes: u64) -> io::Result<Mapping> {
        Mapping::checked(
            MmapOptions::new()
                .len(layout::index(file_bytes))
                // The file's pages exist: mapping them all now costs a fraction of one page fault for each.
                .populate()
                .map_raw(file)?,
        )
    }

    /// Zeroed memory without a name, for a process that has no directory to share.
    pub fn private(bytes: u64) -> io::Result<Mapping> {
        Mapping::checked(
            MmapOptions::new()
                .len(layout::index(bytes))
                .map_anon()?
                .into(),
        )
    }

    fn checked(raw: MmapRaw) -> io::Result<Mapping> {
        if layout::is_segment_size(raw.len() as u64) {
            Ok(Mapping { raw })
        } else {
            Err(io::ErrorKind::InvalidInput.into())
        }
    }

    #[cfg(all(unix, not(portable)))]
    /// Writes the preamble of a fresh segment. The positions and the counters are zero already.
    pub fn write_preamble(&mut self, preamble: &layout::Preamble, identity: u64) {
        self.store_word(layout::IDENTITY_OFFSET, identity);
        let bytes = preamble.encode();
        // SAFETY: the mapping has a whole header page (`checked`), and `&mut self` with a file that nobody else can open
        // yet makes this the only access.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.raw.as_mut_ptr(), bytes.len());
        };
    }

    #[cfg(all(unix, not(portable)))]
    pub fn preamble(&self) -> layout::Preamble {
        let mut bytes = [0; layout::PREAMBLE_BYTES];
        // SAFETY: the mapping has a whole header page (`checked`). The preamble is written once, before anybody else sees
        // the file, and by nobody afterwards.
        unsafe {
            std::ptr::copy_nonoverlapping(self.raw.as_ptr(), bytes.as_mut_ptr(), bytes.len());
        };
        let decoded = layout::Preamble::decode(&bytes, self.bytes());
        decoded.unwrap_or(layout::Preamble {
            file_bytes: self.bytes(),
            created_ms: 0,
            creator_pid: std::process::id(),
        })
    }

    /// Header page and data area.
    pub fn bytes(&self) -> u64 {
        self.raw.len() as u64
    }

    fn word(&self, word: Word) -> &AtomicU64 {
        let offset = match word {
            Word::Tail => layout::TAIL_OFFSET,
            Word::Head => layout::HEAD_OFFSET,
        };
        self.header_word(offset)
    }

    fn header_word(&self, offset: u64) -> &AtomicU64 {
        debug_assert!(
            offset.is_multiple_of(8) && (layout::TAIL_OFFSET..HEADER_BYTES).contains(&offset)
        );
        // SAFETY: the offset lies in the header page (const asserts in `layout`, size in `checked`) and is a multiple of 8
        // from a page-aligned base, so the pointer is aligned. It stays valid as long as `self` is borrowed. Nothing reads
        // or writes these 8 bytes but atomically: the preamble and the data area are elsewhere.
        unsafe { AtomicU64::from_ptr(self.raw.as_mut_ptr().add(layout::index(offset)).cast()) }
    }

    fn data(&self) -> *mut u8 {
        // SAFETY: the mapping is at least two header pages long (`checked`).
        unsafe { self.raw.as_mut_ptr().add(layout::index(HEADER_BYTES)) }
    }
}

impl Ledger for Mapping {
    fn load_word(&self, offset: u64) -> u64 {
        self.header_word(offset).load(Ordering::Relaxed)
    }

    fn store_word(&self, offset: u64, value: u64) {
        self.header_word(offset).store(value, Ordering::Relaxed);
    }
}

impl Memory for Mapping {
    fn capacity(&self) -> u64 {
        layout::capacity(self.raw.len() as u64)
    }

    fn load(&self, word: Word, order: Ordering) -> u64 {
        self.word(word).load(order)
    }

    fn store(&self, word: Word, value: u64, order: Ordering) {
        self.word(word).store(value, order);
    }

    unsafe fn write(&self, offset: u64, bytes: &[u8]) {
        debug_assert!(offset + bytes.len() as u64 <= self.capacity());
        // SAFETY: in range and alone with these bytes, by the contract of `Memory::write`; `bytes` is ordinary memory,
        // which never overlaps the mapping, since no reference into the mapping exists.
        unsafe {
            std::ptr::copy_nonoverlapping(
                bytes.as_ptr(),
                self.data().add(layout::index(offset)),
                bytes.len(),
            );
        };
    }

    unsafe fn read(&self, offset: u64, bytes: &mut [u8]) -> bool {
        debug_assert!(offset + bytes.len() as u64 <= self.capacity());
        // SAFETY: in range and not written meanwhile, by the contract of `Memory::read`; no overlap, as in `write`.
        unsafe {
            std::ptr::copy_nonoverlapping(
                self.data().add(layout::index(offset)),
                bytes.as_mut_ptr(),
                bytes.len(),
            );
        };
        true
    }
}
