//! Reading objects and asking about history.

use super::*;
use crate::git::{EntryKind, GitError, Version};
use std::time::Instant;

#[test]
fn entries_of_every_kind() {
    let world = World::new(Layout::WorkTree);
    std::os::unix::fs::symlink("/etc/passwd", world.repo().join("link")).unwrap();
    std::fs::write(world.repo().join("run"), "1").unwrap();
    world.git(&["add", "-A"]);
    world.git(&["update-index", "--chmod=+x", "run"]);
    world.git(&[
        "update-index",
        "--add",
        "--cacheinfo",
        &format!("160000,{},module", world.first),
    ]);
    world.git(&["commit", "-qm", "kinds"]);
    let fleet = world.fleet("data");
    fleet.fetch().unwrap();
    let objects = fleet.objects();
    let tree = objects.root_tree(fleet.head().unwrap().unwrap()).unwrap();
    let kinds: Vec<_> = objects
        .tree(tree)
        .unwrap()
        .into_iter()
        .map(|e| (e.name, e.kind))
        .collect();
    let expected = [
        ("fleet", EntryKind::Tree),
        ("link", EntryKind::Symlink),
        ("module", EntryKind::Submodule),
        ("run", EntryKind::Executable),
    ];
    assert_eq!(kinds, expected.map(|(name, kind)| (name.to_owned(), kind)));
    let file = objects
        .lookup(tree, "fleet/customers/acme/customer.yaml")
        .unwrap()
        .unwrap();
    assert_eq!((file.kind, file.mode), (EntryKind::File, 0o100_644));
    assert_eq!(objects.blob(file.oid, 100).unwrap(), b"language: de\n");
    for nothing in [
        "nothing",
        "fleet/nothing",
        "link/passwd",
        "module/x",
        "run/x",
        "fleet/",
        "/fleet",
        "",
    ] {
        assert_eq!(objects.lookup(tree, nothing).unwrap(), None, "{nothing}");
    }
}

#[test]
fn names_that_are_not_text_are_marked() {
    use std::os::unix::ffi::OsStrExt;
    let world = World::new(Layout::WorkTree);
    std::fs::write(
        world.repo().join(std::ffi::OsStr::from_bytes(b"caf\xe9")),
        "1",
    )
    .unwrap();
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "name"]);
    let fleet = world.fleet("data");
    fleet.fetch().unwrap();
    let tree = fleet
        .objects()
        .root_tree(fleet.head().unwrap().unwrap())
        .unwrap();
    assert_eq!(
        fleet.objects().tree(tree).unwrap()[0].kind,
        EntryKind::BadName
    );
}

#[test]
fn limits_and_wrong_kinds() {
    let world = World::new(Layout::Bare);
    let fleet = world.fleet("data");
    let new = commit(&fleet, &[put("big", &"x".repeat(2000))], "big");
    let objects = fleet.objects();
    let tree = objects.root_tree(new).unwrap();
    let big = objects.lookup(tree, "big").unwrap().unwrap().oid;
    assert_eq!(objects.blob(big, 2000).unwrap().len(), 2000);
    assert!(matches!(
        objects.blob(big, 1999),
        Err(GitError::TooLarge {
            size: 2000,
            max: 1999,
            ..
        })
    ));
    assert!(matches!(
        objects.blob(tree, 1999),
        Err(GitError::WrongKind { .. })
    ));
    assert!(objects.tree(big).is_err());
    assert!(objects.root_tree(tree).is_err());
    assert!(matches!(
        objects.blob(Oid::ZERO_SHA1, 1),
        Err(GitError::Missing(_))
    ));
}

#[test]
fn generations_count_every_commit_once_over_merges_and_rewinds() {
    let world = World::new(Layout::WorkTree);
    let fleet = world.fleet("data");
    let step = |name: &str| {
        world.git(&["commit", "-q", "--allow-empty", "-m", name]);
    };
    let check = || {
        fleet.fetch().unwrap();
        let head = fleet.head().unwrap().unwrap();
        assert_eq!(
            fleet.generation(head).unwrap().to_string(),
            world.git(&["rev-list", "--count", "HEAD"])
        );
        head
    };
    step("a");
    let a = check();
    world.git(&["checkout", "-qb", "side"]);
    step("side 1");
    step("side 2");
    world.git(&["checkout", "-q", "main"]);
    step("b");
    check();
    world.git(&["merge", "-q", "--no-edit", "side"]);
    let merged = check();
    assert!(fleet.is_descendant(a, merged).unwrap());
    assert!(!fleet.is_descendant(merged, a).unwrap());
    assert!(fleet.is_descendant(a, a).unwrap());
    world.git(&["reset", "-q", "--hard", &a.to_string()]);
    step("other");
    check();
    let fresh = world.fleet("fresh");
    fresh.fetch().unwrap();
    let head = fresh.head().unwrap().unwrap();
    assert_eq!(
        fresh.generation(head).unwrap(),
        fleet.generation(head).unwrap()
    );
    assert!(fleet.generation(Oid::ZERO_SHA1).is_err());
}

