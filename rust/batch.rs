//! Entries of the queue become the body of one POST: a JSON array of log objects.

use crate::msgpack;

/// The body of one POST.
#[derive(Debug)]
pub struct Batch {
    /// A JSON array.
    pub json: Vec<u8>,
    /// Entries in the array.
    pub count: usize,
    /// Numbers of the entries left out because they are not one whole msgpack value each.
    pub malformed: Vec<usize>,
}

/// Spare capacity, so that the last entry, which may turn out not to fit, does not make the buffer grow.
const ONE_TOO_MANY_BYTES: usize = 64 * 1024;

/// Makes a batch of one entry after the other. One bad entry costs itself, never its neighbours.
pub struct Builder {
    batch: Batch,
    max_bytes: usize,
    number: usize,
}

impl Builder {
    /// Starts a body of up to `max_bytes`, or of a single larger entry. `expected_bytes` sizes its buffer.
    pub fn new(max_bytes: usize, expected_bytes: usize) -> Builder {
        // The allocator keeps what is reserved here, as memory of the app's process.
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

    /// Whether there is room for the entry.
    pub fn take(&mut self, entry: &[u8]) -> bool {
        let Batch {
            json,
            count,
            malformed,
        } = &mut self.batch;
        let start = json.len();
        if *count > 0 {
            // JSON takes about as many bytes as msgpack or more, so an entry longer than the room cannot fit.
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
