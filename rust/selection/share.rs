//! Which part of the logs is kept, decided by a log's id.

use uuid::Uuid;

/// The bits of a version 4 UUID before the first that is not random.
const BITS: u32 = 48;

/// A part of all logs. Who keeps a tenth keeps the same ones on every host, and all of them are among those of who keeps a
/// half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Ids that begin with a smaller number are kept.
    below: u64,
}

impl Share {
    pub const ALL: Share = Share { below: 1 << BITS };

    /// `part` is from 0 to 1; what is beyond counts as these.
    pub fn new(part: f64) -> Share {
        // Exact: a power of two moves the exponent alone. The cast saturates, and makes 0 of what is no number.
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
