//! What can go wrong at the engine: a kind that programs act on, and one clear sentence. No environment value, command or secret
//! ever gets in here: what the engine says is searched for them first.

use super::desired::ContainerSpec;
use std::path::PathBuf;

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {kind}")]
pub struct EngineError {
    /// What was to be done, in a few words.
    pub what: String,
    /// What kind of failure it is.
    pub kind: ErrorKind,
    #[source]
    source: Option<Box<bollard::errors::Error>>,
}

/// Kinds of failures.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ErrorKind {
    /// No answer, or not in time: nothing is known about the engine.
    #[error("the container engine does not answer; `systemctl status docker` says how it is")]
    EngineUnreachable,
    /// An image that is not here and cannot be had.
    #[error(
        "image {image} is not available: {reason}; is its name right, and is there a log-in for its registry (`registries` of customer.yaml), if that wants one?"
    )]
    ImageUnavailable {
        /// As the Compose file names it.
        image: String,
        /// What the engine says.
        reason: String,
    },
    /// An image that the disk has no room for.
    #[error(
        "image {image} needs {} MiB where the container engine keeps images, and {} MiB are free; make room there or enlarge the disk, and it is fetched",
        needed >> 20,
        free >> 20
    )]
    NoRoom {
        /// As the Compose file names it.
        image: String,
        /// Bytes that are free.
        free: u64,
        /// Bytes that must be.
        needed: u64,
    },
    /// Something else listens there.
    #[error(
        "port {port} on this server is taken; end what listens there (`ss -tulpn`), or publish another port"
    )]
    PortTaken {
        /// `address:port`, as far as the engine says.
        port: String,
    },
    /// A mount whose source does not exist.
    #[error("{} does not exist and cannot be mounted; make it, or take the mount out of the stack", path.display())]
    MissingMountSource {
        /// On the server.
        path: PathBuf,
    },
    /// A name or address that something else has.
    #[error("conflict: {reason}")]
    Conflict {
        /// What the engine says.
        reason: String,
    },
    /// The program of the container cannot be started.
    #[error("the container cannot start: {reason}")]
    CannotStart {
        /// What the engine says.
        reason: String,
    },
    /// Anything else.
    #[error("{reason}")]
    Other {
        /// What the engine says.
        reason: String,
    },
}

impl EngineError {
    /// Without a cause below it.
    pub fn new(what: impl Into<String>, kind: ErrorKind) -> Self {
        Self {
            what: what.into(),
            kind,
            source: None,
        }
    }

    /// Judges an answer of the engine. `spec` is the container that it is about: what is secret in it is cut out of the text.
    pub(super) fn of(
        what: impl Into<String>,
        error: bollard::errors::Error,
        spec: Option<&ContainerSpec>,
    ) -> Self {
        use bollard::errors::Error as Engine;
        let kind = match &error {
            Engine::DockerResponseServerError {
                status_code,
                message,
            } => classify(*status_code, &redact(message, spec)),
            Engine::DockerStreamError { error } => ErrorKind::Other {
                reason: redact(error, spec),
            },
            Engine::RequestTimeoutError
            | Engine::IOError { .. }
            | Engine::HyperResponseError { .. }
            | Engine::HyperLegacyError { .. }
            | Engine::SocketNotFoundError(_) => ErrorKind::EngineUnreachable,
            _ => ErrorKind::Other {
                reason: "the container engine's answer cannot be understood".to_owned(),
            },
        };
        // The engine's own words are kept as the cause only where they cannot hold what a container was made from.
        let source = match &error {
            Engine::DockerResponseServerError { .. } | Engine::DockerStreamError { .. } => None,
            _ => Some(Box::new(error)),
        };
        Self {
            what: what.into(),
            kind,
            source,
        }
    }

    /// Whether the engine as a whole does not answer.
    pub fn unreachable(&self) -> bool {
        self.kind == ErrorKind::EngineUnreachable
    }
}

