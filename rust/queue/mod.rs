//! The shared-memory queue: what was accepted outlives the process that accepted it.
//!
//! Each process writes to segments of its own; one file is one segment is one ring with one producer and one consumer.
//! Threads of the process share the producer's end behind a short lock. Nobody ever waits for another process.
//!
//! # Bytes of a segment
//!
//! ```text
//!    0  magic "rmqueue\n"        8   | the preamble: written once, before the file
//!    8  layout version           4   | has its name, little-endian, and checked
//!   12  header bytes (4096)      4   | field by field against the length of the
//!   16  file bytes               8   | file before anything else is read
//!   24  capacity (file - header) 8   |
//!   32  created, ms since 1970   8   | diagnostic
//!   40  pid of the creator       4   | diagnostic: never asked whether it lives
//!  128  tail                     8   everything before it is committed  (producer's cache line)
//!  256  head                     8   everything before it is released   (consumer's cache line)
//!  512  made, and dropped instead of queued    11 x 8   (producer's cache line)
//!  640  sent, and dropped after it was queued   8 x 8   (consumer's cache line)
//!  768  identity                     8   a random number of this segment
//! 4096  data
//!
//! record  | u32 payload bytes | u32 check | payload ... | zero to seven bytes to the next multiple of 8 |
//! ```
//!
//! `tail` and `head` count bytes since the ring was made; position `p` lies at `4096 + p % capacity`. A payload wraps at
//! the end of the data, a record header never does. The check binds the length to the position, so that zeros, payload
//! bytes and records of an earlier lap are not taken for a record. `head <= tail <= head + capacity`, both multiples of 8:
//! whoever reads a position or a length checks that before using it.
//!
//! # Who synchronises with whom
//!
//! There are two pairs, marked SYNC POINT at both ends in `protocol/ring.rs`. Each is a Release store that says "I am done with the
//! bytes before this position" and an Acquire load by the other end, which then uses them:
//!
//! | store (Release) | load (Acquire) | what it hands over |
//! |---|---|---|
//! | `tail`, producer, after the record's bytes | consumer, before it reads | committed bytes |
//! | `head`, consumer, after it has copied | producer, before it writes | room |
//!
//! An adopter takes the consumer's end after the owner's death. The kernel frees the owner's lock when it has stopped
//! running, so all its stores happened before the adopter's loads; the same goes from one adopter to the next.
//!
//! # Life of a segment
//!
//! ```text
//!            create, lock, allocate in full,           push, peek, release
//!  nothing ──map, write the preamble─────────▶ T-1.tmp ──rename──▶ T-1.seg ──drained and calm, close────▶ unlinked
//!                                                 │                  │
//!                                         owner dies: lock free   owner dies: lock free; or it closes: renamed R-0.seg
//!                                                 ▼                  ▼
//!                                    unlinked by a scanner    a scanner locks it and renames it A-7.seg ──drained──▶ unlinked
//!                                                                    ▲                  │
//!                                                                    └── adopter dies ──┘
//! ```
//!
//! `T` and `A` are process tokens, 64 random bits; `R` is nobody's. The name says which process holds the file and is used
//! for one file only, ever. Why that matters: a record lock does not exclude threads of one process, and closing any
//! descriptor of a file drops it. So a scanner never opens a file with its own token, and a rename fails if somebody else
//! has adopted the file between our `open` and our lock.
//!
//! | killed after | a reader finds | and does |
//! |---|---|---|
//! | `open` of the `.tmp`, its lock, its allocation, its preamble | an unlocked `.tmp` | unlinks it: nothing was accepted yet |
//! | `rename` to `.seg` | an empty ring | unlinks it |
//! | `rename` to `.seg` of a copy, made since the directory of the first file was gone | all that waits | delivers it |
//! | `rename` of an orphan's smaller file over the larger one | all that waits | delivers it |
//! | any byte of a record | bytes beyond `tail` | nothing: nobody reads beyond `tail` |
//! | the store of `tail` | one more whole record | delivers it, though its `push` may not have returned |
//! | `peek`, or the POST | the old `head` | delivers again: at least once, with the same `_id` |
//! | the store of `head` | the records gone | goes on behind them |
//! | the last release, before `unlink` | an empty ring | unlinks it |
//! | an adopter's lock | the old name, unlocked | adopts it |
//! | an adopter's `rename` | the adopter's name, unlocked | adopts it |
//! | a creator that an adopter overtook between `open` and lock | its `.tmp` is gone, `rename` fails | makes another |
//!
//! An entry that was being pushed at the kill was either not accepted or is delivered whole. Entries are counted on
//! adoption by walking the records, so that no stored count can be one off.
//!
//! # Sums
//!
//! `made = sent + queued + dropped` holds in each segment, and so for a process and for the host. The order of the stores
//! is: made, `tail`; and sent or dropped, `head`. What a kill in between leaves, [`Counts::balance`] makes good on adoption.
//! Before a segment is unlinked, its sums are added to the directory's file `state` (one page, `machine/state.rs`), which also
//! remembers the segments' identities: one that was counted and not yet unlinked at a kill is not counted again.
//!
//! # What cannot happen, and why
//!
//! * SIGBUS: own segments are allocated in full before they are mapped, on file systems where that holds
//!   (`files/filesystem.rs`); files of others are read, not mapped (`segment/adopted.rs`). What remains: another program of the same user
//!   that truncates a live segment, and a disk that fails under one.
//! * The same pid in two containers over one volume: no decision looks at a pid of another process. Locks and random tokens
//!   do not depend on pid namespaces.
//! * A forked child that acts as its parent: it finds its identity gone (`fork.rs`) before it touches lock or memory.
//! * A segment on a real disk across a reboot: an orderly one keeps all of it. After a power cut the pages of a file may be
//!   of different ages: what does not check is set aside, and the payloads of the last seconds may be wrong or missing.

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
    /// The rungs of the ladder, best first.
    pub directories: Vec<PathBuf>,
    /// The app's directory inside a rung: one path component that holds the uid and a hash of what makes two apps differ.
    pub name: String,
    /// Bound on this process's own segments together.
    pub max_bytes: u64,
    /// What people call the app; empty where nobody has said. Kept in the directory, for `status`.
    pub label: String,
}

/// Why an entry was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No room now, for this reason. To be counted by the caller.
    Dropped(DropReason),
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
    /// Sums of removed segments that the state file did not take.
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
