//! The app's directory on one rung of the ladder.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use crate::queue::files::filesystem;
use crate::queue::files::names::Name;

/// `S_ISVTX`, whose type differs between systems.
const STICKY: u32 = 0o1000;
/// With the version of its layout: each version of this library has a file of its own, so that two of them side by side
/// (a deploy) do not undo each other's.
const STATE_FILE: &str = "state-2";

/// One file as a listing shows it.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub name: Name,
    pub bytes: u64,
    /// Seconds since 1970. Of a segment: its creation, since stores through a mapping need not show.
    pub modified: i64,
}

/// A directory that only this user can reach, on a local file system.
///
/// Files are named by path: nobody else can put another directory in its place, since its parent is sticky or ours.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
}

impl Directory {
    /// Creates or opens `rung/name`; the error says why that must not be used.
    pub fn create(rung: &Path, name: &str) -> Result<Directory, String> {
        let mut components = Path::new(name).components();
        if !matches!((components.next(), components.next()), (Some(Component::Normal(only)), None) if only == name)
        {
            return Err(format!("{name:?} is not the name of a directory"));
        }
        let path = rung.join(name);
        let say = |what: &str| format!("{}: {what}", path.display());
        check_rung(rung)?;
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(say(&error.to_string()))
            }
            _ => Directory::check(path),
        }
    }

    /// Opens `rung/name` if it is there and passes the same checks.
    pub fn existing(rung: &Path, name: &str) -> Option<Directory> {
        fs::symlink_metadata(rung.join(name)).ok()?;
        Directory::create(rung, name).ok()
    }

    /// One that is there, by its full path.
    pub fn at(path: &Path) -> Result<Directory, String> {
        Directory::check(path.to_path_buf())
    }

    fn check(path: PathBuf) -> Result<Directory, String> {
        let say = |what: &str| format!("{}: {what}", path.display());
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(&path);
        let directory = opened.map_err(|error| match error.raw_os_error() {
            Some(libc::ENOTDIR | libc::ELOOP) => say("not a directory"),
            _ => say(&error.to_string()),
        })?;
        let status = directory
            .metadata()
            .map_err(|error| say(&error.to_string()))?;
        if status.uid() != effective_uid() {
            return Err(say("belongs to another user"));
        }
        if status.mode() & 0o077 != 0 {
            return Err(say("is open to other users"));
        }
        if let Some(reason) = filesystem::unfit(&directory) {
            return Err(say(&reason));
        }
        Ok(Directory { path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A new file, for this user alone.
    pub fn create_file(&self, name: Name) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW);
        options.open(self.file(name))
    }

    /// A file that is there. Never follows a symlink, never waits for a FIFO.
    pub fn open(&self, name: Name) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        options.open(self.file(name))
    }

    /// The file that the processes of the host share; a file of no length if it is to be made.
    pub fn open_state(&self, create: bool) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(create)
            .create(create)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let file = options.open(self.path.join(STATE_FILE))?;
        let status = file.metadata()?;
        if status.is_file() && status.nlink() == 1 {
            Ok(file)
        } else {
            Err(io::ErrorKind::InvalidInput.into())
        }
    }

    pub fn rename(&self, from: Name, to: Name) -> io::Result<()> {
        fs::rename(self.file(from), self.file(to))
    }

    pub fn unlink(&self, name: Name) -> io::Result<()> {
        fs::remove_file(self.file(name))
    }

    /// The regular files of other processes, oldest first. What else lies here is not ours to touch.
    pub fn others(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let Ok(entry) = entry else { continue };
            let Some(name) = entry.file_name().to_str().and_then(Name::parse) else {
                continue;
            };
            if name.is_own() {
                continue;
            }
            let Ok(status) = entry.metadata() else {
                continue;
            }; // of the entry itself, not of what a symlink names
            if status.is_file() {
                entries.push(Entry {
                    name,
                    bytes: status.len(),
                    modified: status.mtime(),
                });
            }
        }
        entries.sort_by_key(|entry| (entry.modified, entry.name.sequence));
        Ok(entries)
    }

    fn file(&self, name: Name) -> PathBuf {
        self.path.join(name.to_string())
    }
}

/// Whoever can rename in the rung could put a directory of his own in place of ours.
fn check_rung(rung: &Path) -> Result<(), String> {
    let say = |what: &str| format!("{}: {what}", rung.display());
    let status = fs::metadata(rung).map_err(|error| say(&error.to_string()))?;
    if !status.is_dir() {
        return Err(say("not a directory"));
    }
    if status.uid() != 0 && status.uid() != effective_uid() {
        return Err(say("belongs to another user"));
    }
    if status.mode() & 0o022 != 0 && status.mode() & STICKY == 0 {
        return Err(say("is writable by other users and not sticky"));
    }
    Ok(())
}

pub fn effective_uid() -> u32 {
    // SAFETY: cannot fail and touches no memory.
    unsafe { libc::geteuid() }
}
