//! Following a branch: moved, rewound, missing, replaced, and what a remote may refuse.

use super::*;
use crate::git::{Fetched, GitError};

fn person_commits(world: &World, file: &str) -> Oid {
    std::fs::write(world.repo().join(file), file).unwrap();
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", file]);
    Oid::from_str(&world.git(&["rev-parse", "HEAD"])).unwrap()
}

#[test]
fn a_remote_is_followed_and_remembered() {
    let world = World::new(Layout::WorkTree);
    let fleet = world.fleet("data");
    assert_eq!(
        fleet.head().unwrap(),
        None,
        "a remote is not asked at opening"
    );
    assert_eq!(
        fleet.fetch().unwrap(),
        Fetched::Moved {
            from: None,
            to: world.first
        }
    );
    fleet.accept(world.first).unwrap();
    assert_eq!(fleet.fetch().unwrap(), Fetched::Unchanged);
    let second = person_commits(&world, "second");
    assert_eq!(
        fleet.fetch().unwrap(),
        Fetched::Moved {
            from: Some(world.first),
            to: second
        }
    );
    assert_eq!(
        fleet.accepted(),
        Some(world.first),
        "accepting is the caller's"
    );
    fleet.accept(second).unwrap();
    drop(fleet);
    let again = world.fleet("data");
    assert_eq!(
        (again.accepted(), again.head().unwrap()),
        (Some(second), Some(second))
    );
    assert_eq!(again.fetch().unwrap(), Fetched::Unchanged);
}

#[test]
fn a_rewound_branch_is_reported_also_after_a_restart() {
    for layout in [Layout::WorkTree, Layout::Bare] {
        let world = World::new(layout);
        let fleet = world.fleet("data");
        fleet.fetch().unwrap();
        let second = commit(&fleet, &[put("x", "1")], "second");
        fleet.accept(second).unwrap();
        world.git(&["update-ref", "refs/heads/main", &world.first.to_string()]);
        let rewound = Fetched::Rewound {
            from: second,
            to: world.first,
        };
        assert_eq!(fleet.fetch().unwrap(), rewound);
        assert_eq!(
            fleet.fetch().unwrap(),
            rewound,
            "not accepted by asking twice"
        );
        drop(fleet);
        let again = world.fleet("data");
        assert_eq!(again.fetch().unwrap(), rewound);
        assert!(
            again.objects().commit_info(second).is_ok(),
            "the last good commit stays readable"
        );
        // The old base is not the branch any more, so nothing is committed on it.
        assert_eq!(
            again
                .commit(second, &[put("y", "1")], &author(), "y", at(9))
                .unwrap(),
            Outcome::Moved
        );
        assert_eq!(world.git(&["rev-parse", "main"]), world.first.to_string());
        again.accept(world.first).unwrap();
        assert_eq!(again.fetch().unwrap(), Fetched::Unchanged);
    }
}

#[test]
fn a_missing_branch_is_not_an_empty_fleet_and_a_missing_remote_is_an_error() {
    for layout in [Layout::WorkTree, Layout::Bare] {
        let world = World::new(layout);
        let fleet = Fleet::open(
            Location::parse(world.repo().to_str().unwrap()).unwrap(),
            "other",
            &world.data("data"),
        )
        .unwrap();
        assert_eq!(fleet.fetch().unwrap(), Fetched::Missing);
        std::fs::remove_dir_all(world.repo()).unwrap();
        match (layout, fleet.fetch()) {
            // A bare repository that is open stays open for a while; then it is an error, too.
            (
                Layout::WorkTree,
                Err(GitError::Program {
                    command: "fetch", ..
                }),
            )
            | (Layout::Bare, Ok(Fetched::Missing) | Err(_)) => {}
            (layout, other) => panic!("{layout:?} {other:?}"),
        }
    }
}

#[test]
fn a_repository_made_anew_at_the_same_path_is_seen() {
    let world = World::new(Layout::Bare);
    let fleet = world.fleet("data");
    fleet.accept(world.first).unwrap();
    std::fs::remove_dir_all(world.repo()).unwrap();
    let files = [put("fleet/hub.yaml", "fleet_id: other\n")];
    let other = init_repository(
        &world.repo(),
        "main",
        Layout::Bare,
        &files,
        &author(),
        "Other",
        at(50),
    )
    .unwrap();
    assert_eq!(
        fleet.fetch().unwrap(),
        Fetched::Rewound {
            from: world.first,
            to: other
        }
    );
}

