//! `Encoder`: what a configuration fixes about the logs.

use pyo3::prelude::*;

use super::error::guarded;
use crate::har;
use crate::rules::Rules;

#[pyclass(frozen, module = "readme_metrics._core")]
pub struct Encoder {
    pub(super) har: har::Encoder,
    pub(super) trust_forwarded: bool,
    pub(super) max_body_bytes: usize,
}

#[pymethods]
impl Encoder {
    #[new]
    #[pyo3(signature = (*, denylist, allowlist, redact_nested, development, max_body_bytes, trust_forwarded, platform))]
    // A configuration has this many parts; Python names each one at the call.
    #[allow(
        clippy::too_many_arguments,
        clippy::fn_params_excessive_bools,
        clippy::needless_pass_by_value
    )]
    fn new(
        denylist: Vec<String>,
        allowlist: Vec<String>,
        redact_nested: bool,
        development: bool,
        max_body_bytes: usize,
        trust_forwarded: bool,
        platform: &str,
    ) -> PyResult<Encoder> {
        guarded(|| {
            let rules = Rules::new(&denylist, &allowlist, redact_nested);
            let har = har::Encoder::new(rules, development, max_body_bytes, platform);
            Ok(Encoder {
                har,
                trust_forwarded,
                max_body_bytes,
            })
        })
    }
}
