//! Which rows a page shows, in which order: trouble first, then by name; those that match what was asked; two hundred at a time.

use serde::Serialize;
use std::fmt::Write as _;
use tenantry_planner::status::{FleetStatus, Health, OrderStatus, Phase, ServerStatus};

/// Rows of one kind on a page.
const ROWS: usize = 200;

/// Order and search text of all rows of one state.
pub(in crate::web) struct Index {
    orders: Vec<Entry>,
    servers: Vec<Entry>,
}

struct Entry {
    row: usize,
    rank: u8,
    /// Lower case.
    text: String,
}

/// From this rank on nothing is wrong.
const WELL: u8 = 4;

impl Index {
    pub(in crate::web) fn new(status: &FleetStatus) -> Self {
        let orders = status.orders.iter().enumerate();
        let servers = status.servers.iter().enumerate();
        Self {
            orders: ranked(orders.map(|(row, order)| Entry {
                row,
                rank: order_rank(order),
                text: order_text(order),
            })),
            servers: ranked(servers.map(|(row, server)| Entry {
                row,
                rank: server_rank(server),
                text: server_text(server),
            })),
        }
    }

    /// Rows of `status.orders` to show.
    pub(super) fn orders(&self, filter: &Filter) -> Rows {
        select(&self.orders, filter, filter.orders, |page| {
            Filter {
                orders: page,
                ..filter.clone()
            }
            .link("orders")
        })
    }

    /// Rows of `status.servers` to show.
    pub(super) fn servers(&self, filter: &Filter) -> Rows {
        select(&self.servers, filter, filter.servers, |page| {
            Filter {
                servers: page,
                ..filter.clone()
            }
            .link("servers")
        })
    }
}

fn ranked(entries: impl Iterator<Item = Entry>) -> Vec<Entry> {
    let mut entries: Vec<_> = entries.collect();
    // Stable: within a rank the order of the status (by name) stays.
    entries.sort_by_key(|entry| entry.rank);
    entries
}

fn order_rank(order: &OrderStatus) -> u8 {
    match (order.phase, order.health) {
        (Phase::NeedsAttention, _) | (_, Health::Failed) => 0,
        (_, Health::Degraded) => 1,
        (Phase::Fulfilled, Health::Unknown) => 2,
        _ if !order.waiting.is_empty() => 2,
        (Phase::Fulfilled, Health::Healthy) => WELL + 1,
        _ => WELL,
    }
}

fn server_rank(server: &ServerStatus) -> u8 {
    match server.health {
        Health::Failed => 0,
        Health::Degraded => 1,
        Health::Unknown => 2,
        _ if !server.refusals.is_empty() && !server.in_sync => 2,
        Health::Progressing => 3,
        Health::Healthy if !server.in_sync || !server.waiting.is_empty() => 3,
        Health::Healthy => WELL,
    }
}

fn order_text(order: &OrderStatus) -> String {
    let mut text = format!(
        "{}/{} {} {}",
        order.customer, order.order, order.domain, order.plan
    );
    let _ = write!(
        text,
        " {} {}",
        super::words::spoken(&order.phase),
        super::words::spoken(&order.health)
    );
    if let Some(server) = &order.server {
        let _ = write!(text, " {server}");
    }
    for tool in &order.tools {
        let _ = write!(text, " {} {}", tool.tool, tool.title);
    }
    for waiting in &order.waiting {
        let _ = write!(text, " {waiting}");
    }
    text.to_lowercase()
}

fn server_text(server: &ServerStatus) -> String {
    let mut text = format!(
        "{}/{} {} {}",
        server.customer,
        server.server,
        server.address,
        super::words::spoken(&server.health)
    );
    if let Some(agent) = &server.agent {
        let _ = write!(text, " {agent}");
    }
    for instance in &server.instances {
        let _ = write!(text, " {}", instance.name);
        for container in &instance.containers {
            let _ = write!(text, " {}", container.image);
        }
    }
    for waiting in &server.waiting {
        let _ = write!(text, " {waiting}");
    }
    text.to_lowercase()
}

/// What a reader asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Filter {
    /// Every word of it must occur in a row.
    pub(super) q: String,
    /// Only rows with something wrong.
    pub(super) trouble: bool,
    /// Page of the orders, from 1.
    pub(super) orders: usize,
    /// Page of the servers, from 1.
    pub(super) servers: usize,
}

