//! Filters `multipart/form-data` (RFC 7578).
//!
//! A field keeps name and value, a file only its name and type. Refuses a body that another parser could split into other parts: a
//! missing or early end, a delimiter in the middle of a line, mixed line ends, a malformed header.

use std::borrow::Cow;

use memchr::memmem;

use crate::redact::Param;
use crate::redact::body::content_type::{ContentType, Kind};
use crate::redact::body::disposition::{self, Disposition};
use crate::redact::body::parameters;
use crate::redact::edit::{Edit, Text};
use crate::redact::json;
use crate::redact::marker;
use crate::redact::url;
use crate::redact::url::denied;
use crate::redact::url::hidden::Denied;
use crate::rules::Rules;

/// The body is not `multipart/form-data`, or parsers read it differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::redact) struct NotMultipart;

/// The fields and files of a body.
///
/// `is_usual_type` tells that the body's own type is written so that no parser takes it for another one.
pub(in crate::redact) fn params<'a>(
    rules: &Rules,
    boundary: &str,
    is_usual_type: bool,
    body: &'a [u8],
) -> Result<Vec<Param<'a>>, NotMultipart> {
    let delimiter = format!("--{boundary}");
    let mut params = Vec::new();
    // The line end, and where the part after the last delimiter begins.
    let mut part: Option<(&[u8], usize)> = None;
    for at in memmem::find_iter(body, &delimiter) {
        let (before, rest) = body.split_at_checked(at).ok_or(NotMultipart)?;
        let after = rest.get(delimiter.len()..).ok_or(NotMultipart)?;
        let line_end: Option<&[u8]> = match after {
            [b'\r', b'\n', ..] => Some(b"\r\n"),
            [b'\n', ..] => Some(b"\n"),
            [b'-', b'-'] | [b'-', b'-', b'\n', ..] | [b'-', b'-', b'\r', b'\n', ..] => None,
            _ => return Err(NotMultipart),
        };
        if let Some((expected, start)) = part {
            let part = before.get(start..).ok_or(NotMultipart)?;
            let part = part.strip_suffix(expected).ok_or(NotMultipart)?;
            let is_mixed = expected == b"\n" && part.ends_with(b"\r");
            if is_mixed || line_end.is_some_and(|found| found != expected) {
                return Err(NotMultipart);
            }
            params.push(param(rules, part, expected, is_usual_type)?);
        } else if !before.is_empty() && !before.ends_with(b"\n") {
            return Err(NotMultipart);
        }
        match line_end {
            Some(found) => part = Some((found, at + delimiter.len() + found.len())),
            None => return Ok(params),
        }
    }
    Err(NotMultipart)
}

fn param<'a>(
    rules: &Rules,
    part: &'a [u8],
    line_end: &[u8],
    is_usual_type: bool,
) -> Result<Param<'a>, NotMultipart> {
    let (header, content) = split_header(part, line_end)?;
    let header = PartHeader::parse(header, line_end)?;
    let disposition = Disposition::parse(&header.disposition).map_err(|_| NotMultipart)?;
    let has_one_reading =
        is_usual_type && header.is_usual && disposition::is_usual(&header.disposition);
    // A parser that cannot read the header gives the app a field without a name.
    let is_denied = disposition.is_denied(rules) || (!has_one_reading && rules.denies(""));
    let hide = |text: &str| marker::redacted(text.chars().count());
    Ok(match (disposition.file_name, is_denied) {
        (Some(file_name), true) => Param {
            name: Cow::Owned(disposition.name.into_owned()),
            value: Text::plain(marker::REDACTED),
            file_name: Some(Cow::Owned(hide(&file_name))),
            content_type: None,
        },
        (Some(file_name), false) => Param {
            name: Cow::Owned(disposition.name.into_owned()),
            value: Text::plain(""),
            file_name: Some(Cow::Owned(file_name.into_owned())),
            content_type: header.content_type.map(Cow::Owned),
        },
        (None, _) => Param {
            name: Cow::Owned(disposition.name.into_owned()),
            value: match (std::str::from_utf8(content), is_denied) {
                (Ok(text), true) => Text::plain(hide(text)),
                (Err(_), true) => Text::plain(marker::REDACTED),
                (Ok(text), false) => field(rules, header.content_type.as_deref(), text),
                (Err(_), false) => Text::plain(marker::NOT_UTF8),
            },
            file_name: None,
            // A denied part is sent without its type, into which its sender may have put anything.
            content_type: header
                .content_type
                .filter(|kind| !is_denied || kind.eq_ignore_ascii_case("text/plain"))
                .map(Cow::Owned),
        },
    })
}

