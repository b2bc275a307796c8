//! The response half of an entry.

use std::borrow::Cow;

use super::{Bodies, DROPPED_BODY, Encoder, cut_comment, of, size, write_text};
use crate::exchange::Exchange;
use crate::msgpack::EntryWriter;
use crate::redact::{self, Characters, Repeats, Treatment, Unpacked};

impl Encoder {
    pub(super) fn write_response(
        &self,
        w: &mut EntryWriter<'_>,
        exchange: &Exchange<'_>,
        characters: &[Characters],
        repeats: &Repeats,
        bodies: Bodies,
    ) {
        let response = &exchange.response;
        let (status, status_text) = split_status(&response.status);
        let content_type = header(&response.headers, "content-type");
        // A server sends no body in answer to HEAD, whatever the app has returned.
        let has_no_body = exchange.request.method == "HEAD";
        // A file that the server sends by itself cannot be counted, so the declared size is taken.
        let declared = || {
            header(&response.headers, "content-length")?
                .trim()
                .parse()
                .ok()
        };
        let size_bytes = if has_no_body {
            0
        } else {
            size(response.body.size_bytes.or_else(declared))
        };
        w.map(9);
        w.str("status");
        w.int(status);
        w.str("statusText");
        w.str(&repeats.redact_value(status_text));
        w.str("httpVersion");
        w.str(&exchange.request.protocol);
        w.str("headers");
        w.array(u32::try_from(response.headers.len()).unwrap_or(0));
        for (at, (name, value)) in response.headers.iter().enumerate() {
            w.named(name);
            let treatment = Treatment::in_response(&self.rules, name);
            self.write_header_value(w, treatment, value, of(characters, at), repeats);
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
        if has_no_body || is_event_stream(content_type) {
            self.write_content(w, None, size_bytes, content_type, repeats);
        } else if bodies == Bodies::Dropped && response.body.bytes.is_some() {
            w.map(3);
            w.str("text");
            w.str(DROPPED_BODY);
            self.write_size_and_type(w, size_bytes, content_type, repeats);
        } else {
            let encoding = header(&response.headers, "content-encoding");
            let body = self.body(&response.body, content_type, encoding);
            self.write_content(w, body, size_bytes, content_type, repeats);
        }
    }

    fn write_content(
        &self,
        w: &mut EntryWriter<'_>,
        body: Option<Unpacked<'_>>,
        size_bytes: i64,
        content_type: Option<&str>,
        repeats: &Repeats,
    ) {
        let Some(body) = body else {
            w.map(2);
            self.write_size_and_type(w, size_bytes, content_type, repeats);
            return;
        };
        let comment = cut_comment(&body);
        w.map(if comment.is_some() { 4 } else { 3 });
        w.str("text");
        write_text(w, &redact::response_body(&self.rules, &body), repeats);
        if let Some(comment) = comment {
            w.str("comment");
            w.str(&comment);
        }
        self.write_size_and_type(w, size(Some(body.size())), content_type, repeats);
    }

    fn write_size_and_type(
        &self,
        w: &mut EntryWriter<'_>,
        size_bytes: i64,
        content_type: Option<&str>,
        repeats: &Repeats,
    ) {
        w.str("size");
        w.int(size_bytes);
        w.str("mimeType");
        w.str(&repeats.redact_value(self.mime_type(content_type.unwrap_or(""))));
    }
}

/// `200 OK` -> (200, `OK`). PEP 3333 promises that form; anything else is shown as status 0.
fn split_status(status: &str) -> (i64, &str) {
    let (code, text) = status.split_once(' ').unwrap_or((status, ""));
    code.parse::<u16>()
        .map_or((0, status), |code| (i64::from(code), text))
}

/// Whether this is a stream of server-sent events. Such a stream may never end, so its log has no body.
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
