//! The documents of `fleet/` itself, read together: what is wrong with one of them may only show beside another.

use super::{HeadDocuments, clear, forge, format, misplaced, read, read_secrets};
use crate::codes;
use crate::input::{Finder, HeadFiles};
use crate::link::people;
use crate::references;
use std::sync::Arc;
use tenantry_schema::Diagnostic;
use tenantry_schema::diagnostic::Place;
use tenantry_schema::document::{Activation, Hub, Kind, Staff, classify};

const HUB: &str = "fleet/hub.yaml";

/// Reads the documents of `fleet/` itself. None where `hub.yaml` or `staff.yaml` has errors.
pub fn head(files: &HeadFiles) -> (Option<HeadDocuments>, Vec<Diagnostic>) {
    if let Some(newer) = files.files.iter().find_map(format::newer) {
        return (None, vec![newer]);
    }
    let mut found = Vec::new();
    let (mut hub, mut staff, mut activation) = (None, None, None);
    let (mut hub_key, mut secrets) = (None, None);
    let mut unread_secrets = false;
    for file in &files.files {
        match classify(&file.path) {
            Kind::Hub => hub = read::<Hub>(file, &mut found),
            Kind::Staff => staff = read::<Staff>(file, &mut found),
            Kind::Activation => activation = read::<Activation>(file, &mut found),
            Kind::HubKey => hub_key = read_secrets(file, &mut found).map(|file| file.blob),
            Kind::HubSecrets => {
                unread_secrets = true;
                secrets = read_secrets(file, &mut found);
            }
            // A file in the place of all customers is told where they are looked for.
            Kind::Misplaced(_) if file.path == "fleet/customers" => {}
            Kind::Misplaced(expected) => found.push(misplaced(file, expected)),
            _ => {}
        }
    }
    if !files.files.iter().any(|file| file.path == HUB) {
        found.push(
            Diagnostic::error(
                codes::MISSING_FILE,
                Place::file(HUB),
                "the fleet has no `fleet/hub.yaml`",
            )
            .note("`tenantry init DIR` makes a fleet"),
        );
    }
    if let Some(hub) = &hub {
        found.extend(check_references(files, hub, staff.as_ref()));
        let names = secrets.as_ref().map(|file| &file.names);
        if names.is_some() || !unread_secrets {
            let text_of = |path: &str| text_of(files, path);
            found.extend(forge::check(hub, names, &text_of));
            found.extend(forge::named(hub, names, &text_of));
        }
    }
    if let (Some(hub), Some(activation)) = (&hub, &activation) {
        found.extend(check_activated(files, hub, activation, hub_key.is_some()));
    }
    if let Some(text) = text_of(files, HUB) {
        clear::redact(&mut found, HUB, &text);
    }
    let documents = match (hub, found.iter().any(Diagnostic::is_error)) {
        (Some(hub), false) => Some(HeadDocuments {
            hub,
            staff: staff.unwrap_or_default(),
            activation,
            hub_key,
            secrets: secrets.map(|file| file.blob),
        }),
        _ => None,
    };
    (documents, found)
}

/// What `hub.yaml` and `staff.yaml` name of each other.
fn check_references(files: &HeadFiles, hub: &Hub, staff: Option<&Staff>) -> Vec<Diagnostic> {
    let text_of = |path: &str| text_of(files, path);
    let mut found: Vec<Diagnostic> = references::prices(hub, &text_of).into_iter().collect();
    if let Some(staff) = staff {
        found.extend(references::staff(staff, &text_of));
        if let Some(host) = &hub.host {
            found.extend(people::cannot_log_in(host, HUB, staff, &text_of));
        }
    }
    found
}

fn text_of(files: &HeadFiles, path: &str) -> Option<Arc<str>> {
    let file = files.files.iter().find(|file| file.path == path)?;
    file.text.clone().ok()
}

/// What an activated fleet must have: the id it was activated with, and the key that signs slices.
fn check_activated(
    files: &HeadFiles,
    hub: &Hub,
    activation: &Activation,
    has_key: bool,
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if hub.fleet_id != activation.fleet_id {
        let place = Finder::new(&|path| text_of(files, path), HUB).place(&["fleet_id"], false);
        let message = format!("the id of the fleet was `{}`", activation.fleet_id);
        found.push(
            Diagnostic::error(codes::FLEET_ID_CHANGED, place, message)
                .label("an id never changes")
                .note("every container, DNS record and backup of this fleet is marked with its id, and agents refuse slices of another one: put it back"),
        );
    }
    let named = files
        .files
        .iter()
        .any(|file| file.path == "fleet/hub-key.yaml");
    if !has_key && !named {
        let place = Place::file("fleet/hub-key.yaml");
        found.push(
            Diagnostic::error(
                codes::MISSING_FILE,
                place,
                "the fleet has no `fleet/hub-key.yaml`",
            )
            .note("it holds the key that signs slices: take it back from Git's history"),
        );
    }
    found
}
