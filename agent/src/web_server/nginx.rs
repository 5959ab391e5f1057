//! nginx: files in `tenantry/` beside its configuration, tested before they go live.
//!
//! ```text
//! <folder>/nginx.conf                        holds `include tenantry/sites/*.conf;` (relative, or the test would read what is live)
//! <folder>/tenantry/sites                 -> sets/<digest>       moved in one step
//! <folder>/tenantry/sets/<digest>/<host>.conf
//! <folder>/tenantry/certificates/<host>   -> .sets/<host>-<digest>
//! <folder>/tenantry/certificates/.sets/<host>-<digest>/{fullchain.pem,privkey.pem}
//! <folder>/tenantry/certificates/.loaded      which of them nginx has read
//! <folder>/tenantry/acme/root.conf            says where challenges are answered from
//! <folder>/tenantry/challenges/.well-known/acme-challenge/<token>
//! <folder>/tenantry/logging/<host>.conf       says where the site is logged
//! <folder>/tenantry/test/                    what `nginx -t` reads
//! ```

use super::certified::{self, Known};
use super::control::Controller;
use super::logs::{self, Rotation};
use super::prepare::Surroundings;
use super::{Complaints, Target, WebError, WebServer, WebState, loaded, test_prefix};
use crate::certificates::memory::MemoryFile;
use crate::certificates::{Certificate, desk};
use crate::config::{Control, Nginx};
use crate::files::{DigestCache, FilesError, Root, digest};
use jiff::Timestamp;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tenantry_schema::name::{DomainName, RelativePath};

/// Longest site configuration and certificate.
const LIMIT: u64 = 1 << 20;
/// The line without which our sites are not served.
const INCLUDE: &str = "include tenantry/sites/*.conf;";

/// nginx.
#[derive(Debug)]
pub struct NginxServer {
    nginx: Nginx,
    controller: Controller,
    cache: RefCell<DigestCache>,
    known: RefCell<Known>,
}

/// Texts of sites by host.
type Sites = BTreeMap<DomainName, String>;

impl NginxServer {
    /// The nginx with this configuration.
    pub fn new(nginx: Nginx) -> Self {
        Self {
            controller: Controller::new(nginx.clone()),
            nginx,
            cache: RefCell::default(),
            known: RefCell::default(),
        }
    }

    /// Where relative names in the configuration lead.
    fn folder(&self) -> &Path {
        self.nginx.configuration.parent().unwrap_or(Path::new("/"))
    }

    fn ours(&self) -> PathBuf {
        self.folder().join("tenantry")
    }

    /// Ends what orders of certificates left behind whose agent was killed. Only while none is worked on.
    ///
    /// # Errors
    /// Where a file cannot be read or removed.
    pub fn tidy(&self, memory: &mut MemoryFile) -> Result<(), FilesError> {
        let challenges = self.surroundings().challenges();
        let challenges = challenges.is_dir().then(|| Root::public(&challenges));
        let folder = self.ours().join("certificates");
        desk::tidy(memory, challenges.transpose()?.as_ref(), |host| {
            certified::key(&folder, host)
        })
    }

    fn surroundings(&self) -> Surroundings {
        Surroundings::new(self.ours(), self.nginx.logs())
    }

