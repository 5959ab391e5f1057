//! Services that follow others, and services that are told of changed files. Pure.

use super::{Planner, Ready};
use crate::containers::desired::ServiceSpec;
use crate::containers::state::Container;
use crate::containers::step::{Action, Target, WaitingOn, Why};
use jiff::Timestamp;

impl<'a> Planner<'a> {
    /// Whether it was made before a container whose namespace it shares: the engine holds on to the one that was there then.
    pub(super) fn is_orphan(&self, service: &ServiceSpec, current: &Container) -> bool {
        let mut owners = service.shares.iter().filter_map(|other| self.found(other));
        current
            .made
            .is_some_and(|made| owners.any(|owner| self.is_after(owner.made, made)))
    }

    /// Whether it was started before something that it follows: a container whose namespace it shares, or one that was made anew and
    /// that it asks to be started again after.
    pub(super) fn is_late(&self, service: &ServiceSpec, current: &Container) -> bool {
        let Some(started) = current.started else {
            return false;
        };
        let mut follows = service.depends_on.iter().filter(|(_, how)| how.restart);
        follows.any(|(other, _)| {
            let Some(found) = self.found(other) else {
                return false;
            };
            let time = if service.shares.contains(other) {
                found.started.filter(|_| found.state.is_up())
            } else {
                found.made
            };
            self.is_after(time, started)
        })
    }

    /// Times to come, which a clock that was put back leaves behind, say nothing.
    fn is_after(&self, time: Option<Timestamp>, before: Timestamp) -> bool {
        time.is_some_and(|time| time > before && time <= self.facts.now)
    }

    /// The container of a service of this instance.
    fn found(&self, service: &str) -> Option<&'a Container> {
        let (input, state) = (self.input, self.state);
        let name = &input.services.get(service)?.container.name;
        state.container_of(&input.keeper, &input.project, service, name)
    }

    pub(super) fn restart(
        &mut self,
        name: &'a str,
        service: &'a ServiceSpec,
        current: &Container,
    ) -> Ready {
        let running = Ready {
            started: true,
            ..Ready::default()
        };
        if self.facts.held.is_held() {
            self.wait(name, WaitingOn::Window);
            return running;
        }
        if self.wait_for_pace(name) || self.wait_for_dependencies(name, service) {
            return running;
        }
        let action = Action::Restart {
            container: Target::of(current),
            started: current.started,
            spec: Box::new(service.container.clone()),
        };
        self.disruptive(Some(name), action, Why::Follows);
        running
    }

    /// Tells it of changed files. While disruptive steps are held the files are not written either.
    pub(super) fn tell(&mut self, name: &str, service: &ServiceSpec, current: &Container) {
        let (Some(signal), Some(files)) = (service.signal, &service.container.watched) else {
            return;
        };
        if current.files.as_ref() == Some(files) || self.facts.held.is_held() {
            return;
        }
        let action = Action::Signal {
            container: Target::of(current),
            signal,
            files: files.clone(),
        };
        self.step(Some(name), action, Why::Files);
    }
}
