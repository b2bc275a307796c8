//! Damaged, unfinished or unknown files in the queue directory: a queue follows, maps and trusts nothing unchecked.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::ffi::CString;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, symlink};
use std::process::Command;

use common::{DEAD, adopt_until, adopter, drain, files, orphan};
use readme_metrics_core::queue::Adopted;
use tempfile::tempdir;

/// Offsets in the header, as the module documentation draws them.
const VERSION: u64 = 8;
const SIZE: u64 = 16;
const CAPACITY: u64 = 24;
const TAIL: u64 = 128;
const HEAD: u64 = 256;
const DATA: u64 = 4096;

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
