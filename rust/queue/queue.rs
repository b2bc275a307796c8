//! The handle that a process holds: its own segments, those it has leased, and the locks round them.

use std::mem::ManuallyDrop;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::counters::{Counter, DropReason};
use crate::queue::accounts::bury;
use crate::queue::adopt;
use crate::queue::files::directory::Directory;
use crate::queue::fork;
use crate::queue::machine::pause::SharedPause;
use crate::queue::peek::{Peek, Span, Taking};
use crate::queue::protocol::ledger::Ledger;
use crate::queue::reader::{self, Reader};
use crate::queue::scan_lock::ScanLock;
use crate::queue::writer::{Own, Writer};
use crate::queue::{Adopted, Options, Refusal};

/// How long `close` waits for another thread of this process to end its scan, which takes milliseconds.
const CLOSE_WAIT: Duration = Duration::from_millis(200);

/// One process's queue of one app.
///
/// Every method may be called from any thread, and from a forked child, where it does nothing: neither lock nor memory is
/// touched there, since the thread that held the one or was writing the other does not exist in the child.
pub struct Queue {
    token: u64,
    owner_pid: u32,
    options: Options,
    pub(super) directory: Option<Arc<Directory>>,
    refusals: Vec<String>,
    max_entry_bytes: usize,
    pub(super) pause: SharedPause,
    inner: ManuallyDrop<Inner>,
}

/// Lock order: reader, then writer.
struct Inner {
    reader: Mutex<Reader>,
    writer: Mutex<Writer>,
}

impl Queue {
    /// Opens a queue on the best rung that can hold it; never fails, since private memory is the last rung.
    pub fn open(options: &Options) -> Queue {
        let mut refusals = Vec::new();
        let shared = options.directories.iter().find_map(|rung| {
            let opened = Directory::create(rung, &options.name)
                .map(Arc::new)
                .and_then(|directory| {
                    let say = |error| format!("{}: {error}", directory.path().display());
                    Writer::open(Some(Arc::clone(&directory)), options.max_bytes)
                        .map_err(say)
                        .map(|writer| (directory, writer))
                });
            opened.map_err(|refusal| refusals.push(refusal)).ok()
        });
        let (directory, writer) = match shared {
            Some((directory, writer)) => (Some(directory), writer),
            None => (None, Writer::without_home(None, options.max_bytes)),
        };
        Queue {
            pause: SharedPause::new(directory.clone()),
            token: fork::token(),
            owner_pid: std::process::id(),
            options: options.clone(),
            directory,
            refusals,
            max_entry_bytes: writer.max_entry_bytes(),
            inner: ManuallyDrop::new(Inner {
                reader: Mutex::default(),
                writer: Mutex::new(writer),
            }),
        }
    }

