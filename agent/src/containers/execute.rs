//! Takes steps, one arm of one `match` a step. Each makes sure of something: taken twice, or after a crash in its middle, it ends
//! in the same place. Nothing is chosen here.

mod container;
mod image;
mod network;

use super::body;
use super::bounds::Update;
use super::desired::ContainerSpec;
use super::engine::Engine;
use super::error::{EngineError, ErrorKind, status};
use super::observe;
use super::step::{Action, NewVolume, Step};
use crate::faults::changed;
use bollard::Docker;
use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::{
    KillContainerOptions, RemoveContainerOptions, RenameContainerOptions, StopContainerOptions,
};
use container::name_of;
pub use image::remove_image;
use jiff::Timestamp;
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

/// A process that does not know the signal has ended by then.
const AFTER_SIGNAL: Duration = Duration::from_millis(100);

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
        Action::EnsureImage {
            image,
            platform,
            login,
        } => act.pull(image, platform.as_deref(), login.as_ref()).await,
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
        Action::Update { container, update } => act.update(&container.id, update).await,
        Action::Unpause { container } => act.unpause(&container.id).await,
        Action::Start { container, spec } => act.start(&container.id, spec).await,
        Action::Restart {
            container,
            started,
            spec,
        } => act.restart(&container.id, *started, spec).await,
        Action::Signal {
            container, signal, ..
        } => act.signal(&container.id, signal).await,
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
    async fn make_volume(&self, new: &NewVolume) -> Result<Ensured, EngineError> {
        // Making a volume that is there returns it unchanged.
        self.docker
            .create_volume(body::volume(new))
            .await
            .inspect(|_| changed())
            .map(|_| Ensured::Created)
            .map_err(|error| self.failed(error))
    }

    async fn rename(&self, container: &str, to: &str) -> Result<Ensured, EngineError> {
        match self.rename_as_it_is(container, to).await? {
            // Between two tries of the engine to start it it has no network, and then it is not renamed (`sandbox ... not found`, 404).
            Ensured::PlanAgain if self.is_restarting(container).await? => {
                self.stop(container).await?;
                self.rename_as_it_is(container, to).await
            }
            renamed => Ok(renamed),
        }
    }

    /// Whether it is there, ended, and the engine is about to start it again.
    async fn is_restarting(&self, container: &str) -> Result<bool, EngineError> {
        let state = self.inspect(container).await?.and_then(|it| it.state);
        Ok(state.is_some_and(|state| state.restarting == Some(true)))
    }

    async fn rename_as_it_is(&self, container: &str, to: &str) -> Result<Ensured, EngineError> {
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
            Ok(()) => {
                changed();
                Ok(Ensured::Changed)
            }
            Err(error) if status(&error) == Some(404) => Ok(Ensured::PlanAgain),
            Err(error) => match self.inspect(container).await? {
                Some(details) if name_of(&details) == to => Ok(Ensured::Unchanged),
                _ => Err(self.failed(error)),
            },
        }
    }

    async fn update(&self, container: &str, update: &Update) -> Result<Ensured, EngineError> {
        let body = body::update(update);
        let updated = self.docker.update_container(container, body).await;
        self.settle(updated, &[(404, Ensured::PlanAgain)], Ensured::Changed)
    }

    async fn unpause(&self, container: &str) -> Result<Ensured, EngineError> {
        match self.docker.unpause_container(container).await {
            Ok(()) => {
                changed();
                Ok(Ensured::Changed)
            }
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
            Ok(()) => {
                changed();
                Ok(Ensured::Changed)
            }
            Err(error) => match status(&error) {
                Some(304) => Ok(Ensured::Unchanged),
                // Also said when the program does not exist in the image.
                Some(404) if self.inspect(container).await?.is_none() => Ok(Ensured::PlanAgain),
                _ => Err(self.failed_with(error, spec)),
            },
        }
    }

    async fn restart(
        &self,
        container: &str,
        started: Option<Timestamp>,
        spec: &ContainerSpec,
    ) -> Result<Ensured, EngineError> {
        let state = self
            .inspect(container)
            .await?
            .and_then(|details| details.state);
        let now = state.as_ref().and_then(|state| state.started_at.as_ref());
        if state.is_none() || now.and_then(observe::time) != started {
            return Ok(Ensured::PlanAgain);
        }
        self.stop(container).await?;
        self.start(container, spec).await
    }

    /// And makes sure that it did not end of it.
    async fn signal(&self, container: &str, signal: &str) -> Result<Ensured, EngineError> {
        let options = KillContainerOptions {
            signal: signal.to_owned(),
        };
        match self.docker.kill_container(container, Some(options)).await {
            Ok(()) => {}
            // Gone, or it does not run: its start takes the files in.
            Err(error) if matches!(status(&error), Some(404 | 409)) => {
                return Ok(Ensured::PlanAgain);
            }
            Err(error) => return Err(self.failed(error)),
        }
        tokio::time::sleep(AFTER_SIGNAL).await;
        let state = self
            .inspect(container)
            .await?
            .and_then(|details| details.state);
        if state.is_some_and(|state| state.running == Some(true)) {
            return Ok(Ensured::Changed);
        }
        let reason = format!("it ended when it was sent {signal}");
        Err(EngineError::new(
            &self.what,
            ErrorKind::CannotStart { reason },
        ))
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
        let Err(error) = answer else {
            changed();
            return Ok(good);
        };
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

fn says(error: &bollard::errors::Error, text: &str) -> bool {
    matches!(error, bollard::errors::Error::DockerResponseServerError { message, .. } if message.contains(text))
}
