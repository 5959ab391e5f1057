//! Ours against the real `sops`, in both directions. Skipped with a message where the program is not installed, unless
//! `TENANTRY_REQUIRE_PEERS` is set. `SOPS_BIN` names a program that is not on the search path.
#![allow(clippy::unwrap_used, reason = "test helpers outside of test functions")]

mod common;

use common::sops::Peer;
use common::{Keys, at, keys, options, rng, rule, tree};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tenantry_sops::{Change, ExposeSecret, Map, Path, Rule, Segment, SopsFile, Value, encrypt};

fn sample() -> Map {
    Map::new()
        .with("token", "s3cret")
        .with("pin", 4711)
        .with("clear_unencrypted", "two\nlines\n")
        .with(
            "db",
            Map::new()
                .with("password", "pä\"ss")
                .with("hosts", vec![Value::from("a"), true.into()]),
        )
        .with("empty", "")
        .with("nothing", Value::Null)
}

fn case() -> impl Strategy<Value = (Map, Rule, bool)> {
    (tree(), rule(), any::<bool>())
}

#[test]
fn sops_decrypts_what_we_write() {
    let ours = keys();
    let Some(peer) = Peer::find(&[&ours]) else {
        return;
    };
    let mut runner = TestRunner::new(Config {
        cases: 120,
        failure_persistence: None,
        ..Config::default()
    });
    runner
        .run(&case(), |(plain, rule, only)| {
            let text =
                encrypt(&plain, &options(&[&ours], rule.clone(), only), &mut rng(1)).unwrap();
            if go_yaml_garbles(&text) {
                return Ok(());
            }
            peer.write("ours.yaml", &text);
            let json = peer.run(&["-d", "--output-type", "json", "ours.yaml"]);
            prop_assert!(json.is_ok(), "{:?}\n{}", json, text);
            // Its rewriting keeps our layout: only the metadata differs.
            peer.run(&["rotate", "-i", "ours.yaml"])
                .map_err(TestCaseError::fail)?;
            let rotated = peer.read("ours.yaml");
            prop_assert!(
                same_but_int_like_floats(&open(&rotated, &ours), &plain),
                "{}\n{}",
                text,
                rotated
            );
            Ok(())
        })
        .unwrap();
}

/// Every text of one or two printable characters, as a value and as a key: the short ones are what YAML gives a meaning.
#[test]
fn short_texts_stay_texts() {
    let ours = keys();
    let Some(peer) = Peer::find(&[&ours]) else {
        return;
    };
    let printable = || (' '..='~').map(String::from);
    let pairs = printable().flat_map(|a| printable().map(move |b| format!("{a}{b}")));
    let texts: Vec<String> = printable().chain(pairs).collect();
    let values = texts
        .iter()
        .enumerate()
        .map(|(at, text)| (format!("k{at}"), Value::from(text.as_str())));
    let as_keys = texts.iter().filter(|text| *text != "<<");
    let as_keys = as_keys.map(|text| (text.clone(), Value::from("v")));
    let plain = Map::new()
        .with("values", values.collect::<Map>())
        .with("keys", as_keys.collect::<Map>());
    let nothing = Rule::EncryptedSuffix("\u{1}".into());
    let text = encrypt(&plain, &options(&[&ours], nothing, false), &mut rng(1)).unwrap();
    peer.write("ours.yaml", &text);
    peer.run(&["-d", "--output-type", "json", "ours.yaml"])
        .unwrap();
    peer.run(&["rotate", "-i", "ours.yaml"]).unwrap();
    let rotated = open(&peer.read("ours.yaml"), &ours);
    let part = |map: &Map, name: &str| match map.get(name) {
        Some(Value::Map(map)) => map.clone(),
        _ => Map::new(),
    };
    for name in ["values", "keys"] {
        let (found, wanted) = (part(&rotated, name), part(&plain, name));
        let differ: Vec<_> = found
            .iter()
            .zip(wanted.iter())
            .filter(|(found, wanted)| found != wanted)
            .map(|(found, wanted)| format!("{found:?} is not {wanted:?}"))
            .collect();
        assert!(
            differ.is_empty() && found.len() == wanted.len(),
            "{name}: {differ:#?}"
        );
    }
}

