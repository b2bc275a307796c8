//! A set of names to which most lookups are answered "no" by the length of the name alone.

use std::cmp::Ordering;

/// Names sorted by length; lists are tens of entries long, so equal lengths are simply tried one after the other.
#[derive(Debug)]
pub(super) struct Names {
    sorted: Box<[Box<str>]>,
    /// Bit `n` is set if some name is `n` bytes long; bit 63 stands for 63 and more.
    lengths: u64,
}

impl Names {
    pub(super) fn new(list: &[String]) -> Names {
        let mut sorted: Vec<Box<str>> = list.iter().map(|name| name.as_str().into()).collect();
        sorted.sort_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
        sorted.dedup();
        let lengths = sorted.iter().fold(0, |bits, name| bits | length_bit(name));
        Names {
            sorted: sorted.into(),
            lengths,
        }
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.same_length(name).any(|listed| listed == name)
    }

    pub(super) fn contains_ignoring_case(&self, name: &str) -> bool {
        self.same_length(name)
            .any(|listed| listed.eq_ignore_ascii_case(name))
    }

    fn same_length(&self, name: &str) -> impl Iterator<Item = &str> {
        let length = name.len();
        let start = if self.lengths & length_bit(name) == 0 {
            self.sorted.len()
        } else {
            self.sorted
                .partition_point(|listed| listed.len().cmp(&length) == Ordering::Less)
        };
        self.sorted
            .iter()
            .skip(start)
            .map(AsRef::as_ref)
            .take_while(move |listed: &&str| listed.len() == length)
    }
}

fn length_bit(name: &str) -> u64 {
    1 << name.len().min(63)
}
