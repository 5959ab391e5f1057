//! Another program for the agent itself: fetched by digest, tried beside the old one, kept only if it becomes healthy.
//!
//! Expected flow: the slice names a digest; the program is fetched in pieces ([`fetch`]); when nothing else is being done the agent ends
//! its loop, starts the new program as its child and watches it ([`trial`]). A child that becomes healthy is installed and takes over the
//! very process; one that ends, hangs or does not reach the hub is given up for good, and the old program goes on. The installed program
//! is not touched before that, so a power cut in the middle starts the old one.

pub mod decide;
pub mod fetch;
pub mod memory;
pub mod trial;

pub use decide::{Decision, Input, decide};
pub use memory::UpdateFile;

use std::path::{Path, PathBuf};
use tenantry_schema::document::{Release, Sha256};

/// A program that is here and can be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its release, as the slice says.
    pub release: Release,
    /// Its digest.
    pub sha256: Sha256,
    /// Whether it must hear from the hub, because this one does.
    pub hub: bool,
}

/// The release of this program.
pub fn own_release() -> Option<Release> {
    Release::try_from(env!("CARGO_PKG_VERSION").to_owned()).ok()
}

/// Where a program of this digest is kept: beside the installed one.
pub fn place(program: &Path, release: Release, sha256: &Sha256) -> PathBuf {
    let short = sha256.as_str().get(..12).unwrap_or_default();
    let folder = program.parent().unwrap_or(Path::new("/usr/local/bin"));
    folder.join(format!("{PREFIX}{release}-{short}"))
}

/// How names of kept programs begin.
const PREFIX: &str = ".tenantry-agent-";

/// SHA-256 of a file, in hexadecimal.
///
/// # Errors
/// Where the file cannot be read.
pub fn digest_of_file(path: &Path) -> std::io::Result<String> {
    use sha2::Digest as _;
    let mut hasher = sha2::Sha256::new();
    std::io::copy(&mut std::fs::File::open(path)?, &mut hasher)?;
    Ok(hex::encode(hasher.finalize()))
}
