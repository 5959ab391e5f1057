//! What is on the server at one moment, as plain data, and how it is seen. Nothing is changed here.

use crate::certificates::memory::Memory;
use crate::containers::{EngineState, Lookout, Progress};
use crate::desired::Desired;
use crate::execute::Hands;
use crate::files::DigestCache;
use crate::host::found::Found;
use crate::host::look::HostEyes;
use crate::ledger::Ledger;
use crate::rollout::{Backups, PuttingBack, Standstill};
use crate::secrets::{Seen, Wanted};
use crate::web_server::{WebServer, WebState};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tenantry_schema::id::{InstanceName, OperationId};
use tenantry_schema::name::RelativePath;

/// Longest file that can be compared.
const LIMIT: u64 = 16 << 20;

/// What is on the server. What could not be seen is an error in a sentence, never empty (law 7).
#[derive(Debug, Clone)]
pub struct HostState {
    /// The container engine.
    pub engine: Result<EngineState, String>,
    /// Digests of live files that are ours or should be.
    pub files: Result<BTreeMap<RelativePath, Option<String>>, String>,
    /// Secret files.
    pub secrets: Result<Seen, String>,
    /// The web server.
    pub web: Result<WebState, String>,
    /// Images that are being fetched.
    pub fetching: BTreeMap<String, Progress>,
    /// Images that were found too large for the disk while they were fetched, with the bytes that must be free.
    pub too_large: BTreeMap<String, u64>,
    /// How backups stand.
    pub backups: Backups,
    /// How it stands with data that is put back because a version was given up.
    pub putting_back: BTreeMap<OperationId, PuttingBack>,
    /// Instances that must not be started, for their data changes places or is mixed.
    pub standstills: BTreeMap<InstanceName, Standstill>,
    /// Until when nothing may be changed.
    pub paused: Option<Timestamp>,
    /// The machine beneath, where something is asked of it.
    pub host: Option<Found>,
    /// What was tried and issued.
    pub certificates: Arc<Memory>,
}

/// Looks, and remembers what need not be looked at twice.
#[derive(Debug)]
pub struct Eyes {
    /// The container engine.
    pub engine: Lookout,
    files: DigestCache,
    host: HostEyes,
}

impl Eyes {
    /// Has seen nothing yet.
    pub fn new(engine: Lookout) -> Self {
        Self {
            engine,
            files: DigestCache::default(),
            host: HostEyes::default(),
        }
    }

    /// Everything that is there now. The container engine is waited for no longer than `patience`.
    pub async fn observe<W: WebServer>(
        &mut self,
        patience: Duration,
        hands: &Hands<W>,
        desired: Option<&Desired>,
        ledger: &Ledger,
    ) -> HostState {
        let wanted = desired
            .into_iter()
            .flat_map(Desired::live_files)
            .map(|(path, _)| path);
        let paths: BTreeSet<_> = wanted.chain(ledger.files.iter()).collect();
        let (none, secrets) = (Wanted::new(), desired.map(|desired| &desired.secrets));
        // First, for it may take a while, in which the rest can change.
        let engine = self.engine.observe(patience).await;
        HostState {
            engine: engine
                .map(|mut engine| {
                    engine.note(&ledger.told);
                    engine
                })
                .map_err(|error| error.to_string()),
            files: self
                .files
                .digests_of(&hands.live, paths, LIMIT)
                .map_err(|error| error.to_string()),
            secrets: hands
                .secrets
                .observe(secrets.unwrap_or(&none))
                .map_err(|error| error.to_string()),
            fetching: hands.engine.fetching(),
            too_large: hands.engine.too_large(),
            backups: Backups::new(),
            putting_back: BTreeMap::new(),
            standstills: BTreeMap::new(),
            paused: None,
            host: desired.and_then(|desired| {
                let host = desired.host.host.as_deref()?;
                Some(self.host.observe(&hands.host, host, &desired.host.users))
            }),
            web: hands.web.observe().map_err(|error| error.to_string()),
            certificates: hands.certificates.borrow().get().clone(),
        }
    }
}
