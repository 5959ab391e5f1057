//! Documents of one customer resolved against the catalogue, the plans and each other. What cannot be resolved is a diagnostic, and freezes this customer alone.

use crate::catalogue::{Catalogue, CompiledStack, Templates};
use crate::codes;
use crate::desired::{CustomerDesired, OrderDesired, ToolDesired};
use crate::documents::{CustomerDocuments, HeadDocuments, OrderDecisions};
use crate::input::{TextOf, locate};
use crate::object::ObjectId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tenantry_schema::Diagnostic;
use tenantry_schema::document::{EnvValue, Order, Plan, Tool, ToolDecision};
use tenantry_schema::id::{CustomerId, OrderId, SiteName, ToolName};
use tenantry_schema::name::DomainName;
use tenantry_schema::size::ByteSize;

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
    let mut found = Vec::new();
    let mut orders = BTreeMap::new();
    for (id, document) in &documents.orders {
        let mut linker = Linker { context, documents, id, document, found: &mut found };
        linker.check_order();
        let order = linker.order();
        orders.insert(id.clone(), order);
    }
    hosts_are_distinct(context, documents, &orders, &mut found);
    let good = !found.iter().any(Diagnostic::is_error);
    let desired = CustomerDesired {
        id: documents.id.clone(),
        customer: documents.customer.clone(),
        orders,
        servers: documents.servers.clone(),
        secrets: documents.secrets.clone(),
    };
    (good.then_some(desired), found)
}

/// Two sites of one customer under one name cannot both be served.
fn hosts_are_distinct(
    context: Context<'_>,
    documents: &CustomerDocuments,
    orders: &BTreeMap<OrderId, OrderDesired>,
    found: &mut Vec<Diagnostic>,
) {
    let mut owners: BTreeMap<&DomainName, (&OrderId, &ToolName)> = BTreeMap::new();
    for (id, order) in orders {
        for (name, tool) in &order.tools {
            for host in tool.hosts.values() {
                if let Some((other_order, other_tool)) = owners.insert(host, (id, name)) {
                    let place = locate(context.text_of, &order_path(&documents.id, id), &["tools", name.as_str()], true);
                    let message = format!("{name} and {other_tool} of order {other_order} would both answer at {host}");
                    found.push(Diagnostic::error(codes::SAME_HOST, place, message).label("second site of that name").note("give one of the orders another domain"));
                }
            }
        }
    }
}

struct Linker<'a, 'f> {
    context: Context<'a>,
    documents: &'a CustomerDocuments,
    id: &'a OrderId,
    document: &'a Order,
    found: &'f mut Vec<Diagnostic>,
}

impl Linker<'_, '_> {
    fn error(&mut self, code: u16, keys: &[&str], at_key: bool, message: String, label: &str, notes: Vec<String>) {
        let path = order_path(&self.documents.id, self.id);
        let place = locate(self.context.text_of, &path, keys, at_key);
        let mut diagnostic = Diagnostic::error(code, place, message).label(label);
        diagnostic.notes = notes;
        self.found.push(diagnostic);
    }

    fn check_order(&mut self) {
        let order = self.document;
        if let Some(server) = order.server.as_ref().filter(|server| !self.documents.servers.contains_key(*server)) {
            let hint = hint(server.as_str(), self.documents.servers.keys().map(ToString::to_string), "the customer has no server; add one under servers/");
            self.error(codes::UNKNOWN_SERVER, &["server"], false, format!("unknown server `{server}`"), "not among this customer's servers", vec![hint]);
        }
        let plans = &self.context.head.hub.plans;
        match plans.get(&order.plan) {
            None => {
                let hint = hint(&order.plan, plans.keys().cloned(), "`hub.yaml` has no plans yet; add it under `plans:`");
                self.error(codes::UNKNOWN_PLAN, &["plan"], false, format!("unknown plan `{}`", order.plan), "not in `plans:` of fleet/hub.yaml", vec![hint]);
            }
            Some(plan) => self.check_plan(plan),
        }
    }

