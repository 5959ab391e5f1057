//! Backups with real parts: the whole agent, a container engine, PostgreSQL, SQLite, restic, and a remote that refuses to delete.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "../common/mod.rs"]
mod common;
mod deaths;
mod held;
#[allow(dead_code, reason = "made for other tests too")]
#[path = "../containers/lab.rs"]
mod lab;
mod mysql;
mod places;
mod postgres;
mod restores;
mod rig;
mod waiting;

use rig::Rig;
use std::time::Duration;
use tenantry_schema::wire::{AgentWait, InstanceBackups, Report, RolloutState};

/// Everything that stacks declare is kept, looked at, tried out, and stays whole when a dump is broken off.
#[test]
fn a_database_a_volume_and_a_file_are_kept_and_come_back() {
    rig::run(async |rig: Rig| {
        let agent = rig.start();
        rig.publish(1).await;
        rig.sql("CREATE TABLE guests (name text); CREATE TABLE empty (x int); INSERT INTO guests SELECT 'guest ' || n FROM generate_series(1, 500) n; CREATE ROLE reader; ALTER TABLE empty OWNER TO reader").await;
        rig.backed_up(2);

        // The first one is made as soon as the tool is well; it holds what the report says.
        let first = rig
            .until("backed up", |backups| backups.last.is_some())
            .await;
        let last = first.last.clone().unwrap();
        let tags = rig.restic(&["snapshots", "--json"]);
        assert!(
            tags.contains("\"receipt\"") && tags.contains(&format!("of={}", last.snapshot)),
            "{tags}"
        );
        let manifest = rig.receipt(&last.snapshot);
        assert!(
            manifest.contains("\"public.guests\": 500") && manifest.contains("\"public.empty\": 0"),
            "{manifest}"
        );
        assert!(
            manifest.contains("\"notes\": 2"),
            "the rows of SQLite: {manifest}"
        );
        assert_eq!(last.rows, Some(502), "{manifest}");
        let listed = rig.restic(&["ls", &last.snapshot]);
        assert!(listed.contains("_uploads/_data/picture"), "{listed}");
        assert!(rig.spool_is_empty());
        let text = serde_json::to_string(&rig.hub.read(|said| said.reports.clone())).unwrap();
        assert!(
            !text.contains("repository-key") && !text.contains("hunter2"),
            "no secret is reported"
        );

        // pg_dump killed in the middle: no snapshot of it counts, and the good one stays.
        rig.sql("CREATE TABLE big AS SELECT n, repeat(md5(n::text), 40) AS t FROM generate_series(1, 40000) n").await;
        let killer = rig.kill_dumps("pg_dump");
        rig.slot_now(3);
        let failed = rig
            .until("a failure", |backups| backups.failure.is_some())
            .await;
        killer.abort();
        assert_eq!(
            failed.last.as_ref().map(|last| &last.snapshot),
            Some(&last.snapshot)
        );
        let why = failed.failure.unwrap().message;
        assert!(why.contains("pg_dump"), "{why}");
        assert!(rig.spool_is_empty());

        // The next one is good again, and a drill proves that it can be read.
        drop(agent);
        rig.forget_failure();
        let _agent = rig.start();
        let drilled = rig
            .until("tried out", |backups| backups.drill.is_some())
            .await;
        let drill = drilled.drill.unwrap();
        assert_eq!(drill.problem, None, "{drill:#?}");
        let evidence = drill.evidence.join("\n");
        for proof in [
            "rows of 3 tables agree",
            "SQLite database data/app.db",
            "volume uploads: 1 files",
        ] {
            assert!(evidence.contains(proof), "{proof} is not in {evidence}");
        }
        assert!(rig.no_drill_is_left().await);
    });
}

fn all_of(backups: &InstanceBackups) -> usize {
    backups.older.len() + usize::from(backups.last.is_some())
}

/// A database, a file of SQLite and a volume are put back; what was there is in a backup of its own, and nothing is done twice.
#[test]
fn what_was_lost_is_put_back_once() {
    rig::run(async |rig: Rig| {
        let agent = rig.start();
        rig.publish(1).await;
        rig.sql("CREATE TABLE guests (name text); INSERT INTO guests VALUES ('a'), ('b'), ('c')")
            .await;
        rig.backed_up(2);
        let good = rig
            .until("backed up", |backups| backups.last.is_some())
            .await
            .last
            .unwrap();
        rig.sql("DELETE FROM guests; CREATE TABLE later (x int)")
            .await;
        std::fs::write(rig.uploads().await.join("picture"), "spoilt").unwrap();
        std::fs::write(rig.uploads().await.join("later"), "later").unwrap();
        rig.restore(3, "[database, files]");
        let result = rig.restored().await;
        assert_eq!(result.problem, None, "{result:#?}");
        assert!(
            good.snapshot.starts_with(&result.snapshot)
                || result.snapshot.starts_with(&good.snapshot),
            "{result:#?}"
        );
        rig.until_well().await;
        assert_eq!(rig.sql("SELECT count(*) FROM guests").await.trim(), "3");
        assert_eq!(
            rig.sql("SELECT to_regclass('later') IS NULL").await.trim(),
            "t"
        );
        assert_eq!(
            std::fs::read(rig.uploads().await.join("picture")).unwrap(),
            b"pixels"
        );
        assert!(!rig.uploads().await.join("later").exists());
        // What was there before is in a good backup of its own.
        let before = result.before.unwrap();
        assert!(rig.receipt(&before).contains("\"public.later\": 0"));
        rig.nothing_stands_beside().await;
        // Another slice with the same operation, and another agent: it is not done again.
        rig.sql("INSERT INTO guests VALUES ('d')").await;
        drop(agent);
        let _agent = rig.start();
        rig.restore(4, "[database, files]");
        rig.hub
            .until("accepted", |report| {
                report
                    .slice
                    .as_ref()
                    .is_some_and(|slice| slice.generation == 4)
            })
            .await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(rig.sql("SELECT count(*) FROM guests").await.trim(), "4");
    });
}

