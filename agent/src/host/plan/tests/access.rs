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
    assert!(
        with(&|it| it.put(SSHD_MAIN, &format!("{MAIN}port 2222\n")))
            .contains("at port 2222 as well")
    );
    assert!(
        with(&|it| it.put("etc/ssh/sshd_config.d/50-cloud.conf", "Port=22\n"))
            .contains("at port 22 as well")
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
fn what_the_fleet_must_see_and_cannot_is_told() {
    let mut machine = Machine::new(r#"{"users": {}}"#)
        .with("jo", true)
        .with("al", false);
    machine.settle();
    let keys = path("home/al/.ssh/authorized_keys");
    machine.found.files.remove(&keys);
    let said = machine.message(HostArea::Users, AreaState::Failed);
    assert!(said.contains("the keys of al were not looked at"), "{said}");
    machine.users.remove("al");
    let plan = machine.area(HostArea::Users);
    assert!(
        plan.report.message.unwrap().contains("not looked at"),
        "nor when they leave"
    );
    machine.found.files.insert(keys, Ok(None));
    machine.settle();
    // Nobody may become root any more, but whether there is a file that says otherwise is not known.
    machine.users.get_mut("jo").unwrap().sudo = false;
    let unseen = Err("/etc/sudoers.d/tenantry-staff: not a plain file".to_owned());
    machine
        .found
        .files
        .insert(path(crate::host::SUDOERS), unseen);
    let said = machine.message(HostArea::Users, AreaState::Failed);
    assert!(said.contains("not a plain file"), "{said}");
}

#[test]
fn root_in_our_group_is_not_locked_out() {
    let mut machine = Machine::new(r#"{"users": {}}"#).with("jo", true);
    machine.settle();
    machine.put("etc/group", "tenantry-staff:x:999:jo,root\n");
    machine.put("root/.ssh/authorized_keys", KEY);
    machine.settle();
    let said = machine.message(HostArea::Users, AreaState::Failed);
    assert!(said.contains("root is an account of the system"), "{said}");
    assert!(!machine.calls.iter().any(|call| call.ends_with("root")));
    assert_eq!(machine.text("root/.ssh/authorized_keys"), KEY);
}

#[test]
fn the_firewall_opens_every_port_that_ssh_may_be_at() {
    let rules = |change: &dyn Fn(&mut Machine)| {
        let mut machine = Machine::new(r#"{"firewall": {}}"#);
        change(&mut machine);
        let plan = machine.area(HostArea::Firewall);
        plan.steps.iter().for_each(|step| machine.apply(step));
        let open = machine.text(crate::host::RULES);
        (open, plan.report)
    };
    let drop_in = "etc/ssh/sshd_config.d/10-provider.conf";
    for (line, port) in [
        ("Port 2222", 2222),
        ("listenaddress 0.0.0.0:2222", 2222),
        ("ListenAddress=\"[2001:db8::1]:2022\"", 2022),
        ("\tListenAddress host.example:2022 rdomain 5", 2022),
        // These have none.
        ("ListenAddress 2001:db8::22", 22),
        ("ListenAddress 192.0.2.1", 22),
        ("# Port 2222", 22),
        ("Include sshd_config.d/*.conf # the usual", 22),
    ] {
        let (open, report) = rules(&|it| it.put(drop_in, line));
        let wanted = if port == 22 {
            "{ 22, 80, 443 }".to_owned()
        } else {
            format!("{{ 80, 443, {port} }}")
        };
        assert!(open.contains(&wanted), "{line}: {open} {report:?}");
    }
    let nothing = |change: &dyn Fn(&mut Machine), state, why: &str| {
        let (open, report) = rules(change);
        let message = report.message.unwrap();
        assert_eq!((open.as_str(), report.state), ("", state), "{message}");
        assert!(message.contains(why), "{message}");
    };
    let failed = AreaState::Failed;
    nothing(
        &|it| it.put(drop_in, "Port ssh"),
        failed,
        "no number: `ssh`",
    );
    nothing(
        &|it| it.put(drop_in, "Include /srv/*.conf"),
        failed,
        "includes /srv/*.conf",
    );
    let unseen = |it: &mut Machine| {
        let link = Err("a link".to_owned());
        drop(it.found.files.insert(path(drop_in), link));
    };
    nothing(&unseen, failed, "a link");
    let unlisted = |it: &mut Machine| {
        let why = "Permission denied".to_owned();
        drop(it.found.unlisted.insert(crate::host::SSHD_FOLDER, why));
    };
    nothing(&unlisted, failed, "Permission denied");
    let socket = |it: &mut Machine| it.put(crate::host::SSH_SOCKET, "");
    nothing(&socket, AreaState::Refused, "ssh.socket");
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

#[test]
fn what_others_write_for_the_ssh_server_later_is_tried_out() {
    let mut machine = Machine::new(r#"{"users": {}, "ssh": {}}"#)
        .with("jo", true)
        .with("al", false);
    machine.settle();
    let change = |machine: &Machine| {
        let plan = machine.area(HostArea::Ssh);
        let change = plan.steps.into_iter().find_map(|step| match step.action {
            Action::Ssh(change) => Some(change),
            _ => None,
        });
        change.map(|change| (change, plan.of))
    };
    assert_eq!(change(&machine), None);
    // One that is read first, one that is read later, one that nobody reads.
    for (name, text) in [
        ("00-a.conf", "PasswordAuthentication yes\n"),
        ("50-cloud.conf", "X11Forwarding yes\n"),
        (".50-cloud.conf", "Banner none\n"),
        ("50-cloud.conf.bak", "Port 22\n"),
    ] {
        machine.put(&format!("etc/ssh/sshd_config.d/{name}"), text);
    }
    machine.put(
        SSHD_MAIN,
        &format!("# mine\n\n{MAIN}Match User al\n\tPasswordAuthentication yes\n"),
    );
    let (first, of) = change(&machine).unwrap();
    let ours = machine.text(SSHD);
    assert_eq!(
        &*first.whole,
        format!(
            "Include /etc/ssh/sshd_config.d/00-a.conf\n{ours}Include /etc/ssh/sshd_config.d/50-cloud.conf\nUsePAM yes\nMatch User al\n\tPasswordAuthentication yes\n"
        )
    );
    assert_eq!(
        (first.people.join(" "), &first.of),
        ("al jo root".into(), &of)
    );
    machine.settle();
    assert_eq!(change(&machine), None);
    // What was tried out and put back is tried again when others change their words.
    machine.put(
        "etc/ssh/sshd_config.d/00-a.conf",
        "PasswordAuthentication no\n",
    );
    let (second, other) = change(&machine).unwrap();
    assert!(second.text == first.text && other != of);
    machine.put(SSHD_MAIN, "UsePAM yes\n");
    let said = machine.message(HostArea::Ssh, AreaState::Refused);
    assert!(said.contains("does not begin with `Include"), "{said}");
    let unseen = Err("not a plain file".to_owned());
    machine
        .found
        .files
        .insert(path("etc/ssh/sshd_config.d/00-a.conf"), unseen);
    assert!(
        machine
            .message(HostArea::Ssh, AreaState::Failed)
            .contains("not a plain file")
    );
}
