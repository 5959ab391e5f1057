//! How much a commit removes or replaces, in servers, and whether that was meant: `policy.max_removed` and `fleet/acknowledged.yaml`.
//!
//! A server counts where it goes or becomes another machine, where an order or a tool on it goes (be it to another server, by an edited decision), and
//! where containers are replaced because a tool moves to another version of its stack. Values that are edited, tools that are stopped and everything that is new count for nothing.
//!
//! What an acknowledgement names is the mark of exactly these losses. It says nothing of commits, so it holds however a forge merges.

use crate::codes;
use crate::documents::{CustomerDocuments, OrderDecisions};
use crate::input::{TextOf, locate};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use tenantry_schema::Diagnostic;
use tenantry_schema::amount::Limit;
use tenantry_schema::document::{Acknowledged, Kind, LossMark, Server};
use tenantry_schema::id::{
    AcknowledgementId, CustomerId, FleetId, OrderId, ServerId, ServerKey, ToolName,
};

/// Where acknowledgements stand.
pub const FILE: &str = "fleet/acknowledged.yaml";

/// One thing that goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// A server leaves the fleet. The machine stays as it is.
    Server(ServerKey),
    /// A server becomes another machine: another provider, address or agent. With a digest of the one that it becomes.
    OtherMachine(ServerKey, String),
    /// An order goes.
    Order(CustomerId, OrderId),
    /// A tool of an order goes.
    Tool(CustomerId, OrderId, ToolName),
    /// Containers of a stack are replaced by those of this tree, wherever it runs.
    Version(ToolName, String),
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(server) => write!(f, "server {server} goes"),
            Self::OtherMachine(server, _) => write!(f, "server {server} becomes another machine"),
            Self::Order(customer, order) => write!(f, "order {customer}/{order} goes"),
            Self::Tool(customer, order, tool) => write!(f, "{tool} of {customer}/{order} goes"),
            Self::Version(tool, tree) => {
                let tree = tree.get(..7).unwrap_or(tree);
                write!(f, "{tool} moves to version {tree}")
            }
        }
    }
}

/// What goes at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Losses {
    /// Each thing.
    pub what: BTreeSet<Loss>,
    /// Servers on which something goes.
    pub servers: BTreeSet<ServerKey>,
    /// Each thing with each server on which it goes.
    on: BTreeSet<(Loss, ServerKey)>,
    /// Customers of whom something goes because somebody edited what was decided.
    pub decided: BTreeSet<CustomerId>,
}

impl Losses {
    /// Adds what a customer loses. `after` is none where the customer goes. What cannot be read is not lost (law 7).
    pub fn of_customer(&mut self, before: &CustomerDocuments, after: Option<&CustomerDocuments>) {
        let customer = &before.id;
        let key = |server: &ServerId| ServerKey {
            customer: customer.clone(),
            server: server.clone(),
        };
        for id in before.all_servers() {
            let (old, new) = (
                before.servers.get(id),
                after.and_then(|after| after.servers.get(id)),
            );
            let loss = match (old, new) {
                (Some(old), Some(new)) if other_machine(old, new) => {
                    Loss::OtherMachine(key(id), machine(new))
                }
                (_, Some(_)) => continue,
                _ if after.is_some_and(|after| after.all_servers().contains(id)) => continue,
                _ => Loss::Server(key(id)),
            };
            self.add(loss, key(id));
        }
        for id in orders(before) {
            let decisions = before.decisions.get(id).unwrap_or(&NOTHING);
            let Some(server) = runs_on(before, id, decisions) else {
                continue;
            };
            if !after.is_some_and(|after| orders(after).contains(id)) {
                self.add(Loss::Order(customer.clone(), id.clone()), key(server));
                continue;
            }
            let new = after.and_then(|after| after.orders.get(id));
            let (Some(old), Some(new)) = (before.orders.get(id), new) else {
                continue;
            };
            let gone = old
                .tools
                .keys()
                .filter(|tool| decisions.tools.contains_key(*tool))
                .filter(|tool| !new.tools.contains_key(*tool));
            for tool in gone {
                let loss = Loss::Tool(customer.clone(), id.clone(), tool.clone());
                self.add(loss, key(server));
            }
        }
    }

