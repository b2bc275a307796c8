//! Undoes the content coding of a body, with a bound on the output.
//!
//! Understands gzip and deflate, the latter with and without the zlib wrapper, since clients and servers disagree on it. Refuses
//! other codings, and more than one.

use std::borrow::Cow;
use std::io::{ErrorKind, Read};

use flate2::bufread::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};

/// A body without its content coding.
#[derive(Debug)]
pub(in crate::redact) struct Plain<'a> {
    pub(in crate::redact) bytes: Cow<'a, [u8]>,
    /// Whether its end is missing.
    pub(in crate::redact) is_cut: bool,
}

/// Undoes `coding`, the value of `Content-Encoding`. `None` if it cannot be undone.
pub(in crate::redact) fn decompress<'a>(
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
    let mut output = Vec::new();
    let end = if is("gzip") || is("x-gzip") {
        gunzip(bytes, max_bytes, &mut output)
    } else if is("deflate") {
        inflate(bytes, true, max_bytes, &mut output).or_else(|| {
            output.clear();
            inflate(bytes, false, max_bytes, &mut output)
        })
    } else {
        None
    };
    let is_whole = match end? {
        End::Reached => !is_cut,
        End::OverBound => false,
        End::Missing if is_cut && !output.is_empty() => false,
        End::Missing => return None,
    };
    output.truncate(max_bytes);
    Some(Plain {
        bytes: Cow::Owned(output),
        is_cut: !is_whole,
    })
}

/// How far decompression came.
enum End {
    Reached,
    /// The input ended first.
    Missing,
    /// There is more output than the bound allows, for instance in a decompression bomb.
    OverBound,
}

/// Appends the decompressed `bytes` to `output`, up to a little more than `max_bytes`. `None` if they are not gzip.
fn gunzip(bytes: &[u8], max_bytes: usize, output: &mut Vec<u8>) -> Option<End> {
    let bound = u64::try_from(max_bytes).ok()?.checked_add(1)?;
    let result = MultiGzDecoder::new(bytes).take(bound).read_to_end(output);
    match result {
        _ if output.len() > max_bytes => Some(End::OverBound),
        Ok(_) => Some(End::Reached),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Some(End::Missing),
        Err(_) => None,
    }
}

/// Does what `gunzip` does for deflate, with or without the zlib wrapper. flate2's readers are not used, since they take a missing
/// end for the end.
fn inflate(bytes: &[u8], is_wrapped: bool, max_bytes: usize, output: &mut Vec<u8>) -> Option<End> {
    let mut state = Decompress::new(is_wrapped);
    loop {
        output.reserve(bytes.len().clamp(1 << 10, 1 << 16));
        let before = output.len();
        let taken = usize::try_from(state.total_in()).ok()?;
        let rest = bytes.get(taken..)?;
        let status = state
            .decompress_vec(rest, output, FlushDecompress::None)
            .ok()?;
        let is_stuck = output.len() == before && state.total_in() == taken as u64;
        if output.len() > max_bytes {
            return Some(End::OverBound);
        } else if status == Status::StreamEnd {
            return Some(End::Reached);
        } else if is_stuck {
            return Some(End::Missing);
        }
    }
}
