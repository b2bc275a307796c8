//! The work of a queue's flusher about once a second: it makes sure that the queue has a home and each segment a file, and adopts
//! orphans.

use std::time::Duration;

use crate::counters::{Counter, Counts};
use crate::queue::Adopted;
#[cfg(all(unix, not(portable)))]
use crate::queue::adopt;
use crate::queue::home::Home;
use crate::queue::protocol::copy::copy;
use crate::queue::protocol::ledger::Ledger;
use crate::queue::protocol::memory::{Memory, Word};
use crate::queue::protocol::ring::Consumer;
use crate::queue::queue::Queue;
use crate::queue::reader::Reader;
use crate::queue::scan_lock::ScanLock;
use crate::queue::segment::Segment;
use crate::queue::segment::mapping::Mapping;
use crate::queue::waiting::Waiting;
use crate::queue::writer::Displaced;
use crate::sync::{Arc, Ordering};

/// How long `close` waits for another thread of this process to end its scan, which takes milliseconds.
const CLOSE_WAIT: Duration = Duration::from_millis(200);

impl Queue {
    /// Called about once a second by the thread that peeks; cheap.
    ///
    /// * Finds another home if the directory is gone or there was none, and gives each own segment a file there.
    /// * Adopts segments of dead processes, on all rungs.
    /// * Frees spare segments.
    ///
    /// Returns what was found since the last call.
    pub fn adopt(&self) -> Adopted {
        if self.writer().is_none_or(|writer| writer.is_closed()) {
            return Adopted::default();
        }
        self.look_after_home(false);
        self.adopt_orphans();
        let (Some(mut reader), Some(mut writer)) = (self.reader(), self.writer()) else {
            return Adopted::default();
        };
        writer.inspect();
        let retired = writer.retire();
        drop(writer);
        self.remove(&mut reader, &retired);
        self.give_files(&mut reader);
        drop(reader);
        self.report();
        self.writer()
            .map_or_else(Adopted::default, |mut writer| writer.books.take_found())
    }

    /// Moves to the next best home if this one is gone, and from private memory to a rung that works again.
    fn look_after_home(&self, is_last: bool) {
        let Some((home, first_bytes)) = self
            .writer()
            .map(|writer| (writer.home().clone(), writer.growth().first_bytes()))
        else {
            return;
        };
        let is_private = home.path().is_none();
        let is_settled = if is_private {
            let mut writer = self.writer();
            !writer
                .as_mut()
                .is_some_and(|writer| writer.is_retry_due(is_last))
        } else {
            home.is_in_place()
        };
        if is_settled || self.options.directories.is_empty() {
            return;
        }
        let found = Home::find(&self.options, first_bytes);
        if is_private && found.first.is_none() {
            return; // still private memory
        }
        let Some(mut writer) = self.writer() else {
            return;
        };
        writer.books.enter(&found.dropped);
        writer.move_to(found.home.clone(), found.first);
        drop(writer);
        self.moved(found.home, found.refusals);
    }

    /// Gives a file to each own segment that other processes would not find.
    fn give_files(&self, reader: &mut Reader) {
        let Some((home, displaced)) = self.writer().map(|mut writer| {
            writer.hand_over(&mut reader.own);
            (writer.home().clone(), writer.displaced())
        }) else {
            return;
        };
        reader.taken.clear();
        for segment in displaced {
            if segment.is_taken {
                reader.taken.push(segment.id);
            } else {
                self.give_file(reader, &home, &segment);
            }
        }
    }

    fn give_file(&self, reader: &mut Reader, home: &Home, segment: &Displaced) {
        let own = reader.own.iter_mut().find(|(id, _)| *id == segment.id);
        let Some((_, consumer)) = own.filter(|_| home.path().is_some()) else {
            return;
        };
        let old = consumer.shared_memory();
        let head = old.load(Word::Head, Ordering::Acquire);
        let tail = old.load(Word::Tail, Ordering::Acquire);
        let mut counts = segment.counts;
        let mut waiting = segment.waiting;
        let is_counted = || {
            home.state()
                .is_some_and(|state| state.has_counted(segment.identity))
        };
        if head != consumer.head() || is_counted() {
            // Another process had adopted the segment, and has delivered and counted what it found. Entries that were pushed
            // meanwhile are new.
            let Some(left) = count(&Consumer::attach_to(Arc::clone(&old))) else {
                return; // the memory is damaged: the next peek sets the segment aside
            };
            waiting = left;
            counts = Counts::default();
            counts.set(Counter::Made, left.entries);
        }
        let fill = |new: &Mapping| {
            new.store_counts(&counts);
            copy(&*old, new, head, tail)
        };
        // If there is no room for a file now, the segment stays sealed until the next try; its entries are still delivered.
        let Ok((mapping, holding)) = home.make_filled_segment(segment.file_bytes, &fill) else {
            return;
        };
        let new = Arc::new(mapping);
        let gone = self
            .writer()
            .and_then(|mut writer| writer.rehome(segment.id, Arc::clone(&new), holding, waiting));
        consumer.move_to(new, head);
        if let Some(gone) = gone {
            gone.remove();
        }
    }

