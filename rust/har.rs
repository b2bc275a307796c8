//! Writes one log object: the metadata of a log round a HAR 1.2 log with exactly one entry.
//!
//! The shape is the wire format's. What a list forbids is replaced while it is written, so that clear text
//! never exists outside the app's own memory.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::exchange::{Captured, Exchange, Group, Request, Response};
use crate::msgpack::Writer;
use crate::redact::{self, Body, Content, Param};
use crate::rules::Rules;

/// The version of the log object that the Metrics server expects.
const LOG_VERSION: i64 = 3;

/// RFC 3986 `pchar` and the slash stay as they are in a path; all else is percent-encoded.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@')
    .remove(b'/');

/// Hosts are reg-names or bracketed addresses with a port.
const HOST: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':')
    .remove(b'[')
    .remove(b']');

/// What a configuration fixes for every log.
pub struct Encoder {
    rules: Rules,
    development: bool,
    max_body_bytes: usize,
    /// The `creator` object, encoded once.
    creator: Vec<u8>,
}

/// Whether the bodies go into the log.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Bodies {
    Kept,
    /// The entry was too large for the queue with them; it keeps its place without them.
    Dropped,
}

/// What stands in for a body that was left out to make its entry fit.
const DROPPED_BODY: &str = "[TOO LARGE FOR THE QUEUE]";

impl Encoder {
    /// `platform` tells machine, system and Python version (HAR `creator.comment`).
    pub fn new(rules: Rules, development: bool, max_body_bytes: usize, platform: &str) -> Encoder {
        let mut creator = Vec::new();
        let mut writer = Writer { out: &mut creator };
        writer.map(3);
        writer.str("name");
        writer.str("readme-metrics (python)");
        writer.str("version");
        writer.str(env!("CARGO_PKG_VERSION"));
        writer.str("comment");
        writer.str(platform);
        Encoder {
            rules,
            development,
            max_body_bytes,
            creator,
        }
    }

    /// Appends the log object of `exchange` to `out` as msgpack.
    pub fn encode(&self, exchange: &Exchange<'_>, bodies: Bodies, out: &mut Vec<u8>) {
        let w = &mut Writer { out };
        w.map(6);
        w.str("_id");
        w.str(exchange.log_id);
        w.str("_version");
        w.int(LOG_VERSION);
        w.str("group");
        write_group(w, &exchange.group);
        w.str("clientIPAddress");
        w.str(&exchange.request.client_address);
        w.str("development");
        w.bool(self.development);
        w.str("request");
        w.map(1);
        w.str("log");
        w.map(3);
        w.str("version");
        w.str("1.2");
        w.str("creator");
        w.encoded(&self.creator);
        w.str("entries");
        w.array(1);
        self.write_entry(w, exchange, bodies);
    }

    fn write_entry(&self, w: &mut Writer<'_>, exchange: &Exchange<'_>, bodies: Bodies) {
        let request = &exchange.request;
        let url = self.url(request);
        let duration_ms = i64::try_from(exchange.duration_ms).unwrap_or(i64::MAX);
        w.map(7);
        w.str("pageref");
        w.str(&url);
        w.str("startedDateTime");
        w.str(&timestamp(exchange.started_unix_ms));
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
        self.write_request(w, request, &url, bodies);
        w.str("response");
        self.write_response(w, &exchange.response, &request.protocol, bodies);
    }

    fn write_request(&self, w: &mut Writer<'_>, request: &Request<'_>, url: &str, bodies: Bodies) {
        let has_body = request.body.size_bytes.is_some_and(|size| size > 0);
        w.map(if has_body { 9 } else { 8 });
        w.str("method");
        w.str(&request.method);
        w.str("url");
        w.str(url);
        w.str("httpVersion");
        w.str(&request.protocol);
        w.str("headers");
        self.write_request_headers(w, request);
        w.str("headersSize");
        w.int(-1);
        w.str("queryString");
        write_params(w, &redact::query_params(&self.rules, &request.query));
        w.str("cookies");
        w.array(0);
        w.str("bodySize");
        w.int(size(request.body.size_bytes));
        if has_body {
            w.str("postData");
            self.write_post_data(w, request, bodies);
        }
    }

