//! `Patterns`: what a condition of a rule compares a text with.

use std::borrow::Cow;

use crate::wildcard::Wildcard;

/// Several patterns, one of which has to match.
#[derive(Debug)]
pub struct Patterns {
    ignores_case: bool,
    patterns: Vec<Wildcard>,
}

impl Patterns {
    /// Compiles patterns, in which `*` stands for any run of bytes, also an empty one. `ignores_case` ignores the case of ASCII
    /// letters.
    pub fn new(patterns: &[String], ignores_case: bool) -> Patterns {
        let compiled = |pattern: &String| {
            if ignores_case {
                Wildcard::new(&pattern.to_ascii_lowercase())
            } else {
                Wildcard::new(pattern)
            }
        };
        Patterns {
            ignores_case,
            patterns: patterns.iter().map(compiled).collect(),
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
