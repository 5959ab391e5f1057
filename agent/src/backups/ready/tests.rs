//! For whatever an instance waits, it is decided whether a backup of it is taken by time.

use super::*;
use crate::containers::desired::Wanted;
use crate::containers::spec::{self, Place};
use crate::containers::state::{Details, Owner};
use jiff::Timestamp;
use std::collections::BTreeMap;
use tenantry_schema::Secret;
use tenantry_schema::document::Drift;
use tenantry_schema::wire::{ContainerHealth, InstanceSpec, RolloutReport, UpgradeRule};

const V1: &str = "
services:
  db: { image: 'postgres:15', volumes: ['db:/data'] }
  app: { image: 'busybox:1' }
volumes: { db: {} }
";
const V2: &str = "
services:
  db: { image: 'postgres:15', volumes: ['db:/data'] }
  search: { image: 'postgres:16' }
  app: { image: 'busybox:2' }
volumes: { db: {} }
";

fn key() -> InputsKey {
    InputsKey::new(Secret::new(vec![7; 32]))
}

fn instance(compose: &str) -> Instance {
    let loaded = tenantry_compose::Project::load(compose, &|_| None).unwrap();
    let place = Place {
        instance: "shop",
        keeper: "f1",
        state: Wanted::Running,
        folder: std::path::Path::new("/srv"),
        secrets: std::path::Path::new("/run/s"),
        configs: std::path::Path::new("/run/c"),
        digests: &BTreeMap::new(),
        key: &key(),
        rules: &spec::Rules::default(),
    };
    Instance {
        spec: InstanceSpec {
            order: "web".try_into().unwrap(),
            tool: "shop".try_into().unwrap(),
            state: State::Running,
            smoke: None,
            sites: BTreeMap::new(),
            has_data: true,
            upgrade: UpgradeRule::default(),
            drift: Drift::Repair,
            trusted: false,
            memory: None,
            relax: BTreeMap::new(),
            reload: BTreeMap::new(),
        },
        digest: crate::files::digest(compose.as_bytes()),
        files: BTreeMap::new(),
        containers: Ok(spec::instance(&loaded, &place).unwrap().input),
    }
}

/// An engine on which the containers of an instance are, each in this state.
fn engine(instance: &Instance, states: &[(&str, Running)]) -> EngineState {
    let input = instance.containers.as_ref().unwrap();
    let mut state = EngineState::default();
    for (service, running) in states {
        let spec = &input.services[*service];
        let image = crate::containers::image_name(&spec.container.image);
        let image_id = format!("sha256:{image}");
        state.images.insert(image, image_id.clone());
        state.containers.push(Container {
            id: (*service).to_owned(),
            name: spec.container.name.clone(),
            owner: Owner {
                project: Some(input.project.clone()),
                service: Some((*service).to_owned()),
                one_off: false,
                keeper: Some(input.keeper.clone()),
                inputs: Some(key().container(spec, &image_id).to_string()),
            },
            image_id,
            created: 0,
            state: *running,
            health: ContainerHealth::None,
            exit_code: None,
            restarts: 0,
            started: None,
            networks: BTreeMap::new(),
            bounds: None,
            replaced: Vec::new(),
            made: None,
            files: None,
            details: Details::default(),
        });
    }
    state
}

fn items() -> Vec<BackupItem> {
    let database = |service: &str| BackupItem::Database {
        engine: tenantry_schema::wire::DatabaseEngine::Postgres,
        service: service.to_owned(),
        databases: Vec::new(),
        user: None,
        password: None,
    };
    vec![database("db"), database("search")]
}

fn verdict(phase: InstancePhase, waiting: Option<AgentWait>) -> Verdict {
    Verdict {
        phase,
        waiting,
        ..Verdict::default()
    }
}

fn tried(mut verdict: Verdict) -> Verdict {
    verdict.rollout = Some(RolloutReport {
        state: RolloutState::Trying,
        since: Timestamp::UNIX_EPOCH,
        evidence: None,
    });
    verdict
}

/// One of each, with the answers for: everything up; only the database; the database down. Whoever adds a variant decides here.
fn every_wait() -> Vec<(AgentWait, [bool; 3])> {
    let at = Timestamp::UNIX_EPOCH;
    let all = vec![
        AgentWait::ObserveOnly,
        AgentWait::Window { opens: at },
        AgentWait::Retry { at, attempts: 3 },
        AgentWait::Healthy {
            service: "app".into(),
        },
        AgentWait::Paused { until: at },
        AgentWait::DriftReported,
        AgentWait::RolledBack { since: at },
        AgentWait::Held { since: at },
        AgentWait::Backup { since: at },
        AgentWait::Image {
            image: "busybox:2".into(),
            done: 0,
            total: 1,
        },
        AgentWait::Disk { free: 0, needed: 1 },
    ];
    let answers = |wait: &AgentWait| match wait {
        AgentWait::ObserveOnly => [false, false, false],
        // Somebody may be at work by hand with the tool stopped.
        AgentWait::Paused { .. } => [true, false, false],
        AgentWait::Window { .. }
        | AgentWait::Retry { .. }
        | AgentWait::Healthy { .. }
        | AgentWait::DriftReported
        | AgentWait::RolledBack { .. }
        | AgentWait::Held { .. }
        | AgentWait::Backup { .. }
        | AgentWait::Image { .. }
        | AgentWait::Disk { .. } => [true, true, false],
    };
    let with = |wait: AgentWait| (wait.clone(), answers(&wait));
    all.into_iter().map(with).collect()
}

