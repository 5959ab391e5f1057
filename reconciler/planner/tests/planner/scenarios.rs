//! Stories of fleets, told in golden files: what is decided, published and waited for, step by step.

use crate::support::files::{self, keys};
use crate::support::{Fleet, server_key, show};
use insta::assert_snapshot;
use jiff::{SignedDuration, Timestamp};
use std::fmt::Write as _;
use tenantry_planner::Plan;
use tenantry_planner::operations::Standing;
use tenantry_planner::plan::{PlanCache, replan};
use tenantry_planner::status::{Health, Phase};
use tenantry_schema::wire::{AgentWait, InstancePhase, RefusalKind, SmokeResult};

const ORDER: &str = "fleet/customers/acme/orders/web.yaml";
const SERVER: &str = "fleet/customers/acme/servers/acme-1.yaml";

pub(crate) fn story(fleet: &mut Fleet) -> String {
    let mut out = String::new();
    for (round, plan) in fleet.settle().iter().enumerate() {
        let _ = writeln!(out, "-- round {}\n{}", round + 1, show::both(plan));
    }
    let _ = writeln!(out, "-- then\n{}", show::both(&fleet.plan().plan));
    out
}

fn phase(plan: &Plan) -> Phase {
    plan.customers.values().next().unwrap().orders[0].phase
}

#[test]
fn a_new_order_becomes_fulfilled() {
    let mut fleet = Fleet::with_acme();
    fleet.write(
        ORDER,
        "plan: pro\ndomain: acme.example\ntools: [page, notes]\n",
    );
    let mut out = story(&mut fleet);
    let mut report = fleet.well("acme/acme-1");
    for instance in report.instances.values_mut() {
        instance.phase = InstancePhase::Progressing;
        instance.smoke = SmokeResult::NotRun;
        instance.message = Some("pulling images".into());
    }
    fleet.pass_time(5);
    fleet.report("acme/acme-1", report);
    let _ = writeln!(out, "== the agent is at work\n{}", story(&mut fleet));
    fleet.pass_time(20);
    fleet.report_all_well("acme/acme-1");
    let _ = writeln!(out, "== everything runs\n{}", story(&mut fleet));
    assert_snapshot!(out);
}

#[test]
fn no_server() {
    let mut fleet = Fleet::new();
    fleet.write(ORDER, "plan: pro\ndomain: acme.example\ntools: [page]\n");
    assert_snapshot!(story(&mut fleet));
}

#[test]
fn the_server_with_most_memory_is_chosen_and_none_is_overfilled() {
    let mut fleet = Fleet::new();
    fleet.write(
        "fleet/customers/acme/servers/a.yaml",
        &files::server('a', "memory: 128M\n"),
    );
    fleet.write(
        "fleet/customers/acme/servers/b.yaml",
        &files::server('b', "memory: 512M\n"),
    );
    for order in ["o1", "o2", "o3"] {
        let text = format!("plan: pro\ndomain: {order}.example\ntools: [notes]\n");
        fleet.write(&format!("fleet/customers/acme/orders/{order}.yaml"), &text);
    }
    assert_snapshot!(story(&mut fleet));
}

#[test]
fn a_server_without_keys_and_a_server_that_never_reported() {
    let mut fleet = Fleet::with_acme();
    fleet.write(SERVER, "provider: static\naddress: 192.0.2.17\n");
    fleet.write(ORDER, "plan: pro\ndomain: acme.example\ntools: [page]\n");
    let mut out = story(&mut fleet);
    fleet.write(SERVER, &files::server('a', ""));
    let _ = writeln!(out, "== enrolled\n{}", story(&mut fleet));
    assert_snapshot!(out);
}

