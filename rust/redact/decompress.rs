//! Undoes the content coding of a body, with a bound on what comes out.
//!
//! Knows gzip and deflate, the latter with and without the zlib wrapper, since clients and servers disagree on it. Refuses
//! everything else, more than one coding included.

use std::borrow::Cow;
use std::io::Read;

use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// A body without its content coding.
#[derive(Debug)]
pub(super) struct Plain<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    /// Whether its end is missing.
    pub(super) is_cut: bool,
}

/// Undoes `coding`, the value of `Content-Encoding`. `None` if it cannot be undone.
pub(super) fn decompress<'a>(
    coding: Option<&str>,
    bytes: &'a [u8],
    is_cut: bool,
    max_bytes: usize,
) -> Option<Plain<'a>> {
    let coding = coding.unwrap_or_default().trim();
    let is = |name: &str| coding.eq_ignore_ascii_case(name);
    if coding.is_empty() || is("identity") || bytes.is_empty() {
        return Some(Plain {
            bytes: Cow::Borrowed(bytes),
            is_cut,
        });
    }
    if is("gzip") || is("x-gzip") {
        read(MultiGzDecoder::new(bytes), is_cut, max_bytes)
    } else if is("deflate") {
        read(ZlibDecoder::new(bytes), is_cut, max_bytes)
            .or_else(|| read(DeflateDecoder::new(bytes), is_cut, max_bytes))
    } else {
        None
    }
}

/// Reads up to `max_bytes`. More than that, a bomb for instance, counts as cut off; an error before that only if the
/// compressed body itself was cut off.
fn read(decoder: impl Read, is_cut: bool, max_bytes: usize) -> Option<Plain<'static>> {
    let mut bytes = Vec::new();
    let bound = max_bytes.saturating_add(1);
    let result = decoder
        .take(bound.try_into().unwrap_or(u64::MAX))
        .read_to_end(&mut bytes);
    if result.is_err() && (!is_cut || bytes.is_empty()) {
        return None;
    }
    let is_over = bytes.len() > max_bytes;
    bytes.truncate(max_bytes);
    Some(Plain {
        bytes: Cow::Owned(bytes),
        is_cut: is_cut || is_over,
    })
}
