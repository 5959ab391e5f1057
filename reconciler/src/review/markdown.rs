//! A plan as a comment at a pull request: what all have in common first, every customer folded away behind it.

mod page;

use super::count;
use super::report::{NAMED, Report};
use super::shared::parts;
use super::words::{
    STOPS, beyond, facts, files, group_lines, group_name, lines, sign, state, summary, verdict,
};
use page::{LONGEST, Page, fenced, text};
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use tenantry_planner::change::ServerChange;
use tenantry_schema::Diagnostic;
use tenantry_schema::id::CustomerId;

/// Errors that are shown in full.
const FEW: usize = 20;

pub(crate) fn write(report: &Report) -> String {
    let mut page = Page::default();
    page.add(head(report));
    for part in [
        refused(report),
        errors(&report.diagnostics),
        total(report),
        operations(report),
        removals(report),
        groups(report),
    ] {
        page.add(part);
    }
    shared(&mut page, report);
    for part in [
        names(report),
        decisions(report),
        waits(report),
        seen(report),
        warnings(report),
    ] {
        page.add(part);
    }
    customers(&mut page, report);
    page.finish()
}

/// `- and 3 more` where a list was cut.
fn more(out: &mut String, all: usize, few: usize) {
    if let Some(more) = beyond(all, few) {
        let _ = writeln!(out, "- and {more} more");
    }
}

fn head(report: &Report) -> String {
    let mut out = String::from("### What this changes\n\n");
    let _ = writeln!(
        out,
        "{} → {}\n",
        text(&report.from.words()),
        text(&report.to.words())
    );
    if let Some(note) = &report.note {
        let _ = writeln!(out, "> {}\n", text(note));
    }
    for hint in report.hints.iter().take(FEW) {
        let _ = writeln!(out, "> {}\n", text(hint));
    }
    out
}

fn total(report: &Report) -> String {
    let mut out = format!("**{}**\n\n", text(&summary(report)));
    for monthly in &report.monthly {
        let _ = writeln!(out, "- customers pay **{}** a month", monthly.difference());
    }
    for approval in &report.approvals {
        let files = text(&files(approval));
        let _ = writeln!(out, "- takes **{}**: {files}", approval.who);
    }
    if let Some(unopened) = report.unopened() {
        let _ = writeln!(out, "- {unopened}");
    }
    out.push('\n');
    out
}

fn waits(report: &Report) -> String {
    let mut out = String::new();
    let waiters = report.waiters();
    for alike in waiters.iter().take(FEW) {
        let verb = if alike.orders.len() == 1 {
            "waits"
        } else {
            "wait"
        };
        let _ = writeln!(
            out,
            "- {} {verb}: {}",
            text(&alike.words(NAMED)),
            text(&alike.reasons.join("; "))
        );
    }
    let left: usize = waiters
        .iter()
        .skip(FEW)
        .map(|alike| alike.orders.len())
        .sum();
    if left > 0 {
        let _ = writeln!(out, "- {} more wait", count(left, "order"));
    }
    out
}

fn seen(report: &Report) -> String {
    let Some(seen) = &report.seen else {
        return String::new();
    };
    let mut out = format!("\nNow, as the hub sees it{}:\n\n", seen.behind());
    let lines = seen.lines();
    for line in lines.iter().take(FEW * 2) {
        let _ = writeln!(out, "- {}", text(line));
    }
    more(&mut out, lines.len(), FEW * 2);
    out
}

fn refused(report: &Report) -> String {
    let Some(refused) = &report.refused else {
        return String::new();
    };
    format!(
        "**This must not be merged as it is**: {}; {STOPS}\n\n",
        text(&refused.to_string())
    )
}

fn errors(diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    let errors: Vec<&Diagnostic> = diagnostics
        .iter()
        .filter(|found| found.is_error())
        .collect();
    if errors.is_empty() {
        return out;
    }
    let _ = writeln!(
        out,
        "**{}: this must not be merged as it is**\n",
        count(errors.len(), "error")
    );
    for error in errors.iter().take(FEW) {
        let block = fenced(&error.render());
        if out.len() + block.len() > LONGEST / 2 {
            let _ = writeln!(out, "and more; `tenantry check` shows them all\n");
            return out;
        }
        let _ = writeln!(out, "{block}\n");
    }
    if let Some(more) = beyond(errors.len(), FEW) {
        let _ = writeln!(out, "and {more} more; `tenantry check` shows them all\n");
    }
    out
}

/// Warnings, folded; those of files that the change touches first.
fn warnings(report: &Report) -> String {
    let mut warnings: Vec<&Diagnostic> = report
        .diagnostics
        .iter()
        .filter(|found| !found.is_error())
        .collect();
    if warnings.is_empty() {
        return String::new();
    }
    let files = report.approvals.iter().flat_map(|approval| &approval.files);
    let touched: HashSet<&String> = files.collect();
    warnings.sort_by_key(|found| !touched.contains(&found.place.file));
    let mut out = format!(
        "\n<details><summary>{}</summary>\n\n",
        count(warnings.len(), "warning")
    );
    for (shown, warning) in warnings.iter().enumerate() {
        let block = fenced(&warning.render());
        if shown == FEW || out.len() + block.len() > LONGEST / 6 {
            let left = warnings.len() - shown;
            let _ = writeln!(out, "and {left} more; `tenantry check` shows them all\n");
            break;
        }
        let _ = writeln!(out, "{block}\n");
    }
    out.push_str("</details>\n\n");
    out
}