#[test]
fn a_silent_agent_is_told_of_when_it_is_time() {
    let mut fleet = Fleet::running();
    let plan = fleet.plan().plan;
    let wake = plan.next_wake().unwrap();
    assert_eq!(
        wake,
        fleet
            .now
            .checked_add(tenantry_planner::plan::SILENCE)
            .unwrap()
    );
    fleet.now = wake;
    let plan = fleet.plan().plan;
    assert_eq!(plan.next_wake(), None);
    assert_snapshot!(show::both(&plan));
}

#[test]
fn an_operation_that_ends_too_late_is_looked_at_again_when_it_does_not() {
    let standing = |plan: &Plan| plan.customers["acme"].operations[0].standing.clone();
    let mut fleet = Fleet::with_acme();
    fleet.write(ORDER, "plan: pro\ndomain: acme.example\ntools: [page]\n");
    fleet.settle();
    let wipe = "wipe: acme-1/page\ndestroys: [files]\nreason: they left\nexpires: 2027-03-31\n";
    // A day in its name that is still to come moves nothing, and neither does none.
    for name in ["2027-03-01-wipe-page-x7k2", "wipe-page-x7k2"] {
        let path = format!("fleet/customers/acme/operations/{name}.yaml");
        fleet.write(&path, wipe);
        let begun = fleet.now;
        let plan = fleet.plan().plan;
        assert!(matches!(standing(&plan), Standing::TooLong { .. }));
        let wake = plan.next_wake().unwrap();
        assert_eq!(wake, "2026-12-31T00:00:00Z".parse().unwrap());
        fleet.now = wake.checked_sub(SignedDuration::from_nanos(1)).unwrap();
        assert!(matches!(
            standing(&fleet.plan().plan),
            Standing::TooLong { .. }
        ));
        fleet.now = wake;
        let plan = fleet.plan().plan;
        assert!(!matches!(standing(&plan), Standing::TooLong { .. }));
        fleet.now = begun;
        fleet.remove(&path);
    }
}

#[test]
fn a_report_of_one_server_does_not_keep_others_from_being_silent() {
    let mut fleet = Fleet::running();
    fleet.write(
        "fleet/customers/zed/servers/z.yaml",
        &files::server('z', ""),
    );
    fleet.settle();
    fleet.report_all_well("zed/z");
    let mut pass = fleet.plan();
    fleet.pass_time(200);
    fleet
        .inventory
        .servers
        .get_mut(&server_key("zed/z"))
        .unwrap()
        .received_at = fleet.now;
    fleet
        .inventory
        .servers
        .get_mut(&server_key("zed/z"))
        .unwrap()
        .revision += 1;
    let mut cache = PlanCache::default();
    replan(
        &mut pass.plan,
        &pass.desired,
        fleet.observed(),
        &["zed".try_into().unwrap()],
        &mut cache,
    );
    let acme = &pass.plan.customers["acme"];
    assert_eq!(acme.servers[0].health, Health::Unknown);
    assert!(pass.plan.next_wake().unwrap() > fleet.now);
}

#[test]
fn window_observe_and_pause_of_an_agent() {
    let mut fleet = Fleet::running();
    fleet.edit(
        SERVER,
        "provider: static",
        "provider: static\nwindow: Sun 02:00-05:00\nmanage: observe",
    );
    let mut out = story(&mut fleet);
    let opens: Timestamp = "2026-11-22T02:00:00Z".parse().unwrap();
    let until: Timestamp = "2026-11-21T11:00:00Z".parse().unwrap();
    let waits = [
        AgentWait::Window { opens },
        AgentWait::ObserveOnly,
        AgentWait::Paused { until },
        AgentWait::Retry {
            at: until,
            attempts: 2,
        },
        AgentWait::Healthy {
            service: "db".into(),
        },
        AgentWait::RolledBack { since: until },
        AgentWait::Held { since: until },
        AgentWait::Backup { since: until },
        AgentWait::Disk {
            free: 1 << 30,
            needed: 3 << 30,
        },
        AgentWait::Image {
            image: "notes:2".into(),
            done: 1 << 20,
            total: 9 << 20,
        },
        AgentWait::DriftReported,
    ];
    for wait in waits {
        let mut report = fleet.well("acme/acme-1");
        for instance in report.instances.values_mut() {
            instance.phase = InstancePhase::Waiting;
            instance.waiting = Some(wait.clone());
        }
        fleet.report("acme/acme-1", report);
        let _ = writeln!(out, "== {wait:?}\n{}", show::both(&fleet.plan().plan));
    }
    assert_snapshot!(out);
}

