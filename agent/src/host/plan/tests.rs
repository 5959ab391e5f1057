//! Decisions about a machine, tested on a model of one: what each step does to it, by example and by law.

mod access;
mod areas;
mod laws;

use super::*;
use crate::host::found::Content;
use crate::host::memory::Applied;
use crate::host::programs::Program;
use crate::host::step::FileWanted;
use crate::host::{SSHD, SSHD_MAIN, SWAP, path};
use tenantry_schema::document::SysctlName;

const MAIN: &str = "Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n";
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINWt2/SfQsdKmVq3GbXbP5bIREGHZWiNsJXEYF0x4Q48";

/// A machine, and what is asked of it.
#[derive(Debug, Clone)]
struct Machine {
    found: Found,
    host: Host,
    users: BTreeMap<StaffId, UserSpec>,
    published: BTreeMap<(u16, Protocol), String>,
    window: Option<Window>,
    tools: BTreeSet<ToolName>,
    now: Timestamp,
    /// Programs that were called.
    calls: Vec<String>,
    /// Units that were asked for.
    inspections: Vec<String>,
    /// What nobody sees on a machine and is still to be done.
    owed: BTreeSet<String>,
}

fn host(text: &str) -> Host {
    serde_json::from_str(text).unwrap()
}

impl Machine {
    /// A fresh Debian with systemd, packages included.
    fn new(asked: &str) -> Self {
        let mut machine = Self {
            found: Found {
                systemd: true,
                boot: "1".into(),
                zone_known: true,
                room: 100 << 30,
                ..Found::default()
            },
            host: host(asked),
            users: BTreeMap::new(),
            published: BTreeMap::new(),
            window: None,
            tools: BTreeSet::new(),
            now: "2026-11-21T10:00:00Z".parse().unwrap(),
            calls: Vec::new(),
            inspections: Vec::new(),
            owed: BTreeSet::new(),
        };
        machine.found.engine = Some((machine.now, machine.now));
        machine.put(
            "etc/passwd",
            "root:x:0:0::/root:/bin/bash\nwww-data:x:33:33::/var/www:/bin/sh\n",
        );
        machine.put("etc/shadow", "root:*:19000:0:99999:7:::\n");
        machine.put("etc/group", "root:x:0:\n");
        machine.put(SSHD_MAIN, MAIN);
        let all = needed(&machine.host, &machine.users);
        machine.found.installed = Some(Ok(all));
        machine
    }

    fn with(mut self, name: &str, sudo: bool) -> Self {
        let keys = vec![KEY.try_into().unwrap()];
        self.users
            .insert(name.try_into().unwrap(), UserSpec { keys, sudo });
        self.found.installed = Some(Ok(needed(&self.host, &self.users)));
        self
    }

    fn put(&mut self, at: &str, text: &str) {
        let content = Content {
            data: text.as_bytes().into(),
            mode: 0o644,
            uid: 0,
        };
        self.found.files.insert(path(at), Ok(Some(content)));
    }

    fn text(&self, at: &str) -> String {
        self.found.text(at).unwrap().unwrap_or_default().to_owned()
    }

    fn plan(&self) -> BTreeMap<HostArea, AreaPlan> {
        plan(&HostInput {
            host: &self.host,
            users: &self.users,
            web: WebPorts::default(),
            tools: &self.tools,
            sites: &BTreeSet::new(),
            published: Some(&self.published),
            window: self.window,
            found: &self.found,
            observe: false,
            now: self.now,
        })
    }

    fn area(&self, area: HostArea) -> AreaPlan {
        self.plan().remove(&area).unwrap()
    }

    fn write(&mut self, file: &FileWanted, uid: u32) {
        let content = Content {
            data: file.data.clone(),
            mode: file.mode,
            uid,
        };
        self.found
            .files
            .insert(file.path.clone(), Ok(Some(content)));
        self.owe(file.path.as_str(), true);
    }

    /// A file has changed, of which somebody has to be told.
    fn owe(&mut self, at: &str, there: bool) {
        if !self.found.systemd {
            return;
        }
        let mut owe = |what: String| {
            self.owed.insert(what);
        };
        if let Some(unit) = at.strip_prefix(crate::host::UNITS) {
            let unit = unit.trim_start_matches('/');
            owe("daemon-reload".into());
            if there && !unit.ends_with(".timer") && !unit.starts_with(crate::host::TIMER) {
                owe(format!("enable {unit}"));
            }
            let timer = unit.strip_prefix(crate::host::TIMER);
            if let Some(timer) = timer.and_then(|it| it.strip_suffix(".timer")) {
                if there {
                    owe(format!("enable {unit}"));
                    owe(format!("restart {unit}"));
                    self.found.timer_units.insert(timer.to_owned());
                } else {
                    self.found.timer_units.remove(timer);
                }
            }
        } else if at == crate::host::JAIL {
            owe("restart fail2ban.service".into());
        } else if at == crate::host::DAEMON {
            owe("reload docker.service".into());
            if let Some((written, started)) = &mut self.found.engine {
                *written = started
                    .checked_add(jiff::SignedDuration::from_secs(1))
                    .unwrap();
            }
        }
    }

