//! A text with `*` in it, as rules and lists have them.

use memchr::memmem;

/// A text in which each `*` stands for any run of bytes, an empty one too; everything else stands for itself.
#[derive(Debug)]
pub(crate) struct Wildcard {
    head: Box<[u8]>,
    /// What follows each `*`; the last one is the end of the text. Empty if there is no `*`.
    tails: Box<[Box<[u8]>]>,
}

impl Wildcard {
    pub(crate) fn new(text: &str) -> Wildcard {
        let mut pieces = text.split('*').map(|piece| piece.as_bytes().into());
        Wildcard {
            head: pieces.next().unwrap_or_default(),
            tails: pieces.collect(),
        }
    }

    /// Whether all of `text` matches. The earliest place of each piece leaves the most room for those that follow, so each
    /// piece passes over the text once.
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        let Some((last, middle)) = self.tails.split_last() else {
            return *text == *self.head;
        };
        let Some(mut rest) = text.strip_prefix(&*self.head) else {
            return false;
        };
        for piece in middle {
            let found = memmem::find(rest, piece);
            match found.and_then(|at| rest.get(at + piece.len()..)) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}
