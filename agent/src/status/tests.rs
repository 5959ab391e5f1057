//! What people read and what programs get.

use super::*;
use crate::link::troubles::Trouble;
use crate::outbox::aside::Why;
use crate::report::test_report;
use jiff::Timestamp;
use tenantry_schema::document::HostArea;
use tenantry_schema::wire::{AreaReport, InstanceReport, SmokeResult};

fn container(
    state: ContainerState,
    health: ContainerHealth,
    exit_code: Option<i64>,
) -> ContainerReport {
    ContainerReport {
        service: "web".to_owned(),
        name: "site-html-web-1".to_owned(),
        image: "nginx:1".to_owned(),
        state,
        health,
        restarts: 0,
        exit_code,
        out_of_memory: false,
        health_output: None,
    }
}

fn standing() -> Standing {
    let mut report = test_report(3, false);
    let containers = vec![
        container(ContainerState::Running, ContainerHealth::Healthy, None),
        container(ContainerState::Exited, ContainerHealth::None, Some(137)),
    ];
    report.instances.insert(
        "site-html".to_owned().try_into().unwrap(),
        InstanceReport {
            tool: "html".try_into().unwrap(),
            phase: InstancePhase::Degraded,
            waiting: Some(AgentWait::Healthy {
                service: "db".to_owned(),
            }),
            rollout: None,
            message: None,
            smoke: SmokeResult::NotRun,
            containers,
        },
    );
    Standing {
        server: "acme/acme-1".to_owned(),
        running: true,
        waiting_reports: 0,
        refused_reports: Summary::default(),
        hub_troubles: Now::new(),
        report,
    }
}

#[test]
fn people_read_words() {
    let mut standing = standing();
    standing.report.release = "1.2.3".to_owned();
    assert_eq!(
        standing.words(),
        "acme/acme-1: tenantry-agent 1.2.3 is running
slice: none accepted yet
container engine: does not answer; web server: does not run
  site-html                      degraded (until db is healthy)
    site-html-web-1              running, healthy
    site-html-web-1              ended with exit code 137
"
    );
}

#[test]
fn areas_say_why() {
    let wait = AgentWait::Window {
        opens: Timestamp::UNIX_EPOCH,
    };
    let area = |message: Option<&str>, waiting| AreaReport {
        state: AreaState::Waiting,
        message: message.map(str::to_owned),
        waiting,
    };
    let mut standing = standing();
    standing.report.areas = [
        (HostArea::Swap, area(None, Some(wait.clone()))),
        (HostArea::Docker, area(Some("settings"), Some(wait))),
        (HostArea::Ssh, area(Some("`users` comes first"), None)),
    ]
    .into();
    let words = standing.words();
    for line in [
        "machine, swap: waits: until the maintenance window opens at 1970-01-01T00:00:00Z\n",
        "machine, docker: waits: settings (until the maintenance window opens at 1970-01-01T00:00:00Z)\n",
        "machine, ssh: waits: `users` comes first\n",
    ] {
        assert!(words.contains(line), "{line} in {words}");
    }
}

#[test]
fn what_the_hub_says_is_shown() {
    let mut standing = standing();
    standing.waiting_reports = 1;
    let trouble = Trouble {
        since: Timestamp::UNIX_EPOCH,
        kind: "401 unknown_key".to_owned(),
        message: "the hub answers with status 401 Unauthorized, unknown_key: add the keys"
            .to_owned(),
    };
    standing.hub_troubles.insert(About::Slices, trouble);
    let last = Some(Why {
        at: Timestamp::UNIX_EPOCH,
        message: "no sense".to_owned(),
    });
    standing.refused_reports = Summary { count: 2, last };
    let words = standing.words();
    for line in [
        "hub: no answer about slices since 1970-01-01T00:00:00Z: the hub answers with status 401 Unauthorized, unknown_key: add the keys\n",
        "\n1 report waits for the hub\n",
        "\n2 reports are set aside, for the hub will not take them; the last at 1970-01-01T00:00:00Z: no sense\n",
    ] {
        assert!(words.contains(line), "{words}");
    }
}

#[test]
fn every_state_of_a_container_has_words() {
    use ContainerHealth as Health;
    use ContainerState as State;
    for state in [
        State::Missing,
        State::Created,
        State::Running,
        State::Paused,
        State::Restarting,
        State::Exited,
        State::Dead,
    ] {
        for health in [
            Health::None,
            Health::Starting,
            Health::Healthy,
            Health::Unhealthy,
        ] {
            for code in [None, Some(1)] {
                let words = container_words(&container(state, health, code));
                assert!(!words.chars().any(char::is_uppercase), "{words}");
            }
        }
    }
}

#[test]
fn programs_get_the_report_and_the_rest() {
    let standing = standing();
    let text = serde_json::to_string(&standing).unwrap();
    let report: Report = serde_json::from_str(&text).unwrap();
    assert_eq!(report, standing.report);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["refused_reports"]["count"], 0);
    assert_eq!(value["waiting_reports"], 0);
}
