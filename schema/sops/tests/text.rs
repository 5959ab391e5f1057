//! Files as people write them: to plain text and back, with comments, order and style.
#![allow(clippy::unwrap_used, reason = "test helpers outside of test functions")]

mod common;

use common::sops::Peer;
use common::{Keys, at, keys, options, rng, rule, tree};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tenantry_sops::{
    Error, ExposeSecret, Rule, SecretString, SopsFile, Value, encrypt, encrypt_text,
};

const WRITTEN: &str = "\
# The shop's secrets.
token: s3cret   # from the provider
empty: \"\"
nothing:
since: 2026-11-21T10:00:00Z
day: 2026-11-21
pem: |
  -----BEGIN-----
  # no comment

  -----END-----
folded: >-
  two
  lines
list:
  # the first
  - one
  - \"two\"
  - |
    three
    lines
flow: {a: 1, b: [x, 'y, z']}
quoted: 'it''s'
nested:
    deep:
        pin: 0042
        # last in deep
# foot
";

fn open(text: &str, keys: &Keys) -> tenantry_sops::Map {
    let opened = SopsFile::parse(text).and_then(|file| file.decrypt(&keys.identities));
    opened
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
        .root
}

fn plain(text: &str, keys: &Keys) -> String {
    let file = SopsFile::parse(text).unwrap();
    let plain = file.plain_text(&keys.identities);
    let plain = plain.unwrap_or_else(|error| panic!("{error}\n{text}"));
    plain.expose_secret().to_owned()
}

fn replace(text: &str, plain: &str, keys: &Keys) -> Result<String, Error> {
    let file = SopsFile::parse(text).unwrap();
    file.replace_text(
        &keys.identities,
        &SecretString::from(plain),
        at(60),
        &mut rng(9),
    )
}

#[test]
fn what_people_write_comes_back_as_they_wrote_it() {
    let ours = keys();
    let text = encrypt_text(
        WRITTEN,
        &options(&[&ours], Rule::default(), true),
        &mut rng(1),
    )
    .unwrap();
    for secret in [
        "s3cret",
        "provider",
        "  -----BEGIN-----",
        "the first",
        "three",
        "0042",
        "foot",
        "'y, z'",
    ] {
        assert!(!text.contains(secret), "{secret} in\n{text}");
    }
    let root = open(&text, &ours);
    assert_eq!(
        root.get("pem"),
        Some(&"-----BEGIN-----\n# no comment\n\n-----END-----\n".into())
    );
    assert_eq!(root.get("folded"), Some(&"two lines".into()));
    assert_eq!(root.get("empty"), Some(&"".into()));
    let back = plain(&text, &ours);
    for line in [
        "# The shop's secrets.",
        "token: s3cret   # from the provider",
        "  # the first",
        "        # last in deep",
        "# foot",
        "empty: \"\"",
        "nothing:",
    ] {
        assert!(
            back.lines().any(|found| found == line),
            "no `{line}` in\n{back}"
        );
    }
    assert!(
        back.contains("pem: |\n    -----BEGIN-----\n    # no comment\n\n    -----END-----\n"),
        "{back}"
    );
    assert_eq!(replace(&text, &back, &ours).unwrap(), text);
}

#[test]
fn an_edit_changes_the_lines_that_were_edited() {
    let ours = keys();
    let text = encrypt_text(
        WRITTEN,
        &options(&[&ours], Rule::default(), true),
        &mut rng(1),
    )
    .unwrap();
    let edited = plain(&text, &ours)
        .replace("token: s3cret ", "token: other ")
        .replace("# foot\n", "# new foot\nadded: more\n");
    let after = replace(&text, &edited, &ours).unwrap();
    assert_eq!(plain(&after, &ours), edited);
    let gone: Vec<_> = text
        .lines()
        .filter(|line| !after.lines().any(|found| found == *line))
        .collect();
    let starts: Vec<_> = gone
        .iter()
        .map(|line| line.trim().split([':', '[']).next().unwrap())
        .collect();
    assert_eq!(starts, ["token", "#ENC", "lastmodified", "mac"], "{after}");
    assert!(!after.contains("new foot") && !after.contains("other"));
}

