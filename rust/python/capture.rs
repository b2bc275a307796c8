//! `Capture`: what is kept of one request and its response while they pass.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use pyo3::{PyTraverseError, PyVisit, intern};
use uuid::Uuid;

use super::body::{Chunks, KeptBody, unchanging};
use super::caller::{Caller, plain};
use super::encoder::PyEncoder;
use super::environ::{Headers, text};
use super::error::guarded;
use super::head::Head;
use super::verdict::{Fate, Verdict};
use crate::selection::{self, Action, Answer, Number, status_code};

/// The compiled base class of `Exchange` (`exchange.py`).
///
/// `head` is a WSGI environ, which is copied, or an ASGI scope, whose parts are copied.
///
/// Nothing here calls Python code except for methods of odd objects. Up to 3.13, an interpreter that finalises ends a daemon
/// thread with `pthread_exit` when the thread asks for the GIL; with a frame of Rust further up the stack, that call aborts the
/// process. So `exchange.py` calls the app, the server and the grouping function.
#[pyclass(frozen, subclass, module = "readme_metrics._core")]
pub struct Capture {
    pub(super) encoder: Py<PyEncoder>,
    /// The request as it came: an app may change its environ (mounts move `SCRIPT_NAME`).
    pub(super) head: Head,
    started: Instant,
    pub(super) started_unix: Duration,
    log_id: OnceLock<Uuid>,
    caller: OnceLock<Caller>,
    passing: Mutex<Passing>,
}

/// What changes while request and response pass.
struct Passing {
    request: KeptBody,
    response: KeptBody,
    duration: Option<Duration>,
    /// The server sends the response from a file by itself: its content is not seen, its size is the one the app declares.
    is_file: bool,
    /// A piece of the request's body could not be noted: the log has no request body.
    is_request_unknown: bool,
    /// A piece of the response's body could not be noted: the log has no response body.
    is_response_unknown: bool,
    /// What the rules have decided or left open; `None` without a rule that concerns this request.
    verdict: Option<selection::Decision>,
    /// The framework's template of the path, for rules that are still open when the response has started, and for logs that
    /// show it.
    route: Option<String>,
}

#[pymethods]
impl Capture {
    #[new]
    #[allow(clippy::needless_pass_by_value)]
    #[pyo3(signature = (encoder, head, is_scope = false))]
    fn new(encoder: Py<PyEncoder>, head: &Bound<'_, PyDict>, is_scope: bool) -> PyResult<Capture> {
        guarded(|| {
            let max_bytes = encoder.get().max_body_bytes;
            Ok(Capture {
                encoder,
                head: Head::of(head, is_scope)?,
                started: Instant::now(),
                started_unix: SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default(),
                log_id: OnceLock::new(),
                caller: OnceLock::new(),
                passing: Mutex::new(Passing {
                    request: KeptBody::new(max_bytes),
                    response: KeptBody::new(max_bytes),
                    duration: None,
                    is_file: false,
                    is_request_unknown: false,
                    is_response_unknown: false,
                    verdict: None,
                    route: None,
                }),
            })
        })
    }

    /// Notes a piece of the request's body. Never raises: what cannot be noted makes the body unknown.
    fn add_request(&self, data: &Bound<'_, PyAny>) {
        if !self.note(data, |passing| &mut passing.request) {
            self.lose_request();
        }
    }

    /// Notes a piece of the response's body. Never raises: what cannot be noted makes the body unknown.
    fn add_response(&self, data: &Bound<'_, PyAny>) {
        if !self.note(data, |passing| &mut passing.response) {
            self.passing().is_response_unknown = true;
        }
    }

    /// Gives up the request's body: the log shows only its declared size.
    fn lose_request(&self) {
        self.passing().is_request_unknown = true;
    }

    /// Notes that the response has ended, with `chunks` as its last pieces. The first call fixes the end time.
    #[pyo3(signature = (chunks = None))]
    pub(super) fn end(&self, chunks: Option<&Bound<'_, PyList>>) {
        self.passing()
            .duration
            .get_or_insert_with(|| self.started.elapsed());
        for chunk in chunks.into_iter().flatten() {
            self.add_response(&chunk);
        }
    }

    /// Notes that the server sends the response from a file by itself.
    fn sent_by_server(&self) {
        self.passing().is_file = true;
    }

    /// Notes who made the call, if `answer` (the grouping function's) is a dict of three strings, as nearly always.
    ///
    /// Returns whether it was: any other answer is checked in Python (`caller.py`).
    fn set_plain_caller(&self, answer: &Bound<'_, PyAny>) -> PyResult<bool> {
        guarded(|| {
            let caller = plain(answer);
            Ok(caller.is_some_and(|caller| self.caller.set(caller).is_ok()))
        })
    }

    /// Notes who made the call.
    fn set_caller(&self, caller: Caller) {
        let _ = self.caller.set(caller);
    }

    /// This log's page in the documentation, which begins with `base_url`.
    fn documentation_url(&self, base_url: &str) -> String {
        let mut log_id = Uuid::encode_buffer();
        let log_id = self.log_id().hyphenated().encode_lower(&mut log_id);
        [base_url, "/logs/", log_id].concat()
    }