#[test]
fn the_data_directory_can_be_deleted() {
    let world = World::new(Layout::WorkTree);
    let fleet = world.fleet("data");
    fleet.fetch().unwrap();
    let second = commit(&fleet, &[put("x", "1")], "second");
    fleet.accept(second).unwrap();
    drop(fleet);
    std::fs::remove_dir_all(world.data("data")).unwrap();
    let again = world.fleet("data");
    assert_eq!(
        again.fetch().unwrap(),
        Fetched::Moved {
            from: None,
            to: second
        }
    );
}

#[test]
fn a_broken_mirror_is_made_anew() {
    let world = World::new(Layout::WorkTree);
    let fleet = world.fleet("data");
    fleet.fetch().unwrap();
    drop(fleet);
    let objects = world.data("data").join("fleet.git/objects");
    std::fs::remove_dir_all(&objects).unwrap();
    std::fs::create_dir(&objects).unwrap();
    let again = world.fleet("data");
    assert_eq!(
        again.fetch().unwrap(),
        Fetched::Moved {
            from: None,
            to: world.first
        }
    );
    assert!(again.objects().root_tree(world.first).is_ok());
}

#[test]
fn pushes_update_the_work_tree_unless_somebody_works_in_it() {
    let world = World::new(Layout::WorkTree);
    let fleet = world.fleet("data");
    fleet.fetch().unwrap();
    commit(&fleet, &[put("fleet/decisions/x.yaml", "1\n")], "Decide");
    assert_eq!(
        std::fs::read_to_string(world.repo().join("fleet/decisions/x.yaml")).unwrap(),
        "1\n"
    );
    assert_eq!(world.git(&["status", "--porcelain"]), "");
    std::fs::write(world.repo().join("fleet/hub.yaml"), "half written").unwrap();
    let base = fleet.head().unwrap().unwrap();
    let error = fleet
        .commit(base, &[put("y", "1")], &author(), "y", at(9))
        .unwrap_err();
    assert!(
        matches!(&error, GitError::Refused(why) if why.contains("nstaged changes")),
        "{error}"
    );
    assert_eq!(fleet.head().unwrap(), Some(base));
    assert_eq!(
        std::fs::read_to_string(world.repo().join("fleet/hub.yaml")).unwrap(),
        "half written"
    );
}

#[test]
fn a_hook_on_the_server_has_its_say() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new(Layout::Bare);
    let hook = world.repo().join("hooks/pre-receive");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, "#!/bin/sh\necho 'main is protected'\nexit 1\n").unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    let url = format!("file://{}", world.repo().display());
    let fleet = Fleet::open(Location::parse(&url).unwrap(), "main", &world.data("data")).unwrap();
    fleet.fetch().unwrap();
    let error = fleet
        .commit(world.first, &[put("y", "1")], &author(), "y", at(9))
        .unwrap_err();
    assert!(
        matches!(&error, GitError::Refused(why) if why.contains("main is protected")),
        "{error}"
    );
    assert_eq!(world.git(&["rev-parse", "main"]), world.first.to_string());
}

#[test]
fn a_push_whose_answer_is_lost_still_counts() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new(Layout::Bare);
    // Ends the connection after the reference has moved.
    let hook = world.repo().join("hooks/post-update");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, "#!/bin/sh\nkill -9 $PPID\n").unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    let url = format!("file://{}", world.repo().display());
    let fleet = Fleet::open(Location::parse(&url).unwrap(), "main", &world.data("data")).unwrap();
    fleet.fetch().unwrap();
    let new = commit(&fleet, &[put("y", "1")], "y");
    assert_eq!(world.git(&["rev-parse", "main"]), new.to_string());
    assert_eq!(fleet.head().unwrap(), Some(new));
}

#[test]
fn a_shallow_clone_is_refused() {
    let world = World::new(Layout::Bare);
    commit(&world.fleet("data"), &[put("y", "1")], "y");
    let shallow = world.data("shallow.git");
    git(
        &world.data("."),
        &[
            "clone",
            "-q",
            "--bare",
            "--depth=1",
            &format!("file://{}", world.repo().display()),
            shallow.to_str().unwrap(),
        ],
    );
    let error = Fleet::open(
        Location::parse(shallow.to_str().unwrap()).unwrap(),
        "main",
        &world.data("other"),
    )
    .err()
    .unwrap();
    assert!(matches!(error, GitError::Shallow(_)), "{error}");
}

#[test]
fn init_makes_no_second_repository_over_a_first() {
    let world = World::new(Layout::WorkTree);
    assert!(
        init_repository(
            &world.repo(),
            "main",
            Layout::WorkTree,
            &[],
            &author(),
            "x",
            at(1)
        )
        .is_err()
    );
    assert_eq!(world.git(&["status", "--porcelain", "--branch"]), "## main");
}
