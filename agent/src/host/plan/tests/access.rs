//! Who gets in, and that there always is somebody.

use super::*;

const ALL: &str = r#"{"users": {}, "ssh": {}, "firewall": {}}"#;

#[test]
fn somebody_joins_and_the_server_moves_afterwards() {
    let mut machine = Machine::new(ALL).with("jo", true);
    let ssh = machine.area(HostArea::Ssh);
    assert!(ssh.steps.is_empty() && ssh.report.message.unwrap().contains("`users` comes first"));
    machine.settle();
    assert!(machine.text("home/jo/.ssh/authorized_keys").contains(KEY));
    assert!(
        machine
            .text("etc/sudoers.d/tenantry-staff")
            .contains("jo ALL=")
    );
    assert!(
        machine
            .text(SSHD)
            .contains("Port 22022\nPermitRootLogin no\n")
    );
    let states: BTreeSet<_> = machine
        .plan()
        .into_values()
        .map(|area| area.report.state as u8)
        .collect();
    assert_eq!(states, [AreaState::Good as u8].into());
}

#[test]
fn while_the_server_moves_both_ports_are_open() {
    let mut machine = Machine::new(r#"{"ssh": {"root": true}, "firewall": {}}"#);
    machine.put("root/.ssh/authorized_keys", KEY);
    let open = |machine: &Machine| machine.text(crate::host::RULES);
    let step = machine.area(HostArea::Firewall).steps.remove(0);
    machine.apply(&step);
    assert!(
        open(&machine).contains("tcp dport { 22, 80, 443, 22022 } accept"),
        "{}",
        open(&machine)
    );
    machine.settle();
    assert!(
        open(&machine).contains("tcp dport { 80, 443, 22022 } accept"),
        "{}",
        open(&machine)
    );
}

#[test]
fn nobody_is_locked_out() {
    // Nobody at all.
    let machine = Machine::new(r#"{"ssh": {}}"#);
    assert!(
        machine
            .message(HostArea::Ssh, AreaState::Refused)
            .contains("nobody has a key here")
    );
    // Somebody, who may not become root.
    let mut machine = Machine::new(r#"{"users": {}, "ssh": {}}"#).with("jo", false);
    machine.settle();
    assert!(
        machine
            .message(HostArea::Ssh, AreaState::Refused)
            .contains("nobody who may become root")
    );
    assert_eq!(machine.text(SSHD), "");
    // root, who may not log in.
    let mut machine = Machine::new(r#"{"ssh": {}}"#);
    machine.put("root/.ssh/authorized_keys", KEY);
    assert!(
        machine
            .message(HostArea::Ssh, AreaState::Refused)
            .contains("locked out")
    );
    machine.host.ssh.as_mut().unwrap().root = true;
    assert_eq!(machine.area(HostArea::Ssh).steps.len(), 2);
    // A file of keys with nothing in it.
    machine.put("root/.ssh/authorized_keys", "# none yet\n\n");
    assert!(
        machine
            .message(HostArea::Ssh, AreaState::Refused)
            .contains("locked out")
    );
}

#[test]
fn ports_that_are_taken_and_files_that_win() {
    let with = |change: &dyn Fn(&mut Machine)| {
        let mut machine = Machine::new(r#"{"ssh": {"root": true}}"#);
        machine.put("root/.ssh/authorized_keys", KEY);
        change(&mut machine);
        machine.message(HostArea::Ssh, AreaState::Refused)
    };
    let port = |machine: &mut Machine, port| machine.host.ssh.as_mut().unwrap().port = port;
    assert!(with(&|it| port(it, 443)).contains("the web server's"));
    assert!(
        with(&|it| drop(
            it.published
                .insert((22_022, Protocol::Tcp), "shop-db-1".into())
        ))
        .contains("shop-db-1")
    );
    assert!(
        with(&|it| it.put("etc/systemd/system/sockets.target.wants/ssh.socket", ""))
            .contains("ssh.socket")
    );
    assert!(
        with(&|it| it.put(
            SSHD_MAIN,
            "UsePAM yes\nInclude /etc/ssh/sshd_config.d/*.conf\n"
        ))
        .contains("put that line first")
    );
    assert!(with(&|it| it.put(SSHD_MAIN, &format!("{MAIN}port 2222\n"))).contains("`Port 2222`"));
    assert!(
        with(&|it| it.put("etc/ssh/sshd_config.d/50-cloud.conf", "Port=22\n"))
            .contains("`Port 22`")
    );
}

#[test]
fn who_leaves_is_locked_out_and_keeps_their_folder() {
    let mut machine = Machine::new(r#"{"users": {}}"#)
        .with("jo", true)
        .with("al", false);
    machine.settle();
    let before = machine.calls.len();
    machine.users.remove("al");
    machine.settle();
    let calls = machine.calls[before..].join("\n");
    assert!(
        calls.contains("usermod --expiredate 1 -- al") && !calls.contains("userdel"),
        "{calls}"
    );
    assert_eq!(machine.text("home/al/.ssh/authorized_keys"), "");
    assert!(machine.text("etc/passwd").contains("al:x:"));
    // Back again.
    machine = machine.with("al", false);
    machine.settle();
    assert!(machine.text("home/al/.ssh/authorized_keys").contains(KEY));
    assert!(!machine.found.accounts().unwrap()["al"].shut);
    // The last one stays: a staff file without log-ins is a slip.
    machine.users.clear();
    assert!(
        machine
            .message(HostArea::Users, AreaState::Refused)
            .contains("everybody would be locked out")
    );
}

#[test]
fn accounts_of_the_system_and_of_others_are_left_alone() {
    let mut machine = Machine::new(r#"{"users": {}}"#)
        .with("www-data", true)
        .with("jo", true)
        .with("9lives", true);
    machine.put(
        "etc/passwd",
        &(machine.text("etc/passwd") + "deploy:x:1500:1500::/home/deploy:/bin/sh\n"),
    );
    machine.put("home/deploy/.ssh/authorized_keys", KEY);
    machine.settle();
    let said = machine.message(HostArea::Users, AreaState::Failed);
    assert!(
        said.contains("www-data is an account of the system") && said.contains("9lives cannot be"),
        "{said}"
    );
    assert!(
        !machine
            .text("etc/sudoers.d/tenantry-staff")
            .contains("www-data")
    );
    assert!(
        machine.text("home/jo/.ssh/authorized_keys").contains(KEY),
        "others are not held up"
    );
    assert_eq!(machine.text("home/deploy/.ssh/authorized_keys"), KEY);
    // What somebody wrote into their own file of keys goes.
    machine.put(
        "home/jo/.ssh/authorized_keys",
        &format!("{KEY}\nssh-ed25519 another\n"),
    );
    let steps = machine.area(HostArea::Users).steps;
    assert!(
        steps
            .iter()
            .any(|step| step.repair && matches!(step.action, Action::Keys(_))),
        "{steps:#?}"
    );
}

#[test]
fn what_cannot_be_seen_is_not_empty() {
    let mut machine = Machine::new(ALL).with("jo", true);
    machine.settle();
    let unseen = Err("/etc/passwd: Permission denied".to_owned());
    machine.found.files.insert(path("etc/passwd"), unseen);
    let areas = machine.plan();
    assert!(areas[&HostArea::Users].steps.is_empty());
    assert_eq!(areas[&HostArea::Users].report.state, AreaState::Failed);
    let ssh = "ssh.d unreadable".to_owned();
    machine.found.files.insert(path(SSHD), Err(ssh));
    assert!(
        machine.area(HostArea::Firewall).steps.is_empty(),
        "the port of SSH is not known"
    );
}

#[test]
fn what_was_put_back_is_not_tried_again() {
    let mut machine = Machine::new(r#"{"ssh": {"root": true}}"#);
    machine.put("root/.ssh/authorized_keys", KEY);
    let of = machine.area(HostArea::Ssh).of;
    let rejected = crate::host::memory::Rejected {
        of,
        at: machine.now,
        why: "it does not answer at port 22022".into(),
    };
    machine
        .found
        .memory
        .rejected
        .insert(HostArea::Ssh, rejected);
    assert!(
        machine
            .message(HostArea::Ssh, AreaState::Refused)
            .contains("does not answer")
    );
    machine.host.ssh.as_mut().unwrap().port = 2222;
    assert_eq!(
        machine.area(HostArea::Ssh).steps.len(),
        2,
        "something else is"
    );
}
