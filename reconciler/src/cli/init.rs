//! `tenantry init`: a new fleet repository that passes `check`, with its keys in a folder of their own.

mod files;
mod forge;
mod keys;

use super::Outcome;
use super::output::{json, say};
use crate::config::person;
use crate::git::{Author, Change, InitError, Layout, init_repository};
use anyhow::bail;
use files::{file, files};
use forge::Forge;
use jiff::Timestamp;
use keys::{Pair, write_keys};
use rand::Rng;
use std::path::{Component, Path, PathBuf};
use tenantry_schema::id::FleetId;
use tenantry_schema::url::HubUrl;

/// Arguments of `init`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Makes a repository with one commit that passes `tenantry check`: commented settings, the rules of who can open which secret,
the catalogue, a README for those who operate it, and CI files for the forge. Two private keys go into a folder beside it.

Examples:
  tenantry init my-fleet --url https://hub.example --forge github
  tenantry init /srv/fleet.git --bare

--json: {fleet_id, dir, branch, hub_key, recovery_key, next}. The keys are paths of files; `next` are the commands to go on with.")]
pub(super) struct Args {
    /// The folder to make the fleet in; absent or empty.
    dir: PathBuf,
    /// Where agents and people will reach the hub.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Immutable id of the fleet. Default: a random one.
    #[arg(long)]
    fleet_id: Option<FleetId>,
    /// Folder for the private keys. Default: DIR with `-keys` added. Never inside the fleet.
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// Make a bare repository, for a server, instead of a folder to edit in.
    #[arg(long)]
    bare: bool,
    /// Files for the forge where changes are reviewed: they check every pull request, and comment what it would do.
    #[arg(long, value_enum, default_value_t = Forge::None)]
    forge: Forge,
    /// The branch.
    #[arg(long, default_value = "main")]
    branch: String,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let keys_dir = args
        .keys
        .clone()
        .unwrap_or_else(|| with_suffix(&args.dir, "-keys"));
    let url = HubUrl::try_from(args.url.as_str())?;
    check_places(args, &keys_dir)?;
    let fleet_id = match &args.fleet_id {
        Some(id) => id.clone(),
        None => random_id()?,
    };
    let (hub, recovery) = (Pair::generate(), Pair::generate());
    let mut files = files(&url, &fleet_id, &hub, &recovery)?;
    for (path, content) in args.forge.files() {
        files.push(file(path, content)?);
    }
    // Keys first: a fleet whose keys were lost is worth nothing, keys without a fleet do no harm.
    let hub_file = keys_dir.join("hub.agekey");
    let recovery_file = keys_dir.join("recovery.key");
    write_keys(
        &keys_dir,
        &hub_file,
        &recovery_file,
        &hub,
        &recovery,
        &fleet_id,
    )?;
    let was_there = args.dir.exists();
    if let Err(error) = make(args, &files, &fleet_id) {
        // Half a fleet, and keys of none, would only be in the way of the next attempt.
        take_back(&args.dir, was_there, &error);
        for file in [&hub_file, &recovery_file] {
            drop(std::fs::remove_file(file));
        }
        return Err(anyhow::Error::new(error).context("what was made is taken back"));
    }
    tell(args, &fleet_id, &hub_file, &recovery_file)
}

/// A fleet needs a folder of its own, and its keys stand where Git does not see them.
fn check_places(args: &Args, keys_dir: &Path) -> anyhow::Result<()> {
    if !git2::Branch::name_is_valid(&args.branch)? {
        bail!("`{}` cannot be the name of a branch", args.branch);
    }
    let real_keys = real(keys_dir)?;
    if real_keys.starts_with(real(&args.dir)?) {
        bail!("keys do not belong inside the fleet; choose another folder with --keys");
    }
    if let Some(other) = keys::exposed_in(&real_keys) {
        bail!(
            "the private keys would be in {}, which is among the files of the Git repository {}: one `git add` would publish them. Choose another folder with --keys, or let Git ignore that one",
            keys_dir.display(),
            other.display()
        );
    }
    if args.dir.exists() && !args.dir.is_dir() {
        bail!("`{}` is there already and is no folder", args.dir.display());
    }
    if std::fs::read_dir(&args.dir).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!(
            "`{}` is not empty: a new fleet needs a folder of its own; name one that is not there yet",
            args.dir.display()
        );
    }
    Ok(())
}

/// The repository with its first commit.
fn make(args: &Args, files: &[Change], fleet_id: &FleetId) -> Result<(), InitError> {
    let layout = if args.bare {
        Layout::Bare
    } else {
        Layout::WorkTree
    };
    let (name, email) = person();
    init_repository(
        &args.dir,
        &args.branch,
        layout,
        files,
        &Author::new(name, email),
        &format!("init: fleet {fleet_id}\n"),
        Timestamp::now(),
    )
    .map(drop)
}

