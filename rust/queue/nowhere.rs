//! Stand-ins where there are no POSIX record locks (Windows): no directory is ever fit, so every queue is private memory.

pub mod directory {
    use std::path::Path;

    #[derive(Debug)]
    pub enum Directory {}

    impl Directory {
        pub fn create(rung: &Path, _: &str) -> Result<Directory, String> {
            Err(format!(
                "{}: this system has no record locks",
                rung.display()
            ))
        }

        pub fn path(&self) -> &Path {
            match *self {}
        }
    }
}

pub mod file_lock {
    pub enum FileLock {}

    impl FileLock {
        pub fn renew(&self) -> bool {
            match *self {}
        }

        pub fn unlink(&self) {
            match *self {}
        }

        pub fn disown(&self) {
            match *self {}
        }

        pub fn directory(&self) -> &std::sync::Arc<super::directory::Directory> {
            match *self {}
        }
    }
}

pub mod adopted {
    use super::file_lock::FileLock;
    use crate::counters::Counts;
    use crate::queue::protocol::ring::Consumer;
    use crate::queue::segment::mapping::Mapping;

    pub struct AdoptedSegment {
        pub consumer: Consumer<Mapping>,
        pub entries: u64,
        never: FileLock,
    }

    impl AdoptedSegment {
        pub fn lease(&self) -> &FileLock {
            &self.never
        }

        pub fn bytes(&self) -> u64 {
            match self.never {}
        }

        pub fn ledger(&self) -> &Mapping {
            match self.never {}
        }

        pub fn counts(&self) -> Counts {
            match self.never {}
        }
    }
}

pub mod create {
    use std::io;
    use std::sync::Arc;

    use super::directory::Directory;
    use super::file_lock::FileLock;
    use crate::queue::segment::mapping::Mapping;

    pub fn create(directory: &Arc<Directory>, _: u64) -> io::Result<(Mapping, FileLock)> {
        match **directory {}
    }
}

pub mod adopt {
    use std::path::PathBuf;

    use super::adopted::AdoptedSegment;
    use crate::queue::Adopted;

    pub const LEASED_AT_ONCE: usize = 0;

    pub fn bury(segment: &AdoptedSegment, _: &mut Adopted) {
        match *segment.lease() {}
    }

    pub fn scan(_: &[PathBuf], _: &str, _: usize, _: &mut Adopted) -> Vec<AdoptedSegment> {
        Vec::new()
    }
}

pub mod state_file {
    use std::sync::Arc;

    use super::directory::Directory;
    use crate::queue::machine::state::State;

    pub fn read(directory: &Directory) -> Option<State> {
        match *directory {}
    }

    pub fn update<T>(directory: &Arc<Directory>, _: impl FnOnce(&mut State) -> T) -> Option<T> {
        match **directory {}
    }
}

pub mod survey {
    use std::path::Path;

    use crate::counters::Counts;
    use crate::queue::machine::state::State;

    pub struct Found {
        pub name: String,
        pub owner_pid: Option<u32>,
        pub creator_pid: u32,
        pub created_ms: u64,
        pub file_bytes: u64,
        pub entries: u64,
        pub bytes: u64,
        pub counts: Counts,
        pub defect: Option<String>,
    }

    #[derive(Default)]
    pub struct Survey {
        pub segments: Vec<Found>,
        pub state: Option<State>,
    }

    pub fn survey(_: &Path) -> Result<Survey, String> {
        Ok(Survey::default())
    }

    pub fn entries(_: &Path, _: &str, from: u64) -> Option<(u64, Vec<Vec<u8>>)> {
        Some((from, Vec::new()))
    }
}
