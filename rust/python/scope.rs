//! The parts of an ASGI scope that a log needs, as they were when the request arrived, for the core to borrow.

use std::borrow::Cow;
use std::sync::OnceLock;

use percent_encoding::percent_decode;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};
use pyo3::{PyTypeCheck, intern};

use super::environ::{COMMON_HEADERS, content_length, server_host};
use crate::exchange::{Captured, Request};

/// The parts of a scope. The scope itself may be changed by the app: a mount moves `root_path`.
///
/// Source: ASGI 3.0, "HTTP & WebSocket ASGI Message Format".
pub struct Scope {
    method: Option<Py<PyString>>,
    scheme: Option<Py<PyString>>,
    http_version: Option<Py<PyString>>,
    path: Option<Py<PyString>>,
    raw_path: Option<Py<PyBytes>>,
    root_path: Option<Py<PyString>>,
    query: Option<Py<PyBytes>>,
    client_address: Option<Py<PyString>>,
    /// Name and port.
    server: Option<Py<PyAny>>,
    headers: Vec<[Py<PyBytes>; 2]>,
    /// The names of the headers as the core knows them.
    names: OnceLock<EnvironNames>,
}

/// The names in one allocation: `HTTP_HOSTHTTP_ACCEPT...`, and where each name ends.
struct EnvironNames {
    text: String,
    ends: Vec<usize>,
}

impl Scope {
    pub fn of(scope: &Bound<'_, PyDict>) -> PyResult<Scope> {
        let py = scope.py();
        Ok(Scope {
            method: part(scope, intern!(py, "method"))?,
            scheme: part(scope, intern!(py, "scheme"))?,
            http_version: part(scope, intern!(py, "http_version"))?,
            path: part(scope, intern!(py, "path"))?,
            raw_path: part(scope, intern!(py, "raw_path"))?,
            root_path: part(scope, intern!(py, "root_path"))?,
            query: query(scope)?,
            client_address: client_address(scope)?,
            server: scope.get_item(intern!(py, "server"))?.map(Bound::unbind),
            headers: headers(scope)?,
            names: OnceLock::new(),
        })
    }

    /// What the client declared; 0 if it declared nothing or nonsense.
    pub fn content_length(&self, py: Python<'_>) -> u64 {
        let declared = self.header(py, b"content-length");
        declared.map_or(0, |declared| content_length(&declared))
    }

    pub fn expects_continue(&self, py: Python<'_>) -> bool {
        self.header(py, b"expect").is_some()
    }

    pub fn is_tls(&self, py: Python<'_>) -> bool {
        text(py, self.scheme.as_ref()) == "https"
    }

    fn header<'a>(&'a self, py: Python<'a>, name: &[u8]) -> Option<Cow<'a, str>> {
        let mut headers = self.headers.iter();
        let found = headers.find(|[key, _]| key.as_bytes(py).eq_ignore_ascii_case(name))?;
        Some(header_text(found[1].as_bytes(py)))
    }

