//! Files to typed documents, one customer at a time, with every mistake located. References between documents are checked in [`crate::link`].

mod clear;
mod forge;
mod format;
mod head;
mod idle;
mod partly;
mod sealed;
mod standing;

use crate::codes;
use crate::input::{CustomerFiles, SourceFile, diagnose};
use crate::object::ObjectId;
use crate::{moved, references};
pub use head::head;
pub use partly::Partly;
pub use sealed::CONFLICT;
use sealed::read_secrets;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use tenantry_schema::Diagnostic;
use tenantry_schema::diagnostic::Place;
use tenantry_schema::document::{
    Activation, Customer, DomainClaim, Erased, Fulfilled, Hub, Kind, Operation, OperationRecord,
    Order, Server, ServerAssignment, Staff, ToolDecision, classify,
};
use tenantry_schema::id::{CustomerId, OperationId, OrderId, ServerId, ToolName};
use tenantry_yaml::{Limits, MAX_PROBLEMS, Problem, ProblemKind};

/// The documents of `fleet/` itself.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadDocuments {
    /// `hub.yaml`
    pub hub: Hub,
    /// `staff.yaml`
    pub staff: Staff,
    /// `activation.yaml`
    pub activation: Option<Activation>,
    /// Object id of `hub-key.yaml`.
    pub hub_key: Option<ObjectId>,
    /// Object id of `secrets.yaml`.
    pub secrets: Option<ObjectId>,
}

/// The documents of one customer. What is resolved from them shares their content.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomerDocuments {
    /// The customer.
    pub id: CustomerId,
    /// `customer.yaml`
    pub customer: Arc<Customer>,
    /// What they bought.
    pub orders: BTreeMap<OrderId, Arc<Order>>,
    /// Their machines.
    pub servers: BTreeMap<ServerId, Arc<Server>>,
    /// `secrets.yaml`
    pub secrets: Option<Arc<SecretsFile>>,
    /// What the hub decided, by order.
    pub decisions: BTreeMap<OrderId, OrderDecisions>,
    /// Secrets of backups, which the hub generated.
    pub backup_secrets: Option<Arc<SecretsFile>>,
    /// Compose files on top of those of stacks, by the order and tool in their names.
    pub overrides: BTreeMap<(OrderId, ToolName), Arc<Override>>,
    /// One-time acts.
    pub operations: BTreeMap<OperationId, Arc<Operation>>,
    /// Records of those that were started.
    pub records: BTreeMap<OperationId, Arc<OperationRecord>>,
    /// The names of the files of orders that were renamed, by the id that they keep.
    pub written_orders: BTreeMap<OrderId, OrderId>,
    /// Files that are there and have errors. What refers to one of them is not wrong because of that.
    pub unread: HashSet<Kind>,
    /// What can be read of orders that have errors, to check that as well and for nothing else.
    pub partly: BTreeMap<OrderId, Partly>,
}

/// What the hub decided for one order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OrderDecisions {
    /// Its server.
    pub server: Option<ServerAssignment>,
    /// Its domain.
    pub domain: Option<DomainClaim>,
    /// First fulfilment.
    pub fulfilled: Option<Arc<Fulfilled>>,
    /// Pin and ports, by tool.
    pub tools: BTreeMap<ToolName, ToolDecision>,
    /// Generated secrets, by tool.
    pub secrets: BTreeMap<ToolName, Arc<SecretsFile>>,
}

/// A Compose file on top of a stack's, as it is written. What it says together with the stack is worked out in [`crate::link`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// Its path in the repository.
    pub path: String,
    /// Object id of the file.
    pub blob: ObjectId,
    /// Its text.
    pub text: Arc<str>,
}

/// A SOPS file as it is known without a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretsFile {
    /// Object id of the file.
    pub blob: ObjectId,
    /// Names of its secrets.
    pub names: BTreeSet<String>,
}

impl CustomerDocuments {
    /// An order by the id that it keeps, or by the name of its file.
    pub fn order(&self, name: &OrderId) -> Option<&Arc<Order>> {
        let renamed = || self.written_orders.iter().find(|(_, now)| *now == name);
        let by_file = || self.orders.get(renamed()?.0);
        self.orders.get(name).or_else(by_file)
    }

    /// Every server that has a document, those with errors included.
    pub(crate) fn all_servers(&self) -> BTreeSet<&ServerId> {
        let unread = self.unread.iter().filter_map(|kind| match kind {
            Kind::Server(_, id) => Some(id),
            _ => None,
        });
        self.servers.keys().chain(unread).collect()
    }

    /// Where an order is kept: its file may have been renamed.
    pub fn order_file(&self, order: &OrderId) -> String {
        let name = self.written_orders.get(order).unwrap_or(order);
        crate::link::order_path(&self.id, name)
    }
}

/// Reads the documents of one customer. Those that have errors are left out and named in [`CustomerDocuments::unread`], so that the rest can be
/// checked as well; None where that is all of them. [`crate::link::customer`] takes no customer whose documents have errors.
pub fn customer(files: &CustomerFiles) -> (Option<CustomerDocuments>, Vec<Diagnostic>) {
    let mut found = Vec::new();
    let mut documents = CustomerDocuments {
        id: files.id.clone(),
        customer: Arc::default(),
        orders: BTreeMap::new(),
        servers: BTreeMap::new(),
        secrets: None,
        decisions: BTreeMap::new(),
        backup_secrets: None,
        overrides: BTreeMap::new(),
        operations: BTreeMap::new(),
        records: BTreeMap::new(),
        written_orders: BTreeMap::new(),
        unread: HashSet::new(),
        partly: BTreeMap::new(),
    };
    let mut unread = 0;
    for file in &files.files {
        let before = found.len();
        let kind = classify(&file.path);
        take(&mut documents, &kind, file, &mut found);
        if found.iter().skip(before).any(Diagnostic::is_error) {
            if let (Kind::Order(_, id), Some(partly)) = (&kind, Partly::read(file)) {
                documents.partly.insert(id.clone(), partly);
            }
            documents.unread.insert(kind);
            unread += 1;
        }
    }
    // Before orders and servers are called by the ids that they keep.
    found.extend(idle::settle(&mut documents, files));
    standing::apply(&mut documents);
    for (kind, diagnostic) in moved::settle(&mut documents, files)
        .into_iter()
        .chain(references::operations(&documents, files))
    {
        if diagnostic.is_error() {
            documents.unread.insert(kind);
        }
        found.push(diagnostic);
    }
    let nothing = unread > 0 && unread == files.files.len();
    ((!nothing).then_some(documents), found)
}

