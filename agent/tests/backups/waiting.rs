//! Backups of what is not as it should be, or does not stand still: it is saved all the same.

use crate::rig::{self, CHURN, FILES, Rig};
use tenantry_schema::wire::{AgentWait, InstanceBackups, Report};

/// A change waits for days: what runs is saved meanwhile, as far as it is there.
#[test]
fn what_runs_is_saved_while_a_change_waits_for_the_window() {
    rig::run_with(&FILES, async |rig: Rig| {
        let _agent = rig.start();
        rig.publish(1).await;
        rig.version_that_waits(2);
        let waits = |report: &Report| {
            let waiting = report.instances.values().next()?.waiting.as_ref();
            matches!(waiting, Some(AgentWait::Window { .. })).then_some(())
        };
        rig.wait("waiting for the window", waits).await;
        let ended = |backups: &InstanceBackups| backups.last.is_some() || backups.failure.is_some();
        let first = rig.until("backed up", ended).await;
        assert_eq!(first.failure, None);
        let manifest = rig.receipt(&first.last.unwrap().snapshot);
        assert!(manifest.contains("\"volume\": \"uploads\""), "{manifest}");
        assert!(!manifest.contains("\"volume\": \"fresh\""), "{manifest}");
        assert_eq!(rig.command_of("app").await.0, "sleep 1d");
        rig.wait("waiting still", waits).await;
    });
}

/// Files that come and go are no reason to have no backup: what is read while nobody writes is whole. What cannot be read at all is.
#[test]
fn a_volume_that_is_never_still_is_saved() {
    rig::run_with(&CHURN, async |rig: Rig| {
        let _agent = rig.start();
        rig.publish_alone(1).await;
        let uploads = rig.uploads().await;
        while !uploads.join("b2000").exists() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        rig.backed_up(2);
        let ended = |backups: &InstanceBackups| backups.last.is_some() || backups.failure.is_some();
        let first = rig.until("backed up", ended).await;
        assert_eq!(first.failure, None);
        let manifest = rig.receipt(&first.last.unwrap().snapshot);
        assert!(manifest.contains("\"files\": 2000,"), "{manifest}");
        let all = rig.restic(&["snapshots", "--json"]);
        let (tagged, receipts) = (
            all.matches("\"tags\"").count(),
            all.matches("\"receipt\"").count(),
        );
        assert_eq!((tagged, receipts), (4, 1), "two that do not count: {all}");
        assert!(!rig.command_of("app").await.1, "it goes on");

        rig.unreadable_files();
        rig.slot_now(3);
        let failed = |backups: &InstanceBackups| backups.failure.is_some();
        let why = rig
            .until("a failure", failed)
            .await
            .failure
            .unwrap()
            .message;
        assert!(why.contains("input/output error"), "{why}");
        assert!(!rig.command_of("app").await.1, "it goes on");
    });
}
