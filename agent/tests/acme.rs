//! Certificates of an authority: the whole agent with the real pebble, a real nginx and a real container engine.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;
#[path = "acme/deaths.rs"]
mod deaths;
#[allow(dead_code, reason = "made for other tests too")]
#[path = "containers/lab.rs"]
mod lab;

use common::hub::Hub;
use common::pebble::{Behaviour, Pebble, free};
use common::{Files, Running, World, files};
use lab::{Lab, lab};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tenantry_schema::wire::{CertificateReport, CertificateWait, Report, SiteReport};

const COMPOSE: &str = "
services:
  web:
    image: tenantry-test/busybox:1
    init: true
    restart: unless-stopped
    stop_grace_period: 1s
    command: [busybox, httpd, -f, -p, '8080', -h, /www]
    ports: ['127.0.0.1:${SITE_PORT}:8080']
    volumes: ['./files/www:/www:ro']
";

const HOST: &str = "html.acme.example";
const OLD: &str = "old.acme.example";

struct Rig {
    world: World,
    hub: Arc<Hub>,
    pebble: Pebble,
    project: String,
    port: u16,
    http: u16,
    https: u16,
    /// Holds the lab, which cleans up when it is over.
    _lab: Lab,
}

/// What is needed is not there.
fn skip() -> bool {
    ["nginx", "pebble", "pebble-challtestsrv"]
        .into_iter()
        .any(common::skip_without)
}

impl Rig {
    async fn new(
        lab: Lab,
        validity: u32,
        environment: &'static [(&'static str, &'static str)],
    ) -> Self {
        let mut world = World::on_this_engine(&lab.project, |_| {});
        let hub = Hub::start(&mut world).await;
        let (port, http, https) = (free(), free(), free());
        let nginx = world.folder.path().join("nginx");
        std::fs::create_dir_all(&nginx).unwrap();
        // Workers keep root's rights: the test's folder is nobody else's.
        let text = format!(
            "user root;\nworker_processes 1;\npid {0}/nginx.pid;\nerror_log {0}/error.log;\nevents {{}}\nhttp {{\n  access_log off;\n  server_names_hash_bucket_size 128;\n  include tenantry/sites/*.conf;\n}}\n",
            nginx.display()
        );
        std::fs::write(nginx.join("nginx.conf"), text).unwrap();
        let pebble = Pebble::start(Behaviour {
            http_port: http,
            validity,
            environment,
        })
        .await;
        Self {
            world,
            hub,
            pebble,
            project: lab.project.clone(),
            port,
            http,
            https,
            _lab: lab,
        }
    }

    /// A slice with one tool that answers at `HOST`, and is led to from `OLD`.
    fn slice(&self, redirects: &[&str]) -> Files {
        let root = self.pebble.https_root.replace('\n', "\n    ");
        let project = &self.project;
        let also = redirects.join(", ");
        let host = format!(
            "server: {{customer: acme, server: acme-1}}\nmanage: full\nweb: {{http: {http}, https: {https}}}\ncertificates:\n  terms_agreed: true\n  directory: {directory}\n  contact: hosting@example.com\n  root: |\n    {root}\ninstances:\n  {project}:\n    order: web\n    tool: html\n    state: running\n    has_data: false\n    smoke: GET /index.html\n    sites: {{site: {{host: {HOST}, redirect_from: [{also}], port: {port}}}}}\n",
            http = self.http,
            https = self.https,
            port = self.port,
            directory = self.pebble.directory(),
        );
        let (http, https, port) = (self.http, self.https, self.port);
        let tls = format!(
            "ssl_certificate tenantry/certificates/{HOST}/fullchain.pem;\n  ssl_certificate_key tenantry/certificates/{HOST}/privkey.pem;"
        );
        let challenge = "location ^~ /.well-known/acme-challenge/ { default_type text/plain; include tenantry/acme/*.conf; try_files $uri =404; }";
        let names = redirects.join(" ");
        let mut site = format!(
            "server {{\n  listen 127.0.0.1:{http};\n  server_name {HOST} {names};\n  include \"tenantry/logging/{HOST}.con[f]\";\n  {challenge}\n}}\nserver {{\n  listen 127.0.0.1:{https} ssl;\n  server_name {HOST};\n  {tls}\n  location / {{ proxy_pass http://127.0.0.1:{port}; }}\n}}\n"
        );
        if !redirects.is_empty() {
            site = format!(
                "{site}server {{\n  listen 127.0.0.1:{https} ssl;\n  server_name {names};\n  {tls}\n  return 301 https://{HOST}$request_uri;\n}}\n"
            );
        }
        let fallback = format!(
            "server {{\n  listen 127.0.0.1:{http} default_server;\n  server_name _;\n  {challenge}\n  location / {{ return 444; }}\n}}\nserver {{\n  listen 127.0.0.1:{https} ssl default_server;\n  server_name _;\n  ssl_reject_handshake on;\n}}\n"
        );
        let stack = |name: &str| format!("stacks/{project}/{name}");
        files(&[
            ("host.yaml", &host),
            (&stack("compose.yaml"), COMPOSE),
            (&stack(".env"), &format!("SITE_PORT='{port}'\n")),
            (&stack("files/www/index.html"), "hello"),
            (&format!("sites/{HOST}.conf"), &site),
            ("sites/fallback.invalid.conf", &fallback),
        ])
    }

