//! `agent.yaml` and the environment: the only place that reads either. What is in them is plain data for everybody else.

mod intervals;

pub use intervals::Intervals;

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tenantry_schema::document::HubKeys;
use tenantry_schema::id::{CustomerId, FleetId, ServerId, ServerKey};
use tenantry_wire::VerifyingKey;

/// Where the configuration is, unless `--config` says otherwise.
pub const DEFAULT_PATH: &str = "/etc/tenantry/agent.yaml";

/// What the agent must know before it can know anything else. Written by `enrol`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `customer/server`.
    #[serde(with = "server_text")]
    pub server: ServerKey,
    /// The fleet.
    pub fleet_id: FleetId,
    /// Where the hub is, such as `https://hub.example`.
    pub hub: String,
    /// Keys that this server trusts: the hub's, and the offline recovery key.
    pub keys: HubKeys,
    /// Ledger, slices, reports that wait, keys of this server.
    #[serde(default = "default_state")]
    pub state: PathBuf,
    /// Secret files; must be in memory (tmpfs).
    #[serde(default = "default_secrets")]
    pub secrets: PathBuf,
    /// Socket of the container engine.
    #[serde(default = "default_docker")]
    pub docker: PathBuf,
    /// The web server.
    #[serde(default)]
    pub nginx: Nginx,
    /// The program that makes backups.
    #[serde(default = "default_restic")]
    pub restic: PathBuf,
    /// Where the agent's own program is installed. Another release takes its place there.
    #[serde(
        default = "default_program",
        skip_serializing_if = "is_default_program"
    )]
    pub program: PathBuf,
    /// Seconds that another release of the agent may take to become healthy.
    #[serde(default = "default_trial", skip_serializing_if = "is_default_trial")]
    pub trial_seconds: u64,
    /// The folder whose files are the machine's. Other than `/` in tests only.
    #[serde(default = "default_root", skip_serializing_if = "is_default_root")]
    pub root: PathBuf,
    /// How often the agent does what nothing tells it to do. Other than the defaults in tests only.
    #[serde(default, skip_serializing_if = "Intervals::is_default")]
    pub intervals: Intervals,
}

/// Where the web server is and how it is told things.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Nginx {
    /// Its main configuration file. Sites and certificates go into the folder `tenantry` beside it.
    pub configuration: PathBuf,
    /// Who starts and reloads it.
    pub control: Control,
    /// The program.
    pub program: PathBuf,
}

/// Who starts and reloads the web server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Control {
    /// `systemctl`.
    Systemd,
    /// The program itself.
    Direct,
}

impl Default for Nginx {
    fn default() -> Self {
        Self {
            configuration: "/etc/nginx/nginx.conf".into(),
            control: Control::Systemd,
            program: "/usr/sbin/nginx".into(),
        }
    }
}

impl Nginx {
    /// Where sites are logged: `/var/log/tenantry` for Debian's nginx, else beside its configuration.
    pub fn logs(&self) -> PathBuf {
        match self.configuration.parent() {
            Some(folder) if folder != Path::new("/etc/nginx") => folder.join("tenantry/logs"),
            _ => "/var/log/tenantry".into(),
        }
    }
}

pub(crate) fn default_state() -> PathBuf {
    "/var/lib/tenantry-agent".into()
}

pub(crate) fn default_secrets() -> PathBuf {
    "/run/tenantry/secrets".into()
}

pub(crate) fn default_program() -> PathBuf {
    "/usr/local/bin/tenantry-agent".into()
}

pub(crate) fn default_trial() -> u64 {
    crate::update::trial::PATIENCE.as_secs()
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_default_trial(seconds: &u64) -> bool {
    *seconds == default_trial()
}

pub(crate) fn default_root() -> PathBuf {
    "/".into()
}

fn is_default_program(path: &Path) -> bool {
    *path == default_program()
}

fn is_default_root(path: &Path) -> bool {
    *path == default_root()
}

pub(crate) fn default_restic() -> PathBuf {
    "/usr/bin/restic".into()
}

pub(crate) fn default_docker() -> PathBuf {
    "/var/run/docker.sock".into()
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no such file.
    #[error("{} does not exist: run `tenantry-agent enrol` first", .0.display())]
    Missing(PathBuf),
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It says something that cannot be.
    #[error("{}:{line}: {problem}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
}

impl Config {
    /// Reads and checks the file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => ConfigError::Missing(path.to_owned()),
            _ => ConfigError::Unreadable {
                path: path.to_owned(),
                source,
            },
        })?;
        Self::parse(&text).map_err(|(line, problem)| ConfigError::Wrong {
            path: path.to_owned(),
            line,
            problem,
        })
    }

    fn parse(text: &str) -> Result<Self, (usize, String)> {
        let config: Self = from_yaml(text)?;
        let wrong = |problem: String| Err((1, problem));
        if !config.hub.starts_with("https://") && !config.hub.starts_with("http://") {
            return wrong(format!(
                "hub: `{}` is not an address such as https://hub.example",
                config.hub
            ));
        }
        for (name, path) in [
            ("state", &config.state),
            ("secrets", &config.secrets),
            ("docker", &config.docker),
            ("nginx.configuration", &config.nginx.configuration),
            ("nginx.program", &config.nginx.program),
            ("restic", &config.restic),
            ("program", &config.program),
            ("root", &config.root),
        ] {
            if !path.is_absolute() {
                return wrong(format!(
                    "{name}: `{}` is not an absolute path",
                    path.display()
                ));
            }
        }
        if let Some(name) = config.intervals.wrong() {
            return wrong(format!(
                "intervals.{name}: is a number of seconds from 1 to 3600"
            ));
        }
        if let Err(error) = config.trusted() {
            return wrong(format!("keys: {error}"));
        }
        Ok(config)
    }

    /// The keys that may sign slices and answers.
    pub fn trusted(&self) -> Result<Vec<VerifyingKey>, tenantry_wire::KeyError> {
        [&self.keys.hub.sign, &self.keys.recovery.sign]
            .into_iter()
            .map(VerifyingKey::try_from)
            .collect()
    }

    /// How long another release of the agent may take to become healthy.
    pub fn trial(&self) -> std::time::Duration {
        std::time::Duration::from_secs(self.trial_seconds)
    }

    /// Private keys of this server.
    pub fn keys_folder(&self) -> PathBuf {
        self.state.join("keys")
    }

    /// Files of running instances.
    pub fn live_folder(&self) -> PathBuf {
        self.state.join("live")
    }
}

