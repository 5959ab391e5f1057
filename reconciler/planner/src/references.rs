//! Documents beside customers, orders and servers (plans and prices of `hub.yaml`, pools, roll-outs, operations): that what they name is there.

use crate::catalogue::Catalogue;
use crate::codes;
use crate::documents::{CustomerDocuments, read};
use crate::input::{CustomerFiles, Finder, SourceFile, TextOf};
use crate::link::hint;
use std::collections::BTreeSet;
use tenantry_schema::Diagnostic;
use tenantry_schema::document::{
    Hub, Kind, Operation, PlaceKind, PlanLimits, Pool, Rollout, Staff, classify,
};
use tenantry_schema::id::{CustomerId, OrderId, ServerId, StaffId, ToolName};

/// What such documents are checked against.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// The settings of the fleet.
    pub hub: &'a Hub,
    /// The stacks.
    pub catalogue: &'a Catalogue,
    /// All customers, also those that have errors.
    pub customers: &'a BTreeSet<CustomerId>,
}

const HUB: &str = "fleet/hub.yaml";

/// Prices of Stripe that name no plan.
pub(crate) fn prices(hub: &Hub, text_of: &TextOf<'_>) -> Vec<Diagnostic> {
    let wrong = hub
        .stripe_prices
        .iter()
        .filter(|(_, plan)| !hub.plans.contains_key(*plan));
    let finder = Finder::new(text_of, HUB);
    wrong
        .map(|(price, plan)| {
            let place = finder.place(&["stripe_prices", price.as_str()], false);
            unknown_plan(place, plan, hub)
        })
        .collect()
}

fn unknown_plan(place: tenantry_schema::diagnostic::Place, plan: &str, hub: &Hub) -> Diagnostic {
    let note = hint(
        plan,
        hub.plans.keys().cloned(),
        "`hub.yaml` has no plans yet; add it under `plans:`",
    );
    Diagnostic::error(codes::UNKNOWN_PLAN, place, format!("unknown plan `{plan}`"))
        .label("not in `plans:` of fleet/hub.yaml")
        .note(note)
}

/// Stacks that `hub.yaml` names and the catalogue does not have. Nobody is harmed: no order can have them.
pub fn hub(known: Known<'_>, text_of: &TextOf<'_>) -> Vec<Diagnostic> {
    let finder = Finder::new(text_of, HUB);
    let plans = known.hub.plans.iter().flat_map(|(plan, settings)| {
        let tools = settings.tools.iter().flatten();
        tools.map(move |tool| (vec!["plans", plan.as_str(), "tools", tool.as_str()], tool))
    });
    let trusted = known.hub.policy.trusted_stacks.iter();
    let trusted = trusted.map(|tool| (vec!["policy", "trusted_stacks", tool.as_str()], tool));
    let unknown = plans
        .chain(trusted)
        .filter(|(_, tool)| !known.catalogue.branch.contains_key(*tool))
        .map(|(keys, tool)| Diagnostic {
            severity: tenantry_schema::Severity::Warning,
            ..unknown_tool(finder.place(&keys, false), tool, known.catalogue)
        });
    let idle = idle(known.hub, &finder);
    unknown
        .chain(idle)
        .chain(not_held(known.hub, &finder))
        .collect()
}

/// A place for backups where nobody sees to it that agents only append.
fn not_held(hub: &Hub, finder: &Finder) -> Option<Diagnostic> {
    let place = &hub.backups.as_ref()?.repository;
    let kind = place.kind();
    if kind == PlaceKind::Rest {
        return None;
    }
    let at = finder.place(&["backups", "repository"], false);
    let message = format!("whoever writes backups to {kind} can delete them as well");
    let warning = Diagnostic::warning(codes::BACKUPS_NOT_HELD, at, message);
    Some(
        warning
            .label("no log-in of each customer's own, and none that may only append")
            .note("`rest:https://…` with `--append-only --private-repos` holds agents to appending; elsewhere something else must keep what they delete"),
    )
}

/// Settings that are read and checked, and that nothing acts on yet.
fn idle(hub: &Hub, finder: &Finder) -> Vec<Diagnostic> {
    let providers = &hub.providers;
    let set = [
        (!hub.stripe_prices.is_empty(), "stripe_prices"),
        (hub.mail.is_some(), "mail"),
        (
            providers.hetzner.is_some() || providers.netcup.is_some(),
            "providers",
        ),
        (hub.alerts.is_some(), "alerts"),
    ];
    let set = set
        .into_iter()
        .filter(|(set, _)| *set)
        .map(|(_, key)| vec![key]);
    let plans = hub.plans.iter().flat_map(|(name, plan)| {
        let set = [
            (plan.size.is_some(), "size"),
            (plan.limits != PlanLimits::default(), "limits"),
            (plan.trial.is_some(), "trial"),
        ];
        let set = set.into_iter().filter(|(set, _)| *set);
        set.map(|(_, key)| vec!["plans", name.as_str(), key])
    });
    set.chain(plans)
        .map(|keys| {
            let what = format!("`{}`", keys.join("."));
            not_yet(finder.place(&keys, true), &what)
        })
        .collect()
}

