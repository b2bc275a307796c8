//! Where a queue's segments live: a directory that the app's processes share, or private memory.

use std::io;
use std::path::Path;
#[cfg(all(unix, not(portable)))]
use std::sync::Arc;

use crate::counters::Counts;
#[cfg(all(unix, not(portable)))]
use crate::queue::files::directory::Directory;
#[cfg(all(unix, not(portable)))]
use crate::queue::files::file_lock::FileLock;
#[cfg(all(unix, not(portable)))]
use crate::queue::files::names::Name;
use crate::queue::machine::state::State;
#[cfg(all(unix, not(portable)))]
use crate::queue::machine::state_file;
#[cfg(all(unix, not(portable)))]
use crate::queue::orphans;
use crate::queue::protocol::ring::Consumer;
#[cfg(all(unix, not(portable)))]
use crate::queue::segment::compact::compact;
#[cfg(all(unix, not(portable)))]
use crate::queue::segment::create;
use crate::queue::segment::mapping::Mapping;
use crate::queue::{Adopted, Options};

/// Where segments are made. Where there are no POSIX record locks (Windows), it is always private memory.
#[derive(Clone, Debug)]
pub enum Home {
    Private,
    #[cfg(all(unix, not(portable)))]
    Shared(Arc<Directory>),
}

/// How this process owns a segment.
pub enum Holding {
    /// The segment has no file and ends with this process.
    Memory,
    #[cfg(all(unix, not(portable)))]
    File(FileLock),
}

/// A home, its first segment, and why each better rung was refused.
pub struct FoundHome {
    pub home: Home,
    pub first: Option<(Mapping, Holding)>,
    pub refusals: Vec<String>,
    /// The orphans that were evicted to make room.
    pub dropped: Adopted,
}

impl Home {
    /// Finds the best rung that has room for a segment of `file_bytes`; never fails, since private memory is the last rung.
    pub fn find(options: &Options, file_bytes: u64) -> FoundHome {
        let mut found = FoundHome {
            home: Home::Private,
            first: None,
            refusals: Vec::new(),
            dropped: Adopted::default(),
        };
        for rung in &options.directories {
            match Home::on(rung, options, file_bytes, &mut found.dropped) {
                Ok((home, first)) => {
                    found.home = home;
                    found.first = Some(first);
                    break;
                }
                Err(refusal) => found.refusals.push(refusal),
            }
        }
        found
    }

    #[cfg(all(unix, not(portable)))]
    fn on(
        rung: &Path,
        options: &Options,
        file_bytes: u64,
        dropped: &mut Adopted,
    ) -> Result<(Home, (Mapping, Holding)), String> {
        let directory = Arc::new(Directory::create(rung, &options.name)?);
        let home = Home::Shared(Arc::clone(&directory));
        dropped.add(&orphans::make_room(&directory));
        let first = home
            .make_segment(file_bytes)
            .map_err(|error| format!("{}: {error}", directory.path().display()))?;
        if !options.label.is_empty() {
            home.update_state(|state| state.set_label(&options.label));
        }
        Ok((home, first))
    }

    #[cfg(not(all(unix, not(portable))))]
    fn on(
        rung: &Path,
        _: &Options,
        _: u64,
        _: &mut Adopted,
    ) -> Result<(Home, (Mapping, Holding)), String> {
        Err(format!(
            "{}: this system has no record locks",
            rung.display()
        ))
    }

    /// The app's directory; `None` in private memory.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Home::Private => None,
            #[cfg(all(unix, not(portable)))]
            Home::Shared(directory) => Some(directory.path()),
        }
    }

    /// Whether other processes still find this home at its path.
    pub fn is_in_place(&self) -> bool {
        match self {
            Home::Private => true,
            #[cfg(all(unix, not(portable)))]
            Home::Shared(directory) => directory.is_in_place(),
        }
    }

    pub fn make_segment(&self, file_bytes: u64) -> io::Result<(Mapping, Holding)> {
        self.make_filled_segment(file_bytes, &|_| true)
    }

    /// Makes a segment that `fill` fills before others can see it; no segment if `fill` returns `false`.
    pub fn make_filled_segment(
        &self,
        file_bytes: u64,
        fill: &dyn Fn(&Mapping) -> bool,
    ) -> io::Result<(Mapping, Holding)> {
        match self {
            Home::Private => {
                let mapping = Mapping::private(file_bytes)?;
                if fill(&mapping) {
                    Ok((mapping, Holding::Memory))
                } else {
                    Err(io::ErrorKind::InvalidData.into())
                }
            }
            #[cfg(all(unix, not(portable)))]
            Home::Shared(directory) => {
                let (mapping, lock) = create::create(directory, file_bytes, fill)?;
                Ok((mapping, Holding::File(lock)))
            }
        }
    }

    /// Whether other processes would find the segment of `holding` here after this process's death. Takes the segment's lock
    /// again if something in this process has dropped it.
    pub fn keeps(&self, holding: &Holding) -> bool {
        match (self, holding) {
            (Home::Private, _) => true,
            #[cfg(all(unix, not(portable)))]
            (Home::Shared(_), Holding::Memory) => false,
            #[cfg(all(unix, not(portable)))]
            (Home::Shared(directory), Holding::File(lock)) => {
                lock.directory().is_same(directory) && lock.renew()
            }
        }
    }

    /// The content of the state file; `None` if it is missing, damaged or busy.
    pub fn state(&self) -> Option<State> {
        match self {
            Home::Private => None,
            #[cfg(all(unix, not(portable)))]
            Home::Shared(directory) => state_file::read(directory),
        }
    }

    /// Changes the state file; `None` if the change could not be saved.
    pub fn update_state<T>(&self, change: impl FnOnce(&mut State) -> T) -> Option<T> {
        match self {
            Home::Private => {
                let _ = change;
                None
            }
            #[cfg(all(unix, not(portable)))]
            Home::Shared(directory) => state_file::update(directory, change),
        }
    }

    /// Adds the sums of a segment that is about to be removed to the state file; returns whether they were saved.
    pub fn record_gone(&self, identity: u64, counts: &Counts) -> bool {
        counts.is_zero()
            || self
                .update_state(|state| state.record_gone(identity, counts))
                .is_some()
    }
}

impl Holding {
    pub fn is_file(&self) -> bool {
        !matches!(self, Holding::Memory)
    }

    /// Whether another process has adopted this segment and delivers it. This can happen if something in this process opens and
    /// closes the file, which frees its lock for a moment.
    pub fn is_taken(&self) -> bool {
        match self {
            Holding::Memory => false,
            #[cfg(all(unix, not(portable)))]
            Holding::File(lock) => lock.is_linked() && !lock.renew(),
        }
    }

    /// Leaves the entries of `consumer`'s segment to other processes, in a file that is just large enough. Drop `self` under the
    /// scan lock: see [`FileLock::disown`].
    pub fn leave(&self, consumer: &Consumer<Mapping>) {
        match self {
            Holding::Memory => {
                let _ = consumer;
            }
            #[cfg(all(unix, not(portable)))]
            Holding::File(lock) => {
                let small = compact(lock, consumer, &consumer.memory().preamble());
                let small = small.ok().flatten();
                let left = small.as_ref().unwrap_or(lock);
                let _ = left.disown(
                    small
                        .as_ref()
                        .map_or_else(Name::nobodys, |_| Name::compact()),
                );
            }
        }
    }

    pub fn remove(&self) {
        match self {
            Holding::Memory => {}
            #[cfg(all(unix, not(portable)))]
            Holding::File(lock) => lock.unlink(),
        }
    }
}
