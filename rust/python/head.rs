//! The head of a request, from whichever door it came through.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::{PyTraverseError, PyVisit};

use super::environ::{Environ, believe_proxies};
use super::scope::Scope;
use crate::exchange::{Captured, Request};
use crate::target::tidy;

/// The head of a request in the form of its door.
pub enum Head {
    Wsgi(Environ),
    Asgi(Scope),
}

impl Head {
    pub fn of(head: &Bound<'_, PyDict>, is_scope: bool) -> PyResult<Head> {
        if is_scope {
            return Scope::of(head).map(Head::Asgi);
        }
        Environ::of(head).map(Head::Wsgi)
    }

    /// What the client declared; 0 if it declared nothing or nonsense.
    pub fn content_length(&self, py: Python<'_>) -> u64 {
        match self {
            Head::Wsgi(environ) => environ.content_length(py),
            Head::Asgi(scope) => scope.content_length(py),
        }
    }

    pub fn expects_continue(&self, py: Python<'_>) -> bool {
        match self {
            Head::Wsgi(environ) => environ.expects_continue(py),
            Head::Asgi(scope) => scope.expects_continue(py),
        }
    }

    pub fn is_tls(&self, py: Python<'_>) -> bool {
        match self {
            Head::Wsgi(environ) => environ.is_tls(py),
            Head::Asgi(scope) => scope.is_tls(py),
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
            Head::Asgi(scope) => scope.request(py, body),
        };
        let is_believed = matches!(self, Head::Asgi(_)) && is_believed(&request);
        if trust_forwarded && !is_believed {
            believe_proxies(&mut request);
        }
        tidy(&mut request, |scheme| match self {
            Head::Wsgi(environ) => environ.server_host(py, scheme),
            Head::Asgi(scope) => scope.server_host(py, scheme).into_owned(),
        });
        request
    }

    /// Restores the target and host of a WSGI environ to what the server passed.
    pub fn restore_target(&self, environ: &Bound<'_, PyDict>) -> PyResult<()> {
        match self {
            Head::Wsgi(copy) => copy.restore_target(environ),
            Head::Asgi(_) => Ok(()),
        }
    }

    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Head::Wsgi(environ) => environ.traverse(visit),
            // Strings, which refer to no other object.
            Head::Asgi(_) => Ok(()),
        }
    }
}

/// Whether the server has taken the client's address from `X-Forwarded-For` itself, by its own list of trusted proxies
/// (uvicorn's `--proxy-headers`). The addresses further left in that header may be forged.
fn is_believed(request: &Request<'_>) -> bool {
    let mut headers = request.headers.iter();
    headers.any(|(name, value)| {
        let mut addresses = value.split(',').map(str::trim);
        name == "HTTP_X_FORWARDED_FOR" && addresses.any(|address| address == request.client_address)
    })
}
