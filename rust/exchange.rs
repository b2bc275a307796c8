//! A borrowed view of one request and its response, as the middleware hands them over.
//!
//! Nothing in it is redacted or interpreted; `har` does that while it writes.

use std::borrow::Cow;

/// One logged request/response pair.
pub struct Exchange<'a> {
    /// The log's `_id`, a UUID, which `x-documentation-url` has as well.
    pub log_id: &'a str,
    /// Who made the call, as the grouping function said.
    pub group: Group<'a>,
    /// When the request arrived, in milliseconds since the Unix epoch.
    pub started_unix_ms: u64,
    /// How long the app took, from a monotonic clock.
    pub duration_ms: u64,
    /// The framework's template of the path, where the log is to show it.
    pub route: Option<&'a str>,
    pub request: Request<'a>,
    pub response: Response<'a>,
}

impl Exchange<'_> {
    /// The number of captured bytes of both bodies.
    pub fn body_bytes(&self) -> usize {
        let bodies = [&self.request.body, &self.response.body];
        let bytes = bodies.map(|body| body.bytes.as_deref().map_or(0, <[u8]>::len));
        bytes.iter().sum()
    }
}

/// The caller's identity. The id is in clear here and is masked when it is written.
pub struct Group<'a> {
    pub id: &'a str,
    pub label: Option<&'a str>,
    pub email: Option<&'a str>,
}

/// The request, in the terms of the WSGI environ (PEP 3333), whichever door it came through.
#[derive(Default)]
pub struct Request<'a> {
    pub method: Cow<'a, str>,
    /// `http` or `https`.
    pub scheme: Cow<'a, str>,
    /// The host, with its port if that is not the default of the scheme.
    pub host: Cow<'a, str>,
    /// `SCRIPT_NAME` + `PATH_INFO`, percent-decoded, as the bytes that the client meant.
    pub path: Cow<'a, [u8]>,
    /// The path as the client sent it, still percent-encoded, if the server hands it over (ASGI). Unlike `path`, it shows which
    /// slashes were encoded.
    pub raw_path: Option<Cow<'a, [u8]>>,
    /// The query string as sent, without the question mark.
    pub query: Cow<'a, [u8]>,
    /// For example `HTTP/1.1`.
    pub protocol: Cow<'a, str>,
    pub client_address: Cow<'a, str>,
    /// `HTTP_*`, `CONTENT_TYPE` and `CONTENT_LENGTH` under their environ names.
    pub headers: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    pub body: Captured<'a>,
}

/// The response as the app gave it to `start_response` and yielded it.
#[derive(Default)]
pub struct Response<'a> {
    /// For example `200 OK`.
    pub status: Cow<'a, str>,
    /// All headers in order, repeated ones included.
    pub headers: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    pub body: Captured<'a>,
}

/// A body as far as it was captured.
#[derive(Default)]
pub struct Captured<'a> {
    /// The first bytes; `None` if the body was deliberately not captured (streams, files).
    pub bytes: Option<Cow<'a, [u8]>>,
    /// The true size, counted or declared; `None` if it is not known.
    pub size_bytes: Option<u64>,
    /// Whether a rule says that the body is not to be kept.
    pub is_unwanted: bool,
}

impl Captured<'_> {
    /// Whether `bytes` is only the beginning of the body.
    pub fn is_truncated(&self) -> bool {
        match (&self.bytes, self.size_bytes) {
            (Some(bytes), Some(size)) => (bytes.len() as u64) < size,
            _ => false,
        }
    }
}

/// The bytes behind a WSGI "native string", whose characters each stand for one byte (PEP 3333).
///
/// A character above U+00FF breaks that contract; it is kept as UTF-8, which is what its author meant.
pub fn native_bytes(text: &str) -> Cow<'_, [u8]> {
    if text.is_ascii() {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        if let Ok(byte) = u8::try_from(u32::from(character)) {
            bytes.push(byte);
        } else {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    Cow::Owned(bytes)
}