    /// The request that the scope describes.
    pub fn request<'a>(&'a self, py: Python<'a>, body: Captured<'a>) -> Request<'a> {
        let headers = self.environ_headers(py);
        let scheme = match text(py, self.scheme.as_ref()) {
            scheme if scheme.is_empty() => Cow::Borrowed("http"),
            scheme => scheme,
        };
        let host = headers.iter().find(|(name, _)| name == "HTTP_HOST");
        // `target::tidy` replaces an empty host by the server's own name.
        let host = host.map_or(Cow::Borrowed(""), |(_, host)| host.clone());
        Request {
            method: text(py, self.method.as_ref()),
            scheme,
            host,
            path: self.full_path(py),
            raw_path: self.full_raw_path(py),
            query: Cow::Borrowed(bytes(py, self.query.as_ref())),
            protocol: match text(py, self.http_version.as_ref()) {
                version if version.is_empty() => version,
                version => Cow::Owned(["HTTP/", &version].concat()),
            },
            client_address: text(py, self.client_address.as_ref()),
            headers,
            body,
        }
    }

    /// The headers under their environ names, as everything downstream expects them.
    fn environ_headers<'a>(&'a self, py: Python<'a>) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
        let names = self
            .names
            .get_or_init(|| EnvironNames::of(py, &self.headers));
        let mut headers = Vec::<(Cow<'a, str>, Cow<'a, str>)>::with_capacity(COMMON_HEADERS);
        let mut cookies_at = None;
        for ((_, value), name) in self
            .headers
            .iter()
            .map(|[name, value]| (name, value))
            .zip(names.iter())
        {
            let value = header_text(value.as_bytes(py));
            match name {
                "HTTP_COOKIE" => {
                    // HTTP/2 may split the `Cookie` header (RFC 9113, 8.2.3).
                    if let Some((_, cookies)) = cookies_at.and_then(|at: usize| headers.get_mut(at))
                    {
                        *cookies = Cow::Owned([&**cookies, &*value].join("; "));
                        continue;
                    }
                    cookies_at = Some(headers.len());
                }
                // HTTP/2's form of `Host` (RFC 9113, 8.3.1).
                "HTTP_:AUTHORITY" => {
                    if self.header(py, b"host").is_none() {
                        headers.push((Cow::Borrowed("HTTP_HOST"), value));
                    }
                    continue;
                }
                // The other pseudo-headers are parts of the scope.
                _ if name.starts_with("HTTP_:") => continue,
                _ => {}
            }
            headers.push((Cow::Borrowed(name), value));
        }
        headers
    }

    /// By ASGI, `path` includes `root_path`; hypercorn and daphne leave the prefix out, and a proxy may have removed it.
    fn full_path<'a>(&'a self, py: Python<'a>) -> Cow<'a, [u8]> {
        let path = into_bytes(text(py, self.path.as_ref()));
        let root = text(py, self.root_path.as_ref());
        let root = without_slash(root.as_bytes());
        if begins_with(&path, root) {
            return path;
        }
        Cow::Owned([root, &path].concat())
    }

    /// `None` if the server does not say what was sent.
    fn full_raw_path<'a>(&'a self, py: Python<'a>) -> Option<Cow<'a, [u8]>> {
        let raw = bytes(py, self.raw_path.as_ref());
        // Some servers leave the query in the raw path.
        let raw = raw.split(|byte| *byte == b'?').next()?;
        // A target in absolute form (RFC 9112, 3.2.2) is no path.
        raw.first().filter(|first| **first == b'/')?;
        let root = text(py, self.root_path.as_ref());
        let root = without_slash(root.as_bytes());
        if root.is_empty() || begins_with(&Cow::from(percent_decode(raw)), root) {
            return Some(Cow::Borrowed(raw));
        }
        Some(Cow::Owned([root, raw].concat()))
    }

    pub fn server_host<'a>(&self, py: Python<'_>, scheme: &str) -> Cow<'a, str> {
        let Some(server) = &self.server else {
            return Cow::Borrowed("");
        };
        let part = |index: usize| {
            let part = server.bind(py).get_item(index).ok()?;
            (!part.is_none()).then(|| part.to_string())
        };
        let name = part(0).unwrap_or_default();
        // The name of a Unix socket is its path.
        if name.is_empty() || name.starts_with('/') {
            return Cow::Borrowed("");
        }
        server_host(&name, &part(1).unwrap_or_default(), scheme)
    }
}

impl EnvironNames {
    fn of(py: Python<'_>, headers: &[[Py<PyBytes>; 2]]) -> EnvironNames {
        let mut names = EnvironNames {
            text: String::with_capacity(headers.len() * 24),
            ends: Vec::with_capacity(headers.len()),
        };
        for [name, _] in headers {
            let name = name.as_bytes(py);
            let is_bare = [&b"content-type"[..], b"content-length"];
            if !is_bare.iter().any(|bare| name.eq_ignore_ascii_case(bare)) {
                names.text.push_str("HTTP_");
            }
            names.text.extend(name.iter().map(|byte| match byte {
                b'-' => '_',
                byte => char::from(byte.to_ascii_uppercase()),
            }));
            names.ends.push(names.text.len());
        }
        names
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        let begins = std::iter::once(&0).chain(&self.ends);
        begins
            .zip(&self.ends)
            .map(|(begin, end)| self.text.get(*begin..*end).unwrap_or_default())
    }
}

