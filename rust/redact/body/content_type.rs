//! Reads the `Content-Type` of a body.
//!
//! Lenient on purpose: a type that merely mentions JSON is treated as JSON, since at worst a body is withheld.

use std::borrow::Cow;

use crate::redact::body::parameters::{self, Parameter};

/// The kinds of body that lists apply to, and the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::redact) enum Kind {
    Json,
    Form,
    Multipart,
    Other,
}

/// Whether a media type is that of a form.
pub fn is_form(content_type: &str) -> bool {
    let kind = ContentType::parse(Some(content_type)).kind;
    kind == Kind::Form || kind == Kind::Multipart
}

/// Whether an app may decode the query of a request of this type with another charset than UTF-8, as Django does.
pub fn changes_query(content_type: &str) -> bool {
    const CHARSET: &[u8] = b"charset";
    let is_charset = |at: usize| {
        let word = content_type.as_bytes().get(at..at + CHARSET.len());
        word.is_some_and(|word| word.eq_ignore_ascii_case(CHARSET))
    };
    let says_charset = || memchr::memchr2_iter(b'c', b'C', content_type.as_bytes()).any(is_charset);
    content_type.len() > MEDIA_TYPE_BYTES && says_charset() && {
        let parsed = ContentType::parse(Some(content_type));
        !parsed.is_certain || matches!(parsed.charset, Charset::Other)
    }
}

/// A value of this length or less has no charset: the shortest one is `;charset=x`.
const MEDIA_TYPE_BYTES: usize = 9;

/// The value of `Content-Type`, as far as it matters here.
#[derive(Debug)]
pub(in crate::redact) struct ContentType<'a> {
    pub(in crate::redact) kind: Kind,
    /// Whether the type is not known to be text, so that no list can be applied to the body.
    pub(in crate::redact) is_binary: bool,
    /// The boundary of `multipart/form-data`.
    pub(in crate::redact) boundary: Option<Cow<'a, str>>,
    /// Whether every parser recognises the type as multipart; some compare it with regard to case.
    pub(in crate::redact) is_usual_multipart: bool,
    /// Whether the value can be read in one way only.
    pub(in crate::redact) is_certain: bool,
    charset: Charset,
}

impl<'a> ContentType<'a> {
    pub(in crate::redact) fn parse(value: Option<&'a str>) -> Self {
        let value = value.unwrap_or_default();
        if value.eq_ignore_ascii_case("application/json") {
            return ContentType {
                kind: Kind::Json,
                is_binary: false,
                boundary: None,
                is_usual_multipart: false,
                is_certain: true,
                charset: Charset::Utf8,
            };
        }
        let media_type_end = value.find([';', ',']).unwrap_or(value.len());
        let (media_type, rest) = value.split_at_checked(media_type_end).unwrap_or_default();
        let media_type = media_type.trim_ascii();
        let parameters = parameters::parse(rest);
        let only = |name: &str| {
            let mut found = parameters.iter().flatten().filter(|p| p.is(name));
            (found.next(), found.next().is_none())
        };
        let (charset, one_charset) = only("charset");
        let (boundary, one_boundary) = only("boundary");
        let is_form_data = media_type.eq_ignore_ascii_case("multipart/form-data");
        // A parameter in the form of RFC 2231, which few frameworks read.
        let is_extended = |p: &Parameter| {
            let (stem, _) = p.name.split_once('*').unwrap_or_default();
            ["charset", "boundary"]
                .iter()
                .any(|name| stem.eq_ignore_ascii_case(name))
        };
        let has_extended = parameters.iter().flatten().any(is_extended);
        // A repeated header arrives joined by commas, and frameworks differ in which of its values they take.
        let is_certain = parameters.is_ok() && one_charset && one_boundary && !has_extended;
        ContentType {
            kind: kind(media_type, value, is_certain),
            is_binary: is_binary(media_type),
            boundary: boundary
                .filter(|p| is_form_data && is_certain && !p.raw.is_empty())
                .copied()
                .map(Parameter::value),
            is_usual_multipart: media_type == "multipart/form-data"
                && boundary.is_some_and(|p| p.name == "boundary"),
            is_certain,
            charset: charset.map_or(Charset::Utf8, |p| Charset::parse(p.raw)),
        }
    }

    /// Whether these bytes, read as UTF-8, are what the application reads.
    pub(in crate::redact) fn is_utf8(&self, bytes: &[u8]) -> bool {
        match self.charset {
            Charset::Utf8 => true,
            Charset::ExtendsAscii => bytes.is_ascii(),
            Charset::Other => false,
        }
    }
}

/// The kind of a media type, or of the whole value if that is not certain to be one media type.
fn kind(media_type: &str, value: &str, is_certain: bool) -> Kind {
    let said = if is_certain { media_type } else { value }.to_ascii_lowercase();
    if said.contains("multipart/") {
        Kind::Multipart
    } else if said.contains("form-urlencoded") {
        Kind::Form
    } else if said.contains("json") {
        Kind::Json
    } else {
        Kind::Other
    }
}

/// Types of `application/` that are text, in addition to those whose names contain XML, JSON, YAML or script.
const TEXT_TYPES: [&str; 12] = [
    "csv",
    "dart",
    "graphql",
    "http",
    "ld",
    "n-quads",
    "n-triples",
    "sparql-query",
    "sql",
    "toml",
    "trig",
    "x-www-form-urlencoded",
];

fn is_binary(media_type: &str) -> bool {
    let media_type = media_type.to_ascii_lowercase();
    match media_type.split_once('/') {
        Some(("audio" | "font" | "image" | "model" | "video", kind)) => !kind.contains("xml"),
        Some(("application", kind)) => {
            let is_text = ["xml", "json", "yaml", "script", "text"];
            !TEXT_TYPES.contains(&kind) && !is_text.iter().any(|part| kind.contains(part))
                || kind.contains("grpc")
        }
        _ => false,
    }
}

/// How a charset relates to UTF-8.
#[derive(Clone, Copy, Debug)]
enum Charset {
    Utf8,
    /// Encodes ASCII as UTF-8 does, and other characters differently.
    ExtendsAscii,
    /// Encodes ASCII differently, so that bytes which look like one key may be another.
    Other,
}

impl Charset {
    fn parse(name: &str) -> Charset {
        match name.to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" => Charset::Utf8,
            "us-ascii" | "ascii" | "latin1" => Charset::ExtendsAscii,
            name if name.starts_with("iso-8859-") => Charset::ExtendsAscii,
            name if name.starts_with("windows-125") => Charset::ExtendsAscii,
            _ => Charset::Other,
        }
    }
}
