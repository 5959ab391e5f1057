//! Committing: what trees come out, and that nobody's commit is lost.

use super::*;
use crate::git::GitError;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[test]
fn changes_make_the_trees_that_git_would_make() {
    let world = World::new(Layout::Bare);
    let fleet = world.fleet("data");
    let new = commit(
        &fleet,
        &[
            put("fleet/a.yaml", "1"),
            put("fleet/a/x.yaml", "2"),
            put("fleet/a-b/y", "3"),
            delete("fleet/customers/acme/customer.yaml"),
        ],
        "Sort\n\nBecause folders sort as if they ended with a slash.",
    );
    assert_eq!(world.git(&["rev-parse", "main"]), new.to_string());
    assert_eq!(
        world.git(&["ls-tree", "-r", "--name-only", "main"]),
        "fleet/a-b/y\nfleet/a.yaml\nfleet/a/x.yaml\nfleet/hub.yaml"
    );
    assert_eq!(
        world.git(&["fsck", "--strict", "--full", "--no-dangling"]),
        ""
    );
    let info = fleet.objects().commit_info(new).unwrap();
    assert_eq!(
        (info.summary.as_str(), info.parents, info.time),
        ("Sort", vec![world.first], at(2))
    );
    assert_eq!(
        world.git(&["log", "-1", "--format=%an <%ae> %B", "main"]),
        "Tenantry <hub@test.example> Sort\n\nBecause folders sort as if they ended with a slash."
    );
}

#[test]
fn changes_that_do_not_fit_are_refused() {
    let world = World::new(Layout::Bare);
    let fleet = world.fleet("data");
    for changes in [
        vec![put("fleet", "a file where a folder is")],
        vec![delete("fleet")],
        vec![put("fleet/hub.yaml/x", "a folder where a file is")],
        vec![put("fleet/.git/config", "x")],
        vec![put("fleet/.GIT/config", "x")],
        vec![put("a", "1"), put("a", "2")],
        vec![put("a", "1"), put("a/b", "2")],
    ] {
        let error = fleet
            .commit(world.first, &changes, &author(), "x", at(3))
            .unwrap_err();
        assert!(
            matches!(error, GitError::BadChange { .. }),
            "{changes:?}: {error}"
        );
    }
    assert_eq!(fleet.head().unwrap(), Some(world.first));
}

#[test]
fn nothing_to_change_makes_no_commit() {
    let world = World::new(Layout::Bare);
    let fleet = world.fleet("data");
    let same = [
        put("fleet/hub.yaml", "fleet_id: test\n"),
        delete("fleet/nothing/here.yaml"),
    ];
    assert_eq!(
        fleet
            .commit(world.first, &same, &author(), "x", at(3))
            .unwrap(),
        Outcome::Unchanged
    );
    let next = commit(&fleet, &[put("x", "1")], "x");
    assert_eq!(
        fleet
            .commit(world.first, &same, &author(), "x", at(3))
            .unwrap(),
        Outcome::Moved
    );
    assert_eq!(fleet.head().unwrap(), Some(next));
}

#[test]
fn the_executable_bit_stays() {
    let world = World::new(Layout::WorkTree);
    use std::os::unix::fs::PermissionsExt;
    let run = world.repo().join("run");
    std::fs::write(&run, "1").unwrap();
    std::fs::set_permissions(&run, std::fs::Permissions::from_mode(0o755)).unwrap();
    world.git(&["add", "run"]);
    world.git(&["commit", "-qm", "run"]);
    let fleet = world.fleet("data");
    fleet.fetch().unwrap();
    commit(&fleet, &[put("run", "2")], "x");
    assert!(world.git(&["ls-tree", "main", "run"]).starts_with("100755"));
}

#[test]
fn a_large_commit_is_one_pack() {
    let world = World::new(Layout::Bare);
    let fleet = world.fleet("data");
    let changes: Vec<Change> = (0..2000)
        .map(|n| {
            put(
                &format!("fleet/decisions/c{}/o{n}.yaml", n % 100),
                &format!("port: {n}\n"),
            )
        })
        .collect();
    commit(&fleet, &changes, "Decide");
    let count = world.git(&["count-objects", "-v"]);
    assert!(count.contains("packs: 1\n"), "{count}");
    assert_eq!(
        world.git(&["fsck", "--strict", "--full", "--no-dangling"]),
        ""
    );
    assert_eq!(
        world.git(&["show", "main:fleet/decisions/c7/o107.yaml"]),
        "port: 107"
    );
}

#[test]
fn one_file_among_ten_thousand_siblings_is_quick() {
    let world = World::new(Layout::Bare);
    let fleet = world.fleet("data");
    let changes: Vec<Change> = (0..10_000)
        .map(|n| {
            put(
                &format!("fleet/customers/c{n}/customer.yaml"),
                "language: de\n",
            )
        })
        .collect();
    commit(&fleet, &changes, "Many");
    let started = std::time::Instant::now();
    for n in 0..10 {
        commit(
            &fleet,
            &[put(
                "fleet/customers/c77/customer.yaml",
                &format!("language: de\nnotes: {n}\n"),
            )],
            "One",
        );
    }
    let each = started.elapsed() / 10;
    eprintln!("commit among 10,000 siblings: {each:?}");
    assert!(each < std::time::Duration::from_secs(1), "{each:?}");
}

