//! The whole agent with a real container engine and a real nginx: from a slice to an answer over HTTPS, and back after every
//! kind of drift.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;
#[allow(dead_code, reason = "made for other tests too")]
#[path = "containers/lab.rs"]
mod lab;

use bollard::query_parameters::{KillContainerOptions, RemoveContainerOptions};
use common::hub::Hub;
use common::{Files, Running, World, files};
use lab::{Lab, lab};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tenantry_schema::wire::{InstancePhase, SmokeResult};

const COMPOSE: &str = "
services:
  web:
    image: tenantry-test/busybox:1
    init: true
    restart: unless-stopped
    stop_grace_period: 1s
    command: [busybox, httpd, -f, -p, '8080', -h, /www]
    ports: ['127.0.0.1:${SITE_PORT}:8080']
    volumes: ['./files/www:/www:ro', 'data:/data']
    secrets: [db_password]
volumes: { data: {} }
secrets: { db_password: { environment: DB_PASSWORD } }
";

struct Rig {
    world: World,
    hub: Arc<Hub>,
    lab: Lab,
    port: u16,
    https: u16,
    client: reqwest::Client,
}

impl Rig {
    async fn new(lab: Lab) -> Self {
        let mut world = World::on_this_engine(&lab.project, |_| {});
        let hub = Hub::start(&mut world).await;
        let free = || {
            std::net::TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap()
                .port()
        };
        let (port, https) = (free(), free());
        let client = reqwest::Client::builder()
            .tls_danger_accept_invalid_certs(true)
            .no_proxy()
            .pool_max_idle_per_host(0)
            .timeout(Duration::from_secs(2))
            .resolve("html.acme.example", ([127, 0, 0, 1], https).into())
            .build()
            .unwrap();
        Self {
            world,
            hub,
            lab,
            port,
            https,
            client,
        }
    }

    fn slice(&self, state: &str, page: &str) -> Files {
        let project = &self.lab.project;
        let host = format!(
            "server: {{customer: acme, server: acme-1}}\nmanage: full\nweb: {{http: 80, https: 443}}\ninstances:\n  {project}:\n    order: web\n    tool: html\n    state: {state}\n    has_data: false\n    smoke: GET /index.html\n    sites: {{site: {{host: html.acme.example, port: {}}}}}\n",
            self.port
        );
        let site = format!(
            "server {{\n  listen 127.0.0.1:{} ssl;\n  server_name html.acme.example;\n  ssl_certificate tenantry/certificates/html.acme.example/fullchain.pem;\n  ssl_certificate_key tenantry/certificates/html.acme.example/privkey.pem;\n  location / {{ proxy_pass http://127.0.0.1:{}; }}\n}}\n",
            self.https, self.port
        );
        let secrets = self.world.secrets_for(
            self.world.agent.age.as_str(),
            &[("DB_PASSWORD", "hunter2-hunter2")],
        );
        let mut all = files(&[("host.yaml", &host)]);
        let stack = |name: &str| format!("stacks/{project}/{name}");
        all.extend(files(&[
            (&stack("compose.yaml"), COMPOSE),
            (&stack(".env"), &format!("SITE_PORT='{}'\n", self.port)),
            (&stack("files/www/index.html"), page),
            (&stack("secrets.yaml"), &secrets),
            ("sites/html.acme.example.conf", &site),
        ]));
        all
    }

    async fn ask(&self) -> Option<String> {
        let url = format!("https://html.acme.example:{}/index.html", self.https);
        let answer = self.client.get(url).send().await.ok()?;
        if answer.status().is_success() {
            answer.text().await.ok()
        } else {
            None
        }
    }

