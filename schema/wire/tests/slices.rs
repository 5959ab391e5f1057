//! Slices: what the hub sealed opens on its server, and nothing else does.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use proptest::prelude::*;
use std::collections::BTreeMap;
use tenantry_schema::id::{FleetId, ServerKey};
use tenantry_schema::name::RelativePath;
use tenantry_schema::wire::{
    MANIFEST_FILE, Manifest, RefusalKind, SIGNATURE_FILE, SIGNATURE_NAMESPACE,
};
use tenantry_wire::ledger::{Accepted, Verdict, judge};
use tenantry_wire::slice::{Draft, Expect, SealError, content_digest, content_key, open, seal};
use tenantry_wire::{SigningKey, sshsig};

type Files = BTreeMap<RelativePath, Vec<u8>>;

fn key() -> SigningKey {
    SigningKey::generate(&mut rand::rng())
}

fn server(name: &str) -> ServerKey {
    ServerKey {
        customer: "acme".try_into().unwrap(),
        server: name.try_into().unwrap(),
    }
}

fn fleet(name: &str) -> FleetId {
    name.try_into().unwrap()
}

fn path(text: &str) -> RelativePath {
    text.try_into().unwrap()
}

fn files(entries: &[(&str, &str)]) -> Files {
    entries
        .iter()
        .map(|(name, data)| (path(name), data.as_bytes().to_vec()))
        .collect()
}

fn draft(files: Files) -> Draft {
    Draft {
        fleet_id: fleet("example"),
        server: server("acme-1"),
        generation: 41,
        commit: "3f2a91c0".repeat(5),
        issued: "2026-11-21T10:00:00Z".parse().unwrap(),
        content: "c0ffee".into(),
        files,
    }
}

fn kind_of(sealed: Files, key: &SigningKey) -> Option<RefusalKind> {
    let (fleet, server, trusted) = (
        fleet("example"),
        server("acme-1"),
        [key.verifying_key().clone()],
    );
    open(
        sealed,
        &Expect {
            fleet_id: &fleet,
            server: &server,
            trusted: &trusted,
        },
    )
    .err()
    .map(|refused| refused.kind)
}

#[test]
fn opens_what_was_sealed() {
    let (key, content) = (
        key(),
        files(&[
            ("host.yaml", "a"),
            ("stacks/web-html/.env", "b"),
            ("sites/x.conf", ""),
        ]),
    );
    let sealed = seal(draft(content.clone()), &key).unwrap();
    let (fleet, server, trusted) = (
        fleet("example"),
        server("acme-1"),
        [key.verifying_key().clone()],
    );
    let opened = open(
        sealed,
        &Expect {
            fleet_id: &fleet,
            server: &server,
            trusted: &trusted,
        },
    )
    .unwrap();
    assert_eq!(opened.files, content);
    assert_eq!(opened.manifest.generation, 41);
    assert_eq!(opened.manifest.files.len(), 3);
}

#[test]
fn ssh_keygen_checks_the_manifest() {
    let (folder, key) = (tempfile::tempdir().unwrap(), key());
    let sealed = seal(draft(files(&[("host.yaml", "a")])), &key).unwrap();
    for (name, data) in &sealed {
        std::fs::write(folder.path().join(name.as_str()), data).unwrap();
    }
    std::fs::write(
        folder.path().join("signers"),
        format!("hub {}\n", key.public()),
    )
    .unwrap();
    let status = std::process::Command::new("ssh-keygen")
        .args([
            "-Y",
            "verify",
            "-f",
            "signers",
            "-I",
            "hub",
            "-n",
            SIGNATURE_NAMESPACE,
            "-s",
            SIGNATURE_FILE,
        ])
        .stdin(std::fs::File::open(folder.path().join(MANIFEST_FILE)).unwrap())
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(status.status.success(), "{status:?}");
}

