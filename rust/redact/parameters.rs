//! The `; name=value` parameters of `Content-Type` and `Content-Disposition`.
//!
//! Refuses what parsers read in different ways: a backslash before a quote (an escape to RFC 9110, the end of the string to
//! browsers), text after a closing quote, a line break inside quotes, a comma outside, where the header may have been repeated.

use std::borrow::Cow;

/// The parameters cannot be told apart with certainty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// One parameter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter<'a> {
    pub(super) name: &'a str,
    /// As written, without its quotes.
    pub(super) raw: &'a str,
}

impl<'a> Parameter<'a> {
    pub(super) fn is(self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The value with the backslashes of quoted pairs taken out.
    pub(super) fn value(self) -> Cow<'a, str> {
        if !self.raw.contains('\\') {
            return Cow::Borrowed(self.raw);
        }
        let mut characters = self.raw.chars();
        let mut value = String::with_capacity(self.raw.len());
        while let Some(character) = characters.next() {
            match character {
                '\\' => value.extend(characters.next()),
                _ => value.push(character),
            }
        }
        Cow::Owned(value)
    }
}

/// The parameters in `rest`, what follows a media or disposition type.
pub(super) fn parse(mut rest: &str) -> Result<Vec<Parameter<'_>>, Malformed> {
    let mut parameters = Vec::new();
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Ok(parameters);
        }
        rest = rest.strip_prefix(';').ok_or(Malformed)?.trim_ascii_start();
        if rest.is_empty() || rest.starts_with(';') {
            continue;
        }
        let (name, value) = rest.split_once('=').ok_or(Malformed)?;
        let name = name.trim_ascii();
        if !is_token(name) {
            return Err(Malformed);
        }
        let value = value.trim_ascii_start();
        let raw;
        (raw, rest) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or(Malformed)?,
            None => value.split_at(value.find(';').unwrap_or(value.len())),
        };
        let is_quoted = value.starts_with('"');
        let raw = if is_quoted { raw } else { raw.trim_ascii() };
        let is_certain = if is_quoted {
            !raw.ends_with('\\') && !raw.contains(['\r', '\n'])
        } else {
            !raw.contains(['"', ',', '\r', '\n'])
        };
        if !is_certain {
            return Err(Malformed);
        }
        parameters.push(Parameter { name, raw });
    }
}

/// A `token` of RFC 9110.
pub(super) fn is_token(name: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_tchar)
}
