//! The texts of a WSGI environ and of a header list that a log needs, for the core to borrow.

use std::borrow::Cow;
use std::ptr;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};
use pyo3::{Borrowed, PyTraverseError, PyVisit, ffi, intern};

use crate::exchange::{Captured, Request, native_bytes};

/// An environ as it was when it was copied: an app may change its own later.
pub struct Environ {
    copy: Py<PyDict>,
}

/// The variables that say where a request goes.
const TARGET: [&str; 7] = [
    "REQUEST_METHOD",
    "SCRIPT_NAME",
    "PATH_INFO",
    "QUERY_STRING",
    "HTTP_HOST",
    "SERVER_NAME",
    "SERVER_PORT",
];

/// Few requests have more entries, and an allocation for this many takes the allocator no search.
pub const COMMON_HEADERS: usize = 20;

/// A longer number would be more than an exabyte, which is nonsense.
const MAX_LENGTH_DIGITS: usize = 18;

impl Environ {
    pub fn of(environ: &Bound<'_, PyDict>) -> PyResult<Environ> {
        let copy = environ.copy()?.unbind();
        Ok(Environ { copy })
    }

    fn get<'py>(&self, key: &Bound<'py, PyString>) -> Option<Bound<'py, PyString>> {
        let value = self.copy.bind(key.py()).get_item(key).ok().flatten()?;
        value.cast_into().ok()
    }

    /// What the client declared; 0 where it declared nothing or nonsense.
    pub fn content_length(&self, py: Python<'_>) -> u64 {
        let declared = self.get(intern!(py, "CONTENT_LENGTH"));
        declared.map_or(0, |declared| content_length(&declared.to_string_lossy()))
    }

    pub fn expects_continue(&self, py: Python<'_>) -> bool {
        self.get(intern!(py, "HTTP_EXPECT")).is_some()
    }

    pub fn is_tls(&self, py: Python<'_>) -> bool {
        let scheme = self.get(intern!(py, "wsgi.url_scheme"));
        scheme.is_some_and(|scheme| scheme.to_string_lossy() == "https")
    }

    /// The server's own name, for a request without a `Host`.
    pub fn server_host(&self, py: Python<'_>, scheme: &str) -> String {
        let [name, port] = ["SERVER_NAME", "SERVER_PORT"].map(|key| {
            let value = self.get(&PyString::new(py, key));
            value.map_or_else(String::new, |value| value.to_string_lossy().into_owned())
        });
        server_host(&name, &port, scheme).into_owned()
    }

    /// Restores the target and the host of `environ` to the copied ones.
    pub fn restore_target(&self, environ: &Bound<'_, PyDict>) -> PyResult<()> {
        let copy = self.copy.bind(environ.py());
        for key in TARGET {
            match copy.get_item(key)? {
                Some(value) => environ.set_item(key, native(value))?,
                None if environ.contains(key)? => environ.del_item(key)?,
                None => {}
            }
        }
        Ok(())
    }

    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.copy)
    }
}

/// A native string of PEP 3333, whose characters each stand for one byte. Some servers hand over a decoded path, which
/// Werkzeug cannot encode.
fn native(value: Bound<'_, PyAny>) -> Bound<'_, PyAny> {
    let Ok(text) = value.cast::<PyString>() else {
        return value;
    };
    let text = text.to_string_lossy();
    if text.chars().all(|character| u32::from(character) < 0x100) {
        return value;
    }
    let native: String = text.bytes().map(char::from).collect();
    PyString::new(value.py(), &native).into_any()
}

/// The entries of a dict that no other code refers to.
struct Entries<'a, 'py> {
    dict: Borrowed<'a, 'py, PyDict>,
    position: ffi::Py_ssize_t,
}

impl<'a, 'py> Iterator for Entries<'a, 'py> {
    type Item = [Borrowed<'a, 'py, PyAny>; 2];

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (mut key, mut value) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: a dict, and pointers to variables of this frame.
        let is_entry = unsafe {
            ffi::PyDict_Next(
                self.dict.as_ptr(),
                &raw mut self.position,
                &raw mut key,
                &raw mut value,
            )
        };
        // SAFETY: the dict holds both, and no entry changes or goes while the dict lives.
        (is_entry != 0)
            .then(|| [key, value].map(|it| unsafe { Borrowed::from_ptr(self.dict.py(), it) }))
    }
}

