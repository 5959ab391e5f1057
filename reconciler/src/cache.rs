//! What earlier runs found out about customers, kept on disk under a digest of all that it depends on: ten thousand customers need not be read
//! again to hear that they are good.
//!
//! # Expected flow
//! [`Cache::open`]; a [`crate::load::Loader`] asks for what is known and says what it learned; [`Cache::save`] writes that for the next run.
//!
//! # Guarantees
//! A [`Key`] covers everything that [`Facts`] are made from: the customer's id and two trees, and their [`Surroundings`]: settings, catalogue,
//! and the program itself. So what is found under a key is what reading would give, and nothing is ever out of date; only unused.
//!
//! # Caveats
//! It speeds up what this program wrote for this person, and is trusted for no more: see [`file`].

mod bytes;
pub mod file;
pub mod folders;
pub(crate) mod parts;
#[cfg(test)]
mod tests;

use crate::git::Oid;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use tenantry_planner::ObjectId;
use tenantry_schema::Diagnostic;
use tenantry_schema::id::CustomerId;

/// Everything that customers are resolved against, as a digest.
pub type Surroundings = [u8; 32];

/// One customer in one state, in certain surroundings.
pub type Key = [u8; 16];

/// What is known of a customer who has no errors: all that rules about several customers, and sums over all of them, need.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// Domains that its orders hold or want, labels in reverse order (`example.acme.`), each once.
    pub domains: Vec<String>,
    /// Digests of what only one server may have, its agents' keys and its servers' addresses, each once.
    pub marks: Vec<[u8; 16]>,
    /// How many servers it has.
    pub servers: u32,
    /// What it pays a month by currency, in hundredths.
    pub monthly: BTreeMap<String, u64>,
    /// Warnings about its documents.
    pub warnings: Vec<Diagnostic>,
    /// Whether it is known that a hub that knows of no agent would decide nothing for it. That rests on nothing but the customer: where something
    /// is open, it depends on history, too.
    pub settled: bool,
}

/// The key of a customer whose two trees are these.
pub fn key(
    surroundings: &Surroundings,
    id: &CustomerId,
    documents: Oid,
    decisions: Option<Oid>,
) -> Key {
    let mut digest = Sha256::new();
    digest.update(surroundings);
    digest.update(documents.as_bytes());
    digest.update([u8::from(decisions.is_some())]);
    if let Some(decisions) = decisions {
        digest.update(decisions.as_bytes());
    }
    digest.update(id.as_str());
    half(digest)
}

/// The digest of an agent's key, or of a server's address.
pub fn mark(text: &str) -> [u8; 16] {
    half(Sha256::new_with_prefix(text))
}

fn half(digest: Sha256) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&digest.finalize()[..16]);
    half
}

/// What is known, and what was learned in this run.
#[derive(Debug, Default)]
pub struct Cache {
    known: HashMap<Key, Entry>,
    used: std::collections::HashSet<Key>,
    learned: HashMap<Key, Entry>,
}

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    facts: Arc<Facts>,
    /// Trees of stacks and templates that the customer is pinned to: nothing is known where one of them is gone.
    trees: Arc<[ObjectId]>,
    /// How many times the file was written since this was of use.
    age: u8,
}

/// So often the file is written before what was of no use is left out.
const MAX_AGE: u8 = 30;
/// What was of no use is kept in up to so many times the number of what was.
const MOST_UNUSED: usize = 4;
/// And in this number at least.
const LEAST_UNUSED: usize = 1_000;

impl Cache {
    /// What a file holds. An empty one where there is no file, or none that can be used: another program's or release's, damaged, somebody
    /// else's.
    pub fn open(path: &Path, stamp: &Surroundings) -> Self {
        file::read(path)
            .and_then(|content| bytes::decode(&content, stamp))
            .unwrap_or_default()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// What is known under a key. It counts as used.
    pub fn get(&mut self, key: &Key) -> Option<Arc<Facts>> {
        let entry = self.known.get(key)?;
        self.used.insert(*key);
        Some(entry.facts.clone())
    }

    /// Takes over what was found out, and the trees that it rests on. What is known of decisions is not forgotten.
    pub fn learn(&mut self, key: Key, facts: Facts, trees: impl IntoIterator<Item = ObjectId>) {
        self.used.insert(key);
        if !self.known.contains_key(&key) {
            self.learned.entry(key).or_insert_with(|| Entry {
                facts: Arc::new(facts),
                trees: trees.into_iter().collect(),
                age: 0,
            });
        }
    }

    /// Takes over that nothing is to be decided for a customer of whom the rest is known.
    pub fn learn_settled(&mut self, key: &Key) {
        if let Some(entry) = self.learned.get_mut(key) {
            Arc::make_mut(&mut entry.facts).settled = true;
        } else if let Some(entry) = self.known.get(key).filter(|entry| !entry.facts.settled) {
            let mut entry = entry.clone();
            Arc::make_mut(&mut entry.facts).settled = true;
            self.learned.insert(*key, Entry { age: 0, ..entry });
        }
    }

    /// Trees that something here rests on.
    pub fn trees(&self) -> BTreeSet<ObjectId> {
        let entries = self.known.values().chain(self.learned.values());
        entries
            .flat_map(|entry| entry.trees.iter().copied())
            .collect()
    }

    /// Forgets what rests on one of these trees.
    pub fn forget(&mut self, gone: &BTreeSet<ObjectId>) {
        if gone.is_empty() {
            return;
        }
        for entries in [&mut self.known, &mut self.learned] {
            entries.retain(|_, entry| entry.trees.iter().all(|tree| !gone.contains(tree)));
        }
    }

    /// Writes what is known now to the first of these files that can be written, if anything was learned. A cache that cannot be kept is no
    /// failure: the next run takes longer.
    pub fn save(self, paths: &[std::path::PathBuf], stamp: &Surroundings) {
        if self.learned.is_empty() {
            return;
        }
        let content = bytes::encode(&self.settled(), stamp);
        file::keep(paths, &content, "what is known of customers");
    }

    /// What is to be kept for the next run.
    fn settled(self) -> Self {
        let Self {
            mut known,
            used,
            learned,
        } = self;
        for (key, entry) in &mut known {
            entry.age = if used.contains(key) {
                0
            } else {
                entry.age.saturating_add(1)
            };
        }
        known.extend(learned);
        let mut unused: Vec<(u8, Key)> = known
            .iter()
            .filter(|(_, entry)| entry.age > 0)
            .map(|(key, entry)| (entry.age, *key))
            .collect();
        unused.sort_unstable();
        let most = ((known.len() - unused.len()) * MOST_UNUSED).max(LEAST_UNUSED);
        for (place, (age, key)) in unused.into_iter().enumerate() {
            if age > MAX_AGE || place >= most {
                known.remove(&key);
            }
        }
        Self {
            known,
            ..Self::default()
        }
    }
}