/// While the backup is fetched another version is asked for: nothing is exchanged beneath what it brings.
#[test]
fn another_version_meanwhile_ends_a_restore_before_it_touches_anything() {
    rig::run(async |rig: Rig| {
        let _agent = rig.start();
        rig.publish(1).await;
        rig.backed_up(2);
        rig.until("backed up", |backups| backups.last.is_some())
            .await;
        std::fs::write(rig.uploads().await.join("picture"), "newer").unwrap();
        rig.slow_restic(true);
        rig.restore(3, "[files]");
        rig.until_restoring().await;
        rig.restore_in_another_version(4, "[files]");
        rig.hub
            .until("accepted", |report| {
                let slice = report.slice.as_ref();
                slice.is_some_and(|slice| slice.generation == 4)
            })
            .await;
        rig.slow_restic(false);
        let problem = rig.restored().await.problem.unwrap();
        assert!(problem.contains("another version of"), "{problem}");
        let picture = rig.uploads().await.join("picture");
        assert_eq!(std::fs::read(picture).unwrap(), b"newer");
    });
}

/// A version that does not work and has spoilt its data: what was saved just before it is put back, and the version before runs on it.
#[test]
fn a_version_that_spoils_its_data_is_undone_with_it() {
    rig::run(async |rig: Rig| {
        let _agent = rig.start();
        rig.publish(1).await;
        rig.sql("CREATE TABLE guests (name text); INSERT INTO guests VALUES ('a'), ('b')")
            .await;
        rig.backed_up(2);
        rig.until("backed up", |backups| backups.last.is_some())
            .await;
        // Only in the backup that comes before the new version.
        rig.sql("INSERT INTO guests VALUES ('c')").await;
        rig.until_good().await;
        rig.spoiling_version(3);
        rig.until_rollout(RolloutState::Trying).await;
        rig.sql("DROP TABLE guests; CREATE TABLE visitors (x int)")
            .await;
        let spoil = rig.notes().await.execute_batch("DELETE FROM notes");
        spoil.unwrap();
        let told = rig.until_rollout(RolloutState::RolledBack).await;
        let reason = told.rollout.unwrap().evidence.unwrap().reason;
        assert!(
            reason.contains("the data of before is put back"),
            "{reason}"
        );
        let result = rig.restored().await;
        assert_eq!(result.problem, None, "{result:#?}");
        let back = |report: &Report| {
            let found = report.instances.values().next()?;
            let waits = matches!(found.waiting, Some(AgentWait::RolledBack { .. }));
            waits.then_some(())
        };
        rig.wait("back", back).await;
        assert_eq!(rig.sql("SELECT count(*) FROM guests").await.trim(), "3");
        assert_eq!(
            std::fs::read(rig.uploads().await.join("picture")).unwrap(),
            b"pixels"
        );
        let notes = rig.notes().await;
        let count = notes.query_row("SELECT count(*) FROM notes", [], |row| row.get::<_, u32>(0));
        assert_eq!(count, Ok(2));
        // What the new version left is in a good backup, for people to look at.
        let before = result.before.unwrap();
        assert!(rig.receipt(&before).contains("\"public.visitors\": 0"));
    });
}

/// An agent that is killed while it saves leaves nothing that counts, and the next one makes it good.
#[test]
fn killed_while_saving() {
    rig::run(async |rig: Rig| {
        let agent = rig.start();
        rig.publish(1).await;
        rig.sql("CREATE TABLE big AS SELECT n, repeat(md5(n::text), 20) AS t FROM generate_series(1, 30000) n").await;
        rig.slow_restic(true);
        rig.backed_up(2);
        rig.until_spooled().await;
        drop(agent);
        rig.slow_restic(false);
        let snapshots = rig.restic(&["snapshots", "--json"]);
        assert!(!snapshots.contains("receipt"), "{snapshots}");
        let _agent = rig.start();
        let made = rig
            .until("backed up", |backups| backups.last.is_some())
            .await;
        assert_eq!(all_of(&made), 1);
        assert!(rig.spool_is_empty());
        tokio::time::sleep(Duration::from_millis(100)).await;
    });
}

/// Too little room for a dump: said, nothing kept, nothing left behind.
#[test]
fn a_full_disk() {
    rig::run(async |rig: Rig| {
        let Some(_small) = rig.small_disk() else {
            return;
        };
        let _agent = rig.start();
        rig.publish(1).await;
        rig.backed_up(2);
        let failed = rig
            .until("a failure", |backups| backups.failure.is_some())
            .await;
        let why = failed.failure.unwrap().message;
        assert!(why.contains("MiB free"), "{why}");
        assert_eq!(failed.last, None);
        assert!(rig.spool_is_empty());
    });
}
