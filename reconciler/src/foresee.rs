//! What a hub would do with a commit, without doing it: decisions are made in a scratch repository until none is left to make.
//!
//! Planning is the hub's own. Only what is drawn at random is not: a secret that a hub would generate is known by its name alone, so no key is needed.

use crate::cache::Cache;
use crate::git::{Change, GitError, Oid, Scratch};
use crate::load::{
    Keep, LoadError, Loaded, Loader, MAX_FILE, Need, Revision, differing, oid, text,
};
use crate::lost::{History, hold, open};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use tenantry_planner::decision::{Choice, Decision};
use tenantry_planner::lost::{LostDecisions, diagnose};
use tenantry_planner::plan::{PlanCache, plan};
use tenantry_planner::{ObjectId, Observed, Plan};
use tenantry_schema::document::SecretSpec;
use tenantry_schema::id::CustomerId;
use tenantry_schema::name::{RelativePath, VariableName};

/// More rounds than any order needs; a guard against choices that never end.
const MOST_ROUNDS: usize = 16;

/// A commit, and what would come of it.
pub struct Foreseen {
    /// The commit as it is.
    pub loaded: Loaded,
    /// What would be planned when everything is decided.
    pub plan: Plan,
    /// What would be decided, in order.
    pub decisions: Vec<Decision>,
}

/// What is known of the history.
#[derive(Default)]
pub struct Past {
    /// Decisions that were taken away.
    pub taken: History,
    /// Where what is found out about removals that are held back is kept.
    pub held: Option<Keep>,
}

/// Looks ahead with one loader and one cache, so that what two commits have in common is worked out once.
pub struct Foresight<'s> {
    scratch: &'s Scratch,
    loader: Loader,
    cache: PlanCache,
    history: History,
    /// For whom something is open, so that what would be decided depends on history as well.
    undecided: BTreeSet<CustomerId>,
}

impl<'s> Foresight<'s> {
    /// Over the objects of `scratch`.
    pub fn new(scratch: &'s Scratch, past: Past) -> Self {
        let loader = Loader::new(scratch.objects().clone());
        Self {
            scratch,
            // What a change does once it is acknowledged; that it has to be is said beside it.
            loader: loader.letting_go().remembering(past.held),
            cache: PlanCache::default(),
            history: past.taken,
            undecided: BTreeSet::new(),
        }
    }

    /// To compare two revisions as they are for a hub that knows of no agent: customers who are the same in both, and of whom `cache` knows that
    /// nothing is to be decided, are not read.
    ///
    /// # Errors
    /// Where objects cannot be read.
    pub fn between(
        scratch: &'s Scratch,
        cache: Cache,
        past: Past,
        from: Revision,
        to: Revision,
    ) -> Result<Self, LoadError> {
        let objects = scratch.objects();
        let Some(differing) = differing(objects, from.tree, to.tree)? else {
            return Ok(Self::new(scratch, past));
        };
        let loader = Loader::sparse(objects.clone(), cache, Need::Decisions)?;
        let mut loader = loader.letting_go().remembering(past.held);
        loader.want(differing);
        // Of whom something was taken away, that has to be said, whoever changes.
        let mut history = past.taken;
        loader.want(history.suspects(objects, from)?);
        loader.want(history.suspects(objects, to)?);
        // Who shares a name with somebody in one of the two has to be read in both, and only loading tells who that is.
        loader.load(to)?;
        loader.load(from)?;
        Ok(Self {
            loader,
            ..Self::new(
                scratch,
                Past {
                    taken: history,
                    held: None,
                },
            )
        })
    }

    /// What is known now. None where everybody was read.
    pub fn into_cache(self) -> Option<Cache> {
        self.loader.into_cache()
    }

    /// What would come of `revision`.
    ///
    /// # Errors
    /// Where objects cannot be read. Mistakes in documents are in [`Foreseen::loaded`].
    pub fn look(
        &mut self,
        revision: Revision,
        observed: Observed<'_>,
    ) -> Result<Foreseen, LoadError> {
        let mut loaded = self.loader.load(revision)?;
        let objects = self.scratch.objects();
        let suspects = self.history.suspects(objects, revision)?;
        let losses = self.history.losses(objects, revision, &loaded, &suspects)?;
        if !losses.is_empty() {
            Arc::make_mut(&mut loaded.diagnostics).extend(diagnose(&losses));
        }
        let by_themselves = self.loader.by_themselves();
        self.undecided.clear();
        let mut decisions: Vec<Decision> = Vec::new();
        let mut now = loaded.clone();
        let original = revision;
        let mut revision = revision;
        for _ in 0..MOST_ROUNDS {
            if now.desired.is_none() {
                break;
            }
            let plan = self.plan(&mut now, original, observed)?;
            let next: Vec<Decision> = plan.decisions().cloned().collect();
            if next.is_empty() {
                let settled = by_themselves.into_iter();
                let settled = settled.filter(|(id, _)| !self.undecided.contains(id));
                self.loader.learn_settled(settled.map(|(_, key)| key));
                return Ok(Foreseen {
                    loaded,
                    plan,
                    decisions,
                });
            }
            let changes = self.changes(revision.tree, &next)?;
            revision.tree = self.scratch.apply(revision.tree, &changes)?;
            decisions.extend(next);
            now = self.loader.load(revision)?;
        }
        Ok(Foreseen {
            loaded,
            plan: self.plan(&mut now, original, observed)?,
            decisions,
        })
    }

