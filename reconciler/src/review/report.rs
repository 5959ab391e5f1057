//! What a plan has to tell, whoever reads it.

use super::totals::{Totals, totals};
use super::{Ends, Seen, count, hints};
use crate::foresee::Foreseen;
use crate::git::{GitError, Objects, Oid};
use crate::secrets::scan::must_be_sealed;
use crate::trust::{NotFollowed, Rules, role_word};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tenantry_planner::change::{
    Group, Marks, Monthly, NameChange, ServerChange, compare, groups, monthly, names,
};
use tenantry_planner::explain::word;
use tenantry_planner::operations::{Downtime, OperationStatus};
use tenantry_planner::removal::Removal;
use tenantry_planner::status::FrozenScope;
use tenantry_schema::Diagnostic;
use tenantry_schema::document::Role;
use tenantry_schema::id::CustomerId;

/// One end of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct End {
    /// As people call it.
    pub(crate) name: String,
    /// Its id. None: files that are not committed.
    pub(crate) commit: Option<String>,
}

impl End {
    pub(crate) fn commit(name: &str, id: Oid) -> Self {
        Self {
            name: name.to_owned(),
            commit: Some(id.to_string()),
        }
    }

    pub(crate) fn files() -> Self {
        Self {
            name: "the files as they are now".to_owned(),
            commit: None,
        }
    }

    /// `main (3f2a91c)`.
    pub(crate) fn words(&self) -> String {
        match &self.commit {
            Some(id) if !id.starts_with(&self.name) => {
                format!("{} ({})", self.name, id.get(..7).unwrap_or(id))
            }
            Some(id) => id.get(..7).unwrap_or(id).to_owned(),
            None => self.name.clone(),
        }
    }
}

/// A choice that a hub would make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Choice {
    pub(crate) customer: CustomerId,
    /// The file it is written to.
    pub(crate) path: String,
    /// In words.
    pub(crate) summary: String,
    /// Whether it is due already, whatever becomes of the change.
    pub(crate) due_anyway: bool,
}

/// An order that does not go on by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Wait {
    pub(crate) order: String,
    pub(crate) phase: String,
    pub(crate) reasons: Vec<String>,
}

/// Orders that are named where many wait for the same.
pub(crate) const NAMED: usize = 3;

/// Orders that wait for the same.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Waiters<'a> {
    pub(crate) phase: &'a str,
    pub(crate) reasons: &'a [String],
    pub(crate) orders: Vec<&'a str>,
}

impl Waiters<'_> {
    /// Which orders, at most `few` of them by name.
    pub(crate) fn words(&self, few: usize) -> String {
        let named = self.orders.iter().take(few).copied();
        let named = named.collect::<Vec<_>>().join(", ");
        match self.orders.len().saturating_sub(few) {
            0 => named,
            more => format!("{named} and {more} more"),
        }
    }
}

/// Files that take somebody of a certain role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Approval {
    /// The least role.
    pub(crate) role: Role,
    /// In words.
    pub(crate) who: &'static str,
    /// Which files.
    pub(crate) files: Vec<String>,
}

/// Who has to agree to what differs between the two ends, by the policy that holds now; the highest role first.
pub(crate) fn approvals(
    objects: &Objects,
    ends: &Ends,
    before: &Foreseen,
) -> Result<Vec<Approval>, GitError> {
    let Some(desired) = &before.loaded.desired else {
        return Ok(Vec::new());
    };
    let rules = Rules::of(&desired.head);
    let mut by_role: BTreeMap<Role, Vec<String>> = BTreeMap::new();
    for path in objects.changed_paths(ends.from.1.tree, ends.to.1.tree)? {
        by_role
            .entry(rules.least_role(&path))
            .or_default()
            .push(path);
    }
    let approvals = by_role.into_iter().map(|(role, files)| Approval {
        role,
        who: role_word(role),
        files,
    });
    Ok(approvals.collect())
}

/// Everything.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) from: End,
    pub(crate) to: End,
    pub(crate) note: Option<String>,
    /// Whether the two cannot be merged, so that what is told is not what merging would do.
    pub(crate) conflict: bool,
    /// The first commit that merging would bring and a hub would not follow, nor anything after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refused: Option<NotFollowed>,
    /// What may not be what was meant.
    pub(crate) hints: Vec<String>,
    pub(crate) totals: Totals,
    /// Currencies in which what customers pay a month differs.
    pub(crate) monthly: Vec<Monthly>,
    pub(crate) approvals: Vec<Approval>,
    /// Operations that are new or different, and how they stand.
    pub(crate) operations: Vec<Arc<OperationStatus>>,
    /// What goes beyond `policy.max_removed`.
    pub(crate) removals: Vec<Removal>,
    /// Public names whose records have to change. Nothing writes or looks up records yet.
    pub(crate) names: Vec<NameChange>,
    pub(crate) groups: Vec<Group>,
    pub(crate) changes: Vec<ServerChange>,
    pub(crate) decisions: Vec<Choice>,
    pub(crate) waiting: Vec<Wait>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Encrypted files that differ and were not opened, for there was no key: their values and MAC were not looked at.
    pub(crate) unopened: Vec<String>,
    pub(crate) frozen: Vec<FrozenScope>,
    /// How what is touched really is. None: no hub was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seen: Option<Seen>,
}

