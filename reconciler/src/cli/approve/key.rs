//! The key of whoever approves or asks, and `ssh-keygen` that signs with it: keys in files, in agents and on hardware alike.

use anyhow::{Context, bail};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The key that was named, else the one that Git signs with.
pub(in crate::cli) fn find(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    let key = named
        .map(Path::to_owned)
        .or_else(crate::config::signing_key);
    let key = key.context(
        "no key: name one with --key, or set Git up (`git config gpg.format ssh`, `git config user.signingkey FILE`)",
    )?;
    if !key.is_file() {
        bail!("there is no key file {}", key.display());
    }
    Ok(key)
}

/// Signs `message` for `namespace`; what `ssh-keygen` asks for (a passphrase, a touch) it asks the person itself.
pub(in crate::cli) fn sign(key: &Path, namespace: &str, message: &str) -> anyhow::Result<String> {
    let mut child = Command::new("ssh-keygen")
        .args(["-Y", "sign", "-n", namespace, "-f"])
        .arg(key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .context("ssh-keygen cannot be started; it is part of OpenSSH's client")?;
    if let Some(mut input) = child.stdin.take() {
        input
            .write_all(message.as_bytes())
            .context("ssh-keygen did not take what it should sign")?;
    }
    let output = child
        .wait_with_output()
        .context("ssh-keygen did not end well")?;
    if !output.status.success() {
        bail!("ssh-keygen did not sign with {}", key.display());
    }
    String::from_utf8(output.stdout).context("ssh-keygen wrote something that is no text")
}
