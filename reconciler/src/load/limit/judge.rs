//! One step: what a tree takes from its parents, and from what was held back there, beyond the policy.
//!
//! # The rule
//! A tree is compared with every commit at which something stays already, and with each of its parents. Where what goes is more than the strictest
//! limit of all these commits, and no entry of `fleet/acknowledged.yaml` that is new since then names it, it stays at that commit.
//!
//! A merge has several parents. The branch that the hub follows comes first: the first parent, or the one that has commits of the hub which the
//! first has not (a person's `git pull`). What the line of an earlier one let go since they parted, under a limit at least as strict, is no loss
//! for a later one: it goes on there. What only the later lines let go is judged as a whole, as `tenantry plan` does.

use super::lines::followed_first;
use super::memory::Bases;
use super::rules::{Rule, strictest};
use super::{Limits, Verdict};
use crate::git::{GitError, Objects, Oid, is_descendant};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tenantry_planner::removal::{Loss, Losses, Removal};
use tenantry_schema::amount::Limit;

/// What a tree takes beyond the policy.
pub(super) struct Finding {
    /// Commits at which something stays, with what goes. Empty where it is acknowledged.
    stays: Vec<(Oid, Losses)>,
    /// Where something was let go.
    let_go: Vec<(Oid, Losses)>,
    removal: Removal,
}

impl Finding {
    /// Commits at which something stays.
    pub(super) fn bases(&self) -> Bases {
        self.stays.iter().map(|(base, _)| *base).collect()
    }

    pub(super) fn verdict(mut self) -> Verdict {
        let stays = self.stays.iter().chain(&self.let_go);
        let (mut customers, mut decided) = (BTreeMap::new(), BTreeSet::new());
        for (base, losses) in stays {
            decided.extend(losses.decided.iter().cloned());
            for server in &losses.servers {
                customers.entry(server.customer.clone()).or_insert(*base);
            }
        }
        self.removal.stays_at = self
            .stays
            .first()
            .or(self.let_go.first())
            .map(|(base, _)| base.to_string());
        Verdict {
            removal: self.removal,
            customers,
            decided,
        }
    }
}

/// A commit that a tree is compared with, and what goes beyond the rules.
struct Over {
    base: Oid,
    /// Where it stands among all that the tree is compared with.
    rank: usize,
    losses: Arc<Losses>,
    removal: Removal,
}

impl Limits {
    /// The rules of these commits, and of those at which something stays there.
    pub(super) fn rules_of(
        &mut self,
        objects: &Objects,
        commits: &[Oid],
    ) -> Result<Vec<Rule>, GitError> {
        let mut rules = Vec::new();
        let held = commits
            .iter()
            .flat_map(|commit| self.memory.held_at(*commit));
        let all: BTreeSet<Oid> = commits.iter().chain(held).copied().collect();
        for commit in all {
            if let Some(rule) = self.rules.at(objects, commit)?
                && !rules.contains(&rule)
            {
                rules.push(rule);
            }
        }
        Ok(rules)
    }

    /// What the tree `root` on top of these commits takes beyond the policy. `commit` is the one that it is of, if it is committed.
    pub(super) fn judge(
        &mut self,
        objects: &Objects,
        parents: &[Oid],
        root: Oid,
        commit: Option<Oid>,
    ) -> Result<Option<Finding>, GitError> {
        let rules = self.rules_of(objects, parents)?;
        if rules.is_empty() {
            return Ok(None);
        }
        let heads = commit.map_or_else(|| parents.to_vec(), |commit| vec![commit]);
        let mut parents = parents.to_vec();
        let mut over = self.over(objects, &parents, (root, &heads), &rules)?;
        if over.is_empty() {
            return Ok(None);
        }
        if parents.len() > 1 && followed_first(objects, &mut parents)? {
            over = self.over(objects, &parents, (root, &heads), &rules)?;
        }
        let compared = self.compared_with(&parents);
        if compared.len() > 1 {
            over = self.excuse(objects, over, &compared, &rules)?;
        }
        let (mut over, acknowledged) = self.not_acknowledged(objects, over, root)?;
        self.drop_older(objects, &parents, &mut over)?;
        drop_covered(&mut over);
        let pairs = |over: &[Over]| {
            let pair = |one: &Over| (one.base, (*one.losses).clone());
            over.iter().map(pair).collect::<Vec<_>>()
        };
        let Some(first) = over.first() else {
            let shown = acknowledged.into_iter().next();
            return Ok(shown.map(|one| Finding {
                stays: Vec::new(),
                let_go: pairs(std::slice::from_ref(&one)),
                removal: one.removal,
            }));
        };
        if over.len() == 1 {
            return Ok(Some(Finding {
                removal: first.removal.clone(),
                stays: pairs(&over),
                let_go: Vec::new(),
            }));
        }
        self.together(objects, &over, root, &rules, pairs(&over))
    }

