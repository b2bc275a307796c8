//! `call_at_last`: a call of Python when a process ends that never finalises its interpreter.
//!
//! uWSGI's master is such a process: it has loaded the app, forks the workers, outlives them, and then calls C's `exit`.
//! Python's own exit handlers run in none but idle workers.

use std::sync::mpsc;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

use super::error::guarded;

struct LastCall {
    /// A forked child inherits the handler, but not the duty.
    pid: u32,
    function: Py<PyAny>,
    patience: Duration,
    /// Whether the thread that ends the process holds the GIL.
    holds_gil: bool,
}

static LAST_CALL: Mutex<Option<LastCall>> = Mutex::new(None);

/// Has `function` called, without arguments, when this very process (no child of it) calls C's `exit` with its interpreter
/// still alive. A second call of this one replaces the first.
///
/// `holds_gil`: whether the thread that calls `exit` holds the GIL then. If not, a thread of its own makes the call: uWSGI
/// gives the GIL back in a way that leaves the thread unable to take it again. It is waited for `patience_s` seconds.
#[pyfunction]
pub fn call_at_last(function: Py<PyAny>, patience_s: f64, holds_gil: bool) -> PyResult<()> {
    guarded(|| {
        let last_call = LastCall {
            pid: std::process::id(),
            function,
            patience: Duration::try_from_secs_f64(patience_s).unwrap_or_default(),
            holds_gil,
        };
        let before = lock().replace(last_call);
        // In a forked child, the handler is inherited with what it is to call.
        if before.is_none() {
            register().map_err(|()| PyOSError::new_err("no room for another exit handler"))?;
        }
        Ok(())
    })
}

#[cfg(unix)]
fn register() -> Result<(), ()> {
    // SAFETY: the handler is a function of this library, which is never unloaded, and unwinds into nobody.
    if unsafe { libc::atexit(at_exit) } == 0 {
        Ok(())
    } else {
        Err(())
    }
}

#[cfg(not(unix))]
fn register() -> Result<(), ()> {
    Err(())
}

#[cfg(unix)]
extern "C" fn at_exit() {
    // SAFETY: reads one flag, and needs neither a thread state nor the GIL. It is cleared when finalisation begins.
    if unsafe { pyo3::ffi::Py_IsInitialized() } == 0 {
        return;
    }
    // Not waited for: a fork may have caught it held.
    let Some(last_call) = LAST_CALL.try_lock().ok().and_then(|mut last| last.take()) else {
        return;
    };
    if last_call.pid != std::process::id() {
        std::mem::forget(last_call); // its reference is the parent's affair, and nobody here may hold the GIL
        return;
    }
    let (holds_gil, patience) = (last_call.holds_gil, last_call.patience);
    let call = move || {
        let _ = guarded(|| Python::attach(|py| last_call.function.call0(py).map(drop)));
        std::mem::forget(last_call);
    };
    if holds_gil {
        call();
        return;
    }
    let (done, is_done) = mpsc::channel();
    let started = std::thread::Builder::new().spawn(move || {
        call();
        let _ = done.send(());
    });
    if started.is_ok() {
        let _ = is_done.recv_timeout(patience);
    }
}

/// A panic under the lock leaves a value that is whole.
fn lock() -> std::sync::MutexGuard<'static, Option<LastCall>> {
    LAST_CALL.lock().unwrap_or_else(PoisonError::into_inner)
}