#[test]
fn clear_comments_and_clear_values_stay_clear() {
    let ours = keys();
    let rule = Rule::EncryptedRegex("^(password|token)$".into());
    let source = "# about the host\nhost: db.example   # why\npassword: hunter2\nusers:\n  - name: jo\n    token: abc\n";
    let text = encrypt_text(source, &options(&[&ours], rule, true), &mut rng(1)).unwrap();
    assert!(
        text.contains("# about the host\nhost: db.example   # why\n"),
        "{text}"
    );
    assert!(text.contains("  - name: jo\n"));
    assert!(!text.contains("hunter2") && !text.contains("abc"));
    assert_eq!(plain(&text, &ours), source);
    let by_hand = text.replace("db.example", "db2.example");
    let after = replace(
        &by_hand,
        &plain(&by_hand, &ours).replace("hunter2", "hunter3"),
        &ours,
    )
    .unwrap();
    assert_eq!(
        plain(&after, &ours),
        source
            .replace("db.example", "db2.example")
            .replace("hunter2", "hunter3")
    );
}

#[test]
fn what_cannot_be_kept_is_refused() {
    let ours = keys();
    let refused = |text: &str| {
        encrypt_text(text, &options(&[&ours], Rule::default(), true), &mut rng(1)).unwrap_err()
    };
    assert!(matches!(refused("- a\n- b\n"), Error::Unsupported { .. }));
    assert!(matches!(refused("just text\n"), Error::Unsupported { .. }));
    assert!(matches!(refused("{a: 1}\n"), Error::Unsupported { .. }));
    assert!(matches!(
        refused("a: &x 1\nb: *x\n"),
        Error::Unsupported { .. }
    ));
    assert!(matches!(refused("a: [\n"), Error::Yaml { .. }));
    assert!(matches!(
        refused("a: 1\na: 2\n"),
        Error::Yaml { line: 2, .. }
    ));
    assert!(matches!(refused("sops: x\n"), Error::BadKey { .. }));
    assert!(matches!(
        refused("a: 18446744073709551615\n"),
        Error::BadValue { .. }
    ));
    let text = encrypt_text(
        "a: 1\n",
        &options(&[&ours], Rule::default(), true),
        &mut rng(1),
    )
    .unwrap();
    assert!(matches!(
        replace(&text, "a: [\n", &ours),
        Err(Error::Yaml { .. })
    ));
    assert!(open(&replace(&text, "", &ours).unwrap(), &ours).is_empty());
    assert!(open(&replace(&text, "# nothing left\n", &ours).unwrap(), &ours).is_empty());
}

#[test]
fn masks_stand_for_values() {
    let ours = keys();
    let text = encrypt_text(
        "# why\na: one\nl:\n  - two\nn_unencrypted: three\n",
        &options(&[&ours], Rule::default(), true),
        &mut rng(1),
    )
    .unwrap();
    let file = SopsFile::parse(&text).unwrap();
    let masked = file
        .masked_text(&ours.identities, &|path, value| {
            format!("{path} has {}", value.expose_secret().len())
        })
        .unwrap();
    assert_eq!(
        masked,
        "#\na: a has 3\nl:\n  - l[0] has 3\nn_unencrypted: three\n"
    );
}

#[test]
fn every_tree_survives_both_ways() {
    let ours = keys();
    let mut runner = TestRunner::new(Config {
        cases: 300,
        failure_persistence: None,
        ..Config::default()
    });
    runner
        .run(
            &(tree(), tree(), rule(), any::<bool>()),
            |(before, after, rule, only)| {
                let options = options(&[&ours], rule, only);
                let text = encrypt(&before, &options, &mut rng(1)).unwrap();
                let file = SopsFile::parse(&text).unwrap();
                let Ok(shown) = file.plain_text(&ours.identities) else {
                    return Err(TestCaseError::fail(format!("not shown:\n{text}")));
                };
                let again = encrypt_text(shown.expose_secret(), &options, &mut rng(2));
                let again = again.map_err(|error| {
                    TestCaseError::fail(format!("{error}\n{}", shown.expose_secret()))
                })?;
                prop_assert!(open(&again, &ours) == before);
                let other = encrypt(&after, &options, &mut rng(3)).unwrap();
                let other = SopsFile::parse(&other)
                    .unwrap()
                    .plain_text(&ours.identities)
                    .unwrap();
                let replaced = file.replace_text(&ours.identities, &other, at(1), &mut rng(4));
                let replaced = replaced.map_err(|error| {
                    TestCaseError::fail(format!("{error}\n{}", other.expose_secret()))
                })?;
                prop_assert!(open(&replaced, &ours) == after);
                Ok(())
            },
        )
        .unwrap();
}

