//! What holds of every decision, whatever state the engine is in.

use super::model::Model;
use super::{KEEPER, PROJECT, key, stack};
use crate::containers::converge::{Facts, Held, converge};
use crate::containers::desired::{Condition, InstanceInput, NetworkSpec};
use crate::containers::pace::Pace;
use crate::containers::state::{Attachment, Container, Owner, State};
use crate::containers::step::{Action, Pass, Step};
use jiff::Timestamp;
use proptest::prelude::*;
use tenantry_schema::secret::Secret;
use tenantry_schema::wire::ContainerHealth;

/// Something that somebody or something does to the engine or the keeper.
#[derive(Debug, Clone)]
enum Drift {
    State(usize, usize),
    Exit(usize, i64),
    Health(usize, bool),
    Remove(usize),
    Rename(usize, usize),
    Disconnect(usize),
    ConnectElsewhere(usize),
    Realias(usize),
    RemoveNetwork,
    Unlabel(usize),
    Relabel(usize),
    Duplicate(usize),
    Orphan(usize),
    Stranger,
    RemoveImage,
    Retag,
    Change(usize),
    ChangeNetwork,
    RemoveService(usize),
    OnePass(usize),
}

fn drift() -> impl Strategy<Value = Drift> {
    prop_oneof![
        (0..4usize, 0..7usize).prop_map(|(c, s)| Drift::State(c, s)),
        (0..4usize, -1..3i64).prop_map(|(c, code)| Drift::Exit(c, code)),
        (0..4usize, any::<bool>()).prop_map(|(c, good)| Drift::Health(c, good)),
        (0..4usize).prop_map(Drift::Remove),
        (0..4usize, 0..5usize).prop_map(|(c, name)| Drift::Rename(c, name)),
        (0..4usize).prop_map(Drift::Disconnect),
        (0..4usize).prop_map(Drift::ConnectElsewhere),
        (0..4usize).prop_map(Drift::Realias),
        Just(Drift::RemoveNetwork),
        (0..4usize).prop_map(Drift::Unlabel),
        (0..4usize).prop_map(Drift::Relabel),
        (0..4usize).prop_map(Drift::Duplicate),
        (0..4usize).prop_map(Drift::Orphan),
        Just(Drift::Stranger),
        Just(Drift::RemoveImage),
        Just(Drift::Retag),
        (0..3usize).prop_map(Drift::Change),
        Just(Drift::ChangeNetwork),
        (0..3usize).prop_map(Drift::RemoveService),
        (0..6usize).prop_map(Drift::OnePass),
    ]
}

const STATES: [State; 7] = [
    State::Created,
    State::Running,
    State::Paused,
    State::Restarting,
    State::Exited,
    State::Removing,
    State::Dead,
];

