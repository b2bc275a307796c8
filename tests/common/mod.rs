//! What the queue tests share.
#![allow(dead_code)] // each test binary uses a part
#![allow(clippy::unwrap_used, clippy::panic)] // tests, though not marked so

use std::path::Path;
use std::time::{Duration, Instant};

use readme_metrics_core::queue::{Adopted, Options, Peek, Queue};

pub fn options(rung: &Path) -> Options {
    Options {
        directories: vec![rung.to_owned()],
        name: "app".to_owned(),
        max_bytes: 16 << 20,
        label: String::new(),
    }
}

/// Up to `max_entries` of the oldest entries.
pub fn peek(queue: &Queue, max_entries: usize) -> Option<(Peek, Vec<Vec<u8>>)> {
    let mut entries = Vec::new();
    let peek = queue.peek(max_entries, |entry| {
        entries.push(entry.to_vec());
        true
    })?;
    Some((peek, entries))
}

/// Releases everything that waits, and returns it.
pub fn drain(queue: &Queue) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let Some((peek, entries)) = peek(queue, 1000) {
        all.extend(entries);
        queue.release(peek);
    }
    all
}

/// Adopts until the sum is `enough`, since another test in this process may be scanning. Fails after ten seconds.
pub fn adopt_until(queue: &Queue, enough: impl Fn(&Adopted) -> bool) -> Adopted {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut sum = Adopted::default();
    loop {
        let found = queue.adopt();
        sum.segments += found.segments;
        sum.entries += found.entries;
        sum.dropped_segments += found.dropped_segments;
        sum.dropped_entries += found.dropped_entries;
        sum.corrupt_segments += found.corrupt_segments;
        sum.corrupt_entries += found.corrupt_entries;
        if enough(&sum) {
            return sum;
        }
        assert!(Instant::now() < deadline, "only {sum:?}");
    }
}

/// Names and lengths of the files in `directory`.
pub fn files(directory: &Path) -> Vec<(String, u64)> {
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let bytes = std::fs::symlink_metadata(entry.path()).unwrap().len();
            (entry.file_name().into_string().unwrap(), bytes)
        })
        .filter(|(name, _)| name != "state-2") // one page that stays
        .collect();
    files.sort();
    files
}

/// A directory in shared memory if there is any.
pub fn shared_memory_rung() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

pub fn number_from(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// Reproducible numbers (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn seeded(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[7]
    }
}

/// Opens a queue on a rung that must not be used, and checks that it is in private memory.
pub fn refused(rung: &Path, reason: &str) {
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

pub fn adopter(rung: &tempfile::TempDir) -> Queue {
    Queue::open(&options(rung.path()))
}

/// The file name of a process that has ended.
pub const DEAD: &str = "00000000deadbeef-1.seg";

/// A segment that a dead process left, with these entries. Its file name is `DEAD`.
pub fn orphan(rung: &tempfile::TempDir, entries: &[&[u8]]) -> std::fs::File {
    let queue = Queue::open(&options(rung.path()));
    for entry in entries {
        queue.push(entry).unwrap();
    }
    queue.close();
    let app = rung.path().join("app");
    let files = files(&app);
    assert_eq!(files.len(), 1);
    std::fs::rename(app.join(&files[0].0), app.join(DEAD)).unwrap();
    std::fs::File::options()
        .read(true)
        .write(true)
        .open(app.join(DEAD))
        .unwrap()
}

pub fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != "state-2").collect()
}

#[cfg(unix)]
pub fn shared_bytes(directory: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;

    let files = std::fs::read_dir(directory).unwrap();
    files
        .map(|file| file.unwrap().metadata().unwrap().blocks() * 512)
        .sum()
}
