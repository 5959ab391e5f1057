//! What becomes of a new version, by example.

use super::*;
use crate::rollout::{Outcome, Standing};
use tenantry_schema::document::UpgradeRollback;
use tenantry_schema::wire::RolloutState;

/// How a version differs from another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Release {
    pub(super) number: u8,
    pub(super) image: u8,
    pub(super) data: bool,
    pub(super) rollback: UpgradeRollback,
    pub(super) backup: bool,
}

pub(super) const FIRST: Release = Release {
    number: 1,
    image: 1,
    data: false,
    rollback: UpgradeRollback::Hold,
    backup: false,
};

/// A slice that asks for one version of the instance `one`, with 60 seconds to become healthy.
pub(super) fn release(release: Release) -> Desired {
    let wish = Wish {
        file: Some(release.number),
        site: Some(release.number),
        ..PLAIN
    };
    let mut desired = desired(&[("one", wish)]);
    let id = digest(format!("{release:?}").as_bytes());
    desired.reference.content.clone_from(&id);
    let instance = desired.instances.get_mut(&name("one")).unwrap();
    instance.digest = id;
    instance.spec.has_data = release.data;
    instance.spec.upgrade = UpgradeRule {
        timeout: 60,
        rollback: release.rollback,
        backup_before: release.backup,
    };
    let services = &mut instance.containers.as_mut().unwrap().services;
    services.get_mut("web").unwrap().container.image = format!("busybox:{}", 10 + release.image);
    desired
}

impl Server {
    /// One pass, as the agent makes it: a lane ends with the first step that fails, and a failure is remembered. Then time goes by.
    pub(super) fn pass(&mut self, wanted: &Desired, seconds: i64) -> Plan {
        let content = wanted.reference.content.clone();
        self.slices.insert(content, wanted.clone());
        self.history.sighted.get_or_insert(self.now);
        let plan = self.plan(wanted);
        let in_force = self.in_force(wanted);
        for name in &plan.settled {
            let version = Version::of(&in_force, name).unwrap();
            self.settled.insert(name.clone(), version);
        }
        for (lane, steps) in &plan.steps {
            self.lane(wanted, lane, &plan.of[lane], steps);
        }
        self.engine.settle(&[], &["db", "web"]);
        self.now = self
            .now
            .checked_add(SignedDuration::from_secs(seconds))
            .unwrap();
        plan
    }

    fn lane(&mut self, wanted: &Desired, lane: &Lane, of: &str, steps: &[Step]) {
        for step in steps {
            self.apply(step);
            let Step::Smoke(smoke) = step else { continue };
            let version = self.in_force(wanted).instances[&smoke.instance]
                .digest
                .clone();
            if self.broken.contains(&version) {
                let reason = "GET / answers 500".to_owned();
                let record = self.ledger.smoke.get_mut(&smoke.instance).unwrap();
                record.result = SmokeResult::Failed {
                    reason: reason.clone(),
                };
                self.history.failed(lane.clone(), of, reason, self.now);
                return;
            }
        }
        self.history.succeeded(lane);
    }

    /// Passes for so many seconds; the last plan.
    pub(super) fn run(&mut self, wanted: &Desired, seconds: i64) -> Plan {
        let until = self
            .now
            .checked_add(SignedDuration::from_secs(seconds))
            .unwrap();
        while self.now < until {
            self.pass(wanted, 2);
        }
        self.plan(wanted)
    }

    pub(super) fn break_it(&mut self, wanted: &Desired) {
        let digest = wanted.instances[&name("one")].digest.clone();
        self.broken.insert(digest);
    }

    pub(super) fn in_force_digest(&self, wanted: &Desired) -> String {
        self.in_force(wanted).instances[&name("one")].digest.clone()
    }
}

pub(super) fn verdict(plan: &Plan) -> &Verdict {
    &plan.verdicts[&name("one")]
}

/// A server with a good first version, and a second one that does not work.
fn broken_after(first: Release, second: Release) -> (Server, Desired, Desired) {
    let (first, second) = (release(first), release(second));
    let mut server = Server::new();
    let plan = server.run(&first, 60);
    assert_eq!(verdict(&plan).phase, InstancePhase::Healthy);
    server.break_it(&second);
    (server, first, second)
}

