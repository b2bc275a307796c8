//! Text with some of its ranges replaced.
//!
//! A filter finds the ranges to replace and changes nothing. Kept text is copied once, verbatim, when the log is written.

use std::borrow::Cow;
use std::fmt;

use crate::redact::marker::Marker;

/// The most bytes that are copied at once. For longer copies the GNU C library uses `rep movsb`, which is many times slower on some
/// AMD processors if the addresses are not aligned (lunnova.dev/articles/ryzen-slow-short-rep-mov), as those of a text seldom are.
pub const COPY_BYTES: usize = 1024;

/// One range of the source, and what replaces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) replacement: Marker,
}

/// A source text and its edits.
#[derive(Clone, Debug)]
pub struct Text<'a> {
    source: Cow<'a, str>,
    /// In order, without overlap, on character boundaries of `source`.
    edits: Vec<Edit>,
}

impl<'a> Text<'a> {
    /// A text without edits.
    pub fn plain(source: impl Into<Cow<'a, str>>) -> Self {
        Self::edited(source, Vec::new())
    }

    pub(super) fn edited(source: impl Into<Cow<'a, str>>, edits: Vec<Edit>) -> Self {
        let source = source.into();
        debug_assert!(edits.is_sorted_by(|a, b| a.end <= b.start));
        debug_assert!(
            edits
                .iter()
                .all(|edit| source.get(edit.start..edit.end).is_some())
        );
        Self { source, edits }
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// The text as it is without its edits.
    pub(super) fn into_source(self) -> Cow<'a, str> {
        self.source
    }

    pub(super) fn edits(&self) -> &[Edit] {
        &self.edits
    }

    /// The whole text, if nothing in it is replaced.
    #[inline]
    pub fn unedited(&self) -> Option<&str> {
        self.edits.is_empty().then_some(&self.source)
    }

    /// The number of bytes that [`write_to`](Self::write_to) writes.
    pub fn len(&self) -> usize {
        let mut bytes = 0;
        self.pieces(|piece| bytes += piece.len());
        bytes
    }

    /// Whether [`write_to`](Self::write_to) writes nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the text, edits applied.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        self.pieces(|mut rest| {
            while let Some((part, after)) = rest.split_at_checked(COPY_BYTES) {
                out.extend_from_slice(part);
                rest = after;
            }
            out.extend_from_slice(rest);
        });
    }

    /// Passes the kept ranges and the replacements to `take`, in turn. A range that does not fit the source is left out, so that a
    /// wrong edit hides too much and never too little.
    #[inline]
    fn pieces(&self, mut take: impl FnMut(&[u8])) {
        let kept = |start, end| self.source.get(start..end).unwrap_or_default().as_bytes();
        let mut start = 0;
        for edit in &self.edits {
            take(kept(start, edit.start));
            take(edit.replacement.as_bytes());
            start = edit.end;
        }
        take(kept(start, self.source.len()));
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut written = Ok(());
        self.pieces(|piece| {
            written = written.and_then(|()| f.write_str(&String::from_utf8_lossy(piece)));
        });
        written
    }
}
