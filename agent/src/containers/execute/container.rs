//! Making a container, and putting a new one in the place of an old one.

use super::{Act, Ensured};
use crate::containers::desired::ContainerSpec;
use crate::containers::error::{EngineError, ErrorKind, status};
use crate::containers::step::{NewContainer, Old};
use crate::containers::{body, labels, names, verify};
use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::CreateContainerOptions;
use std::collections::BTreeMap;
use std::time::Duration;

/// An engine lets go of a name some moments after the container that had it is gone: so often it is asked again, with such a pause.
const WAITS: u32 = 20;
const WAIT: Duration = Duration::from_millis(100);

impl Act<'_> {
    /// The id of the container, made or found.
    pub(super) async fn create(
        &self,
        new: &NewContainer,
        inherited: &BTreeMap<String, String>,
    ) -> Result<(String, Ensured), EngineError> {
        let spec = &new.spec;
        let options = CreateContainerOptions {
            name: Some(spec.name.clone()),
            platform: spec.modes.platform.clone().unwrap_or_default(),
        };
        let mut body = body::container(new, inherited);
        let named = self.docker.inspect_image(&names::image(&spec.image)).await;
        if named.ok().and_then(|image| image.id).as_ref() != Some(&new.image_id) {
            // The name moved on.
            body.image = Some(new.image_id.clone());
        }
        let mut waits = 0;
        let answer = loop {
            let (options, body) = (Some(options.clone()), body.clone());
            let answer = self.docker.create_container(options, body).await;
            let taken = answer
                .as_ref()
                .is_err_and(|error| status(error) == Some(409));
            if !taken || waits == WAITS || !self.is_going(&spec.name).await? {
                break answer;
            }
            waits += 1;
            tokio::time::sleep(WAIT).await;
        };
        let id = match answer {
            Ok(made) => {
                crate::faults::changed();
                made.id
            }
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
        let finished = self.complete(&id, new, inherited).await;
        if !matches!(finished, Ok(Ensured::Created)) {
            self.remove(&id).await?;
        }
        finished.map(|ensured| (id, ensured))
    }

    /// Whether what has this name is gone, or about to be.
    async fn is_going(&self, name: &str) -> Result<bool, EngineError> {
        use bollard::models::ContainerStateStatusEnum::{DEAD, REMOVING};
        let there = self.inspect(name).await?;
        Ok(there.is_none_or(|there| {
            let status = there.state.and_then(|state| state.status);
            matches!(status, Some(DEAD | REMOVING))
        }))
    }

    /// Checks what was made, and connects it to the networks that the engine could not connect it to at once.
    async fn complete(
        &self,
        id: &str,
        new: &NewContainer,
        inherited: &BTreeMap<String, String>,
    ) -> Result<Ensured, EngineError> {
        let made = self.inspect(id).await?.unwrap_or_default();
        if made.image.as_ref() != Some(&new.image_id) {
            return Ok(Ensured::PlanAgain);
        }
        let asked = body::container(new, inherited);
        if let Some(what) = verify::lacking(&asked, &made) {
            let reason = format!("the engine made it without its {what}");
            return Err(EngineError::new(&self.what, ErrorKind::Other { reason }));
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

    pub(super) async fn recreate(
        &self,
        old: &[Old],
        new: &NewContainer,
    ) -> Result<Ensured, EngineError> {
        let mut there = Vec::new();
        for old in old {
            if let Some(details) = self.inspect(&old.id).await? {
                there.push((old, details));
            }
        }
        // The old one runs on until the new one is made: most mistakes show by then, and cost no downtime.
        for (old, details) in &there {
            if name_of(details) == new.spec.name {
                let aside = names::set_aside(&new.spec.name, &old.id);
                if self.rename(&old.id, &aside).await? == Ensured::PlanAgain {
                    return Ok(Ensured::PlanAgain);
                }
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
}

pub(super) fn name_of(details: &ContainerInspectResponse) -> &str {
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
