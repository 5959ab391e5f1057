//! A model of the engine: what each step does to an [`EngineState`], without an engine. It refuses what the engine refuses, and
//! panics at what no step may ever do.

use crate::containers::bounds::Bounds;
use crate::containers::labels;
use crate::containers::names;
use crate::containers::state::{
    Attachment, Container, Details, EngineState, Network, Owner, State,
};
use crate::containers::step::{Action, NewContainer, NewNetwork, Step};
use jiff::Timestamp;
use std::collections::BTreeMap;
use tenantry_schema::wire::ContainerHealth;

#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) state: EngineState,
    ids: i64,
    /// Seconds; all of them before the time at which tests plan.
    clock: i64,
}

impl Model {
    /// What a step does; `Err` where the engine would refuse.
    pub(crate) fn apply(&mut self, step: &Step) -> Result<(), String> {
        match &step.action {
            Action::EnsureImage { image, .. } => {
                let id = format!("sha256:{}", names::image(image));
                self.state.images.insert(names::image(image), id);
            }
            Action::EnsureNetwork(new) => self.make_network(new),
            Action::ReplaceNetwork { id, connected, new } => {
                for container in self
                    .state
                    .containers
                    .iter_mut()
                    .filter(|container| connected.contains(&container.id))
                {
                    container.networks.remove(&new.name);
                }
                self.remove_network(id)?;
                self.make_network(new);
            }
            Action::RemoveNetwork { id } => self.remove_network(id)?,
            Action::EnsureVolume(new) => {
                self.state.volumes.insert(new.name.clone());
            }
            Action::Create(new) => {
                self.create(new)?;
            }
            Action::Recreate { old, new } => self.recreate(
                &old.iter().map(|old| old.id.clone()).collect::<Vec<_>>(),
                new,
            )?,
            Action::Connect {
                container,
                network,
                attachment,
                replace,
            } => {
                let network_id = self
                    .state
                    .networks
                    .get(network)
                    .ok_or("no such network")?
                    .id
                    .clone();
                let there = &mut self.container(&container.id)?.networks;
                if there.contains_key(network) && !replace {
                    return Err("already connected".to_owned());
                }
                let aliases = Some(attachment.aliases.clone());
                let fixed = Some(attachment.fixed());
                there.insert(
                    network.clone(),
                    Attachment {
                        network_id,
                        endpoint_id: String::new(),
                        aliases,
                        fixed,
                    },
                );
            }
            Action::Disconnect { container, network } => {
                self.container(&container.id)?
                    .networks
                    .remove(network)
                    .ok_or("not connected")?;
            }
            Action::Update { container, update } => {
                let container = self.container(&container.id)?;
                container.bounds = container.bounds.map(|bounds| bounds.with(update));
            }
            Action::Rename { container, to } => self.rename(&container.id, to)?,
            Action::Unpause { container } => {
                let container = self.container(&container.id)?;
                assert_eq!(
                    container.state,
                    State::Paused,
                    "only what is paused is thawed"
                );
                container.state = State::Running;
            }
            Action::Start { container, .. } => self.start(&container.id)?,
            Action::Restart {
                container, started, ..
            } => {
                let now = self.container(&container.id)?.started;
                assert_eq!(now, *started, "it is as it was when this was planned");
                self.stop(&container.id)?;
                self.start(&container.id)?;
            }
            Action::Signal {
                container, files, ..
            } => {
                let container = self.container(&container.id)?;
                assert_eq!(container.state, State::Running, "it can be told");
                container.files = Some(files.clone());
            }
            Action::Stop { container } => self.stop(&container.id)?,
            Action::Remove { container } => self.remove(&container.id)?,
        }
        Ok(())
    }

    /// Time goes by: health checks pass, jobs end well, removals finish.
    pub(crate) fn settle(&mut self, jobs: &[&str], healthy: &[&str]) {
        self.state
            .containers
            .retain(|container| container.state != State::Removing);
        for container in &mut self.state.containers {
            let service = container.owner.service.as_deref().unwrap_or_default();
            if container.state == State::Restarting {
                container.state = State::Running;
            }
            if container.state == State::Running && jobs.contains(&service) {
                container.state = State::Exited;
                container.exit_code = Some(0);
            } else if container.state == State::Running && healthy.contains(&service) {
                container.health = ContainerHealth::Healthy;
            }
        }
    }

    pub(crate) fn container(&mut self, id: &str) -> Result<&mut Container, String> {
        let found = self
            .state
            .containers
            .iter_mut()
            .find(|container| container.id == id || container.name == id);
        found.ok_or_else(|| format!("no container {id}"))
    }

    pub(crate) fn by_service(&mut self, service: &str) -> &mut Container {
        let found = self
            .state
            .containers
            .iter_mut()
            .find(|container| container.owner.service.as_deref() == Some(service));
        found.expect("the service has a container")
    }

    fn make_network(&mut self, new: &NewNetwork) {
        let network = Network {
            id: self.id(),
            inputs: new.labels.get(labels::INPUTS).cloned(),
            project: new.labels.get(labels::PROJECT).cloned(),
            keeper: new.labels.get(labels::KEEPER).cloned(),
        };
        // As the executor: one that is there is not made again.
        self.state
            .networks
            .entry(new.name.clone())
            .or_insert(network);
    }

