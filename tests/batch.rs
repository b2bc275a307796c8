//! Entries become a JSON array; whatever bytes are in the place of one entry, its neighbours are unharmed.

use proptest::prelude::*;
use readme_metrics_core::batch::{Batch, Builder};
use serde_json::{Value, json};

/// The values that an entry is made of.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[ -~]{0,40}".prop_map(Value::from),
        "[\\x00-\\x7f]{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn build(entries: &[&[u8]]) -> Batch {
    let mut batch = Builder::new(usize::MAX, 0);
    assert!(entries.iter().all(|entry| batch.take(entry)));
    batch.finish()
}

proptest! {
    #[test]
    fn every_value_arrives_as_it_was(values in prop::collection::vec(value(), 0..5)) {
        let entries: Vec<_> = values.iter().map(|value| rmp_serde::to_vec(value).unwrap()).collect();
        let batch = build(&entries.iter().map(Vec::as_slice).collect::<Vec<_>>());
        prop_assert_eq!((batch.count, batch.malformed.len()), (values.len(), 0));
        prop_assert_eq!(serde_json::from_slice::<Value>(&batch.json).unwrap(), Value::from(values));
    }

    #[test]
    fn damage_costs_only_the_damaged(noise in prop::collection::vec(any::<u8>(), 0..64), cut in any::<prop::sample::Index>()) {
        let whole = rmp_serde::to_vec(&json!({"_id": "a", "list": [1, 2, {"deep": "\u{1f600}"}]})).unwrap();
        let cut = &whole[..cut.index(whole.len())];
        let batch = build(&[&whole, cut, &noise, &whole]);
        let array: Vec<Value> = serde_json::from_slice(&batch.json).unwrap();
        prop_assert_eq!(array.len(), batch.count);
        prop_assert_eq!(batch.count + batch.malformed.len(), 4);
        prop_assert_eq!(array.first(), array.last());
        prop_assert!(!batch.malformed.is_empty());
    }
}

#[test]
fn depth_is_bounded() {
    let mut deep = vec![0x91; 100_000]; // arrays of one
    deep.push(0xc0);
    let batch = build(&[&deep]);
    assert_eq!(
        (batch.json.as_slice(), batch.malformed.len()),
        (&b"[]"[..], 1)
    );
}

#[test]
fn a_batch_is_bounded_but_never_empty() {
    let entry = rmp_serde::to_vec("0123456789").unwrap();
    for (max_bytes, count) in [(0, 1), (26, 1), (27, 2), (39, 2), (40, 3)] {
        let mut batch = Builder::new(max_bytes, 1 << 40);
        while batch.take(&entry) {}
        let json = batch.finish().json;
        assert!(count == 1 || json.len() <= max_bytes);
        let texts: Vec<String> = serde_json::from_slice(&json).unwrap();
        assert_eq!(texts, vec!["0123456789"; count], "{max_bytes}");
    }
}
