//! What becomes of a version that was given up after it opened data which can be put back (`upgrade.rollback: image+data`).

use super::rollouts::{FIRST, Release, release, state, verdict};
use super::*;
use crate::rollout::{Outcome, PutBack, Rejected, Standing};
use tenantry_schema::document::UpgradeRollback;
use tenantry_schema::wire::RolloutState;

const WITH_DATA: Release = Release {
    data: true,
    rollback: UpgradeRollback::ImageAndData,
    ..FIRST
};

/// The same with backups: of a database of the service `db`, and of a volume.
fn backed_up(mut desired: Desired) -> Desired {
    let spec = "place: /srv\nuser: acme\nwindow: daily 01:00-05:00\noffset: 0\ncheck_every: 7d\ncheck_share: 5%\ndrill_every: 30d\nwarn_after: 36h\n\
        instances: {one: [{kind: database, engine: postgres, service: db}, {kind: volume, volume: data, during: paused}]}\n";
    desired.backups = Some(crate::accept::Backups {
        spec: serde_yaml::from_str(spec).unwrap(),
        key: Secret::new(String::new()),
        password: Secret::new(String::new()),
        restores: BTreeMap::new(),
    });
    desired
}

fn second() -> Release {
    Release {
        number: 2,
        image: 2,
        ..WITH_DATA
    }
}

/// A server on which the second version was given up, and what the slice asks for. The backup is of `age` seconds before it was asked for.
fn given_up(wanted: Desired, backup: Option<i64>) -> (Server, Desired) {
    let first = backed_up(release(WITH_DATA));
    let mut server = Server::new();
    assert!(server.run(&first, 60).converged);
    server.break_it(&wanted);
    if let Some(age) = backup {
        let at = server.now.checked_sub(SignedDuration::from_secs(age));
        let standing = Standing::Verified(at.unwrap());
        server.backups.insert(name("one"), standing);
    }
    server.run(&wanted, 120);
    (server, wanted)
}

fn rejected(server: &Server) -> Rejected {
    let rollout = &server.ledger.rollouts[&name("one")];
    rollout.rejected.clone().unwrap()
}

fn put_back(server: &Server) -> PutBack {
    rejected(server).put_back.unwrap()
}

fn stands(server: &mut Server, how: PuttingBack) {
    let id = put_back(server).id;
    server.putting_back.insert(id, how);
}

#[test]
fn data_is_put_back_and_then_the_last_good_version_takes_over() {
    let (mut server, second) = given_up(backed_up(release(second())), Some(5));
    let wanted = second.instances[&name("one")].digest.clone();
    let tried = put_back(&server).before;
    assert!(tried < rejected(&server).evidence.at);
    stands(&mut server, PuttingBack::Waiting);
    let plan = server.run(&second, 60);
    assert_eq!(state(&plan), Some(RolloutState::Held));
    assert_eq!(
        server.in_force_digest(&second),
        wanted,
        "not before its data"
    );
    // While it is at work nobody starts what it stops.
    stands(&mut server, PuttingBack::Running);
    let web = server.engine.by_service("web");
    web.state = Running::Exited;
    let plan = server.run(&second, 60);
    assert_eq!(texts(&plan), Vec::<String>::new());
    assert!(!plan.converged);
    stands(&mut server, PuttingBack::Done);
    let plan = server.plan(&second);
    assert_eq!(
        texts(&plan),
        ["go back to the last good version, with the data of before"],
        "nothing of the version that was given up is started on it"
    );
    let plan = server.run(&second, 120);
    assert_eq!(state(&plan), Some(RolloutState::RolledBack));
    assert_ne!(server.in_force_digest(&second), wanted);
    assert!(server.engine.by_service("web").image_id.ends_with(":11"));
    assert_eq!(rejected(&server).put_back, None, "once");
}

#[test]
fn where_putting_back_fails_a_person_decides() {
    let (mut server, second) = given_up(backed_up(release(second())), Some(5));
    stands(&mut server, PuttingBack::Failed("the disk is full".into()));
    let plan = server.run(&second, 120);
    let message = verdict(&plan).message.clone().unwrap();
    assert!(
        message.contains("that failed: the disk is full; commit a restore"),
        "{message}"
    );
    assert!(matches!(
        verdict(&plan).waiting,
        Some(AgentWait::Held { .. })
    ));
    // If it works after all, it is good like any other that was held.
    server.broken.clear();
    assert!(server.run(&second, 120).converged);
}

#[test]
fn a_version_whose_data_goes_is_not_taken_for_good() {
    let (mut server, second) = given_up(backed_up(release(second())), Some(5));
    server.broken.clear();
    for how in [PuttingBack::Waiting, PuttingBack::Running] {
        stands(&mut server, how);
        let plan = server.run(&second, 120);
        assert!(!plan.converged && state(&plan) == Some(RolloutState::Held));
        assert_eq!(rejected(&server).outcome, Outcome::Held);
    }
}

#[test]
fn what_cannot_be_put_back_is_held() {
    let mut other_server = backed_up(release(second()));
    let instance = other_server.instances.get_mut(&name("one")).unwrap();
    let services = &mut instance.containers.as_mut().unwrap().services;
    services.get_mut("db").unwrap().container.image = "busybox:3".into();
    for (wanted, backup, why) in [
        (release(second()), Some(5), "nothing of it is backed up"),
        (backed_up(release(second())), None, "no verified backup"),
        (
            other_server,
            Some(5),
            "its database server itself has another image",
        ),
    ] {
        let (server, _) = given_up(wanted, backup);
        let rejected = rejected(&server);
        assert_eq!(
            (rejected.outcome, &rejected.put_back),
            (Outcome::Held, &None)
        );
        assert!(
            rejected.evidence.reason.contains(why),
            "{}",
            rejected.evidence.reason
        );
    }
}

#[test]
fn data_that_another_version_opened_before_is_for_a_person() {
    let held = Release {
        rollback: UpgradeRollback::Hold,
        ..second()
    };
    let (mut server, _) = given_up(backed_up(release(held)), Some(5));
    let third = backed_up(release(Release {
        number: 3,
        image: 3,
        ..WITH_DATA
    }));
    server.break_it(&third);
    server.run(&third, 120);
    let given_up = rejected(&server);
    assert_eq!(given_up.put_back, None);
    let reason = given_up.evidence.reason;
    assert!(reason.contains("another version had opened"), "{reason}");
    // The version before is good for the data as it is once a person has asked for it.
    let first = backed_up(release(WITH_DATA));
    assert!(server.run(&first, 120).converged);
    assert_eq!(server.ledger.rollouts[&name("one")].opened, None);
    server.run(&third, 120);
    assert!(rejected(&server).put_back.is_some());
}

#[test]
fn each_version_that_is_given_up_has_a_name_of_its_own() {
    let (mut server, second) = given_up(backed_up(release(second())), Some(5));
    let first_time = put_back(&server).id;
    stands(&mut server, PuttingBack::Done);
    server.run(&second, 60);
    server.run(&backed_up(release(WITH_DATA)), 60);
    let since = Standing::Verified(server.now);
    server.backups.insert(name("one"), since);
    server.run(&second, 120);
    assert_ne!(put_back(&server).id, first_time);
}
