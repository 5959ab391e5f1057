//! A fleet over HTTPS with a user name and password that Git's credential helper knows.

use super::{SOON, complaint, decided, order};
use std::fmt::Write as _;
use std::path::Path;
use tenantry_tests::rig::{Access, FakeAgent, GitHttp, Hub, HubBox};

const USER: &str = "hub";
const PASSWORD: &str = "a-passw0rd-that-nobody-may-see";

/// A home for `git` with a credential helper, in which the certificate is trusted where `trusted`.
fn environment(home: &Path, server: &GitHttp, trusted: bool) -> Vec<(String, String)> {
    std::fs::create_dir_all(home).unwrap();
    let config = home.join("gitconfig");
    let mut text = format!(
        "[credential]\n\thelper = store --file={}\n",
        home.join("credentials").display()
    );
    if trusted {
        let _ = writeln!(
            text,
            "[http]\n\tsslCAInfo = {}",
            server.certificate().display()
        );
    }
    std::fs::write(&config, text).unwrap();
    // Where the machine sets it, it stands above the settings.
    let authority = if trusted {
        server.certificate().display().to_string()
    } else {
        "/etc/ssl/certs/ca-certificates.crt".to_owned()
    };
    vec![
        ("GIT_SSL_CAINFO".into(), authority),
        ("GIT_CONFIG_GLOBAL".into(), config.display().to_string()),
        ("HOME".into(), home.display().to_string()),
    ]
}

fn remember(home: &Path, server: &GitHttp, password: &str) {
    let url = server.url();
    let host = url
        .strip_prefix("https://")
        .unwrap()
        .split('/')
        .next()
        .unwrap();
    std::fs::write(
        home.join("credentials"),
        format!("https://{USER}:{password}@{host}\n"),
    )
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_follows_and_decides_over_https_and_says_what_is_in_the_way() {
    let home = HubBox::new("https").unwrap();
    FakeAgent::crew(&home.fleet, 2).unwrap();
    let (path, text) = order(0, 0, "hello");
    home.fleet.write(&path, &text).unwrap();
    home.fleet.commit("an order").unwrap();
    let dir = home.dir().join("https");
    let server = GitHttp::start(&dir, home.fleet.repository(), Access::Basic(USER, PASSWORD))
        .await
        .unwrap();
    let git = home.dir().join("git-home");
    let key = home.fleet.hub_key();

    // A certificate that nobody vouches for.
    let untrusted = environment(&git, &server, false);
    let hub = Hub::start_in(
        server.url().as_ref(),
        Some(&key),
        &home.place,
        &[],
        &untrusted,
    )
    .await
    .unwrap();
    let said = complaint(&hub, "sslCAInfo").await;
    assert!(said.contains("certificate"), "{said}");
    drop(hub);

    // Nobody to ask for a password: it does not hang.
    let trusted = environment(&git, &server, true);
    let hub = Hub::start_in(
        server.url().as_ref(),
        Some(&key),
        &home.place,
        &[],
        &trusted,
    )
    .await
    .unwrap();
    complaint(&hub, "credential.helper").await;

    // Known now, and the hub notices by itself.
    remember(&git, &server, PASSWORD);
    decided(&hub, &home.fleet, 1, SOON).await;

    // Expired. `git` forgets what was refused; the hub says so and goes on with what it knows.
    server.set_password(USER, "another").unwrap();
    let said = complaint(&hub, "expired").await;
    assert_eq!(hub.status().await.unwrap().orders.len(), 1);
    home.fleet.pull().unwrap();
    let (path, text) = order(1, 0, "while it cannot be read");
    home.fleet.write(&path, &text).unwrap();
    home.fleet.commit("one more order").unwrap();
    remember(&git, &server, "another");
    decided(&hub, &home.fleet, 2, SOON).await;
    let log = std::fs::read_to_string(&home.place.log).unwrap();
    assert!(
        !said.contains(PASSWORD) && !log.contains(PASSWORD),
        "a password was told"
    );
}
