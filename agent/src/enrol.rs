//! `enrol`: makes this server's keys and its configuration, and prints what the fleet must know of it. Nothing is sent anywhere from
//! here.

use crate::config::{self, Config, ConfigError, Nginx};
use crate::files::{FilesError, Root};
use crate::keys::{self, KeysError};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use tenantry_schema::document::HubKeys;
use tenantry_schema::id::FleetId;
use tenantry_schema::key::{AgeRecipient, PublicKeys, SshPublicKey};
use tenantry_schema::name::RelativePath;

/// What must be known of hub and fleet. The same fields on the command line and in `--hub-file`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, clap::Args)]
#[serde(deny_unknown_fields, default)]
pub struct HubFacts {
    /// Where the hub is, such as https://hub.example
    #[arg(long)]
    pub hub_url: Option<String>,
    /// `fleet_id` of the fleet's hub.yaml
    #[arg(long)]
    pub fleet_id: Option<String>,
    /// This server, as customer/server
    #[arg(long)]
    pub server: Option<String>,
    /// Key that the hub signs with: `ssh-ed25519 AAAA…`
    #[arg(long)]
    pub hub_key: Option<String>,
    /// Key that the hub decrypts with: `age1…`
    #[arg(long)]
    pub hub_age: Option<String>,
    /// Signing key of the offline recovery key
    #[arg(long)]
    pub recovery_key: Option<String>,
    /// age key of the offline recovery key
    #[arg(long)]
    pub recovery_age: Option<String>,
}

/// Places that differ from the defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
pub struct Places {
    /// Folder for ledger, slices and keys [default: /var/lib/tenantry-agent]
    #[arg(long)]
    pub state: Option<PathBuf>,
    /// Folder for secret files, in memory [default: /run/tenantry/secrets]
    #[arg(long)]
    pub secrets: Option<PathBuf>,
    /// Socket of the container engine [default: /var/run/docker.sock]
    #[arg(long)]
    pub docker: Option<PathBuf>,
    /// Main configuration file of nginx [default: /etc/nginx/nginx.conf]
    #[arg(long)]
    pub nginx_configuration: Option<PathBuf>,
    /// Who starts and reloads nginx: `systemd` or `direct` [default: systemd]
    #[arg(long)]
    pub nginx_control: Option<String>,
    /// The program nginx [default: /usr/sbin/nginx]
    #[arg(long)]
    pub nginx_program: Option<PathBuf>,
}