    /// Several commits at which something stays, as one removal.
    fn together(
        &mut self,
        objects: &Objects,
        over: &[Over],
        root: Oid,
        rules: &[Rule],
        pairs: Vec<(Oid, Losses)>,
    ) -> Result<Option<Finding>, GitError> {
        let mut all = Losses::default();
        for one in over {
            all.extend(&one.losses);
        }
        let of = over.iter().map(|one| one.removal.of).max().unwrap_or(0);
        let Some(rule) = strictest(rules, of) else {
            return Ok(None);
        };
        let Some(mut removal) = Removal::judge(&all, of, rule.limit, &rule.fleet) else {
            return Ok(None);
        };
        let now = self.acknowledged(objects, root)?;
        let mut agreed = None;
        for one in over {
            let before = objects.root_tree(one.base)?;
            let then = self.acknowledged(objects, before)?;
            agreed = removal.acknowledged_by(&now, &then).cloned();
            if agreed.is_none() {
                break;
            }
        }
        removal.acknowledged = agreed;
        let (stays, let_go) = if removal.is_held() {
            (pairs, Vec::new())
        } else {
            (Vec::new(), pairs)
        };
        Ok(Some(Finding {
            stays,
            let_go,
            removal,
        }))
    }

    /// Everything that a tree on top of these commits is compared with, in order.
    fn compared_with(&self, parents: &[Oid]) -> Vec<Oid> {
        let mut all = Vec::new();
        for parent in parents {
            for base in self.memory.held_at(*parent).iter().chain([parent]) {
                if !all.contains(base) {
                    all.push(*base);
                }
            }
        }
        all
    }

    /// What the root tree `root` takes from the commit `base`; `heads` are the commits whose history leads to that tree.
    fn losses(
        &mut self,
        objects: &Objects,
        base: Oid,
        root: Oid,
        heads: &[Oid],
    ) -> Result<Arc<Losses>, GitError> {
        let mut stay = BTreeSet::new();
        for earlier in self.memory.held_at(base) {
            let tree = objects.root_tree(base)?;
            let nobody = BTreeSet::new();
            let held = self
                .comparisons
                .losses(objects, *earlier, tree, &[base], &nobody)?;
            stay.extend(held.servers.iter().map(|server| server.customer.clone()));
        }
        self.comparisons.losses(objects, base, root, heads, &stay)
    }

    fn over(
        &mut self,
        objects: &Objects,
        parents: &[Oid],
        (root, heads): (Oid, &[Oid]),
        rules: &[Rule],
    ) -> Result<Vec<Over>, GitError> {
        let mut over = Vec::new();
        for (rank, base) in self.compared_with(parents).into_iter().enumerate() {
            let losses = self.losses(objects, base, root, heads)?;
            if let Some(removal) = self.excess(objects, base, &losses, rules)? {
                over.push(Over {
                    base,
                    rank,
                    losses,
                    removal,
                });
            }
        }
        Ok(over)
    }

    /// What is lost from `base`, where it is more than one of the rules lets go.
    fn excess(
        &mut self,
        objects: &Objects,
        base: Oid,
        losses: &Losses,
        rules: &[Rule],
    ) -> Result<Option<Removal>, GitError> {
        let number = losses.servers.len();
        let few = |rule: &Rule| match rule.limit {
            Limit::Share(_) => number <= 1,
            Limit::Number(most) => number <= most as usize,
        };
        // Counting servers costs more than finding that nobody lost any.
        if rules.iter().all(few) {
            return Ok(None);
        }
        let within = |of: usize| rules.iter().all(|rule| number <= rule.limit.of(of));
        let of = self.sizes.count(objects, base, within)?;
        let rule = strictest(rules, of);
        Ok(rule.and_then(|rule| Removal::judge(losses, of, rule.limit, &rule.fleet)))
    }