    fn write_request_headers(&self, w: &mut Writer<'_>, request: &Request<'_>) {
        w.array(u32::try_from(request.headers.len()).unwrap_or(0));
        let mut name = String::with_capacity(32);
        for (key, value) in &request.headers {
            header_name(key, &mut name);
            w.map(2);
            w.str("name");
            w.str(&name);
            w.str("value");
            w.text(&redact::request_header(&self.rules, &name, value));
        }
    }

    fn write_post_data(&self, w: &mut Writer<'_>, request: &Request<'_>, bodies: Bodies) {
        let content_type = environ_header(&request.headers, "CONTENT_TYPE");
        let body = self.body(
            &request.body,
            content_type,
            environ_header(&request.headers, "HTTP_CONTENT_ENCODING"),
        );
        // "text/plain" for an untyped body is what the published SDK sends.
        let mime_type = self.mime_type(content_type.unwrap_or("text/plain"));
        w.map(2);
        w.str("mimeType");
        w.str(mime_type);
        match body {
            _ if bodies == Bodies::Dropped => {
                w.str("text");
                w.str(DROPPED_BODY);
            }
            None => {
                w.str("text");
                w.str("");
            }
            Some(body) => match redact::request_body(&self.rules, &body) {
                Content::Params(params) => {
                    w.str("params");
                    write_params(w, &params);
                }
                Content::Text(text) => {
                    w.str("text");
                    w.text(&text);
                }
            },
        }
    }

    fn write_response(
        &self,
        w: &mut Writer<'_>,
        response: &Response<'_>,
        protocol: &str,
        bodies: Bodies,
    ) {
        let (status, status_text) = split_status(&response.status);
        let content_type = header(&response.headers, "content-type");
        // A file that the server sends by itself is not counted here; what the app declared is true.
        let declared = || {
            header(&response.headers, "content-length")?
                .trim()
                .parse()
                .ok()
        };
        let size_bytes = size(response.body.size_bytes.or_else(declared));
        w.map(9);
        w.str("status");
        w.int(status);
        w.str("statusText");
        w.str(status_text);
        w.str("httpVersion");
        w.str(protocol);
        w.str("headers");
        w.array(u32::try_from(response.headers.len()).unwrap_or(0));
        for (name, value) in &response.headers {
            w.map(2);
            w.str("name");
            w.str(name);
            w.str("value");
            w.text(&redact::response_header(&self.rules, name, value));
        }
        w.str("cookies");
        w.array(0);
        w.str("redirectURL");
        w.str("");
        w.str("headersSize");
        w.int(-1);
        w.str("bodySize");
        w.int(size_bytes);
        w.str("content");
        let body = self.body(
            &response.body,
            content_type,
            header(&response.headers, "content-encoding"),
        );
        w.map(if body.is_some() { 3 } else { 2 });
        if let Some(body) = body {
            w.str("text");
            match bodies {
                Bodies::Kept => w.text(&redact::response_body(&self.rules, &body)),
                Bodies::Dropped => w.str(DROPPED_BODY),
            }
        }
        w.str("size");
        w.int(size_bytes);
        w.str("mimeType");
        w.str(self.mime_type(content_type.unwrap_or("")));
    }

