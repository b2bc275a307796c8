//! Forks while threads push: children inherit nothing, lose nothing and block on nothing. One test per binary, so that
//! there are no threads other than its own when it forks.
//!
//! `QUEUE_FORKS` is the number of forks (default 1000).
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

mod common;

use std::collections::HashMap;
use std::thread;

use common::{adopt_until, options, shared_memory_rung};
use readme_metrics_core::counters::DropReason;
use readme_metrics_core::queue::{Adopted, Options, Queue, Refusal};
use readme_metrics_core::sync::{AtomicU64, Ordering};

const THREADS: u64 = 8;
/// Seconds after which a child that hangs is killed, which fails the test.
const WATCHDOG: u32 = 20;

/// Runs `body` in a forked child that always leaves by `_exit`, as a crash would: nothing is closed, no destructor runs.
fn fork(body: impl FnOnce() -> bool) -> libc::pid_t {
    // SAFETY: the child allocates, which glibc, musl and macOS allow after a fork of a threaded process, and takes no lock of
    // ours.
    unsafe {
        let pid = libc::fork();
        if pid == 0 {
            libc::alarm(WATCHDOG);
            let good =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).unwrap_or(false);
            libc::_exit(i32::from(!good));
        }
        pid
    }
}

fn wait(pid: libc::pid_t) -> i32 {
    let mut status = -1;
    // SAFETY: `status` outlives the call.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    status
}

/// Every method of an inherited queue does nothing, and a new queue works. This holds for three generations.
fn child(inherited: &Queue, options: &Options, id: u64, generations: u32) -> bool {
    let nothing = inherited.push(b"never") == Err(Refusal::Forked)
        && inherited.peek(1, |_| true).is_none()
        && (
            inherited.waiting(),
            inherited.waiting_bytes(),
            inherited.segment_count(),
        ) == (0, 0, 0)
        && inherited.adopt() == Adopted::default()
        && inherited.owner_pid() != std::process::id();
    inherited.close();
    // SAFETY: the child leaves by `_exit`, so that the original is never used again.
    drop(unsafe { std::ptr::read(inherited) });

    let own = Queue::open(options);
    let pushed = own
        .push(&[THREADS.to_le_bytes(), id.to_le_bytes()].concat())
        .is_ok();
    let descendants = generations == 0
        || wait(fork(|| {
            child(&own, options, id + (1 << 32), generations - 1)
        })) == 0;
    nothing && pushed && own.owner_pid() == std::process::id() && descendants
}

#[test]
fn forks_while_threads_push() {
    let forks = common::number_from("QUEUE_FORKS", 1000);
    let rung = shared_memory_rung();
    let options = options(rung.path());
    let queue = Queue::open(&options);
    // Small queues, so that a slow machine does not reach the bound on orphans, beyond which they are evicted.
    let options = Options {
        max_bytes: 32 << 10,
        ..options
    };
    let mut dropped = 0;
    let (mut accepted, mut delivered) = (0_u64, HashMap::<Vec<u8>, u64>::new());
    let mut next = vec![0; THREADS as usize];
    let mut deliver = |entries: Vec<Vec<u8>>| {
        for entry in entries {
            let thread = u64::from_le_bytes(entry[..8].try_into().unwrap());
            if thread < THREADS {
                let number = u64::from_le_bytes(entry[8..16].try_into().unwrap());
                assert_eq!(
                    number, next[thread as usize],
                    "lost, repeated or out of order"
                );
                next[thread as usize] += 1;
            } else {
                *delivered.entry(entry).or_default() += 1;
            }
        }
    };

    let done = AtomicU64::new(0);
    thread::scope(|scope| {
        let forking = scope.spawn(|| {
            for number in 0..forks {
                let generations = if number.is_multiple_of(10) { 2 } else { 0 };
                assert_eq!(
                    wait(fork(|| child(&queue, &options, number, generations))),
                    0,
                    "fork {number}"
                );
            }
        });
        let pushing: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (queue, done) = (&queue, &done);
                scope.spawn(move || {
                    let mut number = 0_u64;
                    while done.load(Ordering::Relaxed) == 0 {
                        let entry =
                            [&thread.to_le_bytes()[..], &number.to_le_bytes(), &[7; 200]].concat();
                        thread::yield_now();
                        match queue.push(&entry) {
                            Ok(_) => number += 1,
                            Err(refusal) => assert_eq!(refusal, Refusal::Dropped(DropReason::Full)),
                        }
                    }
                    number
                })
            })
            .collect();
        while !forking.is_finished() {
            dropped += queue.adopt().dropped_entries;
            // Not `drain`, which has no end while threads push.
            if let Some((peek, entries)) = common::peek(&queue, 1000) {
                deliver(entries);
                queue.release(peek);
            }
        }
        done.store(1, Ordering::Relaxed);
        forking.join().unwrap();
        accepted = pushing
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum();
    });
    deliver(common::drain(&queue));
    // Children's segments, and this process's own spare ones, which are removed after some calm calls of `adopt`.
    let files_left = || common::files(&queue.directory().unwrap()).len() - 1;
    while files_left() > 0 {
        let found = |adopted: &Adopted| adopted.segments > 0 || files_left() == 0;
        dropped += adopt_until(&queue, found).dropped_entries;
        deliver(common::drain(&queue));
    }
    assert_eq!(next.iter().sum::<u64>(), accepted);
    let children = forks + forks.div_ceil(10) * 2;
    println!(
        "{forks} forks, {children} children; {accepted} entries of threads, each once, in order"
    );
    assert_eq!(dropped, 0);
    assert_eq!(delivered.len() as u64, children);
    assert!(delivered.values().all(|times| *times == 1));
}
