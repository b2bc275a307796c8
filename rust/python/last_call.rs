//! `call_at_last`: calls a Python function at the end of a process that never finalises its interpreter.
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
    /// The process that makes the call. A forked child inherits the handler and must not make the call.
    pid: u32,
    function: Py<PyAny>,
    patience: Duration,
    /// Whether the thread that ends the process holds the GIL.
    holds_gil: bool,
}

static LAST_CALL: Mutex<Option<LastCall>> = Mutex::new(None);

/// Has `function` called, without arguments, when this very process (and no child of it) calls C's `exit` with its
/// interpreter still alive. A second `call_at_last` replaces the function of the first.
///
/// `holds_gil`: whether the thread that calls `exit` holds the GIL then. If not, a new thread makes the call, because uWSGI
/// releases the GIL in a way that leaves the exiting thread unable to take it again. The exit waits for the new thread, at
/// most `patience_s` seconds.
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
        // A forked child inherits the handler together with the function that it is to call.
        if before.is_none() {
            register().map_err(|()| PyOSError::new_err("no room for another exit handler"))?;
        }
        Ok(())
    })
}

#[cfg(unix)]
fn register() -> Result<(), ()> {
    // SAFETY: the handler is a function of this library, which is never unloaded, and the handler never unwinds.
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
    // SAFETY: reads one flag, which finalisation clears at its start, and needs neither a thread state nor the GIL.
    if unsafe { pyo3::ffi::Py_IsInitialized() } == 0 {
        return;
    }
    // The lock is not waited for: a fork may have happened while another thread held it.
    let Some(last_call) = LAST_CALL.try_lock().ok().and_then(|mut last| last.take()) else {
        return;
    };
    if last_call.pid != std::process::id() {
        std::mem::forget(last_call); // the parent gives up the reference; no thread of this child may hold the GIL
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

/// A panic under the lock leaves a complete value behind.
fn lock() -> std::sync::MutexGuard<'static, Option<LastCall>> {
    LAST_CALL.lock().unwrap_or_else(PoisonError::into_inner)
}
