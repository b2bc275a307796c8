//! `Denied`: a value that may not be sent, and `Hidden`, what is shown in its place.

use std::ops::Range;

use crate::redact::marker::Marker;

/// What stands in a denied value's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::redact) enum Hidden {
    /// A string of so many characters.
    Characters(usize),
    /// A JSON value that is not a string: the marker brings its own quotes.
    JsonValue,
}

impl Hidden {
    /// As text.
    pub(in crate::redact) fn text(self) -> Marker {
        match self {
            Hidden::Characters(count) => Marker::plain(count),
            Hidden::JsonValue => Marker::plain_json(),
        }
    }

    /// Inside a URL or a form.
    pub(in crate::redact) fn component(self) -> Marker {
        match self {
            Hidden::Characters(count) => Marker::component(count),
            Hidden::JsonValue => Marker::json_component(),
        }
    }
}

/// A value that may not be sent, as it stands in a text.
#[derive(Clone, Debug)]
pub(in crate::redact) struct Denied {
    pub(in crate::redact) range: Range<usize>,
    pub(in crate::redact) hidden: Hidden,
    /// Where the name of the parameter stands; `None` for what is not a parameter.
    pub(in crate::redact) name: Option<Range<usize>>,
    /// How often the text was decoded before the value was found.
    pub(in crate::redact) layers: usize,
}

/// Puts values in order. What overlaps is hidden as one: more than was asked for, never less.
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
