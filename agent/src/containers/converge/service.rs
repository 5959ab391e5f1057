//! One service: what must be done to its container. The heart of the decision.

use super::remove::remove;
use super::{Planner, Ready, push};
use crate::containers::bounds::{Mend, Update, mend};
use crate::containers::desired::{MountSource, NetworkChoice, ServiceSpec};
use crate::containers::inputs::Digest;
use crate::containers::state::{Container, State};
use crate::containers::step::{Action, NewContainer, Old, Target, WaitingOn, Why};
use std::path::Path;
use tenantry_schema::wire::ContainerHealth;

impl<'a> Planner<'a> {
    pub(super) fn service(&mut self, name: &'a str, service: &'a ServiceSpec) -> Ready {
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
        if self.nothing_new() {
            self.wait(name, WaitingOn::Window);
            return Ready::default();
        }
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
                remove(
                    &mut self.pass,
                    &self.input.project,
                    other,
                    Why::Unfinished,
                    false,
                );
                if other.state == State::Removing {
                    self.wait(name, WaitingOn::Removing);
                }
            }
            let renamed = current.name != service.container.name && !self.nothing_new();
            if renamed && !self.wait_for_name(name, service) {
                let action = Action::Rename {
                    container: Target::of(current),
                    to: service.container.name.clone(),
                };
                self.step(Some(name), action, Why::Renamed);
                return self.keep_up(name, service, current);
            }
            if self.is_orphan(service, current) {
                return self.renew(name, service, current, inputs, Why::Follows);
            }
            if detached(service, current) {
                return self.renew(name, service, current, inputs, Why::Detached);
            }
            match self.mend(service, current) {
                Mend::Nothing => {}
                Mend::Update(update) => self.update(name, current, update),
                Mend::Anew => return self.renew(name, service, current, inputs, Why::Bounds),
            }
            return self.keep_up(name, service, current);
        }
        let running = others.iter().find(|other| other.state.is_up());
        if let Some(running) = running.filter(|_| self.facts.held.is_held()) {
            self.wait(name, WaitingOn::Window);
            return self.keep_up(name, service, running);
        }
        if self.nothing_new() {
            self.wait(name, WaitingOn::Window);
            return Ready::default();
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

    /// Right, but it goes on seeing files that were replaced, or belongs to a container that is gone: only a new one sees what is there now.
    fn renew(
        &mut self,
        name: &'a str,
        service: &'a ServiceSpec,
        current: &Container,
        inputs: Digest,
        why: Why,
    ) -> Ready {
        if self.facts.held.is_held() {
            self.wait(name, WaitingOn::Window);
            return self.keep_up(name, service, current);
        }
        let Some(image_id) = self.image_id(service) else {
            return self.keep_up(name, service, current);
        };
        if self.wait_for_pace(name) || self.wait_for_dependencies(name, service) {
            return self.keep_up(name, service, current);
        }
        let new = Box::new(NewContainer::of(
            self.input, name, service, inputs, image_id,
        ));
        let old = vec![Old::of(current)];
        self.disruptive(Some(name), Action::Recreate { old, new }, why);
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
        if self.facts.held.is_held() {
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
        let ours = current.owner.made_by(&self.input.keeper);
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
                if self.is_late(service, current) {
                    return self.restart(name, service, current);
                }
                self.tell(name, service, current);
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

    fn is_made_from(&self, service: &ServiceSpec, current: &Container) -> bool {
        let inputs = self.facts.key.container(service, &current.image_id);
        current.owner.inputs.as_deref() == Some(inputs.as_str())
    }

    fn mend(&self, service: &ServiceSpec, current: &Container) -> Mend {
        let found = current.bounds.as_ref();
        found.map_or(Mend::Nothing, |found| mend(&service.container, found))
    }

    fn update(&mut self, name: &str, current: &Container, update: Update) {
        let action = Action::Update {
            container: Target::of(current),
            update,
        };
        self.step(Some(name), action, Why::Bounds);
    }

    fn note_health(&mut self, name: &str, current: &Container) {
        match current.health {
            ContainerHealth::Starting => self.wait(name, WaitingOn::Healthy),
            ContainerHealth::Unhealthy => self.wait(name, WaitingOn::Unhealthy),
            ContainerHealth::None | ContainerHealth::Healthy => {}
        }
    }

    fn rewire(&mut self, name: &str, service: &'a ServiceSpec, current: &Container) {
        // Another version is connected as that one says.
        let held = self.facts.held.is_held();
        if self.nothing_new() || held && !self.is_made_from(service, current) {
            return;
        }
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
                let named = there.aliases.as_ref();
                let fixed = there.fixed.as_ref();
                same && named.is_none_or(|known| attachment.aliases.is_subset(known))
                    && fixed.is_none_or(|known| *known == attachment.fixed())
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
}

/// Whether something of the instance that it mounts was replaced behind its back.
fn detached(service: &ServiceSpec, container: &Container) -> bool {
    let ours = |path: &Path| {
        [&service.files, &service.watched].into_iter().any(|files| {
            let mut below = files.range(path.to_owned()..);
            below.next().is_some_and(|(file, _)| file.starts_with(path))
        })
    };
    let mut mounts = service.container.mounts.iter();
    container.state.is_up()
        && !container.replaced.is_empty()
        && mounts.any(|(target, mount)| match &mount.source {
            MountSource::Bind { path, .. } => {
                let mut replaced = container.replaced.iter();
                ours(path) && replaced.any(|replaced| replaced.is(path, target))
            }
            _ => false,
        })
}

/// Whether it is a job that did what it should.
fn is_done(service: &ServiceSpec, container: &Container) -> bool {
    service.job && container.state == State::Exited && container.exit_code == Some(0)
}
