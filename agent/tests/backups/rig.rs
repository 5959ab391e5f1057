//! A server with a PostgreSQL, a volume with a database of SQLite, one with uploads, and a repository.

mod beside;
mod jobs;
mod versions;

pub(crate) use versions::CHURN;

use crate::common::hub::Hub;
use crate::common::rest_server::{APPEND_ONLY, RestServer};
use crate::common::{Files, Running, World, files, skip_for_want_of, skip_without};
use crate::lab::{self, Lab};
use jiff::{SignedDuration, Timestamp};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tenantry_agent::containers::Engine;
use tenantry_agent::containers::exec::{self, Program};
use tenantry_schema::wire::{
    CheckResult, InstanceBackups, InstancePhase, InstanceReport, Report, RolloutState,
};

/// What the server of a test runs.
pub(crate) struct Tool {
    pub(crate) image: &'static str,
    pub(crate) compose: &'static str,
    /// Items of `backups.yaml`.
    pub(crate) items: &'static str,
    /// The variable that says that its image must be there.
    pub(crate) required: &'static str,
}

/// PostgreSQL, a database of SQLite, and a volume.
pub(crate) const POSTGRES: Tool = Tool {
    image: "postgres:15",
    compose: COMPOSE,
    items: "  - {kind: database, engine: postgres, service: db}\n  - {kind: sqlite, volume: data, path: app.db}\n  - {kind: volume, volume: uploads, during: paused}\n",
    required: "TENANTRY_REQUIRE_PEERS",
};

/// A database of SQLite and a volume, and nothing that is slow.
pub(crate) const FILES: Tool = Tool {
    image: "tenantry-test/busybox:1",
    compose: "
services:
  app:
    image: tenantry-test/busybox:1
    command: [sleep, 1d]
    init: true
    secrets: [db_password]
    volumes: ['data:/data', 'uploads:/uploads']
    stop_grace_period: 1s
volumes: { data: {}, uploads: {} }
secrets: { db_password: { environment: DB_PASSWORD } }
",
    items: "  - {kind: sqlite, volume: data, path: app.db}\n  - {kind: volume, volume: uploads, during: paused}\n",
    required: "TENANTRY_REQUIRE_PEERS",
};

/// Where backups go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A folder of this machine.
    Folder,
    /// A server to which the agent logs in, and where it may only append.
    AppendOnly,
    /// What rclone reaches.
    Rclone,
}

/// `append-password`, as `htpasswd -s` writes it.
const LOG_INS: &str = "example.acme:{SHA}jh0xB2ybUh0bA7pOirl2ZMjwv/8=\n";

const COMPOSE: &str = "
services:
  db:
    image: postgres:15
    environment: { POSTGRES_USER: app, POSTGRES_DB: guests, POSTGRES_PASSWORD_FILE: /run/secrets/db_password }
    secrets: [db_password]
    volumes: ['db:/var/lib/postgresql/data']
    healthcheck: { test: [CMD, pg_isready, -U, app, -d, guests, -h, 127.0.0.1], interval: 1s, retries: 60 }
    stop_grace_period: 5s
  app:
    image: tenantry-test/busybox:1
    command: [sleep, 1d]
    init: true
    volumes: ['data:/data', 'uploads:/uploads']
    stop_grace_period: 1s
volumes: { db: {}, data: {}, uploads: {} }
secrets: { db_password: { environment: DB_PASSWORD } }
";

/// What the operation is called that puts data back.
const RESTORE: &str = "2026-11-20-restore";

pub(crate) struct Rig {
    pub(crate) world: World,
    pub(crate) hub: Arc<Hub>,
    lab: Lab,
    engine: Engine,
    /// The folder with the repository, as it is on the disk.
    place: PathBuf,
    /// The same as the agent is told.
    address: String,
    _server: Option<RestServer>,
    tool: &'static Tool,
}

/// Runs a test with PostgreSQL, SQLite and a volume, unless a real part is missing.
pub(crate) fn run<F: Future<Output = ()>>(test: impl FnOnce(Rig) -> F + Send + 'static) {
    run_with(&POSTGRES, test);
}

/// Runs a test, unless a real part is missing.
pub(crate) fn run_with<F: Future<Output = ()>>(
    tool: &'static Tool,
    test: impl FnOnce(Rig) -> F + Send + 'static,
) {
    run_at(tool, Place::Folder, test);
}