/// A part of a scope; `None` if it is of another type.
fn part<T: PyTypeCheck>(
    scope: &Bound<'_, PyDict>,
    key: &Bound<'_, PyString>,
) -> PyResult<Option<Py<T>>> {
    let value = scope.get_item(key)?;
    Ok(value
        .and_then(|value| value.cast_into::<T>().ok())
        .map(Bound::unbind))
}

/// The text of a part: bytes, or a string from Django's `AsyncClient`.
fn query(scope: &Bound<'_, PyDict>) -> PyResult<Option<Py<PyBytes>>> {
    let py = scope.py();
    let key = intern!(py, "query_string");
    if let Some(query) = part::<PyBytes>(scope, key)? {
        return Ok(Some(query));
    }
    let query = part::<PyString>(scope, key)?;
    Ok(query.map(|query| PyBytes::new(py, query.to_string_lossy(py).as_bytes()).unbind()))
}

/// The first item of `client`: a tuple, or a list (daphne); None behind a Unix socket.
fn client_address(scope: &Bound<'_, PyDict>) -> PyResult<Option<Py<PyString>>> {
    let Some(client) = scope.get_item(intern!(scope.py(), "client"))? else {
        return Ok(None);
    };
    let address = match client.cast_exact::<PyTuple>() {
        Ok(client) => client.get_item(0).ok(),
        Err(_) => client.get_item(0).ok(),
    };
    Ok(address
        .and_then(|address| address.cast_into().ok())
        .map(Bound::unbind))
}

fn headers(scope: &Bound<'_, PyDict>) -> PyResult<Vec<[Py<PyBytes>; 2]>> {
    let mut pairs = Vec::with_capacity(COMMON_HEADERS);
    let Some(headers) = scope.get_item(intern!(scope.py(), "headers"))? else {
        return Ok(pairs);
    };
    match headers.cast_exact::<PyList>() {
        Ok(list) => pairs.extend(list.iter().filter_map(|item| pair(&item))),
        Err(_) => {
            for item in headers.try_iter()? {
                pairs.extend(pair(&item?));
            }
        }
    }
    Ok(pairs)
}

/// `None` for an item that is not a pair of bytes: no server sends such an item.
fn pair(item: &Bound<'_, PyAny>) -> Option<[Py<PyBytes>; 2]> {
    let part = |index: usize| match item.cast_exact::<PyTuple>() {
        Ok(pair) => pair.get_item(index).ok(),
        Err(_) => item.get_item(index).ok(),
    };
    let bytes = |index| Some(part(index)?.cast_into::<PyBytes>().ok()?.unbind());
    Some([bytes(0)?, bytes(1)?])
}

fn text<'a>(py: Python<'a>, part: Option<&'a Py<PyString>>) -> Cow<'a, str> {
    part.map_or(Cow::Borrowed(""), |part| part.to_string_lossy(py))
}

fn bytes<'a>(py: Python<'a>, part: Option<&'a Py<PyBytes>>) -> &'a [u8] {
    part.map_or(b"", |part| part.as_bytes(py))
}

/// Headers are ISO 8859-1 (RFC 9110, 5.5), and ASCII nearly always. A header that is valid UTF-8 was meant as UTF-8, and
/// denied text is recognised in it.
pub fn header_text(value: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(value) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(value.iter().copied().map(char::from).collect()),
    }
}

fn into_bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

fn begins_with(path: &[u8], root: &[u8]) -> bool {
    let rest = path.strip_prefix(root);
    rest.is_some_and(|rest| root.is_empty() || matches!(rest.first(), None | Some(b'/')))
}

fn without_slash(root: &[u8]) -> &[u8] {
    root.strip_suffix(b"/").unwrap_or(root)
}