fn take(
    documents: &mut CustomerDocuments,
    kind: &Kind,
    file: &SourceFile,
    found: &mut Vec<Diagnostic>,
) {
    let decisions = &mut documents.decisions;
    match kind {
        Kind::Customer(_) => documents.customer = shared(read(file, found)).unwrap_or_default(),
        Kind::Order(_, id) => insert(&mut documents.orders, id, shared(read(file, found))),
        Kind::Server(_, id) => insert(&mut documents.servers, id, shared(read(file, found))),
        Kind::CustomerSecrets(_) => documents.secrets = shared(read_secrets(file, found)),
        Kind::Override(_, order, tool) => {
            let key = (order.clone(), tool.clone());
            insert(
                &mut documents.overrides,
                &key,
                shared(read_override(file, found)),
            );
        }
        Kind::Operation(_, id) => insert(&mut documents.operations, id, shared(read(file, found))),
        // Personal data is read by the key of its customer alone, where it is needed.
        Kind::PersonalData(_) => drop(read_secrets(file, found)),
        Kind::ServerAssignment(_, order) => decided(decisions, order).server = read(file, found),
        Kind::DomainClaim(_, order) => decided(decisions, order).domain = read(file, found),
        Kind::Fulfilled(_, order) => {
            decided(decisions, order).fulfilled = shared(read(file, found));
        }
        Kind::Erased(_) => drop(read::<Erased>(file, found)),
        Kind::ToolDecision(_, order, tool) => {
            insert(
                &mut decided(decisions, order).tools,
                tool,
                read(file, found),
            );
        }
        Kind::ToolSecrets(_, order, tool) => {
            let secrets = shared(read_secrets(file, found));
            insert(&mut decided(decisions, order).secrets, tool, secrets);
        }
        Kind::BackupSecrets(_) => documents.backup_secrets = shared(read_secrets(file, found)),
        Kind::OperationRecord(_, id) => {
            insert(&mut documents.records, id, shared(read(file, found)));
        }
        Kind::Misplaced(expected) => found.push(misplaced(file, expected)),
        _ => {}
    }
}

fn read_override(file: &SourceFile, found: &mut Vec<Diagnostic>) -> Option<Override> {
    text(file, found)?;
    Some(Override {
        path: file.path.clone(),
        blob: file.id,
        text: file.text.clone().ok()?,
    })
}

fn decided<'d>(
    decisions: &'d mut BTreeMap<OrderId, OrderDecisions>,
    order: &OrderId,
) -> &'d mut OrderDecisions {
    decisions.entry(order.clone()).or_default()
}

fn shared<T>(document: Option<T>) -> Option<Arc<T>> {
    document.map(Arc::new)
}

fn insert<K: Ord + Clone, V>(map: &mut BTreeMap<K, V>, key: &K, value: Option<V>) {
    if let Some(value) = value {
        map.insert(key.clone(), value);
    }
}

pub(crate) fn misplaced(file: &SourceFile, expected: &str) -> Diagnostic {
    Diagnostic::error(
        codes::MISPLACED,
        Place::file(&file.path),
        "this file is not a document of the fleet",
    )
    .note(match &file.text {
        Err(why) => why,
        Ok(_) => expected,
    })
}

/// Reads one document.
pub fn read<T: DeserializeOwned>(file: &SourceFile, found: &mut Vec<Diagnostic>) -> Option<T> {
    let text = text(file, found)?;
    match tenantry_yaml::from_str(text, &Limits::default()) {
        Ok(document) => Some(document),
        Err(problems) => {
            found.extend(
                problems
                    .iter()
                    .map(|problem| diagnose(&file.path, text, code_of(problem), problem)),
            );
            if problems.len() >= MAX_PROBLEMS {
                let message = format!(
                    "more may be wrong: the first {MAX_PROBLEMS} mistakes of the file are listed"
                );
                found.push(Diagnostic::error(
                    codes::MORE,
                    Place::file(&file.path),
                    message,
                ));
            }
            None
        }
    }
}

fn text<'f>(file: &'f SourceFile, found: &mut Vec<Diagnostic>) -> Option<&'f str> {
    match &file.text {
        Ok(text) => Some(text),
        Err(why) => {
            found.push(Diagnostic::error(
                codes::UNREADABLE,
                Place::file(&file.path),
                format!("the file cannot be read: {why}"),
            ));
            None
        }
    }
}

/// The code of a reader's problem.
pub fn code_of(problem: &Problem) -> u16 {
    match problem.kind {
        ProblemKind::UnknownField { .. } => codes::UNKNOWN_KEY,
        ProblemKind::MissingField { .. } => codes::MISSING_KEY,
        ProblemKind::WrongType { .. }
        | ProblemKind::InvalidValue { .. }
        | ProblemKind::UnknownVariant { .. } => codes::BAD_VALUE,
        _ => codes::SYNTAX,
    }
}
