//! Random chains of slices, with agents that are killed and slices that overtake each other in between: in the end the server is what
//! one is that was given the last slice alone.

use crate::common::{Files, files, seed, shut_window, skip_without};
use crate::lab::{self, lab};
use crate::rig::{Agent, Rig};
use crate::shape::{Shape, ids};
use bollard::query_parameters::RemoveContainerOptionsBuilder;
use rand::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// Slices of a chain.
const LENGTH: usize = 5;
/// Chains in a usual run, from [`seed`] on; `TENANTRY_CHAINS` asks for more.
const CHAINS: u64 = 2;

/// How often the maintenance window is shut.
const SHUT: f64 = 0.4;

/// One service of a stack.
#[derive(Debug, Clone)]
struct Service {
    image: u8,
    colour: u8,
    networks: Vec<&'static str>,
    file: bool,
    folder: bool,
    secret: bool,
    volume: bool,
    after: bool,
}

/// One stack.
#[derive(Debug, Clone)]
struct Stack {
    running: bool,
    services: Vec<Service>,
    page: u8,
    network: u8,
    internal: bool,
    secret: u8,
    site: Option<u8>,
    data: bool,
}

/// All stacks of a slice.
type Wish = BTreeMap<&'static str, Stack>;

fn service(random: &mut StdRng) -> Service {
    let networks = ["front", "back"].into_iter();
    Service {
        image: random.random_range(1..3),
        colour: random.random_range(0..3),
        networks: networks.filter(|_| random.random_bool(0.6)).collect(),
        file: random.random_bool(0.5),
        folder: random.random_bool(0.3),
        secret: random.random_bool(0.4),
        volume: random.random_bool(0.3),
        after: random.random_bool(0.3),
    }
}

fn stack(random: &mut StdRng) -> Stack {
    let count = random.random_range(1..4);
    Stack {
        running: random.random_bool(0.8),
        services: (0..count).map(|_| service(random)).collect(),
        page: random.random_range(0..3),
        network: random.random_range(0..2),
        internal: random.random_bool(0.2),
        secret: random.random_range(0..2),
        site: random.random_bool(0.5).then(|| random.random_range(0..3)),
        data: random.random_bool(0.3),
    }
}

/// Another wish, which has much in common with the one before.
fn next(wish: &Wish, random: &mut StdRng) -> Wish {
    let mut next = wish.clone();
    for name in ["a", "b", "c"] {
        match (next.contains_key(name), random.random_range(0..10)) {
            (true, 0 | 1) => drop(next.remove(name)),
            (false, 0..6) | (true, 2) => drop(next.insert(name, stack(random))),
            (true, 3..8) => change(next.get_mut(name).unwrap(), random),
            _ => {}
        }
    }
    next
}

fn change(stack: &mut Stack, random: &mut StdRng) {
    let fresh = self::stack(random);
    match random.random_range(0..7) {
        0 => stack.running = !stack.running,
        1 => stack.page = fresh.page,
        2 => (stack.network, stack.internal) = (fresh.network, fresh.internal),
        3 => stack.secret = 1 - stack.secret,
        4 => stack.site = fresh.site,
        5 => stack.services.push(service(random)),
        _ => {
            let at = random.random_range(0..stack.services.len());
            stack.services[at] = service(random);
        }
    }
}

impl Stack {
    fn compose(&self) -> String {
        let mut text = format!(
            "networks: {{ front: {{ labels: {{ number: '{}' }} }}, back: {{ internal: {} }} }}\nvolumes: {{ data: {{}} }}\nsecrets: {{ token: {{ environment: TOKEN }} }}\nservices:\n",
            self.network, self.internal
        );
        for (at, service) in self.services.iter().enumerate() {
            let mounts = [
                (service.file, "./files/page.html:/page.html:ro"),
                (service.folder, "./files/www:/www:ro"),
                (service.volume, "data:/data"),
            ];
            let mounts: Vec<_> = mounts
                .iter()
                .filter(|(wanted, _)| *wanted)
                .map(|(_, it)| *it)
                .collect();
            let secrets = if service.secret { "[token]" } else { "[]" };
            let _ = writeln!(
                text,
                "  s{at}:\n    image: tenantry-test/busybox:{}\n    init: true\n    stop_grace_period: 1s\n    command: [sleep, '100000']\n    environment: {{ COLOUR: '{}' }}\n    volumes: {mounts:?}\n    secrets: {secrets}",
                service.image, service.colour
            );
            if !service.networks.is_empty() {
                let _ = writeln!(text, "    networks: {:?}", service.networks);
            }
            if service.after && at > 0 {
                let _ = writeln!(text, "    depends_on: [s{}]", at - 1);
            }
        }
        text
    }
}

