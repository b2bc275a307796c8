//! The byte layout of a segment: sizes, offsets, the preamble and the record header. Drawn in `docs/architecture.md`.

/// The text `rmqueue` and a line feed, which a copy in text mode would damage.
pub const MAGIC: u64 = u64::from_le_bytes(*b"rmqueue\n");
/// The version of the layout. It changes with every change of this file that an older reader would misread.
pub const VERSION: u32 = 2;

/// One page: the data area starts page-aligned.
pub const HEADER_BYTES: u64 = 4096;
/// The size of the preamble, which is written once, before the segment gets its name.
pub const PREAMBLE_BYTES: usize = 48;
/// The committed position. It has 128 bytes of its own, since processors fetch cache lines in pairs.
pub const TAIL_OFFSET: u64 = 128;
/// The released position, on 128 bytes of its own for the same reason.
pub const HEAD_OFFSET: u64 = 256;
/// The counters of the pushing side: see [`Ledger`](crate::queue::protocol::ledger).
pub const PUSHED_OFFSET: u64 = 512;
/// The counters of the delivering side, on 128 bytes of their own, so that it never takes a cache line from a request's thread.
pub const RELEASED_OFFSET: u64 = 640;
/// A random number that no other segment has; zero in a file that was never whole.
pub const IDENTITY_OFFSET: u64 = 768;

/// The largest size of a segment; a file that claims more is refused. Keeps every offset within 31 bits.
pub const MAX_SEGMENT_BYTES: u64 = 1 << 30;
/// The size of the header of a record: its length and its check.
pub const RECORD_HEADER_BYTES: u64 = 8;
/// Records start on this boundary, so a record header never wraps.
pub const ALIGNMENT: u64 = 8;

const _: () = assert!(PREAMBLE_BYTES as u64 <= TAIL_OFFSET);
const _: () = assert!(TAIL_OFFSET.is_multiple_of(128) && HEAD_OFFSET.is_multiple_of(128));
const _: () = assert!(TAIL_OFFSET + 128 <= HEAD_OFFSET && HEAD_OFFSET + 128 <= PUSHED_OFFSET);
const _: () = assert!(PUSHED_OFFSET.is_multiple_of(128) && RELEASED_OFFSET.is_multiple_of(128));
const _: () = assert!(PUSHED_OFFSET + 128 <= RELEASED_OFFSET);
const _: () =
    assert!(RELEASED_OFFSET + 128 <= IDENTITY_OFFSET && IDENTITY_OFFSET + 8 <= HEADER_BYTES);
const _: () = assert!(HEADER_BYTES.is_multiple_of(ALIGNMENT));
const _: () = assert!(RECORD_HEADER_BYTES.is_multiple_of(ALIGNMENT));
const _: () = assert!(MAX_SEGMENT_BYTES <= i32::MAX as u64);

/// The preamble of a segment. Little-endian on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preamble {
    pub file_bytes: u64,
    /// Milliseconds since 1970. Diagnostic.
    pub created_ms: u64,
    /// Diagnostic only: another container may have a process with the same number, and numbers are reused.
    pub creator_pid: u32,
}

/// Why a file is not a segment that this version reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    NotASegment,
    /// Another version of this library wrote it.
    Version(u32),
    Size,
}

impl std::fmt::Display for Defect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Defect::NotASegment => f.write_str("not a segment"),
            Defect::Version(version) => {
                write!(f, "of layout version {version}; this is version {VERSION}")
            }
            Defect::Size => f.write_str("cut, or longer than it says"),
        }
    }
}

impl Preamble {
    pub fn encode(&self) -> [u8; PREAMBLE_BYTES] {
        let mut bytes = [0; PREAMBLE_BYTES];
        bytes[0..8].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&HEADER_BYTES.to_le_bytes()[..4]);
        bytes[16..24].copy_from_slice(&self.file_bytes.to_le_bytes());
        bytes[24..32].copy_from_slice(&capacity(self.file_bytes).to_le_bytes());
        bytes[32..40].copy_from_slice(&self.created_ms.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.creator_pid.to_le_bytes());
        bytes
    }

    /// Reads a preamble and checks every field against the length that the file system reports.
    pub fn decode(bytes: &[u8; PREAMBLE_BYTES], file_bytes: u64) -> Result<Preamble, Defect> {
        let u32_at = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        if u64_at(0) != MAGIC {
            return Err(Defect::NotASegment);
        }
        if u32_at(8) != VERSION {
            return Err(Defect::Version(u32_at(8)));
        }
        let says = u64_at(16);
        if u64::from(u32_at(12)) != HEADER_BYTES
            || says != file_bytes
            || !is_segment_size(says)
            || u64_at(24) != capacity(says)
        {
            return Err(Defect::Size);
        }
        Ok(Preamble {
            file_bytes,
            created_ms: u64_at(32),
            creator_pid: u32_at(40),
        })
    }
}

/// Whether a segment can have this size: whole pages, a header and at least one page of data.
pub fn is_segment_size(file_bytes: u64) -> bool {
    (2 * HEADER_BYTES..=MAX_SEGMENT_BYTES).contains(&file_bytes)
        && file_bytes.is_multiple_of(HEADER_BYTES)
}

/// The size of the data area of a file of `file_bytes`.
pub fn capacity(file_bytes: u64) -> u64 {
    file_bytes.saturating_sub(HEADER_BYTES)
}

/// The bytes that a record with this payload takes in the ring; `None` if no ring could hold it.
pub fn record_bytes(payload: usize) -> Option<u64> {
    let payload = u64::try_from(payload)
        .ok()
        .filter(|&bytes| bytes < MAX_SEGMENT_BYTES)?;
    Some(RECORD_HEADER_BYTES + payload.next_multiple_of(ALIGNMENT))
}

/// The word in front of a payload: its length, and above it a check that binds the length to this position.
///
/// The check tells a record from other bytes at its position: zeros, payload bytes, or a record of an earlier lap. It does not
/// cover the payload, since a killed process loses no stores that it has made.
pub fn record_header(position: u64, payload: u64) -> u64 {
    debug_assert!(payload < MAX_SEGMENT_BYTES);
    // The odd constant is 2^64 divided by the golden ratio (Fibonacci hashing): every input bit reaches the upper half.
    let mixed = (position ^ (payload << 32) ^ MAGIC).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed & 0xFFFF_FFFF_0000_0000) | payload
}

/// The payload length in `header`, if `header` belongs at `position`.
pub fn payload_length(position: u64, header: u64) -> Option<usize> {
    let payload = header & 0xFFFF_FFFF;
    let sound = payload < MAX_SEGMENT_BYTES && record_header(position, payload) == header;
    sound.then(|| index(payload))
}

/// An offset or length within a segment as an index.
#[allow(clippy::cast_possible_truncation)] // at most MAX_SEGMENT_BYTES, asserted above to fit 31 bits
pub fn index(bytes: u64) -> usize {
    debug_assert!(bytes <= MAX_SEGMENT_BYTES);
    bytes as usize
}
