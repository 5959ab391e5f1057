//! What there is to do, with everything resolved, and in which lane. Decided in [`crate::converge`], done in [`crate::execute`].

use crate::containers;
use crate::secrets::SecretFile;
use crate::web_server::Target;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use tenantry_schema::id::InstanceName;
use tenantry_schema::name::{DomainName, RelativePath, Smoke};

/// Steps of one lane are taken one after the other; lanes do not wait for each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// One instance.
    Instance(InstanceName),
    /// The files of one instance while the container engine does not answer: a step that waits for the engine in the instance's own
    /// lane must not hold them up.
    Files(InstanceName),
    /// What nothing asks for any more.
    Leftovers,
    /// The web server, which all instances share.
    Web,
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance(name) | Self::Files(name) => f.write_str(name.as_str()),
            Self::Leftovers => f.write_str("leftovers"),
            Self::Web => f.write_str("web"),
        }
    }
}

/// One thing to do. Each says what must be true afterwards.
#[derive(Debug, Clone)]
pub enum Step {
    /// The secret file holds this value.
    WriteSecret {
        /// In the folder of secret files.
        path: RelativePath,
        /// The value, and who may read it.
        file: SecretFile,
    },
    /// The secret file is gone.
    RemoveSecret {
        /// In the folder of secret files.
        path: RelativePath,
    },
    /// The ledger knows that these files are ours, so that they can be removed one day.
    OwnFiles {
        /// In the folder of live files.
        paths: BTreeSet<RelativePath>,
    },
    /// The file holds this.
    WriteFile {
        /// In the folder of live files.
        path: RelativePath,
        /// Its content.
        data: Arc<[u8]>,
        /// Whether it had been right before.
        repair: bool,
    },
    /// The file, which is ours, is gone.
    RemoveFile {
        /// In the folder of live files.
        path: RelativePath,
    },
    /// Something on the container engine.
    Container(Box<containers::Step>),
    /// The service was asked whether it works, and the ledger knows the answer.
    Smoke(SmokeStep),
    /// There is a usable certificate for the host; one of our own where nobody issued one.
    Certificate {
        /// The host.
        host: DomainName,
    },
    /// The web server serves these sites and no others, as far as it takes them.
    Publish {
        /// All sites.
        sites: BTreeMap<DomainName, Target>,
        /// Whether only what had been right before is put back.
        repair: bool,
    },
    /// The web server runs, and uses the certificates that are there.
    ReloadWebServer,
}

/// One smoke check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmokeStep {
    /// Of which instance.
    pub instance: InstanceName,
    /// What is checked, for the ledger.
    pub of: String,
    /// Host that is asked for.
    pub host: DomainName,
    /// Loopback port that is asked.
    pub port: u16,
    /// What is asked.
    pub smoke: Smoke,
}

impl Step {
    /// Whether it puts back what had been right before.
    pub fn is_repair(&self) -> bool {
        match self {
            Self::WriteFile { repair, .. } | Self::Publish { repair, .. } => *repair,
            Self::Container(step) => step.why.is_repair(),
            _ => false,
        }
    }

    /// Whether people want to hear of it.
    pub fn is_news(&self) -> bool {
        !matches!(self, Self::OwnFiles { .. } | Self::Smoke(_))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WriteSecret { path, .. } => write!(f, "write secret file {path}"),
            Self::RemoveSecret { path } => write!(f, "remove secret file {path}"),
            Self::OwnFiles { paths } => write!(f, "note {} files as ours", paths.len()),
            Self::WriteFile {
                path,
                repair: false,
                ..
            } => write!(f, "write file {path}"),
            Self::WriteFile {
                path, repair: true, ..
            } => write!(f, "put file {path} back"),
            Self::RemoveFile { path } => write!(f, "remove file {path}"),
            Self::Container(step) => step.fmt(f),
            Self::Smoke(step) => write!(f, "check http://{}{}", step.host, step.smoke.path),
            Self::Certificate { host } => write!(f, "make a certificate for {host}"),
            Self::Publish { sites, repair } => {
                let hosts: Vec<_> = sites.keys().map(DomainName::as_str).collect();
                let verb = if *repair {
                    "put back the sites"
                } else {
                    "serve"
                };
                if hosts.is_empty() {
                    f.write_str("serve no sites")
                } else {
                    write!(f, "{verb} {}", hosts.join(", "))
                }
            }
            Self::ReloadWebServer => f.write_str("start or reload the web server"),
        }
    }
}
