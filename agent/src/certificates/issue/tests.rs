//! Getting certificates from an authority that is played here: what pebble never says.

use super::*;
use crate::certificates::authority::Advice;
use crate::certificates::memory::Memory;
use crate::certificates::self_signed;
use jiff::SignedDuration;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use tenantry_schema::Secret;

/// Answers once, in a fixed way.
enum Played {
    /// With a certificate for these names.
    Issues(Vec<&'static str>),
    /// Not at all: the agent is killed while it waits.
    Never,
    Fails(Trouble),
    /// It is not reached any more once it was told that the answer to its challenge is there.
    LostAfterAnswer,
    /// The same once it was asked for the certificate of an order.
    LostAfterCount,
}

const ORDER: &str = "https://authority.example/order/1";

fn unreachable() -> Trouble {
    Trouble {
        kind: TroubleKind::Unreachable,
        message: "the authority cannot be reached: no route to host".into(),
        not_before: None,
    }
}

impl CertificateAuthority for Played {
    async fn issue(&self, order: &Order, desk: &Desk<'_>) -> Result<Certificate, Trouble> {
        let names: Vec<DomainName> = match self {
            Self::Issues(names) => names
                .iter()
                .map(|name| (*name).try_into().unwrap())
                .collect(),
            Self::Never => {
                desk.begin(ORDER, &Secret::new("key".into()))?;
                std::future::pending().await
            }
            Self::LostAfterAnswer => {
                desk.answer("token", "answer")?;
                return Err(unreachable());
            }
            Self::LostAfterCount => {
                if desk.begun().map_err(Trouble::local)?.is_none() {
                    desk.begin(ORDER, &Secret::new("key".into()))?;
                }
                desk.count(now())?;
                return Err(unreachable());
            }
            Self::Fails(trouble) => return Err(trouble.clone()),
        };
        desk.count(now())?;
        Ok(self_signed(names.first().unwrap_or(&order.host), &names, now()).unwrap())
    }

    async fn advice(&self, _: &Question) -> Result<Option<Advice>, Trouble> {
        Err(Trouble::local("not asked"))
    }
}

struct Bench {
    folder: tempfile::TempDir,
    memory: RefCell<MemoryFile>,
    challenges: Root,
    put: RefCell<Vec<Certificate>>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            memory: RefCell::new(open(&folder)),
            challenges: Root::public(&folder.path().join("challenges")).unwrap(),
            put: RefCell::default(),
            folder,
        }
    }

    async fn issue(&self, authority: Played, order: &Order) -> Result<(), String> {
        let put = |certificate: &Certificate| {
            self.put.borrow_mut().push(certificate.clone());
            Ok(())
        };
        issue(&authority, &self.memory, &self.challenges, order, put, now)
            .await
            .map_err(|error| error.to_string())
    }

    fn memory(&self) -> Arc<Memory> {
        self.memory.borrow().get().clone()
    }
}

fn open(folder: &tempfile::TempDir) -> MemoryFile {
    let root = Root::private(&folder.path().join("acme")).unwrap();
    MemoryFile::open(root).unwrap().0
}

fn now() -> Timestamp {
    "2026-11-28T10:00:00Z".parse().unwrap()
}