    /// Waits until the site answers so; how long that took.
    async fn until_answers(&self, page: Option<&str>) -> Duration {
        let begin = Instant::now();
        while self.ask().await.as_deref() != page {
            assert!(
                begin.elapsed() < Duration::from_secs(30),
                "{:#?}",
                self.hub.read(|said| said.reports.last().cloned())
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        begin.elapsed()
    }

    async fn until_phase(&self, phase: InstancePhase) {
        self.hub
            .until("there", |report| {
                report
                    .instances
                    .values()
                    .all(|instance| instance.phase == phase)
                    && !report.instances.is_empty()
            })
            .await;
    }
}

#[test]
fn from_slice_to_https_and_back_after_drift() {
    if common::skip_without("nginx") {
        return;
    }
    lab(|lab| async move {
        let rig = Rig::new(lab).await;
        let agent = Running::start(&rig.world);
        rig.hub
            .until("started", |report| report.host.engine_reachable)
            .await;
        rig.hub.publish(&rig.world, 1, rig.slice("running", "one"));
        let took = rig.until_answers(Some("one")).await;
        println!("slice to https: {took:?}");
        assert!(took < common::PROMPT, "{took:?}");
        rig.until_phase(InstancePhase::Healthy).await;
        let report = rig
            .hub
            .until("live and in agreement", |report| {
                let live = report
                    .sites
                    .values()
                    .all(|site| site.live && site.self_signed);
                live && report.converged.is_some()
            })
            .await;
        assert!(
            report
                .instances
                .values()
                .all(|instance| instance.smoke == SmokeResult::Passed),
            "{report:#?}"
        );
        let text = serde_json::to_string(&rig.hub.read(|said| said.reports.clone())).unwrap();
        assert!(!text.contains("hunter2"), "no secret is ever reported");

        // Killed, removed.
        let name = rig.lab.name("web");
        for remove in [false, true] {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let before = rig
                .lab
                .inspect("web")
                .await
                .unwrap()
                .state
                .unwrap()
                .started_at;
            let gone = Instant::now();
            if remove {
                let options = RemoveContainerOptions {
                    force: true,
                    ..RemoveContainerOptions::default()
                };
                rig.lab
                    .docker
                    .remove_container(&name, Some(options))
                    .await
                    .unwrap();
            } else {
                rig.lab
                    .docker
                    .kill_container(&name, None::<KillContainerOptions>)
                    .await
                    .unwrap();
            }
            loop {
                let state = rig
                    .lab
                    .inspect("web")
                    .await
                    .and_then(|details| details.state);
                if state
                    .is_some_and(|state| state.running == Some(true) && state.started_at != before)
                {
                    break;
                }
                assert!(gone.elapsed() < Duration::from_secs(10));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            println!(
                "{} to running: {:?}",
                if remove { "removed" } else { "killed" },
                gone.elapsed()
            );
            assert!(gone.elapsed() < common::PROMPT, "{:?}", gone.elapsed());
            rig.until_answers(Some("one")).await;
        }
        rig.until_phase(InstancePhase::Healthy).await;

        // A new page, a deleted site, a deleted secret.
        rig.hub.publish(&rig.world, 2, rig.slice("running", "two"));
        rig.until_answers(Some("two")).await;
        rig.hub
            .until("in agreement", |report| {
                let slice = report.slice.as_ref().filter(|slice| slice.generation == 2);
                slice.is_some_and(|slice| report.converged.as_ref() == Some(&slice.content))
            })
            .await;
        let site = rig
            .world
            .folder
            .path()
            .join("nginx/tenantry/sites/html.acme.example.conf");
        std::fs::remove_file(&site).unwrap();
        let secret = rig
            .world
            .config
            .secrets
            .join(&rig.lab.project)
            .join("DB_PASSWORD");
        let pinned = rig.lab.inspect("web").await.unwrap().id;
        std::fs::remove_file(&secret).unwrap();
        let begin = Instant::now();
        while !site.exists() || !secret.exists() {
            assert!(begin.elapsed() < common::PROMPT);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Its container had the file mounted.
        let anew = async || {
            let found = rig.lab.inspect("web").await?;
            let running = found.state.and_then(|state| state.running);
            (found.id != pinned && running == Some(true)).then_some(())
        };
        while anew().await.is_none() {
            assert!(begin.elapsed() < Duration::from_secs(20));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        rig.until_answers(Some("two")).await;

        // The agent is killed and comes back: nothing is made anew.
        rig.until_phase(InstancePhase::Healthy).await;
        let id = rig.lab.inspect("web").await.unwrap().id;
        drop(agent);
        let _agent = Running::start(&rig.world);
        let reports = rig.hub.read(|said| said.reports.len());
        rig.hub.until_all("back", |all| all.len() > reports).await;
        rig.until_phase(InstancePhase::Healthy).await;
        assert_eq!(rig.lab.inspect("web").await.unwrap().id, id);

        // Stopped: the site goes, containers stay, stopped. Left out: they go, the volume stays.
        rig.hub.publish(&rig.world, 3, rig.slice("stopped", "two"));
        rig.until_answers(None).await;
        rig.until_phase(InstancePhase::Stopped).await;
        assert_eq!(
            rig.lab.inspect("web").await.unwrap().state.unwrap().running,
            Some(false)
        );
        let mut empty = rig.slice("stopped", "two");
        let host = "server: {customer: acme, server: acme-1}\nmanage: full\nweb: {http: 80, https: 443}\ninstances: {}\n";
        empty.retain(|path, _| path.as_str() == "host.yaml");
        empty.extend(files(&[("host.yaml", host)]));
        rig.hub.publish(&rig.world, 4, empty);
        let begin = Instant::now();
        while rig.lab.inspect("web").await.is_some() || secret.exists() {
            assert!(begin.elapsed() < Duration::from_secs(20));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let volume = format!("{}_data", rig.lab.project);
        assert!(
            rig.lab.docker.inspect_volume(&volume).await.is_ok(),
            "the volume stays"
        );
    });
}

impl Drop for Rig {
    /// Also when a test fails: nginx runs on by itself.
    fn drop(&mut self) {
        let pid_file = self.world.folder.path().join("nginx/nginx.pid");
        if let Ok(pid) = std::fs::read_to_string(pid_file) {
            let _ = std::process::Command::new("kill").arg(pid.trim()).status();
        }
    }
}
