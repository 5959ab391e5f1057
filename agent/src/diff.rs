//! What the agent would do now, for people and programs. Does nothing itself.

use crate::agent::Look;
use crate::status::because;
use serde::Serialize;
use std::fmt;

/// What would be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// In order within each lane.
    pub steps: Vec<DiffStep>,
    /// What holds things up, by instance or host.
    pub waiting: Vec<(String, String)>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiffStep {
    /// Instance, `web` or `leftovers`.
    pub lane: String,
    /// What, in a sentence.
    pub step: String,
    /// Whether it puts back what had been right before.
    pub repair: bool,
}

/// What the look comes to.
pub fn diff(look: &Look) -> Diff {
    let steps = look.plan.all_steps().filter(|(_, step)| step.is_news());
    let steps = steps.map(|(of, step)| DiffStep {
        lane: of.to_string(),
        step: step.to_string(),
        repair: step.is_repair(),
    });
    let instances = look.plan.verdicts.iter().filter_map(|(name, verdict)| {
        let why = because(verdict.message.as_deref(), verdict.waiting.as_ref());
        Some((name.to_string(), why?))
    });
    let sites = look
        .plan
        .sites
        .iter()
        .filter_map(|(host, verdict)| Some((host.to_string(), verdict.message.clone()?)));
    let areas = look.plan.areas.iter().filter_map(|(area, report)| {
        let why = because(report.message.as_deref(), report.waiting.as_ref());
        Some((format!("machine: {area}"), why?))
    });
    Diff {
        steps: steps.collect(),
        waiting: instances.chain(sites).chain(areas).collect(),
    }
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() {
            writeln!(f, "Nothing to do.")?;
        }
        let mut last = "";
        for step in &self.steps {
            if step.lane != last {
                writeln!(f, "{}", step.lane)?;
            }
            last = &step.lane;
            writeln!(f, "  {} {}", if step.repair { "~" } else { "+" }, step.step)?;
        }
        for (what, why) in &self.waiting {
            writeln!(f, "{what}: {why}")?;
        }
        Ok(())
    }
}
