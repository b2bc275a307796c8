//! How much waits somewhere.

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    pub segments: usize,
    pub entries: u64,
    pub bytes: u64,
}

impl Waiting {
    pub fn add(&mut self, entries: u64, bytes: u64) {
        self.entries += entries;
        self.bytes += bytes;
    }

    /// Saturates: an entry released twice, or of a segment set aside meanwhile, must not turn a count over.
    pub fn remove(&mut self, entries: u64, bytes: u64) {
        self.entries = self.entries.saturating_sub(entries);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}
