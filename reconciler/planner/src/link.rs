//! Documents of one customer resolved against the catalogue, the plans and each other. What cannot be resolved is a diagnostic, and freezes this customer alone.

mod checks;
mod decided;
mod findings;
mod moves;
mod overrides;
pub(crate) mod people;
mod redirects;
mod rotations;
mod values;
mod version;

use crate::catalogue::{Catalogue, CompiledStack};
use crate::codes;
use crate::desired::{CustomerDesired, OrderDesired, ToolDesired};
use crate::documents::{CustomerDocuments, HeadDocuments, OrderDecisions, Partly};
use crate::input::{Finder, TextOf};
use crate::object::ObjectId;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tenantry_schema::document::{Kind, Order, Tool};
use tenantry_schema::id::{CustomerId, OrderId, ServerId, SiteName, ToolName};
use tenantry_schema::name::DomainName;
use tenantry_schema::{Diagnostic, SharedMap};

use findings::{Findings, names_are_distinct};
pub use moves::{Move, Stays, may_move, moves};
use version::Version;

/// What customers are resolved against.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Settings of the fleet.
    pub head: &'a HeadDocuments,
    /// All stacks in use.
    pub catalogue: &'a Catalogue,
    /// Texts, to show the lines of findings.
    pub text_of: &'a TextOf<'a>,
    /// Versions that tools do not move to for now.
    pub stays: Option<&'a Stays>,
}

/// Trees that must be in the catalogue before [`customer`] can resolve these documents: pins, and revisions by hand.
pub fn needed_trees(documents: &CustomerDocuments) -> Needed<'_> {
    let mut needed = Needed::default();
    let partly = documents.partly.iter();
    let partly = partly.map(|(id, partly)| (id, &partly.order));
    for (order_id, order) in documents.orders.iter().chain(partly) {
        for (tool, document) in &order.tools {
            let stack = document.stack(tool);
            if let Some(revision) = document
                .revision
                .as_deref()
                .filter(|revision| *revision != FOLLOW)
            {
                needed.revisions.insert((stack, revision));
            }
            if let Some(decided) = documents
                .decisions
                .get(order_id)
                .and_then(|decisions| decisions.tools.get(tool))
            {
                if let Ok(tree) = ObjectId::try_from(decided.pin.tree.as_str()) {
                    needed.stacks.insert((stack, tree));
                }
                if let Ok(tree) = ObjectId::try_from(decided.pin.nginx.as_str()) {
                    needed.nginx.insert(tree);
                }
            }
        }
    }
    needed
}

/// Trees that documents refer to.
#[derive(Debug, Default)]
pub struct Needed<'d> {
    /// Trees of stacks.
    pub stacks: BTreeSet<(&'d ToolName, ObjectId)>,
    /// Trees of templates.
    pub nginx: BTreeSet<ObjectId>,
    /// `revision:` texts to be looked up.
    pub revisions: BTreeSet<(&'d ToolName, &'d str)>,
}

/// The value of `revision:` that follows the branch.
pub const FOLLOW: &str = "main";

/// Resolves one customer. None where there are errors, those of documents that could not be read included. The others are checked all the
/// same, so that everything is said at once.
pub fn customer(
    context: Context<'_>,
    documents: &CustomerDocuments,
) -> (Option<CustomerDesired>, Vec<Diagnostic>) {
    let mut findings = Findings::default();
    let mut orders = BTreeMap::new();
    let (retired_ports, unplaced_ports) = retired_ports(documents);
    for (id, document) in &documents.orders {
        let decisions = documents.decisions.get(id).unwrap_or(&NONE);
        let mut linker = Linker {
            context,
            documents,
            id,
            document,
            decisions,
            finder: OnceCell::new(),
            findings: &mut findings,
        };
        linker.check_order();
        let order = linker.order();
        orders.insert(id.clone(), order);
    }
    overrides::check(documents, &mut findings);
    names_are_distinct(context, documents, &mut findings);
    decided::servers_are_there(context, documents, &mut findings);
    decided::ports_are_distinct(context, documents, &mut findings);
    for finding in rotations::check(context, documents, &orders) {
        findings.push(finding);
    }
    for finding in people::check(context, documents) {
        findings.push(finding);
    }
    let desired = CustomerDesired {
        id: documents.id.clone(),
        customer: documents.customer.clone(),
        orders,
        servers: documents.servers.clone(),
        backup_secrets: documents.backup_secrets.clone(),
        secrets: documents.secrets.clone(),
        retired_ports,
        unplaced_ports,
        operations: documents.operations.clone(),
        records: documents.records.clone(),
        waiting: findings.waiting.clone(),
    };
    let good = documents.unread.is_empty() && findings.good();
    for (id, partly) in &documents.partly {
        check_partly(context, documents, id, partly, &mut findings);
    }
    (good.then_some(desired), findings.list)
}