    /// What a visitor who trusts only `root` gets.
    async fn visit(&self, name: &str, root: &str) -> Result<(u16, String), String> {
        let roots = reqwest::Certificate::from_pem_bundle(root.as_bytes()).unwrap();
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .timeout(Duration::from_secs(3))
            .tls_certs_only(roots)
            .resolve(name, ([127, 0, 0, 1], self.https).into())
            .build()
            .unwrap();
        let url = format!("https://{name}:{}/index.html", self.https);
        let answer = client
            .get(url)
            .send()
            .await
            .map_err(|error| format!("{error:?}"))?;
        let status = answer.status().as_u16();
        Ok((status, answer.text().await.unwrap_or_default()))
    }

    async fn until_visited(&self, name: &str, root: &str) -> (u16, String) {
        let mut last = Err(String::new());
        for _ in 0..300 {
            last = self.visit(name, root).await;
            if let Ok(answer) = last {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("nobody believes {name}: {last:?}\n{}", self.pebble.log());
    }

    /// Waits until the site's report is so: authorities and renewals take their time.
    async fn until(
        &self,
        what: &str,
        good: impl Fn(&SiteReport, &CertificateReport) -> bool,
    ) -> Report {
        let fits = |report: &&Report| {
            let site = report.sites.iter().find(|(host, _)| host.as_str() == HOST);
            site.is_some_and(|(_, site)| {
                let certificate = site.certificate.as_ref();
                certificate.is_some_and(|certificate| good(site, certificate))
            })
        };
        for _ in 0..2400 {
            let found = self
                .hub
                .read(|said| said.reports.last().filter(fits).cloned());
            if let Some(report) = found {
                return report;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let last = self.hub.read(|said| said.reports.last().cloned());
        panic!("never {what}: {last:#?}\n{}", self.pebble.log());
    }

    async fn until_issued(&self) -> SiteReport {
        let report = self
            .until("issued", |site, certificate| {
                site.live && !site.self_signed && certificate.waiting.is_none()
            })
            .await;
        report.sites.into_values().next().unwrap()
    }

    fn state(&self, name: &str) -> PathBuf {
        self.world.state("acme").join(name)
    }

    fn memory(&self) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(self.state("memory.json")).unwrap()).unwrap()
    }

    /// The next attempt may be made at once. Only while no agent runs.
    fn end_pause(&self) {
        let mut memory = self.memory();
        memory["sites"][HOST]["next"] = "2020-01-01T00:00:00Z".into();
        std::fs::write(self.state("memory.json"), memory.to_string()).unwrap();
    }

    fn certificate(&self, file: &str) -> PathBuf {
        let folder = self.world.folder.path().join("nginx/tenantry/certificates");
        folder.join(HOST).join(file)
    }

    fn challenges(&self) -> usize {
        common::tree(&self.world.folder.path().join("nginx/tenantry/challenges")).len()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let pid = std::fs::read_to_string(self.world.folder.path().join("nginx/nginx.pid"));
        if let Ok(pid) = pid {
            let _ = std::process::Command::new("kill").arg(pid.trim()).status();
        }
    }
}

/// Half of all nonces are refused, and validation takes its time.
#[test]
fn a_site_is_up_with_our_own_certificate_until_the_authority_issues_one_for_all_its_names() {
    if skip() {
        return;
    }
    lab(|lab| async move {
        let rough = &[
            ("PEBBLE_WFE_NONCEREJECT", "50"),
            ("PEBBLE_VA_SLEEPTIME", "3"),
        ];
        let rig = Rig::new(lab, 90 * 24 * 3600, rough).await;
        rig.hub.publish(&rig.world, 1, rig.slice(&[OLD]));
        let agent = Running::start(&rig.world);
        let site = rig.until_issued().await;
        rig.hub.read(|said| {
            let mut sites = said.reports.iter().flat_map(|report| report.sites.values());
            assert!(
                sites.any(|site| site.live && site.self_signed),
                "it was up before"
            );
        });
        let certificate = site.certificate.unwrap();
        assert!(certificate.issuer.unwrap().contains("Pebble"));
        assert!(certificate.renews.unwrap() < site.certificate_expires.unwrap());
        assert_eq!((certificate.attempts, certificate.error), (0, None));
        let root = rig.pebble.root().await;
        assert_eq!(rig.until_visited(HOST, &root).await, (200, "hello".into()));
        assert_eq!(rig.until_visited(OLD, &root).await.0, 301);
        // Names that nobody ordered are not answered at all.
        assert!(rig.visit("stranger.example", &root).await.is_err());
        for secret in ["account.json", "memory.json"] {
            let mode = std::fs::metadata(rig.state(secret))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{secret}");
        }
        assert_eq!(rig.challenges(), 0);
        let memory = rig.memory();
        assert_eq!(memory["issued"].as_array().unwrap().len(), 1);
        assert!(!rig.state(&format!("pending/{HOST}.pem")).exists());
        // The authority advises when to renew (RFC 9773); that is asked for once.
        let advised = || rig.memory()["sites"][HOST]["renewal"].clone();
        for _ in 0..600 {
            if !advised().is_null() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let renewal = advised();
        assert!(renewal["at"].is_string(), "{renewal}");

        // The authority wants it replaced at once, because it was revoked; the agent hears of it when it asks again.
        drop(agent);
        let used = rig.certificate("fullchain.pem");
        let before = std::fs::read_to_string(&used).unwrap();
        common::revoke::revoke(&rig.pebble, &rig.state("account.json"), &before).await;
        let mut memory = rig.memory();
        memory["sites"][HOST]["renewal"]["look"] = "2020-01-01T00:00:00Z".into();
        std::fs::write(rig.state("memory.json"), memory.to_string()).unwrap();
        let _agent = Running::start(&rig.world);
        for _ in 0..1200 {
            if std::fs::read_to_string(&used).unwrap_or_default() != before {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_ne!(
            std::fs::read_to_string(&used).unwrap(),
            before,
            "{}",
            rig.pebble.log()
        );
        let issued = rig.memory()["issued"].clone();
        assert_eq!(issued[1]["renewal"], true, "{issued}");

        // One more name: one more certificate, for all of them.
        rig.hub
            .publish(&rig.world, 2, rig.slice(&[OLD, "new.acme.example"]));
        assert_eq!(rig.until_visited("new.acme.example", &root).await.0, 301);
        assert_eq!(rig.until_visited(HOST, &root).await.0, 200);
    });
}

#[test]
fn an_authority_that_is_away_at_renewal_or_lost_its_memory_costs_nothing() {
    if skip() {
        return;
    }
    lab(|lab| async move {
        let fast = &[("PEBBLE_WFE_NONCEREJECT", "0"), ("PEBBLE_VA_NOSLEEP", "1")];
        // Renewed when about half of its life is over.
        let mut rig = Rig::new(lab, 60, fast).await;
        rig.hub.publish(&rig.world, 1, rig.slice(&[]));
        let agent = Running::start(&rig.world);
        let before = rig.until_issued().await.certificate_expires.unwrap();
        let first_root = rig.pebble.root().await;
        rig.until_visited(HOST, &first_root).await;
        let account = std::fs::read_to_string(rig.state("account.json")).unwrap();
        rig.pebble.stop();
        let report = rig
            .until("the authority is missed", |_, certificate| {
                certificate.error.is_some()
                    && matches!(certificate.waiting, Some(CertificateWait::Retry { .. }))
            })
            .await;
        let site = report.sites.values().next().unwrap();
        assert!(site.live && site.certificate_expires == Some(before));
        let error = site.certificate.as_ref().unwrap().error.clone().unwrap();
        assert!(error.contains("cannot be reached"), "{error}");
        assert!(
            rig.visit(HOST, &first_root).await.is_ok(),
            "the old one is served"
        );

        // Pauses survive a restart of the agent.
        drop(agent);
        let next = rig.memory()["sites"][HOST]["next"].clone();
        rig.pebble.go().await;
        let arrived = rig.hub.read(|said| said.reports.len());
        let agent = Running::start(&rig.world);
        rig.hub
            .until_all("reported", |reports| reports.len() > arrived)
            .await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(rig.memory()["sites"][HOST]["next"], next);
        drop(agent);

        // The authority has another root now, and knows no account.
        rig.end_pause();
        let _agent = Running::start(&rig.world);
        rig.until("renewed", |site, certificate| {
            site.certificate_expires > Some(before) && certificate.error.is_none()
        })
        .await;
        let second_root = rig.pebble.root().await;
        assert_ne!(first_root, second_root);
        assert_eq!(rig.until_visited(HOST, &second_root).await.0, 200);
        let again = std::fs::read_to_string(rig.state("account.json")).unwrap();
        let part = |text: &str, name: &str| {
            serde_json::from_str::<serde_json::Value>(text).unwrap()[name].clone()
        };
        assert_eq!(
            part(&account, "key"),
            part(&again, "key"),
            "the same key, a new account"
        );
    });
}

#[test]
fn an_agent_that_ends_in_the_middle_of_an_order_goes_on_with_it() {
    if skip() {
        return;
    }
    lab(|lab| async move {
        let slow = &[
            ("PEBBLE_WFE_NONCEREJECT", "0"),
            ("PEBBLE_VA_SLEEPTIME", "4"),
        ];
        let rig = Rig::new(lab, 90 * 24 * 3600, slow).await;
        rig.hub.publish(&rig.world, 1, rig.slice(&[]));
        let key = rig.state(&format!("pending/{HOST}.pem"));
        let agent = Running::start(&rig.world);
        let begun = async {
            while !key.exists() || rig.memory()["sites"][HOST]["pending"].is_null() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), begun)
            .await
            .unwrap();
        drop(agent);
        let order = rig.memory()["sites"][HOST]["pending"]["url"].clone();
        let private = std::fs::read_to_string(&key).unwrap();
        assert_eq!(
            rig.memory()["sites"][HOST]["attempts"],
            1,
            "it counts, and a pause follows"
        );
        rig.end_pause();
        let _agent = Running::start(&rig.world);
        rig.until_issued().await;
        let root = rig.pebble.root().await;
        assert_eq!(rig.until_visited(HOST, &root).await.0, 200);
        let used = rig.certificate("privkey.pem");
        assert_eq!(
            std::fs::read_to_string(used).unwrap(),
            private,
            "the very order {order}"
        );
        assert_eq!(rig.memory()["issued"].as_array().unwrap().len(), 1);
        assert!(!key.exists());
        assert_eq!(
            rig.challenges(),
            0,
            "answers of the first try are gone, too"
        );
    });
}

#[test]
fn a_name_that_leads_elsewhere_is_told_and_asked_for_again_later() {
    if skip() {
        return;
    }
    lab(|lab| async move {
        let fast = &[("PEBBLE_WFE_NONCEREJECT", "0"), ("PEBBLE_VA_NOSLEEP", "1")];
        let rig = Rig::new(lab, 90 * 24 * 3600, fast).await;
        // Nothing listens there.
        rig.pebble.lead(OLD, "127.66.66.66").await;
        rig.hub.publish(&rig.world, 1, rig.slice(&[OLD]));
        let _agent = Running::start(&rig.world);
        let report = rig
            .until("told", |site, certificate| {
                site.live
                    && certificate.error.is_some()
                    && matches!(certificate.waiting, Some(CertificateWait::Retry { .. }))
            })
            .await;
        let site = report.sites.values().next().unwrap();
        assert!(site.live && site.self_signed);
        let certificate = site.certificate.as_ref().unwrap();
        assert_eq!(certificate.attempts, 1);
        let error = certificate.error.as_ref().unwrap();
        assert!(
            error.contains(OLD) && error.contains("127.66.66.66"),
            "{error}"
        );
        // Without that name there is a certificate at once: what failed was for other names.
        rig.hub.publish(&rig.world, 2, rig.slice(&[]));
        rig.until_issued().await;
    });
}
