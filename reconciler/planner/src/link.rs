//! Documents of one customer resolved against the catalogue, the plans and each other. What cannot be resolved is a diagnostic, and freezes this customer alone.

mod values;

use crate::catalogue::{Catalogue, CompiledStack, Templates};
use crate::codes;
use crate::desired::{CustomerDesired, OrderDesired, Pinned, ToolDesired};
use crate::documents::{CustomerDocuments, HeadDocuments, OrderDecisions};
use crate::input::{Finder, TextOf, locate};
use crate::object::ObjectId;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tenantry_schema::diagnostic::Place;
use tenantry_schema::document::{Automation, Order, Plan, Tool, ToolDecision};
use tenantry_schema::id::{CustomerId, InstanceName, OrderId, ServerId, SiteName, ToolName};
use tenantry_schema::name::DomainName;
use tenantry_schema::size::ByteSize;
use tenantry_schema::{Diagnostic, Severity};

/// What customers are resolved against.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Settings of the fleet.
    pub head: &'a HeadDocuments,
    /// All stacks in use.
    pub catalogue: &'a Catalogue,
    /// Texts, to show the lines of findings.
    pub text_of: &'a TextOf<'a>,
}

/// Trees that must be in the catalogue before [`customer`] can resolve these documents: pins, and revisions by hand.
pub fn needed_trees(documents: &CustomerDocuments) -> Needed<'_> {
    let mut needed = Needed::default();
    for (order_id, order) in &documents.orders {
        for (tool, document) in &order.tools {
            if let Some(revision) = document.revision.as_deref().filter(|revision| *revision != FOLLOW) {
                needed.revisions.insert((tool, revision));
            }
            if let Some(decided) = documents.decisions.get(order_id).and_then(|decisions| decisions.tools.get(tool)) {
                if let Ok(tree) = ObjectId::try_from(decided.pin.tree.as_str()) {
                    needed.stacks.insert((tool, tree));
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

/// Resolves one customer. None where there are errors.
pub fn customer(context: Context<'_>, documents: &CustomerDocuments) -> (Option<CustomerDesired>, Vec<Diagnostic>) {
    let mut findings = Findings::default();
    let mut orders = BTreeMap::new();
    for (id, document) in &documents.orders {
        let decisions = documents.decisions.get(id).unwrap_or(&NONE);
        let mut linker = Linker { context, documents, id, document, decisions, finder: OnceCell::new(), findings: &mut findings };
        linker.check_order();
        let order = linker.order();
        orders.insert(id.clone(), order);
    }
    names_are_distinct(context, documents, &mut findings);
    let desired = CustomerDesired {
        id: documents.id.clone(),
        customer: documents.customer.clone(),
        orders,
        servers: documents.servers.clone(),
        secrets: documents.secrets.clone(),
        retired_ports: retired_ports(documents),
    };
    (findings.good().then_some(desired), findings.list)
}

static NONE: OrderDecisions =
    OrderDecisions { server: None, domain: None, fulfilled: None, tools: BTreeMap::new(), secrets: BTreeMap::new() };

/// What was found so far. Bounded: a file of a stranger can hold a hundred thousand mistakes.
#[derive(Default)]
struct Findings {
    list: Vec<Diagnostic>,
    hosts: Vec<(DomainName, OrderId, ToolName)>,
}

const MAX_FINDINGS: usize = 100;

impl Findings {
    fn full(&self) -> bool {
        self.list.len() > MAX_FINDINGS
    }

    fn good(&self) -> bool {
        !self.list.iter().any(Diagnostic::is_error)
    }

    fn push(&mut self, diagnostic: Diagnostic) {
        match self.list.len() {
            0..MAX_FINDINGS => self.list.push(diagnostic),
            MAX_FINDINGS => {
                let place = Place::file(diagnostic.place.file);
                self.list.push(Diagnostic::error(codes::MORE, place, format!("more is wrong; the first {MAX_FINDINGS} findings are listed")));
            }
            _ => {}
        }
    }
}

/// Ports of orders that are no longer there, by server.
fn retired_ports(documents: &CustomerDocuments) -> BTreeMap<ServerId, BTreeSet<u16>> {
    let mut retired: BTreeMap<ServerId, BTreeSet<u16>> = BTreeMap::new();
    for (_, decisions) in documents.decisions.iter().filter(|(id, _)| !documents.orders.contains_key(*id)) {
        let Some(assignment) = &decisions.server else { continue };
        let ports = decisions.tools.values().flat_map(|tool| tool.ports.values().copied());
        retired.entry(assignment.server.clone()).or_default().extend(ports);
    }
    retired
}

/// Two sites of one customer under one name cannot both be served, nor two Compose projects under one name run.
fn names_are_distinct(context: Context<'_>, documents: &CustomerDocuments, findings: &mut Findings) {
    let mut owners: BTreeMap<DomainName, (OrderId, ToolName)> = BTreeMap::new();
    for (host, id, name) in std::mem::take(&mut findings.hosts) {
        if findings.full() {
            return;
        }
        let place = || locate(context.text_of, &order_path(&documents.id, &id), &["tools", name.as_str()], true);
        if let Some((other_order, other_tool)) = owners.get(&host) {
            let message = format!("{name} and {other_tool} of order {other_order} would both answer at {host}");
            findings.push(Diagnostic::error(codes::SAME_HOST, place(), message).label("second site of that name").note("give one of the orders another domain"));
        }
        owners.insert(host, (id, name));
    }
    let mut instances: BTreeMap<InstanceName, (&OrderId, &ToolName)> = BTreeMap::new();
    for (id, order) in &documents.orders {
        for name in order.tools.keys() {
            let instance = InstanceName::new(id, name);
            if let Some((other_order, other_tool)) = instances.get(&instance) {
                let place = locate(context.text_of, &order_path(&documents.id, id), &["tools", name.as_str()], true);
                let message = format!("{name} of this order and {other_tool} of order {other_order} would both be called {instance}");
                findings.push(Diagnostic::error(codes::SAME_INSTANCE, place, message).label("second of that name").note("give the order another id"));
            }
            instances.insert(instance, (id, name));
        }
    }
}

struct Linker<'a, 'f> {
    context: Context<'a>,
    documents: &'a CustomerDocuments,
    id: &'a OrderId,
    document: &'a Order,
    decisions: &'a OrderDecisions,
    finder: OnceCell<Finder>,
    findings: &'f mut Findings,
}

impl Linker<'_, '_> {
    /// An error in the order's document, with one note.
    fn error(&mut self, code: u16, keys: &[&str], at_key: bool, message: String, label: &str, note: String) {
        if self.findings.full() {
            return;
        }
        let path = || order_path(&self.documents.id, self.id);
        let place = self.finder.get_or_init(|| Finder::new(self.context.text_of, &path())).place(keys, at_key);
        self.findings.push(Diagnostic::error(code, place, message).label(label).note(note));
    }

    fn check_order(&mut self) {
        let order = self.document;
        if let Some(server) = order.server.as_ref().filter(|server| !self.documents.servers.contains_key(*server)) {
            let hint = hint(server.as_str(), self.documents.servers.keys().map(ToString::to_string), "the customer has no server; add one under servers/");
            self.error(codes::UNKNOWN_SERVER, &["server"], false, format!("unknown server `{server}`"), "not among this customer's servers", hint);
        }
        let plans = &self.context.head.hub.plans;
        match plans.get(&order.plan) {
            None => {
                let hint = hint(&order.plan, plans.keys().cloned(), "`hub.yaml` has no plans yet; add it under `plans:`");
                self.error(codes::UNKNOWN_PLAN, &["plan"], false, format!("unknown plan `{}`", order.plan), "not in `plans:` of fleet/hub.yaml", hint);
            }
            Some(plan) => self.check_plan(plan),
        }
    }

    fn check_plan(&mut self, plan: &Plan) {
        for tool in self.document.tools.keys() {
            if plan.tools.as_ref().is_some_and(|allowed| !allowed.contains(tool)) {
                let message = format!("plan `{}` does not include {tool}", self.document.plan);
                let note = "choose another plan, or add the tool to the plan in fleet/hub.yaml".to_owned();
                self.error(codes::TOOL_NOT_IN_PLAN, &["tools", tool.as_str()], true, message, "not in this plan", note);
            }
        }
    }

    fn order(&mut self) -> OrderDesired {
        let decisions = self.decisions;
        let document = self.document;
        let tools: BTreeMap<ToolName, ToolDesired> =
            document.tools.iter().map(|(name, document)| (name.clone(), self.tool(name, document))).collect();
        self.check_memory(&tools);
        let retired = decisions.tools.iter().filter(|(name, _)| !tools.contains_key(*name));
        OrderDesired {
            document: document.clone(),
            server: decisions.server.as_ref().map(|assignment| assignment.server.clone()),
            claim: decisions.domain.as_ref().map(|claim| claim.domain.clone()),
            fulfilled: decisions.fulfilled.clone(),
            retired_ports: retired.flat_map(|(_, decision)| decision.ports.values().copied()).collect(),
            tools,
        }
    }

    fn check_memory(&mut self, tools: &BTreeMap<ToolName, ToolDesired>) {
        let limit = self.context.head.hub.plans.get(&self.document.plan).and_then(|plan| plan.memory);
        let sizes = tools.values().filter_map(|tool| tool.stack.as_ref()?.document.memory);
        let wanted = sizes.fold(0_u64, |sum, size| sum.saturating_add(size.0));
        if let Some(limit) = limit.filter(|limit| wanted > limit.0) {
            let message = format!("the tools ask for {} of memory, plan `{}` has {limit}", ByteSize(wanted), self.document.plan);
            self.error(codes::OVER_PLAN_MEMORY, &["tools"], true, message, "too much for the plan", "choose a larger plan or fewer tools".into());
        }
    }

    fn tool(&mut self, name: &ToolName, document: &Tool) -> ToolDesired {
        let decisions = self.decisions;
        let decided = decisions.tools.get(name);
        let pin = decided.and_then(|decided| self.pin(name, decided));
        let version = self.version(name, document, pin);
        if let Some(stack) = &version.stack {
            let wanted = self.hosts(name, stack, &self.document.domain, true);
            let named = wanted.into_values().map(|host| (host, self.id.clone(), name.clone()));
            self.findings.hosts.extend(named);
        }
        let domain = decisions.domain.as_ref().map_or(&self.document.domain, |claim| &claim.domain);
        let hosts = version.stack.as_ref().map(|stack| self.hosts(name, stack, domain, false)).unwrap_or_default();
        let runs = version.stack.as_ref().map(|stack| stack.tree).or(pin.map(|pin| pin.stack));
        let branch = self.context.catalogue.branch.get(name);
        ToolDesired {
            document: document.clone(),
            newer_available: branch.is_some_and(|branch| runs.is_some_and(|runs| runs != branch.tree)),
            stack: version.stack,
            templates: version.templates,
            pin,
            ports: decided.map(|decided| decided.ports.clone()).unwrap_or_default(),
            secrets: decisions.secrets.get(name).cloned(),
            hosts,
        }
    }

    /// The trees of a pin.
    fn pin(&mut self, name: &ToolName, decided: &ToolDecision) -> Option<Pinned> {
        let tree = |text: &str| ObjectId::try_from(text);
        match (tree(&decided.pin.tree), tree(&decided.pin.nginx)) {
            (Ok(stack), Ok(nginx)) => Some(Pinned { stack, nginx }),
            (Err(why), _) | (_, Err(why)) => {
                let path = format!("fleet/decisions/{}/{}/tools/{name}.yaml", self.documents.id, self.id);
                let place = locate(self.context.text_of, &path, &["pin"], true);
                self.findings.push(Diagnostic::error(codes::BAD_VALUE, place, why.to_string()));
                None
            }
        }
    }

    /// What should run. Findings about the order's values are those against that version.
    fn version(&mut self, name: &ToolName, document: &Tool, pin: Option<Pinned>) -> Version {
        let catalogue = self.context.catalogue;
        let pinned = Version {
            stack: pin.and_then(|pin| catalogue.trees.get(&pin.stack).cloned()),
            templates: pin.and_then(|pin| catalogue.nginx_trees.get(&pin.nginx).cloned()),
        };
        let branch_templates = || catalogue.nginx.clone().or_else(|| pinned.templates.clone());
        let paused = self.document.automation == Automation::Paused;
        let revision = document.revision.as_deref().filter(|revision| *revision != FOLLOW);
        let by_hand = match revision {
            Some(revision) => Some(self.revision(name, revision)),
            None => None,
        };
        let wanted = match (by_hand, pin) {
            // Nothing moves while an order is paused.
            (_, Some(_)) if paused => pinned.clone(),
            (Some(tree), _) if tree.is_some() && tree == pin.map(|pin| pin.stack) => pinned.clone(),
            (Some(tree), _) => Version { stack: tree.and_then(|tree| catalogue.trees.get(&tree).cloned()), templates: branch_templates() },
            (None, Some(_)) if document.revision.is_none() => pinned.clone(),
            (None, _) => match catalogue.branch.get(name) {
                Some(branch) => Version { stack: branch.compiled.clone(), templates: branch_templates() },
                None => {
                    self.unknown_tool(name);
                    Version::default()
                }
            },
        };
        self.fit(name, document, wanted, pinned, revision.is_none())
    }

    /// `wanted`, or `pinned` where `wanted` is broken or asks for other values than the order has: a change of a stack must not freeze
    /// those who follow it.
    fn fit(&mut self, name: &ToolName, document: &Tool, wanted: Version, pinned: Version, follows: bool) -> Version {
        let fallback = pinned.stack.is_some() && pinned.templates.is_some() && follows;
        let Some(stack) = &wanted.stack else { return if fallback { pinned } else { wanted } };
        let before = self.findings.list.len();
        self.check_values(name, document, stack, wanted.templates.as_deref());
        let moved = pinned.stack.as_ref().is_some_and(|pinned| pinned.tree != stack.tree);
        if self.findings.list.len() == before || !fallback || !moved {
            return wanted;
        }
        let found = self.findings.list.split_off(before);
        if let Some(stack) = &pinned.stack {
            self.check_values(name, document, stack, pinned.templates.as_deref());
        }
        if self.findings.list.len() > before {
            self.findings.list.truncate(before);
            self.findings.list.extend(found);
            return wanted;
        }
        let stays = format!("{name} stays at its version until the order fits the newest one");
        self.findings.list.extend(found.into_iter().map(|finding| Diagnostic { severity: Severity::Warning, ..finding }.note(stays.clone())));
        pinned
    }

    fn unknown_tool(&mut self, name: &ToolName) {
        let known = self.context.catalogue.branch.keys().map(ToString::to_string);
        let hint = hint(name.as_str(), known, "the catalogue is empty; stacks are folders under stacks/");
        self.error(codes::UNKNOWN_TOOL, &["tools", name.as_str()], true, format!("unknown tool `{name}`"), "not in the catalogue", hint);
    }

    fn revision(&mut self, name: &ToolName, revision: &str) -> Option<ObjectId> {
        let tree = self.context.catalogue.revisions.get(&(name.clone(), revision.to_owned())).copied().flatten();
        if tree.is_none() {
            let message = format!("revision `{revision}` of {name} cannot be found");
            let note = "write the object id of a commit or of the stack's tree (40 digits), or `main` to follow the branch".to_owned();
            self.error(codes::UNKNOWN_REVISION, &["tools", name.as_str(), "revision"], false, message, "no such commit or tree", note);
        }
        tree
    }

    fn hosts(&mut self, name: &ToolName, stack: &CompiledStack, domain: &DomainName, report: bool) -> BTreeMap<SiteName, DomainName> {
        let mut hosts = BTreeMap::new();
        for (site, spec) in &stack.sites {
            let host = match spec.host.as_deref() {
                Some("@") => Ok(domain.clone()),
                Some(label) => domain.child(label),
                None => domain.child(name.as_str()),
            };
            match host {
                Ok(host) => drop(hosts.insert(site.clone(), host)),
                Err(why) if report => {
                    let message = format!("the site `{site}` of {name} has no valid name: {why}");
                    let label = "too long together with the site's name";
                    self.error(codes::BAD_SITE_HOST, &["domain"], false, message, label, "choose a shorter domain".into());
                }
                Err(_) => {}
            }
        }
        hosts
    }
}

/// A version of a stack with the templates that go with it.
#[derive(Debug, Clone, Default)]
struct Version {
    stack: Option<Arc<CompiledStack>>,
    templates: Option<Arc<Templates>>,
}

/// Where an order is kept.
pub fn order_path(customer: &CustomerId, order: &OrderId) -> String {
    format!("fleet/customers/{customer}/orders/{order}.yaml")
}

fn hint(word: &str, known: impl Iterator<Item = String>, if_none: &str) -> String {
    let known: Vec<String> = known.collect();
    if known.is_empty() {
        return if_none.to_owned();
    }
    match tenantry_yaml::suggest(word, &known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known: {}", known.join(", ")),
    }
}
