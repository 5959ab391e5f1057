//! Everything that is mounted into a container: binds, volumes, temporary memory, secrets and configs; no reading.

use crate::names::{ConfigName, SecretName, VolumeName};

/// A path below the project's folder, without `.` and `..` in it; empty for the folder itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProjectPath(String);

impl ProjectPath {
    /// From what a file says, for example `./files/x`; `None` if it leads out of the folder.
    pub fn new(text: &str) -> Option<Self> {
        if text.starts_with('/') || text.contains('\0') {
            return None;
        }
        let mut parts = Vec::new();
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => return None,
                other => parts.push(other),
            }
        }
        Some(Self(parts.join("/")))
    }

    /// Relative, with `/` between the parts.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a bind mount shows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BindSource {
    /// Something that belongs to the project.
    Project(ProjectPath),
    /// An absolute path of the server.
    Server(String),
}

/// Who sees mounts that are made later below a bind; the engine's default is `rprivate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Propagation {
    Private,
    RPrivate,
    Shared,
    RShared,
    Slave,
    RSlave,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountKind {
    /// A file or folder of the server.
    Bind {
        /// Which.
        source: BindSource,
        /// As written, if it was.
        propagation: Option<Propagation>,
        /// Compose would make a missing folder. An agent that treats a missing source as an error need not look.
        create_host_path: bool,
    },
    /// A volume.
    Volume {
        /// A key of the top-level `volumes`; `None` for an anonymous one.
        name: Option<VolumeName>,
        /// Do not fill the new volume with what the image has at the target.
        nocopy: bool,
        /// Folder in the volume.
        subpath: Option<String>,
    },
    /// Memory.
    Tmpfs {
        /// Bytes at most.
        size: Option<u64>,
        /// Permission bits.
        mode: Option<u32>,
        /// Further options of the short syntax as the engine takes them (`noexec,uid=1000`).
        options: Vec<String>,
    },
    /// A secret as a file.
    Secret {
        /// A key of the top-level `secrets`.
        name: SecretName,
        /// Owner and permissions.
        access: Access,
    },
    /// A config as a file.
    Config {
        /// A key of the top-level `configs`.
        name: ConfigName,
        /// Owner and permissions.
        access: Access,
    },
}

/// Owner and permissions of a secret or config in the container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Numeric owner, as written.
    pub uid: Option<String>,
    /// Numeric group, as written.
    pub gid: Option<String>,
    /// Permission bits; Compose's default is 0444.
    pub mode: Option<u32>,
}

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// What.
    pub kind: MountKind,
    /// Absolute path in the container.
    pub target: String,
    /// The container cannot write.
    pub read_only: bool,
}
