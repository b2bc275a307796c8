//! Rules judged in three steps, against a reference that knows everything at once.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::ref_option
)]

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use readme_metrics_core::selection::{
    Action, Answer, Arrival, Conditions, Decision, Patterns, Rule, Selection, Share, Statuses,
    status_code,
};
use uuid::Uuid;

/// What a rule was made of, since a compiled rule does not show it.
#[derive(Clone, Debug)]
struct Source {
    path: Option<Vec<String>>,
    method: Option<Vec<String>>,
    host: Option<Vec<String>>,
    user_agent: Option<Vec<String>>,
    route: Option<Vec<String>>,
    status: Option<Vec<(u16, u16)>>,
    content_type: Option<Vec<String>>,
    slower_than_ms: Option<f64>,
}

#[derive(Clone, Debug)]
struct Request {
    path: String,
    method: String,
    host: String,
    user_agent: String,
    route: Option<String>,
    status: u16,
    content_type: String,
    start_ms: f64,
    end_ms: f64,
}

fn compiled(source: &Source) -> Rule {
    let patterns = |list: &Option<Vec<String>>, ignores_case| {
        list.as_ref().map(|list| Patterns::new(list, ignores_case))
    };
    Rule {
        conditions: Conditions {
            path: patterns(&source.path, false),
            method: patterns(&source.method, true),
            host: patterns(&source.host, true),
            user_agent: patterns(&source.user_agent, true),
            route: patterns(&source.route, false),
            status: source.status.clone().map(Statuses::new),
            content_type: patterns(&source.content_type, true),
            slower_than_ms: source.slower_than_ms,
        },
        action: Action::default(),
    }
}

/// Tries every length for every star.
fn matches_slowly(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|start| matches_slowly(rest, &text[start..])),
        Some((byte, rest)) => text.first() == Some(byte) && matches_slowly(rest, &text[1..]),
    }
}

fn any_matches(patterns: &Option<Vec<String>>, ignores_case: bool, texts: &[&str]) -> bool {
    let fold = |text: &str| {
        if ignores_case {
            text.to_ascii_lowercase()
        } else {
            text.to_owned()
        }
    };
    patterns.as_ref().is_none_or(|patterns| {
        patterns.iter().any(|pattern| {
            texts
                .iter()
                .any(|text| matches_slowly(fold(pattern).as_bytes(), fold(text).as_bytes()))
        })
    })
}

fn decides(source: &Source, request: &Request) -> bool {
    let without_port = request
        .host
        .trim_end_matches(|letter: char| letter.is_ascii_digit())
        .strip_suffix(':')
        .unwrap_or(&request.host);
    let media_type = request.content_type.split(';').next().unwrap().trim();
    any_matches(&source.path, false, &[&request.path])
        && any_matches(&source.method, true, &[&request.method])
        && any_matches(&source.host, true, &[&request.host, without_port])
        && any_matches(&source.user_agent, true, &[&request.user_agent])
        && match &request.route {
            Some(route) => any_matches(&source.route, false, &[route]),
            None => source.route.is_none(),
        }
        && source.status.as_ref().is_none_or(|ranges| {
            ranges
                .iter()
                .any(|&(first, last)| first <= request.status && request.status <= last)
        })
        && any_matches(
            &source.content_type,
            true,
            &[request.content_type.trim(), media_type],
        )
        && source
            .slower_than_ms
            .is_none_or(|limit| request.end_ms > limit)
}

fn patterns() -> impl Strategy<Value = Option<Vec<String>>> {
    of(vec("[abA*/:;1]{0,4}", 0..3))
}

fn texts() -> impl Strategy<Value = String> {
    "[abA/:;1]{0,5}"
}

fn sources() -> impl Strategy<Value = Source> {
    let ranges = of(vec((200u16..204, 200u16..204), 0..3));
    let early = (patterns(), patterns(), patterns(), patterns());
    let late = (patterns(), ranges, patterns(), of(0.0..4.0));
    (early, late).prop_map(
        |((path, method, host, user_agent), (route, status, content_type, slower_than_ms))| {
            Source {
                path,
                method,
                host,
                user_agent,
                route,
                status,
                content_type,
                slower_than_ms,
            }
        },
    )
}

fn requests() -> impl Strategy<Value = Request> {
    let early = (texts(), texts(), texts(), texts());
    let late = (of(texts()), 200u16..204, texts(), 0.0..4.0, 0.0..4.0);
    (early, late).prop_map(
        |((path, method, host, user_agent), (route, status, content_type, start_ms, more_ms))| {
            Request {
                path,
                method,
                host,
                user_agent,
                route,
                status,
                content_type,
                start_ms,
                end_ms: start_ms + more_ms,
            }
        },
    )
}

