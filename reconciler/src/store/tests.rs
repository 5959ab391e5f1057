//! The contract of every [`StateStore`], and what is particular to the SQLite file.

mod contract;
mod files;
mod usage;

use super::*;
use std::collections::BTreeMap;
use tenantry_schema::wire::{Event, EventKind, HostFacts, Refusal, RefusalKind, Report};

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_760_000_000 + second).unwrap()
}

pub(crate) fn server(name: &str) -> ServerKey {
    ServerKey {
        customer: "acme".try_into().unwrap(),
        server: name.try_into().unwrap(),
    }
}

/// A report with one event that names it.
pub(crate) fn report(sequence: u64) -> Report {
    Report {
        sequence,
        taken_at: at(sequence as i64),
        release: "1".into(),
        slice: None,
        converged: None,
        stale_since: None,
        instances: BTreeMap::new(),
        sites: BTreeMap::new(),
        unmanaged: vec![],
        refusals: vec![],
        events: vec![event(sequence)],
        host: HostFacts::default(),
        backups: None,
        areas: BTreeMap::new(),
        agent_update: None,
        since: None,
        matches: Vec::new(),
        usage: Vec::new(),
    }
}

pub(crate) fn event(sequence: u64) -> Event {
    Event {
        at: at(sequence as i64),
        kind: EventKind::Repaired,
        instance: None,
        message: format!("event {sequence}"),
    }
}

pub(crate) fn refusal(second: i64) -> Refusal {
    Refusal {
        at: at(second),
        kind: RefusalKind::OldGeneration,
        detail: "old".into(),
    }
}

pub(crate) fn batch(ledger: &str, sequences: &[u64]) -> ReportBatch {
    ReportBatch {
        ledger: ledger.into(),
        reports: sequences.iter().map(|n| report(*n)).collect(),
    }
}
