//! One situation after the other, and the exact steps that answer it.

use super::model::Model;
use super::{KEEPER, PROJECT, key, stack};
use crate::containers::converge::{Facts, Held, converge};
use crate::containers::desired::{InstanceInput, Restart};
use crate::containers::pace::Pace;
use crate::containers::state::{Attachment, Container, Network, Owner, State, tell_apart};
use crate::containers::step::{Action, Pass, Why};
use jiff::Timestamp;
use tenantry_schema::secret::Secret;
use tenantry_schema::wire::ContainerHealth;

pub(super) fn plan_with(input: &InstanceInput, model: &Model, hold: bool, pace: &Pace) -> Pass {
    let held = if hold {
        Held::Disruption
    } else {
        Held::Nothing
    };
    converge(
        input,
        &model.state,
        &Facts {
            now: Timestamp::UNIX_EPOCH,
            held,
            pace,
            key: &key(),
            images: None,
        },
    )
}

pub(super) fn plan(input: &InstanceInput, model: &Model) -> Pass {
    plan_with(input, model, false, &Pace::default())
}

pub(super) fn steps(pass: &Pass) -> Vec<String> {
    pass.steps.iter().map(ToString::to_string).collect()
}

pub(super) fn waits(pass: &Pass) -> Vec<String> {
    pass.waiting.iter().map(ToString::to_string).collect()
}

pub(super) fn apply(model: &mut Model, pass: &Pass) {
    for step in &pass.steps {
        model
            .apply(step)
            .unwrap_or_else(|refusal| panic!("{step}: {refusal}"));
    }
}

/// A model that runs the stack as it should.
pub(super) fn running(input: &InstanceInput) -> Model {
    let mut model = Model::default();
    for _ in 0..8 {
        let pass = plan(input, &model);
        apply(&mut model, &pass);
        model.settle(&["job"], &["db"]);
    }
    let pass = plan(input, &model);
    assert!(pass.is_converged(), "{:?} {:?}", steps(&pass), waits(&pass));
    model
}

type Drift = fn(&mut Model);

fn change(input: &mut InstanceInput, service: &str) {
    let service = input.services.get_mut(service).unwrap();
    service
        .container
        .env
        .0
        .insert("CHANGED".into(), Secret::new("yes".into()));
}

#[test]
fn a_new_stack_comes_up_in_the_order_of_its_dependencies() {
    let input = stack();
    let mut model = Model::default();
    let pass = plan(&input, &model);
    assert_eq!(
        steps(&pass),
        [
            "fetch image busybox:1, because it does not exist",
            "make network acme_default, because it does not exist",
            "make volume acme_data, because it does not exist",
        ]
    );
    assert!(!pass.steps.iter().any(|step| step.disruptive));
    apply(&mut model, &pass);

    let pass = plan(&input, &model);
    assert_eq!(
        steps(&pass),
        [
            "make container acme-db-1, because it does not exist",
            "start container acme-db-1, because it does not exist",
            "make container acme-job-1, because it does not exist",
            "make container acme-web-1, because it does not exist",
        ]
    );
    assert_eq!(
        waits(&pass),
        [
            "job waits until db is healthy",
            "web waits until job has completed"
        ]
    );
    apply(&mut model, &pass);

    model.by_service("db").health = ContainerHealth::Starting;
    let pass = plan(&input, &model);
    assert!(pass.steps.is_empty(), "{:?}", steps(&pass));
    assert_eq!(
        waits(&pass),
        [
            "db is not healthy yet",
            "job waits until db is healthy",
            "web waits until job has completed"
        ]
    );

    model.settle(&[], &["db"]);
    let pass = plan(&input, &model);
    assert_eq!(
        steps(&pass),
        ["start container acme-job-1, because it does not run"]
    );
    apply(&mut model, &pass);

    assert_eq!(
        waits(&plan(&input, &model)),
        ["web waits until job has completed"]
    );
    model.settle(&["job"], &[]);
    let pass = plan(&input, &model);
    assert_eq!(
        steps(&pass),
        ["start container acme-web-1, because it does not run"]
    );
    apply(&mut model, &pass);
    assert!(plan(&input, &model).is_converged());
}

