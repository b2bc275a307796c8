//! `Survey`: what an app's directory holds, for `status` and the host's sums.

use crate::counters::Counts;
use crate::queue::machine::state::State;

/// One segment file.
pub struct FoundSegment {
    pub name: String,
    /// The process that holds it: `None` if its process is dead, 0 if this process cannot see the holder.
    pub owner_pid: Option<u32>,
    pub creator_pid: u32,
    pub created_ms: u64,
    pub file_bytes: u64,
    /// The number of entries that waited at some moment of the survey.
    pub entries: u64,
    pub bytes: u64,
    pub counts: Counts,
    /// Why the file is no segment of this version, if it is none.
    pub defect: Option<String>,
}

/// What one app's directory holds.
#[derive(Default)]
pub struct Survey {
    /// The segments of other processes.
    pub segments: Vec<FoundSegment>,
    pub state: Option<State>,
}

#[cfg(all(unix, not(portable)))]
pub use crate::queue::machine::look::{entries, survey};

/// Always an error: this system cannot share a directory.
#[cfg(not(all(unix, not(portable))))]
pub fn survey(_: &std::path::Path) -> Result<Survey, String> {
    Err("this system has no record locks".to_owned())
}

#[cfg(not(all(unix, not(portable))))]
pub fn entries(_: &std::path::Path, _: &str, _: u64) -> Option<(u64, Vec<Vec<u8>>)> {
    None
}
