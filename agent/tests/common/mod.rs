//! A hub's half of the world: keys, slices, and a server that is enrolled. For tests only.

#![allow(clippy::unused_self, reason = "reads better as a method")]
#![allow(unreachable_pub, reason = "shared by several test programs")]
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

pub mod hub;
pub mod pebble;
pub mod process;
pub mod registry;
pub mod rest_server;
pub mod revoke;
pub mod small;

use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tenantry_agent::config::{Config, Control, Intervals, Nginx};
use tenantry_agent::keys;
use tenantry_schema::document::HubKeys;
use tenantry_schema::id::ServerKey;
use tenantry_schema::key::PublicKeys;
use tenantry_schema::name::RelativePath;
use tenantry_sops::{EncryptOptions, Map, Rule};
use tenantry_wire::{SigningKey, bundle, slice};

/// Sooner than the agent looks by itself (every 30 s), and later than a busy machine needs: it was woken.
pub const PROMPT: std::time::Duration = std::time::Duration::from_secs(12);

pub type Files = BTreeMap<RelativePath, Vec<u8>>;

/// What decides which samples of an enumeration are taken: `TENANTRY_SEED`, which `./x test` takes from the commit, so that each commit takes
/// others. Said in what a failed test prints, with the command that takes the same ones again.
#[expect(clippy::disallowed_methods, reason = "tests have no config.rs")]
pub fn seed() -> u64 {
    let given = std::env::var("TENANTRY_SEED").ok();
    let seed = given.map_or(1, |text| text.parse().expect("a number in TENANTRY_SEED"));
    let thread = std::thread::current();
    let name = thread.name().unwrap_or_default();
    println!(
        "again: TENANTRY_SEED={seed} cargo nextest run -p tenantry-agent --run-ignored all -E 'test(={name})'"
    );
    seed
}

/// Where to begin where every so-many-th of something is tried: below `stride`, by [`seed`].
pub fn sample(stride: u32) -> u32 {
    u32::try_from(seed() % u64::from(stride)).unwrap()
}

/// A hub and one enrolled server below a temporary folder.
pub struct World {
    pub folder: tempfile::TempDir,
    pub memory: tempfile::TempDir,
    pub hub: SigningKey,
    pub recovery: SigningKey,
    pub config: Config,
    pub agent: PublicKeys,
}

impl World {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// A server whose agent works on the engine at `socket`. Others work there, too, and are told from it by `fleet`.
    pub fn on(socket: &Path, fleet: &str, change: impl FnOnce(&mut Config)) -> Self {
        Self::with(|config| {
            socket.clone_into(&mut config.docker);
            config.fleet_id = fleet.to_owned().try_into().unwrap();
            change(config);
        })
    }

    /// The same on this machine's engine.
    pub fn on_this_engine(fleet: &str, change: impl FnOnce(&mut Config)) -> Self {
        Self::on(Path::new("/var/run/docker.sock"), fleet, change)
    }

    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let memory = tempfile::tempdir_in("/dev/shm").unwrap();
        let (hub, recovery) = (key(), key());
        let public = |key: &SigningKey| PublicKeys {
            sign: key.public(),
            age: age::x25519::Identity::generate()
                .to_public()
                .to_string()
                .as_str()
                .try_into()
                .unwrap(),
        };
        let mut config = Config {
            server: server("acme-1"),
            fleet_id: "example".try_into().unwrap(),
            hub: "http://127.0.0.1:1".into(),
            keys: HubKeys {
                hub: public(&hub),
                recovery: public(&recovery),
            },
            state: folder.path().join("state"),
            secrets: memory.path().join("secrets"),
            docker: folder.path().join("no-docker.sock"),
            nginx: Nginx {
                configuration: folder.path().join("nginx/nginx.conf"),
                control: Control::Direct,
                program: "/usr/sbin/nginx".into(),
            },
            restic: "/usr/bin/restic".into(),
            program: folder.path().join("bin/tenantry-agent"),
            trial_seconds: 60,
            intervals: Intervals::default(),
            root: folder.path().join("machine"),
        };
        change(&mut config);
        let agent = keys::ensure(&config.keys_folder()).unwrap().public;
        Self {
            folder,
            memory,
            hub,
            recovery,
            config,
            agent,
        }
    }

    /// The bundle of a slice with these files.
    pub fn bundle(&self, generation: u64, files: Files) -> Vec<u8> {
        bundle::pack(&self.sealed(generation, files))
    }

    pub fn sealed(&self, generation: u64, files: Files) -> Files {
        slice::seal(self.draft(generation, files), &self.hub).unwrap()
    }

    pub fn draft(&self, generation: u64, files: Files) -> slice::Draft {
        slice::Draft {
            fleet_id: self.config.fleet_id.clone(),
            server: self.config.server.clone(),
            generation,
            commit: format!("{generation:040x}"),
            issued: Timestamp::now(),
            content: slice::content_digest(
                &slice::content_key(&self.hub, &self.config.server),
                &files,
            ),
            files,
        }
    }

    /// A slice with one instance `web-html` and these files besides.
    pub fn html(&self, more: &[(&str, &str)]) -> Files {
        let host = "server: {customer: acme, server: acme-1}\nmanage: full\nweb: {http: 80, https: 443}\ninstances:\n  web-html:\n    order: web\n    tool: html\n    state: running\n    has_data: false\n    sites: {}\n";
        let mut files = files(&[
            ("host.yaml", host),
            (
                "stacks/web-html/compose.yaml",
                "services:\n  web:\n    image: busybox:1\n    command: sleep 1d\n    restart: always\n",
            ),
            ("stacks/web-html/.env", "TITLE='Hello'\n"),
        ]);
        files.extend(self::files(more));
        files
    }

    /// `NAME: value` pairs as a SOPS file for the agent.
    pub fn secrets_for(&self, recipient: &str, values: &[(&str, &str)]) -> String {
        let options = EncryptOptions {
            recipients: vec![recipient.parse().unwrap()],
            rule: Rule::default(),
            mac_only_encrypted: true,
            last_modified: tenantry_sops::Timestamp::parse_rfc3339("2026-11-21T10:00:00Z").unwrap(),
        };
        let map = values
            .iter()
            .fold(Map::new(), |map, (name, value)| map.with(*name, *value));
        tenantry_sops::encrypt(&map, &options, &mut rand::rng()).unwrap()
    }

    pub fn state(&self, path: &str) -> PathBuf {
        self.config.state.join(path)
    }
}

