//! `Caller`: who made a call, as the grouping function says.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{PyDict, PyString};

/// Id, label and email.
pub type Caller = (PyBackedStr, Option<PyBackedStr>, Option<PyBackedStr>);

/// The answer that most grouping functions give: a dict of three strings.
pub fn plain(answer: &Bound<'_, PyAny>) -> Option<Caller> {
    let py = answer.py();
    let answer = answer
        .cast_exact::<PyDict>()
        .ok()
        .filter(|answer| answer.len() == 3)?;
    let string = |key| {
        let value = answer.get_item(key).ok().flatten()?;
        PyBackedStr::try_from(value.cast_exact::<PyString>().ok()?.clone()).ok()
    };
    let id = string(intern!(py, "api_key")).or_else(|| string(intern!(py, "id")))?;
    let label = string(intern!(py, "label"))?;
    Some((id, Some(label), Some(string(intern!(py, "email"))?)))
}
