//! The gate: every kind of refusal leaves ledger and disk untouched; what is accepted is on disk before anything else.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use common::{Files, World, files, key, server, tree};
use jiff::Timestamp;
use std::os::unix::fs::symlink;
use tenantry_agent::agent::Agent;
use tenantry_agent::web_server::NginxServer;
use tenantry_schema::wire::{EventKind, MANIFEST_FILE, RefusalKind};
use tenantry_wire::{bundle, slice};

type TheAgent = Agent<NginxServer>;

fn open(world: &World) -> TheAgent {
    Agent::open(world.config.clone(), true).unwrap()
}

fn offer(agent: &mut TheAgent, bundle: &[u8], fresh: bool) -> Result<(), RefusalKind> {
    let before = agent.news.refusals.len();
    if agent.offer(bundle, fresh, Timestamp::now()) {
        return Ok(());
    }
    assert_eq!(
        agent.news.refusals.len(),
        before + 1,
        "a refusal is reported"
    );
    Err(agent.news.refusals.pop().unwrap().kind)
}

#[test]
fn each_refusal_is_told_by_its_kind_and_changes_nothing() {
    let world = World::new();
    let mut agent = open(&world);
    let old = world.bundle(4, world.html(&[("stacks/web-html/files/a", "4")]));
    let current = world.bundle(5, world.html(&[("stacks/web-html/files/a", "5")]));
    assert_eq!(offer(&mut agent, &current, true), Ok(()));
    let (disk, have) = (tree(&world.config.state), agent.have());
    assert_eq!(have.as_ref().unwrap().generation, 5);

    let html = || world.html(&[("stacks/web-html/files/a", "6")]);
    let sealed = |change: &dyn Fn(&mut slice::Draft), signer| {
        let mut draft = world.draft(6, html());
        change(&mut draft);
        bundle::pack(&slice::seal(draft, signer).unwrap())
    };
    let edited = |change: &dyn Fn(&mut Files)| {
        let mut files = world.sealed(6, html());
        change(&mut files);
        bundle::pack(&files)
    };
    let stranger = age::x25519::Identity::generate().to_public().to_string();
    let unreadable = world.secrets_for(&stranger, &[("A", "b")]);
    let other_host = String::from_utf8(html()["host.yaml"].clone())
        .unwrap()
        .replace("acme-1", "acme-2");
    let cases: Vec<(RefusalKind, Vec<u8>)> = vec![
        (RefusalKind::OldGeneration, old.clone()),
        (
            RefusalKind::SameGenerationOtherContent,
            world.bundle(5, html()),
        ),
        (
            RefusalKind::WrongServer,
            sealed(&|draft| draft.server = server("acme-2"), &world.hub),
        ),
        (
            RefusalKind::WrongServer,
            world.bundle(6, world.html(&[("host.yaml", &other_host)])),
        ),
        (
            RefusalKind::WrongFleet,
            sealed(
                &|draft| draft.fleet_id = "clone".try_into().unwrap(),
                &world.hub,
            ),
        ),
        (RefusalKind::WrongSigner, sealed(&|_| {}, &key())),
        (
            RefusalKind::BadSignature,
            edited(&|files| files.get_mut(MANIFEST_FILE).unwrap().push(b' ')),
        ),
        (
            RefusalKind::TamperedFile,
            edited(&|files| files.get_mut("host.yaml").unwrap().push(b' ')),
        ),
        (
            RefusalKind::TamperedFile,
            edited(&|files| files.extend(common::files(&[("extra", "")]))),
        ),
        (
            RefusalKind::Malformed,
            world.bundle(6, files(&[("readme", "no host.yaml")])),
        ),
        (
            RefusalKind::Malformed,
            world.bundle(6, files(&[("host.yaml", "instances: 3")])),
        ),
        (RefusalKind::Malformed, b"not a bundle".to_vec()),
        (
            RefusalKind::Undecryptable,
            world.bundle(
                6,
                world.html(&[("stacks/web-html/secrets.yaml", &unreadable)]),
            ),
        ),
        (
            RefusalKind::Undecryptable,
            world.bundle(6, world.html(&[("stacks/web-html/secrets.yaml", "A: b")])),
        ),
        (
            RefusalKind::UnsafePath,
            archive(&[("../evil", tar::EntryType::Regular)]),
        ),
        (
            RefusalKind::UnsafePath,
            archive(&[("link", tar::EntryType::Symlink)]),
        ),
        (RefusalKind::TooLarge, bomb()),
    ];
    for (kind, bytes) in cases {
        assert_eq!(offer(&mut agent, &bytes, true), Err(kind));
        assert_eq!(agent.have(), have, "{kind:?}");
        assert!(
            tree(&world.config.state) == disk,
            "{kind:?} wrote something"
        );
    }
    // And after a restart.
    drop(agent);
    let mut agent = open(&world);
    assert_eq!(agent.have(), have);
    assert_eq!(
        offer(&mut agent, &old, true),
        Err(RefusalKind::OldGeneration)
    );
    assert_eq!(offer(&mut agent, &world.bundle(6, html()), true), Ok(()));
}

