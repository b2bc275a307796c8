//! `Queue`: one process's end of the shared-memory queue, and `Batch`, what the flusher posts.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{PyBytes, PyDict, PyList};

use super::encoder::Encoder;
use super::environ::{Chunks, Held};
use super::error::guarded;
use crate::batch;
use crate::counters::{Counters, DropReason};
use crate::exchange::{Captured, Exchange, Group, Response};
use crate::har::{self, Bodies};
use crate::queue::{self, Peek, Refusal};

/// Bodies from this size on are encoded with the GIL released.
///
/// Below it, giving the GIL up and asking for it back costs other threads more than the encoding takes
/// (`benches/README.md`); hashlib draws its line at 2 KiB for the same reason, for slower work per byte.
const DETACH_BYTES: usize = 32 * 1024;

/// A scratch buffer that grew beyond this is given back after use.
const SCRATCH_BYTES: usize = 256 * 1024;

thread_local! {
    /// Entries are encoded here and then copied into the segment: one allocation per thread, not per request.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

#[pyclass(frozen, module = "readme_metrics._core")]
pub struct Queue {
    queue: queue::Queue,
    counters: Counters,
}

#[pymethods]
impl Queue {
    #[new]
    fn new(
        py: Python<'_>,
        directories: Vec<PathBuf>,
        name: String,
        max_bytes: u64,
    ) -> PyResult<Queue> {
        guarded(|| {
            let options = queue::Options {
                directories,
                name,
                max_bytes,
            };
            let queue = py.detach(|| queue::Queue::open(&options));
            Ok(Queue {
                queue,
                counters: Counters::default(),
            })
        })
    }

    /// Redacts, encodes and queues one exchange; returns the entries waiting, 0 where it was dropped (and counted).
    #[pyo3(signature = (
        encoder, log_id, group, environ, request_body, request_size, status, headers, response_body, response_size,
        started_unix_s, duration_s,
    ))]
    // One crossing per request: everything is handed over at once.
    #[allow(clippy::too_many_arguments, clippy::needless_pass_by_value)]
    fn record(
        &self,
        py: Python<'_>,
        encoder: &Encoder,
        log_id: &str,
        group: (PyBackedStr, Option<PyBackedStr>, Option<PyBackedStr>),
        environ: &Bound<'_, PyDict>,
        request_body: Option<&Bound<'_, PyList>>,
        request_size: Option<u64>,
        status: &str,
        headers: &Bound<'_, PyList>,
        response_body: Option<&Bound<'_, PyList>>,
        response_size: Option<u64>,
        started_unix_s: f64,
        duration_s: f64,
    ) -> PyResult<u64> {
        guarded(|| {
            let environ = Held::environ(environ);
            let headers = Held::headers(headers)?;
            let request_chunks = request_body.map(Chunks::new).transpose()?;
            let response_chunks = response_body.map(Chunks::new).transpose()?;
            let captured_bytes = [&request_chunks, &response_chunks]
                .into_iter()
                .flatten()
                .map(Chunks::len)
                .sum::<usize>();
            let exchange = Exchange {
                log_id,
                group: Group {
                    id: &group.0,
                    label: group.1.as_deref(),
                    email: group.2.as_deref(),
                },
                started_unix_ms: milliseconds(started_unix_s),
                duration_ms: milliseconds(duration_s),
                request: environ.request(
                    captured(request_chunks.as_ref(), request_size),
                    encoder.trust_forwarded,
                ),
                response: Response {
                    status: status.into(),
                    headers: headers.pairs(),
                    body: captured(response_chunks.as_ref(), response_size),
                },
            };
            Ok(if captured_bytes < DETACH_BYTES {
                self.push(&encoder.har, &exchange)
            } else {
                py.detach(|| self.push(&encoder.har, &exchange))
            })
        })
    }

    /// Counts a request that should have been logged and was not.
    fn drop_one(&self, reason: &str) -> PyResult<()> {
        let reason = DropReason::from_name(reason)
            .ok_or_else(|| PyValueError::new_err(format!("unknown reason {reason:?}")))?;
        self.counters.add_made();
        self.counters.add_dropped(reason, 1);
        Ok(())
    }

    /// The oldest entries as one JSON array, or None where nothing waits. They stay queued until released.
    fn peek(
        &self,
        py: Python<'_>,
        max_entries: usize,
        max_bytes: usize,
    ) -> PyResult<Option<Batch>> {
        guarded(|| {
            let Some((peek, batch)) = py.detach(|| {
                let peek = self.queue.peek(max_entries, max_bytes)?;
                let batch = batch::build(peek.entries(), peek.bytes());
                Some((peek, batch))
            }) else {
                return Ok(None);
            };
            Ok(Some(Batch {
                json: PyBytes::new(py, &batch.json).unbind(),
                count: batch.count,
                malformed: batch.malformed,
                peek: Mutex::new(Some(peek)),
            }))
        })
    }

    /// Lets go of a batch: the server has it (`sent`), or has refused it for good. Once; later calls do nothing.
    fn release(&self, py: Python<'_>, batch: &Batch, sent: bool) -> PyResult<()> {
        guarded(|| {
            let peek = batch
                .peek
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            let Some(peek) = peek else { return Ok(()) };
            py.detach(|| self.queue.release(peek));
            self.counters
                .add_dropped(DropReason::Corrupt, batch.malformed as u64);
            if sent {
                self.counters.add_sent(batch.count as u64);
            } else {
                self.counters
                    .add_dropped(DropReason::Refused, batch.count as u64);
            }
            Ok(())
        })
    }

    /// Leases the segments of dead processes; returns how many entries they hold.
    fn adopt(&self, py: Python<'_>) -> PyResult<u64> {
        guarded(|| {
            let adopted = py.detach(|| self.queue.adopt());
            // What was lost with a dead process's segment was made by that process, and is dropped by this one.
            self.counters
                .add_adopted(adopted.entries + adopted.dropped_entries);
            self.counters
                .add_dropped(DropReason::Orphan, adopted.dropped_entries);
            self.counters
                .add_dropped(DropReason::Corrupt, adopted.corrupt_entries);
            Ok(adopted.entries)
        })
    }

    /// Removes what is drained and drops the leases; the rest is left to a sibling or the next start.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        guarded(|| {
            py.detach(|| self.queue.close());
            Ok(())
        })
    }

    #[getter]
    fn waiting(&self) -> u64 {
        self.queue.waiting()
    }

    #[getter]
    fn waiting_bytes(&self) -> u64 {
        self.queue.waiting_bytes()
    }

    /// Where the segments are; None where the queue is private memory.
    #[getter]
    fn directory(&self) -> Option<PathBuf> {
        self.queue.directory().map(PathBuf::from)
    }

    /// Why each better directory was refused.
    #[getter]
    fn refusals(&self) -> Vec<String> {
        self.queue.refusals().to_vec()
    }

    #[getter]
    fn owner_pid(&self) -> u32 {
        self.queue.owner_pid()
    }

    /// This process's counters, by name.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = PyDict::new(py);
        stats.set_item("made", self.counters.made())?;
        stats.set_item("adopted", self.counters.adopted())?;
        stats.set_item("sent", self.counters.sent())?;
        stats.set_item("queued", self.queue.waiting())?;
        stats.set_item("bodies_dropped", self.counters.bodies_dropped())?;
        let dropped = PyDict::new(py);
        for (reason, count) in self.counters.dropped() {
            dropped.set_item(reason.name(), count)?;
        }
        stats.set_item("dropped", dropped)?;
        Ok(stats)
    }
}

