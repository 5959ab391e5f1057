//! What is decided, by example.

use super::*;
use crate::containers::state::Owner;
use crate::step::Step;
use std::collections::BTreeSet;
use tenantry_schema::wire::SmokeResult;

#[test]
fn a_new_server_gets_everything_and_then_there_is_nothing_to_do() {
    let (mut server, desired) = (
        Server::new(),
        desired(&[
            ("one", PLAIN),
            (
                "two",
                Wish {
                    smoke: false,
                    ..PLAIN
                },
            ),
        ]),
    );
    let first = server.plan(&desired);
    assert!(
        !first.steps.contains_key(&Lane::Web),
        "no site before its instance is healthy"
    );
    assert_eq!(
        first.verdicts[&name("one")].phase,
        InstancePhase::Progressing
    );
    assert!(
        first.sites[&host("one.example")]
            .message
            .as_ref()
            .unwrap()
            .contains("healthy")
    );
    let last = server.settle(&desired);
    assert!(
        last.verdicts
            .values()
            .all(|verdict| verdict.phase == InstancePhase::Healthy)
    );
    assert!(last.sites.values().all(|site| site.live));
    assert_eq!(server.ledger.smoke.len(), 1);
}

#[test]
fn drift_is_repaired_and_called_so() {
    let (mut server, desired) = (Server::new(), desired(&[("one", PLAIN)]));
    server.settle(&desired);
    server.files.insert(path("one/files/a"), "other".into());
    server.secrets.clear();
    server.web.sites.clear();
    server.engine.by_service("web").state = Running::Exited;
    let plan = server.plan(&desired);
    assert_eq!(plan.verdicts[&name("one")].phase, InstancePhase::Degraded);
    let repairs = plan
        .all_steps()
        .filter(|(_, step)| step.is_repair())
        .count();
    assert!(repairs >= 3, "{:?}", texts(&plan));
    // The site was published before: it need not wait for the container.
    assert!(matches!(
        plan.steps[&Lane::Web].last(),
        Some(Step::Publish { repair: true, .. })
    ));
    server.settle(&desired);
}

#[test]
fn a_changed_site_keeps_the_old_one_until_the_instance_is_healthy() {
    let mut server = Server::new();
    server.settle(&desired(&[("one", PLAIN)]));
    let next = desired(&[(
        "one",
        Wish {
            site: Some(2),
            ..PLAIN
        },
    )]);
    server.engine.by_service("web").state = Running::Exited;
    let plan = server.plan(&next);
    assert!(!plan.steps.contains_key(&Lane::Web), "{:?}", texts(&plan));
    server.settle(&next);
    assert_eq!(server.web.sites[&host("one.example")], digest(b"version 2"));
}

#[test]
fn stopping_and_leaving_out_keep_volumes_and_take_sites_down() {
    let mut server = Server::new();
    server.settle(&desired(&[("one", PLAIN), ("two", PLAIN)]));
    let volumes = server.engine.state.volumes.clone();
    let plan = server.settle(&desired(&[
        (
            "one",
            Wish {
                running: false,
                ..PLAIN
            },
        ),
        ("two", PLAIN),
    ]));
    assert_eq!(plan.verdicts[&name("one")].phase, InstancePhase::Stopped);
    assert_eq!(server.web.sites.len(), 1);
    server.settle(&desired(&[("two", PLAIN)]));
    let projects: BTreeSet<_> = server
        .engine
        .state
        .containers
        .iter()
        .filter_map(|one| one.owner.project.clone())
        .collect();
    assert_eq!(projects, ["two".to_owned()].into());
    assert!(
        server
            .files
            .keys()
            .all(|path| path.as_str().starts_with("two/"))
    );
    assert!(
        server
            .secrets
            .keys()
            .all(|path| path.as_str().starts_with("two/"))
    );
    assert_eq!(server.engine.state.volumes, volumes);
}

#[test]
fn files_that_containers_wrote_are_never_removed() {
    let (mut server, wish) = (Server::new(), desired(&[("one", PLAIN)]));
    server.settle(&wish);
    server
        .files
        .insert(path("one/files/upload"), "theirs".into());
    server.settle(&wish);
    server.settle(&desired(&[]));
    assert!(server.files.contains_key("one/files/upload"));
    assert_eq!(server.files.len(), 1);
}

#[test]
fn what_cannot_be_seen_plans_nothing() {
    let (mut server, wish) = (Server::new(), desired(&[("one", PLAIN)]));
    server.settle(&wish);
    let blind = HostState {
        engine: Err("away".into()),
        web: Err("away".into()),
        ..server.seen(&wish)
    };
    let plan = server.plan_with(&wish, &blind);
    assert_eq!(texts(&plan), Vec::<String>::new());
    assert!(!plan.converged);
    assert_eq!(plan.verdicts[&name("one")].message.as_deref(), Some("away"));
    // Also nothing of an instance that is gone from the slice.
    let empty = desired(&[]);
    let blind = HostState {
        engine: Err("away".into()),
        ..server.seen(&empty)
    };
    assert!(
        server
            .plan_with(&empty, &blind)
            .steps
            .keys()
            .all(|lane| *lane == Lane::Web)
    );
    let blind = HostState {
        files: Err("away".into()),
        ..server.seen(&wish)
    };
    assert_eq!(
        texts(&server.plan_with(&wish, &blind)),
        Vec::<String>::new()
    );
}

#[test]
fn an_observed_server_is_told_what_would_be_done() {
    let (server, mut wish) = (Server::new(), desired(&[("one", PLAIN)]));
    wish.host.manage = Manage::Observe;
    let plan = server.plan(&wish);
    assert!(plan.steps.is_empty() && !plan.would.is_empty() && !plan.converged);
    let verdict = &plan.verdicts[&name("one")];
    assert_eq!(verdict.waiting, Some(AgentWait::ObserveOnly));
    assert!(verdict.message.as_ref().unwrap().starts_with("would write"));
}

