//! What is left of a customer's key that was destroyed: its public half and the day, in a file beside the keys, put there by the same push that
//! drops the key. So whoever erased a person and lost the clone before the record was pushed has lost nothing: every clone can finish, knows
//! which versions that key alone could open, and makes no new key over personal data that nobody can open any more.

use super::person_keys::REFERENCE;
use super::{SecretsError, WorkTree, erase};
use crate::git::single;
use crate::load::MAX_FILE;
use git2::Repository;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::Path;
use tenantry_schema::document::Erased;
use tenantry_schema::id::CustomerId;
use tenantry_schema::key::AgeRecipient;
use tenantry_sops::SopsFile;

/// A key that is no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destroyed {
    /// Its public half.
    pub key: AgeRecipient,
    /// When it was destroyed.
    pub at: Timestamp,
}

/// Where the list of a customer's destroyed keys is, in the tree of [`REFERENCE`].
pub fn path(customer: &CustomerId) -> String {
    format!("erased/{customer}.yaml")
}

/// The keys of `customer` that were destroyed, the oldest first, as far as this clone knows.
pub fn of(repository: &Repository, customer: &CustomerId) -> Result<Vec<Destroyed>, SecretsError> {
    let failed = || SecretsError::git2("reading which keys were destroyed");
    let Some(head) = single::head(repository, REFERENCE)? else {
        return Ok(Vec::new());
    };
    let path = path(customer);
    let tree = repository
        .find_commit(head)
        .and_then(|commit| commit.tree())
        .map_err(failed())?;
    let entry = match tree.get_path(Path::new(&path)) {
        Ok(entry) => entry,
        Err(error) if error.code() == git2::ErrorCode::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed()(error)),
    };
    let blob = repository.find_blob(entry.id()).map_err(failed())?;
    let wrong = |why: String| SecretsError::refused(format!("{REFERENCE}:{path}: {why}"));
    if blob.size() > MAX_FILE {
        return Err(wrong("is larger than 1 MiB".into()));
    }
    read(blob.content()).map_err(wrong)
}

/// The same with the key that the record of an erasure names. A clone that never fetched the keys knows of no mark beside them, nor did older releases
/// leave one: the record is in every clone.
pub fn with_record(mut known: Vec<Destroyed>, record: Option<&Erased>) -> Vec<Destroyed> {
    if let Some(record) = record
        && let Some(key) = &record.key
        && !known.iter().any(|one| one.key == *key)
    {
        known.push(Destroyed {
            key: key.clone(),
            at: record.erased,
        });
    }
    known
}

fn read(content: &[u8]) -> Result<Vec<Destroyed>, String> {
    let text = std::str::from_utf8(content).map_err(|_| "is not a text file".to_owned())?;
    serde_yaml::from_str(text).map_err(|error| error.to_string())
}

/// The list with one more.
pub fn with(mut before: Vec<Destroyed>, one: Destroyed) -> Result<String, SecretsError> {
    before.push(one);
    let body =
        serde_yaml::to_string(&before).map_err(|error| SecretsError::refused(error.to_string()))?;
    Ok(format!(
        "# Written by `tenantry erase`: keys of personal data that were destroyed. It names nobody.\n{body}"
    ))
}

/// Which of `destroyed` a file is encrypted to.
pub fn opener<'d>(destroyed: &'d [Destroyed], file: &SopsFile) -> Option<&'d Destroyed> {
    destroyed
        .iter()
        .find(|one| file.recipients().any(|found| found == one.key.as_str()))
}

/// That a key was destroyed.
pub fn sentence(customer: &CustomerId, at: Timestamp) -> String {
    format!(
        "the key of the personal data of {customer} was destroyed on {}",
        at.strftime("%Y-%m-%d")
    )
}

/// The same where personal data is still there, or no record is.
fn unfinished(customer: &CustomerId, at: Timestamp) -> SecretsError {
    SecretsError::refused(format!(
        "{}: finish with `tenantry erase {customer}`",
        sentence(customer, at)
    ))
}

/// Whether a new key may be made for `customer`, whose personal data is `file` now: not where the old key was destroyed and that is not finished.
/// Whose erasure was recorded and who is a customer anew, because people removed the record, gets one.
pub fn may_make(
    tree: &WorkTree,
    customer: &CustomerId,
    file: Option<&SopsFile>,
) -> Result<(), SecretsError> {
    let destroyed = of(tree.repository(), customer)?;
    let Some(last) = destroyed.last() else {
        return Ok(());
    };
    let dead = file.and_then(|file| opener(&destroyed, file));
    if let Some(dead) = dead {
        return Err(unfinished(customer, dead.at));
    }
    let record = erase::record_path(customer);
    let recorded = tree.git(&["log", "-1", "--format=%H", "HEAD", "--", &record])?;
    if recorded.trim().is_empty() {
        return Err(unfinished(customer, last.at));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> AgeRecipient {
        let public = age::x25519::Identity::generate().to_public().to_string();
        AgeRecipient::try_from(public).unwrap()
    }

    #[test]
    fn a_list_is_read_as_it_was_written() {
        let one = |second| Destroyed {
            key: key(),
            at: Timestamp::from_second(second).unwrap(),
        };
        let (first, second) = (one(0), one(1_764_288_000));
        let text = with(Vec::new(), first.clone()).unwrap();
        let before = read(text.as_bytes()).unwrap();
        assert_eq!(before, std::slice::from_ref(&first));
        let text = with(before, second.clone()).unwrap();
        assert_eq!(read(text.as_bytes()).unwrap(), [first, second.clone()]);
        let customer = CustomerId::try_from("acme".to_owned()).unwrap();
        assert!(sentence(&customer, second.at).contains("destroyed on 2025-11-28"));
    }

    proptest! {
        #[test]
        fn whatever_stands_there_is_read_or_refused(content in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(list) = read(&content) {
                prop_assert!(list.is_empty(), "no key comes by chance");
            }
        }
    }
}
