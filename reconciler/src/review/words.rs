//! What is said of a plan in the same words on a terminal and in Markdown.

use super::count;
use super::report::{Approval, NAMED, Report};
use super::totals::Totals;
use std::fmt::Write as _;
use tenantry_planner::change::{
    Effect, Group, InstanceChange, Presence, ServerChange, ServiceChange, SiteChange, VolumeChange,
};
use tenantry_planner::removal::Removal;

/// What comes of merging a commit that is not followed.
pub(crate) const STOPS: &str = "merging it stops the whole fleet at what is followed now, until it is taken back (docs/trust.md)";

/// `+`, `~` or `-`.
pub(crate) fn sign(presence: Presence) -> &'static str {
    match presence {
        Presence::Added => "+",
        Presence::Kept => "~",
        Presence::Removed => "-",
    }
}

/// Which of the interruptions of a server wait for its window, where it has one.
fn timing(change: &ServerChange) -> Option<String> {
    let window = change.window.as_ref()?;
    match (change.interrupts_in_window(), change.interrupts_at_once()) {
        (true, false) => Some(format!("what disrupts waits for {window}")),
        (true, true) => Some(format!(
            "containers are replaced in {window}; tools that stop and names that go do not wait for it"
        )),
        (false, true) => Some(format!(
            "tools that stop and names that go do not wait for {window}"
        )),
        (false, false) => None,
    }
}

/// What is to be said of a server as a whole.
pub(crate) fn facts(change: &ServerChange) -> Vec<String> {
    let mut facts = Vec::new();
    if change.presence == Presence::Added {
        facts.push("new".to_owned());
    }
    match change.effect() {
        Effect::Left => {
            facts.push("no longer in the fleet; the machine stays as it is".to_owned());
        }
        Effect::Observed => {
            facts.push("manage: observe, so its agent only reports".to_owned());
        }
        Effect::Begins => {
            facts.push(
                "its agent begins to act: what it only reported so far happens as well".to_owned(),
            );
            facts.extend(timing(change));
        }
        Effect::Follows => facts.extend(timing(change)),
    }
    facts
}

/// What is to be said of a tool as a whole.
pub(crate) fn state(instance: &InstanceChange) -> String {
    let mut words = Vec::new();
    match instance.runs {
        Some(true) => words.push("started".to_owned()),
        Some(false) => words.push("stopped, its data stays".to_owned()),
        None => {}
    }
    if let Some((from, to)) = &instance.version {
        let short =
            |id: &tenantry_planner::ObjectId| id.to_string().chars().take(7).collect::<String>();
        words.push(format!("stack {} → {}", short(from), short(to)));
    }
    if instance.customised {
        words.push("customised by an override file".to_owned());
    }
    if words.is_empty() {
        String::new()
    } else {
        format!("  {}", words.join("; "))
    }
}

/// What happens to a tool of a server, a line each. On a machine that has left the fleet nothing does.
pub(crate) fn lines(server: &ServerChange, instance: &InstanceChange) -> Vec<String> {
    if server.effect() == Effect::Left {
        return Vec::new();
    }
    let mut lines: Vec<String> = instance
        .services
        .iter()
        .map(|(name, change)| format!("{name}: {}", service(change)))
        .collect();
    for (host, change) in &instance.sites {
        let what = match change {
            SiteChange::Added => "answers at",
            SiteChange::Changed => "is served in another way at",
            SiteChange::Removed => "no longer answers at",
        };
        lines.push(format!("{what} https://{host}"));
    }
    for (volume, change) in &instance.volumes {
        if *change == VolumeChange::Created {
            lines.push(format!("new volume {volume}"));
        }
    }
    lines.extend(instance.networks.iter().map(|name| network(name)));
    lines.extend(instance.at_risk.iter().map(|risk| format!("data: {risk}")));
    lines.extend(
        instance
            .unknown
            .iter()
            .map(|why| format!("cannot be compared: {why}")),
    );
    lines
}

/// What happens to a network that is made anew.
fn network(name: &str) -> String {
    format!("network {name} is made anew, its containers are cut off for a moment")
}

/// What happens to a container.
pub(crate) fn service(change: &ServiceChange) -> String {
    let list = |names: &std::collections::BTreeSet<String>| {
        names.iter().cloned().collect::<Vec<_>>().join(", ")
    };
    match change {
        ServiceChange::Created { image } => format!("created from {image}"),
        ServiceChange::Removed => "removed".to_owned(),
        ServiceChange::Replaced { why } => {
            let why: Vec<String> = why
                .iter()
                .map(tenantry_planner::change::Why::words)
                .collect();
            format!("replaced ({})", why.join("; "))
        }
        ServiceChange::Files { files } => format!("goes on, sees new {}", list(files)),
        ServiceChange::Stopped => "stopped".to_owned(),
        ServiceChange::Started => "started".to_owned(),
    }
}

