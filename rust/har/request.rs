//! The request half of an entry.

use std::borrow::Cow;

use super::{
    Bodies, DROPPED_BODY, Encoder, RequestHead, bare_type, cut_comment, of, size, write_params,
    write_text,
};
use crate::exchange::Request;
use crate::msgpack::EntryWriter;
use crate::redact::{self, Characters, Content, Repeats};

impl Encoder {
    pub(super) fn write_request(
        &self,
        w: &mut EntryWriter<'_>,
        request: &Request<'_>,
        head: &RequestHead<'_>,
        repeats: &Repeats,
        bodies: Bodies,
    ) {
        let has_body = request.body.size_bytes.is_some_and(|size| size > 0);
        w.map(if has_body { 9 } else { 8 });
        w.str("method");
        w.str(&request.method);
        w.str("url");
        w.str(head.url);
        w.str("httpVersion");
        w.str(&request.protocol);
        w.str("headers");
        self.write_request_headers(w, request, head.characters, repeats);
        w.str("headersSize");
        w.int(-1);
        w.str("queryString");
        write_params(w, &head.query.params(&self.rules), repeats);
        w.str("cookies");
        w.array(0);
        w.str("bodySize");
        w.int(size(request.body.size_bytes));
        if has_body {
            w.str("postData");
            self.write_post_data(w, request, repeats, bodies);
        }
    }

    fn write_request_headers(
        &self,
        w: &mut EntryWriter<'_>,
        request: &Request<'_>,
        characters: &[Characters],
        repeats: &Repeats,
    ) {
        w.array(u32::try_from(request.headers.len()).unwrap_or(0));
        self.header_names.look_up(|names| {
            for (at, (key, value)) in request.headers.iter().enumerate() {
                let header = names.header(&self.rules, key);
                w.encoded(&header.head);
                self.write_header_value(w, header.treatment, value, of(characters, at), repeats);
            }
        });
    }

    fn write_post_data(
        &self,
        w: &mut EntryWriter<'_>,
        request: &Request<'_>,
        repeats: &Repeats,
        bodies: Bodies,
    ) {
        let content_type = environ_header(&request.headers, "CONTENT_TYPE");
        let body = match bodies {
            Bodies::Kept => self.body(
                &request.body,
                content_type,
                environ_header(&request.headers, "HTTP_CONTENT_ENCODING"),
            ),
            Bodies::Dropped => None,
        };
        let comment = body.as_ref().and_then(cut_comment);
        let content = body
            .as_ref()
            .map(|body| redact::request_body(&self.rules, body));
        // "text/plain" for an untyped body is what the published SDK sends.
        let mime_type = self.mime_type(content_type.unwrap_or("text/plain"));
        w.map(if comment.is_some() { 3 } else { 2 });
        w.str("mimeType");
        // Tools that rebuild a request from a HAR recognise a form by its media type without parameters.
        w.str(&repeats.redact_value(if redact::is_form(mime_type) {
            bare_type(mime_type)
        } else {
            mime_type
        }));
        match content {
            Some(Content::Params(params)) => {
                w.str("params");
                write_params(w, &params, repeats);
            }
            Some(Content::Text(text)) => {
                w.str("text");
                write_text(w, &text, repeats);
            }
            None if request.body.is_unwanted => {
                w.str("text");
                w.str("");
            }
            None => {
                w.str("text");
                if bodies == Bodies::Dropped {
                    w.str(DROPPED_BODY);
                } else {
                    w.str(&redact::not_read(request.body.size_bytes.unwrap_or(0)));
                }
            }
        }
        if let Some(comment) = comment {
            w.str("comment");
            w.str(&comment);
        }
    }
}

pub(super) fn environ_header<'a>(
    headers: &'a [(Cow<'a, str>, Cow<'a, str>)],
    key: &str,
) -> Option<&'a str> {
    headers
        .iter()
        .find(|(name, _)| name == key)
        .map(|(_, value)| value.as_ref())
}
