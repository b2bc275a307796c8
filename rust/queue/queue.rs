//! `Queue`: a process's own segments, those it has adopted, and the locks around them.

use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::counters::{Counter, Counts, DropReason};
use crate::queue::fork;
use crate::queue::home::Home;
use crate::queue::machine::pause::SharedPause;
use crate::queue::peek::{Peek, Taking};
use crate::queue::reader::Reader;
use crate::queue::segment::Segment;
use crate::queue::segment::own::Own;
use crate::queue::writer::Writer;
use crate::queue::{Options, Refusal};

/// One process's queue of one app.
///
/// Every method may be called from any thread, and from a forked child, where it does nothing. A child touches neither the locks
/// nor the memory: a thread that held a lock or was writing does not exist in the child.
pub struct Queue {
    token: u64,
    owner_pid: u32,
    pub(super) options: Options,
    refusals: Mutex<Vec<String>>,
    max_entry_bytes: usize,
    pause: SharedPause,
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
        let mut writer = Writer::new(options.max_bytes);
        let found = Home::find(options, writer.growth().first_bytes());
        let pause = SharedPause::new(found.home.clone());
        writer.books.enter(&found.dropped);
        writer.move_to(found.home, found.first);
        Queue {
            token: fork::token(),
            owner_pid: std::process::id(),
            options: options.clone(),
            refusals: Mutex::new(found.refusals),
            max_entry_bytes: writer.growth().max_entry_bytes(),
            pause,
            inner: ManuallyDrop::new(Inner {
                reader: Mutex::default(),
                writer: Mutex::new(writer),
            }),
        }
    }

    /// Where the segments are; `None` in private memory. Changes if [`Queue::adopt`] finds that the directory is gone.
    pub fn directory(&self) -> Option<PathBuf> {
        self.writer()?.home().path().map(PathBuf::from)
    }

    /// Why each better rung was refused.
    pub fn refusals(&self) -> Vec<String> {
        if self.is_owner() {
            lock(&self.refusals).clone()
        } else {
            Vec::new()
        }
    }

    pub(super) fn moved(&self, home: Home, refusals: Vec<String>) {
        self.pause.move_to(home);
        *lock(&self.refusals) = refusals;
    }

    /// The process that opened the queue and may use it.
    pub fn owner_pid(&self) -> u32 {
        self.owner_pid
    }

    /// The largest entry that can ever be accepted.
    pub fn max_entry_bytes(&self) -> usize {
        self.max_entry_bytes
    }

    /// The pause that the processes of this host share.
    pub fn pause(&self) -> &SharedPause {
        &self.pause
    }

    /// Appends one entry and returns how many wait in this process's own segments. From the moment it returns, the entry
    /// survives the death of this process.
    pub fn push(&self, entry: &[u8]) -> Result<u64, Refusal> {
        self.writer().ok_or(Refusal::Forked)?.push(entry)
    }

    /// Counts a request that did not become an entry. Returns false in a forked child, which counts nothing.
    pub fn count(&self, counter: Counter) -> bool {
        self.writer()
            .map(|mut writer| writer.count(counter, 1))
            .is_some()
    }

    /// The number of entries that wait in own and adopted segments.
    pub fn waiting(&self) -> u64 {
        self.writer().map_or(0, |writer| writer.waiting().entries)
    }

    /// The bytes that the waiting entries take, record headers included.
    pub fn waiting_bytes(&self) -> u64 {
        self.writer().map_or(0, |writer| writer.waiting().bytes)
    }

    /// The number of own and adopted segments.
    pub fn segment_count(&self) -> usize {
        self.writer().map_or(0, |writer| writer.waiting().segments)
    }

    /// The sums of all requests that this process has seen, and how many entries of them wait.
    pub fn counts(&self) -> (Counts, u64) {
        self.writer().map_or_else(Default::default, |writer| {
            (writer.counts(), writer.own_entries())
        })
    }

    /// What this process did with the entries of dead processes; `Made` is the number that it adopted. The sums of the dead
    /// processes count these entries too.
    pub fn adopted(&self) -> Counts {
        self.writer()
            .map_or_else(Counts::default, |writer| writer.books.adopted)
    }

    /// This process's share of the host's sums: those of its own and its adopted segments, and how many entries wait in both.
    pub fn own_share(&self) -> (Counts, u64) {
        let (Some(reader), Some(writer)) = (self.reader(), self.writer()) else {
            return Default::default();
        };
        let mut counts = writer.own_share();
        for segment in reader.adopted_segments() {
            counts.add_all(&segment.counts());
        }
        (counts, writer.waiting().entries)
    }

    /// Passes the oldest entries to `take`, one by one: those of own segments first, then those of adopted ones. Stops at the first
    /// entry that `take` refuses. If any entry waits, at least one is passed.
    pub fn peek(&self, max_entries: usize, mut take: impl FnMut(&[u8]) -> bool) -> Option<Peek> {
        if self.reader()?.wants_more() {
            self.adopt_orphans();
        }
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

    /// Releases entries that were sent, and removes drained segments, except one small own segment.
    pub fn release(&self, peek: Peek) {
        self.settle(peek, None, &[], &[]);
    }

    /// Releases entries that were sent or, with a reason, `dropped`. The entries whose numbers are in `corrupt` (ascending, from 0)
    /// were damaged, and those in `before_send` were dropped by the user's function; both are counted as such.
    #[allow(clippy::needless_pass_by_value)] // a peek is released once
    pub fn settle(
        &self,
        peek: Peek,
        dropped: Option<DropReason>,
        corrupt: &[usize],
        before_send: &[usize],
    ) {
        let outcome = dropped.map_or(Counter::Sent, Counter::Dropped);
        let Some(mut reader) = self.reader() else {
            return;
        };
        let retired = {
            let Some(mut writer) = self.writer() else {
                return;
            };
            writer.hand_over(&mut reader.own);
            let mut first = 0;
            for span in peek.spans() {
                let numbers = first..first + span.entries;
                first = numbers.end;
                let exceptions = [
                    (DropReason::Corrupt, count_in(&numbers, corrupt)),
                    (DropReason::BeforeSend, count_in(&numbers, before_send)),
                ];
                if let Some(settled) = reader.settle_own(span, outcome, exceptions) {
                    writer.released(span.segment, settled.entries, settled.bytes);
                } else if let Some(settled) = reader.settle_adopted(span, outcome, exceptions) {
                    writer.adopted.remove(settled.entries, settled.bytes);
                    let mut others = settled.entries;
                    for (reason, count) in settled.exceptions {
                        writer.books.adopted.add(Counter::Dropped(reason), count);
                        others -= count;
                    }
                    writer.books.adopted.add(outcome, others);
                }
            }
            writer.retire()
        };
        self.remove(&mut reader, &retired);
        self.remove_drained(&mut reader);
    }

    fn set_aside(&self, reader: &mut Reader, id: u64) {
        let Some(mut writer) = self.writer() else {
            return;
        };
        let own = writer.set_aside(id);
        drop(writer);
        self.remove(reader, own.as_slice());
        self.set_aside_adopted(reader, id);
    }

    /// Removes segments that the writer has given up. Call it without the writer's lock, for which a push may wait: removing files
    /// takes time.
    pub(super) fn remove(&self, reader: &mut Reader, retired: &[Own]) {
        for own in retired {
            reader.own.retain(|(id, _)| *id != own.id);
            let counts = own.counts();
            let Some(home) = self.writer().map(|writer| writer.home().clone()) else {
                return;
            };
            let unreported = own.retire(&home);
            if let Some(mut writer) = self.writer() {
                writer.settle(&counts, &unreported);
            }
        }
    }

    /// The locked writer; `None` in a forked child.
    pub(super) fn writer(&self) -> Option<MutexGuard<'_, Writer>> {
        self.is_owner().then(|| lock(&self.inner.writer))
    }

    /// The locked reader; `None` in a forked child.
    pub(super) fn reader(&self) -> Option<MutexGuard<'_, Reader>> {
        self.is_owner().then(|| lock(&self.inner.reader))
    }

    fn is_owner(&self) -> bool {
        fork::is(self.token)
    }
}

/// How many of the `numbers` of a span are among the `exceptions`.
fn count_in(numbers: &std::ops::Range<u64>, exceptions: &[usize]) -> u64 {
    exceptions
        .iter()
        .filter(|&&number| numbers.contains(&(number as u64)))
        .count() as u64
}

/// Ignores poisoning: a panic under the lock may leave a count that is off by one, but no unsound memory.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.close();
        // In a forked child, a lock that is held was held by a thread of the parent in the middle of a change: its data is leaked.
        // If both locks are free, the data is sound and is dropped, which closes descriptors and mappings. That takes nothing
        // from the parent, since file locks are not inherited and no file is removed.
        let sound = self.is_owner()
            || (self.inner.reader.try_lock().is_ok() && self.inner.writer.try_lock().is_ok());
        if sound {
            // SAFETY: called once, since this is `drop`, and `inner` is not used afterwards.
            unsafe { ManuallyDrop::drop(&mut self.inner) };
        }
    }
}