    /// Plans as a hub does: what was taken away by hand, as the history of `original` says, is not decided anew.
    fn plan(
        &mut self,
        now: &mut Loaded,
        original: Revision,
        observed: Observed<'_>,
    ) -> Result<Plan, GitError> {
        let Some(desired) = &mut now.desired else {
            return Ok(Plan::default());
        };
        let planned = plan(desired, observed, &mut self.cache);
        for (id, plan) in &planned.customers {
            if !plan.decisions.is_empty() || open(plan).next().is_some() {
                self.undecided.insert(id.clone());
            }
        }
        let open = planned.customers.values().flat_map(|plan| open(plan));
        let found = self.history.ask(self.scratch.objects(), original, open)?;
        let objects = self.scratch.objects();
        let departed = self.history.departed(objects, original.tree, &planned)?;
        if found.is_empty() && departed.is_empty() {
            return Ok(planned);
        }
        let mut lost = LostDecisions::default();
        for (order, one) in found {
            lost.add(&order, one);
        }
        hold(desired, &lost, &now.kept, &departed);
        Ok(plan(desired, observed, &mut self.cache))
    }

    /// Marks for the secrets of a file: they differ exactly where the ciphertext does. None in a file that is no text of the fleet's size,
    /// which is said elsewhere.
    ///
    /// # Errors
    /// Where it cannot be read: then nobody knows whether a secret changes.
    pub fn marks(&self, file: ObjectId) -> Result<BTreeMap<String, String>, GitError> {
        let text = text(self.scratch.objects(), oid(file)?)?;
        Ok(text.map(|text| marks(&text)).unwrap_or_default())
    }

    fn changes(&self, tree: Oid, decisions: &[Decision]) -> Result<Vec<Change>, GitError> {
        let mut changes = Vec::new();
        for decision in decisions {
            let Ok(path) = RelativePath::try_from(decision.path()) else {
                continue;
            };
            let content = match (&decision.choice, decision.content()) {
                (Choice::Secrets(_, names) | Choice::BackupSecrets(names), _) => {
                    let objects = self.scratch.objects();
                    let entry = objects.lookup(tree, path.as_str())?;
                    let before = entry.map(|entry| objects.blob(entry.oid, MAX_FILE));
                    let before = before.transpose()?.unwrap_or_default();
                    with_secrets(&String::from_utf8_lossy(&before), names)
                }
                (_, Some(content)) => content,
                (_, None) => continue,
            };
            changes.push(Change {
                path,
                content: Some(content.into_bytes()),
            });
        }
        Ok(changes)
    }
}

/// The metadata of a file that nobody can open.
pub(crate) const NOBODYS: &str = "sops:
    age:
        - recipient: age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq
    lastmodified: \"1970-01-01T00:00:00Z\"
    mac: ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]
    version: 3.11.0
";

/// A file of secrets in which `names` are there as well, with nothing in them.
fn with_secrets(before: &str, names: &BTreeMap<VariableName, SecretSpec>) -> String {
    let mut text = String::new();
    for name in names.keys() {
        let _ = writeln!(
            text,
            "{name}: ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]"
        );
    }
    if before.is_empty() {
        text.push_str(NOBODYS);
    } else {
        text.push_str(before);
    }
    text
}

/// The text of every top-level value of a SOPS file.
fn marks(text: &str) -> BTreeMap<String, String> {
    let Ok(root) = tenantry_yaml::parse(text, &tenantry_yaml::Limits::default()) else {
        return BTreeMap::new();
    };
    let entries = root.as_mapping().unwrap_or_default().iter();
    entries
        .filter_map(|(key, value)| {
            let name = key.as_str().filter(|name| *name != "sops")?;
            let sealed = text.get(value.span.start..value.span.end)?;
            let mark = Oid::hash_object(git2::ObjectType::Blob, sealed.as_bytes()).ok()?;
            Some((name.to_owned(), mark.to_string()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_differs_where_the_ciphertext_does() {
        let one =
            "A: ENC[AES256_GCM,data:AA==,x]\nB: ENC[AES256_GCM,data:BB==,x]\nsops:\n  age: []\n";
        let two = one.replace("BB==", "CC==").replace("age: []", "age: [1]");
        let (one, two) = (marks(one), marks(&two));
        assert_eq!(one.keys().collect::<Vec<_>>(), ["A", "B"]);
        assert_eq!(one["A"], two["A"]);
        assert_ne!(one["B"], two["B"]);
        assert!(marks("{").is_empty());
    }
}
