//! The note of what has been read of the queue, and is to be released once it is delivered.

use crate::queue::protocol::memory::Memory;
use crate::queue::protocol::ring::{Consumer, Corrupt};

/// The part of a peek that comes from one segment.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Number of the segment, unique in its queue.
    pub segment: u64,
    pub start: u64,
    pub end: u64,
    pub entries: u64,
}

/// Entries that were read, oldest first. They stay in the queue until it is released; dropping it changes nothing.
#[derive(Debug, Default)]
pub struct Peek {
    entries: usize,
    spans: Vec<Span>,
}

impl Peek {
    pub fn len(&self) -> usize {
        self.entries
    }

    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    pub(super) fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Reads from one segment; whether to go on with the next. `Corrupt` if its oldest record cannot be read. A record that
    /// cannot be read behind others ends the reading: it will be the oldest next time.
    pub(super) fn fill<M: Memory>(
        &mut self,
        segment: u64,
        consumer: &Consumer<M>,
        taking: &mut Taking<'_>,
    ) -> Result<bool, Corrupt> {
        let mut records = consumer.records()?;
        let mut span = Span {
            segment,
            start: records.position(),
            end: records.position(),
            entries: 0,
        };
        let go_on = loop {
            let next = records.next_record();
            if matches!(next, Ok(Some(_))) && self.entries >= taking.max_entries.max(1) {
                break false;
            }
            match next {
                Ok(None) => break true,
                Ok(Some(record)) if record.copy_to(&mut taking.entry).is_ok() => {
                    if !(taking.take)(&taking.entry) {
                        break false;
                    }
                    self.entries += 1;
                    span.end = record.end();
                    span.entries += 1;
                }
                _ if span.entries > 0 => break true,
                _ => return Err(Corrupt),
            }
        };
        if span.entries > 0 {
            self.spans.push(span);
        }
        Ok(go_on)
    }
}

/// Where the entries go.
pub struct Taking<'a> {
    /// Bound on their number; one is taken at least.
    pub max_entries: usize,
    /// Whether an entry is taken. The first that is not ends the reading.
    pub take: &'a mut dyn FnMut(&[u8]) -> bool,
    /// A copy of the entry at hand: what others can write to is read once. One after the other, so that it stays in the
    /// processor's cache.
    pub entry: Vec<u8>,
}