    /// Where the segments are; `None` in private memory.
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_deref().map(Directory::path)
    }

    /// Why each better rung was refused.
    pub fn refusals(&self) -> &[String] {
        &self.refusals
    }

    /// The process that opened it and may use it.
    pub fn owner_pid(&self) -> u32 {
        self.owner_pid
    }

    /// The largest entry that can ever be accepted.
    pub fn max_entry_bytes(&self) -> usize {
        self.max_entry_bytes
    }

    /// Appends one entry and returns how many wait in this process's own segments. From the moment it returns, the entry
    /// survives the death of this process.
    pub fn push(&self, entry: &[u8]) -> Result<u64, Refusal> {
        self.writer().ok_or(Refusal::Forked)?.push(entry)
    }

    /// Counts what never came to be an entry. Returns whether it could: not in a forked child.
    pub fn count(&self, counter: Counter) -> bool {
        self.writer()
            .map(|mut writer| writer.count(counter, 1))
            .is_some()
    }

    /// Entries in own and leased segments.
    pub fn waiting(&self) -> u64 {
        self.writer().map_or(0, |writer| writer.waiting().entries)
    }

    /// Bytes that these entries take, record headers included.
    pub fn waiting_bytes(&self) -> u64 {
        self.writer().map_or(0, |writer| writer.waiting().bytes)
    }

    /// Own and leased segments.
    pub fn segment_count(&self) -> usize {
        self.writer().map_or(0, |writer| writer.waiting().segments)
    }

    /// Shows the oldest entries to `take`, one by one: those of own segments first, then those of leased ones. The first that
    /// `take` refuses ends it. At least one is shown, if any waits.
    pub fn peek(&self, max_entries: usize, mut take: impl FnMut(&[u8]) -> bool) -> Option<Peek> {
        let mut reader = self.reader()?;
        self.writer()?.hand_over(&mut reader.own);
        let (peek, corrupt) = reader.peek(&mut Taking {
            max_entries,
            take: &mut take,
            entry: Vec::new(),
        });
        for id in corrupt {
            self.set_aside(&mut reader, id);
        }
        (!peek.is_empty()).then_some(peek)
    }

    /// These entries were sent: their room is free, and what is drained is removed, except home.
    pub fn release(&self, peek: Peek) {
        self.settle(peek, None, &[]);
    }

    /// As `release`, of entries that were sent, or `dropped`. Those whose numbers are in `corrupt` (ascending, from 0) were
    /// neither: they made no sense.
    #[allow(clippy::needless_pass_by_value)] // a peek is released once
    pub fn settle(&self, peek: Peek, dropped: Option<DropReason>, corrupt: &[usize]) {
        let outcome = dropped.map_or(Counter::Sent, Counter::Dropped);
        let Some(mut reader) = self.reader() else {
            return;
        };
        let (retired, drained) = {
            let Some(mut writer) = self.writer() else {
                return;
            };
            writer.hand_over(&mut reader.own);
            let mut first = 0;
            for span in peek.spans() {
                let corrupt = corrupt_in(span, &mut first, corrupt);
                // Counted, then released: killed in between, the process has counted entries that are still there, which
                // the adopter sees.
                if let Some((id, consumer)) =
                    reader.own.iter_mut().find(|(id, _)| *id == span.segment)
                {
                    let (entries, bytes) = reader::waiting(consumer, span);
                    let corrupt = corrupt.min(entries);
                    let ledger = consumer.memory();
                    ledger.count(Counter::Dropped(DropReason::Corrupt), corrupt);
                    ledger.count(outcome, entries - corrupt);
                    consumer.release(span.end);
                    writer.released(*id, entries, bytes);
                } else if let Some((_, leased)) =
                    reader.leased.iter_mut().find(|(id, _)| *id == span.segment)
                {
                    let (entries, bytes) = reader::waiting(&leased.consumer, span);
                    let corrupt = corrupt.min(entries);
                    for (counter, count) in [
                        (Counter::Dropped(DropReason::Corrupt), corrupt),
                        (outcome, entries - corrupt),
                    ] {
                        leased.ledger().count(counter, count);
                        writer.adopted.add(counter, count);
                    }
                    leased.consumer.release(span.end);
                    leased.entries = leased.entries.saturating_sub(entries);
                    writer.leased.remove(entries, bytes);
                }
            }
            let retired = writer.retire();
            let drained: Vec<_> = reader
                .leased
                .extract_if(.., |(_, leased)| leased.entries == 0)
                .collect();
            writer.leased.segments = reader.leased.len();
            (retired, drained)
        };
        let mut found = Adopted::default();
        remove(&mut reader, &retired, &mut found);
        for (_, leased) in &drained {
            adopt::bury(leased, &mut found);
        }
        self.keep(&found.unburied);
    }

    /// Takes over segments of dead processes, on whatever rung they are, and looks after this process's own files. Cheap;
    /// to be called about once a second by the thread that peeks.
    pub fn adopt(&self) -> Adopted {
        let mut found = Adopted::default();
        let Some(scan) = self
            .writer()
            .and_then(|writer| (!writer.is_closed()).then(ScanLock::begin).flatten())
        else {
            return found;
        };
        let slots = self.reader().map_or(0, |reader| {
            adopt::LEASED_AT_ONCE.saturating_sub(reader.leased.len())
        });
        let leased = adopt::scan(
            &self.options.directories,
            &self.options.name,
            slots,
            &mut found,
        );
        let (Some(mut reader), Some(mut writer)) = (self.reader(), self.writer()) else {
            return found;
        };
        if writer.is_closed() {
            for segment in leased {
                segment.lease().disown(); // and closed, before the scan ends
            }
        } else {
            for segment in leased {
                writer.leased.add(segment.entries, segment.bytes());
                reader.leased.push((writer.new_id(), segment));
            }
            writer.leased.segments = reader.leased.len();
            writer.inspect();
        }
        for (counter, count) in [
            (Counter::Made, found.entries),
            (Counter::Dropped(DropReason::Orphan), found.dropped_entries),
            (Counter::Dropped(DropReason::Corrupt), found.corrupt_entries),
            (Counter::Dropped(DropReason::Killed), found.killed_entries),
        ] {
            writer.adopted.add(counter, count);
        }
        found.corrupt_entries += std::mem::take(&mut writer.lost_entries);
        found.corrupt_segments += std::mem::take(&mut writer.lost_segments);
        let retired = writer.retire();
        drop(writer);
        remove(&mut reader, &retired, &mut found);
        drop((reader, scan));
        self.keep(&found.unburied);
        self.bury_unburied();
        found
    }

    /// Ends the queue: removes what is drained, and leaves the rest to a sibling or the next start. Nothing is accepted
    /// afterwards.
    pub fn close(&self) {
        let Some(mut reader) = self.reader() else {
            return;
        };
        let Some(own) = self.writer().map(|mut writer| writer.close()) else {
            return;
        };
        let leased = std::mem::take(&mut reader.leased);
        reader.own.clear();
        let mut found = Adopted::default();
        // Without the scan, another thread could adopt a disowned file before it is closed here, and lose its lock.
        let scan = ScanLock::begin_within(CLOSE_WAIT);
        let left = leased.iter().map(|(_, leased)| leased.lease());
        let owned = own.iter().filter_map(|own| {
            if own.waiting.entries == 0 {
                bury(own, &mut found);
                return None;
            }
            own.lease.as_ref()
        });
        for lease in owned.chain(left) {
            if scan.is_some() {
                lease.disown();
            } // else the name stays ours: only other processes will adopt it
        }
        drop((own, leased));
        drop(scan);
        drop(reader);
        self.keep(&found.unburied);
        self.bury_unburied();
    }

    fn set_aside(&self, reader: &mut Reader, id: u64) {
        let Some(mut writer) = self.writer() else {
            return;
        };
        let own = writer.set_aside(id);
        let leased: Vec<_> = reader
            .leased
            .extract_if(.., |(leased, _)| *leased == id)
            .collect();
        for (_, leased) in &leased {
            let corrupt = Counter::Dropped(DropReason::Corrupt);
            leased.ledger().count(corrupt, leased.entries);
            writer.adopted.add(corrupt, leased.entries);
            writer.leased.remove(leased.entries, leased.bytes());
            writer.lost_entries += leased.entries;
            writer.lost_segments += 1;
        }
        writer.leased.segments = reader.leased.len();
        drop(writer);
        reader.own.retain(|(own, _)| *own != id);
        let mut found = Adopted::default();
        if let Some(own) = &own {
            bury(own, &mut found);
        }
        for (_, leased) in &leased {
            adopt::bury(leased, &mut found);
        }
        self.keep(&found.unburied);
    }

    /// `None` in a forked child.
    pub(super) fn writer(&self) -> Option<MutexGuard<'_, Writer>> {
        self.is_owner().then(|| lock(&self.inner.writer))
    }

    /// `None` in a forked child.
    pub(super) fn reader(&self) -> Option<MutexGuard<'_, Reader>> {
        self.is_owner().then(|| lock(&self.inner.reader))
    }

    fn is_owner(&self) -> bool {
        fork::is(self.token)
    }
}

