//! The machine beneath the tools: what a slice asks of it, who may log in, and what its agent's words come to.

use crate::support::Fleet;
use tenantry_planner::status::Health;
use tenantry_planner::waiting::WaitingOn;
use tenantry_schema::document::HostArea;
use tenantry_schema::wire::{AreaReport, AreaState, HostSpec};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINWt2/SfQsdKmVq3GbXbP5bIREGHZWiNsJXEYF0x4Q48";
const HUB: &str = "fleet/hub.yaml";
const SERVER: &str = "fleet/customers/acme/servers/acme-1.yaml";

fn append(fleet: &mut Fleet, path: &str, text: &str) {
    let before = fleet.files[path].clone();
    fleet.write(path, &format!("{before}{text}"));
}

fn spec(fleet: &mut Fleet) -> HostSpec {
    let rendered = fleet.render("acme/acme-1");
    let text = &rendered.files["host.yaml"];
    serde_yaml::from_slice(text).unwrap()
}

#[test]
fn a_slice_asks_what_the_fleet_says_but_for_what_the_server_says() {
    let mut fleet = Fleet::running();
    assert_eq!(spec(&mut fleet).host, None, "nobody asked");
    append(
        &mut fleet,
        HUB,
        "host:\n  ssh: {}\n  firewall: {open: [25]}\n  swap: 2G\n",
    );
    assert_eq!(fleet.findings(), "");
    let host = spec(&mut fleet).host.unwrap();
    assert_eq!(
        host.areas(),
        [HostArea::Ssh, HostArea::Firewall, HostArea::Swap]
    );
    append(
        &mut fleet,
        SERVER,
        "host:\n  unmanaged: [firewall]\n  swap: 8G\n",
    );
    let host = spec(&mut fleet).host.unwrap();
    assert_eq!(host.areas(), [HostArea::Ssh, HostArea::Swap]);
    assert_eq!(host.swap.unwrap().to_string(), "8G");
    fleet.edit(SERVER, "unmanaged: [firewall]", "unmanaged: [swap]");
    assert!(
        fleet
            .findings()
            .contains("`swap` is both set and unmanaged"),
        "{}",
        fleet.findings()
    );
}

#[test]
fn people_of_the_staff_may_log_in_where_they_are_meant_to() {
    let mut fleet = Fleet::running();
    let staff = format!(
        "jo: {{email: jo@example.com, role: admin, signing_keys: [{KEY}], server_login: {{}}}}\nal: {{email: al@example.com, role: support, server_login: {{keys: [{KEY}]}}}}\nno: {{email: no@example.com, role: owner, signing_keys: [{KEY}]}}\nun: {{email: un@example.com, role: owner, server_login: {{}}}}\n"
    );
    fleet.write("fleet/staff.yaml", &staff);
    append(&mut fleet, HUB, "host:\n  users: {}\n");
    let users = spec(&mut fleet).users;
    let names: Vec<_> = users
        .iter()
        .map(|(id, user)| (id.as_str(), user.sudo))
        .collect();
    assert_eq!(
        names,
        [("al", false), ("jo", true)],
        "who has no key cannot come in"
    );
    append(&mut fleet, SERVER, "host:\n  users: {only: [al, nobody]}\n");
    assert_eq!(spec(&mut fleet).users.len(), 1);
    append(&mut fleet, SERVER, "");
    fleet.edit(SERVER, "users: {only: [al, nobody]}", "unmanaged: [users]");
    let spec = spec(&mut fleet);
    assert!(
        spec.users.is_empty() && spec.host.is_none(),
        "no list of people where nobody needs it"
    );
}

#[test]
fn what_an_agent_cannot_keep_is_told_and_holds_up_no_order() {
    let mut fleet = Fleet::running();
    append(&mut fleet, HUB, "host:\n  ssh: {}\n");
    fleet.settle();
    let mut report = fleet.well("acme/acme-1");
    let area = AreaReport {
        state: AreaState::Refused,
        message: Some("everybody would be locked out".into()),
        waiting: None,
    };
    report.areas.insert(HostArea::Ssh, area);
    fleet.report("acme/acme-1", report);
    let pass = fleet.plan();
    let part = pass.plan.customers.values().next().unwrap();
    let server = &part.servers[0];
    assert_eq!(server.health, Health::Degraded);
    let said: Vec<_> = server.waiting.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        ["`ssh` of the machine acme-1: everybody would be locked out"]
    );
    assert!(server.waiting.iter().all(WaitingOn::is_about_agents));
    assert!(
        part.orders[0].waiting.is_empty(),
        "{:?}",
        part.orders[0].waiting
    );
}

#[test]
fn a_program_that_was_given_up_is_told() {
    let mut fleet = Fleet::running();
    let sha256 = "ab".repeat(32);
    append(
        &mut fleet,
        HUB,
        &format!("agent: {{release: 1.4.0, sha256: {{x86_64: {sha256}}}}}\n"),
    );
    let agent = spec(&mut fleet).agent.unwrap();
    assert_eq!(agent.release.to_string(), "1.4.0");
    fleet.settle();
    let mut report = fleet.well("acme/acme-1");
    report.agent_update = Some(tenantry_schema::wire::AgentUpdate::Rejected {
        release: agent.release,
        sha256: sha256.as_str().try_into().unwrap(),
        at: fleet.now,
        reason: "it ended by itself (exit status: 3)".into(),
    });
    fleet.report("acme/acme-1", report);
    let pass = fleet.plan();
    let server = &pass.plan.customers.values().next().unwrap().servers[0];
    let said = server.waiting[0].to_string();
    assert!(
        said.contains("release 1.4.0 was tried and given up") && said.contains("exit status: 3"),
        "{said}"
    );
}
