//! Edits and changes of recipients: what must change, and that nothing else does.
#![allow(clippy::unwrap_used, reason = "test helpers outside of test functions")]

mod common;

use common::{at, keys, options, rng, sample, set};
use tenantry_sops::{Change, Error, Map, Path, Rule, SopsFile, Value, encrypt};

#[test]
fn only_the_changed_lines_change() {
    let ours = keys();
    let text = encrypt(
        &sample(),
        &options(&[&ours], Rule::default(), true),
        &mut rng(1),
    )
    .unwrap();
    let commented = text.replace("user:", "# who logs in\nuser:");
    let file = SopsFile::parse(&commented).unwrap();
    let changes = [
        set(Path::from("token"), "new"),
        set(Path::from("db").key("hosts").index(1), "c"),
        set(Path::from("db").key("port"), 1),
        set(Path::from("note_unencrypted"), "two\nlines\n"),
        set(Path::from("new").key("deep"), "x"),
        Change::Remove {
            path: Path::from("port"),
        },
    ];
    let edited = file
        .edit(&ours.identities, &changes, at(5), &mut rng(2))
        .unwrap();
    let before: Vec<_> = commented.lines().collect();
    let after: Vec<_> = edited.lines().collect();
    let gone: Vec<_> = before
        .iter()
        .filter(|line| !after.contains(line))
        .map(|line| head(line))
        .collect();
    let come: Vec<_> = after
        .iter()
        .filter(|line| !before.contains(line))
        .map(|line| head(line))
        .collect();
    assert_eq!(
        gone,
        [
            "token",
            "port",
            "note_unencrypted",
            "- ENC",
            "lastmodified",
            "mac"
        ]
    );
    assert_eq!(
        come,
        [
            "token",
            "note_unencrypted",
            "two",
            "lines",
            "- ENC",
            "port",
            "new",
            "deep",
            "lastmodified",
            "mac"
        ]
    );
    assert!(edited.contains("# who logs in\nuser:"));
    let opened = SopsFile::parse(&edited)
        .unwrap()
        .decrypt(&ours.identities)
        .unwrap()
        .root;
    let db = Map::new()
        .with("password", "pw")
        .with("hosts", vec![Value::from("a"), Value::from("c")])
        .with("port", 1);
    let wanted = Map::new()
        .with("token", "new")
        .with("user", "root")
        .with("note_unencrypted", "two\nlines\n")
        .with("db", db)
        .with("new", Map::new().with("deep", "x"));
    assert!(opened == wanted);
    let again = SopsFile::parse(&edited).unwrap();
    assert_eq!(
        again
            .edit(
                &ours.identities,
                &[set(Path::from("token"), "new")],
                at(6),
                &mut rng(3)
            )
            .unwrap(),
        edited
    );
}

#[test]
fn edits_that_cannot_be_are_errors() {
    let ours = keys();
    let text = encrypt(
        &sample(),
        &options(&[&ours], Rule::default(), true),
        &mut rng(1),
    )
    .unwrap();
    let file = SopsFile::parse(&text).unwrap();
    let fails = |change| {
        file.edit(&ours.identities, &[change], at(5), &mut rng(2))
            .unwrap_err()
    };
    assert!(matches!(
        fails(set(Path::from("sops"), "x")),
        Error::BadKey { .. }
    ));
    assert!(matches!(
        fails(set(Path::root(), "x")),
        Error::Unsupported { .. }
    ));
    assert!(matches!(
        fails(set(Path::from("token").key("x"), "x")),
        Error::NoSuchPath { .. }
    ));
    assert!(matches!(
        fails(set(Path::from("db").key("hosts").index(2), "x")),
        Error::NoSuchPath { .. }
    ));
    assert!(matches!(
        fails(Change::Remove {
            path: Path::from("nope")
        }),
        Error::NoSuchPath { .. }
    ));
    let sops = Map::new().with("sops", "x");
    assert!(matches!(
        encrypt(
            &sops,
            &options(&[&ours], Rule::default(), true),
            &mut rng(1)
        ),
        Err(Error::BadKey { .. })
    ));
    assert!(matches!(
        encrypt(
            &Map::new(),
            &options(&[], Rule::default(), true),
            &mut rng(1)
        ),
        Err(Error::NoRecipients)
    ));
}