    fn body<'a>(
        &self,
        captured: &'a Captured<'a>,
        content_type: Option<&'a str>,
        content_encoding: Option<&'a str>,
    ) -> Option<Body<'a>> {
        let bytes = captured.bytes.as_deref()?;
        Some(Body {
            content_type,
            content_encoding,
            bytes,
            size: captured.size_bytes.unwrap_or(bytes.len() as u64),
            truncated: captured.is_truncated(),
            max_bytes: self.max_body_bytes,
        })
    }

    /// The media type is part of the HAR's structure and stays, even if the header's value is redacted;
    /// its parameters do not.
    fn mime_type<'a>(&self, content_type: &'a str) -> &'a str {
        if self.rules.is_active() && self.rules.denies_header("Content-Type") {
            content_type.split(';').next().unwrap_or("").trim()
        } else {
            content_type
        }
    }

    /// The full URL, as a valid ASCII URI, with denied parameters replaced.
    fn url(&self, request: &Request<'_>) -> String {
        let query = redact::query_text(&self.rules, &request.query);
        let mut url =
            String::with_capacity(16 + request.host.len() + request.path.len() + query.len());
        // Writing to a String cannot fail.
        let _ = write!(
            url,
            "{}://{}{}",
            request.scheme,
            percent_encode(request.host.as_bytes(), HOST),
            percent_encode(&request.path, PATH),
        );
        if !query.is_empty() {
            let _ = write!(url, "?{query}");
        }
        url
    }
}

fn write_group(w: &mut Writer<'_>, group: &Group<'_>) {
    let optional = [("label", group.label), ("email", group.email)];
    w.map(
        1 + optional
            .iter()
            .map(|(_, value)| u32::from(value.is_some()))
            .sum::<u32>(),
    );
    w.str("id");
    w.str(&redact::mask(group.id));
    for (name, value) in optional {
        if let Some(value) = value {
            w.str(name);
            w.str(value);
        }
    }
}

fn write_params(w: &mut Writer<'_>, params: &[Param<'_>]) {
    w.array(u32::try_from(params.len()).unwrap_or(0));
    for param in params {
        let optional = [
            ("fileName", &param.file_name),
            ("contentType", &param.content_type),
        ];
        w.map(
            2 + optional
                .iter()
                .map(|(_, value)| u32::from(value.is_some()))
                .sum::<u32>(),
        );
        w.str("name");
        w.str(&param.name);
        w.str("value");
        w.text(&param.value);
        for (name, value) in optional {
            if let Some(value) = value {
                w.str(name);
                w.str(value);
            }
        }
    }
}

/// HAR writes -1 where a size is not known.
fn size(size_bytes: Option<u64>) -> i64 {
    size_bytes
        .and_then(|size| i64::try_from(size).ok())
        .unwrap_or(-1)
}

fn timestamp(unix_ms: u64) -> String {
    // The format ends at the year 9999; a clock beyond it is not worth a panic.
    const LAST_MS: u64 = 253_402_300_799_999;
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(unix_ms.min(LAST_MS)))
        .to_string()
}

/// `200 OK` -> (200, `OK`). PEP 3333 promises that form; anything else is shown as status 0.
fn split_status(status: &str) -> (i64, &str) {
    let (code, text) = status.split_once(' ').unwrap_or((status, ""));
    code.parse::<u16>()
        .map_or((0, status), |code| (i64::from(code), text))
}

fn header<'a>(
    headers: &'a [(std::borrow::Cow<'a, str>, std::borrow::Cow<'a, str>)],
    name: &str,
) -> Option<&'a str> {
    headers
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_ref())
}

fn environ_header<'a>(
    headers: &'a [(std::borrow::Cow<'a, str>, std::borrow::Cow<'a, str>)],
    key: &str,
) -> Option<&'a str> {
    headers
        .iter()
        .find(|(name, _)| name == key)
        .map(|(_, value)| value.as_ref())
}

/// `HTTP_X_API_KEY` -> `X-Api-Key`, `CONTENT_TYPE` -> `Content-Type`.
fn header_name(environ_key: &str, name: &mut String) {
    name.clear();
    let mut starts_word = true;
    for character in environ_key
        .strip_prefix("HTTP_")
        .unwrap_or(environ_key)
        .chars()
    {
        if character == '_' || character == '-' {
            name.push('-');
            starts_word = true;
        } else if starts_word {
            name.push(character.to_ascii_uppercase());
            starts_word = false;
        } else {
            name.push(character.to_ascii_lowercase());
        }
    }
}
