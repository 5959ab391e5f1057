//! `.sops.yaml` as the real `sops` reads it: which rule a path meets, and what a new file gets from it.
#![allow(clippy::unwrap_used, reason = "test helpers outside of test functions")]

mod common;

use common::sops::Peer;
use common::{at, keys, rng};
use tenantry_sops::{CreationRules, EncryptOptions, Error, SopsFile, encrypt_text};

const PLAIN: &str =
    "name: x\npassword: hunter2\nnote_plain: clear\nnested:\n    password: deep\n    other: z\n";

#[test]
fn both_choose_the_same_rule_for_a_path() {
    let (one, two) = (keys(), keys());
    let Some(peer) = Peer::find(&[&one]) else {
        return;
    };
    let (a, b) = (&one.recipient, &two.recipient);
    let rules = format!(
        "keys:\n  - &one {a}\ncreation_rules:\n  - path_regex: ^prod-.*\\.yaml$\n    age: {a}, {b}\n    encrypted_regex: ^(password|data)$\n    mac_only_encrypted: true\n  \
         - path_regex: \\bdev\\b\n    age: [{a}]\n    unencrypted_suffix: _plain\n  \
         - path_regex: suffix\n    age: >-\n      {b},\n      {a}\n    encrypted_suffix: word\n  \
         - path_regex: un\n    age: *one\n    unencrypted_regex: ^(name|note)\n  - age: {b},{a}\n"
    );
    peer.write(".sops.yaml", &rules);
    let ours = CreationRules::parse(&rules).unwrap();
    for name in [
        "prod-1.yaml",
        "a-dev.yaml",
        "devil.yaml",
        "suffix.yaml",
        "un.yaml",
        "other.yaml",
    ] {
        peer.write(name, PLAIN);
        let theirs = peer.run(&["-e", name]).unwrap();
        let theirs = SopsFile::parse(&theirs).unwrap();
        let rule = ours.for_path(name).unwrap().unwrap();
        assert_eq!(theirs.rule(), &rule.rule, "{name}");
        assert_eq!(
            theirs.mac_only_encrypted(),
            rule.mac_only_encrypted,
            "{name}"
        );
        let recipients: Vec<_> = rule.recipients.iter().map(ToString::to_string).collect();
        assert_eq!(
            theirs.recipients().collect::<Vec<_>>(),
            recipients,
            "{name}"
        );
        let options = EncryptOptions {
            recipients: rule.recipients.clone(),
            rule: rule.rule.clone(),
            mac_only_encrypted: rule.mac_only_encrypted,
            last_modified: at(0),
        };
        let text = encrypt_text(PLAIN, &options, &mut rng(1)).unwrap();
        let file = SopsFile::parse(&text).unwrap();
        assert_eq!(file.leaves(), theirs.leaves(), "{name}");
        peer.write(name, &text);
        assert_eq!(peer.run(&["-d", name]).unwrap(), PLAIN, "{name}");
        // Nothing to bring to the rules where the rules made it.
        peer.run(&["updatekeys", "-y", name]).unwrap();
        assert_eq!(peer.read(name), text, "{name}");
    }
}

#[test]
fn key_groups_and_other_keys_are_refused_by_name() {
    let one = keys();
    let a = &one.recipient;
    for (field, kind) in [
        (
            format!("key_groups: [{{age: [{a}]}}, {{age: [{a}]}}]"),
            "key_groups",
        ),
        (format!("age: {a}\n    kms: arn:aws:kms:x"), "kms"),
        (format!("age: {a}\n    pgp: ABCD"), "pgp"),
    ] {
        let rules = CreationRules::parse(&format!(
            "creation_rules:\n  - path_regex: x\n    {field}\n"
        ))
        .unwrap();
        let error = rules.for_path("x").unwrap_err();
        assert_eq!(error, Error::UnsupportedKeyType { kind: kind.into() });
        assert!(
            error.to_string().contains("only age recipients are"),
            "{error}"
        );
        assert_eq!(rules.for_path("other"), Ok(None));
    }
}

#[test]
fn a_file_with_key_groups_of_sops_is_refused_clearly() {
    let one = keys();
    let Some(peer) = Peer::find(&[&one]) else {
        return;
    };
    let a = &one.recipient;
    peer.write(".sops.yaml", &format!("creation_rules:\n  - shamir_threshold: 2\n    key_groups:\n      - age: [{a}]\n      - age: [{}]\n", keys().recipient));
    peer.write("groups.yaml", PLAIN);
    let text = peer.run(&["-e", "groups.yaml"]).unwrap();
    let error = SopsFile::parse(&text).unwrap_err();
    assert_eq!(
        error,
        Error::UnsupportedKeyType {
            kind: "key_groups".into()
        }
    );
}
