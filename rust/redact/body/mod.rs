//! Request and response bodies: decides what kind a body is, and passes it to the filter for that kind.
//!
//! Fails closed. If a list is configured, a body that is JSON, a form or multipart by its type or by its beginning is filtered, or
//! withheld if it cannot be parsed in full. The beginning counts whatever the type says, since some clients send JSON as
//! `application/x-www-form-urlencoded` by default. Other text is sent, and without a list everything is.

pub(in crate::redact) mod content_type;
pub(in crate::redact) mod decompress;
pub(in crate::redact) mod disposition;
pub(in crate::redact) mod form;
pub(in crate::redact) mod multipart;
pub(in crate::redact) mod parameters;

use std::borrow::Cow;

use crate::redact::Param;
use crate::redact::body::content_type::{ContentType, Kind};
use crate::redact::body::decompress::{Plain, decompress};
use crate::redact::edit::Text;
use crate::redact::json;
use crate::redact::marker::{self, Reason};
use crate::rules::Rules;

/// A body as it was captured.
#[derive(Clone, Copy, Debug)]
pub struct Body<'a> {
    /// The value of `Content-Type`, before that header itself is redacted.
    pub content_type: Option<&'a str>,
    /// The value of `Content-Encoding`.
    pub content_encoding: Option<&'a str>,
    /// The captured bytes.
    pub bytes: &'a [u8],
    /// The true size, with the part that the capture cut off.
    pub size: u64,
    /// Whether the capture cut off the end.
    pub truncated: bool,
    /// The bound on the output of decompression.
    pub max_bytes: usize,
}

/// What may be sent of a request body.
#[derive(Clone, Debug)]
pub enum Content<'a> {
    /// The fields of a form.
    Params(Vec<Param<'a>>),
    /// Any other body, or a marker.
    Text(Text<'a>),
}

/// A body without its content coding.
pub struct Unpacked<'a> {
    body: Body<'a>,
    /// `None` if the coding could not be undone.
    plain: Option<Plain<'a>>,
}

impl<'a> Unpacked<'a> {
    pub fn new(body: Body<'a>) -> Unpacked<'a> {
        let is_cut = body.truncated || body.size > body.bytes.len() as u64;
        let plain = decompress(body.content_encoding, body.bytes, is_cut, body.max_bytes);
        Unpacked { body, plain }
    }

    /// The size without the content coding if it is known, else the size on the wire.
    pub fn size(&self) -> u64 {
        match &self.plain {
            Some(Plain {
                bytes: Cow::Owned(bytes),
                is_cut: false,
            }) => bytes.len() as u64,
            _ => self.body.size,
        }
    }

    /// The number of bytes that are left of a body whose end was cut off.
    pub fn cut_to(&self) -> Option<usize> {
        self.plain
            .as_ref()
            .filter(|plain| plain.is_cut)
            .map(|plain| plain.bytes.len())
    }
}

/// What may be sent of a request body: forms as their fields, anything else as text.
pub fn request_body<'a>(rules: &Rules, body: &'a Unpacked<'a>) -> Content<'a> {
    content(rules, body, true)
}

/// What may be sent of a response body. Forms stay text; multipart is withheld if a list is configured.
pub fn response_body<'a>(rules: &Rules, body: &'a Unpacked<'a>) -> Text<'a> {
    match content(rules, body, false) {
        Content::Text(text) => text,
        Content::Params(_) => Text::plain(marker::withheld(body.body.size, Reason::Multipart)),
    }
}

fn content<'a>(rules: &Rules, unpacked: &'a Unpacked<'a>, is_request: bool) -> Content<'a> {
    let Some(plain) = &unpacked.plain else {
        return Content::Text(Text::plain(marker::NOT_UTF8));
    };
    let filter = Filter {
        rules,
        content_type: ContentType::parse(unpacked.body.content_type),
        size: unpacked.body.size,
        is_cut: plain.is_cut,
        is_request,
    };
    filter.bytes(&plain.bytes)
}

/// The filter of one body: what is known about it apart from its bytes.
struct Filter<'r> {
    rules: &'r Rules,
    content_type: ContentType<'r>,
    size: u64,
    is_cut: bool,
    is_request: bool,
}

