//! Decisions that were made once and are gone: what a plan finds missing, and what the history says about it.
//!
//! The planner names what is missing wherever it would decide or render without it. Whoever reads the history answers with what was there and
//! was taken away by hand. Such a thing is not decided anew: a second server, port or secret would part an order from its data, and a second
//! first fulfilment would be mailed again.

use crate::codes;
use crate::decision::What;
use crate::removal::FILE;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use tenantry_schema::Diagnostic;
use tenantry_schema::diagnostic::Place;
use tenantry_schema::document::Anew;
use tenantry_schema::id::{CustomerId, OrderId, OrderKey};
use tenantry_schema::name::DomainName;

/// A decision, or a part of one, that is not there. Most often it was never made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Missing {
    /// The order.
    pub order: OrderKey,
    /// Which decision.
    pub what: What,
    /// Sites, secrets or tools that the file does not name. Empty: there is no file.
    pub parts: BTreeSet<String>,
    /// Set where others of the order's decisions are there that come after it. The history has to be asked even if nothing is to be done.
    pub suspicious: bool,
}

impl Missing {
    /// The file that it would be in.
    pub fn path(&self) -> String {
        self.what.path(&self.order)
    }
}

/// A decision that was there and was taken away while its order stayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Which decision.
    pub what: What,
    /// Its file.
    pub path: String,
    /// The commit that took it away. None: that is not committed yet.
    pub commit: Option<String>,
    /// Which parent of that commit had it; the first is 1.
    pub parent: u32,
    /// The newest commit that has a file which can be read, where that is not this parent.
    pub good_at: Option<String>,
    /// The domain that a lost claim names: it stays the order's.
    pub domain: Option<DomainName>,
}

/// Everything lost, by customer and order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LostDecisions(BTreeMap<CustomerId, Arc<BTreeMap<OrderId, Vec<Lost>>>>);

impl LostDecisions {
    /// Adds something. What is known already stays as it is.
    pub fn add(&mut self, order: &OrderKey, lost: Lost) {
        let customer = Arc::make_mut(self.0.entry(order.customer.clone()).or_default());
        let list = customer.entry(order.order.clone()).or_default();
        if !list.iter().any(|known| known.path == lost.path) {
            list.push(lost);
            list.sort_by(|a, b| a.path.cmp(&b.path));
        }
    }

    /// What a customer lost.
    pub fn of(&self, customer: &CustomerId) -> Option<&Arc<BTreeMap<OrderId, Vec<Lost>>>> {
        self.0.get(customer)
    }

    /// What an order lost.
    pub fn of_order(&self, customer: &CustomerId, order: &OrderId) -> &[Lost] {
        let list = self.0.get(customer).and_then(|orders| orders.get(order));
        list.map_or(&[], Vec::as_slice)
    }

    /// Forgets what a customer lost.
    pub fn forget(&mut self, customer: &CustomerId) {
        self.0.remove(customer);
    }

    /// All of it, order by order.
    pub fn iter(&self) -> impl Iterator<Item = (OrderKey, &[Lost])> {
        self.0.iter().flat_map(|(customer, orders)| {
            orders.iter().map(move |(order, list)| {
                let key = OrderKey {
                    customer: customer.clone(),
                    order: order.clone(),
                };
                (key, list.as_slice())
            })
        })
    }

    /// Whether nothing is lost.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Domains that orders hold whose claims are lost.
    pub fn domains(&self) -> impl Iterator<Item = (OrderKey, DomainName)> + '_ {
        self.0.iter().flat_map(|(customer, orders)| {
            orders.iter().flat_map(move |(order, list)| {
                let key = OrderKey {
                    customer: customer.clone(),
                    order: order.clone(),
                };
                list.iter()
                    .filter_map(move |lost| Some((key.clone(), lost.domain.clone()?)))
            })
        })
    }
}

