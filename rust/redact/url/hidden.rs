//! `Denied`: a value that may not be sent. `Hidden`: what replaces it.

use std::ops::Range;

use crate::redact::marker::Marker;

/// The kind of a denied value, which decides about its marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::redact) enum Hidden {
    /// A string of this many characters.
    Characters(usize),
    /// A JSON value that is not a string: the marker brings its own quotes.
    JsonValue,
}

impl Hidden {
    /// The marker in a text.
    pub(in crate::redact) fn text(self) -> Marker {
        match self {
            Hidden::Characters(count) => Marker::plain(count),
            Hidden::JsonValue => Marker::plain_json(),
        }
    }

    /// The marker in a URL or a form.
    pub(in crate::redact) fn component(self) -> Marker {
        match self {
            Hidden::Characters(count) => Marker::component(count),
            Hidden::JsonValue => Marker::json_component(),
        }
    }
}

/// A value of a text that may not be sent.
#[derive(Clone, Debug)]
pub(in crate::redact) struct Denied {
    pub(in crate::redact) range: Range<usize>,
    pub(in crate::redact) hidden: Hidden,
    /// The range of the parameter's name; `None` if the value is not that of a parameter.
    pub(in crate::redact) name: Option<Range<usize>>,
    /// How often the text was decoded before the value was found.
    pub(in crate::redact) layers: usize,
}

/// Sorts values. Values that overlap become one, which may hide more than each of them but never less.
pub(in crate::redact) fn merge(found: &mut Vec<Denied>) {
    if found.len() > 1 {
        found.sort_by_key(|denied| denied.range.start);
        found.dedup_by(|later, first| {
            let overlaps = later.range.start < first.range.end;
            if overlaps {
                first.range.end = first.range.end.max(later.range.end);
            }
            overlaps
        });
    }
}
