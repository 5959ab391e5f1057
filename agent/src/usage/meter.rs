//! Reads the counters of the server and of its containers. Whom to read is told by whoever looked at the engine; when, by a timer.

use super::cgroup::{self, Group};
use super::kernel;
use super::sample::{ContainerSample, HostSample, Sample};
use super::window::Gathering;
use crate::containers::{Engine, usage_of};
use futures_util::StreamExt as _;
use jiff::Timestamp;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tenantry_schema::id::InstanceName;
use tenantry_schema::wire::UsageWindow;

/// Time that the engine may take to tell what a container uses.
const PATIENCE: Duration = Duration::from_secs(3);
/// Containers that the engine is asked about at once.
const AT_ONCE: usize = 16;

/// A container whose usage is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Whose it is.
    pub instance: InstanceName,
    /// Its service.
    pub service: String,
    /// Its id.
    pub id: String,
    /// Its first process.
    pub pid: u32,
}

/// What is read, and what was gathered.
#[derive(Debug, Default)]
pub struct Meter {
    targets: RefCell<Vec<Target>>,
    disk: RefCell<Option<PathBuf>>,
    /// Until the next report, a quarter of an hour at most.
    windows: RefCell<Vec<UsageWindow>>,
}

impl Meter {
    /// What is read from now on. `disk`: where containers keep their data, if that is known.
    pub fn aim(&self, targets: Vec<Target>, disk: Option<&Path>) {
        *self.targets.borrow_mut() = targets;
        if let Some(disk) = disk {
            *self.disk.borrow_mut() = Some(disk.to_owned());
        }
    }

    /// The windows that were completed since this was called last, oldest first.
    pub fn take(&self) -> Vec<UsageWindow> {
        self.windows.take()
    }

    /// Reads for ever, once in each `period`.
    pub async fn run(self: Rc<Self>, engine: Engine, period: Duration) {
        let begun = Instant::now();
        let mut gathering = Gathering::default();
        let mut reader = Reader::default();
        loop {
            let targets = self.targets.borrow().clone();
            let disk = self.disk.borrow().clone();
            let at = Timestamp::now();
            let elapsed = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
            // At once: rates are by the time that was just taken.
            let host = reader.host(disk.as_deref());
            let containers = reader.containers(&engine, targets).await;
            let sample = Sample {
                at,
                elapsed,
                host,
                containers,
            };
            if let Some(window) = gathering.add(sample) {
                self.windows.borrow_mut().push(window);
            }
            tokio::time::sleep(period).await;
        }
    }
}

/// Remembers where the counters of containers are.
#[derive(Debug, Default)]
struct Reader {
    /// By id: the process that it was found for, and what was found.
    found: HashMap<String, (u32, Place)>,
}

#[derive(Debug, Clone)]
struct Place {
    group: Option<Group>,
    /// Whether it has a network of its own.
    network: bool,
}

impl Reader {
    fn host(&self, disk: Option<&Path>) -> HostSample {
        let text = |path: &str| std::fs::read_to_string(path).ok();
        // A disk is a folder of its own there; a part of one is not, nor is a device that is made of others or of files.
        let whole = |name: &str| {
            !name.starts_with("loop")
                && !name.starts_with("ram")
                && !name.starts_with("dm-")
                && !name.starts_with("md")
                && !name.contains(['/', '.'])
                && Path::new("/sys/block").join(name).is_dir()
        };
        HostSample {
            cpu: text("/proc/stat").and_then(|text| kernel::cpu(&text)),
            memory: text("/proc/meminfo").and_then(|text| kernel::memory(&text)),
            disk: disk.and_then(space),
            io: text("/proc/diskstats").and_then(|text| kernel::disks(&text, whole)),
            network: text("/proc/self/net/dev")
                .and_then(|text| kernel::network(&text, kernel::leads_out)),
        }
    }

    async fn containers(
        &mut self,
        engine: &Engine,
        targets: Vec<Target>,
    ) -> BTreeMap<(InstanceName, String), ContainerSample> {
        self.found
            .retain(|id, _| targets.iter().any(|target| target.id == *id));
        let (mut all, mut unseen) = (BTreeMap::new(), Vec::new());
        for target in targets {
            let place = self.place(&target);
            let Some(group) = &place.group else {
                unseen.push(target);
                continue;
            };
            let sample = ContainerSample {
                cpu: group.cpu(),
                memory: group.memory(),
                io: group.io(),
                network: place.network.then(|| network_of(target.pid)).flatten(),
                id: target.id,
            };
            all.insert((target.instance, target.service), sample);
        }
        let asked = unseen.into_iter().map(|target| ask(engine, target));
        let mut answers = futures_util::stream::iter(asked).buffer_unordered(AT_ONCE);
        while let Some(answer) = answers.next().await {
            all.extend(answer);
        }
        all
    }

