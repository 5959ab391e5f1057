//! The machine beneath the tools: what looking at it costs the agent, and what it costs programs that are made for that.

use super::super::{BenchError, Doing as _};
use super::ms;
use super::peers::Other;
use crate::rig::{Server, World};
use jiff::Timestamp;
use std::fmt::Write as _;
use std::time::{Duration, Instant};
use tenantry_agent::agent::Agent;
use tenantry_agent::config::Config;
use tenantry_agent::web_server::NginxServer;

const SERVER: &str = "bench/bench-1";

/// What is asked of the machine. Nothing is changed on it: the server is one that is observed.
const DOCUMENT: &str = "manage: observe
host:
  packages: { install: [curl, git, jq, rsync, vim-tiny] }
  users: {}
  ssh: { port: 22022 }
  firewall: { open: [8080/tcp] }
  fail2ban: {}
  time_zone: Europe/Berlin
  sysctls: { net.core.somaxconn: 4096, vm.swappiness: 10, fs.file-max: 500000 }
";
/// Areas that this asks for.
const AREAS: usize = 7;
const PACKAGES: [&str; 8] = [
    "curl",
    "git",
    "jq",
    "rsync",
    "vim-tiny",
    "openssh-server",
    "nftables",
    "fail2ban",
];
const SYSCTLS: [&str; 3] = ["net.core.somaxconn", "vm.swappiness", "fs.file-max"];
/// Files that tell how these areas are.
const FILES: [&str; 8] = [
    "/etc/passwd",
    "/etc/group",
    "/etc/ssh/sshd_config",
    "/etc/ssh/sshd_config.d/00-tenantry.conf",
    "/etc/nftables.conf",
    "/etc/fail2ban/jail.d/tenantry.conf",
    "/etc/sysctl.d/90-tenantry.conf",
    "/etc/localtime",
];

/// What was found, in milliseconds.
pub(super) struct Looked {
    pub(super) pass: Vec<f64>,
    pub(super) process: Vec<f64>,
    pub(super) ansible: Vec<f64>,
    pub(super) pyinfra: Vec<f64>,
}

pub(super) async fn measure(quick: bool) -> Result<Looked, BenchError> {
    let (passes, runs) = if quick { (5, 1) } else { (50, 5) };
    let world = World::open(&[SERVER]).await;
    let world = world.ok_or_else(|| {
        BenchError::Wrong("there is no laboratory; `./x setup` prepares it".to_owned())
    })?;
    let server = &world.servers[0];
    let fleet = &world.home.fleet;
    fleet.write(
        "fleet/customers/bench/servers/bench-1.yaml",
        &server.document(DOCUMENT),
    )?;
    fleet.commit("a server whose machine is looked at")?;
    let config = Config::load(&server.dir().join("agent.yaml"))
        .doing("reading the agent's configuration")?;
    let mut agent = first_slice(server, &config).await?;
    let mut pass = Vec::new();
    for _ in 0..=passes {
        let begun = Instant::now();
        let look = agent.look(Timestamp::now()).await;
        pass.push(ms(begun.elapsed()));
        if look.plan.areas.len() != AREAS {
            return Err(BenchError::Wrong(
                "areas of the machine are missing".to_owned(),
            ));
        }
    }
    pass.remove(0);
    drop(agent);
    let process = (0..runs).map(|_| {
        let begun = Instant::now();
        server.run_agent(&["converge", "--once", "--offline"])?;
        Ok(ms(begun.elapsed()))
    });
    let process = process.collect::<Result<_, BenchError>>()?;
    let other = Other::new(&world.lab)?;
    Ok(Looked {
        pass,
        process,
        ansible: other.ansible(&playbook()?, runs)?,
        pyinfra: other.pyinfra(&deploy()?, runs)?,
    })
}

/// The agent, once it has the slice that asks for the areas.
async fn first_slice(server: &Server, config: &Config) -> Result<Agent<NginxServer>, BenchError> {
    for _ in 0..100 {
        server.run_agent(&["converge", "--once"])?;
        let mut agent = Agent::open(config.clone(), false).doing("opening the agent")?;
        if agent.look(Timestamp::now()).await.plan.areas.len() == AREAS {
            return Ok(agent);
        }
        drop(agent);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Err(BenchError::Wrong("the hub made no slice".to_owned()))
}

/// Tasks of Ansible for the same areas.
fn playbook() -> Result<String, BenchError> {
    let mut text = String::from(
        "    - ansible.builtin.package_facts: {}\n    - ansible.builtin.getent: { database: passwd }\n    - ansible.builtin.getent: { database: group }\n",
    );
    let _ = writeln!(
        text,
        "    - ansible.builtin.assert:\n        that: {}\n      ignore_errors: true",
        serde_json::to_string(&PACKAGES.map(|name| format!("'{name}' in ansible_facts.packages")))
            .doing("writing a playbook")?
    );
    let _ = writeln!(
        text,
        "    - ansible.builtin.command: sysctl -n {}\n      changed_when: false",
        SYSCTLS.join(" ")
    );
    text.push_str(
        "    - ansible.builtin.stat: { path: \"{{ item }}\", checksum_algorithm: sha256 }\n      loop:\n",
    );
    for file in FILES {
        let _ = writeln!(text, "        - {file}");
    }
    Ok(text)
}

/// Facts of pyinfra for the same areas.
fn deploy() -> Result<String, BenchError> {
    let list = |names: &[&str]| serde_json::to_string(names).doing("writing a deploy");
    Ok(format!(
        "from pyinfra.facts.deb import DebPackages\nfrom pyinfra.facts.files import Sha256File\nfrom pyinfra.facts.server import Groups, Sysctl, Users\n\npackages = host.get_fact(DebPackages)\nmissing = [name for name in {} if name not in packages]\nhost.get_fact(Users)\nhost.get_fact(Groups)\nhost.get_fact(Sysctl, keys={})\nfor path in {}:\n    host.get_fact(Sha256File, path=path)\n",
        list(&PACKAGES)?,
        list(&SYSCTLS)?,
        list(&FILES)?
    ))
}
