//! `RequestHead`, and the two things that a `Capture` takes as the head of a request.

use std::borrow::Cow;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::{PyTraverseError, PyVisit};

use super::environ::{Environ, believe_proxies, content_length, server_host};
use super::error::guarded;
use crate::exchange::{Captured, Request};

/// The line and the headers of a request, from a door that has no WSGI environ.
#[pyclass(frozen, module = "readme_metrics._core")]
pub struct RequestHead {
    method: String,
    scheme: String,
    /// The `Host` header, else the server's own name.
    host: String,
    path: Vec<u8>,
    query: Vec<u8>,
    protocol: String,
    client_address: String,
    /// Under their environ names, as everything downstream expects them.
    headers: Vec<(String, String)>,
    content_length: u64,
    expects_continue: bool,
}

#[pymethods]
impl RequestHead {
    #[new]
    #[pyo3(signature = (*, method, scheme, path, query, protocol, headers, client_address = "", server = None))]
    // A request has this many parts; Python names each one at the call.
    #[allow(clippy::too_many_arguments, clippy::needless_pass_by_value)]
    fn new(
        method: String,
        scheme: String,
        path: Vec<u8>,
        query: Vec<u8>,
        protocol: String,
        headers: Vec<(Vec<u8>, Vec<u8>)>,
        client_address: &str,
        server: Option<(String, u16)>,
    ) -> PyResult<RequestHead> {
        guarded(|| {
            let headers: Vec<_> = headers
                .iter()
                .map(|(name, value)| (environ_name(name), latin_1(value)))
                .collect();
            let header = |name| {
                let mut found = headers.iter().filter(|(key, _)| key == name);
                found.next().map(|(_, value)| value.as_str())
            };
            let host = match (header("HTTP_HOST"), server) {
                (Some(host), _) if !host.is_empty() => host.to_owned(),
                (_, Some((name, port))) => {
                    server_host(&name, &port.to_string(), &scheme).into_owned()
                }
                _ => String::new(),
            };
            Ok(RequestHead {
                host,
                content_length: header("CONTENT_LENGTH").map_or(0, content_length),
                expects_continue: header("HTTP_EXPECT").is_some(),
                method,
                scheme,
                path,
                query,
                protocol,
                client_address: client_address.to_owned(),
                headers,
            })
        })
    }
}

impl RequestHead {
    fn request<'a>(&'a self, body: Captured<'a>) -> Request<'a> {
        let headers = self.headers.iter();
        Request {
            method: Cow::Borrowed(&self.method),
            scheme: Cow::Borrowed(&self.scheme),
            host: Cow::Borrowed(&self.host),
            path: Cow::Borrowed(&self.path),
            query: Cow::Borrowed(&self.query),
            protocol: Cow::Borrowed(&self.protocol),
            client_address: Cow::Borrowed(&self.client_address),
            headers: headers
                .map(|(name, value)| (Cow::Borrowed(&**name), Cow::Borrowed(&**value)))
                .collect(),
            body,
        }
    }
}

/// `X-Api-Key` as `HTTP_X_API_KEY` (RFC 3875, 4.1.18).
fn environ_name(name: &[u8]) -> String {
    let name = latin_1(name).to_ascii_uppercase().replace('-', "_");
    match &*name {
        "CONTENT_TYPE" | "CONTENT_LENGTH" => name,
        _ => ["HTTP_", &name].concat(),
    }
}

fn latin_1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// The head of a request as its door has it.
pub enum Head {
    Wsgi(Environ),
    Plain(Py<RequestHead>),
}

impl Head {
    pub fn of(head: &Bound<'_, PyAny>) -> PyResult<Head> {
        if let Ok(environ) = head.cast::<PyDict>() {
            return Environ::of(environ).map(Head::Wsgi);
        }
        Ok(Head::Plain(head.cast::<RequestHead>()?.clone().unbind()))
    }

    /// What the client declared; 0 if it declared nothing or nonsense.
    pub fn content_length(&self, py: Python<'_>) -> u64 {
        match self {
            Head::Wsgi(environ) => environ.content_length(py),
            Head::Plain(head) => head.get().content_length,
        }
    }

    pub fn expects_continue(&self, py: Python<'_>) -> bool {
        match self {
            Head::Wsgi(environ) => environ.expects_continue(py),
            Head::Plain(head) => head.get().expects_continue,
        }
    }

    pub fn is_tls(&self, py: Python<'_>) -> bool {
        match self {
            Head::Wsgi(environ) => environ.is_tls(py),
            Head::Plain(head) => head.get().scheme == "https",
        }
    }

    pub fn request<'a>(
        &'a self,
        py: Python<'a>,
        body: Captured<'a>,
        trust_forwarded: bool,
    ) -> Request<'a> {
        let mut request = match self {
            Head::Wsgi(environ) => environ.request(py, body),
            Head::Plain(head) => head.get().request(body),
        };
        if trust_forwarded {
            believe_proxies(&mut request);
        }
        request
    }

    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Head::Wsgi(environ) => environ.traverse(visit),
            Head::Plain(head) => visit.call(head),
        }
    }
}
