//! Push, peek and release through the front door; growth, bounds and order.

mod common;

use common::{adopt_until, drain, options, peek};
use readme_metrics_core::counters::DropReason;
use readme_metrics_core::queue::{Adopted, Options, Queue, Refusal};
use tempfile::tempdir;

const MIB: usize = 1 << 20;

#[test]
fn entries_come_out_in_order_and_stay_until_released() {
    let rung = tempdir().unwrap();
    let queue = Queue::open(&options(rung.path()));
    assert!(queue.directory().unwrap().starts_with(rung.path()));
    assert_eq!(queue.push(b"one"), Ok(1));
    assert_eq!(queue.push(b""), Ok(2));
    assert_eq!(queue.push(b"three"), Ok(3));

    let (seen, entries) = peek(&queue, 2).unwrap();
    assert_eq!(seen.len(), 2);
    assert_eq!(entries, [b"one".to_vec(), b"".to_vec()]);
    drop(seen);
    assert_eq!(queue.waiting(), 3);

    let (seen, _) = peek(&queue, 2).unwrap();
    queue.release(seen);
    assert_eq!(queue.waiting(), 1);
    assert_eq!(drain(&queue), [b"three".to_vec()]);
    assert_eq!((queue.waiting(), queue.waiting_bytes()), (0, 0));
    assert!(peek(&queue, 1).is_none());
}

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
fn a_full_home_overflows_in_order_and_shrinks_back() {
    let rung = tempdir().unwrap();
    let queue = Queue::open(&options(rung.path()));
    let files = || common::files(&queue.directory().unwrap());
    assert_eq!(files().len(), 1);

    let mut pushed = Vec::new();
    loop {
        let entry = [&(pushed.len() as u64).to_le_bytes()[..], &[1; 9000]].concat();
        match queue.push(&entry) {
            Ok(waiting) => assert_eq!(waiting, pushed.len() as u64 + 1),
            Err(refusal) => {
                assert_eq!(refusal, Refusal::Dropped(DropReason::Full));
                break;
            }
        }
        pushed.push(entry);
    }
    let bytes: u64 = files().iter().map(|(_, bytes)| bytes).sum();
    assert!(bytes <= 16 << 20, "{bytes} bytes are held");
    assert!(
        pushed.len() > 14 * MIB / 9020,
        "only {} entries fit",
        pushed.len()
    );
    assert_eq!(queue.segment_count(), files().len());
    assert!(queue.segment_count() > 3);

    // The next burst finds the segments as they are.
    for burst in 0..3 {
        assert!(drain(&queue) == pushed);
        let before = files();
        for entry in &pushed {
            assert!(queue.push(entry).is_ok(), "in burst {burst}");
        }
        assert_eq!(files(), before);
    }

    assert!(drain(&queue) == pushed);
    for _ in 0..5 {
        assert!(files().len() > 1);
        queue.adopt();
    }
    assert_eq!((queue.segment_count(), files().len()), (1, 1));

    // What is kept for the next burst is in the way of an entry that fits none of it: of one, not of two.
    for entry in &pushed {
        assert!(queue.push(entry).is_ok());
    }
    drain(&queue);
    let largest = vec![5; queue.max_entry_bytes()];
    assert_eq!(
        queue.push(&largest),
        Err(Refusal::Dropped(DropReason::Full))
    );
    queue.adopt();
    assert_eq!(queue.push(&largest), Ok(1));
    assert!(drain(&queue) == [largest]);
    for _ in 0..5 {
        queue.adopt();
    }
    assert_eq!(files()[0].1, 64 << 10);
    assert_eq!(queue.push(b"home again"), Ok(1));
    assert_eq!(drain(&queue), [b"home again".to_vec()]);
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

#[test]
fn a_closed_queue_refuses_and_holds_nothing() {
    let rung = tempdir().unwrap();
    let queue = Queue::open(&options(rung.path()));
    queue.push(b"sent").unwrap();
    queue.release(peek(&queue, 1).unwrap().0);
    queue.close();
    assert_eq!(
        queue.push(b"late"),
        Err(Refusal::Dropped(DropReason::Closed))
    );
    assert!(peek(&queue, 1).is_none());
    assert_eq!(queue.adopt(), Adopted::default());
    assert_eq!((queue.waiting(), queue.segment_count()), (0, 0));
    assert_eq!(common::files(&queue.directory().unwrap()), []);
    queue.close();
}

#[test]
fn a_closed_queue_leaves_its_entries_to_the_next() {
    let rung = tempdir().unwrap();
    let first = Queue::open(&options(rung.path()));
    for entry in [b"a", b"b", b"c"] {
        first.push(entry).unwrap();
    }
    first.release(peek(&first, 1).unwrap().0);
    first.close();

    let second = Queue::open(&options(rung.path()));
    second.push(b"own").unwrap();
    let adopted = adopt_until(&second, |adopted| adopted.segments > 0);
    assert_eq!((adopted.segments, adopted.entries), (1, 2));
    assert_eq!((second.waiting(), second.segment_count()), (3, 2));
    assert_eq!(second.adopt(), Adopted::default());
    assert_eq!(
        drain(&second),
        [b"own".to_vec(), b"b".to_vec(), b"c".to_vec()]
    );
    assert_eq!(
        (
            second.waiting(),
            second.waiting_bytes(),
            second.segment_count()
        ),
        (0, 0, 1)
    );
    drop((first, second));
    assert_eq!(common::files(&rung.path().join("app")), []);
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