fn happen(drift: &Drift, model: &mut Model, input: &mut InstanceInput) {
    let free_id = model.id();
    let taken = |model: &Model, name: &str| {
        model
            .state
            .containers
            .iter()
            .any(|container| container.name == name)
    };
    let strange = |container: &Container| container.owner == Owner::default();
    let pick = |model: &Model, at: usize| {
        let ours: Vec<_> = (0..model.state.containers.len())
            .filter(|at| !strange(&model.state.containers[*at]))
            .collect();
        (!ours.is_empty()).then(|| ours[at % ours.len()])
    };
    let with = |model: &mut Model, at: usize, act: &mut dyn FnMut(&mut Container)| {
        if let Some(at) = pick(model, at) {
            act(&mut model.state.containers[at]);
        }
    };
    match drift {
        Drift::State(at, state) => with(model, *at, &mut |c| c.state = STATES[*state]),
        Drift::Exit(at, code) => with(model, *at, &mut |c| {
            (c.state, c.exit_code) = (State::Exited, Some(*code));
        }),
        Drift::Health(at, good) => with(model, *at, &mut |c| {
            c.health = if *good {
                ContainerHealth::Healthy
            } else {
                ContainerHealth::Unhealthy
            };
        }),
        Drift::Remove(at) => {
            if let Some(at) = pick(model, *at) {
                model.state.containers.remove(at);
            }
        }
        Drift::Rename(at, name) => {
            let name = ["acme-db-1", "acme-web-1", "acme-job-1", "x", "y"][*name];
            if !taken(model, name) {
                with(model, *at, &mut |c| c.name = name.to_owned());
            }
        }
        Drift::Disconnect(at) => with(model, *at, &mut |c| c.networks.clear()),
        Drift::ConnectElsewhere(at) => {
            with(model, *at, &mut |c| {
                drop(
                    c.networks
                        .insert("bridge".to_owned(), Attachment::default()),
                );
            });
        }
        Drift::Realias(at) => with(model, *at, &mut |c| {
            c.networks
                .values_mut()
                .for_each(|network| network.aliases = Some(["other".to_owned()].into()));
        }),
        Drift::RemoveNetwork => {
            for container in &mut model.state.containers {
                // Only what does not run can stay connected to a network that goes.
                if container.state.is_up() {
                    container.networks.remove("acme_default");
                }
            }
            model.state.networks.remove("acme_default");
        }
        // Without our mark only a service of the file makes it ours; any other would be a stranger that has our name.
        Drift::Unlabel(at) => with(model, *at, &mut |c| {
            if c.owner
                .service
                .as_ref()
                .is_some_and(|service| input.services.contains_key(service))
            {
                (c.owner.keeper, c.owner.inputs) = (None, None);
            }
        }),
        Drift::Relabel(at) => with(model, *at, &mut |c| {
            c.owner.inputs = Some("other".to_owned());
        }),
        Drift::Duplicate(at) => {
            if let Some(at) = pick(model, *at) {
                let container = model.state.containers[at].clone();
                let name = format!("copy-{free_id}");
                model.state.containers.push(Container {
                    id: free_id,
                    name,
                    ..container
                });
            }
        }
        Drift::Orphan(at) => with(model, *at, &mut |c| {
            (c.owner.service, c.owner.keeper) = (Some("gone".to_owned()), Some(KEEPER.to_owned()));
        }),
        Drift::Stranger => {
            if let Some(at) = pick(model, 0) {
                let container = model.state.containers[at].clone();
                let name = format!("stranger-{free_id}");
                model.state.containers.push(Container {
                    id: free_id,
                    name,
                    owner: Owner::default(),
                    state: State::Running,
                    ..container
                });
            }
        }
        Drift::RemoveImage => model.state.images.clear(),
        Drift::Retag => drop(
            model
                .state
                .images
                .insert("busybox:1".to_owned(), format!("sha256:{free_id}")),
        ),
        Drift::Change(at) => {
            if let Some(service) = input.services.values_mut().nth(*at) {
                service
                    .container
                    .env
                    .0
                    .insert("CHANGED".to_owned(), Secret::new(free_id));
            }
        }
        Drift::ChangeNetwork => {
            let options = [("a".to_owned(), free_id)].into();
            let spec = NetworkSpec {
                key: "default".to_owned(),
                options,
                ..NetworkSpec::default()
            };
            input.networks.insert("acme_default".to_owned(), spec);
        }
        Drift::RemoveService(at) => {
            let name = ["db", "job", "web"][*at];
            input.services.remove(name);
            input
                .services
                .values_mut()
                .for_each(|service| service.depends_on.retain(|on, _| on != name));
        }
        // The agent dies in the middle of a pass.
        Drift::OnePass(count) => {
            for step in plan(input, model).steps.iter().take(*count) {
                if model.apply(step).is_err() {
                    break;
                }
            }
        }
    }
}

fn plan(input: &InstanceInput, model: &Model) -> Pass {
    let facts = Facts {
        now: Timestamp::UNIX_EPOCH,
        held: Held::Nothing,
        pace: &Pace::default(),
        key: &key(),
        images: None,
    };
    converge(input, &model.state, &facts)
}

