//! The Docker engine of this machine: that it answers, what it has, and removing what a run left behind.

use std::collections::HashMap;

use bollard::Docker;
use bollard::query_parameters::{
    CreateImageOptionsBuilder, ListContainersOptionsBuilder, ListNetworksOptions,
    ListVolumesOptions, RemoveContainerOptionsBuilder, RemoveVolumeOptionsBuilder,
    TagImageOptionsBuilder,
};
use futures_util::TryStreamExt;

use super::{LabError, registry::Image};

/// A connection to the engine.
#[derive(Clone)]
pub struct Engine {
    docker: Docker,
}

impl Engine {
    /// Connects to `DOCKER_HOST` or the usual socket, and asserts that an engine answers.
    pub async fn connect() -> Result<Self, LabError> {
        let docker = Docker::connect_with_defaults().map_err(LabError::NoEngine)?;
        let docker = docker
            .negotiate_version()
            .await
            .map_err(LabError::NoEngine)?;
        Ok(Self { docker })
    }

    /// The client, for whatever this type does not offer.
    pub fn client(&self) -> &Docker {
        &self.docker
    }

    /// Whether the engine asks the registry at `address` (host and port) before it asks the public one.
    pub async fn mirrors(&self, address: &str) -> Result<bool, LabError> {
        let info = self
            .docker
            .info()
            .await
            .map_err(LabError::docker("asking for its settings"))?;
        let mirrors = info
            .registry_config
            .and_then(|config| config.mirrors)
            .unwrap_or_default();
        Ok(mirrors
            .iter()
            .any(|mirror| mirror.trim_end_matches('/').strip_prefix("http://") == Some(address)))
    }

    /// The labels of an image, `None` if the engine does not have it.
    pub async fn image_labels(
        &self,
        reference: &str,
    ) -> Result<Option<HashMap<String, String>>, LabError> {
        match self.docker.inspect_image(reference).await {
            Ok(image) => Ok(Some(
                image
                    .config
                    .and_then(|config| config.labels)
                    .unwrap_or_default(),
            )),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(LabError::docker(format!("inspecting image {reference}"))(
                error,
            )),
        }
    }

    /// Pulls `image` by its real name, through the mirror or, if the engine has none, from the registry at
    /// `registry` (host and port).
    pub async fn pull(&self, image: &Image, registry: &str) -> Result<(), LabError> {
        let reference = image.reference();
        if self.mirrors(registry).await? {
            return self.pull_reference(&reference).await;
        }
        let local = format!("{registry}/{}:{}", image.repository, image.tag);
        self.pull_reference(&local).await?;
        let (name, tag) = (image.name(), image.tag.clone());
        let options = TagImageOptionsBuilder::default()
            .repo(name)
            .tag(&tag)
            .build();
        self.docker
            .tag_image(&local, Some(options))
            .await
            .map_err(LabError::docker(format!("naming {local} {reference}")))
    }

    async fn pull_reference(&self, reference: &str) -> Result<(), LabError> {
        let options = CreateImageOptionsBuilder::default()
            .from_image(reference)
            .build();
        self.docker
            .create_image(Some(options), None, None)
            .try_for_each(|_| async { Ok(()) })
            .await
            .map_err(LabError::docker(format!("pulling {reference}")))
    }

    /// Removes every container, network and volume whose name, or the value of one of whose labels, contains `mark`.
    pub async fn remove_marked(&self, mark: &str) -> Result<(), LabError> {
        let docker = &self.docker;
        let options = ListContainersOptionsBuilder::default().all(true).build();
        let containers = docker
            .list_containers(Some(options))
            .await
            .map_err(LabError::docker("listing containers"))?;
        for container in containers {
            let names = container.names.unwrap_or_default();
            if let Some(id) = container.id
                && marked(&names, container.labels.as_ref(), mark)
            {
                let options = RemoveContainerOptionsBuilder::default()
                    .force(true)
                    .v(true)
                    .build();
                let removed = docker.remove_container(&id, Some(options)).await;
                tolerate_absence(removed, || format!("removing container {id}"))?;
            }
        }
        let networks = docker
            .list_networks(None::<ListNetworksOptions>)
            .await
            .map_err(LabError::docker("listing networks"))?;
        for network in networks {
            let name = network.name.unwrap_or_default();
            if marked(std::slice::from_ref(&name), network.labels.as_ref(), mark) {
                let removed = docker.remove_network(&name).await;
                tolerate_absence(removed, || format!("removing network {name}"))?;
            }
        }
        let volumes = docker
            .list_volumes(None::<ListVolumesOptions>)
            .await
            .map_err(LabError::docker("listing volumes"))?;
        for volume in volumes.volumes.unwrap_or_default() {
            let name = volume.name;
            if marked(std::slice::from_ref(&name), Some(&volume.labels), mark) {
                let options = RemoveVolumeOptionsBuilder::default().force(true).build();
                let removed = docker.remove_volume(&name, Some(options)).await;
                tolerate_absence(removed, || format!("removing volume {name}"))?;
            }
        }
        Ok(())
    }
}

fn marked(names: &[String], labels: Option<&HashMap<String, String>>, mark: &str) -> bool {
    names.iter().any(|name| name.contains(mark))
        || labels.is_some_and(|labels| labels.values().any(|value| value.contains(mark)))
}

fn is_not_found(error: &bollard::errors::Error) -> bool {
    matches!(
        error,
        bollard::errors::Error::DockerResponseServerError {
            status_code: 404,
            ..
        }
    )
}

/// Gone already, or going (409), is as good as removed.
fn tolerate_absence(
    outcome: Result<(), bollard::errors::Error>,
    doing: impl FnOnce() -> String,
) -> Result<(), LabError> {
    match outcome {
        Err(ref error @ bollard::errors::Error::DockerResponseServerError { status_code, .. })
            if status_code == 404
                || (status_code == 409 && error.to_string().contains("already in progress")) =>
        {
            Ok(())
        }
        other => other.map_err(LabError::docker(doing())),
    }
}
