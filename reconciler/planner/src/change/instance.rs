//! One tool before and after.

use super::files::Files;
use super::protections::Rules;
use super::{InstanceChange, Marks, Presence, SiteChange, VolumeChange, networks, service};
use crate::object::ObjectId;
use crate::render::{self, Parts, Plaintext};
use crate::slice_input::{InstanceInput, SliceInput};
use std::collections::{BTreeMap, BTreeSet};
use tenantry_compose::{ComposeFile, OVERRIDE_FILE, Project, ProjectName};
use tenantry_schema::Secret;
use tenantry_schema::document::{EnvValue, State};
use tenantry_schema::id::{InstanceName, OrderId, ToolName};
use tenantry_schema::name::DomainName;

/// A tool as it is on one side, rendered.
pub(super) struct Side {
    order: OrderId,
    tool: ToolName,
    tree: ObjectId,
    state: State,
    has_data: bool,
    customised: bool,
    project: Result<Project, String>,
    pub(super) files: Files,
    sites: BTreeMap<DomainName, String>,
    volumes: BTreeSet<String>,
    upgrade_backup: bool,
    /// Its Compose project.
    named: Option<ProjectName>,
    rules: Rules,
}

impl Side {
    /// Renders a tool of a slice, with marks for secrets.
    pub(super) fn render<E>(
        slice: &SliceInput,
        name: &InstanceName,
        input: &InstanceInput,
        marks: &Marks<'_, E>,
    ) -> Result<Self, E> {
        let read = |file: Option<ObjectId>| Ok(file.map(marks).transpose()?.unwrap_or_default());
        let (customer, generated) = (read(slice.customer_secrets)?, read(input.secrets)?);
        let secret = |marks: &BTreeMap<String, String>| {
            let pairs = marks.iter();
            pairs
                .map(|(name, mark)| (name.clone(), Secret::new(mark.clone())))
                .collect::<BTreeMap<_, _>>()
        };
        let plaintext = Plaintext {
            customer: secret(&customer),
            generated: BTreeMap::from([(name.clone(), secret(&generated))]),
            ..Plaintext::default()
        };
        let mark = |variable: &str| match input.document.env.get(variable) {
            Some(EnvValue::Secret { secret }) => customer.get(secret).cloned(),
            _ => generated.get(variable).cloned(),
        };
        let mut side = Self {
            order: input.order.clone(),
            tool: input.tool.clone(),
            tree: input.tree,
            state: input.state,
            has_data: input.stack.has_data,
            customised: input.stack.over.is_some(),
            project: Err(String::new()),
            files: Files::default(),
            sites: BTreeMap::new(),
            volumes: BTreeSet::new(),
            upgrade_backup: input.stack.document.backup.is_some(),
            named: ProjectName::try_from(name.as_str()).ok(),
            rules: Rules::of(&input.stack.document),
        };
        match render::parts(slice, name, input, &plaintext) {
            Ok(parts) => side.take(parts, &mark),
            Err(why) => side.project = Err(why.to_string()),
        }
        Ok(side)
    }

    fn take(&mut self, parts: Parts, mark: &dyn Fn(&str) -> Option<String>) {
        let Parts {
            compose,
            variables,
            files,
            sites,
        } = parts;
        self.files = Files::new(files);
        self.sites = sites;
        let lookup = |variable: &str| variables.get(variable).cloned().or_else(|| mark(variable));
        let file = ComposeFile::new(&compose, self.files.all());
        let over = tenantry_compose::Files::text(self.files.all(), OVERRIDE_FILE);
        let file = over.map_or(file, |over| file.with_override(over));
        self.project = file.load(&lookup).map_err(|problems| {
            let first = problems.first().map(ToString::to_string);
            first.unwrap_or_else(|| "it cannot be read".to_owned())
        });
        if let (Ok(project), Some(named)) = (&self.project, &self.named) {
            // What nothing mounts is not made.
            let mounted = project.mounted_volumes();
            let volumes = project.volumes.iter();
            let volumes =
                volumes.filter(|(key, volume)| !volume.external && mounted.contains(key.as_str()));
            self.volumes = volumes
                .map(|(key, _)| project.volume_name(named, key))
                .collect();
        }
    }

    fn services(&self) -> service::Services<'_> {
        match (&self.project, &self.named) {
            (Ok(project), Some(named)) => {
                service::Services::of((named, project), &self.files, &self.rules)
            }
            _ => service::Services::default(),
        }
    }

    /// Networks that a service is in, by the engine's names.
    fn networks(&self) -> networks::Networks<'_> {
        match (&self.project, &self.named) {
            (Ok(project), Some(named)) => networks::of(named, project),
            _ => networks::Networks::new(),
        }
    }
}