#[test]
fn a_paused_order_decides_nothing_new_and_what_runs_goes_on() {
    let mut fleet = Fleet::with_acme();
    fleet.write(
        ORDER,
        "plan: pro\ndomain: acme.example\nautomation: paused\ntools: [page]\n",
    );
    let mut out = story(&mut fleet);
    fleet.edit(ORDER, "automation: paused\n", "");
    fleet.settle();
    fleet.edit(
        ORDER,
        "tools: [page]",
        "automation: paused\ntools: { page: { parameters: { TITLE: New } }, notes: }",
    );
    let _ = writeln!(
        out,
        "== paused again, with an edit and a new tool\n{}",
        story(&mut fleet)
    );
    fleet.edit(ORDER, "domain: acme.example", "domain: other.example");
    let _ = writeln!(out, "== and another domain\n{}", story(&mut fleet));
    assert_snapshot!(out);
}

#[test]
fn a_domain_that_is_taken() {
    let mut fleet = Fleet::running();
    for (customer, domain) in [
        ("bob", "acme.example"),
        ("cat", "shop.acme.example"),
        ("dan", "dan.example"),
    ] {
        fleet.write(
            &format!("fleet/customers/{customer}/servers/s.yaml"),
            &files::server('b', ""),
        );
        fleet.write(
            &format!("fleet/customers/{customer}/orders/o.yaml"),
            &format!("plan: pro\ndomain: {domain}\ntools: [page]\n"),
        );
    }
    assert_snapshot!(story(&mut fleet));
}

#[test]
fn a_running_order_that_wants_a_taken_domain_goes_on_under_its_own() {
    let mut fleet = Fleet::running();
    fleet.write(
        "fleet/customers/bob/servers/s.yaml",
        &files::server('b', ""),
    );
    fleet.write(
        "fleet/customers/bob/orders/o.yaml",
        "plan: pro\ndomain: bob.example\ntools: [page]\n",
    );
    fleet.settle();
    fleet.edit(ORDER, "domain: acme.example", "domain: bob.example");
    let mut out = story(&mut fleet);
    fleet.edit(
        ORDER,
        "[page, notes]",
        "{ page: { parameters: { TITLE: Edited } }, notes: }",
    );
    let plan = fleet.plan().plan;
    assert_eq!(plan.slices().count(), 1, "edits are still followed");
    assert!(
        plan.slices().all(|task| task.input.instances.len() == 2),
        "nothing vanishes"
    );
    fleet.edit(ORDER, "domain: bob.example", "domain: free.example");
    let _ = writeln!(out, "== a free one\n{}", story(&mut fleet));
    assert_snapshot!(out);
}

#[test]
fn ports_stay_when_neighbours_come_and_go() {
    let mut fleet = Fleet::running();
    let mut out = String::new();
    for tools in ["[notes]", "[notes, jobs]", "[page, notes, jobs]"] {
        fleet.write(
            ORDER,
            &format!("plan: pro\ndomain: acme.example\ntools: {tools}\n"),
        );
        let _ = writeln!(out, "== {tools}\n{}", story(&mut fleet));
    }
    let kept = fleet.files[ORDER].clone();
    fleet.remove(ORDER);
    fleet.write(
        "fleet/customers/acme/orders/other.yaml",
        "plan: pro\ndomain: other.example\ntools: [page]\n",
    );
    let _ = writeln!(out, "== another order instead\n{}", story(&mut fleet));
    fleet.write(ORDER, &kept);
    let _ = writeln!(out, "== the first one comes back\n{}", story(&mut fleet));
    assert_snapshot!(out);
}