/// Log-ins to the status page, which is open to whoever reaches it.
pub(crate) fn staff(staff: &Staff, text_of: &TextOf<'_>) -> Vec<Diagnostic> {
    let people = staff.0.iter().filter(|(_, person)| person.login.is_some());
    let people: Vec<&StaffId> = people.map(|(id, _)| id).collect();
    if people.is_empty() {
        return Vec::new();
    }
    let finder = Finder::new(text_of, "fleet/staff.yaml");
    let tell = |id: &StaffId| {
        let place = finder.place(&[id.as_str(), "login"], true);
        not_yet(place, "`login`").note("the status page is open to everybody who reaches it: let a web server in front of it ask for a password")
    };
    people.into_iter().map(tell).collect()
}

fn unknown_tool(
    place: tenantry_schema::diagnostic::Place,
    tool: &ToolName,
    catalogue: &Catalogue,
) -> Diagnostic {
    let stacks = catalogue.branch.keys().map(ToString::to_string);
    Diagnostic::error(codes::UNKNOWN_TOOL, place, format!("unknown tool `{tool}`"))
        .label("not in the catalogue")
        .note(hint(
            tool.as_str(),
            stacks,
            "the catalogue is empty; stacks are folders under stacks/",
        ))
}

/// Reads a pool or a roll-out and checks what it names. Other files have nothing to say here.
pub fn shared(file: &SourceFile, known: Known<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let text = file.text.clone().ok();
    let text_of = |_: &str| text.clone();
    let finder = Finder::new(&text_of, &file.path);
    match classify(&file.path) {
        Kind::Pool(_) => {
            let Some(pool) = read::<Pool>(file, &mut found) else {
                return found;
            };
            for plan in pool
                .plans
                .iter()
                .flatten()
                .filter(|plan| !known.hub.plans.contains_key(*plan))
            {
                found.push(unknown_plan(
                    finder.place(&["plans", plan], false),
                    plan,
                    known.hub,
                ));
            }
            for tool in pool
                .warm
                .iter()
                .filter(|tool| !known.catalogue.branch.contains_key(*tool))
            {
                found.push(unknown_tool(
                    finder.place(&["warm", tool.as_str()], false),
                    tool,
                    known.catalogue,
                ));
            }
            found.push(not_yet(finder.place(&["spares"], true), "pools"));
        }
        Kind::Rollout(_) => {
            let Some(rollout) = read::<Rollout>(file, &mut found) else {
                return found;
            };
            if !known.catalogue.branch.contains_key(&rollout.stack) {
                found.push(unknown_tool(
                    finder.place(&["stack"], false),
                    &rollout.stack,
                    known.catalogue,
                ));
            }
            for (index, wave) in rollout.waves.iter().enumerate() {
                let unknown = wave
                    .customers
                    .iter()
                    .flatten()
                    .filter(|id| !known.customers.contains(*id));
                for customer in unknown {
                    let at = index.to_string();
                    let place =
                        finder.place(&["waves", &at, "customers", customer.as_str()], false);
                    let ids = known.customers.iter().map(ToString::to_string);
                    let message = format!("unknown customer `{customer}`");
                    found.push(
                        Diagnostic::error(codes::UNKNOWN_CUSTOMER, place, message)
                            .label("no such folder in fleet/customers/")
                            .note(hint(customer.as_str(), ids, "the fleet has no customers")),
                    );
                }
            }
            found.push(not_yet(finder.place(&["stack"], true), "roll-outs"));
        }
        Kind::Misplaced(expected) => found.push(crate::documents::misplaced(file, expected)),
        _ => {}
    }
    found
}

pub(crate) fn not_yet(place: tenantry_schema::diagnostic::Place, what: &str) -> Diagnostic {
    Diagnostic::warning(codes::NOT_YET, place, format!("nothing acts on {what} yet"))
        .label("read and checked, and nothing more")
}

