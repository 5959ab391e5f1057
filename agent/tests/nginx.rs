//! The real nginx: sites go live after they were tested, in one step; a bad one leaves the old one serving.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use common::skip_without;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tenantry_agent::certificates::self_signed;
use tenantry_agent::config::{Control, Nginx};
use tenantry_agent::web_server::logs::Rotation;
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

    /// Every call of nginx is noted.
    fn counted() -> Self {
        let mut web = Self::new();
        let program = web.folder.path().join("nginx");
        let calls = web.folder.path().join("calls");
        let script = format!(
            "#!/bin/sh\necho \"$*\" >> {}\nexec /usr/sbin/nginx \"$@\"\n",
            calls.display()
        );
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        web.server = NginxServer::new(Nginx {
            configuration: web.folder.path().join("nginx.conf"),
            control: Control::Direct,
            program,
        });
        web
    }

    fn reloads(&self) -> usize {
        let calls = std::fs::read_to_string(self.folder.path().join("calls")).unwrap();
        calls.matches("-s reload").count()
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
            .put_certificate(&host, &self_signed(&host, [], Timestamp::now()).unwrap())
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
async fn whatever_changes_at_once_is_one_reload() {
    if skip_without("nginx") {
        return;
    }
    let web = Web::counted();
    let names = ["a.example", "b.example", "c.example"];
    for name in names {
        web.certify(name);
    }
    let target = |answer: &str| sites(names.map(|name| (name, web.site(name, answer))));
    web.server.publish(&target("old")).await.unwrap();
    assert_eq!(web.reloads(), 0, "it was started");
    // All sites, a certificate, a site that goes, and one that is bad.
    web.certify("d.example");
    web.certify("a.example");
    let mut next = target("new");
    next.remove(&host("c.example"));
    next.insert(
        host("d.example"),
        Target::Text("server { serverr; }".into()),
    );
    let complaints = web.server.publish(&next).await.unwrap();
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert_eq!(web.ask("a.example", "new").await, "new");
    assert_eq!(web.ask("b.example", "new").await, "new");
    assert_eq!(web.reloads(), 1);
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

/// A site that is logged, as the hub's template has it.
fn logged(web: &Web, name: &str) -> Target {
    let Target::Text(text) = web.site(name, "logged") else {
        panic!("no text");
    };
    let include = format!("server {{\n  include \"tenantry/logging/{name}.con[f]\";");
    Target::Text(text.replacen("server {", &include, 1))
}

/// nginx's workers are nobody here, as they are on a server: what root may read says nothing.
fn let_workers_through(web: &Web) {
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(web.folder.path(), open).unwrap();
}

#[tokio::test]
async fn logs_are_put_aside_without_losing_a_line() {
    if skip_without("nginx") {
        return;
    }
    let web = Web::new();
    let_workers_through(&web);
    web.certify("a.example");
    let site = logged(&web, "a.example");
    web.server
        .publish(&sites([("a.example", site)]))
        .await
        .unwrap();
    web.ask("a.example", "logged").await;
    let folder = web.folder.path().join("tenantry/logs");
    let mode = std::fs::metadata(&folder).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o711, "nobody lists it");
    let current = folder.join("a.example.access.log");
    let lines = |path: &std::path::Path| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().count()
    };
    for _ in 0..100 {
        if lines(&current) > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let before = lines(&current);
    assert!(before > 0);
    let seen = web.server.observe().unwrap().logs;
    assert!(seen["a.example.access.log"].size > 0 && seen.contains_key("a.example.error.log"));

    let rotation = Rotation {
        aside: vec!["a.example.access.log".into()],
        remove: Vec::new(),
        reopen: true,
    };
    let now = Timestamp::now();
    web.server.rotate(&rotation, now).await.unwrap();
    let aside = folder.join(format!("a.example.access.log.{}", now.as_second()));
    // The signal is on its way; until it has arrived lines go to the old file.
    let mut asked = 0;
    for _ in 0..100 {
        web.ask("a.example", "logged").await;
        asked += 1;
        if lines(&current) > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(lines(&current) > 0, "the workers write to the new one");
    // A worker writes its line after the answer has gone out.
    for _ in 0..100 {
        if lines(&aside) + lines(&current) >= before + asked {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(lines(&aside) + lines(&current), before + asked);
}

#[tokio::test]
async fn challenges_are_answered_by_workers_without_rights() {
    if skip_without("nginx") {
        return;
    }
    let web = Web::new();
    let_workers_through(&web);
    let text = format!(
        "server {{\n  listen 127.0.0.1:{} default_server;\n  server_name _;\n  location ^~ /.well-known/acme-challenge/ {{ default_type text/plain; include tenantry/acme/*.conf; try_files $uri =404; }}\n}}\n",
        web.port
    );
    let fallback = sites([("fallback.invalid", Target::Text(text))]);
    assert!(web.server.publish(&fallback).await.unwrap().is_empty());
    let challenges = web.server.challenges().unwrap();
    let path = ".well-known/acme-challenge/token".try_into().unwrap();
    challenges.write(&path, b"proof").unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!(
        "http://127.0.0.1:{}/.well-known/acme-challenge/token",
        web.port
    );
    let mut said = String::new();
    for _ in 0..100 {
        if let Ok(answer) = client.get(&url).send().await {
            said = answer.text().await.unwrap();
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(said, "proof");
    // Where challenges are is part of what must be there.
    assert!(!web.server.observe().unwrap().strays);
    std::fs::remove_file(web.folder.path().join("tenantry/acme/root.conf")).unwrap();
    assert!(web.server.observe().unwrap().strays);
}

#[tokio::test]
async fn a_default_server_of_somebody_else_keeps_its_place() {
    if skip_without("nginx") {
        return;
    }
    let web = Web::new();
    let folder = web.folder.path().display();
    let main = format!(
        "pid {folder}/nginx.pid;\nerror_log {folder}/error.log;\nevents {{}}\nhttp {{\n  access_log off;\n  server {{ listen 127.0.0.1:{} ssl default_server; ssl_reject_handshake on; }}\n  include tenantry/sites/*.conf;\n}}\n",
        web.port
    );
    std::fs::write(web.folder.path().join("nginx.conf"), main).unwrap();
    web.certify("a.example");
    let fallback = Target::Text(format!(
        "server {{ listen 127.0.0.1:{} ssl default_server; ssl_reject_handshake on; }}\n",
        web.port
    ));
    let target = sites([
        ("a.example", web.site("a.example", "a")),
        ("fallback.invalid", fallback),
    ]);
    let complaints = web.server.publish(&target).await.unwrap();
    assert_eq!(complaints.len(), 1);
    let complaint = &complaints[&host("fallback.invalid")];
    assert!(
        complaint.contains("duplicate default server"),
        "{complaint}"
    );
    assert_eq!(web.ask("a.example", "a").await, "a");
}

#[tokio::test]
async fn a_certificate_that_nobody_told_nginx_of_is_noticed() {
    if skip_without("nginx") {
        return;
    }
    let web = Web::new();
    web.certify("a.example");
    let target = sites([("a.example", web.site("a.example", "a"))]);
    web.server.publish(&target).await.unwrap();
    assert!(!web.server.observe().unwrap().stale);
    // An agent that is killed right after it put a certificate in place.
    web.certify("a.example");
    let other = NginxServer::new(Nginx {
        configuration: web.folder.path().join("nginx.conf"),
        control: Control::Direct,
        program: "/usr/sbin/nginx".into(),
    });
    assert!(other.observe().unwrap().stale);
    other.reload_or_start().await.unwrap();
    assert!(!other.observe().unwrap().stale);
}
