//! Other users and mounted file systems: `make as-root` runs these tests, which are ignored otherwise.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::VecDeque;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::thread;

use common::{adopt_until, adopter, drain, files, options, refused};
use readme_metrics_core::counters::DropReason;
use readme_metrics_core::queue::{Adopted, Options, Queue, Refusal};
use readme_metrics_core::sync::{AtomicU64, Ordering};
use tempfile::{TempDir, tempdir};

/// Another user.
const NOBODY: u32 = 65534;

#[test]
#[ignore = "needs root: make as-root"]
fn refuses_what_belongs_to_somebody_else() {
    let rung = tempdir().unwrap();
    let app = rung.path().join("app");
    fs::create_dir(&app).unwrap();
    fs::set_permissions(&app, Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::chown(&app, Some(NOBODY), None).unwrap();
    refused(rung.path(), "belongs to another user");
    fs::remove_dir(&app).unwrap();
    // A directory of ours may be in another user's directory.
    std::os::unix::fs::chown(rung.path(), Some(NOBODY), None).unwrap();
    assert!(Queue::open(&options(rung.path())).directory().is_some());
}

#[test]
#[ignore = "needs root: make as-root"]
fn leaves_alone_a_file_of_another_user() {
    let rung = tempdir().unwrap();
    let queue = adopter(&rung);
    let app = queue.directory().unwrap();
    let foreign = app.join("00000000deadbeef-7.seg");
    fs::write(&foreign, b"?").unwrap();
    std::os::unix::fs::chown(&foreign, Some(NOBODY), None).unwrap();
    // A scan removes temporary files: when this one is gone, the scan has seen the other file.
    fs::write(app.join("00000000deadbeef-8.tmp"), b"").unwrap();
    adopt_until(&queue, |_| !app.join("00000000deadbeef-8.tmp").exists());
    assert_eq!(queue.adopt(), Adopted::default());
    queue.close();
    assert_eq!(files(&app), [("00000000deadbeef-7.seg".into(), 1)]);
}

/// A user who may write to the parent moves our directory away and puts another one in its place.
#[test]
#[ignore = "needs root: make as-root"]
fn nothing_is_written_into_another_users_directory() {
    let (rung, next) = (tempdir().unwrap(), tempdir().unwrap());
    fs::set_permissions(rung.path(), Permissions::from_mode(0o777)).unwrap();
    let queue = Queue::open(&Options {
        directories: vec![rung.path().to_owned(), next.path().to_owned()],
        ..options(rung.path())
    });
    queue.push(b"secret").unwrap();
    let app = rung.path().join("app");
    fs::rename(&app, rung.path().join("moved")).unwrap();
    fs::create_dir(&app).unwrap();
    std::os::unix::fs::chown(&app, Some(NOBODY), None).unwrap();
    queue.pause().failed(1, "before the next call");
    queue.push(&vec![1; 100_000]).unwrap();
    queue.adopt();
    queue.pause().failed(1, "after it");
    queue.push(&vec![1; 1_000_000]).unwrap();
    queue.close();
    assert_eq!(fs::read_dir(&app).unwrap().count(), 0);
    let heir = Queue::open(&options(next.path()));
    adopt_until(&heir, |adopted| adopted.entries == 3);
}

/// A mounted tmpfs.
struct Tmpfs(TempDir);

impl Tmpfs {
    fn mount(options: &str) -> Tmpfs {
        let point = tempdir().unwrap();
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "none"])
            .arg(point.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        Tmpfs(point)
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
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(self.0.path())
            .output();
    }
}

#[test]
#[ignore = "needs root: make as-root"]
fn a_tiny_or_full_file_system_is_refused_not_a_bus_error() {
    for size in ["size=8k", "size=60k", "nr_inodes=2"] {
        let tmpfs = Tmpfs::mount(size);
        refused(tmpfs.0.path(), "No space left");
        assert_eq!(
            files(&tmpfs.0.path().join("app")).len() * usize::from(size != "nr_inodes=2"),
            0
        );
    }
}

/// Runs `work` in an app that keeps forking. Until a child ends, it has all descriptors of its parent, even those of
/// files that could not be made.
fn while_forking(work: impl FnOnce()) {
    let is_over = AtomicU64::new(0);
    let fork = || {
        // SAFETY: the child sleeps and leaves by `_exit`.
        unsafe {
            let pid = libc::fork();
            if pid == 0 {
                libc::usleep(30_000);
                libc::_exit(0);
            }
            pid
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut children = VecDeque::new();
            while is_over.load(Ordering::Relaxed) == 0 || !children.is_empty() {
                if is_over.load(Ordering::Relaxed) == 0 {
                    children.push_back(fork());
                }
                if children.len() > 20 || is_over.load(Ordering::Relaxed) > 0 {
                    let child = children.pop_front().unwrap();
                    // SAFETY: nothing is to be stored.
                    unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
                }
            }
        });
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        is_over.store(1, Ordering::Relaxed);
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    });
}

#[test]
#[ignore = "needs root: make as-root"]
fn growth_that_finds_no_room_refuses_the_newest() {
    while_forking(|| {
        for round in 0..8 {
            let tmpfs = Tmpfs::mount("size=4m");
            let queue = Queue::open(&options(tmpfs.0.path()));
            let mut accepted = Vec::new();
            for number in 0..3000_u32 {
                let entry = number.to_le_bytes().repeat(500);
                match queue.push(&entry) {
                    Ok(_) => accepted.push(entry),
                    Err(refusal) => assert_eq!(refusal, Refusal::Dropped(DropReason::NoSpace)),
                }
            }
            let app = tmpfs.0.path().join("app");
            let held: u64 = files(&app).iter().map(|(_, bytes)| bytes).sum();
            assert_eq!(held, 4 << 20, "growth halves down to what is left");
            assert!(accepted.len() > 2050, "{} in round {round}", accepted.len());
            let segments = queue.segment_count();
            assert!(accepted == drain(&queue));
            assert_eq!(
                queue.segment_count(),
                segments,
                "the segments stay for the next burst"
            );
            assert!(queue.push(&[1; 2000]).is_ok());
        }
    });
}

#[test]
#[ignore = "needs root: make as-root"]
fn a_read_only_or_noexec_file_system() {
    let tmpfs = Tmpfs::mount("noexec,size=8m");
    assert!(Queue::open(&options(tmpfs.0.path())).directory().is_some());
    tmpfs.remount("remount,ro");
    refused(tmpfs.0.path(), "Read-only");
}

/// Root opens a queue, and a forked worker gives up root: it must not use root's directory and takes the next rung.
#[test]
#[ignore = "needs root: make as-root"]
fn root_then_unprivileged() {
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
            && own.directory().as_deref() == Some(&*expected)
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
    // Root does not read the orphan of user `nobody`.
    let root = Queue::open(&options(second.path()));
    assert_eq!(root.directory(), None);
}