/// What the operations of a customer name, and which of them name what is not there.
pub(crate) fn operations(
    documents: &CustomerDocuments,
    files: &CustomerFiles,
) -> Vec<(Kind, Diagnostic)> {
    let mut found = Vec::new();
    for (id, operation) in &documents.operations {
        let record = documents.records.get(id);
        if record.is_some_and(|record| record.done.is_some()) {
            // It named what was there then.
            continue;
        }
        let kind = Kind::Operation(documents.id.clone(), id.clone());
        let Some(file) = files.files.iter().find(|file| classify(&file.path) == kind) else {
            continue;
        };
        let text = file.text.clone().ok();
        let text_of = |_: &str| text.clone();
        let finder = Finder::new(&text_of, &file.path);
        let checker = Checker {
            documents,
            finder: &finder,
        };
        let act = finder.place(&[operation.act().0], true);
        let wrong = checker
            .operation(operation)
            .into_iter()
            // Nothing but restores is acted on yet.
            .chain(
                operation
                    .restore
                    .is_none()
                    .then(|| not_yet(act, "operations of this kind")),
            );
        found.extend(wrong.map(|diagnostic| (kind.clone(), diagnostic)));
    }
    found
}

struct Checker<'a> {
    documents: &'a CustomerDocuments,
    finder: &'a Finder,
}

impl Checker<'_> {
    fn operation(&self, operation: &Operation) -> Vec<Diagnostic> {
        let servers = [
            ("reinstall", &operation.reinstall),
            ("snapshot", &operation.snapshot),
            ("power_cycle", &operation.power_cycle),
            ("to", &operation.to),
        ];
        let servers = servers
            .into_iter()
            .filter_map(|(key, server)| self.server(key, server.as_ref()?));
        let orders = [("retry", &operation.retry), ("move", &operation.move_order)];
        let orders = orders
            .into_iter()
            .filter_map(|(key, order)| self.order(key, order.as_ref()?));
        let on_servers = [("restore", &operation.restore), ("wipe", &operation.wipe)];
        let on_servers = on_servers.into_iter().filter_map(|(key, target)| {
            let target = target.as_ref()?;
            self.server(key, &target.server).or_else(|| {
                let ordered = self
                    .documents
                    .orders
                    .values()
                    .any(|order| order.tools.contains_key(&target.tool));
                (!ordered).then(|| self.not_ordered(key, &target.tool))
            })
        });
        let rotate = operation.rotate.as_ref().and_then(|target| {
            self.order("rotate", &target.order).or_else(|| {
                let order = self.documents.order(&target.order)?;
                (!order.tools.contains_key(&target.tool))
                    .then(|| self.not_ordered("rotate", &target.tool))
            })
        });
        let scenario = operation.scenario.as_ref().and_then(|target| {
            self.order("scenario", &target.order).or_else(|| {
                let order = self.documents.order(&target.order)?;
                (!order.tools.contains_key(&target.tool))
                    .then(|| self.not_ordered("scenario", &target.tool))
            })
        });
        servers
            .chain(scenario)
            .chain(orders)
            .chain(on_servers)
            .chain(rotate)
            .collect()
    }

    /// Nothing where the server is there, or has errors of its own.
    fn server(&self, key: &str, server: &ServerId) -> Option<Diagnostic> {
        let Self { documents, finder } = self;
        let kind = Kind::Server(documents.id.clone(), server.clone());
        if documents.servers.contains_key(server) || documents.unread.contains(&kind) {
            return None;
        }
        let servers = documents.servers.keys().map(ToString::to_string);
        let message = format!("unknown server `{server}`");
        Some(
            Diagnostic::error(codes::UNKNOWN_SERVER, finder.place(&[key], false), message)
                .label("not among this customer's servers")
                .note(hint(
                    server.as_str(),
                    servers,
                    "the customer has no server; add one under servers/",
                )),
        )
    }

    fn order(&self, key: &str, order: &OrderId) -> Option<Diagnostic> {
        let Self { documents, finder } = self;
        let kind = Kind::Order(documents.id.clone(), order.clone());
        if documents.order(order).is_some() || documents.unread.contains(&kind) {
            return None;
        }
        let orders = documents.orders.keys().map(ToString::to_string);
        let message = format!("unknown order `{order}`");
        Some(
            Diagnostic::error(codes::UNKNOWN_ORDER, finder.place(&[key], false), message)
                .label("not among this customer's orders")
                .note(hint(
                    order.as_str(),
                    orders,
                    "the customer has no orders; they are files under orders/",
                )),
        )
    }

    fn not_ordered(&self, key: &str, tool: &ToolName) -> Diagnostic {
        let tools = self
            .documents
            .orders
            .values()
            .flat_map(|order| order.tools.keys());
        let tools: BTreeSet<String> = tools.map(ToString::to_string).collect();
        let message = format!("{tool} is not ordered there");
        Diagnostic::error(
            codes::NOT_ORDERED,
            self.finder.place(&[key], false),
            message,
        )
        .label("no order of the customer has this tool there")
        .note(hint(
            tool.as_str(),
            tools.into_iter(),
            "the customer's orders have no tools",
        ))
    }
}