/// Status of an answer, if the engine gave one.
pub(super) fn status(error: &bollard::errors::Error) -> Option<u16> {
    match error {
        bollard::errors::Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// The engine has no codes for what went wrong, only sentences; these are stable since 1.10 and the same in current releases.
fn classify(status: u16, message: &str) -> ErrorKind {
    let reason = || message.trim().to_owned();
    if let Some(path) = missing_source(message) {
        return ErrorKind::MissingMountSource { path };
    }
    if message.contains("port is already allocated") || message.contains("address already in use") {
        return ErrorKind::PortTaken {
            port: port_in(message).unwrap_or("(unknown)").to_owned(),
        };
    }
    let starting = [
        "OCI runtime create failed",
        "failed to create shim",
        "executable file not found",
        "failed to create task",
    ];
    if starting.iter().any(|text| message.contains(text)) {
        return ErrorKind::CannotStart { reason: reason() };
    }
    match status {
        409 => ErrorKind::Conflict { reason: reason() },
        403 if message.contains("already exists") || message.contains("overlaps") => {
            ErrorKind::Conflict { reason: reason() }
        }
        _ => ErrorKind::Other { reason: reason() },
    }
}

fn missing_source(message: &str) -> Option<PathBuf> {
    let (_, path) = message.split_once("bind source path does not exist: ")?;
    Some(PathBuf::from(path.trim_end()))
}

/// `Bind for 127.0.0.1:80 failed` or `listen tcp4 127.0.0.1:80: bind: …`.
fn port_in(message: &str) -> Option<&str> {
    if let Some((_, rest)) = message.split_once("Bind for ") {
        return rest.split_whitespace().next();
    }
    let (_, rest) = message.split_once("listen ")?;
    rest.split_whitespace()
        .nth(1)
        .map(|address| address.trim_end_matches(':'))
}

/// Shorter values (`yes`, `5432`) are no secrets, and cutting them out would make a sentence unreadable.
const SHORTEST_SECRET: usize = 8;

fn redact(message: &str, spec: Option<&ContainerSpec>) -> String {
    let mut text = message.to_owned();
    let Some(spec) = spec else { return text };
    for value in spec.env.0.values() {
        let value = value.expose();
        if value.len() >= SHORTEST_SECRET {
            text = text.replace(value.as_str(), "[redacted]");
        }
    }
    // The first word is the program, which a sentence about it must name; the rest may hold a password.
    let words = spec
        .command
        .iter()
        .chain(spec.entrypoint.iter())
        .flat_map(|words| words.iter().skip(1));
    for word in words.filter(|word| word.len() >= SHORTEST_SECRET) {
        text = text.replace(word.as_str(), "[redacted]");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_of_the_engine_are_understood() {
        let port = |text: &str| ErrorKind::PortTaken {
            port: text.to_owned(),
        };
        assert_eq!(
            classify(
                500,
                "driver failed programming external connectivity on endpoint x (ab): Bind for 127.0.0.1:8080 failed: port is already allocated"
            ),
            port("127.0.0.1:8080")
        );
        assert_eq!(
            classify(
                500,
                "driver failed programming external connectivity on endpoint x: Error starting userland proxy: listen tcp4 127.0.0.1:81: bind: address already in use"
            ),
            port("127.0.0.1:81")
        );
        assert_eq!(
            classify(
                400,
                "invalid mount config for type \"bind\": bind source path does not exist: /srv/a b/c"
            ),
            ErrorKind::MissingMountSource {
                path: "/srv/a b/c".into()
            }
        );
        assert!(matches!(
            classify(409, "Conflict. The container name \"/x\" is already in use"),
            ErrorKind::Conflict { .. }
        ));
        assert!(matches!(
            classify(
                400,
                "failed to create shim: OCI runtime create failed: exec: \"x\""
            ),
            ErrorKind::CannotStart { .. }
        ));
        assert!(matches!(classify(500, "boom"), ErrorKind::Other { .. }));
    }
}