/// Checks what could be read of an order that has errors.
fn check_partly(
    context: Context<'_>,
    documents: &CustomerDocuments,
    id: &OrderId,
    partly: &Partly,
    findings: &mut Findings,
) {
    let mut found = Findings::default();
    let mut linker = Linker {
        context,
        documents,
        id,
        document: &partly.order,
        decisions: documents.decisions.get(id).unwrap_or(&NONE),
        finder: OnceCell::new(),
        findings: &mut found,
    };
    linker.check_order();
    linker.order();
    let certain = found.list.into_iter();
    certain
        .filter(|finding| partly.is_certain(finding))
        .for_each(|finding| findings.push(finding));
}

static NONE: OrderDecisions = OrderDecisions {
    server: None,
    domain: None,
    fulfilled: None,
    tools: BTreeMap::new(),
    secrets: BTreeMap::new(),
};

/// Ports of orders that are no longer there: by server, and of those whose server is not known.
fn retired_ports(
    documents: &CustomerDocuments,
) -> (BTreeMap<ServerId, BTreeSet<u16>>, BTreeSet<u16>) {
    let mut retired: BTreeMap<ServerId, BTreeSet<u16>> = BTreeMap::new();
    let mut unplaced = BTreeSet::new();
    for (_, decisions) in documents
        .decisions
        .iter()
        .filter(|(id, _)| !documents.orders.contains_key(*id))
    {
        let ports = decisions
            .tools
            .values()
            .flat_map(|tool| tool.ports.values().copied());
        let at = match &decisions.server {
            Some(assignment) => retired.entry(assignment.server.clone()).or_default(),
            None => &mut unplaced,
        };
        at.extend(ports);
    }
    (retired, unplaced)
}

struct Linker<'a, 'f> {
    context: Context<'a>,
    documents: &'a CustomerDocuments,
    id: &'a OrderId,
    document: &'a Arc<Order>,
    decisions: &'a OrderDecisions,
    finder: OnceCell<Finder>,
    findings: &'f mut Findings,
}

impl Linker<'_, '_> {
    /// Whether a file is there and has errors: nothing is known about what it says.
    fn unread(&self, kind: impl FnOnce() -> Kind) -> bool {
        let unread = &self.documents.unread;
        !unread.is_empty() && unread.contains(&kind())
    }

    /// An error in the order's document, with one note.
    fn error(
        &mut self,
        code: u16,
        keys: &[&str],
        at_key: bool,
        message: String,
        label: &str,
        note: String,
    ) {
        if self.findings.full() {
            return;
        }
        let path = || self.documents.order_file(self.id);
        let keys = as_written(self.document, keys);
        let place = self
            .finder
            .get_or_init(|| Finder::new(self.context.text_of, &path()))
            .place(&keys, at_key);
        self.findings.push(
            Diagnostic::error(code, place, message)
                .label(label)
                .note(note),
        );
    }

    fn order(&mut self) -> OrderDesired {
        let decisions = self.decisions;
        let document = self.document;
        let tools: BTreeMap<ToolName, ToolDesired> = document
            .tools
            .iter()
            .map(|(name, document)| (name.clone(), self.tool(name, document)))
            .collect();
        self.check_memory(&tools);
        let retired = decisions
            .tools
            .iter()
            .filter(|(name, _)| !tools.contains_key(*name));
        OrderDesired {
            document: document.clone(),
            server: decisions
                .server
                .as_ref()
                .map(|assignment| assignment.server.clone()),
            claim: decisions.domain.as_ref().map(|claim| claim.domain.clone()),
            claim_generation: decisions
                .domain
                .as_ref()
                .map_or(0, |claim| claim.generation),
            fulfilled: decisions.fulfilled.clone(),
            retired_ports: retired
                .flat_map(|(_, decision)| decision.ports.values().copied())
                .collect(),
            tools,
        }
    }

