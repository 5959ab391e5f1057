//! Who gets which domain, by example and at random.

use crate::support::Fleet;
use proptest::prelude::*;
use std::collections::BTreeMap;
use tenantry_planner::decision::Decision;
use tenantry_planner::domains::{DomainIndex, Verdict};
use tenantry_schema::id::OrderKey;
use tenantry_schema::name::DomainName;

/// A fleet of orders `(customer/order, domain wanted, domain held)` without servers.
fn fleet(orders: &[(&str, &str, Option<&str>)]) -> Fleet {
    let mut fleet = Fleet::new();
    for (key, wants, holds) in orders {
        let (customer, order) = key.split_once('/').unwrap();
        fleet.write(
            &format!("fleet/customers/{customer}/orders/{order}.yaml"),
            &format!("plan: pro\ndomain: {wants}\n"),
        );
        if let Some(held) = holds {
            fleet.write(
                &format!("fleet/decisions/{customer}/{order}/domain.yaml"),
                &format!("domain: {held}\n"),
            );
        }
    }
    fleet
}

fn key(text: &str) -> OrderKey {
    let (customer, order) = text.split_once('/').unwrap();
    OrderKey {
        customer: customer.try_into().unwrap(),
        order: order.try_into().unwrap(),
    }
}

fn verdicts(orders: &[(&str, &str, Option<&str>)]) -> Vec<String> {
    let desired = fleet(orders).compile();
    let say = |(order, wants, _): &(&str, &str, Option<&str>)| match desired
        .domains
        .verdict(&key(order), &(*wants).try_into().unwrap())
    {
        Verdict::Holds => "holds".to_owned(),
        Verdict::Free => "free".to_owned(),
        Verdict::Taken { domain, holder } => format!("{domain} of {holder}"),
    };
    orders.iter().map(say).collect()
}

#[test]
fn the_holder_keeps_it() {
    assert_eq!(
        verdicts(&[
            ("a/o", "x.example", None),
            ("b/o", "x.example", Some("x.example"))
        ]),
        ["x.example of b/o", "holds"]
    );
}

#[test]
fn of_two_who_ask_at_once_one_gets_it() {
    assert_eq!(
        verdicts(&[("b/o", "x.example", None), ("a/o", "x.example", None)]),
        ["x.example of a/o", "free"]
    );
    assert_eq!(
        verdicts(&[("a/o", "x.example", None), ("a/p", "x.example", None)]),
        ["free", "x.example of a/o"]
    );
}

#[test]
fn nobody_gets_above_or_below_another_customer() {
    let held = ("a/o", "shop.x.example", Some("shop.x.example"));
    assert_eq!(
        verdicts(&[held, ("b/o", "x.example", None)])[1],
        "shop.x.example of a/o"
    );
    assert_eq!(
        verdicts(&[held, ("b/o", "a.shop.x.example", None)])[1],
        "shop.x.example of a/o"
    );
    assert_eq!(
        verdicts(&[held, ("b/o", "workshop.x.example", None)])[1],
        "free",
        "a neighbour is neither"
    );
    assert_eq!(
        verdicts(&[held, ("a/p", "x.example", None)])[1],
        "free",
        "one's own"
    );
}

#[test]
fn above_and_below_count_among_those_who_ask_at_once_too() {
    let asks = [
        ("a/o", "shop.x.example", None),
        ("b/o", "x.example", None),
        ("c/o", "blog.x.example", None),
    ];
    assert_eq!(
        verdicts(&asks),
        ["free", "blog.x.example of c/o", "free"],
        "who is turned away stands in nobody's way"
    );
}

#[test]
fn an_old_domain_is_kept_until_the_new_one_is_had() {
    let orders = [
        ("a/o", "new.example", Some("old.example")),
        ("b/o", "old.example", None),
    ];
    assert_eq!(verdicts(&orders), ["free", "old.example of a/o"]);
}

#[test]
fn a_paused_order_keeps_nobody_waiting() {
    let mut fleet = fleet(&[("a/o", "x.example", None), ("b/o", "x.example", None)]);
    fleet.edit(
        "fleet/customers/a/orders/o.yaml",
        "plan: pro",
        "plan: pro\nautomation: paused",
    );
    let desired = fleet.compile();
    assert_eq!(
        desired
            .domains
            .verdict(&key("b/o"), &"x.example".try_into().unwrap()),
        Verdict::Free
    );
}

#[test]
fn claims_of_customers_who_cannot_be_compiled_are_kept() {
    let desired = fleet(&[("b/o", "x.example", None)]).compile();
    let kept = [(key("a/o"), "www.x.example".try_into().unwrap())];
    let index = DomainIndex::build_with(desired.customers.values().map(AsRef::as_ref), kept);
    let verdict = index.verdict(&key("b/o"), &"x.example".try_into().unwrap());
    assert_eq!(
        verdict,
        Verdict::Taken {
            domain: "www.x.example".into(),
            holder: key("a/o")
        }
    );
}

/// Verdicts about orders that hold what they want, by a claim of the generation.
fn standing(orders: &[(&str, &str, u64)]) -> Vec<String> {
    let claimed: Vec<_> = orders
        .iter()
        .map(|(order, domain, _)| (*order, *domain, None))
        .collect();
    let mut fleet = fleet(&claimed);
    for (order, domain, generation) in orders {
        let text = match generation {
            0 => format!("domain: {domain}\n"),
            _ => format!("domain: {domain}\ngeneration: {generation}\n"),
        };
        fleet.write(&format!("fleet/decisions/{order}/domain.yaml"), &text);
    }
    let desired = fleet.compile();
    let say = |(order, domain, _): &(&str, &str, u64)| match desired
        .domains
        .verdict(&key(order), &(*domain).try_into().unwrap())
    {
        Verdict::Holds => "holds".to_owned(),
        Verdict::Free => "free".to_owned(),
        Verdict::Taken { domain, holder } => format!("{domain} of {holder}"),
    };
    orders.iter().map(say).collect()
}

