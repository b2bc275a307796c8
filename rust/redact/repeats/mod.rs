//! Denied parameters that the log repeats elsewhere: in the page of a redirect, a link in a JSON answer, the next request's headers.
//!
//! The decoded parameter, `name=value`, is searched for. Each of its bytes may be written in several ways: see `spelling`.

pub(in crate::redact) mod spelling;

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use percent_encoding::percent_decode;

use crate::redact::edit::{Edit, Text};
use crate::redact::marker::{Marker, Reason, withheld};
use crate::redact::repeats::spelling::{may_escape, written};
use crate::redact::url::denied::decode_all;
use crate::redact::url::hidden::Denied;

/// The most work for one text: its bytes times the parameters to search for, a tenth of a second. A text that needs more is withheld,
/// so that no client can make us search for longer.
const MAX_WORK: usize = 1 << 26;

/// How often two ways of reading one place are both tried, in one text.
const MAX_TRIES: usize = 1 << 11;

/// How many bytes a byte counts for if it may begin an escape, which takes longer to compare.
const ESCAPE_WORK: usize = 128;

/// How often a value is decoded, since an app may decode it once more than we did.
const MAX_DECODINGS: usize = 3;

/// The denied parameters of one exchange.
#[derive(Debug, Default)]
pub struct Repeats {
    targets: Vec<Target>,
    seen: HashSet<(Vec<u8>, Vec<u8>)>,
}

/// One decoded parameter.
#[derive(Debug)]
struct Target {
    name_and_equals: Vec<u8>,
    /// The value, which need not be UTF-8.
    value: Vec<u8>,
}

impl Repeats {
    /// Whether there are no parameters to search for.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Notes the denied parameters that were found in `text`.
    pub(in crate::redact) fn add(&mut self, text: &str, denied: &[Denied]) {
        for denied in denied {
            let Some(name) = denied.name.clone().and_then(|name| text.get(name)) else {
                continue;
            };
            let name_and_equals = format!("{}=", decode_all(name)).into_bytes();
            let written = text.get(denied.range.clone()).unwrap_or_default();
            let mut value = written.as_bytes().to_vec();
            for layer in 0..MAX_DECODINGS.max(denied.layers + 1) {
                let Some(decoded) = decode_once(&value, layer <= denied.layers) else {
                    break;
                };
                value = decoded;
                if layer >= denied.layers {
                    self.look_for(&name_and_equals, &value);
                }
            }
        }
    }

    /// Adds a parameter. A value that is not UTF-8 may be repeated as its bytes, or with U+FFFD in their place.
    fn look_for(&mut self, name_and_equals: &[u8], value: &[u8]) {
        let shown = String::from_utf8_lossy(value);
        let is_text = shown.as_bytes() == value;
        for value in [Some(value), Some(shown.as_bytes()).filter(|_| !is_text)] {
            let Some(value) = value.filter(|value| !value.is_empty()) else {
                continue;
            };
            let target = (name_and_equals.to_vec(), value.to_vec());
            if self.seen.insert(target) {
                self.targets.push(Target {
                    name_and_equals: name_and_equals.to_vec(),
                    value: value.to_vec(),
                });
            }
        }
    }

    /// Redacts the repeated parameters in a text that was filtered by its own kind already.
    ///
    /// They are searched for in the unfiltered text, since the filter may have replaced a part of a value that has a `&` in it.
    pub fn redact_text<'a>(&self, text: &'a Text<'a>) -> Cow<'a, str> {
        self.redact(text.source(), text.edits())
    }

