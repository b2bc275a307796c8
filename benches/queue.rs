//! What a push costs the request thread, and a peek with its release the flusher.
#![allow(missing_docs)]

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use readme_metrics_core::queue::{Options, Queue};

fn open(rung: Option<&Path>) -> Queue {
    open_sized(rung, 16 << 20)
}

fn open_sized(rung: Option<&Path>, max_bytes: u64) -> Queue {
    let directories = rung.map(Path::to_owned).into_iter().collect();
    Queue::open(&Options {
        directories,
        name: "bench".to_owned(),
        max_bytes,
        label: String::new(),
    })
}

/// Pushes in rounds that fit the queue, so that growth is not measured; drains the queue between them, unmeasured.
fn time_pushes(queue: &Queue, entry: &[u8], pushes: u64) -> Duration {
    let round = (1 << 19) / (entry.len() as u64 + 8);
    let (mut left, mut elapsed) = (pushes, Duration::ZERO);
    while left > 0 {
        let now = left.min(round);
        let start = Instant::now();
        for _ in 0..now {
            let _ = black_box(queue.push(black_box(entry)));
        }
        elapsed += start.elapsed();
        left -= now;
        drain(queue);
    }
    elapsed
}

fn drain(queue: &Queue) {
    while let Some(peek) = queue.peek(100, |entry| !black_box(entry).is_empty()) {
        queue.release(black_box(peek));
    }
}

fn bench(criterion: &mut Criterion) {
    let rung = tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .ok();
    for (name, queue) in [
        ("shared", open(rung.as_ref().map(tempfile::TempDir::path))),
        ("private", open(None)),
    ] {
        for bytes in [100, 2_000, 100_000] {
            let entry = vec![1; bytes];
            criterion.bench_function(&format!("push/{name}/{bytes}"), |bencher| {
                bencher.iter_custom(|pushes| time_pushes(&queue, &entry, pushes));
            });
        }
        criterion.bench_function(&format!("peek and release 100 of 2000/{name}"), |bencher| {
            bencher.iter_custom(|rounds| {
                let mut elapsed = Duration::ZERO;
                for _ in 0..rounds {
                    for _ in 0..100 {
                        let _ = queue.push(&[1; 2000]);
                    }
                    let start = Instant::now();
                    drain(&queue);
                    elapsed += start.elapsed();
                }
                elapsed
            });
        });
    }
    let rung = tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .ok();
    criterion.bench_function("push/10,000 waiting/2000", |bencher| {
        let queue = open_sized(rung.as_ref().map(tempfile::TempDir::path), 64 << 20);
        for _ in 0..10_000 {
            let _ = queue.push(&[1; 2000]);
        }
        bencher.iter_custom(|pushes| {
            let mut elapsed = Duration::ZERO;
            for _ in 0..pushes {
                let start = Instant::now();
                let _ = black_box(queue.push(black_box(&[1; 2000])));
                elapsed += start.elapsed();
                if let Some(peek) = queue.peek(1, |_| true) {
                    queue.release(peek);
                }
            }
            elapsed
        });
        drain(&queue);
        queue.close();
    });
    criterion.bench_function("push/beside 1,000 orphans/2000", |bencher| {
        for _ in 0..1000 {
            let dead = open_sized(rung.as_ref().map(tempfile::TempDir::path), 8192);
            let _ = dead.push(&[1; 2000]);
            dead.close();
        }
        let queue = open(rung.as_ref().map(tempfile::TempDir::path));
        queue.adopt();
        bencher.iter_custom(|pushes| time_pushes(&queue, &[1; 2000], pushes));
        queue.close();
    });
    criterion.bench_function("open and close/shared", |bencher| {
        bencher.iter(|| open(rung.as_ref().map(tempfile::TempDir::path)).close());
    });
    criterion.bench_function("grow to 16 MiB and shrink/shared", |bencher| {
        let queue = open(rung.as_ref().map(tempfile::TempDir::path));
        let entry = vec![1; 100_000];
        bencher.iter(|| {
            while queue.push(&entry).is_ok() {}
            drain(&queue);
        });
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
