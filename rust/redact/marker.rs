//! What stands in place of what is not sent.
//!
//! | marker | stands for |
//! |---|---|
//! | `[REDACTED n]` | a denied string of `n` characters |
//! | `[REDACTED]` | any other denied value |
//! | `[NOT VALID UTF-8]` | a body, or a form field, that is not text |
//! | `[WITHHELD n bytes: why]` | a body of `n` bytes that a list applies to, but that could not be understood in full |

use std::borrow::Cow;

pub(super) const REDACTED: &str = "[REDACTED]";
pub(super) const NOT_UTF8: &str = "[NOT VALID UTF-8]";

/// Why a body was withheld.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    CutOff,
    Charset,
    ContentType,
    Json,
    Form,
    Multipart,
}

impl Reason {
    fn as_str(self) -> &'static str {
        match self {
            Reason::CutOff => "cut off",
            Reason::Charset => "unknown charset",
            Reason::ContentType => "ambiguous content type",
            Reason::Json => "not valid JSON",
            Reason::Form => "not a valid form",
            Reason::Multipart => "not valid multipart",
        }
    }
}

/// Stands for a denied string of so many characters.
pub(super) fn redacted(characters: usize) -> String {
    counted("[REDACTED ", characters, "]")
}

/// [`redacted`] as a JSON string.
pub(super) fn redacted_json(characters: usize) -> Cow<'static, str> {
    Cow::Owned(counted("\"[REDACTED ", characters, "]\""))
}

/// [`REDACTED`] as a JSON string.
pub(super) const REDACTED_JSON: Cow<'static, str> = Cow::Borrowed("\"[REDACTED]\"");

/// [`redacted`] as a URL or form component.
pub(super) fn redacted_component(characters: usize) -> String {
    counted("%5BREDACTED%20", characters, "%5D")
}

/// Not `format!`, which takes longer: a request's thread does this for each denied value.
fn counted(before: &str, count: usize, after: &str) -> String {
    const DIGITS: usize = 20;
    let mut marker = String::with_capacity(before.len() + DIGITS + after.len());
    marker.push_str(before);
    push_number(count, &mut marker);
    marker.push_str(after);
    marker
}

fn push_number(number: usize, text: &mut String) {
    if number >= 10 {
        push_number(number / 10, text);
    }
    text.push(char::from(b"0123456789"[number % 10]));
}

/// Stands for a body of so many bytes.
pub(super) fn withheld(size: u64, reason: Reason) -> String {
    format!("[WITHHELD {size} bytes: {}]", reason.as_str())
}
