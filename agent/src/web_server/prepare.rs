//! What sites include: where answers to challenges are, and where each site is logged. Written before any configuration that uses it.

use super::WebError;
use crate::files::Root;
use std::path::{Path, PathBuf};
use tenantry_schema::name::{DomainName, RelativePath};
use tenantry_schema::wire::FALLBACK_SITE;

/// Longest of these files.
const LIMIT: u64 = 64 << 10;
/// Says where answers to challenges are.
const CHALLENGES: &str = "acme/root.conf";

/// Folders and files beside the sites.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    /// `tenantry/` in the web server's configuration folder.
    ours: PathBuf,
    /// Where logs are.
    logs: PathBuf,
}

impl Surroundings {
    pub(super) fn new(ours: PathBuf, logs: PathBuf) -> Self {
        Self { ours, logs }
    }

    /// The folder that challenges are answered from.
    pub(super) fn challenges(&self) -> PathBuf {
        self.ours.join("challenges")
    }

    /// Whether challenges would be answered.
    pub(super) fn is_ready(&self) -> bool {
        let there = std::fs::read_to_string(self.ours.join(CHALLENGES));
        there.is_ok_and(|text| text == self.challenges_text())
    }

    /// Writes everything that these sites include.
    pub(super) fn prepare<'h>(
        &self,
        hosts: impl Iterator<Item = &'h DomainName>,
    ) -> Result<(), WebError> {
        Root::public(&self.challenges())?;
        super::logs::make_folder(&self.logs)?;
        let root = Root::public(&self.ours)?;
        put(&root, CHALLENGES, &self.challenges_text())?;
        for host in hosts.filter(|host| host.as_str() != FALLBACK_SITE) {
            put(
                &root,
                &format!("logging/{host}.conf"),
                &self.logging_text(host),
            )?;
        }
        Ok(())
    }

    fn challenges_text(&self) -> String {
        format!("root {};\n", quoted(&self.challenges()))
    }

    fn logging_text(&self, host: &DomainName) -> String {
        let log = |kind: &str| quoted(&self.logs.join(format!("{host}.{kind}.log")));
        format!(
            "access_log {};\nerror_log {} warn;\n",
            log("access"),
            log("error")
        )
    }
}

fn put(root: &Root, name: &str, text: &str) -> Result<(), WebError> {
    let path = RelativePath::try_from(name)
        .map_err(|_| WebError::Refused(format!("no file can be named {name}")))?;
    if root.read(&path, LIMIT).ok().flatten().as_deref() != Some(text.as_bytes()) {
        root.write(&path, text.as_bytes())?;
    }
    Ok(())
}

/// A path as one word of the web server's configuration.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
