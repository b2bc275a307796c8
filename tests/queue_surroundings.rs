//! Hostile or poor surroundings: whatever lies about, a queue opens, and nothing is followed, mapped or believed unchecked.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;

use std::ffi::CString;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use common::{adopt_until, drain, files, options};
use readme_metrics_core::counters::DropReason;
use readme_metrics_core::queue::{Adopted, Options, Queue, Refusal};
use tempfile::{TempDir, tempdir};

/// Another user.
const NOBODY: u32 = 65534;
/// A file name of a process that is no more.
const DEAD: &str = "00000000deadbeef-1.seg";
/// Offsets in the header, as the module documentation draws them.
const VERSION: u64 = 8;
const SIZE: u64 = 16;
const CAPACITY: u64 = 24;
const TAIL: u64 = 128;
const HEAD: u64 = 256;
const DATA: u64 = 4096;

fn refused(rung: &Path, reason: &str) {
    let queue = Queue::open(&options(rung));
    assert_eq!(queue.directory(), None);
    assert_eq!(queue.refusals().len(), 1);
    assert!(
        queue.refusals()[0].contains(reason),
        "{:?}",
        queue.refusals()
    );
    assert_eq!(queue.push(b"private"), Ok(1));
    assert_eq!(drain(&queue), [b"private".to_vec()]);
}

fn is_root() -> bool {
    // SAFETY: cannot fail and touches no memory.
    let root = unsafe { libc::geteuid() } == 0;
    if !root {
        println!("skipped: needs root");
    }
    root
}

#[test]
fn refuses_directories_that_others_could_reach() {
    let rung = tempdir().unwrap();
    let app = rung.path().join("app");
    refused(&rung.path().join("missing"), "No such file");

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

    fs::set_permissions(rung.path(), Permissions::from_mode(0o777)).unwrap();
    refused(rung.path(), "writable by other users");
    fs::set_permissions(rung.path(), Permissions::from_mode(0o1777)).unwrap();
    assert!(Queue::open(&options(rung.path())).directory().is_some());
}

