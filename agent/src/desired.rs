//! What this server should be: the accepted slice with every value in its place. Built once a slice; nothing is looked at here.

use crate::accept::Slice;
use crate::config::Config;
use crate::containers::{self, InputsKey, InstanceInput};
use crate::files::digest;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tenantry_schema::Secret;
use tenantry_schema::document::State;
use tenantry_schema::id::{FleetId, InstanceName};
use tenantry_schema::name::{DomainName, RelativePath};
use tenantry_schema::wire::{HostSpec, InstanceSpec, SliceRef};

/// What this server should be.
#[derive(Debug, Clone)]
pub struct Desired {
    /// The slice that says so.
    pub reference: SliceRef,
    /// The fleet.
    pub fleet_id: FleetId,
    /// `host.yaml`.
    pub host: HostSpec,
    /// Everything that runs.
    pub instances: BTreeMap<InstanceName, Instance>,
    /// Everything that is reached from outside.
    pub sites: BTreeMap<DomainName, Site>,
    /// Secret files by instance and name.
    pub secrets: BTreeMap<InstanceName, BTreeMap<String, Secret>>,
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
    /// Loopback port of its service.
    pub port: u16,
    /// The web server's configuration.
    pub text: String,
    /// Digest of it.
    pub digest: String,
}

/// What is the same for every slice.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The fleet.
    pub fleet_id: FleetId,
    /// Folder of live files.
    pub live: PathBuf,
    /// Folder of secret files.
    pub secrets: PathBuf,
    /// Key of digests that others may see.
    pub key: InputsKey,
}

impl Surroundings {
    /// As configured; `key` must be the same for ever.
    pub fn new(config: &Config, key: InputsKey) -> Self {
        Self { fleet_id: config.fleet_id.clone(), live: config.live_folder(), secrets: config.secrets.clone(), key }
    }
}

impl Desired {
    /// What `slice` asks for.
    pub fn new(slice: Slice, surroundings: &Surroundings) -> Self {
        let mut sites = BTreeMap::new();
        for (name, spec) in &slice.host.instances {
            for site in spec.sites.values() {
                // A missing configuration is an empty one, which the report of the site then tells.
                let text = slice.files.get(format!("sites/{}.conf", site.host).as_str());
                let text = text.map_or_else(String::new, |text| String::from_utf8_lossy(text).into_owned());
                let digest = digest(text.as_bytes());
                sites.insert(site.host.clone(), Site { instance: name.clone(), port: site.port, text, digest });
            }
        }
        let instances =
            slice.host.instances.iter().map(|(name, spec)| (name.clone(), instance(&slice, name, spec, surroundings))).collect();
        Self {
            reference: slice.reference,
            fleet_id: surroundings.fleet_id.clone(),
            host: slice.host,
            instances,
            sites,
            secrets: slice.secrets,
        }
    }

    /// The files of all instances.
    pub fn live_files(&self) -> impl Iterator<Item = (&RelativePath, &LiveFile)> {
        self.instances.values().flat_map(|instance| &instance.files)
    }
}

fn instance(slice: &Slice, name: &InstanceName, spec: &InstanceSpec, surroundings: &Surroundings) -> Instance {
    let prefix = format!("stacks/{name}/");
    let mut files = BTreeMap::new();
    for (path, data) in &slice.files {
        let Some(rest) = path.as_str().strip_prefix(&prefix).filter(|rest| *rest != "secrets.yaml") else { continue };
        if let Ok(live) = RelativePath::try_from(format!("{name}/{rest}")) {
            files.insert(live, LiveFile { data: Arc::from(data.as_slice()), digest: digest(data) });
        }
    }
    let none = BTreeMap::new();
    let secrets = slice.secrets.get(name).unwrap_or(&none);
    let containers = containers_of(name, spec, &files, secrets, surroundings);
    Instance { spec: spec.clone(), digest: digest_of(spec, &files, secrets, &surroundings.key), files, containers }
}

fn containers_of(
    name: &InstanceName,
    spec: &InstanceSpec,
    files: &BTreeMap<RelativePath, LiveFile>,
    secrets: &BTreeMap<String, Secret>,
    surroundings: &Surroundings,
) -> Result<InstanceInput, String> {
    todo!()
}

/// Changes whenever anything that the instance is made from does.
fn digest_of(
    spec: &InstanceSpec,
    files: &BTreeMap<RelativePath, LiveFile>,
    secrets: &BTreeMap<String, Secret>,
    key: &InputsKey,
) -> String {
    let mut all = serde_json::to_vec(spec).unwrap_or_default();
    let mut add = |part: &str| {
        all.extend((part.len() as u64).to_be_bytes());
        all.extend(part.as_bytes());
    };
    for (path, file) in files {
        add(path.as_str());
        add(&file.digest);
    }
    for (name, value) in secrets {
        add(name);
        add(&digest(value.expose().as_bytes()));
    }
    key.file(&all)
}

/// Variables as they stand in an `.env` file that the hub wrote: `NAME=value` a line, values taken as they are.
fn dotenv(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('=')).map(|(name, value)| (name.trim().to_owned(), value.to_owned())).collect()
}
