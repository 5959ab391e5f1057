//! The roll-out of a tool on the server's page: where it is, and what was seen of a version that was given up.

use super::words::{Badge, spoken};
use serde::Serialize;
use tenantry_schema::wire::{ContainerEvidence, RolloutReport, RolloutState};

/// One roll-out.
#[derive(Serialize)]
pub(super) struct RolloutRow {
    badge: Badge,
    since: String,
    reason: Option<String>,
    evidence: Vec<EvidenceRow>,
}

#[derive(Serialize)]
struct EvidenceRow {
    service: String,
    image: String,
    words: String,
    health: Option<String>,
    log: String,
}

impl RolloutRow {
    pub(super) fn new(report: &RolloutReport) -> Self {
        let badge = match report.state {
            RolloutState::Trying => Badge::new("busy", "new version is tried"),
            RolloutState::RolledBack => Badge::new("warn", "rolled back"),
            RolloutState::Held => Badge::new("bad", "new version held"),
        };
        let evidence = report.evidence.as_ref();
        let containers = evidence.into_iter().flat_map(|seen| &seen.containers);
        Self {
            badge,
            since: format!("{:.0}", report.since),
            reason: evidence.map(|seen| seen.reason.clone()),
            evidence: containers.map(EvidenceRow::new).collect(),
        }
    }
}

impl EvidenceRow {
    fn new(seen: &ContainerEvidence) -> Self {
        let mut words = vec![spoken(&seen.state)];
        if let Some(code) = seen.exit_code {
            words.push(format!("exit code {code}"));
        }
        if seen.out_of_memory {
            words.push("ended for lack of memory".to_owned());
        }
        words.push(format!("health check: {}", spoken(&seen.health)));
        if seen.restarts > 0 {
            words.push(format!("restarted {} times", seen.restarts));
        }
        Self {
            service: seen.service.clone(),
            image: seen.image.clone(),
            words: words.join(", "),
            health: seen.health_output.clone(),
            log: seen.log.join("\n"),
        }
    }
}
