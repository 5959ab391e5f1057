//! The format against itself: round trips, edits, damage of every kind. The real program is asked in `peer.rs`.

#![allow(clippy::unwrap_used, reason = "test helpers outside of test functions")]

mod common;

use common::{at, keys, options, rng, rule, sample, set, text, tree};
use proptest::prelude::*;
use tenantry_sops::{
    Error, ExposeSecret, Identities, Kind, Map, Path, Rule, SopsFile, Value, encrypt, is_sops,
    sealed_keys, top_level_keys,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_encrypted_is_decrypted(plain in tree(), rule in rule(), only in any::<bool>(), seed in any::<u64>()) {
        let ours = keys();
        let text = encrypt(&plain, &options(&[&ours], rule, only), &mut rng(seed)).unwrap();
        let file = SopsFile::parse(&text).unwrap();
        prop_assert!(is_sops(&text));
        let names: Vec<_> = plain.iter().map(|(key, _)| key.to_owned()).collect();
        prop_assert_eq!(file.top_level_keys().collect::<Vec<_>>(), names.clone());
        prop_assert_eq!(top_level_keys(&text).unwrap(), names.clone());
        prop_assert_eq!(sealed_keys(&text).unwrap(), names);
        prop_assert!(file.decrypt(&ours.identities).unwrap().root == plain, "{}", text);
    }

    #[test]
    fn a_set_key_is_set_and_nothing_else_moves(plain in tree(), key in common::key(), value in common::scalar()) {
        let ours = keys();
        let text = encrypt(&plain, &options(&[&ours], Rule::default(), true), &mut rng(1)).unwrap();
        let file = SopsFile::parse(&text).unwrap();
        let change = set(Path::from(key.as_str()), value.clone());
        let edited = file.edit(&ours.identities, &[change], at(9), &mut rng(2)).unwrap();
        let wanted = plain.clone().with(key.as_str(), value);
        prop_assert!(SopsFile::parse(&edited).unwrap().decrypt(&ours.identities).unwrap().root == wanted, "{}", edited);
        if plain == wanted {
            prop_assert_eq!(edited, text);
        }
    }

    #[test]
    fn rotation_keeps_the_tree(plain in tree(), only in any::<bool>()) {
        let (ours, next) = (keys(), keys());
        let text = encrypt(&plain, &options(&[&ours], Rule::default(), only), &mut rng(1)).unwrap();
        let file = SopsFile::parse(&text).unwrap();
        let rotated = file.rotate(&ours.identities, std::slice::from_ref(&next.recipient), at(9), &mut rng(2)).unwrap();
        let rotated = SopsFile::parse(&rotated).unwrap();
        prop_assert!(rotated.decrypt(&next.identities).unwrap().root == plain);
        prop_assert!(rotated.decrypt(&ours.identities).is_err());
    }

    #[test]
    fn any_text_is_read_without_panic(text in text()) {
        let _ = SopsFile::parse(&text);
        let _ = is_sops(&text);
        let _ = top_level_keys(&text);
        let _ = sealed_keys(&text);
        let _ = tenantry_sops::CreationRules::parse(&text);
        let _ = Identities::parse(&text);
    }

    #[test]
    fn a_damaged_file_never_panics_nor_lies(cut in 0_usize..4000, insert in "[ -~\n]{0,3}", len in 0_usize..5) {
        let ours = keys();
        let text = encrypt(&sample(), &options(&[&ours], Rule::all(), false), &mut rng(3)).unwrap();
        let start = cut % text.len();
        let end = (start + len).min(text.len());
        let damaged = [&text[..start], &insert, &text[end..]].concat();
        if let Ok(file) = SopsFile::parse(&damaged) {
            let _ = file.leaves();
            let _ = file.edit(&ours.identities, &[set(Path::from("token"), "x")], at(1), &mut rng(4));
            if let Ok(opened) = file.decrypt(&ours.identities) {
                // Keys may be renamed where nothing is sealed below them; values may not change.
                let values = |map: &Map| map.iter().map(|(_, value)| value.clone()).collect::<Vec<_>>();
                prop_assert!(values(&opened.root) == values(&sample()), "{}", damaged);
            }
        }
        let truncated = &text[..start];
        if let Ok(opened) = SopsFile::parse(truncated).and_then(|file| file.decrypt(&ours.identities)) {
            prop_assert!(opened.root == sample());
        }
    }
}

