//! The `Content-Disposition` of one part of a multipart body: the name of its field, and of its file.
//!
//! Parsers read a name differently: some take backslashes or percent signs for escapes, some trim, some end an unquoted name at
//! the first character that should have been quoted. A field is denied if any of these readings is denied.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::redact::body::parameters::{self, BadParameters, Parameter};
use crate::rules::Rules;

/// The names of a part.
#[derive(Debug)]
pub(in crate::redact) struct Disposition<'a> {
    /// The name of the field; empty if there is none.
    pub(in crate::redact) name: Cow<'a, str>,
    /// The name of an uploaded file.
    pub(in crate::redact) file_name: Option<Cow<'a, str>>,
    /// All readings of the name.
    readings: Vec<Cow<'a, str>>,
}

impl<'a> Disposition<'a> {
    pub(in crate::redact) fn parse(value: &'a str) -> Result<Self, BadParameters> {
        let start = value.find(';').unwrap_or(value.len());
        let parameters = parameters::parse(value.get(start..).unwrap_or_default())?;
        let name = only(&parameters, "name")?;
        let name_extended = only(&parameters, "name*")?;
        let extended_name = name_extended.map(|p| extended(p.raw)).transpose()?;
        let file_name = only(&parameters, "filename")?;
        let extended_file_name = only(&parameters, "filename*")?
            .map(|p| extended(p.raw))
            .transpose()?;
        let is_continued = |p: &Parameter| {
            let (stem, number) = p.name.split_once('*').unwrap_or_default();
            !number.is_empty()
                && ["name", "filename"]
                    .iter()
                    .any(|s| stem.eq_ignore_ascii_case(s))
        };
        if parameters.iter().any(is_continued) {
            return Err(BadParameters);
        }
        let mut readings: Vec<Cow<str>> = extended_name.iter().cloned().collect();
        if let Some(cut_off) = name_extended.and_then(Parameter::token) {
            readings.extend(extended(cut_off));
        }
        if let Some(name) = name {
            readings.push(Cow::Borrowed(name.raw));
            readings.extend(name.token().map(Cow::Borrowed));
        }
        read_further(&mut readings);
        Ok(Disposition {
            name: name
                .map(Parameter::value)
                .or(extended_name)
                .unwrap_or_default(),
            file_name: file_name.map(Parameter::value).or(extended_file_name),
            readings,
        })
    }

    /// Whether the field's value is redacted, as it is if the field has no name.
    pub(in crate::redact) fn is_denied(&self, rules: &Rules) -> bool {
        // `=?` starts an encoded word of RFC 2047, which mail parsers decode.
        let denies = |name: &Cow<str>| rules.denies(name) || name.contains("=?");
        rules.is_active() && (self.readings.is_empty() || self.readings.iter().any(denies))
    }
}

/// Whether every parser finds the same name in a disposition, because it has the usual form: `form-data; name="a"`, and for files
/// also `filename`.
pub(in crate::redact) fn is_usual(value: &str) -> bool {
    let mut pieces = value.split("; ");
    pieces.next() == Some("form-data")
        && pieces.all(|piece| {
            let Some((name, written)) = piece.split_once('=') else {
                return false;
            };
            let quoted = written
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'));
            match (name, quoted) {
                ("name" | "filename", Some(quoted)) => !quoted.contains(['"', '\\', ';', '=']),
                ("name" | "filename", None) => parameters::is_token(written),
                ("filename*", None) => !written.contains([';', '"', ' ']),
                _ => false,
            }
        })
}

/// The parameter of this name; an error if there is more than one.
fn only<'a>(
    parameters: &[Parameter<'a>],
    name: &str,
) -> Result<Option<Parameter<'a>>, BadParameters> {
    let mut found = parameters.iter().filter(|p| p.is(name));
    match (found.next(), found.next()) {
        (found, None) => Ok(found.copied()),
        (_, Some(_)) => Err(BadParameters),
    }
}

/// An extended value of RFC 5987: `UTF-8''%e2%82%ac`.
fn extended(raw: &str) -> Result<Cow<'_, str>, BadParameters> {
    let mut fields = raw.splitn(3, '\'');
    match (fields.next(), fields.nth(1)) {
        (Some(charset), Some(value)) if charset.eq_ignore_ascii_case("utf-8") => {
            percent_decode_str(value)
                .decode_utf8()
                .map_err(|_| BadParameters)
        }
        _ => Err(BadParameters),
    }
}

/// Another reading of a text; `None` if it is the same.
type Way<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Adds the readings of parsers that undo escapes or trim, in any combination.
fn read_further(readings: &mut Vec<Cow<'_, str>>) {
    let decoded = |text: &str| {
        let decode = || percent_decode_str(text).decode_utf8_lossy().into_owned();
        text.contains('%').then(decode)
    };
    let trimmed = |text: &str| {
        let trimmed = text.trim_matches(is_trimmable);
        (trimmed.len() < text.len()).then(|| trimmed.to_owned())
    };
    let ways: [Way; 3] = [&parameters::unescaped, &decoded, &trimmed];
    for way in ways {
        let more: Vec<_> = readings.iter().filter_map(|text| way(text)).collect();
        readings.extend(more.into_iter().map(Cow::Owned));
    }
}

/// Whether some parser trims this character: a quote, or white space to Python.
fn is_trimmable(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\'' | '\x1C'..='\x1F')
}
