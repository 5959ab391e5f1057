//! A server's repository as the hub reaches it: with the credential that may delete. restic does it; password and log-in go by its environment.

use std::path::PathBuf;
use std::process::Command;
use tenantry_schema::Secret;
use tenantry_schema::wire::{Snapshot, parse_snapshots};

/// Why a repository could not be looked after.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// The program cannot be started.
    #[error("{} cannot be started; install restic, or name it with --restic", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It failed.
    #[error("restic could not {what}: {why}")]
    Failed {
        /// What was to be done.
        what: &'static str,
        /// What it complained about.
        why: String,
    },
    /// Nobody ever wrote to it.
    #[error("there is no repository yet")]
    Missing,
}

/// A repository.
#[derive(Debug)]
pub struct Repository {
    /// The program restic.
    pub program: PathBuf,
    /// Where it is, with the log-in where it has one.
    pub address: Secret,
    /// What it is encrypted with.
    pub key: Secret,
}

/// The repository of a server below a place, with a log-in put in where the place is one that asks for it.
pub fn address(place: &str, below: &str, login: Option<(&str, &Secret)>) -> Secret {
    let whole = format!("{place}/{below}");
    let Some((user, password)) = login else {
        return Secret::new(whole);
    };
    let with_login = |scheme: &str| {
        let rest = whole.strip_prefix(scheme)?;
        Some(format!("{scheme}{user}:{}@{rest}", password.expose()))
    };
    let address = with_login("rest:https://").or_else(|| with_login("rest:http://"));
    Secret::new(address.unwrap_or(whole))
}

impl Repository {
    fn run(&self, what: &'static str, arguments: &[&str]) -> Result<Vec<u8>, RepositoryError> {
        let output = Command::new(&self.program)
            .args(arguments)
            .env("RESTIC_REPOSITORY", self.address.expose())
            .env("RESTIC_PASSWORD", self.key.expose())
            .env("RESTIC_PROGRESS_FPS", "0.01")
            .output()
            .map_err(|source| RepositoryError::Start {
                program: self.program.clone(),
                source,
            })?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(RepositoryError::Failed {
            what,
            why: self.quiet(&String::from_utf8_lossy(&output.stderr)),
        })
    }

    /// What it complained about, without anything that is secret.
    fn quiet(&self, complaints: &str) -> String {
        let lines: Vec<&str> = complaints
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        let shown = lines
            .get(lines.len().saturating_sub(3)..)
            .unwrap_or_default();
        let address = self.address.expose();
        let mut text = shown
            .join("; ")
            .replace(address.as_str(), "the repository")
            .replace(self.key.expose().as_str(), "[secret]");
        let login = address
            .split_once("://")
            .and_then(|(_, rest)| rest.split_once('@')?.0.split_once(':'));
        if let Some((_, password)) = login {
            text = text.replace(password, "[secret]");
        }
        text.chars().take(600).collect()
    }

    /// Everything in it. A repository that nobody made yet is told apart from one that cannot be reached.
    pub fn snapshots(&self) -> Result<Vec<Snapshot>, RepositoryError> {
        let listed = self.run("list the snapshots", &["snapshots", "--json", "--no-lock"]);
        let text = listed.map_err(|error| match error {
            RepositoryError::Failed { why, .. } if is_missing(&why) => RepositoryError::Missing,
            other => other,
        })?;
        parse_snapshots(&text).ok_or(RepositoryError::Failed {
            what: "list the snapshots",
            why: "its answer cannot be understood".to_owned(),
        })
    }

    /// Forgets snapshots, and removes what only they needed.
    pub fn forget<'i>(&self, ids: impl Iterator<Item = &'i str>) -> Result<(), RepositoryError> {
        // Locks that nobody holds any more would keep it from removing anything.
        self.run("remove stale locks", &["unlock"])?;
        let mut arguments = vec!["forget", "--prune", "--"];
        arguments.extend(ids);
        self.run("forget", &arguments).map(|_| ())
    }
}

/// What restic says of a place without a repository: its file `config` is not there.
fn is_missing(why: &str) -> bool {
    why.contains("Is there a repository at the following location?")
        && (why.contains("does not exist") || why.contains("no such file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_place_that_answers_without_a_repository_has_none() {
        let missing = "Fatal: unable to open config file: stat /b/config: no such file or directory; Is there a repository at the following location?; /b";
        assert!(is_missing(missing));
        let refused = "Fatal: unable to open config file: Head \"http://x/config\": connection refused; Is there a repository at the following location?; x";
        assert!(!is_missing(refused));
        assert!(!is_missing("Fatal: wrong password or no key found"));
    }

    #[test]
    fn a_log_in_goes_where_a_place_asks_for_one() {
        let password = Secret::new("hunter2".to_owned());
        let whole = |place| {
            address(place, "fleet.acme/acme-1", Some(("hub", &password)))
                .expose()
                .clone()
        };
        assert_eq!(
            whole("rest:https://backup.example"),
            "rest:https://hub:hunter2@backup.example/fleet.acme/acme-1"
        );
        assert_eq!(whole("/srv/backups"), "/srv/backups/fleet.acme/acme-1");
    }
}
