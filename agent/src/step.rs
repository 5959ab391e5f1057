//! What there is to do, with everything resolved, and in which lane. Decided in [`crate::converge`], done in [`crate::execute`].

use crate::certificates::authority::{Order, Question};
use crate::containers;
use crate::host::step::HostStep;
use crate::rollout::{Outcome, PutBack};
use crate::secrets::SecretFile;
use crate::web_server::Target;
use crate::web_server::logs::Rotation;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use tenantry_schema::Secret;
use tenantry_schema::document::HostArea;
use tenantry_schema::id::InstanceName;
use tenantry_schema::name::{DomainName, RelativePath, Smoke};
use tenantry_schema::wire::{Evidence, FALLBACK_SITE};

/// Steps of one lane are taken one after the other; lanes do not wait for each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// One instance.
    Instance(InstanceName),
    /// The files of one instance while the container engine does not answer: a step that waits for the engine in the instance's own
    /// lane must not hold them up.
    Files(InstanceName),
    /// One image of an instance: a registry may be slow, or not have it, and that holds up nothing else.
    Fetch(InstanceName, String),
    /// What nothing asks for any more.
    Leftovers,
    /// Images that nothing needs any more.
    Images,
    /// The web server, which all instances share.
    Web,
    /// The certificate of one site: an authority may take minutes.
    Certificate(DomainName),
    /// Logs of the web server.
    Logs,
    /// One area of the machine beneath.
    Host(HostArea),
}

impl Lane {
    /// The instance that it is about.
    pub fn instance(&self) -> Option<&InstanceName> {
        match self {
            Self::Instance(name) | Self::Files(name) | Self::Fetch(name, _) => Some(name),
            _ => None,
        }
    }

