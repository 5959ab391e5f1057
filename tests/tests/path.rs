//! The whole path with real parts: order, fulfilment, HTTPS, healing, roll-out of what changed alone, stopping, removing, observing.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};
use tenantry_planner::status::{FleetStatus, Phase};
use tenantry_planner::waiting::WaitingOn;
use tenantry_schema::wire::InstancePhase;
use tenantry_tests::lab::{https, wait_until};
use tenantry_tests::rig::read::decrypt;
use tenantry_tests::rig::{Server, World, page_until};

const SOON: Duration = Duration::from_secs(30);
const SETUP: Duration = Duration::from_mins(2);

fn all_fulfilled(status: &FleetStatus) -> bool {
    !status.orders.is_empty()
        && status
            .orders
            .iter()
            .all(|order| order.phase == Phase::Fulfilled)
        && settled(status)
}

fn settled(status: &FleetStatus) -> bool {
    status.servers.iter().all(|server| {
        let calm = |phase| matches!(phase, InstancePhase::Healthy | InstancePhase::Stopped);
        server.in_sync && server.instances.iter().all(|instance| calm(instance.phase))
    })
}

/// Containers whose name contains `part`, with id and start time.
fn only(all: &BTreeMap<String, String>, part: &str) -> BTreeMap<String, String> {
    all.iter()
        .filter(|(name, _)| name.contains(part))
        .map(|(name, facts)| (name.clone(), facts.clone()))
        .collect()
}

/// Files below `folder` whose content contains `needle`.
fn files_with(folder: &Path, needle: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files_with(&path, needle, found);
        } else if std::fs::read(&path).is_ok_and(|bytes| {
            bytes
                .windows(needle.len())
                .any(|window| window == needle.as_bytes())
        }) {
            found.push(path.display().to_string());
        }
    }
}

struct Story {
    world: World,
    order: String,
    path: String,
}

impl Story {
    async fn begin(tools: &str, server: &str) -> Option<Self> {
        Self::begin_at(tools, |it| it.document(server)).await
    }

    async fn begin_at(tools: &str, document: impl Fn(&Server) -> String) -> Option<Self> {
        let mut world = World::open(&["acme/acme-1"]).await?;
        let order = world.lab.name("site");
        let path = format!("fleet/customers/acme/orders/{order}.yaml");
        let fleet = &world.home.fleet;
        fleet
            .write(
                "fleet/customers/acme/servers/acme-1.yaml",
                &document(&world.servers[0]),
            )
            .unwrap();
        fleet
            .write(
                &path,
                &format!("plan: pro\ndomain: acme.test\ntools:\n{tools}"),
            )
            .unwrap();
        fleet.commit("an order").unwrap();
        world.servers[0].start().unwrap();
        Some(Self { world, order, path })
    }

    fn edit(&self, from: &str, to: &str) {
        let fleet = &self.world.home.fleet;
        fleet.pull().unwrap();
        fleet.edit(&self.path, from, to).unwrap();
        fleet.commit("an edit").unwrap();
    }

    async fn until(&self, what: &str, condition: impl FnMut(&FleetStatus) -> bool) -> FleetStatus {
        self.world
            .home
            .hub()
            .wait_for(SETUP, what, condition)
            .await
            .unwrap()
    }

    /// Waits until the hub has read the newest commit and the server agrees with it.
    async fn rolled_out(&self, what: &str) -> FleetStatus {
        let head = self.world.home.fleet.head().unwrap();
        let mut still = 0;
        self.until(what, |status| {
            let good = settled(status)
                && status.commit.as_ref().is_some_and(|commit| {
                    commit.generation > 0 && (commit.id == head || still > 0)
                });
            still = if good { still + 1 } else { 0 };
            still >= 8
        })
        .await
    }
}

