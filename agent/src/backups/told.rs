//! How backups stand, for people at the server's command line.

use std::fmt::Write as _;
use tenantry_schema::wire::BackupsReport;

/// In words, a line each.
pub fn words(report: &BackupsReport) -> String {
    let mut text = String::new();
    for (name, backups) in &report.instances {
        let _ = match &backups.last {
            Some(last) => writeln!(
                text,
                "{name}: {} at {:.0}, {} bytes in {} s; {} older",
                last.snapshot,
                last.at,
                last.bytes,
                last.seconds,
                backups.older.len()
            ),
            None => writeln!(text, "{name}: no good backup yet"),
        };
        if let Some(since) = backups.overdue_since {
            let _ = writeln!(text, "  overdue: none since {since:.0}");
        }
        if let Some(failure) = &backups.failure {
            let _ = writeln!(
                text,
                "  failed {} times, last at {:.0}: {}",
                failure.attempts, failure.at, failure.message
            );
        }
        if let Some(drill) = &backups.drill {
            let verdict = drill.problem.as_deref().unwrap_or("all agrees");
            let _ = writeln!(
                text,
                "  restore drill of {} at {:.0}: {verdict}",
                drill.snapshot, drill.at
            );
        }
        for older in &backups.older {
            let _ = writeln!(text, "  {} at {:.0}", older.snapshot, older.at);
        }
    }
    if let Some(check) = &report.check {
        let verdict = check.problem.as_deref().unwrap_or("nothing is wrong");
        let _ = writeln!(text, "repository checked at {:.0}: {verdict}", check.at);
    }
    for (id, restore) in &report.restores {
        let verdict = restore.problem.as_deref().unwrap_or("done");
        let _ = writeln!(text, "restore {id} at {:.0}: {verdict}", restore.at);
    }
    for id in report.begun.keys() {
        let _ = writeln!(text, "restore {id}: begun, and not known to have ended");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenantry_schema::wire::InstanceBackups;

    #[test]
    fn what_is_missing_is_said() {
        let name = "web-db".to_owned().try_into().unwrap();
        let report = BackupsReport {
            instances: [(name, InstanceBackups::default())].into(),
            ..BackupsReport::default()
        };
        assert_eq!(words(&report), "web-db: no good backup yet\n");
    }
}
