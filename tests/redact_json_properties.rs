//! Properties of the redaction of JSON, each against a reference that is too simple to be wrong in the same way.

#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

#[path = "common/redaction.rs"]
mod redaction;

use std::fmt::Write as _;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use readme_metrics_core::redact::{Unpacked, response_body};
use readme_metrics_core::rules::Rules;
use redaction::{body, given, is_denied, key, list};
use serde_json::{Value, json};

fn filter_json(rules: &Rules, text: &str) -> String {
    let body = Unpacked::new(body("application/json", text.as_bytes()));
    response_body(rules, &body).to_string()
}

fn redacted(value: &Value) -> Value {
    match value {
        Value::String(string) => json!(format!("[REDACTED {}]", string.chars().count())),
        _ => json!("[REDACTED]"),
    }
}

/// Redacts objects at the top level, alone or in arrays, member by member. A scalar there has no name that allows it.
fn redact_top_level(value: &mut Value, deny: &[String], allow: &[String]) {
    match value {
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| redact_top_level(item, deny, allow)),
        Value::Object(members) => {
            for (_, value) in members
                .iter_mut()
                .filter(|(key, _)| is_denied(deny, allow, key))
            {
                *value = redacted(value);
            }
        }
        scalar if deny.is_empty() && !allow.is_empty() => *scalar = redacted(scalar),
        _ => {}
    }
}

fn document() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|n| Value::from(f64::from(n) / 8.0)),
        // The cases test documents inside strings.
        any::<String>().prop_map(|text| if text.contains(['{', '[']) {
            format!("-{text}")
        } else {
            text
        }
        .into()),
    ];
    scalar.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((key(), inner), 0..6).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// Writes a value with spaces and escaped characters wherever `noise` puts them.
fn write_json(value: &Value, noise: &mut impl Iterator<Item = u8>) -> String {
    let mut blank = || ["", "", "", " ", "\n\t", "\r\n  "][usize::from(noise.next().unwrap()) % 6];
    let (before, after) = (blank(), blank());
    let text = match value {
        Value::String(string) => write_string(string, noise),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| write_json(item, noise)).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(members) => {
            let member = |(key, value): (&String, &Value)| {
                let key = write_json(&json!(key), noise);
                format!("{key}:{}", write_json(value, noise))
            };
            format!(
                "{{{}}}",
                members.iter().map(member).collect::<Vec<_>>().join(",")
            )
        }
        _ => value.to_string(),
    };
    format!("{before}{text}{after}")
}

fn write_string(string: &str, noise: &mut impl Iterator<Item = u8>) -> String {
    let mut written = String::from("\"");
    for character in string.chars() {
        if noise.next().unwrap().is_multiple_of(4) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(written, "\\u{unit:04X}").unwrap();
            }
        } else {
            let quoted = json!(character.to_string()).to_string();
            written.push_str(&quoted[1..quoted.len() - 1]);
        }
    }
    written + "\""
}

/// Fragments that, put together at random, are JSON often enough.
fn soup() -> impl Strategy<Value = String> {
    let fragments = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"password\"",
        "\"\\u0061\"",
        "\"\\\\\"",
        "\"\\\"\"",
        "\"\\x\"",
        "\"",
        "\\",
        "1",
        "-0.5e+1",
        "01",
        "1.",
        "-",
        "true",
        "false",
        "null",
        "nul",
        " ",
        "\n",
        "\u{b}",
        "\0",
        "é",
        "\"é\"",
        "/",
        "{\"a\":",
        "[1,",
        "]}",
        "}]",
    ];
    // Blanks push what follows over the edges of the blocks in which JSON is read.
    let blanks = (0..130_usize).prop_map(|n| " ".repeat(n));
    let soup = || vec(select(fragments.to_vec()), 0..12).prop_map(|found| found.concat());
    (soup(), blanks, soup()).prop_map(|(before, blanks, after)| before + &blanks + &after)
}