    /// Adds counts that are in no segment to the state file.
    fn report(&self) {
        let Some((home, counts)) = self.writer().map(|mut writer| {
            let counts = std::mem::take(&mut writer.books.unreported);
            (writer.home().clone(), counts)
        }) else {
            return;
        };
        if !home.record_gone(0, &counts)
            && let Some(mut writer) = self.writer()
        {
            writer.books.unreported.add_all(&counts);
        }
    }

    /// Ends the queue: removes drained segments, and leaves the others to a sibling or the next start. No entry is accepted
    /// afterwards.
    pub fn close(&self) {
        self.look_after_home(true);
        let Some(mut reader) = self.reader() else {
            return;
        };
        if let Some(mut writer) = self.writer() {
            writer.inspect();
        }
        self.give_files(&mut reader);
        let Some(own) = self.writer().map(|mut writer| writer.close()) else {
            return;
        };
        let home = self.writer().map(|writer| writer.home().clone());
        // Without the scan lock, another thread could adopt a disowned file before it is closed here, which would drop that
        // thread's lock. So without it the files keep our names, and only other processes adopt them.
        let scan = ScanLock::begin_within(CLOSE_WAIT);
        for own in own {
            let consumer = reader.own.extract_if(.., |(id, _)| *id == own.id).next();
            if own.is_drained() {
                let unreported = home.as_ref().map(|home| own.retire(home));
                if let (Some(unreported), Some(mut writer)) = (unreported, self.writer()) {
                    writer.books.unreported.add_all(&unreported);
                }
            } else if !own.holding.is_file() {
                if let Some(mut writer) = self.writer() {
                    writer.books.unreported.add_all(&own.counts());
                }
            } else if scan.is_some()
                && let Some((_, consumer)) = consumer
            {
                own.holding.leave(&consumer);
            }
        }
        reader.own.clear();
        reader.leave_adopted(scan.is_some());
        drop(scan);
        drop(reader);
        self.report();
    }
}

/// The entries that wait in a ring; `None` if the ring is damaged.
fn count<M: Memory>(consumer: &Consumer<M>) -> Option<Waiting> {
    let mut records = consumer.records().ok()?;
    let mut waiting = Waiting {
        bytes: records.bytes(),
        ..Waiting::default()
    };
    while records.next_record().ok()?.is_some() {
        waiting.entries += 1;
    }
    Some(waiting)
}

#[cfg(all(unix, not(portable)))]
impl Queue {
    /// Adopts segments of dead processes, as many as may be adopted at once.
    pub(super) fn adopt_orphans(&self) {
        let Some(scan) = ScanLock::begin() else {
            return;
        };
        let Some(slots) = self.reader().map(|reader| reader.free_slots()) else {
            return;
        };
        let mut found = Adopted::default();
        let adopted = adopt::scan(
            &self.options.directories,
            &self.options.name,
            slots,
            &mut found,
        );
        let (Some(mut reader), Some(mut writer)) = (self.reader(), self.writer()) else {
            return;
        };
        writer.books.enter(&found);
        if writer.is_closed() {
            for segment in &adopted.segments {
                segment.leave(); // dropped, and so closed, before the scan ends
            }
        } else {
            reader.has_more = adopted.has_more;
            for segment in adopted.segments {
                writer.adopted.add(segment.entries, segment.bytes());
                reader.adopted.push((writer.new_id(), segment));
            }
            writer.adopted.segments = reader.adopted.len();
        }
        drop((reader, writer, scan));
    }

    /// Removes the adopted segments that are drained.
    pub(super) fn remove_drained(&self, reader: &mut Reader) {
        let drained = reader
            .adopted
            .extract_if(.., |(_, adopted)| adopted.entries == 0);
        let drained: Vec<_> = drained.collect();
        self.retire_adopted(reader, &drained);
    }

    /// Removes an adopted segment that cannot be read.
    pub(super) fn set_aside_adopted(&self, reader: &mut Reader, id: u64) {
        use crate::counters::DropReason;

        let lost: Vec<_> = reader
            .adopted
            .extract_if(.., |(adopted, _)| *adopted == id)
            .collect();
        for (_, adopted) in &lost {
            let corrupt = Counter::Dropped(DropReason::Corrupt);
            adopted.ledger().count(corrupt, adopted.entries);
            if let Some(mut writer) = self.writer() {
                writer.books.adopted.add(corrupt, adopted.entries);
                writer.books.lost(adopted.entries);
                writer.adopted.remove(adopted.entries, adopted.bytes());
            }
        }
        self.retire_adopted(reader, &lost);
    }

    fn retire_adopted(
        &self,
        reader: &Reader,
        gone: &[(u64, crate::queue::segment::adopted::AdoptedSegment)],
    ) {
        let mut found = Adopted::default();
        for (_, adopted) in gone {
            adopt::retire(adopted, &mut found);
        }
        if let Some(mut writer) = self.writer() {
            writer.books.unreported.add_all(&found.unreported);
            writer.adopted.segments = reader.adopted.len();
        }
    }
}

#[cfg(not(all(unix, not(portable))))]
impl Queue {
    pub(super) fn adopt_orphans(&self) {}

    pub(super) fn remove_drained(&self, _: &mut Reader) {}

    pub(super) fn set_aside_adopted(&self, _: &mut Reader, _: u64) {}
}