/// Removes segments that the writer has taken out. Not under its lock, for which a push may be waiting: this is the file
/// system.
fn remove(reader: &mut Reader, retired: &[Own], found: &mut Adopted) {
    reader
        .own
        .retain(|(id, _)| retired.iter().all(|own| own.id != *id));
    for own in retired {
        bury(own, found);
    }
}

/// How many of the entries that `span` stands for are in `corrupt`. `first` is the number of its first entry.
fn corrupt_in(span: &Span, first: &mut u64, corrupt: &[usize]) -> u64 {
    let numbers = *first..*first + span.entries;
    *first = numbers.end;
    corrupt
        .iter()
        .filter(|&&number| numbers.contains(&(number as u64)))
        .count() as u64
}

/// A panic under the lock leaves counts that may be one off, not memory that is unsound: the queue goes on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.close();
        // In a forked child, a lock that is held was held by a thread of the parent at the fork, in the middle of a change:
        // what it guards is left alone for good. A free one guards sound data, whose descriptors and mappings are closed;
        // that takes nothing from the parent, since locks are not inherited and nothing is unlinked.
        let sound = self.is_owner()
            || (self.inner.reader.try_lock().is_ok() && self.inner.writer.try_lock().is_ok());
        if sound {
            // SAFETY: once, since this is `drop`, and `inner` is not used after it.
            unsafe { ManuallyDrop::drop(&mut self.inner) };
        }
    }
}
