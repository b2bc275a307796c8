//! Entries of the queue become the body of one POST: a JSON array of log objects.

use crate::msgpack;

/// The body of one POST.
#[derive(Debug, Default)]
pub struct Batch {
    /// A JSON array.
    pub json: Vec<u8>,
    /// Entries in the array.
    pub count: usize,
    /// Numbers of the entries left out because they are not one whole msgpack value each.
    pub malformed: Vec<usize>,
}

/// Builds the body. One bad entry costs itself, never its neighbours.
pub fn build<'a>(entries: impl Iterator<Item = &'a [u8]>, expected_bytes: usize) -> Batch {
    let mut batch = Batch {
        // JSON escapes make a text a little longer than its msgpack; an eighth more saves most re-allocations.
        json: Vec::with_capacity(expected_bytes + expected_bytes / 8 + 2),
        ..Batch::default()
    };
    batch.json.push(b'[');
    for (number, entry) in entries.enumerate() {
        let start = batch.json.len();
        if batch.count > 0 {
            batch.json.push(b',');
        }
        if let Ok([]) = msgpack::to_json(entry, &mut batch.json) {
            batch.count += 1;
        } else {
            batch.json.truncate(start);
            batch.malformed.push(number);
        }
    }
    batch.json.push(b']');
    batch
}