fn order(names: &[&str]) -> Order {
    let authority = Arc::new(serde_json::from_str(r#"{"terms_agreed":true}"#).unwrap());
    let names: BTreeSet<DomainName> = names
        .iter()
        .map(|name| (*name).try_into().unwrap())
        .collect();
    Order {
        host: names.first().unwrap().clone(),
        of: plan::of(&authority, &names),
        names,
        authority,
        replaces: None,
        renewal: false,
    }
}

#[tokio::test]
async fn a_certificate_is_put_in_place_and_counted() {
    let bench = Bench::new();
    let order = order(&["a.example", "www.a.example"]);
    let authority = Played::Issues(vec!["a.example", "www.a.example"]);
    bench.issue(authority, &order).await.unwrap();
    assert_eq!(bench.put.borrow().len(), 1);
    let memory = bench.memory();
    assert_eq!(memory.issued.len(), 1);
    assert!(memory.sites.is_empty(), "nothing is left to be remembered");
}

#[tokio::test]
async fn what_would_not_serve_is_not_put_in_place() {
    let bench = Bench::new();
    let order = order(&["a.example", "www.a.example"]);
    for (names, complaint) in [
        (vec!["a.example"], "not for www.a.example"),
        (vec!["b.example"], "no certificate for this key and name"),
    ] {
        let error = bench
            .issue(Played::Issues(names), &order)
            .await
            .unwrap_err();
        assert!(error.contains(complaint), "{error}");
    }
    assert!(bench.put.borrow().is_empty());
    let memory = bench.memory();
    let site = &memory.sites[&order.host];
    assert_eq!(site.attempts, 2);
    assert!(site.next.unwrap() > now());
}

#[tokio::test]
async fn a_limit_holds_for_the_domain_that_is_named() {
    let bench = Bench::new();
    let order = order(&["shop.acme.example"]);
    let until = now() + SignedDuration::from_hours(30);
    let limited = |message: &str| {
        Played::Fails(Trouble {
            kind: TroubleKind::RateLimited,
            message: message.into(),
            not_before: Some(until),
        })
    };
    let message = "too many failed authorizations (5) for \"shop.acme.example\"";
    bench.issue(limited(message), &order).await.unwrap_err();
    assert!(bench.memory().limited.is_empty());
    let message = "too many certificates (50) already issued for \"acme.example\" in the last 168h";
    bench.issue(limited(message), &order).await.unwrap_err();
    let memory = bench.memory();
    assert_eq!(memory.limited["acme.example"], until);
    assert_eq!(memory.sites[&order.host].next, Some(until));
    assert_eq!(memory.sites[&order.host].error.as_deref(), Some(message));
}

#[tokio::test]
async fn an_authority_that_cannot_be_reached_uses_nothing_up() {
    let bench = Bench::new();
    let order = order(&["a.example"]);
    for attempts in 1..=5 {
        // Nor does what came to grief on this server before anything was asked for.
        let lost = if attempts % 2 == 0 {
            Played::Fails(Trouble::local("the disk is full"))
        } else {
            Played::Fails(unreachable())
        };
        bench.issue(lost, &order).await.unwrap_err();
        let memory = bench.memory();
        assert_eq!(memory.sites[&order.host].attempts, attempts);
        assert!(memory.sites[&order.host].next.unwrap() > now(), "a pause");
        assert!(memory.failed.is_empty() && memory.issued.is_empty());
    }
    // From the answer on it may validate the name, whether it is heard of or not.
    for _ in 0..4 {
        bench
            .issue(Played::LostAfterAnswer, &order)
            .await
            .unwrap_err();
    }
    let memory = bench.memory();
    assert_eq!(memory.failed[&order.host].len(), 4);
    assert!(memory.resting(&order.names, now()).is_some());
}

#[tokio::test]
async fn one_order_takes_one_place_in_the_budget() {
    let bench = Bench::new();
    let order = order(&["a.example"]);
    for _ in 0..3 {
        bench
            .issue(Played::LostAfterCount, &order)
            .await
            .unwrap_err();
        assert_eq!(bench.memory().issued.len(), 1);
    }
    // Another order, another certificate.
    Desk::new(&order, &bench.memory, &bench.challenges)
        .forget()
        .unwrap();
    bench
        .issue(Played::LostAfterCount, &order)
        .await
        .unwrap_err();
    let memory = bench.memory();
    assert_eq!(memory.issued.len(), 2);
    assert!(
        memory
            .issued
            .iter()
            .all(|issued| issued.names == order.names)
    );
}

#[tokio::test]
async fn an_attempt_that_was_killed_counts_and_can_be_gone_on_with() {
    let bench = Bench::new();
    let order = order(&["a.example"]);
    let hurry = std::time::Duration::from_millis(20);
    let killed = tokio::time::timeout(hurry, bench.issue(Played::Never, &order)).await;
    assert!(killed.is_err());
    // A new agent reads the same files.
    let memory = RefCell::new(open(&bench.folder));
    let site = memory.borrow().get().sites[&order.host].clone();
    assert_eq!(site.attempts, 1);
    assert!(site.next.unwrap() > now(), "no hammering by a crash");
    let desk = Desk::new(&order, &memory, &bench.challenges);
    let (url, key) = desk.begun().unwrap().unwrap();
    assert_eq!(url, ORDER);
    assert_eq!(key.expose(), "key");
    // What cannot be read is not missing.
    let file = bench.folder.path().join("acme/pending/a.example.pem");
    std::fs::rename(&file, file.with_extension("away")).unwrap();
    std::fs::create_dir(&file).unwrap();
    desk.begun().unwrap_err();
    let other = self::order(&["a.example", "b.example"]);
    // An order for other names has another key, so it need not be read.
    let begun = Desk::new(&other, &memory, &bench.challenges).begun();
    assert!(begun.unwrap().is_none());
    std::fs::remove_dir(&file).unwrap();
    std::fs::rename(file.with_extension("away"), &file).unwrap();
    assert!(
        Desk::new(&other, &memory, &bench.challenges)
            .begun()
            .unwrap()
            .is_none()
    );
}

#[test]
fn what_a_killed_agent_left_is_ended_by_the_next_one() {
    let bench = Bench::new();
    let hosts = ["done.example", "begun.example"];
    for host in hosts {
        let order = order(&[host]);
        let desk = Desk::new(&order, &bench.memory, &bench.challenges);
        let key = tenantry_schema::Secret::new(format!("key of {host}"));
        desk.begin("https://authority.example/order/1", &key)
            .unwrap();
        desk.answer("token", "answer").unwrap();
    }
    let keys = bench.folder.path().join("acme/pending");
    std::fs::write(keys.join("other.example.pem"), "of no order").unwrap();
    let tidy = || {
        let in_place = |host: &DomainName| {
            (host.as_str() == "done.example").then(|| b"key of done.example".to_vec())
        };
        let mut memory = bench.memory.borrow_mut();
        crate::certificates::desk::tidy(&mut memory, Some(&bench.challenges), in_place)
    };
    tidy().unwrap();
    assert!(bench.challenges.list().unwrap().is_empty());
    let left: Vec<_> = std::fs::read_dir(&keys).unwrap().collect();
    assert_eq!(left.len(), 1);
    let pending = |host: &str| {
        let order = order(&[host]);
        let desk = Desk::new(&order, &bench.memory, &bench.challenges);
        desk.begun().unwrap()
    };
    assert!(pending("begun.example").is_some() && pending("done.example").is_none());
    // What cannot be read stays.
    let file = keys.join("begun.example.pem");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    tidy().unwrap_err();
    assert!(
        bench.memory().sites[&order(&[hosts[1]]).host]
            .pending
            .is_some()
    );
}

#[tokio::test]
async fn nothing_is_asked_for_that_cannot_be_noted() {
    let bench = Bench::new();
    std::fs::create_dir_all(bench.folder.path().join("acme/memory.json/in the way")).unwrap();
    let order = order(&["a.example"]);
    let error = bench
        .issue(Played::Issues(vec!["a.example"]), &order)
        .await
        .unwrap_err();
    assert!(error.contains("account"), "{error}");
    assert!(bench.put.borrow().is_empty());
}

/// Failed validations of a name within an hour that an authority allows.
const ALLOWED: usize = 5;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Somebody edits the list of further names again and again while the main name cannot be validated.
    #[test]
    fn no_name_fails_more_often_than_the_authority_allows(
        happenings in proptest::collection::vec((0u8..16, 0i64..25, 0u8..8), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let bench = Bench::new();
        let main = order(&["a.example"]);
        let mut time = now();
        let mut failures: Vec<(Timestamp, DomainName)> = Vec::new();
        for (set, minutes, killed) in happenings {
            time += SignedDuration::from_mins(minutes);
            let more = ["b", "c", "d", "e"].iter().enumerate();
            let more = more.filter(|(bit, _)| set & (1 << bit) != 0);
            let names: BTreeSet<DomainName> = more
                .map(|(_, name)| format!("{name}.example").as_str().try_into().unwrap())
                .chain([main.host.clone()])
                .collect();
            let site = plan::Site { names, served: true };
            let sites = std::collections::BTreeMap::from([(main.host.clone(), site)]);
            let memory = bench.memory();
            let planned = plan::plan(&plan::Input {
                authority: &main.authority,
                sites: &sites,
                facts: &std::collections::BTreeMap::new(),
                memory: &memory,
                now: time,
            });
            let Some(plan::Due::Issue(order)) = planned.due.get(&main.host) else {
                prop_assert!(planned.next.is_some_and(|next| next > time), "it goes on by itself");
                continue;
            };
            failures.extend(order.names.iter().map(|name| (time, name.clone())));
            let authority = if killed == 0 { Played::Never } else { Played::Fails(refused("the challenge failed")) };
            runtime.block_on(async {
                let mut asked = std::pin::pin!(issue(&authority, &bench.memory, &bench.challenges, order, |_| Ok(()), || time));
                // One that is killed is polled once.
                let _ = futures_util::poll!(asked.as_mut());
            });
        }
        for (at, name) in &failures {
            let within = failures.iter().filter(|(other, same)| {
                same == name && *other >= *at && other.duration_since(*at) < SignedDuration::from_hours(1)
            });
            prop_assert!(within.count() < ALLOWED, "{name} {at}: {failures:?}");
        }
    }
}

#[test]
fn words_are_whole() {
    assert!(mentions("issued for \"acme.example\" in", "acme.example"));
    assert!(mentions("for acme.example.", "acme.example"));
    assert!(!mentions("for www.acme.example", "acme.example"));
    assert!(!mentions("", "acme.example"));
}
