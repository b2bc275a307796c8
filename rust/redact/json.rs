//! Filters JSON: finds the values that may not be sent.
//!
//! Lists apply to the members of an object at the top level, and of the objects in an array at the top level; with
//! `redact_nested`, to the members of every object. Under an allowlist, a scalar at the top level, alone or in an array, is
//! denied, since it has no name. Kept values stay verbatim. Each of several equal keys is judged. A key with an unpaired surrogate
//! is always denied, because parsers differ on what it is. A string at the top level that holds JSON is kept if nothing in that
//! JSON is denied. JSON inside any other string is a string.

use crate::json::{Cursor, NotJson, RawString};
use crate::redact::edit::Edit;
use crate::redact::marker::Marker;
use crate::rules::{MemberVerdict, Rules, Trail};

/// A container that the walk has entered.
struct Container {
    is_object: bool,
    /// Whether it is the value of a member, and not an element or the document.
    is_member: bool,
    /// The verdict on the elements of an array.
    verdict: MemberVerdict,
}

/// The edits that `rules` ask for in a JSON body.
pub(super) fn filter(rules: &Rules, text: &str) -> Result<Vec<Edit>, NotJson> {
    filter_from(rules, rules.top_level(), text)
}

/// The edits in a form field that is JSON. Its scalars are kept, since the field's name is allowed.
pub(super) fn filter_field(rules: &Rules, text: &str) -> Result<Vec<Edit>, NotJson> {
    filter_from(rules, MemberVerdict::Keep, text)
}

/// Whether a text that is not declared as JSON is certainly meant to be JSON, unlike `{ticket}` and `[draft] title`.
pub(super) fn is_claimed(text: &str) -> bool {
    let text = text.trim_start_matches(is_blank);
    let inside = |rest: &str, first: &[char]| rest.trim_start_matches(is_blank).starts_with(first);
    match text.as_bytes().first() {
        Some(b'{') => text.get(1..).is_some_and(|rest| inside(rest, &['"', '}'])),
        Some(b'[') => text
            .get(1..)
            .is_some_and(|rest| inside(rest, &['"', '{', '['])),
        Some(b'"') => is_encoded_again(text),
        _ => false,
    }
}

/// Whether a text that begins with a quote is meant to be JSON in a JSON string, or in several of them round each other. Only
/// its beginning is looked at, since the end of a body may be cut off.
fn is_encoded_again(mut text: &str) -> bool {
    loop {
        let escaped = text.trim_start_matches('\\');
        let (character, rest) = if escaped.len() < text.len() {
            unescaped(escaped)
        } else {
            first(text)
        };
        match character {
            Some('{' | '[') => return true,
            Some(character) if character == '"' || is_blank(character) => text = rest,
            _ => return false,
        }
    }
}

/// The first character of a text, and the rest.
fn first(text: &str) -> (Option<char>, &str) {
    let mut characters = text.chars();
    (characters.next(), characters.as_str())
}

/// The character of an escape, from what follows its backslash, and the rest.
fn unescaped(text: &str) -> (Option<char>, &str) {
    let digits = text
        .strip_prefix('u')
        .and_then(|text| text.split_at_checked(4));
    if let Some((digits, rest)) = digits
        && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    {
        let character = u32::from_str_radix(digits, 16)
            .ok()
            .and_then(char::from_u32);
        return (character, rest);
    }
    match first(text) {
        (Some('b' | 'f' | 'n' | 'r' | 't'), rest) => (Some('\n'), rest),
        other => other,
    }
}

/// What may stand before JSON: more than its own white space, since in UTF-16, for instance, the first byte may be a NUL.
pub(super) fn is_blank(character: char) -> bool {
    character.is_whitespace() || character.is_control() || character == '\u{feff}'
}

fn filter_from(rules: &Rules, top_level: MemberVerdict, text: &str) -> Result<Vec<Edit>, NotJson> {
    let mut edits = Vec::new();
    let mut cursor = Cursor::new(text);
    let mut trail = Trail::default();
    // The innermost container is kept apart: in most documents it is the only one, and needs no vector.
    let mut innermost: Option<Container> = None;
    let mut outer = Vec::new();
    loop {
        let is_member = matches!(
            innermost,
            Some(Container {
                is_object: true,
                ..
            })
        );
        let verdict = match &innermost {
            None => top_level,
            Some(_) if is_member => judge(rules, cursor.key()?, &mut trail),
            Some(array) => array.verdict,
        };
        let (start, first) = cursor.peek()?;
        let is_object = first == b'{';
        let is_container = is_object || first == b'[';
        let may_enter = rules.is_nested() || !is_member;
        if is_container && may_enter && verdict != MemberVerdict::Redact {
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
                continue;
            }
        } else if verdict == MemberVerdict::Keep {
            if first == b'"' && !is_member {
                let end = cursor.value()?;
                if hides_json(rules, text.get(start..end).unwrap_or_default()) {
                    edits.push(redact(text, start, end));
                }
            } else {
                cursor.skip()?;
            }
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
                (b',', _) => break,
                (b'}', true) | (b']', false) => {
                    if container.is_member {
                        trail.leave();
                    }
                    innermost = outer.pop();
                }
                _ => return Err(NotJson),
            }
        }
    }
}

/// Whether a JSON string holds JSON with a denied value in it, or a text that is meant to be JSON and cannot be parsed.
fn hides_json(rules: &Rules, value: &str) -> bool {
    let Some(string) = RawString::unquote(value) else {
        return false;
    };
    match string.unescape() {
        // Each level of strings halves the text at least, since its quotes are escaped: this cannot recurse deeply.
        Some(inside) => {
            is_claimed(&inside) && !filter(rules, &inside).is_ok_and(|edits| edits.is_empty())
        }
        // Parsers differ on an unpaired surrogate, so that nothing is certain about the JSON that it stands in.
        None => is_claimed(&string.unescape_lossy()),
    }
}

#[inline]
fn judge(rules: &Rules, key: RawString, trail: &mut Trail) -> MemberVerdict {
    match key.unescape() {
        Some(key) => rules.judge(&key, trail),
        None => MemberVerdict::Redact,
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
