//! Approvals, expiry and what operations lose.

use super::*;
use crate::documents::read;
use crate::input::SourceFile;
use crate::object::ObjectId;
use proptest::prelude::*;
use tenantry_wire::SigningKey;

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
        judge(&self.head, &acme(), &id(), operation, day.parse().unwrap())
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
    let text = to_sign(&fleet, &acme(), &id(), operation);
    Operation {
        approval: Some(sshsig::sign(key, NAMESPACE, text.as_bytes())),
        ..operation.clone()
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
            ..document(&WIPE.replace(from, to))
        };
        assert_eq!(office.judge(&altered), Standing::Altered, "{from}");
    }
    let elsewhere = judge(
        &office.head,
        &acme(),
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
