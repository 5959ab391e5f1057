//! The connection to the engine: made when first needed, made again after the engine went away, with the newest API that both
//! sides speak.

use super::desired::ContainerSpec;
use super::error::{EngineError, ErrorKind};
use super::images::{Fetching, Progress, Room};
use bollard::{API_DEFAULT_VERSION, Docker};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Seconds until a single request (other than pulling and stopping) counts as unanswered.
const PATIENCE: u64 = 60;

/// The container engine behind a Unix socket. Cheap to clone; clones share the connection.
#[derive(Debug, Clone)]
pub struct Engine {
    socket: Arc<Path>,
    connected: Arc<Mutex<Option<(Docker, String)>>>,
    pub(super) fetching: Fetching,
    room: Arc<Mutex<Room>>,
}

impl Engine {
    /// The engine at a socket such as `/var/run/docker.sock`. Nothing is asked yet, and the engine need not run.
    pub fn at(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into().into(),
            connected: Arc::default(),
            fetching: Fetching::default(),
            room: Arc::default(),
        }
    }

    /// Images that are being fetched right now.
    pub fn fetching(&self) -> BTreeMap<String, Progress> {
        self.fetching.now()
    }

    /// Images whose fetching was broken off because they are too large for the disk, with the bytes that must be free.
    pub fn too_large(&self) -> BTreeMap<String, u64> {
        self.room().too_large()
    }

    /// Where the engine keeps images: fetching one that does not fit there is broken off.
    pub fn keeps_images_in(&self, folder: PathBuf) {
        self.room().keeps_in(folder);
    }

    pub(super) fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client, and the release of the engine.
    pub(crate) async fn client(&self) -> Result<(Docker, String), EngineError> {
        if let Some(connected) = self.slot().clone() {
            return Ok(connected);
        }
        let what = "reach the container engine";
        let failed = |error| EngineError::of(what, error, None);
        let socket = self
            .socket
            .to_str()
            .ok_or_else(|| EngineError::new(what, ErrorKind::EngineUnreachable))?;
        let docker =
            Docker::connect_with_unix(socket, PATIENCE, API_DEFAULT_VERSION).map_err(failed)?;
        let docker = docker.negotiate_version().await.map_err(failed)?;
        let version = docker
            .version()
            .await
            .map_err(failed)?
            .version
            .unwrap_or_default();
        let connected = (docker, version);
        *self.slot() = Some(connected.clone());
        Ok(connected)
    }

    /// The next request connects anew.
    pub(super) fn disconnect(&self) {
        *self.slot() = None;
    }

    /// Judges an error; after one that says that the engine is away the next request negotiates anew, for what comes back may be
    /// another release.
    pub(super) fn judge(
        &self,
        what: &str,
        error: bollard::errors::Error,
        spec: Option<&ContainerSpec>,
    ) -> EngineError {
        let error = EngineError::of(what, error, spec);
        if error.unreachable() {
            self.disconnect();
        }
        error
    }

    fn slot(&self) -> MutexGuard<'_, Option<(Docker, String)>> {
        self.connected
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
