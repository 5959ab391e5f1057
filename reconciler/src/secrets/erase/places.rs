//! Where a person is who asks to be forgotten: in files, in history, and outside of the repository; and what becomes of each.

use super::Survey;
use crate::secrets::person_keys::REFERENCE;
use crate::secrets::{SecretsError, Target, WorkTree};
use crate::store::HISTORY_PER_SERVER;
use serde::Serialize;
use std::path::Path;
use tenantry_schema::document::{Customer, Hub, Kind, Order, Tool, classify};
use tenantry_schema::id::CustomerId;

/// What happens to the data in a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It is destroyed, or was already.
    Destroyed,
    /// Accounting law keeps it.
    KeptByLaw,
    /// A person has to see to it.
    ByHand,
    /// It holds ids only, or this release has no such place.
    Nothing,
}

/// A place where the person may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Which.
    pub place: String,
    /// What happens to it.
    pub fate: Fate,
    /// Why, or how.
    pub why: String,
}

fn place(place: impl Into<String>, fate: Fate, why: impl Into<String>) -> Place {
    Place {
        place: place.into(),
        fate,
        why: why.into(),
    }
}

/// Every place where the person is or could be. `files` are those of the customer.
pub(super) fn all(
    tree: &WorkTree,
    survey: &Survey,
    files: &[String],
    data: Option<&Path>,
) -> Result<Vec<Place>, SecretsError> {
    let customer = &survey.customer;
    let mut places = vec![match &survey.key {
        Some(_) => place(
            format!("{REFERENCE}: {customer}.yaml"),
            Fate::Destroyed,
            "the key of the personal data; without it no version can be read",
        ),
        None => match survey.destroyed.last() {
            Some(last) => place(
                format!("{REFERENCE}: {customer}.yaml"),
                Fate::Destroyed,
                format!(
                    "the key of the personal data: it was destroyed on {}",
                    last.at.strftime("%Y-%m-%d")
                ),
            ),
            None => place(
                format!("{REFERENCE}: {customer}.yaml"),
                Fate::Nothing,
                "there is no key",
            ),
        },
    }];
    if survey.present {
        places.push(place(
            Target::Person(customer.clone()).path(),
            Fate::Destroyed,
            "the file is removed",
        ));
    }
    let sealed = survey.versions - survey.readable.len();
    if sealed > 0 {
        let why = format!(
            "{sealed} encrypted to that key alone: unreadable in this and every other clone"
        );
        places.push(place(
            "Git's history: versions of person.yaml",
            Fate::Destroyed,
            why,
        ));
    }
    for commit in &survey.readable {
        let why = "that version was encrypted to other keys, or not at all: it can be read until history is rewritten (`git filter-repo`) in every clone";
        places.push(place(
            format!(
                "Git's history: person.yaml of commit {}",
                &commit[..commit.len().min(12)]
            ),
            Fate::ByHand,
            why,
        ));
    }
    for path in files {
        places.extend(in_file(tree, path));
    }
    places.extend(acknowledged(tree, customer)?);
    let backups = backups(tree, customer, files)?;
    let is_override = |path: &String| matches!(classify(path), Kind::Override(..));
    let branded = |path: &String| {
        matches!(classify(path), Kind::Customer(_))
            && crate::secrets::rules::document::<Customer>(tree, path)
                .is_ok_and(|found| found.is_some_and(|it| it.brand.name.is_some()))
    };
    let typed = files
        .iter()
        .any(|path| is_override(path) || branded(path) || typed(tree, path).is_some());
    let slices = slices(customer, data, typed);
    let remote = tree.remote();
    places.extend(elsewhere(remote.as_deref(), data, slices, backups));
    Ok(places)
}

/// What people typed into an order that goes into tools as it stands. None: nothing.
fn typed(tree: &WorkTree, path: &str) -> Option<String> {
    let Kind::Order(..) = classify(path) else {
        return None;
    };
    let Ok(Some(order)) = crate::secrets::rules::document::<Order>(tree, path) else {
        return Some("errors that keep it from being read: what may".to_owned());
    };
    let any = |there: fn(&Tool) -> bool| order.tools.values().any(there);
    let fields = [
        ("parameters", any(|tool| !tool.parameters.is_empty())),
        ("env", any(|tool| !tool.env.is_empty())),
        ("headers", any(|tool| !tool.headers.is_empty())),
    ];
    let named: Vec<&str> = fields
        .into_iter()
        .filter_map(|(field, there)| there.then_some(field))
        .collect();
    (!named.is_empty()).then(|| named.join(", "))
}

/// Reasons that people gave for removals: they stand for the whole fleet.
fn acknowledged(tree: &WorkTree, customer: &CustomerId) -> Result<Option<Place>, SecretsError> {
    const PATH: &str = "fleet/acknowledged.yaml";
    let there = tree.read(PATH)?.is_some_and(|text| !text.trim().is_empty());
    Ok(there.then(|| {
        place(
            PATH,
            Fate::ByHand,
            format!("in clear text, also in history: does a `reason` there name the person behind {customer}?"),
        )
    }))
}

