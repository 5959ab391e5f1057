//! Reads the counters of the server and of its containers. Whom to read is told by whoever looked at the engine; when, by a timer.

use super::PERIOD;
use super::cgroup::{self, Group};
use super::kernel;
use super::sample::{ContainerSample, HostSample, Sample};
use super::window::Gathering;
use crate::containers::{Engine, usage_of};
use jiff::Timestamp;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tenantry_schema::id::InstanceName;
use tenantry_schema::wire::UsageWindow;

/// Windows that wait for the next report; of more the oldest are dropped. Reports come at least every quarter of an hour.
const MOST: usize = 60;
/// Time that the engine may take to tell what a container uses.
const PATIENCE: Duration = Duration::from_secs(3);

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
    windows: RefCell<VecDeque<UsageWindow>>,
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
        self.windows.take().into()
    }

    fn keep(&self, window: UsageWindow) {
        let mut windows = self.windows.borrow_mut();
        if windows.len() >= MOST {
            windows.pop_front();
        }
        windows.push_back(window);
    }

    /// Reads for ever.
    pub async fn run(self: Rc<Self>, engine: Engine) {
        let begun = Instant::now();
        let mut gathering = Gathering::default();
        let mut reader = Reader::default();
        loop {
            let targets = self.targets.borrow().clone();
            let disk = self.disk.borrow().clone();
            let at = Timestamp::now();
            let elapsed = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
            let containers = reader.containers(&engine, targets).await;
            let host = reader.host(disk.as_deref());
            let sample = Sample {
                at,
                elapsed,
                host,
                containers,
            };
            if let Some(window) = gathering.add(sample) {
                self.keep(window);
            }
            tokio::time::sleep(PERIOD).await;
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
        let mut all = BTreeMap::new();
        for target in targets {
            let place = self.place(&target);
            let sample = match &place.group {
                Some(group) => ContainerSample {
                    cpu: group.cpu(),
                    memory: group.memory(),
                    io: group.io(),
                    network: place.network.then(|| network_of(target.pid)).flatten(),
                    id: target.id,
                },
                None => {
                    let asked = tokio::time::timeout(PATIENCE, usage_of(engine, &target.id)).await;
                    let Ok(Ok(told)) = asked else { continue };
                    ContainerSample {
                        id: target.id,
                        cpu: told.cpu,
                        memory: told.memory,
                        io: told.io,
                        network: told.network,
                    }
                }
            };
            all.insert((target.instance, target.service), sample);
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

    #[test]
    fn the_newest_windows_are_kept() {
        let meter = Meter::default();
        for minute in 0..100 {
            let at = Timestamp::from_second(minute * 60).unwrap();
            meter.keep(UsageWindow {
                from: at,
                until: at,
                host: tenantry_schema::wire::HostUsage::default(),
                containers: BTreeMap::new(),
            });
        }
        let kept = meter.take();
        assert_eq!((kept.len(), kept[0].from.as_second()), (MOST, 40 * 60));
        assert!(meter.take().is_empty());
    }
}
