//! Arbitrary bytes as the segment of a dead process: adopted, read and released, or set aside; never a crash.

use std::path::PathBuf;

use readme_metrics_core::queue::{Options, Queue};

/// A directory that is removed when the check ends. The queue has to be dropped first, since its last step makes the directory
/// again.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Each input has a queue of its own: libFuzzer may end the process between any two, without destructors.
pub fn check(bytes: &[u8]) {
    let name = format!("readme-metrics-fuzz-{}", std::process::id());
    let shared = PathBuf::from("/dev/shm");
    let rung = if shared.is_dir() {
        shared
    } else {
        std::env::temp_dir()
    };
    let scratch = Scratch(rung.join(&name));
    let queue = Queue::open(&Options {
        directories: vec![rung],
        name,
        max_bytes: 16 << 20,
        label: String::new(),
    });
    let directory = queue.directory().expect("a directory to fuzz in");
    assert_eq!(directory, scratch.0);
    let orphan = directory.join("00000000deadbeef-1.seg");
    // The fuzzer cannot guess that a file is whole pages: half of the inputs are padded to whole pages, with a sound preamble.
    let mut file = bytes.to_vec();
    if bytes.first().is_some_and(|first| first % 2 == 1) {
        let sound = readme_metrics_core::queue::protocol::layout::Preamble {
            file_bytes: (bytes.len() as u64 + 8192).next_multiple_of(4096),
            created_ms: 0,
            creator_pid: 1,
        };
        file = sound.encode().to_vec();
        // The positions come first, then what lies at 4096.
        file.resize(128, 0);
        file.extend(&bytes[1..bytes.len().min(9)]);
        file.resize(256, 0);
        file.extend(bytes.iter().skip(9).take(8));
        file.resize(4096, 0);
        file.extend(bytes.iter().skip(17));
        file.resize(usize::try_from(sound.file_bytes).unwrap_or(0), 0);
    }
    std::fs::write(&orphan, &file).expect("room for a file");
    let adopted = queue.adopt();
    let mut delivered = 0;
    while let Some(peek) = queue.peek(10, |_| true) {
        delivered += peek.len() as u64;
        queue.release(peek);
    }
    assert_eq!(delivered, adopted.entries);
    assert_eq!((queue.waiting(), queue.waiting_bytes()), (0, 0));
    assert!(!orphan.exists() || adopted.segments + adopted.corrupt_segments == 0);
}
