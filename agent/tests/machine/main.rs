//! A whole Debian with systemd in a container, and the real agent in it: real apt, useradd, sshd, nft and fail2ban, and real connections.

#![allow(unreachable_pub, reason = "clearer in helpers")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "../common/mod.rs"]
mod common;
mod deaths;
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
    let upgrade = ["unattended-upgrade", "--dry-run", "--debug"];
    let said = machine.run(&upgrade);
    assert!(said.contains("Allowed origins are"), "{said}");
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
    machine.run(&["systemctl", "disable", "--now", "fail2ban.service"]);
    machine.run(&["systemctl", "disable", "--now", "tenantry-timer-tidy.timer"]);
    machine.run(&["systemctl", "disable", "tenantry-firewall.service"]);
    machine.run(&["systemctl", "stop", "ssh.service"]);
    assert!(!machine.reaches(22022));
    machine.run(&["systemctl", "start", "ssh.service"]);
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

    for unit in ["fail2ban.service", "tenantry-timer-tidy.timer"] {
        assert!(
            machine.until(&["systemctl", "is-active", unit], "active"),
            "{unit}"
        );
        assert!(
            machine.until(&["systemctl", "is-enabled", unit], "enabled"),
            "{unit}"
        );
    }
    let firewall = ["systemctl", "is-enabled", "tenantry-firewall.service"];
    assert!(machine.until(&firewall, "enabled"));
    // Somebody stops the door itself.
    machine.run(&["systemctl", "stop", "ssh.service"]);
    let (code, said) = machine.converge();
    assert_eq!(code, 2, "{said}");
    assert!(machine.until_ssh(&al, 22022));
    // apt reads what is asked for, and a file that would win is told.
    let periodic = ["apt-config", "dump", "APT::Periodic::Unattended-Upgrade"];
    let on = "APT::Periodic::Unattended-Upgrade \"1\";";
    assert_eq!(machine.run(&periodic).trim(), on);
    let mine = "/etc/apt/apt.conf.d/99mine";
    let off = "echo 'APT::Periodic::Unattended-Upgrade \"0\";' > /etc/apt/apt.conf.d/99mine";
    machine.run(&["sh", "-c", off]);
    assert_eq!(machine.run(&periodic).trim(), on.replace('1', "0"));
    let (_, said) = machine.converge();
    assert!(said.contains("99mine is read after"), "{said}");
    machine.run(&["rm", mine]);

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

    // Keys are looked for elsewhere, where the fleet puts none: the second server, which takes a key of its own, does not show it.
    for (word, line, why) in [
        (
            "AuthorizedKeysFile",
            "AuthorizedKeysFile /etc/ssh/keys/%u",
            "keys of jo elsewhere",
        ),
        (
            "Match",
            "Match User *\n PasswordAuthentication yes",
            "`passwordauthentication` would not be `no` for jo",
        ),
    ] {
        machine.run(&[
            "sh",
            "-c",
            &format!("echo '{line}' >> /etc/ssh/sshd_config"),
        ]);
        let (code, said) = machine.converge();
        assert!(code == 1 && said.contains(why), "{said}");
        assert!(machine.reaches(22) && !machine.exists("/etc/ssh/sshd_config.d/00-tenantry.conf"));
        machine.run(&[
            "sed",
            "-i",
            &format!("/^{word}/,$d"),
            "/etc/ssh/sshd_config",
        ]);
    }

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

    // What others write afterwards is seen: a file that is read first, the line that has ours read.
    let first = "/etc/ssh/sshd_config.d/00-a.conf";
    machine.run(&[
        "sh",
        "-c",
        &format!("echo PasswordAuthentication yes > {first}"),
    ]);
    let (code, said) = machine.converge();
    assert!(
        code == 1 && said.contains("other files in /etc/ssh win"),
        "{said}"
    );
    machine.run(&["rm", first]);
    machine.run(&["sed", "-i", "s/^Include/#Include/", "/etc/ssh/sshd_config"]);
    let (code, said) = machine.converge();
    assert!(
        code == 1 && said.contains("does not begin with `Include"),
        "{said}"
    );
    machine.run(&["sed", "-i", "s/^#Include/Include/", "/etc/ssh/sshd_config"]);
    // Moving once more goes through the same door.
    machine.ask(&ssh.replace("22022", "22024"), &[(&jo, true)]);
    let (code, said) = machine.converge();
    assert_eq!(code, 2, "{said}");
    assert!(machine.until_ssh(&jo, 22024) && !machine.reaches(22023));
}

/// A stranger tries name after name. Their own door is shut, and nobody else's.
#[test]
fn who_fails_to_log_in_again_and_again_is_shut_out() {
    let Some(mut machine) = Machine::begin() else {
        return;
    };
    let jo = Key::new(machine.folder(), "jo");
    let stranger = Key::new(machine.folder(), "mallory");
    machine.run(&["sh", "-c", NEIGHBOUR]);
    machine.ask(
        "\n  users: {}\n  ssh: {}\n  firewall: {}\n  fail2ban: {}\n",
        &[(&jo, true)],
    );
    let (code, said) = machine.converge();
    assert_eq!(code, 2, "{said}");
    let banned = ["fail2ban-client", "status", "sshd"];
    assert!(machine.until_says(&banned, "Currently banned:\t0"));
    assert!(machine.until_ssh(&jo, 22022));
    assert!(machine.connects("far", "10.232.0.1:22022"));

    for _ in 0..6 {
        let failed = machine.ssh(&stranger, 22022, &["true"]);
        // The last may find the door shut already.
        assert!(failed.is_err(), "{failed:?}");
    }
    assert!(machine.until_says(&banned, "Currently banned:\t1"));
    assert!(machine.until_shut(22022), "the port is shut for them");
    assert!(
        machine.connects("far", "10.232.0.1:22022"),
        "a neighbour comes in all the same"
    );
    machine.run(&["fail2ban-client", "unban", "--all"]);
    assert!(machine.until_ssh(&jo, 22022), "it opens again");
}

