//! A real hub tells a fake forge what it thinks: of its branch, of branches and requests; once, and also when the forge is away for a while.

use super::{REPOSITORY, SOON, TOKEN, order, reviewed_at, status};
use std::path::Path;
use std::time::Duration;
use tenantry_schema::document::ForgeKind;
use tenantry_sops::{EncryptOptions, Identities, Map, Rule, Timestamp, encrypt};
use tenantry_tests::rig::{FakeForge, Fleet, Hub, HubBox, Mood};

/// Makes a branch in the clone with one file changed, pushes it to `reference`, and goes back. Returns its commit.
fn offer(fleet: &Fleet, reference: &str, path: &str, text: &str) -> String {
    fleet.pull().unwrap();
    fleet.git(&["checkout", "-q", "-b", "offer"]).unwrap();
    fleet.write(path, text).unwrap();
    fleet.git(&["add", "--all"]).unwrap();
    fleet.git(&["commit", "-q", "-m", "an offer"]).unwrap();
    fleet
        .git(&["push", "-q", "origin", &format!("HEAD:{reference}")])
        .unwrap();
    let commit = fleet.git(&["rev-parse", "HEAD"]).unwrap().trim().to_owned();
    fleet.git(&["checkout", "-q", "main"]).unwrap();
    fleet.git(&["branch", "-q", "-D", "offer"]).unwrap();
    commit
}

const ORDER: &str = "fleet/customers/c0/orders/website.yaml";

