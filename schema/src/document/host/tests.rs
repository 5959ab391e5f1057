//! What a machine may be asked to be: read, merged and refused.

use super::*;
use proptest::prelude::*;

fn host(text: &str) -> Host {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_server_has_areas_of_its_own_and_leaves_others_alone() {
    let fleet = host(
        r#"{"ssh": {}, "firewall": {"open": ["25"]}, "swap": "2G", "sysctls": {"vm.swappiness": "10"}}"#,
    );
    let own = host(
        r#"{"unmanaged": ["firewall"], "swap": "4G", "sysctls": {"net.core.somaxconn": "4096"}}"#,
    );
    let both = fleet.on(&own);
    assert_eq!(
        both.areas(),
        [HostArea::Ssh, HostArea::Swap, HostArea::Sysctls]
    );
    assert_eq!(both.swap.unwrap().to_string(), "4G");
    assert_eq!(both.sysctls, own.sysctls, "an area is taken as a whole");
    assert_eq!(fleet.on(&Host::default()), fleet);
    let torn = host(r#"{"unmanaged": ["swap"], "swap": "1G"}"#);
    assert_eq!(torn.contradiction(), Some(HostError(HostArea::Swap)));
    assert_eq!(fleet.contradiction(), None);
}

#[test]
fn nothing_but_the_area_has_to_be_written() {
    let all = host(
        r#"{"packages": {}, "users": {}, "ssh": {}, "firewall": {}, "fail2ban": {}, "docker": {}, "timers": {}}"#,
    );
    assert_eq!(
        all.ssh.unwrap(),
        Ssh {
            port: 22_022,
            root: false
        }
    );
    assert!(all.packages.unwrap().unattended_upgrades);
    assert_eq!(all.docker.unwrap().log_size.to_string(), "10M");
    for wrong in [
        r#"{"ssh": {"port": 0}}"#,
        r#"{"fail2ban": {"attempts": 0}}"#,
        r#"{"docker": {"log_files": 0}}"#,
        r#"{"unmanaged": ["kernel"]}"#,
        r#"{"shh": {}}"#,
    ] {
        assert!(serde_json::from_str::<Host>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn timers_say_when_and_what() {
    let timer = |text: &str| serde_json::from_str::<Timer>(text).map_err(|error| error.to_string());
    let trim = timer(r#"{"at": "Sun 04:00", "action": "trim"}"#).unwrap();
    assert_eq!(trim.job(), Some(Job::Host(HostAction::Trim)));
    assert!(
        matches!(trim.schedule(), Some(Schedule::At(at)) if at.calendar() == "Sun *-*-* 04:00:00")
    );
    let cron = r#"{"every": "5m", "run": {"tool": "wiki", "service": "app", "command": ["php", "-f", "cron.php"]}}"#;
    assert!(matches!(
        timer(cron).unwrap().job(),
        Some(Job::Container(_))
    ));
    assert!(
        timer(r#"{"action": "trim"}"#)
            .unwrap_err()
            .contains("`every` or `at`")
    );
    assert!(
        timer(r#"{"every": "5m"}"#)
            .unwrap_err()
            .contains("`run` or `action`")
    );
    assert!(
        timer(r#"{"every": "5m", "run": {"tool": "a", "service": "b", "command": []}}"#).is_err()
    );
    assert!(timer(r#"{"at": "Sun 24:00", "action": "trim"}"#).is_err());
    assert_eq!(
        Moment::try_from("daily 03:05").unwrap().calendar(),
        "*-*-* 03:05:00"
    );
}

#[test]
fn ports_that_can_be_opened() {
    let port = |text: &str| Destination::try_from(text.to_owned());
    assert_eq!(port("25").unwrap().to_string(), "25/tcp");
    assert_eq!(port("8000-8099/udp").unwrap().to_string(), "8000-8099/udp");
    let private = port("5432/tcp from 192.0.2.0/24").unwrap();
    assert!(private.covers(5432, Protocol::Tcp) && !private.covers(5432, Protocol::Udp));
    assert_eq!(
        port("22 from ::1").unwrap().to_string(),
        "22/tcp from ::1/128"
    );
    assert!(port("22 from 0.0.0.0/0").is_ok());
    for bad in [
        "",
        "0",
        "70000",
        "25/sctp",
        "9-8",
        "25 from",
        "25 from 192.0.2.1/24",
        "25 from 192.0.2.0/33",
        "+25",
        "025",
        "25/tcp/udp",
        "25 from example.com",
        "25 from 192.0.2.0/",
        "1-2-3",
    ] {
        assert!(port(bad).is_err(), "{bad}");
    }
}

#[test]
fn names_of_the_system() {
    assert!(PackageName::try_from("libstdc++6").is_ok());
    for bad in ["a", "-y", "htop=1", "HTOP", "a b", "htop;", "../x"] {
        assert!(PackageName::try_from(bad).is_err(), "{bad}");
    }
    assert!(TimeZone::try_from("America/Argentina/Buenos_Aires").is_ok());
    for bad in [
        "",
        "../etc/passwd",
        "/etc",
        "Europe/",
        "a/b/c/d",
        "Europe/..",
    ] {
        assert!(TimeZone::try_from(bad).is_err(), "{bad}");
    }
    assert!(SysctlName::try_from("net.ipv4.ip_forward").is_ok());
    for bad in ["", "vm", "vm.", "vm/..", ".vm", "vm swappiness.x", "vm..x"] {
        assert!(SysctlName::try_from(bad).is_err(), "{bad}");
    }
    assert_eq!(
        SysctlValue::try_from("4096\t87380  6291456")
            .unwrap()
            .as_str(),
        "4096 87380 6291456"
    );
    assert!(SysctlValue::try_from("").is_err() && SysctlValue::try_from("1\n2").is_err());
}

proptest! {
    #[test]
    fn any_text_is_answered_and_read_back(text in "([0-9]{0,6})(-[0-9]{0,5})?(/[a-z]{0,4})?( from [0-9a-f:./]{0,20})?|.{0,30}") {
        if let Ok(read) = Destination::try_from(text.clone()) {
            prop_assert_eq!(Destination::try_from(read.to_string()).unwrap(), read);
        }
        if let Ok(read) = SysctlValue::try_from(text.clone()) {
            prop_assert_eq!(SysctlValue::try_from(read.as_str()).unwrap(), read);
        }
        let _ = (PackageName::try_from(text.as_str()), TimeZone::try_from(text.as_str()), SysctlName::try_from(text.as_str()), Moment::try_from(text.as_str()));
    }
}
