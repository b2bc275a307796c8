//! Turns entries of the queue into the body of one POST: a JSON array of log objects.

use crate::msgpack;

/// The body of one POST.
#[derive(Debug)]
pub struct Batch {
    /// A JSON array.
    pub json: Vec<u8>,
    /// The number of entries in the array.
    pub count: usize,
    /// The numbers of the entries that were left out, since they are not one whole msgpack value each.
    pub malformed: Vec<usize>,
}

/// Spare capacity for the last entry, which may turn out not to fit, so that the buffer does not grow for it.
const ONE_TOO_MANY_BYTES: usize = 64 * 1024;

/// Adds entries to a batch one by one. A malformed entry is left out and does not affect its neighbours.
pub struct Builder {
    batch: Batch,
    max_bytes: usize,
    number: usize,
}

impl Builder {
    /// Starts a body of up to `max_bytes`, or of a single larger entry. `expected_bytes` sizes its buffer.
    pub fn new(max_bytes: usize, expected_bytes: usize) -> Builder {
        // Bounded, since the allocator keeps what is reserved here as memory of the app's process.
        let most = max_bytes.saturating_add(ONE_TOO_MANY_BYTES);
        let mut json = Vec::with_capacity(expected_bytes.min(most));
        json.push(b'[');
        Builder {
            batch: Batch {
                json,
                count: 0,
                malformed: Vec::new(),
            },
            max_bytes,
            number: 0,
        }
    }

    /// Adds an entry. Returns false, and adds nothing, if there is no room for it.
    pub fn take(&mut self, entry: &[u8]) -> bool {
        let Batch {
            json,
            count,
            malformed,
        } = &mut self.batch;
        let start = json.len();
        if *count > 0 {
            // JSON takes at least about as many bytes as msgpack, so an entry that is longer than the room cannot fit.
            if start + entry.len() >= self.max_bytes {
                return false;
            }
            json.push(b',');
        }
        if let Ok([]) = msgpack::to_json(entry, json) {
            if *count > 0 && json.len() >= self.max_bytes {
                json.truncate(start);
                return false;
            }
            *count += 1;
        } else {
            json.truncate(start);
            malformed.push(self.number);
        }
        self.number += 1;
        true
    }

    pub fn finish(mut self) -> Batch {
        self.batch.json.push(b']');
        self.batch
    }
}