    fn check_plan(&mut self, plan: &Plan) {
        for tool in self.document.tools.keys() {
            if plan.tools.as_ref().is_some_and(|allowed| !allowed.contains(tool)) {
                let message = format!("plan `{}` does not include {tool}", self.document.plan);
                let note = "choose another plan, or add the tool to the plan in fleet/hub.yaml".to_owned();
                self.error(codes::TOOL_NOT_IN_PLAN, &["tools", tool.as_str()], true, message, "not in this plan", vec![note]);
            }
        }
    }

    fn order(&mut self) -> OrderDesired {
        let none = OrderDecisions::default();
        let decisions = self.documents.decisions.get(self.id).unwrap_or(&none);
        let tools: BTreeMap<ToolName, ToolDesired> = self
            .document
            .tools
            .iter()
            .map(|(name, document)| (name.clone(), self.tool(name, document, decisions)))
            .collect();
        self.check_memory(&tools);
        let retired = decisions.tools.iter().filter(|(name, _)| !tools.contains_key(*name));
        OrderDesired {
            document: self.document.clone(),
            server: decisions.server.as_ref().map(|assignment| assignment.server.clone()),
            claim: decisions.domain.as_ref().map(|claim| claim.domain.clone()),
            fulfilled: decisions.fulfilled.clone(),
            retired_ports: retired.flat_map(|(_, decision)| decision.ports.values().copied()).collect(),
            tools,
        }
    }

    fn check_memory(&mut self, tools: &BTreeMap<ToolName, ToolDesired>) {
        let limit = self.context.head.hub.plans.get(&self.document.plan).and_then(|plan| plan.memory);
        let wanted: u64 = tools.values().filter_map(|tool| tool.stack.as_ref()?.document.memory).map(|size| size.0).sum();
        if let Some(limit) = limit.filter(|limit| wanted > limit.0) {
            let message = format!("the tools ask for {} of memory, plan `{}` has {limit}", ByteSize(wanted), self.document.plan);
            self.error(codes::OVER_PLAN_MEMORY, &["tools"], true, message, "too much for the plan", vec!["choose a larger plan or fewer tools".into()]);
        }
    }

    fn tool(&mut self, name: &ToolName, document: &Tool, decisions: &OrderDecisions) -> ToolDesired {
        let decided = decisions.tools.get(name);
        let (stack, newer_available) = self.stack(name, document, decided);
        let templates = self.templates(document, decided);
        let mut hosts = BTreeMap::new();
        if let Some(stack) = &stack {
            self.check_values(name, document, stack);
            hosts = self.hosts(name, stack);
        }
        ToolDesired {
            document: document.clone(),
            stack,
            templates,
            pinned: decided.is_some(),
            newer_available,
            ports: decided.map(|decided| decided.ports.clone()).unwrap_or_default(),
            secrets: decisions.secrets.get(name).cloned(),
            hosts,
        }
    }

    /// The stack that should run, and whether the branch has another one.
    fn stack(&mut self, name: &ToolName, document: &Tool, decided: Option<&ToolDecision>) -> (Option<Arc<CompiledStack>>, bool) {
        let catalogue = self.context.catalogue;
        let branch = catalogue.branch.get(name);
        let pin = decided.and_then(|decided| ObjectId::try_from(decided.pin.tree.as_str()).ok());
        let newer = |tree: ObjectId| branch.is_some_and(|branch| branch.tree != tree);
        match (document.revision.as_deref(), pin) {
            (Some(revision), _) if revision != FOLLOW => {
                let tree = catalogue.revisions.get(&(name.clone(), revision.to_owned())).copied().flatten();
                let Some(tree) = tree else {
                    let message = format!("revision `{revision}` of {name} cannot be found");
                    let note = "write the object id of a commit or of the stack's tree (40 digits), or `main` to follow the branch".to_owned();
                    self.error(codes::UNKNOWN_REVISION, &["tools", name.as_str(), "revision"], false, message, "no such commit or tree", vec![note]);
                    return (None, false);
                };
                (catalogue.trees.get(&tree).cloned(), newer(tree))
            }
            (None, Some(tree)) => (catalogue.trees.get(&tree).cloned(), newer(tree)),
            (_, pin) => {
                let Some(branch) = branch else {
                    let hint = hint(name.as_str(), catalogue.branch.keys().map(ToString::to_string), "the catalogue is empty; stacks are folders under stacks/");
                    self.error(codes::UNKNOWN_TOOL, &["tools", name.as_str()], true, format!("unknown tool `{name}`"), "not in the catalogue", vec![hint]);
                    return (None, false);
                };
                // A stack that is broken on the branch freezes those who follow it at their pin.
                let stack = branch.compiled.clone().or_else(|| catalogue.trees.get(&pin?).cloned());
                (stack, false)
            }
        }
    }

