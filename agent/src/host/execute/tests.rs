//! Steps on a folder that stands for the machine, with programs that are told what to say.

mod looking;

use super::*;
use crate::host::found::Found;
use crate::host::look::HostEyes;
use crate::host::plan::{HostInput, plan};
use crate::host::programs::Program;
use futures_util::future::LocalBoxFuture;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use tenantry_schema::document::{HostArea, WebPorts};
use tenantry_schema::id::StaffId;
use tenantry_schema::wire::{AreaState, UserSpec};

/// Programs that only say that they were called, and fail where a test wants it.
#[derive(Debug, Default, Clone)]
struct Spoken {
    calls: Rc<RefCell<Vec<String>>>,
    fail: Rc<RefCell<Option<Program>>>,
    /// Calls that fail.
    no: Rc<RefCell<Vec<&'static str>>>,
}

impl Programs for Spoken {
    fn run<'a>(
        &'a self,
        call: &'a Call,
        _: Option<&'a [u8]>,
    ) -> LocalBoxFuture<'a, Result<String, ProgramError>> {
        self.calls.borrow_mut().push(call.to_string());
        let no = self.no.borrow().contains(&call.to_string().as_str());
        let result = if no || *self.fail.borrow() == Some(call.program) {
            Err(ProgramError::Failed {
                program: call.program,
                said: "no".into(),
            })
        } else {
            Ok("table".to_owned())
        };
        Box::pin(std::future::ready(result))
    }
}

struct Scene {
    folder: tempfile::TempDir,
    ground: Ground,
    eyes: HostEyes,
    spoken: Spoken,
    host: Host,
    users: BTreeMap<StaffId, UserSpec>,
}

fn now() -> Timestamp {
    "2026-11-21T10:00:00Z".parse().unwrap()
}

impl Scene {
    fn new(asked: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let machine = folder.path().join("machine");
        let spoken = Spoken::default();
        let ground = Ground {
            root: Root::public(&machine).unwrap(),
            programs: Box::new(spoken.clone()),
            memory: RefCell::new(
                MemoryFile::of(Root::private(&folder.path().join("state")).unwrap()).unwrap(),
            ),
            inspected: RefCell::default(),
            agent: OnceCell::new(),
        };
        let scene = Self {
            folder,
            ground,
            eyes: HostEyes::default(),
            spoken,
            host: serde_json::from_str(asked).unwrap(),
            users: BTreeMap::new(),
        };
        for (at, text) in [
            ("etc/passwd", "root:x:0:0::/root:/bin/bash\n"),
            ("etc/group", "root:x:0:\n"),
            (
                "etc/ssh/sshd_config",
                "Include /etc/ssh/sshd_config.d/*.conf\n",
            ),
            ("usr/share/zoneinfo/Europe/Berlin", "TZif"),
            ("proc/swaps", "Filename Type Size Used Priority\n"),
            ("proc/sys/vm/swappiness", "60\n"),
            ("proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456\n"),
            ("proc/sys/kernel/random/boot_id", "one\n"),
            (
                "var/lib/dpkg/status",
                "Package: nftables\nStatus: install ok installed\n\nPackage: tzdata\nStatus: install ok installed\n\nPackage: fail2ban\nStatus: install ok installed\n\nPackage: python3-systemd\nStatus: install ok installed\n",
            ),
        ] {
            scene.put(at, text);
        }
        scene
    }

