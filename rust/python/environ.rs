//! What a log needs of a WSGI environ and of a header list: their strings, kept alive so that the core can borrow the text.

use std::borrow::Cow;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use crate::exchange::{Captured, Request, native_bytes};

/// The strings of an environ that a log shows, as they were when it was read: an app may change its environ later.
#[derive(Default)]
pub struct Environ {
    method: Option<Py<PyString>>,
    scheme: Option<Py<PyString>>,
    script_name: Option<Py<PyString>>,
    path_info: Option<Py<PyString>>,
    query: Option<Py<PyString>>,
    protocol: Option<Py<PyString>>,
    server_name: Option<Py<PyString>>,
    server_port: Option<Py<PyString>>,
    client_address: Option<Py<PyString>>,
    host: Option<Py<PyString>>,
    forwarded: [Option<Py<PyString>>; 3],
    headers: Vec<(Py<PyString>, Py<PyString>)>,
    /// What the client declared; 0 where it declared nothing or nonsense.
    pub content_length: u64,
    pub expects_continue: bool,
}

/// What proxies say of the original request; believed only where `trust_forwarded` is set.
const FORWARDED: [&str; 3] = [
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_FOR",
];

/// More than an exabyte is nonsense.
const MAX_LENGTH_DIGITS: usize = 18;

impl Environ {
    pub fn read(environ: &Bound<'_, PyDict>) -> Environ {
        let mut read = Environ {
            headers: Vec::with_capacity(24),
            ..Environ::default()
        };
        for (key, value) in environ.iter() {
            // The rest (streams, flags, the app's own objects, all of `os.environ` in wsgiref) does not concern a log.
            if let (Ok(key), Ok(value)) =
                (key.cast_into::<PyString>(), value.cast_into::<PyString>())
            {
                read.add(key, value);
            }
        }
        read
    }

    fn add(&mut self, key: Bound<'_, PyString>, value: Bound<'_, PyString>) {
        let Ok(name) = key.to_str() else { return };
        let field = match name {
            // Some servers repeat these two with the prefix.
            "HTTP_CONTENT_TYPE" | "HTTP_CONTENT_LENGTH" => return,
            "CONTENT_TYPE" | "CONTENT_LENGTH" => {
                let text = value.to_string_lossy();
                if text.is_empty() {
                    return;
                }
                if name == "CONTENT_LENGTH" {
                    self.content_length = content_length(&text);
                }
                drop(text);
                self.headers.push((key.unbind(), value.unbind()));
                return;
            }
            _ if name.starts_with("HTTP_") => {
                if name == "HTTP_HOST" {
                    self.host = Some(value.clone().unbind());
                } else if name == "HTTP_EXPECT" {
                    self.expects_continue = true;
                } else if let Some(index) = FORWARDED.iter().position(|known| *known == name) {
                    self.forwarded[index] = Some(value.clone().unbind());
                }
                self.headers.push((key.unbind(), value.unbind()));
                return;
            }
            "REQUEST_METHOD" => &mut self.method,
            "SCRIPT_NAME" => &mut self.script_name,
            "PATH_INFO" => &mut self.path_info,
            "QUERY_STRING" => &mut self.query,
            "SERVER_PROTOCOL" => &mut self.protocol,
            "SERVER_NAME" => &mut self.server_name,
            "SERVER_PORT" => &mut self.server_port,
            "REMOTE_ADDR" => &mut self.client_address,
            "wsgi.url_scheme" => &mut self.scheme,
            _ => return,
        };
        *field = Some(value.unbind());
    }

    pub fn is_tls(&self, py: Python<'_>) -> bool {
        let scheme = self.scheme.as_ref();
        scheme.is_some_and(|scheme| lossy(py, scheme) == "https")
    }

    /// The request that this environ describes.
    pub fn request<'a>(
        &'a self,
        py: Python<'a>,
        body: Captured<'a>,
        trust_forwarded: bool,
    ) -> Request<'a> {
        let text = |field: &'a Option<Py<PyString>>| {
            field.as_ref().map_or("".into(), |text| lossy(py, text))
        };
        let mut scheme = text(&self.scheme);
        if scheme.is_empty() {
            scheme = Cow::Borrowed("http");
        }
        let mut host = text(&self.host);
        if host.is_empty() {
            host = server_host(&text(&self.server_name), &text(&self.server_port), &scheme);
        }
        let mut request = Request {
            method: text(&self.method),
            scheme,
            host,
            path: join_path(text(&self.script_name), text(&self.path_info)),
            query: into_native_bytes(text(&self.query)),
            protocol: text(&self.protocol),
            client_address: text(&self.client_address),
            headers: self
                .headers
                .iter()
                .map(|(name, value)| (lossy(py, name), lossy(py, value)))
                .collect(),
            body,
        };
        if trust_forwarded {
            let targets = [
                &mut request.scheme,
                &mut request.host,
                &mut request.client_address,
            ];
            for (target, header) in targets.into_iter().zip(&self.forwarded) {
                // A chain of proxies appends: the first one saw the client.
                let header = text(header);
                let first = header.split(',').next().unwrap_or_default().trim();
                if !first.is_empty() {
                    *target = Cow::Owned(first.to_owned());
                }
            }
        }
        request
    }
}

fn lossy<'a>(py: Python<'a>, text: &'a Py<PyString>) -> Cow<'a, str> {
    text.bind(py).to_string_lossy()
}

fn content_length(declared: &str) -> u64 {
    let is_number =
        declared.len() <= MAX_LENGTH_DIGITS && declared.bytes().all(|byte| byte.is_ascii_digit());
    is_number
        .then(|| declared.parse().ok())
        .flatten()
        .unwrap_or(0)
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

/// The strings of a header list.
pub struct Headers<'py>(Vec<(Bound<'py, PyString>, Bound<'py, PyString>)>);

impl<'py> Headers<'py> {
    /// A WSGI header list: (name, value) tuples of strings. Servers also take a tuple or strings' likes, and so is it
    /// here: what is not a string is shown as `str()` shows it.
    pub fn read(headers: &Bound<'py, PyAny>) -> PyResult<Headers<'py>> {
        if let Ok(list) = headers.cast_exact::<PyList>() {
            return list
                .iter()
                .map(|item| pair(&item))
                .collect::<PyResult<_>>()
                .map(Headers);
        }
        headers
            .try_iter()?
            .map(|item| pair(&item?))
            .collect::<PyResult<_>>()
            .map(Headers)
    }

    pub fn pairs(&self) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
        self.0
            .iter()
            .map(|(name, value)| (name.to_string_lossy(), value.to_string_lossy()))
            .collect()
    }
}

fn pair<'py>(item: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyString>, Bound<'py, PyString>)> {
    match item.cast_exact::<PyTuple>() {
        Ok(pair) => Ok((text(pair.get_item(0)?)?, text(pair.get_item(1)?)?)),
        Err(_) => Ok((text(item.get_item(0)?)?, text(item.get_item(1)?)?)),
    }
}

fn text(value: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyString>> {
    match value.cast_into::<PyString>() {
        Ok(text) => Ok(text),
        Err(other) => other.into_inner().str(),
    }
}
