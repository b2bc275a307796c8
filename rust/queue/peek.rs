//! `Peek`: which entries were read, so that they can be released once they are delivered.

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

/// Entries that were read, oldest first. They stay in the queue until the peek is released; dropping a peek changes nothing.
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

    /// Reads from one segment; returns whether to continue with the next. `Corrupt` if the oldest record cannot be read. If a later
    /// record cannot be read, reading stops there: that record will be the oldest next time.
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

/// Takes the entries that are read.
pub struct Taking<'a> {
    /// The most entries to take; at least one is taken.
    pub max_entries: usize,
    /// Takes an entry; returns false, which ends the reading, if there is no room for it.
    pub take: &'a mut dyn FnMut(&[u8]) -> bool,
    /// A copy of the current entry, since memory that others can write to is read only once. One buffer serves all entries, so that
    /// it stays in the processor's cache.
    pub entry: Vec<u8>,
}
