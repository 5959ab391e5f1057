//! A person asks to be forgotten: every place where they are, what is destroyed, what has to stay, and the record that it was done.

use super::person_keys::{self, REFERENCE};
use super::{SecretsError, Target, WorkTree, history};
use crate::git::single;
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::path::Path;
use tenantry_schema::document::{Customer, Erased, Kind, classify};
use tenantry_schema::id::CustomerId;
use tenantry_schema::key::AgeRecipient;

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

/// Everything that is known about a customer's personal data.
#[derive(Debug, Serialize)]
pub struct Survey {
    /// Whose.
    pub customer: CustomerId,
    /// Public half of their key, if there is one.
    pub key: Option<AgeRecipient>,
    /// When they were erased, if they were.
    pub erased: Option<Timestamp>,
    /// Versions of `person.yaml` in the history of this clone.
    pub versions: usize,
    /// Versions that other keys open, or that were never encrypted, with the first commit of each.
    pub readable: Vec<String>,
    /// Every place.
    pub places: Vec<Place>,
    #[serde(skip)]
    present: bool,
    #[serde(skip)]
    blob: Option<git2::Oid>,
    #[serde(skip)]
    kept: Vec<String>,
}

impl Survey {
    /// Whether anything is left to destroy or to record.
    pub fn is_done(&self) -> bool {
        self.erased.is_some() && self.key.is_none() && !self.present
    }
}

/// Where the record stands.
pub fn record_path(customer: &CustomerId) -> String {
    format!("fleet/decisions/{customer}/erased.yaml")
}

/// Looks everywhere. `data` is a hub's data folder, if it is on this machine.
pub fn survey(
    tree: &WorkTree,
    customer: &CustomerId,
    data: Option<&Path>,
) -> Result<Survey, SecretsError> {
    person_keys::fetch(tree)?;
    let path = Target::Person(customer.clone()).path();
    let key = person_keys::find(tree.repository(), customer)?;
    let own = key.as_ref().map(|key| key.recipient.as_str().to_owned());
    let record = super::rules::document::<Erased>(tree, &record_path(customer))?;
    let files = own_files(tree, customer)?;
    if files.is_empty() && key.is_none() && record.is_none() {
        return Err(SecretsError::refused(format!(
            "there is no customer `{customer}`: no file, no key, no record"
        )));
    }
    // After the key is gone it is known from the record.
    let known = own.clone().or_else(|| {
        record
            .as_ref()?
            .key
            .as_ref()
            .map(|key| key.as_str().to_owned())
    });
    let versions = history::versions(tree.repository(), &path)?;
    let readable: Vec<String> = versions
        .iter()
        .filter(|(_, recipients)| {
            let only = recipients
                .as_ref()
                .is_some_and(|found| found.iter().all(|one| Some(one) == known.as_ref()));
            !only
        })
        .map(|(commit, _)| commit.to_string())
        .collect();
    let mut survey = Survey {
        customer: customer.clone(),
        key: own.and_then(|text| AgeRecipient::try_from(text).ok()),
        erased: record.map(|record| record.erased),
        versions: versions.len(),
        readable,
        places: Vec::new(),
        present: tree.read(&path)?.is_some(),
        blob: key.map(|key| key.blob),
        kept: files
            .iter()
            .filter(|path| matches!(classify(path), Kind::Order(..) | Kind::Fulfilled(..)))
            .cloned()
            .collect(),
    };
    survey.places = places(tree, &survey, &files, data);
    Ok(survey)
}

fn own_files(tree: &WorkTree, customer: &CustomerId) -> Result<Vec<String>, SecretsError> {
    let folders = [
        format!("fleet/customers/{customer}/"),
        format!("fleet/decisions/{customer}/"),
    ];
    let mut files = tree.files()?;
    files.retain(|path| {
        folders.iter().any(|folder| path.starts_with(folder)) && *path != record_path(customer)
    });
    Ok(files)
}

fn place(place: impl Into<String>, fate: Fate, why: impl Into<String>) -> Place {
    Place {
        place: place.into(),
        fate,
        why: why.into(),
    }
}

