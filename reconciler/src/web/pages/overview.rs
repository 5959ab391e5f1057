//! The first page: what the hub does, what is wrong, every order, every server.

use super::diagnostics::Diagnostics;
use super::index::{Filter, Index, Rows};
use super::operations::UpkeepRow;
use super::rows::{InstanceRow, ToolRow};
use super::words::{self, Badge, Moment, short};
use jiff::Timestamp;
use serde::Serialize;
use tenantry_planner::status::{FleetStatus, Mode, OrderStatus, ServerStatus};
use tenantry_schema::document::Manage;
use tenantry_schema::wire::InstancePhase;

/// Up to this many servers show their containers at once; of more, only what is not well is named.
const IN_FULL: usize = 12;
/// Tools of one server that are named in a row.
const NAMED: usize = 6;

#[derive(Serialize)]
pub(super) struct Overview {
    fleet: String,
    observing: Option<String>,
    source_problem: Option<String>,
    forge_problem: Option<String>,
    upkeep: Option<UpkeepRow>,
    commit: Option<Commit>,
    at: Moment,
    tiles: [Tile; 3],
    customers: usize,
    frozen: Vec<Frozen>,
    diagnostics: Diagnostics,
    filter: Filter,
    all_link: String,
    trouble_link: String,
    order_rows: Rows,
    orders: Vec<OrderRow>,
    server_rows: Rows,
    servers: Vec<ServerRow>,
}

#[derive(Serialize)]
struct Commit {
    short: String,
    id: String,
    summary: String,
    author: String,
    generation: u64,
    time: Moment,
}

/// `good` of `all`, as a bar of up to 100.
#[derive(Serialize)]
struct Tile {
    title: &'static str,
    word: &'static str,
    good: usize,
    all: usize,
    percent: usize,
}

impl Tile {
    fn new(title: &'static str, word: &'static str, good: usize, all: usize) -> Self {
        Self {
            title,
            word,
            good,
            all,
            percent: (good * 100).checked_div(all).unwrap_or(0).min(100),
        }
    }
}

#[derive(Serialize)]
struct Frozen {
    customer: Option<String>,
    stays_at: Option<String>,
    errors: usize,
}

#[derive(Serialize)]
struct OrderRow {
    customer: String,
    order: String,
    plan: String,
    domain: String,
    server: Option<String>,
    phase: Badge,
    steps: u8,
    /// Not shown before there is anything to be well.
    health: Badge,
    reasons: Vec<String>,
    tools: Vec<ToolRow>,
}

impl OrderRow {
    fn new(order: &OrderStatus, now: Timestamp) -> Self {
        let (phase, steps) = words::phase(order.phase);
        Self {
            customer: order.customer.to_string(),
            order: order.order.to_string(),
            plan: order.plan.clone(),
            domain: order.domain.clone(),
            server: order.server.as_ref().map(ToString::to_string),
            phase,
            steps,
            health: words::health(order.health),
            reasons: order.waiting.iter().map(ToString::to_string).collect(),
            tools: order
                .tools
                .iter()
                .map(|tool| ToolRow::new(tool, now))
                .collect(),
        }
    }
}

#[derive(Serialize)]
struct ServerRow {
    customer: String,
    server: String,
    address: String,
    observe: bool,
    health: Badge,
    seen: Option<Moment>,
    agent: Option<String>,
    published: Option<u64>,
    accepted: Option<u64>,
    in_sync: bool,
    healthy: usize,
    total: usize,
    /// With containers, where the fleet is small.
    instances: Vec<InstanceRow>,
    /// Names of what is not well, where it is not.
    troubled: Vec<(String, Badge)>,
    reasons: Vec<String>,
    refusals: usize,
    unmanaged: usize,
}

impl ServerRow {
    fn new(server: &ServerStatus, in_full: bool, now: Timestamp) -> Self {
        let well = |phase| matches!(phase, InstancePhase::Healthy | InstancePhase::Stopped);
        let instances = server
            .instances
            .iter()
            .filter(|_| in_full)
            .map(|instance| InstanceRow::new(instance, None));
        let troubled = server
            .instances
            .iter()
            .filter(|instance| !in_full && !well(instance.phase))
            .take(NAMED);
        Self {
            customer: server.customer.to_string(),
            server: server.server.to_string(),
            address: server.address.clone(),
            observe: server.manage == Manage::Observe,
            health: words::health(server.health),
            seen: server.last_seen.map(|at| Moment::new(at, now)),
            agent: server.agent.clone(),
            published: server.published,
            accepted: server.accepted,
            in_sync: server.in_sync,
            healthy: server
                .instances
                .iter()
                .filter(|instance| instance.phase == InstancePhase::Healthy)
                .count(),
            total: server.instances.len(),
            instances: instances.collect(),
            troubled: troubled
                .map(|instance| (instance.name.to_string(), words::instance(instance.phase)))
                .collect(),
            reasons: server.waiting.iter().map(ToString::to_string).collect(),
            refusals: server.refusals.len(),
            unmanaged: server.unmanaged.len(),
        }
    }
}

/// The first page of `status`.
pub(super) fn view(
    status: &FleetStatus,
    index: &Index,
    filter: &Filter,
    now: Timestamp,
) -> Overview {
    let totals = &status.totals;
    let order_rows = index.orders(filter);
    let server_rows = index.servers(filter);
    let in_full = server_rows.found <= IN_FULL;
    let commit = status.commit.as_ref().map(|commit| Commit {
        short: short(&commit.id),
        id: commit.id.clone(),
        summary: commit.summary.clone(),
        author: commit.author.clone(),
        generation: commit.generation,
        time: Moment::new(commit.time, now),
    });
    let frozen = status.frozen.iter().map(|scope| Frozen {
        customer: scope.customer.as_ref().map(ToString::to_string),
        stays_at: scope.stays_at.as_deref().map(short),
        errors: scope.errors,
    });
    let plain = Filter {
        orders: 1,
        servers: 1,
        ..filter.clone()
    };
    Overview {
        fleet: status.fleet_id.clone(),
        observing: match &status.mode {
            Mode::Active => None,
            Mode::Observing { reason } => Some(reason.clone()),
        },
        source_problem: status.source_problem.clone(),
        forge_problem: status.forge_problem.clone(),
        upkeep: status
            .upkeep
            .as_ref()
            .map(|upkeep| UpkeepRow::new(upkeep, now)),
        commit,
        at: Moment::new(status.at, now),
        tiles: [
            Tile::new("Orders", "fulfilled", totals.fulfilled, totals.orders),
            Tile::new("Servers", "healthy", totals.healthy_servers, totals.servers),
            Tile::new(
                "Tools",
                "healthy",
                totals.healthy_instances,
                totals.instances,
            ),
        ],
        customers: totals.customers,
        frozen: frozen.collect(),
        diagnostics: Diagnostics::new(&status.diagnostics),
        all_link: Filter {
            trouble: false,
            ..plain.clone()
        }
        .link(""),
        trouble_link: Filter {
            trouble: true,
            ..plain
        }
        .link(""),
        filter: filter.clone(),
        orders: rows(&order_rows, &status.orders)
            .map(|order| OrderRow::new(order, now))
            .collect(),
        servers: rows(&server_rows, &status.servers)
            .map(|server| ServerRow::new(server, in_full, now))
            .collect(),
        order_rows,
        server_rows,
    }
}

fn rows<'a, T>(rows: &'a Rows, all: &'a [T]) -> impl Iterator<Item = &'a T> {
    rows.shown.iter().filter_map(|row| all.get(*row))
}
