//! What this server should be: the accepted slice with every value in its place. Built once a slice; nothing is looked at here.

mod surroundings;

pub use surroundings::Surroundings;

use crate::accept::{Backups, Slice};
use crate::containers::desired::Wanted;
use crate::containers::spec::{self, MountedFile, Place, Rules};
use crate::containers::{InstanceInput, Logins};
use crate::files::{Access, digest};
use crate::secrets::{self, SecretFile};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tenantry_compose::{ComposeFile, OVERRIDE_FILE};
use tenantry_schema::Secret;
use tenantry_schema::document::State;
use tenantry_schema::id::InstanceName;
use tenantry_schema::name::{DomainName, RelativePath};
use tenantry_schema::wire::{FALLBACK_SITE, HostSpec, InstanceSpec, SliceRef, env_file};

/// What this server should be.
#[derive(Debug, Clone)]
pub struct Desired {
    /// The slice that says so.
    pub reference: SliceRef,
    /// `<fleet id>/<customer>/<server>`: marks what this agent keeps on the container engine.
    pub keeper: String,
    /// `host.yaml`.
    pub host: HostSpec,
    /// Everything that runs.
    pub instances: BTreeMap<InstanceName, Instance>,
    /// Everything that is reached from outside.
    pub sites: BTreeMap<DomainName, Site>,
    /// What the web server answers for other names.
    pub fallback: Option<Fallback>,
    /// Secret files of all instances.
    pub secrets: secrets::Wanted,
    /// What is backed up, if anything is.
    pub backups: Option<Backups>,
    /// How registries are logged in to.
    pub logins: Logins,
}

/// One instance.
#[derive(Debug, Clone)]
pub struct Instance {
    /// As in `host.yaml`.
    pub spec: InstanceSpec,
    /// Keyed digest of everything that it is made from.
    pub digest: String,
    /// Its files, by path in the folder of live files.
    pub files: BTreeMap<RelativePath, LiveFile>,
    /// What the container engine should run, or why that cannot be said.
    pub containers: Result<InstanceInput, String>,
}

/// A file of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveFile {
    /// Its content.
    pub data: Arc<[u8]>,
    /// Digest of it.
    pub digest: String,
}

/// One site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Whose it is.
    pub instance: InstanceName,
    /// Other names that lead to it.
    pub also: Vec<DomainName>,
    /// Loopback port of its service.
    pub port: u16,
    /// The web server's configuration.
    pub text: String,
    /// Digest of it.
    pub digest: String,
}

/// What the web server answers for names that are no site's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallback {
    /// Its place among the sites; a name that can be nobody's.
    pub host: DomainName,
    /// The web server's configuration.
    pub text: String,
    /// Digest of it.
    pub digest: String,
}

impl Fallback {
    fn of(slice: &Slice, surroundings: &Surroundings) -> Option<Self> {
        let text = surroundings.site(slice, FALLBACK_SITE)?;
        Some(Self {
            host: DomainName::try_from(FALLBACK_SITE).ok()?,
            digest: digest(text.as_bytes()),
            text,
        })
    }
}

impl Desired {
    /// What `slice` asks for.
    pub fn new(slice: Slice, surroundings: &Surroundings) -> Self {
        let (mut instances, mut sites, mut secrets) =
            (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (name, spec) in &slice.host.instances {
            for site in spec.sites.values() {
                // A missing configuration is an empty one, which the report of the site then tells.
                let text = surroundings
                    .site(&slice, site.host.as_str())
                    .unwrap_or_default();
                let digest = digest(text.as_bytes());
                sites.insert(
                    site.host.clone(),
                    Site {
                        instance: name.clone(),
                        also: site.redirect_from.clone(),
                        port: site.port,
                        text,
                        digest,
                    },
                );
            }
            let builder = Builder {
                name,
                spec,
                slice: &slice,
                surroundings,
            };
            let (instance, files) = builder.build();
            instances.insert(name.clone(), instance);
            secrets.extend(files);
        }
        let keeper = surroundings.keeper.clone();
        let fallback = Fallback::of(&slice, surroundings);
        Self {
            reference: slice.reference,
            keeper,
            host: slice.host,
            instances,
            sites,
            fallback,
            secrets,
            backups: slice.backups,
            logins: slice.logins,
        }
    }

    /// The files of all instances.
    pub fn live_files(&self) -> impl Iterator<Item = (&RelativePath, &LiveFile)> {
        self.instances.values().flat_map(|instance| &instance.files)
    }
}

/// Files of an instance, by path from its folder, for its Compose file.
struct Beside<'a> {
    instance: &'a InstanceName,
    files: &'a BTreeMap<RelativePath, LiveFile>,
}

impl tenantry_compose::Files for Beside<'_> {
    fn text(&self, path: &str) -> Option<&str> {
        let file = self
            .files
            .get(format!("{}/{path}", self.instance).as_str())?;
        std::str::from_utf8(&file.data).ok()
    }
}

/// A problem with the file and line that it stands in.
fn told(file: &str, text: &str, problem: &tenantry_compose::Problem) -> String {
    let line = tenantry_yaml::LineIndex::new(text)
        .position(problem.span.start)
        .line;
    format!("{file}:{line}: {problem}")
}

/// Makes one instance.
struct Builder<'a> {
    name: &'a InstanceName,
    spec: &'a InstanceSpec,
    slice: &'a Slice,
    surroundings: &'a Surroundings,
}

