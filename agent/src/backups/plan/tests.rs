//! The schedule by examples and laws.

use super::*;
use crate::backups::records::Record;
use proptest::prelude::*;
use tenantry_schema::wire::{BackupItem, CheckResult, DrillResult, GoodBackup};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn name(text: &str) -> InstanceName {
    text.to_owned().try_into().unwrap()
}

fn spec() -> BackupsSpec {
    let items = vec![BackupItem::Files {
        path: "data".try_into().unwrap(),
    }];
    BackupsSpec {
        place: "/b/fleet.acme".into(),
        user: "fleet.acme".into(),
        window: "daily 01:00-05:00".to_owned().try_into().unwrap(),
        offset: 1800,
        check_every: "7d".to_owned().try_into().unwrap(),
        check_share: "5%".to_owned().try_into().unwrap(),
        drill_every: "30d".to_owned().try_into().unwrap(),
        warn_after: "36h".to_owned().try_into().unwrap(),
        instances: [(name("web-a"), items.clone()), (name("web-b"), items)].into(),
    }
}

fn good(time: Timestamp) -> GoodBackup {
    GoodBackup {
        snapshot: format!("{}", time.as_second()),
        at: time,
        seconds: 1,
        bytes: 1,
        added: 1,
        files: 1,
        rows: None,
    }
}

struct World {
    spec: BackupsSpec,
    records: Records,
    ready: BTreeSet<InstanceName>,
    asked: BTreeSet<InstanceName>,
    drills: BTreeSet<InstanceName>,
    restores: BTreeSet<OperationId>,
}

impl World {
    fn new() -> Self {
        let spec = spec();
        let mut records = Records {
            looked: Some(spec.place.clone()),
            ..Records::default()
        };
        records.retain(&spec, at("2026-11-01T00:00:00Z"));
        Self {
            ready: spec.instances.keys().cloned().collect(),
            spec,
            records,
            asked: BTreeSet::new(),
            drills: BTreeSet::new(),
            restores: BTreeSet::new(),
        }
    }

    /// Both were saved and tried out at `time`, and the repository was checked.
    fn saved(time: &str) -> Self {
        let mut world = Self::new();
        for record in world.records.instances.values_mut() {
            record.succeeded(good(at(time)));
            record.drill = Some(DrillResult {
                at: at(time),
                snapshot: "x".into(),
                seconds: 1,
                evidence: vec![],
                problem: None,
            });
        }
        world.records.check = Some(CheckResult {
            at: at(time),
            problem: None,
        });
        world
    }

    fn at(&self, time: Timestamp) -> (Option<Job>, Timestamp) {
        plan(&Facts {
            spec: &self.spec,
            records: &self.records,
            ready: &self.ready,
            asked: &self.asked,
            drills: &self.drills,
            restores: &self.restores,
            now: time,
        })
    }

    fn job(&self, time: &str) -> Option<Job> {
        self.at(at(time)).0
    }

    /// A job was done at `time`.
    fn done(&mut self, job: &Job, time: Timestamp) {
        match job {
            Job::Look => self.records.looked = Some(self.spec.place.clone()),
            Job::Restore(id) => drop(self.records.restores.insert(id.clone(), None)),
            Job::Backup(name) => {
                self.asked.remove(name);
                self.records
                    .instances
                    .get_mut(name)
                    .unwrap()
                    .succeeded(good(time));
            }
            Job::Check => {
                self.records.check = Some(CheckResult {
                    at: time,
                    problem: None,
                });
            }
            Job::Drill(name) => {
                self.drills.remove(name);
                self.records.instances.get_mut(name).unwrap().drill = Some(DrillResult {
                    at: time,
                    snapshot: "x".into(),
                    seconds: 1,
                    evidence: vec![],
                    problem: None,
                });
            }
        }
    }
}