#[test]
fn drift_is_put_right_without_disruption() {
    let input = stack();
    let cases: [(&str, Drift, &[&str]); 9] = [
        (
            "killed",
            |m| m.by_service("web").state = State::Exited,
            &["start container acme-web-1, because it does not run"],
        ),
        (
            "paused",
            |m| m.by_service("db").state = State::Paused,
            &["unpause container acme-db-1, because it is paused"],
        ),
        (
            "removed",
            |m| {
                m.state
                    .containers
                    .retain(|container| container.owner.service.as_deref() != Some("web"));
            },
            &[
                "make container acme-web-1, because it does not exist",
                "start container acme-web-1, because it does not exist",
            ],
        ),
        (
            "renamed",
            |m| m.by_service("web").name = "x".into(),
            &["rename container x to acme-web-1, because it was renamed"],
        ),
        (
            "disconnected",
            |m| m.by_service("web").networks.clear(),
            &[
                "connect container acme-web-1 to network acme_default, because its networks are not as they should be",
            ],
        ),
        (
            "connected elsewhere",
            |m| {
                drop(
                    m.by_service("web")
                        .networks
                        .insert("other".into(), Attachment::default()),
                );
            },
            &[
                "disconnect container acme-web-1 from network other, because its networks are not as they should be",
            ],
        ),
        (
            "connected at another address",
            |m| {
                let web = m.by_service("web");
                let attachment = web.networks.get_mut("acme_default").unwrap();
                attachment.fixed = Some(["10.0.0.9".parse().unwrap()].into());
            },
            &[
                "connect container acme-web-1 to network acme_default, because its networks are not as they should be",
            ],
        ),
        (
            "started again by nobody",
            |m| {
                let bounds = m.by_service("web").bounds.as_mut().unwrap();
                (bounds.restart, bounds.pids) = (Restart::No, Some(1));
            },
            &[
                "update the limits of container acme-web-1, because its limits or its restart policy were changed",
            ],
        ),
        (
            "dead",
            |m| m.by_service("web").state = State::Dead,
            &["make container acme-web-1 anew, because the engine gave it up"],
        ),
    ];
    for (what, drift, expected) in cases {
        let mut model = running(&input);
        drift(&mut model);
        let pass = plan(&input, &model);
        assert_eq!(steps(&pass), expected, "{what}");
        assert!(!pass.steps.iter().any(|step| step.disruptive), "{what}");
        assert!(
            pass.steps
                .iter()
                .all(|step| step.why.is_repair() || step.why == Why::Missing),
            "{what}"
        );
        apply(&mut model, &pass);
        assert!(plan(&input, &model).is_converged(), "{what}");
    }
}

#[test]
fn a_limit_that_cannot_be_taken_away_makes_the_container_anew_when_that_may_be() {
    let input = stack();
    let mut model = running(&input);
    model.by_service("web").bounds.as_mut().unwrap().memory = Some(1 << 20);
    let held = plan_with(&input, &model, true, &Pace::default());
    assert_eq!(steps(&held), Vec::<String>::new());
    let pass = plan(&input, &model);
    assert_eq!(
        steps(&pass),
        ["make container acme-web-1 anew, because its limits or its restart policy were changed"]
    );
    assert!(pass.steps[0].disruptive && pass.steps[0].why.is_repair());
    apply(&mut model, &pass);
    assert!(plan(&input, &model).is_converged());
}

#[test]
fn a_deleted_network_is_made_again_and_its_containers_are_connected_again() {
    let input = stack();
    let mut model = running(&input);
    for container in &mut model.state.containers {
        container.networks.clear();
    }
    model.state.networks.clear();
    let pass = plan(&input, &model);
    assert_eq!(
        steps(&pass)[0],
        "make network acme_default, because it does not exist"
    );
    // The job has ended and needs no network.
    assert_eq!(pass.steps.len(), 3);
    apply(&mut model, &pass);
    assert!(plan(&input, &model).is_converged());
}