#[test]
fn we_decrypt_what_sops_writes() {
    let ours = keys();
    let Some(peer) = Peer::find(&[&ours]) else {
        return;
    };
    let mut runner = TestRunner::new(Config {
        cases: 120,
        failure_persistence: None,
        ..Config::default()
    });
    runner
        .run(&case(), |(plain, rule, only)| {
            // A file with everything in clear is the way to hand a tree to `sops`.
            let clear = encrypt(
                &plain,
                &options(&[&ours], Rule::EncryptedSuffix("\u{1}".into()), only),
                &mut rng(1),
            )
            .unwrap();
            let clear = &clear[..clear.rfind("sops:\n").unwrap()];
            peer.write("clear.yaml", clear);
            let selector = selector(&rule);
            let mut arguments = vec![
                "-e",
                "--age",
                ours.recipient.as_str(),
                selector.0.as_str(),
                selector.1.as_str(),
            ];
            if only {
                arguments.push("--mac-only-encrypted");
            }
            arguments.push("clear.yaml");
            let same_rule =
                encrypt(&plain, &options(&[&ours], rule.clone(), only), &mut rng(1)).unwrap();
            if plain.is_empty() || go_yaml_garbles(&same_rule) {
                return Ok(());
            }
            let text = peer
                .run(&arguments)
                .map_err(|error| TestCaseError::fail(format!("{error}\n{clear}")))?;
            let file = SopsFile::parse(&text).unwrap();
            prop_assert_eq!(file.rule(), &rule);
            prop_assert!(
                same_but_int_like_floats(&open(&text, &ours), &plain),
                "{}\n{}",
                clear,
                text
            );
            Ok(())
        })
        .unwrap();
}

/// Clear texts of several lines that start with white space: go-yaml writes some of them as `null` and others so that
/// it cannot read them back.
fn go_yaml_garbles(text: &str) -> bool {
    let garbled = |text: &str| text.contains('\n') && text.starts_with(char::is_whitespace);
    let file = SopsFile::parse(text).unwrap();
    file.leaves().iter().any(|leaf| {
        let key = leaf
            .path
            .segments()
            .iter()
            .any(|segment| matches!(segment, Segment::Key(key) if garbled(key)));
        let value = file.clear_value(&leaf.path);
        key || matches!(value, Some(Value::Str(text)) if garbled(text.expose_secret()))
    })
}

fn selector(rule: &Rule) -> (String, String) {
    let (name, text) = match rule {
        Rule::UnencryptedSuffix(text) => ("--unencrypted-suffix", text),
        Rule::EncryptedSuffix(text) => ("--encrypted-suffix", text),
        Rule::UnencryptedRegex(text) => ("--unencrypted-regex", text),
        Rule::EncryptedRegex(text) => ("--encrypted-regex", text),
    };
    (name.to_owned(), text.clone())
}

fn open(text: &str, keys: &Keys) -> Map {
    let opened = SopsFile::parse(text).and_then(|file| file.decrypt(&keys.identities));
    opened
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
        .root
}

/// `sops` writes a clear float `1.0` as `1`, which is an integer from then on.
fn same_but_int_like_floats(found: &Map, wanted: &Map) -> bool {
    found.len() == wanted.len()
        && found
            .iter()
            .zip(wanted.iter())
            .all(|((a, x), (b, y))| a == b && same_value(x, y))
}

fn same_value(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Map(a), Value::Map(b)) => same_but_int_like_floats(a, b),
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_value(a, b))
        }
        (Value::Int(int), Value::Float(float)) => {
            int.to_string() == format!("{float}") || (*int == 0 && *float == 0.0)
        }
        _ => found == wanted,
    }
}

#[test]
fn sops_set_changes_only_what_it_sets() {
    let ours = keys();
    let Some(peer) = Peer::find(&[&ours]) else {
        return;
    };
    let text = encrypt(
        &sample(),
        &options(&[&ours], Rule::default(), true),
        &mut rng(1),
    )
    .unwrap();
    peer.write("ours.yaml", &text);
    peer.run(&["set", "ours.yaml", "[\"db\"][\"password\"]", "\"new\""])
        .unwrap();
    let theirs = peer.read("ours.yaml");
    let changed: Vec<_> = text
        .lines()
        .zip(theirs.lines())
        .filter(|(a, b)| a != b)
        .map(|(a, _)| a.trim())
        .collect();
    let starts: Vec<_> = changed
        .iter()
        .map(|line| line.split(':').next().unwrap())
        .collect();
    assert_eq!(starts, ["password", "lastmodified", "mac"], "{theirs}");
    let db = Map::new()
        .with("password", "new")
        .with("hosts", vec![Value::from("a"), true.into()]);
    assert!(open(&theirs, &ours) == sample().with("db", db));
}

