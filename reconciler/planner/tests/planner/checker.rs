//! The checker complains about plans that were broken by hand, one promise at a time.

use crate::support::{Fleet, Pass, files, server_key};
use std::sync::Arc;
use tenantry_planner::check::{check, check_by_customer};
use tenantry_planner::decision::{Choice, Decision};
use tenantry_planner::inventory::Published;
use tenantry_planner::plan::{CustomerPlan, PlanCache, plan};
use tenantry_planner::slice_input::SliceInput;
use tenantry_planner::waiting::WaitingOn;
use tenantry_schema::document::{
    DomainClaim, Fulfilled, OperationDone, OperationOutcome, OperationRecord, Pin, SecretSpec,
    ServerAssignment, ToolDecision,
};
use tenantry_schema::id::SiteName;

const ORDER: &str = "fleet/customers/acme/orders/web.yaml";

/// A running fleet, in which a slice of acme is due.
fn due() -> (Fleet, Pass) {
    let mut fleet = Fleet::running();
    fleet.edit(
        ORDER,
        "[page, notes]",
        "{ page: { parameters: { TITLE: New } }, notes: }",
    );
    let pass = fleet.plan();
    (fleet, pass)
}

/// What is said about a plan that `break_it` changed.
fn complaints(break_it: impl FnOnce(&mut CustomerPlan)) -> String {
    let (fleet, mut pass) = due();
    let part = Arc::make_mut(pass.plan.customers.get_mut("acme").unwrap());
    break_it(part);
    check(&pass.plan, &pass.desired, &fleet.inventory).join("\n")
}

fn decide(part: &mut CustomerPlan, choice: Choice) {
    let order = tenantry_schema::id::OrderKey {
        customer: "acme".try_into().unwrap(),
        order: "web".try_into().unwrap(),
    };
    part.decisions.push(Decision { order, choice });
}

fn with_input(part: &mut CustomerPlan, change: impl Fn(&mut SliceInput)) {
    for task in &mut part.slices {
        change(Arc::make_mut(&mut task.input));
    }
}

#[test]
fn a_good_plan_is_not_complained_about() {
    assert_eq!(complaints(|_| {}), "");
}

#[test]
fn choosing_again() {
    let server = ServerAssignment {
        server: "acme-1".try_into().unwrap(),
        because: "x".into(),
    };
    assert!(
        complaints(|part| decide(part, Choice::Server(server)))
            .contains("its server would be chosen again")
    );
    let pin = Pin {
        tree: "0".repeat(40),
        nginx: "0".repeat(40),
    };
    let moved = ToolDecision {
        pin: pin.clone(),
        ports: [("site".try_into().unwrap(), 20_009)].into(),
    };
    assert!(
        complaints(|part| decide(part, Choice::Tool("page".try_into().unwrap(), moved)))
            .contains("the port of page/site would move")
    );
    let taken = ToolDecision {
        pin,
        ports: [("site".try_into().unwrap(), 20_000)].into(),
    };
    assert!(
        complaints(|part| decide(part, Choice::Tool("jobs".try_into().unwrap(), taken)))
            .contains("port 20000 of acme-1 belongs to")
    );
    let again = Choice::Secrets(
        "notes".try_into().unwrap(),
        [("DB_PASSWORD".try_into().unwrap(), SecretSpec::default())].into(),
    );
    assert!(
        complaints(|part| decide(part, again))
            .contains("the secret DB_PASSWORD of notes would be generated again")
    );
    let empty = Choice::Fulfilled(Fulfilled {
        order: None,
        tools: [].into(),
    });
    let said = complaints(|part| decide(part, empty));
    assert!(
        said.contains("the record of page would be rewritten")
            && said.contains("first fulfilment would be rewritten"),
        "{said}"
    );
    let domain = || {
        Choice::Domain(DomainClaim {
            domain: "new.example".try_into().unwrap(),
            generation: 1,
        })
    };
    let twice = |part: &mut CustomerPlan| {
        decide(part, domain());
        decide(part, domain());
    };
    assert!(complaints(twice).contains("is decided twice in one plan"));
}

#[test]
fn an_operation_that_was_not_started() {
    let record = |done: bool| OperationRecord {
        started: "2026-11-21T10:00:00Z".parse().unwrap(),
        server: "acme-1".try_into().unwrap(),
        instance: "web-notes".to_owned().try_into().unwrap(),
        agent: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINWt2/SfQsdKmVq3GbXbP5bIREGHZWiNsJXEYF0x4Q48"
            .to_owned()
            .try_into()
            .unwrap(),
        done: done.then(|| OperationDone {
            at: "2026-11-21T10:01:00Z".parse().unwrap(),
            outcome: OperationOutcome::Done,
            snapshot: None,
            before: None,
            downtime: 0,
            evidence: Vec::new(),
        }),
    };
    let say = |done| {
        let choice = Choice::Operation("op".try_into().unwrap(), record(done));
        complaints(|part| decide(part, choice))
    };
    assert!(say(false).contains("operation op has no document"));
    assert!(say(true).contains("operation op would end without having been started"));
}

