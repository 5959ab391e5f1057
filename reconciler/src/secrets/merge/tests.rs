//! Merges by example, and the law that nothing is lost.

use super::*;
use proptest::prelude::*;
use tenantry_sops::{EncryptOptions, Rule, encrypt_text};

fn keys() -> (Identities, Recipient) {
    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public().to_string().parse().unwrap();
    (identity.into(), recipient)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(1_795_222_800 + seconds).unwrap()
}

fn file(plain: &str, recipients: &[&Recipient]) -> String {
    let options = EncryptOptions {
        recipients: recipients.iter().map(|one| (*one).clone()).collect(),
        rule: Rule::default(),
        mac_only_encrypted: true,
        last_modified: at(0),
    };
    encrypt_text(plain, &options, &mut rand::rng()).unwrap()
}

fn change(text: &str, plain: &str, identities: &Identities) -> String {
    let file = SopsFile::parse(text).unwrap();
    file.replace_text(
        identities,
        &SecretString::from(plain),
        at(1),
        &mut rand::rng(),
    )
    .unwrap()
}

fn plain(text: &str, identities: &Identities) -> String {
    SopsFile::parse(text)
        .unwrap()
        .plain_text(identities)
        .unwrap()
        .expose_secret()
        .to_owned()
}

fn merged(base: &str, ours: &str, theirs: &str) -> (String, Vec<String>) {
    let (identities, recipient) = keys();
    let base = file(base, &[&recipient]);
    let (ours, theirs) = (
        change(&base, ours, &identities),
        change(&base, theirs, &identities),
    );
    let (text, names) = match merge(
        Some(&base),
        &ours,
        &theirs,
        &identities,
        at(2),
        &mut rand::rng(),
    )
    .unwrap()
    {
        Merged::Clean(text) => (text, Vec::new()),
        Merged::Conflicts { text, names } => (text, names),
    };
    (plain(&text, &identities), names)
}

#[test]
fn changes_of_both_sides_are_kept() {
    let base = "# top\na: 1\nb: 2\nc: 3\n";
    let cases = [
        (
            "# top\na: 9\nb: 2\nc: 3\n",
            "# top\na: 1\nb: 8\nc: 3\n",
            "# top\na: 9\nb: 8\nc: 3\n",
        ),
        (
            "# top\na: 1\nb: 2\nc: 3\nx: 1\n",
            "# top\na: 1\nb: 2\nc: 3\ny: 1\n",
            "# top\na: 1\nb: 2\nc: 3\nx: 1\n\"y\": 1\n",
        ),
        (
            "# top\na: 1\nb: 2\n",
            "# top\na: 1\nb: 2\nc: 3\n# why\nd: 4\n",
            "# top\na: 1\nb: 2\nd: 4\n",
        ),
        (
            "# mine\na: 1\nb: 2\nc: 3\n",
            "# top\na: 1\nb: 2\nc: 3\n# theirs\n",
            "# mine\na: 1\nb: 2\nc: 3\n# theirs\n",
        ),
        (
            "# top\na: 5\nb: 2\nc: 3\n",
            "# top\na: 5\nb: 2\nc: 3\n",
            "# top\na: 5\nb: 2\nc: 3\n",
        ),
    ];
    for (ours, theirs, wanted) in cases {
        assert_eq!(merged(base, ours, theirs), (wanted.to_owned(), Vec::new()));
    }
}

#[test]
fn what_both_changed_stays_ours_and_is_named() {
    let (text, names) = merged(
        "a: 1\nb: 2\nm: {x: 1}\n",
        "a: 5\nb: 2\nm: {x: 2}\n",
        "a: 6\nb: 7\nm: {x: 3}\n",
    );
    assert_eq!(names, ["a", "m.x"]);
    assert_eq!(text, "a: 5\nb: 7\nm: {x: 2}\n");
    let (text, names) = merged("a: 1\nb: 2\n", "b: 2\n", "a: 6\nb: 2\n");
    assert_eq!((text.as_str(), names), ("b: 2\n", vec!["a".to_owned()]));
}

#[test]
fn a_file_that_both_made() {
    let (identities, recipient) = keys();
    let (ours, theirs) = (
        file("a: 1\nc: 1\n", &[&recipient]),
        file("b: 2\nc: 1\n", &[&recipient]),
    );
    let Merged::Clean(text) =
        merge(None, &ours, &theirs, &identities, at(2), &mut rand::rng()).unwrap()
    else {
        panic!("a conflict")
    };
    assert_eq!(plain(&text, &identities), "a: 1\nc: 1\nb: 2\n");
}

#[test]
fn who_was_dropped_on_one_side_cannot_open_the_result() {
    let ((identities, ours_key), (left, left_key), (_, new_key)) = (keys(), keys(), keys());
    let base = file("a: 1\nb: 2\n", &[&ours_key, &left_key]);
    let ours = change(&base, "a: 9\nb: 2\n", &identities);
    let theirs = SopsFile::parse(&base).unwrap();
    let theirs = theirs
        .rotate(
            &identities,
            &[ours_key.clone(), new_key.clone()],
            at(1),
            &mut rand::rng(),
        )
        .unwrap();
    let Merged::Clean(text) = merge(
        Some(&base),
        &ours,
        &theirs,
        &identities,
        at(2),
        &mut rand::rng(),
    )
    .unwrap() else {
        panic!("a conflict")
    };
    let merged = SopsFile::parse(&text).unwrap();
    assert_eq!(
        merged.recipients().collect::<Vec<_>>(),
        [ours_key.as_str(), new_key.as_str()]
    );
    assert!(merged.decrypt(&left).is_err());
    // A new data key: no ciphertext of ours, whose data key they knew, is in it.
    let value = |text: &str| {
        text.lines()
            .find(|line| line.starts_with("a:"))
            .unwrap()
            .to_owned()
    };
    assert_ne!(value(&text), value(&ours));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn a_merge_loses_nothing(
        base in prop::collection::btree_map("[a-d]", 0..3_i64, 1..4),
        ours in prop::collection::btree_map("[a-d]", 0..3_i64, 1..4),
        theirs in prop::collection::btree_map("[a-d]", 0..3_i64, 1..4),
    ) {
        let (identities, recipient) = keys();
        let write = |map: &std::collections::BTreeMap<String, i64>| {
            let lines: Vec<_> = map.iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
            let text = lines.concat();
            file(&text, &[&recipient])
        };
        let result = merge(Some(&write(&base)), &write(&ours), &write(&theirs), &identities, at(2), &mut rand::rng()).unwrap();
        let (text, names) = match result {
            Merged::Clean(text) => (text, Vec::new()),
            Merged::Conflicts { text, names } => (text, names),
        };
        let root = SopsFile::parse(&text).unwrap().decrypt(&identities).unwrap().root;
        for key in ["a", "b", "c", "d"] {
            let (b, o, t) = (base.get(key), ours.get(key), theirs.get(key));
            let wanted = if o == t || t == b { o } else if o == b { t } else { o };
            prop_assert_eq!(names.iter().any(|name| name == key), o != t && o != b && t != b);
            prop_assert!(root.get(key) == wanted.map(|value| Value::from(*value)).as_ref());
        }
    }
}
