//! Images: fetched where they are not there, removed where only their name keeps them.

use super::{Act, Ensured};
use crate::containers::engine::Engine;
use crate::containers::error::{EngineError, ErrorKind, status};
use crate::containers::images::{Login, registry_of};
use crate::containers::names;
use crate::faults::changed;
use bollard::auth::DockerCredentials;
use bollard::query_parameters::{CreateImageOptions, RemoveImageOptions};
use futures_util::StreamExt as _;

/// Removes an image by its name, and what only that name kept. Never by force: what a container uses stays.
pub async fn remove_image(engine: &Engine, image: &str) -> Result<Ensured, EngineError> {
    let (docker, _) = engine.client().await?;
    let name = names::image(image);
    let removed = docker
        .remove_image(&name, None::<RemoveImageOptions>, None)
        .await;
    match removed {
        Ok(_) => Ok(Ensured::Changed),
        Err(error) if matches!(status(&error), Some(404 | 409)) => Ok(Ensured::Unchanged),
        Err(error) => Err(engine.judge(&format!("remove image {image}"), error, None)),
    }
}

impl Act<'_> {
    pub(super) async fn pull(
        &self,
        image: &str,
        platform: Option<&str>,
        login: Option<&Login>,
    ) -> Result<Ensured, EngineError> {
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
        let login = login.map(|login| DockerCredentials {
            username: Some(login.user.clone()),
            password: Some(login.password.expose().clone()),
            serveraddress: Some(registry_of(image).to_owned()),
            ..DockerCredentials::default()
        });
        let fetched = self.listen(image, options, login).await?;
        self.engine.room().forget(image);
        fetched
            .inspect(|()| changed())
            .map(|()| Ensured::Created)
            .map_err(|error| {
                let error = self.failed(error);
                if error.unreachable() {
                    return error;
                }
                let image = image.to_owned();
                let reason = error.kind.to_string();
                EngineError::new(&self.what, ErrorKind::ImageUnavailable { image, reason })
            })
    }

    /// Listens to the engine while it fetches an image. What came of it; an error where it does not fit and was broken off.
    async fn listen(
        &self,
        image: &str,
        options: CreateImageOptions,
        login: Option<DockerCredentials>,
    ) -> Result<Result<(), bollard::errors::Error>, EngineError> {
        let mut fetch = self.engine.fetching.begin(image);
        let mut lines = std::pin::pin!(self.docker.create_image(Some(options), None, login));
        while let Some(line) = lines.next().await {
            let line = match line {
                Ok(line) => line,
                Err(error) => return Ok(Err(error)),
            };
            let detail = line.progress_detail.unwrap_or_default();
            let (layer, status) = (line.id.unwrap_or_default(), line.status.unwrap_or_default());
            let progress = fetch.hear(&layer, &status, detail.current, detail.total);
            let lacks = progress.and_then(|progress| self.engine.room().lacks(image, progress));
            if let Some((free, needed)) = lacks {
                // The engine stops when nobody listens any more, and clears away what it has.
                let image = image.to_owned();
                let kind = ErrorKind::NoRoom {
                    image,
                    free,
                    needed,
                };
                return Err(EngineError::new(&self.what, kind));
            }
        }
        Ok(Ok(()))
    }
}