    fn remove_network(&mut self, id: &str) -> Result<(), String> {
        let twins = &mut self.state.twins;
        if let Some(at) = twins.iter().position(|(_, twin)| twin.id == id) {
            twins.remove(at);
            return Ok(());
        }
        let found = self
            .state
            .networks
            .iter()
            .find(|(_, network)| network.id == id);
        let name = found
            .map(|(name, _)| name.clone())
            .ok_or("no such network")?;
        if self
            .state
            .containers
            .iter()
            .any(|container| container.state.is_up() && container.networks.contains_key(&name))
        {
            return Err("has active endpoints".to_owned());
        }
        self.state.networks.remove(&name);
        Ok(())
    }

    fn create(&mut self, new: &NewContainer) -> Result<String, String> {
        if self
            .state
            .containers
            .iter()
            .any(|container| container.name == new.spec.name)
        {
            return Err(format!("name {} is in use", new.spec.name));
        }
        if self.state.images.get(&names::image(&new.spec.image)) != Some(&new.image_id) {
            return Err("no such image".to_owned());
        }
        for volume in new.spec.volumes() {
            assert!(
                self.state.volumes.contains(volume),
                "volume {volume} is made before its container"
            );
        }
        let mut networks = BTreeMap::new();
        for (name, how) in new.spec.network.networks() {
            assert!(
                self.state.networks.contains_key(name),
                "network {name} is made before its container"
            );
            networks.insert(
                name.clone(),
                Attachment {
                    aliases: Some(how.aliases.clone()),
                    fixed: Some(how.fixed()),
                    ..Attachment::default()
                },
            );
        }
        let (id, made) = (self.id(), self.time());
        self.state.containers.push(Container {
            id: id.clone(),
            name: new.spec.name.clone(),
            image_id: new.image_id.clone(),
            created: self.ids,
            owner: Owner::read(|label| new.labels.get(label)),
            state: State::Created,
            health: ContainerHealth::None,
            exit_code: None,
            restarts: 0,
            networks,
            bounds: Some(Bounds::of(&new.spec)),
            replaced: Vec::new(),
            made: Some(made),
            started: None,
            files: new.spec.watched.clone(),
            details: Details::default(),
        });
        Ok(id)
    }

    fn recreate(&mut self, old: &[String], new: &NewContainer) -> Result<(), String> {
        for id in old {
            if self.container(id)?.name == new.spec.name {
                self.rename(id, &names::set_aside(&new.spec.name, id))?;
            }
        }
        let there = self
            .state
            .containers
            .iter()
            .find(|container| container.name == new.spec.name);
        let id = match there {
            Some(there) if there.owner.inputs.as_deref() == Some(new.inputs.as_str()) => {
                there.id.clone()
            }
            _ => self.create(new)?,
        };
        for id in old {
            self.stop(id)?;
        }
        self.start(&id)?;
        old.iter().try_for_each(|id| self.remove(id))
    }

    fn rename(&mut self, id: &str, to: &str) -> Result<(), String> {
        if self
            .state
            .containers
            .iter()
            .any(|container| container.name == to)
        {
            return Err(format!("name {to} is in use"));
        }
        self.container(id)?.name = to.to_owned();
        Ok(())
    }

    fn time(&mut self) -> Timestamp {
        self.clock += 1;
        Timestamp::from_second(self.clock - 1_000_000).expect("a time")
    }

    fn start(&mut self, id: &str) -> Result<(), String> {
        let now = self.time();
        let networks = self.state.networks.clone();
        let ids = self.ids;
        let container = self.container(id)?;
        if !matches!(container.state, State::Created | State::Exited) {
            return Err(format!(
                "cannot start a container that is {:?}",
                container.state
            ));
        }
        for (name, attachment) in &mut container.networks {
            let network = networks
                .get(name)
                .ok_or_else(|| format!("network {name} not found"))?;
            if !attachment.network_id.is_empty() && attachment.network_id != network.id {
                return Err(format!("network {} not found", attachment.network_id));
            }
            attachment.network_id.clone_from(&network.id);
            attachment.endpoint_id = format!("e{ids}");
        }
        container.state = State::Running;
        container.started = Some(now);
        container.exit_code = None;
        // What is there now is mounted.
        container.replaced.clear();
        Ok(())
    }

    fn stop(&mut self, id: &str) -> Result<(), String> {
        let container = self.container(id)?;
        if container.state.is_up() {
            container.state = State::Exited;
            container.exit_code = Some(143);
            container.health = ContainerHealth::None;
        }
        Ok(())
    }

    fn remove(&mut self, id: &str) -> Result<(), String> {
        let id = self.container(id)?.id.clone();
        self.state.containers.retain(|container| container.id != id);
        Ok(())
    }

    pub(crate) fn id(&mut self) -> String {
        self.ids += 1;
        format!("{:012x}0000", self.ids)
    }
}
