//! What the request's thread pays in the core: encoding one exchange, and encoding and pushing it.
//!
//! ```sh
//! cargo bench --no-default-features --bench encode
//! ```

#![allow(clippy::unwrap_used)] // a bench that cannot push has nothing to measure

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use readme_metrics_core::batch::Builder;
use readme_metrics_core::exchange::{Captured, Exchange, Group, Request, Response};
use readme_metrics_core::har::{Bodies, Encoder};
use readme_metrics_core::queue::{Options, Queue};
use readme_metrics_core::rules::Rules;

const HEADERS: [&str; 12] = [
    "HTTP_HOST",
    "HTTP_USER_AGENT",
    "HTTP_ACCEPT",
    "HTTP_ACCEPT_ENCODING",
    "HTTP_ACCEPT_LANGUAGE",
    "HTTP_CACHE_CONTROL",
    "HTTP_CONNECTION",
    "HTTP_COOKIE",
    "HTTP_ORIGIN",
    "HTTP_REFERER",
    "HTTP_AUTHORIZATION",
    "HTTP_X_REQUEST_ID",
];

fn json(size: usize) -> String {
    let mut text = String::from(r#"{"user": "alice", "token": "s3cret", "items": ["#);
    let mut number = 0;
    while text.len() < size.saturating_sub(80) {
        if number > 0 {
            text.push_str(", ");
        }
        let _ = write!(
            text,
            r#"{{"id": {number}, "name": "thing \"{number}\"", "price": {number}.50}}"#
        );
        number += 1;
    }
    text.push_str(r#"], "note": "the end"}"#);
    text
}

fn exchange(body: &str) -> Exchange<'_> {
    let captured = || Captured {
        bytes: Some(body.as_bytes().into()),
        size_bytes: Some(body.len() as u64),
        is_unwanted: false,
    };
    let mut headers = vec![
        ("CONTENT_TYPE".into(), "application/json".into()),
        ("CONTENT_LENGTH".into(), "1024".into()),
    ];
    headers.extend(HEADERS.map(|name| (name.into(), "the value of some header".into())));
    Exchange {
        log_id: "0b5a4a9c-8a5e-4a5e-9a5e-0123456789ab",
        group: Group {
            id: "customer-0001",
            label: Some("Customer"),
            email: Some("customer@example.com"),
        },
        started_unix_ms: 1_700_000_000_123,
        duration_ms: 42,
        route: None,
        request: Request {
            method: "POST".into(),
            scheme: "https".into(),
            host: "api.example.com".into(),
            path: b"/v1/things"[..].into(),
            raw_path: None,
            query: b"page=2&token=abc"[..].into(),
            protocol: "HTTP/1.1".into(),
            client_address: "203.0.113.9".into(),
            headers,
            body: captured(),
        },
        response: Response {
            status: "200 OK".into(),
            headers: vec![
                ("Content-Type".into(), "application/json".into()),
                ("Content-Length".into(), "1024".into()),
            ],
            body: captured(),
        },
    }
}

fn encoder() -> Encoder {
    let denylist = [
        "password",
        "token",
        "secret",
        "ssn",
        "card",
        "x-api-key",
        "authorization",
        "cookie",
        "pin",
        "iban",
    ];
    Encoder::new(
        Rules::new(&denylist.map(String::from), None, false),
        false,
        8 << 20,
        "x86_64-linux6.1/3.11.7",
    )
}

fn encode(criterion: &mut Criterion) {
    let encoder = encoder();
    for (label, size) in [
        ("none", 0),
        ("1 KB", 1 << 10),
        ("100 KB", 100 << 10),
        ("1 MB", 1 << 20),
    ] {
        let body = if size == 0 { String::new() } else { json(size) };
        let exchange = exchange(&body);
        let mut group = criterion.benchmark_group("exchange");
        group.throughput(Throughput::Bytes(2 * body.len() as u64));
        let mut out = Vec::new();
        encoder.encode(&exchange, Bodies::Kept, &mut out);
        let entry = out.clone();
        group.bench_function(format!("encode, body {label}"), |bencher| {
            bencher.iter(|| {
                out.clear();
                encoder.encode(black_box(&exchange), Bodies::Kept, &mut out);
            });
        });
        let rung = tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .unwrap();
        let queue = Queue::open(&Options {
            directories: vec![rung.path().to_owned()],
            name: "bench".to_owned(),
            max_bytes: 16 << 20,
            label: String::new(),
        });
        group.bench_function(
            format!("encode, push, peek, release, body {label}"),
            |bencher| {
                bencher.iter(|| {
                    out.clear();
                    encoder.encode(black_box(&exchange), Bodies::Kept, &mut out);
                    queue.push(&out).unwrap();
                    let peek = queue.peek(1, |_| true).unwrap();
                    queue.release(peek);
                });
            },
        );
        group.bench_function(format!("JSON for the POST, body {label}"), |bencher| {
            bencher.iter(|| {
                let mut batch = Builder::new(usize::MAX, entry.len() * 3 / 2);
                batch.take(&entry);
                batch.finish()
            });
        });
    }
}

criterion_group!(benches, encode);
criterion_main!(benches);
