//! Takes steps, one arm of one `match` a step. Each makes sure of something: taken twice, or after a crash in its middle, it ends
//! in the same place. Nothing is chosen here.

use super::body;
use super::desired::{AttachmentSpec, ContainerSpec};
use super::engine::Engine;
use super::error::{EngineError, ErrorKind, status};
use super::step::{Action, NewContainer, NewNetwork, NewVolume, Old, Step};
use super::{labels, names};
use bollard::Docker;
use bollard::models::{ContainerInspectResponse, NetworkConnectRequest, NetworkDisconnectRequest};
use bollard::query_parameters::{
    CreateContainerOptions, CreateImageOptions, RemoveContainerOptions, RenameContainerOptions,
    StopContainerOptions,
};
use futures_util::TryStreamExt;
use std::collections::BTreeMap;
use std::time::Duration;

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ensured {
    /// It was made.
    Created,
    /// It was there and was changed.
    Changed,
    /// It was as it should be.
    Unchanged,
    /// What the step expects does not hold (any more): nothing was done, plan again. Not a failure.
    PlanAgain,
}

/// Longest time that a container gets to end, whatever it asks for, plus some for the engine.
const LONGEST_STOP: Duration = Duration::from_mins(15);

/// Takes one step.
pub async fn execute(engine: &Engine, step: &Step) -> Result<Ensured, EngineError> {
    let (docker, _) = engine.client().await?;
    let act = Act {
        engine,
        docker,
        what: step.action.to_string(),
    };
    match &step.action {
        Action::EnsureImage { image, platform } => act.pull(image, platform.as_deref()).await,
        Action::EnsureNetwork(new) => act.make_network(new).await,
        Action::ReplaceNetwork { id, connected, new } => {
            act.replace_network(id, connected, new).await
        }
        Action::RemoveNetwork { id } => act.remove_network(id).await,
        Action::EnsureVolume(new) => act.make_volume(new).await,
        Action::Create(new) => act
            .create(new, &BTreeMap::new())
            .await
            .map(|(_, ensured)| ensured),
        Action::Recreate { old, new } => act.recreate(old, new).await,
        Action::Connect {
            container,
            network,
            attachment,
            replace,
        } => {
            act.connect(&container.id, network, attachment, *replace)
                .await
        }
        Action::Disconnect { container, network } => act.disconnect(&container.id, network).await,
        Action::Rename { container, to } => act.rename(&container.id, to).await,
        Action::Unpause { container } => act.unpause(&container.id).await,
        Action::Start { container, spec } => act.start(&container.id, spec).await,
        Action::Stop { container } => act.stop(&container.id).await,
        Action::Remove { container } => act.remove(&container.id).await,
    }
}

struct Act<'a> {
    engine: &'a Engine,
    docker: Docker,
    what: String,
}

type Answer<T> = Result<T, bollard::errors::Error>;

