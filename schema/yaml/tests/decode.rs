//! Typed reading: what each type takes, and that every mistake is reported once, with its place.

#![allow(clippy::format_collect, clippy::format_push_string)]

use serde::Deserialize;
use std::collections::BTreeMap;
use tenantry_yaml::{Limits, LineIndex, Problem, ProblemKind, from_str};

#[derive(Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
struct Name(String);

impl TryFrom<String> for Name {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') {
            Ok(Self(text))
        } else {
            Err(format!("`{text}` is not a name"))
        }
    }
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Running,
    Stopped,
    Secret(String),
    At { hour: u8 },
    Pair(u8, u8),
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Tool {
    env: BTreeMap<String, String>,
    state: Option<State>,
    replicas: u8,
    list: Vec<Name>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    plan: Name,
    domain: String,
    #[serde(default)]
    tools: BTreeMap<Name, Tool>,
    note: Option<String>,
    #[serde(default)]
    live: bool,
    #[serde(default)]
    share: Option<f64>,
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Vec<Problem>> {
    from_str(text, &Limits::default())
}

/// Each problem as `line:column path: message`.
fn problems<T: serde::de::DeserializeOwned + std::fmt::Debug>(text: &str) -> Vec<String> {
    let index = LineIndex::new(text);
    read::<T>(text)
        .expect_err("should be refused")
        .iter()
        .map(|problem| {
            let at = index.position(problem.span.start);
            format!("{}:{} {problem}", at.line, at.column)
        })
        .collect()
}

#[test]
fn a_good_order() {
    let order: Order = read(
        "plan: pro\ndomain: no\nnote:\nlive: true\nshare: 10\ntools:\n  html:\n  umami: {state: stopped, env: {A: 0755, B: 1:30, C: on, D: 1.10, E: 2026-11-21}}\n  ghost:\n    state: {secret: x}\n    list: [a, b]\n",
    )
    .unwrap();
    assert_eq!(order.domain, "no");
    assert_eq!(order.note, None);
    assert_eq!(order.share, Some(10.0));
    assert_eq!(order.tools[&Name("html".into())], Tool::default());
    let umami = &order.tools[&Name("umami".into())];
    let env: Vec<&str> = umami.env.values().map(String::as_str).collect();
    assert_eq!(env, ["0755", "1:30", "on", "1.10", "2026-11-21"]);
    assert_eq!(umami.state, Some(State::Stopped));
    let ghost = &order.tools[&Name("ghost".into())];
    assert_eq!(ghost.state, Some(State::Secret("x".into())));
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Eq for Name {}
impl Ord for Name {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

#[test]
fn every_mistake_once_and_in_order() {
    let text = "plan: Pro!\ndomian: acme.example\nlive: yes\ntools:\n  Html: {}\n  umami:\n    sate: stopped\n    replicas: 300\n    list:\n      - ok\n      - Not\n      - fine\n      - No Way\n  ghost: {state: runing}\n";
    assert_eq!(
        problems::<Order>(text),
        [
            "1:7 plan: `Pro!` is not a name",
            "2:1 domian: unknown key `domian`",
            "3:7 live: expected `true` or `false`, found `yes`",
            "5:3 tools.Html: `Html` is not a name",
            "7:5 tools.umami.sate: unknown key `sate`",
            "8:15 tools.umami.replicas: `300` is out of range, possible are 0 to 255",
            "11:9 tools.umami.list[1]: `Not` is not a name",
            "13:9 tools.umami.list[3]: `No Way` is not a name",
            "14:18 tools.ghost.state: unknown value `runing`",
        ]
    );
}

#[test]
fn help_tells_how_to_mend_it() {
    let help = |text: &str| {
        let problems = read::<Order>(&format!("plan: a\ndomain: b\n{text}\n")).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems[0].help.clone().unwrap_or_default()
    };
    assert_eq!(help("tols: {}"), "did you mean `tools`?");
    assert_eq!(
        help("zzz: {}"),
        "possible keys: `plan`, `domain`, `tools`, `note`, `live`, `share`"
    );
    assert_eq!(help("live: off"), "write `false`");
    assert_eq!(help("live: \"true\""), "leave out the quotes");
    assert_eq!(help("tools: {a: {replicas: '1'}}"), "leave out the quotes");
    assert_eq!(
        help("tools: {a: {replicas: 0x1f}}"),
        "write the number in decimal"
    );
    assert!(help("tools: {a: {replicas: 0755}}").contains("decimal without leading zeros"));
    assert_eq!(
        help("tools: {a: {env: {A: null}}}"),
        "write \"null\" in quotes if the word is meant"
    );
    assert_eq!(
        help("tools: {a: {state: secret}}"),
        "write `{ secret: ... }`"
    );
}

#[test]
fn gaps_are_all_found_and_what_follows_from_others_is_not() {
    assert_eq!(
        problems::<Order>("note: x\n"),
        [
            "1:1 the key `plan` is missing",
            "1:1 the key `domain` is missing"
        ]
    );
    assert_eq!(
        problems::<Order>(""),
        [
            "1:1 the key `plan` is missing",
            "1:1 the key `domain` is missing"
        ]
    );
    // `plan` is wrong, not missing; its misspelling neither.
    assert_eq!(problems::<Order>("plan: [a]\ndomain: x\n").len(), 1);
    assert_eq!(problems::<Order>("plna: a\ndomain: x\n").len(), 1);
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Deep {
        items: Vec<Order>,
    }
    assert_eq!(
        problems::<Deep>("items:\n  - plan: a\n  - domain: b\n  - 7\n"),
        [
            "2:5 items[0]: the key `domain` is missing",
            "3:5 items[1]: the key `plan` is missing",
            "4:5 items[2]: expected a mapping, found `7`",
        ]
    );
}

#[test]
fn a_check_over_the_whole_is_not_run_on_what_is_half_hidden() {
    #[derive(Debug, Deserialize)]
    struct Raw {
        from: u8,
        to: u8,
    }
    #[derive(Debug, Deserialize)]
    #[serde(try_from = "Raw")]
    struct Range;
    impl TryFrom<Raw> for Range {
        type Error = &'static str;
        fn try_from(raw: Raw) -> Result<Self, Self::Error> {
            if raw.from < raw.to {
                Ok(Self)
            } else {
                Err("`from` must be below `to`")
            }
        }
    }
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Both {
        a: Range,
        b: Range,
    }
    assert_eq!(
        problems::<Both>("a: {from: 3, to: 2}\nb: {from: x, to: 0}\n"),
        [
            "1:1 a: `from` must be below `to`",
            "2:11 b.from: expected a whole number, found `x`"
        ]
    );
    assert_eq!(
        problems::<Both>("a: {from: 3}\nb: {from: 1, to: 2}\n"),
        ["1:1 a: the key `to` is missing"]
    );
}

#[test]
fn enums_in_all_shapes() {
    let state = |text: &str| read::<State>(text);
    assert_eq!(state("running").unwrap(), State::Running);
    assert_eq!(state("{running: }").unwrap(), State::Running);
    assert_eq!(state("at: {hour: 3}").unwrap(), State::At { hour: 3 });
    assert_eq!(state("pair: [1, 2]").unwrap(), State::Pair(1, 2));
    assert_eq!(
        problems::<State>("pair: [1, 2, 3]"),
        ["1:1 pair: 3 items, expected 2"]
    );
    assert_eq!(
        problems::<State>("at: {hour: x}"),
        ["1:12 at.hour: expected a whole number, found `x`"]
    );
    assert_eq!(problems::<State>("{at: {}, pair: []}").len(), 1);
    assert_eq!(
        problems::<State>("stoped: x"),
        ["1:1 unknown value `stoped`"]
    );
    assert_eq!(problems::<State>("[a]").len(), 1);
}

#[test]
fn an_enum_that_holds_itself_first_ends() {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    enum Rule {
        Not(Box<Rule>),
    }
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Holder {
        rule: Rule,
        other: u8,
    }
    assert_eq!(problems::<Holder>("x: 1").len(), 1);
}

#[test]
fn flatten_and_untagged_work_as_far_as_serde_lets_them() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner {
        a: u8,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Outer {
        b: String,
        #[serde(flatten)]
        inner: Inner,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(i64),
        Text(String),
        List(Vec<String>),
    }
    assert_eq!(
        read::<Outer>("a: 1\nb: x\n").unwrap(),
        Outer {
            b: "x".into(),
            inner: Inner { a: 1 }
        }
    );
    assert_eq!(read::<Vec<Either>>("[1, x, [y]]").unwrap().len(), 3);
    assert_eq!(problems::<Vec<Either>>("[1, {a: b}]").len(), 1);
}

#[test]
fn numbers_at_their_edges() {
    assert_eq!(
        read::<Vec<i8>>("[-128, 127, +5, 0]").unwrap(),
        [-128, 127, 5, 0]
    );
    assert_eq!(read::<u64>("18446744073709551615").unwrap(), u64::MAX);
    assert_eq!(read::<i64>("-9223372036854775808").unwrap(), i64::MIN);
    for bad in [
        "-1",
        "256",
        "1.0",
        "1e2",
        "",
        "1_0",
        "--1",
        "0755",
        "0o7",
        "99999999999999999999999999999999999999999",
    ] {
        assert!(read::<u8>(bad).is_err(), "{bad}");
    }
    assert_eq!(
        read::<Vec<f64>>("[1, 1.5, -.5, 1e3]").unwrap(),
        [1.0, 1.5, -0.5, 1000.0]
    );
    for bad in ["inf", "NaN", "'1'", "1,5", "0x1"] {
        assert!(read::<f64>(bad).is_err(), "{bad}");
    }
}

#[test]
fn at_most_twenty_and_the_tree_s_own_problems_beside_the_types() {
    let text: String = (0..60).map(|n| format!("- X{n}\n")).collect();
    assert_eq!(read::<Vec<Name>>(&text).unwrap_err().len(), 20);
    let found = read::<Order>("plan: a\nplan: b\ndomain: x\nlive: 3\n").unwrap_err();
    assert_eq!(found.len(), 2);
    assert!(matches!(found[0].kind, ProblemKind::DuplicateKey { .. }));
    assert!(matches!(found[1].kind, ProblemKind::WrongType { .. }));
}
