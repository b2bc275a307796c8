//! Masks a credential: the result is recognisable to its owner and useless to anyone else.

use std::cell::RefCell;
use std::hash::{BuildHasher, Hasher, RandomState};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha512};

/// Characters of the value that the dashboard shows.
const TAIL: usize = 4;

/// How many masks one thread remembers, in some tens of kilobytes. A power of two.
const RECENT: usize = 256;

thread_local! {
    static CACHE: RefCell<Cache> = RefCell::default();
}

/// `sha512-`, the base64 of the value's SHA-512, `?`, and the last four characters. A value of four characters or fewer gets no
/// tail, which would be the whole value.
///
/// Each thread remembers recent masks: callers come back, and the digest costs more than the rest of a small log.
pub fn mask(value: &str) -> String {
    masked(value, str::to_owned)
}

/// Passes the [`mask`] to `look`, without allocating a remembered one.
pub fn masked<T>(value: &str, look: impl FnOnce(&str) -> T) -> T {
    CACHE.with_borrow_mut(|cache| look(cache.mask(value)))
}

/// Recent masks, each in the one place that the hash of its value allows.
///
/// No credential is kept: values are compared by 128 bits of two keyed hashes, so that neither chance nor an attacker makes two
/// values equal.
#[derive(Default)]
struct Cache {
    keys: [RandomState; 2],
    masks: Vec<([u64; 2], String)>,
}

impl Cache {
    fn mask(&mut self, value: &str) -> &str {
        self.masks.resize_with(RECENT, Default::default);
        let hash = self.keys.each_ref().map(|key| {
            let mut hasher = key.build_hasher();
            hasher.write(value.as_bytes());
            hasher.finish()
        });
        #[allow(clippy::cast_possible_truncation)] // only the lowest bits count
        let place = hash[0] as usize % RECENT;
        let (known, masked) = &mut self.masks[place];
        if masked.is_empty() || *known != hash {
            (*known, *masked) = (hash, digest(value));
        }
        masked
    }
}

fn digest(value: &str) -> String {
    let tail = match value.char_indices().rev().nth(TAIL - 1) {
        Some((start, _)) if start > 0 => value.get(start..).unwrap_or_default(),
        _ => "",
    };
    let digest = STANDARD.encode(Sha512::digest(value));
    format!("sha512-{digest}?{tail}")
}
