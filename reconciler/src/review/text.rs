//! A plan for a terminal.

use super::count;
use super::report::{NAMED, Report};
use super::shared::parts;
use super::words::{
    STOPS, beyond, facts, files, group_lines, group_name, lines, sign, state, summary, verdict,
};
use std::fmt::Write as _;
use tenantry_planner::change::{Group, ServerChange};

/// More servers than this are shown by what they have in common.
const FEW: usize = 20;
/// Decisions that are listed one by one.
const FEW_DECISIONS: usize = 40;

pub(crate) fn write(report: &Report, all: bool, colour: bool) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{} → {}", report.from.words(), report.to.words());
    if let Some(note) = &report.note {
        let _ = writeln!(out, "{note}");
    }
    for hint in report.hints.iter().take(FEW) {
        let _ = writeln!(out, "\n{hint}");
    }
    if !report.changes.is_empty() {
        out.push('\n');
        if all || report.changes.len() <= FEW {
            report
                .changes
                .iter()
                .for_each(|change| server(&mut out, change));
        } else {
            report.groups.iter().for_each(|each| group(&mut out, each));
            shared(&mut out, report);
            let _ = writeln!(out, "\n(--all shows every server on its own)");
        }
    }
    let (few, named) = if all {
        (usize::MAX, usize::MAX)
    } else {
        (FEW, NAMED)
    };
    operations(&mut out, report, few, colour);
    names(&mut out, report, few);
    removals(&mut out, report, few);
    decisions(&mut out, report);
    waits(&mut out, report, few, named);
    if let Some(seen) = &report.seen {
        let _ = writeln!(out, "\nnow, as the hub sees it{}", seen.behind());
        for line in seen.lines() {
            let _ = writeln!(out, "  {line}");
        }
    }
    for monthly in &report.monthly {
        let _ = writeln!(out, "\ncustomers pay {} a month", monthly.difference());
    }
    if let Some(approval) = report.approvals.first() {
        let _ = writeln!(out, "\ntakes {}: {}", approval.who, files(approval));
    }
    if let Some(unopened) = report.unopened() {
        let _ = writeln!(out, "\n{unopened}");
    }
    if let Some(refused) = &report.refused {
        let _ = writeln!(out, "\n{refused}\n{STOPS}");
    }
    let _ = write!(out, "\n{}", summary(report));
    out
}

fn server(out: &mut String, change: &ServerChange) {
    let facts = facts(change).join("; ");
    let facts = if facts.is_empty() {
        String::new()
    } else {
        format!("  ({facts})")
    };
    let _ = writeln!(out, "{}{facts}", change.server);
    for setting in &change.settings {
        let _ = writeln!(out, "  ~ {setting}");
    }
    for (name, instance) in &change.instances {
        let _ = writeln!(
            out,
            "  {} {name}{}",
            sign(instance.presence),
            state(instance)
        );
        for line in lines(change, instance) {
            let _ = writeln!(out, "      {line}");
        }
    }
}

fn group(out: &mut String, group: &Group) {
    let servers = count(group.servers.len(), "server");
    let customers = count(group.customers.len(), "customer");
    let _ = writeln!(
        out,
        "{} {} on {servers} of {customers}",
        sign(group.presence),
        group_name(group)
    );
    for line in group_lines(group) {
        let _ = writeln!(out, "      {line}");
    }
}

/// What a list by groups would hide.
fn shared(out: &mut String, report: &Report) {
    for part in parts(&report.changes) {
        let _ = writeln!(out, "\n{}:", part.title);
        for line in part.lines.iter().take(FEW) {
            let _ = writeln!(out, "  {line}");
        }
        if let Some(more) = beyond(part.lines.len(), FEW) {
            let _ = writeln!(out, "  and {more} more");
        }
    }
}

