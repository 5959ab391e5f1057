//! Approvals, expiry and what operations lose.

use super::*;
use crate::documents::read;
use crate::input::SourceFile;
use crate::object::ObjectId;
use proptest::prelude::*;
use std::borrow::Cow;
use std::sync::Arc;
use tenantry_schema::id::{FleetId, OrderId};
use tenantry_wire::SigningKey;
use tenantry_wire::sshsig;

const WIPE: &str = "wipe: acme-1/umami\ndestroys: [its database, \"figures of 2024\"]\nreason: ticket 812\nexpires: 2026-11-22\n";

fn document<T: serde::de::DeserializeOwned>(text: &str) -> T {
    let file = SourceFile {
        path: "fleet/x.yaml".into(),
        id: ObjectId([0; 20]),
        text: Ok(text.into()),
    };
    let mut found = Vec::new();
    read(&file, &mut found).unwrap_or_else(|| panic!("{found:?}"))
}

struct Office {
    olga: SigningKey,
    adam: SigningKey,
    head: HeadDocuments,
}

impl Office {
    fn new() -> Self {
        let key = || SigningKey::generate(&mut rand::rng());
        let (olga, adam) = (key(), key());
        let hub = format!(
            "{{ sign: {}, age: age1{} }}",
            key().public(),
            "q".repeat(58)
        );
        let staff = format!(
            "olga: {{ email: o@example.com, role: owner, signing_keys: [{}] }}\nadam: {{ email: a@example.com, role: admin, signing_keys: [{}] }}\n",
            olga.public(),
            adam.public()
        );
        let head = HeadDocuments {
            hub: document(&format!(
                "fleet_id: test\nurl: http://127.0.0.1:1\nkeys: {{ hub: {hub}, recovery: {hub} }}\n"
            )),
            staff: document(&staff),
            activation: None,
            hub_key: None,
            secrets: None,
        };
        Self { olga, adam, head }
    }

    fn judge(&self, operation: &Operation) -> Standing {
        self.judge_on(operation, "2026-11-20")
    }

    fn judge_on(&self, operation: &Operation, day: &str) -> Standing {
        let whose = (&acme(), &property("192.0.2.1"));
        judge(&self.head, whose, &id(), operation, day.parse().unwrap())
    }
}

fn machines(address: &str) -> Machines {
    let server = document(&format!("provider: static\naddress: {address}\n"));
    Machines::from([("acme-1".try_into().unwrap(), Arc::new(server))])
}

/// One server, and order `web` with umami there.
fn property(address: &str) -> Property<'static> {
    having(machines(address), &["web"])
}

fn having(machines: Machines, orders: &[&str]) -> Property<'static> {
    let tool = "acme-1/umami".to_owned().try_into().unwrap();
    let orders = orders.iter().map(|id| (*id).try_into().unwrap()).collect();
    Property {
        machines: Cow::Owned(machines),
        tools: Tools::from([(tool, orders)]),
    }
}

fn acme() -> CustomerId {
    "acme".try_into().unwrap()
}

fn id() -> OperationId {
    "2026-11-20-wipe-umami-x7k2".try_into().unwrap()
}

fn approved(operation: &Operation, key: &SigningKey) -> Operation {
    let fleet = "test".to_owned().try_into().unwrap();
    let operation = property("192.0.2.1").complete(operation);
    let text = to_sign(&fleet, &acme(), &id(), &operation);
    Operation {
        approval: Some(sshsig::sign(key, NAMESPACE, text.as_bytes())),
        ..operation
    }
}

#[test]
fn the_text_that_is_signed() {
    let fleet = "test".to_owned().try_into().unwrap();
    let text = to_sign(&fleet, &acme(), &id(), &document(WIPE));
    assert_eq!(
        text,
        "tenantry operation, format 1\nfleet: test\ncustomer: acme\noperation: 2026-11-20-wipe-umami-x7k2\ndestroys: [\"its database\",\"figures of 2024\"]\nexpires: \"2026-11-22\"\nreason: \"ticket 812\"\nwipe: \"acme-1/umami\"\n"
    );
}

