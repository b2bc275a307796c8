//! Arbitrary bytes as the segment of a dead process: adopted, read and released, or set aside; never a crash.

use std::cell::RefCell;
use std::path::PathBuf;

use readme_metrics_core::queue::{Options, Queue};

struct Surroundings {
    queue: Queue,
    directory: PathBuf,
}

impl Drop for Surroundings {
    fn drop(&mut self) {
        self.queue.close();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

thread_local! {
    static SURROUNDINGS: RefCell<Option<Surroundings>> = const { RefCell::new(None) };
}

fn open() -> Surroundings {
    let name = format!("readme-metrics-fuzz-{}", std::process::id());
    let shared = PathBuf::from("/dev/shm");
    let rung = if shared.is_dir() {
        shared
    } else {
        std::env::temp_dir()
    };
    let queue = Queue::open(&Options {
        directories: vec![rung],
        name,
        max_bytes: 16 << 20,
        label: String::new(),
    });
    let directory = queue.directory().expect("a directory to fuzz in");
    Surroundings { queue, directory }
}

pub fn check(bytes: &[u8]) {
    SURROUNDINGS.with_borrow_mut(|surroundings| {
        let Surroundings { queue, directory } = surroundings.get_or_insert_with(open);
        let orphan = directory.join("00000000deadbeef-1.seg");
        // The fuzzer cannot guess that a file is whole pages: half of the inputs are padded to that, with a sound preamble.
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
        let _ = std::fs::remove_file(&orphan);
    });
}