#[test]
fn a_backup_that_a_clock_dated_ahead_holds_up_none() {
    let mut world = World::saved("2026-11-20T01:31:00Z");
    let record = world.records.instances.get_mut(&name("web-b")).unwrap();
    record.succeeded(good(at("2027-11-20T01:31:00Z")));
    let first = Job::Backup(name("web-b"));
    assert_eq!(world.job("2026-11-21T01:31:00Z"), Some(first.clone()));
    let record = &world.records.instances[&name("web-b")];
    let overdue = record.overdue(&world.spec, at("2026-11-29T00:00:00Z"));
    assert_eq!(overdue, Some(record.since), "it is no reason to be calm");
    // There is nothing that it could be tried out with either: a drill takes no backup that is still to come.
    let drill = world.at(at("2027-01-20T01:31:00Z")).0;
    assert_eq!(drill, Some(first.clone()));
    world.records.check.as_mut().unwrap().at = at("2027-01-20T01:30:00Z");
    let failed = at("2027-01-20T01:32:00Z");
    for (one, record) in &mut world.records.instances {
        if one == &name("web-b") {
            record.failed("no room".into(), failed);
        } else {
            record.succeeded(good(failed));
        }
    }
    let after = at("2027-01-20T01:33:00Z");
    assert_eq!(world.at(after).0, Some(Job::Drill(name("web-a"))));
    world.done(&Job::Drill(name("web-a")), after);
    assert_eq!(world.at(after).0, None);

    world.done(&first, at("2027-01-20T01:40:00Z"));
    let drill = Some(Job::Drill(name("web-b")));
    assert_eq!(world.at(at("2027-01-20T01:41:00Z")).0, drill);
}

#[test]
fn once_a_day_at_the_servers_own_moment() {
    let world = World::saved("2026-11-20T01:31:00Z");
    assert_eq!(world.job("2026-11-21T01:29:59Z"), None);
    assert_eq!(
        world.at(at("2026-11-20T12:00:00Z")).1,
        at("2026-11-21T01:30:00Z")
    );
    assert_eq!(
        world.job("2026-11-21T01:30:00Z"),
        Some(Job::Backup(name("web-a")))
    );
    // A server that was off then makes it up.
    assert_eq!(
        world.job("2026-11-21T17:00:00Z"),
        Some(Job::Backup(name("web-a")))
    );
}

#[test]
fn what_was_never_saved_is_saved_at_once_when_it_is_well() {
    let mut world = World::saved("2026-11-20T01:31:00Z");
    world
        .records
        .instances
        .insert(name("web-b"), Record::new(at("2026-11-20T12:00:00Z")));
    assert_eq!(
        world.job("2026-11-20T12:00:01Z"),
        Some(Job::Backup(name("web-b")))
    );
    world.ready.remove(&name("web-b"));
    assert_eq!(world.job("2026-11-20T12:00:01Z"), None);
}

#[test]
fn failures_are_tried_again_later_and_later() {
    let mut world = World::saved("2026-11-20T01:31:00Z");
    world.ready.remove(&name("web-a"));
    let mut failed = at("2026-11-21T01:30:00Z");
    for minutes in [5, 15, 60, 240, 240] {
        world
            .records
            .instances
            .get_mut(&name("web-b"))
            .unwrap()
            .failed("no".into(), failed);
        let retry = failed + SignedDuration::from_mins(minutes);
        let (job, wake) = world.at(retry - SignedDuration::from_secs(1));
        assert_eq!((job, wake), (None, retry));
        assert_eq!(world.at(retry).0, Some(Job::Backup(name("web-b"))));
        failed = retry;
    }
}

#[test]
fn restores_and_requests_come_first_and_a_restore_is_begun_once() {
    let mut world = World::new();
    let id: OperationId = "2026-11-20-restore".try_into().unwrap();
    world.restores.insert(id.clone());
    world.asked.insert(name("web-b"));
    assert_eq!(
        world.job("2026-11-21T12:00:00Z"),
        Some(Job::Restore(id.clone()))
    );
    world.done(&Job::Restore(id), at("2026-11-21T12:00:00Z"));
    assert_eq!(
        world.job("2026-11-21T12:00:00Z"),
        Some(Job::Backup(name("web-b")))
    );
}

