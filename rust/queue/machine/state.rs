//! `State`: what the processes of a host know about the server, and the sums of segments that are gone.
//!
//! Pure; [`crate::queue::machine::state_file`] keeps it in a file.

use crate::counters::{COUNTERS, Counter, Counts};

/// One page, written by one call: a process that is killed while it writes leaves the old page or the new one.
pub const STATE_BYTES: usize = 4096;
/// The text `rmstate` and a line feed.
const MAGIC: u64 = u64::from_le_bytes(*b"rmstate\n");
const VERSION: u64 = 2;
/// How many removed segments are remembered. A process may be killed after it has added a segment's sums and before it removes the
/// segment; the next process must not add them again.
const REMEMBERED: usize = 16;
/// A longer pause is not believed: the clock may have been set back, or the file may be from before a reboot.
const LONGEST_PAUSE_MS: u64 = 6 * 60 * 1000;
const LONGEST_ERROR_BYTES: usize = 120;
const LONGEST_LABEL_BYTES: usize = 120;

/// Times are milliseconds since 1970; 0 means never.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The sums of the segments that are gone.
    pub gone: Counts,
    /// The identities of the last of those segments, newest last.
    counted: [u64; REMEMBERED],
    /// The number of POSTs of all processes that failed in a row.
    pub failures: u64,
    /// While `failures` is not 0, no process sends before this time.
    pub resume_at_ms: u64,
    /// The number of POSTs that had to be repeated, since the file was created.
    pub retries: u64,
    pub last_success_ms: u64,
    pub last_error_ms: u64,
    /// An HTTP status or the name of an exception, for `status`.
    pub last_error: String,
    /// The name of the app, for `status`; empty if no process has set it.
    pub label: String,
}

impl State {
    /// Adds the sums of a segment that is about to be removed; a second call for the same segment adds nothing.
    pub fn record_gone(&mut self, identity: u64, counts: &Counts) {
        if self.has_counted(identity) {
            return;
        }
        self.gone.add_all(counts);
        self.counted.rotate_left(1);
        self.counted[REMEMBERED - 1] = identity;
    }

    /// Whether no process has written anything but a label.
    pub fn is_new(&self) -> bool {
        *self
            == State {
                label: self.label.clone(),
                ..State::default()
            }
    }

    /// Whether the sums of this segment were added.
    pub fn has_counted(&self, identity: u64) -> bool {
        identity != 0 && self.counted.contains(&identity)
    }

    /// Milliseconds until the next POST may be made.
    pub fn pause_ms(&self, now_ms: u64) -> u64 {
        let pause_ms = self.resume_at_ms.saturating_sub(now_ms);
        if self.failures == 0 || pause_ms > LONGEST_PAUSE_MS {
            0
        } else {
            pause_ms
        }
    }

    /// Returns the milliseconds until the next POST may be made. After a failure, only one process at a time gets 0: the pause
    /// continues for all others while its turn lasts.
    pub fn claim(&mut self, now_ms: u64, turn_ms: u64) -> u64 {
        let pause_ms = self.pause_ms(now_ms);
        if self.failures > 0 && pause_ms == 0 {
            self.resume_at_ms = now_ms + turn_ms.min(LONGEST_PAUSE_MS);
        }
        pause_ms
    }

    pub fn succeeded(&mut self, now_ms: u64) {
        self.failures = 0;
        self.resume_at_ms = 0;
        self.last_success_ms = now_ms;
    }

    pub fn failed(&mut self, now_ms: u64, delay_ms: u64, error: &str) {
        self.failures = self.failures.saturating_add(1);
        self.retries = self.retries.saturating_add(1);
        self.resume_at_ms = now_ms + delay_ms.min(LONGEST_PAUSE_MS);
        self.last_error_ms = now_ms;
        cut(error, LONGEST_ERROR_BYTES).clone_into(&mut self.last_error);
    }

    pub fn set_label(&mut self, label: &str) {
        cut(label, LONGEST_LABEL_BYTES).clone_into(&mut self.label);
    }

    pub fn encode(&self) -> [u8; STATE_BYTES] {
        let mut words = vec![MAGIC, VERSION, 0];
        words.extend(Counter::all().map(|counter| self.gone.get(counter)));
        words.extend(self.counted);
        words.extend([
            self.failures,
            self.resume_at_ms,
            self.retries,
            self.last_success_ms,
            self.last_error_ms,
            self.last_error.len() as u64,
            self.label.len() as u64,
        ]);
        let mut bytes = [0; STATE_BYTES];
        for (place, word) in bytes.chunks_exact_mut(8).zip(&words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        let text = self.last_error.bytes().chain(self.label.bytes());
        for (place, byte) in bytes[8 * words.len()..].iter_mut().zip(text) {
            *place = byte;
        }
        let check = check(&bytes);
        bytes[16..24].copy_from_slice(&check.to_le_bytes());
        bytes
    }

    /// `None` if these bytes were not written by `encode`.
    pub fn decode(bytes: &[u8; STATE_BYTES]) -> Option<State> {
        let mut words = bytes.chunks_exact(8).map(|word| {
            word.iter()
                .rev()
                .fold(0, |word, &byte| word << 8 | u64::from(byte))
        });
        let mut next = || words.next();
        if next()? != MAGIC || next()? != VERSION || next()? != check(bytes) {
            return None;
        }
        let mut state = State::default();
        for counter in Counter::all() {
            state.gone.set(counter, next()?);
        }
        for identity in &mut state.counted {
            *identity = next()?;
        }
        state.failures = next()?;
        state.resume_at_ms = next()?;
        state.retries = next()?;
        state.last_success_ms = next()?;
        state.last_error_ms = next()?;
        let mut start = 8 * (3 + COUNTERS + REMEMBERED + 7);
        let [error, label] = [next()?, next()?].map(|length| usize::try_from(length).ok());
        for (text, length) in [(&mut state.last_error, error?), (&mut state.label, label?)] {
            let end = start.checked_add(length)?;
            *text = String::from_utf8(bytes.get(start..end)?.to_vec()).ok()?;
            start = end;
        }
        Some(state)
    }
}

/// The beginning of `text`, at most `longest_bytes` long, without a partial character.
fn cut(text: &str, longest_bytes: usize) -> &str {
    let end = (0..=text.len().min(longest_bytes)).rfind(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

/// The check of a page: FNV-1a over everything but the check itself (draft-eastlake-fnv). Recognises a page that `encode` wrote.
fn check(bytes: &[u8; STATE_BYTES]) -> u64 {
    let rest = bytes[..16].iter().chain(&bytes[24..]);
    rest.fold(0xCBF2_9CE4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}
