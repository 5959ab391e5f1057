//! A person asks to be forgotten: every place where they are, what is destroyed, what has to stay, and the record that it was done.

mod places;

pub use places::{Fate, Place};

use super::destroyed::{self, Destroyed};
use super::person_keys;
use super::{SecretsError, Target, WorkTree, history};
use crate::git::single;
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::path::Path;
use tenantry_schema::document::{Erased, Kind, classify};
use tenantry_schema::id::CustomerId;
use tenantry_schema::key::AgeRecipient;

/// Everything that is known about a customer's personal data.
#[derive(Debug, Serialize)]
pub struct Survey {
    /// Whose.
    pub customer: CustomerId,
    /// Public half of their key, if there is one.
    pub key: Option<AgeRecipient>,
    /// When they were erased, if they were.
    pub erased: Option<Timestamp>,
    /// Keys of theirs that were destroyed, the oldest first.
    pub destroyed: Vec<Destroyed>,
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
    let destroyed =
        destroyed::with_record(destroyed::of(tree.repository(), customer)?, record.as_ref());
    if files.is_empty() && key.is_none() && record.is_none() && destroyed.is_empty() {
        return Err(SecretsError::refused(format!(
            "there is no customer `{customer}`: no file, no key, no record"
        )));
    }
    let versions = history::versions(tree.repository(), &path)?;
    let readable: Vec<String> = versions
        .iter()
        .filter(|(_, recipients)| {
            let theirs = |one: &String| {
                Some(one) == own.as_ref() || destroyed.iter().any(|key| key.key.as_str() == one)
            };
            !recipients
                .as_ref()
                .is_some_and(|found| found.iter().all(theirs))
        })
        .map(|(commit, _)| commit.to_string())
        .collect();
    let mut survey = Survey {
        customer: customer.clone(),
        key: own.and_then(|text| AgeRecipient::try_from(text).ok()),
        erased: record.map(|record| record.erased),
        destroyed,
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
    survey.places = places::all(tree, &survey, &files, data)?;
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
    let last = survey.destroyed.last();
    let document = Erased {
        erased: survey
            .erased
            .or(last
                .filter(|_| survey.key.is_none())
                .map(|destroyed| destroyed.at))
            .unwrap_or(now),
        key: survey
            .key
            .clone()
            .or_else(|| last.map(|destroyed| destroyed.key.clone())),
        versions: u32::try_from(survey.versions).unwrap_or(u32::MAX),
        readable: u32::try_from(survey.readable.len()).unwrap_or(u32::MAX),
        digest: text.map(|text| hex::encode(Sha256::digest(text.as_bytes()))),
        kept: survey.kept.clone(),
    };
    // The key first: a record that says what has not happened would be worse than one that is written later. What the record needs is left
    // beside the keys in the same step, so that it can be written later, and by whoever.
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
