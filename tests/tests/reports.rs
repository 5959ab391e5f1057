//! What a hub hears of a server beside its state: lines that rules find in logs, what is used, answers to operators. With a real hub, agent,
//! engine, web server and `ssh-keygen`.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;
use tenantry::store::{SqliteStore, StateStore as _};
use tenantry_tests::lab::wait_until;
use tenantry_tests::rig::{World, page_until, program};

const SETUP: Duration = Duration::from_mins(3);

struct Story {
    world: World,
    instance: String,
    /// Of the database of the guestbook.
    volume: String,
}

impl Story {
    async fn begin() -> Option<Self> {
        let mut world = World::open(&["acme/acme-1"]).await?;
        let order = world.lab.name("site");
        let fleet = &world.home.fleet;
        let hub = fleet.read("fleet/hub.yaml").unwrap();
        // One tells once in a minute, whatever it finds; of what is written after a restart another one tells.
        let rules = "error_rules:\n  lost-page:\n    match: 'GET /lost'\n    context: 1\n    pause: 1m\n  late-page:\n    match: 'GET /late'\n    context: 1\n    pause: 1m\n";
        fleet
            .write("fleet/hub.yaml", &format!("{hub}\n{rules}"))
            .unwrap();
        keygen(&world.home.dir().join("jo"));
        let public = std::fs::read_to_string(world.home.dir().join("jo.pub")).unwrap();
        let staff = format!(
            "jo:\n  email: jo@example.com\n  role: support\n  signing_keys:\n    - {}\n",
            public.trim()
        );
        fleet.write("fleet/staff.yaml", &staff).unwrap();
        fleet
            .write(
                "fleet/customers/acme/servers/acme-1.yaml",
                &world.servers[0].document(""),
            )
            .unwrap();
        let document =
            "plan: pro\ndomain: acme.test\ntools:\n  html: { parameters: { TITLE: hello } }\n";
        fleet
            .write(
                &format!("fleet/customers/acme/orders/{order}.yaml"),
                document,
            )
            .unwrap();
        fleet.commit("an order").unwrap();
        world.servers[0].intervals("report: 2, sample: 1").unwrap();
        world.servers[0].start().unwrap();
        page_until(&world.servers[0], "acme.test", "hello", SETUP)
            .await
            .unwrap();
        // A tool with a database comes later, so that the first port stays that of the page.
        let path = format!("fleet/customers/acme/orders/{order}.yaml");
        let fleet = &world.home.fleet;
        fleet
            .write(&path, &format!("{document}  guestbook:\n"))
            .unwrap();
        fleet.commit("a guestbook").unwrap();
        let instance = format!("{order}-html");
        let volume = format!("{order}-guestbook_data");
        Some(Self {
            world,
            instance,
            volume,
        })
    }

    fn key(&self, name: &str) -> PathBuf {
        self.world.home.dir().join(name)
    }

    /// `tenantry diagnose acme/acme-1 …`, with somebody's key.
    fn ask(&self, who: &str, what: &[&str]) -> Output {
        Command::new(program("tenantry").unwrap())
            .args(["diagnose", "acme/acme-1"])
            .args(what)
            .args(["--hub", &self.world.home.url(), "--key"])
            .arg(self.key(who))
            // A proxy that nobody answers at: none leads to this machine.
            .env("http_proxy", "http://127.0.0.1:1")
            .output()
            .unwrap()
    }