#[test]
fn another_server_in_the_order_is_no_move() {
    let mut fleet = Fleet::running();
    fleet.write(
        "fleet/customers/acme/servers/acme-2.yaml",
        &files::server('b', ""),
    );
    fleet.edit(ORDER, "plan: pro", "plan: pro\nserver: acme-2");
    assert_snapshot!(story(&mut fleet));
}

#[test]
fn a_server_that_is_removed() {
    let mut fleet = Fleet::running();
    fleet.remove(SERVER);
    let mut out = fleet.findings();
    let _ = writeln!(out, "{}", story(&mut fleet));
    fleet.remove(ORDER);
    let _ = writeln!(
        out,
        "== with its order\n{}{}",
        fleet.findings(),
        story(&mut fleet)
    );
    assert_snapshot!(out);
}

#[test]
fn a_decision_that_names_a_server_which_is_not_there() {
    let mut fleet = Fleet::running();
    let decision = "fleet/decisions/acme/web/server.yaml";
    fleet.edit(decision, "acme-1", "acme-7");
    let mut out = fleet.findings();
    assert!(out.contains("T0108") && out.contains(decision), "{out}");
    let _ = writeln!(out, "{}", story(&mut fleet));
    // A server whose document has a mistake is there all the same.
    fleet.edit(decision, "acme-7", "acme-1");
    fleet.edit(SERVER, "provider", "provdier");
    assert!(!fleet.findings().contains("T0108"));
    fleet.edit(SERVER, "provdier", "provider");
    assert_eq!(fleet.findings(), "");
    assert_snapshot!(out);
}

#[test]
fn a_broken_stack_on_the_branch() {
    let mut fleet = Fleet::running();
    fleet.edit("stacks/page/compose.yaml", "image:", "imaeg:");
    let mut out = story(&mut fleet);
    fleet.write(
        "fleet/customers/bob/servers/s.yaml",
        &files::server('b', ""),
    );
    fleet.write(
        "fleet/customers/bob/orders/o.yaml",
        "plan: pro\ndomain: bob.example\ntools: [page, jobs]\n",
    );
    let _ = writeln!(out, "== a new order of it\n{}", story(&mut fleet));
    fleet.edit("stacks/page/compose.yaml", "imaeg:", "image:");
    let _ = writeln!(out, "== mended\n{}", story(&mut fleet));
    assert_snapshot!(out);
}

#[test]
fn failed_attempts_wait_die_and_are_forgotten_with_what_they_were_made_from() {
    let mut fleet = Fleet::running();
    fleet.edit(ORDER, "[page, notes]", "[page, notes, jobs]");
    let plan = fleet.plan().plan;
    fleet.act(&plan);
    let due = fleet.plan().plan;
    let again = fleet
        .now
        .checked_add(jiff::SignedDuration::from_secs(60))
        .unwrap();
    fleet.fail(&due, 1, Some(again));
    let mut out = format!("== failed once\n{}", show::both(&fleet.plan().plan));
    assert_eq!(fleet.plan().plan.next_wake(), Some(again));
    fleet.now = again;
    assert_eq!(fleet.plan().plan.slices().count(), 1, "tried again");
    fleet.fail(&due, 4, None);
    let _ = writeln!(out, "== dead\n{}", show::both(&fleet.plan().plan));
    fleet.edit(
        ORDER,
        "[page, notes, jobs]",
        "{ page: { parameters: { TITLE: Other } }, notes: , jobs: }",
    );
    assert_eq!(
        fleet.plan().plan.slices().count(),
        1,
        "another slice, another attempt"
    );
    assert_snapshot!(out);
}

