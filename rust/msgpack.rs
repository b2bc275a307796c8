//! The handful of msgpack types that an entry is made of.
//!
//! Only this file uses `rmp`: if that crate is ever abandoned, these few functions are all that has to be replaced.

use crate::redact::{COPY_BYTES, Text};

const STR32: u8 = 0xDB;
/// The first byte of a string of less than 32 bytes, without the length, which is in the lowest bits.
const FIXSTR: u8 = 0xA0;

/// Writes msgpack into a buffer. No method returns an error: a `Vec` that cannot grow aborts the process.
pub struct EntryWriter<'a> {
    pub out: &'a mut Vec<u8>,
}

impl EntryWriter<'_> {
    pub fn map(&mut self, len: u32) {
        let _ = rmp::encode::write_map_len(self.out, len);
    }

    pub fn array(&mut self, len: u32) {
        let _ = rmp::encode::write_array_len(self.out, len);
    }

    #[inline]
    pub fn str(&mut self, value: &str) {
        match u8::try_from(value.len()) {
            // Keys, names and most values take this branch. The compiler knows the length if the call is inlined.
            Ok(len @ 0..32) => self.out.push(FIXSTR | len),
            _ => self.long_str_len(value.len()),
        }
        self.out.extend_from_slice(value.as_bytes());
    }

    #[inline(never)]
    fn long_str_len(&mut self, len: usize) {
        let _ = rmp::encode::write_str_len(self.out, u32::try_from(len).unwrap_or(u32::MAX));
    }

    /// Writes redacted text without building it first.
    pub fn text(&mut self, value: &Text<'_>) {
        if let Some(text) = value.unedited().filter(|text| text.len() <= COPY_BYTES) {
            return self.str(text);
        }
        // The length is known only afterwards, so there is room for its longest form. A text beyond 4 GiB would be written
        // with a wrong length, but an entry of more than 1 GiB is never queued.
        self.out.extend_from_slice(&[STR32, 0, 0, 0, 0]);
        let start = self.out.len();
        value.write_to(self.out);
        let len = u32::try_from(self.out.len() - start).unwrap_or(u32::MAX);
        if let Some(before) = self.out.get_mut(start - 4..start) {
            before.copy_from_slice(&len.to_be_bytes());
        }
    }

    pub fn int(&mut self, value: i64) {
        let _ = rmp::encode::write_sint(self.out, value);
    }

    pub fn bool(&mut self, value: bool) {
        let _ = rmp::encode::write_bool(self.out, value);
    }

    /// Writes the beginning of `{"name": name, "value": ..}`, of which a log has dozens. The caller writes the value.
    pub fn named(&mut self, name: &str) {
        self.encoded(b"\x82\xA4name");
        self.str(name);
        self.encoded(b"\xA5value");
    }

    /// Appends msgpack that was encoded earlier.
    pub fn encoded(&mut self, value: &[u8]) {
        self.out.extend_from_slice(value);
    }
}

/// The input is no msgpack that an entry is made of. It may come out of shared memory, so this is no bug of ours.
#[derive(Debug, PartialEq, Eq)]
pub struct NotMsgpack;

/// The deepest nesting that is read. Our entries are nine levels deep.
const MAX_DEPTH: u8 = 32;

/// Appends one msgpack value to `out` as JSON and returns what follows it.
pub fn to_json<'a>(input: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], NotMsgpack> {
    value_to_json(input, out, MAX_DEPTH)
}

fn value_to_json<'a>(
    input: &'a [u8],
    out: &mut Vec<u8>,
    depth: u8,
) -> Result<&'a [u8], NotMsgpack> {
    use rmp::Marker;

    let depth = depth.checked_sub(1).ok_or(NotMsgpack)?;
    let mut rest = input;
    let first = *input.first().ok_or(NotMsgpack)?;
    match Marker::from_u8(first) {
        Marker::Null => {
            rest = tail(input)?;
            out.extend_from_slice(b"null");
        }
        marker @ (Marker::True | Marker::False) => {
            rest = tail(input)?;
            let word: &[u8] = if marker == Marker::True {
                b"true"
            } else {
                b"false"
            };
            out.extend_from_slice(word);
        }
        Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => {
            rest = str_to_json(input, out)?;
        }
        Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => {
            let len = rmp::decode::read_array_len(&mut rest).map_err(|_| NotMsgpack)?;
            out.push(b'[');
            for index in 0..len {
                if index > 0 {
                    out.push(b',');
                }
                rest = value_to_json(rest, out, depth)?;
            }
            out.push(b']');
        }
        Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => {
            let len = rmp::decode::read_map_len(&mut rest).map_err(|_| NotMsgpack)?;
            out.push(b'{');
            for index in 0..len {
                if index > 0 {
                    out.push(b',');
                }
                rest = str_to_json(rest, out)?;
                out.push(b':');
                rest = value_to_json(rest, out, depth)?;
            }
            out.push(b'}');
        }
        _ => {
            let number: i64 = rmp::decode::read_int(&mut rest).map_err(|_| NotMsgpack)?;
            serde_json::to_writer(&mut *out, &number).map_err(|_| NotMsgpack)?;
        }
    }
    Ok(rest)
}

fn str_to_json<'a>(input: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], NotMsgpack> {
    if let Some((text, rest)) = short_plain_str(input) {
        out.push(b'"');
        out.extend_from_slice(text);
        out.push(b'"');
        return Ok(rest);
    }
    let (text, rest) = rmp::decode::read_str_from_slice(input).map_err(|_| NotMsgpack)?;
    serde_json::to_writer(out, text).map_err(|_| NotMsgpack)?;
    Ok(rest)
}

/// Copies a string of up to 31 bytes that JSON writes unchanged, as all keys and most values are.
#[inline]
fn short_plain_str(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = input.split_first()?;
    let length = first ^ FIXSTR;
    let (text, rest) = rest
        .split_at_checked(usize::from(length))
        .filter(|_| length < 32)?;
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'"' && *byte != b'\\';
    text.iter().all(is_plain).then_some((text, rest))
}

fn tail(input: &[u8]) -> Result<&[u8], NotMsgpack> {
    input.get(1..).ok_or(NotMsgpack)
}
