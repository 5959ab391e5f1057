//! What was renamed: `moved_from:` keeps the id that an order, server or tool had first, and with it decisions, containers, data and agent.
//!
//! Everything behind this point knows the first id alone. Only where a place in a file is shown, the name of the file is needed.

use crate::codes;
use crate::documents::CustomerDocuments;
use crate::input::{CustomerFiles, Finder};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tenantry_schema::Diagnostic;
use tenantry_schema::diagnostic::Place;
use tenantry_schema::document::Kind;
use tenantry_schema::id::{CustomerId, OrderId, ServerId, ToolName};

/// Gives renamed orders and servers the ids that they had first. What cannot be is left as it is and said.
pub(crate) fn settle(
    documents: &mut CustomerDocuments,
    files: &CustomerFiles,
) -> Vec<(Kind, Diagnostic)> {
    let place = |path: String| {
        let file = files.files.iter().find(|file| file.path == path);
        let text = file.and_then(|file| file.text.clone().ok());
        Finder::new(&|_| text.clone(), &path).place(&["moved_from"], false)
    };
    let mut found = orders(documents, &place);
    found.extend(tools(documents, files));
    found.extend(servers(documents, &place));
    found
}

fn orders(
    documents: &mut CustomerDocuments,
    place: &dyn Fn(String) -> Place,
) -> Vec<(Kind, Diagnostic)> {
    let customer = documents.id.clone();
    let unread: BTreeSet<OrderId> = documents
        .unread
        .iter()
        .filter_map(|kind| match kind {
            Kind::Order(_, id) => Some(id.clone()),
            _ => None,
        })
        .collect();
    let orders = Moves {
        what: "order",
        now: documents
            .orders
            .iter()
            .map(|(id, order)| (id, order.moved_from.as_ref()))
            .collect(),
        unread: &unread,
        decided: documents.decisions.keys().collect(),
        place: &|id| place(crate::link::order_path(&customer, id)),
    };
    let (moved, wrong) = orders.settle();
    rename(&mut documents.orders, &moved);
    documents.written_orders = moved.into_iter().map(|(now, first)| (first, now)).collect();
    let wrong = wrong.into_iter();
    wrong
        .map(|(id, wrong)| (Kind::Order(customer.clone(), id), wrong))
        .collect()
}

fn servers(
    documents: &mut CustomerDocuments,
    place: &dyn Fn(String) -> Place,
) -> Vec<(Kind, Diagnostic)> {
    let customer = documents.id.clone();
    let unread: BTreeSet<ServerId> = documents
        .unread
        .iter()
        .filter_map(|kind| match kind {
            Kind::Server(_, id) => Some(id.clone()),
            _ => None,
        })
        .collect();
    let servers = Moves {
        what: "server",
        now: documents
            .servers
            .iter()
            .map(|(id, server)| (id, server.moved_from.as_ref()))
            .collect(),
        unread: &unread,
        decided: BTreeSet::new(),
        place: &|id| place(server_path(&customer, id)),
    };
    let (moved, wrong) = servers.settle();
    rename(&mut documents.servers, &moved);
    for order in documents.orders.values_mut() {
        // An order may name its server by the name of its file.
        if let Some(first) = order
            .server
            .as_ref()
            .and_then(|server| moved.get(server))
            .cloned()
        {
            Arc::make_mut(order).server = Some(first);
        }
    }
    let wrong = wrong.into_iter();
    wrong
        .map(|(id, wrong)| (Kind::Server(customer.clone(), id), wrong))
        .collect()
}

/// Gives renamed tools the names that they had first.
fn tools(documents: &mut CustomerDocuments, files: &CustomerFiles) -> Vec<(Kind, Diagnostic)> {
    let mut found = Vec::new();
    let renamed: Vec<OrderId> = documents
        .orders
        .iter()
        .filter(|(_, order)| order.tools.values().any(|tool| tool.moved_from.is_some()))
        .map(|(id, _)| id.clone())
        .collect();
    for id in renamed {
        let path = documents.order_file(&id);
        let file = files.files.iter().find(|file| file.path == path);
        let text = file.and_then(|file| file.text.clone().ok());
        let finder = Finder::new(&|_| text.clone(), &path);
        let Some(order) = documents.orders.get_mut(&id) else {
            continue;
        };
        let decided = documents.decisions.get(&id);
        let tools = Moves {
            what: "tool",
            now: order
                .tools
                .iter()
                .map(|(name, tool)| (name, tool.moved_from.as_ref()))
                .collect(),
            unread: &BTreeSet::new(),
            decided: decided
                .into_iter()
                .flat_map(|decided| decided.tools.keys())
                .collect(),
            place: &|tool: &ToolName| finder.place(&["tools", tool.as_str(), "moved_from"], false),
        };
        let (moved, wrong) = tools.settle();
        let name = documents.written_orders.get(&id).unwrap_or(&id);
        let kind = Kind::Order(documents.id.clone(), name.clone());
        found.extend(wrong.into_iter().map(|(_, wrong)| (kind.clone(), wrong)));
        let order = Arc::make_mut(order);
        for (now, tool) in &mut order.tools {
            tool.written = moved.contains_key(now).then(|| now.clone());
        }
        rename(&mut order.tools, &moved);
    }
    found
}