#[test]
fn names_and_clear_values_need_no_key() {
    let ours = keys();
    let text = encrypt(
        &sample(),
        &options(&[&ours], Rule::default(), true),
        &mut rng(1),
    )
    .unwrap();
    let file = SopsFile::parse(&text).unwrap();
    assert_eq!(
        file.recipients().collect::<Vec<_>>(),
        [ours.recipient.as_str()]
    );
    assert_eq!(file.version(), "3.11.0");
    assert_eq!(file.last_modified(), at(0));
    assert!(file.mac_only_encrypted());
    assert_eq!(file.rule(), &Rule::default());
    let leaves: Vec<_> = file
        .leaves()
        .into_iter()
        .map(|leaf| (leaf.path.to_string(), leaf.kind, leaf.encrypted))
        .collect();
    let wanted = [
        ("token", Kind::Str, true),
        ("user", Kind::Str, true),
        ("port", Kind::Int, true),
        ("note_unencrypted", Kind::Str, false),
        ("db.password", Kind::Str, true),
        ("db.hosts[0]", Kind::Str, true),
        ("db.hosts[1]", Kind::Str, true),
    ];
    assert_eq!(
        leaves,
        wanted.map(|(path, kind, encrypted)| (path.to_owned(), kind, encrypted))
    );
    assert_eq!(
        file.clear_value(&Path::from("note_unencrypted")),
        Some("clear".into())
    );
    assert_eq!(file.clear_value(&Path::from("token")), None);
    let shown = format!("{file:?} {:?}", file.decrypt(&ours.identities).unwrap());
    assert!(!shown.contains("s3cret") && !shown.contains("5432"));
}

#[test]
fn flat_maps() {
    let ours = keys();
    let plain = Map::new()
        .with("A", "x")
        .with("N", 7)
        .with("T", true)
        .with("E", "")
        .with("Z", Value::Null);
    let text = encrypt(
        &plain,
        &options(&[&ours], Rule::default(), true),
        &mut rng(1),
    )
    .unwrap();
    let flat = SopsFile::parse(&text)
        .unwrap()
        .decrypt(&ours.identities)
        .unwrap()
        .to_flat_map()
        .unwrap();
    let flat: Vec<_> = flat
        .iter()
        .map(|(key, value)| (key.as_str(), value.expose_secret()))
        .collect();
    assert_eq!(flat, [("A", "x"), ("E", ""), ("N", "7"), ("T", "True")]);
}

