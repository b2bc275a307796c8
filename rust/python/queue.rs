//! `Queue`: one process's end of the shared-memory queue, and `Batch`, what the flusher posts.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use super::capture::Capture;
use super::detach;
use super::environ::{Headers, text};
use super::error::guarded;
use super::record::{self, Heads};
use super::stats::{PyCounts, PySurvey, QueueStats};
use super::verdict::Fate;
use crate::batch;
use crate::counters::{Counter, DropReason};
use crate::queue::{self, Peek};
use crate::sync::{AtomicU64, Ordering};

pyo3::create_exception!(
    readme_metrics._core,
    Unread,
    PyException,
    "Nothing is queued yet: the client declared more of the request's body than was read."
);
pyo3::create_exception!(
    readme_metrics._core,
    Forked,
    PyException,
    "Nothing is queued: the queue belongs to the process that this one was forked from."
);

/// What the client sees if the app raises.
const SERVER_ERROR: &str = "500 Internal Server Error";

#[pyclass(frozen, name = "Queue", module = "readme_metrics._core")]
pub struct PyQueue {
    queue: queue::Queue,
    /// A request tells the flusher when this many entries wait; 0: each request does.
    call_at_entries: AtomicU64,
}

impl PyQueue {
    /// Whether to tell the flusher of a push after which `waiting` entries wait; 0 means that the push was refused.
    fn is_called(&self, waiting: u64) -> bool {
        waiting == 1 || waiting >= self.call_at_entries.load(Ordering::Relaxed)
    }
}