fn server_path(customer: &CustomerId, server: &ServerId) -> String {
    format!("fleet/customers/{customer}/servers/{server}.yaml")
}

fn rename<K: Ord + Clone, V>(map: &mut BTreeMap<K, V>, moved: &BTreeMap<K, K>) {
    let taken: Vec<(K, V)> = moved
        .iter()
        .filter_map(|(now, first)| Some((first.clone(), map.remove(now)?)))
        .collect();
    map.extend(taken);
}

struct Moves<'a, K> {
    what: &'static str,
    /// By the name of the file: what `moved_from:` says.
    now: BTreeMap<&'a K, Option<&'a K>>,
    /// Files that have errors.
    unread: &'a BTreeSet<K>,
    /// Ids that decisions were made for.
    decided: BTreeSet<&'a K>,
    place: &'a dyn Fn(&K) -> Place,
}

impl<K: Ord + Clone + std::fmt::Display> Moves<'_, K> {
    /// First ids by name of the file, and what cannot be.
    fn settle(&self) -> (BTreeMap<K, K>, Vec<(K, Diagnostic)>) {
        let mut moved: BTreeMap<K, K> = BTreeMap::new();
        let mut owners: BTreeMap<&K, &K> = BTreeMap::new();
        let mut wrong = Vec::new();
        for (now, from) in self
            .now
            .iter()
            .filter_map(|(now, from)| Some((*now, (*from)?)))
        {
            match self.refuse(now, from, owners.get(from).copied()) {
                Some(why) => wrong.push((now.clone(), why)),
                None => {
                    owners.insert(from, now);
                    moved.insert(now.clone(), from.clone());
                }
            }
        }
        (moved, wrong)
    }

    fn refuse(&self, now: &K, from: &K, owner: Option<&K>) -> Option<Diagnostic> {
        let what = self.what;
        let error = |message: String, label: &str| {
            Diagnostic::error(codes::MOVED_FROM, (self.place)(now), message).label(label)
        };
        if now == from {
            let found = error(
                format!("{what} `{now}` was moved from itself"),
                "that is its name now",
            );
            return Some(found.note("remove the line"));
        }
        if self.circle(now) {
            let found = error(
                format!("{what} `{now}` was moved from `{from}`, and that in the end from `{now}`"),
                "goes in a circle",
            );
            let found = found.note("name the id that it had first");
            return Some(found.related((self.place)(from), "and this one comes from here"));
        }
        if self.now.contains_key(from) || self.unread.contains(from) {
            let (label, it) = if what == "tool" {
                ("stands there as well", "it")
            } else {
                ("has a file of its own", "that file")
            };
            let found = error(format!("{what} `{from}` is still there"), label);
            let found = found.note(format!(
                "remove {it}, if {what} `{now}` takes its place; else remove this line"
            ));
            return Some(found.related(
                Place::file((self.place)(from).file),
                format!("{what} `{from}`"),
            ));
        }
        if let Some(owner) = owner {
            let found = error(
                format!("{what} `{from}` became `{owner}` already"),
                "named a second time",
            );
            return Some(found.related((self.place)(owner), "named here first"));
        }
        if self.decided.contains(now) {
            let found = error(
                format!("{what} `{now}` has decisions of its own"),
                "runs under its own name already",
            );
            return Some(found.note(format!(
                "what was decided for `{now}` would be forgotten: remove the line"
            )));
        }
        None
    }

    fn circle(&self, start: &K) -> bool {
        let mut at = start;
        for _ in 0..self.now.len() {
            let Some(Some(from)) = self.now.get(at) else {
                return false;
            };
            if *from == start {
                return true;
            }
            at = from;
        }
        false
    }
}