#[test]
fn every_refusal_has_its_kind() {
    let key = key();
    let content = files(&[("host.yaml", "a"), ("sites/x.conf", "b")]);
    let good = seal(draft(content.clone()), &key).unwrap();
    assert_eq!(kind_of(good.clone(), &key), None);

    let change = |edit: &dyn Fn(&mut Files)| {
        let mut files = good.clone();
        edit(&mut files);
        kind_of(files, &key)
    };
    assert_eq!(
        change(&|files| files.retain(|name, _| name.as_str() != MANIFEST_FILE)),
        Some(RefusalKind::Malformed)
    );
    assert_eq!(
        change(&|files| files.retain(|name, _| name.as_str() != SIGNATURE_FILE)),
        Some(RefusalKind::Malformed)
    );
    assert_eq!(
        change(&|files| files.get_mut(MANIFEST_FILE).unwrap().push(b'\n')),
        Some(RefusalKind::BadSignature)
    );
    assert_eq!(
        change(&|files| files.get_mut(SIGNATURE_FILE).unwrap().clear()),
        Some(RefusalKind::BadSignature)
    );
    assert_eq!(
        change(&|files| files.get_mut("host.yaml").unwrap().push(b'x')),
        Some(RefusalKind::TamperedFile)
    );
    assert_eq!(
        change(&|files| files.retain(|name, _| name.as_str() != "host.yaml")),
        Some(RefusalKind::TamperedFile)
    );
    assert_eq!(
        change(&|files| drop(files.insert(path("extra"), vec![]))),
        Some(RefusalKind::TamperedFile)
    );
    assert_eq!(
        kind_of(good.clone(), &SigningKey::generate(&mut rand::rng())),
        Some(RefusalKind::WrongSigner)
    );

    let with = |edit: &dyn Fn(&mut Draft)| {
        let mut draft = draft(content.clone());
        edit(&mut draft);
        kind_of(seal(draft, &key).unwrap(), &key)
    };
    assert_eq!(
        with(&|draft| draft.server = server("acme-2")),
        Some(RefusalKind::WrongServer)
    );
    assert_eq!(
        with(&|draft| draft.server.customer = "other".try_into().unwrap()),
        Some(RefusalKind::WrongServer)
    );
    assert_eq!(
        with(&|draft| draft.fleet_id = fleet("clone")),
        Some(RefusalKind::WrongFleet)
    );

    // Signed by the right key, but for another purpose or of another layout.
    let resign = |text: String, namespace: &str| {
        let mut files = good.clone();
        files.insert(
            path(SIGNATURE_FILE),
            sshsig::sign(&key, namespace, text.as_bytes()).into_bytes(),
        );
        files.insert(path(MANIFEST_FILE), text.into_bytes());
        kind_of(files, &key)
    };
    let text = String::from_utf8(good[MANIFEST_FILE].clone()).unwrap();
    assert_eq!(resign(text.clone(), SIGNATURE_NAMESPACE), None);
    assert_eq!(resign(text.clone(), "git"), Some(RefusalKind::BadSignature));
    assert_eq!(
        resign(
            text.replace("format: 1", "format: 2\nnew: field"),
            SIGNATURE_NAMESPACE
        ),
        Some(RefusalKind::UnknownFormat)
    );
    assert_eq!(
        resign(format!("{text}new: field\n"), SIGNATURE_NAMESPACE),
        Some(RefusalKind::Malformed)
    );
    assert_eq!(
        resign("nonsense".into(), SIGNATURE_NAMESPACE),
        Some(RefusalKind::Malformed)
    );
}

#[test]
fn reserved_names_are_not_sealed() {
    let result = seal(draft(files(&[(SIGNATURE_FILE, "x")])), &key());
    assert_eq!(result, Err(SealError::ReservedName(path(SIGNATURE_FILE))));
}