impl Queue {
    fn push(&self, encoder: &har::Encoder, exchange: &Exchange<'_>) -> u64 {
        SCRATCH.with_borrow_mut(|scratch| {
            let waiting = self.push_encoded(encoder, exchange, scratch);
            if scratch.capacity() > SCRATCH_BYTES {
                *scratch = Vec::new();
            }
            waiting
        })
    }

    fn push_encoded(
        &self,
        encoder: &har::Encoder,
        exchange: &Exchange<'_>,
        scratch: &mut Vec<u8>,
    ) -> u64 {
        self.counters.add_made();
        for bodies in [Bodies::Kept, Bodies::Dropped] {
            scratch.clear();
            encoder.encode(exchange, bodies, scratch);
            match self.queue.push(scratch) {
                Ok(waiting) => {
                    if bodies == Bodies::Dropped {
                        self.counters.add_bodies_dropped();
                    }
                    return waiting;
                }
                Err(Refusal::TooLarge) => {}
                // A fork between the caller's pid check and here: the child's own queue counts from its first request on.
                Err(Refusal::Full | Refusal::Forked) => {
                    self.counters.add_dropped(DropReason::Full, 1);
                    return 0;
                }
            }
        }
        self.counters.add_dropped(DropReason::Oversize, 1);
        0
    }
}

fn captured<'a>(chunks: Option<&'a Chunks<'_>>, size_bytes: Option<u64>) -> Captured<'a> {
    Captured {
        bytes: chunks.map(Chunks::joined),
        size_bytes,
    }
}

fn milliseconds(seconds: f64) -> u64 {
    // Saturating by definition of `as`: a clock before 1970 becomes 0.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let milliseconds = (seconds * 1000.0).round() as u64;
    milliseconds
}

/// Entries on their way: what one POST carries.
#[pyclass(frozen, module = "readme_metrics._core")]
pub struct Batch {
    /// The body of the POST: a JSON array.
    #[pyo3(get)]
    json: Py<PyBytes>,
    /// Entries in it.
    #[pyo3(get)]
    count: usize,
    /// Entries left out because shared memory held them damaged.
    #[pyo3(get)]
    malformed: usize,
    peek: Mutex<Option<Peek>>,
}
