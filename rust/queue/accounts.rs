//! The sums of a queue: what became of all requests, as far as this process can tell.

use crate::counters::Counts;
use crate::queue::Adopted;
use crate::queue::machine::pause::SharedPause;
use crate::queue::machine::state_file;
use crate::queue::protocol::ledger::Ledger;
use crate::queue::queue::Queue;
use crate::queue::writer::Own;

impl Queue {
    /// The sums of all requests that this process has seen, and how many entries of them wait.
    pub fn counts(&self) -> (Counts, u64) {
        self.writer().map_or_else(Default::default, |writer| {
            (writer.counts(), writer.own_entries())
        })
    }

    /// What this process did with the entries of dead ones, who count them; `Made` is what it took over.
    pub fn adopted(&self) -> Counts {
        self.writer()
            .map_or_else(Counts::default, |writer| writer.adopted)
    }

    /// What only this process can tell of the host's sums: its own segments', those of its leased ones, and how many entries
    /// wait in both.
    pub fn untold(&self) -> (Counts, u64) {
        let (Some(reader), Some(writer)) = (self.reader(), self.writer()) else {
            return Default::default();
        };
        let mut counts = writer.untold();
        for (_, leased) in &reader.leased {
            counts.add_all(&leased.counts());
        }
        (counts, writer.waiting().entries)
    }

    /// The directory's state, as this process sees it.
    pub fn pause(&self) -> &SharedPause {
        &self.pause
    }

    pub(super) fn keep(&self, unburied: &Counts) {
        if let Some(mut writer) = self.writer().filter(|_| !unburied.is_zero()) {
            writer.unburied.add_all(unburied);
        }
    }

    /// Tells the host's state what no segment can.
    pub(super) fn bury_unburied(&self) {
        let (Some(directory), Some(mut writer)) = (&self.directory, self.writer()) else {
            return;
        };
        let counts = std::mem::take(&mut writer.unburied);
        drop(writer);
        if !counts.is_zero()
            && state_file::update(directory, |state| state.bury(0, &counts)).is_none()
        {
            self.keep(&counts);
        }
    }
}

/// Removes an own segment, whose sums live on in the host's state. Private memory has no file, and nobody to tell.
pub fn bury(own: &Own, found: &mut Adopted) {
    let Some(lease) = &own.lease else { return };
    let (identity, counts) = (own.identity(), own.ledger().counts());
    let directory = lease.directory();
    if !counts.is_zero()
        && state_file::update(directory, |state| state.bury(identity, &counts)).is_none()
    {
        found.unburied.add_all(&counts);
    }
    lease.unlink();
}
