//! What a service may have to wait for before a step is planned: each function says so and notes the reason.

use super::{Held, Planner};
use crate::containers::desired::{Condition, ServiceSpec};
use crate::containers::state::State;
use crate::containers::step::WaitingOn;

impl Planner<'_> {
    /// The first thing that somebody else should have made and did not.
    pub(super) fn lacking(&self, service: &ServiceSpec) -> Option<WaitingOn> {
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
                    let keeper = there
                        .keeper
                        .as_ref()
                        .is_none_or(|mark| *mark == self.input.keeper);
                    if !keeper || there.project.as_ref() != Some(&self.input.project) {
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
    pub(super) fn wait_for_name(&mut self, name: &str, service: &ServiceSpec) -> bool {
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
            .any(|name| owner.serves(&input.keeper, &input.project, name));
        let held = self.facts.held.is_held();
        let goes = owner.made_by(&input.keeper) && owner.project.as_ref() == Some(&input.project);
        if holder.state == State::Removing {
            self.wait(name, WaitingOn::Removing);
        } else if goes && !serves && held && holder.state.is_up() {
            self.wait(name, WaitingOn::Window);
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

    pub(super) fn wait_for_pace(&mut self, name: &str) -> bool {
        let hold = self
            .facts
            .pace
            .hold(&self.input.project, name, self.facts.now);
        if let Some((at, attempts)) = hold {
            self.wait(name, WaitingOn::Pace { at, attempts });
        }
        hold.is_some()
    }

    pub(super) fn wait_for_dependencies(&mut self, name: &str, service: &ServiceSpec) -> bool {
        // What runs may depend on something else.
        if self.facts.held == Held::Change {
            return false;
        }
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
}
