//! Who signs commits: the hub with its own key, a person with what `git commit -S` would use.

use super::error::GitError;
use crate::trust::with_signature;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use tenantry_wire::{SigningKey, sshsig};

/// What an SSH signature of a commit is for.
pub(crate) const NAMESPACE: &str = "git";

/// Signs commits.
#[derive(Debug, Clone)]
pub enum Signer {
    /// A key at hand.
    Key(Arc<SigningKey>),
    /// A key file, private or public (its private half in an agent), that `ssh-keygen` signs with.
    Program(PathBuf),
}

impl Signer {
    /// The content of a commit object with a signature put in.
    ///
    /// # Errors
    /// Where `ssh-keygen` cannot be started or does not sign.
    pub(super) fn sign(&self, content: &[u8]) -> Result<Vec<u8>, GitError> {
        let pem = match self {
            Self::Key(key) => sshsig::sign(key, NAMESPACE, content),
            Self::Program(file) => {
                let mut child = Command::new("ssh-keygen")
                    .args(["-Y", "sign", "-n", NAMESPACE, "-f"])
                    .arg(file)
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .map_err(|source| GitError::Signing(source.to_string()))?;
                let failed = |error: std::io::Error| GitError::Signing(error.to_string());
                if let Some(mut input) = child.stdin.take() {
                    input.write_all(content).map_err(failed)?;
                }
                let output = child.wait_with_output().map_err(failed)?;
                if !output.status.success() {
                    let said = String::from_utf8_lossy(&output.stderr);
                    return Err(GitError::Signing(said.trim().to_owned()));
                }
                String::from_utf8_lossy(&output.stdout).into_owned()
            }
        };
        Ok(with_signature(content, &pem))
    }
}
