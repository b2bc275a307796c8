//! A ring's memory as a list of words that counts the stores made to it. A process can die before any of its stores.
#![allow(dead_code)] // each test binary uses a part

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use readme_metrics_core::queue::protocol::memory::{Memory, Word};
use readme_metrics_core::sync::Ordering;

/// Clones share the words, as processes share a segment.
#[derive(Clone)]
pub struct Words {
    data: Rc<RefCell<Vec<u8>>>,
    tail: Rc<Cell<u64>>,
    head: Rc<Cell<u64>>,
    /// How many more stores the process that runs now may make.
    stores_left: Rc<Cell<u64>>,
    stores_made: Rc<Cell<u64>>,
}

/// A process that has no stores left unwinds with this payload.
struct Died;

impl Words {
    pub fn new(capacity: usize) -> Words {
        Words {
            data: Rc::new(RefCell::new(vec![0; capacity])),
            tail: Rc::default(),
            head: Rc::default(),
            stores_left: Rc::new(Cell::new(u64::MAX)),
            stores_made: Rc::default(),
        }
    }

    /// Other memory of the same process, which may die before a store to either.
    pub fn sibling(&self, capacity: usize) -> Words {
        Words {
            stores_left: Rc::clone(&self.stores_left),
            stores_made: Rc::clone(&self.stores_made),
            ..Words::new(capacity)
        }
    }

    /// Runs one process: `None` if it died before its store number `stores`.
    pub fn run<T>(&self, stores: u64, process: impl FnOnce() -> T) -> Option<T> {
        self.stores_left.set(stores);
        self.stores_made.set(0);
        let result = catch_unwind(AssertUnwindSafe(process));
        self.stores_left.set(u64::MAX);
        match result {
            Ok(result) => Some(result),
            Err(payload) if payload.is::<Died>() => None,
            Err(payload) => resume_unwind(payload),
        }
    }

    /// The number of stores of the process that ran last.
    pub fn stores_made(&self) -> u64 {
        self.stores_made.get()
    }

    /// A copy that shares nothing: what a later process would find if this one died now.
    pub fn image(&self) -> Words {
        let image = Words::new(0);
        image.data.replace(self.data.borrow().clone());
        image.tail.set(self.tail.get());
        image.head.set(self.head.get());
        image
    }

    fn before_store(&self) {
        if self.stores_left.get() == 0 {
            resume_unwind(Box::new(Died)); // quietly: no panic message
        }
        self.stores_left.set(self.stores_left.get() - 1);
        self.stores_made.set(self.stores_made.get() + 1);
    }
}

impl Memory for Words {
    fn capacity(&self) -> u64 {
        self.data.borrow().len() as u64
    }

    fn load(&self, word: Word, _: Ordering) -> u64 {
        match word {
            Word::Tail => self.tail.get(),
            Word::Head => self.head.get(),
        }
    }

    fn store(&self, word: Word, value: u64, _: Ordering) {
        self.before_store();
        match word {
            Word::Tail => self.tail.set(value),
            Word::Head => self.head.set(value),
        }
    }

    unsafe fn write(&self, offset: u64, bytes: &[u8]) {
        let mut at = usize::try_from(offset).unwrap_or(usize::MAX);
        for word in bytes.chunks(8) {
            self.before_store();
            self.data.borrow_mut()[at..at + word.len()].copy_from_slice(word);
            at += word.len();
        }
    }

    unsafe fn read(&self, offset: u64, bytes: &mut [u8]) -> bool {
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        bytes.copy_from_slice(&self.data.borrow()[at..at + bytes.len()]);
        true
    }
}