async fn text_at(url: &str) -> String {
    reqwest::get(url).await.unwrap().text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_of_the_branch_and_of_what_is_offered() {
    for (kind, remote) in [
        (ForgeKind::Gitea, true),
        (ForgeKind::Github, false),
        (ForgeKind::Gitlab, true),
    ] {
        let forge = FakeForge::start(kind, REPOSITORY, TOKEN).await.unwrap();
        let home = reviewed_at("verdicts", kind, forge.url(), 2);
        let url = format!("file://{}", home.fleet.repository().display());
        let place = if remote {
            Path::new(&url)
        } else {
            home.fleet.repository()
        };
        let hub = Hub::start_at(place, Some(&home.fleet.hub_key()), &home.place, &[])
            .await
            .unwrap();
        let (good, wrong) = match kind {
            ForgeKind::Gitlab => ("success", "failed"),
            _ => ("success", "failure"),
        };
        // The branch itself.
        let first = home.fleet.head().unwrap();
        let said = status(&forge, &first, "a verdict on the branch", |said| {
            said.state == good
        })
        .await;
        assert_eq!(said.description, "accepted; 2 customers");
        // A branch that is fine, one with a mistake, one that conflicts, and a request that does both at once.
        let fine = offer(&home.fleet, "refs/heads/fine", ORDER, &order("hello"));
        let said = status(&forge, &fine, "a verdict on a branch", |_| true).await;
        assert_eq!(said.state, good, "{said:?}");
        assert!(
            said.description.contains("server") && said.description.contains("created"),
            "{said:?}"
        );
        let full = text_at(&said.target_url).await;
        assert!(
            full.contains("fine (") && full.contains("c0/c0-1") || full.contains("c0/"),
            "{full}"
        );
        let mistake = offer(
            &home.fleet,
            "refs/heads/mistake",
            ORDER,
            "plan: pro\ndomain: c0.test\ntools: [htlm]\n",
        );
        let said = status(&forge, &mistake, "a verdict on a mistake", |_| true).await;
        assert_eq!(said.state, wrong);
        assert!(
            said.description
                .starts_with("1 error, T0107 fleet/customers/c0/orders/website.yaml:"),
            "{said:?}"
        );
        assert!(
            text_at(&said.target_url)
                .await
                .contains("did you mean `html`?")
        );
        let request = if kind == ForgeKind::Gitlab {
            "refs/merge-requests/7/head"
        } else {
            "refs/pull/7/head"
        };
        let conflicting = offer(&home.fleet, request, ORDER, &order("theirs"));
        // As long as it does not conflict it is fine.
        status(&forge, &conflicting, "a verdict on a request", |said| {
            said.state == good
        })
        .await;
        home.fleet.pull().unwrap();
        home.fleet.write(ORDER, &order("ours")).unwrap();
        let merged = home.fleet.commit("an order").unwrap();
        hub.wait_for(SOON, "the order", |status| status.orders.len() == 1)
            .await
            .unwrap();
        drop(merged);
        let head = home.decided_head(&hub).await;
        let said = status(&forge, &head, "a verdict on a commit of the hub", |_| true).await;
        assert_eq!(
            (said.state.as_str(), said.description.as_str()),
            (good, "accepted; 2 customers")
        );
        let late = offer(
            &home.fleet,
            "refs/heads/late",
            "fleet/customers/c1/customer.yaml",
            "language: xx-\n",
        );
        status(&forge, &late, "a verdict on a customer's mistake", |said| {
            said.state == wrong
        })
        .await;
        // A mistake on the branch: what stays as it was.
        home.fleet
            .write("fleet/customers/c1/customer.yaml", "language: xx-\n")
            .unwrap();
        let bad = home.fleet.commit("a mistake").unwrap();
        let said = status(&forge, &bad, "a verdict on a mistake of the branch", |_| {
            true
        })
        .await;
        assert_eq!(said.state, wrong);
        assert!(
            said.description
                .starts_with("accepted; customer c1 stays as it was: 1 error, T0104 "),
            "{said:?}"
        );
        // Nothing was posted twice.
        let mut posted: Vec<_> = forge.posted();
        let all = posted.len();
        posted.sort_by_key(|status| format!("{status:?}"));
        posted.dedup();
        assert_eq!(posted.len(), all);
        let log = std::fs::read_to_string(&home.place.log).unwrap();
        assert!(
            log.contains("commit status posted") && !log.contains(TOKEN),
            "{log}"
        );
    }
}

/// The first encrypted value with one character changed.
fn spoilt(text: &str) -> String {
    let at = text.find("data:").unwrap() + "data:".len();
    let other = if text[at..].starts_with('A') {
        "B"
    } else {
        "A"
    };
    format!("{}{other}{}", &text[..at], &text[at + 1..])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hub_opens_the_secrets_that_a_branch_changes() {
    let forge = FakeForge::start(ForgeKind::Gitea, REPOSITORY, TOKEN)
        .await
        .unwrap();
    let mut home = reviewed_at("opened", ForgeKind::Gitea, forge.url(), 1);
    home.start().await.unwrap();
    let secrets = "fleet/customers/c0/secrets.yaml";
    let mine = age_key();
    let closed = encrypted(&[&mine]);
    let commit = offer(&home.fleet, "refs/heads/closed", secrets, &closed);
    let said = status(&forge, &commit, "a verdict on a closed file", |_| true).await;
    assert_eq!(said.state, "failure");
    let words = format!("{secrets} is not open to the hub: `tenantry secrets updatekeys`");
    assert!(said.description.starts_with(&words), "{said:?}");
    let open = encrypted(&[&mine, &home.fleet.hub_identities().unwrap()]);
    let commit = offer(&home.fleet, "refs/heads/open", secrets, &open);
    let said = status(&forge, &commit, "a verdict on an open file", |_| true).await;
    assert_eq!(said.state, "success", "{said:?}");
    let commit = offer(&home.fleet, "refs/heads/spoilt", secrets, &spoilt(&open));
    let said = status(&forge, &commit, "a verdict on a damaged file", |_| true).await;
    assert_eq!(said.state, "failure");
    let words = format!("{secrets} is damaged: value `password`");
    assert!(said.description.starts_with(&words), "{said:?}");
}

fn age_key() -> Identities {
    age::x25519::Identity::generate().into()
}

/// A password for these people.
fn encrypted(people: &[&Identities]) -> String {
    let options = EncryptOptions {
        recipients: people
            .iter()
            .flat_map(|one| one.recipients().cloned())
            .collect(),
        rule: Rule::default(),
        mac_only_encrypted: true,
        last_modified: Timestamp::from_unix(1_795_222_800).unwrap(),
    };
    encrypt(
        &Map::new().with("password", "correct horse"),
        &options,
        &mut rand::rng(),
    )
    .unwrap()
}

trait Decided {
    async fn decided_head(&self, hub: &Hub) -> String;
}

impl Decided for HubBox {
    /// The head once the hub has decided what there is to decide.
    async fn decided_head(&self, hub: &Hub) -> String {
        let decided = |status: &tenantry_planner::status::FleetStatus| {
            let head = self.fleet.head().unwrap_or_default();
            status
                .commit
                .as_ref()
                .is_some_and(|commit| commit.id == head)
                && status
                    .orders
                    .iter()
                    .all(|order| order.tools.iter().all(|tool| tool.pin.is_some()))
                && status
                    .servers
                    .iter()
                    .any(|server| server.published.is_some())
        };
        hub.wait_for(SOON, "decisions", decided).await.unwrap();
        self.fleet.head().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_that_is_away_holds_up_nothing_and_is_told_when_it_is_back() {
    let forge = FakeForge::start(ForgeKind::Gitea, REPOSITORY, TOKEN)
        .await
        .unwrap();
    forge.feels(Mood::Slow(Duration::from_mins(1)));
    let mut home = reviewed_at("away", ForgeKind::Gitea, forge.url(), 1);
    let hub = home.start().await.unwrap();
    // It hangs; the hub reads, decides and publishes all the same.
    hub.wait_for(SOON, "reading", |status| status.commit.is_some())
        .await
        .unwrap();
    home.fleet.write(ORDER, &order("hello")).unwrap();
    home.fleet.commit("an order").unwrap();
    home.decided(1, Duration::from_secs(30)).await.unwrap();
    let said = |what: &'static str| {
        move |status: &tenantry_planner::status::FleetStatus| {
            status
                .forge_problem
                .as_ref()
                .is_some_and(|problem| problem.contains(what))
        }
    };
    home.hub()
        .wait_for(SOON, "the complaint", said("does not answer in time"))
        .await
        .unwrap();
    forge.feels(Mood::Echo);
    let status_said = home
        .hub()
        .wait_for(SOON, "the refusal", said("refuses the token"))
        .await
        .unwrap();
    let problem = status_said.forge_problem.unwrap();
    assert!(!problem.contains(TOKEN), "{problem}");
    assert_eq!(forge.posted(), []);
    // Another token, another try: at once, not when the pause is over.
    forge.feels(Mood::Well);
    home.fleet.pull().unwrap();
    home.fleet
        .secret("hub", "forge_token", &format!("{TOKEN} "))
        .unwrap();
    let head = home.fleet.commit("another token").unwrap();
    status(&forge, &head, "a verdict when it is back", |said| {
        said.state == "success"
    })
    .await;
    home.hub()
        .wait_for(SOON, "no complaint", |status| {
            status.forge_problem.is_none()
        })
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_without_memory_and_a_second_one_post_nothing_twice() {
    let forge = FakeForge::start(ForgeKind::Github, REPOSITORY, TOKEN)
        .await
        .unwrap();
    let mut home = reviewed_at("memory", ForgeKind::Github, forge.url(), 1);
    let branch = offer(&home.fleet, "refs/heads/fine", ORDER, &order("hello"));
    home.start().await.unwrap();
    let head = home.fleet.head().unwrap();
    status(&forge, &head, "a verdict on the branch", |_| true).await;
    status(&forge, &branch, "a verdict on an offer", |_| true).await;
    let (posted, asked) = (forge.posted(), forge.requests().len());
    assert_eq!(posted.len(), 2);
    home.wipe().unwrap();
    home.start().await.unwrap();
    tenantry_tests::lab::wait_until(SOON, "both commits being asked for", async || {
        (forge.requests().len() >= asked + 2).then_some(())
    })
    .await
    .unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(forge.posted(), posted);
    // One that does not act says nothing, whatever it sees.
    home.kill();
    let asked = forge.requests().len();
    let hub = home.start_with(&["--observe"]).await.unwrap();
    hub.wait_for(SOON, "reading", |status| status.commit.is_some())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(forge.requests().len(), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_is_not_followed_is_told_as_such() {
    let forge = FakeForge::start(ForgeKind::Gitea, REPOSITORY, TOKEN)
        .await
        .unwrap();
    let mut home = reviewed_at("rewound", ForgeKind::Gitea, forge.url(), 1);
    let before = home
        .fleet
        .git(&["rev-parse", "HEAD~1"])
        .unwrap()
        .trim()
        .to_owned();
    home.start().await.unwrap();
    let head = home.fleet.head().unwrap();
    status(&forge, &head, "a verdict", |said| said.state == "success").await;
    home.fleet.force_branch(&before).unwrap();
    let other = home.fleet.colleague(home.dir()).unwrap();
    other
        .write("notes.md", "history of another kind\n")
        .unwrap();
    let forked = other.commit("not a descendant").unwrap();
    let said = status(&forge, &forked, "a verdict on what is not followed", |_| {
        true
    })
    .await;
    assert_eq!(said.state, "failure");
    assert!(
        said.description
            .starts_with("not followed: the branch was rewound"),
        "{said:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_commits_are_signed_a_branch_is_judged_by_who_signed_it() {
    let forge = FakeForge::start(ForgeKind::Gitea, REPOSITORY, TOKEN)
        .await
        .unwrap();
    let mut home = reviewed_at("signed-offers", ForgeKind::Gitea, forge.url(), 1);
    let key = home.dir().join("olga");
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .status()
        .unwrap();
    assert!(made.success());
    let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    let public: Vec<&str> = public.split_whitespace().take(2).collect();
    let staff = format!(
        "olga: {{ email: olga@example.com, role: owner, signing_keys: [{}] }}\n",
        public.join(" ")
    );
    let fleet = &home.fleet;
    fleet.write("fleet/staff.yaml", &staff).unwrap();
    fleet
        .edit("fleet/hub.yaml", "trust: forge", "trust: signed")
        .unwrap();
    let root = fleet.commit("from now on commits are signed").unwrap();
    home.start_with(&["--trust-root", &root]).await.unwrap();
    let signs = |yes: bool| {
        for (name, value) in [
            ("gpg.format", "ssh"),
            ("user.signingkey", key.to_str().unwrap()),
            ("commit.gpgsign", if yes { "true" } else { "false" }),
        ] {
            home.fleet.git(&["config", name, value]).unwrap();
        }
    };
    // Nothing is wrong with it but who made it: nobody.
    signs(false);
    let unsigned = offer(&home.fleet, "refs/heads/unsigned", ORDER, &order("hello"));
    let said = status(&forge, &unsigned, "a verdict on an unsigned branch", |_| {
        true
    })
    .await;
    assert_eq!(said.state, "failure", "{said:?}");
    let line = format!("commit {} by ", &unsigned[..12]);
    assert!(said.description.starts_with(&line), "{said:?}");
    assert!(
        said.description
            .contains("is not followed: it is not signed"),
        "{said:?}"
    );
    let full = text_at(&said.target_url).await;
    assert!(full.contains("merging it stops the whole fleet"), "{full}");
    // The same, signed.
    signs(true);
    let signed = offer(&home.fleet, "refs/pull/7/head", ORDER, &order("hello"));
    let said = status(&forge, &signed, "a verdict on a signed request", |_| true).await;
    assert_eq!(said.state, "success", "{said:?}");
    // The verdicts keep their word: a merge that a forge makes without a signature of anybody is followed, and so is what the hub decides then.
    signs(false);
    home.fleet.git(&["fetch", "-q", "origin"]).unwrap();
    home.fleet
        .git(&["merge", "-q", "--no-ff", "-m", "merge", &signed])
        .unwrap();
    home.fleet.git(&["push", "-q", "origin", "main"]).unwrap();
    let merge = home.fleet.head().unwrap();
    home.decided(1, SOON).await.unwrap();
    home.fleet.pull().unwrap();
    home.fleet
        .git(&[
            "merge", "-q", "--no-ff", "-s", "ours", "-m", "merge", &unsigned,
        ])
        .unwrap();
    home.fleet.git(&["push", "-q", "origin", "main"]).unwrap();
    let stops = home.fleet.head().unwrap();
    assert_ne!(stops, merge);
    let said = status(&forge, &stops, "the complaint", |_| true).await;
    assert_eq!(said.state, "failure", "{said:?}");
    assert!(said.description.contains("is not followed"), "{said:?}");
}