#[test]
fn content_keys_and_digests_depend_on_key_server_and_every_boundary() {
    let (key, again) = (key(), SigningKey::generate(&mut rand::rng()));
    let derive = |key: &SigningKey, name| content_key(key, &server(name));
    assert_eq!(derive(&key, "a").expose(), derive(&key, "a").expose());
    assert_ne!(derive(&key, "a").expose(), derive(&key, "b").expose());
    assert_ne!(derive(&key, "a").expose(), derive(&again, "a").expose());
    let restored = SigningKey::from_openssh(key.to_openssh("x").expose()).unwrap();
    assert_eq!(derive(&key, "a").expose(), derive(&restored, "a").expose());

    let digest = |entries: &[(&str, &str)]| content_digest(&derive(&key, "a"), &files(entries));
    let all = [
        digest(&[]),
        digest(&[("a", "")]),
        digest(&[("a", "bc")]),
        digest(&[("ab", "c")]),
        digest(&[("a", ""), ("b", "c")]),
    ];
    for (at, one) in all.iter().enumerate() {
        assert_eq!(one.len(), 64);
        assert!(!all[at + 1..].contains(one));
    }
}

fn manifest(generation: u64, content: &str) -> Manifest {
    Manifest {
        format: 1,
        fleet_id: fleet("example"),
        server: server("a"),
        generation,
        commit: String::new(),
        issued: "2026-11-21T10:00:00Z".parse().unwrap(),
        content: content.into(),
        files: BTreeMap::new(),
    }
}

#[test]
fn only_forward() {
    let ledger = Accepted {
        generation: 5,
        content: "five".into(),
    };
    let ask = |generation, content| judge(Some(&ledger), &manifest(generation, content), true);
    assert_eq!(ask(6, "six"), Verdict::Accept);
    assert_eq!(ask(6, "five"), Verdict::SameContent);
    assert_eq!(ask(5, "five"), Verdict::SameContent);
    assert_eq!(
        ask(5, "six"),
        Verdict::Refuse(RefusalKind::SameGenerationOtherContent)
    );
    assert_eq!(ask(4, "four"), Verdict::Refuse(RefusalKind::OldGeneration));
    assert_eq!(ask(4, "five"), Verdict::Refuse(RefusalKind::OldGeneration));
    assert_eq!(judge(None, &manifest(1, "one"), true), Verdict::Accept);
    assert_eq!(
        judge(None, &manifest(1, "one"), false),
        Verdict::Refuse(RefusalKind::NotFresh)
    );
}

proptest! {
    #[test]
    fn whatever_comes_generations_never_fall_and_content_never_changes_within_one(
        offers in proptest::collection::vec((0u64..8, "[ab]", any::<bool>()), 0..30)
    ) {
        let mut ledger: Option<Accepted> = None;
        for (generation, content, fresh) in offers {
            let before = ledger.clone();
            if judge(before.as_ref(), &manifest(generation, &content), fresh) == Verdict::Accept
                || judge(before.as_ref(), &manifest(generation, &content), fresh) == Verdict::SameContent
            {
                ledger = Some(Accepted { generation, content });
            }
            if let (Some(before), Some(after)) = (&before, &ledger) {
                prop_assert!(after.generation >= before.generation);
                prop_assert!(after.generation > before.generation || after.content == before.content);
            }
        }
    }

    #[test]
    fn arbitrary_manifests_and_signatures_are_answered(text in any::<Vec<u8>>(), signature in any::<Vec<u8>>()) {
        let key = key();
        let sealed = BTreeMap::from([(path(MANIFEST_FILE), text), (path(SIGNATURE_FILE), signature)]);
        prop_assert!(kind_of(sealed, &key).is_some());
    }

    #[test]
    fn any_signed_text_is_answered(text in "(format: 1\n)?.{0,60}") {
        let key = key();
        let signature = sshsig::sign(&key, SIGNATURE_NAMESPACE, text.as_bytes());
        let sealed = BTreeMap::from([(path(MANIFEST_FILE), text.into_bytes()), (path(SIGNATURE_FILE), signature.into_bytes())]);
        prop_assert!(kind_of(sealed, &key).is_some());
    }
}
