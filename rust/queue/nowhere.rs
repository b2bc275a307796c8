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

pub mod lease {
    pub enum Lease {}

    impl Lease {
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

pub mod leased {
    use super::super::mapping::Mapping;
    use super::super::ring::Consumer;
    use super::lease::Lease;
    use crate::counters::Counts;

    pub struct Leased {
        pub consumer: Consumer<Mapping>,
        pub entries: u64,
        never: Lease,
    }

    impl Leased {
        pub fn lease(&self) -> &Lease {
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

pub mod segment {
    use std::io;
    use std::sync::Arc;

    use super::super::mapping::Mapping;
    use super::directory::Directory;
    use super::lease::Lease;

    pub fn create(directory: &Arc<Directory>, _: u64) -> io::Result<(Mapping, Lease)> {
        match **directory {}
    }
}

pub mod adopt {
    use std::path::PathBuf;

    use super::super::Adopted;
    use super::leased::Leased;

    pub const LEASED_AT_ONCE: usize = 0;

    pub fn bury(segment: &Leased, _: &mut Adopted) {
        match *segment.lease() {}
    }

    pub fn scan(_: &[PathBuf], _: &str, _: usize, _: &mut Adopted) -> Vec<Leased> {
        Vec::new()
    }
}

pub mod state_file {
    use std::sync::Arc;

    use super::super::state::State;
    use super::directory::Directory;

    pub fn read(directory: &Directory) -> Option<State> {
        match *directory {}
    }

    pub fn update<T>(directory: &Arc<Directory>, _: impl FnOnce(&mut State) -> T) -> Option<T> {
        match **directory {}
    }
}

pub mod survey {
    use std::path::Path;

    use super::super::state::State;
    use crate::counters::Counts;

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
