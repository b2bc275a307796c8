//! The full URL of a request.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::exchange::Request;
use crate::redact;
use crate::rules::Rules;

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
pub fn full(rules: &Rules, request: &Request<'_>) -> String {
    let query = redact::query_text(rules, &request.query);
    let mut url = String::with_capacity(16 + request.host.len() + request.path.len() + query.len());
    url.push_str(&request.scheme);
    url.push_str("://");
    url.extend(percent_encode(request.host.as_bytes(), HOST));
    url.extend(percent_encode(&request.path, PATH));
    if !query.is_empty() {
        url.push('?');
        url.push_str(&query);
    }
    url
}