#[test]
fn a_refused_slice_is_shown_until_it_is_accepted() {
    let mut fleet = Fleet::running();
    fleet.edit(ORDER, "[page, notes]", "[page, notes, jobs]");
    fleet.settle();
    fleet.refuse(
        "acme/acme-1",
        RefusalKind::WrongSigner,
        "signed by another key",
    );
    let out = show::both(&fleet.plan().plan);
    fleet.report_all_well("acme/acme-1");
    fleet.settle();
    assert!(!show::state(&fleet.plan().plan).contains("refused"));
    assert_snapshot!(out);
}

#[test]
fn stopping_a_tool_keeps_it_in_the_slice() {
    let mut fleet = Fleet::running();
    fleet.edit(
        ORDER,
        "[page, notes]",
        "{ page: , notes: { state: stopped } }",
    );
    let mut out = story(&mut fleet);
    fleet.report_all_well("acme/acme-1");
    let _ = writeln!(out, "== stopped\n{}", story(&mut fleet));
    fleet.edit(ORDER, "{ state: stopped }", "{ enabled: true }");
    fleet.settle();
    let _ = writeln!(out, "== wanted again\n{}", story(&mut fleet));
    assert_snapshot!(out);
}

#[test]
fn fulfilment_is_recorded_once_and_an_old_order_never_falls_back() {
    let mut fleet = Fleet::running();
    let path = "fleet/decisions/acme/web/fulfilled.yaml";
    let record = fleet.files[path].clone();
    let mut report = fleet.well("acme/acme-1");
    for instance in report.instances.values_mut() {
        instance.phase = InstancePhase::Failed;
        instance.message = Some("exit code 1".into());
    }
    fleet.pass_time(60);
    fleet.report("acme/acme-1", report);
    assert!(fleet.settle().is_empty());
    let plan = fleet.plan().plan;
    assert_eq!(phase(&plan), Phase::Fulfilled);
    assert_eq!(plan.customers["acme"].orders[0].health, Health::Failed);
    fleet.pass_time(60);
    fleet.edit(ORDER, "[page, notes]", "[page, notes, jobs]");
    fleet.settle();
    fleet.report_all_well("acme/acme-1");
    fleet.settle();
    let later = &fleet.files[path];
    assert_ne!(*later, record);
    assert!(
        record.lines().all(|line| later.contains(line)),
        "{record}\n{later}"
    );
}

#[test]
fn a_broken_document_freezes_its_customer_alone() {
    let mut fleet = Fleet::running();
    fleet.write(
        "fleet/customers/bob/servers/s.yaml",
        &files::server('b', ""),
    );
    fleet.write(
        "fleet/customers/bob/orders/o.yaml",
        "plan: pro\ndomain: bob.example\ntools: [page]\n",
    );
    fleet.settle();
    fleet.edit(ORDER, "[page, notes]", "{ pgae: }");
    fleet.edit(
        "fleet/customers/bob/orders/o.yaml",
        "[page]",
        "[page, jobs]",
    );
    let plan = fleet.plan().plan;
    assert!(fleet.diagnostics.iter().any(|found| found.code.0 == 107));
    let who: Vec<String> = plan
        .decisions()
        .map(|decision| decision.order.to_string())
        .collect();
    assert_eq!(who, ["bob/o", "bob/o"]);
    assert_eq!(plan.customers["acme"].orders[0].tools.len(), 2, "as it was");
}

#[test]
fn another_customers_key_is_not_taken_for_an_own_one() {
    let mut fleet = Fleet::running();
    let before = fleet.render("acme/acme-1").secrets;
    fleet.write(
        SERVER,
        &files::server('a', "").replace(&keys('a'), &keys('q')),
    );
    let rounds = fleet.settle();
    assert_eq!(rounds.len(), 1, "another agent gets a slice of its own");
    assert_eq!(rounds[0].slices().count(), 1);
    assert_eq!(fleet.render("acme/acme-1").secrets, before);
}
