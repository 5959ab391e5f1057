//! Backups from the commit to the database and back, with everything real: an owner's signature, hub, agent, restic, PostgreSQL. A restore, an upgrade
//! that wants a backup first, and the hub that forgets, at its time, by itself.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod forms;
mod story;

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use story::Story;
use tenantry_planner::WaitingOn;
use tenantry_planner::status::Phase;
use tenantry_schema::document::OperationOutcome;

const NAME: &str = "2026-11-28-restore-guestbook-x7k2";

#[tokio::test]
async fn an_approved_restore_brings_rows_back_once() {
    let Some(mut story) = Story::begin().await else {
        return;
    };
    let first = story.backed_up(None).await;
    story.sql("CREATE TABLE marks (n int); INSERT INTO marks SELECT generate_series(1, 300)");
    let instance = story.instance();
    let asked = story.world.servers[0].run_agent(&["backups", "--now", &instance]);
    assert!(asked.unwrap().status.success());
    let second = story.backed_up(Some(&first.snapshot)).await;
    story.sql("DELETE FROM marks");

    // What there is, and for how long the tool will stand still, is said beforehand.
    let repository = story.world.home.fleet.repository().display().to_string();
    let key = story.world.home.fleet.hub_key().display().to_string();
    let (code, listed) = story.tenantry(&["backups", "list", "acme", &repository, "--key", &key]);
    let short = second.snapshot.get(..8).unwrap_or(&second.snapshot);
    assert!(
        code == 0 && listed.contains(&format!("acme-1/{instance}  {short}")),
        "{listed}"
    );
    let expires = jiff::Zoned::now().date() + jiff::Span::new().days(3);
    let plan = story.propose(NAME, &format!(
        "restore: acme-1/guestbook\nfrom: latest\noverwrites: [database]\nreason: ticket 812\nexpires: {expires}\n"
    ));
    assert!(
        plan.contains("destroys: database as they are now")
            && plan.contains(&format!("{instance} runs on while"))
            && plan.contains("the data changes places, for about"),
        "{plan}"
    );

    let done = story.ended(NAME).await;
    assert_eq!((done.0.outcome, done.1), (OperationOutcome::Done, None));
    assert_eq!(story.sql("SELECT count(*) FROM marks"), "300");
    assert_eq!(done.0.snapshot.as_deref(), Some(second.snapshot.as_str()));
    // The start was a commit of its own before the end.
    let record = format!("fleet/decisions/acme/operations.d/{NAME}.yaml");
    let fleet = &story.world.home.fleet;
    fleet.pull().unwrap();
    let commits = fleet.git(&["log", "--format=%s", "--", &record]).unwrap();
    let commits: Vec<&str> = commits.lines().collect();
    assert_eq!(commits.len(), 2, "{commits:?}");
    assert!(
        commits[0].ends_with("is done") && commits[1].contains("is started on acme-1"),
        "{commits:?}"
    );
    let page = story.world.home.url() + &format!("/orders/acme/{}", story.order);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let page = client.get(page).send().await.unwrap().text().await.unwrap();
    assert!(
        page.contains("done at ")
            && page.contains("restore acme-1")
            && page.contains("300 rows agree"),
        "{page}"
    );

    // A hub that remembers nothing restores nothing again. It is told that backups were looked after long ago, so it does that now.
    story.sql("DELETE FROM marks WHERE n > 100");
    story.world.home.wipe().unwrap();
    std::fs::create_dir_all(story.world.home.data()).unwrap();
    let long_ago = r#"{"at":"2026-01-01T00:00:00Z","repositories":1,"forgotten":0,"failed":0,"failures":[],"next":null}"#;
    std::fs::write(
        story.world.home.data().join("backups-pruned.json"),
        long_ago,
    )
    .unwrap();
    story.world.home.start().await.unwrap();
    let upkeep = story
        .until("backups that are looked after", |status| {
            let upkeep = status.upkeep.clone()?;
            (upkeep.at.to_string().as_str() > "2026-02").then_some(upkeep)
        })
        .await;
    assert_eq!((upkeep.repositories, upkeep.failed), (1, 0), "{upkeep:?}");
    assert!(upkeep.next.is_some());
    story
        .until("a report", |status| {
            let server = status.servers.first()?;
            (server.in_sync && Story::operation(status)?.waiting.is_empty()).then_some(())
        })
        .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(story.sql("SELECT count(*) FROM marks"), "100");
    assert_eq!(
        story.world.home.fleet.rewritten_decisions().unwrap(),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn an_upgrade_waits_for_a_backup_that_holds_what_it_could_lose() {
    let Some(mut story) = Story::prepare().await else {
        return;
    };
    // Nothing is saved for now, so there is no backup when the upgrade comes.
    let gate = Gate::closed(&story);
    story.world.servers[0].start().unwrap();
    story
        .until("fulfilment", |status| {
            (status.orders.first()?.phase == Phase::Fulfilled).then_some(())
        })
        .await;
    story.sql("CREATE TABLE marks (n int); INSERT INTO marks SELECT generate_series(1, 300)");
    let database = format!("{}-db-1", story.instance());
    let before = story.inspect(&database, "{{.Id}} {{.Config.Image}}");
    assert!(before.ends_with(" postgres:15"), "{before}");

    let next = Next::of(&story, "postgres:15");
    let fleet = &story.world.home.fleet;
    fleet.pull().unwrap();
    fleet
        .edit(
            "stacks/guestbook/compose.yaml",
            "image: postgres:15",
            &format!("image: {}", next.image),
        )
        .unwrap();
    let order = format!("fleet/customers/acme/orders/{}.yaml", story.order);
    fleet
        .edit(
            &order,
            "tools: [guestbook]",
            "tools: { guestbook: { revision: main } }",
        )
        .unwrap();
    fleet.commit("the next version of the guest book").unwrap();
    story
        .until("an upgrade that waits for a backup", |status| {
            let waiting = &status.orders.first()?.waiting;
            let first = |reason: &WaitingOn| matches!(reason, WaitingOn::BackupFirst { .. });
            waiting.iter().any(first).then_some(())
        })
        .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let meanwhile = story.inspect(&database, "{{.Id}} {{.Config.Image}}");
    assert_eq!(meanwhile, before, "it goes on as it was");
    let status = story.world.home.hub().status().await.unwrap();
    assert_eq!(story.backups(&status).and_then(|it| it.last), None);

    // It is changed as soon as there is one, and not before.
    gate.open();
    story
        .until("the next version", |status| {
            let order = status.orders.first()?;
            let image = story.seen(&database, "{{.Config.Image}}")?;
            (order.waiting.is_empty() && image == next.image).then_some(())
        })
        .await;
    let good = story.backed_up(None).await;
    let made: jiff::Timestamp = story.inspect(&database, "{{.Created}}").parse().unwrap();
    assert!(good.at < made, "{good:?} is no older than {made}");
    assert!(good.rows.is_some_and(|rows| rows >= 300), "{good:?}");
    assert_eq!(story.sql("SELECT count(*) FROM marks"), "300");
    // Containers first, then their image.
    drop(story);
    drop(next);
}

/// Keeps the agent's restic from saving anything while it is closed.
struct Gate(PathBuf);

impl Gate {
    fn closed(story: &Story) -> Self {
        let server = &story.world.servers[0];
        let (closed, program) = (server.dir().join("closed"), server.dir().join("restic"));
        let wait = format!(
            "i=0\nwhile [ \"$1\" = backup ] && [ -e '{}' ] && [ $i -lt 6000 ]; do i=$((i + 1)); sleep 0.1; done\n",
            closed.display()
        );
        std::fs::write(&closed, "").unwrap();
        std::fs::write(&program, format!("#!/bin/sh\n{wait}exec restic \"$@\"\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let settings = server.dir().join("agent.yaml");
        let text = std::fs::read_to_string(&settings).unwrap();
        let others = text.lines().filter(|line| !line.starts_with("restic:"));
        let others: Vec<&str> = others.collect();
        let text = format!("{}\nrestic: {}\n", others.join("\n"), program.display());
        std::fs::write(&settings, text).unwrap();
        Self(closed)
    }

    fn open(self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

/// The next version of an image, as long as the test runs: the same with one label more.
struct Next {
    image: String,
}

impl Next {
    fn of(story: &Story, image: &str) -> Self {
        let docker = |arguments: &[&str]| story.world.docker(arguments).unwrap();
        let next = format!("{}:next", story.world.lab.name("postgres"));
        let container = docker(&["create", image]);
        let container = container.trim();
        docker(&["commit", "--change", "LABEL next=1", container, &next]);
        docker(&["rm", "--volumes", container]);
        Self { image: next }
    }
}

impl Drop for Next {
    fn drop(&mut self) {
        let _ = Command::new("docker")
            .args(["rmi", "--force", &self.image])
            .output();
    }
}
