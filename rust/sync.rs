//! The only door to atomics: the standard library's, or `loom`'s when a model is explored.
//!
//! `clippy.toml` forbids the atomic types everywhere else, so that `loom` sees every atomic of the queue. The types are wrapped
//! and not re-exported, since the lint sees through a re-export.
#![allow(clippy::disallowed_types)]

#[cfg(loom)]
use loom::sync::atomic;
#[cfg(not(loom))]
use std::sync::atomic;

pub use atomic::Ordering;
#[cfg(loom)]
pub use loom::sync::Arc;
#[cfg(not(loom))]
pub use std::sync::Arc;

/// A word shared between threads, or between processes.
#[derive(Debug)]
#[repr(transparent)]
pub struct AtomicU64(atomic::AtomicU64);

impl AtomicU64 {
    #[cfg(not(loom))]
    pub const fn new(value: u64) -> AtomicU64 {
        AtomicU64(atomic::AtomicU64::new(value))
    }

    #[cfg(loom)]
    pub fn new(value: u64) -> AtomicU64 {
        AtomicU64(atomic::AtomicU64::new(value))
    }

    /// The word at `pointer`.
    ///
    /// # Safety
    /// That of [`std::sync::atomic::AtomicU64::from_ptr`]: aligned, valid for `'a`, and accessed only atomically.
    #[cfg(not(loom))]
    pub unsafe fn from_ptr<'a>(pointer: *mut u64) -> &'a AtomicU64 {
        // SAFETY: the caller's promise; `AtomicU64` is `repr(transparent)`.
        unsafe { &*pointer.cast::<AtomicU64>() }
    }

    pub fn load(&self, order: Ordering) -> u64 {
        self.0.load(order)
    }

    pub fn store(&self, value: u64, order: Ordering) {
        self.0.store(value, order);
    }

    pub fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
        self.0.fetch_add(value, order)
    }

    /// Stores `new` if the word holds `current`; returns whether it did.
    pub fn replace(&self, current: u64, new: u64, success: Ordering) -> bool {
        self.0
            .compare_exchange(current, new, success, Ordering::Relaxed)
            .is_ok()
    }
}

/// A pointer shared between threads.
#[cfg(not(loom))]
#[derive(Debug)]
pub struct AtomicPtr<T>(atomic::AtomicPtr<T>);

#[cfg(not(loom))]
impl<T> AtomicPtr<T> {
    pub const fn null() -> AtomicPtr<T> {
        AtomicPtr(atomic::AtomicPtr::new(std::ptr::null_mut()))
    }

    pub fn load(&self, order: Ordering) -> *mut T {
        self.0.load(order)
    }

    /// Stores `new` if the pointer is `current`; returns whether it was.
    pub fn replace(&self, current: *mut T, new: *mut T, success: Ordering) -> bool {
        self.0
            .compare_exchange(current, new, success, Ordering::Relaxed)
            .is_ok()
    }
}