impl Builder<'_> {
    fn build(&self) -> (Instance, secrets::Wanted) {
        let (files, values) = (self.files(), self.values());
        let mut wanted = secrets::Wanted::new();
        for (name, value) in &values {
            if let Ok(path) = RelativePath::try_from(format!("{}/{name}", self.name)) {
                wanted.insert(
                    path,
                    SecretFile {
                        value: value.clone(),
                        access: Access::mode(0o600),
                    },
                );
            }
        }
        let containers = self.containers(&files, &values).and_then(|instance| {
            for file in instance.files {
                wanted.extend([self.mounted(file)?]);
            }
            Ok(instance.input)
        });
        let instance = Instance {
            spec: self.spec.clone(),
            digest: self.digest(&files, &values),
            files,
            containers,
        };
        (instance, wanted)
    }

    fn values(&self) -> BTreeMap<String, Secret> {
        self.slice
            .secrets
            .get(self.name)
            .cloned()
            .unwrap_or_default()
    }

    /// Everything of the stack but its encrypted secrets: what `docker compose` would find in the folder.
    fn files(&self) -> BTreeMap<RelativePath, LiveFile> {
        let prefix = format!("stacks/{}/", self.name);
        let mine = self
            .slice
            .files
            .iter()
            .filter_map(|(path, data)| Some((path.as_str().strip_prefix(&prefix)?, data)));
        let live = mine
            .filter(|(rest, _)| *rest != "secrets.yaml")
            .filter_map(|(rest, data)| {
                let path = RelativePath::try_from(format!("{}/{rest}", self.name)).ok()?;
                Some((
                    path,
                    LiveFile {
                        data: Arc::from(data.as_slice()),
                        digest: digest(data),
                    },
                ))
            });
        live.collect()
    }

    fn text<'f>(
        &self,
        files: &'f BTreeMap<RelativePath, LiveFile>,
        name: &str,
    ) -> Result<&'f str, String> {
        let file = files
            .get(format!("{}/{name}", self.name).as_str())
            .ok_or_else(|| format!("{name} is missing"))?;
        std::str::from_utf8(&file.data).map_err(|_| format!("{name} is not text"))
    }

    fn containers(
        &self,
        files: &BTreeMap<RelativePath, LiveFile>,
        values: &BTreeMap<String, Secret>,
    ) -> Result<spec::Instance, String> {
        let text = self.text(files, "compose.yaml")?;
        let plain =
            env_file::parse(self.text(files, ".env")?).ok_or(".env is not as the hub writes it")?;
        let lookup = |name: &str| {
            values
                .get(name)
                .map(|value| value.expose().clone())
                .or_else(|| plain.get(name).cloned())
        };
        let beside = Beside {
            instance: self.name,
            files,
        };
        let over = format!("{}/{OVERRIDE_FILE}", self.name);
        let over = files
            .contains_key(over.as_str())
            .then(|| self.text(files, OVERRIDE_FILE))
            .transpose()?;
        let file = ComposeFile::new(text, &beside);
        let file = over.map_or(file, |over| file.with_override(over));
        let project = file.load(&lookup).map_err(|problems| {
            let all: Vec<_> = problems
                .iter()
                .map(|problem| match (file.in_override(problem), over) {
                    (Some(problem), Some(over)) => told(OVERRIDE_FILE, over, &problem),
                    _ => told("compose.yaml", text, problem),
                })
                .collect();
            all.join("; ")
        })?;
        let digests = files.iter().map(|(path, file)| {
            (
                self.surroundings.live.join(path.as_str()),
                file.digest.clone(),
            )
        });
        let secrets = self.surroundings.secrets.join(self.name.as_str());
        let place = Place {
            instance: self.name.as_str(),
            keeper: &self.surroundings.keeper,
            state: match self.spec.state {
                State::Running => Wanted::Running,
                State::Stopped => Wanted::Stopped,
            },
            folder: &self.surroundings.live.join(self.name.as_str()),
            secrets: &secrets,
            // No variable is named in lower case, so the names never meet. Their content can hold secrets, too.
            configs: &secrets.join("configs"),
            digests: &digests.collect(),
            key: &self.surroundings.key,
            rules: &Rules::of(self.spec),
        };
        spec::instance(&project, &place).map_err(|error| error.to_string())
    }

    /// A file that containers mount, as a secret file.
    fn mounted(&self, file: MountedFile) -> Result<(RelativePath, SecretFile), String> {
        let inside = |path: &Path| {
            RelativePath::try_from(
                path.strip_prefix(&self.surroundings.secrets)
                    .ok()?
                    .to_str()?,
            )
            .ok()
        };
        let path = inside(&file.path)
            .ok_or_else(|| format!("{} is not where secret files are", file.path.display()))?;
        let access = Access {
            mode: file.mode,
            uid: file.uid,
            gid: file.gid,
        };
        Ok((
            path,
            SecretFile {
                value: file.content,
                access,
            },
        ))
    }

    /// Changes whenever anything that the instance is made from does.
    fn digest(
        &self,
        files: &BTreeMap<RelativePath, LiveFile>,
        values: &BTreeMap<String, Secret>,
    ) -> String {
        let mut all = serde_json::to_vec(self.spec).unwrap_or_default();
        let mut add = |part: &str| {
            all.extend((part.len() as u64).to_be_bytes());
            all.extend(part.as_bytes());
        };
        for (path, file) in files {
            add(path.as_str());
            add(&file.digest);
        }
        for (name, value) in values {
            add(name);
            add(&digest(value.expose().as_bytes()));
        }
        self.surroundings.key.file(&all)
    }
}
