//! Texts with `*` in them.

use std::borrow::Cow;

use memchr::memmem;

/// Several patterns, of which one has to match.
#[derive(Debug)]
pub struct Patterns {
    ignores_case: bool,
    patterns: Vec<Pattern>,
}

/// What stands between the `*`s of a pattern; without any, one piece.
#[derive(Debug)]
struct Pattern(Vec<Vec<u8>>);

impl Patterns {
    /// In each pattern, `*` stands for any run of bytes, an empty one too. `ignores_case` is about ASCII letters.
    pub fn new(patterns: &[String], ignores_case: bool) -> Patterns {
        let pieces = |pattern: &String| {
            let pattern = if ignores_case {
                pattern.to_ascii_lowercase()
            } else {
                pattern.clone()
            };
            Pattern(pattern.split('*').map(Into::into).collect())
        };
        Patterns {
            ignores_case,
            patterns: patterns.iter().map(pieces).collect(),
        }
    }

    pub fn matches(&self, text: &[u8]) -> bool {
        let text = if self.ignores_case && text.iter().any(u8::is_ascii_uppercase) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        };
        self.patterns.iter().any(|pattern| pattern.matches(&text))
    }
}

impl Pattern {
    fn matches(&self, text: &[u8]) -> bool {
        let Some((first, rest)) = self.0.split_first() else {
            return false;
        };
        let Some((last, middle)) = rest.split_last() else {
            return text == first;
        };
        let inside = text
            .strip_prefix(first.as_slice())
            .and_then(|text| text.strip_suffix(last.as_slice()));
        // The earliest place of each piece leaves the most room for those that follow.
        let left = middle.iter().try_fold(inside, |text, piece| {
            let text = text?;
            let start = memmem::find(text, piece)?;
            Some(text.get(start + piece.len()..))
        });
        matches!(left, Some(Some(_)))
    }
}