    /// Adds one loss.
    pub fn add(&mut self, loss: Loss, server: ServerKey) {
        self.what.insert(loss.clone());
        self.servers.insert(server.clone());
        self.on.insert((loss, server));
    }

    /// Adds one that follows from a decision which somebody edited.
    pub fn add_decided(&mut self, loss: Loss, server: ServerKey) {
        self.decided.insert(server.customer.clone());
        self.add(loss, server);
    }

    /// Adds all losses of `others`.
    pub fn extend(&mut self, others: &Self) {
        self.decided.extend(others.decided.iter().cloned());
        for (loss, server) in &others.on {
            self.add(loss.clone(), server.clone());
        }
    }

    /// The same without those that `excused` names.
    #[must_use]
    pub fn without(&self, excused: &BTreeSet<Loss>) -> Self {
        let mut left = Self::default();
        for (loss, server) in self.on.iter().filter(|(loss, _)| !excused.contains(loss)) {
            left.add(loss.clone(), server.clone());
            if self.decided.contains(&server.customer) {
                left.decided.insert(server.customer.clone());
            }
        }
        left
    }

    /// The same without those of these customers.
    #[must_use]
    pub fn without_customers(&self, customers: &BTreeSet<CustomerId>) -> Self {
        let mut left = Self::default();
        let stays = |server: &ServerKey| !customers.contains(&server.customer);
        for (loss, server) in self.on.iter().filter(|(_, server)| stays(server)) {
            left.add(loss.clone(), server.clone());
        }
        let decided = self.decided.difference(customers).cloned();
        left.decided.extend(decided);
        left
    }

    /// The mark of exactly these losses in this fleet: 32 hexadecimal digits.
    pub fn mark(&self, fleet: &FleetId) -> String {
        let mut hasher = Sha256::new();
        // Plain data types of ours: serialising them cannot fail.
        hasher.update(serde_json::to_vec(&(fleet, &self.what)).unwrap_or_default());
        let mut mark = hex::encode(hasher.finalize());
        mark.truncate(32);
        mark
    }
}

static NOTHING: OrderDecisions = OrderDecisions {
    server: None,
    domain: None,
    fulfilled: None,
    tools: BTreeMap::new(),
    secrets: BTreeMap::new(),
};

/// Orders that have a document, those with errors included.
fn orders(documents: &CustomerDocuments) -> BTreeSet<&OrderId> {
    let unread = documents.unread.iter().filter_map(|kind| match kind {
        Kind::Order(_, id) => Some(id),
        _ => None,
    });
    documents.orders.keys().chain(unread).collect()
}

/// The server of an order; none where it never came that far.
fn runs_on<'d>(
    documents: &'d CustomerDocuments,
    id: &OrderId,
    decisions: &'d OrderDecisions,
) -> Option<&'d ServerId> {
    let decided = decisions.server.as_ref().map(|decided| &decided.server);
    decided.or_else(|| documents.orders.get(id)?.server.as_ref())
}

fn other_machine(old: &Server, new: &Server) -> bool {
    old.provider != new.provider
        || old.address != new.address
        || old.agent.is_some() && old.agent != new.agent
}

/// What makes a server the machine that it is, as 16 hexadecimal digits: an acknowledgement of this machine is none of a third.
fn machine(server: &Server) -> String {
    // Plain data types of ours: serialising them cannot fail.
    let about = (&server.provider, &server.address, &server.agent);
    let mut digest = hex::encode(Sha256::digest(
        serde_json::to_vec(&about).unwrap_or_default(),
    ));
    digest.truncate(16);
    digest
}

