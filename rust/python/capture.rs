//! `Capture`: what is kept of one request and its response while they pass.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use uuid::Uuid;

use super::body::{Body, Chunks, unchanging};
use super::environ::Environ;
use super::error::{InternalError, guarded};

/// No cycle can go through it: it holds strings and bytes only.
#[pyclass(frozen, module = "readme_metrics._core")]
pub struct Capture {
    pub(super) environ: Environ,
    started: Instant,
    pub(super) started_unix: Duration,
    log_id: OnceLock<Uuid>,
    passing: Mutex<Passing>,
}

/// What changes while they pass.
struct Passing {
    request: Body,
    response: Body,
    duration: Option<Duration>,
    /// Why this is not what passed, if it is not: its log would not be true. Not the exception itself, whose traceback would
    /// lead back here.
    failure: Option<String>,
}

#[pymethods]
impl Capture {
    #[new]
    fn new(environ: &Bound<'_, PyDict>, max_bytes: usize) -> PyResult<Capture> {
        guarded(|| {
            Ok(Capture {
                environ: Environ::read(environ),
                started: Instant::now(),
                started_unix: SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default(),
                log_id: OnceLock::new(),
                passing: Mutex::new(Passing {
                    request: Body::new(max_bytes),
                    response: Body::new(max_bytes),
                    duration: None,
                    failure: None,
                }),
            })
        })
    }

    /// Notes a piece of the request's body. Never raises: `failure` tells what went wrong.
    fn add_request(&self, data: &Bound<'_, PyAny>) {
        self.note(data.py(), || {
            let data = unchanging(data)?;
            self.passing().request.add(&data);
            Ok(())
        });
    }

    /// The same of the response's.
    fn add_response(&self, data: &Bound<'_, PyAny>) {
        self.note(data.py(), || {
            let data = unchanging(data)?;
            self.passing().response.add(&data);
            Ok(())
        });
    }

    /// Notes that the response has ended, with `chunks` as its last pieces.
    #[pyo3(signature = (chunks = None))]
    fn end(&self, chunks: Option<&Bound<'_, PyList>>) {
        self.passing().duration = Some(self.started.elapsed());
        for chunk in chunks.into_iter().flatten() {
            self.add_response(&chunk);
        }
    }

    /// Notes why this is not what passed.
    fn fail(&self, error: &Bound<'_, PyException>) {
        self.note(error.py(), || {
            Err(PyErr::from_value(error.clone().into_any()))
        });
    }

    /// Keeps no bytes of the request from here on.
    fn forget_request(&self) {
        self.passing().request.forget();
    }

    /// Keeps no bytes of the response from here on.
    fn forget_response(&self) {
        self.passing().response.forget();
    }

    /// What is kept of the request's body so far.
    fn request_body<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let chunks = self.passing().request.chunks(py);
        match chunks.0.as_slice() {
            [only] => only.bind(py).clone(),
            _ => PyBytes::new(py, &chunks.joined(py)),
        }
    }

    /// How much of the request's body has passed.
    #[getter]
    fn request_bytes(&self) -> u64 {
        self.passing().request.size_bytes
    }

    #[getter]
    fn response_bytes(&self) -> u64 {
        self.passing().response.size_bytes
    }

    #[getter]
    fn is_tls(&self, py: Python<'_>) -> bool {
        self.environ.is_tls(py)
    }

    /// What the client has declared and nobody has read; 0 where it waits for a leave to send it.
    #[getter]
    fn unread_bytes(&self) -> u64 {
        if self.environ.expects_continue {
            return 0;
        }
        let read = self.passing().request.size_bytes;
        self.environ.content_length.saturating_sub(read)
    }

    #[getter]
    fn failure<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        let failure = self.passing().failure.clone();
        failure.map(|name| {
            InternalError::new_err(name)
                .into_value(py)
                .into_bound(py)
                .into_any()
        })
    }

    /// Where the log will be found on the documentation site at `base_url`.
    fn documentation_url(&self, base_url: &str) -> PyResult<String> {
        guarded(|| {
            let mut log_id = Uuid::encode_buffer();
            let log_id = self.log_id().hyphenated().encode_lower(&mut log_id);
            Ok([base_url, "/logs/", log_id].concat())
        })
    }
}

impl Capture {
    /// A random UUID (version 4) from the operating system's randomness.
    pub(super) fn log_id(&self) -> &Uuid {
        self.log_id.get_or_init(Uuid::new_v4)
    }

    /// The chunks and sizes of both bodies, and how long the response took.
    pub(super) fn bodies(&self, py: Python<'_>) -> ([(Chunks, u64); 2], Duration) {
        let passing = self.passing();
        let bodies = [&passing.request, &passing.response];
        let bodies = bodies.map(|body| (body.chunks(py), body.size_bytes));
        (
            bodies,
            passing.duration.unwrap_or_else(|| self.started.elapsed()),
        )
    }

    /// A panic in `work` fails the log, not the app that reads or writes.
    fn note(&self, py: Python<'_>, work: impl FnOnce() -> PyResult<()>) {
        let noted = catch_unwind(AssertUnwindSafe(work))
            .unwrap_or_else(|_| Err(InternalError::new_err("panic in the capture")));
        if let Err(error) = noted {
            let name = error
                .get_type(py)
                .name()
                .map_or_else(|_| String::new(), |name| name.to_string());
            self.passing().failure = Some(format!("the capture failed: {name}"));
        }
    }

    /// Never held while Python code runs or the GIL is waited for.
    fn passing(&self) -> MutexGuard<'_, Passing> {
        self.passing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
