//! What `stack.yaml` points at in the Compose file: services and ports of sites, services and volumes of backups. They have to be there, also
//! with an override file on top, which may take them away.

use super::SiteName;
use super::samples::sample_port;
use super::services::Finding;
use crate::codes;
use crate::render::site_prefix;
use std::collections::BTreeMap;
use tenantry_compose::{Port, Project};
use tenantry_schema::document::{Site, Stack};

/// Where a site stands in `stack.yaml`.
pub(super) fn keys(document: &Stack, name: &SiteName) -> Vec<String> {
    match &document.site {
        Some(_) => vec!["site".to_owned()],
        None => vec!["sites".to_owned(), name.to_string()],
    }
}

/// What is not there. `exact`: the ports of `project` are those that samples were given for.
pub(super) fn check(
    document: &Stack,
    sites: &BTreeMap<SiteName, Site>,
    project: &Project,
    exact: bool,
) -> Vec<Finding> {
    let mut found = Vec::new();
    for (index, (name, site)) in sites.iter().enumerate() {
        let wrong = site_target(name, site, project, exact.then(|| sample_port(index)));
        found.extend(wrong.map(|(message, note)| Finding {
            code: codes::SITE_TARGET,
            keys: keys(document, name),
            message,
            note,
        }));
    }
    let Some(backup) = &document.backup else {
        return found;
    };
    let mut missing = Vec::new();
    for (key, database) in backup.databases() {
        let service = &database.service;
        if !project.services.contains_key(service.as_str()) {
            missing.push((key, format!("the service `{service}`")));
        }
    }
    let mounted = project.mounted_volumes();
    let mut idle = Vec::new();
    for (key, volume) in backup.named_volumes() {
        if !project.volumes.contains_key(volume) {
            missing.push((key, format!("the volume `{volume}`")));
        } else if !mounted.contains(volume) {
            idle.push((key, volume));
        }
    }
    let missing = missing.into_iter().map(|(key, what)| {
        let message = format!("the backup names {what}, which compose.yaml does not have");
        (key, message)
    });
    let idle = idle.into_iter().map(|(key, volume)| {
        let message = format!("the backup names the volume `{volume}`, which no service mounts");
        (key, message)
    });
    found.extend(missing.chain(idle).map(|(key, message)| Finding {
        code: codes::BACKUP_TARGET,
        keys: vec!["backup".to_owned(), key.to_owned()],
        message,
        note: String::new(),
    }));
    found
}

/// Variables that give the image of MongoDB a password, each also with `_FILE`.
const MONGO_PASSWORDS: [&str; 2] = [
    "MONGO_INITDB_ROOT_PASSWORD",
    "MONGO_INITDB_ROOT_PASSWORD_FILE",
];

/// Backups of MongoDB with a password: `mongorestore` is not told it by agents, so a person has to.
pub(super) fn by_hand(document: &Stack, project: &Project) -> Vec<Finding> {
    let kept = document.backup.iter().flat_map(|backup| &backup.mongodb);
    let with_password = kept.filter(|kept| {
        let service = project.services.get(kept.service.as_str());
        let named = |service: &tenantry_compose::Service| {
            let mut all = MONGO_PASSWORDS.iter();
            all.any(|name| service.environment.get(name).is_some())
        };
        kept.password.is_some() || service.is_some_and(named)
    });
    let finding = |kept: &tenantry_schema::document::Database| {
        Finding {
        code: codes::BACKUP_BY_HAND,
        keys: vec!["backup".to_owned(), "mongodb".to_owned()],
        message: format!(
            "the MongoDB `{}` has a password: no restore puts its backups back, and no drill tries them out",
            kept.service
        ),
        note: "keep its volume instead (`volumes: [{ name: ..., during: paused }]`), or put a dump back by hand with mongorestore"
            .to_owned(),
    }
    };
    with_password.map(finding).collect()
}

/// What is wrong with the service that a site points at, and a note. `port`: the one of the server that it was given.
fn site_target(
    name: &SiteName,
    site: &Site,
    project: &Project,
    port: Option<u16>,
) -> Option<(String, String)> {
    let Some(service) = project.services.get(site.service.as_str()) else {
        let message = format!(
            "the site points at the service `{}`, which compose.yaml does not have",
            site.service
        );
        let services: Vec<String> = project.services.keys().map(ToString::to_string).collect();
        let note = tenantry_yaml::suggest(&site.service, &services)
            .map(|near| format!("did you mean `{near}`?"));
        return Some((message, note.unwrap_or_default()));
    };
    let published = |there: &Port| {
        there.target == site.port
            && there
                .published
                .is_some_and(|published| port.is_none_or(|port| published == port))
            && there
                .host_ip
                .is_some_and(|address| address == std::net::Ipv4Addr::LOCALHOST)
    };
    if service.ports.iter().any(published) {
        return None;
    }
    let message = format!(
        "the service `{}` does not publish port {} for the site",
        site.service, site.port
    );
    let note = format!(
        "add to it in compose.yaml: ports: [\"127.0.0.1:${{{}_PORT}}:{}\"]",
        site_prefix(name),
        site.port
    );
    Some((message, note))
}
