//! Edits of `fleet/decisions` by people: what runs goes on where it runs, until somebody says that it is meant.

use super::removal::{FOUR, Watched, customer, entry, gone, leaves, names, waits};
use super::{Outcome, load, put, stack};
use crate::git::{Author, Change, Oid};
use crate::hub::HUB_EMAIL;
use crate::load::{Loaded, Loader};
use jiff::Timestamp;
use tenantry_planner::codes;
use tenantry_planner::removal::Loss;

fn assigned(name: &str, server: &str) -> Change {
    let text = format!("server: {server}\nbecause: the only one\n");
    put(&format!("fleet/decisions/{name}/web/server.yaml"), &text)
}

fn document(name: &str, server: &str) -> String {
    format!("fleet/customers/{name}/servers/{server}.yaml")
}

/// Where the order of a customer runs.
fn runs_on(loaded: &Loaded, name: &str) -> String {
    let desired = loaded.desired.as_ref().unwrap();
    let server = &desired.customers[name].orders["web"].server;
    server.as_ref().unwrap().to_string()
}

fn pinned(loaded: &Loaded, name: &str) -> String {
    let desired = loaded.desired.as_ref().unwrap();
    let tool = &desired.customers[name].orders["web"].tools["html"];
    tool.pin.unwrap().stack.to_string()
}

/// Each customer has a second server.
fn second_servers() -> Vec<Change> {
    let server = "provider: static\naddress: 192.0.2.2\n";
    let more = FOUR.iter().map(|name| put(&document(name, "two"), server));
    more.collect()
}

/// What the hub commits.
fn by_hub(watched: &mut Watched, changes: &[Change]) -> (Oid, Loaded) {
    let base = watched.fleet.head().unwrap().unwrap();
    let hub = Author::new("Tenantry hub", HUB_EMAIL);
    let time = Timestamp::from_second(1_760_000_000).unwrap();
    let made = watched.fleet.commit(base, changes, &hub, "decided", time);
    let Outcome::Committed(at) = made.unwrap() else {
        panic!("nobody else commits here");
    };
    let loaded = load(&mut watched.kept, &watched.fleet, at);
    let fresh = load(
        &mut Loader::new(watched.fleet.objects().clone()),
        &watched.fleet,
        at,
    );
    assert_eq!(super::told(&loaded), super::told(&fresh));
    (at, loaded)
}

#[test]
fn a_server_that_is_not_there_takes_nothing_from_the_one_that_is() {
    let mut watched = Watched::new("100%");
    for change in [assigned("acme", "zz"), gone(document("acme", "one"))] {
        let (_, loaded) = watched.commit(&[change]);
        let said = &loaded.diagnostics[0];
        assert_eq!(said.code.0, codes::UNKNOWN_SERVER);
        assert_eq!(said.place.file, "fleet/decisions/acme/web/server.yaml");
        assert_eq!((said.place.line, loaded.diagnostics.len()), (1, 1));
        assert_eq!(names(&loaded), FOUR);
        assert_eq!(runs_on(&loaded, "acme"), "one", "it stays as it was");
        let frozen: Vec<_> = loaded.frozen.iter().map(|scope| &scope.customer).collect();
        assert_eq!(frozen, [&Some("acme".try_into().unwrap())]);
        let back = customer("acme", &watched.tree_of_stack(), "");
        let (_, loaded) = watched.commit(&back);
        assert!(loaded.diagnostics.is_empty() && loaded.frozen.is_empty());
    }
}

#[test]
fn orders_that_are_decided_to_run_elsewhere_count() {
    let mut watched = Watched::new("1");
    watched.commit(&second_servers());
    let (_, loaded) = watched.commit(&[assigned("acme", "two")]);
    assert!(loaded.diagnostics.is_empty(), "one may");
    assert_eq!(runs_on(&loaded, "acme"), "two");

    // A mistake on the way hides nothing.
    let others = ["globex", "hooli", "initech"];
    let broken: Vec<Change> = others.map(|name| assigned(name, "[")).into();
    watched.commit(&broken);
    let moved: Vec<Change> = others.map(|name| assigned(name, "two")).into();
    let (_, loaded) = watched.commit(&moved);
    assert_eq!(loaded.diagnostics[0].code.0, codes::TOO_MUCH_GOES);
    let removal = &loaded.removals[0];
    assert_eq!((removal.servers, removal.of), (3, 8));
    for name in others {
        assert!(waits(&loaded, name));
        assert_eq!(runs_on(&loaded, name), "one");
        assert!(loaded.desired.as_ref().unwrap().held.contains(name));
    }
    // It stays so whatever comes on top.
    watched.commit(&[put("README.md", "later")]);
    let record = "order: null\ntools: {}\n";
    let record = put("fleet/decisions/acme/web/fulfilled.yaml", record);
    let (_, loaded) = by_hub(&mut watched, &[record]);
    assert_eq!(runs_on(&loaded, "hooli"), "one");
    let text = entry("they-move", &loaded);
    let (_, loaded) = watched.commit(&[put("fleet/acknowledged.yaml", &text)]);
    assert!(loaded.frozen.is_empty());
    assert_eq!(runs_on(&loaded, "hooli"), "two");
}

#[test]
fn versions_count_that_people_pin_and_not_those_that_the_hub_does() {
    let mut watched = Watched::new("1");
    let old = watched.tree_of_stack();
    watched.commit(&stack(1));
    let new = watched.tree_of_stack();
    let pins = |names: &[&str], tree: &str| -> Vec<Change> {
        let all = names.iter().flat_map(|name| customer(name, tree, ""));
        all.collect()
    };
    let (_, loaded) = by_hub(&mut watched, &pins(&FOUR, &new));
    assert!(loaded.diagnostics.is_empty());
    assert_eq!(pinned(&loaded, "acme"), new);

    let (_, loaded) = watched.commit(&pins(&FOUR, &old));
    let removal = &loaded.removals[0];
    assert_eq!((removal.servers, removal.of), (4, 4));
    let what: Vec<&Loss> = removal.losses.iter().collect();
    assert_eq!(
        what,
        [&Loss::Version("html".try_into().unwrap(), old.clone())]
    );
    for name in FOUR {
        assert_eq!(pinned(&loaded, name), new);
    }
    let (_, loaded) = watched.commit(&pins(&FOUR, &new));
    assert!(loaded.removals.is_empty() && loaded.frozen.is_empty());
}

/// While something is held back, what the hub decides for the others is none of it.
#[test]
fn the_hub_goes_on_beside_what_is_held() {
    let mut watched = Watched::new("1");
    watched.commit(&stack(1));
    let new = watched.tree_of_stack();
    let two: Vec<Change> = ["acme", "globex"].into_iter().flat_map(leaves).collect();
    let (_, loaded) = watched.commit(&two);
    let before = loaded.removals[0].clone();
    let (_, loaded) = by_hub(&mut watched, &customer("hooli", &new, "")[3..]);
    assert_eq!(loaded.removals[0], before);
    assert_eq!(pinned(&loaded, "hooli"), new);
    // Nor where somebody commits beside it.
    let (_, loaded) = watched.commit(&[put("fleet/decisions/README", "hello")]);
    assert_eq!(loaded.removals[0], before);
    assert!(!waits(&loaded, "hooli"));
}
