//! What should be true: documents resolved against each other, nothing missing. Made by [`crate::link`], read by [`crate::plan`].

use crate::catalogue::{CompiledStack, Templates};
use crate::documents::{HeadDocuments, SecretsFile};
use crate::domains::DomainIndex;
use crate::lost::LostDecisions;
use crate::object::ObjectId;
use crate::sealing::SealingRules;
use crate::waiting::WaitingOn;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tenantry_schema::SharedMap;
use tenantry_schema::document::{
    Customer, Fulfilled, Operation, OperationRecord, Order, Server, Tool,
};
use tenantry_schema::id::{CustomerId, OperationId, OrderId, ServerId, SiteName, ToolName};
use tenantry_schema::name::DomainName;

/// The whole fleet as it should be.
#[derive(Debug, Clone)]
pub struct Desired {
    /// The fleet commit that it was compiled from.
    pub commit: ObjectId,
    /// Its generation.
    pub generation: u64,
    /// Settings of the fleet.
    pub head: Arc<HeadDocuments>,
    /// Every customer.
    pub customers: BTreeMap<CustomerId, Arc<CustomerDesired>>,
    /// Who holds which domain.
    pub domains: Arc<DomainIndex>,
    /// Customers that have never been good: they are shown, and nothing is done.
    pub broken: BTreeSet<CustomerId>,
    /// Customers whose decisions of this commit cannot be read: they stay as they were, and nothing is decided for them, because it may have
    /// been decided already.
    pub held: BTreeSet<CustomerId>,
    /// Decisions that were taken away by hand, as far as that was looked up: they are not made anew.
    pub lost: LostDecisions,
    /// Who can open files of secrets that are made anew.
    pub rules: SealingRules,
}

/// One customer as it should be.
#[derive(Debug, Clone)]
pub struct CustomerDesired {
    /// The customer.
    pub id: CustomerId,
    /// Their settings.
    pub customer: Arc<Customer>,
    /// Their orders.
    pub orders: BTreeMap<OrderId, OrderDesired>,
    /// Their machines.
    pub servers: BTreeMap<ServerId, Arc<Server>>,
    /// Secrets of backups, which the hub generated.
    pub backup_secrets: Option<Arc<SecretsFile>>,
    /// Secrets that people gave.
    pub secrets: Option<Arc<SecretsFile>>,
    /// Ports that removed orders still hold on their servers: such an order may come back.
    pub retired_ports: BTreeMap<ServerId, BTreeSet<u16>>,
    /// Ports of removed orders of which it is not known on which server they were.
    pub unplaced_ports: BTreeSet<u16>,
    /// One-time acts, approved or not; [`crate::operations`] says which may be started.
    pub operations: BTreeMap<OperationId, Arc<Operation>>,
    /// Those that were started, and what came of them.
    pub records: BTreeMap<OperationId, Arc<OperationRecord>>,
    /// Why they stay as they are, or in part, although the documents say otherwise.
    pub waiting: Vec<WaitingOn>,
}

/// One order, with what was decided for it.
#[derive(Debug, Clone)]
pub struct OrderDesired {
    /// As written.
    pub document: Arc<Order>,
    /// The server that it was assigned to.
    pub server: Option<ServerId>,
    /// The domain that it claimed.
    pub claim: Option<DomainName>,
    /// The generation of the fleet that the claim was decided on.
    pub claim_generation: u64,
    /// The record of first fulfilment.
    pub fulfilled: Option<Arc<Fulfilled>>,
    /// Its tools.
    pub tools: BTreeMap<ToolName, ToolDesired>,
    /// Ports that tools removed from the order still hold: they never move to a neighbour.
    pub retired_ports: BTreeSet<u16>,
}

/// The Git trees that a pin names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pinned {
    /// Of `stacks/<tool>`.
    pub stack: ObjectId,
    /// Of `nginx`.
    pub nginx: ObjectId,
}

/// One tool of an order.
#[derive(Debug, Clone)]
pub struct ToolDesired {
    /// As written.
    pub document: Tool,
    /// The stack that should run: of the pin where there is one, else of the branch. None: it cannot be used as it is.
    pub stack: Option<Arc<CompiledStack>>,
    /// The web server's templates that go with it.
    pub templates: Option<Arc<Templates>>,
    /// The pin as decided. Where it names other trees than those above, it is to be moved to them.
    pub pin: Option<Pinned>,
    /// Why it stays at its pin although another version is wanted.
    pub stays: Option<WaitingOn>,
    /// Whether the branch has another tree of the stack.
    pub newer_available: bool,
    /// Ports decided so far.
    pub ports: SharedMap<SiteName, u16>,
    /// Secrets generated so far.
    pub secrets: Option<Arc<SecretsFile>>,
    /// Public names of its sites, below the domain that its order holds, or wants where it holds none.
    pub hosts: SharedMap<SiteName, DomainName>,
    /// More names that lead to its sites, below the same domain.
    pub redirects: SharedMap<SiteName, Vec<DomainName>>,
}

impl ToolDesired {
    /// Whether an override file lies on top of its stack.
    pub fn is_customised(&self) -> bool {
        self.stack
            .as_ref()
            .is_some_and(|stack| stack.over.is_some())
    }
}