#[test]
fn a_change_makes_exactly_its_service_anew() {
    let mut input = stack();
    let mut model = running(&input);
    change(&mut input, "web");
    let pass = plan(&input, &model);
    assert_eq!(
        steps(&pass),
        ["make container acme-web-1 anew, because what it is made from changed"]
    );
    assert!(pass.steps[0].disruptive);
    apply(&mut model, &pass);
    assert!(plan(&input, &model).is_converged());
}

#[test]
fn a_held_change_leaves_the_old_container_and_keeps_it_running() {
    let mut input = stack();
    let mut model = running(&input);
    change(&mut input, "web");
    let pass = plan_with(&input, &model, true, &Pace::default());
    assert_eq!(
        (steps(&pass), waits(&pass)),
        (
            vec![],
            vec!["web is changed in the maintenance window".to_owned()]
        )
    );
    model.by_service("web").state = State::Exited;
    let pass = plan_with(&input, &model, true, &Pace::default());
    assert_eq!(
        steps(&pass),
        ["start container acme-web-1, because it does not run"]
    );
}

#[test]
fn a_changed_dependency_goes_first_and_its_health_is_waited_for() {
    let mut input = stack();
    let mut model = running(&input);
    for service in ["db", "job", "web"] {
        change(&mut input, service);
    }
    let pass = plan(&input, &model);
    assert_eq!(
        steps(&pass),
        ["make container acme-db-1 anew, because what it is made from changed"]
    );
    assert_eq!(
        waits(&pass),
        [
            "job waits until db is healthy",
            "web waits until job has completed"
        ]
    );
    apply(&mut model, &pass);
    model.settle(&[], &["db"]);
    assert_eq!(
        steps(&plan(&input, &model)),
        ["make container acme-job-1 anew, because what it is made from changed"]
    );
}

#[test]
fn an_interrupted_replacement_is_finished() {
    let mut input = stack();
    let mut model = running(&input);
    let old = model.by_service("web").clone();
    change(&mut input, "web");
    let pass = plan(&input, &model);
    apply(&mut model, &pass);
    // As if the agent had died after making the new container and before stopping the old one.
    model.by_service("web").state = State::Created;
    model.state.containers.push(Container {
        name: "000000000005_acme-web-1".into(),
        ..old
    });
    let pass = plan(&input, &model);
    assert_eq!(
        steps(&pass),
        ["make container acme-web-1 anew, because its replacement was interrupted"]
    );
    assert_eq!(
        waits(&plan_with(&input, &model, true, &Pace::default())),
        ["web is changed in the maintenance window"]
    );
    apply(&mut model, &pass);
    assert!(plan(&input, &model).is_converged());
    assert_eq!(model.state.containers.len(), 3);
}

#[test]
fn a_container_of_compose_is_replaced_and_one_of_a_stranger_is_left_alone() {
    let input = stack();
    let mut model = running(&input);
    model.by_service("web").owner.keeper = None;
    model.by_service("web").owner.inputs = None;
    assert_eq!(
        steps(&plan(&input, &model)),
        ["make container acme-web-1 anew, because it was not made by Tenantry"]
    );

    for owner in [
        Owner::default(),
        Owner {
            keeper: Some("another".into()),
            ..model.by_service("web").owner.clone()
        },
        Owner {
            one_off: true,
            ..model.by_service("web").owner.clone()
        },
    ] {
        let mut model = running(&input);
        model.by_service("web").owner = owner;
        let pass = plan(&input, &model);
        assert!(pass.steps.is_empty(), "{:?}", steps(&pass));
        assert_eq!(
            waits(&pass),
            [
                "the name of container acme-web-1, which web needs, is taken by something that is not ours: remove that, or give it another name"
            ]
        );
        assert_eq!(unmanaged(&input, &model), ["acme-web-1"]);
    }
}

fn unmanaged(input: &InstanceInput, model: &Model) -> Vec<String> {
    let is_ours =
        |project: &str, service: &str| project == PROJECT && input.services.contains_key(service);
    model.state.unmanaged(KEEPER, is_ours)
}

