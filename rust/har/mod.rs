//! Writes one log object: a HAR 1.2 log with exactly one entry, and the metadata around it.
//!
//! The form is that of the wire format. A denied value is replaced while the log is written, so that its clear
//! text never leaves the app's own memory.

mod header_names;
mod request;
mod response;
mod timestamp;
mod url;

use std::borrow::Cow;

use self::header_names::HeaderNames;
use self::timestamp::timestamp;
use crate::exchange::{Captured, Exchange, Group, native_bytes};
use crate::msgpack::EntryWriter;
use crate::redact::{self, Body, Characters, Param, Query, Repeats, Text, Treatment, Unpacked};
use crate::rules::Rules;

/// The version of the log object that the Metrics server expects.
const LOG_VERSION: i64 = 3;

/// Writes logs by one configuration.
pub struct Encoder {
    rules: Rules,
    header_names: HeaderNames,
    max_body_bytes: usize,
    /// What all logs have between the client's address and their entry, encoded once.
    before_entry: Vec<u8>,
}

/// Whether the bodies go into the log.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Bodies {
    Kept,
    /// Left out: with its bodies, the entry does not fit the queue.
    Dropped,
}

/// Replaces a body that was left out to make its entry fit.
const DROPPED_BODY: &str = "[TOO LARGE FOR THE QUEUE]";

impl Encoder {
    /// `platform` names machine, system and Python version (HAR `creator.comment`).
    pub fn new(rules: Rules, development: bool, max_body_bytes: usize, platform: &str) -> Encoder {
        let mut before_entry = Vec::new();
        let mut writer = EntryWriter {
            out: &mut before_entry,
        };
        writer.str("development");
        writer.bool(development);
        writer.str("request");
        writer.map(1);
        writer.str("log");
        writer.map(3);
        writer.str("version");
        writer.str("1.2");
        writer.str("creator");
        writer.map(3);
        writer.str("name");
        writer.str("readme-metrics (python)");
        writer.str("version");
        writer.str(env!("CARGO_PKG_VERSION"));
        writer.str("comment");
        writer.str(platform);
        writer.str("entries");
        writer.array(1);
        Encoder {
            rules,
            header_names: HeaderNames::default(),
            max_body_bytes,
            before_entry,
        }
    }

    /// Appends the log object of `exchange` to `out` as msgpack.
    pub fn encode(&self, exchange: &Exchange<'_>, bodies: Bodies, out: &mut Vec<u8>) {
        // Most logs take as many bytes as their bodies, and some kilobytes more.
        out.reserve(8192 + exchange.body_bytes());
        let w = &mut EntryWriter { out };
        w.map(6);
        w.str("_id");
        w.str(exchange.log_id);
        w.str("_version");
        w.int(LOG_VERSION);
        w.str("group");
        write_group(w, &exchange.group);
        w.str("clientIPAddress");
        w.str(&exchange.request.client_address);
        w.encoded(&self.before_entry);
        self.write_entry(w, exchange, bodies);
    }

    fn write_entry(&self, w: &mut EntryWriter<'_>, exchange: &Exchange<'_>, bodies: Bodies) {
        let request = &exchange.request;
        let mut query = Query::new(&self.rules, &request.query);
        if self.rules.is_active() && !request.query.is_empty() {
            let content_type = request::environ_header(&request.headers, "CONTENT_TYPE");
            if content_type.is_some_and(redact::changes_query) {
                query.deny();
            }
        }
        let mut characters = HeaderCharacters::of(exchange);
        let repeats = self.repeats(exchange, &query, &mut characters);
        if !repeats.is_empty() {
            query.deny_repeats(&repeats);
        }
        let mut url = url::full(&query, request);
        if !repeats.is_empty() {
            url = repeats.redact_url(url);
        }
        let duration_ms = i64::try_from(exchange.duration_ms).unwrap_or(i64::MAX);
        w.map(7 + u32::from(exchange.route.is_some()));
        if let Some(route) = exchange.route {
            // HAR 1.2 leaves names with an underscore to whoever writes it.
            w.str("_route");
            w.str(route);
        }
        w.str("pageref");
        w.str(&url);
        w.str("startedDateTime");
        w.str(str::from_utf8(&timestamp(exchange.started_unix_ms)).unwrap_or_default());
        w.str("time");
        w.int(duration_ms);
        w.str("cache");
        w.map(0);
        w.str("timings");
        w.map(3);
        w.str("send");
        w.int(0);
        w.str("wait");
        w.int(duration_ms);
        w.str("receive");
        w.int(0);
        w.str("request");
        let request_head = RequestHead {
            query: &query,
            url: &url,
            characters: &characters.request,
        };
        self.write_request(w, request, &request_head, &repeats, bodies);
        w.str("response");
        self.write_response(w, exchange, &characters.response, &repeats, bodies);
    }