/// `shut`: the maintenance window is.
fn slice(rig: &Rig, port: u16, wish: &Wish, shut: bool) -> Files {
    let mut host = "server: {customer: acme, server: acme-1}\nmanage: full\nweb: {http: 80, https: 443}\ninstances:".to_owned();
    if shut {
        host = host.replace(
            "manage: full",
            &format!("manage: full\nwindow: {}", shut_window()),
        );
    }
    if wish.is_empty() {
        host.push_str(" {}");
    }
    host.push('\n');
    let recipient = rig.world.agent.age.as_str();
    let mut all = Files::new();
    for (name, stack) in wish {
        let instance = format!("{}-{name}", rig.lab.project);
        let state = if stack.running { "running" } else { "stopped" };
        let site = format!("{name}.acme.example");
        let sites = match stack.site {
            Some(_) => format!("{{site: {{host: {site}, port: 20000}}}}"),
            None => "{}".to_owned(),
        };
        let _ = writeln!(
            host,
            "  {instance}: {{order: web, tool: html, state: {state}, has_data: {}, sites: {sites}}}",
            stack.data
        );
        let path = |file: &str| format!("stacks/{instance}/{file}");
        let token = format!("token-{}", stack.secret);
        let secrets = rig.world.secrets_for(recipient, &[("TOKEN", &token)]);
        all.extend(files(&[
            (&path("compose.yaml"), &stack.compose()),
            (&path(".env"), ""),
            (&path("files/page.html"), &format!("page {}", stack.page)),
            (
                &path("files/www/index.html"),
                &format!("www {}", stack.page),
            ),
            (&path(&format!("files/only-{}", stack.page)), ""),
            (&path("secrets.yaml"), &secrets),
        ]));
        if let Some(answer) = stack.site {
            let text = format!(
                "server {{ listen 127.0.0.1:{port}; server_name {site}; return 200 'answer {answer}'; }}\n"
            );
            all.extend(files(&[(&format!("sites/{site}.conf"), &text)]));
        }
    }
    all.extend(files(&[("host.yaml", &host)]));
    all
}

/// Nothing of the server is left but its keys.
async fn wipe(rig: &Rig) {
    lab::clean_up(&rig.lab.docker, &rig.lab.project).await;
    let left = ids(&rig.lab).await;
    assert!(left.is_empty(), "{left:?}\n{}", rig.log());
    rig.stop_web_server();
    let config = &rig.world.config;
    let keys = rig.world.folder.path().join("saved-keys");
    std::fs::rename(config.keys_folder(), &keys).unwrap();
    let folder = config.nginx.configuration.parent().unwrap();
    for folder in [&config.state, &config.secrets, &folder.to_owned()] {
        if folder.exists() {
            std::fs::remove_dir_all(folder).unwrap();
        }
    }
    std::fs::create_dir_all(config.keys_folder().parent().unwrap()).unwrap();
    std::fs::rename(&keys, config.keys_folder()).unwrap();
}

/// Somebody removes a container, if there is one.
async fn remove_one(rig: &Rig, random: &mut StdRng) {
    let Some(id) = ids(&rig.lab).await.into_values().choose(random) else {
        return;
    };
    let force = RemoveContainerOptionsBuilder::new().force(true).build();
    // The agent may be removing it, too.
    let _ = rig.lab.docker.remove_container(&id, Some(force)).await;
    let pause = random.random_range(0..1500);
    tokio::time::sleep(Duration::from_millis(pause)).await;
}

/// What comes of these slices, one after the other.
async fn run(rig: &mut Rig, port: u16, wishes: &[Wish], random: &mut StdRng) -> Shape {
    let mut agent: Option<Agent> = None;
    for (at, wish) in wishes.iter().enumerate() {
        let last = at + 1 == wishes.len();
        // What waits for a window that never opens is overtaken by the next slice.
        let shut = !last && random.random_bool(SHUT);
        let mut files = slice(rig, port, wish, shut);
        // No slice is the same as one before that the ledger says was reached.
        let host = files.get_mut("host.yaml").unwrap();
        host.extend(format!("# {at}\n").into_bytes());
        let generation = rig.publish(files);
        let mut running = agent.take().unwrap_or_else(|| rig.start(&[], &[]));
        if last || !shut && random.random_bool(0.4) {
            rig.until_done(&mut running, generation).await;
        } else {
            let pause = random.random_range(0..1200);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            if shut {
                remove_one(rig, random).await;
            }
        }
        if !last && random.random_bool(0.3) {
            running.kill();
        } else {
            agent = Some(running);
        }
    }
    let mut shape = rig.shape().await;
    for (name, stack) in wishes.last().unwrap() {
        if !stack.running {
            shape.leave_out_stopped(&format!("{}-{name}", rig.lab.project));
        }
    }
    shape
}

async fn chain(rig: &mut Rig, seed: u64) {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut random = StdRng::seed_from_u64(seed);
    let mut wishes = vec![Wish::new()];
    for _ in 0..LENGTH {
        let wish = next(wishes.last().unwrap(), &mut random);
        wishes.push(wish);
    }
    wishes.remove(0);
    let reached = run(rig, port, &wishes, &mut random).await;
    let said = rig.log();
    wipe(rig).await;
    let fresh = run(rig, port, &wishes[LENGTH - 1..], &mut random).await;
    assert!(
        reached == fresh,
        "seed {seed}: {wishes:#?}\nreached {reached:#?}\ninstead of {fresh:#?}\n{said}"
    );
    wipe(rig).await;
}

#[test]
#[expect(clippy::disallowed_methods, reason = "tests have no config.rs")]
fn the_last_slice_decides_whatever_came_before() {
    if skip_without("nginx") {
        return;
    }
    let chains = std::env::var("TENANTRY_CHAINS").ok();
    let chains = chains.map_or(CHAINS, |text| text.parse().unwrap());
    let first = seed();
    let seeds = first..first + chains;
    lab(|lab| async move {
        let mut rig = Rig::new(lab, Path::new("/var/run/docker.sock")).await;
        for seed in seeds {
            println!("seed {seed}");
            chain(&mut rig, seed).await;
        }
    });
}
