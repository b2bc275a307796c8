//! Workers come and go, half of them by SIGKILL, next to one that stays: files and bytes stay constant.
//!
//! `QUEUE_RECYCLES` is the number of workers (default 2000). One test per binary: it forks.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;

use common::{options, shared_memory_rung};
use readme_metrics_core::queue::Queue;

#[test]
fn recycled_workers_leave_a_constant_number_of_files() {
    let recycles = common::number_from("QUEUE_RECYCLES", 2000);
    let rung = shared_memory_rung();
    let options = options(rung.path());
    let sibling = Queue::open(&options);
    let directory = sibling.directory().unwrap();
    let (mut pushed, mut delivered) = (0, 0);
    for number in 1..=recycles {
        // SAFETY: this process has one thread of its own; the child only uses a queue that it opens, and leaves at once.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let queue = Queue::open(&options);
            for _ in 0..number % 5 {
                assert!(queue.push(&[1; 500]).is_ok());
            }
            if number.is_multiple_of(2) {
                queue.close();
            }
            // SAFETY: ends this process, which holds nothing of its parent's.
            unsafe {
                libc::raise(if number.is_multiple_of(2) {
                    0
                } else {
                    libc::SIGKILL
                });
                libc::_exit(0);
            }
        }
        pushed += number % 5;
        let mut status = 0;
        // SAFETY: `status` outlives the call.
        unsafe { libc::waitpid(pid, &raw mut status, 0) };
        // After every few workers, the sibling does what it does once a second.
        if number.is_multiple_of(5) {
            sibling.adopt();
            delivered += common::drain(&sibling).len() as u64;
        }
        if [100, 1000, 10_000, recycles].contains(&number) {
            let files = common::files(&directory);
            let bytes: u64 = files.iter().map(|(_, bytes)| bytes).sum();
            println!(
                "after {number}: {} files, {bytes} bytes, {delivered} of {pushed} delivered",
                files.len()
            );
            assert_eq!((files.len(), bytes), (1, 64 << 10));
            assert_eq!(pushed, delivered);
        }
    }
}