/// What one commit took away from one order, and the ways out.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TakenAway {
    /// Whose decisions: what an entry of `fleet/acknowledged.yaml` names to have them made anew.
    pub anew: Anew,
    /// The commit that did it. None: it is not committed yet.
    pub commit: Option<String>,
    /// Which of its parents had them; the first is 1.
    pub parent: u32,
    /// The newest commit that has them in a state that can be read, where that is not this parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good_at: Option<String>,
    /// The files.
    pub paths: Vec<String>,
}

/// What an order lost, by the commit that took it.
pub fn by_commit(order: &OrderKey, lost: &[Lost]) -> Vec<TakenAway> {
    let mut groups: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for lost in lost {
        let OrderKey { customer, order } = order.clone();
        let anew = match lost.what {
            What::BackupSecrets => Anew::Backups(customer),
            _ => Anew::Order(customer, order),
        };
        let paths = groups.entry((lost.commit.clone(), lost.parent, lost.good_at.clone(), anew));
        paths.or_default().push(lost.path.clone());
    }
    let taken = groups.into_iter();
    taken
        .map(|((commit, parent, good_at, anew), paths)| TakenAway {
            anew,
            commit,
            parent,
            good_at,
            paths,
        })
        .collect()
}

/// What is said about everything that is lost.
pub fn diagnose(lost: &LostDecisions) -> Vec<Diagnostic> {
    let told = lost
        .iter()
        .flat_map(|(order, list)| by_commit(&order, list));
    told.map(|taken| taken.diagnose()).collect()
}

impl TakenAway {
    /// The commit as people write it.
    fn short(&self) -> Option<&str> {
        let commit = self.commit.as_deref()?;
        Some(commit.get(..12).unwrap_or(commit))
    }

    /// The command that puts the files back, from whatever folder of the fleet it is given.
    pub fn put_back(&self) -> String {
        let from = match (&self.good_at, self.short(), self.parent) {
            (Some(good), ..) => good.get(..12).unwrap_or(good).to_owned(),
            (None, None, _) => "HEAD".to_owned(),
            (None, Some(commit), 1) => format!("{commit}^"),
            (None, Some(commit), parent) => format!("{commit}^{parent}"),
        };
        format!("git checkout {from} -- :/{}", self.paths.join(" :/"))
    }

    /// The entry of `fleet/acknowledged.yaml` that gives them up. None: they can be given up once their deletion is committed.
    pub fn entry(&self) -> Option<String> {
        let commit = self.commit.as_ref()?;
        Some(format!(
            "{{ anew: {}, since: {commit}, reason: ... }}",
            self.anew
        ))
    }

    /// What is said about it.
    pub fn diagnose(&self) -> Diagnostic {
        let first = self.paths.first().cloned().unwrap_or_default();
        let message = match self.short() {
            Some(commit) => format!(
                "commit {commit} took decisions about {} away that are not made anew",
                self.anew
            ),
            None => format!(
                "decisions about {} were deleted that are not made anew",
                self.anew
            ),
        };
        let more = self.paths.len().saturating_sub(1);
        let label = match more {
            0 => "gone, or a part of it is".to_owned(),
            more => format!("gone, or a part of it is, and so are {more} more"),
        };
        let found = Diagnostic::error(codes::DECISIONS_LOST, Place::file(first), message)
            .label(label)
            .note("the order waits until they are back, what runs stays as it is, and nothing else is decided for this customer")
            .note(format!("put them back: `{}`", self.put_back()));
        found.note(match self.entry() {
            Some(entry) => format!(
                "if they are to be made anew: `tenantry acknowledge`, or add to {FILE} `NAME: {entry}`"
            ),
            None => "if they are to be made anew: commit this (`git commit --no-verify`), then `tenantry acknowledge`".to_owned(),
        })
    }
}

impl fmt::Display for TakenAway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.short() {
            Some(commit) => write!(
                f,
                "commit {commit} took decisions away that are not made anew"
            )?,
            None => f.write_str("decisions were deleted that are not made anew")?,
        }
        write!(
            f,
            ": put them back with `{}` and commit, or give them up with `tenantry acknowledge`",
            self.put_back()
        )
    }
}