    /// Makes sure that nginx would see our sites. Where there is no configuration at all, and nobody else runs nginx, one is written.
    fn check_included(&self) -> Result<(), WebError> {
        let path = &self.nginx.configuration;
        let there = path.try_exists().map_err(|error| FilesError::Io {
            path: path.clone(),
            error: rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO),
        })?;
        if !there && self.nginx.control == Control::Direct {
            let root = Root::public(self.folder())?;
            let name = path
                .file_name()
                .and_then(|name| RelativePath::try_from(name.to_str()?).ok());
            let text = MINIMAL.replace("{folder}", &self.folder().display().to_string());
            return Ok(root.write(
                &name.ok_or_else(|| WebError::NotIncluded(path.clone()))?,
                text.as_bytes(),
            )?);
        }
        let mut files = vec![path.clone()];
        files.extend(
            std::fs::read_dir(self.folder().join("conf.d"))
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path()),
        );
        let included = |file: &PathBuf| {
            std::fs::read_to_string(file)
                .is_ok_and(|text| text.lines().any(|line| line.trim().starts_with(INCLUDE)))
        };
        if files.iter().any(included) {
            Ok(())
        } else {
            Err(WebError::NotIncluded(path.clone()))
        }
    }

    fn live(&self) -> Result<Sites, WebError> {
        let folder = self.ours().join("sites");
        if !folder.is_dir() {
            return Ok(Sites::new());
        }
        let root = Root::public(&folder)?;
        let mut sites = Sites::new();
        for path in root.list()?.into_keys() {
            let Some(host) = host_of(&path) else { continue };
            match root.read(&path, LIMIT) {
                Ok(Some(text)) => {
                    sites.insert(host, String::from_utf8_lossy(&text).into_owned());
                }
                // A site whose text is not known would be taken down where it is to be kept.
                Err(error @ FilesError::Io { .. }) => return Err(error.into()),
                Ok(None) | Err(_) => {}
            }
        }
        Ok(sites)
    }

    /// Writes a set of sites beside the live one and asks nginx about it.
    async fn stage(&self, sites: &Sites) -> Result<Result<RelativePath, String>, WebError> {
        let root = Root::public(&self.ours())?;
        Root::private(&self.ours().join("certificates"))?;
        self.surroundings().prepare(sites.keys())?;
        let set = set_of(sites);
        let folder = Root::public(&self.ours().join(set.as_str()))?;
        for path in folder.list()?.into_keys() {
            if host_of(&path).is_none_or(|host| !sites.contains_key(&host)) {
                folder.remove(&path)?;
            }
        }
        for (host, text) in sites {
            let path = file_of(host);
            // A set that is live already, and was edited by somebody, is mended here.
            if folder.read(&path, LIMIT).ok().flatten().as_deref() != Some(text.as_bytes()) {
                folder.write(&path, text.as_bytes())?;
            }
        }
        let prefix = root.path().join("test");
        let configuration = test_prefix::make(
            &prefix,
            self.folder(),
            &self.nginx.configuration,
            folder.path(),
        )?;
        let real = |text: String| {
            text.replace(&format!("{}/", prefix.display()), "")
                .replace(&folder.path().display().to_string(), "tenantry/sites")
        };
        Ok(self
            .controller
            .test(&configuration)
            .await
            .map(|()| set)
            .map_err(real))
    }

    /// The target as far as nginx takes it, staged, and the complaints about the rest.
    async fn acceptable(
        &self,
        target: &BTreeMap<DomainName, Target>,
        live: &Sites,
    ) -> Result<(RelativePath, Complaints), WebError> {
        let text = |host: &DomainName, target: &Target| match target {
            Target::Text(text) => Some(text.clone()),
            Target::Keep => live.get(host).cloned(),
        };
        let wanted: Sites = target
            .iter()
            .filter_map(|(host, target)| Some((host.clone(), text(host, target)?)))
            .collect();
        let Err(complaint) = self.stage(&wanted).await? else {
            return Ok((set_of(&wanted), Complaints::new()));
        };
        // One at a time, onto what is live of those that stay.
        let mut sites: Sites = live
            .iter()
            .filter(|(host, _)| target.contains_key(*host))
            .map(|(host, text)| (host.clone(), text.clone()))
            .collect();
        if self.stage(&sites).await?.is_err() {
            sites.clear();
            if self.stage(&sites).await?.is_err() {
                return Err(WebError::Refused(complaint));
            }
        }
        let mut complaints = Complaints::new();
        for (host, text) in wanted {
            if sites.get(&host) == Some(&text) {
                continue;
            }
            let before = sites.insert(host.clone(), text);
            if let Err(complaint) = self.stage(&sites).await? {
                complaints.insert(host.clone(), complaint);
                match before {
                    Some(before) => sites.insert(host, before),
                    None => sites.remove(&host),
                };
            }
        }
        self.stage(&sites)
            .await?
            .map(|set| (set, complaints))
            .map_err(WebError::Refused)
    }

    fn pointer(&self) -> Option<RelativePath> {
        std::fs::read_link(self.ours().join("sites"))
            .ok()?
            .to_str()
            .and_then(|target| target.try_into().ok())
    }
}

