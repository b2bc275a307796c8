//! `startedDateTime`: RFC 3339, UTC, with milliseconds, as in `2026-11-22T08:29:15.123Z`.

use std::cell::Cell;
use std::time::{Duration, UNIX_EPOCH};

/// The end of the year 9999, the last that the format can write. A later time is written as this one.
const LAST_MS: u64 = 253_402_300_799_999;

/// A timestamp up to its seconds.
type Second = [u8; 19];

thread_local! {
    /// The last second that this thread has written, counted from 1970, and its text. Under load, the next request falls into
    /// the same second.
    static LAST: Cell<(u64, Second)> = const { Cell::new((u64::MAX, [0; 19])) };
}

pub fn timestamp(unix_ms: u64) -> [u8; 24] {
    let unix_ms = unix_ms.min(LAST_MS);
    let (second, ms) = (unix_ms / 1000, unix_ms % 1000);
    let (mut last, mut text) = LAST.get();
    if last != second {
        (last, text) = (second, format(second));
        LAST.set((last, text));
    }
    let mut timestamp = *b"0000-00-00T00:00:00.000Z";
    let digits = [ms / 100, ms / 10 % 10, ms % 10];
    let digits = digits.map(|digit| b'0' + u8::try_from(digit).unwrap_or_default());
    timestamp[..19].copy_from_slice(&text);
    timestamp[20..23].copy_from_slice(&digits);
    timestamp
}

fn format(second: u64) -> Second {
    let time = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(second));
    let text = time.to_string();
    text.as_bytes().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_as_humantime_writes_it() {
        let day_ms = 86_400_000;
        // Twice the same second, and back to an earlier one.
        for unix_ms in [0, 999, 1000, 5 * day_ms + 7, 5 * day_ms + 70, 700, LAST_MS] {
            let time = UNIX_EPOCH + Duration::from_millis(unix_ms);
            let expected = humantime::format_rfc3339_millis(time).to_string();
            assert_eq!(timestamp(unix_ms), expected.as_bytes());
        }
        assert_eq!(timestamp(u64::MAX), *b"9999-12-31T23:59:59.999Z");
    }
}
