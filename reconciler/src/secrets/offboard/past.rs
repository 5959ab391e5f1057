//! What every version of `fleet/staff.yaml` says of one person: a key that was taken out of it still opens what was encrypted to it.

use crate::secrets::rules::{Rules, parse};
use crate::secrets::{SecretsError, WorkTree, history};
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::document::{Person, Staff};
use tenantry_schema::id::StaffId;
use tenantry_yaml::{Limits, Node, parse_partial};

/// Where the staff stands.
const STAFF: &str = "fleet/staff.yaml";

/// One person, over all of history.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// As the file has them now, else as the last version that has them. None: in no version that the schema of today takes.
    pub(super) person: Option<Person>,
    /// Whether the file has them now.
    pub(super) listed: bool,
    /// Their key as the file has it now.
    pub(super) today: Option<String>,
    /// Keys that only earlier versions have, with the first commit that does.
    pub(super) earlier: BTreeMap<String, String>,
    /// Of the earlier ones, keys that are now somebody else's, with their name: those go on opening files.
    pub(super) of_others: BTreeMap<String, String>,
    /// Every address that they had.
    pub(super) emails: BTreeSet<String>,
    /// What of history could not be read, in sentences: there may be more keys.
    pub(super) gaps: Vec<String>,
}

impl Past {
    /// Reads all versions that branches, remote branches and tags have, and the file as it is.
    pub(super) fn read(tree: &WorkTree, rules: &Rules, id: &StaffId) -> Result<Self, SecretsError> {
        let mut past = Self::default();
        let mut keys: BTreeMap<String, String> = BTreeMap::new();
        let mut unread = Vec::new();
        history::walk_file(tree.repository(), STAFF, &mut |version| {
            let commit: String = version.commit.to_string().chars().take(12).collect();
            let whole = past.learn(id, version.text, |key| {
                keys.entry(key).or_insert_with(|| commit.clone());
            });
            if !whole {
                unread.push(commit);
            }
        })?;
        if let Some(person) = rules.staff.0.get(id) {
            past.listed = true;
            past.today = person.age.as_ref().map(|age| age.as_str().to_owned());
            past.emails.insert(person.email.as_str().to_owned());
            past.person = Some(person.clone());
        }
        if let Some(first) = unread.first() {
            past.gaps.push(format!(
                "{} of {STAFF} in history cannot be read as YAML (the first in commit {first}): look whether a key of theirs stands there",
                versions(unread.len())
            ));
        }
        if tree.repository().is_shallow() {
            past.gaps.push(format!(
                "this clone is shallow, and earlier versions of {STAFF} may have keys of theirs: `git fetch --unshallow`, then once more"
            ));
        }
        let others = owners(rules, id);
        for (key, commit) in keys {
            if past.today.as_ref() == Some(&key) {
                continue;
            }
            match others.get(&key) {
                Some(other) => past.of_others.insert(key, other.clone()),
                None => past.earlier.insert(key, commit),
            };
        }
        Ok(past)
    }

    /// Whether any version has them.
    pub(super) fn is_known(&self) -> bool {
        self.person.is_some() || !self.emails.is_empty() || !self.recipients().is_empty()
    }

    /// Every key that is to open nothing any more.
    pub(super) fn recipients(&self) -> BTreeSet<String> {
        self.earlier.keys().chain(&self.today).cloned().collect()
    }

    /// Takes from one version what it says. Whether all of it could be read; a version that the schema of today refuses is read all the same.
    fn learn(&mut self, id: &StaffId, text: &str, mut key: impl FnMut(String)) -> bool {
        let (root, problems) = parse_partial(text, &Limits::default());
        if let Some(entry) = root.as_ref().and_then(|root| root.get(id.as_str())) {
            let text = |name: &str| entry.get(name).and_then(Node::as_str).map(str::to_owned);
            if let Some(found) = text("age") {
                key(found);
            }
            self.emails.extend(text("email"));
        }
        if let Ok(mut staff) = parse::<Staff>(STAFF, text)
            && let Some(person) = staff.0.remove(id)
        {
            self.person = Some(person);
        }
        problems.is_empty()
    }
}

/// Keys that are somebody else's now, with their names.
fn owners(rules: &Rules, id: &StaffId) -> BTreeMap<String, String> {
    let people = rules.staff.0.iter().filter(|(other, _)| *other != id);
    let mut found: BTreeMap<String, String> = people
        .filter_map(|(other, person)| {
            let age = person.age.as_ref()?;
            Some((age.as_str().to_owned(), format!("`{other}`")))
        })
        .collect();
    let keys = &rules.hub.keys;
    found.insert(keys.hub.age.as_str().to_owned(), "the hub".to_owned());
    let recovery = keys.recovery.age.as_str().to_owned();
    found.insert(recovery, "the recovery key".to_owned());
    found
}

fn versions(count: usize) -> String {
    match count {
        1 => "1 version".to_owned(),
        more => format!("{more} versions"),
    }
}
