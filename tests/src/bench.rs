//! Measurements of speed and size, each beside a peer that does comparable work in the same run where there is one. See `docs/SPEED.md`.

mod agent;
mod check;
mod child;
mod figures;
mod fleet;
mod history;
mod unchanged;

pub use figures::{Aim, Figure, Peer, Unit, median};

use crate::lab::LabError;
use std::path::PathBuf;

/// How to measure.
#[derive(Debug, Clone)]
pub struct Options {
    /// Small and short: shows that the measurements work, not how fast things are.
    pub quick: bool,
    /// What shows only after a long time is measured for longer.
    pub long: bool,
    /// Servers of the generated fleet.
    pub servers: usize,
    /// Where the generated fleet is kept; one that is there already is used again. None: it is made for this run alone.
    pub fleet: Option<PathBuf>,
}

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A part of the laboratory is missing or failed.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// A process that measures failed.
    #[error("{role}: {problem}")]
    Child {
        /// What it was to do.
        role: String,
        /// What happened.
        problem: String,
    },
    /// What was measured did not do what it should, so its speed means nothing.
    #[error("{0}")]
    Wrong(String),
    /// Something underneath.
    #[error("{doing}")]
    Other {
        /// What was being done.
        doing: &'static str,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Says what was being done when something underneath went wrong.
trait Doing<T> {
    fn doing(self, doing: &'static str) -> Result<T, BenchError>;
}

impl<T, E: Into<Box<dyn std::error::Error + Send + Sync>>> Doing<T> for Result<T, E> {
    fn doing(self, doing: &'static str) -> Result<T, BenchError> {
        self.map_err(|error| BenchError::Other {
            doing,
            source: error.into(),
        })
    }
}

/// A measurement: a name, what it measures, and how.
pub struct Measurement {
    /// For the command line.
    pub name: &'static str,
    /// One line for people.
    pub about: &'static str,
    run: fn(&Options) -> Result<Vec<Figure>, BenchError>,
}

impl Measurement {
    /// Measures.
    pub fn run(&self, options: &Options) -> Result<Vec<Figure>, BenchError> {
        (self.run)(options)
    }
}

/// All measurements, in the order in which they are made.
pub const MEASUREMENTS: [Measurement; 8] = [
    Measurement {
        name: "fleet",
        about: "load, compile and plan a generated fleet; a commit; a report",
        run: fleet::run,
    },
    Measurement {
        name: "check",
        about: "`check` and `plan` of people, with nothing known and with what is",
        run: check::run,
    },
    Measurement {
        name: "unchanged",
        about: "signed \"unchanged\" answers to agents, a second of one core",
        run: unchanged::run,
    },
    Measurement {
        name: "history",
        about: "a report a minute of every server, with what was used, into the hub's diary",
        run: history::run,
    },
    Measurement {
        name: "agent-noop",
        about: "a pass of the agent that changes nothing, and Compose's",
        run: agent::noop,
    },
    Measurement {
        name: "agent-host",
        about: "the machine beneath: packages, users, SSH, firewall, settings; beside Ansible and pyinfra",
        run: agent::host,
    },
    Measurement {
        name: "agent-large",
        about: "sixty containers: a pass beside Compose, Ansible and pyinfra; 200 drifts; memory",
        run: agent::large,
    },
    Measurement {
        name: "path",
        about: "commit to container, kill to running, the agent at rest",
        run: agent::path,
    },
];

/// What this program does when it is started by itself: a part of a measurement. The answer is one line of JSON.
pub fn role(role: &str, arguments: &[String]) -> Result<String, BenchError> {
    match role {
        "fleet-cold" => fleet::cold(arguments),
        "fleet-warm" => fleet::warm(arguments),
        "fleet-hub" => fleet::hub(arguments),
        "history" => history::role(arguments),
        "unchanged-server" => unchanged::server(arguments),
        other => Err(BenchError::Wrong(format!("no role is called {other}"))),
    }
}
