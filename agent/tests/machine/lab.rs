//! The container that stands for a machine, and people who knock at its doors.

use crate::common::{World, files, skip_without};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use tenantry_agent::agent::Agent;

/// Made by `./x setup` with mmdebstrap.
const IMAGE: &str = "tenantry-lab/debian-host:1";
const CONFIG: &str = "/etc/tenantry/agent.yaml";

/// A key of a person.
pub struct Key {
    pub name: &'static str,
    file: PathBuf,
}

impl Key {
    pub fn new(folder: &Path, name: &'static str) -> Self {
        let file = folder.join(format!("key-{name}"));
        let mut make = Command::new("ssh-keygen");
        make.args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&file);
        assert!(make.status().unwrap().success());
        Self { name, file }
    }

    fn public(&self) -> String {
        let text = std::fs::read_to_string(self.file.with_extension("pub")).unwrap();
        text.split_whitespace()
            .take(2)
            .collect::<Vec<_>>()
            .join(" ")
    }
}

pub struct Machine {
    world: World,
    name: String,
    generation: u64,
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = Command::new("docker")
            .args(["rm", "-f", "-v", &self.name])
            .output();
    }
}

fn docker<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    Command::new("docker").args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

impl Machine {
    /// A machine that runs, or none where there is no image of it.
    #[allow(
        clippy::disallowed_methods,
        reason = "how tests are told what must be there"
    )]
    pub fn begin() -> Option<Self> {
        if skip_without("docker") {
            return None;
        }
        if !docker(["image", "inspect", IMAGE]).status.success() {
            assert!(
                std::env::var("TENANTRY_REQUIRE_PEERS").is_err(),
                "image {IMAGE} is missing: ./x setup makes it"
            );
            println!("skipped: image {IMAGE} is missing");
            return None;
        }
        let world = World::new();
        let id = world.folder.path().file_name().unwrap().to_str().unwrap();
        let name = format!("tenantry-machine-{}", id.trim_start_matches('.'));
        let program = format!(
            "{}:/usr/local/bin/tenantry-agent:ro",
            env!("CARGO_BIN_EXE_tenantry-agent")
        );
        let run = docker([
            "run",
            "-d",
            "--name",
            &name,
            "--cap-add",
            "SYS_ADMIN",
            "--cap-add",
            "NET_ADMIN",
            "--cgroupns",
            "host",
            "--security-opt",
            "seccomp=unconfined",
            "--security-opt",
            "apparmor=unconfined",
            "--security-opt",
            "systempaths=unconfined",
            "--tmpfs",
            "/run",
            "--tmpfs",
            "/run/lock",
            "-v",
            "/sys/fs/cgroup:/sys/fs/cgroup:rw",
            "-v",
            &program,
            "--stop-signal",
            "SIGRTMIN+3",
            IMAGE,
            "/sbin/init",
        ]);
        // Before anything is asserted: one that was made and cannot be started is removed as well.
        let machine = Self {
            world,
            name,
            generation: 0,
        };
        assert!(run.status.success(), "{}", text(&run));
        machine.configure();
        machine.wait_up();
        Some(machine)
    }

    fn wait_up(&self) {
        assert!(
            self.until(&["systemctl", "is-active", "ssh.service"], "active"),
            "systemd never came up"
        );
        assert!(self.until_reached());
    }

    fn until_reached(&self) -> bool {
        let ports = [22, 22022, 22023];
        wait(|| ports.iter().any(|port| self.reaches(*port)))
    }

    pub fn folder(&self) -> &Path {
        self.world.folder.path()
    }

    /// The agent's configuration as it is in there.
    fn configure(&self) {
        let mut config = self.world.config.clone();
        config.state = "/var/lib/tenantry-agent".into();
        config.secrets = "/run/tenantry/secrets".into();
        config.nginx.configuration = "/etc/nginx/nginx.conf".into();
        config.docker = "/var/run/docker.sock".into();
        config.program = "/usr/local/bin/tenantry-agent".into();
        config.root = "/".into();
        let file = self.folder().join("agent.yaml");
        std::fs::write(&file, serde_yaml::to_string(&config).unwrap()).unwrap();
        self.run(&["mkdir", "-p", "/etc/tenantry", "/var/lib/tenantry-agent"]);
        self.copy(&file, CONFIG);
    }

    fn copy(&self, from: &Path, to: &str) {
        let copied = docker([
            "cp".as_ref(),
            from.as_os_str(),
            format!("{}:{to}", self.name).as_ref(),
        ]);
        assert!(copied.status.success(), "{}", text(&copied));
    }

    /// A slice with these areas, accepted by the agent.
    pub fn ask(&mut self, areas: &str, people: &[(&Key, bool)]) {
        self.generation += 1;
        let users = people.iter().map(|(key, sudo)| {
            format!(
                "  {}: {{keys: [{}], sudo: {sudo}}}\n",
                key.name,
                key.public()
            )
        });
        let host = format!(
            "server: {{customer: acme, server: acme-1}}\nmanage: full\nweb: {{http: 80, https: 443}}\nhost:{areas}users:\n{}instances: {{}}\n",
            users.collect::<String>()
        );
        let bundle = self
            .world
            .bundle(self.generation, files(&[("host.yaml", &host)]));
        let mut agent = Agent::open(self.world.config.clone(), true).unwrap();
        assert!(
            agent.offer(&bundle, true, jiff::Timestamp::now()),
            "{:#?}",
            agent.news
        );
        drop(agent);
        self.copy(&self.world.state("."), "/var/lib/tenantry-agent");
        self.run(&["chown", "-R", "root:root", "/var/lib/tenantry-agent"]);
    }

    /// Has the agent work until there is nothing left to do. Its exit code and words.
    pub fn converge(&self) -> (i32, String) {
        let done = self.exec(&[
            "tenantry-agent",
            "--config",
            CONFIG,
            "converge",
            "--once",
            "--offline",
            "--patience",
            "240",
        ]);
        (done.status.code().unwrap(), text(&done))
    }

    /// Has it work until it dies after so many changes. Whether it did, rather than finding nothing left to do before.
    pub fn converge_and_die(&self, changes: u32) -> bool {
        let fault = format!("TENANTRY_FAULT_AFTER={changes}");
        let agent = ["tenantry-agent", "--config", CONFIG, "converge", "--once"];
        let how = ["--offline", "--patience", "240"];
        let done = docker(
            (["exec", "-e", &fault, &self.name].iter())
                .chain(&agent)
                .chain(&how),
        );
        let code = done.status.code();
        // What the shell makes of SIGABRT.
        let died = code == Some(134);
        assert!(
            died || [Some(0), Some(2)].contains(&code),
            "{}",
            text(&done)
        );
        died
    }

    fn exec(&self, command: &[&str]) -> Output {
        docker(["exec", &self.name].iter().chain(command))
    }

    pub fn run(&self, command: &[&str]) -> String {
        let done = self.exec(command);
        assert!(done.status.success(), "{command:?}: {}", text(&done));
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// Whether a line of what the command says is this, within a while.
    pub fn until(&self, command: &[&str], line: &str) -> bool {
        wait(|| self.said(command).lines().any(|it| it.trim() == line))
    }

    /// Whether the command says this among other things, within a while.
    pub fn until_says(&self, command: &[&str], part: &str) -> bool {
        wait(|| self.said(command).contains(part))
    }

    fn said(&self, command: &[&str]) -> String {
        String::from_utf8_lossy(&self.exec(command).stdout).into_owned()
    }

    pub fn exists(&self, path: &str) -> bool {
        self.exec(&["test", "-e", path]).status.success()
    }

    fn address(&self) -> String {
        let output = docker([
            "inspect",
            "-f",
            "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
            &self.name,
        ]);
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Whether something answers at the port, from outside.
    pub fn reaches(&self, port: u16) -> bool {
        let Ok(address) = format!("{}:{port}", self.address()).parse::<SocketAddr>() else {
            return false;
        };
        TcpStream::connect_timeout(&address, Duration::from_secs(3)).is_ok()
    }

    /// Whether something answers at the address, seen from a room of the machine's network, within a while where it should.
    pub fn connects(&self, room: &str, address: &str) -> bool {
        self.connects_from(&["ip", "netns", "exec", room], address)
    }

    /// The same from the machine itself.
    pub fn connects_here(&self, address: &str) -> bool {
        self.connects_from(&[], address)
    }

    fn connects_from(&self, within: &[&str], address: &str) -> bool {
        let (host, port) = address.rsplit_once(':').unwrap();
        let ask = format!("import socket; socket.create_connection(('{host}', {port}), 2)");
        let ask = ["python3", "-c", &ask];
        let command: Vec<_> = within.iter().chain(&ask).copied().collect();
        // What serves may have been started just now.
        (0..5).any(|_| self.exec(&command).status.success())
    }

    /// Something that answers at the port for as long as the machine runs.
    pub fn serve_http(&self, port: u16) {
        let unit = format!("--unit=http-{port}");
        let port = port.to_string();
        self.run(&[
            "systemd-run",
            "-q",
            &unit,
            "python3",
            "-m",
            "http.server",
            "--directory",
            "/srv",
            &port,
        ]);
        let listens = format!(":{port}");
        assert!(wait(|| self.run(&["ss", "-Hltn"]).contains(&listens)));
    }

    /// Logs in with the key. What the command says, or what `ssh` complains about.
    pub fn ssh(&self, key: &Key, port: u16, command: &[&str]) -> Result<String, String> {
        let done = Command::new("timeout")
            // Who is shut out in the middle would wait until the kernel gives the connection up, a quarter of an hour.
            .args(["30", "ssh"])
            .args([
                "-F",
                "none",
                "-o",
                "BatchMode=yes",
                "-o",
                "IdentitiesOnly=yes",
                "-o",
                "StrictHostKeyChecking=no",
            ])
            .args([
                "-o",
                "UserKnownHostsFile=/dev/null",
                "-o",
                "LogLevel=ERROR",
                "-o",
                "ConnectTimeout=5",
                "-i",
            ])
            .arg(&key.file)
            .args(["-p", &port.to_string(), "-l", key.name, &self.address()])
            .args(command)
            .output()
            .unwrap();
        if done.status.success() {
            Ok(String::from_utf8_lossy(&done.stdout).into_owned())
        } else {
            Err(text(&done))
        }
    }

    pub fn until_ssh(&self, key: &Key, port: u16) -> bool {
        wait(|| self.ssh(key, port, &["true"]).is_ok())
    }

    /// Whether nothing answers at the port any more, from outside, within a while.
    pub fn until_shut(&self, port: u16) -> bool {
        wait(|| !self.reaches(port))
    }

    pub fn restart(&self) {
        let done = docker(["restart", "-t", "30", &self.name]);
        assert!(done.status.success(), "{}", text(&done));
    }

    /// apt knows one repository from now on, which has one package with nothing in it.
    pub fn repository_with(&self, package: &str) {
        let control = format!(
            "Package: {package}\nVersion: 1.0\nArchitecture: all\nMaintainer: nobody <nobody@example.com>\nDescription: nothing\n"
        );
        let script = format!(
            "set -e\nmkdir -p /repo/{package}/DEBIAN\ncat > /repo/{package}/DEBIAN/control <<'X'\n{control}X\ndpkg-deb -b /repo/{package} /repo/p.deb\n{{ cat /repo/{package}/DEBIAN/control; echo Filename: ./p.deb; echo Size: $(stat -c %s /repo/p.deb); echo SHA256: $(sha256sum /repo/p.deb | cut -d' ' -f1); }} > /repo/Packages\nrm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /var/lib/apt/lists/*\necho 'deb [trusted=yes] file:/repo ./' > /etc/apt/sources.list\n"
        );
        self.run(&["sh", "-c", &script]);
    }
}

/// Whether it is so within a minute and a half.
fn wait(mut good: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(90) {
        if good() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    false
}
