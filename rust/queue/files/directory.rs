//! The app's directory on one rung.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};

use crate::queue::files::filesystem;
use crate::queue::files::names::Name;

/// `S_ISGID`, whose type differs between systems.
const SET_GROUP: u32 = 0o2000;
/// The name has the version of the file's layout: two versions of this library that run side by side (during a deploy) have a
/// file each.
const STATE_FILE: &str = "state-2";

/// One file, as the listing of a directory shows it.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub name: Name,
    /// The bytes that the file takes on the file system.
    pub bytes: u64,
    /// Seconds since 1970. For a segment this is its creation, since stores through a mapping need not change it.
    pub modified: i64,
}

/// A directory that only this user can reach, on a local file system, held by its descriptor.
///
/// Files are named relative to the descriptor, so it does not matter who can write to the directory's parent. Such a user can
/// move this directory away or remove it, which [`Directory::is_in_place`] notices, but cannot make us use another one.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    file: File,
    /// Device and inode number.
    identity: (u64, u64),
}

impl Directory {
    /// Creates or opens `rung/name`, and creates `rung` if it is missing; the error says why the directory must not be used.
    pub fn create(rung: &Path, name: &str) -> Result<Directory, String> {
        let mut components = Path::new(name).components();
        if !matches!((components.next(), components.next()), (Some(Component::Normal(only)), None) if only == name)
        {
            return Err(format!("{name:?} is not the name of a directory"));
        }
        let path = rung.join(name);
        let attempt = || DirBuilder::new().mode(0o700).create(&path);
        let made = match attempt() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_rung(rung).and_then(|()| attempt())
            }
            result => result,
        };
        match made {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(format!("{}: {error}", path.display()))
            }
            _ => Directory::check(path),
        }
    }

    /// Opens `rung/name` if it is there and passes the same checks.
    pub fn existing(rung: &Path, name: &str) -> Option<Directory> {
        Directory::check(rung.join(name)).ok()
    }

    /// Opens a directory by its full path.
    pub fn at(path: &Path) -> Result<Directory, String> {
        Directory::check(path.to_path_buf())
    }

    fn check(path: PathBuf) -> Result<Directory, String> {
        let say = |what: &str| format!("{}: {what}", path.display());
        let explain = |error: io::Error| say(&error.to_string());
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(&path);
        let file = opened.map_err(|error| match error.raw_os_error() {
            Some(libc::ENOTDIR | libc::ELOOP) => say("not a directory"),
            _ => explain(error),
        })?;
        let status = file.metadata().map_err(explain)?;
        if status.uid() != effective_uid() {
            return Err(say("belongs to another user"));
        }
        if status.mode() & 0o7077 == SET_GROUP | 0o070 {
            // Kubernetes gives a directory this mode when it mounts a volume with `fsGroup` again. Files that the group may have
            // put into it are checked like all others.
            file.set_permissions(Permissions::from_mode(0o700))
                .map_err(explain)?;
        } else if status.mode() & 0o077 != 0 {
            return Err(say("is open to other users"));
        }
        if let Some(reason) = filesystem::unfit(&file) {
            return Err(say(&reason));
        }
        Ok(Directory {
            path,
            identity: (status.dev(), status.ino()),
            file,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the path still leads to this directory. If not, no other process finds its files.
    pub fn is_in_place(&self) -> bool {
        fs::symlink_metadata(&self.path)
            .is_ok_and(|status| (status.dev(), status.ino()) == self.identity)
    }

    pub fn is_same(&self, other: &Directory) -> bool {
        self.identity == other.identity
    }

    /// Creates a file that only this user can read.
    pub fn create_file(&self, name: Name) -> io::Result<File> {
        self.open_with(
            &name.to_string(),
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
        )
    }

    /// Opens an existing file. Never follows a symlink, never waits for a FIFO.
    pub fn open(&self, name: Name) -> io::Result<File> {
        self.open_with(&name.to_string(), OFlags::RDWR)
    }

    fn open_with(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        Ok(rustix::fs::openat(&self.file, name, flags, mode)?.into())
    }

    /// Opens the state file; with `create`, creates an empty one if it is missing.
    pub fn open_state(&self, create: bool) -> io::Result<File> {
        let flags = if create {
            OFlags::RDWR | OFlags::CREATE
        } else {
            OFlags::RDONLY
        };
        let file = self.open_with(STATE_FILE, flags)?;
        let status = file.metadata()?;
        if status.is_file() && status.nlink() == 1 {
            Ok(file)
        } else {
            Err(io::ErrorKind::InvalidInput.into())
        }
    }

    pub fn rename(&self, from: Name, to: Name) -> io::Result<()> {
        rustix::fs::renameat(&self.file, from.to_string(), &self.file, to.to_string())?;
        Ok(())
    }

    pub fn unlink(&self, name: Name) -> io::Result<()> {
        rustix::fs::unlinkat(&self.file, name.to_string(), AtFlags::empty())?;
        Ok(())
    }

    /// The regular files of other processes, oldest first. Anything else in the directory is not touched.
    pub fn others(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in Dir::read_from(&self.file)? {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().ok().and_then(Name::parse) else {
                continue;
            };
            if name.is_own() {
                continue;
            }
            // The status of the entry itself, and not of a symlink's target. A file that is gone by now is left out.
            let Ok(status) =
                rustix::fs::statat(&self.file, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
            else {
                continue;
            };
            if FileType::from_raw_mode(status.st_mode) == FileType::RegularFile {
                #[allow(clippy::useless_conversion, clippy::cast_sign_loss)]
                // the types differ between systems
                entries.push(Entry {
                    name,
                    bytes: 512 * status.st_blocks as u64,
                    modified: status.st_mtime.into(),
                });
            }
        }
        entries.sort_by_key(|entry| (entry.modified, entry.name.sequence));
        Ok(entries)
    }
}

/// Creates a rung that the user has named, or that was removed. Does not create `/dev/shm`, which belongs to the system, nor a path
/// whose nearest existing directory is `/`, which is more likely misspelt or on a volume that is not mounted.
fn make_rung(rung: &Path) -> io::Result<()> {
    let nearest = rung.ancestors().find(|ancestor| ancestor.exists());
    if nearest.is_none_or(|nearest| nearest.parent().is_none() || nearest.starts_with("/dev")) {
        return Err(io::ErrorKind::NotFound.into());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(rung)
}

pub fn effective_uid() -> u32 {
    // SAFETY: cannot fail and touches no memory.
    unsafe { libc::geteuid() }
}
