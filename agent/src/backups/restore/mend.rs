//! Exchanges that were broken off, by a power cut or because something could not be put back: they come to one end or the other.

use super::journal::{Exchange, Stage};
use super::{exchange, stop};
use crate::backups::desk::Desk;
use crate::containers::Engine;
use crate::execute::sentence;
use jiff::Timestamp;
use std::rc::Rc;
use tenantry_schema::id::InstanceName;
use tenantry_schema::wire::{Event, EventKind, RestoreResult};

/// Puts the data of `instance` in order: back where not everything had changed places, else it stays in its new place. Until then the instance
/// stands still.
pub async fn mend(engine: Engine, desk: Rc<Desk>, instance: InstanceName) -> Vec<Event> {
    let mut events = Vec::new();
    let mended = put_in_order(&engine, &desk, &instance, &mut events).await;
    if let Err(message) = mended {
        tracing::error!(%instance, message, "a restore that was broken off cannot be brought to an end");
        if desk.trouble_with(&instance, message.clone()) {
            let message = format!("a restore that was broken off: {message}");
            events.push(event(EventKind::Failed, &instance, message));
        }
    }
    desk.ring();
    events
}

async fn put_in_order(
    engine: &Engine,
    desk: &Desk,
    instance: &InstanceName,
    events: &mut Vec<Event>,
) -> Result<(), String> {
    let Some(found) = desk.exchange(instance) else {
        return Ok(());
    };
    if found.is_mixed() {
        let _held = desk.hold(instance).await;
        stop(engine, found.still.iter())
            .await
            .map_err(|error| sentence(&error))?;
        exchange::back(engine, desk, instance)
            .await
            .map_err(|error| sentence(&error))?;
    }
    if desk.is_without_outcome(&found.operation) {
        let result = result(&found);
        let message = result.problem.clone().unwrap_or_else(|| {
            "the agent ended when everything was in its place, and it is done".to_owned()
        });
        let id = &found.operation;
        desk.remember(|records| drop(records.restores.insert(id.clone(), Some(result))))
            .map_err(|error| sentence(&error))?;
        let kind = match found.stage {
            Stage::Exchanged => EventKind::Changed,
            _ => EventKind::Failed,
        };
        events.push(event(kind, instance, format!("restore {id}: {message}")));
    } else if found.is_mixed() {
        let message = "everything is in its place again as it was before a restore";
        events.push(event(EventKind::Changed, instance, message.to_owned()));
    }
    exchange::tidy(engine, desk, instance)
        .await
        .map_err(|error| sentence(&error))?;
    desk.end_exchange(instance)
        .map_err(|error| sentence(&error))
}

/// What came of an operation whose agent was broken off, and what is so now.
fn result(found: &Exchange) -> RestoreResult {
    let (evidence, problem) = match found.stage {
        Stage::Exchanged => (found.evidence.clone(), None),
        Stage::Preparing => (Vec::new(), Some("before it had touched anything")),
        Stage::Moving | Stage::Loading => (
            Vec::new(),
            Some("in the middle, and everything was put back as it was before"),
        ),
    };
    RestoreResult {
        at: Timestamp::now(),
        snapshot: found.snapshot.clone(),
        before: found.before.clone(),
        evidence,
        downtime: 0,
        problem: problem.map(|how| format!("the agent was broken off {how}")),
    }
}

fn event(kind: EventKind, instance: &InstanceName, message: String) -> Event {
    Event {
        at: Timestamp::now(),
        kind,
        instance: Some(instance.clone()),
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_it_follows_from_how_far_it_was() {
        let operation = "2026-11-20-restore".try_into().unwrap();
        let instance = "web-db".to_owned().try_into().unwrap();
        let mut found = Exchange::new(operation, instance);
        found.evidence.push("volume x: put back".to_owned());
        found.snapshot = "12345678".to_owned();
        let problem = |found: &Exchange| result(found).problem;
        assert!(problem(&found).unwrap().contains("touched anything"));
        for stage in [Stage::Moving, Stage::Loading] {
            found.stage = stage;
            assert!(problem(&found).unwrap().contains("was put back as it was"));
            assert_eq!(result(&found).evidence, Vec::<String>::new());
        }
        found.stage = Stage::Exchanged;
        assert_eq!(result(&found).evidence.len(), 1);
        assert_eq!(problem(&found), None);
    }
}
