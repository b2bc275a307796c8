//! JSON filtering in bytes per second, with a denylist of ten keys: `cargo bench --no-default-features --bench redact`.
//!
//! `records` is what APIs answer with, a list of small objects; `flat` is one wide object, so that every key is looked up;
//! `text` is one long string. `passed` is `records` without a list: the cost of checking UTF-8 alone.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use readme_metrics_core::redact::{Body, Unpacked, response_body};
use readme_metrics_core::rules::Rules;

const DENYLIST: [&str; 10] = [
    "password",
    "token",
    "secret",
    "api_key",
    "authorization",
    "ssn",
    "card_number",
    "cvv",
    "access_token",
    "refresh_token",
];

const SIZES: [(&str, usize); 3] = [("1 KB", 1_000), ("100 KB", 100_000), ("1 MB", 1_000_000)];

/// Repeats what `item` writes, between `start` and `end`, up to `size` bytes.
fn body(size: usize, start: &str, end: &str, item: impl Fn(usize) -> String) -> String {
    let mut body = start.to_owned();
    for i in 0.. {
        let next = item(i);
        if body.len() + next.len() + end.len() + 1 > size && i > 0 {
            break;
        }
        if i > 0 {
            body.push(',');
        }
        body.push_str(&next);
    }
    body + end
}

fn records(size: usize) -> String {
    let start = r#"{"status":"ok","password":"hunter2","items":["#;
    body(size, start, r#"],"token":"d41d8cd98f00b204"}"#, |i| {
        format!(
            r#"{{"id":{i},"name":"Product number {i}","price":{i}.99,"in_stock":true,"tags":["red","large","cotton"],"description":"A rather good product, with a \"quoted\" word in it.","maker":{{"name":"ACME","country":"NL"}},"password":null}}"#
        )
    })
}

fn flat(size: usize) -> String {
    body(size, "{", "}", |i| match i % 10 {
        0 => format!(r#""token":"{i:032}""#),
        _ => format!(r#""field_{i}":"value {i}""#),
    })
}

fn text(size: usize) -> String {
    format!(
        r#"{{"password":"hunter2","text":"{}"}}"#,
        "Lorem ipsum dolor. ".repeat(size / 19)
    )
}

/// A name, the rules, and what makes a body of some size.
type Run<'r> = (&'static str, &'r Rules, fn(usize) -> String);

fn redact(criterion: &mut Criterion) {
    let denylist = DENYLIST.map(str::to_owned);
    let top_level = Rules::new(&denylist, None, false);
    let nested = Rules::new(&denylist, None, true);
    let none = Rules::new(&[], None, false);
    let runs: [Run; 5] = [
        ("records", &top_level, records),
        ("flat", &top_level, flat),
        ("text", &top_level, text),
        ("records, nested", &nested, records),
        ("records, passed", &none, records),
    ];
    for (name, rules, make) in runs {
        let mut group = criterion.benchmark_group(name);
        group.warm_up_time(Duration::from_secs(1));
        group.measurement_time(Duration::from_secs(2));
        for (label, size) in SIZES {
            let text = make(size);
            let mut out = Vec::with_capacity(2 * text.len());
            group.throughput(Throughput::Bytes(text.len() as u64));
            group.bench_function(BenchmarkId::from_parameter(label), |bencher| {
                bencher.iter(|| {
                    let body = Body {
                        content_type: Some("application/json"),
                        content_encoding: None,
                        bytes: black_box(text.as_bytes()),
                        size: text.len() as u64,
                        truncated: false,
                        max_bytes: 1 << 20,
                    };
                    out.clear();
                    response_body(rules, &Unpacked::new(body)).write_to(&mut out);
                    out.len()
                });
            });
        }
    }
}

criterion_group!(benches, redact);
criterion_main!(benches);
