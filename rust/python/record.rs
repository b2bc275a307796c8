//! A capture becomes an entry in the queue: redacted, encoded, copied.

use std::cell::RefCell;
use std::sync::Mutex;
use std::time::Duration;

use pyo3::prelude::*;
use uuid::Uuid;

use super::capture::Capture;
use super::detach;
use super::environ::Headers;
use super::error::InternalError;
use crate::counters::{Counter, DropReason};
use crate::exchange::{Captured, Exchange, Group, Response};
use crate::har::{self, Bodies};
use crate::queue::{Queue, Refusal};

/// Bodies from this size on are encoded with the GIL released.
///
/// For a smaller body, giving the GIL up and asking for it back costs other threads more than the encoding takes
/// (`benches/README.md`); hashlib draws its line at 2 KiB for the same reason, for slower work per byte.
const DETACH_BYTES: usize = 32 * 1024;

/// How much of its scratch buffer a thread keeps, and how large a buffer the process keeps for all of them.
const SCRATCH_BYTES: usize = 256 * 1024;
const LARGE_SCRATCH_BYTES: usize = 4 * 1024 * 1024;

thread_local! {
    /// Entries are encoded here and then copied into the segment: one allocation per thread, not per request.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A large buffer that a thread has finished with. Freeing its pages and faulting them in again costs more than filling them.
static LARGE_SCRATCH: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// What a log needs in addition to the capture.
pub struct Heads<'a, 'py> {
    /// The size of the request's body, as the client declared it.
    pub request_bytes: u64,
    /// The response's.
    pub status: &'a str,
    /// The response's.
    pub headers: &'a Headers<'py>,
}

/// Returns the entries waiting, 0 where this one was dropped (and counted), and `None` where the queue belongs to the
/// process that this one was forked from.
pub fn record(
    py: Python<'_>,
    queue: &Queue,
    capture: &Capture,
    heads: &Heads<'_, '_>,
) -> PyResult<Option<u64>> {
    let Some((id, label, email)) = capture.caller() else {
        return Err(InternalError::new_err("nobody was identified"));
    };
    let ([(request, request_bytes), (response, response_bytes)], duration) = capture.bodies(py);
    let encoder = capture.encoder.get();
    let [is_request_known, is_response_known] = capture.known_bodies();
    // The client declared a body of which nothing was read: the log marks it, since the body was not empty.
    let is_unread = request_bytes == 0 && heads.request_bytes > 0;
    let rule = capture.rule();
    let action = encoder.selection.action(rule);
    let mut log_id = Uuid::encode_buffer();
    let request_body = Captured {
        bytes: (is_request_known && !is_unread && action.keeps_request_body)
            .then(|| request.joined(py)),
        size_bytes: Some(request_bytes.max(heads.request_bytes)),
        is_unwanted: !action.keeps_request_body,
    };
    let response_body = Captured {
        bytes: (is_response_known && action.keeps_response_body).then(|| response.joined(py)),
        // The body is not known where the server sends a file by itself: the size is then the one that the app declares.
        size_bytes: is_response_known.then_some(response_bytes),
        is_unwanted: !action.keeps_response_body,
    };
    let route = capture.shown_route();
    let exchange = Exchange {
        log_id: capture.log_id().hyphenated().encode_lower(&mut log_id),
        group: Group {
            id,
            label: label.as_deref(),
            email: email.as_deref(),
        },
        started_unix_ms: whole_milliseconds(capture.started_unix),
        duration_ms: whole_milliseconds(duration),
        route: route.as_deref(),
        request: capture
            .head
            .request(py, request_body, encoder.trust_forwarded),
        response: Response {
            status: heads.status.into(),
            headers: heads.headers.pairs(),
            body: response_body,
        },
    };
    let har = encoder.har(rule);
    Ok(if exchange.body_bytes() < DETACH_BYTES {
        push(queue, har, &exchange)
    } else {
        detach::detach(py, || push(queue, har, &exchange))
    })
}

fn push(queue: &Queue, encoder: &har::Encoder, exchange: &Exchange<'_>) -> Option<u64> {
    if exchange.body_bytes() > SCRATCH_BYTES / 2 {
        return push_large(queue, encoder, exchange);
    }
    SCRATCH.with_borrow_mut(|scratch| {
        let waiting = push_encoded(queue, encoder, exchange, scratch);
        if scratch.capacity() > SCRATCH_BYTES {
            *scratch = Vec::new();
        }
        waiting
    })
}

fn push_large(queue: &Queue, encoder: &har::Encoder, exchange: &Exchange<'_>) -> Option<u64> {
    // The lock is never waited for: a forked child may find it locked for good.
    let spare = || LARGE_SCRATCH.try_lock().ok();
    let mut scratch = spare()
        .map(|mut spare| std::mem::take(&mut *spare))
        .unwrap_or_default();
    let waiting = push_encoded(queue, encoder, exchange, &mut scratch);
    if scratch.capacity() <= LARGE_SCRATCH_BYTES
        && let Some(mut spare) = spare()
    {
        *spare = scratch;
    }
    waiting
}

fn push_encoded(
    queue: &Queue,
    encoder: &har::Encoder,
    exchange: &Exchange<'_>,
    scratch: &mut Vec<u8>,
) -> Option<u64> {
    for bodies in [Bodies::Kept, Bodies::Dropped] {
        scratch.clear();
        encoder.encode(exchange, bodies, scratch);
        match queue.push(scratch) {
            Ok(waiting) => {
                if bodies == Bodies::Dropped {
                    queue.count(Counter::BodiesDropped);
                }
                return Some(waiting);
            }
            Err(Refusal::TooLarge) => {}
            Err(Refusal::Dropped(reason)) => {
                queue.count(Counter::Dropped(reason));
                return Some(0);
            }
            Err(Refusal::Forked) => return None,
        }
    }
    queue.count(Counter::Dropped(DropReason::Oversize));
    Some(0)
}

fn whole_milliseconds(duration: Duration) -> u64 {
    let rounded = duration
        .saturating_add(Duration::from_micros(500))
        .as_millis();
    u64::try_from(rounded).unwrap_or(u64::MAX)
}
