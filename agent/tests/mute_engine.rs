//! A container engine that takes requests and never answers: files and sites are healed, slices taken, the hub told.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use common::hub::Hub;
use common::{Running, World, files};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::UnixListener;
use tokio::task::JoinHandle;

/// Accepts, reads, never answers.
fn mute(listener: UnixListener) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    })
}

async fn world() -> (World, Arc<Hub>, JoinHandle<()>) {
    let mut world = World::with(|config| {
        config.docker = config.state.with_file_name("mute.sock");
    });
    let hub = Hub::start(&mut world).await;
    let engine = mute(UnixListener::bind(&world.config.docker).unwrap());
    (world, hub, engine)
}

fn page(text: &str) -> [(&'static str, &str); 1] {
    [("stacks/web-html/files/index.html", text)]
}

async fn wait(what: &str, within: Duration, good: impl Fn() -> bool) -> Duration {
    let begun = Instant::now();
    while !good() {
        assert!(begun.elapsed() < within, "{what}: not within {within:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_healed_slices_taken_and_the_hub_told() {
    let (world, hub, _engine) = world().await;
    hub.publish(&world, 1, world.html(&page("one")));
    let _agent = Running::start(&world);
    let file = world.state("live/web-html/files/index.html");
    let says = |text: &'static str| {
        let file = file.clone();
        move || std::fs::read_to_string(&file).is_ok_and(|found| found == text)
    };
    wait("the first slice", Duration::from_secs(10), says("one")).await;
    let report = hub
        .until("told", |report| {
            report.instances.values().any(|instance| {
                let message = instance.message.as_deref().unwrap_or_default();
                message.contains("engine does not answer")
            })
        })
        .await;
    assert!(!report.host.engine_reachable);

    // From now on nobody waits for the engine.
    for round in 0..5 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        std::fs::write(&file, format!("drift {round}")).unwrap();
        wait("healing", common::PROMPT, says("one")).await;
    }
    let published = Instant::now();
    hub.publish(&world, 2, world.html(&page("two")));
    wait("the next slice", common::PROMPT, says("two")).await;
    hub.until("told of it", |report| {
        report
            .slice
            .as_ref()
            .is_some_and(|slice| slice.generation == 2)
    })
    .await;
    assert!(published.elapsed() < common::PROMPT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sites_are_healed_and_the_hub_is_heard_while_the_first_look_takes_its_time() {
    if common::skip_without("nginx") {
        return;
    }
    let (world, hub, _engine) = world().await;
    let host = "server: {customer: acme, server: acme-1}\nmanage: full\nweb: {http: 80, https: 443}\ninstances:\n  web-html:\n    order: web\n    tool: html\n    state: running\n    has_data: false\n    sites: {site: {host: html.acme.example, port: 20000}}\n";
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let site = format!(
        "server {{ listen 127.0.0.1:{port}; server_name html.acme.example; return 204; }}\n"
    );
    let mut slice = world.html(&page("one"));
    slice.extend(files(&[
        ("host.yaml", host),
        ("sites/html.acme.example.conf", &site),
    ]));
    hub.publish(&world, 1, slice);
    // It had been live before.
    let digest = tenantry_agent::files::digest(site.as_bytes());
    let ledger = format!(
        r#"{{"format":1,"id":"x","sequence":0,"accepted":null,"converged":null,"files":[],"published":{{"html.acme.example":"{digest}"}},"smoke":{{}}}}"#
    );
    std::fs::write(world.state("ledger.json"), ledger).unwrap();
    let agent = Running::start(&world);
    let live = world
        .folder
        .path()
        .join("nginx/tenantry/sites/html.acme.example.conf");
    wait("the site", Duration::from_secs(15), || live.exists()).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    std::fs::remove_file(&live).unwrap();
    let took = wait("the site again", common::PROMPT, || live.exists()).await;
    println!("healed after {took:?}");
    drop(agent);
    let pid = std::fs::read_to_string(world.folder.path().join("nginx/nginx.pid")).unwrap();
    assert!(
        Command::new("kill")
            .arg(pid.trim())
            .status()
            .unwrap()
            .success()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_comes_back_is_used_again() {
    let (world, hub, engine) = world().await;
    hub.publish(&world, 1, world.html(&page("one")));
    let _agent = Running::start(&world);
    let says = |report: &tenantry_schema::wire::Report, text: &str| {
        report.instances.values().any(|instance| {
            let message = instance.message.as_deref().unwrap_or_default();
            message.contains(text)
        })
    };
    hub.until("told", |report| says(report, "engine does not answer"))
        .await;
    // Another program takes its place, which answers that it has broken down: that is an answer.
    engine.abort();
    let _ = engine.await;
    std::fs::remove_file(&world.config.docker).unwrap();
    let listener = UnixListener::bind(&world.config.docker).unwrap();
    let routes = axum::Router::new().fallback(|| async {
        let text = r#"{"message":"out of order"}"#;
        (axum::http::StatusCode::INTERNAL_SERVER_ERROR, text)
    });
    let server = tokio::spawn(axum::serve(listener, routes).into_future());
    let began = Instant::now();
    hub.until("told what it says", |report| says(report, "out of order"))
        .await;
    assert!(
        began.elapsed() < Duration::from_secs(31),
        "{:?}",
        began.elapsed()
    );
    server.abort();
}

#[test]
fn looking_ends_although_the_engine_does_not() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (world, _hub, _engine) = runtime.block_on(world());
    let path = world.folder.path().join("agent.yaml");
    std::fs::write(&path, serde_yaml::to_string(&world.config).unwrap()).unwrap();
    let begun = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_tenantry-agent"))
        .arg("--config")
        .arg(&path)
        .arg("status")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("container engine: does not answer"), "{text}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}
