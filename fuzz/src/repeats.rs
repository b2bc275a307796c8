//! Repeats: a denied parameter of a URL stands nowhere in the log of an exchange that repeats it in headers and bodies of both
//! sides, in whatever way it is written there.

use std::fmt::Write;

use super::{KEY, expand, rules};
use readme_metrics_core::batch::Builder;
use readme_metrics_core::exchange::{Captured, Exchange, Group, Request, Response};
use readme_metrics_core::har::{Bodies, Encoder};

const SECRET: &str = "S3cr0000t";

pub fn check(data: &[u8]) {
    let [source, layers, last, length, data @ ..] = data else {
        return;
    };
    let text = String::from_utf8_lossy(&expand(data)).replace(SECRET, "");
    // So short that the redaction tries every way of reading it.
    let cut = text
        .char_indices()
        .nth(usize::from(length % 12))
        .map_or(text.len(), |(at, _)| at);
    let (around_secret, noise) = text.split_at(cut);
    let value = format!("{around_secret}{SECRET}{around_secret}");
    let parameter = format!("{KEY}={value}");
    let mut written = parameter.clone();
    for layer in 0..layers % 4 {
        written = percent_encoded(&written, (layers >> 2 >> layer) & 1 == 1);
    }
    written = match last % 6 {
        0 => written,
        1 => with_entities(&written),
        2 => json(&written),
        3 => with_numbers(&written),
        4 => with_entities(&json(&written)),
        _ => json(&with_entities(&written)),
    };
    let sent = log(
        *source,
        &format!("{KEY}={}", percent_encoded(&value, false)),
        &written,
        noise,
    );
    assert!(
        !sent.contains(SECRET),
        "{parameter:?} is denied but sent as {written:?} among {noise:?}\noutput: {sent}"
    );
}

/// The log of an exchange that has `parameter` in a URL, and repeats it as `written` in every place.
fn log(source: u8, parameter: &str, written: &str, noise: &str) -> String {
    let page = format!("{noise} {written} {noise}");
    // No server lets a line break into a header.
    let header = if page.contains(char::is_control) {
        percent_encoded(&page, false)
    } else {
        native(&page)
    };
    let answer = serde_json::to_string(&serde_json::json!({"a": page, "b": [{"c": written}]}));
    let answer = answer.unwrap();
    // Fields are searched as they are decoded: a character that cuts a field into parameters cuts the value, too.
    let field = if written.contains(['&', ';', '#', '?', '=', '{', '[', '"', '/']) {
        percent_encoded(&page, false)
    } else {
        page.clone()
    };
    let form = format!("a={}", percent_encoded(&field, true));
    let multipart =
        format!("--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n{field}\r\n--B--\r\n");
    let (request_type, request_body) = match source >> 2 & 3 {
        0 => ("text/plain", &*page),
        1 => ("application/json", &*answer),
        2 => ("application/x-www-form-urlencoded", &*form),
        _ => ("multipart/form-data; boundary=B", &*multipart),
    };
    let (response_type, response_body) = match source >> 4 & 1 {
        0 => ("text/html; charset=utf-8", &*page),
        _ => ("application/json", &*answer),
    };
    let url = format!("https://host/path?a=1&{parameter}");
    let of_source = |number: u8, text: &str| {
        let is_it = source & 3 == number;
        if is_it {
            text.to_owned()
        } else {
            String::new()
        }
    };
    let query = of_source(0, &format!("a=1&{parameter}")) + &of_source(3, parameter);
    let request_headers = [
        ("CONTENT_TYPE", request_type.to_owned()),
        ("HTTP_REFERER", of_source(1, &url)),
        ("HTTP_X_SEEN", header.clone()),
        ("HTTP_X_URL", format!("https://host/path?b={header}")),
    ];
    let response_headers = [
        ("Content-Type", response_type.to_owned()),
        ("Location", of_source(2, &url)),
        ("X-Seen", header.clone()),
        ("Link", format!("<https://host/path?b={header}>; rel=next")),
    ];
    let exchange = Exchange {
        route: None,
        log_id: "0b5a4a9c-8a5e-4a5e-9a5e-0123456789ab",
        group: Group {
            id: "deadbeef",
            label: None,
            email: None,
        },
        started_unix_ms: 0,
        duration_ms: 0,
        request: Request {
            method: "POST".into(),
            scheme: "https".into(),
            host: "host".into(),
            path: b"/path"[..].into(),
            raw_path: None,
            query: query.as_bytes().into(),
            protocol: "HTTP/1.1".into(),
            client_address: "192.0.2.1".into(),
            headers: request_headers.map(|(n, v)| (n.into(), v.into())).into(),
            body: captured(request_body),
        },
        response: Response {
            status: "200 OK".into(),
            headers: response_headers.map(|(n, v)| (n.into(), v.into())).into(),
            body: captured(response_body),
        },
    };
    let encoder = Encoder::new(rules(false), false, 1 << 20, "fuzz");
    let mut entry = Vec::new();
    encoder.encode(&exchange, Bodies::Kept, &mut entry);
    let mut batch = Builder::new(usize::MAX, 0);
    assert!(batch.take(&entry));
    let batch = batch.finish();
    assert_eq!(batch.count, 1);
    String::from_utf8(batch.json).unwrap()
}

fn captured(text: &str) -> Captured<'_> {
    Captured {
        bytes: Some(text.as_bytes().into()),
        size_bytes: Some(text.len() as u64),
        is_unwanted: false,
    }
}

/// One character for each byte, as a server hands over a header.
fn native(text: &str) -> String {
    text.bytes().map(char::from).collect()
}

/// `text` with everything but letters and digits percent-encoded; a blank becomes `+` in a form.
fn percent_encoded(text: &str, is_form: bool) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' if is_form => encoded.push('+'),
            _ if byte.is_ascii_alphanumeric() => encoded.push(char::from(byte)),
            _ => encoded.extend(["%".to_owned(), format!("{byte:02X}")]),
        }
    }
    encoded
}

fn with_entities(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#x27;")
}

/// `text` with every character but letters and digits as a numeric entity, as some template engines write it.
fn with_numbers(text: &str) -> String {
    let mut encoded = String::new();
    for character in text.chars() {
        if character.is_ascii_alphanumeric() {
            encoded.push(character);
        } else if u32::from(character).is_multiple_of(2) {
            write!(encoded, "&#x{:X};", u32::from(character)).unwrap();
        } else {
            write!(encoded, "&#{};", u32::from(character)).unwrap();
        }
    }
    encoded
}

/// `text` as the inside of a JSON string, with quotes, slashes, `<>&'=+` and all beyond ASCII escaped, as some encoders do.
fn json(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '"' | '\\' | '/' => escaped.extend(['\\', character]),
            ' '..='~' if !"<>&'=+".contains(character) => escaped.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(escaped, "\\u{unit:04x}").unwrap();
                }
            }
        }
    }
    escaped
}