    fn templates(&self, document: &Tool, decided: Option<&ToolDecision>) -> Option<Arc<Templates>> {
        let catalogue = self.context.catalogue;
        let pinned = || {
            let tree = ObjectId::try_from(decided?.pin.nginx.as_str()).ok()?;
            catalogue.nginx_trees.get(&tree).cloned()
        };
        match (document.revision.as_deref(), decided) {
            (Some(FOLLOW), _) | (_, None) => catalogue.nginx.clone().or_else(pinned),
            _ => pinned(),
        }
    }

    fn check_values(&mut self, name: &ToolName, document: &Tool, stack: &CompiledStack) {
        let declared = &stack.document.parameters;
        for parameter in document.parameters.keys().filter(|parameter| !declared.contains_key(*parameter)) {
            let hint = hint(parameter.as_str(), declared.keys().map(ToString::to_string), "the stack has no parameters");
            let keys = ["tools", name.as_str(), "parameters", parameter.as_str()];
            self.error(codes::UNKNOWN_PARAMETER, &keys, true, format!("{name} has no parameter `{parameter}`"), "unknown parameter", vec![hint]);
        }
        for (parameter, spec) in declared {
            if spec.default.is_none() && !document.parameters.contains_key(parameter) {
                let note = spec.description.clone().unwrap_or_else(|| format!("add `parameters: {{ {parameter}: ... }}`"));
                let message = format!("{name} needs the parameter `{parameter}`");
                self.error(codes::MISSING_PARAMETER, &["tools", name.as_str()], true, message, "parameter missing", vec![note]);
            }
        }
        for (variable, value) in &document.env {
            let keys = ["tools", name.as_str(), "env", variable.as_str()];
            if stack.document.secrets.contains_key(variable) || stack.is_builtin(variable.as_str()) {
                let message = format!("`{variable}` is set by the stack itself");
                self.error(codes::RESERVED_VARIABLE, &keys, true, message, "cannot be set here", vec!["remove it".into()]);
            }
            if !stack.variables.contains(variable.as_str()) {
                let message = format!("the stack {name} does not use the variable `{variable}`");
                let note = format!("its compose.yaml has to refer to it, such as `${{{variable}:-default}}`; it uses: {}", stack.settable().join(", "));
                self.error(codes::UNKNOWN_VARIABLE, &keys, true, message, "would have no effect", vec![note]);
            }
            if let EnvValue::Secret { secret } = value {
                let names = self.documents.secrets.as_ref().map(|file| &file.names);
                if !names.is_some_and(|names| names.contains(secret)) {
                    let path = format!("fleet/customers/{}/secrets.yaml", self.documents.id);
                    let hint = hint(secret, names.into_iter().flatten().cloned(), &format!("add it: `sops {path}`"));
                    self.error(codes::UNKNOWN_SECRET, &keys, false, format!("unknown secret `{secret}`"), "not in the customer's secrets.yaml", vec![hint]);
                }
            }
        }
    }

    fn hosts(&mut self, name: &ToolName, stack: &CompiledStack) -> BTreeMap<SiteName, DomainName> {
        let domain = &self.document.domain;
        let mut hosts = BTreeMap::new();
        for (site, spec) in &stack.sites {
            let host = match spec.host.as_deref() {
                Some("@") => Ok(domain.clone()),
                Some(label) => domain.child(label),
                None => domain.child(name.as_str()),
            };
            match host {
                Ok(host) => {
                    hosts.insert(site.clone(), host);
                }
                Err(why) => {
                    let message = format!("the site `{site}` of {name} has no valid name: {why}");
                    self.error(codes::BAD_SITE_HOST, &["domain"], false, message, "too long together with the site's name", vec!["choose a shorter domain".into()]);
                }
            }
        }
        hosts
    }
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
