//! Filters JSON: finds the values that may not be sent.
//!
//! Documented behaviour is that only the members of an object at the top level are judged; any other document, an array for
//! instance, passes as it is. Lists that apply at every depth judge the members of every object, inside arrays too. Kept
//! values stay verbatim, and of duplicate keys each is judged. A key with an unpaired surrogate is always denied, because
//! parsers differ on what it is. JSON inside a JSON string is a string.

use super::edit::Edit;
use super::marker::Marker;
use crate::json::{Cursor, Malformed, RawString};
use crate::rules::{Rules, Trail, Verdict};

/// A container that has been entered.
struct Container {
    is_object: bool,
    /// Whether it is a member's value, and not an element or the document.
    is_member: bool,
    /// Holds for the elements of an array.
    verdict: Verdict,
}

/// The edits that `rules` ask for in a JSON text.
pub(super) fn filter(rules: &Rules, text: &str) -> Result<Vec<Edit>, Malformed> {
    let mut edits = Vec::new();
    let mut cursor = Cursor::new(text);
    let mut trail = Trail::default();
    // The innermost one apart: as a rule it is the only one, and needs no vector.
    let mut innermost: Option<Container> = None;
    let mut outer = Vec::new();
    let mut verdict = Verdict::Keep;
    let mut is_member = false;
    loop {
        let (start, first) = cursor.peek()?;
        let is_object = first == b'{';
        let is_container = is_object || first == b'[';
        let may_enter = rules.is_nested() || (is_object && innermost.is_none());
        if is_container && may_enter && verdict != Verdict::Redact {
            cursor.token()?;
            if is_member {
                trail.enter();
            }
            outer.extend(innermost.replace(Container {
                is_object,
                is_member,
                verdict,
            }));
            let closing = if is_object { b'}' } else { b']' };
            if cursor.peek()?.1 != closing {
                is_member = is_object;
                if is_object {
                    verdict = judge(rules, cursor.key()?, &mut trail);
                }
                continue;
            }
        } else if verdict == Verdict::Keep {
            cursor.skip()?;
        } else {
            let end = cursor.value()?;
            edits.push(redact(text, start, end));
        }
        // A value has ended, or an empty container is about to.
        loop {
            let Some(container) = &innermost else {
                cursor.end()?;
                return Ok(edits);
            };
            match (cursor.token()?.1, container.is_object) {
                (b',', true) => {
                    verdict = judge(rules, cursor.key()?, &mut trail);
                    is_member = true;
                    break;
                }
                (b',', false) => {
                    verdict = container.verdict;
                    is_member = false;
                    break;
                }
                (b'}', true) | (b']', false) => {
                    if container.is_member {
                        trail.leave();
                    }
                    innermost = outer.pop();
                }
                _ => return Err(Malformed),
            }
        }
    }
}

fn judge(rules: &Rules, key: RawString, trail: &mut Trail) -> Verdict {
    match key.unescape() {
        Some(key) => rules.judge(&key, trail),
        None => Verdict::Redact,
    }
}

fn redact(text: &str, start: usize, end: usize) -> Edit {
    let value = text.get(start..end).unwrap_or_default();
    let replacement = match RawString::unquote(value) {
        Some(string) => Marker::json(string.count()),
        None => Marker::plain_json(),
    };
    Edit {
        start,
        end,
        replacement,
    }
}
