//! The binding: the only part of the crate that knows Python.
//!
//! Every entry point runs inside [`error::guarded`], so that a bug in the core becomes an ordinary exception
//! and never pyo3's `PanicException`, which `except Exception` does not catch.

mod encoder;
mod environ;
mod error;
mod queue;

use pyo3::prelude::*;

/// A new log id: a random UUID (version 4) from the operating system's randomness.
#[pyfunction]
fn new_log_id() -> PyResult<String> {
    error::guarded(|| Ok(uuid::Uuid::new_v4().to_string()))
}

/// `sha512-<base64 digest>?<last four characters>`, the wire format's form of a secret that must stay recognisable.
#[pyfunction]
fn mask(value: &str) -> PyResult<String> {
    error::guarded(|| Ok(crate::redact::mask(value)))
}

#[pymodule(gil_used = false)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add(
        "InternalError",
        module.py().get_type::<error::InternalError>(),
    )?;
    module.add_function(wrap_pyfunction!(new_log_id, module)?)?;
    module.add_function(wrap_pyfunction!(mask, module)?)?;
    module.add_class::<encoder::Encoder>()?;
    module.add_class::<queue::Queue>()?;
    module.add_class::<queue::Batch>()
}
