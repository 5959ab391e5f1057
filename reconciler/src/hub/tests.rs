//! A hub whose repository fails it in the middle of a pass.

use super::{Hub, Options, open};
use crate::git::tests::{World, commit, delete, put};
use crate::git::{Change, Layout, Location};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tenantry_planner::codes;
use tenantry_planner::today::day;
use tenantry_schema::Diagnostic;
use tenantry_schema::wire::ASK_NAMESPACE;
use tenantry_wire::{SigningKey, sshsig};

/// A repository with a fleet, and a hub that observes it.
struct Observed {
    world: World,
    hub: Hub,
    olga: SigningKey,
    _runtime: tokio::runtime::Runtime,
}

impl Observed {
    fn new(more: Vec<Change>) -> Self {
        let world = World::new(Layout::Bare);
        let olga = SigningKey::generate(&mut rand::rng());
        let keys = format!("{{ sign: {}, age: age1{} }}", olga.public(), "q".repeat(58));
        let hub = format!(
            "fleet_id: test\nurl: http://127.0.0.1:1\nkeys: {{ hub: {keys}, recovery: {keys} }}\n"
        );
        let staff = format!(
            "olga: {{ email: o@example.com, role: owner, signing_keys: [{}] }}\n",
            olga.public()
        );
        let mut files = vec![put("fleet/hub.yaml", &hub), put("fleet/staff.yaml", &staff)];
        files.extend(more);
        commit(&world.fleet("person"), &files, "a fleet");
        let options = Options {
            location: Location::parse(world.repo().to_str().unwrap()).unwrap(),
            branch: "main".into(),
            data: world.data("hub"),
            key: None,
            observe: true,
            poll: Duration::from_secs(30),
            trust_root: None,
            programs: None,
            restic: "restic".into(),
        };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let hub = runtime.block_on(open(&options)).unwrap();
        Self {
            world,
            hub,
            olga,
            _runtime: runtime,
        }
    }

    fn commit(&self, changes: &[Change]) -> String {
        commit(&self.world.fleet("person"), changes, "an edit").to_string()
    }

    /// Where the object of a file is.
    fn object(&self, path: &str) -> PathBuf {
        let id = self.world.git(&["rev-parse", &format!("main:{path}")]);
        let (folder, name) = id.split_at(2);
        self.world.repo().join("objects").join(folder).join(name)
    }

    /// Whether the hub would let olga ask servers.
    fn knows_olga(&self) -> bool {
        let signature = sshsig::sign(&self.olga, ASK_NAMESPACE, b"text");
        let staff = self.hub.staff.borrow();
        staff.signer(b"text", &signature).is_ok()
    }
}

#[test]
fn what_follows_from_a_commit_is_done_even_where_its_losses_cannot_be_read_at_once() {
    const CLAIM: &str = "fleet/decisions/gone/web/domain.yaml";
    const OTHER: &str = "fleet/decisions/gone/shop/domain.yaml";
    let mut observed = Observed::new(vec![put(CLAIM, "domain: gone.example\ngeneration: 1\n")]);
    observed.hub.pass(true).unwrap();
    assert!(observed.knows_olga());
    // Somebody asked for the domain of a customer who is gone.
    let order = tenantry_schema::id::OrderKey {
        customer: "gone".try_into().unwrap(),
        order: "web".try_into().unwrap(),
    };
    let domain = "gone.example".try_into().unwrap();
    observed.hub.departed.push((order, domain));

    // The claim goes, and so does a member of the staff. A file of the same folder cannot be read for a while.
    let second = observed.commit(&[
        delete(CLAIM),
        put(OTHER, "domain: shop.example\ngeneration: 1\n"),
        put("fleet/staff.yaml", "{}\n"),
    ]);
    let object = observed.object(OTHER);
    let aside = object.with_extension("aside");
    fs::rename(&object, &aside).unwrap();
    let failed = observed.hub.pass(true).unwrap_err();
    assert!(matches!(failed, super::HubError::Git(_)), "{failed:?}");
    assert_eq!(observed.hub.status().commit.as_ref().unwrap().id, second);
    assert!(!observed.knows_olga(), "she left with that commit");
    // Whatever wakes the hub, nothing is planned before that is known.
    assert!(observed.hub.pass(false).is_err());

    fs::rename(&aside, &object).unwrap();
    observed.hub.pass(false).unwrap();
    assert!(observed.hub.departed.is_empty(), "nobody has it any more");
}

#[test]
fn what_is_said_of_a_commit_is_worked_out_once_a_day() {
    let now = jiff::Timestamp::now();
    let last = day(now).tomorrow().unwrap();
    let reinstall = format!(
        "reinstall: acme-1\ndestroys: [all of acme-1]\nreason: ticket 812\nexpires: {last}\n"
    );
    let mut observed = Observed::new(vec![
        put("fleet/customers/acme/customer.yaml", "language: en\n"),
        put(
            "fleet/customers/acme/servers/acme-1.yaml",
            "provider: static\naddress: 192.0.2.1\n",
        ),
        put(
            "fleet/customers/acme/operations/2026-11-20-reinstall-x7k2.yaml",
            &reinstall,
        ),
    ]);
    let codes_of =
        |all: &[Diagnostic]| -> Vec<u16> { all.iter().map(|found| found.code.0).collect() };
    observed.hub.pass(true).unwrap();
    let first = observed.hub.status();
    assert!(
        codes_of(&first.diagnostics).contains(&codes::UNAPPROVED),
        "{:#?}",
        first.diagnostics
    );
    // Reports wake the hub all the time; nothing is judged or looked up again.
    observed.hub.pass(false).unwrap();
    let second = observed.hub.status();
    assert!(Arc::ptr_eq(&first.diagnostics, &second.diagnostics));

    // Another commit, and another day, say something else.
    observed.commit(&[put("fleet/customers/acme/customer.yaml", "language: de\n")]);
    observed.hub.pass(true).unwrap();
    let third = observed.hub.status();
    assert!(!Arc::ptr_eq(&first.diagnostics, &third.diagnostics));
    observed.hub.looked_at = now + jiff::SignedDuration::from_hours(72);
    let found = observed.hub.found();
    assert!(codes_of(&found).contains(&codes::EXPIRED), "{found:?}");
}
