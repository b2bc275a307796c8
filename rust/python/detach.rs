//! Work without the GIL, which ends before the interpreter is finalised.
//!
//! `CPython` up to 3.13 ends a daemon thread that asks for the GIL after finalisation has begun with `pthread_exit`. That call
//! unwinds the thread's stack, and with a frame of Rust on the stack the behaviour is unspecified: `PyO3` lets such a thread
//! hang, in a destructor, and says that elsewhere the process may abort (`PyGILState_Ensure` in `pyo3-ffi`). This module
//! prevents both: before finalisation every thread has the GIL back, and from then on all work is done with the GIL held.

use std::time::{Duration, Instant};

use pyo3::prelude::*;

use crate::sync::{AtomicU64, Ordering};

/// The sections that last longest, a scan of the directory and the making of a batch, take milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);

/// The upper half is the pid; the lower half counts the threads without the GIL and has the bit [`CLOSED`]. A value with
/// another pid was inherited at a fork, which leaves the parent's threads behind: it counts as zero.
static OUT: AtomicU64 = AtomicU64::new(0);
const CLOSED: u64 = 1 << 31;

/// Runs `work` without the GIL, as long as that is safe.
pub fn detach<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> T {
    if !change(|out| (out & CLOSED == 0).then_some(out + 1)) {
        return work();
    }
    let _out = Out;
    py.detach(work)
}

/// Waits until no thread works without the GIL, and lets none begin. For the end of the exit handlers.
pub fn close(py: Python<'_>) {
    change(|out| Some(out | CLOSED));
    py.detach(|| {
        let deadline = Instant::now() + PATIENCE;
        while current() & !CLOSED != 0 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
}

/// Counts a thread without the GIL until it is dropped, also by a panic.
struct Out;

impl Drop for Out {
    fn drop(&mut self) {
        change(|out| out.checked_sub(1));
    }
}

fn pid() -> u64 {
    u64::from(std::process::id()) << 32
}

fn current() -> u64 {
    let value = OUT.load(Ordering::Acquire);
    if value >> 32 == pid() >> 32 {
        value & 0xFFFF_FFFF
    } else {
        0
    }
}

/// Replaces the current value by what `next` makes of it; false if `next` makes nothing.
fn change(next: impl Fn(u64) -> Option<u64>) -> bool {
    loop {
        let seen = OUT.load(Ordering::Acquire);
        let Some(new) = next(current()) else {
            return false;
        };
        if OUT.replace(seen, pid() | new, Ordering::AcqRel) {
            return true;
        }
    }
}
