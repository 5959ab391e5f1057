//! The story that the tests tell: what people order and edit, and what must hold at its end.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tenantry_planner::status::FleetStatus;
use tenantry_tests::rig::read::decrypt;
use tenantry_tests::rig::{Decisions, FakeAgent, Fleet, HubBox};

/// For what happens at once.
pub const SOON: Duration = Duration::from_secs(30);
/// For what takes several passes.
pub const LATE: Duration = Duration::from_mins(1);
/// Of everything that is drawn by chance here.
pub const SEED: u64 = 0x7e4a_0001;
/// Customers, each with one server.
pub const CUSTOMERS: usize = 5;

/// A day in the life of a fleet: every entry is one commit, some files by path. Later entries edit what earlier ones ordered.
pub fn commits(seed: u64, count: usize) -> Vec<BTreeMap<String, String>> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut orders: BTreeMap<(usize, usize), (bool, u32)> = BTreeMap::new();
    (0..count)
        .map(|_| {
            let mut files = BTreeMap::new();
            for _ in 0..rng.random_range(1..=2) {
                let id = (rng.random_range(0..CUSTOMERS), rng.random_range(0..4));
                let (guestbook, title) = orders.entry(id).or_insert((false, 0));
                *guestbook |= rng.random_bool(0.3);
                *title += 1;
                let (c, n) = id;
                let more = if *guestbook { "  guestbook:\n    parameters: { TITLE: guests }\n" } else { "" };
                let text = format!("plan: pro\ndomain: c{c}-{n}.test\ntools:\n  html:\n    parameters: {{ TITLE: \"title {title}\" }}\n{more}");
                files.insert(format!("fleet/customers/c{c}/orders/o{n}.yaml"), text);
            }
            files
        })
        .collect()
}

/// Orders that the commits leave behind.
pub fn orders(commits: &[BTreeMap<String, String>]) -> usize {
    commits
        .iter()
        .flat_map(BTreeMap::keys)
        .collect::<BTreeSet<_>>()
        .len()
}

/// Commits one entry of the story.
pub fn commit(fleet: &Fleet, files: &BTreeMap<String, String>, number: usize) {
    for (path, text) in files {
        fleet.write(path, text).unwrap();
    }
    fleet.commit(&format!("change {number}")).unwrap();
}

/// Agents that ask and report until told to stop; a hub that does not answer is asked again.
pub fn agents_at_work(
    url: String,
    fleet: Arc<Fleet>,
    agents: &Arc<Vec<FakeAgent>>,
    stop: &Arc<AtomicBool>,
) -> Vec<tokio::task::JoinHandle<()>> {
    (0..agents.len())
        .map(|index| {
            let (url, fleet, agents, stop) =
                (url.clone(), fleet.clone(), agents.clone(), stop.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    match agents[index].serve(&url, &fleet, 0).await {
                        Err(error) if error.to_string().contains("refused by the ledger") => {
                            panic!("{error}")
                        }
                        _ => tokio::time::sleep(Duration::from_millis(40)).await,
                    }
                }
            })
        })
        .collect()
}

/// Decisions without what is drawn by chance: times, ports (which depend on what was decided together), ciphertexts.
pub fn outline(decisions: &Decisions) -> BTreeMap<String, String> {
    let line = |path: &str, line: &str| {
        let word = line.split(':').next().unwrap_or_default().to_owned();
        let number = line
            .rsplit(": ")
            .next()
            .is_some_and(|value| value.parse::<u16>().is_ok());
        if path.ends_with(".secrets.yaml") || path.ends_with("fulfilled.yaml") || number {
            word
        } else {
            line.to_owned()
        }
    };
    let text = |path: &str, text: &str| {
        let text = if path.ends_with(".secrets.yaml") {
            text.split("\nsops:").next().unwrap_or_default()
        } else {
            text
        };
        text.lines()
            .map(|l| line(path, l))
            .collect::<Vec<_>>()
            .join("\n")
    };
    decisions
        .iter()
        .map(|(path, content)| (path.clone(), text(path, content)))
        .collect()
}

