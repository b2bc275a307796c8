//! What the fuzz targets check, a module per target, and what they share: inputs that have secrets in them, and readers that
//! say which of the secrets are denied. `tests/fuzz_corpus.rs` runs the corpus through the same modules.
//!
//! The readers know nothing of the product. They are deliberately lenient: whatever some parser might take for the value of a
//! denied key must not be sent.

pub mod cookies;
pub mod exchange_body;
pub mod form;
pub mod json;
pub mod multipart;
pub mod open_segment;
pub mod repeats;

use std::collections::HashSet;
use std::ops::Range;

use readme_metrics_core::redact::{Body, Content, Param, Unpacked, request_body, response_body};
use readme_metrics_core::rules::Rules;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The key that the targets deny.
pub const KEY: &str = "password";

/// What bytes from 0x80 on stand for, so that mutations move whole tokens about.
const TOKENS: [&str; 40] = [
    "\"password\":",
    "\"p\\u0061ssword\"",
    "\"\\u0070assword\" : ",
    "\"user\":{",
    "password=",
    "p%61ssword=",
    "p%2561ssword=",
    "&password=",
    ";password=",
    "&a=",
    "\r\n--B\r\n",
    "\r\n--B--\r\n",
    "\n--B\n",
    "--B",
    "--B--",
    "\r\n\r\n",
    "\r\n",
    "\n",
    "Content-Disposition: form-data; name=\"password\"",
    "Content-Disposition: form-data; name=\"a\"",
    "Content-Disposition: form-data; name=password",
    "Content-Disposition: form-data;\r\n name=\"password\"",
    "content-disposition:form-data;name*=UTF-8''password",
    "Content-Type: application/json",
    "; filename=\"f\"",
    "NaN",
    "-Infinity",
    "\\\"",
    "\\\\",
    "\\ud800",
    "\\ud83d\\ude00",
    "é",
    "\u{feff}",
    "{",
    "}",
    "[",
    "]",
    "true",
    "null",
    "1e5",
];

/// The text that `data` stands for, with a number in each secret so that they can be told apart.
pub fn expand(data: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut secrets = 0;
    for &byte in data {
        match byte {
            0x80..=0xDF => {
                let token = TOKENS[usize::from(byte - 0x80) % TOKENS.len()];
                text.extend_from_slice(token.as_bytes());
            }
            0xE0..=0xFE => {
                text.extend_from_slice(secret(secrets).as_bytes());
                secrets += 1;
            }
            _ => text.push(byte),
        }
    }
    text
}

fn secret(number: usize) -> String {
    format!("S3cr{number:04}t")
}

/// The secrets in a text.
pub fn secrets(text: &[u8]) -> HashSet<Vec<u8>> {
    let is_secret = |window: &&[u8]| window.starts_with(b"S3cr") && window.ends_with(b"t");
    text.windows(9)
        .filter(is_secret)
        .map(<[u8]>::to_vec)
        .collect()
}

pub fn rules(nested: bool) -> Rules {
    Rules::new(&[KEY.to_owned()], None, nested)
}

/// All that is sent of `body` as the body of a request, and as that of a response.
pub fn sent(rules: &Rules, body: &Body) -> [String; 2] {
    let field = |param: &Param| {
        let Param {
            name,
            value,
            file_name,
            content_type,
        } = param;
        format!("{name}={value}\0{file_name:?}\0{content_type:?}\0")
    };
    let body = &Unpacked::new(*body);
    let request = match request_body(rules, body) {
        Content::Text(text) => text.to_string(),
        Content::Params(params) => params.iter().map(field).collect::<Vec<_>>().concat(),
    };
    [request, response_body(rules, body).to_string()]
}

/// Fails if one of the denied secrets is sent. One that the fuzzer has copied to a second place may be allowed there.
pub fn assert_hidden(denied: &HashSet<Vec<u8>>, input: &[u8], outputs: &[String]) {
    let is_unique =
        |secret: &&Vec<u8>| input.windows(9).filter(|found| found == secret).count() == 1;
    let denied: HashSet<_> = denied.iter().filter(is_unique).cloned().collect();
    for output in outputs {
        let leaked = secrets(output.as_bytes());
        if let Some(secret) = denied.intersection(&leaked).next() {
            let secret = String::from_utf8_lossy(secret);
            let input = String::from_utf8_lossy(input);
            panic!("{secret} is denied but sent\ninput:  {input:?}\noutput: {output:?}");
        }
    }
}

