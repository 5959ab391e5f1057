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
    /// Digests of its agents' keys, each once.
    pub agents: Vec<[u8; 16]>,
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

/// The digest of an agent's key.
pub fn agent_digest(key: &str) -> [u8; 16] {
    half(Sha256::new_with_prefix(key))
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
    /// Trees of stacks and templates that customers are pinned to: nothing is known where one of them is gone.
    trees: BTreeSet<ObjectId>,
    used: std::collections::HashSet<Key>,
    learned: HashMap<Key, Facts>,
}

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    facts: Arc<Facts>,
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
        self.trees.extend(trees);
        self.used.insert(key);
        if !self.known.contains_key(&key) {
            self.learned.entry(key).or_insert(facts);
        }
    }

    /// Takes over that nothing is to be decided for a customer of whom the rest is known.
    pub fn learn_settled(&mut self, key: &Key) {
        if let Some(facts) = self.learned.get_mut(key) {
            facts.settled = true;
        } else if let Some(entry) = self.known.get(key).filter(|entry| !entry.facts.settled) {
            let facts = Facts {
                settled: true,
                ..(*entry.facts).clone()
            };
            self.learned.insert(*key, facts);
        }
    }

    /// Trees without which nothing here can be relied on.
    pub fn trees(&self) -> impl Iterator<Item = &ObjectId> {
        self.trees.iter()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Writes what is known now to the first of these files that can be written, if anything was learned. A cache that cannot be kept is no
    /// failure: the next run takes longer.
    pub fn save(self, paths: &[std::path::PathBuf], stamp: &Surroundings) {
        if self.learned.is_empty() {
            return;
        }
        let content = bytes::encode(&self.settled(), stamp);
        let written = paths
            .iter()
            .find_map(|path| file::write(path, &content).ok());
        if written.is_none() {
            tracing::debug!("the cache cannot be written");
        }
    }

    /// What is to be kept for the next run.
    fn settled(self) -> Self {
        let Self {
            mut known,
            trees,
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
        let new = learned.into_iter().map(|(key, facts)| {
            let facts = Arc::new(facts);
            (key, Entry { facts, age: 0 })
        });
        known.extend(new);
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
            trees,
            ..Self::default()
        }
    }
}