/// What happens to a tool; nothing where both sides are the same in everything that counts.
pub(super) fn change(old: Option<Side>, new: Option<Side>) -> Option<InstanceChange> {
    let (presence, named) = match (&old, &new) {
        (None, Some(new)) => (Presence::Added, new),
        (Some(old), None) => (Presence::Removed, old),
        (Some(_), Some(new)) => (Presence::Kept, new),
        (None, None) => return None,
    };
    let running = |side: Option<&Side>| side.is_some_and(|side| side.state == State::Running);
    let mut change = InstanceChange {
        order: named.order.clone(),
        tool: named.tool.clone(),
        presence,
        ran: running(old.as_ref()),
        runs: None,
        version: None,
        customised: new
            .as_ref()
            .or(old.as_ref())
            .is_some_and(|side| side.customised),
        services: BTreeMap::new(),
        sites: sites(old.as_ref(), new.as_ref()),
        volumes: volumes(old.as_ref(), new.as_ref()),
        networks: BTreeSet::new(),
        at_risk: Vec::new(),
        unknown: None,
    };
    let sides = [old.as_ref(), new.as_ref()];
    change.unknown = sides
        .into_iter()
        .flatten()
        .find_map(|side| side.project.as_ref().err().cloned());
    change.services = service::compare(
        (&services(old.as_ref()), running(old.as_ref())),
        (&services(new.as_ref()), running(new.as_ref())),
        old.is_some() && new.is_some(),
    );
    if let (Some(old), Some(new)) = (&old, &new) {
        change.runs = (old.state != new.state).then_some(new.state == State::Running);
        if new.state == State::Running {
            change.networks = networks::made_anew(&old.networks(), &new.networks());
        }
        change.version = (old.tree != new.tree).then_some((old.tree, new.tree));
    }
    risks(old.as_ref(), new.as_ref(), &mut change);
    let nothing = change.presence == Presence::Kept
        && change.runs.is_none()
        && change.version.is_none()
        && change.services.is_empty()
        && change.sites.is_empty()
        && change.volumes.is_empty()
        && change.networks.is_empty()
        && change.unknown.is_none();
    (!nothing).then_some(change)
}

fn services(side: Option<&Side>) -> service::Services<'_> {
    side.map(Side::services).unwrap_or_default()
}

fn sites(old: Option<&Side>, new: Option<&Side>) -> BTreeMap<DomainName, SiteChange> {
    let none = BTreeMap::new();
    let old = old.map_or(&none, |side| &side.sites);
    let new = new.map_or(&none, |side| &side.sites);
    let mut changes = BTreeMap::new();
    for host in old.keys().chain(new.keys()) {
        let change = match (old.get(host), new.get(host)) {
            (None, Some(_)) => SiteChange::Added,
            (Some(_), None) => SiteChange::Removed,
            (Some(old), Some(new)) if old != new => SiteChange::Changed,
            _ => continue,
        };
        changes.insert(host.clone(), change);
    }
    changes
}

fn volumes(old: Option<&Side>, new: Option<&Side>) -> BTreeMap<String, VolumeChange> {
    let none = BTreeSet::new();
    let (old, new) = (
        old.map_or(&none, |side| &side.volumes),
        new.map_or(&none, |side| &side.volumes),
    );
    let created = new
        .difference(old)
        .map(|name| (name.clone(), VolumeChange::Created));
    let detached = old
        .difference(new)
        .map(|name| (name.clone(), VolumeChange::Detached));
    created.chain(detached).collect()
}

/// Data that a change touches. Nothing is deleted by any of it (law 8); what can go wrong is said.
fn risks(old: Option<&Side>, new: Option<&Side>, change: &mut InstanceChange) {
    let detached: Vec<&str> = change
        .volumes
        .iter()
        .filter(|(_, what)| **what == VolumeChange::Detached)
        .map(|(name, _)| name.as_str())
        .collect();
    if !detached.is_empty() {
        change.at_risk.push(format!(
            "{} stays on the server without its tool",
            detached.join(", ")
        ));
    }
    let (Some(_), Some(new)) = (old, new) else {
        return;
    };
    let other_image = change.services.values().any(|service| match service {
        super::ServiceChange::Replaced { why } => why
            .iter()
            .any(|why| matches!(why, super::Why::Image { .. })),
        _ => false,
    });
    if new.has_data && other_image {
        let backup = if new.upgrade_backup {
            "the stack declares a backup"
        } else {
            "the stack declares no backup"
        };
        change.at_risk.push(format!(
            "a new image opens the data of the old one ({backup})"
        ));
    }
}