    /// A WSGI response's headers with `x-documentation-url` after them. What is not iterable is returned for the server to refuse.
    fn announced<'py>(
        &self,
        headers: &Bound<'py, PyAny>,
        base_url: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        guarded(|| {
            let py = headers.py();
            let announced = match headers.cast_exact::<PyList>() {
                Ok(headers) => headers.get_slice(0, headers.len()),
                Err(_) => match headers.try_iter() {
                    Ok(items) => PyList::new(py, items.collect::<PyResult<Vec<_>>>()?)?,
                    Err(_) => return Ok(headers.clone()),
                },
            };
            let url = self.documentation_url(base_url);
            let documentation = (intern!(py, "x-documentation-url"), url);
            announced.append(documentation)?;
            Ok(announced.into_any())
        })
    }

    /// Restores in `environ` the target and the host of the request as they came, whatever the app has changed meanwhile.
    fn restore_target(&self, environ: &Bound<'_, PyDict>) -> PyResult<()> {
        guarded(|| self.head.restore_target(environ))
    }

    /// Goes on from what the rules said of the request before the app was called.
    fn follow(&self, verdict: &Verdict) {
        if let Some(id) = verdict.log_id.get() {
            let _ = self.log_id.set(*id);
        }
        self.note_verdict(verdict.reached.clone());
    }

    /// Lets the rules decide when the response starts, as far as they can by then.
    #[pyo3(signature = (status, headers, route = None))]
    fn judge_start(
        &self,
        status: Bound<'_, PyAny>,
        headers: &Bound<'_, PyAny>,
        route: Option<String>,
    ) -> PyResult<Fate> {
        guarded(|| {
            let status = text(status)?;
            let headers = Headers::read(headers);
            self.passing().route = route;
            self.judge(&status.to_string_lossy(), &headers, false);
            Ok(self.fate())
        })
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
    fn captured_request<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let chunks = self.passing().request.chunks(py);
        match chunks.only() {
            Some(only) => only.bind(py).clone(),
            None => PyBytes::new(py, &chunks.joined(py)),
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
        self.head.is_tls(py)
    }

    /// Bytes that the client declared and nobody has read; 0 if it sent `Expect: 100-continue`, since it may be waiting for
    /// the go-ahead.
    #[getter]
    fn unread_bytes(&self, py: Python<'_>) -> u64 {
        self.unread_of(py, self.head.content_length(py))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.head.traverse(&visit)
    }
}

impl Capture {
    /// `unread_bytes` of a body of `declared` bytes.
    pub(super) fn unread_of(&self, py: Python<'_>, declared_bytes: u64) -> u64 {
        let unread_bytes = declared_bytes.saturating_sub(self.request_bytes());
        if unread_bytes > 0 && self.head.expects_continue(py) {
            return 0;
        }
        unread_bytes
    }

    /// Judges what is still open. A condition that is open at the end fails.
    pub(super) fn judge(&self, status: &str, headers: &Headers<'_>, is_over: bool) {
        let (open, route) = {
            let passing = self.passing();
            let Some(selection::Decision::Open(open)) = &passing.verdict else {
                return;
            };
            (open.clone(), passing.route.clone())
        };
        let pairs = headers.pairs();
        let content_type = pairs
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let answer = Answer {
            route: route.as_deref(),
            status: status_code(status),
            content_type: content_type.map_or("", |(_, value)| value),
            elapsed_ms: self.elapsed().as_secs_f64() * 1000.0,
            is_over,
        };
        let verdict = self.encoder.get().selection.at_answer(&open, &answer);
        self.note_verdict(verdict);
    }

    /// The time so far, or that of the whole response once it has ended.
    fn elapsed(&self) -> Duration {
        let duration = self.passing().duration;
        duration.unwrap_or_else(|| self.started.elapsed())
    }

    /// The rule that has decided, if one has.
    pub(super) fn rule(&self) -> Option<Number> {
        match &self.passing().verdict {
            Some(selection::Decision::Final(number)) => *number,
            _ => None,
        }
    }

    /// Whether a rule may concern this request.
    pub(super) fn is_judged(&self) -> bool {
        self.passing().verdict.is_some()
    }

    pub(super) fn action(&self) -> Action {
        self.encoder.get().selection.action(self.rule())
    }

    pub(super) fn fate(&self) -> Fate {
        Fate::of(&self.action(), || *self.log_id())
    }

    fn note_verdict(&self, verdict: selection::Decision) {
        let selection = &self.encoder.get().selection;
        let mut passing = self.passing();
        if let selection::Decision::Final(number) = verdict {
            let action = selection.action(number);
            if !action.keeps_request_body {
                passing.request.forget();
            }
            if !action.keeps_response_body {
                passing.response.forget();
            }
        }
        passing.verdict = Some(verdict);
    }

    /// The framework's template of the path, where logs are to show it.
    pub(super) fn shown_route(&self) -> Option<String> {
        if self.encoder.get().shows_route {
            self.passing().route.clone()
        } else {
            None
        }
    }

    pub(super) fn is_file(&self) -> bool {
        self.passing().is_file
    }

    /// Whether the content of the request's body is known, and that of the response's body.
    pub(super) fn known_bodies(&self) -> [bool; 2] {
        let passing = self.passing();
        [
            !passing.is_request_unknown,
            !(passing.is_file || passing.is_response_unknown),
        ]
    }

    pub(super) fn caller(&self) -> Option<&Caller> {
        self.caller.get()
    }

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

    /// Notes `data`; false if it is no piece of a body. An error or a panic must not reach the app that reads or writes.
    fn note(
        &self,
        data: &Bound<'_, PyAny>,
        body: impl FnOnce(&mut Passing) -> &mut KeptBody,
    ) -> bool {
        let noted = catch_unwind(AssertUnwindSafe(|| -> PyResult<()> {
            match unchanging(data) {
                Ok(data) => body(&mut self.passing()).add(&data),
                // Many servers skip a false value (`""`, `None`), so the client receives nothing of it.
                Err(_) if !data.is_truthy()? => {}
                Err(error) => return Err(error),
            }
            Ok(())
        }));
        noted.is_ok_and(|noted| noted.is_ok())
    }

    /// The lock is never held while Python code runs or the GIL is waited for.
    fn passing(&self) -> MutexGuard<'_, Passing> {
        self.passing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