    fn told(&self, what: &[&str]) -> String {
        let output = self.ask("jo", what);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{what:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Asks the service itself, at its loopback port.
    async fn visit(&self, path: &str) {
        let port = self.world.servers[0].ports().sites;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client
            .get(format!("http://127.0.0.1:{port}{path}"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 404);
    }

    /// Sends more than the web server takes, of which its error log tells.
    async fn send_too_much(&self) {
        let port = self.world.servers[0].ports().http;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let sent = client
            .post(format!("http://127.0.0.1:{port}/much"))
            .header("host", "acme.test")
            .body(vec![b'x'; 2 << 20]);
        // It may end the connection before all of it was sent.
        if let Ok(answer) = sent.send().await {
            assert_eq!(answer.status(), 413);
        }
    }

    /// Waits until the database of the guestbook is there.
    async fn volume_is_filled(&self) {
        wait_until(SETUP, "the guestbook", async || {
            let volumes = tokio::task::block_in_place(|| self.told(&["volumes"]));
            let line = volumes.lines().find(|line| line.ends_with(&self.volume))?;
            let bytes: u64 = line.split_whitespace().next()?.parse().ok()?;
            (bytes > 10 << 20).then_some(())
        })
        .await
        .unwrap();
    }

    async fn get(&self, path: &str) -> String {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}{path}", self.world.home.url());
        let answer = client.get(url).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.text().await.unwrap()
    }
}

fn keygen(path: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(path)
        .status();
    assert!(made.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_tells_what_it_uses_what_its_logs_say_and_what_operators_ask() {
    let Some(story) = Story::begin().await else {
        return;
    };
    story.visit("/lost-1?token=hunter2-hunter2").await;
    story.visit("/lost-2").await;
    rules_find_lines(&story).await;
    story.send_too_much().await;
    story.volume_is_filled().await;
    operators_get_answers(&story);
    strangers_get_none(&story);
    tokio::task::block_in_place(|| it_is_written_down(&story));
    a_restart_finds_nothing_twice(story).await;
}

/// The page says where, the line itself is for the staff, without what looks secret.
async fn rules_find_lines(story: &Story) {
    let page = wait_until(SETUP, "a line that a rule found", async || {
        let page = story.get("/servers/acme/acme-1").await;
        page.contains("lost-page").then_some(page)
    });
    let page = page.await.unwrap();
    assert!(!page.contains("/lost-1"), "logs are not public");
    let status = story.get("/api/v1/status").await;
    assert!(status.contains("lost-page") && !status.contains("/lost-1"));
    let found = story.told(&["matches"]);
    assert!(found.contains("GET /lost-1?token=[redacted]"), "{found}");
    assert!(!found.contains("hunter2"), "{found}");
    assert!(
        found.contains(&format!("lost-page {}/web", story.instance)),
        "{found}"
    );
}

fn operators_get_answers(story: &Story) {
    let web = format!("{}/web", story.instance);
    let log = story.told(&["logs", &web, "--lines", "20"]);
    assert!(
        log.contains("GET /lost-2") && !log.contains("hunter2"),
        "{log}"
    );
    assert!(log.lines().count() <= 20);
    let how = story.told(&["inspect", &web]);
    assert!(
        how.contains("state          running") && how.contains("[redacted]"),
        "{how}"
    );
    let port = story.world.servers[0].ports().sites.to_string();
    let probe = story.told(&["probe", "acme.test"]);
    assert!(probe.contains("200 OK") && probe.contains(&port), "{probe}");
    assert!(
        story
            .told(&["ports"])
            .contains(&format!("127.0.0.1:{port}"))
    );
    let volumes = story.told(&["volumes"]);
    let line = volumes.lines().find(|line| line.ends_with(&story.volume));
    let words: Vec<u64> = line
        .unwrap()
        .split_whitespace()
        .take(2)
        .map(|word| word.parse().unwrap())
        .collect();
    // A fresh PostgreSQL, which may still be making its files.
    assert!(words[0] > 10 << 20 && words[1] > 100, "{volumes}");
    let log = story.told(&["site-log", "acme.test"]);
    assert!(
        log.contains("client intended to send too large body: 2097152 bytes")
            && log.contains("POST /much"),
        "{log}"
    );
    for (what, reason) in [
        (&["logs", "other-html/web"][..], "is not on this server"),
        (&["probe", "other.test"], "no site of this server"),
        (
            &["logs", &format!("{}/db", story.instance)],
            "no container of a service db",
        ),
    ] {
        let output = story.ask("jo", what);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && error.contains(reason),
            "{what:?}: {error}"
        );
    }
}

fn strangers_get_none(story: &Story) {
    keygen(&story.key("eve"));
    for what in [&["ports"][..], &["matches"]] {
        let output = story.ask("eve", what);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success()
                && error.contains("not trusted here")
                && error.contains("signing_keys"),
            "{error}"
        );
        assert!(output.stdout.is_empty());
    }
}

/// Who, when, what, and what came of it; also of what was refused by the agent.
fn it_is_written_down(story: &Story) {
    let store = SqliteStore::open(&story.world.home.data().join("hub.db")).unwrap();
    let all: Vec<_> = store
        .audit_log(200)
        .wait()
        .unwrap()
        .into_iter()
        .filter(|entry| entry.act.starts_with("diagnose"))
        .map(|entry| format!("{} {}: {}", entry.subject, entry.act, entry.reason))
        .collect();
    let logs = format!(
        "acme/acme-1 diagnose: logs {}/web --lines 20: jo asks",
        story.instance
    );
    assert!(all.contains(&logs), "{all:#?}");
    assert!(
        all.iter().any(|line| line.ends_with("jo got a refusal")),
        "{all:#?}"
    );
    assert!(
        all.iter()
            .all(|line| !line.contains("eve") && !line.contains("hunter2"))
    );
}

/// How far a log was read is remembered; and after a while it is known what is used.
async fn a_restart_finds_nothing_twice(mut story: Story) {
    let positions = story.world.servers[0]
        .dir()
        .join("state/logs/positions.json");
    wait_until(SETUP, "what was read to be noted", async || {
        positions.exists().then_some(())
    })
    .await
    .unwrap();
    story.world.servers[0].kill_agent();
    // Nobody reads while this is written.
    story.visit("/late-1").await;
    story.world.servers[0].start().unwrap();
    let found = wait_until(SETUP, "what was written meanwhile", async || {
        let found = story.told(&["matches"]);
        found.contains("GET /late-1").then_some(found)
    });
    let found = found.await.unwrap();
    assert_eq!(found.matches("> ").count(), 2, "{found}");
    let address = "/api/v1/servers/acme/acme-1/usage?range=6h";
    let usage = wait_until(SETUP, "usage", async || {
        let usage: serde_json::Value = serde_json::from_str(&story.get(address).await).ok()?;
        let seen = |service: &(String, &str), quantity: &str| {
            let points = usage["containers"][&service.0][service.1].as_array();
            points.is_some_and(|all| all.iter().any(|point| point[quantity].is_array()))
        };
        let book = story.instance.replace("-html", "-guestbook");
        let all = [
            (story.instance.clone(), "web"),
            (book.clone(), "web"),
            (book, "db"),
        ];
        let told = all.iter().all(|one| {
            ["memory", "cpu", "network_in"]
                .iter()
                .all(|it| seen(one, it))
        });
        told.then_some(usage)
    });
    let usage = usage.await.unwrap();
    let host = &usage["host"][0];
    let spread = |point: &serde_json::Value, quantity: &str| {
        let [least, mean, greatest] = [0, 1, 2].map(|at| point[quantity][at].as_u64().unwrap());
        assert!(least <= mean && mean <= greatest, "{quantity}: {point}");
        greatest
    };
    for quantity in ["cpu", "memory", "disk"] {
        assert!(spread(host, quantity) > 0, "{quantity}: {host}");
    }
    // The guestbook asked its database over their network: its health check does.
    let book = story.instance.replace("-html", "-guestbook");
    for (service, quantity) in [
        ("db", "network_in"),
        ("db", "network_out"),
        ("web", "network_in"),
        ("web", "cpu"),
    ] {
        let points = usage["containers"][&book][service].as_array().unwrap();
        let told = points.iter().filter(|point| point[quantity].is_array());
        let most = told.map(|point| spread(point, quantity)).max();
        assert!(most > Some(0), "{quantity} of {service}: {usage}");
    }
    let hosts = usage["host"].as_array().unwrap();
    for quantity in ["disk_read", "disk_write", "network_in", "network_out"] {
        let mut told = hosts.iter().filter(|point| point[quantity].is_array());
        assert!(told.next().is_some(), "{quantity}: {usage}");
    }
    let point = &usage["containers"][&story.instance]["web"][0];
    let memory = point["memory"][1].as_u64().unwrap();
    assert!((500_000..500_000_000).contains(&memory), "{point}");
    let page = story.get("/servers/acme/acme-1?range=6h").await;
    assert!(page.contains("<svg") && page.contains("Processor") && !page.contains("<script>"));
}
