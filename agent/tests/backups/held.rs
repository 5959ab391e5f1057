//! `upgrade.backup: before`, and a version with a job that changes the data: the job runs on nothing that is not in a backup.

use crate::rig::{self, FILES, Rig};
use std::time::Duration;
use tenantry_schema::wire::{AgentWait, InstancePhase, Report};

fn waits(report: &Report) -> Option<()> {
    let found = report.instances.values().next()?;
    let backup = matches!(found.waiting, Some(AgentWait::Backup { .. }));
    (found.phase == InstancePhase::Waiting && backup).then_some(())
}

#[test]
fn a_job_that_changes_the_data_waits_for_the_backup_before_it() {
    rig::run_with(&FILES, async |rig: Rig| {
        let agent = rig.start();
        rig.publish(1).await;
        rig.backed_up(2);
        let first = rig
            .until("backed up", |backups| backups.last.is_some())
            .await;
        rig.until_good().await;
        // Only in the backup that comes before the new version.
        let picture = rig.uploads().await.join("picture");
        std::fs::write(&picture, "newer").unwrap();
        rig.broken_restic();
        rig.migrating_version(3);
        rig.wait("waits for a backup", waits).await;
        // What runs is still healed, and nothing of the new version is there.
        for _ in 0..2 {
            rig.stop_and_see("app").await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(!rig.is_there("migrate").await);
            assert_eq!(std::fs::read(&picture).unwrap(), b"newer");
        }
        drop(agent);
        rig.slow_restic(false);
        rig.forget_failure();
        let _agent = rig.start();
        for _ in 0..900 {
            if std::fs::read(&picture).unwrap() == b"migrated\n" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(std::fs::read(&picture).unwrap(), b"migrated\n");
        rig.until_well().await;
        let last = rig
            .until("backed up", |backups| backups.last.is_some())
            .await
            .last
            .unwrap();
        assert_ne!(Some(&last), first.last.as_ref());
        let listed = rig.restic(&["ls", &last.snapshot]);
        let path = listed.lines().find(|line| line.ends_with("/picture"));
        let saved = rig.restic(&["dump", &last.snapshot, path.unwrap()]);
        assert_eq!(saved, "newer", "it holds what was there before the job");
    });
}