fn places(tree: &WorkTree, survey: &Survey, files: &[String], data: Option<&Path>) -> Vec<Place> {
    let customer = &survey.customer;
    let mut places = vec![match &survey.key {
        Some(_) => place(
            format!("{REFERENCE}: {customer}.yaml"),
            Fate::Destroyed,
            "the key of the personal data; without it no version can be read",
        ),
        None => place(
            format!("{REFERENCE}: {customer}.yaml"),
            Fate::Nothing,
            "there is no key",
        ),
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
    places.extend(elsewhere(customer, tree.remote().as_deref(), data));
    places
}

fn in_file(tree: &WorkTree, path: &str) -> Option<Place> {
    Some(match classify(path) {
        Kind::Customer(_) => {
            let document = super::rules::document::<Customer>(tree, path).ok()??;
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
        Kind::Order(..) => place(path, Fate::KeptByLaw, "what was bought, and the domain"),
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
        Kind::ServerAssignment(..)
        | Kind::DomainClaim(..)
        | Kind::ToolDecision(..)
        | Kind::ToolSecrets(..)
        | Kind::BackupSecrets(_) => place(
            path,
            Fate::Nothing,
            "a decision: ids, and the domain that the order has",
        ),
        _ => return None,
    })
}

fn elsewhere(customer: &CustomerId, remote: Option<&str>, data: Option<&Path>) -> Vec<Place> {
    let mut places = Vec::new();
    match data {
        Some(data) => {
            let slices = git2::Repository::open_bare(data.join("slices.git")).ok();
            let count = slices.map_or(0, |slices| {
                let glob = slices.references_glob(&format!("refs/servers/{customer}/*"));
                glob.map_or(0, Iterator::count)
            });
            places.push(place(
                format!("slices in {}", data.display()),
                Fate::Nothing,
                format!("{count} of their servers; a slice holds no personal data in this release"),
            ));
        }
        None => places.push(place(
            "slices of the hub",
            Fate::Nothing,
            "a slice holds no personal data in this release",
        )),
    }
    places.push(place(
        "journal and reports of the hub",
        Fate::Nothing,
        "ids only",
    ));
    places.push(place(
        "mails",
        Fate::Nothing,
        "this release sends none and keeps none",
    ));
    places.push(place(
        "backups of tools",
        Fate::Nothing,
        "this release makes none",
    ));
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

/// What was done.
#[derive(Debug, Serialize)]
pub struct Proof {
    /// The record.
    pub record: String,
    /// The commit that has it.
    pub commit: String,
    /// Whether this clone is rid of the key. If not, it is in a pack, and `git gc --prune=now` removes it.
    pub forgotten: bool,
}

/// Destroys the key, removes the file, writes and commits the record. Done again after a crash it ends in the same place.
pub fn erase(tree: &WorkTree, survey: &Survey, now: Timestamp) -> Result<Proof, SecretsError> {
    let customer = &survey.customer;
    let path = Target::Person(customer.clone()).path();
    let record = record_path(customer);
    let text = tree.read(&path)?;
    let staged = tree.git(&["status", "--porcelain", "--", &path, &record])?;
    if survey.key.is_none()
        && survey.erased.is_none()
        && !staged.trim().is_empty()
        && text.is_some()
    {
        return Err(SecretsError::refused(format!(
            "{path} has changes that are not committed: commit or drop them first"
        )));
    }
    let document = Erased {
        erased: survey.erased.unwrap_or(now),
        key: survey.key.clone().or_else(|| {
            let before = super::rules::document::<Erased>(tree, &record).ok()??;
            before.key
        }),
        versions: u32::try_from(survey.versions).unwrap_or(u32::MAX),
        readable: u32::try_from(survey.readable.len()).unwrap_or(u32::MAX),
        digest: text.map(|text| hex::encode(Sha256::digest(text.as_bytes()))),
        kept: survey.kept.clone(),
    };
    // The key first: a record that says what has not happened would be worse than one that is written later.
    person_keys::destroy(tree, customer, now)?;
    let forgotten = survey
        .blob
        .map_or(Ok(true), |blob| single::forget(tree.repository(), blob))?;
    let body = serde_yaml::to_string(&document)
        .map_err(|error| SecretsError::refused(error.to_string()))?;
    tree.write(
        &record,
        &format!("# Written by `tenantry erase`: a record. It names nobody.\n{body}"),
    )?;
    let mut paths = vec![record.as_str()];
    let tracked = !tree.git(&["ls-files", "--", &path])?.trim().is_empty();
    let full = tree.root().join(&path);
    if full.exists() {
        std::fs::remove_file(&full).map_err(SecretsError::io("remove", &full))?;
    }
    tree.git(&["add", "--", &record])?;
    if tracked {
        paths.push(&path);
    }
    let message = format!("erase: personal data of {customer}");
    let arguments = [
        &[
            "commit",
            "--quiet",
            "--no-verify",
            "-m",
            &message,
            "--only",
            "--",
        ][..],
        &paths,
    ]
    .concat();
    tree.git(&arguments)?;
    let commit = tree.git(&["rev-parse", "HEAD"])?.trim().to_owned();
    Ok(Proof {
        record,
        commit,
        forgotten,
    })
}
