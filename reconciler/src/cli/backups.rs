//! `tenantry backups`: look after the repositories of backups, with the credential that no agent has.

use super::Outcome;
use super::open::look;
use super::output::{count, json, say};
use crate::backups::{Repository, RepositoryError, address, retain};
use crate::config::CacheArgs;
use crate::keys::HubIdentity;
use anyhow::{Context, bail};
use base64::Engine as _;
use jiff::Timestamp;
use serde::Serialize;
use sha1::{Digest as _, Sha1};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tenantry_planner::desired::CustomerDesired;
use tenantry_planner::plan::backup_user;
use tenantry_schema::Secret;
use tenantry_schema::document::Backups;
use tenantry_schema::wire::{APPEND_PASSWORD, REPOSITORY_KEY};

/// Arguments of `backups`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Forget backups beyond those that `hub.yaml` keeps, and remove what only they needed.
    Prune(PruneArgs),
    /// Print the log-ins of all customers' agents, as a file for `rest-server` or `rclone serve restic`.
    Htpasswd(Common),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
--json: of prune {dry_run, servers: [{server, forgotten, error}]}, where `forgotten` is a number of snapshots, null where there is no
repository yet or none that could be reached; of htpasswd [{user, hash}].")]
struct Common {
    /// The fleet: a folder, or an address as Git takes it.
    #[arg(default_value = ".")]
    fleet: String,
    /// The branch that is followed.
    #[arg(long, default_value = "main")]
    branch: String,
    /// The hub's key.
    #[arg(long)]
    key: PathBuf,
    /// For programs.
    #[arg(long)]
    json: bool,
}

/// What became of a server's repository, for `--json`.
#[derive(Serialize)]
struct Pruned {
    server: String,
    forgotten: Option<usize>,
    error: Option<String>,
}

#[derive(Debug, clap::Args)]
struct PruneArgs {
    #[command(flatten)]
    common: Common,
    /// The program restic.
    #[arg(long, default_value = "restic")]
    restic: PathBuf,
    /// Only say what would be forgotten.
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    match &args.command {
        Command::Prune(args) => prune(args),
        Command::Htpasswd(args) => htpasswd(args),
    }
}

/// A customer whose servers make backups.
struct Customer<'a> {
    desired: &'a CustomerDesired,
    /// Who its agents are where backups are kept.
    user: String,
    secrets: BTreeMap<String, Secret>,
}

/// Everything that is needed, read at one moment.
struct Opened<'a> {
    settings: &'a Backups,
    customers: Vec<Customer<'a>>,
    /// The hub's own log-in where backups are kept.
    login: Option<(String, Secret)>,
}

