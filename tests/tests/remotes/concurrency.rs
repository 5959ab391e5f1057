//! Two hubs and a person push to one branch at the same time: nothing is lost, nothing is decided twice. `TENANTRY_PUSHES=500` for the long run.

use super::{decided, order};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tenantry_tests::lab::Port;
use tenantry_tests::rig::{Access, FakeAgent, Fleet, GitHttp, Hub, HubBox, Place, run};

const SEED: u64 = 0x7e4a_0d00;
const CUSTOMERS: usize = 6;

/// How often the person pushes.
#[expect(
    clippy::disallowed_methods,
    reason = "the long run is asked for where tests are started"
)]
fn pushes() -> usize {
    let asked = std::env::var("TENANTRY_PUSHES").ok();
    asked.map_or(25, |text| {
        text.parse().expect("TENANTRY_PUSHES is a number")
    })
}

/// One push of the person: an order or an edit of one, which hubs answer with decisions; now and then only a note. Returns the orders so far.
fn push(person: &Fleet, number: usize, rng: &mut StdRng, orders: &mut BTreeSet<String>) {
    person
        .write(&format!("notes/{number}.md"), &format!("note {number}\n"))
        .unwrap();
    if rng.random_bool(0.7) {
        let (path, text) = order(
            rng.random_range(0..CUSTOMERS),
            rng.random_range(0..pushes().div_ceil(8)),
            &format!("title {number}"),
        );
        person.write(&path, &text).unwrap();
        orders.insert(path);
    }
    person.commit(&format!("push {number}")).unwrap();
}

/// The story, with everybody at `url`.
async fn story(home: &HubBox, url: &str, seed: u64) {
    let fleet = &home.fleet;
    let count = pushes();
    let begun = Instant::now();
    let port = Port::reserve().unwrap();
    let second = Place {
        data: home.dir().join("hub-2"),
        port: port.number(),
        log: home.dir().join("hub-2.log"),
    };
    let key = fleet.hub_key();
    let hubs = [
        Hub::start_at(Path::new(url), Some(&key), &home.place, &[])
            .await
            .unwrap(),
        Hub::start_at(Path::new(url), Some(&key), &second, &[])
            .await
            .unwrap(),
    ];
    let person = fleet.colleague_at(home.dir(), url).unwrap();
    let before = commits(fleet);
    let orders = tokio::task::spawn_blocking(move || {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut orders = BTreeSet::new();
        for number in 0..count {
            push(&person, number, &mut rng, &mut orders);
        }
        orders.len()
    })
    .await
    .unwrap();
    let pushed = begun.elapsed();
    for hub in &hubs {
        decided(hub, fleet, orders, Duration::from_mins(5)).await;
    }
    // Every push of the person is there once, and what it wrote is there still.
    let log = fleet.log(100_000).unwrap();
    for number in 0..count {
        let line = format!("Jo Operator: push {number}");
        assert_eq!(
            log.lines().filter(|found| found.ends_with(&line)).count(),
            1,
            "{line}"
        );
    }
    fleet.pull().unwrap();
    for number in 0..count {
        assert_eq!(
            fleet.read(&format!("notes/{number}.md")).unwrap(),
            format!("note {number}\n")
        );
    }
    // What was decided was decided once.
    assert_eq!(fleet.rewritten_decisions().unwrap(), Vec::<String>::new());
    let decisions = fleet.decisions().unwrap();
    let servers = decisions
        .keys()
        .filter(|path| path.ends_with("/server.yaml"))
        .count();
    assert_eq!(servers, orders);
    run(Command::new("git").arg("-C").arg(fleet.repository()).args([
        "fsck",
        "--full",
        "--no-dangling",
    ]))
    .unwrap();
    println!(
        "{count} pushes of a person in {:.1} s, {} commits of two hubs between them, {orders} orders",
        pushed.as_secs_f64(),
        commits(fleet) - before - count
    );
}

/// Commits of the branch, and no merge among them: everybody's are one after the other.
fn commits(fleet: &Fleet) -> usize {
    let count = |more: &[&str]| {
        let mut list = Command::new("git");
        list.arg("-C")
            .arg(fleet.repository())
            .args(["rev-list", "--count"])
            .args(more)
            .arg("main");
        run(&mut list).unwrap().trim().parse::<usize>().unwrap()
    };
    assert_eq!(count(&["--merges"]), 0);
    count(&[])
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hubs_and_a_person_in_a_repository_on_this_machine() {
    let home = HubBox::new("pushes").unwrap();
    FakeAgent::crew(&home.fleet, CUSTOMERS).unwrap();
    home.fleet.commit("customers and servers").unwrap();
    let url = home.fleet.repository().display().to_string();
    story(&home, &url, SEED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hubs_and_a_person_through_http_backend_behind_nginx() {
    let home = HubBox::new("http-pushes").unwrap();
    FakeAgent::crew(&home.fleet, CUSTOMERS).unwrap();
    home.fleet.commit("customers and servers").unwrap();
    let server = GitHttp::start(
        &home.dir().join("http"),
        home.fleet.repository(),
        Access::Open,
    )
    .await
    .unwrap();
    story(&home, &server.url(), SEED + 1).await;
}
