//! The whole file: the typed project, the source before interpolation, and the entry points of the crate.

use crate::assemble::assemble;
use crate::files::ComposeFile;
use crate::interpolate::{self, Values, VariableUse};
use crate::mount::MountKind;
use crate::names::{ConfigName, NetworkName, ProjectName, SecretName, ServiceName, VolumeName};
use crate::parts::{self, FileSource, Network, Volume};
use crate::port::Port;
use crate::reader::{At, Cx, is_opaque};
use crate::service::Service;
use crate::texts::Texts;
use crate::{keys, order, references, service_read};
use std::collections::{BTreeMap, BTreeSet};
use tenantry_yaml::{Limits, Node, Problem, parse_partial};

/// Most services of one file; what they refer to is compared pair by pair.
const MAX_SERVICES: usize = 256;

/// A Compose file with nothing left to interpolate and every reference resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// The top-level `name`, if there is one.
    pub name: Option<ProjectName>,
    /// Services that run: those of inactive profiles are left out.
    pub services: BTreeMap<ServiceName, Service>,
    /// With `default` if a service uses it.
    pub networks: BTreeMap<NetworkName, Network>,
    /// Named volumes.
    pub volumes: BTreeMap<VolumeName, Volume>,
    /// Secrets.
    pub secrets: BTreeMap<SecretName, FileSource>,
    /// Configs.
    pub configs: BTreeMap<ConfigName, FileSource>,
}

/// A Compose file before interpolation: its tree and its variables.
#[derive(Debug, Clone)]
pub struct Source {
    text: String,
    root: Node,
}

impl Source {
    /// The tree; its places are those of the text.
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// Names of services with their trees, in document order.
    pub fn services(&self) -> impl Iterator<Item = (&str, &Node)> {
        let services = self.root.get("services").and_then(Node::as_mapping);
        services
            .unwrap_or_default()
            .iter()
            .filter_map(|(key, value)| Some((key.as_str()?, value)))
    }

    /// All variables; see [`interpolate::variables`].
    pub fn variables(&self) -> Vec<VariableUse> {
        interpolate::variables(&self.root, &self.text)
    }
}

impl Project {
    /// Those of `volumes` that a service mounts.
    pub fn mounted_volumes(&self) -> BTreeSet<&str> {
        let mounts = self.services.values().flat_map(|service| &service.volumes);
        let named = mounts.filter_map(|mount| match &mount.kind {
            MountKind::Volume { name, .. } => name.as_ref(),
            _ => None,
        });
        named.map(VolumeName::as_str).collect()
    }

    /// Parses without values: the tree for tools that need it, and what is wrong with the file whatever the
    /// variables are (everything that [`check`] finds when all variables are known).
    pub fn parse(text: &str) -> (Option<Source>, Vec<Problem>) {
        let (root, _) = parse_partial(text, &Limits::compose());
        let source = root.map(|root| Source {
            text: text.to_owned(),
            root,
        });
        (source, check(text, &|_| true))
    }

