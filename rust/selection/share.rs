//! `Share`: the part of the logs that is kept, chosen by their ids.

use uuid::Uuid;

/// The bits of a version 4 UUID before the first that is not random.
const BITS: u32 = 48;

/// A part of all logs, chosen by their ids. Every host that keeps a tenth keeps the same logs, and a host that keeps half of them
/// keeps that tenth too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// A log is kept if the first bits of its id are a smaller number than this.
    below: u64,
}

impl Share {
    pub const ALL: Share = Share { below: 1 << BITS };

    /// `part` is from 0 to 1; smaller and larger numbers count as 0 and 1.
    pub fn new(part: f64) -> Share {
        // Exact, since a power of two changes only the exponent. The cast saturates, and turns NaN into 0.
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss
        )]
        let below = (part * Share::ALL.below as f64) as u64;
        Share {
            below: below.min(Share::ALL.below),
        }
    }

    pub fn is_all(self) -> bool {
        self == Share::ALL
    }

    pub fn keeps(self, id: &Uuid) -> bool {
        id.as_u64_pair().0 >> (u64::BITS - BITS) < self.below
    }
}