/// What happens to a tool of a group on each of its servers, a line each.
pub(crate) fn group_lines(group: &Group) -> Vec<String> {
    let services = group.services.iter();
    let mut lines: Vec<String> = services
        .map(|(name, change)| format!("{name}: {}", service(change)))
        .collect();
    lines.extend(group.networks.iter().map(|name| network(name)));
    let each = if group.servers.len() == 1 {
        ""
    } else {
        " each"
    };
    lines.extend(group.sites.iter().map(|(site, number)| {
        let sites = count(*number, "site");
        match site {
            SiteChange::Added => format!("answers at {sites} more{each}"),
            SiteChange::Changed => format!("{sites}{each} served in another way"),
            SiteChange::Removed => format!("no longer answers at {sites}{each}"),
        }
    }));
    lines
}

/// Which files somebody has to agree to: the first few by name.
pub(crate) fn files(approval: &Approval) -> String {
    let named = approval.files.iter().take(NAMED).cloned();
    let named = named.collect::<Vec<_>>().join(", ");
    match beyond(approval.files.len(), NAMED) {
        Some(more) => format!("{named} and {more} more"),
        None => named,
    }
}

/// The tool of a group, whether override files lie on top of it, and where nothing happens to it.
pub(crate) fn group_name(group: &Group) -> String {
    let marked = if group.customised {
        " (customised)"
    } else {
        ""
    };
    let effect = match group.effect {
        Effect::Follows => "",
        Effect::Begins => " (agents that begin to act)",
        Effect::Observed => " (manage: observe, so only reported)",
        Effect::Left => " (machines that are no longer in the fleet stay as they are)",
    };
    format!("{}{marked}{effect}", group.tool)
}

/// How many are left out of `all` where `few` are shown.
pub(super) fn beyond(all: usize, few: usize) -> Option<usize> {
    all.checked_sub(few).filter(|more| *more > 0)
}

/// What becomes of a removal.
pub(crate) fn verdict(removal: &Removal) -> String {
    match &removal.acknowledged {
        Some(id) => format!("acknowledged by `{id}`"),
        None => "the hub holds it back until it is acknowledged".to_owned(),
    }
}

/// One line that says how much it is.
pub(crate) fn summary(report: &Report) -> String {
    let Totals {
        customers,
        servers,
        created,
        replaced,
        removed,
        stopped,
        started,
        interrupted,
        interrupted_at_once,
        waiting_for_window,
        begins,
        observed,
        left,
        ..
    } = report.totals;
    if report.changes.is_empty() && report.decisions.is_empty() {
        return "nothing changes on any server".to_owned();
    }
    if report.changes.is_empty() {
        return format!(
            "nothing changes on any server; {} to be made",
            count(report.decisions.len(), "decision")
        );
    }
    let parts = [
        (created, "created"),
        (replaced, "replaced"),
        (removed, "removed"),
        (stopped, "stopped"),
        (started, "started"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{number} {what}"))
        .collect();
    let containers = match (parts.as_slice(), begins) {
        ([], 0) => "no container is touched".to_owned(),
        ([], _) => "which containers are touched is not known".to_owned(),
        (parts, _) => format!("containers: {}", parts.join(", ")),
    };
    let all = count(interrupted, "server");
    let notice = match (interrupted_at_once, waiting_for_window) {
        (0, 0) if begins > 0 => "visitors may notice".to_owned(),
        (0, 0) => "nobody notices".to_owned(),
        (0, _) => format!("visitors notice on {all}, in the maintenance window"),
        (_, 0) => format!("visitors notice on {all}, at once"),
        (now, later) => format!(
            "visitors notice on {all}: on {now} at once, on {later} in the maintenance window"
        ),
    };
    let mut words = format!(
        "{} of {}; {containers}; {notice}",
        count(servers, "server"),
        count(customers, "customer")
    );
    if begins > 0 {
        let agents = count(begins, "server");
        let _ = write!(
            words,
            "; besides, on {agents}, what agents only reported so far"
        );
    }
    if observed > 0 {
        let _ = write!(words, "; {} only observed", count(observed, "server"));
    }
    if left > 0 {
        let left = count(left, "server");
        let _ = write!(words, "; {left} no longer in the fleet, left alone");
    }
    words
}
