//! Backups as the planner sees them: secrets are drawn once, slices say what is kept, and what is missing is said.

use crate::support::{Fleet, server_key};
use jiff::{SignedDuration, Timestamp};
use tenantry_schema::wire::{
    BackupFailure, BackupsReport, CheckResult, DrillResult, GoodBackup, InstanceBackups,
};

const SETTINGS: &str = "backups:\n  repository: rest:https://backup.example/\n";

fn fleet() -> Fleet {
    let mut fleet = Fleet::running();
    let hub = format!("{}{SETTINGS}", fleet.files["fleet/hub.yaml"]);
    fleet.write("fleet/hub.yaml", &hub);
    fleet
}

fn text(fleet: &mut Fleet, path: &str) -> Option<String> {
    let rendered = fleet.render("acme/acme-1");
    let content = rendered.files.get(path)?;
    Some(String::from_utf8(content.clone()).unwrap())
}

fn waiting(fleet: &mut Fleet) -> Vec<String> {
    let plan = fleet.plan().plan;
    let orders = plan.customers.values().flat_map(|part| &part.orders);
    orders
        .flat_map(|order| order.waiting.iter().map(ToString::to_string))
        .collect()
}

/// The agent says so of the instance `web-notes`.
fn say(fleet: &mut Fleet, backups: InstanceBackups) {
    let mut report = fleet.well("acme/acme-1");
    report.backups = Some(BackupsReport {
        instances: [("web-notes".to_owned().try_into().unwrap(), backups)].into(),
        ..BackupsReport::default()
    });
    fleet.report("acme/acme-1", report);
}

fn good(at: Timestamp) -> GoodBackup {
    GoodBackup {
        snapshot: "1234abcd".into(),
        at,
        seconds: 3,
        bytes: 4096,
        added: 1024,
        files: 2,
        rows: Some(7),
    }
}

#[test]
fn secrets_are_drawn_once_and_the_slice_says_what_is_kept() {
    let mut fleet = fleet();
    let rounds = fleet.settle();
    let decided: Vec<String> = rounds
        .iter()
        .flat_map(|plan| {
            plan.decisions()
                .map(tenantry_planner::decision::Decision::path)
        })
        .collect();
    assert_eq!(decided, ["fleet/decisions/acme/backups.secrets.yaml"]);
    let rendered = fleet.render("acme/acme-1");
    let names: Vec<String> = rendered
        .backup_secrets
        .keys()
        .map(ToString::to_string)
        .collect();
    assert_eq!(names, ["APPEND_PASSWORD", "REPOSITORY_KEY"]);
    let spec = text(&mut fleet, "backups.yaml").unwrap();
    assert!(
        spec.contains("place: rest:https://backup.example/test-fleet.acme\n"),
        "{spec}"
    );
    assert!(
        spec.contains("web-notes:") && !spec.contains("web-page"),
        "{spec}"
    );
    for (path, content) in &rendered.files {
        let content = String::from_utf8_lossy(content);
        assert!(
            !content.contains("generated-for-acme"),
            "{path} holds a secret in clear"
        );
    }
    // Nothing more is decided, and the same is rendered again.
    assert!(fleet.settle().is_empty());
    assert_eq!(text(&mut fleet, "backups.yaml").unwrap(), spec);
}

#[test]
fn without_settings_or_where_it_is_switched_off_nothing_is_kept() {
    let mut fleet = Fleet::running();
    assert_eq!(text(&mut fleet, "backups.yaml"), None);
    let mut fleet = self::fleet();
    fleet.write(
        "fleet/customers/acme/orders/web.yaml",
        "plan: pro\ndomain: acme.example\ntools: { page: , notes: { backup: false } }\n",
    );
    fleet.settle();
    assert_eq!(text(&mut fleet, "backups.yaml"), None);
    assert!(
        !fleet
            .files
            .contains_key("fleet/decisions/acme/backups.secrets.yaml")
    );
}

