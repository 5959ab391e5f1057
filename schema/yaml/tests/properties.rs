//! Laws: no text brings the reader down, places belong to the text, and what a program writes is read back.

use proptest::prelude::*;
use std::collections::BTreeMap;
use tenantry_yaml::{Kind, Limits, Node, from_str, parse};

fn spans_belong(node: &Node, text: &str) {
    assert!(
        text.get(node.span.start..node.span.end).is_some(),
        "{node:?} in {text:?}"
    );
    match &node.kind {
        Kind::Scalar { .. } => {}
        Kind::Sequence(items) => items.iter().for_each(|item| spans_belong(item, text)),
        Kind::Mapping(entries) => entries.iter().for_each(|(key, value)| {
            spans_belong(key, text);
            spans_belong(value, text);
        }),
    }
}

fn survives(text: &str) {
    match parse(text, &Limits::compose()) {
        Ok(node) => spans_belong(&node, text),
        Err(problems) => {
            assert!(!problems.is_empty());
            for problem in problems {
                assert!(
                    text.get(problem.span.start..problem.span.end).is_some(),
                    "{problem:?} in {text:?}"
                );
            }
        }
    }
    let limits = Limits::default();
    if let Err(problems) = from_str::<BTreeMap<String, Vec<u8>>>(text, &limits) {
        assert!(!problems.is_empty());
    }
    let _ = from_str::<serde_json::Value>(text, &limits);
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        (-1e15..1e15).prop_map(|n: f64| serde_json::Value::from(n)),
        "[ -~äöü\n\t]{0,24}".prop_map(Into::into),
        prop::sample::select(vec![
            "no", "on", "~", "null", "1:30", "0755", "1e3", ".inf", "true", "", "-", "a: b", "# x"
        ])
        .prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map("[a-zA-Z0-9 _.:#-]{1,12}", inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_survives(text in any::<String>()) {
        survives(&text);
    }

    #[test]
    fn yaml_like_text_survives(text in "([a-c]: ?|- |\\n {0,4}|[\\[\\]{},]|&a |\\*a|<<: |\"|'|\\||>|\t|!!?[a-z]* |# |ü|~|\\? |---\n|\r\n|%){0,40}") {
        survives(&text);
    }

    #[test]
    fn what_a_program_writes_is_read_back(value in json()) {
        let text = serde_yaml::to_string(&value).unwrap();
        let limits = Limits { max_bytes: 1 << 22, ..Limits::default() };
        match from_str::<serde_json::Value>(&text, &limits) {
            Ok(read) => prop_assert_eq!(read, value, "{}", text),
            Err(problems) => prop_assert!(false, "{problems:?}\n{text}"),
        }
    }

    #[test]
    fn texts_stay_what_they_are(map in prop::collection::btree_map("[a-z]{1,8}", "[ -~ä]{1,16}", 0..8)) {
        let text = serde_yaml::to_string(&map).unwrap();
        let read = from_str::<BTreeMap<String, String>>(&text, &Limits::default());
        prop_assert_eq!(read.unwrap(), map);
    }
}
