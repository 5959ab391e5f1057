//! Reads what is on the engine: four lists a pass, and an inspection only of containers whose list entry changed. Writes nothing.
//!
//! Lists do not tell restart counts, bounds, and aliases and fixed addresses in networks, so these are remembered by container until its entry changes or
//! [`Observer::forget`] is called. A container whose engine-side settings were edited without a trace in the list is found at the
//! next [`Observer::forget_all`].

mod inspected;
mod listed;

use super::engine::Engine;
use super::error::EngineError;
use super::images::free_in;
use super::mounts;
use super::state::{self, EngineState};
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListImagesOptions, ListNetworksOptions, ListVolumesOptions,
};
pub(super) use inspected::time;
use inspected::{Entry, Known};
use listed::{container, image_names, network, published};
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::Duration;

/// What is done here, for messages.
pub(super) const WHAT: &str = "list what is on the container engine";
/// An engine that has not listed everything by then counts as hanging.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads the engine, and remembers what it need not ask twice.
#[derive(Debug)]
pub struct Observer {
    engine: Engine,
    known: HashMap<String, Known>,
    /// Where the engine keeps images.
    folder: Option<PathBuf>,
}

impl Observer {
    /// An observer that knows nothing yet.
    pub fn new(engine: Engine) -> Self {
        Self {
            engine,
            known: HashMap::new(),
            folder: None,
        }
    }

    /// Inspects this container again in the next pass: something happened to it.
    pub fn forget(&mut self, container_id: &str) {
        self.known.remove(container_id);
    }

    /// Inspects every container again in the next pass.
    pub fn forget_all(&mut self) {
        self.known.clear();
    }

    /// Everything that is on the engine now.
    pub async fn observe(&mut self) -> Result<EngineState, EngineError> {
        let seen = tokio::time::timeout(PATIENCE, self.read(WHAT)).await;
        seen.unwrap_or_else(|_| {
            // What comes back may be another release.
            self.engine.disconnect();
            Err(EngineError::new(
                WHAT,
                super::error::ErrorKind::EngineUnreachable,
            ))
        })
    }

    async fn read(&mut self, what: &str) -> Result<EngineState, EngineError> {
        let (docker, version) = self.engine.client().await?;
        let (containers, networks, volumes, images) = tokio::try_join!(
            docker.list_containers(Some(ListContainersOptionsBuilder::new().all(true).build())),
            docker.list_networks(None::<ListNetworksOptions>),
            docker.list_volumes(None::<ListVolumesOptions>),
            docker.list_images(None::<ListImagesOptions>),
        )
        .map_err(|error| self.engine.judge(what, error, None))?;

        let containers_published = containers.iter().flat_map(published).collect();
        let containers: Vec<_> = containers.into_iter().filter_map(container).collect();
        let (networks, twins) =
            state::tell_apart(networks.into_iter().filter_map(network), &containers);
        let mut state = EngineState {
            version,
            free: self.free(&docker).await,
            published: containers_published,
            folder: self.folder.clone(),
            containers,
            networks,
            twins,
            volumes: volumes
                .volumes
                .into_iter()
                .flatten()
                .map(|volume| volume.name)
                .collect(),
            images: images.into_iter().flat_map(image_names).collect(),
        };
        self.complete(&docker, &mut state).await?;
        Ok(state)
    }

    /// Bytes that are free where the engine keeps images.
    async fn free(&mut self, docker: &bollard::Docker) -> Option<u64> {
        if self.folder.is_none() {
            let root = docker.info().await.ok()?.docker_root_dir;
            self.folder = root.map(PathBuf::from);
            if let Some(folder) = &self.folder {
                self.engine.keeps_images_in(folder.clone());
            }
        }
        free_in(self.folder.as_deref()?)
    }

    /// Adds what only an inspection tells, for containers of Compose projects.
    async fn complete(
        &mut self,
        docker: &bollard::Docker,
        state: &mut EngineState,
    ) -> Result<(), EngineError> {
        for container in &mut state.containers {
            if container.owner.project.is_none() {
                continue;
            }
            let entry = Entry::of(container);
            if self
                .known
                .get(&container.id)
                .is_none_or(|known| known.entry != entry)
            {
                match docker.inspect_container(&container.id, None).await {
                    Ok(details) => self
                        .known
                        .insert(container.id.clone(), Known::of(entry, &details)),
                    // Removed since it was listed; the next pass will not see it.
                    Err(error) if super::error::status(&error) == Some(404) => continue,
                    Err(error) => {
                        return Err(self.engine.judge(
                            &format!("inspect container {}", container.name),
                            error,
                            None,
                        ));
                    }
                };
            }
            if let Some(known) = self.known.get(&container.id) {
                container.restarts = known.restarts;
                container.made = known.made;
                container.bounds = known.bounds;
                container.details = known.details.clone();
                container.started = known.started.filter(|_| container.state.is_up());
                if let Some(pid) = known.mounting.filter(|_| container.state.is_up()) {
                    container.replaced = mounts::replaced(pid, &container.id);
                }
                for (name, attachment) in &mut container.networks {
                    if let Some(connected) = known.connected.get(name) {
                        attachment.aliases = Some(connected.aliases.clone());
                        attachment.fixed = Some(connected.fixed.clone());
                    }
                }
            }
        }
        let listed: BTreeSet<_> = state
            .containers
            .iter()
            .map(|container| container.id.as_str())
            .collect();
        self.known.retain(|id, _| listed.contains(id.as_str()));
        Ok(())
    }
}