    /// Whether the tools are not as they should be while its steps are being taken. An authority's pace, logs, and the machine beneath say
    /// nothing about that.
    pub fn decides(&self) -> bool {
        !matches!(
            self,
            Self::Certificate(_) | Self::Logs | Self::Images | Self::Host(_)
        )
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance(name) | Self::Files(name) => f.write_str(name.as_str()),
            Self::Fetch(name, image) => write!(f, "{name}: image {image}"),
            Self::Leftovers => f.write_str("leftovers"),
            Self::Images => f.write_str("images"),
            Self::Web => f.write_str("web"),
            Self::Certificate(host) => write!(f, "certificate of {host}"),
            Self::Logs => f.write_str("logs"),
            Self::Host(area) => write!(f, "machine: {area}"),
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
    /// An image that we fetched, and that nothing needs any more, is gone.
    RemoveImage {
        /// Its name, as it was fetched.
        image: String,
    },
    /// Something on the container engine.
    Container(Box<containers::Step>),
    /// The service was asked whether it works, and the ledger knows the answer.
    Smoke(SmokeStep),
    /// The ledger knows something about the versions of an instance.
    Rollout(RolloutStep),
    /// There is a certificate of our own for the host and the names that lead to it.
    Certificate {
        /// The host.
        host: DomainName,
        /// The other names.
        also: Vec<DomainName>,
    },
    /// There is a certificate of an authority.
    Issue(Box<Order>),
    /// It is known when the authority wants a certificate to be renewed.
    Advice(Box<Question>),
    /// Logs are put aside, old ones are gone.
    RotateLogs(Rotation),
    /// The web server serves these sites and no others, as far as it takes them.
    Publish {
        /// All sites.
        sites: BTreeMap<DomainName, Target>,
        /// Whether only what had been right before is put back.
        repair: bool,
    },
    /// The web server runs, and uses the certificates that are there.
    ReloadWebServer,
    /// Something about the machine beneath.
    Host(Box<HostStep>),
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

/// Something that the ledger must know of a roll-out before anything else is done.
#[derive(Debug, Clone)]
pub struct RolloutStep {
    /// Of which instance.
    pub instance: InstanceName,
    /// Digest of the version that is wanted.
    pub digest: String,
    /// What must be known of it.
    pub mark: Mark,
}

/// What the ledger must know of a version.
#[derive(Debug, Clone)]
pub enum Mark {
    /// A backup is waited for before it is tried.
    Asked {
        /// How new the backup must be.
        since: Timestamp,
    },
    /// It is tried.
    Tried {
        /// Since when.
        since: Timestamp,
        /// Whether another image opens data by it.
        opens: bool,
    },
    /// It is good.
    Good {
        /// Content digest of the slice that holds it.
        content: String,
        /// What the names of its images stand for.
        images: containers::Pins,
    },
    /// It is given up.
    Rejected(Box<Rejection>),
    /// The data of before it is back: the last good version takes over.
    Restored,
}

/// A version that is given up, and where the evidence is to be found.
#[derive(Debug, Clone)]
pub struct Rejection {
    /// What happens to it.
    pub outcome: Outcome,
    /// What is known already: everything but what containers said last.
    pub evidence: Evidence,
    /// The data that is put back first.
    pub put_back: Option<PutBack>,
    /// Ids of the containers of the evidence, by service.
    pub containers: BTreeMap<String, String>,
    /// What is cut out of what they said.
    pub secrets: Vec<Secret>,
}

impl Step {
    /// The image that it fetches.
    pub fn fetched(&self) -> Option<&str> {
        match self {
            Self::Container(step) => match &step.action {
                containers::Action::EnsureImage { image, .. } => Some(image),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether it puts back what had been right before.
    pub fn is_repair(&self) -> bool {
        match self {
            Self::WriteFile { repair, .. } | Self::Publish { repair, .. } => *repair,
            Self::Container(step) => step.why.is_repair(),
            Self::Host(step) => step.repair,
            _ => false,
        }
    }

    /// Whether people want to hear that it was taken. `changed`: whether something is different since.
    pub fn is_told(&self, changed: bool) -> bool {
        let inspection = matches!(self, Self::Host(step) if step.is_inspection());
        changed && (inspection || self.is_news())
    }

    /// Whether people want to hear of it.
    pub fn is_news(&self) -> bool {
        if let Self::Host(step) = self {
            return step.is_news();
        }
        !matches!(
            self,
            Self::OwnFiles { .. }
                | Self::Smoke(_)
                | Self::Rollout(_)
                | Self::Advice(_)
                | Self::RotateLogs(_)
        )
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
            Self::RemoveImage { image } => {
                write!(f, "remove image {image}, which nothing needs any more")
            }
            Self::Container(step) => step.fmt(f),
            Self::Smoke(step) => write!(f, "check http://{}{}", step.host, step.smoke.path),
            Self::Rollout(step) => step.fmt(f),
            Self::Certificate { host, .. } => write!(f, "make a certificate for {host}"),
            Self::Issue(order) => {
                let names: Vec<_> = order.names.iter().map(DomainName::as_str).collect();
                let from = order.authority.directory.as_str();
                write!(f, "get a certificate for {} from {from}", names.join(", "))
            }
            Self::Advice(question) => write!(
                f,
                "ask when the certificate of {} is to be renewed",
                question.host
            ),
            Self::RotateLogs(_) => f.write_str("put logs of sites aside"),
            Self::Publish { sites, repair } => {
                let hosts = sites.keys().map(DomainName::as_str);
                let hosts: Vec<_> = hosts.filter(|host| *host != FALLBACK_SITE).collect();
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
            Self::Host(step) => step.fmt(f),
        }
    }
}

impl fmt::Display for RolloutStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.mark {
            Mark::Asked { .. } => f.write_str("note that a backup comes first"),
            Mark::Tried { .. } => f.write_str("note that another version is tried"),
            Mark::Good { .. } => f.write_str("note that this version is good"),
            Mark::Rejected(rejection) => {
                let then = match rejection.outcome {
                    Outcome::Back => "go back to the last good version",
                    Outcome::Held if rejection.put_back.is_some() => "put the data of before back",
                    Outcome::Held => "leave the new version to a person",
                };
                write!(f, "{then}: {}", rejection.evidence.reason)
            }
            Mark::Restored => {
                f.write_str("go back to the last good version, with the data of before")
            }
        }
    }
}