#[test]
fn versions_of_a_folder_newest_first() {
    let world = World::new(Layout::Bare);
    let fleet = world.fleet("data");
    let path = "fleet/customers/acme";
    let same = commit(&fleet, &[put("fleet/x", "1")], "elsewhere");
    let changed = commit(&fleet, &[put("fleet/customers/acme/y.yaml", "1")], "acme");
    commit(&fleet, &[put("fleet/x", "2")], "elsewhere");
    let gone = commit(
        &fleet,
        &[
            delete("fleet/customers/acme/y.yaml"),
            delete("fleet/customers/acme/customer.yaml"),
        ],
        "gone",
    );
    let head = commit(&fleet, &[put("fleet/x", "3")], "elsewhere");
    let versions: Vec<Version> = fleet
        .first_parent_versions(head, path, 100)
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(
        versions.iter().map(|v| v.commit).collect::<Vec<_>>(),
        [gone, changed, world.first]
    );
    assert_eq!(
        versions
            .iter()
            .map(|v| v.entry.is_some())
            .collect::<Vec<_>>(),
        [false, true, true]
    );
    let limited: Vec<Version> = fleet
        .first_parent_versions(head, path, 5)
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(
        limited.iter().map(|v| v.commit).collect::<Vec<_>>(),
        [gone, changed, same]
    );
    assert_eq!(fleet.first_parent_versions(head, path, 0).count(), 0);
    assert!(
        fleet
            .first_parent_versions(Oid::ZERO_SHA1, path, 5)
            .next()
            .unwrap()
            .is_err()
    );
}

#[test]
fn a_repack_in_between_does_not_matter() {
    let world = World::new(Layout::Bare);
    let fleet = world.fleet("data");
    let mut blobs = Vec::new();
    for n in 0..30 {
        let new = commit(&fleet, &[put("fleet/x", &format!("{n}"))], "x");
        blobs.push(
            fleet
                .objects()
                .lookup(fleet.objects().root_tree(new).unwrap(), "fleet/x")
                .unwrap()
                .unwrap()
                .oid,
        );
        if n % 10 == 5 {
            world.git(&["gc", "-q", "--prune=now"]);
        }
        for (n, oid) in blobs.iter().enumerate() {
            assert_eq!(
                fleet.objects().blob(*oid, 10).unwrap(),
                n.to_string().as_bytes()
            );
        }
    }
    fleet.maintain().unwrap();
}

#[test]
#[ignore = "a measurement: 200,000 blobs"]
fn two_hundred_thousand_blobs() {
    use rayon::prelude::*;
    let world = World::new(Layout::Bare);
    let fleet = world.fleet("data");
    let changes: Vec<Change> = (0..200_000)
        .map(|n| {
            put(
                &format!("fleet/customers/c{}/orders/o{n}.yaml", n / 20),
                &format!("plan: pro\ndomain: d{n}.example\nautomation: auto\ntools:\n  html:\n"),
            )
        })
        .collect();
    let started = Instant::now();
    let head = commit(&fleet, &changes, "Many");
    eprintln!("one commit of 200,000 files: {:?}", started.elapsed());
    let read = |what: &str| {
        let fleet = world.fleet("data");
        let objects = fleet.objects();
        let started = Instant::now();
        let customers = objects
            .lookup(objects.root_tree(head).unwrap(), "fleet/customers")
            .unwrap()
            .unwrap()
            .oid;
        let folders = objects.tree(customers).unwrap();
        let bytes: usize = folders
            .par_iter()
            .flat_map_iter(|folder| objects.tree(folder.oid).unwrap())
            .filter(|entry| entry.kind == EntryKind::Tree)
            .flat_map_iter(|orders| objects.tree(orders.oid).unwrap())
            .map(|entry| objects.blob(entry.oid, 65_536).unwrap().len())
            .sum();
        eprintln!("{what}: {bytes} bytes in {:?}", started.elapsed());
    };
    read("own pack");
    read("own pack, again");
    git(&world.repo(), &["gc", "-q"]);
    read("after git gc");
}
