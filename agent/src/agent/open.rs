//! Putting the agent together from its configuration, and keeping a second one out.

use super::Agent;
use super::in_force::InForce;
use crate::accept::Gate;
use crate::backups::Desk;
use crate::ballast::Ballast;
use crate::certificates::acme::AcmeAuthority;
use crate::certificates::memory::MemoryFile;
use crate::clock::Clock;
use crate::config::Config;
use crate::containers::{Engine, InputsKey, Lookout};
use crate::desired::Surroundings;
use crate::execute::Hands;
use crate::files::{FilesError, Root};
use crate::history::History;
use crate::host::execute::Ground;
use crate::host_state::Eyes;
use crate::keys::{self, KeysError};
use crate::ledger::LedgerFile;
use crate::link::LinkError;
use crate::pause::PauseFile;
use crate::report::News;
use crate::secrets::SecretFiles;
use crate::slices::Slices;
use crate::smoke;
use crate::web_server::{NginxServer, ipv6};
use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use tenantry_schema::Secret;
use tenantry_wire::KeyError;

/// Why the agent cannot run.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The keys of this server.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The keys of hub and recovery.
    #[error("the configured keys cannot be used")]
    Trusted(#[from] KeyError),
    /// A file or folder of its own.
    #[error("the agent's own files cannot be used")]
    Files(#[from] FilesError),
    /// Another agent works on this server.
    #[error("another tenantry-agent is at work on this server")]
    Busy,
    /// Its HTTP clients.
    #[error("cannot prepare connections")]
    Http(#[from] reqwest::Error),
    /// The address of the hub.
    #[error("cannot prepare the link to the hub")]
    Link(#[from] LinkError),
}

/// Held while an agent works on this server.
#[derive(Debug)]
pub(super) struct Lock {
    _file: OwnedFd,
}

impl Agent<NginxServer> {
    /// Puts the agent together. `alone`: nobody else may be at work on this server; not needed for looking only.
    pub fn open(config: Config, alone: bool) -> Result<Self, AgentError> {
        let keys = Arc::new(keys::load(&config.keys_folder())?);
        let lock = if alone {
            Some(Lock::take(&config)?)
        } else {
            None
        };
        if lock.is_some() {
            // Half of a file would stay for ever, and where a web server serves the folder, for everybody to see.
            Root::private(&config.state)?.remove_unfinished()?;
        }
        let (ledger, origin) = LedgerFile::open(Root::private(&config.state)?)?;
        let secrets = SecretFiles::open(&config.secrets)?;
        if alone && !secrets.in_memory() {
            tracing::warn!(folder = %config.secrets.display(), "secret files are not in memory: mount a tmpfs there");
        }
        let engine = Engine::at(&config.docker);
        let key = InputsKey::new(Secret::new(
            keys.sign.derive("container-inputs/v1").expose().to_vec(),
        ));
        let (mut certificates, forgotten) =
            MemoryFile::open(Root::private(&config.state.join("acme"))?)?;
        if let Some(why) = forgotten {
            tracing::error!(
                why,
                "what was known about certificates is damaged and counts as nothing"
            );
        }
        let web = NginxServer::new(config.nginx.clone());
        if alone && let Err(error) = web.tidy(&mut certificates) {
            tracing::warn!(%error, "what an order of a certificate left behind cannot be removed");
        }
        let hands = Hands {
            engine: engine.clone(),
            live: Root::public(&config.live_folder())?,
            secrets,
            ledger: RefCell::new(ledger),
            web,
            authority: AcmeAuthority::open(&config.state.join("acme"))?,
            certificates: RefCell::new(certificates),
            host: Ground::open(&config)?,
            http: smoke::client()?,
        };
        let mut agent = Self {
            gate: Gate {
                fleet_id: config.fleet_id.clone(),
                server: config.server.clone(),
                trusted: config.trusted()?,
                identities: keys.age.clone(),
            },
            slices: Slices::new(Root::private(&config.state.join("slices"))?),
            surroundings: Surroundings::new(&config, key, ipv6::is_known_here()),
            keys,
            eyes: Eyes::new(Lookout::new(engine)),
            history: History::default(),
            news: News::default(),
            desired: None,
            in_force: InForce::default(),
            settled: crate::rollout::Versions::new(),
            ballast: Ballast::open(&config.state)?,
            clock: Clock::default(),
            pause: PauseFile::open(&config.state)?,
            hands: Rc::new(hands),
            desk: Rc::new(Desk::open(&config.state)?),
            config,
            _lock: lock,
        };
        agent.remember(&origin);
        Ok(agent)
    }
}

impl Lock {
    fn take(config: &Config) -> Result<Self, AgentError> {
        use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
        let root = Root::private(&config.state)?;
        let path = root.path().join("agent.lock");
        // Nothing is written to it, so that an agent also starts where nothing can be written any more.
        let flags = OFlags::RDONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = open(&path, flags, Mode::from_raw_mode(0o600));
        let file = file.map_err(|error| FilesError::Io { path, error })?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| AgentError::Busy)?;
        Ok(Self { _file: file })
    }
}