impl Filter {
    /// Reads a query string. What it does not understand it leaves out.
    pub(super) fn parse(query: &str) -> Self {
        let mut filter = Self {
            orders: 1,
            servers: 1,
            ..Self::default()
        };
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "q" => filter.q = value.trim().chars().take(200).collect(),
                "show" => filter.trouble = value == "trouble",
                "orders" => filter.orders = value.parse().unwrap_or(1).clamp(1, 1_000_000),
                "servers" => filter.servers = value.parse().unwrap_or(1).clamp(1, 1_000_000),
                _ => {}
            }
        }
        filter
    }

    /// The address of this selection, at the section `anchor`.
    pub(super) fn link(&self, anchor: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if !self.q.is_empty() {
            query.append_pair("q", &self.q);
        }
        if self.trouble {
            query.append_pair("show", "trouble");
        }
        for (key, page) in [("orders", self.orders), ("servers", self.servers)] {
            if page > 1 {
                query.append_pair(key, &page.to_string());
            }
        }
        let query = query.finish();
        let mark = if query.is_empty() { "" } else { "?" };
        let anchor = if anchor.is_empty() {
            String::new()
        } else {
            format!("#{anchor}")
        };
        format!("/{mark}{query}{anchor}")
    }
}

/// The rows of one page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Rows {
    /// Indexes into the list of the status.
    #[serde(skip)]
    pub(super) shown: Vec<usize>,
    /// How many match.
    pub(super) found: usize,
    /// Number of the first row that is shown, from 1.
    pub(super) first: usize,
    /// Number of the last.
    pub(super) last: usize,
    pub(super) previous: Option<String>,
    pub(super) next: Option<String>,
}

fn select(entries: &[Entry], filter: &Filter, page: usize, link: impl Fn(usize) -> String) -> Rows {
    let asked = filter.q.to_lowercase();
    let words: Vec<&str> = asked.split_whitespace().collect();
    let fits = |entry: &&Entry| {
        (!filter.trouble || entry.rank < WELL) && words.iter().all(|word| entry.text.contains(word))
    };
    let found: Vec<usize> = entries.iter().filter(fits).map(|entry| entry.row).collect();
    let pages = found.len().div_ceil(ROWS).max(1);
    let page = page.clamp(1, pages);
    let start = (page - 1) * ROWS;
    let shown: Vec<usize> = found.iter().skip(start).take(ROWS).copied().collect();
    Rows {
        found: found.len(),
        first: if shown.is_empty() { 0 } else { start + 1 },
        last: start + shown.len(),
        previous: (page > 1).then(|| link(page - 1)),
        next: (page < pages).then(|| link(page + 1)),
        shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entries(count: usize) -> Vec<Entry> {
        ranked((0..count).map(|row| Entry {
            row,
            rank: if row % 100 == 99 { 0 } else { WELL },
            text: format!("acme/order-{row}"),
        }))
    }

    #[test]
    fn trouble_comes_first_and_everything_is_on_one_page() {
        let all = entries(450);
        let filter = Filter::parse("");
        let page = |n| select(&all, &filter, n, |page| page.to_string());
        let first = page(1);
        assert_eq!(first.shown[..5], [99, 199, 299, 399, 0]);
        assert_eq!(
            (
                first.found,
                first.first,
                first.last,
                first.previous,
                first.next.as_deref()
            ),
            (450, 1, 200, None, Some("2"))
        );
        let last = page(3);
        assert_eq!((last.first, last.last, last.next), (401, 450, None));
        assert_eq!(page(99).first, 401, "a page beyond the end is the last one");
        let mut seen: Vec<_> = (1..=3).flat_map(|n| page(n).shown).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..450).collect::<Vec<_>>());
        let trouble = Filter::parse("show=trouble");
        assert_eq!(select(&all, &trouble, 1, |p| p.to_string()).found, 4);
        let narrowed = Filter::parse("q=ACME+order-44");
        assert_eq!(select(&all, &narrowed, 1, |p| p.to_string()).found, 11);
    }

    proptest! {
        #[test]
        fn a_link_says_what_was_asked(q in "\\PC{0,40}", trouble: bool, orders in 1usize..50, servers in 1usize..50) {
            let filter = Filter { q: q.trim().to_owned(), trouble, orders, servers };
            let link = filter.link("orders");
            let query = link.trim_start_matches('/').trim_start_matches('?').trim_end_matches("#orders").to_owned();
            prop_assert_eq!(Filter::parse(&query), filter);
        }

        #[test]
        fn any_query_is_a_filter(query in "\\PC{0,80}") {
            let filter = Filter::parse(&query);
            prop_assert!(filter.orders >= 1 && filter.q.chars().count() <= 200);
        }
    }
}
