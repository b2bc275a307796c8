//! Parameters in a text: `name=value` between separators.

use std::ops::Range;

use crate::redact::url::component::find;

/// The positions of a name and a value in a text.
pub(in crate::redact) struct Pair {
    pub(in crate::redact) start: usize,
    /// The position of the first `=`; `None` if there is no value.
    pub(in crate::redact) equals: Option<usize>,
    pub(in crate::redact) end: usize,
}

impl Pair {
    pub(in crate::redact) fn value_start(&self) -> usize {
        self.equals.map_or(self.end, |equals| equals + 1)
    }

    pub(in crate::redact) fn name_end(&self) -> usize {
        self.equals.unwrap_or(self.end)
    }

    pub(in crate::redact) fn name<'a>(&self, text: &'a str) -> &'a str {
        text.get(self.start..self.name_end()).unwrap_or_default()
    }

    pub(in crate::redact) fn value<'a>(&self, text: &'a str) -> &'a str {
        text.get(self.value_start()..self.end).unwrap_or_default()
    }
}

/// Splits a range of `text` at each `separator`.
pub(in crate::redact) fn split(
    text: &str,
    range: Range<usize>,
    separator: u8,
) -> impl Iterator<Item = Pair> {
    let mut next = Some(range.start);
    std::iter::from_fn(move || {
        let start = next?;
        let rest = text.as_bytes().get(start..range.end)?;
        let separator = find(separator, rest);
        next = separator.map(|at| start + at + 1);
        let pair = rest.get(..separator.unwrap_or(rest.len()))?;
        Some(Pair {
            start,
            equals: find(b'=', pair).map(|at| start + at),
            end: start + pair.len(),
        })
    })
}