    /// Redacts the repeated parameters in a text that has no other filter.
    #[inline]
    pub fn redact_value<'a>(&self, value: &'a str) -> Cow<'a, str> {
        if self.is_empty() {
            return Cow::Borrowed(value);
        }
        self.redact(value, &[])
    }

    fn redact<'a>(&self, source: &'a str, edits: &[Edit]) -> Cow<'a, str> {
        let escapes = source.bytes().filter(|byte| may_escape(*byte)).count();
        let work = source.len() + escapes * ESCAPE_WORK;
        if self.targets.len().saturating_mul(work) > MAX_WORK {
            return Cow::Owned(withheld(source.len() as u64, Reason::ManyRepeats));
        }
        let found = edits_of(self.search(source), Marker::plain);
        match (edits, found.is_empty()) {
            ([], true) => Cow::Borrowed(source),
            (edits, true) => Cow::Owned(Text::edited(source, edits.to_vec()).to_string()),
            (edits, false) => {
                let edits = merged(source, edits.iter().cloned().chain(found));
                Cow::Owned(Text::edited(source, edits).to_string())
            }
        }
    }

    /// Redacts the repeated parameters in a URL, so that it stays a URL.
    pub fn redact_url(&self, url: String) -> String {
        let edits = edits_of(self.search(&url), Marker::component);
        if edits.is_empty() {
            return url;
        }
        Text::edited(url, edits).to_string()
    }

    /// The values of the parameters that a text repeats, in order. Values that overlap become one. A text that can
    /// be read in too many ways is one value as a whole.
    pub(in crate::redact) fn search(&self, text: &str) -> Vec<Found> {
        let bytes = text.as_bytes();
        let mut all: Vec<Found> = Vec::new();
        let mut tries = MAX_TRIES;
        for (at, byte) in bytes.iter().enumerate() {
            // No name begins so far before the end of a run of backslashes: it would be escaped more than three times.
            if bytes.get(at..at + 5) == Some(br"\\\\\") {
                continue;
            }
            let found = self
                .targets
                .iter()
                .filter(|target| target.may_begin_with(*byte))
                .filter_map(|target| target.at(bytes, at, &mut tries))
                .max_by_key(|found| found.range.end);
            all.extend(found);
        }
        if tries == 0 {
            return vec![Found {
                range: 0..text.len(),
                characters: text.chars().count(),
            }];
        }
        // Sorted by value: a parameter with a long name may be found before another and have its value after it.
        all.sort_by_key(|found| (found.range.start, std::cmp::Reverse(found.range.end)));
        all.dedup_by(|later, first| {
            let overlaps = later.range.start < first.range.end;
            if overlaps && later.range.end > first.range.end {
                first.range.end = later.range.end;
                let hidden = text.get(first.range.clone()).unwrap_or_default();
                first.characters = hidden.chars().count();
            }
            overlaps
        });
        all
    }
}

/// A value that a text repeats.
pub(in crate::redact) struct Found {
    pub(in crate::redact) range: Range<usize>,
    pub(in crate::redact) characters: usize,
}

fn edits_of(found: Vec<Found>, marker: fn(usize) -> Marker) -> Vec<Edit> {
    let edit = |found: Found| Edit {
        start: found.range.start,
        end: found.range.end,
        replacement: marker(found.characters),
    };
    found.into_iter().map(edit).collect()
}

/// The edits in order. Of two that overlap, the one that covers the other stays; else they become one.
fn merged(source: &str, edits: impl Iterator<Item = Edit>) -> Vec<Edit> {
    let mut edits: Vec<Edit> = edits.collect();
    // The sort is stable, so that of two edits of the same range the text's own comes first.
    edits.sort_by_key(|edit| (edit.start, std::cmp::Reverse(edit.end)));
    let mut merged: Vec<Edit> = Vec::with_capacity(edits.len());
    for edit in edits {
        match merged.last_mut() {
            Some(last) if edit.start < last.end && edit.end > last.end => {
                last.end = edit.end;
                let hidden = source.get(last.start..last.end).unwrap_or_default();
                last.replacement = Marker::plain(hidden.chars().count());
            }
            Some(last) if edit.start < last.end => {}
            _ => merged.push(edit),
        }
    }
    merged
}

impl Target {
    /// Whether the name may be written with this first byte: its own, or that of an escape.
    fn may_begin_with(&self, byte: u8) -> bool {
        may_escape(byte) || byte == b'+' || self.name_and_equals.first() == Some(&byte)
    }

    /// The value of the parameter, if the parameter is written at this position.
    fn at(&self, text: &[u8], position: usize, tries: &mut usize) -> Option<Found> {
        let start = written(text, position, &self.name_and_equals, false, tries)?;
        // The text may end in the middle of the value.
        let end = written(text, start, &self.value, true, tries)?;
        Some(Found {
            range: start..end,
            characters: String::from_utf8_lossy(&self.value).chars().count(),
        })
    }
}

/// The value decoded once more; `None` if decoding changes nothing. With `must`, `+` is a blank.
fn decode_once(value: &[u8], must: bool) -> Option<Vec<u8>> {
    if !must && !value.contains(&b'%') {
        return None;
    }
    let blanks: Vec<u8> = value
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    let decoded: Vec<u8> = percent_decode(&blanks).collect();
    (must || decoded != value).then_some(decoded)
}