/// Orders that do not go on by themselves.
fn waits(out: &mut String, report: &Report, few: usize, named: usize) {
    let waiters = report.waiters();
    for alike in waiters.iter().take(few) {
        let _ = writeln!(out, "\n{} ({})", alike.words(named), alike.phase);
        for reason in alike.reasons {
            let _ = writeln!(out, "  waits: {reason}");
        }
    }
    let left: usize = waiters
        .iter()
        .skip(few)
        .map(|alike| alike.orders.len())
        .sum();
    if left > 0 {
        let _ = writeln!(out, "\n{} more wait", count(left, "order"));
    }
}

/// One-time acts; those that lose data in red.
fn operations(out: &mut String, report: &Report, few: usize, colour: bool) {
    let operations = report.gravest_operations();
    for operation in operations.iter().take(few) {
        let red = !operation.destroys.is_empty() && colour;
        let (red, reset) = if red {
            ("\x1b[1;31m", "\x1b[0m")
        } else {
            ("", "")
        };
        let _ = writeln!(
            out,
            "\n{red}operation {}/{}: {}{reset}",
            operation.customer, operation.operation, operation.act
        );
        for lost in &operation.destroys {
            let _ = writeln!(out, "  {red}destroys: {lost}{reset}");
        }
        let until = operation
            .expires
            .map(|day| format!(", may be started until {day}"));
        let _ = writeln!(out, "  because: {}", operation.reason);
        let _ = writeln!(out, "  {}{}", operation.standing, until.unwrap_or_default());
        if let Some(downtime) = report.downtime(operation) {
            let _ = writeln!(out, "  {downtime}");
        }
        for wait in operation
            .waiting
            .iter()
            .filter(|wait| !wait.is_about_agents())
        {
            let _ = writeln!(out, "  waits: {wait}");
        }
    }
    if let Some(more) = beyond(operations.len(), few) {
        let _ = writeln!(out, "\nand {}", count(more, "more operation"));
    }
}

/// Records of DNS that have to be seen to.
fn names(out: &mut String, report: &Report, few: usize) {
    if report.names.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "\nDNS (to be seen to by hand; the hub writes no records):"
    );
    for name in report.names.iter().take(few) {
        let sign = match (&name.before, &name.after) {
            (None, _) => '+',
            (_, None) => '-',
            _ => '~',
        };
        let _ = writeln!(out, "  {sign} {}", name.words());
    }
    if let Some(more) = beyond(report.names.len(), few) {
        let _ = writeln!(out, "  and {more} more");
    }
}

/// What goes beyond the policy, and what becomes of it.
fn removals(out: &mut String, report: &Report, few: usize) {
    for removal in report.removals.iter().take(few) {
        let _ = writeln!(out, "\n{}: {}", removal.words(), verdict(removal));
        for loss in removal.losses.iter().take(few) {
            let _ = writeln!(out, "  - {loss}");
        }
        if let Some(more) = beyond(removal.losses.len(), few) {
            let _ = writeln!(out, "  and {more} more");
        }
    }
    if let Some(more) = beyond(report.removals.len(), few) {
        let _ = writeln!(out, "\nand {}", count(more, "more removal"));
    }
}

fn decisions(out: &mut String, report: &Report) {
    if report.decisions.is_empty() {
        return;
    }
    let anyway = report
        .decisions
        .iter()
        .filter(|choice| choice.due_anyway)
        .count();
    let note = match anyway {
        0 => String::new(),
        all if all == report.decisions.len() => " (due already)".to_owned(),
        some => format!(" ({some} of them due already)"),
    };
    let _ = writeln!(out, "\nthe hub will decide{note}:");
    for choice in report.decisions.iter().take(FEW_DECISIONS) {
        let _ = writeln!(out, "  {}", choice.summary);
    }
    if let Some(more) = report
        .decisions
        .len()
        .checked_sub(FEW_DECISIONS)
        .filter(|more| *more > 0)
    {
        let _ = writeln!(out, "  and {more} more");
    }
}
