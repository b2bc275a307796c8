//! Sums, segments and the host's state as Python dicts, for `stats()` and the commands.

use std::path::PathBuf;

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use super::detach;
use super::error::guarded;
use crate::counters::{Counter, Counts, DropReason};
use crate::queue::machine::state::State;
use crate::queue::{self};

pub fn counts<'py>(py: Python<'py>, counts: &Counts, queued: u64) -> PyResult<Bound<'py, PyDict>> {
    let sums = PyDict::new(py);
    sums.set_item("made", counts.get(Counter::Made))?;
    sums.set_item("sent", counts.get(Counter::Sent))?;
    sums.set_item("queued", queued)?;
    let dropped = PyDict::new(py);
    for reason in DropReason::ALL {
        dropped.set_item(reason.name(), counts.get(Counter::Dropped(reason)))?;
    }
    sums.set_item("dropped", dropped)?;
    sums.set_item("bodies_dropped", counts.get(Counter::BodiesDropped))?;
    Ok(sums)
}

/// What a process did with the entries of dead ones.
pub fn adopted<'py>(py: Python<'py>, counts: &Counts, queued: u64) -> PyResult<Bound<'py, PyDict>> {
    let sums = self::counts(py, counts, queued)?;
    sums.del_item("bodies_dropped")?;
    sums.del_item("made")?;
    sums.set_item("entries", counts.get(Counter::Made))?;
    Ok(sums)
}

/// Adds what is known of the server. Times are seconds since 1970, `None` for never.
pub fn state(dict: &Bound<'_, PyDict>, state: &State) -> PyResult<()> {
    dict.set_item("failures", state.failures)?;
    dict.set_item("retries", state.retries)?;
    dict.set_item("last_success", time(state.last_success_ms))?;
    dict.set_item(
        "last_error",
        (state.last_error_ms > 0).then_some(&state.last_error),
    )?;
    dict.set_item("last_error_at", time(state.last_error_ms))?;
    dict.set_item(
        "pause_until",
        (state.failures > 0).then(|| time(state.resume_at_ms)),
    )
}

/// What an app's directory holds of other processes: `segments`, each a dict, and what the host's state says.
///
/// Raises `OSError` where the directory must not be used.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // as Python hands it over
pub fn survey(py: Python<'_>, directory: PathBuf) -> PyResult<Bound<'_, PyDict>> {
    guarded(|| {
        let found = detach::detach(py, || queue::survey(&directory)).map_err(PyOSError::new_err)?;
        let known = found.state.unwrap_or_default();
        let (mut sums, mut queued) = (known.gone, 0);
        let segments = PyList::empty(py);
        for segment in found.segments {
            sums.add_all(&segment.counts);
            queued += segment.entries;
            let dict = counts(py, &segment.counts, segment.entries)?;
            dict.set_item("name", segment.name)?;
            dict.set_item("owner_pid", segment.owner_pid)?;
            dict.set_item("creator_pid", segment.creator_pid)?;
            dict.set_item("created", time(segment.created_ms))?;
            dict.set_item("file_bytes", segment.file_bytes)?;
            dict.set_item("queued_bytes", segment.bytes)?;
            dict.set_item("defect", segment.defect)?;
            segments.append(dict)?;
        }
        let dict = counts(py, &sums, queued)?;
        state(&dict, &known)?;
        dict.set_item("segments", segments)?;
        Ok(dict)
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
