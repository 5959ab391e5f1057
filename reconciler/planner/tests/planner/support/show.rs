//! Plans as people read them, for golden files.

use std::fmt::Write as _;
use tenantry_planner::Plan;
use tenantry_planner::decision::Choice;
use tenantry_planner::explain::word;
use tenantry_schema::Diagnostic;

/// What is to be done.
pub(crate) fn actions(plan: &Plan) -> String {
    let mut out = String::new();
    for decision in plan.decisions() {
        let _ = writeln!(out, "decide {}", decision.path());
        match (&decision.choice, decision.content()) {
            (Choice::Secrets(_, names) | Choice::BackupSecrets(names), _) => {
                for (name, spec) in names {
                    let _ = writeln!(out, "    {name}: drawn, {} characters", spec.characters());
                }
            }
            (_, content) => {
                for line in content.unwrap_or_default().lines().skip(1) {
                    let _ = writeln!(out, "    {}", short(line));
                }
            }
        }
    }
    for task in plan.slices() {
        let _ = writeln!(out, "publish {} ({})", task.server, task.because);
        for (name, instance) in &task.input.instances {
            let ports: Vec<String> = instance
                .ports
                .iter()
                .map(|(site, port)| format!("{site}={port}"))
                .collect();
            let hosts: Vec<String> = instance.hosts.values().map(ToString::to_string).collect();
            let _ = writeln!(
                out,
                "    {name}: {}, {} {}",
                word(&instance.state),
                ports.join(" "),
                hosts.join(" ")
            );
        }
    }
    out
}

/// How far everything is, and why not further.
pub(crate) fn state(plan: &Plan) -> String {
    let mut out = String::new();
    for part in plan.customers.values() {
        for order in &part.orders {
            let _ = writeln!(
                out,
                "order {}/{}: {}, {}",
                order.customer,
                order.order,
                word(&order.phase),
                word(&order.health)
            );
            for tool in &order.tools {
                let newer = if tool.newer_available {
                    ", newer available"
                } else {
                    ""
                };
                let customised = if tool.customised { ", customised" } else { "" };
                let first = tool
                    .fulfilled_at
                    .map_or(String::new(), |at| format!(", first ran {at}"));
                let _ = writeln!(
                    out,
                    "    {}: {}, {}{newer}{customised}{first}",
                    tool.tool,
                    word(&tool.health),
                    tool.urls.join(" ")
                );
            }
            for reason in &order.waiting {
                let _ = writeln!(out, "    waits: {reason}");
            }
        }
        for server in &part.servers {
            let sync = if server.in_sync {
                "in sync"
            } else {
                "not in sync"
            };
            let _ = writeln!(
                out,
                "server {}/{}: {}, {sync}",
                server.customer,
                server.server,
                word(&server.health)
            );
            for reason in &server.waiting {
                let _ = writeln!(out, "    waits: {reason}");
            }
        }
    }
    out
}

/// Actions and state.
pub(crate) fn both(plan: &Plan) -> String {
    format!("{}{}", actions(plan), state(plan))
}

/// Everything that a plan says, to compare plans by.
pub(crate) fn everything(plan: &Plan) -> String {
    let mut out = both(plan);
    for (id, part) in &plan.customers {
        let _ = writeln!(out, "{id} until {:?} {:?}", part.valid_until, part.totals);
        let _ = writeln!(out, "{:?}\n{:?}", part.orders, part.servers);
        for input in &part.desired_slices {
            let _ = writeln!(out, "{} {}", input.server, input.digest());
        }
        for decision in &part.decisions {
            let _ = writeln!(out, "{decision:?}");
        }
    }
    out
}

/// Findings, one after the other.
pub(crate) fn diagnostics(found: &[Diagnostic]) -> String {
    found
        .iter()
        .map(Diagnostic::render)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Ids of objects are shortened: they change with every letter of a test.
fn short(line: &str) -> String {
    match line.split_once(": ") {
        Some((name @ ("  tree" | "  nginx"), _)) => format!("{name}: …"),
        _ => line.to_owned(),
    }
}
