//! `Waiting`: how many segments, entries and bytes wait.

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

    /// Subtracts with saturation: an entry that is released twice, or whose segment was set aside, must not make a count overflow.
    pub fn remove(&mut self, entries: u64, bytes: u64) {
        self.entries = self.entries.saturating_sub(entries);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}
