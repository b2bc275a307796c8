//! Shared-memory segments: push, peek, release, adopt.

pub mod layout;
pub mod ledger;
pub mod memory;
pub mod ring;
pub mod state;
pub mod sync;

// loom models the ring; what is below needs an operating system.
#[cfg(not(loom))]
mod handle;
#[cfg(not(loom))]
mod host;
#[cfg(not(loom))]
mod mapping;
#[cfg(not(loom))]
mod peek;
#[cfg(not(loom))]
mod process;
#[cfg(not(loom))]
mod reader;
#[cfg(not(loom))]
mod writer;

#[cfg(all(unix, not(loom)))]
mod adopt;
#[cfg(all(unix, not(loom)))]
mod directory;
#[cfg(all(unix, not(loom)))]
mod filesystem;
#[cfg(all(unix, not(loom)))]
mod lease;
#[cfg(all(unix, not(loom)))]
mod leased;
#[cfg(not(any(unix, loom)))]
mod nowhere;
#[cfg(all(unix, not(loom)))]
mod segment;
#[cfg(all(unix, not(loom)))]
mod state_file;
#[cfg(all(unix, not(loom)))]
mod survey;
#[cfg(not(any(unix, loom)))]
use nowhere::{adopt, directory, lease, leased, segment, state_file, survey};

use std::path::PathBuf;

use crate::counters::Counts;

#[cfg(not(loom))]
pub use handle::Queue;
#[cfg(not(loom))]
pub use host::Host;
#[cfg(not(loom))]
pub use peek::Peek;
#[cfg(not(loom))]
pub use survey::{Found, Survey, entries, survey};

/// Default of [`Options::max_bytes`].
pub const DEFAULT_MAX_BYTES: u64 = 16 << 20;

/// Where a queue lives and how large it grows.
#[derive(Clone, Debug)]
pub struct Options {
    /// The rungs of the ladder, best first.
    pub directories: Vec<PathBuf>,
    /// The app's directory inside a rung: one path component that holds the uid and a hash of what makes two apps differ.
    pub name: String,
    /// Bound on this process's own segments together.
    pub max_bytes: u64,
}

/// Why an entry was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No room now, or the queue is closed.
    Full,
    /// Larger than [`Queue::max_entry_bytes`].
    TooLarge,
    /// This queue belongs to the process that this one was forked from.
    Forked,
}

/// What [`Queue::adopt`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Segments leased by this call.
    pub segments: usize,
    /// Entries waiting in them.
    pub entries: u64,
    /// Orphans removed because too much waited, oldest first.
    pub dropped_segments: usize,
    /// Entries that were in them.
    pub dropped_entries: u64,
    /// Files and own segments that made no sense, in whole or in part, since the last call.
    pub corrupt_segments: usize,
    /// Entries known to be lost with them.
    pub corrupt_entries: u64,
    /// Entries that dead processes had counted as made and not yet queued.
    pub killed_entries: u64,
    /// Sums of removed segments that the host's state did not take.
    pub unburied: Counts,
}