    /// Interpolates and types a file. `lookup` gives the value of a variable; one that has none and no default is a
    /// problem. Of the services with profiles those run whose profile [`crate::PROFILES`] names. Files beside it: [`ComposeFile`].
    pub fn load(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, Vec<Problem>> {
        ComposeFile::alone(text).load(lookup)
    }

    /// Like [`Project::load`], with active profiles.
    pub fn load_with(
        text: &str,
        lookup: &dyn Fn(&str) -> Option<String>,
        profiles: &[&str],
    ) -> Result<Self, Vec<Problem>> {
        ComposeFile::alone(text).load_with(lookup, profiles)
    }

    /// The services in the order of their start: each wave needs only what is in earlier ones.
    pub fn start_order(&self) -> Vec<Vec<&ServiceName>> {
        order::waves(&self.services)
    }

    /// What the engine calls a network of the project.
    pub fn network_name(&self, project: &ProjectName, key: &NetworkName) -> String {
        match self.networks.get(key) {
            Some(network) => network.full_name(project, key),
            None => project.network(key),
        }
    }

    /// What the engine calls a volume of the project.
    pub fn volume_name(&self, project: &ProjectName, key: &VolumeName) -> String {
        match self.volumes.get(key) {
            Some(volume) => volume.full_name(project, key),
            None => project.volume(key),
        }
    }
}

/// Every port of the server that the project asks for, with its service.
pub fn published_ports(project: &Project) -> impl Iterator<Item = (&ServiceName, &Port)> {
    project
        .services
        .iter()
        .flat_map(|(name, service)| service.ports.iter().map(move |port| (name, port)))
        .filter(|(_, port)| port.published.is_some())
}

/// Checks a file whose values are not there yet. `known` says whether a variable has a source.
///
/// A variable without a source and without a default is a problem. Where a default is written the file is checked
/// with it. Any other value is opaque: every field takes it as fitting (`"127.0.0.1:${SITE_PORT}:80"` is read as if
/// a port above 20000 stood there), so no problem is reported that a fitting value would cure.
pub fn check(text: &str, known: &dyn Fn(&str) -> bool) -> Vec<Problem> {
    outline(text, known).1
}

/// Like [`check`], with the project as far as it is known; profiles are all active. Texts hold
/// [`crate::template::OPAQUE`] where a value will be.
pub fn outline(text: &str, known: &dyn Fn(&str) -> bool) -> (Option<Project>, Vec<Problem>) {
    ComposeFile::alone(text).outline(known)
}

pub(crate) fn read(
    file: &ComposeFile<'_>,
    values: &Values<'_>,
    profiles: &[&str],
) -> (Option<Project>, Vec<Problem>) {
    let assembly = assemble(file, values);
    let mut problems = assembly.problems;
    let mut project = None;
    if let Some(root) = &assembly.root {
        let typed = type_tree(file, root, &assembly.text, values, profiles);
        problems.extend(typed.problems);
        project = typed.project;
    }
    let mut problems = assembly.text.settle(problems);
    problems.sort_by(|a, b| (a.span, &a.message).cmp(&(b.span, &b.message)));
    // An alias is read once at each of its places.
    problems.dedup_by(|a, b| a.span == b.span && a.message == b.message);
    (project, problems)
}

/// What comes of a tree.
pub(crate) struct Typed {
    pub(crate) project: Option<Project>,
    pub(crate) problems: Vec<Problem>,
    /// Files that services take variables from.
    pub(crate) referred: BTreeSet<String>,
}

pub(crate) fn type_tree(
    file: &ComposeFile<'_>,
    root: &Node,
    text: &Texts,
    values: &Values<'_>,
    profiles: &[&str],
) -> Typed {
    let cx = Cx::new(&text.all, values, file.files);
    let at = At {
        cx: &cx,
        node: root,
        key: None,
        path: String::new(),
    };
    let project = typed(&at, profiles);
    Typed {
        project,
        problems: cx.problems.into_inner(),
        referred: cx.referred.into_inner(),
    }
}

fn typed(at: &At<'_>, profiles: &[&str]) -> Option<Project> {
    let top = at.fields(keys::TOP, keys::TOP_REFUSED)?;
    let mut project = Project {
        name: None,
        services: BTreeMap::new(),
        networks: BTreeMap::new(),
        volumes: BTreeMap::new(),
        secrets: BTreeMap::new(),
        configs: BTreeMap::new(),
    };
    if let Some(name) = top.get("name")
        && let Some(text) = name.text().filter(|text| !is_opaque(text))
    {
        project.name = ProjectName::try_from(text)
            .map_err(|error| name.invalid(error.to_string()))
            .ok();
    }
    if let Some(version) = top.get("version") {
        version.text();
    }
    project.networks = named(top.get("networks"), |at| Some(parts::network(at)));
    project.volumes = named(top.get("volumes"), |at| Some(parts::volume(at)));
    project.secrets = named(top.get("secrets"), |at| parts::file_source(at, false));
    project.configs = named(top.get("configs"), |at| parts::file_source(at, true));
    let Some(services) = top.get("services") else {
        at.invalid_with(
            "the file has no `services`",
            "add `services:` with at least one service",
        );
        return None;
    };
    let count = services.node.as_mapping().map_or(0, <[_]>::len);
    if count > MAX_SERVICES {
        services.invalid(format!(
            "{count} services, at most {MAX_SERVICES} are possible"
        ));
        return None;
    }
    project.services = named(Some(services), service_read::read);
    references::check(&top, services, &project);
    order::check(services, &project.services);
    let all = profiles.contains(&"*");
    if !all {
        references::check_profiles(services, &project.services, profiles);
        project
            .services
            .retain(|_, service| service.is_active(profiles));
    }
    if let Ok(default) = NetworkName::try_from("default")
        && project
            .services
            .values()
            .any(|service| service.networks.contains_key(&default))
    {
        project.networks.entry(default).or_default();
    }
    Some(project)
}

fn named<'a, N, T>(at: Option<&At<'a>>, read: impl Fn(&At<'a>) -> Option<T>) -> BTreeMap<N, T>
where
    N: Ord + for<'t> TryFrom<&'t str, Error = crate::names::BadName>,
{
    let mut found = BTreeMap::new();
    for (name, span, at) in at.and_then(At::entries).unwrap_or_default() {
        let value = read(&at);
        match (N::try_from(name), value) {
            (Ok(name), Some(value)) => {
                found.insert(name, value);
            }
            (Ok(_), None) => {}
            (Err(error), _) => at.report(Problem::invalid(span, error.to_string())),
        }
    }
    found
}