    fn tool(&mut self, name: &ToolName, document: &Tool) -> ToolDesired {
        let decisions = self.decisions;
        let decided = decisions.tools.get(name);
        let pin = decided.and_then(|decided| self.pin(name, decided));
        let customer = &self.documents.id;
        let undecipherable = decided.is_some() && pin.is_none()
            || self.unread(|| Kind::ToolDecision(customer.clone(), self.id.clone(), name.clone()));
        // Which version its values would have to be checked against is not known then.
        let version = if undecipherable {
            Version::default()
        } else {
            self.version(name, document, pin)
        };
        if let Some(stack) = &version.stack {
            let wanted = self.hosts(name, stack, &self.document.domain, true);
            let named = wanted
                .values()
                .map(|host| (host.clone(), self.id.clone(), name.clone()));
            self.findings.hosts.extend(named);
            let wanted = self.redirects(name, document, stack, &self.document.domain, true);
            let named = wanted.values().flatten();
            let named = named.map(|host| (host.clone(), self.id.clone(), name.clone()));
            self.findings.hosts.extend(named);
        }
        let domain = decisions
            .domain
            .as_ref()
            .map_or(&self.document.domain, |claim| &claim.domain);
        let hosts = version
            .stack
            .as_ref()
            .map(|stack| self.hosts(name, stack, domain, false))
            .unwrap_or_default();
        let redirects = version
            .stack
            .as_ref()
            .map(|stack| self.redirects(name, document, stack, domain, false))
            .unwrap_or_default();
        let runs = version
            .stack
            .as_ref()
            .map(|stack| stack.tree)
            .or(pin.map(|pin| pin.stack));
        let stack = document.stack(name);
        let branch = self.context.catalogue.branch.get(stack);
        ToolDesired {
            document: document.clone(),
            newer_available: branch
                .is_some_and(|branch| runs.is_some_and(|runs| runs != branch.tree)),
            stack: version.stack,
            templates: version.templates,
            stays: version.stays,
            pin,
            ports: decided
                .map(|decided| decided.ports.clone())
                .unwrap_or_default(),
            secrets: decisions.secrets.get(name).cloned(),
            hosts,
            redirects,
        }
    }

    fn hosts(
        &mut self,
        name: &ToolName,
        stack: &CompiledStack,
        domain: &DomainName,
        report: bool,
    ) -> SharedMap<SiteName, DomainName> {
        let mut hosts = BTreeMap::new();
        for (site, spec) in &stack.sites {
            match redirects::below(domain, spec.host.as_deref().unwrap_or(name.as_str())) {
                Ok(host) => drop(hosts.insert(site.clone(), host)),
                Err(why) if report => {
                    let message = format!("the site `{site}` of {name} has no valid name: {why}");
                    let label = "too long together with the site's name";
                    self.error(
                        codes::BAD_SITE_HOST,
                        &["domain"],
                        false,
                        message,
                        label,
                        "choose a shorter domain".into(),
                    );
                }
                Err(_) => {}
            }
        }
        hosts.into()
    }
}

/// The keys that lead to something in an order, where the name of its tool is not the key that it stands under.
fn as_written<'k>(order: &'k Order, keys: &[&'k str]) -> Vec<&'k str> {
    let mut keys = keys.to_vec();
    if let ["tools", tool, ..] = keys.as_mut_slice()
        && let Some((name, document)) = order.tools.get_key_value(*tool)
    {
        *tool = document.stack(name).as_str();
    }
    keys
}

/// Where an order is kept.
pub fn order_path(customer: &CustomerId, order: &OrderId) -> String {
    format!("fleet/customers/{customer}/orders/{order}.yaml")
}

pub(crate) fn hint(word: &str, known: impl Iterator<Item = String>, if_none: &str) -> String {
    let known: Vec<String> = known.collect();
    if known.is_empty() {
        return if_none.to_owned();
    }
    match tenantry_yaml::suggest(word, &known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known: {}", known.join(", ")),
    }
}
