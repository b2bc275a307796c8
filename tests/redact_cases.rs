//! Runs the cases of `tests/cases`, which the Python tests run against the reference and against the extension module.

#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use readme_metrics_core::redact::{
    self, Body, Content, Param, Query, Text, Treatment, Unpacked, request_body, response_body,
};
use readme_metrics_core::rules::Rules;
use serde_json::{Value, json};

/// The bytes that a case gives as text, as an object that says how to make them, or as an array of both.
fn bytes(source: &Value) -> Vec<u8> {
    match source {
        Value::String(text) => text.clone().into_bytes(),
        Value::Array(pieces) => pieces.iter().flat_map(bytes).collect(),
        Value::Object(object) => {
            let (how, inner) = object.iter().next().unwrap();
            match how.as_str() {
                "hex" => hex(inner.as_str().unwrap()),
                "latin1" => {
                    let characters = inner.as_str().unwrap().chars();
                    characters.map(|c| u8::try_from(c).unwrap()).collect()
                }
                "repeat" => bytes(inner).repeat(number(&object["times"])),
                "gzip" => compress(
                    GzEncoder::new(Vec::new(), Compression::best()),
                    inner,
                    GzEncoder::finish,
                ),
                "zlib" => compress(
                    ZlibEncoder::new(Vec::new(), Compression::best()),
                    inner,
                    ZlibEncoder::finish,
                ),
                "deflate" => compress(
                    DeflateEncoder::new(Vec::new(), Compression::best()),
                    inner,
                    DeflateEncoder::finish,
                ),
                "utf-16-le" => utf16(inner).flat_map(u16::to_le_bytes).collect(),
                "utf-16-be" => utf16(inner).flat_map(u16::to_be_bytes).collect(),
                "utf-32-le" => utf32(inner).flat_map(u32::to_le_bytes).collect(),
                "utf-32-be" => utf32(inner).flat_map(u32::to_be_bytes).collect(),
                _ => panic!("no way to make bytes: {how}"),
            }
        }
        _ => panic!("no bytes: {source}"),
    }
}

fn hex(digits: &str) -> Vec<u8> {
    let (pairs, _) = digits.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    pairs.iter().map(byte).collect()
}

fn compress<W: std::io::Write>(
    mut encoder: W,
    source: &Value,
    finish: impl Fn(W) -> std::io::Result<Vec<u8>>,
) -> Vec<u8> {
    encoder.write_all(&bytes(source)).unwrap();
    finish(encoder).unwrap()
}

fn utf16(text: &Value) -> impl Iterator<Item = u16> {
    text.as_str().unwrap().encode_utf16()
}

fn utf32(text: &Value) -> impl Iterator<Item = u32> {
    text.as_str().unwrap().chars().map(u32::from)
}

fn number(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn list(value: &Value) -> Vec<String> {
    let entries = value.as_array().into_iter().flatten();
    entries.map(|entry| text(entry).to_owned()).collect()
}

/// The text as `write_to` writes it, which must be what `to_string` gives.
fn written(text: &Text) -> Value {
    let mut out = Vec::new();
    text.write_to(&mut out);
    assert_eq!(out.len(), text.len());
    assert_eq!(out.is_empty(), text.is_empty());
    assert_eq!(out, text.to_string().as_bytes());
    Value::String(text.to_string())
}

/// `[name, value, file name, content type]`, the last two only where there is one of them.
fn params(params: &[Param]) -> Value {
    let param = |param: &Param| match (&param.file_name, &param.content_type) {
        (None, None) => json!([param.name, written(&param.value)]),
        (file, kind) => json!([param.name, written(&param.value), file, kind]),
    };
    params.iter().map(param).collect()
}

fn run(case: &Value) -> Value {
    let rules = Rules::new(
        &list(&case["denylist"]),
        case.get("allowlist").map(list).as_deref(),
        case["nested"] == true,
    );
    let bytes_of = |name: &str| case.get(name).map(bytes).unwrap_or_default();
    let (query, body) = (bytes_of("query"), bytes_of("body"));
    let body = Unpacked::new(Body {
        content_type: case["content_type"].as_str(),
        content_encoding: case["content_encoding"].as_str(),
        bytes: &body,
        size: case["size"].as_u64().unwrap_or(body.len() as u64),
        truncated: case["truncated"] == true,
        max_bytes: case.get("max_bytes").map_or(1 << 20, number),
    });
    match text(&case["call"]) {
        "mask" => json!(redact::mask(text(&case["value"]))),
        "request_header" => {
            let treatment = Treatment::in_request(&rules, text(&case["name"]));
            written(&treatment.apply(&rules, text(&case["value"])))
        }
        "response_header" => {
            let treatment = Treatment::in_response(&rules, text(&case["name"]));
            written(&treatment.apply(&rules, text(&case["value"])))
        }
        "query_params" => params(&Query::new(&rules, &query).params(&rules)),
        "query_text" => Value::from(Query::new(&rules, &query).url_text()),
        "request_body" => match request_body(&rules, &body) {
            Content::Params(found) => params(&found),
            Content::Text(text) => written(&text),
        },
        "response_body" => written(&response_body(&rules, &body)),
        call => panic!("no such call: {call}"),
    }
}

/// A case gives parameters as they are, and text in any of the ways in which it gives bytes.
fn expected(case: &Value) -> Value {
    match &case["expect"] {
        params @ Value::Array(items) if items.iter().all(Value::is_array) => params.clone(),
        source => json!(String::from_utf8(bytes(source)).unwrap()),
    }
}

fn run_file(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/cases")
        .join(name);
    let cases: Vec<Value> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert!(!cases.is_empty());
    let mut failures = String::new();
    for case in &cases {
        let (got, expected) = (run(case), expected(case));
        if got != expected {
            let short = |value: &Value| value.to_string().chars().take(400).collect::<String>();
            let (case, got, expected) = (&case["case"], short(&got), short(&expected));
            writeln!(failures, "{case}\n  got      {got}\n  expected {expected}").unwrap();
        }
    }
    assert!(failures.is_empty(), "{name}:\n{failures}");
}

macro_rules! case_files {
    ($($name:ident),*) => {
        $(#[test]
        fn $name() {
            run_file(concat!(stringify!($name), ".json"));
        })*

        #[test]
        fn no_file_is_left_out() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
            let mut found: Vec<String> = fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            found.sort();
            assert_eq!(found, [$(concat!(stringify!($name), ".json")),*]);
        }
    };
}

case_files!(bodies, forms, headers, json, mask, multipart, nested, urls);
