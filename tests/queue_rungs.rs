//! Where a queue opens: in the first rung that is safe and usable, else in private memory.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::ffi::CString;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use common::{adopt_until, adopter, drain, files, options, orphan, refused};
use readme_metrics_core::queue::{Options, Queue};
use tempfile::tempdir;

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
