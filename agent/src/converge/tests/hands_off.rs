//! Where nothing may be changed: a paused agent, and drift that is only reported.

use super::*;

fn reported(wish: Wish) -> Desired {
    let mut desired = desired(&[("one", wish)]);
    let instance = desired.instances.get_mut(&name("one")).unwrap();
    instance.spec.drift = Drift::Report;
    desired
}

#[test]
fn drift_is_told_and_left_and_changes_are_still_made() {
    let mut server = Server::new();
    let wish = reported(PLAIN);
    server.settle(&wish);
    server.engine.by_service("web").state = Running::Exited;
    server.files.insert(path("one/files/a"), "edited".into());
    let site = host("one.example");
    server.web.sites.insert(site.clone(), "edited".into());
    let plan = server.plan(&wish);
    assert_eq!(texts(&plan), Vec::<String>::new());
    let verdict = &plan.verdicts[&name("one")];
    assert_eq!(
        (verdict.phase, verdict.waiting.clone()),
        (InstancePhase::Degraded, Some(AgentWait::DriftReported))
    );
    let message = verdict.message.as_ref().unwrap();
    assert!(message.contains("put file one/files/a back"), "{message}");
    assert!(message.contains("start"), "{message}");
    assert!(!plan.converged && !plan.sites[&site].live);
    // Also by an agent that was restarted.
    server.history = History::default();
    server.settled.clear();
    assert_eq!(texts(&server.plan(&wish)), Vec::<String>::new());
    // A change of the fleet is made, and takes the drift with it.
    let next = reported(Wish {
        file: Some(2),
        site: Some(2),
        ..PLAIN
    });
    server.settle(&next);
    assert_eq!(server.files[&path("one/files/a")], digest(&[2]));
}

#[test]
fn a_paused_agent_touches_nothing_and_goes_on_afterwards() {
    let mut server = Server::new();
    let wish = desired(&[("one", PLAIN)]);
    server.settle(&wish);
    let until = server
        .now
        .checked_add(SignedDuration::from_hours(2))
        .unwrap();
    server.paused = Some(until);
    let calm = server.plan(&wish);
    assert_eq!(calm.verdicts[&name("one")].phase, InstancePhase::Healthy);
    server.engine.by_service("web").state = Running::Exited;
    server.web.sites.clear();
    server
        .engine
        .state
        .containers
        .iter_mut()
        .for_each(|one| one.state = Running::Exited);
    let plan = server.plan(&desired(&[("one", PLAIN), ("two", PLAIN)]));
    assert_eq!(texts(&plan), Vec::<String>::new());
    assert!(!plan.converged && plan.next == Some(until));
    for one in ["one", "two"] {
        let waiting = plan.verdicts[&name(one)].waiting.clone();
        assert_eq!(waiting, Some(AgentWait::Paused { until }));
    }
    server.paused = None;
    server.settle(&wish);
}
