//! `Verdict`: what the rules have made of a request so far, and `Fate`, what becomes of it.

use std::sync::OnceLock;

use pyo3::prelude::*;
use uuid::Uuid;

use crate::selection::{self, Selection};

/// What becomes of a request, as far as the rules have decided.
#[pyclass(frozen, eq, eq_int, module = "readme_metrics._core")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Logged, unless a rule that is still open says otherwise.
    #[pyo3(name = "LOGGED")]
    Logged,
    /// Not logged, and counted nowhere.
    #[pyo3(name = "LEFT_OUT")]
    LeftOut,
    /// Not logged, and counted as `sampled`.
    #[pyo3(name = "SAMPLED")]
    Sampled,
}

/// What the rules say of a request before the app is called. A `Capture` goes on from it.
#[pyclass(frozen, module = "readme_metrics._core")]
pub struct Verdict {
    #[pyo3(get)]
    fate: Fate,
    /// Whether the start of the response needs no call of the rules: no rule concerns this request, and its log shows no
    /// route.
    #[pyo3(get)]
    is_plain: bool,
    pub(super) reached: selection::Decision,
    /// The log's id, if a rule needed it to decide.
    pub(super) log_id: OnceLock<Uuid>,
}

impl Verdict {
    pub fn new(
        verdict: selection::Decision,
        selection: &Selection,
        asks_for_route: bool,
    ) -> Verdict {
        let log_id = OnceLock::new();
        let fate = match &verdict {
            selection::Decision::Open(_) => Fate::Logged,
            selection::Decision::Final(number) => Fate::of(&selection.action(*number), || {
                *log_id.get_or_init(Uuid::new_v4)
            }),
        };
        Verdict {
            fate,
            is_plain: !asks_for_route && verdict == selection::Decision::Final(None),
            reached: verdict,
            log_id,
        }
    }
}
