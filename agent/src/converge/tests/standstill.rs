//! An instance whose data changes places, or is mixed.

use super::*;
use crate::rollout::Standstill;
use tenantry_schema::wire::InstancePhase;

fn standing(servers: Option<&[&str]>, failed: bool) -> Standstill {
    let servers = servers.map(|all| all.iter().map(|name| (*name).to_owned()).collect());
    Standstill {
        servers,
        failed,
        message: "its data is mixed".into(),
    }
}

/// A server that was right, and whose instance stands still now.
fn server(still: Standstill) -> (Server, Desired) {
    let wanted = desired(&[("one", PLAIN), ("two", PLAIN)]);
    let mut server = Server::new();
    server.settle(&wanted);
    server.standstills.insert(name("one"), still);
    (server, wanted)
}

#[test]
fn only_its_database_server_goes_on() {
    let (mut server, wanted) = server(standing(Some(&["one-db-1"]), false));
    let before = server.plan(&wanted);
    assert_eq!(
        texts(&before).len(),
        1,
        "what runs is stopped, whoever started it: {:?}",
        texts(&before)
    );
    assert!(texts(&before)[0].contains("stop container one-web-1"));
    for one in ["one-db-1", "one-web-1"] {
        let all = server.engine.state.containers.iter_mut();
        let mut found = all.filter(|container| container.name == one);
        found.next().unwrap().state = Running::Exited;
    }
    let plan = server.plan(&wanted);
    let all = texts(&plan);
    assert!(
        all.len() == 1 && all[0].contains("one-db-1"),
        "its server is started, nothing else is: {all:?}"
    );
    let verdict = &plan.verdicts[&name("one")];
    assert_eq!(verdict.phase, InstancePhase::Progressing);
    assert!(!plan.converged && !plan.settled.contains(&name("one")));
    // Others go on, and so does it when its data is in order.
    assert_eq!(plan.verdicts[&name("two")].phase, InstancePhase::Healthy);
    server.standstills.clear();
    server.settle(&wanted);
}

/// What `docker compose` made has no mark of ours, and may have another name, until it is made anew in the window.
#[test]
fn what_was_taken_over_stands_still_by_its_service() {
    let (mut server, mut wanted) = server(standing(Some(&["one-db-1"]), false));
    wanted.host.window = Some("Sun 02:00-05:00".to_owned().try_into().unwrap());
    let all = server.engine.state.containers.iter_mut();
    for container in all.filter(|it| it.owner.project.as_deref() == Some("one")) {
        (container.owner.keeper, container.owner.inputs) = (None, None);
        container.name = container.name.replace('-', "_");
    }
    let lane = Lane::Instance(name("one"));
    let steps = |server: &Server| -> Vec<String> {
        let steps = server.plan(&wanted).steps.remove(&lane);
        steps.iter().flatten().map(ToString::to_string).collect()
    };
    assert_eq!(
        steps(&server),
        ["stop container one_web_1, because it should be stopped"],
        "its server goes on under whatever name"
    );
    // What another instance of Tenantry keeps is its own, whatever its labels say.
    let all = server.engine.state.containers.iter_mut();
    let mut web = all.filter(|it| it.name == "one_web_1");
    web.next().unwrap().owner.keeper = Some("f2".into());
    assert_eq!(steps(&server), Vec::<String>::new());
}

#[test]
fn where_its_data_is_mixed_it_has_failed_and_says_so() {
    let (server, wanted) = server(standing(Some(&[]), true));
    let plan = server.plan(&wanted);
    let verdict = &plan.verdicts[&name("one")];
    assert_eq!(verdict.phase, InstancePhase::Failed);
    assert_eq!(verdict.message.as_deref(), Some("its data is mixed"));
}

#[test]
fn where_nobody_knows_what_goes_on_nothing_is_touched() {
    let (mut server, wanted) = server(standing(None, true));
    server.engine.by_service("web").state = Running::Exited;
    server.files.clear();
    let plan = server.plan(&wanted);
    let lane = Lane::Instance(name("one"));
    assert!(!plan.steps.contains_key(&lane), "{:?}", texts(&plan));
}
