//! The compiled core of `readme-metrics`.
//!
//! Data flows one way, top to bottom; only `python` knows Python:
//!
//! ```text
//! python    one call per logged request, one per batch; catches panics
//! exchange  a borrowed view of one request and its response
//! target    a path and a host that a URL can have
//! selection which requests are logged, and how; compiled once per configuration
//! rules     the deny or allow list, compiled once per configuration
//! wildcard  a text with `*` in it
//! redact    one kind of body per file: bytes in, what may be sent out
//! json      reads JSON text without building anything
//! har       writes one log object
//! msgpack   the handful of wire types an entry is made of
//! queue     shared-memory segments: push, peek, release, adopt
//! batch     entries -> one JSON array
//! sync      the only door to atomics
//! counters  what became of every request; kept beside the entries, in the queue
//! ```

pub mod batch;
pub mod counters;
pub mod exchange;
pub mod har;
mod json;
pub mod msgpack;
pub mod queue;
pub mod redact;
pub mod rules;
pub mod selection;
pub mod sync;
pub mod target;
mod wildcard;

#[cfg(feature = "python")]
mod python;