#[test]
fn an_old_backup_is_said_as_soon_as_it_is_too_old() {
    let mut fleet = fleet();
    fleet.settle();
    let at = fleet.now;
    let backups = InstanceBackups {
        last: Some(good(at)),
        ..InstanceBackups::default()
    };
    say(&mut fleet, backups.clone());
    fleet.settle();
    assert_eq!(waiting(&mut fleet), Vec::<String>::new());
    let failed = InstanceBackups {
        failure: Some(BackupFailure {
            at,
            message: "pg_dump ended with exit code 1".into(),
            attempts: 3,
        }),
        ..backups
    };
    fleet.pass_time(36 * 3600 - 60);
    say(&mut fleet, failed.clone());
    // The plan itself knows when that changes.
    let wake = fleet.plan().plan.next_wake().unwrap();
    assert_eq!(wake, at + SignedDuration::from_hours(36));
    fleet.pass_time(60);
    let said = waiting(&mut fleet);
    assert_eq!(
        said,
        [
            "web-notes has had no good backup since 2026-11-21T10:00:00Z; the last attempt failed: pg_dump ended with exit code 1"
        ]
    );
}

#[test]
fn a_failed_drill_is_said() {
    let mut fleet = fleet();
    fleet.settle();
    let at = fleet.now;
    say(
        &mut fleet,
        InstanceBackups {
            last: Some(good(at)),
            drill: Some(DrillResult {
                at,
                snapshot: "1234abcd".into(),
                seconds: 9,
                evidence: vec![],
                problem: Some("table guests has 3 rows, 4 were backed up".into()),
            }),
            ..InstanceBackups::default()
        },
    );
    assert_eq!(
        waiting(&mut fleet),
        ["the restore drill of web-notes failed: table guests has 3 rows, 4 were backed up"]
    );
}

#[test]
fn a_failed_check_of_the_repository_is_said_at_its_server_until_the_next_one() {
    let mut fleet = fleet();
    fleet.settle();
    let check = |fleet: &mut Fleet, problem: Option<&str>| {
        let mut report = fleet.well("acme/acme-1");
        report.backups = Some(BackupsReport {
            check: Some(CheckResult {
                at: fleet.now,
                problem: problem.map(str::to_owned),
            }),
            ..BackupsReport::default()
        });
        fleet.report("acme/acme-1", report);
        let plan = fleet.plan().plan;
        let servers = plan.customers.values().flat_map(|part| &part.servers);
        let waiting = servers.flat_map(|server| server.waiting.clone());
        waiting
            .filter(tenantry_planner::waiting::WaitingOn::is_about_agents)
            .map(|reason| reason.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        check(&mut fleet, Some("pack 1234abcd contains 1 errors")),
        [
            "the backups of acme-1 were checked at 2026-11-21T10:00:00Z, and are damaged or cannot be read: pack 1234abcd contains 1 errors"
        ]
    );
    assert_eq!(check(&mut fleet, None), [""; 0]);
}

#[test]
fn a_lost_key_is_not_drawn_anew_where_backups_were_made_with_it() {
    let mut fleet = fleet();
    fleet.settle();
    let at = fleet.now;
    say(
        &mut fleet,
        InstanceBackups {
            last: Some(good(at)),
            ..InstanceBackups::default()
        },
    );
    fleet.settle();
    fleet.remove("fleet/decisions/acme/backups.secrets.yaml");
    let pass = fleet.plan();
    assert_eq!(pass.plan.decisions().count(), 0);
    let server = pass
        .plan
        .customers
        .values()
        .flat_map(|part| &part.servers)
        .find(|server| server.server == server_key("acme/acme-1").server)
        .unwrap();
    let said: Vec<String> = server.waiting.iter().map(ToString::to_string).collect();
    assert!(
        said.iter()
            .any(|line| line.contains("take them back from Git's history")),
        "{said:?}"
    );
}
