//! `compact`: rewrites the segment of a dead or ending process into a file that is just large enough.

use std::io::{self, Write};

use crate::queue::files::file_lock::FileLock;
use crate::queue::files::names::{Extension, Name};
use crate::queue::protocol::layout::{self, HEADER_BYTES, Preamble};
use crate::queue::protocol::ledger::{self, Ledger};
use crate::queue::protocol::memory::Memory;
use crate::queue::protocol::ring::Consumer;

/// Replaces the file behind `lock` by a smaller one with the waiting entries of `consumer`, the same sums and the same
/// identity, if that saves half of it or more. Returns the lock on the new file, which has the old one's name.
///
/// The rename is the only step that other processes see: there is either the old file or the new one. The old file is never cut,
/// since an owner that is alive after all may have it mapped, and would get a SIGBUS.
pub fn compact<M: Memory + Ledger>(
    lock: &FileLock,
    consumer: &Consumer<M>,
    preamble: &Preamble,
) -> io::Result<Option<FileLock>> {
    let Some(image) = image(consumer, preamble) else {
        return Ok(None);
    };
    if 2 * image.len() as u64 > HEADER_BYTES + consumer.memory().capacity() {
        return Ok(None);
    }
    let directory = lock.directory();
    let name = Name::own(Extension::Temporary);
    let file = directory.create_file(name)?;
    let replaced = FileLock::of_new(directory, name, file).and_then(|new| {
        let Some(mut new) = new else { return Ok(None) };
        new.file().write_all(&image)?;
        // Keeps the time of the old file: the oldest segments are delivered, and evicted, first.
        new.file()
            .set_modified(lock.file().metadata()?.modified()?)?;
        new.replace(lock)?;
        Ok(Some(new))
    });
    if replaced.is_err() {
        let _ = directory.unlink(name);
    }
    replaced
}

/// The bytes of a segment file with the waiting entries; `None` if an entry cannot be read.
fn image<M: Memory + Ledger>(consumer: &Consumer<M>, preamble: &Preamble) -> Option<Vec<u8>> {
    let mut records = consumer.records().ok()?;
    let file_bytes = (HEADER_BYTES + records.bytes())
        .next_multiple_of(HEADER_BYTES)
        .max(2 * HEADER_BYTES);
    let mut image = vec![0; layout::index(HEADER_BYTES)];
    let preamble = Preamble {
        file_bytes,
        ..*preamble
    };
    let mut put = |offset: u64, bytes: &[u8]| {
        image[layout::index(offset)..][..bytes.len()].copy_from_slice(bytes);
    };
    put(0, &preamble.encode());
    put(layout::TAIL_OFFSET, &records.bytes().to_ne_bytes());
    let identity = consumer.memory().load_word(layout::IDENTITY_OFFSET);
    put(layout::IDENTITY_OFFSET, &identity.to_ne_bytes());
    for (offset, value) in ledger::words(&consumer.memory().counts()) {
        put(offset, &value.to_ne_bytes());
    }
    let mut payload = Vec::new();
    while let Some(record) = records.next_record().ok()? {
        record.copy_to(&mut payload).ok()?;
        let position = image.len() as u64 - HEADER_BYTES;
        let header = layout::record_header(position, payload.len() as u64);
        image.extend_from_slice(&header.to_le_bytes());
        image.extend_from_slice(&payload);
        image.resize(image.len().next_multiple_of(8), 0);
    }
    image.resize(layout::index(file_bytes), 0);
    Some(image)
}
