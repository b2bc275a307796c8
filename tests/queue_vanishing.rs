//! The directory, the rung or a segment of a running process is gone, or a rung can be used at last.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use common::{adopt_until, adopter, drain, files, options, shared_bytes};
use readme_metrics_core::counters::Counter;
use readme_metrics_core::queue::{Options, Queue};
use tempfile::tempdir;

#[test]
fn a_vanished_directory_is_there_again_at_the_next_call() {
    for is_moved in [false, true] {
        let rung = tempdir().unwrap();
        let queue = adopter(&rung);
        let app = queue.directory().unwrap();
        queue.push(b"one").unwrap();
        let (seen, _) = common::peek(&queue, 1).unwrap(); // on its way to the server meanwhile
        queue.push(b"two").unwrap();
        queue.pause().failed(1, "HTTP 503");
        if is_moved {
            fs::rename(&app, rung.path().join("elsewhere")).unwrap();
        } else {
            fs::remove_dir_all(&app).unwrap();
        }
        // Until the next call, an entry that fits none of the segments goes into private memory.
        queue.push(&vec![3; 100_000]).unwrap();
        adopt_until(&queue, |_| app.exists());
        assert_eq!(queue.directory(), Some(app.clone()));
        assert_eq!(fs::metadata(&app).unwrap().mode() & 0o777, 0o700);
        assert_eq!(
            queue.pause().state().last_error,
            "HTTP 503",
            "what is known of the server is kept"
        );
        queue.release(seen);
        queue.push(b"four").unwrap();
        // As if killed: another process finds all of it.
        let found = readme_metrics_core::queue::survey(&app).unwrap();
        assert_eq!(found.segments.len(), 0, "they are this process's own");
        let (counts, queued) = queue.own_share();
        assert_eq!(
            (counts.get(Counter::Made), counts.get(Counter::Sent), queued),
            (4, 1, 3)
        );
        queue.close();
        let heir = adopter(&rung);
        adopt_until(&heir, |adopted| adopted.entries == 3);
        let mut entries = drain(&heir);
        entries.sort();
        assert_eq!(
            entries,
            [vec![3; 100_000], b"four".to_vec(), b"two".to_vec()]
        );
        if is_moved {
            assert_eq!(files(&rung.path().join("elsewhere")), []);
        }
    }
}

#[test]
fn a_vanished_rung_is_made_again_or_the_next_one_taken() {
    let parent = tempdir().unwrap();
    let (rung, next) = (parent.path().join("run"), tempdir().unwrap());
    let queue = Queue::open(&Options {
        directories: vec![rung.clone(), next.path().to_owned()],
        ..options(&rung)
    });
    queue.push(b"one").unwrap();
    fs::remove_dir_all(&rung).unwrap();
    adopt_until(&queue, |_| rung.join("app").exists());
    fs::remove_dir_all(&rung).unwrap();
    File::create(&rung).unwrap(); // in the way
    adopt_until(&queue, |_| next.path().join("app").exists());
    assert_eq!(queue.directory(), Some(next.path().join("app")));
    assert_eq!(queue.refusals().len(), 1);
    assert_eq!(
        shared_bytes(&next.path().join("app")) >> 10,
        64 + 64,
        "the new one, and the one with the entry"
    );
    fs::remove_dir_all(next.path()).unwrap();
    File::create(next.path()).unwrap();
    adopt_until(&queue, |_| queue.directory().is_none());
    assert_eq!(queue.push(b"two"), Ok(2));
    assert_eq!(drain(&queue), [b"one".to_vec(), b"two".to_vec()]);
}

#[test]
fn private_memory_is_left_as_soon_as_a_rung_will_do() {
    let rung = tempdir().unwrap();
    let app = rung.path().join("app");
    File::create(&app).unwrap(); // in the way
    let queue = adopter(&rung);
    queue.push(b"one").unwrap();
    assert_eq!(queue.directory(), None);
    fs::remove_file(&app).unwrap();
    let mut looks = 0;
    while queue.directory().is_none() {
        queue.adopt();
        looks += 1;
        assert!(looks <= 30, "half a minute");
    }
    assert_eq!((looks, queue.refusals().len()), (30, 0));
    assert_eq!(queue.push(b"two"), Ok(2));
    // As if killed: another process finds what was in private memory, too.
    let copy = rung.path().join("copy");
    fs::create_dir(&copy).unwrap();
    fs::set_permissions(&copy, Permissions::from_mode(0o700)).unwrap();
    for (number, (name, _)) in files(&app).iter().enumerate() {
        let dead = format!("00000000deadbeef-{number}.seg");
        fs::copy(app.join(name), copy.join(dead)).unwrap();
    }
    let heir = Queue::open(&Options {
        name: "copy".into(),
        ..options(rung.path())
    });
    adopt_until(&heir, |adopted| adopted.entries == 2);
    let mut entries = drain(&heir);
    entries.sort();
    assert_eq!(entries, [b"one".to_vec(), b"two".to_vec()]);
}

/// A process that ends before the next try makes a last one.
#[test]
fn private_memory_is_left_at_the_end_if_a_rung_will_do() {
    let rung = tempdir().unwrap();
    let app = rung.path().join("app");
    File::create(&app).unwrap();
    let queue = adopter(&rung);
    queue.push(b"one").unwrap();
    fs::remove_file(&app).unwrap();
    queue.close();
    let heir = adopter(&rung);
    adopt_until(&heir, |adopted| adopted.entries == 1);
    assert_eq!(drain(&heir), [b"one".to_vec()]);
}

/// Some code in this process copies the directory, which drops the locks. Before they are taken again, another process
/// adopts the segment and delivers its entries.
#[test]
fn a_segment_that_was_adopted_while_its_owner_lives_loses_nothing() {
    let rung = tempdir().unwrap();
    let queue = adopter(&rung);
    queue.push(b"one").unwrap();
    let app = queue.directory().unwrap();
    fs::copy(app.join(&files(&app)[0].0), rung.path().join("copy")).unwrap();
    // SAFETY: the child opens a queue of its own and leaves by `_exit`; allocation after a fork is allowed by the C library.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let heir = adopter(&rung);
        let adopted = adopt_until(&heir, |adopted| adopted.entries == 1);
        let good = adopted.entries == 1 && drain(&heir) == [b"one".to_vec()];
        heir.close();
        // SAFETY: ends this process without touching its parent's state.
        unsafe { libc::_exit(i32::from(!good)) };
    }
    let mut status = -1;
    // SAFETY: `status` outlives the call.
    unsafe { libc::waitpid(pid, &raw mut status, 0) };
    assert_eq!(status, 0);
    queue.push(b"two").unwrap();
    queue.adopt();
    queue.push(b"three").unwrap();
    assert_eq!(drain(&queue), [b"two".to_vec(), b"three".to_vec()]);
    let (own, queued) = queue.counts();
    assert_eq!(
        (
            own.get(Counter::Made),
            own.get(Counter::Sent),
            own.dropped(),
            queued
        ),
        (3, 3, 0, 0)
    );
    let mut sums = queue.own_share().0;
    sums.add_all(&queue.pause().state().gone);
    assert_eq!(
        (
            sums.get(Counter::Made),
            sums.get(Counter::Sent),
            sums.dropped()
        ),
        (3, 3, 0)
    );
}
