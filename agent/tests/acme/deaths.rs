//! The agent dies after each change that it makes until a site has its certificate, here and at the authority, and the next one gets it.

use super::*;
use crate::common::process::Process;
use crate::common::seed;
use rand::prelude::*;
use std::time::Instant;

/// Changes that are made at least until a certificate is in its place.
const MOST: u32 = 20;
/// How long that takes, at worst.
const LONGEST: Duration = Duration::from_mins(1);

impl Rig {
    /// Waits until what this agent tells is that the site has its certificate, or the agent died. Whether it died.
    async fn died_before(&self, agent: &mut Process, reports: usize) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < LONGEST {
            if agent.is_dead() {
                return true;
            }
            let issued = self.hub.read(|said| {
                let last = said.reports.last().filter(|_| said.reports.len() > reports);
                let site = last.and_then(|last| last.sites.values().next().cloned());
                site.is_some_and(|site| {
                    let certificate = site.certificate.as_ref();
                    site.live
                        && !site.self_signed
                        && certificate.is_some_and(|it| it.waiting.is_none())
                })
            });
            if issued && self.is_settled() {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let last = self.hub.read(|said| said.reports.last().cloned());
        panic!("never issued: {last:#?}\n{}", self.pebble.log());
    }

    /// Nothing of an order is left.
    fn is_settled(&self) -> bool {
        let Ok(text) = std::fs::read(self.state("memory.json")) else {
            return false;
        };
        let memory: serde_json::Value = serde_json::from_slice(&text).unwrap();
        memory["sites"][HOST]["pending"].is_null()
            && common::tree(&self.state("pending")).is_empty()
            && self.challenges() == 0
    }

    /// As on a server that never had a certificate, and knows no authority.
    fn forget_all(&self) {
        let certificates = self.world.folder.path().join("nginx/tenantry/certificates");
        for folder in [self.world.state("acme"), certificates] {
            let removed = std::fs::remove_dir_all(&folder);
            assert!(removed.is_ok() || !folder.exists(), "{}", folder.display());
        }
    }

    /// One certificate on whose way the agent dies after so many changes. Whether it did.
    async fn die(&self, changes: u32) -> bool {
        self.forget_all();
        let reports = self.hub.read(|said| said.reports.len());
        let mut agent = Process::start(&self.world, Some(changes));
        let died = self.died_before(&mut agent, reports).await;
        drop(agent);
        if died {
            let known = self.state("memory.json").exists();
            if known && !self.memory()["sites"][HOST]["next"].is_null() {
                self.end_pause();
            }
            let reports = self.hub.read(|said| said.reports.len());
            let mut agent = Process::start(&self.world, None);
            assert!(!self.died_before(&mut agent, reports).await);
        }
        let what = format!("after {changes} changes: {:#}", self.memory());
        let memory = self.memory();
        let counted = memory["issued"].as_array().unwrap().len();
        // One that was killed when it was about to ask for it may have got it: both count.
        assert!((1..=1 + usize::from(died)).contains(&counted), "{what}");
        let site = &memory["sites"][HOST];
        assert!(site["error"].is_null() && site["next"].is_null(), "{what}");
        let root = self.pebble.root().await;
        assert_eq!(self.until_visited(HOST, &root).await.0, 200, "{what}");
        died
    }
}

async fn ready(lab: Lab) -> Rig {
    let quick = &[
        ("PEBBLE_WFE_NONCEREJECT", "0"),
        ("PEBBLE_VA_NOSLEEP", "1"),
        ("PEBBLE_AUTHZREUSE", "0"),
    ];
    let rig = Rig::new(lab, 90 * 24 * 3600, quick).await;
    rig.hub.publish(&rig.world, 1, rig.slice(&[]));
    let mut agent = Process::start(&rig.world, None);
    assert!(!rig.died_before(&mut agent, 0).await);
    rig
}

#[test]
fn an_agent_that_dies_on_the_way_to_a_certificate_gets_it_all_the_same() {
    if skip() {
        return;
    }
    let seed = seed();
    lab(move |lab| async move {
        let mut random = StdRng::seed_from_u64(seed);
        let rig = ready(lab).await;
        for _ in 0..3 {
            let changes = random.random_range(0..MOST);
            println!("dies after {changes} changes");
            assert!(rig.die(changes).await, "{changes}");
        }
    });
}

/// Run with `--ignored`: after every single change.
#[test]
#[ignore = "takes some minutes"]
fn an_agent_that_dies_after_each_change_on_the_way_to_a_certificate_gets_it_all_the_same() {
    if skip() {
        return;
    }
    lab(|lab| async move {
        let rig = ready(lab).await;
        for changes in 0..200 {
            println!("dies after {changes} changes");
            if !rig.die(changes).await {
                println!("{changes} deaths");
                assert!(changes >= MOST, "only {changes} deaths");
                return;
            }
        }
        panic!("it never came to an end by itself");
    });
}
