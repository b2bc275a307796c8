//! What the core says about queues, as read-only classes; each call makes new objects.

use std::path::PathBuf;

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use super::detach;
use super::error::guarded;
use crate::counters::{self, Counter, DropReason};
use crate::queue::{self, FoundSegment, machine::state::State};

/// What became of requests: `made = sent + queued + sum(dropped) + sampled`.
#[pyclass(
    frozen,
    from_py_object,
    name = "Counts",
    module = "readme_metrics._core"
)]
#[derive(Clone, Copy, Default)]
pub struct PyCounts {
    sums: counters::Counts,
    #[pyo3(get)]
    queued: u64,
}

impl PyCounts {
    pub fn new(sums: counters::Counts, queued: u64) -> PyCounts {
        PyCounts { sums, queued }
    }

    fn add(&mut self, sums: &counters::Counts, queued: u64) {
        self.sums.add_all(sums);
        self.queued = self.queued.saturating_add(queued);
    }
}

#[pymethods]
impl PyCounts {
    /// Nothing has happened yet.
    #[new]
    fn zero() -> PyCounts {
        PyCounts::default()
    }

    #[getter]
    fn made(&self) -> u64 {
        self.sums.get(Counter::Made)
    }

    #[getter]
    fn sent(&self) -> u64 {
        self.sums.get(Counter::Sent)
    }

    #[getter]
    fn sampled(&self) -> u64 {
        self.sums.get(Counter::Sampled)
    }

    #[getter]
    fn bodies_dropped(&self) -> u64 {
        self.sums.get(Counter::BodiesDropped)
    }

    #[getter]
    fn dropped<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dropped = PyDict::new(py);
        for reason in DropReason::ALL {
            dropped.set_item(reason.name(), self.sums.get(Counter::Dropped(reason)))?;
        }
        Ok(dropped)
    }
}

/// One process's sums.
#[pyclass(frozen, module = "readme_metrics._core")]
pub struct QueueStats {
    #[pyo3(get)]
    pub own: PyCounts,
    #[pyo3(get)]
    pub adopted: PyCounts,
}

/// What the host's processes know about the server. Times are seconds since 1970.
#[pyclass(frozen, from_py_object, module = "readme_metrics._core")]
#[derive(Clone)]
pub struct ServerState {
    #[pyo3(get)]
    failures: u64,
    #[pyo3(get)]
    retries: u64,
    #[pyo3(get)]
    last_success: Option<f64>,
    #[pyo3(get)]
    last_error: Option<String>,
    #[pyo3(get)]
    last_error_at: Option<f64>,
    #[pyo3(get)]
    pause_until: Option<f64>,
}

impl ServerState {
    fn new(state: &State) -> ServerState {
        ServerState {
            failures: state.failures,
            retries: state.retries,
            last_success: time(state.last_success_ms),
            last_error: (state.last_error_ms > 0).then(|| state.last_error.clone()),
            last_error_at: time(state.last_error_ms),
            pause_until: (state.failures > 0)
                .then(|| time(state.resume_at_ms))
                .flatten(),
        }
    }
}

/// One segment file of another process, dead or alive.
#[pyclass(frozen, from_py_object, module = "readme_metrics._core")]
#[derive(Clone)]
pub struct SegmentInfo {
    #[pyo3(get)]
    name: String,
    #[pyo3(get)]
    is_orphan: bool,
    #[pyo3(get)]
    owner_pid: Option<u32>,
    #[pyo3(get)]
    creator_pid: u32,
    #[pyo3(get)]
    created: Option<f64>,
    #[pyo3(get)]
    file_bytes: u64,
    #[pyo3(get)]
    queued_bytes: u64,
    #[pyo3(get)]
    counts: PyCounts,
    #[pyo3(get)]
    defect: Option<String>,
}

impl SegmentInfo {
    fn new(found: FoundSegment) -> SegmentInfo {
        SegmentInfo {
            name: found.name,
            is_orphan: found.owner_pid.is_none(),
            owner_pid: found.owner_pid.filter(|&pid| pid != 0),
            creator_pid: found.creator_pid,
            created: time(found.created_ms),
            file_bytes: found.file_bytes,
            queued_bytes: found.bytes,
            counts: PyCounts::new(found.counts, found.entries),
            defect: found.defect,
        }
    }
}

/// An app's directory at one moment.
#[pyclass(frozen, name = "Survey", module = "readme_metrics._core")]
pub struct PySurvey {
    #[pyo3(get)]
    counts: PyCounts,
    #[pyo3(get)]
    server: ServerState,
    #[pyo3(get)]
    label: Option<String>,
    #[pyo3(get)]
    segments: Vec<SegmentInfo>,
}

impl PySurvey {
    /// `own`: the sums of this process's own segments, which are not in `found`.
    pub fn new(state: &State, found: Vec<FoundSegment>, own: PyCounts) -> PySurvey {
        let mut counts = own;
        counts.add(&state.gone, 0);
        for segment in &found {
            counts.add(&segment.counts, segment.entries);
        }
        PySurvey {
            counts,
            server: ServerState::new(state),
            label: Some(state.label.clone()).filter(|label| !label.is_empty()),
            segments: found.into_iter().map(SegmentInfo::new).collect(),
        }
    }
}

/// What an app's directory holds of other processes.
///
/// Raises `OSError` where the directory must not be used.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // as Python hands it over
pub fn survey(py: Python<'_>, directory: PathBuf) -> PyResult<PySurvey> {
    guarded(|| {
        let found = detach::detach(py, || queue::survey(&directory)).map_err(PyOSError::new_err)?;
        let state = found.state.unwrap_or_default();
        Ok(PySurvey::new(&state, found.segments, PyCounts::default()))
    })
}

/// The entries of one segment of another process from `position` on, as msgpack, and the position to go on from.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // as Python hands it over
pub fn entries(
    py: Python<'_>,
    directory: PathBuf,
    name: &str,
    position: u64,
) -> PyResult<Option<(u64, Vec<Py<PyBytes>>)>> {
    guarded(|| {
        let found = detach::detach(py, || queue::entries(&directory, name, position));
        Ok(found.map(|(position, entries)| {
            let entries = entries.iter().map(|entry| PyBytes::new(py, entry).unbind());
            (position, entries.collect())
        }))
    })
}

#[allow(clippy::cast_precision_loss)] // below 2^53 for any time of this era
fn time(milliseconds: u64) -> Option<f64> {
    (milliseconds > 0).then_some(milliseconds as f64 / 1000.0)
}