/// The value of a field that is not denied. It may hold JSON or a URL with denied values.
fn field<'a>(rules: &Rules, content_type: Option<&str>, text: &'a str) -> Text<'a> {
    let withheld = |reason| Text::plain(marker::withheld(text.len() as u64, reason));
    if !rules.is_active() {
        return Text::plain(text);
    }
    let content_type = ContentType::parse(content_type);
    match content_type.kind {
        Kind::Json | Kind::Form if !content_type.is_certain => {
            withheld(marker::Reason::ContentType)
        }
        Kind::Json | Kind::Form if !content_type.is_utf8(text.as_bytes()) => {
            withheld(marker::Reason::Charset)
        }
        Kind::Json => match json::filter(rules, text) {
            Ok(edits) => Text::edited(text, edits),
            Err(_) => withheld(marker::Reason::Json),
        },
        Kind::Form => Text::edited(text, url::edits(rules, text)),
        Kind::Multipart => withheld(marker::Reason::Multipart),
        Kind::Other => {
            let edit = |found: Denied| Edit {
                start: found.range.start,
                end: found.range.end,
                replacement: found.hidden.text(),
            };
            let found = denied::in_value(rules, text);
            Text::edited(text, found.into_iter().map(edit).collect())
        }
    }
}

/// Splits a part at its first blank line.
fn split_header<'a>(part: &'a [u8], line_end: &[u8]) -> Result<(&'a [u8], &'a [u8]), NotMultipart> {
    if let Some(content) = part.strip_prefix(line_end) {
        return Ok((b"", content));
    }
    let blank_line = [line_end, line_end].concat();
    let at = memmem::find(part, &blank_line).ok_or(NotMultipart)?;
    let (header, rest) = part.split_at_checked(at).ok_or(NotMultipart)?;
    Ok((header, rest.get(blank_line.len()..).ok_or(NotMultipart)?))
}

/// The header fields of a part that matter here.
#[derive(Default)]
struct PartHeader {
    disposition: String,
    content_type: Option<String>,
    /// Whether every parser reads each line alike: a name of letters and hyphens, a colon and one blank.
    is_usual: bool,
}

impl PartHeader {
    fn parse(block: &[u8], line_end: &[u8]) -> Result<PartHeader, NotMultipart> {
        let block = std::str::from_utf8(block).map_err(|_| NotMultipart)?;
        let line_end = std::str::from_utf8(line_end).map_err(|_| NotMultipart)?;
        let mut header = PartHeader {
            is_usual: block
                .split(line_end)
                .filter(|line| !line.is_empty())
                .all(is_usual_line),
            ..PartHeader::default()
        };
        let mut disposition = None;
        for (name, value) in unfold(block, line_end)? {
            let place = if name.eq_ignore_ascii_case("Content-Disposition") {
                &mut disposition
            } else if name.eq_ignore_ascii_case("Content-Type") {
                &mut header.content_type
            } else {
                continue;
            };
            if place.replace(value).is_some() {
                return Err(NotMultipart);
            }
        }
        header.disposition = disposition.unwrap_or_default();
        Ok(header)
    }
}

fn is_usual_line(line: &str) -> bool {
    line.split_once(": ").is_some_and(|(name, value)| {
        let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !name.is_empty() && name.bytes().all(is_usual) && value.trim_ascii() == value
    })
}

/// The header fields of a block. A fold becomes a line feed, which is white space between parameters and refused inside one.
fn unfold<'a>(block: &'a str, line_end: &str) -> Result<Vec<(&'a str, String)>, NotMultipart> {
    let mut fields: Vec<(&str, String)> = Vec::new();
    for line in block.split(line_end).filter(|line| !line.is_empty()) {
        if line.chars().any(|c| c.is_control() && c != '\t') {
            return Err(NotMultipart);
        }
        if line.starts_with([' ', '\t']) {
            let (_, value) = fields.last_mut().ok_or(NotMultipart)?;
            value.push('\n');
            value.push_str(line);
        } else {
            let (name, value) = line.split_once(':').ok_or(NotMultipart)?;
            let name = name.trim_ascii();
            if !parameters::is_token(name) {
                return Err(NotMultipart);
            }
            fields.push((name, value.trim_ascii().to_owned()));
        }
    }
    Ok(fields)
}
