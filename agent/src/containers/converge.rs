//! Decides what to do on the engine: pure, no I/O, no clock. Given the same arguments it returns the same steps; between two
//! passes only the engine, the input or a time named in [`WaitingOn::Pace`] can change them.
//!
//! Never emitted: a step that removes or changes a volume; a step on a container, network or volume of another keeper, of
//! `docker compose run`, or of a project that is not asked for.

mod follow;
mod in_force;
mod order;
mod service;
mod waits;

pub use in_force::{Version, in_force};

use super::desired::{InstanceInput, Pull, ServiceSpec, Wanted};
use super::images::ImageFacts;
use super::inputs::InputsKey;
use super::names;
use super::pace::Pace;
use super::state::{Container, EngineState, State};
use super::step::{
    Action, NewNetwork, NewVolume, Old, Pass, Step, Target, Waiting, WaitingOn, Why,
};
use jiff::Timestamp;
use order::by_dependency;
use std::collections::{BTreeMap, BTreeSet};

/// What else a decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The time.
    pub now: Timestamp,
    /// Whether disruptive steps must wait. What runs is then kept as it is and only repaired.
    pub hold_disruptive: bool,
    /// Recent starts.
    pub pace: &'a Pace,
    /// Key of the digests.
    pub key: &'a InputsKey,
    /// What is known of images besides what is on the engine.
    pub images: Option<ImageFacts<'a>>,
}

/// What to do so that the engine runs this instance as it should.
pub fn converge(input: &InstanceInput, state: &EngineState, facts: &Facts<'_>) -> Pass {
    let mut planner = Planner {
        input,
        state,
        facts,
        pass: Pass::default(),
        fresh: BTreeSet::new(),
        ready: BTreeMap::new(),
    };
    // First, because what is not wanted any more can hold a name or a port that something else needs now.
    planner.remove_unwanted();
    planner.free_names();
    match input.state {
        Wanted::Running => planner.run(),
        Wanted::Stopped => planner.stop(),
    }
    planner.pass
}

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
        remove(&mut pass, &project, container, Why::Unwanted);
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

/// What can be relied on after the steps so far.
#[derive(Debug, Clone, Copy, Default)]
struct Ready {
    started: bool,
    healthy: bool,
    completed: bool,
}

struct Planner<'a> {
    input: &'a InstanceInput,
    state: &'a EngineState,
    facts: &'a Facts<'a>,
    pass: Pass,
    /// Networks that this pass makes.
    fresh: BTreeSet<&'a str>,
    ready: BTreeMap<&'a str, Ready>,
}

impl<'a> Planner<'a> {
    fn run(&mut self) {
        self.images();
        self.networks();
        self.volumes();
        for name in by_dependency(self.input) {
            let ready = self.service(name, &self.input.services[name]);
            self.ready.insert(name, ready);
        }
    }

    /// A container that was given the name of another service's container gives it up.
    fn free_names(&mut self) {
        let input = self.input;
        let owner_of: BTreeMap<_, _> = input
            .services
            .iter()
            .map(|(name, service)| (service.container.name.as_str(), name.as_str()))
            .collect();
        for (name, service) in &input.services {
            for container in self.candidates(name) {
                if owner_of
                    .get(container.name.as_str())
                    .is_some_and(|owner| owner != name)
                {
                    let to = names::set_aside(&service.container.name, &container.id);
                    self.step(
                        Some(name),
                        Action::Rename {
                            container: Target::of(container),
                            to,
                        },
                        Why::Renamed,
                    );
                }
            }
        }
    }

    fn images(&mut self) {
        let mut asked = BTreeSet::new();
        for (name, service) in &self.input.services {
            let image = &service.container.image;
            if self.image_id(service).is_some() {
                continue;
            }
            match service.pull {
                Pull::Never => self.wait(
                    name,
                    WaitingOn::Image {
                        image: image.clone(),
                    },
                ),
                Pull::Missing if asked.insert(image) => {
                    let platform = service.container.modes.platform.clone();
                    let images = self.facts.images;
                    let fetch = images.map_or(image.as_str(), |images| images.fetch(image));
                    let login = images.and_then(|images| images.login(image)).cloned();
                    self.step(
                        Some(name),
                        Action::EnsureImage {
                            image: fetch.to_owned(),
                            platform,
                            login,
                        },
                        Why::Missing,
                    );
                }
                Pull::Missing => {}
            }
        }
    }