#[test]
fn for_whatever_it_waits_what_runs_is_saved() {
    let shop = instance(V1);
    let (up, down) = (Running::Running, Running::Exited);
    let engines = [
        engine(&shop, &[("db", up), ("app", up)]),
        engine(&shop, &[("db", up), ("app", down)]),
        engine(&shop, &[("db", down), ("app", up)]),
    ];
    for (wait, expected) in every_wait() {
        let stands = verdict(InstancePhase::Waiting, Some(wait.clone()));
        let found = engines
            .each_ref()
            .map(|engine| ready(&stands, &shop, &items(), engine));
        assert_eq!(found, expected, "{wait:?}");
        let nothing = EngineState::default();
        assert!(!ready(&stands, &shop, &items(), &nothing), "{wait:?}");
        let stopped = Instance {
            spec: InstanceSpec {
                state: State::Stopped,
                ..shop.spec.clone()
            },
            ..shop.clone()
        };
        assert!(!ready(&stands, &stopped, &items(), &engines[0]), "{wait:?}");
    }
}

#[test]
fn what_is_not_waited_for_is_judged_by_its_phase() {
    let shop = instance(V1);
    let up = engine(
        &shop,
        &[("db", Running::Running), ("app", Running::Restarting)],
    );
    let answer = |verdict: &Verdict| ready(verdict, &shop, &items(), &up);
    for (phase, expected) in [
        (InstancePhase::Healthy, true),
        (InstancePhase::Progressing, false),
        // Its smoke check fails for weeks, and people use it.
        (InstancePhase::Degraded, true),
        (InstancePhase::Failed, true),
        (InstancePhase::Waiting, true),
        (InstancePhase::Stopped, false),
    ] {
        assert_eq!(answer(&verdict(phase, None)), expected, "{phase:?}");
    }
}

#[test]
fn a_version_that_is_tried_is_not_saved_before_that_has_ended() {
    let shop = instance(V1);
    let up = engine(
        &shop,
        &[("db", Running::Running), ("app", Running::Running)],
    );
    let healthy = AgentWait::Healthy {
        service: "app".into(),
    };
    let retry = AgentWait::Retry {
        at: Timestamp::UNIX_EPOCH,
        attempts: 1,
    };
    for wait in [None, Some(healthy), Some(retry)] {
        let stands = verdict(InstancePhase::Degraded, wait);
        assert!(ready(&stands, &shop, &items(), &up), "{stands:?}");
        assert!(!ready(&tried(stands), &shop, &items(), &up));
    }
    // That window opens in days, and nobody knows what comes of it.
    let opens = Timestamp::UNIX_EPOCH;
    let shut = verdict(InstancePhase::Waiting, Some(AgentWait::Window { opens }));
    assert!(ready(&tried(shut), &shop, &items(), &up));
}

#[test]
fn the_version_that_runs_is_saved_while_the_next_one_waits() {
    let (v1, v2) = (instance(V1), instance(V2));
    let up = Running::Running;
    let old = engine(&v1, &[("db", up), ("app", up)]);
    let runs = |wanted, before, engine| running(wanted, before, engine, &key()).digest.clone();
    assert_eq!(runs(&v2, Some(&v1), &old), v1.digest);
    let opens = Timestamp::UNIX_EPOCH;
    let shut = verdict(InstancePhase::Waiting, Some(AgentWait::Window { opens }));
    // The next one has a database of which nothing is there yet.
    assert!(ready(&shut, &v1, &items(), &old));
    assert!(!ready(&shut, &v2, &items(), &old));

    let new = engine(&v2, &[("db", up), ("search", up), ("app", up)]);
    assert_eq!(runs(&v2, Some(&v1), &new), v2.digest);
    assert_eq!(runs(&v2, None, &old), v2.digest);
    // What cannot be understood does not keep what runs from being saved.
    let broken = Instance {
        containers: Err("line 3".to_owned()),
        digest: "broken".to_owned(),
        ..v2.clone()
    };
    assert_eq!(runs(&broken, Some(&v1), &old), v1.digest);
}
