//! How far an operation is, and for how long a tool would stand still.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use tenantry_schema::document::{OperationDone, OperationOutcome};
use tenantry_schema::id::{InstanceName, ServerId};
use tenantry_schema::wire::InstanceBackups;

/// What an operation is done to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The server.
    pub server: ServerId,
    /// The instance on it.
    pub instance: InstanceName,
}

/// How far an operation is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Progress {
    /// Nothing was done yet.
    #[default]
    NotStarted,
    /// The record of its start is committed, and its agent is told.
    Told {
        /// When it was started.
        at: Timestamp,
    },
    /// Its agent is at work.
    Running {
        /// When it was started.
        since: Timestamp,
    },
    /// It was started, and nobody knows what came of it. It is not started again.
    OutcomeUnknown {
        /// When it was started.
        since: Timestamp,
        /// Why that is not known.
        why: String,
    },
    /// It ended.
    Ended {
        /// How.
        done: OperationDone,
        /// What went wrong, as far as the agent still tells it.
        problem: Option<String>,
    },
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted => write!(f, "not started"),
            Self::Told { at } => write!(f, "started at {at:.0}: its agent has not begun yet"),
            Self::Running { since } => write!(f, "started at {since:.0}: at work"),
            Self::OutcomeUnknown { since, why } => write!(
                f,
                "started at {since:.0}, and what came of it is not known ({why}); it is not started again: look at the tool, then remove the file or write a new operation"
            ),
            Self::Ended { done, problem } => ended(f, done, problem.as_deref()),
        }
    }
}

fn ended(f: &mut fmt::Formatter<'_>, done: &OperationDone, problem: Option<&str>) -> fmt::Result {
    let at = done.at;
    match (done.outcome, problem) {
        (OperationOutcome::Done, _) => write!(
            f,
            "done at {at:.0}: the tool stood still for {} s",
            done.downtime
        )?,
        (OperationOutcome::Failed, Some(problem)) => write!(f, "failed at {at:.0}: {problem}")?,
        (OperationOutcome::Failed, None) => {
            write!(f, "failed at {at:.0}; the log of the agent says why")?;
        }
    }
    match &done.before {
        Some(before) => write!(f, "; what was there before is in backup {before}"),
        None => Ok(()),
    }
}

/// For how long a tool stands still while data of it is put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Downtime {
    /// Which.
    pub instance: InstanceName,
    /// Seconds at most, going by what was measured. None: nothing was yet, or it is not known here.
    pub seconds: Option<u64>,
    /// What was measured.
    pub by: Measured,
}

/// What an expectation goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measured {
    /// A backup, and a restore drill: that one fetched, loaded and compared everything.
    Drill,
    /// A backup.
    Backup,
    /// Nothing.
    Nothing,
}

/// Stopping and starting containers, in seconds.
const STOP_AND_START: u64 = 10;

impl Downtime {
    /// What is to be expected of `instance`, whose backups stand so.
    pub fn of(instance: &InstanceName, backups: Option<&InstanceBackups>) -> Self {
        let last = backups.and_then(|backups| backups.last.as_ref());
        let drill = backups
            .and_then(|backups| backups.drill.as_ref())
            .filter(|drill| drill.problem.is_none());
        // What was written meanwhile is backed up while it stands still; a database that cannot be renamed is loaded then, too.
        let saved = last.map_or(0, |last| last.seconds);
        let (seconds, by) = match (drill, last) {
            (Some(drill), _) => (Some(saved.saturating_add(drill.seconds)), Measured::Drill),
            (None, Some(_)) => (Some(saved), Measured::Backup),
            (None, None) => (None, Measured::Nothing),
        };
        let seconds = seconds.map(|seconds| seconds.saturating_add(STOP_AND_START));
        Self {
            instance: instance.clone(),
            seconds,
            by,
        }
    }
}

impl fmt::Display for Downtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            instance,
            seconds,
            by,
        } = self;
        write!(
            f,
            "{instance} runs on while what is there is backed up and the backup is fetched, compared and put beside it, then stands still, while what was written meanwhile is backed up and the data changes places"
        )?;
        match (seconds, by) {
            (Some(seconds), Measured::Drill) => {
                write!(
                    f,
                    ", for about {seconds} s at most, going by its last backup and its last restore drill"
                )
            }
            (Some(seconds), _) => {
                write!(f, ", for about {seconds} s, going by its last backup")
            }
            (None, _) => write!(
                f,
                "; how long is known where its hub is asked (`--hub`) and a backup was made"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenantry_schema::wire::{DrillResult, GoodBackup};

    fn name() -> InstanceName {
        "web-db".to_owned().try_into().unwrap()
    }

    #[test]
    fn an_expectation_goes_by_a_good_drill_else_by_a_backup_else_by_nothing() {
        let at = Timestamp::UNIX_EPOCH;
        let mut backups = InstanceBackups::default();
        let seconds = |backups: &InstanceBackups| {
            let downtime = Downtime::of(&name(), Some(backups));
            (downtime.seconds, downtime.by)
        };
        assert_eq!(seconds(&backups), (None, Measured::Nothing));
        assert_eq!(Downtime::of(&name(), None).seconds, None);
        backups.last = Some(GoodBackup {
            snapshot: "1".into(),
            at,
            seconds: 20,
            bytes: 1,
            added: 1,
            files: 1,
            rows: None,
        });
        assert_eq!(seconds(&backups), (Some(30), Measured::Backup));
        let mut drill = DrillResult {
            at,
            snapshot: "1".into(),
            seconds: 45,
            evidence: Vec::new(),
            problem: Some("differs".into()),
        };
        backups.drill = Some(drill.clone());
        assert_eq!(seconds(&backups), (Some(30), Measured::Backup));
        drill.problem = None;
        backups.drill = Some(drill);
        assert_eq!(seconds(&backups), (Some(75), Measured::Drill));
        let text = Downtime::of(&name(), Some(&backups)).to_string();
        assert!(text.ends_with(
            ", for about 75 s at most, going by its last backup and its last restore drill"
        ));
    }

    #[test]
    fn what_came_of_it_is_one_sentence() {
        let done = |outcome| OperationDone {
            at: Timestamp::UNIX_EPOCH,
            outcome,
            snapshot: Some("1".into()),
            before: Some("2".into()),
            downtime: 7,
            evidence: Vec::new(),
        };
        let ended = |outcome, problem: Option<&str>| Progress::Ended {
            done: done(outcome),
            problem: problem.map(str::to_owned),
        };
        assert_eq!(
            ended(OperationOutcome::Done, None).to_string(),
            "done at 1970-01-01T00:00:00Z: the tool stood still for 7 s; what was there before is in backup 2"
        );
        assert_eq!(
            ended(OperationOutcome::Failed, Some("the disk is full")).to_string(),
            "failed at 1970-01-01T00:00:00Z: the disk is full; what was there before is in backup 2"
        );
    }
}
