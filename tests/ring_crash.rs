//! The crash model: a workload dies before each of its stores. The next process, which also dies before each of its
//! stores, finds what a plain model allows, and the one after that delivers the rest.
#![allow(clippy::unwrap_used)]

#[path = "common/words.rs"]
mod words;

use std::cell::RefCell;
use std::collections::VecDeque;

use readme_metrics_core::queue::protocol::copy::copy;
use readme_metrics_core::queue::protocol::memory::{Memory, Word};
use readme_metrics_core::queue::protocol::ring::{Consumer, Producer, ring};
use readme_metrics_core::sync::{Arc, Ordering};
use words::Words;

/// What must, and what may, be found after a crash.
#[derive(Clone, Default)]
struct Model {
    /// Accepted and not released.
    waiting: VecDeque<Vec<u8>>,
    /// Being pushed: found whole or not at all.
    pushing: Option<Vec<u8>>,
    /// How many of the oldest are being released: all of them are found, or none.
    releasing: usize,
}

impl Model {
    /// Whether these entries may be found after a crash.
    fn allows(&self, found: &[Vec<u8>]) -> bool {
        [0, self.releasing].into_iter().any(|released| {
            let mut expected: Vec<_> = self.waiting.iter().skip(released).cloned().collect();
            if expected == found {
                return true;
            }
            expected.extend(self.pushing.clone());
            expected == found
        })
    }
}

fn entry(number: usize) -> Vec<u8> {
    let bytes = (number * 7) % 45;
    (0..bytes)
        .map(|at| u8::try_from((number * 13 + at + 1) % 256).unwrap())
        .collect()
}

fn found(consumer: &Consumer<Words>) -> Vec<(Vec<u8>, u64)> {
    let mut found = Vec::new();
    let mut records = consumer.records().unwrap();
    while let Some(record) = records.next_record().unwrap() {
        let mut entry = Vec::new();
        record.copy_to(&mut entry).unwrap();
        found.push((entry, record.end()));
    }
    found
}

/// Several laps round a small ring, with entries pushed to fill it and released in groups.
fn work(memory: &Words, model: &RefCell<Model>) {
    let (mut producer, mut consumer) = ring(memory.clone());
    let mut number = 0;
    for group in [1, 3, 2, 5, 4, 1, 2, 7, 3, 1, 1, 9, 2] {
        push_all(&mut producer, &mut number, model);
        deliver(&mut consumer, model, group);
    }
}

fn deliver(consumer: &mut Consumer<Words>, model: &RefCell<Model>, group: usize) {
    let waiting = found(consumer);
    let group = group.min(waiting.len());
    if group > 0 {
        model.borrow_mut().releasing = group;
        consumer.release(waiting[group - 1].1);
        let mut model = model.borrow_mut();
        model.waiting.drain(..group);
        model.releasing = 0;
    }
}

#[test]
fn a_death_before_any_store_loses_nothing_accepted_and_tears_nothing() {
    let (mut stores, mut points) = (0, 0);
    for capacity in (56..600).step_by(8) {
        let (more_stores, more_points) = die_everywhere(capacity);
        stores += more_stores;
        points += more_points;
    }
    println!("{stores} stores, {points} crash points");
}

fn die_everywhere(capacity: usize) -> (u64, u64) {
    let memory = Words::new(capacity);
    let model = RefCell::new(Model::default());
    memory.run(u64::MAX, || work(&memory, &model)).unwrap();
    let stores = memory.stores_made();

    let mut points = 0;
    for death in 0..stores {
        let memory = Words::new(capacity);
        let model = RefCell::new(Model::default());
        assert!(memory.run(death, || work(&memory, &model)).is_none());
        points += 1;

        let survivors = Consumer::attach(memory.image());
        let survivors: Vec<_> = found(&survivors)
            .into_iter()
            .map(|(entry, _)| entry)
            .collect();
        assert!(
            model.borrow().allows(&survivors),
            "death before store {death}: {survivors:?}"
        );

        // The adopter delivers in groups of two and dies in turn, until one gets through.
        for second in 0.. {
            let memory = memory.image();
            let model = RefCell::new(Model {
                waiting: survivors.clone().into(),
                ..Model::default()
            });
            let adopted = memory.run(second, || {
                let mut consumer = Consumer::attach(memory.clone());
                while !found(&consumer).is_empty() {
                    deliver(&mut consumer, &model, 2);
                }
            });
            let rest = Consumer::attach(memory.image());
            let rest: Vec<_> = found(&rest).into_iter().map(|(entry, _)| entry).collect();
            assert!(
                model.borrow().allows(&rest),
                "death before stores {death}, {second}: {rest:?}"
            );
            if adopted.is_some() {
                assert!(rest.is_empty());
                break;
            }
            points += 1;
        }
    }
    (stores, points)
}

/// A ring moves to other memory, since its file is gone: the copy is made where no process sees it, then given its
/// name, which is one step. The process that comes after a death finds the old memory or the new one.
#[test]
fn a_death_while_a_ring_moves_loses_nothing_and_tears_nothing() {
    let (mut stores, mut points) = (0, 0);
    for capacity in (56..600).step_by(8) {
        for death in 0.. {
            let memory = Words::new(capacity);
            let model = RefCell::new(Model::default());
            let named = RefCell::new(memory.clone());
            let outcome = memory.run(death, || work_and_move(&memory, &named, &model));
            let survivors = found(&Consumer::attach(named.borrow().image()));
            let survivors: Vec<_> = survivors.into_iter().map(|(entry, _)| entry).collect();
            assert!(
                model.borrow().allows(&survivors),
                "death before store {death} of {capacity} bytes: {survivors:?}"
            );
            if outcome.is_some() {
                stores += memory.stores_made();
                break;
            }
            points += 1;
        }
    }
    println!("{stores} stores, {points} crash points");
}

/// Moves the ring after each group of entries. `named` is the memory that other processes would find.
fn work_and_move(memory: &Words, named: &RefCell<Words>, model: &RefCell<Model>) {
    let (mut producer, mut consumer) = ring(memory.clone());
    let mut number = 0;
    for group in [1, 3, 2, 5, 4] {
        push_all(&mut producer, &mut number, model);
        deliver(&mut consumer, model, group);
        let old = consumer.shared_memory();
        let new = memory.sibling(usize::try_from(old.capacity()).unwrap());
        let (head, tail) = (
            old.load(Word::Head, Ordering::Acquire),
            old.load(Word::Tail, Ordering::Acquire),
        );
        assert!(copy(&*old, &new, head, tail));
        named.replace(new.clone());
        #[allow(clippy::arc_with_non_send_sync)] // the ends take loom's `Arc` or the standard one
        let new = Arc::new(new);
        producer.move_to(Arc::clone(&new));
        consumer.move_to(new, head);
    }
}

fn push_all(producer: &mut Producer<Words>, number: &mut usize, model: &RefCell<Model>) {
    loop {
        let entry = entry(*number);
        model.borrow_mut().pushing = Some(entry.clone());
        let pushed = producer.push(&entry);
        model.borrow_mut().pushing = None;
        if pushed.is_err() {
            break;
        }
        model.borrow_mut().waiting.push_back(entry);
        *number += 1;
    }
}
