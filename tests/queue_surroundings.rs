//! Hostile or poor surroundings: a queue opens in all of them, and follows, maps and trusts nothing unchecked.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::ffi::CString;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use common::{adopt_until, adopter, drain, files, options, refused, shared_bytes};
use readme_metrics_core::counters::Counter;
use readme_metrics_core::queue::{Adopted, Options, Queue};
use tempfile::{TempDir, tempdir};

/// The file name of a process that has ended.
const DEAD: &str = "00000000deadbeef-1.seg";
/// Offsets in the header, as the module documentation draws them.
const VERSION: u64 = 8;
const SIZE: u64 = 16;
const CAPACITY: u64 = 24;
const TAIL: u64 = 128;
const HEAD: u64 = 256;
const DATA: u64 = 4096;

#[test]
fn refuses_directories_that_others_could_reach() {
    let rung = tempdir().unwrap();
    let app = rung.path().join("app");
    fs::create_dir(&app).unwrap();
    fs::set_permissions(&app, Permissions::from_mode(0o777)).unwrap();
    refused(rung.path(), "open to other users");
    fs::set_permissions(&app, Permissions::from_mode(0o750)).unwrap();
    refused(rung.path(), "open to other users");
    fs::remove_dir(&app).unwrap();

    let elsewhere = tempdir().unwrap();
    symlink(elsewhere.path(), &app).unwrap();
    refused(rung.path(), "not a directory");
    assert_eq!(files(elsewhere.path()), []);
    fs::remove_file(&app).unwrap();

    File::create(&app).unwrap();
    refused(rung.path(), "not a directory");
    fs::remove_file(&app).unwrap();

    let path = CString::new(app.as_os_str().as_bytes()).unwrap();
    // SAFETY: a path that ends in zero.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    refused(rung.path(), "not a directory");
    fs::remove_file(&app).unwrap();

    assert_eq!(fs::read_dir(rung.path()).unwrap().count(), 0);
}

