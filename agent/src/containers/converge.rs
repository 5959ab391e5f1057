//! Decides what to do on the engine: pure, no I/O, no clock. Given the same arguments it returns the same steps; between two
//! passes only the engine, the input or a time named in [`WaitingOn::Pace`] can change them.
//!
//! Never emitted: a step that removes or changes a volume; a step on a container, network or volume of another keeper, of
//! `docker compose run`, or of a project that is not asked for.

mod follow;
mod in_force;
mod order;
mod remove;
mod service;
mod waits;

pub use in_force::{Version, disturbed, in_force};
pub use remove::remove_others;

use super::desired::{InstanceInput, Pull, ServiceSpec, Wanted};
use super::images::ImageFacts;
use super::inputs::InputsKey;
use super::names;
use super::pace::Pace;
use super::state::{Container, EngineState};
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
    /// What has to wait.
    pub held: Held,
    /// Recent starts.
    pub pace: &'a Pace,
    /// Key of the digests.
    pub key: &'a InputsKey,
    /// What is known of images besides what is on the engine.
    pub images: Option<ImageFacts<'a>>,
}

/// What has to wait. What runs is kept as it is and only repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Nothing.
    Nothing,
    /// What disturbs something that runs.
    Disruption,
    /// As well all that is new: what runs may be another version, so nothing is made, connected or named as this one says.
    Change,
}

impl Held {
    fn is_held(self) -> bool {
        self != Self::Nothing
    }
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
        if !self.nothing_new() {
            self.networks();
            self.volumes();
        }
        for name in by_dependency(self.input) {
            let ready = self.service(name, &self.input.services[name]);
            self.ready.insert(name, ready);
        }
    }

    fn nothing_new(&self) -> bool {
        self.facts.held == Held::Change
    }

    /// A container that was given the name of another service's container gives it up.
    fn free_names(&mut self) {
        if self.nothing_new() {
            return;
        }
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
            // While changes are held, what is there stays, whatever it is made from.
            let stays = self.facts.held.is_held() && self.candidates(name).next().is_some();
            if stays || self.image_id(service).is_some() {
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
        self.part_twins();
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
            // What another instance made is its own, whatever this one calls it.
            let ours = network.keeper.as_deref() == Some(&self.input.keeper)
                && network.project.as_ref() == Some(&self.input.project);
            if ours
                && network.inputs.as_deref() != Some(inputs.as_str())
                && !self.facts.held.is_held()
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

    /// The engine connects nothing to a network whose name another one has, too.
    ///
    /// This waits for no window, for it is a repair: containers on two networks of one name do not find each other, and until the networks
    /// are parted no other container of the instance can be put right. The one that most are connected to stays.
    fn part_twins(&mut self) {
        let (input, state) = (self.input, self.state);
        for (name, twin) in &state.twins {
            let ours = twin.keeper.as_deref() == Some(&input.keeper)
                && twin.project.as_ref() == Some(&input.project);
            let spec = input.networks.get(name).filter(|spec| !spec.external);
            let Some(spec) = spec.filter(|_| ours) else {
                continue;
            };
            let connected = state.containers.iter().filter(|container| {
                let attached = container.networks.get(name);
                attached.is_some_and(|it| it.network_id == twin.id)
            });
            let connected = connected.map(|container| container.id.clone()).collect();
            let inputs = self.facts.key.network(spec);
            let action = Action::ReplaceNetwork {
                id: twin.id.clone(),
                connected,
                new: NewNetwork::of(input, name, spec, &inputs),
            };
            self.step(None, action, Why::Twin);
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
    /// To act on this container.
    pub(crate) fn of(container: &Container) -> Self {
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
