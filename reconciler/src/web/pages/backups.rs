//! Rows about backups: what is kept of each instance, when it was last good, and what the last restore drill showed.

use super::words::{Badge, Moment, bytes};
use jiff::Timestamp;
use serde::Serialize;
use tenantry_schema::id::InstanceName;
use tenantry_schema::wire::{BackupsReport, InstanceBackups};

/// How backups of a server, or of the tools of one order, stand.
#[derive(Serialize)]
pub(super) struct BackupsView {
    rows: Vec<BackupRow>,
    check: Option<CheckRow>,
}

#[derive(Serialize)]
struct BackupRow {
    name: String,
    badge: Badge,
    last: Option<Moment>,
    size: Option<String>,
    took: Option<String>,
    kept: usize,
    failure: Option<String>,
    drill: Option<DrillRow>,
}

#[derive(Serialize)]
struct DrillRow {
    at: Moment,
    badge: Badge,
    evidence: Vec<String>,
}

#[derive(Serialize)]
struct CheckRow {
    at: Moment,
    badge: Badge,
}

/// What `report` says of those instances that `shown` takes; none where that is nothing.
pub(super) fn view(
    report: Option<&BackupsReport>,
    shown: impl Fn(&InstanceName) -> bool,
    now: Timestamp,
) -> Option<BackupsView> {
    let report = report?;
    let rows: Vec<BackupRow> = report
        .instances
        .iter()
        .filter(|(name, _)| shown(name))
        .map(|(name, backups)| row(name, backups, now))
        .collect();
    let check = report.check.as_ref().map(|check| CheckRow {
        at: Moment::new(check.at, now),
        badge: match &check.problem {
            None => Badge::new("good", "nothing wrong"),
            Some(problem) => Badge::new("bad", problem.clone()),
        },
    });
    (!rows.is_empty()).then_some(BackupsView { rows, check })
}

fn row(name: &InstanceName, backups: &InstanceBackups, now: Timestamp) -> BackupRow {
    let badge = match (
        &backups.last,
        backups.overdue_since.is_some(),
        &backups.failure,
    ) {
        (_, true, _) => Badge::new("bad", "overdue"),
        (_, false, Some(_)) => Badge::new("warn", "last attempt failed"),
        (Some(_), false, None) => Badge::new("good", "good"),
        (None, false, None) => Badge::new("busy", "none yet"),
    };
    BackupRow {
        name: name.to_string(),
        badge,
        last: backups.last.as_ref().map(|last| Moment::new(last.at, now)),
        size: backups.last.as_ref().map(|last| bytes(last.bytes)),
        took: backups
            .last
            .as_ref()
            .map(|last| format!("{} s", last.seconds)),
        kept: backups.older.len() + usize::from(backups.last.is_some()),
        failure: backups
            .failure
            .as_ref()
            .map(|failure| failure.message.clone()),
        drill: backups.drill.as_ref().map(|drill| DrillRow {
            at: Moment::new(drill.at, now),
            badge: match &drill.problem {
                None => Badge::new("good", "restored, all agrees"),
                Some(problem) => Badge::new("bad", problem.clone()),
            },
            evidence: drill.evidence.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenantry_schema::wire::GoodBackup;

    #[test]
    fn only_what_is_asked_for_is_shown() {
        let name = |text: &str| InstanceName::try_from(text.to_owned()).unwrap();
        let good = InstanceBackups {
            last: Some(GoodBackup {
                snapshot: "1".into(),
                at: Timestamp::UNIX_EPOCH,
                seconds: 1,
                bytes: 1,
                added: 1,
                files: 1,
                rows: None,
            }),
            ..InstanceBackups::default()
        };
        let report = BackupsReport {
            instances: [
                (name("web-a"), good),
                (name("web-b"), InstanceBackups::default()),
            ]
            .into(),
            ..BackupsReport::default()
        };
        let now = Timestamp::UNIX_EPOCH;
        let all = view(Some(&report), |_| true, now).unwrap();
        let words: Vec<&str> = all.rows.iter().map(|row| row.badge.word.as_str()).collect();
        assert_eq!(words, ["good", "none yet"]);
        assert!(
            view(Some(&report), |_| false, now).is_none() && view(None, |_| true, now).is_none()
        );
    }
}