fn operations(report: &Report) -> String {
    let mut out = String::new();
    let operations = report.gravest_operations();
    for operation in operations.iter().take(FEW) {
        let loses = if operation.destroys.is_empty() {
            ""
        } else {
            "\u{1f534} **destroys data**: "
        };
        let _ = writeln!(
            out,
            "- {loses}operation {}/{}: `{}`, {}",
            text(operation.customer.as_str()),
            text(operation.operation.as_str()),
            text(&operation.act),
            text(&operation.standing.to_string())
        );
        for lost in operation.destroys.iter().take(FEW) {
            let _ = writeln!(out, "  - destroys {}", text(lost));
        }
        if let Some(more) = beyond(operation.destroys.len(), FEW) {
            let _ = writeln!(out, "  - destroys {more} more");
        }
        let _ = writeln!(out, "  - because: {}", text(&operation.reason));
        if let Some(downtime) = report.downtime(operation) {
            let _ = writeln!(out, "  - {}", text(&downtime.to_string()));
        }
        for wait in operation
            .waiting
            .iter()
            .filter(|wait| !wait.is_about_agents())
        {
            let _ = writeln!(out, "  - waits: {}", text(&wait.to_string()));
        }
    }
    more(&mut out, operations.len(), FEW);
    if !operations.is_empty() {
        out.push('\n');
    }
    out
}

fn removals(report: &Report) -> String {
    let mut out = String::new();
    for removal in report.removals.iter().take(FEW) {
        let words = format!("{}: {}", removal.words(), verdict(removal));
        let _ = writeln!(out, "**{}**\n", text(&words));
        for loss in removal.losses.iter().take(FEW) {
            let _ = writeln!(out, "- {}", text(&loss.to_string()));
        }
        more(&mut out, removal.losses.len(), FEW);
        out.push('\n');
    }
    more(&mut out, report.removals.len(), FEW);
    out
}

fn names(report: &Report) -> String {
    let mut out = String::new();
    if report.names.is_empty() {
        return out;
    }
    let _ = writeln!(
        out,
        "<details><summary>{} of DNS to see to by hand</summary>\n",
        count(report.names.len(), "record")
    );
    for name in report.names.iter().take(FEW * 2) {
        let what = match (&name.before, &name.after) {
            (None, _) => "add",
            (_, None) => "remove",
            _ => "change",
        };
        let _ = writeln!(out, "- {what} {}", text(&name.words()));
    }
    more(&mut out, report.names.len(), FEW * 2);
    out.push_str("\n</details>\n\n");
    out
}

fn groups(report: &Report) -> String {
    let mut out = String::new();
    if report.groups.is_empty() {
        return out;
    }
    out.push_str("| | tool | containers | servers |\n| --- | --- | --- | --- |\n");
    for group in &report.groups {
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} |",
            sign(group.presence),
            text(&group_name(group)),
            text(&group_lines(group).join("; ")),
            group.servers.len()
        );
        if out.len() > LONGEST / 3 {
            out.push_str("| | and more | | |\n");
            break;
        }
    }
    out.push('\n');
    out
}

fn shared(page: &mut Page, report: &Report) {
    for part in parts(&report.changes) {
        let mut out = format!("**{}**\n\n", part.title);
        for line in part.lines.iter().take(FEW) {
            let _ = writeln!(out, "- {}", text(line));
        }
        more(&mut out, part.lines.len(), FEW);
        out.push('\n');
        page.add(out);
    }
}

fn decisions(report: &Report) -> String {
    let mut out = String::new();
    let new: Vec<_> = report
        .decisions
        .iter()
        .filter(|choice| !choice.due_anyway)
        .collect();
    if new.is_empty() {
        return out;
    }
    let _ = writeln!(
        out,
        "<details><summary>The hub will make {}</summary>\n",
        count(new.len(), "decision")
    );
    for choice in new.iter().take(FEW * 2) {
        let _ = writeln!(out, "- {}", text(&choice.summary));
    }
    more(&mut out, new.len(), FEW * 2);
    out.push_str("\n</details>\n\n");
    out
}

fn customers(page: &mut Page, report: &Report) {
    let mut customers: BTreeMap<&CustomerId, Vec<&ServerChange>> = BTreeMap::new();
    for change in &report.changes {
        customers
            .entry(&change.server.customer)
            .or_default()
            .push(change);
    }
    let all = customers.len();
    for (shown, (customer, changes)) in customers.into_iter().enumerate() {
        let mut block = format!(
            "<details><summary>{} ({})</summary>\n\n",
            text(customer.as_str()),
            count(changes.len(), "server")
        );
        for change in changes {
            server(&mut block, change);
        }
        block.push_str("\n</details>\n");
        if !page.fits(&block) {
            let left = count(all - shown, "customer");
            let _ = writeln!(
                page.out,
                "\nand {left} more: `tenantry plan --all` shows them"
            );
            return;
        }
        page.add(block);
    }
}

fn server(out: &mut String, change: &ServerChange) {
    let facts = facts(change).join("; ");
    let facts = if facts.is_empty() {
        String::new()
    } else {
        format!(" ({})", text(&facts))
    };
    let _ = writeln!(out, "- **{}**{facts}", text(&change.server.to_string()));
    for setting in &change.settings {
        let _ = writeln!(out, "  - {}", text(setting));
    }
    for (name, instance) in &change.instances {
        let _ = writeln!(
            out,
            "  - `{}` {}{}",
            sign(instance.presence),
            text(name.as_str()),
            text(&state(instance))
        );
        for line in lines(change, instance) {
            let _ = writeln!(out, "    - {}", text(&line));
        }
    }
}