/// The same with backups at such a place.
pub(crate) fn run_at<F: Future<Output = ()>>(
    tool: &'static Tool,
    place: Place,
    test: impl FnOnce(Rig) -> F + Send + 'static,
) {
    if skip_without("restic") || place != Place::Folder && skip_without("rclone") {
        return;
    }
    lab::lab(|lab| async move {
        // What a test holds is not sent between threads.
        let local = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let rig = Rig::new(lab, tool, place).await;
                if let Some(rig) = rig {
                    test(rig).await;
                }
            });
        });
        let ended = tokio::task::spawn_blocking(move || local.join())
            .await
            .unwrap();
        if let Err(failure) = ended {
            std::panic::resume_unwind(failure);
        }
    });
}

/// Replaces text that a file of a slice has.
fn edit(all: &mut Files, name: &str, from: &str, to: &str) {
    let content = all.get_mut(name).unwrap();
    let text = String::from_utf8(content.clone()).unwrap();
    assert!(text.contains(from), "{text}");
    *content = text.replace(from, to).into_bytes();
}

impl Rig {
    async fn new(lab: Lab, tool: &'static Tool, kind: Place) -> Option<Self> {
        if lab.docker.inspect_image(tool.image).await.is_err() {
            #[expect(clippy::disallowed_methods, reason = "tests have no config.rs")]
            let required = std::env::var_os(tool.required).is_some();
            let why = format!("the image {} is missing; `./x setup` says why", tool.image);
            assert!(!required, "{} is set, but {why}", tool.required);
            println!("skipped: {why}");
            return None;
        }
        let mut world = World::on_this_engine(&lab.project, |config| {
            config.restic = config.state.parent().unwrap().join("restic");
        });
        let hub = Hub::start(&mut world).await;
        let remote = world.folder.path().join("repositories");
        std::fs::create_dir_all(&remote).unwrap();
        let (log_ins, conf) = (world.folder.path().join("agents"), rclone_conf(&world));
        std::fs::write(&log_ins, LOG_INS).unwrap();
        std::fs::write(&conf, "[box]\ntype = local\n").unwrap();
        let server =
            (kind == Place::AppendOnly).then(|| RestServer::start(&remote, &log_ins, &APPEND_ONLY));
        let place = remote.join("example.acme");
        let address = match &server {
            Some(server) => format!("rest:http://127.0.0.1:{}/example.acme", server.port),
            None if kind == Place::Rclone => format!("rclone:box:{}", place.display()),
            None => place.display().to_string(),
        };
        let rig = Self {
            address,
            _server: server,
            engine: Engine::at("/var/run/docker.sock"),
            world,
            hub,
            lab,
            place,
            tool,
        };
        rig.slow_restic(false);
        Some(rig)
    }

    pub(crate) fn start(&self) -> Running {
        Running::start(&self.world)
    }

    fn slice(&self, begins: Option<Timestamp>) -> Files {
        let project = &self.lab.project;
        let host = format!(
            "server: {{customer: acme, server: acme-1}}\nmanage: full\nweb: {{http: 80, https: 443}}\ninstances:\n  {project}:\n    order: web\n    tool: guests\n    state: running\n    has_data: true\n    sites: {{}}\n"
        );
        let sealed = |values: &[(&str, &str)]| {
            self.world
                .secrets_for(self.world.agent.age.as_str(), values)
        };
        let stack = |name: &str| format!("stacks/{project}/{name}");
        let mut all = files(&[
            ("host.yaml", &host),
            (&stack("compose.yaml"), self.tool.compose),
            (&stack(".env"), ""),
            (
                &stack("secrets.yaml"),
                &sealed(&[("DB_PASSWORD", "hunter2-hunter2")]),
            ),
        ]);
        if let Some(begins) = begins {
            let clock = begins.to_zoned(jiff::tz::TimeZone::UTC);
            let (hour, minute, second) = (clock.hour(), clock.minute(), clock.second());
            let spec = format!(
                "place: {}\nuser: example.acme\nwindow: daily {hour:02}:{minute:02}-{:02}:{minute:02}\noffset: {second}\ncheck_every: 7d\ncheck_share: 100%\ndrill_every: 30d\nwarn_after: 36h\ninstances:\n  {project}:\n{}",
                self.address,
                (hour + 4) % 24,
                self.tool.items,
            );
            let secrets = sealed(&[
                ("REPOSITORY_KEY", "repository-key-1"),
                ("APPEND_PASSWORD", "append-password"),
            ]);
            all.extend(files(&[
                ("backups.yaml", &spec),
                ("backups.secrets.yaml", &secrets),
            ]));
        }
        all
    }

