//! Push, peek and release through the front door; growth, bounds and order.

mod common;

use common::{adopt_until, drain, options, peek};
use readme_metrics_core::counters::DropReason;
use readme_metrics_core::queue::{Adopted, Queue, Refusal};
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

    // The spare segments may leave no room for an entry that fits none of them. This costs one entry, not two.
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