#[test]
fn domains_of_others() {
    for domain in ["bob.example", "www.bob.example", "b.example"] {
        let mut fleet = Fleet::running();
        let held = if domain == "b.example" {
            "x.b.example"
        } else {
            "bob.example"
        };
        fleet.write(
            "fleet/customers/bob/orders/o.yaml",
            &format!("plan: pro\ndomain: {held}\n"),
        );
        fleet.settle();
        let mut pass = fleet.plan();
        let part = Arc::make_mut(pass.plan.customers.get_mut("acme").unwrap());
        decide(
            part,
            Choice::Domain(DomainClaim {
                domain: domain.try_into().unwrap(),
                generation: 1,
            }),
        );
        let wrong = check_by_customer(&pass.plan, &pass.desired, &fleet.inventory);
        assert_eq!(wrong.len(), 1, "only the part of acme is wrong");
        assert_eq!(
            wrong["acme"],
            [format!("{domain} would go to acme/web, against bob/o")]
        );
    }
}

#[test]
fn slices_of_others() {
    let instances =
        |input: &mut SliceInput,
         change: &dyn Fn(&mut tenantry_planner::slice_input::InstanceInput)| {
            input.instances.values_mut().for_each(change);
        };
    let said = complaints(|part| with_input(part, |input| input.server = server_key("bob/s")));
    assert!(
        said.contains("a slice for bob/s, planned for customer acme"),
        "{said}"
    );
    let other: tenantry_schema::key::PublicKeys = {
        let text = files::keys('z');
        let age = text
            .split("age: ")
            .nth(1)
            .unwrap()
            .trim_end_matches(" }")
            .to_owned();
        tenantry_schema::key::PublicKeys {
            sign: format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{}", "z".repeat(43))
                .try_into()
                .unwrap(),
            age: age.try_into().unwrap(),
        }
    };
    let said = complaints(|part| with_input(part, |input| input.agent = other.clone()));
    assert!(
        said.contains("would be encrypted to another agent"),
        "{said}"
    );
    let said = complaints(|part| {
        with_input(part, |input| {
            input.customer_secrets = Some(files::id("of bob"));
        });
    });
    assert!(
        said.contains("would open secrets that are not the customer's"),
        "{said}"
    );
    let said = complaints(|part| {
        with_input(part, |input| {
            instances(input, &|one| one.domain = "bob.example".try_into().unwrap());
        });
    });
    assert!(
        said.contains("runs under bob.example, which its order does not hold"),
        "{said}"
    );
    let rename = |one: &mut tenantry_planner::slice_input::InstanceInput| {
        let moved = |site: &SiteName| (site.clone(), "notacme.example".try_into().unwrap());
        one.hosts = one.hosts.keys().map(moved).collect();
    };
    let said = complaints(|part| with_input(part, |input| instances(input, &rename)));
    assert!(
        said.contains("notacme.example, which is not below acme.example")
            && said.contains("stands twice"),
        "{said}"
    );
    let said = complaints(|part| {
        with_input(part, |input| {
            instances(input, &|one| one.tree = files::id("other"));
        });
    });
    assert!(
        said.contains("would run a version that was not decided"),
        "{said}"
    );
    let said = complaints(|part| {
        with_input(part, |input| {
            instances(input, &|one| {
                one.ports = one
                    .ports
                    .keys()
                    .map(|site| (site.clone(), 20_000))
                    .collect();
            });
        });
    });
    assert!(said.contains("port 20000 stands twice"), "{said}");
}

#[test]
fn something_that_runs_would_vanish() {
    let said = complaints(|part| with_input(part, |input| drop(input.instances.pop_first())));
    assert_eq!(said, "web-notes would vanish from the slice of acme/acme-1");
}

/// Linking refuses it. Should it come to a plan all the same, the planner holds every slice, and the checker lets none pass.
#[test]
fn what_was_decided_for_a_server_that_is_not_there() {
    let (fleet, mut pass) = due();
    let customer = Arc::make_mut(pass.desired.customers.get_mut("acme").unwrap());
    customer.orders.get_mut("web").unwrap().server = Some("acme-7".try_into().unwrap());
    let part = Arc::make_mut(pass.plan.customers.get_mut("acme").unwrap());
    with_input(part, |input| input.instances.clear());
    let said = check(&pass.plan, &pass.desired, &fleet.inventory);
    assert!(
        said.contains(&"web-notes would vanish from the slice of acme/acme-1".to_owned()),
        "{said:?}"
    );
    let planned = plan(&pass.desired, fleet.observed(), &mut PlanCache::default());
    assert!(planned.slices().next().is_none());
    let waiting = &planned.customers["acme"].orders[0].waiting;
    assert!(
        waiting
            .iter()
            .any(|why| matches!(why, WaitingOn::ServerGone { .. })),
        "{waiting:?}"
    );
}

#[test]
fn publishing_again() {
    let (mut fleet, pass) = due();
    let task = pass.plan.slices().next().unwrap();
    let published = Published {
        inputs: task.inputs.clone(),
        generation: 1,
        content: String::new(),
        at: fleet.now,
    };
    fleet
        .inventory
        .published
        .insert(task.server.clone(), published);
    assert_eq!(
        check(&pass.plan, &pass.desired, &fleet.inventory),
        ["the slice of acme/acme-1 would be published again"]
    );
}
