//! Reads what the middleware hands over: a WSGI environ, a header list, lists of body chunks.
//!
//! Each collection is walked once. `Held` keeps the Python strings alive so that the core can borrow their text.

use std::borrow::Cow;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

use crate::exchange::{Captured, Request, native_bytes};

type Pair<'py> = (Bound<'py, PyString>, Bound<'py, PyString>);

/// Owned references to the strings of one environ or header list.
pub struct Held<'py>(Vec<Pair<'py>>);

impl<'py> Held<'py> {
    /// The string entries of an environ; the rest (streams, flags, the app's own objects) does not concern a log.
    pub fn environ(environ: &Bound<'py, PyDict>) -> Held<'py> {
        let mut pairs = Vec::with_capacity(environ.len());
        for (key, value) in environ.iter() {
            if let (Ok(key), Ok(value)) =
                (key.cast_into::<PyString>(), value.cast_into::<PyString>())
            {
                pairs.push((key, value));
            }
        }
        Held(pairs)
    }

    /// A WSGI header list: (name, value) tuples of strings. Servers also take a tuple or strings' likes, and so is it
    /// here: what is not a string is shown as `str()` shows it.
    pub fn headers(headers: &Bound<'py, PyAny>) -> PyResult<Held<'py>> {
        let mut pairs = Vec::with_capacity(headers.len().unwrap_or(0));
        for item in headers.try_iter()? {
            let item = item?;
            pairs.push((item.get_item(0)?.str()?, item.get_item(1)?.str()?));
        }
        Ok(Held(pairs))
    }

    pub fn pairs(&self) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
        self.0
            .iter()
            .map(|(name, value)| (name.to_string_lossy(), value.to_string_lossy()))
            .collect()
    }

    /// The request that this environ describes.
    pub fn request<'a>(&'a self, body: Captured<'a>, trust_forwarded: bool) -> Request<'a> {
        let mut request = Request {
            body,
            headers: Vec::with_capacity(self.0.len()),
            ..Request::default()
        };
        let (mut script_name, mut path_info) = (Cow::Borrowed(""), Cow::Borrowed(""));
        let (mut server_name, mut server_port, mut host) =
            (Cow::Borrowed(""), Cow::Borrowed(""), Cow::Borrowed(""));
        let mut forwarded = Forwarded::default();
        for (key, value) in &self.0 {
            let key = key.to_string_lossy();
            let value = value.to_string_lossy();
            match key.as_ref() {
                "REQUEST_METHOD" => request.method = value,
                "SCRIPT_NAME" => script_name = value,
                "PATH_INFO" => path_info = value,
                "QUERY_STRING" => request.query = into_native_bytes(value),
                "SERVER_PROTOCOL" => request.protocol = value,
                "SERVER_NAME" => server_name = value,
                "SERVER_PORT" => server_port = value,
                "REMOTE_ADDR" => request.client_address = value,
                "wsgi.url_scheme" => request.scheme = value,
                // Some servers repeat these two with the prefix.
                "HTTP_CONTENT_TYPE" | "HTTP_CONTENT_LENGTH" => {}
                "CONTENT_TYPE" | "CONTENT_LENGTH" if value.is_empty() => {}
                "CONTENT_TYPE" | "CONTENT_LENGTH" => request.headers.push((key, value)),
                name if name.starts_with("HTTP_") => {
                    match name {
                        "HTTP_HOST" => host.clone_from(&value),
                        "HTTP_X_FORWARDED_PROTO" => forwarded.scheme = Some(value.clone()),
                        "HTTP_X_FORWARDED_HOST" => forwarded.host = Some(value.clone()),
                        "HTTP_X_FORWARDED_FOR" => forwarded.client = Some(value.clone()),
                        _ => {}
                    }
                    request.headers.push((key, value));
                }
                _ => {}
            }
        }
        if request.scheme.is_empty() {
            request.scheme = Cow::Borrowed("http");
        }
        request.path = join_path(script_name, path_info);
        request.host = if host.is_empty() {
            server_host(&server_name, &server_port, &request.scheme)
        } else {
            host
        };
        if trust_forwarded {
            forwarded.apply(&mut request);
        }
        request
    }
}

/// What proxies say of the original request; believed only where `trust_forwarded` is set.
#[derive(Default)]
struct Forwarded<'a> {
    scheme: Option<Cow<'a, str>>,
    host: Option<Cow<'a, str>>,
    client: Option<Cow<'a, str>>,
}

impl<'a> Forwarded<'a> {
    fn apply(self, request: &mut Request<'a>) {
        for (target, header) in [
            (&mut request.scheme, self.scheme),
            (&mut request.host, self.host),
            (&mut request.client_address, self.client),
        ] {
            // A chain of proxies appends: the first one saw the client.
            let first = header
                .as_deref()
                .and_then(|value| value.split(',').next())
                .map(str::trim);
            if let Some(first) = first.filter(|value| !value.is_empty()) {
                *target = Cow::Owned(first.to_owned());
            }
        }
    }
}

fn into_native_bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => native_bytes(text),
        Cow::Owned(text) => Cow::Owned(native_bytes(&text).into_owned()),
    }
}

fn join_path<'a>(script_name: Cow<'a, str>, path_info: Cow<'a, str>) -> Cow<'a, [u8]> {
    if script_name.is_empty() {
        return into_native_bytes(path_info);
    }
    let mut path = into_native_bytes(script_name).into_owned();
    path.extend_from_slice(&into_native_bytes(path_info));
    Cow::Owned(path)
}

/// PEP 3333, URL reconstruction: the server's own name where the client sent no `Host`.
fn server_host<'a>(name: &str, port: &str, scheme: &str) -> Cow<'a, str> {
    let is_default_port = matches!((scheme, port), ("http", "80") | ("https", "443") | (_, ""));
    Cow::Owned(if is_default_port {
        name.to_owned()
    } else {
        format!("{name}:{port}")
    })
}

/// The chunks of a body, held for as long as the core borrows their bytes.
pub struct Chunks<'py>(Vec<Bound<'py, PyBytes>>);

impl<'py> Chunks<'py> {
    pub fn new(chunks: &Bound<'py, PyList>) -> PyResult<Chunks<'py>> {
        chunks
            .iter()
            .map(|chunk| Ok(chunk.cast_into::<PyBytes>()?))
            .collect::<PyResult<_>>()
            .map(Chunks)
    }

    pub fn len(&self) -> usize {
        self.0.iter().map(|chunk| chunk.as_bytes().len()).sum()
    }

    /// One chunk is borrowed as it is; several are joined.
    pub fn joined(&self) -> Cow<'_, [u8]> {
        match self.0.as_slice() {
            [only] => Cow::Borrowed(only.as_bytes()),
            chunks => {
                let mut joined = Vec::with_capacity(self.len());
                for chunk in chunks {
                    joined.extend_from_slice(chunk.as_bytes());
                }
                Cow::Owned(joined)
            }
        }
    }
}
