//! A whole Debian with systemd in a container, and the real agent in it: real apt, useradd, sshd, nft and fail2ban, and real connections.

#![allow(unreachable_pub, reason = "clearer in helpers")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "../common/mod.rs"]
mod common;
mod lab;

use lab::{Key, Machine};

const ALL: &str = r"
  packages: {install: [tenantry-probe]}
  users: {}
  ssh: {}
  firewall: {}
  fail2ban: {}
  time_zone: Europe/Berlin
  sysctls: {net.core.somaxconn: 1234}
  timers: {tidy: {at: daily 03:00, random: 10m, action: clean_packages}}
";

#[test]
fn a_bare_machine_becomes_what_is_asked_for_and_comes_back_after_a_restart() {
    let Some(mut machine) = Machine::begin() else {
        return;
    };
    let (jo, al) = (
        Key::new(machine.folder(), "jo"),
        Key::new(machine.folder(), "al"),
    );
    machine.repository_with("tenantry-probe");
    machine.serve_http(9999);
    assert!(machine.reaches(22) && machine.reaches(9999));

    machine.ask(ALL, &[(&jo, true)]);
    let (code, said) = machine.converge();
    assert_eq!(code, 2, "{said}");
    let (code, said) = machine.converge();
    assert_eq!((code, said.contains("Nothing to do.")), (0, true), "{said}");

    // The door has moved, and only the key opens it.
    assert_eq!(
        machine.ssh(&jo, 22022, &["sudo", "id", "-u"]),
        Ok("0\n".to_owned())
    );
    assert!(
        machine
            .ssh(&al, 22022, &["true"])
            .unwrap_err()
            .contains("Permission denied (publickey)")
    );
    assert!(
        !machine.reaches(22) && !machine.reaches(9999),
        "nothing else is open"
    );
    assert_eq!(
        machine.run(&["dpkg-query", "-W", "-f", "${Status}", "tenantry-probe"]),
        "install ok installed"
    );
    assert_eq!(
        machine.run(&["date", "+%Z"]).trim(),
        machine
            .run(&["env", "TZ=Europe/Berlin", "date", "+%Z"])
            .trim()
    );
    assert_eq!(
        machine.run(&["cat", "/proc/sys/net/core/somaxconn"]),
        "1234\n"
    );
    assert!(machine.until_says(&["fail2ban-client", "status", "sshd"], "Currently banned"));
    machine.run(&["systemctl", "start", "tenantry-timer-tidy.service"]);
    assert!(
        machine
            .run(&["systemctl", "list-timers", "--all"])
            .contains("tenantry-timer-tidy.timer")
    );

    // Somebody opens a port, somebody leaves, somebody joins.
    machine.ask(
        &ALL.replace("firewall: {}", "firewall: {open: [9999]}"),
        &[(&al, true)],
    );
    let (code, said) = machine.converge();
    assert_eq!(code, 2, "{said}");
    assert!(machine.reaches(9999));
    assert!(machine.ssh(&jo, 22022, &["true"]).is_err());
    assert_eq!(
        machine.ssh(&al, 22022, &["sudo", "id", "-u"]),
        Ok("0\n".to_owned())
    );
    assert!(
        machine.run(&["ls", "-d", "/home/jo"]).contains("/home/jo"),
        "the folder stays"
    );

    // What people change is put back: rules that were flushed, a key that was added, a setting.
    machine.run(&["nft", "flush", "ruleset"]);
    machine.run(&[
        "sh",
        "-c",
        "echo 'ssh-ed25519 stranger' >> /home/al/.ssh/authorized_keys",
    ]);
    machine.run(&["sh", "-c", "echo 5 > /proc/sys/net/core/somaxconn"]);
    assert!(machine.reaches(22022));
    machine.serve_http(9998);
    assert!(machine.reaches(9998));
    let (code, said) = machine.converge();
    assert_eq!(code, 2, "{said}");
    assert!(!machine.reaches(9998));
    assert!(
        !machine
            .run(&["cat", "/home/al/.ssh/authorized_keys"])
            .contains("stranger")
    );
    assert_eq!(
        machine.run(&["cat", "/proc/sys/net/core/somaxconn"]),
        "1234\n"
    );

    // A restart, with no hub to ask and no agent that was told anything since.
    machine.run(&["tenantry-agent", "install"]);
    machine.run(&["systemctl", "daemon-reload"]);
    machine.run(&[
        "systemctl",
        "enable",
        "tenantry-secrets.service",
        "tenantry-agent.service",
    ]);
    machine.restart();
    assert!(
        machine.until_says(&["nft", "list", "table", "inet", "tenantry"], "dport"),
        "before anything else"
    );
    assert!(machine.until(
        &["systemctl", "is-active", "tenantry-secrets.service"],
        "active"
    ));
    assert!(machine.until(
        &["systemctl", "is-active", "tenantry-agent.service"],
        "active"
    ));
    assert!(machine.until_ssh(&al, 22022));
    assert!(!machine.reaches(22));
    assert!(machine.until(&["cat", "/proc/sys/net/core/somaxconn"], "1234"));
    assert!(machine.until_says(&["tenantry-agent", "diff"], "Nothing to do."));
}

#[test]
fn settings_that_would_lock_everybody_out_are_refused_or_put_back() {
    let Some(mut machine) = Machine::begin() else {
        return;
    };
    let jo = Key::new(machine.folder(), "jo");
    let ssh = "\n  users: {}\n  ssh: {port: 22022}\n";

    // Nobody who may become root.
    machine.ask(ssh, &[(&jo, false)]);
    let (code, said) = machine.converge();
    assert!(
        code == 1 && said.contains("everybody would be locked out"),
        "{said}"
    );
    assert!(machine.reaches(22));

    // Somebody, whom another setting keeps out: seen by logging in to a second server.
    machine.run(&[
        "sh",
        "-c",
        "echo 'AllowUsers nobody' >> /etc/ssh/sshd_config",
    ]);
    machine.ask(ssh, &[(&jo, true)]);
    let (code, said) = machine.converge();
    assert!(
        code == 1 && said.contains("jo cannot log in to a second server"),
        "{said}"
    );
    assert!(machine.reaches(22) && !machine.exists("/etc/ssh/sshd_config.d/00-tenantry.conf"));
    machine.run(&["sed", "-i", "/^AllowUsers/d", "/etc/ssh/sshd_config"]);

    // The port is somebody else's, which nobody knows until the server wants it: put back, and not tried again.
    machine.serve_http(22022);
    let (code, said) = machine.converge();
    assert!(
        code == 1 && said.contains("does not answer at port 22022"),
        "{said}"
    );
    assert!(!machine.exists("/etc/ssh/sshd_config.d/00-tenantry.conf"));
    assert!(machine.until_ssh(&jo, 22), "the old door opens again");
    let (_, said) = machine.converge();
    assert!(said.contains("and put back"), "{said}");

    // Another port is another wish.
    machine.ask(&ssh.replace("22022", "22023"), &[(&jo, true)]);
    let (code, said) = machine.converge();
    assert_eq!(code, 2, "{said}");
    assert_eq!(
        machine.ssh(&jo, 22023, &["sudo", "id", "-u"]),
        Ok("0\n".to_owned())
    );
    assert!(!machine.reaches(22));
}