/// The members of a JSON object, duplicates included, each value as it is written.
pub fn json_members(text: &str) -> Option<Vec<(String, Box<RawValue>)>> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(String, Box<RawValue>)>;

        fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some(member) = map.next_entry()? {
                members.push(member);
            }
            Ok(members)
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let members = deserializer.deserialize_map(Members).ok()?;
    deserializer.end().ok()?;
    Some(members)
}

/// The secrets that a JSON parser finds under the denied key, at the top level.
pub fn denied_in_json(text: &[u8]) -> HashSet<Vec<u8>> {
    let Ok(text) = std::str::from_utf8(text) else {
        return HashSet::new();
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let members = json_members(text).unwrap_or_default();
    let denied = members.iter().filter(|(key, _)| key == KEY);
    denied
        .flat_map(|(_, value)| secrets(value.get().as_bytes()))
        .collect()
}

/// The secrets that a form parser finds under the denied name, split at `&` alone or at `;` as well.
pub fn denied_in_form(text: &[u8]) -> HashSet<Vec<u8>> {
    let mut denied = HashSet::new();
    for separators in [&b"&"[..], b"&;"] {
        for pair in text.split(|byte| separators.contains(byte)) {
            let Some(equals) = pair.iter().position(|&byte| byte == b'=') else {
                continue;
            };
            let once = decode(&pair[..equals]);
            if once == KEY.as_bytes() || decode(&once) == KEY.as_bytes() {
                denied.extend(secrets(&pair[equals..]));
            }
        }
    }
    denied
}

fn decode(name: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|&byte| char::from(byte).to_digit(16));
    let mut decoded = Vec::new();
    let mut rest = name;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        decoded.push(match (first, digit(after.first()), digit(after.get(1))) {
            (b'%', Some(high), Some(low)) => {
                rest = &after[2..];
                u8::try_from(high * 16 + low).unwrap()
            }
            (b'+', ..) => b' ',
            _ => first,
        });
    }
    decoded
}

/// The secrets that parsers of `multipart/form-data` with the boundary `B` find under the denied name: one that takes CRLF
/// alone for the end of a line, and one that takes a line feed as well.
pub fn denied_in_multipart(body: &[u8]) -> HashSet<Vec<u8>> {
    let parsers: [(&[u8], &[&[u8]]); 2] =
        [(b"\r\n", &[b"\r\n\r\n"]), (b"\n", &[b"\n\n", b"\n\r\n"])];
    let mut denied = HashSet::new();
    for (line_end, blank_lines) in parsers {
        for part in parts(body, line_end) {
            let part = &body[part];
            let is_blank_line = |&at: &usize| {
                blank_lines
                    .iter()
                    .any(|blank| part[at..].starts_with(blank))
            };
            let Some(at) = (0..part.len()).find(is_blank_line) else {
                continue;
            };
            if is_named_as_denied(&part[..at]) {
                denied.extend(secrets(&part[at..]));
            }
        }
    }
    denied
}

/// Whether a header has a disposition with the denied name, quoted or not, plain or extended.
fn is_named_as_denied(header: &[u8]) -> bool {
    let header = String::from_utf8_lossy(header)
        .to_lowercase()
        .replace('\r', "");
    let unfolded = header.replace("\n ", " ").replace("\n\t", " ");
    unfolded.lines().any(|field| {
        let field = field.replace([' ', '\t', '"'], "");
        let has = |name| field.ends_with(name) || field.contains(&format!("{name};"));
        field.starts_with("content-disposition:form-data;")
            && (has(";name=password") || has(";name*=utf-8''password"))
    })
}

/// What stands between each delimiter line and the next. A part without an end is left out.
fn parts(body: &[u8], line_end: &[u8]) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = None;
    let mut line_start = 0;
    while let Some(line) = body.get(line_start..).filter(|rest| !rest.is_empty()) {
        let found = line
            .windows(line_end.len())
            .position(|window| window == line_end);
        let length = found.unwrap_or(line.len());
        let text = line[..length].trim_ascii_end();
        let next = (line_start + length + line_end.len()).min(body.len());
        if text == b"--B" || text == b"--B--" {
            if let Some(start) = start {
                parts.push(start..line_start);
            }
            start = Some(next);
            if text == b"--B--" {
                break;
            }
        }
        line_start = next;
    }
    parts
}

/// A body with nothing missing.
pub fn body<'a>(content_type: &'a str, bytes: &'a [u8]) -> Body<'a> {
    Body {
        content_type: Some(content_type),
        content_encoding: None,
        bytes,
        size: bytes.len() as u64,
        truncated: false,
        max_bytes: 1 << 16,
    }
}
