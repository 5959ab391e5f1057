//! Networks, and which containers are connected to them.

use super::{Act, Ensured, says};
use crate::containers::body;
use crate::containers::desired::AttachmentSpec;
use crate::containers::error::{EngineError, status};
use crate::containers::step::NewNetwork;
use crate::faults::changed;
use bollard::models::{NetworkConnectRequest, NetworkDisconnectRequest};

impl Act<'_> {
    pub(super) async fn make_network(&self, new: &NewNetwork) -> Result<Ensured, EngineError> {
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

    pub(super) async fn replace_network(
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

    pub(super) async fn remove_network(&self, id: &str) -> Result<Ensured, EngineError> {
        let removed = self.docker.remove_network(id).await;
        self.settle(
            removed,
            &[(404, Ensured::Unchanged), (403, Ensured::PlanAgain)],
            Ensured::Changed,
        )
    }

    pub(super) async fn connect(
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
            Ok(()) => {
                changed();
                Ok(Ensured::Changed)
            }
            Err(error) if status(&error) == Some(404) => Ok(Ensured::PlanAgain),
            Err(error) if already_connected(&error) => Ok(Ensured::Unchanged),
            Err(error) => Err(self.failed(error)),
        }
    }

    pub(super) async fn disconnect(
        &self,
        container: &str,
        network: &str,
    ) -> Result<Ensured, EngineError> {
        let request = NetworkDisconnectRequest {
            container: container.to_owned(),
            force: Some(true),
        };
        match self.docker.disconnect_network(network, request).await {
            Ok(()) => {
                changed();
                Ok(Ensured::Changed)
            }
            Err(error) if status(&error) == Some(404) || not_connected(&error) => {
                Ok(Ensured::Unchanged)
            }
            Err(error) => Err(self.failed(error)),
        }
    }
}

/// The engine has no code for it.
fn already_connected(error: &bollard::errors::Error) -> bool {
    says(error, "already exists in network") || says(error, "already attached to network")
}

fn not_connected(error: &bollard::errors::Error) -> bool {
    says(error, "is not connected to")
}