/// A checker of its own: looks at the engine alone, at the moment at which a service is started.
fn dependencies_hold(step: &Step, input: &InstanceInput, model: &Model) -> Result<(), String> {
    let starts = matches!(step.action, Action::Start { .. } | Action::Recreate { .. });
    let Some(service) = step
        .service
        .as_ref()
        .filter(|_| starts)
        .and_then(|name| input.services.get(name))
    else {
        return Ok(());
    };
    for (other, dependency) in &service.depends_on {
        let found = model
            .state
            .containers
            .iter()
            .filter(|container| container.owner.serves(KEEPER, PROJECT, other));
        let met = found
            .into_iter()
            .any(|container| match dependency.condition {
                Condition::Started => container.state != State::Created,
                Condition::Healthy => {
                    container.state == State::Running
                        && container.health == ContainerHealth::Healthy
                }
                Condition::Completed => {
                    container.state == State::Exited && container.exit_code == Some(0)
                }
            });
        if !met {
            return Err(format!("{step}: {other} is not {:?}", dependency.condition));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn from_every_state_it_ends_converged(drifts in prop::collection::vec(drift(), 0..10)) {
        let (mut model, mut input) = (Model::default(), stack());
        for _ in 0..6 {
            for step in plan(&input, &model).steps {
                model.apply(&step).map_err(TestCaseError::fail)?;
            }
            model.settle(&["job"], &["db"]);
        }
        for drift in &drifts {
            happen(drift, &mut model, &mut input);
        }
        let volumes = model.state.volumes.clone();
        let strangers: Vec<_> = model.state.containers.iter().filter(|c| c.owner == Owner::default()).cloned().collect();
        let mut rounds = 0;
        let end = loop {
            let pass = plan(&input, &model);
            if pass.is_converged() || rounds == 12 {
                break pass;
            }
            for step in &pass.steps {
                dependencies_hold(step, &input, &model).map_err(TestCaseError::fail)?;
                model.apply(step).map_err(|refusal| TestCaseError::fail(format!("{step}: {refusal}")))?;
            }
            model.settle(&["job"], &["db", "web", "job"]);
            rounds += 1;
        };
        prop_assert!(end.is_converged(), "{:?} {:?}", end.steps, end.waiting);
        prop_assert!(model.state.volumes.is_superset(&volumes), "a volume was removed");
        let left: Vec<_> = model.state.containers.iter().filter(|c| c.owner == Owner::default()).collect();
        prop_assert_eq!(left.len(), strangers.len());
        prop_assert!(left.iter().zip(&strangers).all(|(left, before)| left.name == before.name && left.id == before.id));
        for (name, service) in &input.services {
            let serving: Vec<_> = model.state.containers.iter().filter(|c| c.owner.serves(KEEPER, PROJECT, name)).collect();
            prop_assert_eq!(serving.len(), 1, "one container serves {}", name);
            prop_assert!(serving[0].state == State::Running || service.job);
            prop_assert_eq!(&serving[0].name, &service.container.name);
        }
    }

    #[test]
    fn while_changes_are_held_nothing_disruptive_is_planned(drifts in prop::collection::vec(drift(), 0..10), unknown in any::<bool>()) {
        let (mut model, mut input) = (Model::default(), stack());
        for _ in 0..6 {
            for step in plan(&input, &model).steps {
                model.apply(&step).map_err(TestCaseError::fail)?;
            }
            model.settle(&["job"], &["db"]);
        }
        for drift in &drifts {
            happen(drift, &mut model, &mut input);
        }
        let held = if unknown { Held::Change } else { Held::Disruption };
        let facts = Facts { now: Timestamp::UNIX_EPOCH, held, pace: &Pace::default(), key: &key(), images: None };
        let pass = converge(&input, &model.state, &facts);
        prop_assert!(!pass.steps.iter().any(|step| step.disruptive));
        let before = model.state.clone();
        for step in &pass.steps {
            // What stopped by itself may lack what it needs to be started as it is.
            if let Err(refusal) = model.apply(step) {
                prop_assert!(matches!(step.action, Action::Start { .. }), "{}: {}", step, refusal);
                break;
            }
        }
        for old in &before.containers {
            let now = model.state.containers.iter().find(|now| now.id == old.id);
            let Some(now) = now else {
                let other = |one: &Container| one.id != old.id && one.owner.service == old.owner.service && one.state.is_up();
                let served = model.state.containers.iter().any(other);
                prop_assert!(!old.state.is_up() || served, "{} ran and is gone, and nothing serves in its place", old.name);
                continue;
            };
            prop_assert!(now.state.is_up() || !old.state.is_up(), "{} ran", old.name);
            // What is made from something else is connected as it was.
            let spec = old.owner.service.as_ref().and_then(|service| input.services.get(service));
            let right = spec.is_some_and(|spec| old.owner.inputs.as_deref() == Some(key().container(spec, &old.image_id).as_str()));
            if !right && !before.twins.iter().any(|(name, _)| old.networks.contains_key(name)) {
                let names = |one: &Container| one.networks.keys().cloned().collect::<Vec<_>>();
                prop_assert_eq!(names(now), names(old));
            }
        }
        let known = |id: &String| before.containers.iter().any(|old| old.id == *id);
        for new in model.state.containers.iter().filter(|one| !known(&one.id)) {
            let served = before.containers.iter().any(|old| old.owner.service == new.owner.service && old.owner.serves(KEEPER, PROJECT, old.owner.service.as_deref().unwrap_or_default()));
            prop_assert!(!unknown || served, "{} is new, and nobody knows whether it may be", new.name);
        }
    }
}
