//! What a hub must survive (DESIGN 10): being killed anywhere, losing its data, company, a rewound branch, a clone elsewhere. Real hubs, fake agents.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tenantry_planner::status::{FleetStatus, Mode};
use tenantry_tests::lab::Port;
use tenantry_tests::rig::fake_agent::decrypt;
use tenantry_tests::rig::{Answered, Decisions, FakeAgent, Fleet, Hub, HubBox, Place, output, run};
use tenantry_wire::ledger::Verdict;

const SOON: Duration = Duration::from_secs(30);
const LATE: Duration = Duration::from_mins(1);
const SEED: u64 = 0x7e4a_0001;
const CUSTOMERS: usize = 5;

/// One agent a customer, its document and the customer's written into the clone.
fn found(fleet: &Fleet) -> Vec<FakeAgent> {
    (0..CUSTOMERS)
        .map(|n| {
            let agent = FakeAgent::new(&format!("c{n}/c{n}-1")).unwrap();
            fleet
                .write(
                    &format!("fleet/customers/c{n}/customer.yaml"),
                    "language: en\n",
                )
                .unwrap();
            fleet.write(&agent.path(), &agent.document("")).unwrap();
            agent
        })
        .collect()
}

/// A day in the life of a fleet: every entry is one commit, some files by path. Later entries edit what earlier ones ordered.
fn commits(seed: u64, count: usize) -> Vec<BTreeMap<String, String>> {
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
fn orders(commits: &[BTreeMap<String, String>]) -> usize {
    commits
        .iter()
        .flat_map(BTreeMap::keys)
        .collect::<BTreeSet<_>>()
        .len()
}

fn commit(fleet: &Fleet, files: &BTreeMap<String, String>, number: usize) {
    for (path, text) in files {
        fleet.write(path, text).unwrap();
    }
    fleet.commit(&format!("change {number}")).unwrap();
}

/// Agents that ask and report until told to stop; a hub that does not answer is asked again.
fn agents_at_work(
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
fn outline(decisions: &Decisions) -> BTreeMap<String, String> {
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
fn ports(decisions: &Decisions) -> BTreeMap<String, Vec<u16>> {
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
fn content(agent: &FakeAgent, decisions: &Decisions) -> BTreeMap<String, String> {
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
        for (value, name) in &names {
            text = text.replace(value, name);
        }
        files.insert(path.to_string(), text);
    }
    files
}

/// Every secret in a slice is the one that Git holds for that tool.
fn secrets_are_those_in_git(fleet: &Fleet, agent: &FakeAgent, decisions: &Decisions) -> usize {
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
fn nothing_twice(fleet: &Fleet) {
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

async fn all_fulfilled(home: &HubBox, orders: usize) {
    let done =
        |status: &FleetStatus| status.totals.fulfilled == orders && status.source_problem.is_none();
    home.hub()
        .wait_for(LATE, "fulfilment of every order", done)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_killed_at_random_instants_ends_where_an_undisturbed_one_does() {
    let mut home = HubBox::new("killed").unwrap();
    let agents = Arc::new(found(&home.fleet));
    home.fleet.commit("customers and servers").unwrap();
    let mut calm = home.duplicate().unwrap();
    let commits = commits(SEED, 40);
    let orders = orders(&commits);

    // Undisturbed.
    calm.start().await.unwrap();
    for (number, files) in commits.iter().enumerate() {
        commit(&calm.fleet, files, number);
    }
    calm.decided(orders, LATE).await.unwrap();
    for agent in agents.iter() {
        agent.serve(&calm.url(), &calm.fleet, 0).await.unwrap();
    }
    all_fulfilled(&calm, orders).await;
    let expected = outline(&calm.fleet.decisions().unwrap());
    let decisions = calm.fleet.decisions().unwrap();
    let expected_content: Vec<_> = agents
        .iter()
        .map(|agent| content(agent, &decisions))
        .collect();
    nothing_twice(&calm.fleet);
    drop(calm);

    // Killed again and again, while people commit and agents report.
    agents.iter().for_each(FakeAgent::forget);
    let stop = Arc::new(AtomicBool::new(false));
    let fleet = Arc::new(home.fleet.colleague(home.dir()).unwrap());
    let busy = agents_at_work(home.url(), fleet.clone(), &agents, &stop);
    let (person, todo) = (fleet.clone(), commits.clone());
    let people = tokio::task::spawn_blocking(move || {
        for (number, files) in todo.iter().enumerate() {
            commit(&person, files, number);
            std::thread::sleep(Duration::from_millis(250));
        }
    });
    let mut rng = StdRng::seed_from_u64(SEED);
    let mut reached_serving = 0;
    for _ in 0..55 {
        let mut hub = Hub::spawn(&home.fleet, &home.place, &[]).unwrap();
        // From before it has read anything to well after its first decisions.
        tokio::time::sleep(Duration::from_millis(rng.random_range(10..450))).await;
        reached_serving += usize::from(hub.lines().iter().any(|line| line.contains("serving at")));
        hub.kill9();
    }
    people.await.unwrap();
    assert!(
        reached_serving >= 15,
        "only {reached_serving} of 55 hubs came to anything before they were killed"
    );
    home.start().await.unwrap();
    home.decided(orders, LATE).await.unwrap();
    all_fulfilled(&home, orders).await;
    stop.store(true, Ordering::Relaxed);
    for task in busy {
        task.await.unwrap();
    }
    for agent in agents.iter() {
        agent.serve(&home.url(), &home.fleet, 0).await.unwrap();
    }
    nothing_twice(&home.fleet);
    let decisions = home.fleet.decisions().unwrap();
    assert_eq!(outline(&decisions), expected);
    for (agent, expected) in agents.iter().zip(&expected_content) {
        assert_eq!(&content(agent, &decisions), expected, "{}", agent.server());
    }
    let compared: usize = agents
        .iter()
        .map(|agent| secrets_are_those_in_git(&home.fleet, agent, &decisions))
        .sum();
    assert!(compared >= 3, "only {compared} secrets were compared");
    run(std::process::Command::new("git")
        .arg("-C")
        .arg(home.fleet.repository())
        .args(["fsck", "--no-dangling", "--no-progress"]))
    .unwrap();
}

#[tokio::test]
async fn a_hub_without_its_data_directory_decides_nothing_again_and_is_accepted() {
    let mut home = HubBox::new("wiped").unwrap();
    let agents = found(&home.fleet);
    home.fleet.commit("customers and servers").unwrap();
    let commits = commits(SEED + 1, 6);
    let orders = orders(&commits);
    home.start().await.unwrap();
    for (number, files) in commits.iter().enumerate() {
        commit(&home.fleet, files, number);
        if number % 2 == 0 {
            home.wipe().unwrap();
            home.start().await.unwrap();
        }
    }
    home.decided(orders, LATE).await.unwrap();
    for agent in &agents {
        agent.serve(&home.url(), &home.fleet, 0).await.unwrap();
    }
    all_fulfilled(&home, orders).await;
    let head = home.fleet.head().unwrap();
    let before: Vec<_> = agents
        .iter()
        .map(|agent| agent.accepted().map(|slice| slice.manifest))
        .collect();

    home.wipe().unwrap();
    home.start().await.unwrap();
    home.hub()
        .wait_for(SOON, "slices", |status| {
            status.servers.len() == CUSTOMERS
                && status
                    .servers
                    .iter()
                    .all(|server| server.published.is_some())
        })
        .await
        .unwrap();
    for (agent, before) in agents.iter().zip(before) {
        // Same content, so that an agent that has it hears "unchanged"; and one that asks for all of it accepts it.
        assert!(
            matches!(
                agent.next(&home.url(), &home.fleet, 0).await.unwrap(),
                Answered::Unchanged
            ),
            "{}",
            agent.server()
        );
        agent.forget();
        let answer = agent.next(&home.url(), &home.fleet, 0).await.unwrap();
        let Some(before) = before else { continue };
        let Answered::Slice(slice, Verdict::Accept) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!(slice.manifest.content, before.content);
        assert!(slice.manifest.generation >= before.generation);
        agent
            .deliver(&home.url(), &home.fleet, vec![agent.all_is_well()])
            .await
            .unwrap();
    }
    let status = home
        .hub()
        .wait_for(SOON, "agreement", |status| {
            status.servers.len() == CUSTOMERS && status.servers.iter().all(|server| server.in_sync)
        })
        .await
        .unwrap();
    assert_eq!(status.totals.fulfilled, orders);
    assert_eq!(
        home.fleet.head().unwrap(),
        head,
        "something was decided again"
    );
    nothing_twice(&home.fleet);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hubs_and_two_people_lose_nothing_and_decide_nothing_twice() {
    let mut home = HubBox::new("company").unwrap();
    let agents = found(&home.fleet);
    home.fleet.commit("customers and servers").unwrap();
    home.start().await.unwrap();
    let port = Port::reserve().unwrap();
    let place = Place {
        data: home.dir().join("hub-2"),
        port: port.number(),
        log: home.dir().join("hub-2.log"),
    };
    let second = Hub::start(&home.fleet, &place, &[]).await.unwrap();

    let commits = commits(SEED + 2, 25);
    let orders = orders(&commits);
    let colleague = home.fleet.colleague(home.dir()).unwrap();
    let notes = tokio::task::spawn_blocking(move || {
        for number in 0..25 {
            colleague
                .write("notes.md", &format!("note {number}\n"))
                .unwrap();
            colleague.commit(&format!("note {number}")).unwrap();
        }
    });
    for (number, files) in commits.iter().enumerate() {
        commit(&home.fleet, files, number);
        for agent in &agents {
            // Each hub is asked in turn, as behind a balancer.
            let url = if number % 2 == 0 {
                home.url()
            } else {
                second.url().to_owned()
            };
            let answer = agent.next(&url, &home.fleet, 0).await.unwrap();
            if let Answered::Slice(slice, Verdict::Refuse(kind)) = &answer {
                // A hub that is behind the other by a pass; it catches up.
                assert_eq!(
                    *kind,
                    tenantry_schema::wire::RefusalKind::OldGeneration,
                    "{:?}",
                    slice.manifest
                );
            }
        }
    }
    notes.await.unwrap();
    home.decided(orders, LATE).await.unwrap();
    let head = home.fleet.head().unwrap();
    let read = |status: &FleetStatus| {
        status
            .commit
            .as_ref()
            .is_some_and(|commit| commit.id == head)
    };
    second
        .wait_for(SOON, "the second hub's reading", read)
        .await
        .unwrap();
    nothing_twice(&home.fleet);
    let log = home.fleet.log(10_000).unwrap();
    for number in 0..25 {
        for what in ["change", "note"] {
            let line = format!("Jo Operator: {what} {number}");
            assert_eq!(
                log.lines().filter(|found| found.ends_with(&line)).count(),
                1,
                "{line}"
            );
        }
    }
    // Both made the same slices of the same commits.
    for agent in &agents {
        agent.forget();
        let Answered::Slice(one, _) = agent.next(&home.url(), &home.fleet, 0).await.unwrap() else {
            continue;
        };
        agent.forget();
        let Answered::Slice(two, _) = agent.next(second.url(), &home.fleet, 0).await.unwrap()
        else {
            panic!("the second hub has no slice")
        };
        assert_eq!(
            one.manifest.content,
            two.manifest.content,
            "{}",
            agent.server()
        );
    }
}

#[tokio::test]
async fn a_rewound_branch_is_not_followed_and_is_said_loudly() {
    let mut home = HubBox::new("rewound").unwrap();
    let agents = found(&home.fleet);
    let good = home.fleet.commit("customers and servers").unwrap();
    home.start().await.unwrap();
    home.fleet
        .write(
            "fleet/customers/c0/orders/o0.yaml",
            "plan: pro\ndomain: c0.test\ntools: [html]\n",
        )
        .unwrap();
    home.fleet.commit("an order").unwrap();
    home.decided(1, SOON).await.unwrap();
    agents[0].serve(&home.url(), &home.fleet, 0).await.unwrap();
    home.hub()
        .wait_for(SOON, "fulfilment", |status| status.totals.fulfilled == 1)
        .await
        .unwrap();
    let head = home.fleet.head().unwrap();
    let slice = agents[0].accepted().unwrap();

    // Rewound, and something else on top.
    home.fleet.force_branch(&good).unwrap();
    let other = home.fleet.colleague(home.dir()).unwrap();
    other
        .write(
            "fleet/customers/c1/orders/o1.yaml",
            "plan: pro\ndomain: c1.test\ntools: [html]\n",
        )
        .unwrap();
    let forked = other.commit("history that was never accepted").unwrap();
    for restart in [false, true] {
        if restart {
            home.start().await.unwrap();
        }
        let loud = |status: &FleetStatus| {
            status
                .source_problem
                .as_ref()
                .is_some_and(|problem| problem.contains("rewound"))
        };
        let status = home
            .hub()
            .wait_for(SOON, "the complaint", loud)
            .await
            .unwrap();
        assert!(
            matches!(status.mode, Mode::Observing { .. }),
            "{:?}",
            status.mode
        );
        assert_eq!(
            status.commit.as_ref().unwrap().id,
            head,
            "the last good commit stays"
        );
        assert_eq!(status.orders.len(), 1);
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(
            home.fleet.head().unwrap(),
            forked,
            "something was committed on top of a rewound branch"
        );
        assert!(matches!(
            agents[0].next(&home.url(), &home.fleet, 0).await.unwrap(),
            Answered::Unchanged
        ));
        agents[0].forget();
        let Answered::Slice(again, _) = agents[0].next(&home.url(), &home.fleet, 0).await.unwrap()
        else {
            panic!("no slice")
        };
        assert_eq!(again.manifest, slice.manifest);
    }
    // Put back: it goes on.
    home.fleet.force_branch(&head).unwrap();
    home.fleet.pull().unwrap();
    home.fleet
        .write(
            "fleet/customers/c2/orders/o2.yaml",
            "plan: pro\ndomain: c2.test\ntools: [html]\n",
        )
        .unwrap();
    home.fleet.commit("an order on the right branch").unwrap();
    let status = home.decided(2, SOON).await.unwrap();
    assert_eq!((status.mode, status.source_problem), (Mode::Active, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_fleet_works_and_pushes_that_lose_are_made_again() {
    let home = HubBox::new("remote").unwrap();
    let agents = found(&home.fleet);
    home.fleet.commit("customers and servers").unwrap();
    let url = format!("file://{}", home.fleet.repository().display());
    let hub = Hub::start_at(
        Path::new(&url),
        Some(&home.fleet.hub_key()),
        &home.place,
        &[],
    )
    .await
    .unwrap();
    let commits = commits(SEED + 3, 15);
    let orders = orders(&commits);
    let colleague = home.fleet.colleague(home.dir()).unwrap();
    let notes = tokio::task::spawn_blocking(move || {
        for number in 0..30 {
            colleague
                .write("notes.md", &format!("note {number}\n"))
                .unwrap();
            colleague.commit(&format!("note {number}")).unwrap();
        }
    });
    for (number, files) in commits.iter().enumerate() {
        commit(&home.fleet, files, number);
    }
    notes.await.unwrap();
    let decided = |status: &FleetStatus| {
        status.orders.len() == orders
            && status.source_problem.is_none()
            && status
                .orders
                .iter()
                .all(|order| order.tools.iter().all(|tool| tool.pin.is_some()))
            && status
                .servers
                .iter()
                .all(|server| server.published.is_some())
    };
    hub.wait_for(LATE, "decisions in the remote", decided)
        .await
        .unwrap();
    for agent in &agents {
        agent.serve(hub.url(), &home.fleet, 0).await.unwrap();
    }
    hub.wait_for(LATE, "fulfilment", |status| {
        status.totals.fulfilled == orders
    })
    .await
    .unwrap();
    nothing_twice(&home.fleet);
    let log = home.fleet.log(10_000).unwrap();
    assert_eq!(
        log.lines()
            .filter(|line| line.contains("Jo Operator: note "))
            .count(),
        30
    );
    assert_eq!(
        log.lines()
            .filter(|line| line.contains("Jo Operator: change "))
            .count(),
        15
    );

    // Out of reach for a while: said, nothing lost, and it goes on when the remote is back.
    let away = home.dir().join("away.git");
    std::fs::rename(home.fleet.repository(), &away).unwrap();
    hub.wait_for(SOON, "the complaint", |status| {
        status.source_problem.is_some()
    })
    .await
    .unwrap();
    let status = hub.status().await.unwrap();
    assert_eq!(status.orders.len(), orders, "unknown is not empty");
    assert!(matches!(
        agents[0].next(hub.url(), &home.fleet, 0).await.unwrap(),
        Answered::Unchanged
    ));
    std::fs::rename(&away, home.fleet.repository()).unwrap();
    home.fleet.pull().unwrap();
    home.fleet
        .write(
            "fleet/customers/c0/orders/late.yaml",
            "plan: pro\ndomain: late.test\ntools: [html]\n",
        )
        .unwrap();
    home.fleet.commit("a late order").unwrap();
    let late = |status: &FleetStatus| {
        status.source_problem.is_none() && status.orders.len() == orders + 1 && decided_all(status)
    };
    hub.wait_for(LATE, "the late order", late).await.unwrap();
}

fn decided_all(status: &FleetStatus) -> bool {
    status
        .orders
        .iter()
        .all(|order| order.tools.iter().all(|tool| tool.pin.is_some()))
}

#[tokio::test]
async fn a_clone_of_the_fleet_served_elsewhere_acts_on_nothing() {
    let mut home = HubBox::new("original").unwrap();
    let agents = found(&home.fleet);
    home.fleet.commit("customers and servers").unwrap();
    home.start().await.unwrap();
    home.fleet
        .write(
            "fleet/customers/c0/orders/o0.yaml",
            "plan: pro\ndomain: c0.test\ntools: [html]\n",
        )
        .unwrap();
    home.fleet.commit("an order").unwrap();
    home.decided(1, SOON).await.unwrap();

    let stranger = HubBox::new("stranger").unwrap();
    let clone = home.duplicate().unwrap();
    clone
        .fleet
        .write(
            "fleet/customers/c1/orders/o1.yaml",
            "plan: pro\ndomain: c1.test\ntools: [html]\n",
        )
        .unwrap();
    let head = clone.fleet.commit("an order in the clone").unwrap();
    let (own, foreign) = (home.fleet.hub_key(), stranger.fleet.hub_key());
    let cases: [(&str, Option<&Path>, &[&str], &str); 3] = [
        ("without a key", None, &[], "without a key"),
        (
            "with another key",
            Some(&foreign),
            &[],
            "another hub is activated",
        ),
        ("told to observe", Some(&own), &["--observe"], "--observe"),
    ];
    for (what, key, more, because) in cases {
        let _ = std::fs::remove_dir_all(&clone.place.data);
        let mut hub = Hub::start_at(clone.fleet.repository(), key, &clone.place, more)
            .await
            .unwrap();
        let read = |status: &FleetStatus| {
            status
                .commit
                .as_ref()
                .is_some_and(|commit| commit.id == head)
        };
        let status = hub.wait_for(SOON, what, read).await.unwrap();
        let Mode::Observing { reason } = &status.mode else {
            panic!("{what}: acts")
        };
        assert!(reason.contains(because), "{what}: {reason}");
        assert_eq!(status.orders.len(), 2, "{what}: it looks");
        tokio::time::sleep(Duration::from_millis(700)).await;
        for agent in &agents[..2] {
            let answer = agent.next(&clone.url(), &clone.fleet, 0).await.unwrap();
            assert!(
                matches!(answer, Answered::Unchanged | Answered::Refused(503)),
                "{what}: {answer:?}"
            );
        }
        assert_eq!(
            clone.fleet.head().unwrap(),
            head,
            "{what}: something was committed"
        );
        let slices = clone.place.data.join("slices.git");
        let published = output(
            std::process::Command::new("git")
                .arg("-C")
                .arg(&slices)
                .args(["for-each-ref"]),
        )
        .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&published.stdout),
            "",
            "{what}: something was published"
        );
        hub.process().kill9();
    }
    // The original never noticed.
    let status = home.hub().status().await.unwrap();
    assert_eq!((status.mode, status.orders.len()), (Mode::Active, 1));
}

#[tokio::test]
async fn pushes_by_people_reach_agents_within_a_moment() {
    let mut home = HubBox::new("prompt").unwrap();
    let agents = found(&home.fleet);
    home.fleet
        .write(
            "fleet/customers/c0/orders/o0.yaml",
            "plan: pro\ndomain: c0.test\ntools: [html]\n",
        )
        .unwrap();
    home.fleet.commit("an order").unwrap();
    home.start().await.unwrap();
    home.decided(1, SOON).await.unwrap();
    agents[0].serve(&home.url(), &home.fleet, 0).await.unwrap();
    home.hub()
        .wait_for(SOON, "fulfilment", |status| status.totals.fulfilled == 1)
        .await
        .unwrap();
    home.fleet.pull().unwrap();
    home.fleet
        .write(
            "fleet/customers/c0/orders/o0.yaml",
            "plan: pro\ndomain: c0.test\ntools: { html: { parameters: { TITLE: Now } } }\n",
        )
        .unwrap();
    let url = home.url();
    let (asked, committed) = tokio::join!(agents[0].next(&url, &home.fleet, 20), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        home.fleet.commit("a title")
    });
    committed.unwrap();
    let Answered::Slice(slice, Verdict::Accept) = asked.unwrap() else {
        panic!("the long poll was not woken")
    };
    assert!(
        slice
            .text("stacks/o0-html/files/html/index.html")
            .contains("Now")
    );
}