fn in_file(tree: &WorkTree, path: &str) -> Option<Place> {
    Some(match classify(path) {
        Kind::Customer(_) => {
            let document = crate::secrets::rules::document::<Customer>(tree, path).ok()??;
            let named: Vec<&str> = [
                ("notes", document.notes.is_some()),
                ("brand.name", document.brand.name.is_some()),
                ("brand.sender", document.brand.sender.is_some()),
            ]
            .into_iter()
            .filter_map(|(field, there)| there.then_some(field))
            .collect();
            if named.is_empty() {
                return None;
            }
            place(
                path,
                Fate::ByHand,
                format!(
                    "in clear text, also in history: does {} name the person?",
                    named.join(", ")
                ),
            )
        }
        Kind::Order(..) => match typed(tree, path) {
            None => place(path, Fate::KeptByLaw, "what was bought, and the domain"),
            Some(typed) => place(
                path,
                Fate::ByHand,
                format!(
                    "what was bought, and the domain, which accounting law keeps; but {typed} stand there as people typed them, also in history, in slices \
                     and in containers: do they name the person?"
                ),
            ),
        },
        Kind::Override(..) => place(
            path,
            Fate::ByHand,
            "in clear text, also in history, in slices and in containers: does a value name the person?",
        ),
        Kind::Operation(..) => place(
            path,
            Fate::ByHand,
            "in clear text, also in history: does its `reason` name the person?",
        ),
        Kind::Fulfilled(..) => place(path, Fate::KeptByLaw, "when it was delivered"),
        Kind::CustomerSecrets(_) => place(
            path,
            Fate::ByHand,
            "credentials of the customer, encrypted to the hub: remove them when the orders have ended",
        ),
        Kind::Server(..) => place(
            path,
            Fate::ByHand,
            "the server holds what the customer put into their tools; deleting that needs an operation that names it",
        ),
        Kind::BackupSecrets(_) => place(
            path,
            Fate::Nothing,
            "the key of their backups. Removing it erases no backup: Git's history has it",
        ),
        Kind::ServerAssignment(..)
        | Kind::DomainClaim(..)
        | Kind::ToolDecision(..)
        | Kind::ToolSecrets(..)
        | Kind::OperationRecord(..) => place(
            path,
            Fate::Nothing,
            "a decision: ids, and the domain that the order has",
        ),
        _ => return None,
    })
}

/// What is in backups: those that are made now, and those that the key of earlier ones speaks of.
fn backups(
    tree: &WorkTree,
    customer: &CustomerId,
    files: &[String],
) -> Result<Place, SecretsError> {
    let hub = crate::secrets::rules::document::<Hub>(tree, "fleet/hub.yaml")?;
    let made = hub.and_then(|hub| Some((hub.fleet_id, hub.backups?.repository)));
    let were = files
        .iter()
        .any(|path| matches!(classify(path), Kind::BackupSecrets(_)));
    const WHY: &str = "they hold what the customer put into their tools, also about others; each goes when `keep:` in fleet/hub.yaml lets it go \
                       and `tenantry backups prune` ran, the last ones when somebody deletes their repositories";
    Ok(match made {
        Some((fleet, repository)) => place(
            format!("backups of tools: {repository}/{fleet}.{customer}/"),
            Fate::ByHand,
            WHY,
        ),
        None if were => place(
            "backups of tools, which were made earlier",
            Fate::ByHand,
            WHY,
        ),
        None => place(
            "backups of tools",
            Fate::Nothing,
            "none are made: fleet/hub.yaml has no `backups`",
        ),
    })
}

/// What the hub remembers of servers: mostly ids, but programs write into their logs and health checks what they like.
fn diary(data: Option<&Path>) -> Place {
    let at = data.map(|data| data.join("hub.db"));
    let at = at.map_or("hub.db of the hub".to_owned(), |at| {
        at.display().to_string()
    });
    place(
        format!("reports of their servers in {at}"),
        Fate::ByHand,
        format!(
            "lines that rules found in logs, with the lines around them, and what health checks and events say: any of it may name people. \
             Of a server that reports, newer ones push them out ({HISTORY_PER_SERVER} a server are kept, and one report); of one that is gone \
             they stay until somebody deletes that file, which the hub makes anew, also while it runs"
        ),
    )
}

/// What the hub made for their servers. `typed`: whether their orders have what people typed, which is rendered into it.
fn slices(customer: &CustomerId, data: Option<&Path>, typed: bool) -> Place {
    let at = data.map_or_else(
        || "slices of the hub".to_owned(),
        |data| format!("slices in {}", data.display()),
    );
    let repository =
        data.and_then(|data| git2::Repository::open_bare(data.join("slices.git")).ok());
    let count = repository.map(|slices| {
        let glob = slices.references_glob(&format!("refs/servers/{customer}/*"));
        glob.map_or(0, Iterator::count)
    });
    let of = count.map_or_else(String::new, |count| format!("{count} of their servers; "));
    if typed {
        let why = "what their orders have under parameters, env and headers, their override files and the name of their brand may be in them, and on their servers: a change there makes new ones, \
                   and the hub's folder `slices.git` may be deleted, for it is made anew";
        place(at, Fate::ByHand, format!("{of}{why}"))
    } else {
        place(at, Fate::Nothing, format!("{of}they hold no personal data"))
    }
}

fn elsewhere(
    remote: Option<&str>,
    data: Option<&Path>,
    slices: Place,
    backups: Place,
) -> Vec<Place> {
    let mut places = vec![slices, diary(data)];
    places.push(place(
        "mails",
        Fate::Nothing,
        "this release sends none and keeps none",
    ));
    places.push(backups);
    if let Some(remote) = remote {
        places.push(place(
            format!("the repository that `{remote}` stands for"),
            Fate::ByHand,
            "nothing points to the dropped key there any more, but who noted its object id could still fetch it (encrypted to the hub and the recovery key): `git gc --prune=now` on that machine removes it for good",
        ));
    }
    places.push(place(
        "mirrors, copies and backups of the repository",
        Fate::ByHand,
        format!("one that has {REFERENCE}, or is a copy of the folder itself, has the key (encrypted to the hub and the recovery key): let it follow, and prune it; so do clones in which personal data was edited, until they are used for that again; others never had it"),
    ));
    places
}