    fn apply(&mut self, step: &HostStep) {
        match &step.action {
            Action::Write(file) | Action::WriteChecked(file, _) | Action::Try(file, _) => {
                self.write(file, 0);
            }
            Action::Remove(path) => {
                self.found.files.insert(path.clone(), Ok(None));
                self.owe(path.as_str(), false);
                if path.as_str() == SWAP {
                    let size = self.found.swap_file.take().unwrap();
                    assert!(
                        !self
                            .found
                            .swaps
                            .as_ref()
                            .unwrap()
                            .contains_key(&format!("/{SWAP}")),
                        "it is in use"
                    );
                    self.found.room += size;
                }
            }
            Action::Run(call) => self.run(call.program, &call.arguments),
            Action::Kernel { name, value } => {
                let value = Ok(Some(value.to_string()));
                self.found.kernel.insert(name.clone(), value);
            }
            Action::Zone(zone) => self.found.zone = Some(format!("/usr/share/zoneinfo/{zone}")),
            Action::Keys(keys) => {
                let file = FileWanted {
                    path: path(&format!("{}/.ssh/authorized_keys", keys.home)),
                    data: keys.text.as_bytes().into(),
                    mode: 0o600,
                };
                if keys.text.is_empty() {
                    self.found.files.insert(file.path, Ok(None));
                } else {
                    self.write(&file, keys.uid);
                }
            }
            Action::EndSessions { name, .. } => drop(self.owed.remove(&format!("end {name}"))),
            Action::Ssh(change) => {
                let file = files::wanted(SSHD, &change.text, 0o644);
                self.write(&file, 0);
            }
            Action::Rules(text) => {
                self.write(&files::wanted(crate::host::RULES, text, 0o600), 0);
                self.found.inspected.insert(HostArea::Firewall, self.now);
            }
            Action::EnsureRules(_) => drop(self.found.inspected.insert(step.area, self.now)),
            Action::EnsureUnits(units) => {
                self.inspections.extend(units.iter().cloned());
                self.found.inspected.insert(step.area, self.now);
            }
            Action::SwapFile { bytes } => {
                assert_eq!(self.found.swap_file, None, "there need not be room for two");
                self.found.swap_file = Some(*bytes);
                self.found.room -= bytes;
                assert!(self.found.room >= 1 << 30, "the disk is full");
            }
            Action::Forget => drop(self.found.memory.applied.remove(&step.area)),
            Action::Note { of } => {
                let applied = Applied {
                    of: of.clone(),
                    boot: self.found.boot.clone(),
                };
                self.found.memory.applied.insert(step.area, applied);
            }
        }
    }

    fn run(&mut self, program: Program, arguments: &[String]) {
        self.calls
            .push(format!("{program} {}", arguments.join(" ")));
        let last = arguments.last().cloned().unwrap_or_default();
        let all = Some(Ok(needed(&self.host, &self.users)));
        match program {
            Program::AptGet if arguments.contains(&"update".into()) => {
                self.found.lists = Some(self.now);
            }
            Program::AptGet => self.found.installed = all,
            Program::Useradd => {
                let next = 1000 + u32::try_from(self.text("etc/passwd").lines().count()).unwrap();
                let line = format!("{last}:x:{next}:{next}::/home/{last}:/bin/bash\n");
                self.put("etc/passwd", &(self.text("etc/passwd") + &line));
                let keys = path(&format!("home/{last}/.ssh/authorized_keys"));
                self.found.files.entry(keys).or_insert(Ok(None));
                self.join(&last);
            }
            Program::Usermod if arguments.contains(&"--append".into()) => self.join(&last),
            Program::Usermod => {
                let day = arguments[1].clone();
                if day == "1" {
                    self.owed.insert(format!("end {last}"));
                }
                let shadow = self.text("etc/shadow");
                let others = |line: &&str| !line.starts_with(&format!("{last}:"));
                let mut kept: Vec<_> = shadow.lines().filter(others).collect();
                kept.push("");
                let kept = kept.join("\n");
                self.put(
                    "etc/shadow",
                    &format!("{kept}{last}:*:19000:0:99999:7::{day}:\n"),
                );
            }
            Program::Swapon => {
                let size = self.found.swap_file.unwrap();
                self.found.swaps.as_mut().unwrap().insert(last, size);
            }
            Program::Swapoff => drop(self.found.swaps.as_mut().unwrap().remove(&last)),
            Program::Systemctl => {
                let done = arguments.join(" ");
                if done == "restart docker.service"
                    && let Some((written, started)) = &mut self.found.engine
                {
                    *started = self.now.max(*written);
                }
                self.owed.remove(&done);
                let target = match last.as_str() {
                    crate::host::RULES_UNIT => crate::host::RULES_TARGET,
                    crate::host::SWAP_UNIT => crate::host::SWAP_TARGET,
                    _ => crate::host::TIMERS_TARGET,
                };
                let link = path(&crate::host::wanted_by(target, &last));
                if arguments[0] == "enable" {
                    self.put(link.as_str(), "");
                } else if arguments[0] == "disable" {
                    self.found.files.insert(link, Ok(None));
                }
            }
            _ => {}
        }
    }

    fn join(&mut self, name: &str) {
        let group = self.text("etc/group");
        let members: Vec<_> = group
            .lines()
            .filter_map(|line| line.strip_prefix("tenantry-staff:x:999:"))
            .flat_map(|members| members.split(','))
            .chain([name])
            .collect();
        let line = format!("root:x:0:\ntenantry-staff:x:999:{}\n", members.join(","));
        self.put("etc/group", &line);
    }

    /// Takes all steps until there are none left.
    fn settle(&mut self) -> &mut Self {
        for _ in 0..12 {
            let steps: Vec<_> = self
                .plan()
                .into_values()
                .flat_map(|area| area.steps)
                .collect();
            if steps.is_empty() {
                return self;
            }
            for step in steps {
                self.apply(&step);
            }
        }
        panic!("it never ends: {:#?}", self.plan());
    }

    fn message(&self, area: HostArea, state: AreaState) -> String {
        let plan = self.area(area);
        assert_eq!(plan.report.state, state, "{plan:#?}");
        assert!(state != AreaState::Refused || plan.steps.is_empty());
        plan.report.message.unwrap_or_default()
    }
}