#[tokio::test]
async fn an_order_lives_through_healing_edits_stopping_and_removal() {
    let tools = "  html:\n    parameters: { TITLE: First title }\n  guestbook:\n    parameters: { TITLE: Guests }\n";
    let Some(story) = Story::begin(tools, "").await else {
        return;
    };
    let Story { world, order, .. } = &story;
    story.until("fulfilment", all_fulfilled).await;
    let server = &world.servers[0];
    page_until(server, "acme.test", "First title", SOON)
        .await
        .unwrap();
    page_until(server, "guestbook.acme.test", "Guests", SOON)
        .await
        .unwrap();

    // The generated secret: in memory alone, closed to others, and in no container's settings.
    let decisions = world.home.fleet.decisions().unwrap();
    let secrets = &decisions[&format!("fleet/decisions/acme/{order}/tools/guestbook.secrets.yaml")];
    let password =
        decrypt(secrets, &world.home.fleet.hub_identities().unwrap()).unwrap()["DB_PASSWORD"]
            .clone();
    let mut found = Vec::new();
    files_with(world.home.dir(), &password, &mut found);
    assert_eq!(found, Vec::<String>::new(), "the secret is on disk");
    let memory = world.memory(0);
    files_with(&memory, &password, &mut found);
    assert_eq!(
        found,
        [memory
            .join(format!("{order}-guestbook/DB_PASSWORD"))
            .display()
            .to_string()]
    );
    let mode = std::fs::metadata(&memory).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o700, "others can enter the folder of secret files");
    for name in world.containers().unwrap().keys() {
        let settings = world.docker(&["inspect", name]).unwrap();
        assert!(
            !settings.contains(&password),
            "the secret is in the settings of {name}"
        );
    }

    // An entry in the database, to see again later.
    let client = https::client(&["guestbook.acme.test"], https::Trust::Anything).unwrap();
    let url = format!(
        "https://guestbook.acme.test:{}/entries",
        server.ports().https
    );
    let entry = client
        .post(&url)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body("name=Ada&message=remember+me");
    assert_eq!(entry.send().await.unwrap().status(), 303);
    page_until(server, "guestbook.acme.test", "remember me", SOON)
        .await
        .unwrap();

    // Killed: healed.
    let before = world.running().unwrap();
    assert_eq!(before.len(), 3, "{before:?}");
    world
        .docker(&["kill", &format!("{order}-html-web-1")])
        .unwrap();
    let killed = Instant::now();
    page_until(server, "acme.test", "First title", SOON)
        .await
        .unwrap();
    eprintln!("healed after {:?}", killed.elapsed());
    let after = world.running().unwrap();
    assert_eq!(
        only(&after, "guestbook"),
        only(&before, "guestbook"),
        "healing touched another tool"
    );

    // A file changes, then a variable: what uses them is rolled out, and nothing else.
    let before = world.running().unwrap();
    story.edit("First title", "Second title");
    page_until(server, "acme.test", "Second title", SOON)
        .await
        .unwrap();
    assert_eq!(
        only(&world.running().unwrap(), "guestbook"),
        only(&before, "guestbook"),
        "a changed file restarted another tool"
    );
    // The page is seen before the container is made anew.
    story.rolled_out("the page").await;
    let before = world.running().unwrap();
    story.edit("TITLE: Guests }", "TITLE: Visitors }");
    page_until(server, "guestbook.acme.test", "Visitors", SOON)
        .await
        .unwrap();
    story.rolled_out("the variable").await;
    let after = world.running().unwrap();
    assert_ne!(
        only(&after, "guestbook-web"),
        only(&before, "guestbook-web")
    );
    assert_eq!(
        only(&after, "guestbook-db"),
        only(&before, "guestbook-db"),
        "the database was restarted"
    );
    assert_eq!(
        only(&after, "html"),
        only(&before, "html"),
        "another tool was restarted"
    );
    page_until(server, "guestbook.acme.test", "remember me", SOON)
        .await
        .unwrap();

    // Stopped, and started again: the data is still there.
    story.edit(
        "    parameters: { TITLE: Visitors }",
        "    state: stopped\n    parameters: { TITLE: Visitors }",
    );
    story
        .until("the stop", |status| {
            status.servers[0]
                .instances
                .iter()
                .any(|instance| instance.phase == InstancePhase::Stopped)
        })
        .await;
    assert_eq!(
        only(&world.running().unwrap(), "guestbook"),
        BTreeMap::new()
    );
    page_until(server, "acme.test", "Second title", SOON)
        .await
        .unwrap();
    story.edit("    state: stopped\n", "");
    page_until(server, "guestbook.acme.test", "remember me", SOON)
        .await
        .unwrap();
    assert_eq!(
        only(&world.running().unwrap(), "html"),
        only(&after, "html")
    );
    story.rolled_out("the start").await;

    // Removed: containers and site gone, the volume stays; put back, the data is there.
    let volume = format!("{order}-guestbook_data");
    story.edit("  guestbook:\n    parameters: { TITLE: Visitors }\n", "");
    let gone = wait_until(SOON, "the end of the guest book's containers", async || {
        only(&world.containers().ok()?, "guestbook")
            .is_empty()
            .then_some(())
    });
    gone.await.unwrap();
    world.docker(&["volume", "inspect", &volume]).unwrap();
    let sites = server.dir().join("nginx/conf/tenantry/sites");
    let gone = wait_until(SOON, "the end of its site", async || {
        std::fs::read_dir(&sites)
            .ok()?
            .flatten()
            .all(|entry| !entry.file_name().to_string_lossy().contains("guestbook"))
            .then_some(())
    });
    gone.await.unwrap();
    let secret = memory.join(format!("{order}-guestbook/DB_PASSWORD"));
    let gone = wait_until(SOON, "the end of its secret file", async || {
        (!secret.exists()).then_some(())
    });
    gone.await.unwrap();
    page_until(server, "acme.test", "Second title", SOON)
        .await
        .unwrap();
    story.edit("  html:\n", "  guestbook:\n  html:\n");
    page_until(server, "guestbook.acme.test", "remember me", SOON)
        .await
        .unwrap();
    assert_eq!(
        world.home.fleet.rewritten_decisions().unwrap(),
        Vec::<String>::new()
    );
    let decisions = world.home.fleet.decisions().unwrap();
    let secrets = &decisions[&format!("fleet/decisions/acme/{order}/tools/guestbook.secrets.yaml")];
    assert_eq!(
        decrypt(secrets, &world.home.fleet.hub_identities().unwrap()).unwrap()["DB_PASSWORD"],
        password
    );
}