#[test]
fn sops_reads_our_edits_recipients_and_rotations() {
    let (ours, friend) = (keys(), keys());
    let Some(peer) = Peer::find(&[&friend]) else {
        return;
    };
    let plain = "# about the token\ntoken: a # inline\nlist:\n    # first\n    - one\n    - two\nm:\n    # inner\n    k: v\n# foot\n";
    peer.write("plain.yaml", plain);
    let text = peer
        .run(&["-e", "--age", ours.recipient.as_str(), "plain.yaml"])
        .unwrap();
    let recipients = [ours.recipient.clone(), friend.recipient.clone()];
    let shared = SopsFile::parse(&text)
        .unwrap()
        .update_recipients(&ours.identities, &recipients)
        .unwrap();
    let changes = [
        Change::Set {
            path: Path::from("token"),
            value: "b".into(),
        },
        Change::Set {
            path: Path::from("m").key("n"),
            value: 7.into(),
        },
        Change::Set {
            path: Path::from("list").index(1),
            value: "zwei".into(),
        },
    ];
    let file = SopsFile::parse(&shared).unwrap();
    let edited = file
        .edit(&ours.identities, &changes, at(60), &mut rng(1))
        .unwrap();
    let wanted = plain
        .replace("token: a # inline", "# inline\ntoken: b")
        .replace("two", "zwei")
        .replace("    k: v\n", "    k: v\n    \"n\": 7\n");
    let decrypted = |text: &str| {
        peer.write("ours.yaml", text);
        peer.run(&["-d", "ours.yaml"]).unwrap()
    };
    assert_eq!(sorted(&decrypted(&edited)), sorted(&wanted));
    let rotated = SopsFile::parse(&edited)
        .unwrap()
        .rotate(
            &ours.identities,
            std::slice::from_ref(&friend.recipient),
            at(90),
            &mut rng(2),
        )
        .unwrap();
    assert_eq!(decrypted(&rotated), decrypted(&edited));
    assert!(
        SopsFile::parse(&rotated)
            .unwrap()
            .decrypt(&ours.identities)
            .is_err()
    );
}

/// Where `sops` puts an inline comment is its own affair.
fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().map(str::trim).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn sops_updatekeys_and_rotate_on_our_file() {
    let (ours, friend) = (keys(), keys());
    let Some(peer) = Peer::find(&[&ours]) else {
        return;
    };
    let text = encrypt(
        &sample(),
        &options(&[&ours], Rule::all(), true),
        &mut rng(1),
    )
    .unwrap();
    peer.write("ours.yaml", &text);
    let rules = format!(
        "creation_rules:\n  - age: {},{}\n",
        ours.recipient, friend.recipient
    );
    peer.write(".sops.yaml", &rules);
    peer.run(&["updatekeys", "-y", "ours.yaml"]).unwrap();
    assert!(open(&peer.read("ours.yaml"), &friend) == sample());
    peer.run(&[
        "rotate",
        "-i",
        "--rm-age",
        friend.recipient.as_str(),
        "ours.yaml",
    ])
    .unwrap();
    let rotated = peer.read("ours.yaml");
    assert!(open(&rotated, &ours) == sample());
    assert!(
        SopsFile::parse(&rotated)
            .unwrap()
            .decrypt(&friend.identities)
            .is_err()
    );
}

#[test]
fn both_refuse_the_same_damage() {
    let ours = keys();
    let Some(peer) = Peer::find(&[&ours]) else {
        return;
    };
    let text = encrypt(
        &sample(),
        &options(&[&ours], Rule::default(), false),
        &mut rng(1),
    )
    .unwrap();
    let value = |key: &str| {
        text.lines()
            .find(|line| line.starts_with(key))
            .unwrap()
            .split_once(": ")
            .unwrap()
            .1
    };
    let damaged = [
        text.replace(value("token"), value("pin")),
        text.replace(value("token"), "\"\""),
        text.replace("    two", "    three"),
        text.replace("lastmodified: \"20", "lastmodified: \"21"),
        text.replace("mac: ENC", "mac: ENX"),
        text.replace("    version: 3.11.0\n", ""),
    ];
    for text in damaged {
        peer.write("ours.yaml", &text);
        assert!(peer.run(&["-d", "ours.yaml"]).is_err(), "{text}");
        assert!(
            SopsFile::parse(&text)
                .and_then(|file| file.decrypt(&ours.identities))
                .is_err(),
            "{text}"
        );
    }
    let only = encrypt(
        &sample(),
        &options(&[&ours], Rule::default(), true),
        &mut rng(1),
    )
    .unwrap();
    let edited_by_hand = only.replace("    two", "    three");
    peer.write("ours.yaml", &edited_by_hand);
    assert!(peer.run(&["-d", "ours.yaml"]).unwrap().contains("three"));
    assert!(
        open(&edited_by_hand, &ours).get("clear_unencrypted") == Some(&"three\nlines\n".into())
    );
}
