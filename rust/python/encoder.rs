//! `Encoder`: what a configuration says about logs: which requests are logged, and how.

use std::borrow::Cow;

use pyo3::prelude::*;

use super::error::guarded;
use super::verdict::{Fate, Verdict};
use crate::exchange::native_bytes;
use crate::har;
use crate::rules::Rules;
use crate::selection::{
    self, Action, Arrival, Conditions, Number, Patterns, Selection, Share, Statuses,
};

#[pyclass(frozen, name = "Encoder", module = "readme_metrics._core")]
pub struct PyEncoder {
    har: har::Encoder,
    /// One for each rule that has lists of its own.
    har_by_rule: Vec<Option<har::Encoder>>,
    pub(super) selection: Selection,
    pub(super) trust_forwarded: bool,
    /// Whether logs show the framework's template of the path.
    pub(super) shows_route: bool,
    pub(super) max_body_bytes: usize,
}

/// The attributes of a `Rule` (`rule.py`), which has checked them.
#[derive(FromPyObject)]
struct CheckedRule {
    path: Option<Vec<String>>,
    method: Option<Vec<String>>,
    host: Option<Vec<String>>,
    user_agent: Option<Vec<String>>,
    route: Option<Vec<String>>,
    status: Option<Vec<(u16, u16)>>,
    content_type: Option<Vec<String>>,
    slower_than_ms: Option<f64>,
    log: bool,
    keeps_request_body: bool,
    keeps_response_body: bool,
    sample: f64,
    denylist: Option<Vec<String>>,
    allowlist: Option<Vec<String>>,
}

impl CheckedRule {
    fn compiled(&self) -> selection::Rule {
        let exact =
            |list: &Option<Vec<String>>| list.as_ref().map(|list| Patterns::new(list, false));
        let any_case =
            |list: &Option<Vec<String>>| list.as_ref().map(|list| Patterns::new(list, true));
        selection::Rule {
            conditions: Conditions {
                path: exact(&self.path),
                method: any_case(&self.method),
                host: any_case(&self.host),
                user_agent: any_case(&self.user_agent),
                route: exact(&self.route),
                status: self.status.clone().map(Statuses::new),
                content_type: any_case(&self.content_type),
                slower_than_ms: self.slower_than_ms,
            },
            action: Action {
                is_logged: self.log,
                keeps_request_body: self.keeps_request_body,
                keeps_response_body: self.keeps_response_body,
                share: Share::new(self.sample),
            },
        }
    }
}

#[pymethods]
impl PyEncoder {
    #[new]
    #[pyo3(signature = (*, denylist, allowlist, redact_nested, development, max_body_bytes, trust_forwarded, platform, rules = Vec::new(), shows_route = false))]
    // A configuration has this many parts; Python passes each one by name.
    #[allow(
        clippy::too_many_arguments,
        clippy::fn_params_excessive_bools,
        clippy::needless_pass_by_value
    )]
    fn new(
        denylist: Vec<String>,
        allowlist: Option<Vec<String>>,
        redact_nested: bool,
        development: bool,
        max_body_bytes: usize,
        trust_forwarded: bool,
        platform: &str,
        rules: Vec<CheckedRule>,
        shows_route: bool,
    ) -> PyResult<PyEncoder> {
        guarded(|| {
            let har = |denylist: &[String], allowlist: Option<&[String]>| {
                let rules = Rules::new(denylist, allowlist, redact_nested);
                har::Encoder::new(rules, development, max_body_bytes, platform)
            };
            let of_rule = |rule: &CheckedRule| match (&rule.denylist, &rule.allowlist) {
                (None, None) => None,
                (denylist, allowlist) => Some(har(
                    denylist.as_deref().unwrap_or_default(),
                    allowlist.as_deref(),
                )),
            };
            Ok(PyEncoder {
                har: har(&denylist, allowlist.as_deref()),
                har_by_rule: rules.iter().map(of_rule).collect(),
                selection: Selection::new(rules.iter().map(CheckedRule::compiled).collect()),
                trust_forwarded,
                shows_route,
                max_body_bytes,
            })
        })
    }

    /// What the rules say of a request before the app is called: `Fate.LOGGED` where none concerns it.
    ///
    /// `is_native`: the path is a WSGI string, whose characters each stand for one byte (PEP 3333).
    fn judge(
        &self,
        method: &str,
        host: &str,
        path: &str,
        user_agent: &str,
        is_native: bool,
    ) -> PyResult<Verdict> {
        guarded(|| {
            let path = if is_native {
                native_bytes(path)
            } else {
                Cow::Borrowed(path.as_bytes())
            };
            let verdict = self.selection.at_arrival(&Arrival {
                path: &path,
                method,
                host,
                user_agent,
            });
            Ok(Verdict::new(verdict, &self.selection, self.shows_route))
        })
    }
}

impl PyEncoder {
    /// The encoder of the logs that rule `number` decides about.
    pub fn har(&self, number: Option<Number>) -> &har::Encoder {
        let own = number.and_then(|number| self.har_by_rule.get(number)?.as_ref());
        own.unwrap_or(&self.har)
    }
}

impl Fate {
    /// What the deciding rule makes of the log with this id.
    pub fn of(action: &Action, id: impl FnOnce() -> uuid::Uuid) -> Fate {
        if !action.is_logged {
            Fate::LeftOut
        } else if action.share.is_all() || action.share.keeps(&id()) {
            Fate::Logged
        } else {
            Fate::Sampled
        }
    }
}
