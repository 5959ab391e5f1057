//! How much a commit may take away: what counts, and what an acknowledgement lets go.

use super::*;
use crate::documents;
use crate::input::{CustomerFiles, SourceFile};
use crate::object::ObjectId;
use proptest::prelude::*;
use std::collections::BTreeMap;
use tenantry_schema::document::Acknowledgement;

const ORDER: &str = "orders/web.yaml";
const SERVER: &str = "servers/one.yaml";

/// What stands in a customer's folder, and what was decided for it.
fn customer(files: &[(&str, &str)]) -> CustomerDocuments {
    let decided = [
        (
            "fleet/decisions/acme/web/server.yaml",
            "server: one\nbecause: the only one\n",
        ),
        ("fleet/decisions/acme/web/tools/html.yaml", PIN),
        ("fleet/decisions/acme/web/tools/umami.yaml", PIN),
    ];
    let file = |path: String, text: &str| SourceFile {
        path,
        id: ObjectId([0; 20]),
        text: Ok(text.into()),
    };
    let written = files
        .iter()
        .map(|(path, text)| file(format!("fleet/customers/acme/{path}"), text));
    let decided = decided
        .iter()
        .map(|(path, text)| file((*path).to_owned(), text));
    let files = CustomerFiles {
        id: "acme".try_into().unwrap(),
        files: written.chain(decided).collect(),
    };
    documents::customer(&files).0.unwrap()
}

const PIN: &str = "pin: { tree: 1111111111111111111111111111111111111111, nginx: 2222222222222222222222222222222222222222 }\nports: {}\n";
const BOTH: &str = "plan: p\ndomain: a.example\ntools: [html, umami]\n";
const MACHINE: &str = "provider: static\naddress: 192.0.2.1\n";

fn words(before: &CustomerDocuments, after: Option<&CustomerDocuments>) -> Vec<String> {
    let mut losses = Losses::default();
    losses.of_customer(before, after);
    losses.what.iter().map(ToString::to_string).collect()
}

#[test]
fn what_counts() {
    let before = customer(&[(ORDER, BOTH), (SERVER, MACHINE)]);
    let after = |files: &[(&str, &str)]| words(&before, Some(&customer(files)));
    assert_eq!(after(&[(ORDER, BOTH), (SERVER, MACHINE)]), [""; 0]);
    assert_eq!(
        words(&before, None),
        ["server acme/one goes", "order acme/web goes"]
    );
    assert_eq!(
        after(&[(SERVER, MACHINE)]),
        ["order acme/web goes"],
        "an order is one loss, whatever is in it"
    );
    let one = BOTH.replace(", umami", "");
    assert_eq!(
        after(&[(ORDER, &one), (SERVER, MACHINE)]),
        ["umami of acme/web goes"]
    );
    let elsewhere = MACHINE.replace("192.0.2.1", "192.0.2.2");
    assert_eq!(
        after(&[(ORDER, BOTH), (SERVER, &elsewhere)]),
        ["server acme/one becomes another machine"]
    );
}

#[test]
fn what_does_not_count() {
    let before = customer(&[(ORDER, BOTH), (SERVER, MACHINE)]);
    let after = |files: &[(&str, &str)]| words(&before, Some(&customer(files)));
    let nothing = [""; 0];
    let stopped = BOTH.replace("[html, umami]", "{ html: { state: stopped }, umami: }");
    assert_eq!(after(&[(ORDER, &stopped), (SERVER, MACHINE)]), nothing);
    let more = BOTH.replace("umami]", "umami, ghost]");
    assert_eq!(after(&[(ORDER, &more), (SERVER, MACHINE)]), nothing);
    // Renamed is not gone.
    let renamed = format!("{BOTH}moved_from: web\n");
    assert_eq!(
        after(&[("orders/site.yaml", &renamed), (SERVER, MACHINE)]),
        nothing
    );
    // With a mistake in it, it is not known to be gone (law 7).
    assert_eq!(
        after(&[(ORDER, "plan: ["), (SERVER, "provider: ?")]),
        nothing
    );
    // Keys of an agent that come are nothing that goes.
    let enrolled = format!(
        "{MACHINE}agent: {{ sign: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{}, age: age1{} }}\n",
        "a".repeat(43),
        "a".repeat(58)
    );
    assert_eq!(after(&[(ORDER, BOTH), (SERVER, &enrolled)]), nothing);
}

#[test]
fn what_had_a_mistake_before_can_be_lost() {
    let before = customer(&[(ORDER, "plan: ["), (SERVER, MACHINE)]);
    let after = customer(&[(SERVER, MACHINE)]);
    assert_eq!(words(&before, Some(&after)), ["order acme/web goes"]);
}

fn losses(servers: usize) -> Losses {
    let mut losses = Losses::default();
    for number in 0..servers {
        let server = ServerKey {
            customer: format!("c-{number}").try_into().unwrap(),
            server: "one".try_into().unwrap(),
        };
        losses.add(Loss::Server(server.clone()), server);
    }
    losses
}

fn fleet() -> FleetId {
    "test".to_owned().try_into().unwrap()
}

fn limit(text: &str) -> Limit {
    text.to_owned().try_into().unwrap()
}

fn agreed(removes: &str, servers: u32) -> Acknowledged {
    let entry = Acknowledgement {
        removes: Some(removes.try_into().unwrap()),
        servers: Some(servers),
        anew: None,
        since: None,
        reason: "meant".into(),
    };
    Acknowledged(BTreeMap::from([("meant".try_into().unwrap(), entry)]))
}

#[test]
fn an_entry_counts_once_and_for_exactly_this() {
    let removal = Removal::judge(&losses(5), 20, limit("10%"), &fleet()).unwrap();
    let none = Acknowledged::default();
    let good = agreed(&removal.mark, 5);
    assert!(removal.acknowledged_by(&good, &none).is_some());
    assert!(
        removal.acknowledged_by(&good, &good).is_none(),
        "it was there before: it was for an earlier time"
    );
    assert!(removal.acknowledged_by(&none, &none).is_none());
    let fewer = agreed(&removal.mark, 4);
    assert!(removal.acknowledged_by(&fewer, &none).is_none());
    let other = losses(6).mark(&fleet());
    assert!(removal.acknowledged_by(&agreed(&other, 9), &none).is_none());
    let elsewhere: FleetId = "other".to_owned().try_into().unwrap();
    assert_ne!(
        losses(5).mark(&elsewhere),
        removal.mark,
        "a clone's entries are its own"
    );
}

#[test]
fn the_entry_that_is_proposed_is_one() {
    let removal = Removal::judge(&losses(5), 20, limit("1"), &fleet()).unwrap();
    let text = removal.entry();
    let entries: Acknowledged =
        tenantry_yaml::from_str(&text, &tenantry_yaml::Limits::default()).unwrap();
    assert!(
        removal
            .acknowledged_by(&entries, &Acknowledged::default())
            .is_some()
    );
}

proptest! {
    #[test]
    fn within_the_limit_nothing_is_said(servers in 0usize..30, of in 1usize..60, percent in 1u8..=100) {
        let share = limit(&format!("{percent}%"));
        let judged = Removal::judge(&losses(servers), of, share, &fleet());
        let allowed = (of * usize::from(percent) / 100).max(1);
        prop_assert_eq!(judged.is_some(), servers > allowed);
    }
}