#[pymethods]
impl PyQueue {
    #[new]
    #[pyo3(
        signature = (directories, name, max_bytes, label = String::new()),
        text_signature = "(directories, name, max_bytes, label='')"
    )]
    fn new(
        py: Python<'_>,
        directories: Vec<PathBuf>,
        name: String,
        max_bytes: u64,
        label: String,
    ) -> PyResult<PyQueue> {
        guarded(|| {
            let options = queue::Options {
                directories,
                name,
                max_bytes,
                label,
            };
            let queue = detach::detach(py, || queue::Queue::open(&options));
            Ok(PyQueue {
                queue,
                call_at_entries: AtomicU64::new(0),
            })
        })
    }

    /// Redacts, encodes and queues what was captured, with `chunks` at its end.
    ///
    /// Returns how many entries wait if the flusher asked for a call at that number, 0 if this one was dropped (and counted), else
    /// `None`. The rare paths are exceptions, which cost the common one nothing: `Unread` and `Forked`.
    // One crossing per request: everything is handed over at once.
    #[pyo3(signature = (capture, chunks, status, headers, is_read = false))]
    fn record(
        &self,
        py: Python<'_>,
        capture: &Capture,
        chunks: Option<&Bound<'_, PyList>>,
        status: Option<Bound<'_, PyAny>>,
        headers: &Bound<'_, PyAny>,
        is_read: bool,
    ) -> PyResult<Option<u64>> {
        guarded(|| {
            capture.end(chunks);
            let status = status.map(text).transpose()?;
            let status = status.as_ref().map(|status| status.to_string_lossy());
            let declared_bytes = capture.head.content_length(py);
            let heads = Heads {
                request_bytes: declared_bytes,
                status: status.as_deref().unwrap_or(SERVER_ERROR),
                headers: &Headers::read(headers),
            };
            let mut wants_request = !is_read;
            if capture.is_judged() {
                capture.judge(heads.status, heads.headers, true);
                match capture.fate() {
                    Fate::Logged => {}
                    Fate::LeftOut => return Ok(None),
                    Fate::Sampled if self.queue.count(Counter::Sampled) => return Ok(None),
                    Fate::Sampled => return Err(Forked::new_err(())),
                }
                wants_request &= capture.action().keeps_request_body;
            }
            if wants_request && capture.unread_of(py, declared_bytes) > 0 {
                return Err(Unread::new_err(()));
            }
            let Some(waiting) = record::record(py, &self.queue, capture, &heads)? else {
                return Err(Forked::new_err(()));
            };
            // The server has yet to send a file: if requests send logs themselves, a later request sends this one.
            if capture.is_file() || !self.is_called(waiting) {
                return Ok(None);
            }
            Ok(Some(waiting))
        })
    }

    /// Counts a request that should have been logged and was not.
    fn drop_one(&self, reason: &str) -> PyResult<()> {
        let reason = drop_reason(reason)?;
        guarded(|| {
            self.queue.count(Counter::Dropped(reason));
            Ok(())
        })
    }

    /// Counts a request that a rule's `sample` left out.
    fn sample_one(&self) -> PyResult<()> {
        guarded(|| {
            self.queue.count(Counter::Sampled);
            Ok(())
        })
    }

    /// The oldest entries as one JSON array, or None if no entry waits. They stay queued until released.
    fn peek(
        &self,
        py: Python<'_>,
        max_entries: usize,
        max_bytes: usize,
    ) -> PyResult<Option<PyBatch>> {
        guarded(|| {
            let Some((peek, batch)) = detach::detach(py, || {
                // JSON is longer than msgpack, most of all where it is JSON in a string.
                let expected_bytes = usize::try_from(self.queue.waiting_bytes() * 3 / 2);
                let mut batch = batch::Builder::new(max_bytes, expected_bytes.unwrap_or(max_bytes));
                let peek = self.queue.peek(max_entries, |entry| batch.take(entry))?;
                Some((peek, batch.finish()))
            }) else {
                return Ok(None);
            };
            Ok(Some(PyBatch {
                json: PyBytes::new(py, &batch.json).unbind(),
                count: batch.count,
                malformed: batch.malformed.len(),
                numbers: batch.malformed,
                peek: Mutex::new(Some(peek)),
            }))
        })
    }

    /// Releases a batch, which the server has (`sent`) or which is dropped for `reason`. Later calls do nothing.
    ///
    /// The logs at the places `left_out` of its array (ascending, from 0) were dropped by `before_send`.
    #[pyo3(signature = (batch, sent, reason = "refused", left_out = Vec::new()))]
    #[allow(clippy::needless_pass_by_value)] // as Python hands it over
    fn release(
        &self,
        py: Python<'_>,
        batch: &PyBatch,
        sent: bool,
        reason: &str,
        left_out: Vec<usize>,
    ) -> PyResult<()> {
        let reason = drop_reason(reason)?;
        guarded(|| {
            let peek = batch
                .peek
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            let Some(peek) = peek else { return Ok(()) };
            let dropped = (!sent).then_some(reason);
            let left_out = batch.entry_numbers(&left_out);
            detach::detach(py, || {
                self.queue.settle(peek, dropped, &batch.numbers, &left_out);
            });
            Ok(())
        })
    }

    /// Adopts the segments of dead processes; returns how many entries they hold.
    fn adopt(&self, py: Python<'_>) -> PyResult<u64> {
        guarded(|| Ok(detach::detach(py, || self.queue.adopt()).entries))
    }

    /// Removes drained segments and gives the others back, to a sibling or to the next start.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        guarded(|| {
            detach::detach(py, || self.queue.close());
            Ok(())
        })
    }

    #[getter]
    fn call_at_entries(&self) -> u64 {
        self.call_at_entries.load(Ordering::Relaxed)
    }

    /// A request pushes and then reads this; the flusher writes this and then looks how many wait. Between the two, each
    /// takes the queue's lock: whoever comes second sees the other.
    #[setter]
    fn set_call_at_entries(&self, entries: u64) {
        self.call_at_entries.store(entries, Ordering::Relaxed);
    }

    #[getter]
    fn waiting(&self) -> u64 {
        self.queue.waiting()
    }

    #[getter]
    fn waiting_bytes(&self) -> u64 {
        self.queue.waiting_bytes()
    }

    /// Where the segments are; None if the queue is private memory.
    ///
    /// Not as a `Path`: pyo3 keeps the `pathlib.Path` of the first interpreter that asks, and gives it to all others.
    #[getter]
    fn directory(&self) -> Option<OsString> {
        self.queue.directory().map(PathBuf::into_os_string)
    }

    /// Why each better directory was refused.
    #[getter]
    fn refusals(&self) -> Vec<String> {
        self.queue.refusals()
    }

    #[getter]
    fn owner_pid(&self) -> u32 {
        self.queue.owner_pid()
    }

    /// Seconds until a POST may be made; at 0 the caller may make one, and no other process of the host for `turn_s`
    /// seconds unless all is well.
    fn claim(&self, py: Python<'_>, turn_s: f64) -> PyResult<f64> {
        guarded(|| {
            Ok(seconds(detach::detach(py, || {
                self.queue.pause().claim(milliseconds(turn_s))
            })))
        })
    }

    /// Seconds until `claim` is worth a try.
    fn pause_s(&self, py: Python<'_>) -> PyResult<f64> {
        guarded(|| {
            Ok(seconds(detach::detach(py, || {
                self.queue.pause().pause_ms()
            })))
        })
    }

    /// Notes that the server has taken a batch.
    fn succeeded(&self, py: Python<'_>) -> PyResult<()> {
        guarded(|| {
            detach::detach(py, || self.queue.pause().succeeded());
            Ok(())
        })
    }

    /// Notes that a POST has failed, and that no process of the host is to try again for `delay_s` seconds.
    fn failed(&self, py: Python<'_>, delay_s: f64, error: &str) -> PyResult<()> {
        guarded(|| {
            detach::detach(py, || {
                self.queue.pause().failed(milliseconds(delay_s), error);
            });
            Ok(())
        })
    }

    /// How many POSTs of all processes of the host have failed in a row.
    #[getter]
    fn failures(&self, py: Python<'_>) -> PyResult<u64> {
        guarded(|| Ok(detach::detach(py, || self.queue.pause().state()).failures))
    }

    /// This process's sums.
    fn stats(&self) -> PyResult<QueueStats> {
        guarded(|| {
            let (own, queued) = self.queue.counts();
            let adopted = self.queue.adopted();
            let [made, sent, refused] = [
                Counter::Made,
                Counter::Sent,
                Counter::Dropped(DropReason::Refused),
            ]
            .map(|counter| adopted.get(counter));
            Ok(QueueStats {
                own: PyCounts::new(own, queued),
                adopted: PyCounts::new(adopted, made.saturating_sub(sent + refused)),
            })
        })
    }

    /// The sums of all processes of the host that this queue's directory has seen, and what they know of the server.
    // As Python hands it over.
    #[allow(clippy::needless_pass_by_value)]
    fn survey(&self, py: Python<'_>, siblings: Vec<PyRef<'_, PyQueue>>) -> PyResult<PySurvey> {
        guarded(|| {
            let (mut sums, mut queued) = self.queue.own_share();
            for sibling in &siblings {
                let (its, waiting) = sibling.queue.own_share();
                sums.add_all(&its);
                queued += waiting;
            }
            let directory = self.queue.directory();
            let (found, state) = detach::detach(py, || {
                let found = directory.and_then(|directory| queue::survey(&directory).ok());
                (found.unwrap_or_default(), self.queue.pause().state())
            });
            Ok(PySurvey::new(
                &state,
                found.segments,
                PyCounts::new(sums, queued),
            ))
        })
    }
}