/// Why a server could not be enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// Something was not said.
    #[error("{0} is needed: give it on the command line or in --hub-file")]
    Missing(&'static str),
    /// Something is not what it should be.
    #[error("{option}: {why}")]
    Wrong {
        /// The option.
        option: &'static str,
        /// Why.
        why: String,
    },
    /// The file of facts.
    #[error("{}:{line}: {problem}", path.display())]
    HubFile {
        /// The file.
        path: PathBuf,
        /// Line, from 1; 0 if it cannot be read.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// There is another configuration.
    #[error("{} exists and says something else: it is never overwritten. Remove it first if this server really moves", .0.display())]
    Exists(PathBuf),
    /// There is a configuration that cannot be understood.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The configuration cannot be written.
    #[error("cannot write the configuration")]
    Files(#[from] FilesError),
}

impl HubFacts {
    /// Reads `--hub-file`.
    pub fn read(path: &Path) -> Result<Self, EnrolError> {
        let wrong = |line, problem| EnrolError::HubFile {
            path: path.to_owned(),
            line,
            problem,
        };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(0, error.to_string()))?;
        config::from_yaml(&text).map_err(|(line, problem)| wrong(line, problem))
    }

    /// These facts, and those of `other` where these say nothing.
    pub fn or(self, other: Self) -> Self {
        Self {
            hub_url: self.hub_url.or(other.hub_url),
            fleet_id: self.fleet_id.or(other.fleet_id),
            server: self.server.or(other.server),
            hub_key: self.hub_key.or(other.hub_key),
            hub_age: self.hub_age.or(other.hub_age),
            recovery_key: self.recovery_key.or(other.recovery_key),
            recovery_age: self.recovery_age.or(other.recovery_age),
        }
    }

    /// The configuration that they make, with `places` where they differ from the defaults.
    pub fn config(self, places: Places) -> Result<Config, EnrolError> {
        let server = needed(self.server, "--server")?;
        let server = config::parse_server(&server).map_err(|why| EnrolError::Wrong {
            option: "--server",
            why,
        })?;
        let defaults = Nginx::default();
        let control = match places.nginx_control.as_deref() {
            None | Some("systemd") => config::Control::Systemd,
            Some("direct") => config::Control::Direct,
            Some(other) => {
                let why = format!("`{other}` is neither `systemd` nor `direct`");
                return Err(EnrolError::Wrong {
                    option: "--nginx-control",
                    why,
                });
            }
        };
        let mut config = Config {
            server,
            fleet_id: parse(self.fleet_id, "--fleet-id", FleetId::try_from)?,
            hub: needed(self.hub_url, "--hub-url")?,
            keys: HubKeys {
                hub: PublicKeys {
                    sign: parse(self.hub_key, "--hub-key", SshPublicKey::try_from)?,
                    age: parse(self.hub_age, "--hub-age", AgeRecipient::try_from)?,
                },
                recovery: PublicKeys {
                    sign: parse(self.recovery_key, "--recovery-key", SshPublicKey::try_from)?,
                    age: parse(self.recovery_age, "--recovery-age", AgeRecipient::try_from)?,
                },
            },
            state: config::default_state(),
            secrets: config::default_secrets(),
            docker: config::default_docker(),
            restic: config::default_restic(),
            program: config::default_program(),
            root: config::default_root(),
            trial_seconds: config::default_trial(),
            intervals: config::Intervals::default(),
            nginx: Nginx {
                configuration: places.nginx_configuration.unwrap_or(defaults.configuration),
                control,
                program: places.nginx_program.unwrap_or(defaults.program),
            },
        };
        for (place, given) in [
            (&mut config.state, places.state),
            (&mut config.secrets, places.secrets),
            (&mut config.docker, places.docker),
        ] {
            if let Some(given) = given {
                *place = given;
            }
        }
        Ok(config)
    }
}

fn needed(value: Option<String>, option: &'static str) -> Result<String, EnrolError> {
    value.ok_or(EnrolError::Missing(option))
}

fn parse<T, E: ToString>(
    value: Option<String>,
    option: &'static str,
    read: impl Fn(String) -> Result<T, E>,
) -> Result<T, EnrolError> {
    read(needed(value, option)?).map_err(|error| EnrolError::Wrong {
        option,
        why: error.to_string(),
    })
}

/// Writes the configuration and makes the keys, unless they are there, and returns the public keys.
pub fn enrol(config: &Config, path: &Path) -> Result<PublicKeys, EnrolError> {
    if path.exists() && Config::load(path)? != *config {
        return Err(EnrolError::Exists(path.to_owned()));
    }
    let keys = keys::ensure(&config.keys_folder())?;
    if !path.exists() {
        let text = serde_yaml::to_string(config).expect("a configuration is plain text");
        let (folder, name) = (
            path.parent()
                .filter(|folder| !folder.as_os_str().is_empty()),
            path.file_name(),
        );
        let name = name.and_then(|name| RelativePath::try_from(name.to_str()?).ok());
        let name = name.ok_or_else(|| EnrolError::Wrong {
            option: "--config",
            why: "not a file".to_owned(),
        })?;
        Root::public(folder.unwrap_or(Path::new(".")))?.write(&name, text.as_bytes())?;
        // What cannot be used is not left behind: it would be in the way of the right one.
        Config::load(path).inspect_err(|_| drop(std::fs::remove_file(path)))?;
    }
    Ok(keys.public)
}

/// What is pasted into `fleet/customers/<customer>/servers/<server>.yaml`.
pub fn snippet(keys: &PublicKeys) -> String {
    format!("agent: {{ sign: \"{}\", age: {} }}\n", keys.sign, keys.age)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenantry_schema::document::Server;
    use tenantry_wire::SigningKey;

    fn facts() -> HubFacts {
        let key = || Some(SigningKey::generate(&mut rand::rng()).public().to_string());
        let age = || Some(age::x25519::Identity::generate().to_public().to_string());
        HubFacts {
            hub_url: Some("https://hub.example".into()),
            fleet_id: Some("example".into()),
            server: Some("acme/acme-1".into()),
            hub_key: key(),
            hub_age: age(),
            recovery_key: key(),
            recovery_age: age(),
        }
    }

    #[test]
    fn what_cannot_be_used_is_not_in_the_way_of_the_right_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.yaml");
        let places = Places {
            state: Some(folder.path().join("state")),
            ..Places::default()
        };
        let mut wrong = facts();
        wrong.hub_url = Some("ftp://hub".into());
        let refused = wrong
            .config(places.clone())
            .and_then(|config| enrol(&config, &path));
        assert!(refused.is_err());
        assert!(!path.exists());
        enrol(&facts().config(places).unwrap(), &path).unwrap();
        assert!(path.exists());
    }

    #[test]
    fn done_twice_is_done_once_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("etc/agent.yaml");
        let places = Places {
            state: Some(folder.path().join("state")),
            ..Places::default()
        };
        let config = facts().config(places.clone()).unwrap();
        let keys = enrol(&config, &path).unwrap();
        assert_eq!(enrol(&config, &path).unwrap(), keys);
        assert_eq!(Config::load(&path).unwrap(), config);
        let other = facts().config(places).unwrap();
        assert!(matches!(enrol(&other, &path), Err(EnrolError::Exists(_))));
        assert_eq!(Config::load(&path).unwrap(), config);
    }

    #[test]
    fn the_snippet_is_what_a_server_document_holds() {
        let folder = tempfile::tempdir().unwrap();
        let keys = keys::ensure(folder.path()).unwrap();
        let server: Server = serde_yaml::from_str(&format!(
            "provider: static\naddress: 192.0.2.1\n{}",
            snippet(&keys.public)
        ))
        .unwrap();
        assert_eq!(server.agent, Some(keys.public));
    }

    #[test]
    fn the_command_line_goes_before_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.yaml");
        std::fs::write(&path, "hub_url: https://file.example\nfleet_id: filed\n").unwrap();
        let read = HubFacts {
            server: None,
            hub_url: None,
            ..facts()
        }
        .or(HubFacts::read(&path).unwrap());
        assert_eq!(
            (read.hub_url.as_deref(), read.fleet_id.as_deref()),
            (Some("https://file.example"), Some("example"))
        );
        assert!(matches!(
            read.config(Places::default()),
            Err(EnrolError::Missing("--server"))
        ));
        std::fs::write(&path, "hub_url: x\nhub: y\n").unwrap();
        assert!(matches!(
            HubFacts::read(&path),
            Err(EnrolError::HubFile { line: 2, .. })
        ));
        let wrong = HubFacts {
            hub_key: Some("ssh-rsa AAAA".into()),
            ..facts()
        }
        .config(Places::default());
        assert!(matches!(
            wrong,
            Err(EnrolError::Wrong {
                option: "--hub-key",
                ..
            })
        ));
    }
}
