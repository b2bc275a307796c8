//! The shared-memory queue: an entry that was accepted outlives the process that accepted it.
//!
//! Each process writes to segments of its own. A segment is one file and holds one ring, with one producer and one consumer.
//! Threads of a process share the producer behind a short lock. No process ever waits for another one.
//!
//! The bytes of a segment are drawn in `docs/architecture.md`, which a test compares with `protocol/layout.rs`. Whoever reads a
//! position or a length checks it before using it: `head <= tail <= head + capacity`, both multiples of 8. A payload wraps at the
//! end of the data; a record header never does. A record's check binds its length to its position, so that zeros, payload bytes
//! and records of an earlier lap are not taken for a record.
//!
//! # Who synchronises with whom
//!
//! There are two pairs, marked SYNC POINT at both ends in `protocol/ring.rs`. In each, one end stores a position with Release when
//! it is done with the bytes before it, and the other end loads the position with Acquire before it uses those bytes:
//!
//! | store (Release) | load (Acquire) | what it hands over |
//! |---|---|---|
//! | `tail`, producer, after the record's bytes | consumer, before it reads | committed bytes |
//! | `head`, consumer, after it has copied | producer, before it writes | room |
//!
//! An adopter becomes the consumer after the owner's death. The kernel frees the owner's lock when the owner has stopped running,
//! so all stores of the owner happened before the loads of the adopter; the same holds from one adopter to the next.
//!
//! # Life of a segment
//!
//! ```text
//!            create, lock, allocate in full,           push, peek, release
//!  nothing ──map, write the preamble─────────▶ T-1.tmp ──rename──▶ T-1.seg ──drained and idle, close────▶ unlinked
//!                                                 │                  │
//!                                         owner dies: lock free   owner dies: lock free; or it closes: renamed R-0.seg
//!                                                 ▼                  ▼
//!                                    unlinked by a scanner    a scanner locks it and renames it A-7.seg ──drained──▶ unlinked
//!                                                                    ▲                  │
//!                                                                    └── adopter dies ──┘
//! ```
//!
//! `T` and `A` are tokens of processes, 64 random bits; `R` is random too and no process's token. The name says which process holds
//! the file, and is never used for another file. That matters because a record lock does not exclude threads of one process, and
//! closing any descriptor of a file drops the lock. So a scanner never opens a file with its own token, and a rename fails if
//! another process has adopted the file between our `open` and our lock.
//!
//! | a process is killed after | another process finds | and |
//! |---|---|---|
//! | `open` of the `.tmp`, its lock, its allocation, its preamble | an unlocked `.tmp` | unlinks it: nothing was accepted yet |
//! | `rename` to `.seg` | an empty ring | unlinks it |
//! | `rename` to `.seg` of a copy, made since the directory of the first file was gone | all that waits | delivers it |
//! | `rename` of an orphan's smaller file over the larger one | all that waits | delivers it |
//! | any byte of a record | bytes beyond `tail` | does nothing: nobody reads beyond `tail` |
//! | the store of `tail` | one more whole record | delivers it, though its `push` may not have returned |
//! | `peek`, or the POST | the old `head` | delivers the entries again, with the same `_id` |
//! | the store of `head` | the records gone | continues after them |
//! | the last release, before `unlink` | an empty ring | unlinks it |
//! | an adopter's lock | the old name, unlocked | adopts it |
//! | an adopter's `rename` | the adopter's name, unlocked | adopts it |
//! | a creator that an adopter overtook between `open` and lock | its `.tmp` is gone, `rename` fails | makes another |
//!
//! An entry that was being pushed when its process was killed was either not accepted or is delivered whole. An adopter counts
//! entries by reading the records, so that no stored count can be off by one.
//!
//! # Sums
//!
//! `made = sent + queued + dropped` holds in each segment, and so for a process and for the host. A push stores *made* and then
//! `tail`; a release stores *sent* or *dropped* and then `head`. If a process is killed in between, [`Counts::balance`] corrects
//! the counters on adoption. Before a segment is unlinked, its sums are added to the state file (one page, `machine/state.rs`).
//! That file also remembers the identities of such segments, so that a segment that was added and not yet unlinked is not added
//! again.
//!
//! # What cannot happen, and why
//!
//! * SIGBUS: own segments are allocated in full before they are mapped, on file systems that keep such a promise
//!   (`files/filesystem.rs`); files of other processes are read and not mapped (`segment/adopted.rs`). Two cases remain: another
//!   program of the same user truncates a live segment, or the disk under one fails.
//! * Confusion by equal pids in two containers that share a volume: no decision depends on the pid of another process. Locks and
//!   random tokens do not depend on pid namespaces.
//! * A forked child that acts as its parent: the child finds its identity gone (`fork.rs`) before it touches a lock or memory.
//! * Damage by a reboot, if the segment is on a real disk: an orderly reboot keeps all of it. After a power cut the pages of a file
//!   may be of different ages: records whose check is wrong are set aside, and payloads of the last seconds may be wrong or missing.