#[test]
fn refuses_what_belongs_to_somebody_else() {
    if !is_root() {
        return;
    }
    let rung = tempdir().unwrap();
    let app = rung.path().join("app");
    fs::create_dir(&app).unwrap();
    fs::set_permissions(&app, Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::chown(&app, Some(NOBODY), None).unwrap();
    refused(rung.path(), "belongs to another user");
    fs::remove_dir(&app).unwrap();
    std::os::unix::fs::chown(rung.path(), Some(NOBODY), None).unwrap();
    refused(rung.path(), "belongs to another user");
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
    fs::set_permissions(full.path(), Permissions::from_mode(0o777)).unwrap();
    let directories = [full.path(), good.path(), spare.path()]
        .map(Path::to_owned)
        .to_vec();
    let queue = Queue::open(&Options {
        directories,
        ..options(full.path())
    });
    assert_eq!(queue.directory(), Some(&*good.path().join("app")));
    assert_eq!(queue.refusals().len(), 1);
    assert_eq!(files(spare.path()), []);
    for (_, bytes) in files(&good.path().join("app")) {
        assert_eq!(bytes, 1 << 20);
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

fn adopter(rung: &TempDir) -> Queue {
    Queue::open(&options(rung.path()))
}

#[test]
fn sets_aside_files_that_are_no_segments() {
    type Damage = fn(&File);
    let damages: [(&str, Damage); 12] = [
        ("empty", |file| file.set_len(0).unwrap()),
        ("cut in the preamble", |file| file.set_len(40).unwrap()),
        ("cut after the header", |file| file.set_len(4096).unwrap()),
        ("cut in the data", |file| file.set_len(8192).unwrap()),
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
        // Where the preamble is sound so are the counters, which tell how many entries are lost with the ring.
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
        assert_eq!(files(queue.directory().unwrap()).len(), 1, "{name}");
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
    assert_eq!(files(queue.directory().unwrap()).len(), 1);
}

#[test]
fn an_own_segment_that_is_scribbled_on_is_replaced_and_counted() {
    for offset in [HEAD, TAIL, DATA] {
        let rung = tempdir().unwrap();
        let queue = adopter(&rung);
        for entry in [b"one", b"two"] {
            queue.push(entry).unwrap();
        }
        let app = queue.directory().unwrap().to_owned();
        // By another process: closing a descriptor of it in this one would drop the lock.
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
    let mut expected = files(&app);
    if is_root() {
        let foreign = app.join("00000000deadbeef-7.seg");
        fs::write(&foreign, b"?").unwrap();
        std::os::unix::fs::chown(&foreign, Some(NOBODY), None).unwrap();
        expected = files(&app);
    }

    let queue = adopter(&rung);
    queue.push(b"own").unwrap();
    // A temporary file goes: when it has gone, a scan has seen the rest.
    fs::write(app.join("00000000deadbeef-8.tmp"), b"").unwrap();
    adopt_until(&queue, |_| !app.join("00000000deadbeef-8.tmp").exists());
    assert_eq!(queue.adopt(), Adopted::default());
    assert_eq!(drain(&queue), [b"own".to_vec()]);
    queue.close();
    assert_eq!(files(&app), expected);
    assert_eq!(fs::read(&target).unwrap(), b"precious");
}

#[test]
fn a_segment_of_another_version_goes_after_a_day() {
    let rung = tempdir().unwrap();
    let file = orphan(&rung, &[b"of an earlier version"]);
    file.write_all_at(&0_u32.to_le_bytes(), VERSION).unwrap();
    let yesterday = std::time::SystemTime::now() - std::time::Duration::from_hours(25);
    file.set_modified(yesterday).unwrap();
    drop(file);
    let queue = adopter(&rung);
    adopt_until(&queue, |adopted| adopted.corrupt_segments == 1);
    assert_eq!(files(queue.directory().unwrap()).len(), 1);
}

/// A creator killed after each of its steps.
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
fn orphans_are_bounded_oldest_first() {
    let rung = tempdir().unwrap();
    let count = 80;
    for number in 0..count {
        let queue = adopter(&rung);
        queue.push(&[number]).unwrap();
        queue.close();
        let app = rung.path().join("app");
        let old =
            std::time::SystemTime::now() - std::time::Duration::from_secs(3600 - u64::from(number));
        for (name, _) in files(&app)
            .into_iter()
            .filter(|(name, _)| name.ends_with("-0.seg"))
        {
            let to = app.join(format!("00000000deadbeef-{}.seg", number + 1));
            fs::rename(app.join(name), &to).unwrap();
            File::open(to).unwrap().set_modified(old).unwrap();
        }
    }
    let queue = adopter(&rung);
    let adopted = adopt_until(&queue, |adopted| adopted.segments == 8);
    // 8 leased, 64 wait.
    assert_eq!((adopted.dropped_segments, adopted.dropped_entries), (8, 8));
    let mut delivered = Vec::new();
    while files(queue.directory().unwrap()).len() > 1 {
        assert!(queue.segment_count() <= 9);
        delivered.extend(drain(&queue).concat());
        queue.adopt();
    }
    delivered.extend(drain(&queue).concat());
    let expected: Vec<u8> = (0..count)
        .filter(|number| !(8..16).contains(number))
        .collect();
    assert_eq!(delivered, expected);
}

#[test]
fn a_removed_file_or_directory_costs_nothing_that_is_not_killed() {
    let rung = tempdir().unwrap();
    let queue = adopter(&rung);
    queue.push(b"one").unwrap();
    let app = queue.directory().unwrap().to_owned();
    fs::remove_dir_all(&app).unwrap();
    queue.push(b"two").unwrap();
    fs::create_dir(&app).unwrap();
    fs::set_permissions(&app, Permissions::from_mode(0o700)).unwrap();
    fs::write(app.join("00000000deadbeef-1.tmp"), b"").unwrap();
    adopt_until(&queue, |_| files(&app).is_empty());
    queue.push(b"three").unwrap();
    assert_eq!(files(&app).len(), 1, "the third went into a file again");
    assert_eq!(
        drain(&queue),
        [b"one".to_vec(), b"two".to_vec(), b"three".to_vec()]
    );
}

/// A mounted tmpfs of so many bytes; `None`, with a reason, where mounting is not allowed.
struct Tmpfs(TempDir);

impl Tmpfs {
    fn mount(options: &str) -> Option<Tmpfs> {
        let point = tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "none"])
            .arg(point.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Tmpfs(point)),
            other => {
                println!("skipped: no tmpfs can be mounted here: {other:?}");
                None
            }
        }
    }

    fn remount(&self, options: &str) {
        let output = Command::new("mount")
            .args(["-o", options])
            .arg(self.0.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).output();
    }
}

#[test]
fn a_tiny_or_full_file_system_is_refused_not_a_bus_error() {
    for size in ["size=64k", "size=1020k", "nr_inodes=2"] {
        let Some(tmpfs) = Tmpfs::mount(size) else {
            return;
        };
        refused(tmpfs.0.path(), "No space left");
        assert_eq!(
            files(&tmpfs.0.path().join("app")).len() * usize::from(size != "nr_inodes=2"),
            0
        );
    }
}

#[test]
fn growth_that_finds_no_room_refuses_the_newest() {
    let Some(tmpfs) = Tmpfs::mount("size=4m") else {
        return;
    };
    let queue = Queue::open(&options(tmpfs.0.path()));
    let mut accepted = Vec::new();
    for number in 0..10_000_u32 {
        let entry = number.to_le_bytes().repeat(500);
        match queue.push(&entry) {
            Ok(_) => accepted.push(entry),
            Err(refusal) => assert_eq!(refusal, Refusal::Dropped(DropReason::NoSpace)),
        }
    }
    let held: u64 = files(queue.directory().unwrap())
        .iter()
        .map(|(_, bytes)| bytes)
        .sum();
    assert!(
        held > (4 << 20) - 3 * 64 * 1024,
        "{held} of 4 MiB are used: growth did not halve"
    );
    assert!(accepted.len() > 1850, "{}", accepted.len());
    let segments = queue.segment_count();
    assert!(accepted == drain(&queue));
    assert_eq!(
        queue.segment_count(),
        segments,
        "they stay for the next burst"
    );
    assert!(queue.push(&[1; 2000]).is_ok());
}

#[test]
fn a_read_only_or_noexec_file_system() {
    let Some(tmpfs) = Tmpfs::mount("noexec,size=8m") else {
        return;
    };
    assert!(Queue::open(&options(tmpfs.0.path())).directory().is_some());
    tmpfs.remount("remount,ro");
    refused(tmpfs.0.path(), "Read-only");
}

/// Root opens a queue, a forked worker gives up root: it is refused root's directory and takes the next rung.
#[test]
fn root_then_unprivileged() {
    if !is_root() {
        return;
    }
    let (first, second) = (tempdir().unwrap(), tempdir().unwrap());
    for rung in [&first, &second] {
        fs::set_permissions(rung.path(), Permissions::from_mode(0o1777)).unwrap();
    }
    let queue = Queue::open(&options(first.path()));
    queue.push(b"root's").unwrap();
    let directories = vec![first.path().to_owned(), second.path().to_owned()];
    let expected = second.path().join("app");
    // SAFETY: the child opens a queue of its own and leaves by `_exit`; allocation after a fork is allowed by the C library.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: changes this process alone; a failure shows in the result.
        let dropped = unsafe { libc::setgid(NOBODY) == 0 && libc::setuid(NOBODY) == 0 };
        let own = Queue::open(&Options {
            directories,
            ..options(first.path())
        });
        let good = dropped
            && queue.push(b"x") == Err(Refusal::Forked)
            && own.directory() == Some(&*expected)
            && own.refusals().len() == 1
            && own.push(b"worker's") == Ok(1)
            && own.adopt().segments == 0;
        // SAFETY: ends this process without touching its parent's state.
        unsafe { libc::_exit(i32::from(!good)) };
    }
    let mut status = -1;
    // SAFETY: `status` outlives the call.
    unsafe { libc::waitpid(pid, &raw mut status, 0) };
    assert_eq!(status, 0);
    assert_eq!(drain(&queue), [b"root's".to_vec()]);
    // Nobody's orphan is not root's to read.
    let root = Queue::open(&options(second.path()));
    assert_eq!(root.directory(), None);
}
