//! What dead processes have left: it is small, within a bound, and delivered as long as the server takes logs.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};

use common::{adopt_until, adopter, drain, files, names, shared_bytes};
use readme_metrics_core::counters::{Counter, DropReason};
use tempfile::TempDir;

/// Makes segments of dead processes with `entries` entries of `bytes` bytes each, oldest first.
fn orphans(rung: &TempDir, count: u64, entries: usize, bytes: usize) {
    let app = rung.path().join("app");
    for number in 0..count {
        let earlier: HashSet<String> = if app.exists() {
            names(&app).into_iter().collect()
        } else {
            HashSet::new()
        };
        let queue = adopter(rung);
        for _ in 0..entries {
            let entry = [&number.to_le_bytes()[..], &vec![7; bytes]].concat();
            queue.push(&entry).unwrap();
        }
        let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3600 - number);
        // As if the process had been killed: its file stays in full, under the name of a process that has ended.
        // Earlier orphans may have been made smaller, under a new name: the file is found by its content.
        let entry = [&number.to_le_bytes()[..], &[7; 16]].concat();
        let has_entry = |name: &String| {
            memchr::memmem::find(&fs::read(app.join(name)).unwrap(), &entry).is_some()
        };
        let all = names(&app).into_iter();
        let own = all.filter(|name| !earlier.contains(name) && has_entry(name));
        let name = own
            .max_by_key(|name| fs::metadata(app.join(name)).unwrap().len())
            .unwrap();
        let to = app.join(format!("00000000deadbeef-{}.seg", number + 1));
        fs::copy(app.join(name), &to).unwrap();
        drain(&queue);
        queue.close();
        File::open(to).unwrap().set_modified(old).unwrap();
    }
}

#[test]
fn a_new_process_takes_64_kib_and_what_it_leaves_a_few() {
    let rung = common::shared_memory_rung();
    let queue = adopter(&rung);
    let app = queue.directory().unwrap();
    assert_eq!(shared_bytes(&app), 64 << 10);
    queue.push(&[7; 1000]).unwrap();
    queue.close();
    assert_eq!(shared_bytes(&app), 8 << 10);
    let heir = adopter(&rung);
    adopt_until(&heir, |adopted| adopted.entries == 1);
    assert_eq!(drain(&heir), [vec![7; 1000]]);
}

/// The bound counts what waits, not the files that it waits in.
#[test]
fn small_orphans_are_all_delivered() {
    let rung = common::shared_memory_rung();
    let count = 1200; // of 64 KiB each, 75 MiB: those that come later make the earlier ones smaller
    orphans(&rung, count, 2, 500);
    let queue = adopter(&rung);
    let app = queue.directory().unwrap();
    let mut calls = 0;
    let mut delivered = 0;
    while delivered < 2 * count {
        queue.adopt();
        calls += 1;
        delivered += drain(&queue).len() as u64;
        assert!(calls < 1000, "only {delivered} of {}", 2 * count);
    }
    assert_eq!(queue.adopted().dropped(), 0);
    // One call and the draining after it, a second of a flusher's life, adopt hundreds of segments.
    assert!(calls < 8, "{calls} calls for {count} segments");
    assert_eq!(files(&app).len(), 1);
}

/// The bound holds when a segment is made: no process has to look for orphans first.
#[test]
fn orphans_are_bounded_when_a_segment_is_made_oldest_first() {
    let rung = common::shared_memory_rung();
    let count = 90_u64; // of 1 MiB each, three quarters of it full
    orphans(&rung, count, 8, 100_000);
    let app = rung.path().join("app");
    // Where another thread of this process is scanning, a segment is made without a scan.
    let deadline = Instant::now() + Duration::from_secs(60);
    let queue = loop {
        let queue = adopter(&rung);
        let bytes = shared_bytes(&app);
        if bytes <= (64 << 20) + (64 << 10) + 4096 {
            break queue;
        }
        assert!(Instant::now() < deadline, "{bytes} bytes are kept");
    };
    let mut delivered = Vec::new();
    for _ in 0..200 {
        queue.adopt();
        delivered.extend(drain(&queue).iter().map(|entry| entry[0]));
    }
    delivered.dedup();
    // Any process that made a segment may have evicted some: the sums that all processes share count them.
    let gone = queue.pause().state().gone;
    let dropped = gone.get(Counter::Dropped(DropReason::Orphan));
    assert_eq!(dropped + 8 * delivered.len() as u64, 8 * count);
    let first = u8::try_from(dropped / 8).unwrap();
    assert_eq!(
        delivered,
        (first..90).collect::<Vec<_>>(),
        "the oldest went"
    );
}

/// All orphans will be delivered, so none is evicted.
#[test]
fn nothing_is_evicted_while_the_server_takes_logs() {
    let rung = common::shared_memory_rung();
    let healthy = adopter(&rung);
    healthy.pause().succeeded();
    healthy.close();
    let count = 90;
    orphans(&rung, count, 8, 100_000);
    let queue = adopter(&rung);
    let mut delivered = 0;
    for _ in 0..200 {
        queue.adopt();
        delivered += drain(&queue).len() as u64;
    }
    assert_eq!((delivered, queue.adopted().dropped()), (8 * count, 0));
}

/// Makes `count` segments of dead processes: an entry of 1,000 bytes in a file of 8 KiB each.
fn small_orphans(app: &Path, count: u64) {
    let small = fs::read(app.join(&names(app)[0])).unwrap();
    for number in 0..count {
        fs::write(app.join(format!("{number:016x}-{}.seg", u64::MAX)), &small).unwrap();
    }
}

/// Short-lived processes add a file each, and none of them lives long enough for a scan. Opening a queue does little
/// for the bound, however much dead processes have left: no more than eight files are made smaller or removed.
#[test]
fn the_bound_holds_where_no_process_ever_looks_round() {
    let rung = common::shared_memory_rung();
    let app = rung.path().join("app");
    let first = adopter(&rung);
    first.push(&[7; 1000]).unwrap();
    first.close();
    small_orphans(&app, (64 << 20) / (8 << 10));
    let bound = (64 << 20) + (64 << 10) + 4096;
    let mut longest = Duration::ZERO;
    for number in 0..20 {
        let before = names(&app).len();
        let start = Instant::now();
        // SAFETY: the child opens a queue of its own and leaves by `_exit`, as if killed; allocation after a fork is allowed by
        // the C library.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let pushed = adopter(&rung).push(&[7; 1000]).is_ok();
            // SAFETY: ends this process without touching its parent's state.
            unsafe { libc::_exit(i32::from(!pushed)) };
        }
        let mut status = -1;
        // SAFETY: `status` outlives the call.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        longest = longest.max(start.elapsed());
        assert_eq!(status, 0);
        assert!(before.abs_diff(names(&app).len()) <= 8, "files at once");
        let bytes = shared_bytes(&app);
        assert!(bytes <= bound, "{bytes} bytes after {number} processes");
    }
    println!("the longest process took {longest:?}");
}
