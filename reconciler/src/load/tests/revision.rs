//! `revision:` names a commit of the branch: what was never merged is never run.

use super::{Fault, commit, keys, put, settings, stack};
use crate::git::tests::World;
use crate::git::{Layout, Oid};
use crate::load::{Loaded, Loader, Revision};
use tenantry_planner::codes;
use tenantry_schema::diagnostic::Code;

fn unknown(loaded: &Loaded) -> bool {
    let mut found = loaded.diagnostics.iter();
    found.any(|found| found.code == Code(codes::UNKNOWN_REVISION))
}

#[test]
fn a_commit_that_was_never_merged_is_unknown() {
    let world = World::new(Layout::Bare);
    let fleet = world.fleet("data");
    let mut first = stack(0);
    first.push(put("fleet/hub.yaml", &settings(&keys(), 1, Fault::Nothing)));
    let reviewed = commit(&fleet, &first);
    // Only a request has it; its objects are in the repository all the same.
    let request = commit(&fleet, &stack(1));
    let order = |revision: Oid| {
        [
            put("fleet/customers/acme/customer.yaml", "language: en\n"),
            put(
                "fleet/customers/acme/orders/web.yaml",
                &format!(
                    "plan: pro\ndomain: acme.example\ntools: {{ html: {{ revision: {revision} }} }}\n"
                ),
            ),
        ]
    };
    let objects = fleet.objects();
    let load = |branch: Oid, named: Oid| {
        let tree = objects.root_tree(commit(&fleet, &order(named))).unwrap();
        let revision = Revision {
            tree,
            commit: branch,
            generation: 1,
        };
        Loader::new(objects.clone()).load(revision).unwrap()
    };
    assert!(unknown(&load(reviewed, request)));
    assert!(!unknown(&load(reviewed, reviewed)));
    // Merged, it is taken.
    assert!(!unknown(&load(request, request)));
}
