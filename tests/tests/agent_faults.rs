//! What an agent must survive (DESIGN 10): being killed anywhere, losing its ledger or its hub, and people who change things behind its back.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tenantry_planner::status::{FleetStatus, Phase};
use tenantry_schema::wire::{EventKind, InstancePhase, Report, ReportBatch};
use tenantry_tests::lab::{Port, wait_until};
use tenantry_tests::rig::{Middleman, World, page_until};

const SOON: Duration = Duration::from_secs(30);
const SETUP: Duration = Duration::from_mins(2);
const SEED: u64 = 0x7e4a_0003;
const KILLS: usize = 50;

/// A stack of two services, whose variable goes into both and whose file is seen by one.
const COMPOSE: &str = "services:
  web:
    image: nginx:1.30
    ports: [\"127.0.0.1:${SITE_PORT}:80\"]
    environment: { COLOUR: \"${COLOUR:-none}\" }
    depends_on: [side]
    stop_grace_period: 1s
    volumes: [\"./files/html:/usr/share/nginx/html:ro\", \"kept:/kept\"]
  side:
    image: nginx:1.30
    environment: { COLOUR: \"${COLOUR:-none}\" }
    stop_grace_period: 1s
volumes:
  kept: {}
";
const STACK: &str = "title: Pair
site: { service: web, port: 80, host: \"@\" }
parameters:
  TITLE: { default: none }
smoke: GET /
";
const PAGE: &str = "<!doctype html><title>{{ TITLE }}</title><p>{{ TITLE }}</p></html>\n";

/// One server with one order of the stack `pair`.
struct One {
    world: World,
    order: String,
}

fn order(number: usize) -> String {
    format!("plan: pro\ndomain: acme.test\ntools:\n  pair:\n    parameters: {{ TITLE: title-{number} }}\n    env: {{ COLOUR: colour-{} }}\n", number / 2)
}

impl One {
    async fn start(world: Option<World>) -> Option<Self> {
        let mut world = world?;
        let order_id = world.lab.name("site");
        let fleet = &world.home.fleet;
        fleet.write("stacks/pair/compose.yaml", COMPOSE).unwrap();
        fleet.write("stacks/pair/stack.yaml", STACK).unwrap();
        fleet.write("stacks/pair/files/html/index.html.j2", PAGE).unwrap();
        fleet.write("fleet/customers/acme/servers/acme-1.yaml", &world.servers[0].document("")).unwrap();
        fleet.write(&format!("fleet/customers/acme/orders/{order_id}.yaml"), &order(0)).unwrap();
        fleet.commit("an order").unwrap();
        world.servers[0].start().unwrap();
        let one = Self { world, order: order_id };
        one.world.home.hub().wait_for(SETUP, "fulfilment", |status| status.totals.fulfilled == 1).await.unwrap();
        Some(one)
    }

    fn edit(&self, number: usize) {
        let fleet = &self.world.home.fleet;
        fleet.pull().unwrap();
        fleet.write(&format!("fleet/customers/acme/orders/{}.yaml", self.order), &order(number)).unwrap();
        fleet.commit(&format!("title {number}")).unwrap();
    }

    fn state(&self) -> std::path::PathBuf {
        self.world.servers[0].dir().join("state")
    }

    fn container(&self, service: &str) -> String {
        format!("{}-pair-{service}-1", self.order)
    }

    async fn page(&self, text: &str) {
        page_until(&self.world.servers[0], "acme.test", text, SETUP).await.unwrap();
    }

    /// Waits until the hub hears that the server agrees with its slice and everything is healthy.
    async fn agrees(&self) -> FleetStatus {
        let agrees = |status: &FleetStatus| {
            status.servers.iter().all(|server| {
                server.in_sync && server.accepted == server.published && server.instances.iter().all(|i| i.phase == InstancePhase::Healthy)
            })
        };
        let status = self.world.home.hub().wait_for(SETUP, "agreement", agrees).await.unwrap();
        let names = [self.container("side"), self.container("web")];
        let calm = wait_until(SOON, "two containers and no more", async || {
            let running = self.world.running().ok()?;
            (running.keys().eq(&names) && self.world.containers().ok()?.keys().eq(&names)).then_some(())
        });
        calm.await.unwrap();
        status
    }

    /// What the server is, without what is drawn anew each time: settings of containers, live files, sites, secret files.
    fn shape(&self) -> BTreeMap<String, String> {
        let mut shape = BTreeMap::new();
        let world = &self.world;
        for name in world.containers().unwrap().keys() {
            let facts: serde_json::Value = serde_json::from_str(&world.docker(&["inspect", name]).unwrap()).unwrap();
            let facts = &facts[0];
            let mut labels = facts["Config"]["Labels"].clone();
            // Compose writes the ids of what a container depends on here, and we the time of making.
            labels.as_object_mut().unwrap().retain(|key, _| !key.contains("depends") && !key.contains("replace"));
            let networks: Vec<_> = facts["NetworkSettings"]["Networks"].as_object().unwrap().keys().cloned().collect();
            let text = format!(
                "{} {} {} {labels} {} {} {networks:?}",
                facts["State"]["Running"], facts["Image"], facts["Config"]["Env"], facts["HostConfig"]["PortBindings"], facts["HostConfig"]["Binds"]
            );
            shape.insert(name.clone(), text);
        }
        let dir = world.servers[0].dir();
        for folder in [world.live(0), world.memory(0), dir.join("nginx/conf/tenantry/sites")] {
            walk(&folder, &mut |path, bytes| {
                shape.insert(path.display().to_string(), String::from_utf8_lossy(bytes).into_owned());
            });
        }
        shape
    }
}

fn walk(folder: &Path, found: &mut impl FnMut(&Path, &[u8])) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            walk(&entry.path(), found);
        } else if let Ok(bytes) = std::fs::read(entry.path()) {
            found(&entry.path(), &bytes);
        }
    }
}

#[tokio::test]
async fn an_agent_killed_at_random_instants_ends_where_a_clean_run_does() {
    let Some(mut one) = One::start(World::open(&["acme/acme-1"]).await).await else { return };
    let mut rng = StdRng::seed_from_u64(SEED);
    let ledger_file = one.state().join("ledger.json");
    let mut generation = 0;
    let (mut in_the_middle, mut most) = (0, 0);
    for kill in 1..=KILLS {
        // Often the same slice again, so that a second and a third start meet what the first left half done.
        if kill % 2 == 0 {
            one.edit(kill);
        }
        one.world.servers[0].kill_agent();
        one.world.servers[0].start().unwrap();
        tokio::time::sleep(Duration::from_millis(rng.random_range(5..900))).await;
        one.world.servers[0].kill_agent();

        let ledger: serde_json::Value = serde_json::from_slice(&std::fs::read(&ledger_file).unwrap()).expect("the ledger can be read");
        let accepted = ledger["accepted"]["generation"].as_u64().unwrap();
        assert!(accepted >= generation, "the ledger went back from {generation} to {accepted}");
        generation = accepted;
        in_the_middle += usize::from(ledger["converged"] != ledger["accepted"]["content"]);
        walk(&one.world.live(0), &mut |path, bytes| {
            let text = String::from_utf8_lossy(bytes);
            let whole = !path.ends_with("index.html") || (text.starts_with("<!doctype") && text.ends_with("</html>\n"));
            assert!(whole, "kill {kill}: {} is half written: {text}", path.display());
        });
        most = most.max(one.world.containers().unwrap().len());
    }
    assert!(in_the_middle >= KILLS / 5, "only {in_the_middle} of {KILLS} kills met an agent at work");
    // What was half replaced is finished by the next pass: it does not pile up.
    eprintln!("{in_the_middle} of {KILLS} kills met an agent at work; at most {most} containers at a time");
    assert!(most <= 8, "{most} containers for two services");
    one.world.servers[0].start().unwrap();
    one.page(&format!("title-{KILLS}")).await;
    let status = one.agrees().await;
    assert!(status.servers[0].refusals.is_empty(), "{:?}", status.servers[0].refusals);
    let survived = one.shape();
    walk(&one.world.live(0), &mut |path, _| assert!(path.extension().is_none_or(|ending| ending != "tmp"), "{} is left over", path.display()));

    // A clean run of the same slice: nothing of what was there before but keys and data.
    one.world.servers[0].kill_agent();
    for name in one.world.containers().unwrap().keys() {
        one.world.docker(&["rm", "--force", name]).unwrap();
    }
    for part in ["ledger.json", "slices", "live", "outbox"] {
        let path = one.state().join(part);
        let _ = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
    }
    one.world.servers[0].start().unwrap();
    one.page(&format!("title-{KILLS}")).await;
    one.agrees().await;
    assert_eq!(one.shape(), survived);
}

#[tokio::test]
async fn what_people_change_by_hand_is_put_back() {
    let Some(mut one) = One::start(World::open(&["acme/acme-1"]).await).await else { return };
    one.page("title-0").await;
    one.agrees().await;
    let before = one.shape();
    let dir = one.world.servers[0].dir().to_owned();
    let site = dir.join("nginx/conf/tenantry/sites");
    let site = std::fs::read_dir(&site).unwrap().flatten().find(|entry| entry.file_name().to_string_lossy().contains("acme.test")).unwrap().path();
    let page = one.world.live(0).join(format!("{}-pair/files/html/index.html", one.order));
    let page = if page.exists() { page } else { find(&one.world.live(0), "index.html") };
    let (web, side) = (one.container("web"), one.container("side"));
    let steps: Vec<(&str, Box<dyn Fn(&World)>)> = vec![
        ("a removed container", Box::new({ let web = web.clone(); move |world| drop(world.docker(&["rm", "--force", &web]).unwrap()) })),
        ("both containers removed", Box::new(move |world| drop(world.docker(&["rm", "--force", &web, &side]).unwrap()))),
        ("a stopped container", Box::new({ let side = one.container("side"); move |world| drop(world.docker(&["stop", "--timeout", "0", &side]).unwrap()) })),
        ("an edited site", Box::new({ let site = site.clone(); move |_| std::fs::write(&site, "# by hand\n").unwrap() })),
        ("a deleted site", Box::new({ let site = site.clone(); move |_| std::fs::remove_file(&site).unwrap() })),
        ("a broken site", Box::new({ let site = site.clone(); move |_| std::fs::write(&site, "server { broken\n").unwrap() })),
        ("an edited page", Box::new({ let page = page.clone(); move |_| std::fs::write(&page, "defaced").unwrap() })),
        ("a deleted page", Box::new({ let page = page.clone(); move |_| std::fs::remove_file(&page).unwrap() })),
        ("a link in its place", Box::new({ let page = page.clone(); move |_| { std::fs::remove_file(&page).unwrap(); std::os::unix::fs::symlink("/etc/hostname", &page).unwrap(); } })),
    ];
    for (what, change) in &steps {
        change(&one.world);
        let at = std::time::Instant::now();
        let mended = wait_until(SOON, what, async || (one.shape() == before).then_some(()));
        if mended.await.is_err() {
            let now = one.shape();
            let differs: Vec<_> = before.iter().filter(|(key, value)| now.get(*key) != Some(value)).map(|(key, _)| key).collect();
            panic!("{what}: not put back: {differs:?}");
        }
        eprintln!("{what}: put back after {:?}", at.elapsed());
        one.page("title-0").await;
    }
    assert!(!std::fs::symlink_metadata(&page).unwrap().is_symlink());
    assert!(!std::fs::read_to_string("/etc/hostname").unwrap().contains("title-0"), "it wrote through a link");

    // Its ledger deleted: no restart, no refusal, the same state.
    one.agrees().await;
    let running = one.world.running().unwrap();
    one.world.servers[0].kill_agent();
    std::fs::remove_file(one.state().join("ledger.json")).unwrap();
    one.world.servers[0].start().unwrap();
    let ledger = one.state().join("ledger.json");
    let back = wait_until(SETUP, "a new ledger", async || {
        let ledger: serde_json::Value = serde_json::from_slice(&std::fs::read(&ledger).ok()?).ok()?;
        (ledger["converged"].is_string() && ledger["converged"] == ledger["accepted"]["content"]).then_some(())
    });
    back.await.unwrap();
    let status = one.agrees().await;
    assert!(status.servers[0].refusals.is_empty());
    assert_eq!(one.world.running().unwrap(), running, "losing the ledger restarted something");
    assert_eq!(one.shape(), before);
}

fn find(folder: &Path, name: &str) -> std::path::PathBuf {
    let mut found = None;
    walk(folder, &mut |path, _| {
        if path.ends_with(name) {
            found = Some(path.to_owned());
        }
    });
    found.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_hub_an_agent_heals_and_reports_afterwards_in_order_and_once() {
    let port = Port::reserve().unwrap();
    let Some(world) = World::open_behind(&["acme/acme-1"], port.number()).await else { return };
    let middleman = Middleman::start(port.number(), &world.home.url()).await.unwrap();
    let Some(mut one) = One::start(Some(world)).await else { return };
    one.page("title-0").await;
    one.agrees().await;
    let heard = reports(&middleman).len();
    one.world.home.kill();
    for round in 0..3 {
        one.world.docker(&["kill", &one.container("web")]).unwrap();
        let name = one.container("web");
        let killed = wait_until(SOON, "healing without a hub", async || one.world.running().ok()?.contains_key(&name).then_some(()));
        killed.await.unwrap();
        one.page("title-0").await;
        tokio::time::sleep(Duration::from_millis(600)).await;
        if round == 1 {
            // The agent, too, is restarted meanwhile: what it had to tell is on disk.
            one.world.servers[0].kill_agent();
            one.world.servers[0].start().unwrap();
            tokio::time::sleep(Duration::from_millis(600)).await;
        }
    }
    assert_eq!(reports(&middleman).len(), heard, "nobody was there to hear");
    one.world.home.start().await.unwrap();
    let outbox = one.state().join("outbox");
    let delivered = wait_until(SETUP, "delivery of what waited", async || std::fs::read_dir(&outbox).ok()?.next().is_none().then_some(()));
    delivered.await.unwrap();
    let all = reports(&middleman);
    let numbers: Vec<u64> = all.iter().map(|report| report.sequence).collect();
    let expected: Vec<u64> = (numbers[0]..=*numbers.last().unwrap()).collect();
    assert_eq!(numbers, expected, "in order, once, none missing");
    assert!(all.windows(2).all(|pair| pair[0].taken_at <= pair[1].taken_at));
    let count = |kind| all[heard..].iter().flat_map(|report| &report.events).filter(|event| event.kind == kind).count();
    assert!(count(EventKind::ContainerDied) >= 3 && count(EventKind::Repaired) >= 3, "{:?}", all[heard..].iter().flat_map(|r| &r.events).collect::<Vec<_>>());
    let status = one.agrees().await;
    let deaths = status.servers[0].events.iter().filter(|event| event.kind == EventKind::ContainerDied).count();
    assert_eq!(deaths, 3, "{:#?}", status.servers[0].events);
    assert_eq!(status.orders[0].phase, Phase::Fulfilled);
}

/// Every report that the hub has acknowledged, in the order of delivery.
fn reports(middleman: &Middleman) -> Vec<Report> {
    let batches = middleman.reports();
    batches.iter().flat_map(|body| serde_json::from_slice::<ReportBatch>(body).unwrap().reports).collect()
}
