//! The response half of an entry.

use std::borrow::Cow;

use super::{Bodies, DROPPED_BODY, Encoder, size};
use crate::exchange::Response;
use crate::msgpack::Writer;
use crate::redact::{self, Treatment};

impl Encoder {
    pub(super) fn write_response(
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
            w.named(name);
            self.write_header_value(w, Treatment::in_response(&self.rules, name), value);
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
        let body = self
            .body(
                &response.body,
                content_type,
                header(&response.headers, "content-encoding"),
            )
            .filter(|_| !is_event_stream(content_type));
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
}

/// `200 OK` -> (200, `OK`). PEP 3333 promises that form; anything else is shown as status 0.
fn split_status(status: &str) -> (i64, &str) {
    let (code, text) = status.split_once(' ').unwrap_or((status, ""));
    code.parse::<u16>()
        .map_or((0, status), |code| (i64::from(code), text))
}

/// Server-sent events have no end that a log could wait for; what was captured of them by chance is left out.
fn is_event_stream(content_type: Option<&str>) -> bool {
    const EVENT_STREAM: &str = "text/event-stream";
    content_type
        .and_then(|value| value.trim_start().get(..EVENT_STREAM.len()))
        .is_some_and(|value| value.eq_ignore_ascii_case(EVENT_STREAM))
}

fn header<'a>(headers: &'a [(Cow<'a, str>, Cow<'a, str>)], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_ref())
}