/// The page and what leads to it, as visitors by IPv4 and by IPv6 get them.
async fn seen_by_both(server: &Server, host: &str, title: &str) {
    for address in ["127.0.0.1", "::1"] {
        let address = address.parse().unwrap();
        let client = https::client_at(address, &[host], https::Trust::Anything).unwrap();
        let get = async |url: String| client.get(url).send().await.ok();
        let url = format!("https://{host}:{}/", server.ports().https);
        let what = format!("{host} at {address}");
        let seen = wait_until(SOON, &what, async || {
            let answer = get(url.clone()).await?;
            assert_eq!(answer.version(), reqwest::Version::HTTP_2);
            answer.text().await.ok()?.contains(title).then_some(())
        });
        seen.await.unwrap();
        let plain = get(format!("http://{host}:{}/", server.ports().http)).await;
        let plain = plain.unwrap();
        assert_eq!(plain.status(), 301, "{address}");
        assert_eq!(plain.headers()["location"], url, "{address}");
        // Names that nobody ordered.
        let ports = [
            ("http", server.ports().http),
            ("https", server.ports().https),
        ];
        for (scheme, port) in ports {
            let here = std::net::SocketAddr::new(address, port);
            tokio::net::TcpStream::connect(here).await.unwrap();
            let answer = get(format!("{scheme}://{here}/")).await;
            assert!(answer.is_none(), "{scheme}://{here} answers {answer:?}");
        }
    }
}

