//! One exchange becomes one log object, read back by a decoder that is not ours.

#![allow(clippy::unwrap_used)] // a helper of the tests may fail like the tests themselves

use readme_metrics_core::batch::Builder;
use readme_metrics_core::exchange::{Captured, Exchange, Group, Request, Response, native_bytes};
use readme_metrics_core::har::{Bodies, Encoder};
use readme_metrics_core::rules::Rules;
use serde_json::{Value, json};

fn encoder(denylist: &[&str]) -> Encoder {
    let denylist: Vec<String> = denylist.iter().map(ToString::to_string).collect();
    Encoder::new(
        Rules::new(&denylist, None, false),
        true,
        1024,
        "x86_64-linux6.1/3.11.7",
    )
}

fn body(text: &str) -> Captured<'_> {
    Captured {
        bytes: Some(text.as_bytes().into()),
        size_bytes: Some(text.len() as u64),
        is_unwanted: false,
    }
}

fn exchange<'a>() -> Exchange<'a> {
    let header = |name: &'a str, value: &'a str| (name.into(), value.into());
    Exchange {
        log_id: "0b5a4a9c-8a5e-4a5e-9a5e-0123456789ab",
        group: Group {
            id: "deadbeef",
            label: Some("Label"),
            email: None,
        },
        started_unix_ms: 1_700_000_000_123,
        duration_ms: 42,
        route: None,
        request: Request {
            method: "POST".into(),
            scheme: "https".into(),
            host: "api.example.com".into(),
            path: native_bytes("/caf\u{c3}\u{a9}/100%"),
            raw_path: None,
            query: b"token=s3cret&page=2"[..].into(),
            protocol: "HTTP/1.1".into(),
            client_address: "203.0.113.9".into(),
            headers: vec![
                header("CONTENT_TYPE", "application/json"),
                header("HTTP_X_API_KEY", "abc"),
            ],
            body: body(r#"{"token": "s3cret", "kept": 1.0}"#),
        },
        response: Response {
            status: "201 Created".into(),
            headers: vec![header("Set-Cookie", "a=1"), header("Set-Cookie", "b=2")],
            body: body("done"),
        },
    }
}

fn decode(encoder: &Encoder, exchange: &Exchange<'_>, bodies: Bodies) -> Value {
    let mut entry = Vec::new();
    encoder.encode(exchange, bodies, &mut entry);
    let decoded: Value = rmp_serde::from_slice(&entry).unwrap();
    // The batch's own transcoder must agree with serde's.
    let mut batch = Builder::new(usize::MAX, 0);
    assert!(batch.take(&entry));
    let batch = batch.finish();
    assert_eq!(
        serde_json::from_slice::<Value>(&batch.json).unwrap(),
        json!([decoded])
    );
    decoded
}

#[test]
fn a_whole_log_object() {
    let log = decode(&encoder(&["token", "x-api-key"]), &exchange(), Bodies::Kept);
    let url = "https://api.example.com/caf%C3%A9/100%25?token=%5BREDACTED%206%5D&page=2";
    assert_eq!(
        log,
        json!({
            "_id": "0b5a4a9c-8a5e-4a5e-9a5e-0123456789ab",
            "_version": 3,
            "group": {
                "id": "sha512-ETo7x4PYUfwDcyFLGep76fo95UHsuf4CbVLGA+jqGcF0zA6XBfi5DTEiEsDDpthFPd+z4xQUCc9L7cjvAzWQtA==?beef",
                "label": "Label",
            },
            "clientIPAddress": "203.0.113.9",
            "development": true,
            "request": {"log": {
                "version": "1.2",
                "creator": {
                    "name": "readme-metrics (python)",
                    "version": env!("CARGO_PKG_VERSION"),
                    "comment": "x86_64-linux6.1/3.11.7",
                },
                "entries": [{
                    "pageref": url,
                    "startedDateTime": "2023-11-14T22:13:20.123Z",
                    "time": 42,
                    "cache": {},
                    "timings": {"send": 0, "wait": 42, "receive": 0},
                    "request": {
                        "method": "POST",
                        "url": url,
                        "httpVersion": "HTTP/1.1",
                        "headers": [
                            {"name": "Content-Type", "value": "application/json"},
                            {"name": "X-Api-Key", "value": "[REDACTED 3]"},
                        ],
                        "headersSize": -1,
                        "queryString": [
                            {"name": "token", "value": "[REDACTED 6]"},
                            {"name": "page", "value": "2"},
                        ],
                        "cookies": [],
                        "bodySize": 32,
                        "postData": {
                            "mimeType": "application/json",
                            "text": r#"{"token": "[REDACTED 6]", "kept": 1.0}"#,
                        },
                    },
                    "response": {
                        "status": 201,
                        "statusText": "Created",
                        "httpVersion": "HTTP/1.1",
                        "headers": [
                            {"name": "Set-Cookie", "value": "a=1"},
                            {"name": "Set-Cookie", "value": "b=2"},
                        ],
                        "cookies": [],
                        "redirectURL": "",
                        "headersSize": -1,
                        "bodySize": 4,
                        "content": {"text": "done", "size": 4, "mimeType": ""},
                    },
                }],
            }},
        })
    );
}

fn entry_of(log: &Value) -> &Value {
    &log["request"]["log"]["entries"][0]
}

#[test]
fn an_entry_without_its_bodies_keeps_their_sizes() {
    let log = decode(&encoder(&[]), &exchange(), Bodies::Dropped);
    let entry = entry_of(&log);
    assert_eq!(entry["request"]["bodySize"], 32);
    assert_eq!(entry["response"]["content"]["size"], 4);
    assert!(!log.to_string().contains("kept"));
}

#[test]
fn a_body_that_nobody_captured_has_no_text_and_the_declared_size() {
    let mut exchange = exchange();
    exchange.response.body = Captured::default();
    exchange
        .response
        .headers
        .push(("content-length".into(), "1234".into()));
    let log = decode(&encoder(&[]), &exchange, Bodies::Kept);
    assert_eq!(
        entry_of(&log)["response"]["content"],
        json!({"size": 1234, "mimeType": ""})
    );
}

#[test]
fn a_denied_content_type_keeps_the_media_type_alone() {
    let mut exchange = exchange();
    exchange.request.headers[0].1 = "application/json; profile=s3cret".into();
    let log = decode(&encoder(&["content-type"]), &exchange, Bodies::Kept);
    let request = &entry_of(&log)["request"];
    assert_eq!(request["postData"]["mimeType"], "application/json");
    assert!(!request["headers"].to_string().contains("s3cret"));
}

#[test]
fn clocks_and_statuses_out_of_range() {
    let mut exchange = exchange();
    exchange.started_unix_ms = u64::MAX;
    exchange.duration_ms = u64::MAX;
    exchange.response.status = "nonsense".into();
    let log = decode(&encoder(&[]), &exchange, Bodies::Kept);
    let entry = entry_of(&log);
    assert_eq!(entry["startedDateTime"], "9999-12-31T23:59:59.999Z");
    assert_eq!(entry["time"], i64::MAX);
    assert_eq!(entry["response"]["status"], 0);
    assert_eq!(entry["response"]["statusText"], "nonsense");
}

/// More names than an encoder remembers. One in three is denied, and some are longer than any that it remembers.
fn header_keys() -> Vec<String> {
    let key = |number: usize| match number % 10 {
        0 => format!("HTTP_X_{}_{number}", "LONG".repeat(20)),
        n if n < 4 => format!("HTTP_{number}_SECRET"),
        _ => format!("HTTP_X_NAME_{number}"),
    };
    (0..2_000).map(key).collect()
}

#[test]
fn what_is_known_of_a_header_is_true_however_many_there_are() {
    let keys = header_keys();
    // What another implementation makes of `HTTP_X_NAME_1`.
    let name = |key: &str| {
        let words = key.split('_').skip(1).map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            first.to_uppercase() + &rest.to_lowercase()
        });
        words.collect::<Vec<_>>().join("-")
    };
    let is_denied = |key: &str| key.ends_with("_SECRET");
    let denied: Vec<_> = keys.iter().filter(|key| is_denied(key)).collect();
    let denied: Vec<_> = denied.iter().map(|key| name(key)).collect();
    let encoder = encoder(&denied.iter().map(String::as_str).collect::<Vec<_>>());
    let check = |keys: &mut dyn Iterator<Item = &String>| {
        let mut exchange = exchange();
        let keys: Vec<_> = keys.collect();
        exchange.request.headers = keys
            .iter()
            .map(|key| (key.as_str().into(), "value".into()))
            .collect();
        let log = decode(&encoder, &exchange, Bodies::Kept);
        let found = entry_of(&log)["request"]["headers"].as_array().unwrap();
        assert_eq!(found.len(), keys.len());
        for (key, header) in keys.iter().zip(found) {
            let value = if is_denied(key) {
                "[REDACTED 5]"
            } else {
                "value"
            };
            assert_eq!(*header, json!({"name": name(key), "value": value}));
        }
    };
    // Several threads at once: all but one of them find the encoder's memory of names in use.
    std::thread::scope(|scope| {
        for step in [1, 3, 7, 11] {
            let (check, keys) = (&check, &keys);
            scope.spawn(move || {
                check(&mut keys.iter().step_by(step));
                check(&mut keys.iter().rev().step_by(step));
                check(&mut keys.iter().take(10).cycle().take(100));
            });
        }
    });
}
