//! The other forms of a restore, from the commit on: one volume, one database, and the backup of another server; and what a restore drill proves.

use crate::story::Story;
use std::path::PathBuf;
use tenantry_planner::operations::Measured;
use tenantry_schema::document::OperationOutcome;
use tenantry_tests::rig::Fleet;

/// A guest book that keeps pictures in a volume, too.
fn with_pictures(fleet: &Fleet) {
    let compose = "stacks/guestbook/compose.yaml";
    fleet
        .edit(
            compose,
            "    cap_drop:\n      - ALL\n",
            "    cap_drop:\n      - ALL\n    volumes:\n      - pictures:/pictures\n",
        )
        .unwrap();
    fleet
        .edit(
            compose,
            "volumes:\n  data: {}\n",
            "volumes:\n  data: {}\n  pictures: {}\n",
        )
        .unwrap();
    fleet
        .edit(
            "stacks/guestbook/stack.yaml",
            "  postgres: db\n",
            "  postgres: db\n  volumes: [pictures]\n",
        )
        .unwrap();
}

impl Story {
    fn picture(&self) -> PathBuf {
        let volume = format!("{}_pictures", self.instance());
        let inspect = ["volume", "inspect", "--format", "{{.Mountpoint}}", &volume];
        let folder = self.world.docker(&inspect).unwrap();
        PathBuf::from(folder.trim()).join("picture")
    }

    /// Asks an agent for something about backups of an instance.
    fn ask(&self, server: usize, what: &str) {
        let instance = self.instance_on(server);
        let asked = self.world.servers[server].run_agent(&["backups", what, &instance]);
        assert!(asked.unwrap().status.success());
    }

    /// Does an operation, which must come about; what is in its record.
    async fn done(&self, name: &str, text: &str) -> (String, Vec<String>) {
        let expires = jiff::Zoned::now().date() + jiff::Span::new().days(3);
        let text = format!("{text}\nreason: ticket 812\nexpires: {expires}\n");
        let plan = self.propose(name, &text);
        let (done, problem) = self.ended(name).await;
        assert_eq!((done.outcome, problem), (OperationOutcome::Done, None));
        assert!(done.before.is_some() && done.snapshot.is_some());
        (plan, done.evidence)
    }
}

#[tokio::test]
async fn one_volume_or_one_database_comes_back_and_the_rest_stays() {
    let servers = ["acme/acme-1"];
    let Some(mut story) = Story::prepare_on(&servers, with_pictures).await else {
        return;
    };
    story.world.servers[0].start().unwrap();
    let first = story.backed_up(None).await;
    let instance = story.instance();
    let other = |statement: &str| story.sql_of(&instance, "other", statement);
    story.sql("CREATE TABLE marks (n int); INSERT INTO marks VALUES (1)");
    story.sql("CREATE DATABASE other");
    other("CREATE TABLE marks (n int); INSERT INTO marks VALUES (1)");
    std::fs::write(story.picture(), "old").unwrap();
    story.ask(0, "--now");
    let good = story.backed_up(Some(&first.snapshot)).await;
    // A drill proves that it can be read, and what it compared is told.
    story.ask(0, "--drill");
    let drill = story
        .until("a restore drill", |status| story.backups(status)?.drill)
        .await;
    assert_eq!((drill.problem, drill.snapshot), (None, good.snapshot));
    let evidence = drill.evidence.join("\n");
    for proof in [
        "database guestbook of db: SHA-256 agrees; loaded; 1 rows of 2 tables agree",
        "database other of db: SHA-256 agrees; loaded; 1 rows of 1 tables agree",
        "volume pictures: 1 files, 3 bytes agree",
    ] {
        assert!(evidence.contains(proof), "{proof} is not in {evidence}");
    }

    let moment = jiff::Timestamp::now();
    story.sql("DELETE FROM marks");
    other("DELETE FROM marks");
    std::fs::write(story.picture(), "spoilt").unwrap();
    let seen = || {
        (
            story.sql("SELECT count(*) FROM marks"),
            other("SELECT count(*) FROM marks"),
            std::fs::read_to_string(story.picture()).unwrap(),
        )
    };
    let from = format!("restore: acme-1/guestbook\nfrom: latest before {moment:.0}");
    let (plan, evidence) = story
        .done(
            "2026-11-28-restore-volume-x7k2",
            &format!("{from}\nonly: pictures\noverwrites: [files]"),
        )
        .await;
    assert!(
        plan.contains("going by its last backup and its last restore drill"),
        "{plan}"
    );
    assert_eq!(evidence, ["volume pictures: put back"]);
    assert_eq!(seen(), ("0".into(), "0".into(), "old".into()));

    // The newest backups are those that the restore took: they are not meant.
    std::fs::write(story.picture(), "newer").unwrap();
    let (_, evidence) = story
        .done(
            "2026-11-28-restore-database-x7k2",
            &format!("{from}\nonly: other\noverwrites: [database]"),
        )
        .await;
    assert_eq!(
        evidence,
        ["postgres database other of db: put back, 1 rows agree"]
    );
    assert_eq!(seen(), ("0".into(), "1".into(), "newer".into()));
    let status = story.world.home.hub().status().await.unwrap();
    let measured = Story::operation(&status).and_then(|one| one.downtime.clone());
    assert_eq!(measured.map(|downtime| downtime.by), Some(Measured::Drill));
}

#[tokio::test]
async fn the_backup_of_another_server_comes_to_this_one() {
    let servers = ["acme/acme-1", "acme/acme-2"];
    let Some(mut story) = Story::prepare_on(&servers, |_| {}).await else {
        return;
    };
    for server in &mut story.world.servers {
        server.start().unwrap();
    }
    let first = story.backed_up(None).await;
    let here = story.instance_on(1);
    story.sql("CREATE TABLE marks (n int); INSERT INTO marks SELECT generate_series(1, 300)");
    story.ask(0, "--now");
    let good = story.backed_up(Some(&first.snapshot)).await;
    let two = here.clone().try_into().unwrap();
    story
        .until("a good backup of the other", |status| {
            let mut servers = status.servers.iter();
            servers.find_map(|server| server.backups.as_ref()?.instances.get(&two)?.last.clone())
        })
        .await;
    story.sql_of(
        &here,
        "guestbook",
        "CREATE TABLE own (n int); INSERT INTO own VALUES (1), (2)",
    );
    let (plan, evidence) = story
        .done(
            "2026-11-28-restore-copy-x7k2",
            "restore: acme-2/guestbook\nof: acme-1/guestbook\nfrom: latest\noverwrites: [database]",
        )
        .await;
    assert!(plan.contains(&format!("{here} runs on while")), "{plan}");
    assert_eq!(
        evidence,
        ["postgres database guestbook of db: put back, 300 rows agree"]
    );
    let seen = story.sql_of(
        &here,
        "guestbook",
        "SELECT count(*), to_regclass('own') IS NULL FROM marks",
    );
    assert_eq!(seen, "300|t");
    // Where it came from nothing was touched.
    assert_eq!(story.sql("SELECT count(*) FROM marks"), "300");
    let status = story.world.home.hub().status().await.unwrap();
    let last = story.backups(&status).and_then(|backups| backups.last);
    assert_eq!(last.map(|last| last.snapshot), Some(good.snapshot));
}