/// Documents with one byte changed, cut out or doubled.
fn damaged() -> impl Strategy<Value = String> {
    (
        document(),
        any::<proptest::sample::Index>(),
        any::<u8>(),
        0..3,
    )
        .prop_map(|(value, at, byte, how)| {
            let mut bytes = value.to_string().into_bytes();
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, bytes[at]),
            }
            String::from_utf8_lossy(&bytes).into_owned()
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..Default::default() })]

    /// Against `serde_json`, member by member.
    #[test]
    fn json_members_at_the_top_level(value in document(), deny in list(), allow in list(), noise in vec(any::<u8>(), 50)) {
        let text = write_json(&value, &mut noise.into_iter().cycle());
        let rules = Rules::new(&deny, given(&allow), false);
        let mut expected = value;
        redact_top_level(&mut expected, &deny, &allow);
        let got: Value = serde_json::from_str(&filter_json(&rules, &text)).unwrap();
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn json_members_at_every_depth(value in document(), deny in list(), allow in list(), noise in vec(any::<u8>(), 50)) {
        fn redact(value: &mut Value, is_named: bool, is_denied: &impl Fn(&str) -> bool) {
            match value {
                Value::Array(items) => items.iter_mut().for_each(|item| redact(item, is_named, is_denied)),
                Value::Object(members) => {
                    for (key, value) in members {
                        if is_denied(key) { *value = redacted(value) } else { redact(value, true, is_denied) }
                    }
                }
                scalar if !is_named => *scalar = redacted(scalar),
                _ => {}
            }
        }
        let text = write_json(&value, &mut noise.into_iter().cycle());
        let rules = Rules::new(&deny, given(&allow), true);
        let mut expected = value;
        let is_named = !deny.is_empty() || allow.is_empty();
        redact(&mut expected, is_named, &|key| is_denied(&deny, &allow, key));
        let got: Value = serde_json::from_str(&filter_json(&rules, &text)).unwrap();
        prop_assert_eq!(got, expected);
    }

    /// What is kept is kept to the byte, blanks and escapes included, and so are duplicates.
    #[test]
    fn json_is_verbatim(members in vec((key(), document()), 0..8), deny in vec(key(), 1..4), noise in vec(any::<u8>(), 50)) {
        let mut noise = noise.into_iter().cycle();
        let (mut text, mut expected) = ("{".to_owned(), "{".to_owned());
        for (i, (key, value)) in members.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            let key_text = write_json(&json!(key), &mut noise);
            let value_text = write_json(value, &mut noise);
            write!(text, "{comma}{key_text}:{value_text}").unwrap();
            let kept = value_text.trim();
            let written = if is_denied(&deny, &[], key) { redacted(value).to_string() } else { kept.to_owned() };
            let written = value_text.replacen(kept, &written, 1);
            write!(expected, "{comma}{key_text}:{written}").unwrap();
        }
        let rules = Rules::new(&deny, None, false);
        prop_assert_eq!(filter_json(&rules, &(text + "}")), expected + "}");
    }

    /// Neither more nor less is understood than `serde_json` understands.
    #[test]
    fn json_is_what_serde_takes_for_it(text in prop_oneof![soup(), damaged()]) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let rules = Rules::new(&["password".to_owned()], None, false);
        let is_understood = !filter_json(&rules, text).starts_with("[WITHHELD");
        let parsed = serde_json::from_str::<Value>(text);
        let is_out_of_range = |error: &serde_json::Error| error.to_string().starts_with("number out of range");
        prop_assume!(!parsed.as_ref().is_err_and(is_out_of_range));
        let is_json = parsed.is_ok();
        prop_assert_eq!(is_understood, is_json || text.trim_ascii().is_empty());
    }

    /// Values that no list applies to are judged, too: one mistake anywhere, at any offset from where reading began.
    #[test]
    fn what_is_skipped_is_judged_like_the_rest(
        value in document(),
        offset in 0..140_usize,
        at in any::<prop::sample::Index>(),
        is_removed: bool,
        inserted in select(vec!["", "", "{", "}", "[", "]", ",", ":", "\"", "\"a\"", "\\", "1", "-", "0", ".", "e", "true", "n", " ", "\u{1}"]),
    ) {
        let mut skipped = value.to_string();
        let at = at.index(skipped.len() + 1);
        let at = (0..=at).rfind(|&at| skipped.is_char_boundary(at)).unwrap();
        if is_removed && at < skipped.len() {
            skipped.remove(at);
        }
        skipped.insert_str(at, inserted);
        let text = |last| format!("{{\"k\":[{:offset$}{skipped}],\"password\":{last}}}", "");
        let sent = text("1");
        let got = filter_json(&Rules::new(&["password".to_owned()], None, false), &sent);
        let expected = match serde_json::from_str::<Value>(&sent) {
            Ok(_) => text("\"[REDACTED]\""),
            Err(error) if error.to_string().starts_with("number out of range") => return Ok(()),
            Err(_) => format!("[WITHHELD {} bytes: not valid JSON]", sent.len()),
        };
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn json_cut_off_anywhere_is_withheld(members in vec((key(), document()), 1..4), nested: bool) {
        let text = Value::from_iter(members).to_string();
        let rules = Rules::new(&["password".to_owned()], None, nested);
        for end in (1..text.len()).filter(|&end| text.is_char_boundary(end)) {
            let got = filter_json(&rules, &text[..end]);
            prop_assert_eq!(got, format!("[WITHHELD {end} bytes: not valid JSON]"));
        }
    }
}