/// Kubernetes' emptyDir is 0777 without a sticky bit, its volumes with `fsGroup` are 2775 or 2770.
#[test]
fn the_parent_may_be_writable_by_others() {
    for mode in [0o777, 0o1777, 0o2775, 0o2770, 0o770] {
        let rung = tempdir().unwrap();
        fs::set_permissions(rung.path(), Permissions::from_mode(mode)).unwrap();
        let queue = Queue::open(&options(rung.path()));
        assert_eq!(queue.directory(), Some(rung.path().join("app")), "{mode:o}");
        let mode = fs::metadata(rung.path().join("app")).unwrap().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}

/// Kubernetes opens what it finds in a volume to its `fsGroup` each time it mounts the volume.
#[test]
fn a_directory_that_was_opened_to_the_group_of_its_volume_is_closed_again() {
    let rung = tempdir().unwrap();
    drop(orphan(&rung, &[b"of the last pod"]));
    let app = rung.path().join("app");
    fs::set_permissions(&app, Permissions::from_mode(0o2770)).unwrap();
    let queue = adopter(&rung);
    assert_eq!(queue.directory(), Some(app.clone()));
    assert_eq!(fs::metadata(&app).unwrap().mode() & 0o7777, 0o700);
    adopt_until(&queue, |adopted| adopted.entries == 1);
    assert_eq!(drain(&queue), [b"of the last pod".to_vec()]);
}

#[test]
fn a_missing_rung_is_made() {
    let parent = tempdir().unwrap();
    let rung = parent.path().join("run").join("queue");
    let queue = Queue::open(&options(&rung));
    assert_eq!(queue.directory(), Some(rung.join("app")));
    assert_eq!(fs::metadata(&rung).unwrap().mode() & 0o777, 0o700);
    refused(Path::new("/dev/readme-metrics-test"), "not found");
}

#[test]
fn refuses_names_that_are_not_one_component() {
    let rung = tempdir().unwrap();
    for name in ["", ".", "..", "../app", "/tmp", "a/b", "a/", "a\0b"] {
        let queue = Queue::open(&Options {
            name: name.into(),
            ..options(rung.path())
        });
        assert_eq!(queue.directory(), None, "{name:?}");
    }
    assert_eq!(files(rung.path()), []);
}

#[test]
fn takes_the_first_rung_that_will_do() {
    let (full, good, spare) = (tempdir().unwrap(), tempdir().unwrap(), tempdir().unwrap());
    File::create(full.path().join("app")).unwrap();
    let directories = [full.path(), good.path(), spare.path()]
        .map(Path::to_owned)
        .to_vec();
    let queue = Queue::open(&Options {
        directories,
        ..options(full.path())
    });
    assert_eq!(
        queue.directory().as_deref(),
        Some(&*good.path().join("app"))
    );
    assert_eq!(queue.refusals().len(), 1);
    assert_eq!(files(spare.path()), []);
    for (_, bytes) in files(&good.path().join("app")) {
        assert_eq!(bytes, 64 << 10);
    }
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
    let app = good.path().join("app");
    assert_eq!(mode(&app), 0o700);
    assert_eq!(mode(&app.join(&files(&app)[0].0)), 0o600);
    let status = fs::metadata(app.join(&files(&app)[0].0)).unwrap();
    assert!(
        status.blocks() * 512 >= status.len(),
        "not allocated in full"
    );
}

/// A segment that a dead process left, with these entries.
fn orphan(rung: &TempDir, entries: &[&[u8]]) -> File {
    let queue = Queue::open(&options(rung.path()));
    for entry in entries {
        queue.push(entry).unwrap();
    }
    queue.close();
    let app = rung.path().join("app");
    let files = files(&app);
    assert_eq!(files.len(), 1);
    fs::rename(app.join(&files[0].0), app.join(DEAD)).unwrap();
    File::options()
        .read(true)
        .write(true)
        .open(app.join(DEAD))
        .unwrap()
}

#[test]
fn sets_aside_files_that_are_no_segments() {
    type Damage = fn(&File);
    let damages: [(&str, Damage); 12] = [
        ("empty", |file| file.set_len(0).unwrap()),
        ("cut in the preamble", |file| file.set_len(40).unwrap()),
        ("cut after the header", |file| file.set_len(4096).unwrap()),
        ("cut in the data", |file| file.set_len(8191).unwrap()),
        ("longer than it says", |file| file.set_len(2 << 20).unwrap()),
        ("magic", |file| file.write_all_at(b"x", 0).unwrap()),
        ("size", |file| {
            file.write_all_at(&u64::MAX.to_le_bytes(), SIZE).unwrap();
        }),
        ("capacity", |file| {
            file.write_all_at(&8_u64.to_le_bytes(), CAPACITY).unwrap();
        }),
        ("tail before head", |file| {
            file.write_all_at(&64_u64.to_ne_bytes(), HEAD).unwrap();
        }),
        ("tail out of reach", |file| {
            file.write_all_at(&(1_u64 << 40).to_ne_bytes(), TAIL)
                .unwrap();
        }),
        ("tail unaligned", |file| {
            file.write_all_at(&9_u64.to_ne_bytes(), TAIL).unwrap();
        }),
        ("both at the end of time", |file| {
            file.write_all_at(&(u64::MAX - 7).to_ne_bytes(), TAIL)
                .unwrap();
            file.write_all_at(&(u64::MAX - 15).to_ne_bytes(), HEAD)
                .unwrap();
        }),
    ];
    for (name, damage) in damages {
        let rung = tempdir().unwrap();
        damage(&orphan(&rung, &[b"entry"]));
        let queue = adopter(&rung);
        let adopted = adopt_until(&queue, |adopted| adopted.corrupt_segments > 0);
        // Where the preamble is sound, so are the counters, which tell how many entries are lost with the ring.
        let is_ring = name.starts_with("tail") || name.starts_with("both");
        assert_eq!(
            adopted,
            Adopted {
                corrupt_segments: 1,
                corrupt_entries: u64::from(is_ring),
                ..Adopted::default()
            },
            "{name}"
        );
        assert_eq!(files(&queue.directory().unwrap()).len(), 1, "{name}");
        assert_eq!(queue.waiting(), 0, "{name}");
    }
}

#[test]
fn delivers_what_is_sound_before_what_is_not() {
    let rung = tempdir().unwrap();
    let file = orphan(&rung, &[b"one", b"two", b"three", b"four"]);
    file.write_all_at(&[0xFF; 8], DATA + 32).unwrap(); // the header of the third
    let queue = adopter(&rung);
    let adopted = adopt_until(&queue, |adopted| adopted.segments > 0);
    assert_eq!(
        (adopted.segments, adopted.entries, adopted.corrupt_segments),
        (1, 2, 1)
    );
    assert_eq!(drain(&queue), [b"one".to_vec(), b"two".to_vec()]);
    assert_eq!(files(&queue.directory().unwrap()).len(), 1);
}

#[test]
fn an_own_segment_that_is_scribbled_on_is_replaced_and_counted() {
    for offset in [HEAD, TAIL, DATA] {
        let rung = tempdir().unwrap();
        let queue = adopter(&rung);
        for entry in [b"one", b"two"] {
            queue.push(entry).unwrap();
        }
        let app = queue.directory().unwrap();
        // Another process does it: closing a descriptor of the file in this one would drop the lock.
        let file = app.join(&files(&app)[0].0);
        let script = "printf '\\377\\377\\377\\377\\377\\377\\377\\377' | dd of=\"$0\" bs=1 seek=\"$1\" conv=notrunc";
        let status = Command::new("sh")
            .args(["-c", script])
            .arg(&file)
            .arg(offset.to_string())
            .output()
            .unwrap()
            .status;
        assert!(status.success());

        assert!(queue.peek(10, |_| true).is_none());
        let lost = adopt_until(&queue, |adopted| adopted.corrupt_segments > 0);
        assert_eq!((lost.corrupt_segments, lost.corrupt_entries), (1, 2));
        assert_eq!((queue.waiting(), queue.waiting_bytes()), (0, 0));
        assert_eq!(queue.push(b"three"), Ok(1));
        assert_eq!(drain(&queue), [b"three".to_vec()]);
        assert_eq!(files(&app).len(), 1);
    }
}

#[test]
fn leaves_alone_what_it_does_not_know() {
    let rung = tempdir().unwrap();
    let file = orphan(&rung, &[b"of a later version"]);
    file.write_all_at(&u32::MAX.to_le_bytes(), VERSION).unwrap();
    drop(file);
    let app = rung.path().join("app");
    let target = rung.path().join("precious");
    fs::write(&target, b"precious").unwrap();
    symlink(&target, app.join("00000000deadbeef-2.seg")).unwrap();
    symlink(&target, app.join("00000000deadbeef-2.tmp")).unwrap();
    fs::create_dir(app.join("00000000deadbeef-3.seg")).unwrap();
    fs::hard_link(&target, app.join("00000000deadbeef-4.seg")).unwrap();
    fs::write(app.join("README"), b"?").unwrap();
    fs::write(app.join("DEADBEEF-5.seg"), b"?").unwrap();
    let fifo = CString::new(app.join("00000000deadbeef-6.seg").as_os_str().as_bytes()).unwrap();
    // SAFETY: a path that ends in zero.
    assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
    let expected = files(&app);

    let queue = adopter(&rung);
    queue.push(b"own").unwrap();
    // A scan removes temporary files: when this one is gone, the scan has seen the other files.
    fs::write(app.join("00000000deadbeef-8.tmp"), b"").unwrap();
    adopt_until(&queue, |_| !app.join("00000000deadbeef-8.tmp").exists());
    assert_eq!(queue.adopt(), Adopted::default());
    assert_eq!(drain(&queue), [b"own".to_vec()]);
    queue.close();
    assert_eq!(files(&app), expected);
    assert_eq!(fs::read(&target).unwrap(), b"precious");
}

/// Two versions side by side, during a deploy: each delivers its own logs.
#[test]
fn a_segment_of_another_version_is_left_alone_and_named() {
    let rung = tempdir().unwrap();
    let file = orphan(&rung, &[b"of an earlier version"]);
    file.write_all_at(&1_u32.to_le_bytes(), VERSION).unwrap();
    let before = std::time::SystemTime::now() - std::time::Duration::from_hours(25);
    file.set_modified(before).unwrap();
    drop(file);
    let app = rung.path().join("app");
    let queue = adopter(&rung);
    fs::write(app.join("00000000deadbeef-8.tmp"), b"").unwrap();
    adopt_until(&queue, |_| !app.join("00000000deadbeef-8.tmp").exists());
    assert_eq!(files(&app).len(), 2);
    let survey = readme_metrics_core::queue::survey(&app).unwrap();
    let [found] = &survey.segments[..] else {
        panic!("one segment of another process");
    };
    let defect = found.defect.as_deref().unwrap();
    assert!(defect.contains("version 1"), "{defect}");
}

/// A process is killed after each step of making a segment.
#[test]
fn remains_of_a_creator_are_removed() {
    let rung = tempdir().unwrap();
    drop(orphan(&rung, &[b"entry"]));
    let app = rung.path().join("app");
    let whole = fs::read(app.join(DEAD)).unwrap();
    fs::remove_file(app.join(DEAD)).unwrap();
    fs::write(app.join("00000000deadbeef-2.tmp"), b"").unwrap(); // after open, or after lock
    fs::write(app.join("00000000deadbeef-3.tmp"), vec![0; 1 << 19]).unwrap(); // while allocating
    fs::write(app.join("00000000deadbeef-4.tmp"), vec![0; 1 << 20]).unwrap(); // after allocating
    fs::write(app.join("00000000deadbeef-5.tmp"), &whole).unwrap(); // after the preamble
    let queue = adopter(&rung);
    adopt_until(&queue, |_| files(&app).len() == 1);
    assert_eq!(queue.adopt(), Adopted::default());
}

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
