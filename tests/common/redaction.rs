//! What the properties of redaction share: names, lists of names, and bodies.
#![allow(dead_code)] // each test binary uses a part

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use readme_metrics_core::redact::Body;

/// Few keys, so that lists and documents have some in common. One key is the start of another.
pub const KEYS: [&str; 8] = ["a", "b", "ab", "é", "a b", "password", "x\"y", "😀"];

pub fn key() -> impl Strategy<Value = String> {
    select(&KEYS[..]).prop_map(str::to_owned)
}

pub fn list() -> impl Strategy<Value = Vec<String>> {
    vec(key(), 0..4)
}

/// An empty list stands for none here.
pub fn given(allowlist: &[String]) -> Option<&[String]> {
    (!allowlist.is_empty()).then_some(allowlist)
}

/// Whether the two lists together deny a name.
pub fn is_denied(denylist: &[String], allowlist: &[String], key: &str) -> bool {
    let is_in = |list: &[String]| list.iter().any(|entry| entry == key);
    if denylist.is_empty() {
        !allowlist.is_empty() && !is_in(allowlist)
    } else {
        is_in(denylist)
    }
}

pub fn body<'a>(content_type: &'a str, bytes: &'a [u8]) -> Body<'a> {
    Body {
        content_type: Some(content_type),
        content_encoding: None,
        bytes,
        size: bytes.len() as u64,
        truncated: false,
        max_bytes: 1 << 20,
    }
}
