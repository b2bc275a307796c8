//! The request half of an entry.

use std::borrow::Cow;

use super::{Bodies, DROPPED_BODY, Encoder, size, write_params};
use crate::exchange::Request;
use crate::msgpack::Writer;
use crate::redact::{self, Content};

impl Encoder {
    pub(super) fn write_request(
        &self,
        w: &mut Writer<'_>,
        request: &Request<'_>,
        url: &str,
        bodies: Bodies,
    ) {
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
        self.header_names.look_up(|names| {
            for (key, value) in &request.headers {
                let header = names.header(&self.rules, key);
                w.encoded(&header.head);
                self.write_header_value(w, header.treatment, value);
            }
        });
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
            None if request.body.is_unwanted => {
                w.str("text");
                w.str("");
            }
            None => {
                w.str("text");
                w.str(&redact::not_read(request.body.size_bytes.unwrap_or(0)));
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
}

fn environ_header<'a>(headers: &'a [(Cow<'a, str>, Cow<'a, str>)], key: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(name, _)| name == key)
        .map(|(_, value)| value.as_ref())
}
