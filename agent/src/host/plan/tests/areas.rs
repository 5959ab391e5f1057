//! Areas one by one.

use super::*;

fn steps(machine: &Machine, area: HostArea) -> Vec<String> {
    let steps = machine.area(area).steps.into_iter();
    steps
        .filter(HostStep::is_news)
        .map(|step| step.to_string())
        .collect()
}

#[test]
fn packages_come_and_never_go() {
    let mut machine = Machine::new(r#"{"packages": {"install": ["htop"]}, "fail2ban": {}}"#);
    machine.found.installed = Some(Ok(["fail2ban".to_owned(), "nftables".to_owned()].into()));
    let all = steps(&machine, HostArea::Packages);
    assert!(
        all[0].ends_with("update")
            && all[1].ends_with("-- htop python3-systemd unattended-upgrades"),
        "{all:?}"
    );
    assert!(
        machine
            .message(HostArea::Fail2ban, AreaState::Waiting)
            .contains("python3-systemd, which `packages` installs")
    );
    machine.settle();
    let upgrades = "APT::Periodic::Unattended-Upgrade";
    let text = machine.text(crate::host::UPGRADES);
    assert!(text.contains(&format!("{upgrades} \"1\";")), "{text}");
    machine.host = host(r#"{"packages": {"unattended_upgrades": false}}"#);
    machine.settle();
    let text = machine.text(crate::host::UPGRADES);
    assert!(text.contains(&format!("{upgrades} \"0\";")), "{text}");
    assert!(
        machine
            .calls
            .iter()
            .all(|call| !call.contains("remove") && !call.contains("purge"))
    );
    // Without `packages` somebody has to see to it.
    let mut machine = Machine::new(r#"{"fail2ban": {}}"#);
    machine.found.installed = Some(Ok(BTreeSet::new()));
    assert!(
        machine
            .message(HostArea::Fail2ban, AreaState::Waiting)
            .contains("install what is missing")
    );
    machine.found.installed = Some(Err("no dpkg".into()));
    assert!(
        machine
            .message(HostArea::Fail2ban, AreaState::Failed)
            .contains("no dpkg")
    );
}

#[test]
fn lists_of_apt_that_are_new_are_not_fetched() {
    let mut machine = Machine::new(r#"{"packages": {"install": ["htop"]}}"#);
    machine.found.installed = Some(Ok(BTreeSet::new()));
    machine.found.lists = Some(machine.now);
    assert!(!steps(&machine, HostArea::Packages)[0].ends_with("update"));
    machine.now = machine
        .now
        .checked_add(jiff::SignedDuration::from_hours(25))
        .unwrap();
    assert!(steps(&machine, HostArea::Packages)[0].ends_with("update"));
}

#[test]
fn a_port_that_a_container_opens_is_found_and_kept_shut() {
    let mut machine = Machine::new(r#"{"firewall": {"open": ["25"]}}"#);
    machine
        .published
        .insert((25, Protocol::Tcp), "mail-smtp-1".into());
    machine
        .published
        .insert((5432, Protocol::Tcp), "shop-db-1".into());
    machine.settle();
    let said = machine.message(HostArea::Firewall, AreaState::Good);
    assert!(
        said.contains("5432/tcp of container shop-db-1") && !said.contains("mail"),
        "{said}"
    );
    assert!(
        machine
            .text(crate::host::RULES)
            .contains("tcp dport 25 accept")
    );
}

#[test]
fn rules_are_loaded_again_after_a_restart_and_looked_at_now_and_then() {
    let mut machine = Machine::new(r#"{"firewall": {}}"#);
    machine.settle();
    assert!(machine.area(HostArea::Firewall).next.is_some());
    machine.now = machine
        .now
        .checked_add(jiff::SignedDuration::from_mins(11))
        .unwrap();
    assert!(matches!(
        machine.area(HostArea::Firewall).steps[..],
        [HostStep {
            action: Action::EnsureRules(_),
            ..
        }]
    ));
    machine.found.boot = "2".into();
    assert!(matches!(
        machine.area(HostArea::Firewall).steps[0].action,
        Action::Rules(_)
    ));
}

#[test]
fn fail2ban_guards_the_port_that_is_in_use() {
    let mut machine =
        Machine::new(r#"{"ssh": {"root": true}, "fail2ban": {"attempts": 3, "ban": "1d"}}"#);
    machine.put("root/.ssh/authorized_keys", KEY);
    machine.settle();
    let jail = machine.text(crate::host::JAIL);
    assert!(
        jail.contains("port = 22022\nmaxretry = 3\n") && jail.contains("bantime = 1440m"),
        "{jail}"
    );
    let restarts = machine
        .calls
        .iter()
        .filter(|call| call.contains("restart fail2ban"))
        .count();
    assert_eq!(restarts, 1);
}

#[test]
fn zone_kernel_and_swap() {
    let mut machine = Machine::new(
        r#"{"time_zone": "Europe/Berlin", "swap": "2G", "sysctls": {"vm.swappiness": "10", "vm.nonsense": "1"}}"#,
    );
    let kernel = |machine: &mut Machine, name: &str, value| {
        drop(
            machine
                .found
                .kernel
                .insert(SysctlName::try_from(name).unwrap(), Ok(value)),
        );
    };
    kernel(&mut machine, "vm.swappiness", Some("60".into()));
    kernel(&mut machine, "vm.nonsense", None);
    machine.settle();
    assert_eq!(
        machine.found.zone.as_deref(),
        Some("/usr/share/zoneinfo/Europe/Berlin")
    );
    assert_eq!(
        machine.found.swaps.as_ref().unwrap()[&format!("/{SWAP}")],
        2 << 30
    );
    assert!(
        machine
            .message(HostArea::Sysctls, AreaState::Failed)
            .contains("no vm.nonsense")
    );
    // Somebody turns a knob.
    kernel(&mut machine, "vm.swappiness", Some("60".into()));
    let plan = machine.area(HostArea::Sysctls);
    assert!(plan.steps[0].repair && plan.steps[0].to_string() == "set vm.swappiness to 10");
    // A larger file is made anew in the window only: what is swapped out needs room meanwhile.
    machine.host.swap = Some("4G".to_owned().try_into().unwrap());
    machine.window = Some(Window::try_from("Sun 02:00-05:00".to_owned()).unwrap());
    let plan = machine.area(HostArea::Swap);
    assert!(plan.steps.is_empty() && matches!(plan.report.waiting, Some(AgentWait::Window { .. })));
    machine.now = "2026-11-22T03:00:00Z".parse().unwrap();
    // There is room for the new one and a gigabyte only where the old one was.
    machine.found.room = 3 << 30;
    assert_eq!(
        steps(&machine, HostArea::Swap),
        [
            "swapoff /swapfile.tenantry",
            "remove /swapfile.tenantry",
            "make a swap file of 4096 MiB",
            "systemctl daemon-reload",
            "systemctl enable swapfile.tenantry.swap",
            "swapon /swapfile.tenantry"
        ]
    );
    machine.settle();
    assert_eq!(machine.found.swap_file, Some(4 << 30));
    assert_eq!(machine.found.room, 1 << 30);
    machine.found.room = 1 << 30;
    machine.host.swap = Some("40G".to_owned().try_into().unwrap());
    assert!(
        machine
            .message(HostArea::Swap, AreaState::Refused)
            .contains("leaves too little")
    );
    machine.found.zone_known = false;
    assert!(
        machine
            .message(HostArea::TimeZone, AreaState::Refused)
            .contains("knows no time zone")
    );
}

#[test]
fn the_engine_is_started_again_in_the_window_only() {
    let mut machine = Machine::new(r#"{"docker": {}}"#);
    machine.put(
        crate::host::DAEMON,
        r#"{"registry-mirrors": ["http://127.0.0.1:5017"]}"#,
    );
    machine.found.engine = Some((machine.now, machine.now));
    machine.window = Some(Window::try_from("Sun 02:00-05:00".to_owned()).unwrap());
    let first = steps(&machine, HostArea::Docker);
    assert_eq!(
        first,
        [
            "write /etc/docker/daemon.json",
            "systemctl reload docker.service"
        ]
    );
    machine.settle();
    assert!(
        machine
            .text(crate::host::DAEMON)
            .contains("registry-mirrors")
    );
    let later = machine
        .now
        .checked_add(jiff::SignedDuration::from_secs(1))
        .unwrap();
    machine.found.engine = Some((later, machine.now));
    let plan = machine.area(HostArea::Docker);
    assert!(
        plan.steps.is_empty() && plan.next.is_some() && plan.report.state == AreaState::Waiting
    );
    machine.now = "2026-11-22T03:00:00Z".parse().unwrap();
    assert_eq!(
        steps(&machine, HostArea::Docker),
        ["systemctl restart docker.service"]
    );
    machine.settle();
    machine.put(crate::host::DAEMON, "{ broken");
    assert!(
        machine
            .message(HostArea::Docker, AreaState::Refused)
            .contains("left as it is")
    );
}

#[test]
fn timers_come_and_go_with_their_tool() {
    let mut machine = Machine::new(
        r#"{"timers": {"trim": {"at": "Sun 04:00", "action": "trim"}, "cron": {"every": "5m", "run": {"tool": "wiki", "service": "app", "command": ["php", "cron.php"]}}}}"#,
    );
    machine.settle();
    assert_eq!(machine.found.timer_units, ["trim".to_owned()].into());
    machine.tools.insert("wiki".try_into().unwrap());
    machine.settle();
    assert_eq!(machine.found.timer_units.len(), 2);
    machine.tools.clear();
    machine.settle();
    assert_eq!(machine.found.timer_units, ["trim".to_owned()].into());
    assert!(
        machine
            .calls
            .iter()
            .any(|call| call == "systemctl disable --now tenantry-timer-cron.timer")
    );
    machine.found.systemd = false;
    assert!(
        machine
            .message(HostArea::Timers, AreaState::Refused)
            .contains("systemd")
    );
}

#[test]
fn a_file_that_apt_reads_later_is_told() {
    let mut machine = Machine::new(r#"{"packages": {}}"#);
    machine.settle();
    machine.message(HostArea::Packages, AreaState::Good);
    for (at, text, wins) in [
        (
            "etc/apt/apt.conf.d/70debconf",
            "DPkg::Pre-Install-Pkgs {\"x\";};",
            false,
        ),
        (
            "etc/apt/apt.conf.d/99mine",
            "// APT::Periodic is left alone\n",
            false,
        ),
        (
            "etc/apt/apt.conf.d/99mine",
            "APT::Periodic::Unattended-Upgrade \"0\";\n",
            true,
        ),
        ("etc/apt/apt.conf.d/99mine", "", false),
        (
            "etc/apt/apt.conf",
            "apt { periodic {\n enable \"0\"; }; };",
            true,
        ),
    ] {
        machine.put(at, text);
        let state = if wins {
            AreaState::Failed
        } else {
            AreaState::Good
        };
        let said = machine.message(HostArea::Packages, state);
        assert_eq!(
            said.contains(&format!("/{at} is read after")),
            wins,
            "{said}"
        );
    }
    machine.put("etc/apt/apt.conf", "");
    let at = path("etc/apt/apt.conf.d/99mine");
    machine
        .found
        .files
        .insert(at, Err("not a plain file".into()));
    let said = machine.message(HostArea::Packages, AreaState::Failed);
    assert!(said.contains("99mine wins is not known"), "{said}");
}

#[test]
fn units_that_somebody_disabled_begin_again() {
    let asked =
        r#"{"firewall": {}, "swap": "2G", "timers": {"trim": {"every": "1d", "action": "trim"}}}"#;
    let mut machine = Machine::new(asked);
    machine.settle();
    for (area, target, unit) in [
        (
            HostArea::Firewall,
            "sysinit.target",
            "tenantry-firewall.service",
        ),
        (HostArea::Swap, "swap.target", "swapfile.tenantry.swap"),
        (
            HostArea::Timers,
            "timers.target",
            "tenantry-timer-trim.timer",
        ),
    ] {
        assert_eq!(steps(&machine, area), Vec::<String>::new(), "{area}");
        let link = format!("etc/systemd/system/{target}.wants/{unit}");
        machine.found.files.insert(path(&link), Ok(None));
        let enable = format!("systemctl enable {unit}");
        let plan = machine.area(area);
        let step = plan.steps.iter().find(|step| step.to_string() == enable);
        assert!(step.is_some_and(|step| step.repair), "{area}: {plan:#?}");
        machine
            .found
            .files
            .insert(path(&link), Err("Permission denied".into()));
        assert!(
            machine.area(area).steps.is_empty(),
            "what cannot be seen is not missing"
        );
        machine.found.files.insert(path(&link), Ok(None));
        machine.settle();
    }
}

#[test]
fn units_that_run_are_asked_for_now_and_then() {
    let asked = r#"{"ssh": {"root": true}, "fail2ban": {}, "timers": {"trim": {"every": "1d", "action": "trim"}}}"#;
    let mut machine = Machine::new(asked);
    machine.put("root/.ssh/authorized_keys", KEY);
    machine.settle();
    let all = [
        "fail2ban.service",
        "ssh.service",
        "tenantry-timer-trim.timer",
    ];
    let asked = |machine: &mut Machine| {
        machine.settle();
        let mut units = std::mem::take(&mut machine.inspections);
        units.sort();
        units
    };
    assert_eq!(asked(&mut machine), all);
    assert_eq!(asked(&mut machine), [""; 0], "not every time");
    let later = jiff::SignedDuration::from_mins(11);
    machine.now = machine.now.checked_add(later).unwrap();
    for area in [HostArea::Ssh, HostArea::Fail2ban, HostArea::Timers] {
        let plan = machine.area(area);
        assert_eq!(
            plan.report.state,
            AreaState::Good,
            "looking is no news: {plan:#?}"
        );
        assert!(plan.steps.iter().all(|step| step.repair), "{plan:#?}");
    }
    assert_eq!(asked(&mut machine), all);
    assert_eq!(
        machine.area(HostArea::Ssh).next,
        machine
            .now
            .checked_add(jiff::SignedDuration::from_mins(10))
            .ok()
    );
    // Elsewhere nobody keeps units.
    machine.found.systemd = false;
    machine.found.inspected.clear();
    assert!(machine.area(HostArea::Ssh).steps.is_empty());
}
