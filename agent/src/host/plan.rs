//! Decides what to do to the machine: pure, no I/O, no clock. Areas are planned apart, so that trouble stays where it is; an area that
//! needs another one says so and waits.

mod access;
mod engine;
mod files;
mod firewall;
mod packages;
mod ssh;
mod system;
mod timers;

pub use packages::needed;
pub use timers::AgentCommand;

use super::found::Found;
use super::step::{Action, HostStep};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::document::{Host, HostArea, Protocol, WebPorts};
use tenantry_schema::id::{StaffId, ToolName};
use tenantry_schema::window::Window;
use tenantry_schema::wire::{AgentWait, AreaReport, AreaState, UserSpec};

/// What no file shows is looked at so often: rules that are loaded, units that run.
const INSPECTION: SignedDuration = SignedDuration::from_mins(10);

/// Everything that the plan for the machine depends on.
#[derive(Debug, Clone, Copy)]
pub struct HostInput<'a> {
    /// What is asked for.
    pub host: &'a Host,
    /// Who may log in.
    pub users: &'a BTreeMap<StaffId, UserSpec>,
    /// Where the web server listens.
    pub web: WebPorts,
    /// Tools that run here.
    pub tools: &'a BTreeSet<ToolName>,
    /// Loopback ports of sites.
    pub sites: &'a BTreeSet<u16>,
    /// Ports that containers publish to the world, with the container's name. Absent: the engine did not tell.
    pub published: Option<&'a BTreeMap<(u16, Protocol), String>>,
    /// When disruptive steps may be taken.
    pub window: Option<Window>,
    /// What is.
    pub found: &'a Found,
    /// Whether nothing may be changed, so that nothing is looked at by changing it either.
    pub observe: bool,
    /// The time.
    pub now: Timestamp,
}

/// What an area comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AreaPlan {
    /// What to do, in order.
    pub steps: Vec<HostStep>,
    /// How it stands.
    pub report: AreaReport,
    /// Digest of what is asked for: a failure says nothing about something else.
    pub of: String,
    /// When to plan again although nothing happened.
    pub next: Option<Timestamp>,
}

/// Why an area is not planned.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stop {
    /// Something that decides could not be seen.
    Unseen(String),
    /// It would do harm.
    Refused(String),
    /// It waits for this, in a sentence.
    Waits(String),
}

/// What an area that goes ahead comes to.
#[derive(Debug, Default)]
struct Go {
    steps: Vec<(Action, bool)>,
    of: String,
    message: Option<String>,
    /// Whether a part of it cannot be had, which the message tells.
    trouble: bool,
    waiting: Option<AgentWait>,
    next: Option<Timestamp>,
    /// Whether the next pass goes on with it, so that it is not applied yet.
    unfinished: bool,
}

impl Go {
    fn new(of: String) -> Self {
        Self {
            of,
            ..Self::default()
        }
    }

    fn add(&mut self, action: Action) {
        self.steps.push((action, false));
    }

    fn all(&mut self, actions: impl IntoIterator<Item = (Action, bool)>) {
        self.steps.extend(actions);
    }

    /// Looks at what no file shows, where nobody did so for a while. Nothing may change where that is only to be observed.
    fn inspect(&mut self, input: &HostInput<'_>, area: HostArea, action: Action) {
        let seen = input.found.inspected.get(&area);
        let due = seen.and_then(|seen| seen.checked_add(INSPECTION).ok());
        match due {
            Some(due) if input.now < due => self.next = Some(due),
            _ if input.observe => {}
            _ => self.all([(action, true)]),
        }
    }

    /// Steps of which nothing can be seen afterwards are planned until what they belong to is noted. Where it is noted already, that is
    /// taken back first: whoever is cut off between two of them begins again.
    fn begins_anew(&mut self, input: &HostInput<'_>, area: HostArea) {
        let unseen = self.steps.iter().any(|(it, _)| it.leaves_no_trace());
        if !unseen || !input.found.memory.has(area, &self.of, None) {
            return;
        }
        self.steps.insert(0, (Action::Forget, false));
        let noted = matches!(self.steps.last(), Some((Action::Note { .. }, _)));
        if !noted && !self.unfinished {
            let of = self.of.clone();
            self.add(Action::Note { of });
        }
    }
}

