//! What the engine tells, and what of it makes a look worth while.

use super::{Loop, meters};
use crate::agent::Look;
use crate::containers::{Concern, ContainerEvent, Wake};
use crate::desired::Desired;
use crate::step::Lane;
use crate::web_server::WebServer;
use jiff::Timestamp;
use tenantry_schema::id::InstanceName;

impl<W: WebServer + 'static> Loop<W> {
    /// Takes an event in. Whether it makes a look worth while.
    pub(super) fn engine_woke(&mut self, wake: Wake) -> bool {
        let concerns = self.concern.has(&wake);
        match &wake {
            Wake::Connected => self.agent.observer().forget_all(),
            Wake::Lost | Wake::Network(_) | Wake::Other => {}
            Wake::Container(event) => {
                // Also of others, for a project of theirs may be asked for one day.
                self.agent.observer().forget(&event.id);
                if concerns {
                    self.tell(event);
                }
            }
        }
        concerns
    }

    /// Reports what happened to a container of ours, unless we are at work on it.
    fn tell(&mut self, event: &ContainerEvent) {
        let instance = event
            .project
            .as_ref()
            .and_then(|project| InstanceName::try_from(project.clone()).ok());
        let ours = |name: &InstanceName| {
            let known = self
                .agent
                .desired()
                .is_some_and(|desired| desired.instances.contains_key(name));
            known && !self.lanes.contains_key(&Lane::Instance(name.clone()))
        };
        if let Some(name) = instance.filter(ours)
            && let Some((kind, message)) = meters::told(event)
        {
            self.agent
                .event(kind, Some(name), message, Timestamp::now());
        }
    }

    /// Remembers what is ours, to know which events concern it. What could not be seen changes nothing (law 7).
    pub(super) fn note_concern(&mut self, look: &Look) {
        let Some(desired) = self.agent.desired() else {
            return;
        };
        let containers = std::mem::take(&mut self.concern.containers);
        self.concern = concern(desired);
        match &look.state.engine {
            Ok(engine) => {
                let all = engine.containers.iter();
                self.concern
                    .saw(all.map(|container| (container.id.as_str(), &container.owner)));
            }
            Err(_) => self.concern.containers = containers,
        }
    }
}

/// What concerns a server that should be this.
fn concern(desired: &Desired) -> Concern {
    let inputs = desired.instances.values();
    let inputs = inputs.filter_map(|instance| instance.containers.as_ref().ok());
    Concern {
        keeper: desired.keeper.clone(),
        projects: desired.instances.keys().map(ToString::to_string).collect(),
        networks: inputs
            .flat_map(|input| input.networks.keys().cloned())
            .collect(),
        ..Concern::default()
    }
}
