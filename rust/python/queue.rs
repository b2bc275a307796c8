//! `Queue`: one process's end of the shared-memory queue, and `Batch`, what the flusher posts.

use std::cell::RefCell;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{PyBytes, PyDict};
use uuid::Uuid;

use super::capture::Capture;
use super::encoder::Encoder;
use super::environ::Headers;
use super::error::guarded;
use super::gate;
use super::view;
use crate::batch;
use crate::counters::{Counter, DropReason};
use crate::exchange::{Captured, Exchange, Group, Response};
use crate::har::{self, Bodies};
use crate::queue::{self, Peek, Refusal};

/// Bodies from this size on are encoded with the GIL released.
///
/// Below it, giving the GIL up and asking for it back costs other threads more than the encoding takes
/// (`benches/README.md`); hashlib draws its line at 2 KiB for the same reason, for slower work per byte.
const DETACH_BYTES: usize = 32 * 1024;

/// What a thread keeps of its scratch buffer, and the process of one.
const SCRATCH_BYTES: usize = 256 * 1024;
const LARGE_SCRATCH_BYTES: usize = 4 * 1024 * 1024;

thread_local! {
    /// Entries are encoded here and then copied into the segment: one allocation per thread, not per request.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A large one that some thread is done with. To give its pages back and take them anew costs more than to fill them.
static LARGE_SCRATCH: Mutex<Vec<u8>> = Mutex::new(Vec::new());

#[pyclass(frozen, module = "readme_metrics._core")]
pub struct Queue {
    queue: queue::Queue,
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
            let queue = gate::detach(py, || queue::Queue::open(&options));
            Ok(Queue { queue })
        })
    }

    /// Redacts, encodes and queues one exchange. Returns the entries waiting, 0 where it was dropped (and counted), and
    /// None where this queue belongs to the process that this one was forked from.
    // One crossing per request: everything is handed over at once.
    #[allow(clippy::too_many_arguments, clippy::needless_pass_by_value)]
    fn record(
        &self,
        py: Python<'_>,
        encoder: &Encoder,
        capture: &Capture,
        group: (PyBackedStr, Option<PyBackedStr>, Option<PyBackedStr>),
        status: &str,
        headers: &Bound<'_, PyAny>,
        is_file: bool,
    ) -> PyResult<Option<u64>> {
        guarded(|| {
            let headers = Headers::read(headers)?;
            let ([(request, request_bytes), (response, response_bytes)], duration) =
                capture.bodies(py);
            let mut log_id = Uuid::encode_buffer();
            let request_body = Captured {
                bytes: Some(request.joined(py)),
                size_bytes: Some(request_bytes.max(capture.environ.content_length)),
            };
            // What the server sends from a file by itself is not seen; its size is what the app says.
            let response_body = Captured {
                bytes: (!is_file).then(|| response.joined(py)),
                size_bytes: (!is_file).then_some(response_bytes),
            };
            let exchange = Exchange {
                log_id: capture.log_id().hyphenated().encode_lower(&mut log_id),
                group: Group {
                    id: &group.0,
                    label: group.1.as_deref(),
                    email: group.2.as_deref(),
                },
                started_unix_ms: whole_milliseconds(capture.started_unix),
                duration_ms: whole_milliseconds(duration),
                request: capture
                    .environ
                    .request(py, request_body, encoder.trust_forwarded),
                response: Response {
                    status: status.into(),
                    headers: headers.pairs(),
                    body: response_body,
                },
            };
            Ok(if exchange.body_bytes() < DETACH_BYTES {
                self.push(&encoder.har, &exchange)
            } else {
                gate::detach(py, || self.push(&encoder.har, &exchange))
            })
        })
    }

    /// Counts a request that should have been logged and was not.
    fn drop_one(&self, reason: &str) -> PyResult<()> {
        let reason = DropReason::from_name(reason)
            .ok_or_else(|| PyValueError::new_err(format!("unknown reason {reason:?}")))?;
        guarded(|| {
            self.queue.count(Counter::Dropped(reason));
            Ok(())
        })
    }

    /// The oldest entries as one JSON array, or None where nothing waits. They stay queued until released.
    fn peek(
        &self,
        py: Python<'_>,
        max_entries: usize,
        max_bytes: usize,
    ) -> PyResult<Option<Batch>> {
        guarded(|| {
            let Some((peek, batch)) = gate::detach(py, || {
                let peek = self.queue.peek(max_entries, max_bytes)?;
                let batch = batch::build(peek.entries(), peek.bytes());
                Some((peek, batch))
            }) else {
                return Ok(None);
            };
            Ok(Some(Batch {
                json: PyBytes::new(py, &batch.json).unbind(),
                count: batch.count,
                malformed: batch.malformed.len(),
                numbers: batch.malformed,
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
            let dropped = (!sent).then_some(DropReason::Refused);
            gate::detach(py, || self.queue.settle(peek, dropped, &batch.numbers));
            Ok(())
        })
    }

    /// Leases the segments of dead processes; returns how many entries they hold.
    fn adopt(&self, py: Python<'_>) -> PyResult<u64> {
        guarded(|| Ok(gate::detach(py, || self.queue.adopt()).entries))
    }

    /// Removes what is drained and drops the leases; the rest is left to a sibling or the next start.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        guarded(|| {
            gate::detach(py, || self.queue.close());
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
    ///
    /// Not as a `Path`: pyo3 keeps the `pathlib.Path` of the first interpreter that asks, and gives it to all others.
    #[getter]
    fn directory(&self) -> Option<OsString> {
        self.queue.directory().map(OsString::from)
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

    /// Seconds until a POST may be made; at 0 the caller may make one, and no other process of the host for `turn_s`
    /// seconds unless all is well.
    fn claim(&self, py: Python<'_>, turn_s: f64) -> PyResult<f64> {
        guarded(|| {
            Ok(seconds(gate::detach(py, || {
                self.queue.host().claim(milliseconds(turn_s))
            })))
        })
    }

    /// Seconds until `claim` is worth a try.
    fn pause_s(&self, py: Python<'_>) -> PyResult<f64> {
        guarded(|| Ok(seconds(gate::detach(py, || self.queue.host().pause_ms()))))
    }

    /// Notes that the server has taken a batch.
    fn succeeded(&self, py: Python<'_>) -> PyResult<()> {
        guarded(|| {
            gate::detach(py, || self.queue.host().succeeded());
            Ok(())
        })
    }

    /// Notes that it has not, and that no process of the host is to try again for `delay_s` seconds.
    fn failed(&self, py: Python<'_>, delay_s: f64, error: &str) -> PyResult<()> {
        guarded(|| {
            gate::detach(py, || {
                self.queue.host().failed(milliseconds(delay_s), error);
            });
            Ok(())
        })
    }

    /// How many POSTs in a row have failed, of all processes of the host.
    #[getter]
    fn failures(&self, py: Python<'_>) -> PyResult<u64> {
        guarded(|| Ok(gate::detach(py, || self.queue.host().state()).failures))
    }

    /// This process's counters, by name.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (counts, queued) = self.queue.counts();
        let stats = view::counts(py, &counts, queued)?;
        let adopted = self.queue.adopted();
        let entries = adopted.get(Counter::Made);
        let left = entries.saturating_sub(
            adopted.get(Counter::Sent) + adopted.get(Counter::Dropped(DropReason::Refused)),
        );
        stats.set_item("adopted", view::adopted(py, &adopted, left)?)?;
        Ok(stats)
    }

    /// The same sums of all processes of the host that this queue's directory has seen, and what they know of the server.
    // As Python hands it over.
    #[allow(clippy::needless_pass_by_value)]
    fn host<'py>(
        &self,
        py: Python<'py>,
        siblings: Vec<PyRef<'py, Queue>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let (mut counts, mut queued) = self.queue.untold();
        for sibling in &siblings {
            let (its, waiting) = sibling.queue.untold();
            counts.add_all(&its);
            queued += waiting;
        }
        let directory = self.queue.directory().map(PathBuf::from);
        let found = gate::detach(py, || {
            directory.and_then(|directory| queue::survey(&directory).ok())
        });
        if let Some(found) = found {
            for segment in found.segments {
                counts.add_all(&segment.counts);
                queued += segment.entries;
            }
        }
        let state = gate::detach(py, || self.queue.host().state());
        counts.add_all(&state.gone);
        let host = view::counts(py, &counts, queued)?;
        view::state(&host, &state)?;
        Ok(host)
    }
}

impl Queue {
    /// As `record`.
    fn push(&self, encoder: &har::Encoder, exchange: &Exchange<'_>) -> Option<u64> {
        if exchange.body_bytes() > SCRATCH_BYTES / 2 {
            return self.push_large(encoder, exchange);
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let waiting = self.push_encoded(encoder, exchange, scratch);
            if scratch.capacity() > SCRATCH_BYTES {
                *scratch = Vec::new();
            }
            waiting
        })
    }

    fn push_large(&self, encoder: &har::Encoder, exchange: &Exchange<'_>) -> Option<u64> {
        // Never waited for: a forked child may find it locked for good.
        let spare = || LARGE_SCRATCH.try_lock().ok();
        let mut scratch = spare()
            .map(|mut spare| std::mem::take(&mut *spare))
            .unwrap_or_default();
        let waiting = self.push_encoded(encoder, exchange, &mut scratch);
        if scratch.capacity() <= LARGE_SCRATCH_BYTES
            && let Some(mut spare) = spare()
        {
            *spare = scratch;
        }
        waiting
    }

    fn push_encoded(
        &self,
        encoder: &har::Encoder,
        exchange: &Exchange<'_>,
        scratch: &mut Vec<u8>,
    ) -> Option<u64> {
        for bodies in [Bodies::Kept, Bodies::Dropped] {
            scratch.clear();
            encoder.encode(exchange, bodies, scratch);
            match self.queue.push(scratch) {
                Ok(waiting) => {
                    if bodies == Bodies::Dropped {
                        self.queue.count(Counter::BodiesDropped);
                    }
                    return Some(waiting);
                }
                Err(Refusal::TooLarge) => {}
                Err(Refusal::Full) => {
                    self.queue.count(Counter::Dropped(DropReason::Full));
                    return Some(0);
                }
                Err(Refusal::Forked) => return None,
            }
        }
        self.queue.count(Counter::Dropped(DropReason::Oversize));
        Some(0)
    }
}

fn whole_milliseconds(duration: Duration) -> u64 {
    let rounded = duration
        .saturating_add(Duration::from_micros(500))
        .as_millis();
    u64::try_from(rounded).unwrap_or(u64::MAX)
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
    /// Which ones, counted from the first of the batch.
    numbers: Vec<usize>,
    peek: Mutex<Option<Peek>>,
}