/// What to do to the machine, by area. Areas that nobody asks for are not there.
pub fn plan(input: &HostInput<'_>) -> BTreeMap<HostArea, AreaPlan> {
    let mut plans: BTreeMap<HostArea, AreaPlan> = BTreeMap::new();
    // In this order: later areas wait for earlier ones.
    for area in [
        HostArea::Packages,
        HostArea::Users,
        HostArea::TimeZone,
        HostArea::Sysctls,
        HostArea::Swap,
        HostArea::Firewall,
        HostArea::Ssh,
        HostArea::Fail2ban,
        HostArea::Docker,
        HostArea::Timers,
    ] {
        if input.host.areas().contains(&area) {
            let planned = one(input, area, &plans);
            plans.insert(area, planned);
        }
    }
    plans
}

fn one(input: &HostInput<'_>, area: HostArea, before: &BTreeMap<HostArea, AreaPlan>) -> AreaPlan {
    let waits = |on: HostArea| {
        let plan = before.get(&on)?;
        // Looking at what had been right holds nobody up.
        let steps = plan.steps.iter().any(|step| !step.is_inspection());
        let open = steps || plan.report.state != AreaState::Good;
        open.then(|| Stop::Waits(format!("`{on}` comes first")))
    };
    let first = match area {
        // Nobody may come too late to get in.
        HostArea::Ssh => waits(HostArea::Users).or_else(|| waits(HostArea::Firewall)),
        HostArea::Fail2ban => waits(HostArea::Ssh),
        _ => None,
    };
    let planned = first
        .or_else(|| packages::missing(input, area))
        .map_or_else(|| by_area(input, area), Err);
    finish(input, area, planned)
}

fn by_area(input: &HostInput<'_>, area: HostArea) -> Result<Go, Stop> {
    match area {
        HostArea::Packages => packages::plan(input),
        HostArea::Users => access::plan(input),
        HostArea::Ssh => ssh::plan(input),
        HostArea::Firewall => firewall::plan(input),
        HostArea::Fail2ban => firewall::fail2ban(input),
        HostArea::TimeZone => system::time_zone(input),
        HostArea::Swap => system::swap(input),
        HostArea::Sysctls => system::sysctls(input),
        HostArea::Docker => engine::plan(input),
        HostArea::Timers => timers::plan(input),
    }
}

fn finish(input: &HostInput<'_>, area: HostArea, planned: Result<Go, Stop>) -> AreaPlan {
    let stopped = |state, message| AreaPlan {
        steps: Vec::new(),
        report: AreaReport {
            state,
            message: Some(message),
            waiting: None,
        },
        of: String::new(),
        next: None,
    };
    let go = match planned {
        Ok(mut go) => {
            go.begins_anew(input, area);
            go
        }
        Err(Stop::Unseen(why)) => {
            return stopped(
                AreaState::Failed,
                format!("it could not be looked at: {why}"),
            );
        }
        Err(Stop::Refused(why)) => return stopped(AreaState::Refused, why),
        Err(Stop::Waits(why)) => return stopped(AreaState::Waiting, why),
    };
    if let Some(rejected) = input.found.memory.rejected(area, &go.of) {
        let why = format!(
            "it was tried at {:.0} and put back: {}",
            rejected.at, rejected.why
        );
        return stopped(AreaState::Refused, why);
    }
    let news = go.steps.iter().any(|(action, _)| action.is_news());
    let state = if news {
        AreaState::Changing
    } else if go.trouble {
        AreaState::Failed
    } else if go.waiting.is_some() {
        AreaState::Waiting
    } else {
        AreaState::Good
    };
    let step = |(action, repair)| HostStep {
        area,
        action,
        repair,
    };
    AreaPlan {
        steps: go.steps.into_iter().map(step).collect(),
        report: AreaReport {
            state,
            message: go.message,
            waiting: go.waiting,
        },
        of: go.of,
        next: go.next,
    }
}

#[cfg(test)]
mod tests;
