//! The delivering side: peek at what waits, release what was delivered.

use super::leased::Leased;
use super::mapping::Mapping;
use super::memory::Memory;
use super::peek::{Limits, Peek, Span};
use super::ring::{Consumer, Corrupt};

/// The reading ends, behind a lock that is held while entries are copied and that a push never takes.
#[derive(Default)]
pub struct Reader {
    /// Of own segments, oldest first.
    pub own: Vec<(u64, Consumer<Mapping>)>,
    pub leased: Vec<(u64, Leased)>,
}

impl Reader {
    /// Copies from own segments, then from leased ones. Also names the segments that cannot be read.
    pub fn peek(&self, limits: &Limits) -> (Peek, Vec<u64>) {
        let mut peek = Peek::default();
        let mut corrupt = Vec::new();
        let mut go_on = true;
        for (id, consumer) in &self.own {
            if go_on {
                go_on = peek.fill(*id, consumer, limits).unwrap_or_else(|Corrupt| {
                    corrupt.push(*id);
                    true
                });
            }
        }
        for (id, leased) in &self.leased {
            if go_on {
                go_on = peek
                    .fill(*id, &leased.consumer, limits)
                    .unwrap_or_else(|Corrupt| {
                        corrupt.push(*id);
                        true
                    });
            }
        }
        (peek, corrupt)
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