pub(super) fn state(plan: &Plan) -> Option<RolloutState> {
    verdict(plan).rollout.as_ref().map(|rollout| rollout.state)
}

#[test]
fn a_version_that_works_becomes_good_and_then_there_is_nothing_to_do() {
    let mut server = Server::new();
    let first = release(FIRST);
    let plan = server.run(&first, 30);
    let record = &server.ledger.rollouts[&name("one")];
    assert!(record.is_good(&first.instances[&name("one")].digest));
    assert_eq!((&record.trying, &record.rejected), (&None, &None));
    assert_eq!(texts(&plan), Vec::<String>::new());
    assert!(plan.converged && state(&plan).is_none());
}

#[test]
fn what_keeps_no_data_goes_back_in_time_and_stays_there() {
    let other_image = Release {
        number: 2,
        image: 2,
        ..FIRST
    };
    let (mut server, first, second) = broken_after(FIRST, other_image);
    let plan = server.run(&second, 50);
    assert_eq!(state(&plan), Some(RolloutState::Trying));
    assert_eq!(
        server.in_force_digest(&second),
        server.in_force_digest(&second)
    );
    let plan = server.run(&second, 60);
    assert_eq!(
        server.in_force_digest(&second),
        server.in_force_digest(&first)
    );
    assert_eq!(state(&plan), Some(RolloutState::RolledBack));
    let verdict = verdict(&plan);
    assert_eq!(verdict.phase, InstancePhase::Degraded);
    assert!(matches!(
        verdict.waiting,
        Some(AgentWait::RolledBack { .. })
    ));
    assert!(verdict.message.as_ref().unwrap().contains("answers 500"));
    assert!(plan.is_given_up() && !plan.converged);
    // The first version's containers, files and site.
    let web = server.engine.by_service("web").clone();
    assert!(web.image_id.ends_with("busybox:11"), "{}", web.image_id);
    assert_eq!(server.files[&path("one/files/a")], digest(&[1]));
    assert_eq!(server.web.sites[&host("one.example")], digest(b"version 1"));

    // Also after a restart, for ever.
    server.history = History::default();
    let containers = server.engine.state.containers.clone();
    let plan = server.run(&second, 600);
    assert_eq!(texts(&plan), Vec::<String>::new());
    assert_eq!(server.engine.state.containers, containers);

    // What drifts is put back to what is in force.
    server.files.insert(path("one/files/a"), "drifted".into());
    server.run(&second, 10);
    assert_eq!(server.files[&path("one/files/a")], digest(&[1]));

    // A third version is tried, and works.
    let third = release(Release {
        number: 3,
        ..other_image
    });
    let plan = server.run(&third, 60);
    assert!(plan.converged, "{:?}", texts(&plan));
    assert_eq!(
        server.in_force_digest(&third),
        third.instances[&name("one")].digest
    );
}

#[test]
fn the_version_before_can_be_asked_for_and_the_other_one_again() {
    let (mut server, first, second) = broken_after(FIRST, Release { number: 2, ..FIRST });
    server.run(&second, 120);
    let plan = server.run(&first, 30);
    assert!(plan.converged && state(&plan).is_none());
    assert_eq!(server.ledger.rollouts[&name("one")].rejected, None);
    // It was mended meanwhile, without another digest.
    server.broken.clear();
    let plan = server.run(&second, 60);
    assert!(plan.converged, "{:?}", texts(&plan));
}

#[test]
fn another_image_on_data_is_held_and_taken_if_it_works_after_all() {
    let with_data = Release {
        data: true,
        ..FIRST
    };
    let (mut server, _, second) = broken_after(
        with_data,
        Release {
            number: 2,
            image: 2,
            ..with_data
        },
    );
    let plan = server.run(&second, 200);
    assert_eq!(state(&plan), Some(RolloutState::Held));
    assert_eq!(verdict(&plan).phase, InstancePhase::Failed);
    assert!(matches!(
        verdict(&plan).waiting,
        Some(AgentWait::Held { .. })
    ));
    assert!(verdict(&plan).message.as_ref().unwrap().contains("hold"));
    let digest = second.instances[&name("one")].digest.clone();
    assert_eq!(server.in_force_digest(&second), digest);
    server.broken.clear();
    let plan = server.run(&second, 120);
    assert!(
        plan.converged && state(&plan).is_none(),
        "{:?}",
        texts(&plan)
    );
    assert!(server.ledger.rollouts[&name("one")].is_good(&digest));
}