#[test]
fn without_a_ledger_only_a_fresh_answer_counts() {
    let world = World::new();
    let five = world.bundle(5, world.html(&[]));
    let mut agent = open(&world);
    assert_eq!(offer(&mut agent, &five, false), Err(RefusalKind::NotFresh));
    assert_eq!(offer(&mut agent, &five, true), Ok(()));
    let first = agent.hands().ledger.borrow().get().id.clone();
    drop(agent);

    std::fs::remove_file(world.state("ledger.json")).unwrap();
    let mut agent = open(&world);
    assert_eq!(
        agent.have(),
        None,
        "what is on disk is not believed without a ledger"
    );
    let four = world.bundle(4, world.html(&[]));
    assert_eq!(offer(&mut agent, &four, false), Err(RefusalKind::NotFresh));
    assert_eq!(offer(&mut agent, &five, true), Ok(()));
    assert_ne!(
        agent.hands().ledger.borrow().get().id,
        first,
        "a new ledger counts anew"
    );
}

#[test]
fn a_damaged_ledger_counts_as_none_and_is_told() {
    let world = World::new();
    let mut agent = open(&world);
    offer(&mut agent, &world.bundle(5, world.html(&[])), true).unwrap();
    drop(agent);
    std::fs::write(world.state("ledger.json"), "{").unwrap();
    let mut agent = open(&world);
    assert!(agent.news.events.iter().any(
        |event| event.kind == EventKind::Failed && event.message.contains("ledger is damaged")
    ));
    assert_eq!(
        offer(&mut agent, &world.bundle(4, world.html(&[])), false),
        Err(RefusalKind::NotFresh)
    );
}

#[test]
fn the_same_content_later_only_moves_the_ledger() {
    let world = World::new();
    let mut agent = open(&world);
    offer(&mut agent, &world.bundle(5, world.html(&[])), true).unwrap();
    offer(&mut agent, &world.bundle(9, world.html(&[])), true).unwrap();
    assert_eq!(agent.have().unwrap().generation, 9);
    let accepted = agent
        .news
        .events
        .iter()
        .filter(|event| event.kind == EventKind::SliceAccepted)
        .count();
    assert_eq!(accepted, 1);
    assert_eq!(
        offer(&mut agent, &world.bundle(8, world.html(&[])), true),
        Err(RefusalKind::OldGeneration)
    );
}

#[test]
fn a_slice_that_was_accepted_and_never_applied_is_applied_when_it_comes_again() {
    let world = World::new();
    let mut agent = open(&world);
    offer(&mut agent, &world.bundle(5, world.html(&[])), true).unwrap();
    let six = world.html(&[("stacks/web-html/files/a", "6")]);
    // All that the gate wrote before something failed.
    let draft = world.draft(6, six.clone());
    agent
        .hands()
        .ledger
        .borrow_mut()
        .update(|ledger| {
            let accepted = ledger.accepted.as_mut().unwrap();
            (accepted.generation, accepted.content) = (6, draft.content.clone());
        })
        .unwrap();
    offer(&mut agent, &world.bundle(6, six), true).unwrap();
    assert_eq!(agent.have().unwrap().content, draft.content);
    let desired = agent.desired().unwrap();
    let files: Vec<_> = desired
        .live_files()
        .map(|(path, _)| path.as_str())
        .collect();
    assert!(files.contains(&"web-html/files/a"), "{files:?}");
}

#[test]
fn a_slice_that_was_changed_on_disk_is_not_used_and_can_be_fetched_again() {
    let world = World::new();
    let mut agent = open(&world);
    let five = world.bundle(5, world.html(&[]));
    offer(&mut agent, &five, true).unwrap();
    drop(agent);
    let stored: Vec<_> = tree(&world.state("slices")).into_keys().collect();
    let other = World::new();
    std::fs::write(&stored[0], other.bundle(5, other.html(&[]))).unwrap();
    let mut agent = open(&world);
    assert_eq!(agent.have(), None);
    assert_eq!(agent.news.refusals[0].kind, RefusalKind::WrongSigner);
    assert_eq!(offer(&mut agent, &five, true), Ok(()));
    assert_eq!(agent.have().unwrap().generation, 5);
}

