//! Interleavings of the ring's ends, explored by loom. Run with
//! `RUSTFLAGS="--cfg loom" cargo test --no-default-features --release --test loom`.
#![cfg(loom)]
#![allow(clippy::unwrap_used)]

use loom::cell::UnsafeCell;
use loom::sync::{Arc, Mutex};
use loom::thread;
use readme_metrics_core::queue::protocol::copy::copy;
use readme_metrics_core::queue::protocol::memory::{Memory, Word};
use readme_metrics_core::queue::protocol::ring::{Consumer, Producer, ring};
use readme_metrics_core::sync::{AtomicU64, Ordering};

/// Positions as loom atomics, data as loom cells: an access that the orderings do not protect fails the test.
struct Cells {
    tail: AtomicU64,
    head: AtomicU64,
    data: Vec<UnsafeCell<[u8; 8]>>,
}

/// Clones share the cells, as processes share a segment.
#[derive(Clone)]
struct Shared(Arc<Cells>);

impl Shared {
    fn new(words: usize) -> Shared {
        Shared(Arc::new(Cells {
            tail: AtomicU64::new(0),
            head: AtomicU64::new(0),
            data: (0..words).map(|_| UnsafeCell::new([0; 8])).collect(),
        }))
    }

    fn word(&self, word: Word) -> &AtomicU64 {
        match word {
            Word::Tail => &self.0.tail,
            Word::Head => &self.0.head,
        }
    }
}

impl Memory for Shared {
    fn capacity(&self) -> u64 {
        self.0.data.len() as u64 * 8
    }

    fn load(&self, word: Word, order: Ordering) -> u64 {
        self.word(word).load(order)
    }

    fn store(&self, word: Word, value: u64, order: Ordering) {
        self.word(word).store(value, order);
    }

    unsafe fn write(&self, offset: u64, bytes: &[u8]) {
        for (at, chunk) in bytes.chunks(8).enumerate() {
            self.0.data[offset as usize / 8 + at].with_mut(|word| {
                // SAFETY: loom checks that nobody else holds the cell.
                unsafe { (&mut *word)[..chunk.len()].copy_from_slice(chunk) };
            });
        }
    }

    unsafe fn read(&self, offset: u64, bytes: &mut [u8]) -> bool {
        for (at, chunk) in bytes.chunks_mut(8).enumerate() {
            self.0.data[offset as usize / 8 + at].with(|word| {
                // SAFETY: loom checks that nobody writes to the cell.
                chunk.copy_from_slice(unsafe { &(&*word)[..chunk.len()] });
            });
        }
        true
    }
}

/// Reads what waits, checks that each copy is whole, and releases it all.
fn deliver(consumer: &mut Consumer<Shared>, delivered: &mut Vec<u8>) {
    let mut end = None;
    let mut records = consumer.records().unwrap();
    while let Some(record) = records.next_record().unwrap() {
        let mut entry = Vec::new();
        record.copy_to(&mut entry).unwrap();
        assert!(
            entry.iter().all(|byte| *byte == entry[0]),
            "torn: {entry:?}"
        );
        delivered.push(entry[0]);
        end = Some(record.end());
    }
    if let Some(end) = end {
        consumer.release(end);
    }
}

fn explore(name: &str, model: impl Fn() + Sync + Send + 'static) {
    let rounds = std::sync::Arc::new(std::sync::Mutex::new(0_u64));
    let counted = std::sync::Arc::clone(&rounds);
    let start = std::time::Instant::now();
    let mut builder = loom::model::Builder::new();
    // A bound of twelve takes seconds, and a higher one finds nothing new; LOOM_MAX_PREEMPTIONS, if set, wins.
    builder.preemption_bound = builder.preemption_bound.or(Some(12));
    builder.max_branches = 10_000;
    builder.check(move || {
        *counted.lock().unwrap() += 1;
        model();
    });
    println!(
        "{name}: {} interleavings in {:.1?}",
        rounds.lock().unwrap(),
        start.elapsed()
    );
}

/// The ring has room for two records, so that the producer reuses what the consumer has just released.
#[test]
fn producer_and_consumer() {
    explore("producer and consumer", || {
        let (mut producer, mut consumer) = ring(Shared::new(4));
        let pushing = thread::spawn(move || {
            let pushed = (1..=6_u8)
                .filter(|byte| producer.push(&[*byte; 5]).is_ok())
                .collect::<Vec<_>>();
            (producer, pushed)
        });
        let mut delivered = Vec::new();
        for _ in 0..4 {
            deliver(&mut consumer, &mut delivered);
        }
        let (_producer, pushed) = pushing.join().unwrap();
        deliver(&mut consumer, &mut delivered);
        assert_eq!(delivered, pushed);
    });
}

