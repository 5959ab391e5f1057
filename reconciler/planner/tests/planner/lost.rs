//! Decisions that were taken away by hand: what is held because of it, what goes on, and what is said. And a site that does not come up.

use crate::support::Fleet;
use tenantry_planner::Plan;
use tenantry_planner::decision::{Choice, What};
use tenantry_planner::lost::Lost;
use tenantry_planner::status::{OrderStatus, Phase};
use tenantry_planner::waiting::WaitingOn;
use tenantry_schema::id::OrderKey;

const OTHER: &str = "fleet/customers/acme/orders/other.yaml";

fn lose(fleet: &mut Fleet, what: What) {
    let order = OrderKey {
        customer: "acme".try_into().unwrap(),
        order: "web".try_into().unwrap(),
    };
    let path = what.path(&order);
    fleet.remove(&path);
    let commit = Some("0123456789abcdef0123456789abcdef01234567".to_owned());
    fleet.lost.add(
        &order,
        Lost {
            what,
            path,
            commit,
            parent: 1,
            good_at: None,
            domain: None,
        },
    );
}

fn order<'p>(plan: &'p Plan, id: &str) -> &'p OrderStatus {
    let mut orders = plan.customers["acme"].orders.iter();
    orders.find(|order| order.order.as_str() == id).unwrap()
}

/// A customer whose order runs, with nothing left to do.
fn fulfilled() -> Fleet {
    let mut fleet = Fleet::running();
    fleet.settle();
    fleet.report_all_well("acme/acme-1");
    fleet.settle();
    fleet
}

#[test]
fn what_is_missing_is_named_and_nothing_is_where_all_is_decided() {
    let mut fleet = fulfilled();
    assert_eq!(fleet.plan().plan.customers["acme"].missing, []);
    fleet.write(OTHER, "plan: pro\ndomain: other.example\ntools: [notes]\n");
    let missing = fleet.plan().plan.customers["acme"].missing.clone();
    let paths: Vec<String> = missing
        .iter()
        .map(tenantry_planner::lost::Missing::path)
        .collect();
    let at = |name: &str| format!("fleet/decisions/acme/other/{name}.yaml");
    assert_eq!(
        paths,
        ["server", "domain", "tools/notes", "tools/notes.secrets"].map(at)
    );
    assert!(
        missing
            .iter()
            .all(|missing| !missing.suspicious && missing.parts.is_empty())
    );
    // Without the claim of an order that has a server, the history has to be asked even if nothing is to be done.
    fleet.remove("fleet/decisions/acme/web/domain.yaml");
    fleet.edit(
        "fleet/customers/acme/orders/web.yaml",
        "plan: pro",
        "plan: pro\nautomation: paused",
    );
    let missing = &fleet.plan().plan.customers["acme"].missing;
    let claim = missing
        .iter()
        .find(|missing| missing.what == What::Domain && missing.order.order.as_str() == "web");
    assert!(claim.unwrap().suspicious);
}

#[test]
fn a_lost_decision_is_not_made_anew_and_nothing_that_runs_goes_away() {
    for what in [
        What::Server,
        What::Domain,
        What::Tool("page".try_into().unwrap()),
        What::Secrets("notes".try_into().unwrap()),
    ] {
        let mut fleet = fulfilled();
        // Another hub, which remembers nothing and has heard of nobody.
        fleet.inventory = tenantry_planner::Inventory::default();
        lose(&mut fleet, what.clone());
        fleet.write(OTHER, "plan: pro\ndomain: other.example\ntools: [page]\n");
        let plan = fleet.plan().plan;
        assert_eq!(plan.decisions().count(), 0, "{what:?}");
        assert_eq!(plan.slices().count(), 0, "{what:?}");
        let web = order(&plan, "web");
        let said = web.waiting[0].to_string();
        assert!(
            said.contains("commit 0123456789ab took")
                && said.contains("git checkout 0123456789ab^ -- :/fleet/decisions/acme/web/"),
            "{said}"
        );
        let said: Vec<String> = order(&plan, "other")
            .waiting
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(
            said.iter()
                .any(|said| said.contains("lost decisions of web")),
            "{said:?}"
        );
    }
}

#[test]
fn an_order_whose_record_is_lost_goes_on_and_is_not_fulfilled_again() {
    let mut fleet = fulfilled();
    lose(&mut fleet, What::Fulfilled);
    fleet.edit(
        "fleet/customers/acme/orders/web.yaml",
        "plan: pro",
        "plan: pro # again",
    );
    for _ in 0..2 {
        fleet.report_all_well("acme/acme-1");
        let plan = fleet.plan().plan;
        assert!(
            !plan
                .decisions()
                .any(|decision| matches!(decision.choice, Choice::Fulfilled(_)))
        );
        assert_eq!(order(&plan, "web").phase, Phase::NeedsAttention);
        assert!(matches!(
            order(&plan, "web").waiting[..],
            [WaitingOn::DecisionsLost(_)]
        ));
    }
    // Found again, it says what it said.
    let mut fleet = fulfilled();
    let before = fleet.plan().plan;
    assert_eq!(order(&before, "web").phase, Phase::Fulfilled);
    assert!(order(&before, "web").waiting.is_empty());
}

#[test]
fn a_site_that_is_not_live_is_named_with_what_the_agent_says() {
    let mut fleet = Fleet::running();
    fleet.settle();
    let mut report = fleet.well("acme/acme-1");
    let site = report.sites.values_mut().next().unwrap();
    site.live = false;
    site.message = Some("nginx: bind() failed".into());
    fleet.report("acme/acme-1", report.clone());
    let plan = fleet.plan().plan;
    let said: Vec<String> = order(&plan, "web")
        .waiting
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with("the site ") && said[0].ends_with(" is not live: nginx: bind() failed"),
        "{said:?}"
    );
    assert_eq!(plan.decisions().count(), 0, "not fulfilled");
    // One that the agent says nothing about at all.
    report.sites.clear();
    fleet.report("acme/acme-1", report);
    let said = order(&fleet.plan().plan, "web").waiting[0].to_string();
    assert!(said.ends_with(" is not live yet"), "{said}");
}