/// A string, for as long as its owner lives.
#[derive(Clone, Copy)]
struct BorrowedStr<'a, 'py>(Borrowed<'a, 'py, PyString>);

impl<'a, 'py> BorrowedStr<'a, 'py> {
    #[inline]
    fn of(object: Borrowed<'a, 'py, PyAny>) -> Option<BorrowedStr<'a, 'py>> {
        // A failing `cast` would build an error for each object that is no string.
        let is_text =
            object.is_exact_instance_of::<PyString>() || object.is_instance_of::<PyString>();
        // SAFETY: the type has just been checked.
        is_text.then(|| BorrowedStr(unsafe { object.cast_unchecked() }))
    }

    /// `None` where surrogates leave the string without UTF-8.
    #[inline]
    fn as_str(self) -> Option<&'a str> {
        let mut size = 0;
        // SAFETY: a string, and a pointer to a variable of this frame. The string keeps what is returned as long as it lives.
        unsafe {
            let data = ffi::PyUnicode_AsUTF8AndSize(self.0.as_ptr(), &raw mut size);
            let size = usize::try_from(size).ok().filter(|_| !data.is_null())?;
            let bytes = std::slice::from_raw_parts(data.cast(), size);
            Some(std::str::from_utf8_unchecked(bytes))
        }
    }

    #[inline]
    fn to_str_lossy(self) -> Cow<'a, str> {
        match self.as_str() {
            Some(text) => Cow::Borrowed(text),
            None => self.lossy(),
        }
    }

    #[cold]
    fn lossy(self) -> Cow<'a, str> {
        drop(PyErr::take(self.0.py()));
        Cow::Owned(self.0.to_string_lossy().into_owned())
    }
}

impl Environ {
    /// The request that the environ describes.
    pub fn request<'a>(&'a self, py: Python<'a>, body: Captured<'a>) -> Request<'a> {
        let mut request = Request {
            headers: Vec::with_capacity(COMMON_HEADERS),
            body,
            ..Request::default()
        };
        let [mut script_name, mut path_info, mut query] = [const { Cow::Borrowed("") }; 3];
        let entries = Entries {
            dict: self.copy.bind_borrowed(py),
            position: 0,
        };
        for entry in entries {
            // The rest (streams, flags, the app's own objects) does not concern a log.
            let [Some(key), Some(value)] = entry.map(BorrowedStr::of) else {
                continue;
            };
            let name = key.to_str_lossy();
            if name.starts_with("HTTP_") {
                let value = value.to_str_lossy();
                match &*name {
                    // Some servers repeat these two headers with the prefix.
                    "HTTP_CONTENT_TYPE" | "HTTP_CONTENT_LENGTH" => continue,
                    "HTTP_HOST" => request.host.clone_from(&value),
                    _ => {}
                }
                request.headers.push((name, value));
                continue;
            }
            let field = match &*name {
                "CONTENT_TYPE" | "CONTENT_LENGTH" => {
                    // Some servers set an empty value for a header that the client did not send.
                    let value = value.to_str_lossy();
                    if !value.is_empty() {
                        request.headers.push((name, value));
                    }
                    continue;
                }
                "REQUEST_METHOD" => &mut request.method,
                "wsgi.url_scheme" => &mut request.scheme,
                "SCRIPT_NAME" => &mut script_name,
                "PATH_INFO" => &mut path_info,
                "QUERY_STRING" => &mut query,
                "SERVER_PROTOCOL" => &mut request.protocol,
                "REMOTE_ADDR" => &mut request.client_address,
                _ => continue,
            };
            *field = value.to_str_lossy();
        }
        request.path = join_path(script_name, path_info);
        request.query = into_native_bytes(query);
        if request.scheme.is_empty() {
            request.scheme = "http".into();
        }
        request
    }
}

