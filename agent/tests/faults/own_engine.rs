//! A container engine of a test's own, which may be stopped, killed and started again.

use crate::common::skip_without;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Where Docker 20.10 breaks down at every start after it was killed while it made a network: that stands in its records without an address. People
/// have to take the records away, and so do we.
const HALF_A_NETWORK: &str = "libnetwork.(*controller).reservePools";

/// The engine, and everything that it keeps.
pub(crate) struct OwnEngine {
    folder: tempfile::TempDir,
    process: Mutex<Option<Child>>,
}

impl OwnEngine {
    /// None where nobody may start one, or there is none.
    pub(crate) fn start() -> Option<Self> {
        if skip_without("dockerd") || skip_without("setpriv") || skip_without("unshare") {
            return None;
        }
        let engine = Self {
            folder: tempfile::tempdir().unwrap(),
            process: Mutex::default(),
        };
        engine.run();
        Some(engine)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("engine.sock")
    }

    /// Starts it (again), and waits until it answers. One that breaks down at its start, which happens on busy machines, is started once
    /// more, as systemd would.
    pub(crate) fn run(&self) {
        self.spawn();
        let begun = Instant::now();
        while !self.answers() {
            let log = || {
                let log = std::fs::read_to_string(self.folder.path().join("log"));
                let log = log.unwrap_or_default();
                let lines: Vec<_> = log.lines().rev().take(40).collect();
                lines.join("\n")
            };
            assert!(begun.elapsed() < Duration::from_secs(40), "{}", log());
            let ended = |child: &mut Child| child.try_wait().unwrap().is_some();
            if self.process.lock().unwrap().as_mut().is_some_and(ended) {
                self.kill();
                if log().contains(HALF_A_NETWORK) {
                    let networks = "data/network/files/local-kv.db";
                    std::fs::remove_file(self.folder.path().join(networks)).unwrap();
                }
                self.spawn();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn spawn(&self) {
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .unwrap();
        // Networks of two engines must not overlap.
        let pool = format!("base=10.{}.0.0/16,size=26", 128 + std::process::id() % 120);
        // In a network of its own: an engine takes away the bridge of the machine's own engine otherwise.
        let mut command = Command::new("unshare");
        // It ends with us, whatever becomes of us.
        command
            .args(["--net", "--", "setpriv", "--pdeathsig", "TERM"])
            .args(["dockerd", "--host"])
            .arg(format!("unix://{}", at("engine.sock")))
            .args(["--data-root", &at("data"), "--exec-root", &at("exec")])
            .args(["--pidfile", &at("pid"), "--bridge", "none"])
            .args(["--default-address-pool", &pool])
            .args([
                "--iptables=false",
                "--ip6tables=false",
                "--ip-forward=false",
            ])
            .args(["--ip-masq=false", "--userland-proxy=false"]);
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        *self.process.lock().unwrap() = Some(child);
    }

    fn answers(&self) -> bool {
        use std::io::{Read as _, Write as _};
        let ask = || -> std::io::Result<bool> {
            let mut stream = std::os::unix::net::UnixStream::connect(self.socket())?;
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            stream.write_all(b"GET /_ping HTTP/1.0\r\n\r\n")?;
            let mut head = [0; 15];
            stream.read_exact(&mut head)?;
            Ok(head.ends_with(b"200 OK") || head.windows(3).any(|part| part == b"200"))
        };
        ask().unwrap_or(false)
    }

    /// Asks it to end, and waits until it did.
    pub(crate) fn stop(&self) {
        let Some(mut child) = self.process.lock().unwrap().take() else {
            return;
        };
        signal("-TERM", child.id());
        let begun = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if begun.elapsed() > Duration::from_secs(30) {
                let _ = child.kill();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it without asking; containers go on.
    pub(crate) fn kill(&self) {
        if let Some(mut child) = self.process.lock().unwrap().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        // What it runs containers with goes with it, and is not missed by the next one, which believes the files that name a
        // process: where nobody takes note of the dead, they seem to live.
        let folder = self.folder.path();
        for file in ["pid", "exec/containerd/containerd.pid"] {
            let file = folder.join(file);
            if let Ok(id) = std::fs::read_to_string(&file) {
                let _ = Command::new("kill").args(["-KILL", id.trim()]).output();
            }
            let _ = std::fs::remove_file(&file);
        }
    }

    /// Processes that name our folder: what an engine that was killed left behind.
    fn leftovers(&self) -> Vec<u32> {
        let own = self.folder.path().display().to_string();
        let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        all.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|id: &u32| {
                let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
                *id != std::process::id() && String::from_utf8_lossy(&line).contains(&own)
            })
            .collect()
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        self.stop();
        for id in self.leftovers() {
            signal("-KILL", id);
        }
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let own = self.folder.path();
        let places = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        for place in places.filter(|place| Path::new(place).starts_with(own)) {
            let _ = Command::new("umount").args(["-l", place]).output();
        }
    }
}

fn signal(name: &str, id: u32) {
    let _ = Command::new("kill").args([name, &id.to_string()]).output();
}