/// Says what is where, and what comes next.
fn tell(
    args: &Args,
    fleet_id: &FleetId,
    hub_file: &Path,
    recovery_file: &Path,
) -> anyhow::Result<Outcome> {
    let hint = args.forge.hint();
    let next = next(&args.dir, args.bare, args.forge, &args.branch, hub_file);
    if args.json {
        json(&serde_json::json!({
            "fleet_id": fleet_id,
            "dir": args.dir,
            "branch": args.branch,
            "hub_key": hub_file,
            "recovery_key": recovery_file,
            "next": next.lines().map(str::trim).collect::<Vec<_>>(),
        }))?;
        return Ok(Outcome::Clean);
    }
    let (dir, hub_file, recovery_file) = (
        args.dir.display(),
        hub_file.display(),
        recovery_file.display(),
    );
    say(format!(
        "fleet {fleet_id} is in {dir}

  {hub_file}    the hub's key: keep it on the hub alone
  {recovery_file}  the recovery key: print it, store it offline, delete the file

Next:
{next}
  {hint}"
    ));
    Ok(Outcome::Clean)
}

/// Empties the folder, which was empty or not there before. What somebody else put there meanwhile is theirs.
fn take_back(dir: &Path, was_there: bool, error: &InitError) {
    if matches!(error, InitError::NotEmpty(_)) {
        return;
    }
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let _ = if is_folder {
            std::fs::remove_dir_all(path)
        } else {
            std::fs::remove_file(path)
        };
    }
    if !was_there {
        drop(std::fs::remove_dir(dir));
    }
}

/// How to go on. The hub serves a repository that people push to, never the folder that they work in.
fn next(dir: &Path, bare: bool, forge: Forge, branch: &str, key: &Path) -> String {
    let here = dir.display().to_string();
    let here = here.trim_end_matches('/');
    let key = key.display();
    let run =
        |served: &str| format!("  tenantry serve {served} --key {key} --data /var/lib/tenantry");
    let edit = |folder: &str| {
        format!("  tenantry check {folder}\n  tenantry new customer ID --fleet {folder}\n")
    };
    if bare {
        let folder = here.strip_suffix(".git").unwrap_or("my-fleet");
        let activate = format!("  tenantry activate {here} --key {key}\n");
        let clone = format!("  git clone {here} {folder}    # where you edit, commit and push\n");
        return format!("{activate}{clone}{}{}", edit(folder), run(here));
    }
    let activate = format!("  tenantry activate {here} --key {key}\n");
    let (meet, served) = if matches!(forge, Forge::None) {
        let meet = format!(
            "  git clone --bare {here} {here}.git    # where you and the hub meet; a forge will do as well\n"
        );
        (meet, format!("{here}.git"))
    } else {
        (String::new(), "ADDRESS-AT-THE-FORGE".to_owned())
    };
    let absolute = std::path::absolute(&served)
        .map_or_else(|_| served.clone(), |path| path.display().to_string());
    let remote = if matches!(forge, Forge::None) {
        absolute
    } else {
        served.clone()
    };
    let push = format!(
        "  git -C {here} remote add origin {remote} && git -C {here} push -u origin {branch}\n"
    );
    format!("{}{activate}{meet}{push}{}", edit(here), run(&served))
}

/// Where a path leads that need not be there yet: links and `..` are followed.
fn real(path: &Path) -> std::io::Result<PathBuf> {
    let mut real = PathBuf::new();
    for part in std::path::absolute(path)?.components() {
        if part == Component::ParentDir {
            real.pop();
            continue;
        }
        real.push(part);
        if let Ok(there) = real.canonicalize() {
            real = there;
        }
    }
    Ok(real)
}

fn with_suffix(dir: &Path, suffix: &str) -> PathBuf {
    let mut name = dir.as_os_str().to_owned();
    while name.to_string_lossy().len() > 1 && name.to_string_lossy().ends_with('/') {
        name = name
            .to_string_lossy()
            .trim_end_matches('/')
            .to_owned()
            .into();
    }
    name.push(suffix);
    name.into()
}

/// 16 characters of a small alphabet: about 80 bits, enough that no two fleets ever share a mark.
fn random_id() -> anyhow::Result<FleetId> {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut rng = rand::rng();
    let id: String = (0..16)
        .map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]))
        .collect();
    Ok(FleetId::try_from(id)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::GitError;

    #[test]
    fn what_others_put_into_the_folder_meanwhile_stays() {
        let folder = tempfile::tempdir().unwrap();
        let theirs = folder.path().join("theirs");
        std::fs::write(&theirs, "x").unwrap();
        let author = Author::new("Jo", "jo@example.com");
        let made = init_repository(
            folder.path(),
            "main",
            Layout::WorkTree,
            &[],
            &author,
            "init\n",
            Timestamp::now(),
        );
        take_back(folder.path(), true, &made.unwrap_err());
        assert!(theirs.exists());

        // What a failed attempt left is nobody's.
        let failed = InitError::Git(GitError::library("writing")(git2::Error::from_str(
            "no space",
        )));
        take_back(folder.path(), true, &failed);
        assert!(!theirs.exists() && folder.path().exists());
    }
}
