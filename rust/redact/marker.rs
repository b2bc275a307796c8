//! The markers that are written in place of values that are not sent.
//!
//! | marker | what it replaces |
//! |---|---|
//! | `[REDACTED n]` | a denied string of `n` characters |
//! | `[REDACTED]` | any other denied value |
//! | `[NOT VALID UTF-8]` | a body, or a form field, that is not text |
//! | `[NOT READ n]` | a request body of `n` declared bytes that the app did not read, and that could not be read after it |
//! | `[WITHHELD n bytes: why]` | a body of `n` bytes that a list applies to, and that could not be parsed in full |

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
    BinaryType,
    ControlCharacters,
    ManyRepeats,
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
            Reason::BinaryType => "not a text type",
            Reason::ControlCharacters => "not text",
            Reason::ManyRepeats => "too many denied parameters",
        }
    }
}

/// A marker that needs no allocation: a request's thread makes one for each denied value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marker {
    bytes: [u8; MARKER_BYTES],
    length: usize,
}

/// Room for the longest marker, with a number of twenty digits.
const MARKER_BYTES: usize = 40;

impl Marker {
    /// [`redacted`] as a JSON string.
    pub(super) fn json(characters: usize) -> Marker {
        Marker::counted("\"[REDACTED ", characters, "]\"")
    }

    /// [`REDACTED`] as a JSON string.
    pub(super) fn plain_json() -> Marker {
        let mut marker = Marker::empty();
        marker.push(b"\"[REDACTED]\"");
        marker
    }

    /// [`redacted`] as a URL or form component.
    pub(super) fn component(characters: usize) -> Marker {
        Marker::counted("%5BREDACTED%20", characters, "%5D")
    }

    /// [`Marker::plain_json`] as a URL or form component.
    pub(super) fn json_component() -> Marker {
        let mut marker = Marker::empty();
        marker.push(b"%22%5BREDACTED%5D%22");
        marker
    }

    /// [`redacted`] as plain text.
    pub(super) fn plain(characters: usize) -> Marker {
        Marker::counted("[REDACTED ", characters, "]")
    }

    #[inline]
    fn counted(before: &str, count: usize, after: &str) -> Marker {
        let mut marker = Marker::empty();
        marker.push(before.as_bytes());
        marker.push_number(count);
        marker.push(after.as_bytes());
        marker
    }

    fn empty() -> Marker {
        Marker {
            bytes: [0; MARKER_BYTES],
            length: 0,
        }
    }

    #[inline]
    fn push(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        if let Some(room) = self.bytes.get_mut(self.length..end) {
            room.copy_from_slice(bytes);
            self.length = end;
        }
    }

    fn push_number(&mut self, number: usize) {
        if number >= 10 {
            self.push_number(number / 10);
        }
        self.push(&[b"0123456789"[number % 10]]);
    }

    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl From<Marker> for String {
    fn from(marker: Marker) -> String {
        String::from_utf8_lossy(marker.as_bytes()).into_owned()
    }
}

/// Passes the marker for a denied text to `look`, without allocating it.
pub fn redacted_text<T>(text: &str, look: impl FnOnce(&str) -> T) -> T {
    let marker = Marker::plain(text.chars().count());
    look(std::str::from_utf8(marker.as_bytes()).unwrap_or_default())
}

/// The marker for a denied string of this many characters.
pub(super) fn redacted(characters: usize) -> String {
    Marker::plain(characters).into()
}

/// The marker for a request body of this many bytes that nobody has read.
pub fn not_read(size: u64) -> String {
    format!("[NOT READ {size}]")
}

/// The marker for a withheld body of this many bytes.
pub(super) fn withheld(size: u64, reason: Reason) -> String {
    format!("[WITHHELD {size} bytes: {}]", reason.as_str())
}
