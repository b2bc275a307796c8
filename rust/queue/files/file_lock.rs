//! The lock that says a file's process is alive: a POSIX record lock over the whole file.
//!
//! The kernel frees the lock when the process dies, however it dies, and a forked child does not inherit the lock (`flock` and
//! open file description locks are inherited, so a child would keep its dead parent's files locked). The drawback: the lock
//! belongs to the process, and closing *any* descriptor of the file drops it. So we never open a file whose name says that this
//! process holds it ([`crate::queue::files::directory::Name`]), and each holder keeps its descriptor until it is done.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::queue::files::directory::{Directory, effective_uid};
use crate::queue::files::names::{Extension, Name};

/// Takes the lock if it is free or ours, without waiting; `false` if another process has it.
pub fn try_lock(file: &File) -> io::Result<bool> {
    // SAFETY: `flock` is plain integers, for which zeros are valid; its layout differs between systems.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    #[allow(clippy::cast_possible_truncation)]
    // one-digit constants; their types differ between systems
    {
        lock.l_type = libc::F_WRLCK as libc::c_short;
        lock.l_whence = libc::SEEK_SET as libc::c_short;
    }
    // Start 0 and length 0: the whole file, however long.
    // SAFETY: the descriptor is open as long as `file` is borrowed, and `lock` outlives the call.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &raw const lock) } == 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EACCES | libc::EAGAIN) => Ok(false),
        _ => Err(error),
    }
}

/// Tries to take the lock until `patience` is over; for a lock that is held for microseconds.
pub fn lock_within(file: &File, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        let locked = matches!(try_lock(file), Ok(true));
        if locked || Instant::now() >= deadline {
            return locked;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The process that holds the lock: `None` if the lock is free, 0 if this process cannot see the holder (another container).
pub fn holder(file: &File) -> Option<u32> {
    // SAFETY: `flock` is plain integers, for which zeros are valid.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    #[allow(clippy::cast_possible_truncation)] // as in `try_lock`
    {
        lock.l_type = libc::F_WRLCK as libc::c_short;
        lock.l_whence = libc::SEEK_SET as libc::c_short;
    }
    // SAFETY: the descriptor is open as long as `file` is borrowed, and `lock` outlives the call.
    let asked = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETLK, &raw mut lock) } == 0;
    #[allow(clippy::cast_possible_truncation)]
    let is_free = lock.l_type == libc::F_UNLCK as libc::c_short;
    (asked && !is_free).then(|| u32::try_from(lock.l_pid).unwrap_or(0))
}

/// A file that this process has locked, under a name of its own. Dropping this closes the file, which frees the lock.
pub struct FileLock {
    directory: Arc<Directory>,
    name: Name,
    file: File,
}

impl FileLock {
    /// Locks a file that this process has just created under a name of its own. `None` if an adopter was faster.
    pub fn of_new(
        directory: &Arc<Directory>,
        name: Name,
        file: File,
    ) -> io::Result<Option<FileLock>> {
        Ok(try_lock(&file)?.then(|| FileLock {
            directory: Arc::clone(directory),
            name,
            file,
        }))
    }

    /// Opens and locks a file of another process. `None` if that process lives, or if the file is not a segment.
    pub fn lock(directory: &Directory, found: Name) -> io::Result<Option<File>> {
        if found.is_own() {
            return Ok(None); // opening and closing it would drop our own lock
        }
        let file = directory.open(found)?;
        let status = file.metadata()?;
        if !status.is_file() || status.uid() != effective_uid() || status.nlink() != 1 {
            return Ok(None);
        }
        Ok(try_lock(&file)?.then_some(file))
    }

    /// Takes over `found`, which is locked through `file`, by renaming it. `None` if another process was faster.
    ///
    /// A name is never used for a second file, so the rename can only move the file that is locked here: if another process had
    /// adopted it between our `open` and our lock, the name would be gone.
    pub fn adopt(
        directory: &Arc<Directory>,
        found: Name,
        file: File,
    ) -> io::Result<Option<FileLock>> {
        let name = Name::own(Extension::Segment);
        match directory.rename(found, name) {
            Ok(()) => Ok(Some(FileLock {
                directory: Arc::clone(directory),
                name,
                file,
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// Gives the file another extension of the same name.
    pub fn rename(&mut self, extension: Extension) -> io::Result<()> {
        let name = self.name.with(extension);
        self.directory.rename(self.name, name)?;
        self.name = name;
        Ok(())
    }

    /// Takes the lock again, since something in this process may have opened and closed the file (a backup, a `copytree`), which
    /// drops the lock. Returns whether the file still has its name and the lock is ours.
    pub fn renew(&self) -> bool {
        self.is_linked() && matches!(try_lock(&self.file), Ok(true))
    }

    /// Whether the file still has a name.
    pub fn is_linked(&self) -> bool {
        self.file.metadata().is_ok_and(|status| status.nlink() > 0)
    }

    /// Renames this file to the name of another file of this process, which is thereby removed.
    pub fn replace(&mut self, other: &FileLock) -> io::Result<()> {
        self.directory.rename(self.name, other.name)?;
        self.name = other.name;
        Ok(())
    }

    /// The bytes that the file takes on the file system.
    pub fn bytes(&self) -> u64 {
        self.file
            .metadata()
            .map_or(0, |status| 512 * status.blocks())
    }

    /// Removes the file. To be called before the file is closed, so that no process finds it unlocked.
    pub fn unlink(&self) {
        let _ = self.directory.unlink(self.name);
    }

    /// Gives the file a name that no process owns, so that this process can adopt it too. Drop `self` under the same
    /// [`ScanLock`](crate::queue::scan_lock::ScanLock): if it is closed after another thread has adopted the file, that thread
    /// loses its lock.
    pub fn disown(&self, nobodys: Name) -> io::Result<()> {
        self.directory.rename(self.name, nobodys)
    }
}