fn with_fleet<T>(
    common: &Common,
    work: impl FnOnce(&Opened<'_>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let opened = look(&common.fleet, &common.branch, CacheArgs::default())?;
    let identity = HubIdentity::read(&common.key)?;
    let desired = opened
        .loaded
        .desired
        .as_ref()
        .context("the fleet's own documents have errors; run `tenantry check`")?;
    let hub = &desired.head.hub;
    let Some(settings) = &hub.backups else {
        bail!("the fleet makes no backups: `fleet/hub.yaml` has no `backups:`");
    };
    let objects = opened.objects();
    let mut customers = Vec::new();
    for (id, customer) in &desired.customers {
        let Some(file) = &customer.backup_secrets else {
            continue;
        };
        let what = format!("fleet/decisions/{id}/backups.secrets.yaml");
        customers.push(Customer {
            desired: customer,
            user: backup_user(hub.fleet_id.as_str(), id),
            secrets: identity.open(objects, file.blob, &what)?,
        });
    }
    let mut own = match desired.head.secrets {
        Some(file) => identity.open(objects, file, "fleet/secrets.yaml")?,
        None => BTreeMap::new(),
    };
    let login = own.remove("backups_password").map(|password| {
        let user = own.remove("backups_user");
        let user = user.map_or_else(|| "hub".to_owned(), |user| user.expose().clone());
        (user, password)
    });
    work(&Opened {
        settings,
        customers,
        login,
    })
}

fn prune(args: &PruneArgs) -> anyhow::Result<Outcome> {
    with_fleet(&args.common, |opened| {
        let (mut forgotten, mut failed) = (0, 0);
        let json_asked = args.common.json;
        let tell = |text: String| {
            if !json_asked {
                say(text);
            }
        };
        let mut servers = Vec::new();
        for customer in &opened.customers {
            for server in customer.desired.servers.keys() {
                let name = format!("{}/{server}", customer.desired.id);
                let mut pruned = Pruned {
                    server: name.clone(),
                    forgotten: None,
                    error: None,
                };
                match prune_one(args, opened, customer, server.as_str()) {
                    Ok(count) => {
                        forgotten += count;
                        pruned.forgotten = Some(count);
                        tell(format!("{name}: {}", told(count, args.dry_run)));
                    }
                    Err(error)
                        if matches!(error.downcast_ref(), Some(RepositoryError::Missing)) =>
                    {
                        tell(format!("{name}: no backups yet"));
                    }
                    // One repository that cannot be reached keeps nobody else's from being looked after.
                    Err(error) => {
                        failed += 1;
                        tell(format!("{name}: {error:#}"));
                        pruned.error = Some(format!("{error:#}"));
                    }
                }
                servers.push(pruned);
            }
        }
        if json_asked {
            json(&serde_json::json!({ "dry_run": args.dry_run, "servers": servers }))?;
        }
        Ok(match (failed, forgotten) {
            (0, 0) => Outcome::Clean,
            (0, _) => Outcome::Changes,
            _ => Outcome::Errors,
        })
    })
}

fn told(forgotten: usize, dry_run: bool) -> String {
    let verb = if dry_run {
        "would be forgotten"
    } else {
        "forgotten"
    };
    format!("{} {verb}", count(forgotten, "snapshot"))
}

fn prune_one(
    args: &PruneArgs,
    opened: &Opened<'_>,
    customer: &Customer<'_>,
    server: &str,
) -> anyhow::Result<usize> {
    let key = customer.secrets.get(REPOSITORY_KEY);
    let place = opened.settings.maintenance.as_ref();
    let place = place.unwrap_or(&opened.settings.repository);
    let login = opened
        .login
        .as_ref()
        .map(|(user, password)| (user.as_str(), password));
    let repository = Repository {
        program: args.restic.clone(),
        address: address(
            place.as_str(),
            &format!("{}/{server}", customer.user),
            login,
        ),
        key: key.cloned().context("the key of its backups is missing")?,
    };
    let snapshots = repository.snapshots()?;
    let kept = retain(&snapshots, opened.settings.keep, Timestamp::now());
    if !args.dry_run && !kept.forget.is_empty() {
        repository.forget(kept.forget.iter().map(String::as_str))?;
    }
    Ok(kept.forget.len())
}

/// One line a customer, `user:{SHA}...`, which both servers take. The passwords are 40 random characters, so a fast digest gives nothing away.
fn htpasswd(args: &Common) -> anyhow::Result<Outcome> {
    with_fleet(args, |opened| {
        let mut lines = Vec::new();
        for customer in &opened.customers {
            let password = customer.secrets.get(APPEND_PASSWORD);
            let password = password.context("the log-in of its agents is missing")?;
            lines.push((&customer.user, sha_digest(password)));
        }
        if args.json {
            let one = |(user, hash): &(&String, String)| serde_json::json!({ "user": user, "hash": hash });
            json(&lines.iter().map(one).collect::<Vec<_>>())?;
        } else {
            for (user, hash) in lines {
                say(format!("{user}:{hash}"));
            }
        }
        Ok(Outcome::Clean)
    })
}

fn sha_digest(password: &Secret) -> String {
    let digest = Sha1::digest(password.expose().as_bytes());
    let text = base64::engine::general_purpose::STANDARD.encode(digest);
    format!("{{SHA}}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_htpasswd() {
        // As `htpasswd -nbs user password` writes it.
        let digest = sha_digest(&Secret::new("password".to_owned()));
        assert_eq!(digest, "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=");
    }
}
