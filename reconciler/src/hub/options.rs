//! How a hub is started.

use crate::git::{Location, Oid};
use std::path::PathBuf;
use std::time::Duration;

/// How a hub is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// The fleet.
    pub location: Location,
    /// Its branch.
    pub branch: String,
    /// The data directory.
    pub data: PathBuf,
    /// The age identity file.
    pub key: Option<PathBuf>,
    /// Do everything but act.
    pub observe: bool,
    /// How often a remote is asked.
    pub poll: Duration,
    /// The program restic, with which repositories of backups are looked after.
    pub restic: PathBuf,
    /// A commit that is known to be good, for fleets with `trust: signed`. None: the key file may name one.
    pub trust_root: Option<Oid>,
    /// The folder of programs for agents, each named by its SHA-256.
    pub programs: Option<PathBuf>,
}
