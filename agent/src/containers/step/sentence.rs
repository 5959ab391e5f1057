//! Steps and waits as sentences for people.

use super::{Action, Step, Waiting, WaitingOn, Why};
use crate::containers::desired::Condition;
use crate::containers::names;
use std::fmt;

impl Why {
    fn sentence(self) -> &'static str {
        match self {
            Self::Missing => "it does not exist",
            Self::Changed => "what it is made from changed",
            Self::NotOurs => "it was not made by Tenantry",
            Self::Down => "it does not run",
            Self::Paused => "it is paused",
            Self::Dead => "the engine gave it up",
            Self::Detached => "a file that it mounts was put back",
            Self::Files => "files that it uses changed",
            Self::Follows => "a service that it follows was started",
            Self::Renamed => "it was renamed",
            Self::Rewired => "its networks are not as they should be",
            Self::Bounds => "its limits or its restart policy were changed",
            Self::Unfinished => "its replacement was interrupted",
            Self::Twin => "another one has its name",
            Self::Stopped => "it should be stopped",
            Self::Unwanted => "nothing asks for it any more",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

impl fmt::Display for Step {
    /// Such as `start container acme-web-1, because it does not run`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, because {}", self.action, self.why)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EnsureImage { image, .. } => write!(f, "fetch image {image}"),
            Self::EnsureNetwork(new) => write!(f, "make network {}", new.name),
            Self::ReplaceNetwork { new, .. } => write!(f, "make network {} anew", new.name),
            Self::RemoveNetwork { id } => write!(f, "remove network {}", names::short(id)),
            Self::EnsureVolume(new) => write!(f, "make volume {}", new.name),
            Self::Create(new) => write!(f, "make container {}", new.spec.name),
            Self::Recreate { new, .. } => write!(f, "make container {} anew", new.spec.name),
            Self::Connect {
                container, network, ..
            } => write!(
                f,
                "connect container {} to network {network}",
                container.name
            ),
            Self::Disconnect { container, network } => {
                write!(
                    f,
                    "disconnect container {} from network {network}",
                    container.name
                )
            }
            Self::Rename { container, to } => {
                write!(f, "rename container {} to {to}", container.name)
            }
            Self::Update { container, .. } => {
                write!(f, "update the limits of container {}", container.name)
            }
            Self::Unpause { container } => write!(f, "unpause container {}", container.name),
            Self::Start { spec, .. } => write!(f, "start container {}", spec.name),
            Self::Restart { container, .. } => {
                write!(f, "start container {} again", container.name)
            }
            Self::Signal {
                container, signal, ..
            } => write!(f, "send {signal} to container {}", container.name),
            Self::Stop { container } => write!(f, "stop container {}", container.name),
            Self::Remove { container } => write!(f, "remove container {}", container.name),
        }
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = &self.service;
        match &self.on {
            WaitingOn::Dependency {
                service: other,
                condition,
            } => {
                let until = match condition {
                    Condition::Started => "has started",
                    Condition::Healthy => "is healthy",
                    Condition::Completed => "has completed",
                };
                write!(f, "{service} waits until {other} {until}")
            }
            WaitingOn::Healthy => write!(f, "{service} is not healthy yet"),
            WaitingOn::Unhealthy => write!(f, "the health check of {service} fails"),
            WaitingOn::Restarting => write!(f, "{service} ends again and again"),
            WaitingOn::Removing => write!(f, "the engine is removing {service}"),
            WaitingOn::Window => write!(f, "{service} is changed in the maintenance window"),
            WaitingOn::Pace { at, attempts } => {
                write!(
                    f,
                    "{service} was started {attempts} times lately and is started again at {at}"
                )
            }
            WaitingOn::Image { image } => write!(
                f,
                "image {image} of {service} is not here and must not be fetched (`pull_policy: never`): load it with `docker load`, or take that line out"
            ),
            WaitingOn::External { what, name } => {
                write!(
                    f,
                    "{what} {name}, which {service} needs, does not exist: make it with `docker {what} create {name}`, or take `external` out"
                )
            }
            WaitingOn::NameTaken { what, name } => {
                write!(
                    f,
                    "the name of {what} {name}, which {service} needs, is taken by something that is not ours: remove that, or give it another name"
                )
            }
        }
    }
}
