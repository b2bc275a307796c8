//! How errors of the core reach Python.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

pyo3::create_exception!(
    readme_metrics._core,
    InternalError,
    PyRuntimeError,
    "A bug in the compiled core. The middleware counts it, logs it once and goes on."
);

/// Runs `body`; a panic becomes [`InternalError`].
///
/// Unwind safety: state that outlives a call is atomic or behind a mutex that recovers from poisoning.
pub fn guarded<T>(body: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        let message = payload
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        Err(InternalError::new_err(format!(
            "panic in the core: {message}"
        )))
    })
}
