//! A copy of waiting entries, and the note of what to release once they are delivered.

use super::memory::Memory;
use super::ring::{Consumer, Corrupt};

/// The part of a peek that comes from one segment.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Number of the segment, unique in its queue.
    pub segment: u64,
    pub start: u64,
    pub end: u64,
    pub entries: u64,
}

/// Entries to send, oldest first. They stay in the queue until it is released; dropping it changes nothing.
#[derive(Debug, Default)]
pub struct Peek {
    data: Vec<u8>,
    /// End of each entry in `data`.
    ends: Vec<usize>,
    spans: Vec<Span>,
}

impl Peek {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all entries.
    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    pub fn entries(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, &end)| &self.data[start..end])
    }

    pub(super) fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Copies from one segment; whether there is room for the next segment's entries. `Corrupt` if its oldest record cannot
    /// be read. A record that cannot be read behind others ends the copy: it will be the oldest next time.
    pub(super) fn fill<M: Memory>(
        &mut self,
        segment: u64,
        consumer: &Consumer<M>,
        limits: &Limits,
    ) -> Result<bool, Corrupt> {
        let mut records = consumer.records()?;
        let mut span = Span {
            segment,
            start: records.position(),
            end: records.position(),
            entries: 0,
        };
        let go_on = loop {
            match records.next_record() {
                Ok(None) => break true,
                Ok(Some(record)) if !self.fits(record.payload_bytes(), limits) => break false,
                Ok(Some(record)) if record.copy_to(&mut self.data).is_ok() => {
                    self.ends.push(self.data.len());
                    span = Span {
                        end: record.end(),
                        entries: span.entries + 1,
                        ..span
                    };
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

    fn fits(&self, payload_bytes: usize, limits: &Limits) -> bool {
        let within = self.len() < limits.entries
            && payload_bytes <= limits.bytes.saturating_sub(self.bytes());
        within || self.is_empty()
    }
}

/// Bounds of one peek. The first entry is exempt, or a large one would never leave.
pub struct Limits {
    pub entries: usize,
    pub bytes: usize,
}