/// Somebody ran a service that the file does not have (any more) under the instance's name: it is left alone, and told of.
#[test]
fn a_container_of_our_project_without_our_mark_is_ours_only_if_its_service_is() {
    let input = stack();
    let mut model = running(&input);
    assert_eq!(unmanaged(&input, &model), Vec::<String>::new());
    model.by_service("web").owner.keeper = None;
    assert_eq!(unmanaged(&input, &model), Vec::<String>::new());

    let mut model = running(&input);
    let mut debug = model.by_service("web").clone();
    debug.id = "debug".into();
    debug.name = "acme-debug-1".into();
    debug.owner = Owner {
        service: Some("debug".into()),
        keeper: None,
        inputs: None,
        ..debug.owner
    };
    model.state.containers.push(debug);
    assert!(plan(&input, &model).is_converged());
    assert_eq!(unmanaged(&input, &model), ["acme-debug-1"]);
    // What we made goes, whatever its service.
    model.by_service("debug").owner.keeper = Some(KEEPER.into());
    assert_eq!(unmanaged(&input, &model), Vec::<String>::new());
    assert!(!plan(&input, &model).is_converged());
}

#[test]
fn names_that_were_swapped_are_swapped_back() {
    let input = stack();
    let mut model = running(&input);
    model.by_service("web").name = "acme-db-1".into();
    model.by_service("db").name = "acme-web-1".into();
    let pass = plan(&input, &model);
    assert!(
        pass.steps
            .iter()
            .all(|step| matches!(step.action, Action::Rename { .. })),
        "{:?}",
        steps(&pass)
    );
    apply(&mut model, &pass);
    assert!(plan(&input, &model).is_converged());
}

/// Two were asked for at the same time, and the engine made both.
#[test]
fn a_network_whose_name_another_one_has_goes() {
    let input = stack();
    let mut model = running(&input);
    let name = input.networks.keys().next().unwrap().clone();
    let mut twin = model.state.networks[&name].clone();
    twin.id = "twin".into();
    model.state.twins.push((name.clone(), twin.clone()));
    let mut strange = twin.clone();
    (strange.id, strange.keeper) = ("strange".into(), None);
    model.state.twins.push((name.clone(), strange));
    let attached = |model: &mut Model, id: &str| {
        let mut all = model.state.containers.iter_mut();
        let web = all.find(|it| it.owner.service.as_deref() == Some("web"));
        let attachment = web.unwrap().networks.get_mut(&name).unwrap();
        attachment.network_id = id.to_owned();
    };
    attached(&mut model, "twin");
    let pass = plan(&input, &model);
    let network = format!("make network {name} anew, because another one has its name");
    assert_eq!(steps(&pass)[0], network);
    let held = plan_with(&input, &model, true, &Pace::default());
    assert_eq!(steps(&held), steps(&pass), "a repair waits for no window");
    assert!(
        pass.steps
            .iter()
            .all(|step| !step.disruptive && step.why.is_repair())
    );
    apply(&mut model, &pass);
    let left: Vec<_> = model.state.twins.iter().map(|(_, it)| &it.id).collect();
    assert_eq!(left, ["strange"], "somebody else's is left alone");
    let pass = plan(&input, &model);
    apply(&mut model, &pass);
    assert!(plan(&input, &model).is_converged(), "{:?}", steps(&pass));
}

#[test]
fn of_two_networks_of_one_name_the_one_that_is_used_stays() {
    let network = |id: &str| Network {
        id: id.to_owned(),
        ..Network::default()
    };
    let all = ["c", "b", "a"].map(|id| ("net".to_owned(), network(id)));
    let (one, twins) = tell_apart(all.clone(), &[]);
    assert_eq!(one["net"].id, "a");
    let ids: Vec<_> = twins.iter().map(|(_, twin)| twin.id.as_str()).collect();
    assert_eq!(ids, ["c", "b"]);
    let mut containers = running(&stack()).state.containers;
    let attachment = Attachment {
        network_id: "b".to_owned(),
        ..Attachment::default()
    };
    containers[0].networks.insert("net".to_owned(), attachment);
    assert_eq!(tell_apart(all, &containers).0["net"].id, "b");
}