/// More than the limit lets go at once, or an acknowledged part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removal {
    /// What goes, in order.
    pub losses: BTreeSet<Loss>,
    /// On how many servers.
    pub servers: usize,
    /// Of how many.
    pub of: usize,
    /// As the policy says it.
    pub limit: Limit,
    /// How many servers that is.
    pub allowed: usize,
    /// What an acknowledgement has to name.
    pub mark: String,
    /// The commit at which what would be lost stays. None: tools stay at their pins.
    pub stays_at: Option<String>,
    /// The entry of `fleet/acknowledged.yaml` that lets it go.
    pub acknowledged: Option<AcknowledgementId>,
}

impl Removal {
    /// Judges losses. None where they are within the limit.
    pub fn judge(losses: &Losses, of: usize, limit: Limit, fleet: &FleetId) -> Option<Self> {
        let allowed = limit.of(of);
        (losses.servers.len() > allowed).then(|| Self {
            losses: losses.what.clone(),
            servers: losses.servers.len(),
            of,
            limit,
            allowed,
            mark: losses.mark(fleet),
            stays_at: None,
            acknowledged: None,
        })
    }

    /// The part of it that is `loss` alone, with a mark of its own.
    #[must_use]
    pub fn part(&self, loss: Loss, fleet: &FleetId) -> Self {
        let losses = Losses {
            what: BTreeSet::from([loss]),
            ..Losses::default()
        };
        Self {
            mark: losses.mark(fleet),
            losses: losses.what,
            ..self.clone()
        }
    }

    /// The entry of `now` that names it. One that `before` has as well was for an earlier time.
    pub fn acknowledged_by<'a>(
        &self,
        now: &'a Acknowledged,
        before: &Acknowledged,
    ) -> Option<&'a AcknowledgementId> {
        let fits = |(id, entry): &(&AcknowledgementId, &_)| {
            let entry: &tenantry_schema::document::Acknowledgement = entry;
            let lets_go = |(mark, servers): (&LossMark, u32)| {
                mark.as_str() == self.mark && servers as usize >= self.servers
            };
            entry.removal().is_some_and(lets_go) && before.0.get(*id) != Some(entry)
        };
        now.0.iter().find(fits).map(|(id, _)| id)
    }

    /// Whether it is held back.
    pub fn is_held(&self) -> bool {
        self.acknowledged.is_none()
    }

    /// `12 of 40 servers`, and what the limit is.
    pub fn words(&self) -> String {
        let limit = match self.limit {
            Limit::Share(share) => format!("{share}, that is {}", self.allowed),
            Limit::Number(number) => number.to_string(),
        };
        format!(
            "something goes on {} of {} servers at once, and `policy.max_removed` allows {limit}",
            self.servers, self.of
        )
    }

    /// What to write into [`FILE`] if it is meant.
    pub fn entry(&self) -> String {
        format!(
            "a-name-of-yours:\n  removes: \"{}\"\n  servers: {}\n  reason: why it is meant\n",
            self.mark, self.servers
        )
    }

    /// What is said about it.
    pub fn diagnose(&self, text_of: &TextOf<'_>) -> Diagnostic {
        let place = locate(text_of, "fleet/hub.yaml", &["policy", "max_removed"], false);
        let listed: Vec<String> = self
            .losses
            .iter()
            .take(FEW)
            .map(ToString::to_string)
            .collect();
        let more = match self.losses.len().saturating_sub(FEW) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        let stays = match &self.stays_at {
            Some(commit) => format!(
                "what would go, and all else of its customers, stays as at commit {}; the rest moves on",
                commit.get(..7).unwrap_or(commit)
            ),
            None => "tools stay at their versions; the rest moves on".to_owned(),
        };
        Diagnostic::error(codes::TOO_MUCH_GOES, place, self.words())
            .label("the limit")
            .note(format!("{}{more}", listed.join(", ")))
            .note(stays)
            .note("put it back if it was a slip")
            .note(format!(
                "if it is meant, add to {FILE}, or let `tenantry acknowledge` do so: `NAME: {{ removes: \"{}\", servers: {}, reason: ... }}`",
                self.mark, self.servers
            ))
    }
}

/// Losses that a diagnostic lists.
const FEW: usize = 6;

#[cfg(test)]
mod tests;