    /// Publishes the tool, and waits until it runs.
    pub(crate) async fn publish_alone(&self, generation: u64) {
        self.hub.publish(&self.world, generation, self.slice(None));
        self.until_well().await;
    }

    /// Publishes the tool, and waits until it runs and has something to lose.
    pub(crate) async fn publish(&self, generation: u64) {
        self.publish_alone(generation).await;
        let notes = self.notes().await;
        notes
            .execute_batch("CREATE TABLE notes (t); INSERT INTO notes VALUES ('a'), ('b')")
            .unwrap();
        std::fs::write(self.volume("uploads").await.join("picture"), "pixels").unwrap();
    }

    /// Publishes the same with backups. The time for them was an hour ago.
    pub(crate) fn backed_up(&self, generation: u64) {
        let begins = Timestamp::now() - SignedDuration::from_hours(1);
        self.hub
            .publish(&self.world, generation, self.slice(Some(begins)));
    }

    /// Puts data back as an operation says.
    pub(crate) fn restore(&self, generation: u64, overwrites: &str) {
        self.publish_restore(RESTORE, generation, overwrites, "[sleep, 1d]");
    }

    /// The same under another name.
    pub(crate) fn restore_as(&self, name: &str, generation: u64, overwrites: &str) {
        self.publish_restore(name, generation, overwrites, "[sleep, 1d]");
    }

    fn publish_restore(&self, name: &str, generation: u64, overwrites: &str, command: &str) {
        let begins = Timestamp::now() - SignedDuration::from_hours(1);
        let mut all = self.slice(Some(begins));
        let project = &self.lab.project;
        let text = format!(
            "instance: {project}\nserver: acme-1\nof: {project}\noverwrites: {overwrites}\n"
        );
        let compose = self.tool.compose.replace("[sleep, 1d]", command);
        all.extend(files(&[
            (&format!("operations/{name}.yaml"), &text),
            (&format!("stacks/{project}/compose.yaml"), &compose),
        ]));
        self.hub.publish(&self.world, generation, all);
    }

    /// What came of it.
    pub(crate) async fn restored(&self) -> tenantry_schema::wire::RestoreResult {
        let result = |report: &Report| report.backups.as_ref()?.restores.values().next().cloned();
        self.wait("restored", result).await
    }

    /// What came of the one of this name.
    pub(crate) async fn restored_as(&self, name: &str) -> tenantry_schema::wire::RestoreResult {
        let id = tenantry_schema::id::OperationId::try_from(name).unwrap();
        let result = |report: &Report| report.backups.as_ref()?.restores.get(&id).cloned();
        self.wait("restored", result).await
    }

    /// The same restore in a slice that asks for another version.
    pub(crate) fn restore_in_another_version(&self, generation: u64, overwrites: &str) {
        self.publish_restore(RESTORE, generation, overwrites, "[sleep, 2d]");
    }

    /// Waits until a restore is at work.
    pub(crate) async fn until_restoring(&self) {
        let running = |report: &Report| {
            let begun = &report.backups.as_ref()?.begun;
            (!begun.is_empty()).then_some(())
        };
        self.wait("begun", running).await;
    }

    /// Waits until the version that runs has run for long enough to go back to.
    pub(crate) async fn until_good(&self) {
        let ledger = self.world.config.state.join("ledger.json");
        for _ in 0..900 {
            let text = std::fs::read_to_string(&ledger).unwrap();
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            if value["rollouts"][&self.lab.project]["good"].is_object() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("never good");
    }

    /// Asks for another version, which spoils the data and ends.
    pub(crate) fn spoiling_version(&self, generation: u64) {
        let begins = Timestamp::now() - SignedDuration::from_hours(1);
        let mut all = self.slice(Some(begins));
        let mut edit = |name: &str, from: &str, to: &str| self::edit(&mut all, name, from, to);
        edit(
            "host.yaml",
            "has_data: true\n",
            "has_data: true\n    upgrade: {timeout: 20, rollback: image+data, backup_before: true}\n",
        );
        let compose = format!("stacks/{}/compose.yaml", self.lab.project);
        edit(
            &compose,
            "tenantry-test/busybox:1",
            "tenantry-test/busybox:2",
        );
        edit(
            &compose,
            "command: [sleep, 1d]",
            "command: [sh, -c, 'echo spoilt > /uploads/picture; exit 1']",
        );
        self.hub.publish(&self.world, generation, all);
    }

    /// Waits until the roll-out of the tool stands so.
    pub(crate) async fn until_rollout(&self, state: RolloutState) -> InstanceReport {
        let stands = |report: &Report| {
            let found = report.instances.values().next()?;
            let rollout = found.rollout.as_ref()?;
            (rollout.state == state).then(|| found.clone())
        };
        self.wait("rolled out so", stands).await
    }

    /// The database of SQLite.
    pub(crate) async fn notes(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.volume("data").await.join("app.db")).unwrap()
    }