    fn networks(&mut self) {
        for (name, spec) in self
            .input
            .networks
            .iter()
            .filter(|(_, spec)| !spec.external)
        {
            let inputs = self.facts.key.network(spec);
            let new = NewNetwork::of(self.input, name, spec, &inputs);
            let Some(network) = self.state.networks.get(name) else {
                self.fresh.insert(name);
                self.step(None, Action::EnsureNetwork(new), Why::Missing);
                continue;
            };
            let ours = network.keeper.as_deref() == Some(&self.input.keeper);
            if ours
                && network.inputs.as_deref() != Some(inputs.as_str())
                && !self.facts.hold_disruptive
            {
                self.fresh.insert(name);
                let connected = self
                    .state
                    .containers
                    .iter()
                    .filter(|container| container.networks.contains_key(name));
                let connected = connected.map(|container| container.id.clone()).collect();
                self.disruptive(
                    None,
                    Action::ReplaceNetwork {
                        id: network.id.clone(),
                        connected,
                        new,
                    },
                    Why::Changed,
                );
            }
        }
    }

    fn volumes(&mut self) {
        for (name, spec) in &self.input.volumes {
            if !spec.external && !self.state.volumes.contains(name) {
                self.step(
                    None,
                    Action::EnsureVolume(NewVolume::of(self.input, name, spec)),
                    Why::Missing,
                );
            }
        }
    }

    fn stop(&mut self) {
        let mut order = by_dependency(self.input);
        order.reverse();
        for name in order {
            let up: Vec<_> = self
                .candidates(name)
                .filter(|container| container.state.is_up())
                .map(Target::of)
                .collect();
            for container in up {
                self.step(Some(name), Action::Stop { container }, Why::Stopped);
            }
        }
    }

    /// Containers and networks of this instance that the file does not name any more.
    fn remove_unwanted(&mut self) {
        let project = &self.input.project;
        for container in self.state.containers.iter().filter(|container| {
            let owner = &container.owner;
            let named = owner
                .service
                .as_ref()
                .is_some_and(|service| self.input.services.contains_key(service));
            owner.made_by(&self.input.keeper) && owner.project.as_ref() == Some(project) && !named
        }) {
            remove(&mut self.pass, project, container, Why::Unwanted);
        }
        for (name, network) in &self.state.networks {
            let ours = network.keeper.as_deref() == Some(&self.input.keeper)
                && network.project.as_ref() == Some(project);
            if ours && !self.input.networks.contains_key(name) {
                remove_network(&mut self.pass, self.state, project, name, &network.id);
            }
        }
    }

    fn candidates(&self, service: &'a str) -> impl Iterator<Item = &'a Container> + use<'a> {
        let Self { input, state, .. } = *self;
        state.containers.iter().filter(move |container| {
            container
                .owner
                .serves(&input.keeper, &input.project, service)
        })
    }

    fn image_id(&self, service: &ServiceSpec) -> Option<&'a str> {
        let image = &service.container.image;
        match self.facts.images {
            Some(images) => images.id(image, self.state),
            None => self
                .state
                .images
                .get(&names::image(image))
                .map(String::as_str),
        }
    }

    fn wait(&mut self, service: &str, on: WaitingOn) {
        self.pass.waiting.push(Waiting {
            project: self.input.project.clone(),
            service: service.to_owned(),
            on,
        });
    }

    fn step(&mut self, service: Option<&str>, action: Action, why: Why) {
        push(
            &mut self.pass,
            &self.input.project,
            service,
            action,
            why,
            false,
        );
    }

    fn disruptive(&mut self, service: Option<&str>, action: Action, why: Why) {
        push(
            &mut self.pass,
            &self.input.project,
            service,
            action,
            why,
            true,
        );
    }
}

impl Target {
    fn of(container: &Container) -> Self {
        Self {
            id: container.id.clone(),
            name: container.name.clone(),
        }
    }
}

impl Old {
    fn of(container: &Container) -> Self {
        Self {
            id: container.id.clone(),
            was_up: container.state.is_up(),
        }
    }
}

fn push(
    pass: &mut Pass,
    project: &str,
    service: Option<&str>,
    action: Action,
    why: Why,
    disruptive: bool,
) {
    pass.steps.push(Step {
        project: project.to_owned(),
        service: service.map(str::to_owned),
        action,
        why,
        disruptive,
    });
}

fn remove(pass: &mut Pass, project: &str, container: &Container, why: Why) {
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
            false,
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
        false,
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
