//! Backups at places that are no folder of this machine, and what becomes of one that is damaged.

use crate::rig::{self, FILES, Place, Rig};

/// Saved, looked at, tried out and put back: everything that an agent does with a repository.
async fn everything(rig: &Rig) {
    rig.publish(1).await;
    rig.backed_up(2);
    let first = rig
        .until("backed up", |backups| {
            backups.last.is_some() || backups.failure.is_some()
        })
        .await;
    assert_eq!(first.failure, None);
    // At the next time for backups they are looked at and tried out as well.
    rig.slot_now(3);
    let check = rig.until_checked(None).await;
    assert_eq!(check.problem, None);
    let drilled = rig.until("tried out", |backups| backups.drill.is_some());
    let drill = drilled.await.drill.unwrap();
    assert_eq!(drill.problem, None, "{drill:#?}");
    let picture = rig.uploads().await.join("picture");
    std::fs::write(&picture, "spoilt").unwrap();
    rig.restore(4, "[database, files]");
    let result = rig.restored().await;
    assert_eq!(result.problem, None, "{result:#?}");
    assert_eq!(std::fs::read(&picture).unwrap(), b"pixels");
}

#[test]
fn an_agent_that_may_only_append_does_all_its_work_and_takes_nothing_away() {
    rig::run_at(&FILES, Place::AppendOnly, async |rig: Rig| {
        let _agent = rig.start();
        everything(&rig).await;
        // With all that the agent knows nothing is taken away.
        let count = || rig.restic(&["snapshots"]).matches("receipt").count();
        let before = count();
        assert!(before >= 3, "{}", rig.restic(&["snapshots"]));
        let newest = rig.restic(&["snapshots", "--json", "--latest", "1"]);
        let start = newest.find("\"short_id\":\"").unwrap() + 12;
        let (_, said) = rig.restic_of_the_agent(&["forget", &newest[start..start + 8]]);
        assert_eq!(count(), before, "an agent could delete: {said}");
        let (good, said) = rig.restic_of_the_agent(&["check", "--read-data"]);
        assert!(good, "{said}");
    });
}

#[test]
fn a_place_that_rclone_reaches() {
    rig::run_at(&FILES, Place::Rclone, async |rig: Rig| {
        let _agent = rig.start();
        everything(&rig).await;
        let said = rig.restic(&["check", "--read-data"]);
        assert!(said.contains("no errors were found"), "{said}");
    });
}

/// One bit of what was saved is another: the check finds it, the report says it, and the next day's check sees when it is mended.
#[test]
fn a_damaged_repository_is_told_until_it_is_mended() {
    rig::run_with(&FILES, async |rig: Rig| {
        let _agent = rig.start();
        rig.publish(1).await;
        rig.backed_up(2);
        rig.until("backed up", |backups| backups.last.is_some())
            .await;
        let packs = rig.flip_packs();
        assert!(packs.len() > 1);
        rig.slot_now(3);
        let found = rig.until_checked(None).await;
        let problem = found.problem.unwrap();
        assert!(
            problem.contains("pack") || problem.contains("error"),
            "{problem}"
        );
        // Packs that were made since are whole.
        Rig::flip(&packs);
        rig.slot_now(4);
        let mended = rig.until_checked(Some(found.at)).await;
        assert_eq!(mended.problem, None);
    });
}