    pub(crate) async fn uploads(&self) -> PathBuf {
        self.volume("uploads").await
    }

    /// The time for backups comes in a moment.
    pub(crate) fn slot_now(&self, generation: u64) {
        let begins = Timestamp::now() + SignedDuration::from_secs(2);
        self.hub
            .publish(&self.world, generation, self.slice(Some(begins)));
    }

    /// What failed may be tried again at once.
    pub(crate) fn forget_failure(&self) {
        let text = std::fs::read_to_string(self.records()).unwrap();
        let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
        value["instances"][&self.lab.project]["failure"] = serde_json::Value::Null;
        std::fs::write(self.records(), value.to_string()).unwrap();
    }

    pub(crate) async fn until_well(&self) {
        let well = |report: &Report| {
            let phase = report.instances.values().next().map(|it| it.phase);
            (phase == Some(InstancePhase::Healthy)).then_some(())
        };
        self.wait("well", well).await;
    }

    /// Waits until the newest report says something. Machines of tests may be slow.
    pub(crate) async fn wait<T>(&self, what: &str, find: impl Fn(&Report) -> Option<T>) -> T {
        for _ in 0..1800 {
            let found = self.hub.read(|said| said.reports.last().and_then(&find));
            if let Some(found) = found {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!(
            "never {what}: {:#?}",
            self.hub.read(|said| said.reports.last().cloned())
        );
    }

    pub(crate) async fn volume(&self, key: &str) -> PathBuf {
        let name = format!("{}_{key}", self.lab.project);
        exec::volume_folder(&self.engine, &name).await.unwrap()
    }

    pub(crate) async fn sql(&self, statement: &str) -> String {
        self.sql_in("guests", statement).await
    }

    pub(crate) async fn sql_in(&self, database: &str, statement: &str) -> String {
        let fixed = [
            "psql",
            "-X",
            "-A",
            "-t",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "app",
            "-d",
        ];
        let program = Program::new(&self.lab.name("db"), fixed)
            .and(database)
            .and("-c")
            .and(statement);
        let (ended, text) = exec::output(&self.engine, &program, 1 << 20).await.unwrap();
        assert_eq!(ended.code, 0, "{}", ended.complaints);
        String::from_utf8(text).unwrap()
    }

    /// Runs a program in the container of the database; what it writes.
    pub(crate) async fn in_database(
        &self,
        arguments: &[&str],
        variable: Option<(&str, &str)>,
    ) -> String {
        let mut program = Program::new(&self.lab.name("db"), arguments.iter().copied());
        if let Some((name, value)) = variable {
            program = program.with(name, Some(&value.to_owned().into()));
        }
        let (ended, text) = exec::output(&self.engine, &program, 1 << 20).await.unwrap();
        assert_eq!(ended.code, 0, "{}", ended.complaints);
        String::from_utf8(text).unwrap()
    }

    fn of(&self, report: &Report) -> Option<InstanceBackups> {
        let name = self.lab.project.as_str().to_owned().try_into().unwrap();
        report.backups.as_ref()?.instances.get(&name).cloned()
    }

    /// Waits until backups of the tool are so.
    pub(crate) async fn until(
        &self,
        what: &str,
        good: impl Fn(&InstanceBackups) -> bool,
    ) -> InstanceBackups {
        self.wait(what, |report| self.of(report).filter(&good))
            .await
    }

    /// restic on the server's repository.
    pub(crate) fn restic(&self, arguments: &[&str]) -> String {
        let output = Command::new("restic")
            .args(arguments)
            .arg("--no-cache")
            .env("RESTIC_REPOSITORY", self.place.join("acme-1"))
            .env("RESTIC_PASSWORD", "repository-key-1")
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr)
    }

    /// The receipt of a snapshot.
    pub(crate) fn receipt(&self, snapshot: &str) -> String {
        let tag = format!("receipt,of={snapshot}");
        self.restic(&["dump", "--tag", &tag, "latest", "/manifest.json"])
    }

    fn records(&self) -> PathBuf {
        self.world.state("backups/records.json")
    }

    pub(crate) fn spool_is_empty(&self) -> bool {
        let listed = std::fs::read_dir(self.world.state("backups/spool"));
        listed.is_ok_and(|mut entries| entries.next().is_none())
    }

    pub(crate) async fn until_spooled(&self) {
        for _ in 0..600 {
            if crate::common::tree(&self.world.state("backups/spool"))
                .keys()
                .any(|path| path.ends_with("app.db"))
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no dump was ever written");
    }

    /// Kills every `pg_dump`, or what it is called, in the container as soon as it is there.
    pub(crate) fn kill_dumps(&self, name: &'static str) -> tokio::task::AbortHandle {
        let (engine, container) = (self.engine.clone(), self.lab.name("db"));
        let killing = tokio::spawn(async move {
            loop {
                let program = Program::new(&container, ["busybox", "killall", "-9", name]);
                let _ = exec::output(&engine, &program, 100).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        killing.abort_handle()
    }

    /// Makes the program that the agent runs: restic itself, or one that takes its time to save.
    pub(crate) fn slow_restic(&self, slow: bool) {
        self.restic_with(if slow {
            "[ \"$1\" != backup ] || sleep 30\n"
        } else {
            ""
        });
    }

    fn restic_with(&self, pause: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = &self.world.config.restic;
        // Another file: a shell that runs the one before reads on in it.
        let beside = path.with_extension("new");
        let conf = rclone_conf(&self.world);
        let text = format!(
            "#!/bin/sh\n{pause}export RCLONE_CONFIG='{}'\nexec restic \"$@\"\n",
            conf.display()
        );
        std::fs::write(&beside, text).unwrap();
        std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::rename(&beside, path).unwrap();
    }

    /// restic as the agent calls it, with what the agent knows, in words.
    pub(crate) fn restic_of_the_agent(&self, arguments: &[&str]) -> (bool, String) {
        let login = "rest:http://example.acme:append-password@";
        let output = Command::new(&self.world.config.restic)
            .args(arguments)
            .arg("--no-cache")
            .env(
                "RESTIC_REPOSITORY",
                format!("{}/acme-1", self.address.replace("rest:http://", login)),
            )
            .env("RESTIC_PASSWORD", "repository-key-1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &said;
        (output.status.success(), text)
    }

    /// Turns one bit at the end of every pack of the repository. Which packs that were.
    pub(crate) fn flip_packs(&self) -> Vec<PathBuf> {
        let packs = crate::common::tree(&self.place.join("acme-1/data"));
        let packs: Vec<_> = packs.into_keys().collect();
        Self::flip(&packs);
        packs
    }

    /// Turns one bit, or turns it back.
    pub(crate) fn flip(packs: &[PathBuf]) {
        use std::os::unix::fs::PermissionsExt as _;
        for path in packs {
            let mut data = std::fs::read(path).unwrap();
            let at = data.len().checked_sub(10).unwrap();
            data[at] ^= 1;
            let writable = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(path, writable).unwrap();
            std::fs::write(path, data).unwrap();
        }
    }

    /// Waits until the repository was checked after `since`.
    pub(crate) async fn until_checked(&self, since: Option<Timestamp>) -> CheckResult {
        let checked = |report: &Report| {
            let check = report.backups.as_ref()?.check.clone();
            check.filter(|check| since.is_none_or(|since| check.at > since))
        };
        self.wait("checked", checked).await
    }

    pub(crate) fn small_disk(&self) -> Option<Mounted> {
        let at = self.world.state("backups");
        std::fs::create_dir_all(&at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=16m,mode=700", "tmpfs"])
            .arg(&at)
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            Some(Mounted(at))
        } else {
            skip_for_want_of("a place to mount something at");
            None
        }
    }

    pub(crate) async fn no_drill_is_left(&self) -> bool {
        let all = bollard::query_parameters::ListContainersOptions {
            all: true,
            ..Default::default()
        };
        let label = format!("{}/acme/acme-1", self.lab.project);
        let listed = self.lab.docker.list_containers(Some(all)).await.unwrap();
        !listed.iter().any(|container| {
            let labels = container.labels.as_ref();
            labels.and_then(|labels| labels.get("dev.tenantry.drill")) == Some(&label)
        })
    }
}

fn rclone_conf(world: &World) -> PathBuf {
    world.folder.path().join("rclone.conf")
}

pub(crate) struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .args(["-l"])
            .arg(Path::new(&self.0))
            .status();
    }
}
