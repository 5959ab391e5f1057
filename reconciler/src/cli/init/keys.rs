//! The two pairs of keys of a new fleet: made, and written where only their owner reads them.

use age::secrecy::ExposeSecret;
use anyhow::Context;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
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
        "# Recovery key of fleet {fleet_id}. Store it offline. The first part opens every secret of the fleet (age),\n# the second signs a change of the hub's key (OpenSSH).\n{}\n{}",
        age_lines(recovery)?,
        pem.expose()
    );
    write_private(recovery_file, &text)
}

/// Never overwrites, readable by the owner alone.
fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(failed)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(failed)
}
