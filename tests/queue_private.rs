//! Push, peek and release in private memory, which works on every system.

mod common;

use common::{drain, peek};
use readme_metrics_core::queue::{Options, Queue, Refusal};

#[test]
fn a_peek_ends_at_its_bound_or_where_an_entry_is_refused() {
    let queue = private();
    for size in [10, 20, 30] {
        queue.push(&vec![7; size]).unwrap();
    }
    assert_eq!(peek(&queue, 0).unwrap().0.len(), 1);
    assert_eq!(peek(&queue, 2).unwrap().0.len(), 2);
    let mut sizes = Vec::new();
    let seen = queue.peek(10, |entry| {
        sizes.push(entry.len());
        entry.len() < 30
    });
    assert_eq!(sizes, [10, 20, 30]);
    queue.release(seen.unwrap());
    assert_eq!(drain(&queue), [vec![7; 30]]);

    queue.push(b"never").unwrap();
    assert!(queue.peek(10, |_| false).is_none());
    assert_eq!(queue.waiting(), 1);
}

#[test]
fn two_peeks_at_the_same_entries_release_them_once() {
    let queue = private();
    for entry in [b"a", b"b", b"c", b"d"] {
        queue.push(entry).unwrap();
    }
    let seen = |count| peek(&queue, count).unwrap().0;
    let (long, short) = (seen(3), seen(1));
    queue.release(short);
    assert_eq!(queue.waiting(), 3);
    queue.release(long);
    assert_eq!(queue.waiting(), 1);

    let (short, long) = (seen(1), seen(1));
    queue.release(long);
    queue.release(short);
    assert_eq!((queue.waiting(), queue.waiting_bytes()), (0, 0));
}

#[test]
fn the_largest_entry_fits_and_a_larger_one_never_does() {
    for max_bytes in [
        0,
        8192,
        100_000,
        1 << 20,
        (1 << 20) + 65536,
        3 << 20,
        16 << 20,
    ] {
        let queue = Queue::open(&Options {
            directories: Vec::new(),
            name: "app".into(),
            max_bytes,
            label: String::new(),
        });
        let largest = vec![5; queue.max_entry_bytes()];
        let mut larger = largest.clone();
        larger.push(5);
        for _ in 0..3 {
            assert_eq!(queue.push(&larger), Err(Refusal::TooLarge), "{max_bytes}");
            assert_eq!(queue.push(&largest), Ok(1), "{max_bytes}");
            assert!(drain(&queue) == [largest.clone()]);
        }
    }
}

#[test]
fn what_is_pushed_while_the_queue_drains_is_kept() {
    let queue = private();
    let mut expected = std::collections::VecDeque::new();
    let mut number = 0_u32;
    for round in 0..300 {
        for _ in 0..(round % 60) {
            let entry = number.to_le_bytes().repeat(round * 3 + 1);
            if queue.push(&entry).is_ok() {
                expected.push_back(entry);
            }
            number += 1;
        }
        if let Some((seen, entries)) = peek(&queue, 37) {
            for entry in entries {
                assert!(expected.pop_front().unwrap() == entry);
            }
            queue.release(seen);
        }
        assert_eq!(queue.waiting(), expected.len() as u64);
    }
    assert!(expected == drain(&queue));
}

fn private() -> Queue {
    let queue = Queue::open(&Options {
        directories: Vec::new(),
        name: "app".into(),
        max_bytes: 16 << 20,
        label: String::new(),
    });
    assert_eq!(queue.directory(), None);
    queue
}
