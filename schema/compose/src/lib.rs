//! The Compose Specification as the agent and the compiler need it: interpolation, a typed project, located problems; no files, no engine.
//!
//! What is not supported is a problem with a reason, never dropped; `x-` entries are ignored. Compose's own reading
//! is followed where it is strict, and where it guesses (numbers for text, cut-off commands) the file is refused.

mod health;
mod image;
mod interpolate;
mod keys;
mod mount;
mod mount_read;
mod names;
mod network_read;
mod order;
mod parts;
mod plain;
mod port;
mod project;
mod reader;
mod references;
mod resources;
mod service;
mod service_read;
pub mod template;
mod units;
mod values;
mod words;

pub use health::{HealthTest, Healthcheck};
pub use image::ImageRef;
pub use interpolate::{VariableUse, variables};
pub use mount::{Access, BindSource, Mount, MountKind, ProjectPath, Propagation};
pub use names::{
    BadName, ConfigName, NetworkName, ProjectName, SecretName, ServiceName, VolumeName,
};
pub use parts::{FileSource, Network, Volume};
pub use port::{Exposed, Port, Protocol};
pub use project::{Project, Source, check, outline, published_ports};
pub use resources::{Logging, Resources, Ulimit};
pub use service::{Attachment, Condition, Dependency, NetworkMode, PullPolicy, Restart, Service};
pub use tenantry_yaml::{Problem, ProblemKind};
pub use units::Cpus;
pub use values::{Pairs, Sensitive, Words};