    /// The denied parameters of the request's URL, and of URLs in the headers of request and response. Notes in `characters`
    /// which values have none.
    fn repeats(
        &self,
        exchange: &Exchange<'_>,
        query: &Query<'_>,
        characters: &mut HeaderCharacters,
    ) -> Repeats {
        let mut repeats = Repeats::default();
        if !self.rules.is_active() {
            return repeats;
        }
        query.note_repeats(&mut repeats);
        // Few values hold parameters, so few names have to be judged a second time.
        let mut note = |treatment: Treatment, value: &str, characters: &mut [Characters], at| {
            let judged = treatment.note_repeats(
                &self.rules,
                &native_text(value),
                of(characters, at),
                &mut repeats,
            );
            if let Some(characters) = characters.get_mut(at) {
                *characters = judged;
            }
        };
        for (at, (key, value)) in exchange.request.headers.iter().enumerate() {
            if of(&characters.request, at).may_hold_parameters() {
                let treatment = self
                    .header_names
                    .look_up(|names| names.header(&self.rules, key).treatment);
                note(treatment, value, &mut characters.request, at);
            }
        }
        for (at, (name, value)) in exchange.response.headers.iter().enumerate() {
            if of(&characters.response, at).may_hold_parameters() {
                let treatment = Treatment::in_response(&self.rules, name);
                note(treatment, value, &mut characters.response, at);
            }
        }
        repeats
    }

    // Most values are sent whole. That is decided in the loops over headers, where a call would take longer than the decision.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn write_header_value(
        &self,
        w: &mut EntryWriter<'_>,
        treatment: Treatment,
        value: &str,
        characters: Characters,
        repeats: &Repeats,
    ) {
        if repeats.is_empty() && treatment.keeps_all_of(characters) {
            return w.str(value);
        }
        self.write_changed_value(w, treatment, &native_text(value), repeats);
    }

    #[inline(never)]
    fn write_changed_value(
        &self,
        w: &mut EntryWriter<'_>,
        treatment: Treatment,
        value: &str,
        repeats: &Repeats,
    ) {
        match treatment {
            Treatment::Mask => redact::masked(value, |mask| w.str(mask)),
            Treatment::Redact if repeats.is_empty() => {
                redact::redacted_text(value, |marker| w.str(marker));
            }
            _ => write_text(w, &treatment.apply(&self.rules, value), repeats),
        }
    }

    fn body<'a>(
        &self,
        captured: &'a Captured<'a>,
        content_type: Option<&'a str>,
        content_encoding: Option<&'a str>,
    ) -> Option<Unpacked<'a>> {
        let bytes = captured.bytes.as_deref()?;
        Some(Unpacked::new(Body {
            content_type,
            content_encoding,
            bytes,
            size: captured.size_bytes.unwrap_or(bytes.len() as u64),
            truncated: captured.is_truncated(),
            max_bytes: self.max_body_bytes,
        }))
    }

    /// The media type without its parameters if the header's value is redacted: it is part of the HAR's
    /// structure and is always sent.
    fn mime_type<'a>(&self, content_type: &'a str) -> &'a str {
        if self.rules.is_active() && self.rules.denies_header("Content-Type") {
            bare_type(content_type)
        } else {
            content_type
        }
    }
}