#[test]
fn disruptive_changes_wait_for_the_window_and_repairs_do_not() {
    let mut server = Server::new();
    let mut wish = desired(&[("one", PLAIN)]);
    server.settle(&wish);
    wish.host.window = Some("Sun 02:00-05:00".to_owned().try_into().unwrap());
    let shut = server.now;
    let instance = wish.instances.get_mut(&name("one")).unwrap();
    let containers = instance.containers.as_mut().unwrap();
    containers.services.get_mut("web").unwrap().container.user = Some("7".into());
    let plan = server.plan(&wish);
    let opens = "2026-11-22T02:00:00Z".parse().unwrap();
    assert_eq!(texts(&plan), Vec::<String>::new());
    assert_eq!(
        plan.verdicts[&name("one")].waiting,
        Some(AgentWait::Window { opens })
    );
    assert_eq!(plan.next, Some(opens));
    server.now = opens;
    assert!(!server.plan(&wish).steps.is_empty());
    // What does not run is not disrupted.
    server.now = shut;
    server.engine.by_service("web").state = Running::Exited;
    assert!(!server.plan(&wish).steps.is_empty());
}

#[test]
fn a_taken_name_is_looked_at_again_soon_for_its_events_are_not_heard() {
    let (mut server, wish) = (Server::new(), desired(&[("one", PLAIN)]));
    server.settle(&wish);
    let soon = server
        .now
        .checked_add(SignedDuration::from_secs(5))
        .unwrap();
    assert!(server.plan(&wish).next.is_none_or(|next| next > soon));
    let stranger = server.engine.by_service("web");
    (stranger.owner, stranger.id) = (Owner::default(), "stranger".into());
    let plan = server.plan(&wish);
    assert!(!plan.converged && !plan.steps.contains_key(&Lane::Instance(name("one"))));
    let message = plan.verdicts[&name("one")].message.as_ref().unwrap();
    assert!(message.contains("taken by something that is not ours"));
    assert_eq!(plan.next, Some(soon));

    server.engine.state.containers.clear();
    server.settle(&wish);
}

#[test]
fn a_failed_instance_waits_and_others_go_on() {
    let (mut server, wish) = (Server::new(), desired(&[("one", PLAIN), ("two", PLAIN)]));
    let lane = Lane::Instance(name("one"));
    let of = wish.instances[&name("one")].digest.clone();
    for _ in 0..3 {
        server
            .history
            .failed(lane.clone(), &of, "no such image".into(), server.now);
    }
    let plan = server.plan(&wish);
    assert!(
        !plan.steps.contains_key(&lane) && plan.steps.contains_key(&Lane::Instance(name("two")))
    );
    let verdict = &plan.verdicts[&name("one")];
    assert_eq!(
        (verdict.phase, verdict.message.as_deref()),
        (InstancePhase::Failed, Some("no such image"))
    );
    let at = server
        .now
        .checked_add(SignedDuration::from_secs(30))
        .unwrap();
    assert_eq!(
        (verdict.waiting.clone(), plan.next),
        (Some(AgentWait::Retry { at, attempts: 3 }), Some(at))
    );
    server.now = at;
    assert!(server.plan(&wish).steps.contains_key(&lane));
    // Something else is wanted: at once.
    server.now = now();
    assert!(
        server
            .plan(&desired(&[(
                "one",
                Wish {
                    file: Some(9),
                    ..PLAIN
                }
            )]))
            .steps
            .contains_key(&lane)
    );
}

#[test]
fn a_failed_smoke_check_is_tried_again() {
    let (mut server, wish) = (Server::new(), desired(&[("one", PLAIN)]));
    server.settle(&wish);
    let record = server.ledger.smoke.get_mut(&name("one")).unwrap();
    record.result = SmokeResult::Failed {
        reason: "GET / answers 500".into(),
    };
    let plan = server.plan(&wish);
    assert!(matches!(
        plan.steps[&Lane::Instance(name("one"))].as_slice(),
        [Step::Smoke(_)]
    ));
    assert_eq!(
        plan.verdicts[&name("one")].message.as_deref(),
        Some("GET / answers 500")
    );
    assert!(!plan.converged);
}

#[test]
fn a_refused_site_is_left_alone_for_a_while() {
    let (mut server, wish) = (Server::new(), desired(&[("one", PLAIN)]));
    server.settle(&wish);
    let next = desired(&[(
        "one",
        Wish {
            site: Some(2),
            ..PLAIN
        },
    )]);
    let complaints = [(host("one.example"), "unknown directive".to_owned())].into();
    let bad = digest(b"version 2");
    server.history.published(
        [(&host("one.example"), bad.as_str())],
        &complaints,
        server.now,
    );
    let plan = server.plan(&next);
    assert!(!plan.steps.contains_key(&Lane::Web), "{:?}", texts(&plan));
    assert_eq!(
        plan.sites[&host("one.example")].message.as_deref(),
        Some("unknown directive")
    );
    assert_eq!(server.web.sites.len(), 1);
}

#[test]
fn certificates_are_renewed_with_a_reload() {
    let (mut server, wish) = (Server::new(), desired(&[("one", PLAIN)]));
    let plan = server.settle(&wish);
    server.now = plan.next.unwrap();
    let plan = server.plan(&wish);
    assert!(matches!(
        plan.steps[&Lane::Web].as_slice(),
        [Step::Certificate { .. }, Step::ReloadWebServer]
    ));
    server.settle(&wish);
}
