//! The masked form of a credential: recognisable to its owner, of no use to anyone else.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha512};

/// Characters of the value that the dashboard shows.
const TAIL: usize = 4;

/// `sha512-`, the base64 of the value's SHA-512, `?`, and the last four characters. A value of four characters or fewer is
/// its own tail and gets none.
pub fn mask(value: &str) -> String {
    let tail = match value.char_indices().rev().nth(TAIL - 1) {
        Some((start, _)) if start > 0 => value.get(start..).unwrap_or_default(),
        _ => "",
    };
    let digest = STANDARD.encode(Sha512::digest(value));
    format!("sha512-{digest}?{tail}")
}
