//! Which job is due: pure. The same arguments give the same answer, and until the moment that is returned nothing changes by time alone.

use super::records::{Record, Records};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;
use tenantry_schema::id::{InstanceName, OperationId};
use tenantry_schema::wire::BackupsSpec;

/// Pauses after failures, in minutes; the last one is kept.
const PAUSES: [i64; 4] = [5, 15, 60, 240];
/// What is due every so often happens at the time of backups, and may be early by so much.
const EARLY: SignedDuration = SignedDuration::from_hours(12);

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    /// Look what is in the repository.
    Look,
    /// Put data back, as an operation says.
    Restore(OperationId),
    /// Take a backup.
    Backup(InstanceName),
    /// Check the repository.
    Check,
    /// Try a backup out.
    Drill(InstanceName),
}

/// Everything that the answer depends on.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What is wanted.
    pub spec: &'a BackupsSpec,
    /// What was done.
    pub records: &'a Records,
    /// Instances that run so that they can be saved ([`super::ready`]): of others no backup is taken by time.
    pub ready: &'a BTreeSet<InstanceName>,
    /// Instances of which somebody asked for a backup.
    pub asked: &'a BTreeSet<InstanceName>,
    /// Instances whose newest backup somebody asked to be tried out.
    pub drills: &'a BTreeSet<InstanceName>,
    /// Restores that operations ask for, in their order.
    pub restores: &'a BTreeSet<OperationId>,
    /// The time.
    pub now: Timestamp,
}

/// What to do now, if anything, and when to look again.
pub fn plan(facts: &Facts<'_>) -> (Option<Job>, Timestamp) {
    let next = next_slot(facts.spec, facts.now);
    let mut wake = Wake(next);
    let job = due(facts, &mut wake);
    (job, wake.0)
}

struct Wake(Timestamp);

impl Wake {
    /// Whether `at` is over; if not, that is when to look again.
    fn over(&mut self, at: Timestamp, now: Timestamp) -> bool {
        if at > now {
            self.0 = self.0.min(at);
        }
        at <= now
    }
}

fn due(facts: &Facts<'_>, wake: &mut Wake) -> Option<Job> {
    let (records, now) = (facts.records, facts.now);
    if records.looked.as_ref() != Some(&facts.spec.place) {
        let pause = records
            .trouble
            .as_ref()
            .map(|failure| after(failure.at, failure.attempts));
        if pause.is_some_and(|until| !wake.over(until, now)) {
            return None;
        }
        return Some(Job::Look);
    }
    if let Some(id) = facts.restores.iter().find(|id| !records.was_begun(id)) {
        return Some(Job::Restore(id.clone()));
    }
    let asked = facts.asked.iter().find(|name| {
        let failure = |record: &Record| record.failure.as_ref().map(|it| after(it.at, it.attempts));
        let waits = records.instances.get(*name).and_then(failure);
        facts.spec.instances.contains_key(*name) && waits.is_none_or(|until| wake.over(until, now))
    });
    if let Some(name) = asked {
        return Some(Job::Backup(name.clone()));
    }
    let saved = |name: &&InstanceName| {
        let record = records.instances.get(*name);
        record.is_some_and(|record| record.newest(now).is_some())
    };
    if let Some(name) = facts.drills.iter().find(saved) {
        return Some(Job::Drill(name.clone()));
    }
    let slot = last_slot(facts.spec, now);
    let wanted = facts
        .spec
        .instances
        .keys()
        .filter_map(|name| Some((name, records.instances.get(name)?)));
    let mut unsaved: Vec<(Option<Timestamp>, &InstanceName)> = wanted
        .clone()
        .filter(|(name, record)| facts.ready.contains(*name) && backup_due(record, slot, now, wake))
        .map(|(name, record)| (record.newest(now).map(|last| last.at), name))
        .collect();
    // What was never saved comes first, then the oldest.
    unsaved.sort();
    if let Some((_, name)) = unsaved.first() {
        return Some(Job::Backup((*name).clone()));
    }
    let first = wanted.clone().filter_map(|(_, record)| record.first).min();
    let check = records.check.as_ref();
    let check = check.map(|check| (check.at, check.problem.is_some()));
    if again(facts.spec.check_every.minutes, check, first, slot) {
        return Some(Job::Check);
    }
    let drill = |(_, record): &(&InstanceName, &Record)| {
        let last = record.drill.as_ref();
        let last = last.map(|drill| (drill.at, drill.problem.is_some()));
        again(facts.spec.drill_every.minutes, last, record.first, slot)
    };
    let mut tried = wanted.filter(|(name, record)| {
        facts.ready.contains(*name) && record.newest(now).is_some() && drill(&(*name, *record))
    });
    tried.next().map(|(name, _)| Job::Drill(name.clone()))
}

/// Whether a backup is due: there is none yet, or none since the last time that one was to be made.
fn backup_due(record: &Record, slot: Timestamp, now: Timestamp, wake: &mut Wake) -> bool {
    let missing = record.newest(now).is_none_or(|last| last.at < slot);
    let waits = record
        .failure
        .as_ref()
        .map(|failure| after(failure.at, failure.attempts));
    missing && waits.is_none_or(|until| wake.over(until, now))
}

/// Whether a trial is due: one that failed is made again the next day, for what was wrong may have been the way there. `last`: when, and
/// whether it failed.
fn again(
    minutes: u32,
    last: Option<(Timestamp, bool)>,
    first: Option<Timestamp>,
    slot: Timestamp,
) -> bool {
    match last {
        Some((at, true)) => at < slot,
        Some((at, false)) => every(minutes, Some(at), first, slot),
        None => every(minutes, None, first, slot),
    }
}

/// Whether what is due every `minutes` is: at the first time of backups after that, give or take.
fn every(minutes: u32, last: Option<Timestamp>, first: Option<Timestamp>, slot: Timestamp) -> bool {
    match (last, first) {
        (Some(last), _) => {
            let span = SignedDuration::from_mins(i64::from(minutes));
            let early = EARLY.min(span / 2);
            let at = last.checked_add(span).and_then(|at| at.checked_sub(early));
            at.is_ok_and(|at| at <= slot)
        }
        // Only once there is something to look at.
        (None, Some(first)) => first < slot,
        (None, None) => false,
    }
}

/// When something is tried again that failed.
pub fn after(failed: Timestamp, attempts: u32) -> Timestamp {
    let index = (attempts.max(1) as usize - 1).min(PAUSES.len() - 1);
    let minutes = PAUSES.get(index).copied().unwrap_or(240);
    failed
        .checked_add(SignedDuration::from_mins(minutes))
        .unwrap_or(Timestamp::MAX)
}

/// The last moment at or before `now` at which this server begins with its backups.
pub fn last_slot(spec: &BackupsSpec, now: Timestamp) -> Timestamp {
    let offset = SignedDuration::from_secs(i64::from(spec.offset));
    let shifted = now.checked_sub(offset).unwrap_or(now);
    let opened = spec.window.opened(shifted);
    opened.checked_add(offset).unwrap_or(now)
}

fn next_slot(spec: &BackupsSpec, now: Timestamp) -> Timestamp {
    let offset = SignedDuration::from_secs(i64::from(spec.offset));
    let shifted = now.checked_sub(offset).unwrap_or(now);
    let opens = spec.window.next_open(shifted);
    opens.checked_add(offset).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
