//! What nothing asks for any more: containers and networks go, volumes stay.

use super::{Planner, push};
use crate::containers::state::{Container, EngineState, State};
use crate::containers::step::{Action, Pass, Target, WaitingOn, Why};
use std::collections::BTreeSet;

/// What to do so that nothing of this keeper is left of projects that nothing asks for. Volumes stay.
pub fn remove_others(keeper: &str, projects: &BTreeSet<String>, state: &EngineState) -> Pass {
    let mut pass = Pass::default();
    let unwanted =
        |project: Option<&String>| project.is_none_or(|project| !projects.contains(project));
    let containers = state
        .containers
        .iter()
        .filter(|container| container.owner.made_by(keeper));
    for container in containers.filter(|container| unwanted(container.owner.project.as_ref())) {
        let project = container.owner.project.clone().unwrap_or_default();
        remove(&mut pass, &project, container, Why::Unwanted, false);
    }
    let networks = state
        .networks
        .iter()
        .filter(|(_, network)| network.keeper.as_deref() == Some(keeper));
    for (name, network) in networks.filter(|(_, network)| unwanted(network.project.as_ref())) {
        let project = network.project.clone().unwrap_or_default();
        remove_network(&mut pass, state, &project, name, &network.id);
    }
    pass
}

impl Planner<'_> {
    /// Containers and networks of this instance that the file does not name any more.
    pub(super) fn remove_unwanted(&mut self) {
        let (input, state) = (self.input, self.state);
        let project = &input.project;
        for container in state.containers.iter().filter(|container| {
            let owner = &container.owner;
            let named = owner
                .service
                .as_ref()
                .is_some_and(|service| input.services.contains_key(service));
            owner.made_by(&input.keeper) && owner.project.as_ref() == Some(project) && !named
        }) {
            // People may use it: it goes when what disturbs them may happen.
            let used = container.state.is_up();
            if self.nothing_new() || used && self.facts.held.is_held() {
                let service = container.owner.service.as_deref();
                self.wait(service.unwrap_or(&container.name), WaitingOn::Window);
            } else {
                remove(&mut self.pass, project, container, Why::Unwanted, used);
            }
        }
        if self.nothing_new() {
            return;
        }
        for (name, network) in &state.networks {
            let ours = network.keeper.as_deref() == Some(&input.keeper)
                && network.project.as_ref() == Some(project);
            if ours && !input.networks.contains_key(name) {
                remove_network(&mut self.pass, state, project, name, &network.id);
            }
        }
    }
}

/// Stops and removes a container, unless it goes already.
pub(super) fn remove(
    pass: &mut Pass,
    project: &str,
    container: &Container,
    why: Why,
    disruptive: bool,
) {
    if container.state == State::Removing {
        return;
    }
    let service = container.owner.service.as_deref();
    if container.state.is_up() {
        push(
            pass,
            project,
            service,
            Action::Stop {
                container: Target::of(container),
            },
            why,
            disruptive,
        );
    }
    push(
        pass,
        project,
        service,
        Action::Remove {
            container: Target::of(container),
        },
        why,
        disruptive,
    );
}

/// Only once nothing is connected any more, apart from what the steps so far remove.
fn remove_network(pass: &mut Pass, state: &EngineState, project: &str, name: &str, id: &str) {
    let leaves = |container: &Container| {
        pass.steps.iter().any(|step| matches!(&step.action, Action::Remove { container: gone } if gone.id == container.id))
    };
    let connected =
        |container: &&Container| container.networks.contains_key(name) && !leaves(container);
    if !state
        .containers
        .iter()
        .any(|container| connected(&container))
    {
        push(
            pass,
            project,
            None,
            Action::RemoveNetwork { id: id.to_owned() },
            Why::Unwanted,
            false,
        );
    }
}