/// Each committer adds its own files, one a commit, and starts over whenever the branch has moved.
fn commit_until_done(fleet: &Fleet, who: &str, count: usize) {
    for n in 0..count {
        loop {
            fleet.fetch().unwrap();
            let base = fleet.head().unwrap().unwrap();
            let change = [put(&format!("fleet/decisions/{who}/{n}.yaml"), who)];
            match fleet
                .commit(base, &change, &author(), &format!("{who} {n}"), at(5))
                .unwrap()
            {
                Outcome::Committed(_) => break,
                Outcome::Moved => {}
                Outcome::Unchanged => panic!("{who} {n} was there already"),
            }
        }
    }
}

fn nothing_is_lost(layout: Layout, count: usize) {
    let world = World::new(layout);
    let fleets = [world.fleet("one"), world.fleet("two")];
    std::thread::scope(|scope| {
        for (fleet, who) in fleets.iter().zip(["one", "two"]) {
            scope.spawn(move || commit_until_done(fleet, who, count));
        }
    });
    assert_eq!(
        world.git(&["rev-list", "--count", "main"]),
        (1 + 2 * count).to_string()
    );
    assert_eq!(
        world
            .git(&["ls-tree", "-r", "--name-only", "main", "fleet/decisions/"])
            .lines()
            .count(),
        2 * count
    );
    for who in ["one", "two"] {
        let subjects = world.git(&[
            "log",
            "--reverse",
            "--format=%s",
            "--grep",
            &format!("^{who} "),
            "main",
        ]);
        assert_eq!(
            subjects,
            (0..count)
                .map(|n| format!("{who} {n}"))
                .collect::<Vec<_>>()
                .join("\n")
        );
    }
    assert_eq!(
        world.git(&["fsck", "--strict", "--full", "--no-dangling"]),
        ""
    );
}

#[test]
fn two_committers_in_one_repository_lose_nothing() {
    nothing_is_lost(Layout::Bare, 100);
}

#[test]
fn two_committers_through_a_remote_lose_nothing() {
    nothing_is_lost(Layout::WorkTree, 15);
}

#[test]
fn a_lock_that_is_never_released_is_an_error_not_a_wait() {
    let world = World::new(Layout::Bare);
    let fleet = world.fleet("data");
    std::fs::write(world.repo().join("refs/heads/main.lock"), "").unwrap();
    let error = fleet
        .commit(world.first, &[put("x", "1")], &author(), "x", at(3))
        .unwrap_err();
    assert!(matches!(error, GitError::Locked(_)), "{error}");
}

#[test]
fn a_lock_that_a_killed_process_left_behind_is_removed_after_a_while() {
    let world = World::new(Layout::Bare);
    let fleet = world.fleet("data");
    let lock = std::fs::File::create(world.repo().join("refs/heads/main.lock")).unwrap();
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(11);
    lock.set_modified(long_ago).unwrap();
    let outcome = fleet
        .commit(world.first, &[put("x", "1")], &author(), "x", at(3))
        .unwrap();
    assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
    assert!(!world.repo().join("refs/heads/main.lock").exists());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever is written in whatever steps: the tree holds exactly the files that a plain map would hold.
    #[test]
    fn trees_agree_with_a_map(steps in prop::collection::vec(prop::collection::btree_map("[ab]{1,2}(/[ab-]{1,2}\\.y){1,2}", prop::option::of("[xyz]{0,3}"), 1..6), 1..5)) {
        let world = World::new(Layout::Bare);
        let fleet = world.fleet("data");
        let mut model: BTreeMap<String, String> = BTreeMap::new();
        for step in steps {
            let changes: Vec<Change> = step.iter().map(|(path, content)| Change {
                path: path.as_str().try_into().unwrap(), content: content.as_ref().map(|c| c.as_bytes().to_vec()),
            }).collect();
            let base = fleet.head().unwrap().unwrap();
            match fleet.commit(base, &changes, &author(), "step", at(4)) {
                Err(GitError::BadChange { .. }) => continue,
                other => { other.unwrap(); }
            }
            for (path, content) in step {
                match content { Some(content) => model.insert(path, content), None => model.remove(&path) };
            }
        }
        let listed = world.git(&["ls-tree", "-r", "--name-only", "main"]);
        let names: Vec<&str> = listed.lines().filter(|l| !l.starts_with("fleet/")).collect();
        prop_assert_eq!(names, model.keys().map(String::as_str).collect::<Vec<_>>());
        for (path, content) in &model {
            prop_assert_eq!(&world.git(&["show", &format!("main:{path}")]), content);
        }
        prop_assert_eq!(world.git(&["fsck", "--strict", "--full", "--no-dangling"]), "");
    }
}
