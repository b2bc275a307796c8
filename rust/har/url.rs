//! The full URL of a request.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::exchange::Request;
use crate::redact::Query;

/// RFC 3986 `pchar` and the slash stay as they are in a path; all else is percent-encoded.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@')
    .remove(b'/');

/// Hosts are reg-names or bracketed addresses with a port.
const HOST: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':')
    .remove(b'[')
    .remove(b']');

/// The full URL, as a valid ASCII URI, with denied parameters replaced.
pub fn full(query: &Query<'_>, request: &Request<'_>) -> String {
    let query = query.url_text();
    let mut url = String::with_capacity(16 + request.host.len() + request.path.len() + query.len());
    url.push_str(&request.scheme);
    url.push_str("://");
    url.extend(percent_encode(request.host.as_bytes(), HOST));
    match &request.raw_path {
        Some(path) => push_sent(&mut url, path),
        None => url.extend(percent_encode(&request.path, PATH)),
    }
    if !query.is_empty() {
        url.push('?');
        url.push_str(&query);
    }
    url
}

/// Writes a path as the client sent it, with its percent-encoding.
fn push_sent(url: &mut String, mut path: &[u8]) {
    while let Some(at) = path.iter().position(|byte| *byte == b'%') {
        let (before, escape) = path.split_at(at);
        url.extend(percent_encode(before, PATH));
        let digits = escape.get(1..3).unwrap_or_default();
        let is_escape = digits.len() == 2 && digits.iter().all(u8::is_ascii_hexdigit);
        url.push_str(if is_escape { "%" } else { "%25" });
        path = escape.get(1..).unwrap_or_default();
    }
    url.extend(percent_encode(path, PATH));
}