#[test]
fn of_two_claims_the_later_one_has_held_without_a_break() {
    assert_eq!(
        standing(&[("a/o", "x.example", 5), ("b/o", "x.example", 13)]),
        ["x.example of b/o", "holds"]
    );
    assert_eq!(
        standing(&[("a/o", "x.example", 13), ("b/o", "x.example", 5)]),
        ["holds", "x.example of a/o"]
    );
    assert_eq!(
        standing(&[("a/o", "x.example", 5), ("b/o", "www.x.example", 13)]),
        ["www.x.example of b/o", "holds"],
        "names above and below are in each other's way as well"
    );
    assert_eq!(
        standing(&[("a/o", "www.x.example", 5), ("a/p", "x.example", 13)]),
        ["holds", "holds"],
        "but not those of one customer"
    );
}

#[test]
fn claims_that_do_not_say_when_are_the_oldest() {
    assert_eq!(
        standing(&[("a/o", "x.example", 0), ("b/o", "x.example", 1)]),
        ["x.example of b/o", "holds"]
    );
    assert_eq!(
        standing(&[("b/o", "x.example", 0), ("a/o", "x.example", 0)]),
        ["x.example of a/o", "holds"],
        "and served by customer and id"
    );
}

#[test]
fn a_claim_that_lapsed_stands_in_the_way_of_newcomers_only() {
    let claims = [
        ("a/o", "x.example", 9),
        ("b/o", "www.x.example", 13),
        ("c/o", "blog.x.example", 5),
    ];
    assert_eq!(
        standing(&claims),
        ["blog.x.example of c/o", "holds", "holds"]
    );
    let mut fleet = fleet(&[
        ("a/o", "x.example", Some("x.example")),
        ("b/o", "www.x.example", None),
        ("d/o", "shop.x.example", None),
    ]);
    fleet.write(
        "fleet/decisions/b/o/domain.yaml",
        "domain: www.x.example\ngeneration: 13\n",
    );
    let verdict = fleet
        .compile()
        .domains
        .verdict(&key("d/o"), &"shop.x.example".try_into().unwrap());
    assert_eq!(
        verdict,
        Verdict::Taken {
            domain: "x.example".into(),
            holder: key("a/o")
        }
    );
}

#[test]
fn an_order_that_is_restored_does_not_take_its_domain_back() {
    let mut fleet = fleet(&[("a/o", "x.example", None)]);
    fleet.settle();
    let order = "fleet/customers/a/orders/o.yaml";
    let text = fleet.files[order].clone();
    fleet.remove(order);
    fleet.write("fleet/customers/b/orders/o.yaml", &text);
    fleet.generation = 20;
    fleet.settle();
    fleet.write(order, &text);
    let desired = fleet.compile();
    let verdict = |order| {
        desired
            .domains
            .verdict(&key(order), &"x.example".try_into().unwrap())
    };
    assert_eq!(verdict("b/o"), Verdict::Holds);
    assert!(matches!(verdict("a/o"), Verdict::Taken { holder, .. } if holder == key("b/o")));
}

#[test]
fn only_one_of_two_orders_of_one_commit_is_decided() {
    let mut fleet = fleet(&[
        ("a/o", "x.example", None),
        ("b/o", "x.example", None),
        ("c/o", "a.x.example", None),
    ]);
    let plan = fleet.plan().plan;
    let decided: Vec<String> = plan.decisions().map(Decision::summary).collect();
    assert_eq!(decided, ["a/o: domain x.example"]);
}

fn related(a: &DomainName, b: &DomainName) -> bool {
    a.ancestors().any(|above| above == b.as_str()) || b.ancestors().any(|above| above == a.as_str())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn what_is_given_away_never_overlaps(
        wishes in prop::collection::vec((0..4_usize, 0..3_usize, "[ab]\\.example|[ab]\\.[ab]\\.example|[ab]\\.[ab]\\.[ab]\\.example"), 1..10)
    ) {
        let mut orders = BTreeMap::new();
        for (customer, order, domain) in &wishes {
            orders.insert((*customer, *order), domain.clone());
        }
        let mut fleet = Fleet::new();
        for ((customer, order), domain) in &orders {
            fleet.write(&format!("fleet/customers/c{customer}/orders/o{order}.yaml"), &format!("plan: pro\ndomain: {domain}\n"));
        }
        let rounds = fleet.settle();
        prop_assert!(rounds.len() <= 1, "everybody who can be served is served at once");
        let desired = fleet.compile();
        let mut held = Vec::new();
        for (id, customer) in &desired.customers {
            for (order, desired) in &customer.orders {
                if let Some(claim) = &desired.claim {
                    held.push((id.clone(), order.clone(), claim.clone()));
                }
            }
        }
        prop_assert!(!held.is_empty());
        for (at, (customer, _, domain)) in held.iter().enumerate() {
            for (other, _, second) in &held[at + 1..] {
                prop_assert!(domain != second);
                prop_assert!(customer == other || !related(domain, second));
            }
        }
        // Whoever was turned away was turned away by somebody who holds.
        for (id, customer) in &desired.customers {
            for (order, wish) in customer.orders.iter().filter(|(_, order)| order.claim.is_none()) {
                let wanted = &wish.document.domain;
                let reason = held.iter().any(|(other, _, domain)| domain == wanted || other != id && related(domain, wanted));
                prop_assert!(reason, "{id}/{order} waits for nothing");
            }
        }
    }
}
