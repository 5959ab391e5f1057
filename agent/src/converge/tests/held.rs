//! A change that waits for the maintenance window: what runs meanwhile is kept as it is, drift included.

use super::*;

/// A settled server, its window shut, and a change of `web` and of the file that wait for it.
fn waiting() -> (Server, Desired) {
    let mut server = Server::new();
    server.settle(&desired(&[("one", PLAIN)]));
    let changed = Wish {
        file: Some(2),
        ..PLAIN
    };
    let mut next = desired(&[("one", changed)]);
    next.host.window = Some("Sun 02:00-05:00".to_owned().try_into().unwrap());
    let instance = next.instances.get_mut(&name("one")).unwrap();
    let containers = instance.containers.as_mut().unwrap();
    for service in containers.services.values_mut() {
        service.container.user = Some("7".into());
    }
    (server, next)
}

fn written(plan: &Plan) -> Vec<(String, Vec<u8>)> {
    let steps = plan.all_steps().filter_map(|(_, step)| match step {
        Step::WriteFile { path, data, .. } => Some((path.to_string(), data.to_vec())),
        _ => None,
    });
    steps.collect()
}

#[test]
fn what_waits_changes_nothing() {
    let (server, next) = waiting();
    let plan = server.plan(&next);
    assert_eq!(texts(&plan), Vec::<String>::new());
    assert!(matches!(
        plan.verdicts[&name("one")].waiting,
        Some(AgentWait::Window { .. })
    ));
}

#[test]
fn drift_is_put_back_to_what_runs() {
    let (mut server, next) = waiting();
    server.files.insert(path("one/files/a"), "drifted".into());
    let plan = server.plan(&next);
    assert_eq!(texts(&plan), ["put file one/files/a back"]);
    assert_eq!(written(&plan), [("one/files/a".to_owned(), vec![1])]);
    assert!(plan.all_steps().all(|(_, step)| step.is_repair()));
    assert_eq!(plan.verdicts[&name("one")].phase, InstancePhase::Degraded);
    // Once the window opens, the change comes.
    server.now = "2026-11-22T02:00:00Z".parse().unwrap();
    assert_eq!(
        written(&server.plan(&next)),
        [("one/files/a".to_owned(), vec![2])]
    );
    server.settle(&next);
}

#[test]
fn in_the_middle_of_a_change_the_new_files_are_kept() {
    let (mut server, next) = waiting();
    let opens: Timestamp = "2026-11-22T02:00:00Z".parse().unwrap();
    server.files.insert(path("one/files/a"), "drifted".into());
    let shut = std::mem::replace(&mut server.now, opens);
    let plan = server.plan(&next);
    let first = plan
        .all_steps()
        .find(|(_, step)| matches!(step, Step::Container(_)))
        .unwrap();
    server.apply(first.1);
    server.now = shut;
    let new = [("one/files/a".to_owned(), vec![2])];
    assert_eq!(written(&server.plan(&next)), new);
    server.engine.settle(&[], &["db"]);
    let plan = server.plan(&next);
    assert_eq!(written(&plan), new);
    assert!(matches!(
        plan.verdicts[&name("one")].waiting,
        Some(AgentWait::Window { .. })
    ));
}

#[test]
fn what_waits_for_its_database_too_is_held() {
    let (mut server, next) = waiting();
    server.engine.by_service("db").health = tenantry_schema::wire::ContainerHealth::Starting;
    assert_eq!(written(&server.plan(&next)), []);
}

#[test]
fn nothing_is_put_back_where_nobody_knows_what_runs() {
    let (mut server, next) = waiting();
    server.files.insert(path("one/files/a"), "drifted".into());
    server.settled.clear();
    let good = [("one/files/a".to_owned(), vec![1])];
    assert_eq!(written(&server.plan(&next)), good, "it was good");
    server.slices.clear();
    assert_eq!(written(&server.plan(&next)), []);
}

#[test]
fn without_an_engine_only_what_is_the_same_in_both_is_put_back() {
    let (mut server, next) = waiting();
    server.files.insert(path("one/files/a"), "drifted".into());
    let blind = |server: &Server, next: &Desired| HostState {
        engine: Err("away".into()),
        ..server.seen(next)
    };
    assert_eq!(
        written(&server.plan_with(&next, &blind(&server, &next))),
        []
    );
    let mut same = next.clone();
    same.instances
        .get_mut(&name("one"))
        .unwrap()
        .files
        .clone_from(&server.settled[&name("one")].instance.files);
    let plan = server.plan_with(&same, &blind(&server, &same));
    assert_eq!(written(&plan), [("one/files/a".to_owned(), vec![1])]);
    assert!(
        plan.steps.contains_key(&Lane::Files(name("one"))),
        "beside what waits for the engine"
    );
}
