//! What is said of a commit, in the order in which people read it, and at each error what stays as it is because of it.

use super::catalogue::Catalogues;
use super::customers::{self, Outcome};
use super::head::Head;
use super::{agents, shared};
use crate::git::{GitError, Objects, Oid};
use std::collections::BTreeMap;
use tenantry_planner::documents::HeadDocuments;
use tenantry_planner::explain::short;
use tenantry_planner::removal::Removal;
use tenantry_planner::status::FrozenScope;
use tenantry_planner::{codes, policy, references};
use tenantry_schema::Diagnostic;
use tenantry_schema::diagnostic::Place;

/// What was found in a commit.
pub(super) struct Found<'a> {
    pub(super) head: &'a Head,
    /// Settings that customers were resolved against.
    pub(super) documents: &'a HeadDocuments,
    pub(super) catalogues: &'a Catalogues,
    pub(super) outcome: &'a Outcome,
    /// What is wrong with documents of customers.
    pub(super) of_customers: Vec<Diagnostic>,
    pub(super) removals: &'a [Removal],
    /// The commit before which it is not known what was held back.
    pub(super) since: Option<Oid>,
    /// What is wrong with `.sops.yaml`.
    pub(super) rules: &'a [Diagnostic],
}

/// Everything that is to be said. `tree` is the root, `fleet` the folder of that name.
pub(super) fn diagnose(
    objects: &Objects,
    (tree, fleet): (Oid, Oid),
    found: Found<'_>,
) -> Result<Vec<Diagnostic>, GitError> {
    let outcome = found.outcome;
    let text_of = |path: &str| customers::text_of(objects, tree, path);
    let mut said = without_customers(found.head, found.catalogues);
    said.extend(of_customers(found.of_customers, outcome));
    said.extend(agents::diagnose(&outcome.taken, &text_of));
    said.extend(found.since.map(not_known_before));
    let held_back = found.removals.iter().filter(|removal| removal.is_held());
    said.extend(held_back.map(|removal| removal.diagnose(&text_of)));
    let customers = outcome
        .customers
        .keys()
        .chain(&outcome.broken)
        .chain(outcome.unread.keys())
        .cloned()
        .collect();
    let catalogue = found.catalogues.catalogue();
    let known = references::Known {
        hub: &found.documents.hub,
        catalogue: &catalogue,
        customers: &customers,
    };
    said.extend(references::hub(known, &text_of));
    said.extend(policy::check(known, &text_of));
    said.extend(shared::check(objects, fleet, known)?);
    said.extend_from_slice(found.rules);
    Ok(said)
}

/// What is to be said of the fleet itself, its stacks and templates.
pub(super) fn without_customers(head: &Head, catalogues: &Catalogues) -> Vec<Diagnostic> {
    of_the_fleet(head)
        .chain(of_the_catalogue(catalogues.diagnostics()))
        .collect()
}

/// What is wrong with the documents of `fleet/` itself, with what stays as it is because of it.
fn of_the_fleet(head: &Head) -> impl Iterator<Item = Diagnostic> {
    head.diagnostics.iter().cloned().map(|found| {
        if !found.is_error() {
            return found;
        }
        found.note(match head.stays_at {
            Some(commit) => format!(
                "the whole fleet stays at commit {} (last good): nothing new is decided or published",
                short(&commit.to_string())
            ),
            None => "the fleet was never good: nothing is done".to_owned(),
        })
    })
}

/// What is wrong with stacks and templates, with what stays as it is because of it.
fn of_the_catalogue(found: impl Iterator<Item = Diagnostic>) -> impl Iterator<Item = Diagnostic> {
    found.map(|found| {
        let stays = match found.place.file.split('/').collect::<Vec<_>>().as_slice() {
            _ if !found.is_error() => None,
            ["stacks", tool, _, ..] => Some(format!(
                "tools that run {tool} stay at their versions; new ones wait"
            )),
            ["nginx", ..] => Some("sites stay as they are; new ones wait".to_owned()),
            _ => None,
        };
        match stays {
            Some(note) => found.note(note),
            None => found,
        }
    })
}

/// What is wrong with documents of customers, with what stays as it is because of it.
fn of_customers(mut found: Vec<Diagnostic>, outcome: &Outcome) -> Vec<Diagnostic> {
    let frozen = &outcome.frozen;
    let by_id: BTreeMap<&str, &FrozenScope> = frozen
        .iter()
        .filter_map(|scope| Some((scope.customer.as_ref()?.as_str(), scope)))
        .collect();
    let good = outcome.customers.len() + outcome.unread.len();
    let others = (good
        + frozen
            .iter()
            .filter(|scope| scope.stays_at.is_none())
            .count())
    .saturating_sub(frozen.len());
    for diagnostic in found.iter_mut().filter(|diagnostic| diagnostic.is_error()) {
        let mut parts = diagnostic.place.file.split('/').skip(2);
        let Some((id, scope)) = parts.next().and_then(|id| by_id.get_key_value(id)) else {
            continue;
        };
        let rest = match others {
            0 => String::new(),
            1 => "; the other customer is not affected".to_owned(),
            n => format!("; {n} other customers are not affected"),
        };
        diagnostic.notes.push(match &scope.stays_at {
            Some(commit) => format!(
                "customer {id} stays at commit {} (last good){rest}",
                short(commit)
            ),
            None => format!("customer {id} was never good: nothing is done for it{rest}"),
        });
    }
    found
}

/// What is said where removals before a commit may be held back.
fn not_known_before(commit: Oid) -> Diagnostic {
    let commit = commit.to_string();
    let message = format!(
        "what `policy.max_removed` held back before commit {} is not known here",
        short(&commit)
    );
    let place = Place::file("fleet/hub.yaml");
    Diagnostic::warning(codes::TOO_MUCH_GOES, place, message).note(
        "the history is long, and this command looks at its newest part; a hub looks at all of it",
    )
}
