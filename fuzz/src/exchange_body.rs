//! Whole bodies: any content type and coding, cut off or not. No value is sent that is denied by the reading of the content type
//! or by what the text looks like, whether the body is compressed or not.

use std::io::Write;

use super::{
    assert_hidden, denied_in_form, denied_in_json, denied_in_multipart, expand, rules, sent,
};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use readme_metrics_core::redact::Body;

const TYPES: [&str; 10] = [
    "",
    "application/json",
    "application/problem+json; charset=UTF-8",
    "application/json, text/html",
    "application/x-www-form-urlencoded",
    "Application/X-WWW-Form-URLencoded ; charset=\"utf-8\"",
    "multipart/form-data; boundary=B",
    "multipart/form-data; boundary=\"B\"; charset=utf-8",
    "text/plain; charset=latin1",
    "application/octet-stream",
];

pub fn check(data: &[u8]) {
    let [kind, coding, cut, data @ ..] = data else {
        return;
    };
    let text = expand(data);
    let content_type = TYPES[usize::from(*kind) % TYPES.len()];
    let (coding, mut bytes) = compress(*coding, &text);
    let truncated = cut & 0x80 != 0;
    if truncated {
        bytes.truncate(bytes.len() * usize::from(cut & 0x7F) / 127);
    }
    let body = Body {
        content_type: Some(content_type),
        content_encoding: Some(coding),
        bytes: &bytes,
        size: bytes.len() as u64,
        truncated,
        max_bytes: 1 << (4 + (cut & 15)),
    };
    let outputs = sent(&rules(kind & 0x80 != 0), &body);
    // A JSON object is judged as JSON whatever its content type says.
    assert_hidden(&denied_in_json(&text), &text, &outputs);
    let start = text.trim_ascii_start().first();
    match content_type.to_ascii_lowercase() {
        form if form.contains("form-urlencoded") && !matches!(start, Some(b'{' | b'[')) => {
            assert_hidden(&denied_in_form(&text), &text, &outputs);
        }
        multipart if multipart.contains("multipart") => {
            assert_hidden(&denied_in_multipart(&text), &text, &outputs);
        }
        _ => {}
    }
}

fn compress(coding: u8, text: &[u8]) -> (&'static str, Vec<u8>) {
    let level = Compression::fast();
    match coding % 6 {
        0 => {
            let mut encoder = GzEncoder::new(Vec::new(), level);
            encoder.write_all(text).unwrap();
            ("gzip", encoder.finish().unwrap())
        }
        1 => {
            let mut encoder = ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(text).unwrap();
            ("deflate", encoder.finish().unwrap())
        }
        2 => {
            let mut encoder = DeflateEncoder::new(Vec::new(), level);
            encoder.write_all(text).unwrap();
            ("deflate", encoder.finish().unwrap())
        }
        3 => ("gzip", text.to_vec()),
        4 => ("br", text.to_vec()),
        _ => ("", text.to_vec()),
    }
}
