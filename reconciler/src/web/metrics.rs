//! What is counted, under which names. Counters go to the process-wide recorder; gauges of the fleet are worked out when somebody asks.

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::OnceLock;
use std::time::Duration;
use tenantry_planner::status::{FleetStatus, Mode};

/// Counts and times of the pass loop.
const PASSES: &str = "tenantry_passes_total";
const PASS_SECONDS: &str = "tenantry_pass_seconds";
const REPORTS: &str = "tenantry_reports_total";
const AGENT_REQUESTS: &str = "tenantry_agent_requests_total";
const WEBHOOKS: &str = "tenantry_webhooks_total";
const WAITING: &str = "tenantry_agent_polls_waiting";

/// Upper bounds of the buckets of [`PASS_SECONDS`].
const BUCKETS: [f64; 12] = [
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Makes the process count, once; later calls return the same handle. Where another recorder is installed already, what is counted goes there.
pub fn install() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let builder = PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Full(PASS_SECONDS.into()), &BUCKETS)
                .expect("there are buckets");
            let recorder = builder.build_recorder();
            let handle = recorder.handle();
            if metrics::set_global_recorder(recorder).is_err() {
                tracing::warn!("another metrics recorder is installed; /metrics shows the state of the fleet only");
            }
            describe();
            handle
        })
        .clone()
}

fn describe() {
    metrics::describe_counter!(PASSES, "Passes of the loop, by outcome");
    metrics::describe_histogram!(
        PASS_SECONDS,
        metrics::Unit::Seconds,
        "Time from reading the commit to everything published"
    );
    metrics::describe_counter!(REPORTS, "Reports of agents that were new");
    metrics::describe_counter!(AGENT_REQUESTS, "Requests of agents, by route and outcome");
    metrics::describe_counter!(WEBHOOKS, "Webhooks of the forge, by outcome");
    metrics::describe_gauge!(WAITING, "Agents that wait for a newer slice");
}

/// Counts a pass of the loop; `outcome` is a fixed word such as `ok` or `failed`.
pub fn pass_finished(outcome: &'static str, took: Duration) {
    metrics::counter!(PASSES, "outcome" => outcome).increment(1);
    metrics::histogram!(PASS_SECONDS).record(took.as_secs_f64());
}

/// Counts reports that were not known before.
pub fn reports_kept(new: u64) {
    metrics::counter!(REPORTS).increment(new);
}

pub(super) fn agent_request(route: &'static str, outcome: &'static str) {
    metrics::counter!(AGENT_REQUESTS, "route" => route, "outcome" => outcome).increment(1);
}

pub(super) fn webhook(outcome: &'static str) {
    metrics::counter!(WEBHOOKS, "outcome" => outcome).increment(1);
}

/// Counts one more agent that waits, until it is dropped.
pub(super) fn poll_waits() -> impl Drop {
    struct Waiting;
    impl Drop for Waiting {
        fn drop(&mut self) {
            metrics::gauge!(WAITING).decrement(1.0);
        }
    }
    metrics::gauge!(WAITING).increment(1.0);
    Waiting
}

/// The state of the fleet in Prometheus' text format.
pub(super) fn fleet(status: &FleetStatus) -> String {
    let mut out = String::new();
    families(&mut out, status);
    gauges(&mut out, status);
    out
}

/// How many there are of each kind.
fn families(out: &mut String, status: &FleetStatus) {
    let orders = status.orders.iter().map(|order| word(&order.phase));
    family(
        out,
        "tenantry_orders",
        "Orders, by phase",
        "phase",
        &PHASES,
        orders,
    );
    let health = status.orders.iter().map(|order| word(&order.health));
    family(
        out,
        "tenantry_orders_health",
        "Orders, by health",
        "health",
        &HEALTHS,
        health,
    );
    let servers = status.servers.iter().map(|server| word(&server.health));
    family(
        out,
        "tenantry_servers",
        "Servers, by health",
        "health",
        &HEALTHS,
        servers,
    );
    let instances = status
        .servers
        .iter()
        .flat_map(|server| &server.instances)
        .map(|instance| word(&instance.phase));
    family(
        out,
        "tenantry_instances",
        "Tools on servers, by what their agent says",
        "phase",
        &INSTANCES,
        instances,
    );
    let refusals = status
        .servers
        .iter()
        .flat_map(|server| &server.refusals)
        .map(|refusal| word(&refusal.kind));
    family(
        out,
        "tenantry_slice_refusals",
        "Slices refused lately, by kind",
        "kind",
        &[],
        refusals,
    );
}

/// Single numbers.
fn gauges(out: &mut String, status: &FleetStatus) {
    let behind = status
        .servers
        .iter()
        .filter(|server| !server.in_sync)
        .count();
    gauge(
        out,
        "tenantry_servers_out_of_sync",
        "Servers that do not agree with what was published",
        behind,
    );
    gauge(
        out,
        "tenantry_customers",
        "Customers",
        status.totals.customers,
    );
    gauge(
        out,
        "tenantry_frozen_scopes",
        "Customers that stay at an earlier commit",
        status.frozen.len(),
    );
    let errors = status
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.is_error())
        .count();
    gauge(
        out,
        "tenantry_errors",
        "Errors in the newest commit",
        errors,
    );
    gauge(
        out,
        "tenantry_acting",
        "1 if this hub acts, 0 if it only observes",
        usize::from(status.mode == Mode::Active),
    );
    gauge(
        out,
        "tenantry_source_problem",
        "1 if the fleet's source cannot be followed",
        usize::from(status.source_problem.is_some()),
    );
    gauge(
        out,
        "tenantry_forge_problem",
        "1 while verdicts do not reach the forge",
        usize::from(status.forge_problem.is_some()),
    );
    let generation = status.commit.as_ref().map_or(0, |commit| commit.generation);
    gauge(
        out,
        "tenantry_generation",
        "Generation of the newest commit",
        generation,
    );
    gauge(
        out,
        "tenantry_status_timestamp_seconds",
        "When the state was worked out",
        status.at.as_second(),
    );
}

const PHASES: [&str; 6] = [
    "payment_confirmed",
    "awaiting_server",
    "server_ready",
    "provisioning",
    "fulfilled",
    "needs_attention",
];
const HEALTHS: [&str; 5] = ["healthy", "progressing", "degraded", "failed", "unknown"];
const INSTANCES: [&str; 6] = [
    "healthy",
    "progressing",
    "degraded",
    "failed",
    "stopped",
    "waiting",
];

/// The word of an enum's variant as JSON has it: letters and underscores only.
pub(super) fn word(variant: &impl serde::Serialize) -> String {
    match serde_json::to_value(variant) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "unknown".to_owned(),
    }
}

/// A gauge with one label. Words of `always` are there also when nothing has them, so that a graph does not break off.
fn family(
    out: &mut String,
    name: &str,
    help: &str,
    label: &str,
    always: &[&str],
    words: impl Iterator<Item = String>,
) {
    let mut counts: BTreeMap<String, u64> =
        always.iter().map(|word| ((*word).to_owned(), 0)).collect();
    for word in words {
        *counts.entry(word).or_default() += 1;
    }
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge");
    for (word, count) in counts {
        let _ = writeln!(out, "{name}{{{label}=\"{word}\"}} {count}");
    }
}

fn gauge(out: &mut String, name: &str, help: &str, value: impl std::fmt::Display) {
    let _ = writeln!(
        out,
        "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}"
    );
}
