//! The `; name=value` parameters of `Content-Type` and `Content-Disposition`.
//!
//! Refuses values that parsers read differently: a backslash before a quote (an escape in RFC 9110, the end of the string in
//! browsers), text after a closing quote, a line break inside quotes, and a comma outside of quotes, where a repeated header may
//! have been joined.

use std::borrow::Cow;

/// The parameters cannot be separated with certainty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::redact) struct BadParameters;

/// One parameter.
#[derive(Clone, Copy, Debug)]
pub(in crate::redact) struct Parameter<'a> {
    pub(in crate::redact) name: &'a str,
    /// The value as written, without its quotes.
    pub(in crate::redact) raw: &'a str,
    pub(in crate::redact) is_quoted: bool,
}

impl<'a> Parameter<'a> {
    pub(in crate::redact) fn is(self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The value with the backslashes of quoted pairs taken out.
    pub(in crate::redact) fn value(self) -> Cow<'a, str> {
        unescaped(self.raw).map_or(Cow::Borrowed(self.raw), Cow::Owned)
    }

    /// The value for a parser that ends an unquoted value at the first character that may not be in a `token`.
    pub(in crate::redact) fn token(self) -> Option<&'a str> {
        if self.is_quoted {
            return None;
        }
        let end = self.raw.bytes().position(|byte| !is_tchar(byte))?;
        self.raw.get(..end)
    }
}

/// The text with the backslashes of quoted pairs taken out, if it has any.
pub(in crate::redact) fn unescaped(text: &str) -> Option<String> {
    if !text.contains('\\') {
        return None;
    }
    let mut characters = text.chars();
    let mut value = String::with_capacity(text.len());
    while let Some(character) = characters.next() {
        match character {
            '\\' => value.extend(characters.next()),
            _ => value.push(character),
        }
    }
    Some(value)
}

/// The parameters in `rest`, the text after a media or disposition type.
pub(in crate::redact) fn parse(mut rest: &str) -> Result<Vec<Parameter<'_>>, BadParameters> {
    let mut parameters = Vec::new();
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Ok(parameters);
        }
        rest = rest
            .strip_prefix(';')
            .ok_or(BadParameters)?
            .trim_ascii_start();
        if rest.is_empty() || rest.starts_with(';') {
            continue;
        }
        let (name, value) = rest.split_once('=').ok_or(BadParameters)?;
        let name = name.trim_ascii();
        if !is_token(name) {
            return Err(BadParameters);
        }
        let value = value.trim_ascii_start();
        let raw;
        (raw, rest) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or(BadParameters)?,
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
            return Err(BadParameters);
        }
        parameters.push(Parameter {
            name,
            raw,
            is_quoted,
        });
    }
}

/// Whether a name is a `token` of RFC 9110.
pub(in crate::redact) fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(is_tchar)
}

fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
