//! A laboratory of real parts on this machine: Docker engine, image registry, nginx, processes, free ports.
//!
//! `./x setup` installs and starts what is needed. A test begins with [`Lab::open`]; where a part is missing it is
//! skipped, or fails when `TENANTRY_REQUIRE_PEERS=1` says that every part must be there.
//! Everything whose name contains [`Lab::run`] is removed when the `Lab` is dropped. Nothing here talks to an
//! address off this machine, except Debian's package mirror while images are built.

pub mod compose;
pub mod config;
pub mod engine;
pub mod https;
pub mod images;
pub mod nginx;
pub mod ports;
pub mod process;
pub mod registry;
pub mod wait;

pub use compose::Compose;
pub use config::Config;
pub use engine::Engine;
pub use nginx::Nginx;
pub use ports::{Port, PortRange};
pub use process::Process;
pub use registry::Registry;
pub use wait::{TimedOut, wait_until};

/// What can go wrong in the laboratory itself.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// No Docker engine answers.
    #[error("no Docker engine answers; `./x setup` installs and starts one")]
    NoEngine(#[source] bollard::errors::Error),
    /// The engine refused a request.
    #[error("Docker: {doing}")]
    Docker {
        /// What was asked of it.
        doing: String,
        /// Its answer.
        source: bollard::errors::Error,
    },
    /// The registry cannot be reached or refused a request.
    #[error("registry at {address}: {doing}")]
    Registry {
        /// Host and port.
        address: String,
        /// What was asked of it.
        doing: String,
        /// The answer; none when the answer had an unexpected status.
        source: Option<reqwest::Error>,
    },
    /// A file could not be read or written.
    #[error("{doing}")]
    Io {
        /// What was being done, with the path.
        doing: String,
        /// The reason.
        source: std::io::Error,
    },
    /// A program could not be started or ended badly.
    #[error("{program}: {problem}")]
    Program {
        /// Its name.
        program: String,
        /// What happened, with the end of its output.
        problem: String,
    },
}

impl LabError {
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    pub(crate) fn docker(doing: impl Into<String>) -> impl FnOnce(bollard::errors::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Docker { doing, source }
    }
}

/// One test's view of the laboratory.
pub struct Lab {
    run: String,
    config: Config,
    engine: Engine,
    registry: Registry,
}

impl Lab {
    /// The label under which tests may mark what they make; its value is [`Lab::run`].
    pub const LABEL: &'static str = "dev.tenantry.lab";

    /// Opens the laboratory with all images of [`images::catalogue`] ready to run. `None`, with a line on standard
    /// error, if a part is missing and nothing says that it must be there.
    ///
    /// # Panics
    /// If a part is missing although `TENANTRY_REQUIRE_PEERS=1` is set.
    pub async fn open() -> Option<Self> {
        let config = Config::from_environment();
        let required = config.peers_required;
        match Self::try_open(config).await {
            Ok(lab) => Some(lab),
            Err(error) if required => panic!("laboratory: {}", with_causes(&error)),
            Err(error) => {
                eprintln!("skipped: {}", with_causes(&error));
                None
            }
        }
    }

    /// As [`Lab::open`], with the reason when a part is missing.
    pub async fn try_open(config: Config) -> Result<Self, LabError> {
        let engine = Engine::connect().await?;
        let registry = Registry::connect(&config.registry).await?;
        images::ensure(&config, &engine, &registry).await?;
        let run = format!("t{:07x}", rand::random::<u32>() >> 4);
        Ok(Self {
            run,
            config,
            engine,
            registry,
        })
    }

    /// This run's mark: eight characters, `t` and seven hexadecimal digits. Put it into names.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// A name that belongs to this run alone: `acme` becomes `t1a2b3c4-acme`.
    pub fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.run)
    }

    /// Where things are.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The Docker engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The image registry that the engine uses as its mirror.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let run = self.run.clone();
        // Drop may happen inside a runtime, which cannot be blocked on: a thread of its own can.
        let cleaner = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(LabError::io("cannot start a runtime"))?;
            runtime.block_on(async { Engine::connect().await?.remove_marked(&run).await })
        });
        match cleaner.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => eprintln!("laboratory: not cleaned up: {}", with_causes(&error)),
            Err(_) => eprintln!("laboratory: not cleaned up: the cleaner panicked"),
        }
    }
}

/// An error with its causes in one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |cause| cause.source())
        .fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
