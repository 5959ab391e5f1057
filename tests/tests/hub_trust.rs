//! A real hub judges what it follows. With `trust: signed`: what nobody entitled signed is not followed, and said; what the hub commits itself is. With
//! `trust: forge`: the hub's own key opens nothing but decisions.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;
use tenantry_planner::status::{FleetStatus, Mode};
use tenantry_tests::rig::{FakeAgent, Fleet, HubBox, program, run};

const SOON: Duration = Duration::from_secs(30);

fn order(name: &str) -> (String, String) {
    (
        format!("fleet/customers/c0/orders/{name}.yaml"),
        format!("plan: pro\ndomain: {name}.test\ntools: [html, guestbook]\n"),
    )
}

fn not_followed(status: &FleetStatus) -> bool {
    let problem = status.source_problem.as_deref().unwrap_or_default();
    problem.contains("is not followed: it is not signed")
}

#[tokio::test]
async fn only_what_was_signed_by_somebody_entitled_is_followed() {
    let mut home = HubBox::new("signed").unwrap();
    let agents = FakeAgent::crew(&home.fleet, 1).unwrap();
    let key = home.dir().join("olga");
    let made = Command::new("ssh-keygen")
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
    home.fleet.write("fleet/staff.yaml", &staff).unwrap();
    home.fleet
        .edit("fleet/hub.yaml", "trust: forge", "trust: signed")
        .unwrap();
    let root = home.fleet.commit("from now on commits are signed").unwrap();
    home.start_with(&["--trust-root", &root]).await.unwrap();

    // Signed by an owner, decided by the hub, whose own commits are good.
    for (name, value) in [
        ("gpg.format", "ssh"),
        ("user.signingkey", key.to_str().unwrap()),
        ("commit.gpgsign", "true"),
    ] {
        home.fleet.git(&["config", name, value]).unwrap();
    }
    let (path, text) = order("first");
    home.fleet.write(&path, &text).unwrap();
    home.fleet.commit("an order").unwrap();
    home.decided(1, SOON).await.unwrap();
    agents[0].serve(&home.url(), &home.fleet, 0).await.unwrap();
    home.hub()
        .wait_for(SOON, "fulfilment", |status| status.totals.fulfilled == 1)
        .await
        .unwrap();
    let good = home.fleet.head().unwrap();

    // Nobody signed this.
    home.fleet.pull().unwrap();
    home.fleet
        .git(&["config", "commit.gpgsign", "false"])
        .unwrap();
    let (path, text) = order("second");
    home.fleet.write(&path, &text).unwrap();
    let unsigned = home.fleet.commit("slipped in").unwrap();
    let status = home
        .hub()
        .wait_for(SOON, "the complaint", not_followed)
        .await
        .unwrap();
    assert_eq!(status.commit.unwrap().id, good);
    assert_eq!(status.orders.len(), 1);
    // Nor after a restart, nor by a hub that remembers nothing.
    for wipe in [false, true] {
        if wipe {
            home.wipe().unwrap();
        }
        home.start_with(&["--trust-root", &root]).await.unwrap();
        let status = home
            .hub()
            .wait_for(SOON, "the complaint", not_followed)
            .await
            .unwrap();
        assert_eq!(
            (status.commit.unwrap().id, status.orders.len()),
            (good.clone(), 1)
        );
    }
    assert_eq!(
        home.fleet.head().unwrap(),
        unsigned,
        "nothing is committed on top"
    );

    // Taken back, all goes on.
    home.fleet.force_branch(&good).unwrap();
    home.fleet.git(&["fetch", "--quiet"]).unwrap();
    home.fleet
        .git(&["reset", "--quiet", "--hard", "origin/main"])
        .unwrap();
    home.fleet
        .git(&["config", "commit.gpgsign", "true"])
        .unwrap();
    home.fleet.write(&path, &text).unwrap();
    home.fleet.commit("signed this time").unwrap();
    home.decided(2, SOON).await.unwrap();

    // Without a memory and without a root nobody knows what is good.
    home.wipe().unwrap();
    home.start().await.unwrap();
    let observing = |status: &FleetStatus| matches!(&status.mode, Mode::Observing { reason } if reason.contains("--trust-root"));
    home.hub()
        .wait_for(SOON, "why it only observes", observing)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_stolen_key_of_the_hub_changes_no_order() {
    let mut home = HubBox::new("stolen").unwrap();
    let _agents = FakeAgent::crew(&home.fleet, 1).unwrap();
    let (path, text) = order("first");
    home.fleet.write(&path, &text).unwrap();
    let good = home.fleet.commit("an order").unwrap();
    home.start().await.unwrap();
    home.decided(1, SOON).await.unwrap();
    let pem = home.fleet.hub_signing_key().unwrap().to_openssh("stolen");
    let key = home.dir().join("stolen");
    std::fs::write(&key, pem.expose()).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    home.fleet.pull().unwrap();
    let decided = home.fleet.head().unwrap();
    assert_ne!(decided, good);
    for (name, value) in [
        ("gpg.format", "ssh"),
        ("user.signingkey", key.to_str().unwrap()),
        ("commit.gpgsign", "true"),
    ] {
        home.fleet.git(&["config", name, value]).unwrap();
    }
    home.fleet
        .edit(&path, "[html, guestbook]", "[html]")
        .unwrap();
    home.fleet.commit("decide: nothing to see here").unwrap();
    let complaint = |status: &FleetStatus| {
        let problem = status.source_problem.as_deref().unwrap_or_default();
        problem.contains("which is not the hub's to write") && problem.contains(&path)
    };
    let status = home
        .hub()
        .wait_for(SOON, "the complaint", complaint)
        .await
        .unwrap();
    assert_eq!(status.commit.unwrap().id, decided);
}

/// Runs a command in the clone.
fn at_work(home: &HubBox, command: &str, arguments: &[&str]) -> String {
    let program = match command {
        "tenantry" => program("tenantry").unwrap(),
        other => other.into(),
    };
    let mut command = Command::new(program);
    run(command.args(arguments).current_dir(home.fleet.work())).unwrap()
}

/// Whether there is a slice for every server, and a server.
fn published(status: &FleetStatus) -> bool {
    let mut servers = status.servers.iter();
    !status.servers.is_empty() && servers.all(|one| one.published.is_some())
}

/// What docs/operating.md says under "Another key for the hub", step by step.
#[tokio::test]
async fn a_hub_whose_keys_are_replaced_goes_on() {
    let mut home = HubBox::new("lost-key").unwrap();
    let agents = FakeAgent::crew(&home.fleet, 1).unwrap();
    let (path, text) = order("first");
    home.fleet.write(&path, &text).unwrap();
    home.fleet.commit("an order").unwrap();
    home.start().await.unwrap();
    home.decided(1, SOON).await.unwrap();
    agents[0].serve(&home.url(), &home.fleet, 0).await.unwrap();
    let fulfilled = |status: &FleetStatus| status.totals.fulfilled == 1;
    home.hub()
        .wait_for(SOON, "fulfilment", fulfilled)
        .await
        .unwrap();
    let had = agents[0].accepted().unwrap();
    home.fleet.pull().unwrap();
    // Files of secrets are encrypted anew; that they are there, and everything else, stays.
    let decided = |fleet: &Fleet| {
        let mut decisions = fleet.decisions().unwrap();
        for (path, text) in &mut decisions {
            if path.ends_with(".secrets.yaml") {
                text.clear();
            }
        }
        decisions
    };
    let decisions = decided(&home.fleet);
    assert!(decisions.values().any(String::is_empty), "{decisions:?}");

    // Server and key are lost; the recovery key is in a safe.
    home.wipe().unwrap();
    let key = home.fleet.hub_key();
    let lost = home.dir().join("lost.agekey");
    std::fs::rename(&key, &lost).unwrap();
    let recovery = key.with_file_name("recovery.key");
    let (key, recovery) = (key.to_str().unwrap(), recovery.to_str().unwrap());
    at_work(&home, "age-keygen", &["-o", key]);
    let public = at_work(&home, "age-keygen", &["-y", key]);
    let settings = home.fleet.read("fleet/hub.yaml").unwrap();
    let old = settings.split("age: ").nth(1).unwrap();
    let old = old.split(' ').next().unwrap().to_owned();
    for file in [".sops.yaml", "fleet/hub.yaml"] {
        home.fleet.edit(file, &old, public.trim()).unwrap();
    }
    at_work(
        &home,
        "tenantry",
        &["secrets", "updatekeys", "--key", recovery],
    );
    home.fleet.commit("the hub has a new key").unwrap();
    at_work(&home, "tenantry", &["activate", ".", "--key", key]);
    home.fleet.git(&["push", "-q"]).unwrap();
    home.start().await.unwrap();
    home.hub()
        .wait_for(SOON, "the new hub acting", |status| {
            matches!(status.mode, Mode::Active) && published(status)
        })
        .await
        .unwrap();
    // The agent trusts the key that it always did. What it gets is what it has, so nothing restarts.
    agents[0].serve(&home.url(), &home.fleet, 0).await.unwrap();
    let has = agents[0].accepted().unwrap();
    assert_eq!(has.manifest.content, had.manifest.content);
    assert!(has.secrets == had.secrets && !had.secrets.is_empty());
    agents[0]
        .deliver(&home.url(), &home.fleet, vec![agents[0].all_is_well()])
        .await
        .unwrap();
    home.hub()
        .wait_for(SOON, "the same state", |status| {
            fulfilled(status) && status.servers.iter().all(|server| server.in_sync)
        })
        .await
        .unwrap();
    home.fleet.pull().unwrap();
    assert_eq!(decided(&home.fleet), decisions);

    // Now the signing key: somebody else has it.
    let sign = home.dir().join("new-sign");
    let sign = sign.to_str().unwrap();
    at_work(
        &home,
        "ssh-keygen",
        &["-q", "-t", "ed25519", "-N", "", "-C", "hub", "-f", sign],
    );
    let pem = std::fs::read_to_string(sign).unwrap();
    // As `tenantry secrets set fleet/hub-key.yaml signing_key --key hub.agekey < new-sign` does.
    home.fleet
        .secret("fleet/hub-key.yaml", "signing_key", &pem)
        .unwrap();
    let public = std::fs::read_to_string(format!("{sign}.pub")).unwrap();
    let public: Vec<&str> = public.split_whitespace().take(2).collect();
    let settings = home.fleet.read("fleet/hub.yaml").unwrap();
    let old = settings.split("sign: ").nth(1).unwrap();
    let old = old.split(',').next().unwrap().to_owned();
    home.fleet
        .edit("fleet/hub.yaml", &old, &public.join(" "))
        .unwrap();
    home.fleet.commit("the hub signs with another key").unwrap();
    home.wipe().unwrap();
    home.start().await.unwrap();
    home.hub()
        .wait_for(SOON, "the slice signed anew", published)
        .await
        .unwrap();
    // An agent that nobody told refuses it; one that was told does not, and has what it had.
    let refused = agents[0].next(&home.url(), &home.fleet, 0).await;
    assert!(refused.is_err(), "{refused:?}");
    let told = home.fleet.newly_pinned().unwrap();
    agents[0].forget();
    agents[0].serve(&home.url(), &told, 0).await.unwrap();
    let has = agents[0].accepted().unwrap();
    assert!(has.secrets == had.secrets);
}