fn judged(selection: &Selection, request: &Request) -> (usize, Option<usize>) {
    let arrival = Arrival {
        path: request.path.as_bytes(),
        method: &request.method,
        host: &request.host,
        user_agent: &request.user_agent,
    };
    let mut verdict = selection.at_arrival(&arrival);
    for (step, is_over) in [false, true].into_iter().enumerate() {
        let answer = Answer {
            route: request.route.as_deref(),
            status: request.status,
            content_type: &request.content_type,
            elapsed_ms: if is_over {
                request.end_ms
            } else {
                request.start_ms
            },
            is_over,
        };
        match verdict {
            Decision::Final(number) => return (step, number),
            Decision::Open(open) => verdict = selection.at_answer(&open, &answer),
        }
    }
    match verdict {
        Decision::Final(number) => (2, number),
        Decision::Open(open) => panic!("open at the end: {open:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn three_steps_find_the_rule_that_a_look_at_everything_finds(
        sources in vec(sources(), 0..8),
        request in requests(),
    ) {
        let selection = Selection::new(sources.iter().map(compiled).collect());
        let expected = sources.iter().position(|source| decides(source, &request));
        prop_assert_eq!(judged(&selection, &request).1, expected);
    }

    #[test]
    fn a_rule_about_the_arrival_alone_decides_before_the_app(mut source in sources(), request in requests()) {
        source.route = None;
        source.status = None;
        source.content_type = None;
        source.slower_than_ms = None;
        let selection = Selection::new(vec![compiled(&source)]);
        prop_assert_eq!(judged(&selection, &request).0, 0);
    }

    #[test]
    fn patterns_match_as_trying_everything_does(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
        let compiled = Patterns::new(std::slice::from_ref(&pattern), false);
        prop_assert_eq!(compiled.matches(text.as_bytes()), matches_slowly(pattern.as_bytes(), text.as_bytes()));
    }

    #[test]
    fn a_smaller_share_is_part_of_a_larger_one(id in any::<u128>(), a in 0.0..=1.0, b in 0.0..=1.0) {
        let id = Uuid::from_u128(id);
        let (small, large) = if a < b { (a, b) } else { (b, a) };
        prop_assert!(!Share::new(small).keeps(&id) || Share::new(large).keeps(&id));
        prop_assert!(Share::ALL.keeps(&id) && Share::new(1.0).keeps(&id) && !Share::new(0.0).keeps(&id));
    }
}

/// Chi-square over ids, for several shares, with 1 degree of freedom each: 20 is passed by chance once in 100,000 runs.
#[test]
fn a_share_is_what_it_says() {
    const IDS: u32 = 100_000;
    let ids: Vec<Uuid> = (0..IDS).map(|_| Uuid::new_v4()).collect();
    for part in [0.001, 0.01, 0.1, 0.25, 0.5, 0.9, 0.99] {
        let kept = ids.iter().filter(|id| Share::new(part).keeps(id)).count();
        let (kept, expected) = (kept as f64, part * f64::from(IDS));
        let others = f64::from(IDS) - expected;
        let chi_square = (kept - expected).powi(2) * (1.0 / expected + 1.0 / others);
        assert!(chi_square < 20.0, "{part}: {kept} of {IDS} kept");
    }
}

/// Chi-square of the kept ones over 16 ranges of the id's bits that do not decide: 60 is passed once in 400,000 runs.
#[test]
fn what_is_kept_is_spread_evenly() {
    let mut seen = [0u32; 16];
    for id in (0..200_000).map(|_| Uuid::new_v4()) {
        if Share::new(0.2).keeps(&id) {
            seen[usize::from(id.as_bytes()[15] >> 4)] += 1;
        }
    }
    let expected = f64::from(seen.iter().sum::<u32>()) / 16.0;
    let chi_square: f64 = seen
        .iter()
        .map(|&count| (f64::from(count) - expected).powi(2) / expected)
        .sum();
    assert!(chi_square < 60.0, "{seen:?}");
}

#[test]
fn statuses_are_read_as_servers_write_them() {
    assert_eq!(status_code("200 OK"), 200);
    assert_eq!(status_code("404"), 404);
    assert_eq!(status_code("strange"), 0);
    assert_eq!(status_code(""), 0);
}
