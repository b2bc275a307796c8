//! A set of names to which most lookups are answered "no" by the length of the name alone.

/// Names sorted by length; lists are tens of entries long, so equal lengths are simply tried one after the other.
#[derive(Debug)]
pub(super) struct NameSet {
    sorted: Box<[Box<str>]>,
    /// Where the names of each length begin, and at last their end. The last length stands for all longer names too.
    starts: [usize; LENGTHS + 1],
}

const LENGTHS: usize = 64;

impl NameSet {
    pub(super) fn new(list: &[String]) -> NameSet {
        let mut sorted: Vec<Box<str>> = list.iter().map(|name| name.as_str().into()).collect();
        sorted.sort_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
        sorted.dedup();
        let mut starts = [0; LENGTHS + 1];
        for name in &sorted {
            for later in starts.iter_mut().skip(length(name) + 1) {
                *later += 1;
            }
        }
        NameSet {
            sorted: sorted.into(),
            starts,
        }
    }

    #[inline]
    pub(super) fn contains(&self, name: &str) -> bool {
        // The first bytes are compared first: few names of one length share it, and comparing whole names is a call.
        let first = name.as_bytes().first();
        self.same_length(name)
            .iter()
            .any(|listed| listed.as_bytes().first() == first && **listed == *name)
    }

    #[inline]
    pub(super) fn contains_ignoring_case(&self, name: &str) -> bool {
        self.same_length(name)
            .iter()
            .any(|listed| listed.eq_ignore_ascii_case(name))
    }

    #[inline]
    fn same_length(&self, name: &str) -> &[Box<str>] {
        let length = length(name);
        let range = self.starts[length]..self.starts[length + 1];
        self.sorted.get(range).unwrap_or_default()
    }
}

fn length(name: &str) -> usize {
    name.len().min(LENGTHS - 1)
}