    fn put(&self, at: &str, text: &str) {
        let file = self.ground.root.path().join(at);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    fn text(&self, at: &str) -> String {
        std::fs::read_to_string(self.ground.root.path().join(at)).unwrap_or_default()
    }

    fn look(&mut self) -> Found {
        self.eyes.observe(&self.ground, &self.host, &self.users)
    }

    fn plan(&mut self) -> BTreeMap<HostArea, crate::host::plan::AreaPlan> {
        let found = self.look();
        plan(&HostInput {
            host: &self.host,
            users: &self.users,
            web: WebPorts::default(),
            tools: &BTreeSet::new(),
            sites: &BTreeSet::new(),
            published: None,
            window: None,
            found: &found,
            observe: false,
            now: now(),
        })
    }

    /// Takes steps until there are none. How many there were.
    async fn settle(&mut self) -> usize {
        let mut count = 0;
        for _ in 0..8 {
            let steps: Vec<_> = self
                .plan()
                .into_values()
                .flat_map(|area| area.steps)
                .collect();
            if steps.is_empty() {
                return count;
            }
            for step in steps {
                take(&self.ground, &step, now()).await.unwrap();
                count += 1;
            }
        }
        panic!("it never ends");
    }
}

const ALL: &str = r#"{"firewall": {"open": ["25"]}, "fail2ban": {}, "time_zone": "Europe/Berlin", "sysctls": {"vm.swappiness": "10", "net.ipv4.tcp_rmem": "4096 131072 6291456"}, "docker": {}}"#;

#[tokio::test]
async fn what_is_asked_for_is_made_and_a_second_look_starts_nothing() {
    let mut scene = Scene::new(ALL);
    scene.put("etc/docker/daemon.json", "{\"debug\": true}");
    assert!(scene.settle().await > 8);
    assert_eq!(scene.text("proc/sys/vm/swappiness"), "10");
    assert!(
        scene
            .text("etc/sysctl.d/60-tenantry.conf")
            .contains("vm.swappiness = 10")
    );
    assert_eq!(scene.text("etc/timezone"), "Europe/Berlin\n");
    let link = std::fs::read_link(scene.ground.root.path().join("etc/localtime")).unwrap();
    assert_eq!(link, PathBuf::from("/usr/share/zoneinfo/Europe/Berlin"));
    assert!(
        scene
            .text("etc/docker/daemon.json")
            .contains("\"debug\": true")
    );
    assert!(
        scene
            .text("etc/tenantry/firewall.nft")
            .contains("tcp dport 25 accept")
    );
    assert!(
        scene
            .text("etc/fail2ban/jail.d/tenantry.local")
            .contains("port = 22\n")
    );
    scene.spoken.calls.borrow_mut().clear();
    assert_eq!(scene.settle().await, 0);
    assert!(scene.spoken.calls.borrow().is_empty());
    // An agent that is started again looks at the rules once, and finds them as they were.
    scene.eyes = HostEyes::default();
    scene.ground.inspected.borrow_mut().clear();
    assert_eq!(scene.settle().await, 1);
    assert_eq!(
        scene.spoken.calls.borrow().join("\n"),
        "nft -s list table inet tenantry"
    );
}

#[tokio::test]
async fn drift_is_put_right() {
    let mut scene = Scene::new(ALL);
    scene.settle().await;
    scene.put("proc/sys/vm/swappiness", "90\n");
    scene.put("etc/tenantry/firewall.nft", "flush ruleset\n");
    std::fs::remove_file(
        scene
            .ground
            .root
            .path()
            .join("etc/fail2ban/jail.d/tenantry.local"),
    )
    .unwrap();
    let link = scene
        .ground
        .root
        .path()
        .join("etc/sysctl.d/60-tenantry.conf");
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
    let plans = scene.plan();
    for area in [HostArea::Sysctls, HostArea::Firewall, HostArea::Fail2ban] {
        assert!(
            plans[&area].steps.iter().any(|step| step.repair),
            "{:#?}",
            plans[&area]
        );
    }
    scene.settle().await;
    assert_eq!(scene.text("proc/sys/vm/swappiness"), "10");
    assert!(
        !link.is_symlink()
            && scene
                .text("etc/tenantry/firewall.nft")
                .contains("tcp dport 25")
    );
}

#[tokio::test]
async fn what_a_program_does_not_take_is_not_kept() {
    let mut scene = Scene::new(r#"{"firewall": {}, "fail2ban": {}}"#);
    scene.put("etc/fail2ban/jail.d/tenantry.local", "[mine]\n");
    scene.settle_failing(Program::Fail2banClient).await;
    assert_eq!(scene.text("etc/fail2ban/jail.d/tenantry.local"), "[mine]\n");
    let mut scene = Scene::new(r#"{"firewall": {}}"#);
    let error = scene.settle_failing(Program::Nft).await;
    assert!(
        error.contains("/etc/tenantry/firewall.nft is not written: nft failed: no"),
        "{error}"
    );
    assert_eq!(scene.text("etc/tenantry/firewall.nft"), "");
    assert_eq!(
        scene.plan()[&HostArea::Firewall].report.state,
        AreaState::Changing
    );
}

impl Scene {
    async fn settle_failing(&mut self, program: Program) -> String {
        *self.spoken.fail.borrow_mut() = Some(program);
        let mut last = String::new();
        let steps: Vec<_> = self
            .plan()
            .into_values()
            .flat_map(|area| area.steps)
            .collect();
        for step in steps {
            if let Err(error) = take(&self.ground, &step, now()).await {
                last = crate::execute::sentence(&error);
            }
        }
        assert!(!last.is_empty(), "nothing failed");
        last
    }
}

#[tokio::test]
async fn a_real_swap_file_is_made() {
    if !std::path::Path::new(Program::Mkswap.path()).exists() {
        return;
    }
    let mut scene = Scene::new(r#"{"swap": "2M"}"#);
    scene.ground.programs = Box::new(Installed);
    let step = HostStep {
        area: HostArea::Swap,
        action: Action::SwapFile { bytes: 2 << 20 },
        repair: false,
    };
    take(&scene.ground, &step, now()).await.unwrap();
    take(&scene.ground, &step, now()).await.unwrap();
    let data = std::fs::read(scene.ground.root.path().join("swapfile.tenantry")).unwrap();
    assert_eq!(data.len(), 2 << 20);
    assert_eq!(&data[4086..4096], b"SWAPSPACE2", "mkswap(8)");
    assert_eq!(scene.look().swap_file, Some(2 << 20));
    assert!(scene.folder.path().exists());
}

#[tokio::test]
async fn folders_of_others_stay_when_the_last_file_in_them_goes() {
    let mut scene = Scene::new("{}");
    for at in [
        "home/al/.ssh/authorized_keys",
        "etc/sudoers.d/tenantry-staff",
        "etc/fail2ban/jail.d/tenantry.local",
    ] {
        scene.put(at, "mine");
    }
    let keys = crate::host::step::UserKeys {
        name: "al".into(),
        uid: 1000,
        gid: 1000,
        home: crate::host::path("home/al"),
        text: String::new(),
    };
    let sudoers = crate::host::path("etc/sudoers.d/tenantry-staff");
    for action in [Action::Keys(keys), Action::Remove(sudoers)] {
        let step = HostStep {
            area: HostArea::Users,
            action,
            repair: false,
        };
        take(&scene.ground, &step, now()).await.unwrap();
    }
    let jail = crate::host::path("etc/fail2ban/jail.d/tenantry.local");
    scene.ground.put_back(&jail, None, 0o644).unwrap();
    for folder in ["home/al/.ssh", "etc/sudoers.d", "etc/fail2ban/jail.d"] {
        let entries = std::fs::read_dir(scene.ground.root.path().join(folder));
        assert_eq!(entries.unwrap().count(), 0, "{folder}");
    }
    assert_eq!(scene.settle().await, 0);
}

#[tokio::test]
async fn a_unit_that_was_stopped_is_started_again() {
    let scene = Scene::new("{}");
    let step = HostStep {
        area: HostArea::Fail2ban,
        action: Action::EnsureUnits(vec!["fail2ban.service".into()]),
        repair: true,
    };
    let ensure = || take(&scene.ground, &step, now());
    assert_eq!(ensure().await.unwrap(), Done::Unchanged);
    assert_eq!(scene.ground.inspected.borrow()[&HostArea::Fail2ban], now());
    scene.spoken.calls.borrow_mut().clear();
    *scene.spoken.no.borrow_mut() = vec!["systemctl is-active fail2ban.service"];
    assert_eq!(ensure().await.unwrap(), Done::Changed);
    assert_eq!(
        *scene.spoken.calls.borrow(),
        [
            "systemctl is-enabled fail2ban.service",
            "systemctl is-active fail2ban.service",
            "systemctl start fail2ban.service"
        ]
    );
    // One that cannot be started is told, and asked for again.
    scene.ground.inspected.borrow_mut().clear();
    scene
        .spoken
        .no
        .borrow_mut()
        .push("systemctl start fail2ban.service");
    assert!(ensure().await.is_err());
    assert!(scene.ground.inspected.borrow().is_empty());
    let told = crate::step::Step::Host(Box::new(step.clone()));
    assert!(told.is_told(true) && !told.is_told(false) && !told.is_news());
    assert_eq!(told.to_string(), "start fail2ban.service again");
}

#[tokio::test]
async fn links_of_units_are_seen() {
    let mut scene = Scene::new(r#"{"firewall": {}}"#);
    scene.put("run/systemd/system/x", "");
    let enable = |scene: &mut Scene| {
        let steps = scene.plan().remove(&HostArea::Firewall).unwrap().steps;
        steps
            .iter()
            .any(|step| step.to_string().starts_with("systemctl enable"))
    };
    let link = "etc/systemd/system/sysinit.target.wants/tenantry-firewall.service";
    scene.put("etc/systemd/system/sysinit.target.wants/other", "");
    let link = scene.ground.root.path().join(link);
    std::os::unix::fs::symlink("../tenantry-firewall.service", &link).unwrap();
    scene.settle().await;
    assert!(!enable(&mut scene));
    std::fs::remove_file(&link).unwrap();
    assert!(enable(&mut scene));
}
