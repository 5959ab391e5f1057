//! The real nginx: sites go live after they were tested, in one step; a bad one leaves the old one serving.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use common::skip_without;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tenantry_agent::certificates::self_signed;
use tenantry_agent::config::{Control, Nginx};
use tenantry_agent::web_server::{NginxServer, Target, WebError, WebServer as _};
use tenantry_schema::name::DomainName;

struct Web {
    folder: tempfile::TempDir,
    server: NginxServer,
    port: u16,
}

impl Web {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let configuration = folder.path().join("nginx.conf");
        let server = NginxServer::new(Nginx {
            configuration,
            control: Control::Direct,
            program: "/usr/sbin/nginx".into(),
        });
        // Taken and given back: nobody else on this machine gets it at once.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        Self {
            folder,
            server,
            port,
        }
    }

    fn site(&self, name: &str, answer: &str) -> Target {
        Target::Text(format!(
            "server {{\n  listen 127.0.0.1:{} ssl;\n  server_name {name};\n  ssl_certificate tenantry/certificates/{name}/fullchain.pem;\n  ssl_certificate_key tenantry/certificates/{name}/privkey.pem;\n  return 200 \"{answer}\";\n}}\n",
            self.port
        ))
    }

    fn certify(&self, name: &str) {
        let host = host(name);
        self.server
            .put_certificate(&host, &self_signed(&host, Timestamp::now()).unwrap())
            .unwrap();
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.path().join("nginx.pid")
    }

    /// What the site answers, once reloading is over; nothing if there is no such site.
    async fn ask(&self, name: &str, expected: &str) -> String {
        let client = reqwest::Client::builder()
            .tls_danger_accept_invalid_certs(true)
            .no_proxy()
            .resolve(name, ([127, 0, 0, 1], self.port).into())
            .build()
            .unwrap();
        let mut last = String::new();
        for _ in 0..100 {
            let answer = client
                .get(format!("https://{name}:{}/", self.port))
                .timeout(Duration::from_secs(2))
                .send()
                .await;
            last = match answer {
                Ok(answer) => answer.text().await.unwrap_or_default(),
                Err(error) => error.to_string(),
            };
            if last == expected {
                return last;
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        last
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        if let Ok(pid) = std::fs::read_to_string(self.pid_file()) {
            let _ = Command::new("kill").arg(pid.trim()).status();
        }
    }
}

fn host(name: &str) -> DomainName {
    name.try_into().unwrap()
}

fn sites<const N: usize>(entries: [(&str, Target); N]) -> BTreeMap<DomainName, Target> {
    entries
        .into_iter()
        .map(|(name, target)| (host(name), target))
        .collect()
}

#[tokio::test]
async fn a_bad_site_leaves_the_old_one_serving_and_does_not_hold_up_others() {
    if skip_without("nginx") {
        return;
    }
    let web = Web::new();
    for name in ["a.example", "b.example", "c.example"] {
        web.certify(name);
    }
    let complaints = web
        .server
        .publish(&sites([("a.example", web.site("a.example", "old a"))]))
        .await
        .unwrap();
    assert!(complaints.is_empty());
    assert_eq!(web.ask("a.example", "old a").await, "old a");
    let state = web.server.observe().unwrap();
    assert!(state.running && !state.strays);
    assert_eq!(state.certificates.len(), 3);
    assert_eq!(state.sites.len(), 1);

    // A new site that is bad, an old one that became bad, and a good one, all at once.
    let bad = Target::Text("server { serverr_name x; }".into());
    let target = sites([
        ("a.example", bad.clone()),
        ("b.example", bad),
        ("c.example", web.site("c.example", "new c")),
    ]);
    let complaints = web.server.publish(&target).await.unwrap();
    assert_eq!(
        complaints
            .keys()
            .map(DomainName::as_str)
            .collect::<Vec<_>>(),
        ["a.example", "b.example"]
    );
    assert!(
        complaints[&host("a.example")].contains("serverr_name"),
        "{complaints:?}"
    );
    assert!(
        !complaints[&host("a.example")].contains("/test/"),
        "{complaints:?}"
    );
    assert_eq!(web.ask("c.example", "new c").await, "new c");
    assert_eq!(web.ask("a.example", "old a").await, "old a");
    let live = web.folder.path().join("tenantry/sites");
    assert!(live.join("a.example.conf").exists() && !live.join("b.example.conf").exists());

    // One goes, one stays as it is.
    let complaints = web
        .server
        .publish(&sites([("c.example", Target::Keep)]))
        .await
        .unwrap();
    assert!(complaints.is_empty());
    assert_eq!(
        web.server
            .observe()
            .unwrap()
            .sites
            .keys()
            .map(DomainName::as_str)
            .collect::<Vec<_>>(),
        ["c.example"]
    );
    assert_eq!(web.ask("c.example", "new c").await, "new c");
}

#[tokio::test]
async fn drift_is_seen_and_put_back_and_a_dead_nginx_started() {
    if skip_without("nginx") {
        return;
    }
    let web = Web::new();
    web.certify("a.example");
    let target = sites([("a.example", web.site("a.example", "a"))]);
    web.server.publish(&target).await.unwrap();
    let good = web.server.observe().unwrap();
    let file = web.folder.path().join("tenantry/sites/a.example.conf");

    std::fs::write(&file, "broken {").unwrap();
    std::fs::write(
        web.folder.path().join("tenantry/sites/evil.conf"),
        "broken {",
    )
    .unwrap();
    let seen = web.server.observe().unwrap();
    assert!(seen.strays && seen.sites[&host("a.example")] != good.sites[&host("a.example")]);
    assert!(web.server.publish(&target).await.unwrap().is_empty());
    assert_eq!(web.server.observe().unwrap(), good);

    std::fs::remove_file(&file).unwrap();
    assert!(web.server.observe().unwrap().sites.is_empty());
    web.server.publish(&target).await.unwrap();
    assert_eq!(web.server.observe().unwrap(), good);

    let pid = std::fs::read_to_string(web.pid_file()).unwrap();
    Command::new("kill")
        .args(["-9", pid.trim()])
        .status()
        .unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!web.server.observe().unwrap().running);
    // Its workers outlive it and hold the port.
    web.server.reload_or_start().await.unwrap();
    assert!(web.server.observe().unwrap().running);
    assert_eq!(web.ask("a.example", "a").await, "a");
}

