//! Filters urlencoded forms.

use super::Param;
use super::edit::Edit;
use super::url;
use crate::rules::Rules;

/// The text is not a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The fields of a form.
pub(super) fn params<'a>(rules: &Rules, text: &'a str) -> Result<Vec<Param<'a>>, Malformed> {
    check(rules, text)?;
    Ok(url::params(rules, text))
}

/// The edits that `rules` ask for in a form that stays text.
pub(super) fn filter(rules: &Rules, text: &str) -> Result<Vec<Edit>, Malformed> {
    check(rules, text)?;
    Ok(url::edits(rules, text))
}

/// Any text is a form, but one with a NUL is more likely UTF-16, of which we would understand no name.
fn check(rules: &Rules, text: &str) -> Result<(), Malformed> {
    if rules.is_active() && memchr::memchr(0, text.as_bytes()).is_some() {
        Err(Malformed)
    } else {
        Ok(())
    }
}