#[test]
fn the_stack_says_whether_an_image_goes_back_on_data() {
    for (rollback, outcome) in [
        (UpgradeRollback::Hold, Outcome::Held),
        (UpgradeRollback::Image, Outcome::Back),
        (UpgradeRollback::ImageAndData, Outcome::Held),
    ] {
        let with_data = Release {
            data: true,
            rollback,
            ..FIRST
        };
        let next = Release {
            number: 2,
            ..with_data
        };
        let (mut server, _, second) = broken_after(with_data, Release { image: 2, ..next });
        server.run(&second, 120);
        let rejected = server.ledger.rollouts[&name("one")].rejected.as_ref();
        assert_eq!(rejected.unwrap().outcome, outcome, "{rollback:?}");
        // Nothing but a file differs: the data is as it was.
        let (mut server, _, second) = broken_after(with_data, next);
        server.run(&second, 120);
        let rejected = server.ledger.rollouts[&name("one")].rejected.as_ref();
        assert_eq!(rejected.unwrap().outcome, Outcome::Back, "{rollback:?}");
    }
}

#[test]
fn a_first_version_that_does_not_work_is_told_with_evidence_and_goes_on() {
    let mut server = Server::new();
    let first = release(FIRST);
    server.break_it(&first);
    let plan = server.run(&first, 120);
    assert_eq!(state(&plan), Some(RolloutState::Held));
    let evidence = verdict(&plan).rollout.as_ref().unwrap().evidence.as_ref();
    let evidence = evidence.unwrap();
    assert!(
        evidence.reason.contains("no earlier version"),
        "{evidence:?}"
    );
    assert_eq!(evidence.smoke.as_deref(), Some("GET / answers 500"));
    let services: Vec<_> = evidence.containers.iter().map(|it| &it.service).collect();
    assert_eq!(services, ["db", "web"]);
    server.broken.clear();
    assert!(server.run(&first, 120).converged);
}

#[test]
fn a_newer_slice_does_not_wait_for_an_older_one() {
    let (mut server, _, second) = broken_after(FIRST, Release { number: 2, ..FIRST });
    server.run(&second, 20);
    let third = release(Release { number: 3, ..FIRST });
    let plan = server.run(&third, 20);
    assert!(plan.converged, "{:?}", texts(&plan));
    // The clock begins anew with each.
    let (mut server, _, second) = broken_after(FIRST, Release { number: 2, ..FIRST });
    server.run(&second, 50);
    server.break_it(&third);
    let plan = server.run(&third, 40);
    assert_eq!(state(&plan), Some(RolloutState::Trying));
}

#[test]
fn another_instance_is_not_held_up() {
    let (mut server, _, mut second) = broken_after(FIRST, Release { number: 2, ..FIRST });
    add(&mut second, "two", &PLAIN);
    let plan = server.run(&second, 30);
    assert_eq!(state(&plan), Some(RolloutState::Trying));
    assert_eq!(plan.verdicts[&name("two")].phase, InstancePhase::Healthy);
    assert!(plan.sites[&host("two.example")].live);
}

#[test]
fn going_back_does_not_wait_for_the_window() {
    let next = Release {
        number: 2,
        image: 2,
        ..FIRST
    };
    let (mut server, first, second) = broken_after(FIRST, next);
    server.run(&second, 50);
    let mut shut = second.clone();
    shut.host.window = Some("Sun 02:00-05:00".to_owned().try_into().unwrap());
    let plan = server.run(&shut, 120);
    assert_eq!(state(&plan), Some(RolloutState::RolledBack));
    assert_eq!(
        server.in_force_digest(&shut),
        server.in_force_digest(&first)
    );
    assert!(server.engine.by_service("web").image_id.ends_with(":11"));
}

