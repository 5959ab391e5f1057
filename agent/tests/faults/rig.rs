//! A server that things go wrong on: an agent as a process of its own, a hub that says what a test wants, a stack with a bit of
//! everything, and one beside it that nothing may happen to.

use crate::common::hub::Hub;
use crate::common::{self, Files, World, files};
use crate::lab::Lab;
use crate::shape::Shape;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tenantry_agent::config::Config;
use tenantry_schema::wire::InstancePhase;

const COMPOSE: &str = "
services:
  web:
    image: tenantry-test/busybox:1
    init: true
    restart: unless-stopped
    stop_grace_period: 1s
    command: [sleep, '100000']
    environment: { COLOUR: '${COLOUR}' }
    networks: [front, back]
    volumes: ['./files/page.html:/page.html:ro', 'data:/data']
    secrets: [token]
    depends_on: [db]
  db:
    image: tenantry-test/busybox:1
    init: true
    restart: unless-stopped
    stop_grace_period: 1s
    command: [sleep, '100000']
    environment: { COLOUR: '${COLOUR}' }
    networks: [back]
networks: { front: { labels: { colour: '${COLOUR}' } }, back: {} }
volumes: { data: {} }
secrets: { token: { environment: TOKEN } }
";

const CALM: &str = "
services:
  side:
    image: tenantry-test/busybox:1
    init: true
    restart: unless-stopped
    stop_grace_period: 1s
    command: [sleep, '100000']
    volumes: ['./files/page.html:/page.html:ro']
    secrets: [token]
secrets: { token: { environment: TOKEN } }
";

/// Two versions of the stack, one after the other.
pub(crate) const COLOURS: [&str; 2] = ["red", "blue"];

/// A fault costs pauses of 1, 5 and 30 seconds at worst.
const LONGEST: Duration = Duration::from_secs(90);

pub(crate) struct Rig {
    pub(crate) world: World,
    pub(crate) hub: Arc<Hub>,
    pub(crate) lab: Lab,
    config: PathBuf,
    /// Where the site answers, if there is a web server.
    pub(crate) site: Option<u16>,
    /// Number of the last slice that was published.
    generation: u64,
}

impl Rig {
    /// A server whose agent talks to the engine at `socket`.
    pub(crate) async fn new(lab: Lab, socket: &Path) -> Self {
        Self::with(lab, socket, |_| {}).await
    }

    pub(crate) async fn with(lab: Lab, socket: &Path, change: impl FnOnce(&mut Config)) -> Self {
        let mut world = World::on(socket, &lab.project, change);
        let hub = Hub::start(&mut world).await;
        let config = world.folder.path().join("agent.yaml");
        std::fs::write(&config, serde_yaml::to_string(&world.config).unwrap()).unwrap();
        let site = (!common::skip_without("nginx")).then(free_port);
        Self {
            world,
            hub,
            lab,
            config,
            site,
            generation: 0,
        }
    }

    /// The agent's configuration.
    pub(crate) fn config_file(&self) -> &Path {
        &self.config
    }

    /// Name of the instance that nothing may happen to.
    fn calm(&self) -> String {
        format!("{}-calm", self.lab.project)
    }

    /// A file of it, as containers see it.
    pub(crate) fn calm_page(&self) -> PathBuf {
        let live = self.world.config.live_folder();
        live.join(self.calm()).join("files/page.html")
    }

    pub(crate) fn slice(&self, colour: &str) -> Files {
        let (project, calm) = (&self.lab.project, self.calm());
        let site = self.site.map(|port| site(port, colour));
        let sites = match site {
            Some(_) => "sites: {site: {host: web.acme.example, port: 20000}}",
            None => "sites: {}",
        };
        let host = common::host("", [(project.as_str(), sites), (&calm, "sites: {}")]);
        let recipient = self.world.agent.age.as_str();
        let secrets = |value: &str| self.world.secrets_for(recipient, &[("TOKEN", value)]);
        let stack = |name: &str| format!("stacks/{project}/{name}");
        let beside = |name: &str| format!("stacks/{calm}/{name}");
        let mut all = files(&[
            ("host.yaml", &host),
            (&stack("compose.yaml"), COMPOSE),
            (&stack(".env"), &format!("COLOUR='{colour}'\n")),
            (&stack("files/page.html"), colour),
            (&stack(&format!("files/{colour}")), "only in this version"),
            (&stack("secrets.yaml"), &secrets(&format!("token-{colour}"))),
            (&beside("compose.yaml"), CALM),
            (&beside(".env"), ""),
            (&beside("files/page.html"), "calm"),
            (&beside("secrets.yaml"), &secrets("token-calm")),
        ]);
        if let Some(text) = site {
            all.extend(files(&[("sites/web.acme.example.conf", &text)]));
        }
        all
    }

    /// Publishes a slice; its generation.
    pub(crate) fn publish(&mut self, files: Files) -> u64 {
        self.generation += 1;
        self.hub.publish(&self.world, self.generation, files);
        self.generation
    }

    /// Publishes the colour that is not there, or the first one.
    pub(crate) fn publish_next(&mut self) -> Step {
        let which = usize::try_from(self.generation).unwrap() % COLOURS.len();
        let generation = self.publish(self.slice(COLOURS[which]));
        Step { which, generation }
    }