#[test]
fn recipients_change_without_touching_values() {
    let (ours, friend, other) = (keys(), keys(), keys());
    let text = encrypt(
        &sample(),
        &options(&[&ours, &other], Rule::default(), true),
        &mut rng(1),
    )
    .unwrap();
    let file = SopsFile::parse(&text).unwrap();
    let wanted = [ours.recipient.clone(), friend.recipient.clone()];
    let updated = file.update_recipients(&ours.identities, &wanted).unwrap();
    let (head, tail) = text.split_once("\nsops:").unwrap();
    assert!(updated.starts_with(head));
    assert!(updated.ends_with(&tail[tail.find("    lastmodified").unwrap()..]));
    let first_entry = &tail[..tail.find("END AGE").unwrap()];
    assert!(
        updated.contains(first_entry),
        "a kept recipient keeps its entry"
    );
    let updated = SopsFile::parse(&updated).unwrap();
    assert!(updated.decrypt(&friend.identities).unwrap().root == sample());
    let error = updated.decrypt(&other.identities).unwrap_err();
    let recipients = wanted.iter().map(ToString::to_string).collect();
    assert_eq!(error, Error::NoMatchingKey { recipients });
    let same = updated
        .update_recipients(&friend.identities, &wanted)
        .unwrap();
    assert_eq!(same, updated.as_str());
    assert_eq!(
        file.update_recipients(&ours.identities, &[]),
        Err(Error::NoRecipients)
    );
}

#[test]
fn hand_written_layouts_can_be_edited() {
    let ours = keys();
    let text = encrypt(
        &sample(),
        &options(&[&ours], Rule::EncryptedRegex("^s_".into()), true),
        &mut rng(1),
    )
    .unwrap();
    let metadata = &text[text.find("sops:").unwrap()..];
    let source = format!(
        "# top\nplain: {{a: 1, s_b: '', c: [x, y]}}   # flow\nblock: |+\n  one\n\n  # not a comment\nempty:\nlist:\n- name: a\n  s_x: \"\"\n- b\nlast: 'it''s'\n# before\n{metadata}"
    );
    let file = SopsFile::parse(&source).unwrap();
    let changes = [
        set(Path::from("plain").key("s_b"), "secret, [x]"),
        set(Path::from("plain").key("c").index(0), "x, y"),
        set(Path::from("block"), "other"),
        set(Path::from("empty"), 5),
        set(Path::from("list").index(0).key("s_x"), "secret"),
        set(Path::from("list").index(0).key("s_y"), "more"),
        set(Path::from("list").index(1), "c"),
        set(Path::from("last"), "plain"),
    ];
    let edited = file
        .edit(&ours.identities, &changes, at(1), &mut rng(2))
        .unwrap();
    assert!(edited.starts_with("# top\nplain: {a: 1, s_b: \"ENC["));
    assert!(edited.contains("c: [\"x, y\", y]}   # flow\nblock: other\n"));
    let opened = SopsFile::parse(&edited)
        .unwrap()
        .decrypt(&ours.identities)
        .unwrap()
        .root;
    let item = Map::new()
        .with("name", "a")
        .with("s_x", "secret")
        .with("s_y", "more");
    let wanted = Map::new()
        .with(
            "plain",
            Map::new()
                .with("a", 1)
                .with("s_b", "secret, [x]")
                .with("c", vec![Value::from("x, y"), Value::from("y")]),
        )
        .with("block", "other")
        .with("empty", 5)
        .with("list", vec![Value::Map(item), Value::from("c")])
        .with("last", "plain");
    assert!(opened == wanted, "{edited}");
    let flow = set(Path::from("plain").key("new"), 1);
    assert!(matches!(
        file.edit(&ours.identities, &[flow], at(1), &mut rng(2)),
        Err(Error::Unsupported { .. })
    ));
}

fn head(line: &str) -> &str {
    line.trim().split([':', '[']).next().unwrap_or_default()
}
