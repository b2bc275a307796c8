//! The ring, and the whole queue, against a plain `VecDeque`.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/words.rs"]
mod words;

use std::collections::VecDeque;

use proptest::prelude::*;
use readme_metrics_core::counters::DropReason;
use readme_metrics_core::queue::protocol::ring::{Consumer, PushError, ring};
use readme_metrics_core::queue::{Options, Queue, Refusal};
use words::Words;

#[derive(Clone, Debug)]
enum Step {
    Push(usize),
    /// Release this many entries of those that wait.
    Release(usize),
    /// Go on with the reading end of a process that finds the memory as it is.
    Reopen,
}

fn steps(largest: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..largest).prop_map(Step::Push),
        4 => (0..6_usize).prop_map(Step::Release),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 0..200)
}

fn entry(number: usize, bytes: usize) -> Vec<u8> {
    (0..bytes)
        .map(|at| u8::try_from((number * 31 + at) % 251).unwrap())
        .collect()
}

fn waiting(consumer: &Consumer<Words>) -> (Vec<Vec<u8>>, Vec<u64>) {
    let (mut entries, mut ends) = (Vec::new(), Vec::new());
    let mut records = consumer.records().unwrap();
    while let Some(record) = records.next_record().unwrap() {
        let mut entry = Vec::new();
        record.copy_to(&mut entry).unwrap();
        entries.push(entry);
        ends.push(record.end());
    }
    (entries, ends)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_ring_is_a_bounded_deque(words in 1..40_usize, steps in steps(80)) {
        let memory = Words::new(words * 8);
        let (mut producer, mut consumer) = ring(memory.clone());
        let mut model = VecDeque::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Push(bytes) => {
                    let entry = entry(number, bytes);
                    let taken = 8 + bytes.next_multiple_of(8);
                    let held: usize = model.iter().map(|entry: &Vec<u8>| 8 + entry.len().next_multiple_of(8)).sum();
                    let expected = if held + taken <= words * 8 { Ok(taken as u64) } else { Err(PushError::Full) };
                    prop_assert_eq!(producer.push(&entry), expected);
                    if expected.is_ok() {
                        model.push_back(entry);
                    }
                }
                Step::Release(count) => {
                    let (_, ends) = waiting(&consumer);
                    let count = count.min(ends.len());
                    if count > 0 {
                        consumer.release(ends[count - 1]);
                        model.drain(..count);
                    }
                }
                Step::Reopen => consumer = Consumer::attach(memory.clone()),
            }
            prop_assert_eq!(&model, &waiting(&consumer).0);
        }
    }

    #[test]
    fn a_queue_is_a_bounded_deque(max_bytes in 8192..700_000_u64, steps in steps(60_000)) {
        let queue = Queue::open(&Options { directories: Vec::new(), name: "app".into(), max_bytes, label: String::new() });
        let mut model = VecDeque::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Push(bytes) => {
                    let entry = entry(number, bytes);
                    match queue.push(&entry) {
                        Ok(waiting) => {
                            model.push_back(entry);
                            prop_assert_eq!(waiting, model.len() as u64);
                        }
                        Err(Refusal::TooLarge) => prop_assert!(bytes > queue.max_entry_bytes()),
                        Err(refusal) => {
                            prop_assert_eq!(refusal, Refusal::Dropped(DropReason::Full));
                            prop_assert!(!model.is_empty());
                        }
                    }
                }
                Step::Release(count) => {
                    if let Some((peek, entries)) = common::peek(&queue, count) {
                        for entry in entries {
                            prop_assert!(model.pop_front().unwrap() == entry);
                        }
                        queue.release(peek);
                    }
                }
                Step::Reopen => prop_assert!(queue.peek(1, |_| true).is_some() != model.is_empty()),
            }
            prop_assert_eq!(queue.waiting(), model.len() as u64);
        }
        prop_assert!(model == common::drain(&queue));
        // The segments of a burst stay for the next one, until some calm calls of `adopt` have passed.
        for _ in 0..100 {
            queue.adopt();
        }
        prop_assert!(queue.segment_count() <= 1, "{} segments", queue.segment_count());
    }
}