/// Records of three words in a ring of eight: payloads wrap.
#[test]
fn wrapping_records() {
    explore("wrapping records", || {
        let (mut producer, mut consumer) = ring(Shared::new(8));
        let pushing = thread::spawn(move || {
            (1..=5_u8)
                .filter(|byte| producer.push(&[*byte; 16]).is_ok())
                .collect::<Vec<_>>()
        });
        let mut delivered = Vec::new();
        for _ in 0..3 {
            deliver(&mut consumer, &mut delivered);
        }
        let pushed = pushing.join().unwrap();
        deliver(&mut consumer, &mut delivered);
        assert_eq!(delivered, pushed);
    });
}

/// As in a queue: threads of one process share a producer behind a lock.
#[test]
fn two_pushing_threads() {
    explore("two pushing threads", || {
        let (producer, mut consumer) = ring(Shared::new(4));
        let producer = Arc::new(Mutex::new(producer));
        let push = |producer: Arc<Mutex<Producer<Shared>>>, byte: u8| {
            thread::spawn(move || producer.lock().unwrap().push(&[byte; 3]).is_ok())
        };
        let (first, second) = (
            push(Arc::clone(&producer), 1),
            push(Arc::clone(&producer), 2),
        );
        let mut delivered = Vec::new();
        deliver(&mut consumer, &mut delivered);
        assert!(first.join().unwrap() && second.join().unwrap());
        deliver(&mut consumer, &mut delivered);
        delivered.sort_unstable();
        assert_eq!(delivered, [1, 2]);
    });
}

/// What happens when a segment's file is gone: the flusher, the only reader, seals the ring under the producers' lock,
/// copies it without the lock, and moves both ends to the copy. Meanwhile another thread pushes; an entry that finds
/// the ring sealed goes elsewhere.
#[test]
fn a_ring_moves_while_another_thread_pushes() {
    explore("a ring moves", || {
        let (producer, mut consumer) = ring(Shared::new(4));
        let end = Arc::new(Mutex::new((producer, false)));
        let pushing = {
            let end = Arc::clone(&end);
            thread::spawn(move || {
                let push = |byte: &u8| {
                    let (producer, sealed) = &mut *end.lock().unwrap();
                    !*sealed && producer.push(&[*byte; 5]).is_ok()
                };
                (1..=4_u8).filter(push).collect::<Vec<_>>()
            })
        };
        let mut delivered = Vec::new();
        deliver(&mut consumer, &mut delivered);
        end.lock().unwrap().1 = true;
        let old = consumer.shared_memory();
        let (head, tail) = (
            old.load(Word::Head, Ordering::Acquire),
            old.load(Word::Tail, Ordering::Acquire),
        );
        let new = Shared::new(4);
        assert!(copy(&*old, &new, head, tail));
        let new = Arc::new(new);
        {
            let (producer, sealed) = &mut *end.lock().unwrap();
            producer.move_to(Arc::clone(&new));
            *sealed = false;
        }
        consumer.move_to(new, head);
        deliver(&mut consumer, &mut delivered);
        let pushed = pushing.join().unwrap();
        deliver(&mut consumer, &mut delivered);
        assert_eq!(delivered, pushed);
    });
}

/// The kernel's lock: free once its process is dead, and then for one adopter at a time. It guards what is delivered.
type Lease = Arc<Mutex<Vec<u8>>>;

/// The owner pushes two entries, delivers what it can and dies at any of these points. A sibling tries its lock, and
/// may die between delivering and releasing. The process that comes last finds all the rest.
#[test]
fn owner_dies_and_siblings_adopt() {
    for death in 0..4 {
        for sibling_dies in [false, true] {
            explore(
                &format!("owner dies at {death}, sibling dies: {sibling_dies}"),
                move || {
                    let memory = Shared::new(6);
                    let lease: Lease = Arc::default();
                    let owner = {
                        let (memory, lease) = (memory.clone(), Arc::clone(&lease));
                        thread::spawn(move || {
                            let mut held = lease.lock().unwrap();
                            let (mut producer, mut consumer) = ring(memory);
                            let mut accepted = Vec::new();
                            for step in 0..death {
                                match step {
                                    0 | 2 => {
                                        producer.push(&[step + 1; 8]).unwrap();
                                        accepted.push(step + 1);
                                    }
                                    _ => deliver(&mut consumer, &mut held),
                                }
                            }
                            accepted
                        })
                    };
                    let sibling = {
                        let (memory, lease) = (memory.clone(), Arc::clone(&lease));
                        thread::spawn(move || {
                            let Ok(mut delivered) = lease.try_lock() else {
                                return;
                            };
                            let mut consumer = Consumer::attach(memory);
                            if sibling_dies {
                                let mut copied = Vec::new();
                                let mut records = consumer.records().unwrap();
                                while let Some(record) = records.next_record().unwrap() {
                                    record.copy_to(&mut copied).unwrap();
                                }
                            } else {
                                deliver(&mut consumer, &mut delivered);
                            }
                        })
                    };
                    let accepted = owner.join().unwrap();
                    sibling.join().unwrap();
                    let mut delivered = lease.lock().unwrap();
                    deliver(&mut Consumer::attach(memory), &mut delivered);
                    assert_eq!(*delivered, accepted);
                },
            );
        }
    }
}
