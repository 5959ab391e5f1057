//! Backups from the commit to the database and back, with everything real: an owner's signature, hub, agent, restic, PostgreSQL. A restore, an upgrade
//! that wants a backup first, and the hub that forgets, at its time, by itself.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tenantry_planner::WaitingOn;
use tenantry_planner::operations::{OperationStatus, Progress};
use tenantry_planner::status::{FleetStatus, Phase};
use tenantry_schema::document::OperationOutcome;
use tenantry_schema::wire::{GoodBackup, InstanceBackups};
use tenantry_tests::rig::{World, program, run};

const SETUP: Duration = Duration::from_mins(4);
const NAME: &str = "2026-11-28-restore-guestbook-x7k2";

struct Story {
    world: World,
    order: String,
}

impl Story {
    /// A guest book whose server makes backups, and an owner.
    async fn begin() -> Option<Self> {
        let mut story = Self::prepare().await?;
        story.world.servers[0].start().unwrap();
        Some(story)
    }

    /// The same; the agent does not run yet.
    async fn prepare() -> Option<Self> {
        let world = World::open(&["acme/acme-1"]).await?;
        let order = world.lab.name("site");
        let fleet = &world.home.fleet;
        let owner = world.home.dir().join("olga");
        let mut make = Command::new("ssh-keygen");
        run(make
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&owner))
        .unwrap();
        let public = std::fs::read_to_string(owner.with_extension("pub")).unwrap();
        let key: Vec<&str> = public.split_whitespace().take(2).collect();
        let staff = format!(
            "olga: {{ email: olga@example.com, role: owner, signing_keys: [{}] }}\n",
            key.join(" ")
        );
        fleet.write("fleet/staff.yaml", &staff).unwrap();
        let hub = fleet.read("fleet/hub.yaml").unwrap();
        let place = world.home.dir().join("backups");
        let hub = format!(
            "{}\nbackups:\n  repository: {}\n",
            hub.trim_end(),
            place.display()
        );
        fleet.write("fleet/hub.yaml", &hub).unwrap();
        let server = world.servers[0].document("");
        fleet
            .write("fleet/customers/acme/servers/acme-1.yaml", &server)
            .unwrap();
        let text = "plan: pro\ndomain: acme.test\ntools: [guestbook]\n";
        let path = format!("fleet/customers/acme/orders/{order}.yaml");
        fleet.write(&path, text).unwrap();
        fleet.commit("an order").unwrap();
        Some(Self { world, order })
    }

    fn instance(&self) -> String {
        format!("{}-guestbook", self.order)
    }

    fn sql(&self, statement: &str) -> String {
        let container = format!("{}-db-1", self.instance());
        let psql = [
            "exec",
            &container,
            "psql",
            "-X",
            "-A",
            "-t",
            "-q",
            "-U",
            "guestbook",
            "-c",
            statement,
        ];
        self.world.docker(&psql).unwrap().trim().to_owned()
    }

    /// What the engine says of a container, which may be about to be replaced.
    fn seen(&self, container: &str, format: &str) -> Option<String> {
        let inspect = ["inspect", "--format", format, container];
        let said = self.world.docker(&inspect).ok()?;
        Some(said.trim().to_owned())
    }

    fn inspect(&self, container: &str, format: &str) -> String {
        self.seen(container, format).unwrap()
    }

    async fn until<T>(&self, what: &str, find: impl Fn(&FleetStatus) -> Option<T>) -> T {
        let mut found = None;
        let good = |status: &FleetStatus| {
            found = find(status);
            found.is_some()
        };
        let status = self.world.home.hub().wait_for(SETUP, what, good).await;
        status.unwrap();
        found.unwrap()
    }

    fn backups(&self, status: &FleetStatus) -> Option<InstanceBackups> {
        let report = status.servers.first()?.backups.as_ref()?;
        let name = self.instance().try_into().unwrap();
        report.instances.get(&name).cloned()
    }

    /// The newest good backup that is not `before`.
    async fn backed_up(&self, before: Option<&str>) -> GoodBackup {
        self.until("a good backup", |status| {
            let last = self.backups(status)?.last?;
            (Some(last.snapshot.as_str()) != before).then_some(last)
        })
        .await
    }

    /// `tenantry` in the clone.
    fn tenantry(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = Command::new(program("tenantry").unwrap());
        command
            .args(arguments)
            .current_dir(self.world.home.fleet.work());
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.code().unwrap_or(-1),
            String::from_utf8_lossy(&text).into_owned(),
        )
    }

    /// Writes an operation, lets the owner sign it, and hands back what `plan` says of it.
    fn propose(&self, text: &str) -> String {
        let fleet = &self.world.home.fleet;
        fleet.pull().unwrap();
        let path = format!("fleet/customers/acme/operations/{NAME}.yaml");
        fleet.write(&path, text).unwrap();
        let owner = self.world.home.dir().join("olga");
        let approve = [
            "approve",
            &format!("acme/{NAME}"),
            ".",
            "--yes",
            "--key",
            owner.to_str().unwrap(),
        ];
        let (code, said) = self.tenantry(&approve);
        assert_eq!(code, 0, "{said}");
        let url = self.world.home.url();
        let (code, plan) = self.tenantry(&["plan", "--hub", &url]);
        assert_eq!(code, 2, "{plan}");
        fleet.commit("restore").unwrap();
        plan
    }

    fn operation(status: &FleetStatus) -> Option<&OperationStatus> {
        status.operations.first().map(AsRef::as_ref)
    }
}

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
    let plan = story.propose(&format!(
        "restore: acme-1/guestbook\nfrom: latest\noverwrites: [database]\nreason: ticket 812\nexpires: {expires}\n"
    ));
    assert!(
        plan.contains("destroys: database as they are now")
            && plan.contains(&format!("{instance} runs on while"))
            && plan.contains("the data changes places, for about"),
        "{plan}"
    );

    let done = story
        .until(
            "the end of the restore",
            |status| match &Story::operation(status)?.progress {
                Progress::Ended { done, problem } => Some((done.clone(), problem.clone())),
                _ => None,
            },
        )
        .await;
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
