//! What of a server changes besides its tools, a plain sentence each. Values of secrets are never among them: where one changes, its name is told.
//!
//! Everything that a slice is made from is taken apart here field by field, so that one which is added later does not compile before somebody
//! says what a change of it means.

mod backups;
mod machine;
mod web;

use super::Marks;
use crate::slice_input::SliceInput;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use tenantry_schema::document::{Drift, ErrorRules, Manage, RegistryLogin};
use tenantry_schema::key::PublicKeys;
use tenantry_schema::window::Window;

/// Sentences about what differs between two slices of one server.
///
/// # Errors
/// Those of `marks`.
pub(super) fn settings<E>(
    old: &SliceInput,
    new: &SliceInput,
    marks: &Marks<'_, E>,
) -> Result<Vec<String>, E> {
    let SliceInput {
        // Both sides are rendered by this program.
        renderer: _,
        fleet_id,
        // Both sides are of one server.
        server: _,
        agent,
        manage,
        window,
        drift,
        web,
        certificates,
        host,
        users,
        agent_release,
        registries,
        customer_secrets,
        backups,
        error_rules,
        // Told tool by tool.
        instances: _,
    } = old;
    let mut said = Vec::new();
    said.extend(moved("the fleet's id", fleet_id, &new.fleet_id));
    said.extend(moved("window", &hours(*window), &hours(new.window)));
    said.extend(moved("manage", &mode(*manage), &mode(new.manage)));
    said.extend(moved("drift", &remedy(*drift), &remedy(new.drift)));
    agent_keys(agent, &new.agent, &mut said);
    web::ports(web, &new.web, &mut said);
    web::certificates(
        certificates.as_deref(),
        new.certificates.as_deref(),
        &mut said,
    );
    machine::areas(host.as_deref(), new.host.as_deref(), &mut said);
    machine::users(users, &new.users, &mut said);
    machine::program(
        agent_release.as_deref(),
        new.agent_release.as_deref(),
        &mut said,
    );
    logins(registries, &new.registries, &mut said);
    if customer_secrets != &new.customer_secrets {
        let read = |file: Option<_>| Ok(file.map(marks).transpose()?.unwrap_or_default());
        let (before, after) = (read(*customer_secrets)?, read(new.customer_secrets)?);
        passwords((registries, &before), (&new.registries, &after), &mut said);
    }
    backups::all(backups.as_ref(), new.backups.as_ref(), marks, &mut said)?;
    rules(error_rules, &new.error_rules, &mut said);
    Ok(said)
}

/// `what before → after`, where the two differ.
fn differs<T: PartialEq>(
    what: &str,
    old: &T,
    new: &T,
    words: impl Fn(&T) -> String,
) -> Option<String> {
    (old != new).then(|| format!("{what} {} → {}", words(old), words(new)))
}

/// The same of what has words of its own.
fn moved<T: PartialEq + Display>(what: &str, old: &T, new: &T) -> Option<String> {
    differs(what, old, new, ToString::to_string)
}

/// What is in `some` and not in `others`, with commas. None: nothing.
fn beyond<T: Ord + Display>(some: &BTreeSet<T>, others: &BTreeSet<T>) -> Option<String> {
    let more: Vec<String> = some.difference(others).map(ToString::to_string).collect();
    (!more.is_empty()).then(|| more.join(", "))
}

/// Keys of both maps, each with its value on either side, as far as they differ.
fn differing<'m, K: Ord, V: PartialEq>(
    old: &'m BTreeMap<K, V>,
    new: &'m BTreeMap<K, V>,
) -> impl Iterator<Item = (&'m K, Option<&'m V>, Option<&'m V>)> {
    let names: BTreeSet<&K> = old.keys().chain(new.keys()).collect();
    let sides = names
        .into_iter()
        .map(|name| (name, old.get(name), new.get(name)));
    sides.filter(|(_, old, new)| old != new)
}

fn hours(window: Option<Window>) -> String {
    window.map_or_else(|| "any time".to_owned(), |window| window.to_string())
}

fn mode(manage: Manage) -> &'static str {
    match manage {
        Manage::Observe => "observe",
        Manage::Adopt => "adopt",
        Manage::Full => "full",
    }
}

fn remedy(drift: Drift) -> &'static str {
    match drift {
        Drift::Repair => "repair",
        Drift::Report => "report",
    }
}

fn agent_keys(old: &PublicKeys, new: &PublicKeys, said: &mut Vec<String>) {
    if old != new {
        said.push("another agent's keys".to_owned());
    }
}

fn logins(
    old: &BTreeMap<String, RegistryLogin>,
    new: &BTreeMap<String, RegistryLogin>,
    said: &mut Vec<String>,
) {
    for (registry, old, new) in differing(old, new) {
        said.push(match (old, new) {
            (None, Some(RegistryLogin { user, password: _ })) => {
                format!("logs in to registry {registry} as {user}")
            }
            (Some(old), Some(new)) if old.user != new.user => {
                format!(
                    "logs in to registry {registry} as {} → {}",
                    old.user, new.user
                )
            }
            (Some(old), Some(new)) => format!(
                "the password of registry {registry} is another secret: {} → {}",
                old.password.secret, new.password.secret
            ),
            (_, None) => format!("no longer logs in to registry {registry}"),
        });
    }
}

type Logins<'a> = (
    &'a BTreeMap<String, RegistryLogin>,
    &'a BTreeMap<String, String>,
);

/// Passwords of registries that are the same secret with another value.
fn passwords((old, before): Logins<'_>, (new, after): Logins<'_>, said: &mut Vec<String>) {
    for (registry, login) in new {
        let secret = &login.password.secret;
        let kept = old
            .get(registry)
            .is_some_and(|old| old.password == login.password);
        if kept && before.get(secret) != after.get(secret) {
            said.push(format!(
                "the password of registry {registry} changes (secret {secret})"
            ));
        }
    }
}

fn rules(old: &ErrorRules, new: &ErrorRules, said: &mut Vec<String>) {
    for (name, old, new) in differing(old, new) {
        said.push(match (old, new) {
            (None, _) => format!("lines of logs are told of by the new error rule {name}"),
            (_, None) => format!("lines of logs are no longer told of by error rule {name}"),
            _ => format!("error rule {name} changes"),
        });
    }
}