/// What the head of a request is written from, beside the request.
struct RequestHead<'a> {
    query: &'a Query<'a>,
    url: &'a str,
    characters: &'a [Characters],
}

/// Few heads have more headers. The values of the rest are looked at one by one where they are written.
const LOOKED_AT: usize = 32;

/// The characters of the values of both heads.
struct HeaderCharacters {
    request: [Characters; LOOKED_AT],
    response: [Characters; LOOKED_AT],
}

impl HeaderCharacters {
    fn of(exchange: &Exchange<'_>) -> HeaderCharacters {
        let look = |headers: &[(Cow<'_, str>, Cow<'_, str>)]| {
            let mut all = [Characters::UNKNOWN; LOOKED_AT];
            for (characters, (_, value)) in all.iter_mut().zip(headers) {
                *characters = Characters::of(value);
            }
            all
        };
        HeaderCharacters {
            request: look(&exchange.request.headers),
            response: look(&exchange.response.headers),
        }
    }
}

/// Those of the value at a place among the headers.
fn of(characters: &[Characters], at: usize) -> Characters {
    characters.get(at).copied().unwrap_or(Characters::UNKNOWN)
}

/// A media type without its parameters.
fn bare_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or("").trim()
}

fn write_group(w: &mut EntryWriter<'_>, group: &Group<'_>) {
    let optional = [("label", group.label), ("email", group.email)];
    w.map(1 + present(&optional));
    w.str("id");
    redact::masked(group.id, |mask| w.str(mask));
    write_present(w, &optional, Cow::Borrowed);
}

fn write_text(w: &mut EntryWriter<'_>, text: &Text<'_>, repeats: &Repeats) {
    if repeats.is_empty() {
        w.text(text);
    } else {
        w.str(&repeats.redact_text(text));
    }
}

/// A header's value as its author meant it: servers hand over one character per byte, and most text beyond ASCII is UTF-8.
fn native_text(value: &str) -> Cow<'_, str> {
    if value.is_ascii() {
        return Cow::Borrowed(value);
    }
    match String::from_utf8(native_bytes(value).into_owned()) {
        Ok(text) => Cow::Owned(text),
        Err(_) => Cow::Borrowed(value),
    }
}

/// The HAR comment on a body whose end is missing.
fn cut_comment(body: &Unpacked<'_>) -> Option<String> {
    body.cut_to()
        .map(|bytes| format!("cut off after {bytes} bytes"))
}

fn write_params(w: &mut EntryWriter<'_>, params: &[Param<'_>], repeats: &Repeats) {
    w.array(u32::try_from(params.len()).unwrap_or(0));
    for param in params {
        let optional = [
            ("fileName", param.file_name.as_deref()),
            ("contentType", param.content_type.as_deref()),
        ];
        w.map(2 + present(&optional));
        w.str("name");
        w.str(&repeats.redact_value(&param.name));
        w.str("value");
        write_text(w, &param.value, repeats);
        write_present(w, &optional, |value| repeats.redact_value(value));
    }
}

/// A member that is left out if it has no value.
type Optional<'a> = (&'a str, Option<&'a str>);

fn present(members: &[Optional<'_>]) -> u32 {
    members
        .iter()
        .map(|(_, value)| u32::from(value.is_some()))
        .sum()
}

fn write_present<'a>(
    w: &mut EntryWriter<'_>,
    members: &[Optional<'a>],
    shown: impl Fn(&'a str) -> Cow<'a, str>,
) {
    for (name, value) in members {
        if let Some(value) = value {
            w.str(name);
            w.str(&shown(value));
        }
    }
}

/// The size in a HAR, which is -1 if it is not known.
fn size(size_bytes: Option<u64>) -> i64 {
    size_bytes
        .and_then(|size| i64::try_from(size).ok())
        .unwrap_or(-1)
}
