//! What the files of a machine say: for what is asked, and never more.

use super::*;
use proptest::prelude::*;
use std::process::Command;

fn destination(text: &str) -> Destination {
    Destination::try_from(text.to_owned()).unwrap()
}

#[test]
fn what_else_the_engine_was_told_stays() {
    let docker = Docker::default();
    let text = daemon(
        Some(r#"{"registry-mirrors": ["http://127.0.0.1:5017"], "log-opts": {"tag": "x"}}"#),
        &docker,
    )
    .unwrap();
    let read: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read["registry-mirrors"][0], "http://127.0.0.1:5017");
    assert_eq!(read["log-opts"]["tag"], "x");
    assert_eq!(read["log-opts"]["max-size"], "10485760");
    assert_eq!(read["live-restore"], true);
    assert_eq!(
        daemon(Some(&text), &docker).unwrap(),
        text,
        "once is enough"
    );
    let other = daemon(Some(r#"{"log-driver": "journald"}"#), &docker).unwrap();
    assert!(
        !other.contains("max-size"),
        "another driver has other options: {other}"
    );
    for bad in ["[]", "{", r#"{"log-opts": 1}"#] {
        assert!(
            daemon(Some(bad), &docker)
                .unwrap_err()
                .contains("daemon.json"),
            "{bad}"
        );
    }
}

#[test]
fn ports_of_the_firewall() {
    let gates = Gates {
        always: [22_022, 80, 443].into(),
        web: [443].into(),
        open: [
            "51820/udp",
            "5432 from 192.0.2.0/24",
            "8000-8099 from 2001:db8::/32",
        ]
        .map(destination)
        .into(),
    };
    let text = rules(&gates);
    for line in [
        "tcp dport { 80, 443, 22022 } accept",
        "udp dport { 443 } accept",
        "udp dport 51820 accept",
        "ct status dnat accept",
        "oifname \"docker0\" counter drop",
        "oifname \"br-*\" counter drop",
        "ip saddr 192.0.2.0/24 tcp dport 5432 accept",
        "ip6 saddr 2001:db8::/32 tcp dport 8000-8099 accept",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

/// nft itself reads the rules, as far as it can without changing anything.
#[test]
fn nft_takes_the_rules() {
    let every = [
        "51820/udp",
        "1-65535",
        "5432 from 192.0.2.0/24",
        "1 from ::/0",
    ]
    .map(destination);
    let gates = Gates {
        always: [22, 80].into(),
        web: [443].into(),
        open: every.into(),
    };
    for gates in [gates, Gates::default()] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules");
        std::fs::write(&file, rules(&gates)).unwrap();
        let Ok(output) = Command::new("/usr/sbin/nft")
            .args(["-c", "-f"])
            .arg(&file)
            .output()
        else {
            return;
        };
        let said = String::from_utf8_lossy(&output.stderr);
        let may = !said.contains("Operation not permitted");
        assert!(output.status.success() || !may, "{said}");
    }
}

#[test]
fn sudo_takes_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sudoers");
    std::fs::write(&file, sudoers(["jo", "al-2"])).unwrap();
    let Ok(output) = Command::new("/usr/sbin/visudo")
        .args(["-c", "-f"])
        .arg(&file)
        .output()
    else {
        return;
    };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

/// systemd itself finds no fault with the units.
#[test]
fn systemd_takes_the_units() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let timers = [
        r#"{"every": "5m", "random": "1m", "action": "trim"}"#,
        r#"{"at": "Sun 04:00", "timeout": "2h", "action": "trim"}"#,
    ];
    let mut units = vec![put(super::super::RULES_UNIT, &rules_unit())];
    for (number, timer) in timers.iter().enumerate() {
        let timer: Timer = serde_json::from_str(timer).unwrap();
        let name = format!("{}job-{number}", super::super::TIMER);
        let (service, when) =
            timer_units(&format!("job-{number}"), &timer, "/bin/true --config /x");
        units.push(put(&format!("{name}.service"), &service));
        units.push(put(&format!("{name}.timer"), &when));
    }
    units.push(put(super::super::SWAP_UNIT, &swap_unit()));
    let mut command = Command::new("systemd-analyze");
    command.args([
        "verify",
        "--man=no",
        "--generators=no",
        "--recursive-errors=no",
    ]);
    let Ok(output) = command.args(&units).output() else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    let ours: Vec<_> = said
        .lines()
        .filter(|line| {
            line.contains("tenantry") && !line.contains("/usr/sbin/nft is not executable")
        })
        .collect();
    assert!(ours.is_empty(), "{said}");
}

proptest! {
    /// Whatever stands in `daemon.json`: it is left alone, or becomes JSON that has what is asked for, and stays so.
    #[test]
    fn any_settings_of_the_engine_are_answered(text in r#"(\{("log-opts"|"log-driver"|"a"): ("local"|"x"|\{\}|1)\})|.{0,20}"#) {
        if let Ok(made) = daemon(Some(&text), &Docker::default()) {
            prop_assert!(made.contains("live-restore"));
            prop_assert_eq!(daemon(Some(&made), &Docker::default()), Ok(made.clone()));
        }
    }
}
