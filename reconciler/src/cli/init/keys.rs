//! The two pairs of keys of a new fleet: made, and written where only their owner reads them.

use age::secrecy::ExposeSecret;
use anyhow::{Context, bail};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use tenantry_schema::id::FleetId;
use tenantry_schema::key::{AgeRecipient, PublicKeys};
use tenantry_wire::SigningKey;

/// A private pair of keys, just made.
pub(super) struct Pair {
    pub(super) sign: SigningKey,
    age: age::x25519::Identity,
}

impl Pair {
    pub(super) fn generate() -> Self {
        Self {
            sign: SigningKey::generate(&mut rand::rng()),
            age: age::x25519::Identity::generate(),
        }
    }

    pub(super) fn public(&self) -> anyhow::Result<PublicKeys> {
        Ok(PublicKeys {
            sign: self.sign.public(),
            age: AgeRecipient::try_from(self.age.to_public().to_string())?,
        })
    }
}

pub(super) fn write_keys(
    dir: &Path,
    hub_file: &Path,
    recovery_file: &Path,
    hub: &Pair,
    recovery: &Pair,
    fleet_id: &FleetId,
) -> anyhow::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("cannot make {}", dir.display()))?;
    let age_lines = |pair: &Pair| -> anyhow::Result<String> {
        let public = pair.public()?;
        Ok(format!(
            "# public key: {}\n{}\n",
            public.age,
            pair.age.to_string().expose_secret()
        ))
    };
    write_private(
        hub_file,
        &format!("# Key of the hub of fleet {fleet_id}.\n{}", age_lines(hub)?),
    )?;
    let pem = recovery.sign.to_openssh("tenantry recovery");
    let text = format!(
        "# Recovery key of fleet {fleet_id}. Store it offline. The first part opens every secret of the fleet (age),\n# also for a hub with another key; agents trust the second (OpenSSH) like the hub's.\n{}\n{}",
        age_lines(recovery)?,
        pem.expose()
    );
    // The one without the other is worth nothing.
    write_private(recovery_file, &text).inspect_err(|_| drop(std::fs::remove_file(hub_file)))
}

/// The files of a Git repository that `dir` would be among, unless Git ignores it there. `dir` need not be there yet.
pub(super) fn exposed_in(dir: &Path) -> Option<PathBuf> {
    let there = dir.ancestors().find(|folder| folder.is_dir())?;
    let repository = git2::Repository::discover(there).ok()?;
    let files = repository.workdir()?.canonicalize().ok()?;
    let inside = dir.strip_prefix(&files).ok()?;
    // Something inside, since patterns such as `keys/` speak of folders, and this is none yet.
    let ignored = repository.is_path_ignored(inside.join("hub.agekey"));
    (!ignored.unwrap_or(false)).then_some(files)
}

/// Never overwrites, readable by the owner alone.
fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    let mut file = match opened {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!(
            "{} is there already, and keys are never overwritten: it may be the only key of another fleet. Choose another folder with --keys, or move it away",
            path.display()
        ),
        opened => opened.with_context(failed)?,
    };
    // An empty key would only be in the way of the next attempt.
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .inspect_err(|_| drop(std::fs::remove_file(path)))
        .with_context(failed)
}