#[test]
fn one_agent_at_a_time() {
    let world = World::new();
    let first = open(&world);
    assert!(Agent::open(world.config.clone(), true).is_err());
    assert!(Agent::open(world.config.clone(), false).is_ok());
    drop(first);
    assert!(Agent::open(world.config.clone(), true).is_ok());
}

#[tokio::test]
async fn files_and_secrets_are_written_even_while_the_engine_is_away_but_never_through_links() {
    let world = World::new();
    let secrets = world.secrets_for(world.agent.age.as_str(), &[("DB_PASSWORD", "hunter2")]);
    let slice = world.html(&[
        ("stacks/web-html/files/html/index.html", "hi"),
        ("stacks/web-html/secrets.yaml", &secrets),
    ]);
    let mut agent = open(&world);
    offer(&mut agent, &world.bundle(5, slice), true).unwrap();
    let look = agent.look(Timestamp::now()).await;
    assert!(!look.plan.converged);
    assert!(agent.take(&look.plan).await);
    assert_eq!(
        std::fs::read_to_string(world.config.secrets.join("web-html/DB_PASSWORD")).unwrap(),
        "hunter2"
    );
    assert_eq!(
        std::fs::read_to_string(world.state("live/web-html/files/html/index.html")).unwrap(),
        "hi"
    );
    let everywhere = tree(&world.config.state);
    assert!(everywhere.iter().all(
        |(path, data)| !data.windows(7).any(|part| part == b"hunter2")
            || panic!("{}", path.display())
    ));
    // Deleted, edited, and led astray.
    let outside = world.folder.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::remove_dir_all(world.state("live/web-html/files/html")).unwrap();
    symlink(&outside, world.state("live/web-html/files/html")).unwrap();
    std::fs::write(world.state("live/web-html/.env"), "TITLE=Bye\n").unwrap();
    let look = agent.look(Timestamp::now()).await;
    agent.take(&look.plan).await;
    assert_eq!(
        std::fs::read_to_string(world.state("live/web-html/.env")).unwrap(),
        "TITLE='Hello'\n"
    );
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    assert!(
        agent
            .news
            .events
            .iter()
            .any(|event| event.kind == EventKind::Failed && event.message.contains("link"))
    );
}

#[tokio::test]
async fn a_compose_file_that_cannot_be_read_tells_no_secret() {
    let world = World::new();
    let secrets = world.secrets_for(world.agent.age.as_str(), &[("TOKEN", "hunter2-hunter2")]);
    let mut agent = open(&world);
    for (generation, wrong) in (1..).zip([
        "ports: ['${TOKEN}:80']",
        "mem_limit: ${TOKEN}",
        "restart: ${TOKEN}",
        "volumes: ['${TOKEN}:/x:${TOKEN}']",
        "networks: ['${TOKEN}']",
        "image: '${TOKEN} x'",
    ]) {
        let compose = format!("services:\n  web:\n    image: busybox:1\n    {wrong}\n")
            .replace("image: busybox:1\n    image", "image");
        let slice = world.html(&[
            ("stacks/web-html/secrets.yaml", &secrets),
            ("stacks/web-html/compose.yaml", &compose),
        ]);
        offer(&mut agent, &world.bundle(generation, slice), true).unwrap();
        let look = agent.look(Timestamp::now()).await;
        let report = serde_json::to_string(&agent.report(&look)).unwrap();
        assert!(
            report.contains("compose.yaml:") && !report.contains("hunter2"),
            "{wrong}: {report}"
        );
    }
}

fn archive(entries: &[(&str, tar::EntryType)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::fast(),
    ));
    for (name, kind) in entries {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(0);
        header.set_cksum();
        builder.append(&header, std::io::empty()).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

/// 100 MiB of zeros in one file.
fn bomb() -> Vec<u8> {
    let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::fast(),
    ));
    let mut header = tar::Header::new_ustar();
    header.set_path("host.yaml").unwrap();
    header.set_size(100 << 20);
    header.set_cksum();
    builder
        .append(&header, std::io::Read::take(std::io::repeat(0), 100 << 20))
        .unwrap();
    builder.into_inner().unwrap().finish().unwrap()
}
