//! The delivering side: peek at what waits, release what was delivered.

use crate::counters::{Counter, DropReason};
#[cfg(all(unix, not(portable)))]
use crate::queue::adopt::ADOPTED_AT_ONCE;
use crate::queue::peek::{Peek, Span, Taking};
use crate::queue::protocol::ledger::Ledger;
use crate::queue::protocol::memory::Memory;
use crate::queue::protocol::ring::{Consumer, Corrupt};
use crate::queue::segment::Segment;
#[cfg(all(unix, not(portable)))]
use crate::queue::segment::adopted::AdoptedSegment;
use crate::queue::segment::mapping::Mapping;

/// One of this many peeks begins with the adopted segments, so that a process that always has entries of its own still delivers
/// those of dead processes.
const ADOPTED_FIRST: u32 = 4;

/// The reading ends of all segments, behind a lock that is held while entries are read and that a push never takes.
#[derive(Default)]
pub struct Reader {
    /// The reading ends of own segments, oldest first.
    pub own: Vec<(u64, Consumer<Mapping>)>,
    /// Own segments that another process is delivering: see [`Holding::is_taken`](crate::queue::home::Holding::is_taken).
    pub taken: Vec<u64>,
    #[cfg(all(unix, not(portable)))]
    pub adopted: Vec<(u64, AdoptedSegment)>,
    /// Whether the last scan found more orphans than could be adopted at once.
    #[cfg(all(unix, not(portable)))]
    pub has_more: bool,
    peeks: u32,
}

impl Reader {
    /// Reads own segments, then adopted ones. Also names the segments that cannot be read.
    pub fn peek(&mut self, taking: &mut Taking<'_>) -> (Peek, Vec<u64>) {
        self.peeks = self.peeks.wrapping_add(1);
        let mut filling = Filling {
            peek: Peek::default(),
            corrupt: Vec::new(),
            go_on: true,
        };
        let adopted_first = self.peeks.is_multiple_of(ADOPTED_FIRST);
        if adopted_first {
            self.fill_adopted(&mut filling, taking);
        }
        let own = self.own.iter().filter(|(id, _)| !self.taken.contains(id));
        filling.add(own.map(|(id, consumer)| (*id, consumer)), taking);
        if !adopted_first {
            self.fill_adopted(&mut filling, taking);
        }
        (filling.peek, filling.corrupt)
    }

    /// Counts the entries of `span` as `outcome`, except for the `exceptions`, and releases them; `None` if the span is in no own
    /// segment.
    pub fn settle_own(
        &mut self,
        span: &Span,
        outcome: Counter,
        exceptions: Exceptions,
    ) -> Option<Settled> {
        let own = self.own.iter_mut().find(|(id, _)| *id == span.segment);
        own.map(|(_, consumer)| settle(consumer, span, outcome, exceptions))
    }

    #[cfg(all(unix, not(portable)))]
    fn fill_adopted(&self, filling: &mut Filling, taking: &mut Taking<'_>) {
        let adopted = self.adopted.iter();
        filling.add(
            adopted.map(|(id, adopted)| (*id, &adopted.consumer)),
            taking,
        );
    }

    #[cfg(not(all(unix, not(portable))))]
    fn fill_adopted(&self, _: &mut Filling, _: &mut Taking<'_>) {}
}

struct Filling {
    peek: Peek,
    corrupt: Vec<u64>,
    go_on: bool,
}

impl Filling {
    fn add<'a, M: Memory + 'a>(
        &mut self,
        segments: impl Iterator<Item = (u64, &'a Consumer<M>)>,
        taking: &mut Taking<'_>,
    ) {
        for (id, consumer) in segments {
            if !self.go_on {
                break;
            }
            match self.peek.fill(id, consumer, taking) {
                Ok(go_on) => self.go_on = go_on,
                Err(Corrupt) => self.corrupt.push(id),
            }
        }
    }
}

#[cfg(all(unix, not(portable)))]
impl Reader {
    /// The segments of dead processes that this process delivers.
    pub fn adopted_segments(&self) -> impl Iterator<Item = &dyn Segment> {
        self.adopted
            .iter()
            .map(|(_, adopted)| adopted as &dyn Segment)
    }

    pub fn free_slots(&self) -> usize {
        ADOPTED_AT_ONCE.saturating_sub(self.adopted.len())
    }

    /// Whether it is time to adopt more of the orphans that wait on disk.
    pub fn wants_more(&self) -> bool {
        self.has_more && self.adopted.len() <= ADOPTED_AT_ONCE / 2
    }

    /// As [`Reader::settle_own`], for an adopted segment.
    pub fn settle_adopted(
        &mut self,
        span: &Span,
        outcome: Counter,
        exceptions: Exceptions,
    ) -> Option<Settled> {
        let adopted = self.adopted.iter_mut().find(|(id, _)| *id == span.segment);
        adopted.map(|(_, adopted)| {
            let settled = settle(&mut adopted.consumer, span, outcome, exceptions);
            adopted.entries = adopted.entries.saturating_sub(settled.entries);
            settled
        })
    }

    /// Gives all adopted segments up for other processes to adopt; under their old names if not `is_scan_locked`.
    pub fn leave_adopted(&mut self, is_scan_locked: bool) {
        for (_, adopted) in std::mem::take(&mut self.adopted) {
            if is_scan_locked {
                adopted.leave();
            }
        }
    }
}

#[cfg(not(all(unix, not(portable))))]
impl Reader {
    pub fn adopted_segments(&self) -> impl Iterator<Item = &dyn Segment> {
        std::iter::empty()
    }

    pub fn wants_more(&self) -> bool {
        false
    }

    pub fn settle_adopted(&mut self, _: &Span, _: Counter, _: Exceptions) -> Option<Settled> {
        None
    }

    pub fn leave_adopted(&mut self, _: bool) {}
}

/// How many entries of one span are dropped for each of two reasons of their own.
pub type Exceptions = [(DropReason, u64); 2];

/// What became of the entries of one span.
pub struct Settled {
    pub entries: u64,
    pub bytes: u64,
    /// How many of the `entries` were dropped for other reasons.
    pub exceptions: Exceptions,
}

fn settle<M: Memory + Ledger>(
    consumer: &mut Consumer<M>,
    span: &Span,
    outcome: Counter,
    mut exceptions: Exceptions,
) -> Settled {
    // An earlier release may have released a part of the span, or all of it.
    let (entries, bytes) = waiting(consumer, span);
    let mut others = entries;
    for (_, count) in &mut exceptions {
        *count = others.min(*count);
        others -= *count;
    }
    // Counted first, then released: if the process is killed in between, the adopter finds counted entries that are still there.
    let ledger = consumer.memory();
    for (reason, count) in exceptions {
        ledger.count(Counter::Dropped(reason), count);
    }
    ledger.count(outcome, others);
    consumer.release(span.end);
    Settled {
        entries,
        bytes,
        exceptions,
    }
}
/// The entries and bytes that `span` covers and that are still waiting.
fn waiting<M: Memory>(consumer: &Consumer<M>, span: &Span) -> (u64, u64) {
    match consumer.records() {
        Ok(records) if records.position() == span.start => (span.entries, span.end - span.start),
        // Another peek at the same records was released first: count the records that are left of this one.
        Ok(mut records) => {
            let (mut entries, start) = (0, records.position());
            while records.position() < span.end && matches!(records.next_record(), Ok(Some(_))) {
                entries += 1;
            }
            (entries, span.end.saturating_sub(start))
        }
        Err(Corrupt) => (0, 0),
    }
}
