//! Dotted paths and `*`, for lists that apply at every depth of a JSON document.
//!
//! The paths form one small automaton. Its state after a key is a set of bits: bit `i` is set if the keys so far end with the
//! segments of a path up to and including segment `i`. Each key is compared once, so long keys and deep documents cost no more
//! than their length.

use crate::wildcard::Wildcard;

/// The segments of all paths, one path after the other.
#[derive(Debug)]
pub(super) struct Paths {
    segments: Box<[PathSegment]>,
}

/// One name of a path.
#[derive(Debug)]
struct PathSegment {
    name: Wildcard,
    is_first: bool,
    is_last: bool,
}

/// The position of a walk through a document: the automaton's state for each member that was entered.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    /// The states of the entered members, each as many words as `here`.
    entered: Vec<u64>,
    /// The state after the key that was judged last.
    here: Vec<u64>,
}

impl Trail {
    /// Goes into the member that was judged last.
    pub(crate) fn enter(&mut self) {
        self.entered.extend_from_slice(&self.here);
    }

    /// Comes out of the member that was entered last.
    pub(crate) fn leave(&mut self) {
        let left = self.entered.len().saturating_sub(self.here.len());
        self.entered.truncate(left);
    }
}

impl Paths {
    /// Compiles the entries that have a dot or a `*`; `NameSet` has the plain names.
    pub(super) fn new(list: &[String]) -> Paths {
        let mut segments = Vec::new();
        for entry in list.iter().filter(|entry| entry.contains(['.', '*'])) {
            let mut names = entry.split('.').peekable();
            let mut is_first = true;
            while let Some(name) = names.next() {
                segments.push(PathSegment {
                    name: Wildcard::new(name),
                    is_first,
                    is_last: names.peek().is_none(),
                });
                is_first = false;
            }
        }
        Paths {
            segments: segments.into(),
        }
    }

    /// Takes the state of `trail` one key further. Returns whether some path is complete, and whether some path has begun.
    pub(super) fn follow(&self, key: &str, trail: &mut Trail) -> (bool, bool) {
        let words = self.segments.len().div_ceil(64);
        trail.here.clear();
        trail.here.resize(words, 0);
        let parent = trail.entered.len().saturating_sub(words);
        let parent = trail.entered.get(parent..).unwrap_or_default();
        let (mut matched, mut started) = (false, false);
        for (i, segment) in self.segments.iter().enumerate() {
            let reached = segment.is_first || i.checked_sub(1).is_some_and(|i| bit(parent, i));
            if reached && segment.name.matches(key.as_bytes()) {
                matched |= segment.is_last;
                started |= !segment.is_last;
                if let Some(word) = trail.here.get_mut(i / 64) {
                    *word |= 1 << (i % 64);
                }
            }
        }
        (matched, started)
    }
}

fn bit(words: &[u64], i: usize) -> bool {
    words
        .get(i / 64)
        .is_some_and(|word| word >> (i % 64) & 1 == 1)
}
