//! The web server in front of everything: what it serves, and how that is changed without ever serving a broken configuration.
//! Which sites and certificates there should be is decided in [`crate::converge`].

mod certified;
mod control;
pub mod ipv6;
mod loaded;
pub mod logs;
mod nginx;
mod prepare;
mod taken;
mod test_prefix;

pub use nginx::NginxServer;

use crate::certificates::{Certificate, CertificateFacts};
use crate::files::{FilesError, Root};
use jiff::Timestamp;
use logs::{Logs, Rotation};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tenantry_schema::name::DomainName;

/// What is seen of the web server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebState {
    /// Whether it runs.
    pub running: bool,
    /// Digests of the site configurations that are live, by host.
    pub sites: BTreeMap<DomainName, String>,
    /// Whether there is anything among them that is no site of ours, or something missing that they include.
    pub strays: bool,
    /// Whether certificates or sites are in place that it has not read.
    pub stale: bool,
    /// Whether sites are among them.
    pub unread: bool,
    /// Logs of sites.
    pub logs: Logs,
    /// Certificates that can be used.
    pub certificates: BTreeMap<DomainName, CertificateFacts>,
}

/// What a site should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// This configuration.
    Text(String),
    /// Whatever is live now.
    Keep,
}

/// What came of publishing: sites that could not be, and the web server's complaint about each. They stay as they were.
pub type Complaints = BTreeMap<DomainName, String>;

/// Why the web server could not be changed at all.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// A file.
    #[error("cannot write the web server's files")]
    Files(#[from] FilesError),
    /// Its own configuration does not include ours.
    #[error("{}: the line `include tenantry/sites/*.conf;` is missing inside `http {{ }}`", .0.display())]
    NotIncluded(PathBuf),
    /// It refuses its configuration for reasons that have nothing to do with a changed site.
    #[error("the web server refuses its configuration: {0}")]
    Refused(String),
    /// It cannot be started or told to read its configuration.
    #[error("cannot {what} the web server: {why}")]
    Control {
        /// `start`, `reload` or the like.
        what: &'static str,
        /// What the program says.
        why: String,
    },
}

/// A web server.
pub trait WebServer {
    /// What is there now.
    fn observe(&self) -> Result<WebState, WebError>;

    /// Folders in which every file is ours: a change in them is a reason to look again.
    fn folders(&self) -> Vec<PathBuf>;

    /// Puts a certificate in place. It is used from the next reload on.
    fn put_certificate(&self, host: &DomainName, certificate: &Certificate)
    -> Result<(), WebError>;

    /// Makes `sites` live, all that are not refused, in one step and with one reload. What is not named goes.
    fn publish(
        &self,
        sites: &BTreeMap<DomainName, Target>,
    ) -> impl Future<Output = Result<Complaints, WebError>>;

    /// The folder that it answers challenges of an authority from.
    fn challenges(&self) -> Result<Root, WebError>;

    /// Puts logs aside and removes old ones.
    fn rotate(
        &self,
        rotation: &Rotation,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), WebError>>;

    /// Makes sure that it runs, and reads certificates and sites anew if it does.
    fn reload_or_start(&self) -> impl Future<Output = Result<(), WebError>>;
}
