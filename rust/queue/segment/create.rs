//! Makes the segment files of this process.

use std::fs::File;
use std::io;
use std::sync::Arc;

use crate::queue::files::directory::Directory;
use crate::queue::files::file_lock::FileLock;
use crate::queue::files::names::{Extension, Name};
use crate::queue::fork;
use crate::queue::machine::pause;
use crate::queue::protocol::layout::Preamble;
use crate::queue::segment::mapping::Mapping;

/// How often a file is made again because an adopter took it for rubbish between `open` and the lock.
const ATTEMPTS: usize = 3;

/// A fresh segment in `directory`, with what `initialise` puts into it; none if `initialise` returns `false`.
pub fn create(
    directory: &Arc<Directory>,
    file_bytes: u64,
    initialise: &dyn Fn(&Mapping) -> bool,
) -> io::Result<(Mapping, FileLock)> {
    let mut attempt = 1;
    loop {
        match create_file(directory, file_bytes, initialise) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && attempt < ATTEMPTS => {
                attempt += 1;
            }
            result => return result,
        }
    }
}

/// Lock, allocate, initialise, rename: in this order, nobody ever finds a segment that is not whole, and nobody takes
/// one whose creator lives. `NotFound` if an adopter removed the file before it was locked.
fn create_file(
    directory: &Arc<Directory>,
    file_bytes: u64,
    initialise: &dyn Fn(&Mapping) -> bool,
) -> io::Result<(Mapping, FileLock)> {
    let name = Name::own(Extension::Temporary);
    let file = directory.create_file(name)?;
    let locked = FileLock::of_new(directory, name, file);
    if locked.is_err() {
        let _ = directory.unlink(name); // where locks are refused, each try would leave a file
    }
    let Some(mut lock) = locked? else {
        return Err(io::ErrorKind::NotFound.into());
    };
    let made = allocate(lock.file(), file_bytes)
        .and_then(|()| Mapping::of_file(lock.file(), file_bytes))
        .and_then(|mut mapping| {
            let preamble = Preamble {
                file_bytes,
                created_ms: pause::now_ms(),
                creator_pid: std::process::id(),
            };
            mapping.write_preamble(&preamble, fork::random());
            if !initialise(&mapping) {
                return Err(io::ErrorKind::InvalidData.into());
            }
            lock.rename(Extension::Segment)?;
            Ok(mapping)
        });
    match made {
        Ok(mapping) => Ok((mapping, lock)),
        Err(error) => {
            // A child that this process has just forked has the descriptor too, until it executes a program or ends. Without
            // the cut, the file's blocks would stay in use until then, and the smaller file that is tried next would find
            // no room. Nothing is mapped.
            let _ = lock.file().set_len(0);
            lock.unlink();
            Err(error)
        }
    }
}

/// Reserves every block now: a store into a page that a full file system cannot provide is a SIGBUS, this an `ENOSPC`.
#[cfg(all(
    any(target_os = "linux", target_os = "android", target_os = "freebsd"),
    not(elsewhere)
))]
fn allocate(file: &File, file_bytes: u64) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    /// Small steps, so that a process with a fast interval timer makes progress between two signals: tmpfs undoes an interrupted
    /// call.
    const STEP: u64 = 256 * 1024;
    const INTERRUPTIONS: usize = 100;

    let (mut offset, mut interruptions) = (0, 0);
    while offset < file_bytes {
        let step = STEP.min(file_bytes - offset);
        let (from, length) = (libc::off_t::try_from(offset), libc::off_t::try_from(step));
        let (Ok(from), Ok(length)) = (from, length) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        // SAFETY: touches no memory of ours; the descriptor is open as long as `file` is borrowed.
        match unsafe { libc::posix_fallocate(file.as_raw_fd(), from, length) } {
            0 => offset += step,
            libc::EINTR if interruptions < INTERRUPTIONS => interruptions += 1,
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
    Ok(())
}

/// Where the call is missing, writing zeros reserves as much.
#[cfg(not(all(
    any(target_os = "linux", target_os = "android", target_os = "freebsd"),
    not(elsewhere)
)))]
fn allocate(file: &File, file_bytes: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt;

    use crate::queue::protocol::layout;

    let zeros = vec![0; 64 * 1024];
    let mut offset = 0;
    while offset < file_bytes {
        let step = zeros.len().min(layout::index(file_bytes - offset));
        file.write_all_at(&zeros[..step], offset)?;
        offset += step as u64;
    }
    Ok(())
}