#[test]
fn a_version_that_waits_for_its_window_is_not_tried_and_not_given_up() {
    let next = Release {
        number: 2,
        image: 2,
        ..FIRST
    };
    let (mut server, _, mut second) = broken_after(FIRST, next);
    second.host.window = Some("Sun 02:00-05:00".to_owned().try_into().unwrap());
    let plan = server.run(&second, 600);
    assert!(matches!(
        verdict(&plan).waiting,
        Some(AgentWait::Window { .. })
    ));
    assert_eq!(server.ledger.rollouts[&name("one")].trying, None);
}

#[test]
fn a_verified_backup_comes_before_another_image_opens_data() {
    let first = Release {
        data: true,
        backup: true,
        ..FIRST
    };
    let next = Release {
        number: 2,
        image: 2,
        ..first
    };
    let second = release(next);
    let begin = || {
        let mut server = Server::new();
        server.run(&release(first), 60);
        server
    };
    // Where no backups are set up none can be waited for.
    let mut server = begin();
    assert!(server.run(&second, 60).converged);

    let mut server = begin();
    let before = server.engine.by_service("web").clone();
    server
        .backups
        .insert(name("one"), Standing::Verified(now()));
    let plan = server.run(&second, 600);
    let since = server.ledger.rollouts[&name("one")]
        .asked
        .clone()
        .unwrap()
        .since;
    assert_eq!(
        (verdict(&plan).phase, verdict(&plan).waiting.clone()),
        (InstancePhase::Waiting, Some(AgentWait::Backup { since }))
    );
    assert_eq!(
        server.engine.by_service("web"),
        &before,
        "nothing is touched"
    );
    assert_eq!(server.files[&path("one/files/a")], digest(&[1]));
    assert_eq!(server.web.sites[&host("one.example")], digest(b"version 1"));
    // Also the same after a restart.
    server.history = History::default();
    server.run(&second, 60);
    assert_eq!(
        server.ledger.rollouts[&name("one")]
            .asked
            .clone()
            .unwrap()
            .since,
        since
    );
    server
        .backups
        .insert(name("one"), Standing::Verified(server.now));
    let plan = server.run(&second, 60);
    assert!(plan.converged, "{:?}", texts(&plan));
    assert!(server.engine.by_service("web").image_id.ends_with(":12"));
}

/// Somebody fetched the name of the first image again: it stands for something else.
fn move_tag(server: &mut Server) -> String {
    let other = format!("sha256:{:064}", 7);
    let images = &mut server.engine.state.images;
    images.insert("busybox:11".into(), other.clone());
    images.insert(other.clone(), other.clone());
    other
}

#[test]
fn a_name_that_moved_on_opens_data_like_another_image() {
    let first = Release {
        data: true,
        backup: true,
        ..FIRST
    };
    let second = release(Release { number: 2, ..first });
    let mut server = Server::new();
    server.run(&release(first), 60);
    let old = server.engine.by_service("web").image_id.clone();
    server
        .backups
        .insert(name("one"), Standing::Verified(now()));
    let other = move_tag(&mut server);
    let plan = server.run(&second, 60);
    assert!(
        matches!(verdict(&plan).waiting, Some(AgentWait::Backup { .. })),
        "{:?}",
        verdict(&plan)
    );
    assert_eq!(server.engine.by_service("web").image_id, old);
    server
        .backups
        .insert(name("one"), Standing::Verified(server.now));
    server.break_it(&second);
    let plan = server.run(&second, 200);
    assert_eq!(server.engine.by_service("web").image_id, other);
    assert_eq!(
        state(&plan),
        Some(RolloutState::Held),
        "{:?}",
        verdict(&plan)
    );
    let record = &server.ledger.rollouts[&name("one")];
    assert_eq!(record.rejected.as_ref().unwrap().outcome, Outcome::Held);
    assert!(record.opened.is_some());
    let digest = second.instances[&name("one")].digest.clone();
    assert_eq!(server.in_force_digest(&second), digest);
}

