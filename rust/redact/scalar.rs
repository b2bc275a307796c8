//! Numbers and names: the tokens of JSON that have no quotes.

use super::scan::Malformed;

/// Where a number or a name ends.
#[inline]
pub(super) fn scalar_end(bytes: &[u8], start: usize) -> Result<usize, Malformed> {
    let rest = bytes.get(start..).unwrap_or_default();
    let length = match rest {
        [b'-' | b'0'..=b'9', ..] if !rest.starts_with(b"-I") => number(rest)?,
        _ => name(rest)?,
    };
    match rest.get(length) {
        None | Some(b' ' | b'\n' | b'\r' | b'\t' | b',' | b']' | b'}') => Ok(start + length),
        Some(_) => Err(Malformed),
    }
}

fn name(rest: &[u8]) -> Result<usize, Malformed> {
    ["true", "false", "null", "NaN", "Infinity", "-Infinity"]
        .iter()
        .find(|name| rest.starts_with(name.as_bytes()))
        .map(|name| name.len())
        .ok_or(Malformed)
}

#[inline]
fn number(rest: &[u8]) -> Result<usize, Malformed> {
    let at = |i: usize| rest.get(i).copied().unwrap_or_default();
    let digits = |start: usize| {
        let mut end = start;
        while at(end).is_ascii_digit() {
            end += 1;
        }
        if end > start { Ok(end) } else { Err(Malformed) }
    };
    let start = usize::from(at(0) == b'-');
    let mut end = digits(start)?;
    if at(start) == b'0' && end > start + 1 {
        return Err(Malformed);
    }
    if at(end) == b'.' {
        end = digits(end + 1)?;
    }
    if let b'e' | b'E' = at(end) {
        let has_sign = matches!(at(end + 1), b'+' | b'-');
        end = digits(end + 1 + usize::from(has_sign))?;
    }
    Ok(end)
}
