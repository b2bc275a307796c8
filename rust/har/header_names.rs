//! Caches what follows from the name of a request header, since the same few names come with every request.

use std::sync::{Mutex, TryLockError};

use crate::msgpack::EntryWriter;
use crate::redact::Treatment;
use crate::rules::Rules;

/// A power of two, several times what an app sees.
const SLOTS: usize = 256;

/// Longer keys are not cached, so that no client decides how much memory the cache takes.
const LONGEST_KEY: usize = 64;

/// The names that one encoder knows.
#[derive(Default)]
pub(super) struct HeaderNames {
    names: Mutex<HeaderCache>,
}

impl HeaderNames {
    /// Uses `try_lock`: if another thread holds the cache (or held it when this process forked), works without it.
    pub(super) fn look_up<T>(&self, work: impl FnOnce(&mut HeaderCache) -> T) -> T {
        let known = match self.names.try_lock() {
            Ok(names) => Some(names),
            Err(TryLockError::Poisoned(names)) => Some(names.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        let Some(mut names) = known else {
            return work(&mut HeaderCache::default());
        };
        names.slots.resize_with(SLOTS, KnownHeader::default);
        work(&mut names)
    }
}

/// The cached headers. Each key has exactly one slot.
#[derive(Default)]
pub(super) struct HeaderCache {
    /// Empty if another thread holds the cache: then nothing is cached.
    slots: Vec<KnownHeader>,
    other: KnownHeader,
}

pub(super) struct KnownHeader {
    /// The name in the environ: `HTTP_X_API_KEY`.
    key: String,
    /// The header in a log up to its value, encoded, with the name as `X-Api-Key`.
    pub(super) head: Vec<u8>,
    pub(super) treatment: Treatment,
}

impl Default for KnownHeader {
    /// The header with the empty name.
    fn default() -> KnownHeader {
        KnownHeader {
            key: String::new(),
            head: head(""),
            treatment: Treatment::Redact,
        }
    }
}

impl HeaderCache {
    /// Looks a header up. `rules` must be the same at each call.
    pub(super) fn header(&mut self, rules: &Rules, key: &str) -> &KnownHeader {
        let header = match self.slots.get_mut(slot(key)) {
            Some(header) if key.len() <= LONGEST_KEY => header,
            _ => &mut self.other,
        };
        if header.key != key {
            let name = name(key);
            *header = KnownHeader {
                treatment: Treatment::in_request(rules, &name),
                key: key.to_owned(),
                head: head(&name),
            };
        }
        header
    }
}

fn head(name: &str) -> Vec<u8> {
    let mut head = Vec::new();
    EntryWriter { out: &mut head }.named(name);
    head
}

/// The slot of a key, from its last letters and its length, in which most names differ.
fn slot(key: &str) -> usize {
    let end = key.as_bytes().last_chunk().copied().unwrap_or_default();
    let mixed = (u64::from_le_bytes(end) ^ key.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed.to_be_bytes()[0].into()
}

/// `HTTP_X_API_KEY` -> `X-Api-Key`, `CONTENT_TYPE` -> `Content-Type`.
pub(super) fn name(environ_key: &str) -> String {
    let key = environ_key.strip_prefix("HTTP_").unwrap_or(environ_key);
    let mut before = '-';
    key.chars()
        .map(|character| {
            before = match (character, before) {
                ('_', _) => '-',
                (_, '-') => character.to_ascii_uppercase(),
                _ => character.to_ascii_lowercase(),
            };
            before
        })
        .collect()
}