#[test]
fn a_name_that_moved_back_after_data_was_opened_is_still_another_image() {
    let first = Release {
        data: true,
        ..FIRST
    };
    let (mut server, _, second) = broken_after(first, Release { number: 2, ..first });
    let old = server.engine.state.images["busybox:11"].clone();
    move_tag(&mut server);
    server.run(&second, 50);
    // The engine is not asked again before the time is over.
    server.engine.state.images.insert("busybox:11".into(), old);
    server.now = server
        .now
        .checked_add(SignedDuration::from_secs(100))
        .unwrap();
    server.run(&second, 4);
    let record = &server.ledger.rollouts[&name("one")];
    assert_eq!(record.rejected.as_ref().unwrap().outcome, Outcome::Held);
}

#[test]
fn an_image_that_cannot_be_had_leaves_the_version_before_untouched() {
    let next = Release {
        number: 2,
        image: 2,
        ..FIRST
    };
    let (mut server, _, second) = broken_after(FIRST, next);
    let plan = server.plan(&second);
    let fetch = texts(&plan);
    assert_eq!(fetch, ["fetch image busybox:12, because it does not exist"]);
    let lane = Lane::Fetch(name("one"), "busybox:12".to_owned());
    for _ in 0..100 {
        let of = plan.of[&lane].clone();
        let why = "no such image".to_owned();
        server.history.failed(lane.clone(), &of, why, server.now);
        server.now = server
            .now
            .checked_add(SignedDuration::from_secs(9))
            .unwrap();
    }
    let plan = server.plan(&second);
    assert_eq!(verdict(&plan).message.as_deref(), Some("no such image"));
    assert_eq!(server.ledger.rollouts[&name("one")].trying, None);
    assert_eq!(server.files[&path("one/files/a")], digest(&[1]));
}

#[test]
fn what_ends_again_and_again_is_not_good_because_it_runs_for_a_moment() {
    let first = release(FIRST);
    let mut server = Server::new();
    server.run(&first, 10);
    server.ledger.rollouts.clear();
    let web = server.engine.by_service("web");
    web.health = tenantry_schema::wire::ContainerHealth::None;
    web.started = Some(server.now);
    let steady = server
        .now
        .checked_add(SignedDuration::from_secs(15))
        .unwrap();
    let plan = server.plan(&first);
    assert_eq!((texts(&plan), plan.next.unwrap()), (vec![], steady));
    server.now = steady;
    assert_eq!(
        texts(&server.plan(&first)),
        ["note that this version is good"]
    );
}

#[test]
fn an_engine_that_was_away_gives_containers_time() {
    let (mut server, _, second) = broken_after(FIRST, Release { number: 2, ..FIRST });
    server.run(&second, 50);
    // An hour without an engine.
    server.now = server
        .now
        .checked_add(SignedDuration::from_hours(1))
        .unwrap();
    server.history.sighted = Some(server.now);
    let plan = server.run(&second, 30);
    assert_eq!(state(&plan), Some(RolloutState::Trying));
    let plan = server.run(&second, 60);
    assert_eq!(state(&plan), Some(RolloutState::RolledBack));
}

#[test]
fn a_version_that_cannot_be_read_is_given_up_at_once() {
    let with_data = Release {
        data: true,
        ..FIRST
    };
    let (mut server, first, mut second) = broken_after(
        with_data,
        Release {
            number: 2,
            ..with_data
        },
    );
    let instance = second.instances.get_mut(&name("one")).unwrap();
    instance.containers = Err("compose.yaml:3: no".to_owned());
    let plan = server.run(&second, 10);
    assert_eq!(state(&plan), Some(RolloutState::RolledBack));
    assert_eq!(
        server.in_force_digest(&second),
        server.in_force_digest(&first)
    );
    assert!(
        verdict(&plan)
            .message
            .as_ref()
            .unwrap()
            .contains("compose.yaml:3")
    );
}

#[test]
fn a_lost_slice_leaves_nothing_to_go_back_to() {
    let (mut server, _, second) = broken_after(FIRST, Release { number: 2, ..FIRST });
    server.slices.clear();
    let plan = server.run(&second, 120);
    assert_eq!(state(&plan), Some(RolloutState::Held));
    assert_eq!(
        server.in_force_digest(&second),
        second.instances[&name("one")].digest
    );
}