#[tokio::test]
async fn visitors_come_by_ipv4_and_by_ipv6_and_a_new_template_touches_no_container() {
    let everywhere = |server: &Server| server.document_everywhere("");
    let tools = "  html:\n    revision: main\n    parameters: { TITLE: Both ways }\n";
    let Some(story) = Story::begin_at(tools, everywhere).await else {
        return;
    };
    story.until("fulfilment", all_fulfilled).await;
    let world = &story.world;
    let server = &world.servers[0];
    seen_by_both(server, "acme.test", "Both ways").await;

    let before = world.running().unwrap();
    let fleet = &world.home.fleet;
    fleet.pull().unwrap();
    let (old, new) = (
        "    server_tokens off;\n",
        "    server_tokens off;\n    etag off;\n",
    );
    fleet.edit("nginx/default.conf", old, new).unwrap();
    fleet.commit("another template").unwrap();
    let site = server
        .dir()
        .join("nginx/conf/tenantry/sites/acme.test.conf");
    let rendered = wait_until(SOON, "the new template", async || {
        let text = std::fs::read_to_string(&site).ok()?;
        text.contains("etag off;").then_some(text)
    });
    let rendered = rendered.await.unwrap();
    assert_eq!(rendered.matches("listen [::]:").count(), 2, "{rendered}");
    story.rolled_out("the new template").await;
    seen_by_both(server, "acme.test", "Both ways").await;
    assert_eq!(world.running().unwrap(), before, "a container was touched");
}

#[tokio::test]
async fn observing_changes_nothing_and_says_what_it_would_do() {
    let Some(story) = Story::begin("  html:\n", "manage: observe\n").await else {
        return;
    };
    let Story { world, order, .. } = &story;
    let observed = |status: &FleetStatus| {
        status
            .orders
            .iter()
            .flat_map(|order| &order.waiting)
            .any(|reason| matches!(reason, WaitingOn::ObserveOnly { .. }))
    };
    let status = story.until("the reason", observed).await;
    assert_ne!(status.orders[0].phase, Phase::Fulfilled);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let server = &world.servers[0];
    assert_eq!(world.containers().unwrap(), BTreeMap::new());
    let nothing = |folder: &Path| std::fs::read_dir(folder).map_or(0, Iterator::count) == 0;
    assert!(
        nothing(&world.live(0))
            && nothing(&server.dir().join("nginx/conf/tenantry/sites"))
            && nothing(&world.memory(0))
    );
    let diff = server.run_agent(&["diff"]).unwrap();
    let said = String::from_utf8_lossy(&diff.stdout).into_owned();
    assert_eq!(diff.status.code(), Some(2), "{said}");
    for part in [&format!("{order}-html"), "web", "index.html", "acme.test"] {
        assert!(
            said.contains(part),
            "the diff does not speak of {part}: {said}"
        );
    }

    // Told to manage: it does. Told to observe again: drift is told, not mended.
    let document = "fleet/customers/acme/servers/acme-1.yaml";
    let manage = |from: &str, to: &str| {
        world.home.fleet.pull().unwrap();
        world.home.fleet.edit(document, from, to).unwrap();
        world.home.fleet.commit("manage").unwrap();
    };
    manage("manage: observe", "manage: full");
    story.until("fulfilment", all_fulfilled).await;
    let before = world.running().unwrap();
    manage("manage: full", "manage: observe");
    story.rolled_out("the new mode").await;
    assert_eq!(world.running().unwrap(), before);
    world
        .docker(&["stop", "--timeout", "0", &format!("{order}-html-web-1")])
        .unwrap();
    let status = story
        .until("the drift", |status| {
            status.servers[0]
                .instances
                .iter()
                .any(|instance| instance.phase != InstancePhase::Healthy)
        })
        .await;
    assert!(
        status.orders[0].phase == Phase::Fulfilled,
        "an old order falls back"
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        world.running().unwrap(),
        BTreeMap::new(),
        "drift was mended although only observing"
    );
    manage("manage: observe", "manage: full");
    page_until(server, "acme.test", "Welcome", SOON)
        .await
        .unwrap();
}