    /// Takes out what other lines let go.
    fn excuse(
        &mut self,
        objects: &Objects,
        over: Vec<Over>,
        compared: &[Oid],
        rules: &[Rule],
    ) -> Result<Vec<Over>, GitError> {
        let mut left = Vec::new();
        for one in over {
            let mut excused = BTreeSet::new();
            for line in compared.iter().take(one.rank) {
                excused.extend(self.let_go(objects, &one, *line, rules)?);
            }
            if excused.is_empty() {
                left.push(one);
                continue;
            }
            let losses = Arc::new(one.losses.without(&excused));
            if let Some(removal) = self.excess(objects, one.base, &losses, rules)? {
                left.push(Over {
                    losses,
                    removal,
                    ..one
                });
            }
        }
        Ok(left)
    }

    /// What the line of `line` let go since it parted from that of a commit that loses something, under a limit that is at least as strict.
    fn let_go(
        &mut self,
        objects: &Objects,
        one: &Over,
        line: Oid,
        rules: &[Rule],
    ) -> Result<BTreeSet<Loss>, GitError> {
        let Some(parted) = objects.merge_base(one.base, line)? else {
            return Ok(BTreeSet::new());
        };
        let of = one.removal.of;
        let allowed = strictest(rules, of).map(|rule| rule.limit.of(of));
        for commit in [parted, line] {
            let there = self.rules.at(objects, commit)?;
            if there.is_none_or(|rule| allowed.is_none_or(|most| rule.limit.of(of) > most)) {
                return Ok(BTreeSet::new());
            }
        }
        let root = objects.root_tree(line)?;
        let heads = [line];
        let mut gone = (*self.losses(objects, parted, root, &heads)?).clone();
        for base in self.memory.held_at(line).to_vec() {
            let held = self.losses(objects, base, root, &heads)?;
            gone = gone.without(&held.what);
        }
        Ok(gone.what)
    }

    /// Splits what is acknowledged from the rest. An entry counts where it is new since the commit that loses something.
    fn not_acknowledged(
        &mut self,
        objects: &Objects,
        over: Vec<Over>,
        root: Oid,
    ) -> Result<(Vec<Over>, Vec<Over>), GitError> {
        let now = self.acknowledged(objects, root)?;
        let (mut left, mut agreed) = (Vec::new(), Vec::new());
        for mut one in over {
            let before = objects.root_tree(one.base)?;
            let then = self.acknowledged(objects, before)?;
            one.removal.acknowledged = one.removal.acknowledged_by(&now, &then).cloned();
            if one.removal.is_held() {
                left.push(one);
            } else {
                agreed.push(one);
            }
        }
        Ok((left, agreed))
    }

    /// Drops commits that have a newer one among them at which nothing was held back: what it lacks was let go properly.
    fn drop_older(
        &self,
        objects: &Objects,
        parents: &[Oid],
        over: &mut Vec<Over>,
    ) -> Result<(), GitError> {
        if parents.len() < 2 || over.len() < 2 {
            return Ok(());
        }
        let whole: Vec<Oid> = over
            .iter()
            .map(|one| one.base)
            .filter(|base| parents.contains(base) && self.memory.held_at(*base).is_empty())
            .collect();
        let mut kept = Vec::new();
        for one in over.drain(..) {
            let mut older = false;
            for newer in whole.iter().filter(|newer| **newer != one.base) {
                older |= is_descendant(objects, one.base, *newer)?;
            }
            if !older {
                kept.push(one);
            }
        }
        *over = kept;
        Ok(())
    }
}

/// Drops those of which everything that goes stays at an earlier one of them.
fn drop_covered(over: &mut Vec<Over>) {
    let mut covered: BTreeSet<Loss> = BTreeSet::new();
    over.retain(|one| {
        let new = !one.losses.what.is_subset(&covered);
        covered.extend(one.losses.what.iter().cloned());
        new
    });
}