#[test]
fn a_drill_that_was_asked_for_waits_for_a_backup_and_for_nothing_else() {
    let mut world = World::new();
    world.drills.insert(name("web-a"));
    world.ready.clear();
    assert_eq!(world.job("2026-11-21T12:00:00Z"), None);
    let mut world = World::saved("2026-11-21T01:31:00Z");
    assert_eq!(world.job("2026-11-21T12:00:00Z"), None);
    world.drills.insert(name("web-b"));
    let due = world.job("2026-11-21T12:00:00Z").unwrap();
    assert_eq!(due, Job::Drill(name("web-b")));
    world.done(&due, at("2026-11-21T12:01:00Z"));
    assert_eq!(world.job("2026-11-21T12:01:00Z"), None);
}

#[test]
fn checks_and_drills_follow_the_backups() {
    let world = World::saved("2026-11-01T01:31:00Z");
    let mut world = World { ..world };
    for record in world.records.instances.values_mut() {
        record.succeeded(good(at("2026-11-08T01:31:00Z")));
    }
    assert_eq!(world.job("2026-11-08T01:40:00Z"), Some(Job::Check));
    world.done(&Job::Check, at("2026-11-08T01:41:00Z"));
    assert_eq!(world.job("2026-11-08T01:42:00Z"), None);
    // A drill that failed is tried again the next day.
    let record = world.records.instances.get_mut(&name("web-b")).unwrap();
    record.drill.as_mut().unwrap().problem = Some("differs".into());
    for record in world.records.instances.values_mut() {
        record.succeeded(good(at("2026-11-09T01:31:00Z")));
    }
    assert_eq!(
        world.job("2026-11-09T01:32:00Z"),
        Some(Job::Drill(name("web-b")))
    );
}

#[test]
fn a_check_that_failed_is_made_again_the_next_day() {
    let mut world = World::saved("2026-11-08T01:31:00Z");
    world.records.check.as_mut().unwrap().problem = Some("connection refused".into());
    assert_eq!(world.job("2026-11-08T12:00:00Z"), None, "not at once");
    let next = world.at(at("2026-11-08T12:00:00Z")).1;
    assert!(next <= at("2026-11-09T01:31:00Z"));
    for record in world.records.instances.values_mut() {
        record.succeeded(good(at("2026-11-09T01:31:00Z")));
    }
    assert_eq!(world.job("2026-11-09T01:32:00Z"), Some(Job::Check));
    // One that found nothing is due after its time alone.
    world.done(&Job::Check, at("2026-11-09T01:33:00Z"));
    for record in world.records.instances.values_mut() {
        record.succeeded(good(at("2026-11-10T01:31:00Z")));
    }
    assert_eq!(world.job("2026-11-10T01:32:00Z"), None);
}

proptest! {
    /// However time goes on: every well instance is saved once a day, no more; nothing is due again right after it was done; and nothing
    /// becomes due before the moment that was announced.
    #[test]
    fn a_month_of_any_steps(steps in proptest::collection::vec(1i64..7200, 1..400)) {
        let mut world = World::new();
        let mut now = at("2026-11-01T00:10:00Z");
        let mut saved: Vec<(InstanceName, Timestamp)> = Vec::new();
        for step in steps {
            let (job, wake) = world.at(now);
            prop_assert!(wake > now);
            if let Some(job) = job {
                world.done(&job, now);
                prop_assert_ne!(world.at(now).0, Some(job.clone()));
                if let Job::Backup(name) = job {
                    let slot = last_slot(&world.spec, now);
                    let again = saved.iter().any(|(other, time)| *other == name && *time >= slot);
                    prop_assert!(!again, "{name} twice since {slot}");
                    saved.push((name, now));
                }
                continue;
            }
            let later = now + SignedDuration::from_secs(step);
            if later < wake {
                prop_assert_eq!(world.at(later).0, None);
            }
            now = later;
        }
    }
}