#[test]
fn tampering_is_told_by_kind() {
    let ours = keys();
    let encrypted = |only| {
        encrypt(
            &sample(),
            &options(&[&ours], Rule::default(), only),
            &mut rng(1),
        )
        .unwrap()
    };
    let text = encrypted(false);
    let open = |text: &str| {
        SopsFile::parse(text)
            .and_then(|file| file.decrypt(&ours.identities))
            .err()
    };
    let line = |key: &str| text.lines().find(|line| line.starts_with(key)).unwrap();
    let value = |key: &str| line(key).split_once(": ").unwrap().1;
    let bad_value = |text: &str, path: &str| matches!(open(text), Some(Error::BadValue { path: at, .. }) if at == path);

    let swapped = text
        .replace(value("token"), "@")
        .replace(value("user"), value("token"))
        .replace('@', value("user"));
    assert!(bad_value(&swapped, "token"));
    assert!(bad_value(&text.replace(value("token"), "open"), "token"));
    assert!(bad_value(&text.replace(value("token"), "17"), "token"));
    assert_eq!(
        open(&text.replace(value("token"), "\"\"")),
        Some(Error::MacMismatch)
    );
    assert_eq!(
        open(&text.replace(value("token"), "null")),
        Some(Error::MacMismatch)
    );
    assert_eq!(
        open(&text.replace(&format!("{}\n", line("token")), "")),
        Some(Error::MacMismatch)
    );
    assert_eq!(
        open(&text.replace(": clear", ": changed")),
        Some(Error::MacMismatch)
    );
    assert_eq!(open(&encrypted(true).replace(": clear", ": changed")), None);
    assert_eq!(
        open(&text.replace("mac: ENC", "mac: ENX")),
        Some(Error::MacMismatch)
    );
    assert_eq!(
        open(&text.replace("lastmodified: \"20", "lastmodified: \"21")),
        Some(Error::MacMismatch)
    );
    assert!(matches!(
        open(&text.replace(
            "unencrypted_suffix: _unencrypted",
            "unencrypted_suffix: _unencrypted\n    mac_only_encrypted: true"
        )),
        Some(Error::MacMismatch)
    ));
    let field = |text: &str| match open(text) {
        Some(Error::BadMetadata { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(field(&text.replace("    version: 3.11.0\n", "")), "version");
    assert_eq!(field(&text.replace("    mac: ", "    mak: ")), "mac");
    assert_eq!(
        field(&text.replace("lastmodified: \"", "lastmodified: \"x")),
        "lastmodified"
    );
    assert_eq!(field(&text.replace("    age:", "    agf:")), "age");
    assert_eq!(
        open(&text.replace("version: 3.11.0", "version: 4.0.0")),
        Some(Error::UnsupportedVersion {
            version: "4.0.0".into()
        })
    );
    assert_eq!(
        open(&text.replace("    age:", "    pgp:")),
        Some(Error::UnsupportedKeyType { kind: "pgp".into() })
    );
    assert_eq!(open("token: x\n"), Some(Error::NotSops));
    assert_eq!(open("- sops\n"), Some(Error::NotSops));
    assert_eq!(open("sops: 1\n"), Some(Error::NotSops));
    let stranger = keys();
    let stolen = SopsFile::parse(&text)
        .unwrap()
        .decrypt(&stranger.identities)
        .unwrap_err();
    assert!(
        matches!(stolen, Error::NoMatchingKey { recipients } if recipients == [ours.recipient.as_str()])
    );
    let armor = text.find("BEGIN AGE").unwrap() + 200;
    let mut damaged = text.clone().into_bytes();
    damaged[armor] = if damaged[armor] == b'A' { b'B' } else { b'A' };
    let damaged = String::from_utf8(damaged).unwrap();
    assert!(matches!(
        open(&damaged),
        Some(Error::BadDataKey { .. } | Error::NoMatchingKey { .. })
    ));
}

#[test]
fn names_are_read_in_microseconds() {
    let ours = keys();
    let plain: Map = (0..8)
        .map(|at| (format!("SECRET_{at}"), Value::from("x".repeat(40))))
        .collect();
    let text = encrypt(
        &plain,
        &options(&[&ours], Rule::default(), true),
        &mut rng(1),
    )
    .unwrap();
    assert!(text.len() > 2000);
    let started = std::time::Instant::now();
    for _ in 0..1000 {
        assert_eq!(top_level_keys(&text).unwrap().len(), 8);
    }
    let each = started.elapsed() / 1000;
    println!("top_level_keys: {each:?} for {} bytes", text.len());
    // Generous, for unoptimised builds on a busy machine.
    assert!(each < std::time::Duration::from_millis(2), "{each:?}");
}

/// A file with a value in clear text under a key that its rule says is encrypted, wherever that stands.
#[test]
fn what_everybody_can_read_is_found() {
    let ours = keys();
    let plain = Map::default()
        .with("token", Value::text("hush"))
        .with("public_unencrypted", Value::text("open"))
        .with("empty", Value::text(""));
    let sealed = encrypt(
        &plain,
        &options(&[&ours], Rule::default(), true),
        &mut rng(1),
    )
    .unwrap();
    assert_eq!(
        sealed_keys(&sealed).unwrap(),
        ["token", "public_unencrypted", "empty"]
    );
    let exposed = |text: String, path: &str| {
        let path = path.to_owned();
        assert_eq!(sealed_keys(&text), Err(Error::ClearText { path }), "{text}");
        assert!(top_level_keys(&text).is_ok());
    };
    exposed(format!("added: hunter2\n{sealed}"), "added");
    exposed(format!("added: {{ deep: 5 }}\n{sealed}"), "added.deep");
    exposed(format!("added:\n  - hunter2\n{sealed}"), "added[0]");
    exposed(format!("added: |\n  hunter2\n{sealed}"), "added");
    exposed(sealed.replacen("token: ENC[", "token: XNC[", 1), "token");

    let metadata = "sops:\n  lastmodified: '2026-01-01T00:00:00Z'\n  mac: ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]\n  version: 3.11.0\n";
    let nobody = format!("token: ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]\n{metadata}");
    assert!(sealed_keys(&nobody).is_err(), "nobody can open it");
}

/// What a person deleted or put into the metadata by hand is no longer a file that anybody can open and check.
#[test]
fn damaged_metadata_is_found_without_a_key() {
    let ours = keys();
    let plain = Map::default().with("token", Value::text("hush"));
    let sealed = encrypt(
        &plain,
        &options(&[&ours], Rule::default(), true),
        &mut rng(1),
    )
    .unwrap();
    assert!(sealed_keys(&sealed).is_ok());
    let without = |start: &str| {
        let kept = sealed
            .split_inclusive('\n')
            .filter(|line| !line.trim_start().starts_with(start));
        kept.collect::<String>()
    };
    for line in ["mac:", "lastmodified:", "version:"] {
        assert!(sealed_keys(&without(line)).is_err(), "{line}");
    }
    let other = sealed.replace("recipient: age1", "recipient: age2");
    assert!(matches!(
        sealed_keys(&other),
        Err(Error::BadRecipient { .. })
    ));
    let groups = sealed.replace("sops:\n", "sops:\n    key_groups:\n        - age: []\n");
    assert!(sealed_keys(&groups).is_err());
}