/// The machine has no engine of its own, and its disk is a layer of a container, which the kernel does not swap to: as far as that goes.
#[test]
fn settings_of_the_engine_are_kept_and_a_swap_file_that_the_kernel_refuses_is_told() {
    let Some(mut machine) = Machine::begin() else {
        return;
    };
    let settings = "/etc/docker/daemon.json";
    machine.run(&["mkdir", "-p", "/etc/docker"]);
    let theirs = format!("echo '{{\"debug\": true, \"live-restore\": false}}' > {settings}");
    machine.run(&["sh", "-c", &theirs]);
    machine.ask("\n  docker: {log_size: 5M}\n", &[]);
    let (code, said) = machine.converge();
    assert_eq!(code, 2, "{said}");
    let written = machine.run(&["cat", settings]);
    let found: serde_json::Value = serde_json::from_str(&written).unwrap();
    assert_eq!(found["live-restore"], true, "{written}");
    assert_eq!(found["log-opts"]["max-size"], "5242880", "{written}");
    assert_eq!(found["debug"], true, "what others set stays: {written}");
    machine.run(&["sed", "-i", "s/5242880/52428800/", settings]);
    let (code, said) = machine.converge();
    assert_eq!(code, 2, "{said}");
    assert_eq!(machine.run(&["cat", settings]), written, "put back");
    let (code, said) = machine.converge();
    assert_eq!((code, said.contains("Nothing to do.")), (0, true), "{said}");
    // What is no JSON is somebody's mistake, and nobody's to overwrite.
    machine.run(&["sh", "-c", &format!("echo broken > {settings}")]);
    let (_, said) = machine.converge();
    assert!(said.contains("is not what Docker can read"), "{said}");
    assert_eq!(machine.run(&["cat", settings]), "broken\n");

    machine.ask("\n  swap: 64M\n", &[]);
    let (code, said) = machine.converge();
    let file = "/swapfile.tenantry";
    assert_eq!(
        machine.run(&["stat", "-c", "%a %s", file]),
        format!("600 {}\n", 64 << 20)
    );
    // It was made into one.
    machine.run(&["swaplabel", file]);
    if code == 1 {
        assert!(said.contains("swapon"), "{said}");
        assert!(!machine.run(&["cat", "/proc/swaps"]).contains(file));
    } else {
        assert!(
            machine.run(&["cat", "/proc/swaps"]).contains(file),
            "{said}"
        );
        machine.run(&["swapoff", file]);
    }
}

/// Somebody else on the network, for whom the door stays open.
const NEIGHBOUR: &str = r"
set -e
ip netns add far
ip link add to-far type veth peer name eth0 netns far
ip link set to-far up
ip addr add 10.232.0.1/24 dev to-far
ip -n far addr add 10.232.0.2/24 dev eth0
ip -n far link set eth0 up
";

/// Two rooms of the network: a container behind a bridge as the engine makes it, and a neighbour who routes by way of this machine.
const ROOMS: &str = r"
set -e
echo 1 > /proc/sys/net/ipv4/ip_forward
ip link add br-x type bridge
ip addr add 10.231.0.1/24 dev br-x
ip link set br-x up
room() {
    ip netns add $1
    ip link add to-$1 type veth peer name eth0 netns $1
    ip link set to-$1 up
    [ $1 = box ] && ip link set to-box master br-x || ip addr add $3/24 dev to-$1
    ip -n $1 addr add $2/24 dev eth0
    ip -n $1 link set eth0 up
    ip -n $1 link set lo up
    ip -n $1 route add default via $3
    systemd-run -q --unit=http-$1 ip netns exec $1 python3 -m http.server --directory /srv 80
}
room box 10.231.0.2 10.231.0.1
room far 10.232.0.2 10.232.0.1
";

/// Publishes two ports of the container to the world, as the engine does.
const PUBLISHED: &str = "table ip engine { chain in { type nat hook prerouting priority dstnat; tcp dport { 8080, 8081 } fib daddr type local dnat to 10.231.0.2:80; }; }";

#[test]
fn a_container_is_reached_through_ports_that_are_open_and_no_other_way() {
    let Some(mut machine) = Machine::begin() else {
        return;
    };
    machine.run(&["sh", "-c", ROOMS]);
    machine.run(&["nft", PUBLISHED]);
    let far = |address: &str| machine.connects("far", address);
    assert!(far("10.231.0.2:80") && far("10.232.0.1:8080") && far("10.232.0.1:8081"));
    machine.ask("\n  firewall: {open: [8080]}\n", &[]);
    let (code, said) = machine.converge();
    assert_eq!(code, 2, "{said}");
    let far = |address: &str| machine.connects("far", address);
    assert!(far("10.232.0.1:8080"), "published, and open");
    assert!(!far("10.232.0.1:8081"), "published, and not open");
    assert!(
        !far("10.231.0.2:80"),
        "not published: a neighbour knows the way all the same"
    );
    assert!(
        machine.connects("box", "10.232.0.2:80"),
        "a container goes out"
    );
    assert!(
        machine.connects_here("10.231.0.2:80"),
        "the machine itself, as the web server does"
    );
}
