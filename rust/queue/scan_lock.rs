//! `ScanLock`: lets one thread of this process at a time scan a directory.

use std::time::{Duration, Instant};

use crate::queue::fork;
use crate::sync::{AtomicU64, Ordering};

/// Held while this process scans a directory: POSIX record locks do not exclude the threads of one process, and
/// closing any descriptor of a file drops the lock that another thread has just taken on it.
pub struct ScanLock {
    token: u64,
    word: &'static AtomicU64,
}

/// The token of the process that scans. A value that is not our token was inherited from a parent that forked during a scan, and
/// counts as free.
static SCANNER: AtomicU64 = AtomicU64::new(0);

#[cfg(all(unix, not(portable)))]
/// The token of the process that uses the file `state`, which may be used during a scan.
static STATE_USER: AtomicU64 = AtomicU64::new(0);

impl ScanLock {
    /// `None` while another thread of this process scans.
    pub fn begin() -> Option<ScanLock> {
        ScanLock::begin_on(&SCANNER)
    }

    fn begin_on(word: &'static AtomicU64) -> Option<ScanLock> {
        let token = fork::token();
        let holder = word.load(Ordering::Relaxed);
        // SYNC POINT (one scan at a time): Acquire pairs with the Release in `drop`.
        let free = holder != token && word.replace(holder, token, Ordering::Acquire);
        free.then_some(ScanLock { token, word })
    }

    /// `None` if another thread of this process still scans after `patience`.
    pub fn begin_within(patience: Duration) -> Option<ScanLock> {
        ScanLock::begin_on_within(&SCANNER, patience)
    }

    #[cfg(all(unix, not(portable)))]
    /// `None` if another thread of this process still uses the file `state` after `patience`.
    pub fn begin_state_within(patience: Duration) -> Option<ScanLock> {
        ScanLock::begin_on_within(&STATE_USER, patience)
    }

    fn begin_on_within(word: &'static AtomicU64, patience: Duration) -> Option<ScanLock> {
        let deadline = Instant::now() + patience;
        loop {
            let scan = ScanLock::begin_on(word);
            if scan.is_some() || Instant::now() >= deadline {
                return scan;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for ScanLock {
    fn drop(&mut self) {
        // SYNC POINT (one scan at a time): Release pairs with the Acquire in `begin`. A child forked meanwhile has another
        // token by now, and leaves the word alone.
        self.word.replace(self.token, 0, Ordering::Release);
    }
}
