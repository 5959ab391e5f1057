//! Stopping, leaving, and what cannot be done: as in `table`, one situation after the other.

use super::model::Model;
use super::table::{apply, plan, plan_with, running, steps, waits};
use super::{KEEPER, PROJECT, depend, service, stack};
use crate::containers::converge::remove_others;
use crate::containers::desired::{Condition, NetworkSpec, Pull, Wanted};
use crate::containers::pace::Pace;
use crate::containers::state::{Network, State};
use jiff::Timestamp;
use std::collections::BTreeSet;

#[test]
fn stopping_keeps_everything_and_goes_backwards() {
    let mut input = stack();
    let mut model = running(&input);
    input.state = Wanted::Stopped;
    let pass = plan(&input, &model);
    assert_eq!(
        steps(&pass),
        [
            "stop container acme-web-1, because it should be stopped",
            "stop container acme-db-1, because it should be stopped"
        ]
    );
    apply(&mut model, &pass);
    assert!(plan(&input, &model).is_converged());
    assert_eq!(model.state.containers.len(), 3);
}

#[test]
fn what_nothing_asks_for_goes_and_its_volumes_stay() {
    let mut input = stack();
    let mut model = running(&input);
    input.services.remove("web");
    let pass = plan(&input, &model);
    assert_eq!(
        steps(&pass),
        [
            "stop container acme-web-1, because nothing asks for it any more",
            "remove container acme-web-1, because nothing asks for it any more"
        ]
    );
    apply(&mut model, &pass);
    let pass = remove_others(KEEPER, &BTreeSet::new(), &model.state);
    apply(&mut model, &pass);
    assert_eq!(
        (
            model.state.containers.len(),
            model.state.networks.len(),
            model.state.volumes.len()
        ),
        (0, 0, 1)
    );
    assert!(
        remove_others("another", &BTreeSet::new(), &running(&stack()).state)
            .steps
            .is_empty()
    );
}

#[test]
fn what_somebody_else_must_make_is_waited_for() {
    let mut input = stack();
    input.services.get_mut("web").unwrap().pull = Pull::Never;
    input.services.get_mut("web").unwrap().container.image = "private:1".into();
    input.volumes.get_mut("acme_data").unwrap().external = true;
    let mut model = Model::default();
    apply(&mut model, &plan(&input, &Model::default()));
    let waits = waits(&plan(&input, &model));
    assert!(
        waits.contains(&"image private:1 of web is not here and must not be fetched (`pull_policy: never`): load it with `docker load`, or take that line out".to_owned()),
        "{waits:?}"
    );
    assert!(
        waits.contains(&"volume acme_data, which db needs, does not exist: make it with `docker volume create acme_data`, or take `external` out".to_owned()),
        "{waits:?}"
    );
}

#[test]
fn a_changed_network_is_made_anew_and_a_foreign_one_is_left_alone() {
    let mut input = stack();
    let mut model = running(&input);
    input.networks.insert(
        "acme_default".into(),
        NetworkSpec {
            internal: true,
            key: "default".into(),
            ..NetworkSpec::default()
        },
    );
    assert!(
        plan_with(&input, &model, true, &Pace::default())
            .steps
            .is_empty()
    );
    let pass = plan(&input, &model);
    assert!(pass.steps[0].disruptive);
    apply(&mut model, &pass);
    assert!(plan(&input, &model).is_converged());

    let id = model.id();
    model.state.networks.insert(
        "acme_default".into(),
        Network {
            id,
            ..Network::default()
        },
    );
    let pass = plan(&input, &model);
    assert!(pass.steps.is_empty(), "{:?}", steps(&pass));
    assert_eq!(
        waits(&pass)[0],
        "the name of network acme_default, which db needs, is taken by something that is not ours: remove that, or give it another name"
    );
}

#[test]
fn the_network_of_another_instance_is_neither_made_anew_nor_used() {
    let other = stack();
    let mut model = running(&other);
    let theirs = model.state.clone();
    let mut input = super::instance([("web", service("web"))]);
    input.project = "beta".into();
    let spec = NetworkSpec {
        internal: true,
        ..input.networks["acme_default"].clone()
    };
    input.networks.insert("acme_default".into(), spec);
    let web = &mut input.services.get_mut("web").unwrap().container;
    web.name = "beta-web-1".into();
    let pass = plan(&input, &model);
    assert_eq!(steps(&pass), Vec::<String>::new());
    assert_eq!(
        waits(&pass),
        [
            "the name of network acme_default, which web needs, is taken by something that is not ours: remove that, or give it another name"
        ]
    );
    apply(&mut model, &pass);
    assert_eq!(model.state, theirs);
}

#[test]
fn a_missing_image_does_not_disturb_what_runs() {
    let input = stack();
    let mut model = running(&input);
    model.state.images.clear();
    model.by_service("web").state = State::Exited;
    let pass = plan(&input, &model);
    assert_eq!(
        steps(&pass),
        [
            "fetch image busybox:1, because it does not exist",
            "start container acme-web-1, because it does not run"
        ]
    );
}

#[test]
fn a_service_that_keeps_ending_is_held_back_and_a_finished_job_is_not_started_again() {
    let input = stack();
    let mut model = running(&input);
    let mut pace = Pace::default();
    for _ in 0..4 {
        pace.started(PROJECT, "web", Timestamp::UNIX_EPOCH);
    }
    model.by_service("web").state = State::Exited;
    let pass = plan_with(&input, &model, false, &pace);
    assert!(pass.steps.is_empty());
    assert_eq!(
        waits(&pass),
        ["web was started 4 times lately and is started again at 1970-01-01T00:00:02Z"]
    );

    let mut model = running(&input);
    model.by_service("job").exit_code = Some(1);
    assert_eq!(
        steps(&plan(&input, &model)),
        ["start container acme-job-1, because it does not run"]
    );
}

#[test]
fn a_circle_of_dependencies_is_answered() {
    let (mut one, mut two) = (service("one"), service("two"));
    depend(&mut one, "two", Condition::Started);
    depend(&mut two, "one", Condition::Started);
    let input = super::instance([("one", one), ("two", two)]);
    let mut model = Model::default();
    for _ in 0..3 {
        let pass = plan(&input, &model);
        apply(&mut model, &pass);
    }
    assert_eq!(
        waits(&plan(&input, &model)),
        [
            "two waits until one has started",
            "one waits until two has started"
        ]
    );
}