/// What proxies say about the original request.
pub fn believe_proxies(request: &mut Request<'_>) {
    let targets = [
        (&mut request.scheme, "HTTP_X_FORWARDED_PROTO"),
        (&mut request.host, "HTTP_X_FORWARDED_HOST"),
        (&mut request.client_address, "HTTP_X_FORWARDED_FOR"),
    ];
    for (target, key) in targets {
        let header = request.headers.iter().find(|(name, _)| name == key);
        // A chain of proxies appends: the first one saw the client.
        let first = header.and_then(|(_, value)| value.split(',').next());
        if let Some(first) = first.map(str::trim).filter(|first| !first.is_empty()) {
            *target = Cow::Owned(first.to_owned());
        }
    }
}

pub fn content_length(declared: &str) -> u64 {
    if declared.len() > MAX_LENGTH_DIGITS {
        return 0;
    }
    let digits = declared.bytes().map(|byte| byte.wrapping_sub(b'0'));
    digits
        .map(|digit| (digit < 10).then_some(u64::from(digit)))
        .try_fold(0, |length: u64, digit| Some(length * 10 + digit?))
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

/// PEP 3333, URL reconstruction: the server's own name, where the client sent no `Host` that can be used.
pub fn server_host<'a>(name: &str, port: &str, scheme: &str) -> Cow<'a, str> {
    let is_default_port = matches!((scheme, port), ("http", "80") | ("https", "443") | (_, ""));
    let is_bare_ipv6 = name.contains(':') && !name.starts_with('[');
    let name = if is_bare_ipv6 {
        Cow::Owned(format!("[{name}]"))
    } else {
        Cow::Borrowed(name)
    };
    Cow::Owned(if is_default_port {
        name.into_owned()
    } else {
        format!("{name}:{port}")
    })
}

/// The strings of a header list.
#[derive(Default)]
pub struct Headers<'py>(Vec<(Bound<'py, PyString>, Bound<'py, PyString>)>);

impl<'py> Headers<'py> {
    /// A list of (name, value) pairs: strings from WSGI, bytes from ASGI. Like most servers, this takes any iterable of pairs,
    /// and converts what is neither with `str()`. What is no pair is left out: servers refuse it, and the log shows the crash.
    pub fn read(headers: &Bound<'py, PyAny>) -> Headers<'py> {
        if let Ok(list) = headers.cast_exact::<PyList>() {
            let mut pairs = Vec::with_capacity(list.len());
            pairs.extend(list.iter().filter_map(|item| pair(&item).ok()));
            return Headers(pairs);
        }
        let items = headers.try_iter().into_iter().flatten();
        Headers(
            items
                .map_while(Result::ok)
                .filter_map(|item| pair(&item).ok())
                .collect(),
        )
    }

    pub fn pairs<'a>(&'a self) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
        let text = |text: &'a Bound<'py, PyString>| BorrowedStr(text.as_borrowed()).to_str_lossy();
        let pairs = self.0.iter();
        pairs
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    }
}

fn pair<'py>(item: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyString>, Bound<'py, PyString>)> {
    match item.cast_exact::<PyTuple>() {
        Ok(pair) => Ok((text(pair.get_item(0)?)?, text(pair.get_item(1)?)?)),
        Err(_) => Ok((text(item.get_item(0)?)?, text(item.get_item(1)?)?)),
    }
}

/// A string as it is, bytes as ISO 8859-1, anything else as `str()` shows it.
pub fn text(value: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyString>> {
    let value = match value.cast_into::<PyString>() {
        Ok(text) => return Ok(text),
        Err(other) => other.into_inner(),
    };
    match value.cast::<PyBytes>() {
        Ok(bytes) => {
            let text = super::scope::header_text(bytes.as_bytes());
            Ok(PyString::new(value.py(), &text))
        }
        Err(_) => value.str(),
    }
}
