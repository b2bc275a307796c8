//! `monotonic`: a clock that a test of the app cannot stop.

use std::sync::OnceLock;
use std::time::Instant;

use pyo3::prelude::*;

/// Seconds since some moment of this process or of an ancestor that it was forked from.
///
/// Not `time.monotonic`: freezegun and similar tools replace that function, and a thread that waits would wait until their
/// clock runs again.
#[pyfunction]
pub fn monotonic() -> f64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_secs_f64()
}