impl Report {
    pub(crate) fn new(
        ends: Ends,
        before: &Foreseen,
        after: &Foreseen,
        approvals: Vec<Approval>,
        marks: &Marks<'_, GitError>,
    ) -> Result<Self, GitError> {
        let changes = compare(&before.plan, &after.plan, marks)?;
        let due: BTreeSet<String> = before
            .decisions
            .iter()
            .map(|decision| decision.path() + &decision.summary())
            .collect();
        let decisions = after.decisions.iter().map(|decision| Choice {
            customer: decision.order.customer.clone(),
            path: decision.path(),
            summary: decision.summary(),
            due_anyway: due.contains(&(decision.path() + &decision.summary())),
        });
        Ok(Self {
            from: ends.from.0,
            to: ends.to.0,
            note: ends.note,
            conflict: ends.conflict,
            refused: None,
            hints: hints_of(before, after),
            totals: totals(&changes),
            monthly: match (&before.loaded.desired, &after.loaded.desired) {
                (Some(old), Some(new)) => monthly(old, new, &unread_sums(before)),
                _ => Vec::new(),
            },
            approvals,
            operations: new_operations(before, after),
            removals: after.loaded.removals.to_vec(),
            names: match (&before.loaded.desired, &after.loaded.desired) {
                (Some(old), Some(new)) => names((&before.plan, old), (&after.plan, new)),
                _ => Vec::new(),
            },
            groups: groups(&changes),
            changes,
            decisions: decisions.collect(),
            waiting: new_waits(before, after),
            diagnostics: after.loaded.diagnostics.to_vec(),
            unopened: Vec::new(),
            frozen: after.loaded.frozen.clone(),
            seen: None,
        })
    }

    /// For how long a tool stands still: as the hub that was asked measured it, where one was.
    pub(crate) fn downtime(&self, operation: &OperationStatus) -> Option<Downtime> {
        let seen = self.seen.as_ref();
        let measured = seen.and_then(|seen| seen.downtime(operation));
        measured.or_else(|| operation.downtime.clone())
    }

    /// The orders that wait, those for the same reasons together; the most first.
    pub(crate) fn waiters(&self) -> Vec<Waiters<'_>> {
        let mut alike: BTreeMap<(&str, &[String]), Vec<&str>> = BTreeMap::new();
        for wait in &self.waiting {
            let same = alike.entry((&wait.phase, &wait.reasons)).or_default();
            same.push(&wait.order);
        }
        let each = alike.into_iter();
        let mut waiters: Vec<Waiters<'_>> = each
            .map(|((phase, reasons), orders)| Waiters {
                phase,
                reasons,
                orders,
            })
            .collect();
        waiters.sort_by_key(|waiters| std::cmp::Reverse(waiters.orders.len()));
        waiters
    }

    /// Operations, those that destroy data first: a list that is cut must not hide them.
    pub(crate) fn gravest_operations(&self) -> Vec<&OperationStatus> {
        let mut operations: Vec<_> = self.operations.iter().map(AsRef::as_ref).collect();
        operations.sort_by_key(|operation| operation.destroys.is_empty());
        operations
    }

    /// Notes that nobody opened the encrypted files among those that take somebody's approval.
    pub(crate) fn without_key(&mut self) {
        let files = self.approvals.iter().flat_map(|approval| &approval.files);
        self.unopened = files.filter(|path| must_be_sealed(path)).cloned().collect();
        self.unopened.sort();
    }

    /// What was not looked at for want of a key, in words. None: nothing.
    pub(crate) fn unopened(&self) -> Option<String> {
        let files = count(self.unopened.len(), "encrypted file");
        (!self.unopened.is_empty()).then(|| {
            format!("{files} not opened, for that takes a key: whether the values are what was put in (MAC) is not known")
        })
    }

    /// Whether it must not be merged as it is.
    pub(crate) fn has_errors(&self) -> bool {
        self.refused.is_some() || self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// Whether nothing changes and nothing is to be decided.
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.decisions.is_empty() && self.operations.is_empty()
    }
}

fn hints_of(before: &Foreseen, after: &Foreseen) -> Vec<String> {
    let (before, after) = (&before.loaded, &after.loaded);
    let mut hints = hints::stacks(&before.catalogue, &after.catalogue);
    if let (Some(old), Some(new)) = (&before.desired, &after.desired) {
        hints.extend(hints::renamings(old, new));
    }
    hints
}

/// What customers pay a month who were not read because they are the same before and after.
fn unread_sums(before: &Foreseen) -> BTreeMap<String, u64> {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for left in before.loaded.unread.values() {
        for (currency, paid) in &left.facts.monthly {
            let sum = sums.entry(currency.clone()).or_default();
            *sum = sum.saturating_add(*paid);
        }
    }
    sums
}

/// Operations that are not what they were.
fn new_operations(before: &Foreseen, after: &Foreseen) -> Vec<Arc<OperationStatus>> {
    let mut found = Vec::new();
    for (id, plan) in &after.plan.customers {
        let known = before.plan.customers.get(id).map(|plan| &plan.operations);
        let new = plan.operations.iter().filter(|operation| {
            !known.is_some_and(|known| known.iter().any(|known| known == *operation))
        });
        found.extend(new.cloned());
    }
    found
}

/// Orders that wait for something that they did not wait for before, apart from agents, of which nothing is known here.
fn new_waits(before: &Foreseen, after: &Foreseen) -> Vec<Wait> {
    let waits = |foreseen: &Foreseen| {
        let orders = foreseen
            .plan
            .customers
            .values()
            .flat_map(|customer| customer.orders.clone());
        let waits = orders.map(|order| {
            let reasons: Vec<String> = order
                .waiting
                .iter()
                .filter(|reason| !reason.is_about_agents())
                .map(ToString::to_string)
                .collect();
            Wait {
                order: format!("{}/{}", order.customer, order.order),
                phase: word(&order.phase),
                reasons,
            }
        });
        waits
            .filter(|wait| !wait.reasons.is_empty())
            .collect::<Vec<_>>()
    };
    let known = waits(before);
    let mut new = waits(after);
    new.retain(|wait| !known.contains(wait));
    new
}