    fn place(&mut self, target: &Target) -> Place {
        if let Some((pid, place)) = self.found.get(&target.id)
            && *pid == target.pid
        {
            return place.clone();
        }
        let text =
            std::fs::read_to_string(format!("/proc/{}/cgroup", target.pid)).unwrap_or_default();
        let group = cgroup::find(&text, &target.id, Path::new("/sys/fs/cgroup"));
        let namespace = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/net")).ok();
        let own = namespace(&target.pid.to_string());
        let place = Place {
            // Groups of which no file can be read are none.
            group: group.filter(|group| group.cpu().is_some() || group.memory().is_some()),
            network: own.is_some() && own != namespace("self"),
        };
        self.found
            .insert(target.id.clone(), (target.pid, place.clone()));
        place
    }
}

/// What the engine says, if it does.
async fn ask(engine: &Engine, target: Target) -> Option<((InstanceName, String), ContainerSample)> {
    let asked = tokio::time::timeout(PATIENCE, usage_of(engine, &target.id)).await;
    let told = asked.ok()?.ok()?;
    let sample = ContainerSample {
        id: target.id,
        cpu: told.cpu,
        memory: told.memory,
        io: told.io,
        network: told.network,
    };
    Some(((target.instance, target.service), sample))
}

fn network_of(pid: u32) -> Option<(u64, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/net/dev")).ok()?;
    // One that has no network at all uses none.
    Some(kernel::network(&text, |name| name != "lo").unwrap_or_default())
}

/// Bytes taken, and all that programs may use.
fn space(path: &Path) -> Option<(u64, u64)> {
    let space = rustix::fs::statvfs(path).ok()?;
    let taken = space
        .f_blocks
        .saturating_sub(space.f_bfree)
        .saturating_mul(space.f_frsize);
    let left = space.f_bavail.saturating_mul(space.f_frsize);
    Some((taken, taken.saturating_add(left)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[test]
    fn the_server_is_read() {
        let sample = Reader::default().host(Some(Path::new("/")));
        assert!(sample.cpu.is_some_and(|cpu| cpu > 0));
        assert!(sample.memory.is_some_and(|memory| memory > 0));
        let (taken, all) = sample.disk.unwrap();
        assert!(taken <= all && all > 0);
    }

    #[tokio::test]
    async fn a_process_that_is_not_the_containers_is_not_read() {
        let target = Target {
            instance: InstanceName::try_from("site-html".to_owned()).unwrap(),
            service: "web".into(),
            id: "0123456789abcdef".into(),
            pid: std::process::id(),
        };
        let nobody = Engine::at("/nowhere/docker.sock");
        let found = Reader::default().containers(&nobody, vec![target]).await;
        assert!(found.is_empty(), "the engine is asked, and is not there");
    }

    /// An engine that tells nobody anything before it was asked about all. `HTTP/1.1` without its finer points.
    async fn patient_engine(listener: tokio::net::UnixListener, all: usize) {
        let asked = Rc::new(tokio::sync::Barrier::new(all));
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let asked = asked.clone();
            tokio::task::spawn_local(async move {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") {
                    if stream.read(&mut byte).await.unwrap_or(0) == 0 {
                        return;
                    }
                    head.push(byte[0]);
                }
                let body = if String::from_utf8_lossy(&head).contains("/stats") {
                    asked.wait().await;
                    r#"{"cpu_stats":{"cpu_usage":{"total_usage":5000}}}"#
                } else {
                    r#"{"Version":"29.0.0","ApiVersion":"1.52"}"#
                };
                let head =
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
                let answer = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    }

    #[tokio::test]
    async fn the_engine_is_asked_about_many_containers_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("docker.sock");
        let listener = tokio::net::UnixListener::bind(&socket).unwrap();
        let target = |number: usize| Target {
            instance: InstanceName::try_from("site-html".to_owned()).unwrap(),
            service: format!("s{number}"),
            id: format!("{number:064x}"),
            pid: std::process::id(),
        };
        let local = tokio::task::LocalSet::new();
        let found = local.run_until(async {
            tokio::task::spawn_local(patient_engine(listener, AT_ONCE));
            let targets = (0..AT_ONCE).map(target).collect();
            let engine = Engine::at(&*socket);
            Reader::default().containers(&engine, targets).await
        });
        let found = found.await;
        assert_eq!(found.len(), AT_ONCE);
        assert!(
            found.values().all(|sample| sample.cpu == Some(5)),
            "{found:?}"
        );
    }
}