impl Filter<'_> {
    fn bytes<'a>(&self, bytes: &'a [u8]) -> Content<'a> {
        // Multipart is split before it is decoded, since files inside it are rarely UTF-8.
        if let (Kind::Multipart, true) = (self.content_type.kind, self.is_request) {
            match self.multipart(bytes) {
                Ok(params) => return Content::Params(params),
                Err(reason) if self.rules.is_active() => return self.withhold(reason),
                Err(_) => {}
            }
        }
        match utf8(bytes, self.is_cut) {
            Some(text) => self.text(text.strip_prefix('\u{feff}').unwrap_or(text)),
            None => Content::Text(Text::plain(marker::NOT_UTF8)),
        }
    }

    fn multipart<'a>(&self, bytes: &'a [u8]) -> Result<Vec<Param<'a>>, Reason> {
        self.check(bytes)?;
        let boundary = self.content_type.boundary.as_deref();
        let boundary = boundary.ok_or(Reason::Multipart)?;
        let is_usual = self.content_type.is_usual_multipart;
        multipart::params(self.rules, boundary, is_usual, bytes).map_err(|_| Reason::Multipart)
    }

    fn text<'a>(&self, text: &'a str) -> Content<'a> {
        let result = match kind(self.content_type.kind, text) {
            // A form by its type is sent as fields, also without a list; a form by its beginning stays text.
            Kind::Form if self.content_type.kind == Kind::Form && self.is_request => {
                self.form_params(text)
            }
            _ if !self.rules.is_active() => Ok(Content::Text(Text::plain(text))),
            kind => self.filter_text(kind, text),
        };
        result.unwrap_or_else(|reason| self.withhold(reason))
    }

    fn form_params<'a>(&self, text: &'a str) -> Result<Content<'a>, Reason> {
        if self.rules.is_active() {
            self.check(text.as_bytes())?;
        }
        let params = form::params(self.rules, text).map_err(|_| Reason::Form)?;
        Ok(Content::Params(params))
    }

    fn filter_text<'a>(&self, kind: Kind, text: &'a str) -> Result<Content<'a>, Reason> {
        let edits = match kind {
            _ if text.trim_ascii().is_empty() => Vec::new(),
            Kind::Other if self.content_type.is_binary => return Err(Reason::BinaryType),
            Kind::Other if has_control_characters(text) => return Err(Reason::ControlCharacters),
            Kind::Other => Vec::new(),
            Kind::Json => {
                self.check(text.as_bytes())?;
                json::filter(self.rules, text).map_err(|_| Reason::Json)?
            }
            Kind::Form => {
                self.check(text.as_bytes())?;
                form::filter(self.rules, text).map_err(|_| Reason::Form)?
            }
            Kind::Multipart => return Err(Reason::Multipart),
        };
        Ok(Content::Text(Text::edited(text, edits)))
    }

    /// Checks that the body is whole and in UTF-8, as the filters need it.
    fn check(&self, bytes: &[u8]) -> Result<(), Reason> {
        if self.is_cut {
            Err(Reason::CutOff)
        } else if !self.content_type.is_utf8(bytes) {
            Err(Reason::Charset)
        } else if !self.content_type.is_certain {
            Err(Reason::ContentType)
        } else {
            Ok(())
        }
    }

    fn withhold(&self, reason: Reason) -> Content<'static> {
        Content::Text(Text::plain(marker::withheld(self.size, reason)))
    }
}

/// The text of a body. If the end of the body is cut off, its last character may be incomplete and is left out.
fn utf8(bytes: &[u8], is_cut: bool) -> Option<&str> {
    if let Ok(text) = simdutf8::basic::from_utf8(bytes) {
        return Some(text);
    }
    // The check above does not say where it fails.
    let error = std::str::from_utf8(bytes).err().filter(|_| is_cut)?;
    let whole = bytes.get(..error.valid_up_to())?;
    let text = std::str::from_utf8(whole).ok()?;
    error.error_len().is_none().then_some(text)
}

/// The kind of a text: by its beginning if that is beyond doubt, else by its type.
fn kind(declared: Kind, text: &str) -> Kind {
    let text = text.trim_start_matches(json::is_blank);
    if text.starts_with(['{', '[']) || (text.starts_with('"') && json::is_claimed(text)) {
        Kind::Json
    } else if looks_like_multipart(text) {
        Kind::Multipart
    } else if declared == Kind::Other && looks_like_form(text) {
        Kind::Form
    } else {
        declared
    }
}

/// Whether a text has control characters, as a binary format that happens to be UTF-8 has.
fn has_control_characters(text: &str) -> bool {
    let is_allowed = |byte: u8| byte >= b' ' || matches!(byte, b'\t' | b'\n' | b'\r' | b'\x0c');
    text.bytes().any(|byte| !is_allowed(byte) || byte == 0x7f)
}

/// Whether a text begins with a delimiter and a header on the next line.
fn looks_like_multipart(text: &str) -> bool {
    let next_line = text.split_once('\n').map(|(_, rest)| rest);
    let header = next_line.and_then(|line| line.get(.."content-".len()));
    text.starts_with("--") && header.is_some_and(|h| h.eq_ignore_ascii_case("content-"))
}

/// Whether a text begins with a name of characters that need no escape, and `=`.
fn looks_like_form(text: &str) -> bool {
    let is_part = |c: char| !c.is_whitespace() && !c.is_control() && !"<>(){}\"'`,:".contains(c);
    let rest = text.trim_start_matches(|c| c != '=' && is_part(c));
    rest.starts_with('=')
}
