//! Decides what to do on the engine: pure, no I/O, no clock. Given the same arguments it returns the same steps; between two
//! passes only the engine, the input or a time named in [`WaitingOn::Pace`] can change them.
//!
//! Never emitted: a step that removes or changes a volume; a step on a container, network or volume of another fleet, of
//! `docker compose run`, or of a project that is not asked for.

use super::desired::{Condition, InstanceInput, NetworkChoice, Pull, ServiceSpec, Wanted};
use super::inputs::{Digest, InputsKey};
use super::names;
use super::pace::Pace;
use super::state::{Container, EngineState, State};
use super::step::{
    Action, NewContainer, NewNetwork, NewVolume, Old, Pass, Step, Target, Waiting, WaitingOn, Why,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::wire::ContainerHealth;

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

/// What to do so that nothing of this fleet is left of projects that nothing asks for. Volumes stay.
pub fn remove_others(fleet: &str, projects: &BTreeSet<String>, state: &EngineState) -> Pass {
    let mut pass = Pass::default();
    let unwanted =
        |project: Option<&String>| project.is_none_or(|project| !projects.contains(project));
    let containers = state
        .containers
        .iter()
        .filter(|container| container.owner.made_by(fleet));
    for container in containers.filter(|container| unwanted(container.owner.project.as_ref())) {
        let project = container.owner.project.clone().unwrap_or_default();
        remove(&mut pass, &project, container, Why::Unwanted);
    }
    let networks = state
        .networks
        .iter()
        .filter(|(_, network)| network.fleet.as_deref() == Some(fleet));
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
                    self.step(
                        Some(name),
                        Action::EnsureImage {
                            image: image.clone(),
                            platform,
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
            let ours = network.fleet.as_deref() == Some(&self.input.fleet);
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

    fn service(&mut self, name: &'a str, service: &'a ServiceSpec) -> Ready {
        if let Some(lacking) = self.lacking(service) {
            self.wait(name, lacking);
            return Ready::default();
        }
        let mut found: Vec<_> = self.candidates(name).collect();
        let digest = |container: &Container| {
            let image = self.image_id(service).unwrap_or(&container.image_id);
            self.facts.key.container(service, image)
        };
        found.sort_by_key(|container| {
            let right = container.owner.inputs.as_deref() == Some(digest(container).as_str());
            (
                !right,
                container.name != service.container.name,
                !container.state.is_up(),
                -container.created,
            )
        });
        let Some((current, others)) = found.split_first() else {
            return self.create(name, service);
        };
        let inputs = digest(current);
        if current.state == State::Removing {
            self.wait(name, WaitingOn::Removing);
            Ready::default()
        } else if current.owner.inputs.as_deref() == Some(inputs.as_str()) {
            self.keep_right(name, service, current, others, inputs)
        } else {
            self.replace_outdated(name, service, &found)
        }
    }

    fn create(&mut self, name: &'a str, service: &ServiceSpec) -> Ready {
        // Without the image there is no digest yet: the image comes first, and the next pass goes on.
        let Some(image_id) = self.image_id(service) else {
            return Ready::default();
        };
        if self.wait_for_name(name, service) || self.wait_for_pace(name) {
            return Ready::default();
        }
        let inputs = self.facts.key.container(service, image_id);
        let new = NewContainer::of(self.input, name, service, inputs, image_id);
        self.step(Some(name), Action::Create(Box::new(new)), Why::Missing);
        // Made at once, so that a mistake in it shows before its dependencies are waited for.
        if self.wait_for_dependencies(name, service) {
            return Ready::default();
        }
        let made = service.container.name.clone();
        self.start(
            name,
            service,
            Target {
                id: made.clone(),
                name: made,
            },
            Why::Missing,
        )
    }

    /// The container is made from the right inputs. Others serve the same service: what an interrupted replacement left.
    fn keep_right(
        &mut self,
        name: &'a str,
        service: &'a ServiceSpec,
        current: &Container,
        others: &[&Container],
        inputs: Digest,
    ) -> Ready {
        let dead = current.state == State::Dead;
        let interrupted =
            !others.is_empty() && !current.state.is_up() && !is_done(service, current);
        if !(dead || interrupted) {
            for other in others {
                remove(&mut self.pass, &self.input.project, other, Why::Unfinished);
                if other.state == State::Removing {
                    self.wait(name, WaitingOn::Removing);
                }
            }
            if current.name != service.container.name && !self.wait_for_name(name, service) {
                let action = Action::Rename {
                    container: Target::of(current),
                    to: service.container.name.clone(),
                };
                self.step(Some(name), action, Why::Renamed);
            }
            return self.keep_up(name, service, current);
        }
        let running = others.iter().find(|other| other.state.is_up());
        if let Some(running) = running.filter(|_| self.facts.hold_disruptive) {
            self.wait(name, WaitingOn::Window);
            return self.keep_up(name, service, running);
        }
        let Some(image_id) = self.image_id(service) else {
            return Ready::default();
        };
        if self.wait_for_pace(name) || self.wait_for_dependencies(name, service) {
            return Ready::default();
        }
        let replaced = others.iter().copied().chain(dead.then_some(current));
        let old = replaced.map(Old::of).collect();
        let new = Box::new(NewContainer::of(
            self.input, name, service, inputs, image_id,
        ));
        if !dead {
            self.rewire(name, service, current);
        }
        let why = if dead { Why::Dead } else { Why::Unfinished };
        push(
            &mut self.pass,
            &self.input.project,
            Some(name),
            Action::Recreate { old, new },
            why,
            running.is_some(),
        );
        Ready {
            started: true,
            ..Ready::default()
        }
    }

    fn replace_outdated(
        &mut self,
        name: &'a str,
        service: &'a ServiceSpec,
        found: &[&Container],
    ) -> Ready {
        let current = found[0];
        if self.facts.hold_disruptive {
            self.wait(name, WaitingOn::Window);
            return self.keep_up(name, service, current);
        }
        let Some(image_id) = self.image_id(service) else {
            return self.keep_up(name, service, current);
        };
        if self.wait_for_name(name, service) || self.wait_for_pace(name) {
            return self.keep_up(name, service, current);
        }
        if self.wait_for_dependencies(name, service) {
            return Ready::default();
        }
        let inputs = self.facts.key.container(service, image_id);
        let new = Box::new(NewContainer::of(
            self.input, name, service, inputs, image_id,
        ));
        let ours = current.owner.made_by(&self.input.fleet);
        let old = found.iter().copied().map(Old::of).collect();
        self.disruptive(
            Some(name),
            Action::Recreate { old, new },
            if ours { Why::Changed } else { Why::NotOurs },
        );
        Ready {
            started: true,
            ..Ready::default()
        }
    }

    /// Connected, thawed and running, whatever it is made from.
    fn keep_up(&mut self, name: &'a str, service: &'a ServiceSpec, current: &Container) -> Ready {
        if is_done(service, current) {
            return Ready {
                started: true,
                completed: true,
                ..Ready::default()
            };
        }
        match current.state {
            State::Running => {
                self.rewire(name, service, current);
                self.note_health(name, current);
            }
            State::Paused => {
                self.rewire(name, service, current);
                self.step(
                    Some(name),
                    Action::Unpause {
                        container: Target::of(current),
                    },
                    Why::Paused,
                );
                return Ready {
                    started: true,
                    ..Ready::default()
                };
            }
            State::Restarting => self.wait(name, WaitingOn::Restarting),
            State::Created | State::Exited => {
                if self.wait_for_pace(name) || self.wait_for_dependencies(name, service) {
                    return Ready::default();
                }
                self.rewire(name, service, current);
                return self.start(name, service, Target::of(current), Why::Down);
            }
            State::Removing | State::Dead => {
                self.wait(name, WaitingOn::Removing);
                return Ready::default();
            }
        }
        let healthy = current.state == State::Running && current.health == ContainerHealth::Healthy;
        Ready {
            started: true,
            healthy,
            completed: false,
        }
    }

    fn note_health(&mut self, name: &str, current: &Container) {
        match current.health {
            ContainerHealth::Starting => self.wait(name, WaitingOn::Healthy),
            ContainerHealth::Unhealthy => self.wait(name, WaitingOn::Unhealthy),
            ContainerHealth::None | ContainerHealth::Healthy => {}
        }
    }

    fn rewire(&mut self, name: &str, service: &'a ServiceSpec, current: &Container) {
        let NetworkChoice::Networks(wanted) = &service.container.network else {
            return;
        };
        for (network, attachment) in wanted {
            let there = current.networks.get(network);
            let good = there.is_some_and(|there| {
                let now = self.state.networks.get(network);
                let replaced = now.is_some() && self.fresh.contains(network.as_str());
                let same = there.network_id.is_empty()
                    || now.is_some_and(|now| now.id == there.network_id);
                let same = same && !replaced;
                same && there
                    .aliases
                    .as_ref()
                    .is_none_or(|known| attachment.aliases.is_subset(known))
            });
            if !good {
                let action = Action::Connect {
                    container: Target::of(current),
                    network: network.clone(),
                    attachment: attachment.clone(),
                    replace: there.is_some(),
                };
                self.step(Some(name), action, Why::Rewired);
            }
        }
        for network in current
            .networks
            .keys()
            .filter(|network| !wanted.contains_key(*network))
        {
            let action = Action::Disconnect {
                container: Target::of(current),
                network: network.clone(),
            };
            self.step(Some(name), action, Why::Rewired);
        }
    }

    fn start(&mut self, name: &str, service: &ServiceSpec, container: Target, why: Why) -> Ready {
        self.step(
            Some(name),
            Action::Start {
                container,
                spec: Box::new(service.container.clone()),
            },
            why,
        );
        Ready {
            started: true,
            ..Ready::default()
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
            owner.made_by(&self.input.fleet) && owner.project.as_ref() == Some(project) && !named
        }) {
            remove(&mut self.pass, project, container, Why::Unwanted);
        }
        for (name, network) in &self.state.networks {
            let ours = network.fleet.as_deref() == Some(&self.input.fleet)
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
                .serves(&input.fleet, &input.project, service)
        })
    }

    fn image_id(&self, service: &ServiceSpec) -> Option<&'a str> {
        self.state
            .images
            .get(&names::image(&service.container.image))
            .map(String::as_str)
    }

    /// The first thing that somebody else should have made and did not.
    fn lacking(&self, service: &ServiceSpec) -> Option<WaitingOn> {
        for (name, _) in service.container.network.networks() {
            let external = self
                .input
                .networks
                .get(name)
                .is_none_or(|spec| spec.external);
            match self.state.networks.get(name) {
                None if external => {
                    return Some(WaitingOn::External {
                        what: "network",
                        name: name.clone(),
                    });
                }
                Some(there) if !external => {
                    let fleet = there
                        .fleet
                        .as_ref()
                        .is_none_or(|mark| *mark == self.input.fleet);
                    if !fleet || there.project.as_ref() != Some(&self.input.project) {
                        return Some(WaitingOn::NameTaken {
                            what: "network",
                            name: name.clone(),
                        });
                    }
                }
                _ => {}
            }
        }
        service.container.volumes().find_map(|name| {
            let external = self
                .input
                .volumes
                .get(name)
                .is_none_or(|spec| spec.external);
            let missing = external && !self.state.volumes.contains(name);
            missing.then(|| WaitingOn::External {
                what: "volume",
                name: name.to_owned(),
            })
        })
    }

    /// Whether something has the container's name that does not give it up in this pass.
    fn wait_for_name(&mut self, name: &str, service: &ServiceSpec) -> bool {
        let holder = self
            .state
            .containers
            .iter()
            .find(|container| container.name == service.container.name);
        let Some(holder) = holder else { return false };
        let (owner, input) = (&holder.owner, self.input);
        let serves = input
            .services
            .keys()
            .any(|name| owner.serves(&input.fleet, &input.project, name));
        let goes = owner.made_by(&input.fleet) && owner.project.as_ref() == Some(&input.project);
        if holder.state == State::Removing {
            self.wait(name, WaitingOn::Removing);
        } else if !serves && !goes {
            self.wait(
                name,
                WaitingOn::NameTaken {
                    what: "container",
                    name: service.container.name.clone(),
                },
            );
        } else {
            return false;
        }
        true
    }

    fn wait_for_pace(&mut self, name: &str) -> bool {
        let hold = self
            .facts
            .pace
            .hold(&self.input.project, name, self.facts.now);
        if let Some((at, attempts)) = hold {
            self.wait(name, WaitingOn::Pace { at, attempts });
        }
        hold.is_some()
    }

    fn wait_for_dependencies(&mut self, name: &str, service: &ServiceSpec) -> bool {
        let unmet = service.depends_on.iter().find(|(other, dependency)| {
            match self.ready.get(other.as_str()) {
                Some(ready) => !match dependency.condition {
                    Condition::Started => ready.started,
                    Condition::Healthy => ready.healthy,
                    Condition::Completed => ready.completed,
                },
                None => dependency.required,
            }
        });
        if let Some((other, dependency)) = unmet {
            self.wait(
                name,
                WaitingOn::Dependency {
                    service: other.clone(),
                    condition: dependency.condition,
                },
            );
        }
        unmet.is_some()
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

/// Whether it is a job that did what it should.
fn is_done(service: &ServiceSpec, container: &Container) -> bool {
    service.job && container.state == State::Exited && container.exit_code == Some(0)
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

/// Services after those that they depend on. A circle, which Compose does not allow, is broken at an arbitrary but fixed place.
fn by_dependency(input: &InstanceInput) -> Vec<&str> {
    fn visit<'a>(
        input: &'a InstanceInput,
        name: &'a str,
        seen: &mut BTreeSet<&'a str>,
        order: &mut Vec<&'a str>,
    ) {
        let Some((name, service)) = input.services.get_key_value(name) else {
            return;
        };
        if seen.insert(name) {
            for other in service.depends_on.keys() {
                visit(input, other, seen, order);
            }
            order.push(name);
        }
    }
    let (mut seen, mut order) = (BTreeSet::new(), Vec::new());
    for name in input.services.keys() {
        visit(input, name, &mut seen, &mut order);
    }
    order
}
