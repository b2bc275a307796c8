//! The delivering side: peek at what waits, release what was delivered.

use crate::queue::peek::{Peek, Span, Taking};
use crate::queue::protocol::memory::Memory;
use crate::queue::protocol::ring::{Consumer, Corrupt};
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
    pub leased: Vec<(u64, AdoptedSegment)>,
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
        if self.peeks.is_multiple_of(LEASED_FIRST) {
            filling.add(
                self.leased
                    .iter()
                    .map(|(id, leased)| (*id, &leased.consumer)),
                taking,
            );
            filling.add(
                self.own.iter().map(|(id, consumer)| (*id, consumer)),
                taking,
            );
        } else {
            filling.add(
                self.own.iter().map(|(id, consumer)| (*id, consumer)),
                taking,
            );
            filling.add(
                self.leased
                    .iter()
                    .map(|(id, leased)| (*id, &leased.consumer)),
                taking,
            );
        }
        (filling.peek, filling.corrupt)
    }
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

/// The entries and bytes that `span` covers and that are still waiting.
pub fn waiting<M: Memory>(consumer: &Consumer<M>, span: &Span) -> (u64, u64) {
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
