//! The core's JSON filter beside the same filter written over `serde_json`, jiter and sonic-rs: `make bench-json`.
//!
//! Each filter redacts ten names at the top level of an object and copies everything else verbatim. All four give the same
//! text for the same body, which is checked before anything is timed. Strictness differs: sonic-rs skips a value without
//! checking it, so its row is a bound, not a candidate.
//!
//! Prints the best of fifteen interleaved rounds, in microseconds per body.

use std::borrow::Cow;
use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

use jiter::{Jiter, Peek};
use readme_metrics_core::redact::{Body, Unpacked, response_body};
use readme_metrics_core::rules::Rules;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

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
const ROUNDS: usize = 15;

/// The text with the value at each range replaced by a marker.
struct Edits<'a> {
    text: &'a str,
    out: String,
    copied: usize,
}

impl<'a> Edits<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            out: String::with_capacity(text.len()),
            copied: 0,
        }
    }

    fn replace(&mut self, start: usize, end: usize, characters: Option<usize>) {
        self.out.push_str(&self.text[self.copied..start]);
        match characters {
            Some(count) => self.out.push_str(&format!("\"[REDACTED {count}]\"")),
            None => self.out.push_str("\"[REDACTED]\""),
        }
        self.copied = end;
    }

    fn finish(mut self) -> String {
        self.out.push_str(&self.text[self.copied..]);
        self.out
    }
}

fn is_denied(name: &str) -> bool {
    DENYLIST.contains(&name)
}

struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;
            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

fn with_serde_json(text: &str) -> String {
    let members: Members = serde_json::from_str(text).expect("valid JSON");
    let mut edits = Edits::new(text);
    for (name, value) in members.0 {
        if is_denied(&name) {
            let raw = value.get();
            let start = raw.as_ptr() as usize - text.as_ptr() as usize;
            let characters = serde_json::from_str::<Cow<str>>(raw)
                .ok()
                .map(|value| value.chars().count());
            edits.replace(start, start + raw.len(), characters);
        }
    }
    edits.finish()
}

fn with_jiter(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut jiter = Jiter::new(bytes);
    let mut edits = Edits::new(text);
    let mut denied = jiter.next_object().expect("an object").map(is_denied);
    while let Some(is_denied_here) = denied {
        let kind = jiter.peek().expect("a value");
        if is_denied_here {
            let start = jiter.current_index();
            // The index points behind the blanks after the colon once the value has been looked at.
            let (characters, end) = if kind == Peek::String {
                let count = jiter.known_str().expect("a string").chars().count();
                (Some(count), jiter.current_index())
            } else {
                jiter.known_skip(kind).expect("a value");
                (None, jiter.current_index())
            };
            edits.replace(start, end, characters);
        } else {
            jiter.known_skip(kind).expect("a value");
        }
        denied = jiter.next_key().expect("a key or the end").map(is_denied);
    }
    jiter.finish().expect("nothing behind the object");
    edits.finish()
}

fn with_sonic_rs(text: &str) -> String {
    use sonic_rs::JsonValueTrait;
    let mut edits = Edits::new(text);
    for member in sonic_rs::to_object_iter(text) {
        let (name, value) = member.expect("valid JSON");
        if is_denied(&name) {
            let raw = value.as_raw_str();
            let start = raw.as_ptr() as usize - text.as_ptr() as usize;
            edits.replace(
                start,
                start + raw.len(),
                value.as_str().map(|value| value.chars().count()),
            );
        }
    }
    edits.finish()
}

fn with_core(rules: &Rules, text: &str) -> String {
    let body = Body {
        content_type: Some("application/json"),
        content_encoding: None,
        bytes: text.as_bytes(),
        size: text.len() as u64,
        truncated: false,
        max_bytes: 1 << 20,
    };
    let mut out = Vec::with_capacity(text.len());
    response_body(rules, &Unpacked::new(body)).write_to(&mut out);
    String::from_utf8(out).expect("the core writes UTF-8")
}

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
    body(
        size,
        r#"{"status":"ok","password":"hunter2","items":["#,
        r#"],"token":"d41d8cd98f00b204"}"#,
        |i| {
            format!(
                r#"{{"id":{i},"name":"Product number {i}","price":{i}.99,"in_stock":true,"tags":["red","large","cotton"],"description":"A rather good product, with a \"quoted\" word in it.","maker":{{"name":"ACME","country":"NL"}},"password":null}}"#
            )
        },
    )
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

fn per_body(work: impl Fn()) -> Duration {
    let start = Instant::now();
    let mut count = 0_u32;
    while start.elapsed() < Duration::from_millis(20) {
        work();
        count += 1;
    }
    start.elapsed() / count
}

fn main() {
    let rules = Rules::new(&DENYLIST.map(str::to_owned), None, false);
    let engines: [(&str, &dyn Fn(&str) -> String); 4] = [
        ("core", &|text| with_core(&rules, text)),
        ("jiter", &with_jiter),
        ("serde_json RawValue", &with_serde_json),
        ("sonic-rs (values not checked)", &with_sonic_rs),
    ];
    println!("| body | {} |", engines.map(|(name, _)| name).join(" | "));
    println!("|---|---|---|---|---|");
    let kinds: [(&str, fn(usize) -> String); 3] = [
        ("records", records),
        ("one wide object", flat),
        ("one long string", text),
    ];
    for (size_name, size) in [("1 KB", 1_000), ("100 KB", 100_000)] {
        for (kind, make) in kinds {
            let body = make(size);
            let expected = with_core(&rules, &body);
            for (name, engine) in engines {
                assert_eq!(engine(&body), expected, "{name} on {kind}");
            }
            let mut best = [Duration::MAX; 4];
            for _ in 0..ROUNDS {
                for (best, (_, engine)) in best.iter_mut().zip(engines) {
                    *best = (*best).min(per_body(|| {
                        black_box(engine(black_box(&body)));
                    }));
                }
            }
            let cells = best
                .map(|time| format!("{:.2}", time.as_secs_f64() * 1e6))
                .join(" | ");
            println!("| {kind}, {size_name} | {cells} |");
        }
    }
}
