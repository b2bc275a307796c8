//! What can be seen of an app's directory.

use crate::counters::Counts;
use crate::queue::machine::state::State;

/// One segment file.
pub struct FoundSegment {
    pub name: String,
    /// Who holds it: `None` if nobody does (its process is dead), 0 if it is none that this process can see.
    pub owner_pid: Option<u32>,
    pub creator_pid: u32,
    pub created_ms: u64,
    pub file_bytes: u64,
    /// Waiting, at some moment of the look.
    pub entries: u64,
    pub bytes: u64,
    pub counts: Counts,
    /// Why the file makes no sense, if it does not.
    pub defect: Option<String>,
}

/// What one app's directory holds.
#[derive(Default)]
pub struct Survey {
    /// Of other processes.
    pub segments: Vec<FoundSegment>,
    pub state: Option<State>,
}

#[cfg(all(unix, not(portable)))]
pub use crate::queue::machine::look::{entries, survey};

/// No directory is ever fit.
#[cfg(not(all(unix, not(portable))))]
pub fn survey(_: &std::path::Path) -> Result<Survey, String> {
    Err("this system has no record locks".to_owned())
}

#[cfg(not(all(unix, not(portable))))]
pub fn entries(_: &std::path::Path, _: &str, _: u64) -> Option<(u64, Vec<Vec<u8>>)> {
    None
}
