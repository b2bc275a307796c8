//! The binding: the only part of the crate that knows Python.
//!
//! Every entry point runs inside [`error::guarded`], so that a bug in the core becomes an ordinary exception
//! and never pyo3's `PanicException`, which `except Exception` does not catch.

mod body;
mod caller;
mod capture;
mod clock;
mod detach;
mod encoder;
mod environ;
mod error;
mod head;
mod last_call;
mod queue;
mod record;
mod scope;
mod stats;
mod verdict;

use pyo3::prelude::*;

/// `sha512-<base64 digest>?<last four characters>`, the wire format's form of a secret that must stay recognisable.
#[pyfunction]
fn mask(value: &str) -> PyResult<String> {
    error::guarded(|| Ok(crate::redact::mask(value)))
}

/// Lets no thread work without the GIL any more. To be called at the end of the exit handlers: see `detach.rs`.
#[pyfunction]
fn seal(py: Python<'_>) -> PyResult<()> {
    error::guarded(|| {
        detach::close(py);
        Ok(())
    })
}

#[pymodule(gil_used = false)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add(
        "InternalError",
        module.py().get_type::<error::InternalError>(),
    )?;
    module.add("Unread", module.py().get_type::<queue::Unread>())?;
    module.add("Forked", module.py().get_type::<queue::Forked>())?;
    module.add_function(wrap_pyfunction!(mask, module)?)?;
    module.add_function(wrap_pyfunction!(seal, module)?)?;
    module.add_function(wrap_pyfunction!(clock::monotonic, module)?)?;
    module.add_function(wrap_pyfunction!(last_call::call_at_last, module)?)?;
    module.add_function(wrap_pyfunction!(stats::survey, module)?)?;
    module.add_function(wrap_pyfunction!(stats::entries, module)?)?;
    module.add_class::<capture::Capture>()?;
    module.add_class::<encoder::PyEncoder>()?;
    module.add_class::<verdict::Fate>()?;
    module.add_class::<verdict::Verdict>()?;
    module.add_class::<queue::PyQueue>()?;
    module.add_class::<stats::PyCounts>()?;
    module.add_class::<stats::QueueStats>()?;
    module.add_class::<stats::SegmentInfo>()?;
    module.add_class::<stats::ServerState>()?;
    module.add_class::<stats::PySurvey>()?;
    module.add_class::<queue::PyBatch>()
}