/// Strictly parsed YAML, or the first problem and its line.
pub fn from_yaml<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, (usize, String)> {
    tenantry_yaml::from_str(text, &tenantry_yaml::Limits::default()).map_err(|problems| {
        let index = tenantry_yaml::LineIndex::new(text);
        let first = problems.into_iter().next();
        first.map_or((1, "not a configuration".to_owned()), |problem| {
            (index.position(problem.span.start).line, problem.to_string())
        })
    })
}

/// Parses `customer/server`.
pub fn parse_server(text: &str) -> Result<ServerKey, String> {
    let (customer, server) = text
        .split_once('/')
        .ok_or_else(|| format!("`{text}` is not a server: write customer/server"))?;
    Ok(ServerKey {
        customer: CustomerId::try_from(customer).map_err(|error| error.to_string())?,
        server: ServerId::try_from(server).map_err(|error| error.to_string())?,
    })
}

mod server_text {
    use super::ServerKey;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(
        key: &ServerKey,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(key)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<ServerKey, D::Error> {
        super::parse_server(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// What the log shows, from `TENANTRY_LOG` (as `tracing_subscriber` reads it), else `info`.
#[allow(
    clippy::disallowed_methods,
    reason = "this is the one reader of the environment"
)]
pub fn log_filter() -> String {
    std::env::var("TENANTRY_LOG").unwrap_or_else(|_| "info".to_owned())
}

/// After how many changes the process dies, from `TENANTRY_FAULT_AFTER`: for tests, and in debug builds only.
#[allow(
    clippy::disallowed_methods,
    reason = "this is the one reader of the environment"
)]
pub fn fault_after() -> Option<u32> {
    if !cfg!(debug_assertions) {
        return None;
    }
    std::env::var("TENANTRY_FAULT_AFTER").ok()?.parse().ok()
}

/// How a program that is tried knows by which process.
pub const TRIED_BY: &str = "TENANTRY_TRIED_BY";

/// The process that tries this program, from [`TRIED_BY`]; none: it is not tried, or by a release that does not say.
#[allow(
    clippy::disallowed_methods,
    reason = "this is the one reader of the environment"
)]
pub fn tried_by() -> Option<i32> {
    std::env::var(TRIED_BY).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenantry_wire::SigningKey;

    fn text(extra: &str) -> String {
        let key = SigningKey::generate(&mut rand::rng()).public();
        let age = format!("age1{}", "q".repeat(58));
        format!(
            "server: acme/acme-1\nfleet_id: example\nhub: http://127.0.0.1:1\nkeys:\n  hub: {{sign: {key}, age: {age}}}\n  recovery: {{sign: {key}, age: {age}}}\n{extra}"
        )
    }

    #[test]
    fn defaults_and_round_trip() {
        let config = Config::parse(&text("")).unwrap();
        assert_eq!(config.server.to_string(), "acme/acme-1");
        assert_eq!(config.nginx.control, Control::Systemd);
        assert_eq!(config.trusted().unwrap().len(), 2);
        let again = serde_yaml::to_string(&config).unwrap();
        assert_eq!(Config::parse(&again).unwrap(), config);
    }

    #[test]
    fn mistakes_name_their_line() {
        let wrong = |extra: &str| Config::parse(&text(extra)).unwrap_err();
        assert_eq!(wrong("sate: /x\n").0, 7);
        assert!(wrong("state: relative\n").1.contains("absolute"));
        let never = wrong("intervals: {report: 0}\n").1;
        assert!(never.contains("intervals.report"), "{never}");
        assert!(wrong("nginx: {control: sysvinit}\n").1.contains("sysvinit"));
        assert!(Config::parse("").is_err());
        assert!(
            Config::parse(&text("").replace("acme/acme-1", "acme"))
                .unwrap_err()
                .1
                .contains("customer/server")
        );
        assert!(
            Config::parse(&text("").replace("http://", "ftp://"))
                .unwrap_err()
                .1
                .contains("ftp")
        );
    }
}