/// `Site: port` of every tool by customer, from decisions.
pub fn ports(decisions: &Decisions) -> BTreeMap<String, Vec<u16>> {
    let mut ports: BTreeMap<String, Vec<u16>> = BTreeMap::new();
    for (path, text) in decisions
        .iter()
        .filter(|(path, _)| path.contains("/tools/") && !path.ends_with(".secrets.yaml"))
    {
        let customer = path.split('/').nth(2).unwrap().to_owned();
        let numbers = text
            .lines()
            .filter_map(|line| line.rsplit(": ").next()?.parse::<u16>().ok());
        ports.entry(customer).or_default().extend(numbers);
    }
    ports
}

/// Files of a slice with ports and secret values replaced by names, so that slices of two runs can be compared.
pub fn content(agent: &FakeAgent, decisions: &Decisions) -> BTreeMap<String, String> {
    let slice = agent.accepted().unwrap();
    let customer = agent.server().customer.as_str();
    let mut names = Vec::new();
    for (path, text) in decisions
        .iter()
        .filter(|(path, _)| path.starts_with(&format!("fleet/decisions/{customer}/")))
    {
        for line in text
            .lines()
            .filter(|_| path.contains("/tools/") && !path.ends_with(".secrets.yaml"))
        {
            if let Some(port) = line
                .rsplit(": ")
                .next()
                .filter(|value| value.parse::<u16>().is_ok())
            {
                names.push((port.to_owned(), format!("<port of {path}>")));
            }
        }
    }
    let mut files = BTreeMap::new();
    for (path, bytes) in &slice.files {
        let mut text = String::from_utf8_lossy(bytes).into_owned();
        if path.as_str().ends_with("/secrets.yaml") {
            text = text
                .split("\nsops:")
                .next()
                .unwrap_or_default()
                .lines()
                .map(|line| line.split(':').next().unwrap_or_default().to_owned() + "\n")
                .collect();
        }
        // The first port of the server's range is one of its ports as well.
        text = text.replace("\n  sites: 20000\n", "\n  sites: <first>\n");
        for (value, name) in &names {
            text = text.replace(value, name);
        }
        files.insert(path.to_string(), text);
    }
    files
}

/// Every secret in a slice is the one that Git holds for that tool.
pub fn secrets_are_those_in_git(fleet: &Fleet, agent: &FakeAgent, decisions: &Decisions) -> usize {
    let hub = fleet.hub_identities().unwrap();
    let slice = agent.accepted().unwrap();
    let mut compared = 0;
    for (instance, values) in &slice.secrets {
        let spec = &slice.host.instances[instance];
        let path = format!(
            "fleet/decisions/{}/{}/tools/{}.secrets.yaml",
            agent.server().customer,
            spec.order,
            spec.tool
        );
        if let Some(text) = decisions.get(&path) {
            assert_eq!(&decrypt(text, &hub).unwrap(), values, "{path}");
            compared += values.len();
        }
    }
    compared
}

/// What holds at the end of every story: nothing decided twice, no port given twice on a server.
pub fn nothing_twice(fleet: &Fleet) {
    assert_eq!(fleet.rewritten_decisions().unwrap(), Vec::<String>::new());
    for (customer, mut numbers) in ports(&fleet.decisions().unwrap()) {
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(
            numbers.len(),
            count,
            "a port of {customer} was given twice: {numbers:?}"
        );
    }
}

/// Waits until every order is recorded as fulfilled.
pub async fn all_fulfilled(home: &HubBox, orders: usize) {
    let done =
        |status: &FleetStatus| status.totals.fulfilled == orders && status.source_problem.is_none();
    home.hub()
        .wait_for(LATE, "fulfilment of every order", done)
        .await
        .unwrap();
}