fn drop_reason(name: &str) -> PyResult<DropReason> {
    DropReason::from_name(name)
        .ok_or_else(|| PyValueError::new_err(format!("unknown reason {name:?}")))
}

fn milliseconds(seconds: f64) -> u64 {
    // Saturating by definition of `as`: a clock before 1970 becomes 0.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let milliseconds = (seconds * 1000.0).round() as u64;
    milliseconds
}

#[allow(clippy::cast_precision_loss)] // below 2^53 for any time of this era
fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}

/// Entries on their way: what one POST carries.
#[pyclass(frozen, name = "Batch", module = "readme_metrics._core")]
pub struct PyBatch {
    /// The body of the POST: a JSON array.
    #[pyo3(get)]
    json: Py<PyBytes>,
    /// Entries in it.
    #[pyo3(get)]
    count: usize,
    /// Entries left out because shared memory held them damaged.
    #[pyo3(get)]
    malformed: usize,
    /// Which entries those are, counted from the first of the batch.
    numbers: Vec<usize>,
    peek: Mutex<Option<Peek>>,
}

impl PyBatch {
    /// The numbers of the entries that stand at these places of the array, in which the malformed ones are missing.
    fn entry_numbers(&self, places: &[usize]) -> Vec<usize> {
        let total = self.count + self.numbers.len();
        let whole: Vec<usize> = (0..total)
            .filter(|number| self.numbers.binary_search(number).is_err())
            .collect();
        let numbers = places.iter().filter_map(|&place| whole.get(place).copied());
        numbers.collect()
    }
}
