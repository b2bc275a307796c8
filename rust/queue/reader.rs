//! The delivering side: peek at what waits, release what was delivered.

use crate::counters::{Counter, DropReason};
#[cfg(all(unix, not(portable)))]
use crate::queue::adopt::LEASED_AT_ONCE;
use crate::queue::peek::{Peek, Span, Taking};
use crate::queue::protocol::ledger::Ledger;
use crate::queue::protocol::memory::Memory;
use crate::queue::protocol::ring::{Consumer, Corrupt};
use crate::queue::segment::Segment;
#[cfg(all(unix, not(portable)))]
use crate::queue::segment::adopted::AdoptedSegment;
use crate::queue::segment::mapping::Mapping;

/// One peek in so many begins with the leased segments, so that a process which is never done with its own still
/// delivers what the dead have left.
const LEASED_FIRST: u32 = 4;

/// The reading ends, behind a lock that is held while entries are read and that a push never takes.
#[derive(Default)]
pub struct Reader {
    /// Of own segments, oldest first.
    pub own: Vec<(u64, Consumer<Mapping>)>,
    /// Own segments that another process is delivering: see [`Holding::is_taken`](crate::queue::home::Holding::is_taken).
    pub taken: Vec<u64>,
    #[cfg(all(unix, not(portable)))]
    pub leased: Vec<(u64, AdoptedSegment)>,
    /// At the last scan, more waited than could be leased at once.
    #[cfg(all(unix, not(portable)))]
    pub has_more: bool,
    peeks: u32,
}

impl Reader {
    /// Reads own segments, then leased ones. Also names the segments that cannot be read.
    pub fn peek(&mut self, taking: &mut Taking<'_>) -> (Peek, Vec<u64>) {
        self.peeks = self.peeks.wrapping_add(1);
        let mut filling = Filling {
            peek: Peek::default(),
            corrupt: Vec::new(),
            go_on: true,
        };
        let leased_first = self.peeks.is_multiple_of(LEASED_FIRST);
        if leased_first {
            self.fill_leased(&mut filling, taking);
        }
        let own = self.own.iter().filter(|(id, _)| !self.taken.contains(id));
        filling.add(own.map(|(id, consumer)| (*id, consumer)), taking);
        if !leased_first {
            self.fill_leased(&mut filling, taking);
        }
        (filling.peek, filling.corrupt)
    }

    /// Counts the entries of `span` as `outcome`, but for the `exceptions`, and releases them; `None` if the span is of no own
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
    fn fill_leased(&self, filling: &mut Filling, taking: &mut Taking<'_>) {
        let leased = self.leased.iter();
        filling.add(leased.map(|(id, leased)| (*id, &leased.consumer)), taking);
    }

    #[cfg(not(all(unix, not(portable))))]
    fn fill_leased(&self, _: &mut Filling, _: &mut Taking<'_>) {}
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
    /// Segments of dead processes that this one delivers.
    pub fn adopted(&self) -> impl Iterator<Item = &dyn Segment> {
        self.leased.iter().map(|(_, leased)| leased as &dyn Segment)
    }

    pub fn free_slots(&self) -> usize {
        LEASED_AT_ONCE.saturating_sub(self.leased.len())
    }

    /// Whether it is time to lease what waits on disk.
    pub fn wants_more(&self) -> bool {
        self.has_more && self.leased.len() <= LEASED_AT_ONCE / 2
    }

    /// As [`Reader::settle_own`], of a leased segment.
    pub fn settle_adopted(
        &mut self,
        span: &Span,
        outcome: Counter,
        exceptions: Exceptions,
    ) -> Option<Settled> {
        let leased = self.leased.iter_mut().find(|(id, _)| *id == span.segment);
        leased.map(|(_, leased)| {
            let settled = settle(&mut leased.consumer, span, outcome, exceptions);
            leased.entries = leased.entries.saturating_sub(settled.entries);
            settled
        })
    }

    /// Leaves all leased segments to whoever comes; under their old names if not `is_scan_locked`.
    pub fn leave_adopted(&mut self, is_scan_locked: bool) {
        for (_, leased) in std::mem::take(&mut self.leased) {
            if is_scan_locked {
                leased.leave();
            }
        }
    }
}

#[cfg(not(all(unix, not(portable))))]
impl Reader {
    pub fn adopted(&self) -> impl Iterator<Item = &dyn Segment> {
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

/// Entries of one span that are dropped for reasons of their own: how many, for which.
pub type Exceptions = [(DropReason, u64); 2];

/// What became of the entries of one span.
pub struct Settled {
    pub entries: u64,
    pub bytes: u64,
    /// Of `entries`.
    pub exceptions: Exceptions,
}

fn settle<M: Memory + Ledger>(
    consumer: &mut Consumer<M>,
    span: &Span,
    outcome: Counter,
    mut exceptions: Exceptions,
) -> Settled {
    // An earlier release may have taken a part of the span, or all of it.
    let (entries, bytes) = waiting(consumer, span);
    let mut others = entries;
    for (_, count) in &mut exceptions {
        *count = others.min(*count);
        others -= *count;
    }
    // Counted, then released: killed in between, the process has counted entries that are still there, which the adopter
    // sees.
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
        // Another peek at the same records was released first: count what is left of this one.
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