#[test]
fn only_an_owner_approves_and_only_what_was_signed() {
    let office = Office::new();
    let wipe: Operation = document(WIPE);
    assert_eq!(office.judge(&wipe), Standing::Unapproved);
    let good = approved(&wipe, &office.olga);
    let by = "olga".try_into().unwrap();
    assert_eq!(office.judge(&good), Standing::Approved { by });
    assert!(office.judge(&good).may_start());

    let adams = approved(&wipe, &office.adam);
    assert!(matches!(office.judge(&adams), Standing::NotAnOwner { .. }));
    let stranger = SigningKey::generate(&mut rand::rng());
    assert!(matches!(
        office.judge(&approved(&wipe, &stranger)),
        Standing::Foreign { .. }
    ));
    let other_purpose = Operation {
        approval: Some(sshsig::sign(&office.olga, "git", b"x")),
        ..wipe.clone()
    };
    assert!(matches!(
        office.judge(&other_purpose),
        Standing::Damaged { .. }
    ));

    // Any change voids it; so does another file, customer or fleet.
    for (from, to) in [
        ("umami", "nextcloud"),
        ("its database", "everything"),
        ("812", "813"),
        ("11-22", "11-23"),
    ] {
        let altered = Operation {
            approval: good.approval.clone(),
            machine: good.machine.clone(),
            order: good.order.clone(),
            ..document(&WIPE.replace(from, to))
        };
        assert_eq!(office.judge(&altered), Standing::Altered, "{from}");
    }
    let elsewhere = judge(
        &office.head,
        (&acme(), &property("192.0.2.1")),
        &"another".try_into().unwrap(),
        &good,
        "2026-11-20".parse().unwrap(),
    );
    assert_eq!(elsewhere, Standing::Altered);

    // Who is no longer an owner has approved nothing.
    let mut left = Office {
        head: office.head.clone(),
        ..office
    };
    left.head.staff.0.retain(|who, _| who.as_str() != "olga");
    assert!(matches!(left.judge(&good), Standing::Foreign { .. }));
}

#[test]
fn an_approval_is_for_one_machine() {
    let office = Office::new();
    let wipe: Operation = document(WIPE);
    let good = approved(&wipe, &office.olga);
    let day = "2026-11-20".parse().unwrap();
    let on = |machines: &Machines, operation: &Operation| {
        let whose = having(machines.clone(), &["web"]);
        judge(&office.head, (&acme(), &whose), &id(), operation, day)
    };
    assert!(on(&machines("192.0.2.1"), &good).may_start());
    // The server's document was changed afterwards.
    let moved = on(&machines("192.0.2.2"), &good);
    assert_eq!(
        moved.to_string(),
        "the server is another machine than it was approved for: it was static 192.0.2.1 without an agent, and is static 192.0.2.2 without an agent"
    );
    let mut enrolled = machines("192.0.2.1");
    let server = Arc::make_mut(enrolled.values_mut().next().unwrap());
    server.agent = Some(office.head.hub.keys.hub.clone());
    assert!(matches!(
        on(&enrolled, &good),
        Standing::OtherMachine { .. }
    ));
    let nobody = Machines::new();
    assert!(matches!(
        on(&nobody, &good),
        Standing::OtherMachine { now: None, .. }
    ));
    // What it names cannot be changed either, nor left out.
    let renamed = Operation {
        machine: Some(machine(&machines("192.0.2.2")["acme-1"])),
        ..good
    };
    assert_eq!(on(&machines("192.0.2.2"), &renamed), Standing::Altered);
    let fleet = "test".to_owned().try_into().unwrap();
    let text = to_sign(&fleet, &acme(), &id(), &wipe);
    let unnamed = Operation {
        approval: Some(sshsig::sign(&office.olga, NAMESPACE, text.as_bytes())),
        ..wipe
    };
    assert!(matches!(
        on(&machines("192.0.2.1"), &unnamed),
        Standing::OtherMachine { was: None, .. }
    ));
}