#[tokio::test]
async fn trouble_that_is_not_ours_is_told_as_such() {
    if skip_without("nginx") {
        return;
    }
    let web = Web::new();
    let main = web.folder.path().join("nginx.conf");
    std::fs::write(&main, "events {}\nhttp { }\n").unwrap();
    let refused = web.server.publish(&BTreeMap::new()).await;
    assert!(
        matches!(refused, Err(WebError::NotIncluded(_))),
        "{refused:?}"
    );
    std::fs::write(
        &main,
        "events {}\nbroken;\nhttp {\ninclude tenantry/sites/*.conf;\n}\n",
    )
    .unwrap();
    let refused = web.server.publish(&BTreeMap::new()).await;
    assert!(
        matches!(&refused, Err(WebError::Refused(why)) if why.contains("broken")),
        "{refused:?}"
    );
    assert!(!web.folder.path().join("tenantry/sites").exists());
}

#[tokio::test]
async fn a_folder_of_sites_that_was_there_before_gives_way() {
    if skip_without("nginx") {
        return;
    }
    let web = Web::new();
    std::fs::create_dir_all(web.folder.path().join("tenantry/sites")).unwrap();
    web.certify("a.example");
    web.server
        .publish(&sites([("a.example", web.site("a.example", "a"))]))
        .await
        .unwrap();
    assert_eq!(web.ask("a.example", "a").await, "a");
}