impl Act<'_> {
    async fn pull(&self, image: &str, platform: Option<&str>) -> Result<Ensured, EngineError> {
        if self
            .docker
            .inspect_image(&names::image(image))
            .await
            .is_ok()
        {
            return Ok(Ensured::Unchanged);
        }
        let options = CreateImageOptions {
            from_image: Some(names::image(image)),
            platform: platform.unwrap_or_default().to_owned(),
            ..CreateImageOptions::default()
        };
        let fetched = self
            .docker
            .create_image(Some(options), None, None)
            .try_for_each(|_| async { Ok(()) })
            .await;
        fetched.map(|()| Ensured::Created).map_err(|error| {
            let error = self.failed(error);
            if error.unreachable() {
                return error;
            }
            let reason = error.kind.to_string();
            EngineError::new(
                &self.what,
                ErrorKind::ImageUnavailable {
                    image: image.to_owned(),
                    reason,
                },
            )
        })
    }

    async fn make_network(&self, new: &NewNetwork) -> Result<Ensured, EngineError> {
        // The engine allows several networks of one name, so it must be looked for first.
        match self.docker.inspect_network(&new.name, None).await {
            Ok(_) => return Ok(Ensured::Unchanged),
            Err(error) if status(&error) == Some(404) => {}
            Err(error) => return Err(self.failed(error)),
        }
        let made = self
            .docker
            .create_network(body::network(new))
            .await
            .map(|_| ());
        self.settle(made, &[(409, Ensured::PlanAgain)], Ensured::Created)
    }

    async fn replace_network(
        &self,
        id: &str,
        connected: &[String],
        new: &NewNetwork,
    ) -> Result<Ensured, EngineError> {
        for container in connected {
            self.disconnect(container, id).await?;
        }
        match self.remove_network(id).await? {
            // Something connected to it in the meantime.
            Ensured::PlanAgain => Ok(Ensured::PlanAgain),
            _ => self.make_network(new).await,
        }
    }

    async fn remove_network(&self, id: &str) -> Result<Ensured, EngineError> {
        let removed = self.docker.remove_network(id).await;
        self.settle(
            removed,
            &[(404, Ensured::Unchanged), (403, Ensured::PlanAgain)],
            Ensured::Changed,
        )
    }

    async fn make_volume(&self, new: &NewVolume) -> Result<Ensured, EngineError> {
        // Making a volume that is there returns it unchanged.
        self.docker
            .create_volume(body::volume(new))
            .await
            .map(|_| Ensured::Created)
            .map_err(|error| self.failed(error))
    }

    /// The id of the container, made or found.
    async fn create(
        &self,
        new: &NewContainer,
        inherited: &BTreeMap<String, String>,
    ) -> Result<(String, Ensured), EngineError> {
        let spec = &new.spec;
        let options = CreateContainerOptions {
            name: Some(spec.name.clone()),
            platform: spec.modes.platform.clone().unwrap_or_default(),
        };
        let id = match self
            .docker
            .create_container(Some(options), body::container(new, inherited))
            .await
        {
            Ok(made) => made.id,
            Err(error) if status(&error) == Some(409) => {
                let there = self.inspect(&spec.name).await?;
                let id = there
                    .as_ref()
                    .filter(|there| is_made_from(there, new))
                    .and_then(|there| there.id.clone());
                return id
                    .map(|id| (id, Ensured::Unchanged))
                    .ok_or_else(|| self.failed_with(error, spec));
            }
            // The image went away after it was looked up.
            Err(error) if status(&error) == Some(404) => {
                return Ok((String::new(), Ensured::PlanAgain));
            }
            Err(error) => return Err(self.failed_with(error, spec)),
        };
        let finished = self.complete(&id, new).await;
        if !matches!(finished, Ok(Ensured::Created)) {
            self.remove(&id).await?;
        }
        finished.map(|ensured| (id, ensured))
    }

    /// Checks what was made, and connects it to the networks that the engine could not connect it to at once.
    async fn complete(&self, id: &str, new: &NewContainer) -> Result<Ensured, EngineError> {
        let made = self.inspect(id).await?;
        if made
            .and_then(|made| made.image)
            .is_none_or(|image| image != new.image_id)
        {
            return Ok(Ensured::PlanAgain);
        }
        let primary = new.spec.network.primary().map(|(name, _)| name);
        for (network, attachment) in new
            .spec
            .network
            .networks()
            .filter(|(name, _)| Some(*name) != primary)
        {
            self.connect(id, network, attachment, false).await?;
        }
        Ok(Ensured::Created)
    }

    async fn recreate(&self, old: &[Old], new: &NewContainer) -> Result<Ensured, EngineError> {
        let mut there = Vec::new();
        for old in old {
            if let Some(details) = self.inspect(&old.id).await? {
                there.push((old, details));
            }
        }
        // The old one runs on until the new one is made: most mistakes show by then, and cost no downtime.
        for (old, details) in &there {
            if name_of(details) == new.spec.name {
                self.rename(&old.id, &names::set_aside(&new.spec.name, &old.id))
                    .await?;
            }
        }
        let inherited = there
            .first()
            .map(|(_, details)| anonymous_volumes(details))
            .unwrap_or_default();
        let outcome = self.take_over(&there, new, &inherited).await;
        if !matches!(outcome, Ok(Ensured::Changed)) {
            if let Some((old, _)) = there.first() {
                self.put_back(old, &new.spec).await;
            }
            return outcome;
        }
        for (old, _) in &there {
            self.remove(&old.id).await?;
        }
        Ok(Ensured::Changed)
    }

    async fn take_over(
        &self,
        old: &[(&Old, ContainerInspectResponse)],
        new: &NewContainer,
        inherited: &BTreeMap<String, String>,
    ) -> Result<Ensured, EngineError> {
        let (id, made) = self.create(new, inherited).await?;
        if made == Ensured::PlanAgain {
            return Ok(made);
        }
        for (old, _) in old {
            self.stop(&old.id).await?;
        }
        let started = self.start(&id, &new.spec).await;
        match started {
            Ok(Ensured::PlanAgain) => {}
            Ok(_) => return Ok(Ensured::Changed),
            Err(_) => {
                self.remove(&id).await?;
            }
        }
        started
    }

    /// As well as it goes: the failure that made this necessary is what gets reported, and the next pass sees what is left.
    async fn put_back(&self, old: &Old, spec: &ContainerSpec) {
        let renamed = self.rename(&old.id, &spec.name).await;
        let started = if old.was_up {
            self.start(&old.id, spec).await
        } else {
            Ok(Ensured::Unchanged)
        };
        for error in [renamed, started].into_iter().filter_map(Result::err) {
            tracing::warn!(container = %spec.name, %error, "the old container could not be put back");
        }
    }

    async fn connect(
        &self,
        container: &str,
        network: &str,
        how: &AttachmentSpec,
        replace: bool,
    ) -> Result<Ensured, EngineError> {
        if replace {
            self.disconnect(container, network).await?;
        }
        let request = NetworkConnectRequest {
            container: container.to_owned(),
            endpoint_config: Some(body::endpoint(how)),
        };
        match self.docker.connect_network(network, request).await {
            Ok(()) => Ok(Ensured::Changed),
            Err(error) if status(&error) == Some(404) => Ok(Ensured::PlanAgain),
            Err(error) if already_connected(&error) => Ok(Ensured::Unchanged),
            Err(error) => Err(self.failed(error)),
        }
    }

    async fn disconnect(&self, container: &str, network: &str) -> Result<Ensured, EngineError> {
        let request = NetworkDisconnectRequest {
            container: container.to_owned(),
            force: Some(true),
        };
        match self.docker.disconnect_network(network, request).await {
            Ok(()) => Ok(Ensured::Changed),
            Err(error) if status(&error) == Some(404) || not_connected(&error) => {
                Ok(Ensured::Unchanged)
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    async fn rename(&self, container: &str, to: &str) -> Result<Ensured, EngineError> {
        let renamed = self
            .docker
            .rename_container(
                container,
                RenameContainerOptions {
                    name: to.to_owned(),
                },
            )
            .await;
        match renamed {
            Ok(()) => Ok(Ensured::Changed),
            Err(error) if status(&error) == Some(404) => Ok(Ensured::PlanAgain),
            Err(error) => match self.inspect(container).await? {
                Some(details) if name_of(&details) == to => Ok(Ensured::Unchanged),
                _ => Err(self.failed(error)),
            },
        }
    }

    async fn unpause(&self, container: &str) -> Result<Ensured, EngineError> {
        match self.docker.unpause_container(container).await {
            Ok(()) => Ok(Ensured::Changed),
            Err(error) if status(&error) == Some(404) => Ok(Ensured::PlanAgain),
            // The engine says so with 500 for a container that is not paused, and 409 for one that does not run.
            Err(error) => match self
                .inspect(container)
                .await?
                .and_then(|details| details.state)
            {
                Some(state) if state.paused != Some(true) => Ok(Ensured::PlanAgain),
                _ => Err(self.failed(error)),
            },
        }
    }

    async fn start(&self, container: &str, spec: &ContainerSpec) -> Result<Ensured, EngineError> {
        match self.docker.start_container(container, None).await {
            Ok(()) => Ok(Ensured::Changed),
            Err(error) => match status(&error) {
                Some(304) => Ok(Ensured::Unchanged),
                // Also said when the program does not exist in the image.
                Some(404) if self.inspect(container).await?.is_none() => Ok(Ensured::PlanAgain),
                _ => Err(self.failed_with(error, spec)),
            },
        }
    }

    async fn stop(&self, container: &str) -> Result<Ensured, EngineError> {
        // Without a time of ours the engine grants what the container was made with.
        let patient = self.docker.clone().with_timeout(LONGEST_STOP);
        let stopped = patient
            .stop_container(container, None::<StopContainerOptions>)
            .await;
        self.settle(
            stopped,
            &[(304, Ensured::Unchanged), (404, Ensured::Unchanged)],
            Ensured::Changed,
        )
    }

    /// Never with its volumes, also not with those that have no name.
    async fn remove(&self, container: &str) -> Result<Ensured, EngineError> {
        let options = RemoveContainerOptions {
            v: false,
            force: true,
            link: false,
        };
        let removed = self.docker.remove_container(container, Some(options)).await;
        // 409: somebody else is removing it.
        self.settle(
            removed,
            &[(404, Ensured::Unchanged), (409, Ensured::PlanAgain)],
            Ensured::Changed,
        )
    }

    async fn inspect(
        &self,
        container: &str,
    ) -> Result<Option<ContainerInspectResponse>, EngineError> {
        match self.docker.inspect_container(container, None).await {
            Ok(details) => Ok(Some(details)),
            Err(error) if status(&error) == Some(404) => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn settle(
        &self,
        answer: Answer<()>,
        known: &[(u16, Ensured)],
        good: Ensured,
    ) -> Result<Ensured, EngineError> {
        let Err(error) = answer else { return Ok(good) };
        let code = status(&error);
        known
            .iter()
            .find(|(known, _)| code == Some(*known))
            .map_or_else(|| Err(self.failed(error)), |(_, ensured)| Ok(*ensured))
    }

    fn failed(&self, error: bollard::errors::Error) -> EngineError {
        self.engine.judge(&self.what, error, None)
    }

    fn failed_with(&self, error: bollard::errors::Error, spec: &ContainerSpec) -> EngineError {
        self.engine.judge(&self.what, error, Some(spec))
    }
}

fn name_of(details: &ContainerInspectResponse) -> &str {
    details
        .name
        .as_deref()
        .unwrap_or_default()
        .trim_start_matches('/')
}

fn is_made_from(details: &ContainerInspectResponse, new: &NewContainer) -> bool {
    let labels = details
        .config
        .as_ref()
        .and_then(|config| config.labels.as_ref());
    labels
        .and_then(|labels| labels.get(labels::INPUTS))
        .is_some_and(|inputs| inputs == new.inputs.as_str())
}

/// Volumes without a name of their own (64 hexadecimal digits), by path inside. The container that takes over takes them over,
/// as with Compose; otherwise the data in them would be left behind.
fn anonymous_volumes(details: &ContainerInspectResponse) -> BTreeMap<String, String> {
    let anonymous =
        |name: &String| name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    details
        .mounts
        .iter()
        .flatten()
        .filter(|mount| mount.typ.as_deref() == Some("volume"))
        .filter_map(|mount| {
            Some((
                mount.destination.clone()?,
                mount.name.clone().filter(anonymous)?,
            ))
        })
        .collect()
}

/// The engine has no code for it.
fn already_connected(error: &bollard::errors::Error) -> bool {
    says(error, "already exists in network") || says(error, "already attached to network")
}

fn not_connected(error: &bollard::errors::Error) -> bool {
    says(error, "is not connected to")
}

fn says(error: &bollard::errors::Error, text: &str) -> bool {
    matches!(error, bollard::errors::Error::DockerResponseServerError { message, .. } if message.contains(text))
}