#[test]
fn an_approval_is_for_one_order() {
    let office = Office::new();
    let good = approved(&document(WIPE), &office.olga);
    assert_eq!(good.order.as_ref().map(OrderId::as_str), Some("web"));
    let day = "2026-11-20".parse().unwrap();
    let with = |orders: &[&str], operation: &Operation| {
        let whose = having(machines("192.0.2.1"), orders);
        judge(&office.head, (&acme(), &whose), &id(), operation, day)
    };
    // A neighbour with the same tool changes nothing: it says whose is meant. Nor does leaving the data behind.
    for orders in [&["web"][..], &["web", "zz"], &[]] {
        assert!(with(orders, &good).may_start(), "{orders:?}");
    }
    // What another order has by now was not approved.
    let other = with(&["zz"], &good);
    assert_eq!(
        other.to_string(),
        "the tool is another order's than it was approved for: it was of order web, and is of order zz"
    );
    assert!(!other.may_start());
    // What it names cannot be changed or left out.
    for order in [Some("zz".try_into().unwrap()), None] {
        let renamed = Operation {
            order,
            ..good.clone()
        };
        assert_eq!(with(&["zz"], &renamed), Standing::Altered);
    }
    // With several, people say which; approved or not.
    let wipe: Operation = document(WIPE);
    let unclear = with(&["web", "zz"], &wipe);
    assert!(matches!(unclear, Standing::Ambiguous { .. }));
    let said = unclear.to_string();
    assert!(said.contains("orders web and zz have this tool"), "{said}");
    let both = having(machines("192.0.2.1"), &["web", "zz"]);
    assert_eq!(both.complete(&wipe).order, None);
    let named = Operation {
        order: Some("zz".try_into().unwrap()),
        ..wipe
    };
    assert_eq!(both.complete(&named).order, named.order);
    assert_eq!(with(&["web", "zz"], &named), Standing::Unapproved);
    let stray = "snapshot: acme-1\norder: web\nreason: x\n";
    let stray = tenantry_yaml::from_str::<Operation>(stray, &tenantry_yaml::Limits::default());
    assert!(stray.is_err(), "it belongs to `wipe` and `restore`");
}

#[test]
fn an_approval_ends_within_ninety_days() {
    let office = Office::new();
    let until = |day: &str| approved(&document(&WIPE.replace("2026-11-22", day)), &office.olga);
    assert!(office.judge(&until("2027-02-18")).may_start());
    for day in ["2027-02-19", "2099-01-01"] {
        // Nor does it count by itself when its day comes near: the day in its name is the beginning.
        for today in ["2026-11-20", "2027-02-15", "2098-12-31"] {
            let standing = office.judge_on(&until(day), today);
            let over = matches!(
                standing,
                Standing::TooLong { .. } | Standing::Expired { .. }
            );
            assert!(over, "{day} on {today}: {standing}");
        }
    }
    // A day in its name that is still to come moves nothing.
    let later = "2098-12-01-wipe-umami-x7k2".try_into().unwrap();
    let operation = until("2099-01-01");
    let today = "2026-11-20".parse().unwrap();
    let whose = (&acme(), &property("192.0.2.1"));
    let standing = judge(&office.head, whose, &later, &operation, today);
    assert!(matches!(standing, Standing::TooLong { .. }));
    // What loses nothing may name any day.
    let snapshot = document("snapshot: acme-1\nreason: x\nexpires: 2099-01-01\n");
    assert_eq!(office.judge(&snapshot), Standing::Ready);
}

#[test]
fn it_can_be_started_until_the_end_of_its_last_day() {
    let office = Office::new();
    let good = approved(&document(WIPE), &office.olga);
    assert!(office.judge_on(&good, "2026-11-22").may_start());
    assert!(matches!(
        office.judge_on(&good, "2026-11-23"),
        Standing::Expired { .. }
    ));
}

#[test]
fn what_loses_nothing_needs_nobody() {
    let office = Office::new();
    let snapshot: Operation = document("snapshot: acme-1\nreason: before the upgrade\n");
    assert_eq!(office.judge(&snapshot), Standing::Ready);
    assert_eq!(act(&snapshot), "snapshot acme-1");
    for text in [
        "restore: acme-1/umami\nfrom: latest\noverwrites: [database]\nreason: x\nexpires: 2026-11-22\n",
        "reinstall: acme-1\ndestroys: [all]\nreason: x\nexpires: 2026-11-22\n",
        "erase: person\ndestroys: [the person]\nreason: x\nexpires: 2026-11-22\n",
    ] {
        assert_eq!(
            office.judge(&document(text)),
            Standing::Unapproved,
            "{text}"
        );
        assert!(!destroys(&document(text)).is_empty());
    }
}

proptest! {
    /// What reads the same is signed the same, and no two documents share a text.
    #[test]
    fn a_text_stands_for_one_document(one in "[ -~\n]{1,20}", two in "[ -~\n]{1,20}") {
        let fleet: FleetId = "test".to_owned().try_into().unwrap();
        let text = |reason: &str, destroys: &str| {
            let wipe = Operation {
                reason: reason.to_owned(),
                destroys: vec![destroys.to_owned()],
                ..document(WIPE)
            };
            to_sign(&fleet, &acme(), &id(), &wipe)
        };
        prop_assert_eq!(text(&one, &two) == text(&two, &one), one == two);
    }

    #[test]
    fn any_approval_is_answered(approval in ".{0,200}") {
        let office = Office::new();
        let wipe = Operation { approval: Some(approval), ..document(WIPE) };
        prop_assert!(!office.judge(&wipe).may_start());
    }
}