impl WebServer for NginxServer {
    fn observe(&self) -> Result<WebState, WebError> {
        let mut state = WebState {
            running: self.controller.running(),
            ..WebState::default()
        };
        let folder = self.ours().join("sites");
        if folder.is_dir() {
            let root = Root::public(&folder)?;
            for (path, digest) in self.cache.borrow_mut().digests(&root, LIMIT)? {
                match (host_of(&path), digest) {
                    (Some(host), Some(digest)) => drop(state.sites.insert(host, digest)),
                    _ => state.strays = true,
                }
            }
        }
        state.strays |= !state.sites.is_empty() && !self.surroundings().is_ready();
        let folder = self.ours().join("certificates");
        state.stale = loaded::is_stale(&folder);
        state.unread = loaded::is_forgotten(&folder);
        state.logs = logs::list(&self.nginx.logs());
        state.certificates = self.known.borrow_mut().facts(&folder)?;
        Ok(state)
    }

    fn folders(&self) -> Vec<PathBuf> {
        let ours = self.ours();
        let certificates = ours.join("certificates");
        let hosts = std::fs::read_dir(&certificates)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path());
        let linked = hosts
            .chain([ours.join("sites")])
            .filter_map(|link| link.canonicalize().ok());
        linked
            .chain([ours.clone(), certificates.clone()])
            .filter(|folder| folder.is_dir())
            .collect()
    }

    fn put_certificate(
        &self,
        host: &DomainName,
        certificate: &Certificate,
    ) -> Result<(), WebError> {
        certified::put(&self.ours().join("certificates"), host, certificate)
    }

    async fn publish(&self, target: &BTreeMap<DomainName, Target>) -> Result<Complaints, WebError> {
        self.check_included()?;
        let (live, before) = (self.live()?, self.pointer());
        let (set, complaints) = self.acceptable(target, &live).await?;
        let root = Root::public(&self.ours())?;
        let sites = RelativePath::try_from("sites").expect("a plain name");
        loaded::forget(&self.ours().join("certificates"))?;
        root.point(&sites, &set)?;
        if let Err(error) = self.reload_or_start().await {
            if let Some(before) = before.as_ref().filter(|before| **before != set) {
                root.point(&sites, before)?;
                let _ = self.reload_or_start().await;
            }
            return Err(error);
        }
        remove_old_sets(&root, [Some(&set), before.as_ref()])?;
        Ok(complaints)
    }

    fn challenges(&self) -> Result<Root, WebError> {
        Ok(Root::public(&self.surroundings().challenges())?)
    }

    async fn rotate(&self, rotation: &Rotation, now: Timestamp) -> Result<(), WebError> {
        logs::rotate(&self.nginx.logs(), rotation, now)?;
        if rotation.reopen && self.controller.running() {
            self.controller.reopen().await?;
        }
        Ok(())
    }

    async fn reload_or_start(&self) -> Result<(), WebError> {
        let certificates = self.ours().join("certificates");
        // Looked at before: what is put in place meanwhile may be read or not.
        let present = loaded::present(&certificates);
        if self.controller.running() {
            self.controller.reload().await?;
        } else {
            self.controller.start().await?;
        }
        loaded::mark(&certificates, &present)
    }
}

/// Removes all sets of sites but these.
fn remove_old_sets(root: &Root, keep: [Option<&RelativePath>; 2]) -> Result<(), WebError> {
    for path in root.list()?.into_keys() {
        let Some((set, _)) = path
            .as_str()
            .strip_prefix("sets/")
            .and_then(|rest| rest.split_once('/'))
        else {
            continue;
        };
        let set = format!("sets/{set}");
        if !keep.iter().flatten().any(|kept| kept.as_str() == set) {
            root.remove(&path)?;
        }
    }
    Ok(())
}

/// The name of a set of sites: the same for the same sites.
fn set_of(sites: &Sites) -> RelativePath {
    let mut all = String::new();
    for (host, text) in sites {
        let _ = writeln!(all, "{host} {}", digest(text.as_bytes()));
    }
    RelativePath::try_from(format!("sets/{}", &digest(all.as_bytes())[..16])).expect("a plain name")
}

fn file_of(host: &DomainName) -> RelativePath {
    RelativePath::try_from(format!("{host}.conf")).expect("a domain is a plain name")
}

fn host_of(path: &RelativePath) -> Option<DomainName> {
    DomainName::try_from(path.as_str().strip_suffix(".conf")?).ok()
}

/// For servers where nothing else uses nginx.
const MINIMAL: &str = "# Written by tenantry-agent because there was none. Change it as you like, but keep the include.
worker_processes auto;
pid {folder}/nginx.pid;
error_log {folder}/error.log;

events {}

http {
    access_log off;
    server_tokens off;
    server_names_hash_bucket_size 256;
    include tenantry/sites/*.conf;
}
";