pub mod machine;
pub mod protocol;

// loom models the ring; what is below needs an operating system.
#[cfg(all(unix, not(any(loom, portable))))]
mod adopt;
#[cfg(not(loom))]
mod books;
#[cfg(all(unix, not(any(loom, portable))))]
mod files;
#[cfg(not(loom))]
mod fork;
#[cfg(not(loom))]
mod growth;
#[cfg(not(loom))]
mod home;
#[cfg(all(unix, not(any(loom, portable))))]
mod orphans;
#[cfg(not(loom))]
mod peek;
#[cfg(not(loom))]
#[allow(clippy::module_inception)] // the noun is the queue
mod queue;
#[cfg(not(loom))]
mod reader;
#[cfg(not(loom))]
mod scan_lock;
#[cfg(not(loom))]
mod segment;
#[cfg(not(loom))]
mod upkeep;
#[cfg(not(loom))]
mod waiting;
#[cfg(not(loom))]
mod writer;

use std::path::PathBuf;

use crate::counters::{Counts, DropReason};

#[cfg(not(loom))]
pub use machine::pause::SharedPause;
#[cfg(not(loom))]
pub use machine::survey::{FoundSegment, Survey, entries, survey};
#[cfg(not(loom))]
pub use peek::Peek;
#[cfg(not(loom))]
pub use queue::Queue;

/// Default of [`Options::max_bytes`].
pub const DEFAULT_MAX_BYTES: u64 = 16 << 20;

/// Where a queue lives and how large it grows.
#[derive(Clone, Debug)]
pub struct Options {
    /// The rungs, best first.
    pub directories: Vec<PathBuf>,
    /// The name of the app's directory on a rung: one path component, with the uid and a hash of API key and server.
    pub name: String,
    /// The most bytes that all own segments of this process may take.
    pub max_bytes: u64,
    /// The name of the app for `status`, kept in the directory; empty if it has none.
    pub label: String,
}

/// Why an entry was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no room now, for this reason. The caller counts the drop.
    Dropped(DropReason),
    /// The entry is larger than [`Queue::max_entry_bytes`].
    TooLarge,
    /// The queue belongs to the process that this one was forked from.
    Forked,
}

/// What [`Queue::adopt`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// How many segments this call has adopted.
    pub segments: usize,
    /// How many entries wait in them.
    pub entries: u64,
    /// How many orphans were evicted, oldest first.
    pub dropped_segments: usize,
    /// How many entries were in them.
    pub dropped_entries: u64,
    /// How many files and own segments were damaged, in whole or in part, since the last call.
    pub corrupt_segments: usize,
    /// How many entries were lost with them, as far as that is known.
    pub corrupt_entries: u64,
    /// How many entries dead processes had counted as made and not yet queued.
    pub killed_entries: u64,
    /// The sums of removed segments that the state file did not take.
    pub unreported: Counts,
}

#[cfg(not(loom))]
impl Adopted {
    fn add(&mut self, other: &Adopted) {
        self.segments += other.segments;
        self.entries += other.entries;
        self.dropped_segments += other.dropped_segments;
        self.dropped_entries += other.dropped_entries;
        self.corrupt_segments += other.corrupt_segments;
        self.corrupt_entries += other.corrupt_entries;
        self.killed_entries += other.killed_entries;
        self.unreported.add_all(&other.unreported);
    }
}