#[test]
fn sops_reads_what_people_wrote_and_we_read_it_back() {
    let ours = keys();
    let Some(peer) = Peer::find(&[&ours]) else {
        return;
    };
    let text = encrypt_text(
        WRITTEN,
        &options(&[&ours], Rule::default(), true),
        &mut rng(1),
    )
    .unwrap();
    peer.write("ours.yaml", &text);
    let theirs = peer.run(&["-d", "ours.yaml"]).unwrap();
    for comment in [
        "# The shop's secrets.",
        "# from the provider",
        "# the first",
        "# foot",
        "# last in deep",
    ] {
        assert!(theirs.contains(comment), "no `{comment}` in\n{theirs}");
    }
    assert!(!theirs.contains("ENC["), "{theirs}");
    peer.write("clear.yaml", WRITTEN);
    let encrypted = peer
        .run(&["-e", "--age", ours.recipient.as_str(), "clear.yaml"])
        .unwrap();
    let shown = plain(&encrypted, &ours);
    for comment in [
        "# The shop's secrets.",
        "# from the provider",
        "# the first",
        "# foot",
    ] {
        assert!(shown.contains(comment), "no `{comment}` in\n{shown}");
    }
    assert!(open(&encrypted, &ours) == open(&text, &ours));
    let edited = replace(&encrypted, &shown.replace("s3cret", "other"), &ours).unwrap();
    peer.write("ours.yaml", &edited);
    let theirs = peer.run(&["-d", "ours.yaml"]).unwrap();
    assert!(
        theirs.contains("token: other") && theirs.contains("# the first"),
        "{theirs}"
    );
    peer.run(&["rotate", "-i", "ours.yaml"]).unwrap();
    assert_eq!(
        open(&peer.read("ours.yaml"), &ours).get("token"),
        Some(&Value::from("other"))
    );
}

#[test]
fn any_plain_text_goes_to_sops_and_comes_back() {
    let ours = keys();
    let Some(peer) = Peer::find(&[&ours]) else {
        return;
    };
    let mut runner = TestRunner::new(Config {
        cases: 60,
        failure_persistence: None,
        ..Config::default()
    });
    let entry = ("[a-z]{1,6}", "[ -~]{0,20}", "[a-z ]{0,12}");
    runner
        .run(&prop::collection::vec(entry, 1..6), |entries| {
            let mut written = String::new();
            let mut wanted = tenantry_sops::Map::new();
            for (key, value, comment) in entries {
                if wanted.get(&key).is_none() {
                    wanted.insert(key.as_str(), value.as_str());
                    let quoted = value.replace('\'', "''");
                    let lines = format!("# {comment}\n\"{key}\": '{quoted}'\n");
                    written += &lines;
                }
            }
            let text = encrypt_text(
                &written,
                &options(&[&ours], Rule::default(), true),
                &mut rng(1),
            )
            .unwrap();
            prop_assert!(open(&text, &ours) == wanted);
            prop_assert_eq!(&plain_lines(&plain(&text, &ours)), &plain_lines(&written));
            peer.write("ours.yaml", &text);
            peer.run(&["rotate", "-i", "ours.yaml"])
                .map_err(TestCaseError::fail)?;
            let rotated = peer.read("ours.yaml");
            prop_assert!(open(&rotated, &ours) == wanted, "{}", rotated);
            prop_assert_eq!(plain_lines(&plain(&rotated, &ours)), plain_lines(&written));
            Ok(())
        })
        .unwrap();
}

/// The comments of a text, in order; `sops` drops those without words.
fn plain_lines(text: &str) -> Vec<String> {
    let comments = text.lines().filter(|line| line.starts_with('#'));
    comments
        .map(|line| line.trim_end().to_owned())
        .filter(|line| line.len() > 1)
        .collect()
}
