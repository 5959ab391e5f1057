//! `tenantry backups`: look after the repositories of backups, with the credential that no agent has.

mod list;

use super::Outcome;
use super::open::look;
use super::output::{count, json, say};
use crate::backups::{Keys, Looked, Upkeep};
use crate::config::CacheArgs;
use crate::keys::HubIdentity;
use anyhow::Context;
use base64::Engine as _;
use jiff::Timestamp;
use serde::Serialize;
use sha1::{Digest as _, Sha1};
use std::path::{Path, PathBuf};
use tenantry_schema::Secret;
use tenantry_schema::id::{CustomerId, ServerId};

/// Arguments of `backups`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the good backups of a customer or an order.
    List(list::Args),
    /// Forget backups beyond those that `hub.yaml` keeps, and remove what only they needed.
    Prune(PruneArgs),
    /// Print the log-ins of all customers' agents, as a file for `rest-server` or `rclone serve restic`.
    Htpasswd(Common),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
--json: of list [{server, instance, at, snapshot}]; of prune {dry_run, servers: [{server, forgotten, error}]}, where `forgotten` is a number of snapshots, null where there is no
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
        Command::List(args) => list::run(args),
        Command::Prune(args) => prune(args),
        Command::Htpasswd(args) => htpasswd(args),
    }
}

/// Everything that is needed, read at one moment.
struct Opened<'a> {
    upkeep: Upkeep,
    keys: Keys<'a>,
}

fn with_fleet<T>(
    common: &Common,
    restic: &Path,
    work: impl FnOnce(&Opened<'_>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let opened = look(&common.fleet, &common.branch, CacheArgs::default())?;
    let identity = HubIdentity::read(&common.key)?;
    let desired = opened
        .loaded
        .desired
        .as_ref()
        .context("the fleet's own documents have errors; run `tenantry check`")?;
    let upkeep = Upkeep::of(desired)
        .context("the fleet makes no backups: `fleet/hub.yaml` has no `backups:`")?;
    work(&Opened {
        upkeep,
        keys: Keys {
            objects: opened.objects(),
            identity: &identity,
            program: restic.to_owned(),
        },
    })
}

fn prune(args: &PruneArgs) -> anyhow::Result<Outcome> {
    with_fleet(&args.common, &args.restic, |opened| {
        let (mut forgotten, mut failed) = (0, 0);
        let json_asked = args.common.json;
        let tell = |text: String| {
            if !json_asked {
                say(text);
            }
        };
        let mut servers = Vec::new();
        let mut note = |customer: &CustomerId, server: &ServerId, looked: Looked| {
            let name = format!("{customer}/{server}");
            let mut pruned = Pruned {
                server: name.clone(),
                forgotten: None,
                error: None,
            };
            match looked {
                Looked::Forgotten(count) => {
                    forgotten += count;
                    pruned.forgotten = Some(count);
                    tell(format!("{name}: {}", told(count, args.dry_run)));
                }
                Looked::Missing => tell(format!("{name}: no backups yet")),
                Looked::Failed(error) => {
                    failed += 1;
                    let why = format!("{:#}", anyhow::Error::from(error));
                    tell(format!("{name}: {why}"));
                    pruned.error = Some(why);
                }
            }
            servers.push(pruned);
        };
        let now = Timestamp::now();
        opened
            .upkeep
            .prune(&opened.keys, args.dry_run, now, &mut note)?;
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

/// One line a customer, `user:{SHA}...`, which both servers take. The passwords are 40 random characters, so a fast digest gives nothing away.
fn htpasswd(args: &Common) -> anyhow::Result<Outcome> {
    with_fleet(args, Path::new("restic"), |opened| {
        let mut lines = Vec::new();
        for customer in &opened.upkeep.customers {
            let password = opened.upkeep.append_password(&opened.keys, customer)?;
            lines.push((&customer.user, sha_digest(&password)));
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