pub fn key() -> SigningKey {
    SigningKey::generate(&mut rand::rng())
}

pub fn server(name: &str) -> ServerKey {
    ServerKey {
        customer: "acme".try_into().unwrap(),
        server: name.try_into().unwrap(),
    }
}

/// A maintenance window that opens in some days.
pub fn shut_window() -> String {
    let names = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    let today = usize::try_from(today.weekday().to_monday_zero_offset()).unwrap();
    format!("{} 02:00-05:00", names[(today + 3) % 7])
}

/// `host.yaml` of a server with these instances, by name with what is to be said of each besides, and with more lines about the server.
pub fn host<'a>(lines: &str, instances: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = format!(
        "server: {{customer: acme, server: acme-1}}\nmanage: full\n{lines}web: {{http: 80, https: 443}}\ninstances:\n"
    );
    for (name, more) in instances {
        let _ = writeln!(
            text,
            "  {name}: {{order: web, tool: html, state: running, has_data: false, {more}}}"
        );
    }
    text
}

pub fn files(entries: &[(&str, &str)]) -> Files {
    entries
        .iter()
        .map(|(path, text)| ((*path).try_into().unwrap(), text.as_bytes().to_vec()))
        .collect()
}

/// Every file below `folder` with its content.
pub fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                found.insert(
                    entry.path(),
                    std::fs::read(entry.path()).unwrap_or_default(),
                );
            }
        }
    }
    found
}

/// Whether a test that needs `program` must be skipped: only where nobody said that all peers are there.
#[allow(
    clippy::disallowed_methods,
    reason = "how tests are told what must be there"
)]
pub fn skip_without(program: &str) -> bool {
    let paths = std::env::var("PATH").unwrap_or_default();
    let mut places = paths.split(':').chain(["/usr/sbin"]);
    if places.any(|place| Path::new(place).join(program).exists()) {
        return false;
    }
    skip_for_want_of(program);
    true
}

/// A test ends here for want of something. Where somebody said that everything is there, it fails.
#[allow(
    clippy::disallowed_methods,
    reason = "how tests are told what must be there"
)]
pub fn skip_for_want_of(what: &str) {
    let required = std::env::var("TENANTRY_REQUIRE_PEERS").is_ok();
    assert!(!required, "{what} is missing");
    println!("skipped: {what} is missing");
}

/// An agent that runs on a thread of its own until it is dropped.
pub struct Running {
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    pub fn start(world: &World) -> Self {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let config = world.config.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let agent = tenantry_agent::agent::Agent::open(config, true).unwrap();
            let work = tenantry_agent::looping::run(agent, async {
                let _ = stopped.await;
            });
            tokio::task::LocalSet::new()
                .block_on(&runtime, work)
                .unwrap();
        });
        Self {
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
