//! The way out of the GIL, closed before the interpreter goes.
//!
//! A daemon thread that asks for the GIL after finalisation has begun is ended by `CPython` up to 3.13 with `pthread_exit`. That
//! unwinds its stack, and with a frame of Rust on it the behaviour is unspecified: `PyO3` lets such a thread hang, in a
//! destructor, and says that elsewhere the process may abort (`PyGILState_Ensure` in `pyo3-ffi`). Here it does not come to
//! that: before that moment every thread is back, and from then on nobody goes out: work is done with the GIL held.

use std::time::{Duration, Instant};

use pyo3::prelude::*;

use crate::sync::{AtomicU64, Ordering};

/// The sections that last longest, a scan of the directory and the making of a batch, take milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);

/// The pid in the upper half, in the lower how many threads are out, and the bit that says closed. A value of another pid
/// was inherited by a fork, whose threads it did not inherit: it counts as zero.
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

/// Waits until every thread is back, and lets none out any more. For the end of the exit handlers.
pub fn close(py: Python<'_>) {
    change(|out| Some(out | CLOSED));
    py.detach(|| {
        let deadline = Instant::now() + PATIENCE;
        while current() & !CLOSED != 0 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
}

/// A panic comes back, too.
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

/// Whether `next` made a new value of the current one.
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
