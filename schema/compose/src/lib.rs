//! The Compose Specification as the agent and the compiler need it: interpolation, a typed project, located problems; no files, no engine.
//!
//! What is not supported is a problem with a reason, never dropped; `x-` entries are ignored. Compose's own reading
//! is followed where it is strict, and where it guesses (numbers for text, cut-off commands) the file is refused.

mod assemble;
mod beyond;
mod device;
mod dotenv;
mod env_file;
mod extend;
mod files;
mod grants;
mod health;
mod image;
mod interpolate;
mod ipam;
mod keys;
mod merge;
mod mount;
mod mount_read;
mod names;
mod namespaces;
mod network_read;
mod order;
mod pairs;
mod parts;
mod patch;
mod plain;
mod port;
mod project;
mod reader;
mod rebase;
mod references;
mod resources;
mod service;
mod service_read;
pub mod template;
mod texts;
mod undone;
mod units;
mod values;
mod words;

pub use beyond::{Beyond, Reach, beyond};
pub use device::Device;
pub use files::{ComposeFile, Files, OVERRIDE_FILE, PROFILES};
pub use health::{HealthTest, Healthcheck};
pub use image::ImageRef;
pub use interpolate::{VariableUse, variables};
pub use ipam::{Ipam, Pool};
pub use mount::{Access, BindSource, Mount, MountKind, ProjectPath, Propagation};
pub use names::{
    BadName, ConfigName, NetworkName, ProjectName, SecretName, ServiceName, VolumeName,
};
pub use namespaces::{Namespace, Namespaces};
pub use parts::{FileSource, Network, Volume};
pub use port::{Exposed, Port, Protocol};
pub use project::{Project, Source, check, outline, published_ports};
pub use resources::{Logging, Resources, Tuning, Ulimit};
pub use service::{Attachment, Condition, Dependency, NetworkMode, PullPolicy, Restart, Service};
pub use tenantry_yaml::{Problem, ProblemKind};
pub use undone::undone;
pub use units::Cpus;
pub use values::{Pairs, Sensitive, Words};
