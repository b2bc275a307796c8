//! How large a process's next segment is, or why there can be none.

use std::io;

use crate::counters::DropReason;
use crate::queue::protocol::layout::{self, HEADER_BYTES, RECORD_HEADER_BYTES};

/// The size of the first segment, which an idle process holds.
pub const FIRST_BYTES: u64 = 64 << 10;
/// The size of the second segment; each further one is twice as large as the one before.
const SECOND_BYTES: u64 = 1 << 20;
/// The smallest segment that is added when a larger one has no room.
const LEAST_OVERFLOW_BYTES: u64 = 64 << 10;

/// The sizes of one process's own segments, which together stay within a bound.
pub struct Growth {
    max_bytes: u64,
    /// Whether the last segment could not be made: no other is tried until something has changed.
    is_blocked: bool,
    /// Why there is no room, if there is none.
    cause: DropReason,
}

/// How large a segment is made: the usual size, and the smallest that is worth making.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub usual_bytes: u64,
    pub least_bytes: u64,
}

impl Growth {
    pub fn new(max_bytes: u64) -> Growth {
        Growth {
            max_bytes: max_bytes.clamp(2 * HEADER_BYTES, layout::MAX_SEGMENT_BYTES) / HEADER_BYTES
                * HEADER_BYTES,
            is_blocked: false,
            cause: DropReason::Full,
        }
    }

    pub fn first_bytes(&self) -> u64 {
        FIRST_BYTES.min(self.max_bytes)
    }

    /// The largest payload that an empty queue takes: in its first segment, or in a second that takes all the rest.
    pub fn max_entry_bytes(&self) -> usize {
        let first = self.first_bytes();
        let rest = self.max_bytes - first;
        let largest = if rest < LEAST_OVERFLOW_BYTES {
            first
        } else {
            first.max(rest)
        };
        layout::index(layout::capacity(largest) - RECORD_HEADER_BYTES)
    }

    pub fn is_blocked(&self) -> bool {
        self.is_blocked
    }

    /// Lets a segment be tried again after one could not be made.
    pub fn unblock(&mut self) {
        self.is_blocked = false;
    }

    /// Why the latest entry found no room.
    pub fn cause(&self) -> DropReason {
        self.cause
    }

    /// The size of the next segment of a process that holds `held_bytes`, the newest segment being of `newest_bytes`, with
    /// room for a file of `need_bytes`; `None` where that exceeds the bound.
    pub fn next(
        &mut self,
        held_bytes: u64,
        newest_bytes: Option<u64>,
        need_bytes: u64,
    ) -> Option<Size> {
        let (usual, least) = match newest_bytes {
            None => (self.first_bytes(), 2 * HEADER_BYTES),
            Some(newest) => (
                (2 * newest).min(self.max_bytes / 4).max(SECOND_BYTES),
                LEAST_OVERFLOW_BYTES,
            ),
        };
        let left = self.max_bytes.saturating_sub(held_bytes);
        let size = Size {
            usual_bytes: usual
                .max(need_bytes.next_multiple_of(HEADER_BYTES))
                .min(left),
            least_bytes: need_bytes.max(least),
        };
        let fits = size.usual_bytes >= size.least_bytes;
        if !fits {
            self.cause = DropReason::Full;
        }
        fits.then_some(size)
    }

    /// Notes that no segment of any size could be made.
    pub fn refused(&mut self, error: &io::Error) {
        self.is_blocked = true;
        self.cause = cause(error);
    }
}

impl Size {
    /// Half the size, for a file system without room for the whole; `None` if that would be too small.
    pub fn halved(self) -> Option<Size> {
        let usual_bytes = (self.usual_bytes / 2)
            .max(self.least_bytes)
            .next_multiple_of(HEADER_BYTES);
        (usual_bytes < self.usual_bytes).then_some(Size {
            usual_bytes,
            ..self
        })
    }
}

/// Whether a smaller segment might be made although this one could not.
pub fn is_short_of_room(error: &io::Error) -> bool {
    matches!(cause(error), DropReason::NoSpace | DropReason::NoMemory)
}

/// Why a segment could not be made.
fn cause(error: &io::Error) -> DropReason {
    use io::ErrorKind;
    #[cfg(all(unix, not(portable)))]
    if matches!(
        error.raw_os_error(),
        Some(libc::ENOMEM | libc::EMFILE | libc::ENFILE | libc::ENOLCK)
    ) {
        return DropReason::NoMemory;
    }
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            DropReason::NoSpace
        }
        ErrorKind::OutOfMemory => DropReason::NoMemory,
        _ => DropReason::NoDirectory,
    }
}