    /// Shapes of an undisturbed server by colour, for which an agent is started and ended.
    pub(crate) async fn clean(&mut self) -> Vec<Shape> {
        let mut agent = self.start(&[], &[]);
        let mut clean = Vec::new();
        for _ in COLOURS {
            let step = self.publish_next();
            self.until_done(&mut agent, step.generation).await;
            clean.push(self.shape().await);
            assert_eq!(clean.last().unwrap().containers.len(), 3);
        }
        clean
    }

    /// Starts the agent; `before` are the words of a program that starts it, such as a tracer.
    pub(crate) fn start(&self, before: &[&str], environment: &[(&str, &str)]) -> Agent {
        let own = env!("CARGO_BIN_EXE_tenantry-agent");
        let mut words = before.iter().copied().chain([own]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).arg("--config").arg(&self.config);
        command.arg("run").envs(environment.iter().copied());
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_file());
        command.stdout(Stdio::null()).stderr(log.unwrap());
        Agent(command.spawn().unwrap())
    }

    fn log_file(&self) -> PathBuf {
        self.world.folder.path().join("agent.log")
    }

    /// What agents logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Whether the ledger says that the server is what this slice asks for.
    pub(crate) fn agrees(&self, generation: u64) -> bool {
        let text = std::fs::read(self.world.state("ledger.json")).unwrap_or_default();
        let ledger: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
        let accepted = &ledger["accepted"];
        accepted["generation"] == generation && ledger["converged"] == accepted["content"]
    }

    /// Waits until the server agrees with the slice, or the agent died. Whether it died.
    pub(crate) async fn until_dead_or_done(&self, agent: &mut Agent, generation: u64) -> bool {
        let begun = Instant::now();
        loop {
            if agent.0.try_wait().unwrap().is_some() {
                return true;
            }
            if self.agrees(generation) {
                return false;
            }
            let last = || self.hub.read(|said| said.reports.last().cloned());
            assert!(
                begun.elapsed() < LONGEST,
                "never in agreement: {:#?}\n{}",
                last(),
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn until_done(&self, agent: &mut Agent, generation: u64) {
        let died = self.until_dead_or_done(agent, generation).await;
        assert!(!died, "{}", self.log());
    }

    /// Starts an agent and waits until it looks after the server.
    pub(crate) async fn at_work(&self) -> Agent {
        self.at_work_with(&[]).await
    }

    /// The same in this environment.
    pub(crate) async fn at_work_with(&self, environment: &[(&str, &str)]) -> Agent {
        let before = self.hub.read(|said| said.reports.len());
        let agent = self.start(&[], environment);
        self.hub
            .until_all("at work", |all| {
                let last = all.last().filter(|_| all.len() > before);
                last.is_some_and(|report| {
                    let mut all = report.instances.values();
                    report.host.engine_reachable
                        && all.all(|one| one.phase == InstancePhase::Healthy)
                })
            })
            .await;
        agent
    }

    pub(crate) async fn shape(&self) -> Shape {
        Shape::of(&self.lab, &self.world.config).await
    }

    /// The server is what an undisturbed one is with this slice.
    pub(crate) async fn is_as(&self, clean: &[Shape], step: Step, what: &str) {
        let shape = self.shape().await;
        assert_eq!(shape, clean[step.which], "{what}\n{}", self.log());
        self.serves(step.which, what).await;
    }

    /// The site answers as it should.
    pub(crate) async fn serves(&self, which: usize, what: &str) {
        let Some(port) = self.site else { return };
        // Workers that were told to end may answer once more.
        let begun = Instant::now();
        loop {
            let answer = self.answer(port).await;
            if answer == COLOURS[which] {
                return;
            }
            assert!(
                begun.elapsed() < common::PROMPT,
                "{what}: the site answers {answer:?}\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What is answered at this port, or why nothing is.
    pub(crate) async fn answer(&self, port: u16) -> String {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://127.0.0.1:{port}/");
        let asked = client.get(&url).header("host", "web.acme.example").send();
        match asked.await {
            Ok(answer) => answer.text().await.unwrap_or_default(),
            Err(error) => error.to_string(),
        }
    }

    /// Waits until something holds that is looked at from outside.
    pub(crate) async fn until(&self, what: &str, good: impl Fn() -> bool) {
        let begun = Instant::now();
        while !good() {
            assert!(
                begun.elapsed() < common::PROMPT * 2,
                "{what}\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn stop_web_server(&self) {
        let folder = self.world.config.nginx.configuration.parent().unwrap();
        if let Ok(pid) = std::fs::read_to_string(folder.join("nginx.pid")) {
            let _ = Command::new("kill").arg(pid.trim()).status();
        }
    }
}

impl Drop for Rig {
    /// Also when a test fails: nginx runs on by itself.
    fn drop(&mut self) {
        self.stop_web_server();
    }
}

/// Taken and given back: nobody else on this machine gets it at once.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// What answers with this text.
pub(crate) fn site(port: u16, answer: &str) -> String {
    format!(
        "server {{ listen 127.0.0.1:{port}; server_name web.acme.example; return 200 '{answer}'; }}\n"
    )
}

/// A slice that was published.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    /// Which of the colours.
    pub(crate) which: usize,
    pub(crate) generation: u64,
}

/// An agent, for as long as this lives.
pub(crate) struct Agent(Child);

impl Agent {
    pub(crate) fn kill(self) {}

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn is_dead(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let id = self.0.id();
        // What a tracer traces ends before the tracer does, so that the next agent finds itself alone.
        let traced = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        for traced in traced.unwrap_or_default().split_whitespace() {
            let _ = Command::new("kill").args(["-KILL", traced]).output();
            for _ in 0..200 {
                if self.is_dead() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
