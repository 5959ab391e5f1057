//! Timers: a pair of systemd units each, which have this very agent run the job.

use super::files::{is_repair, wanted, write};
use super::{Go, HostInput, Stop};
use crate::host::memory::digest_of;
use crate::host::programs::{Call, Program};
use crate::host::step::Action;
use crate::host::{TIMER, TIMERS_TARGET, TIMERS_WANTED, UNITS, path, texts};
use std::collections::BTreeSet;
use tenantry_schema::document::{HostArea, Job};

/// How units call this agent: words of a command line, as systemd reads them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentCommand(pub String);

pub(super) fn plan(input: &HostInput<'_>) -> Result<Go, Stop> {
    let Some(timers) = &input.host.timers else {
        return Ok(Go::default());
    };
    let found = input.found;
    for folder in [UNITS, TIMERS_WANTED] {
        if let Some(why) = found.unlisted.get(folder) {
            return Err(Stop::Unseen(why.clone()));
        }
    }
    if !found.systemd {
        return Err(Stop::Refused(
            "timers are systemd's, which does not look after this machine".into(),
        ));
    }
    let here = timers.iter().filter(|(_, timer)| match timer.job() {
        Some(Job::Container(run)) => input.tools.contains(&run.tool),
        Some(Job::Host(_)) => true,
        None => false,
    });
    let texts: Vec<_> = here
        .map(|(name, timer)| {
            let (service, when) = texts::timer_units(name.as_str(), timer, &found.agent.0);
            (name.as_str(), service, when)
        })
        .collect();
    let names: BTreeSet<&str> = texts.iter().map(|(name, ..)| *name).collect();
    let parts = texts
        .iter()
        .flat_map(|(name, service, when)| [*name, service, when]);
    let mut go = Go::new(digest_of(parts));
    let repair = is_repair(found, HostArea::Timers, &go.of);
    let (mut changed, mut begin) = (false, Vec::new());
    for (name, service, when) in &texts {
        let file = |ending: &str, text: &str| {
            wanted(&format!("{UNITS}/{TIMER}{name}.{ending}"), text, 0o644)
        };
        let service = write(found, file("service", service), repair)?;
        let when = write(found, file("timer", when), repair)?;
        let unit = format!("{TIMER}{name}.timer");
        let written = service.is_some() || when.is_some();
        let enabled = found.is_enabled(TIMERS_TARGET, &unit);
        if written || !enabled.map_err(Stop::Unseen)? {
            changed |= written;
            begin.push(unit);
        }
        go.all(service);
        go.all(when);
    }
    let gone: Vec<_> = found
        .timer_units
        .iter()
        .filter(|name| !names.contains(name.as_str()))
        .collect();
    for name in &gone {
        remove(&mut go, name);
    }
    let known = found.memory.has(HostArea::Timers, &go.of, None);
    if changed || !gone.is_empty() || !known {
        go.add(Action::Run(Call::new(
            Program::Systemctl,
            ["daemon-reload"],
        )));
    }
    let units = || names.iter().map(|name| format!("{TIMER}{name}.timer"));
    if !known {
        // Cut off in the middle, or never begun: once more does no harm.
        begin = units().collect();
    } else if begin.is_empty() && gone.is_empty() && !names.is_empty() {
        go.inspect(
            input,
            HostArea::Timers,
            Action::EnsureUnits(units().collect()),
        );
    }
    for unit in begin {
        let enable = Call::new(Program::Systemctl, ["enable", unit.as_str()]);
        let restart = Call::new(Program::Systemctl, ["restart", unit.as_str()]);
        go.all([
            (Action::Run(enable), repair),
            (Action::Run(restart), repair),
        ]);
    }
    if !known {
        let of = go.of.clone();
        go.add(Action::Note { of });
    }
    Ok(go)
}

/// Ends a timer that nothing asks for any more.
fn remove(go: &mut Go, name: &str) {
    let stop = [
        "disable".to_owned(),
        "--now".to_owned(),
        format!("{TIMER}{name}.timer"),
    ];
    go.add(Action::Run(Call::new(Program::Systemctl, stop)));
    // What it is known by goes last.
    for ending in ["service", "timer"] {
        go.add(Action::Remove(path(&format!(
            "{UNITS}/{TIMER}{name}.{ending}"
        ))));
    }
}
