//! Filters urlencoded forms.

use crate::redact::Param;
use crate::redact::edit::Edit;
use crate::redact::url;
use crate::rules::Rules;

/// The text is not a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::redact) struct NotAForm;

/// The fields of a form.
pub(in crate::redact) fn params<'a>(
    rules: &Rules,
    text: &'a str,
) -> Result<Vec<Param<'a>>, NotAForm> {
    check(rules, text)?;
    Ok(url::params(rules, text))
}

/// The edits that `rules` ask for in a form that stays text.
pub(in crate::redact) fn filter(rules: &Rules, text: &str) -> Result<Vec<Edit>, NotAForm> {
    check(rules, text)?;
    Ok(url::edits(rules, text))
}

/// Refuses a text with a NUL, which is probably UTF-16, so that no name in it could be read. Any other text is a form.
fn check(rules: &Rules, text: &str) -> Result<(), NotAForm> {
    if rules.is_active() && memchr::memchr(0, text.as_bytes()).is_some() {
        Err(NotAForm)
    } else {
        Ok(())
    }
}
