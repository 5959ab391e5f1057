//! A plan as a comment at a pull request: what all have in common first, every customer folded away behind it.

use super::count;
use super::report::Report;
use super::text::{lines, service, sign, state, summary, verdict};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tenantry_planner::change::ServerChange;
use tenantry_schema::Diagnostic;
use tenantry_schema::id::CustomerId;

/// GitHub takes 65,536 characters, others more.
const LONGEST: usize = 60_000;
/// Errors that are shown in full.
const FEW: usize = 20;

pub(crate) fn write(report: &Report) -> String {
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
    errors(&mut out, &report.diagnostics);
    let _ = writeln!(out, "**{}**\n", text(&summary(report)));
    for monthly in &report.monthly {
        let _ = writeln!(out, "- customers pay **{}** a month", monthly.difference());
    }
    for approval in &report.approvals {
        let _ = writeln!(
            out,
            "- takes **{}**: {}",
            approval.who,
            count(approval.files.len(), "file")
        );
    }
    out.push('\n');
    operations(&mut out, report);
    removals(&mut out, report);
    groups(&mut out, report);
    names(&mut out, report);
    risks(&mut out, report);
    decisions(&mut out, report);
    for wait in &report.waiting {
        let _ = writeln!(
            out,
            "- {} waits: {}",
            text(&wait.order),
            text(&wait.reasons.join("; "))
        );
    }
    if let Some(seen) = &report.seen {
        let _ = writeln!(out, "\nNow, as the hub sees it{}:\n", seen.behind());
        for line in seen.lines() {
            let _ = writeln!(out, "- {}", text(&line));
        }
    }
    customers(&mut out, report);
    out
}

fn errors(out: &mut String, diagnostics: &[Diagnostic]) {
    let errors: Vec<&Diagnostic> = diagnostics
        .iter()
        .filter(|found| found.is_error())
        .collect();
    if errors.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "**{}: this must not be merged as it is**\n",
        count(errors.len(), "error")
    );
    for error in errors.iter().take(FEW) {
        let _ = writeln!(out, "{}\n", fenced(&error.render()));
    }
    if let Some(more) = errors.len().checked_sub(FEW).filter(|more| *more > 0) {
        let _ = writeln!(out, "and {more} more; `tenantry check` shows them all\n");
    }
}

fn operations(out: &mut String, report: &Report) {
    for operation in &report.operations {
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
    if !report.operations.is_empty() {
        out.push('\n');
    }
}

fn removals(out: &mut String, report: &Report) {
    for removal in &report.removals {
        let words = format!("{}: {}", removal.words(), verdict(removal));
        let _ = writeln!(out, "**{}**\n", text(&words));
        for loss in removal.losses.iter().take(FEW) {
            let _ = writeln!(out, "- {}", text(&loss.to_string()));
        }
        if let Some(more) = removal
            .losses
            .len()
            .checked_sub(FEW)
            .filter(|more| *more > 0)
        {
            let _ = writeln!(out, "- and {more} more");
        }
        out.push('\n');
    }
}

fn names(out: &mut String, report: &Report) {
    if report.names.is_empty() {
        return;
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
    if let Some(more) = report
        .names
        .len()
        .checked_sub(FEW * 2)
        .filter(|more| *more > 0)
    {
        let _ = writeln!(out, "- and {more} more");
    }
    out.push_str("\n</details>\n\n");
}

fn groups(out: &mut String, report: &Report) {
    if report.groups.is_empty() {
        return;
    }
    out.push_str("| | tool | containers | servers |\n| --- | --- | --- | --- |\n");
    for group in &report.groups {
        let services: Vec<String> = group
            .services
            .iter()
            .map(|(name, change)| format!("{name}: {}", service(change)))
            .collect();
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} |",
            sign(group.presence),
            text(group.tool.as_str()),
            text(&services.join("; ")),
            group.servers.len()
        );
        if out.len() > LONGEST / 2 {
            out.push_str("| | and more | | |\n");
            break;
        }
    }
    out.push('\n');
}

fn risks(out: &mut String, report: &Report) {
    let risks: Vec<String> = report
        .changes
        .iter()
        .flat_map(|change| {
            let instances = change.instances.iter();
            instances.flat_map(move |(name, instance)| {
                let each = instance.at_risk.iter();
                each.map(move |risk| format!("{} {name}: {risk}", change.server))
            })
        })
        .collect();
    if risks.is_empty() {
        return;
    }
    let _ = writeln!(out, "**Data that is touched**\n");
    for risk in risks.iter().take(FEW) {
        let _ = writeln!(out, "- {}", text(risk));
    }
    if let Some(more) = risks.len().checked_sub(FEW).filter(|more| *more > 0) {
        let _ = writeln!(out, "- and {more} more");
    }
    out.push('\n');
}

fn decisions(out: &mut String, report: &Report) {
    let new: Vec<_> = report
        .decisions
        .iter()
        .filter(|choice| !choice.due_anyway)
        .collect();
    if new.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "<details><summary>The hub will make {}</summary>\n",
        count(new.len(), "decision")
    );
    for choice in new.iter().take(FEW * 2) {
        let _ = writeln!(out, "- {}", text(&choice.summary));
    }
    if let Some(more) = new.len().checked_sub(FEW * 2).filter(|more| *more > 0) {
        let _ = writeln!(out, "- and {more} more");
    }
    out.push_str("\n</details>\n\n");
}

fn customers(out: &mut String, report: &Report) {
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
        if out.len() + block.len() > LONGEST {
            let left = count(all - shown, "customer");
            let _ = writeln!(out, "\nand {left} more: `tenantry plan --all` shows them");
            return;
        }
        out.push_str(&block);
    }
}

fn server(out: &mut String, change: &ServerChange) {
    let window = change.window.as_deref().map_or_else(String::new, |window| {
        format!(" (disruptive steps wait for {})", text(window))
    });
    let _ = writeln!(out, "- **{}**{window}", text(&change.server.to_string()));
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
        for line in lines(instance) {
            let _ = writeln!(out, "    - {}", text(&line));
        }
    }
}

/// Text that means nothing to Markdown, nor to HTML, nor to a forge (which would notify `@somebody`).
fn text(words: &str) -> String {
    let mut out = String::with_capacity(words.len());
    for c in words.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '@' => out.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A block of code that its content cannot end.
fn fenced(content: &str) -> String {
    let mut fence = "```".to_owned();
    while content.contains(&fence) {
        fence.push('`');
    }
    format!("{fence}\n{}\n{fence}", content.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_people_typed_means_anything() {
        assert_eq!(
            text("a|b `c` <img> @jo"),
            "a\\|b \\`c\\` &lt;img&gt; &#64;jo"
        );
        assert_eq!(text("x\ny"), "x y");
        assert_eq!(fenced("a ``` b"), "````\na ``` b\n````");
    }
}
