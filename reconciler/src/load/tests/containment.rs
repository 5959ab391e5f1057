//! What goes wrong for one customer stays theirs: they stay as they were, whoever's mistake it was, and however often the hub starts.

use super::{CUSTOMERS, Edit, Fault, commit, customers, keys, load, put, settings, stack};
use crate::git::tests::{World, git};
use crate::git::{Change, Fleet, Layout, Oid};
use crate::load::{Loaded, Loader};
use tenantry_planner::codes;
use tenantry_schema::Diagnostic;
use tenantry_wire::SigningKey;

/// Two customers with one order and one server each, and one who has nothing yet.
fn settled(fleet: &Fleet, keys: &str) -> Oid {
    let mut first = stack(0);
    first.push(put("fleet/hub.yaml", &settings(keys, 1, Fault::Nothing)));
    for customer in [0, 2] {
        let order = Edit::Order {
            customer,
            domain: u8::try_from(customer).unwrap(),
            mistake: false,
        };
        let claim = Edit::Claim {
            customer,
            domain: u8::try_from(customer).unwrap(),
            mistake: false,
        };
        first.extend(order.changes(keys));
        first.extend(claim.changes(keys));
        first.push(put(
            &format!("fleet/customers/{}/servers/one.yaml", CUSTOMERS[customer]),
            "provider: static\naddress: 192.0.2.1\n",
        ));
    }
    first.push(put(
        "fleet/customers/initech/customer.yaml",
        "language: en\n",
    ));
    commit(fleet, &first)
}

fn frozen(loaded: &Loaded) -> Vec<(String, Option<String>)> {
    let scopes = loaded.frozen.iter();
    scopes
        .map(|scope| {
            let customer = scope.customer.as_ref().map(ToString::to_string);
            (customer.unwrap_or_default(), scope.stays_at.clone())
        })
        .collect()
}

#[test]
fn a_plan_that_goes_missing_leaves_its_customers_as_they_were() {
    let world = World::new(Layout::Bare);
    let (fleet, keys) = (world.fleet("data"), keys());
    let good = settled(&fleet, &keys);
    let mut loader = Loader::new(fleet.objects().clone());
    let before = load(&mut loader, &fleet, good);
    let gone = [put("fleet/hub.yaml", &settings(&keys, 2, Fault::NoPlan))];
    let at = commit(&fleet, &gone);
    for loader in [&mut loader, &mut Loader::new(fleet.objects().clone())] {
        let after = load(loader, &fleet, at);
        let stays = Some(good.to_string());
        assert_eq!(
            frozen(&after),
            [
                ("acme".to_owned(), stays.clone()),
                ("globex".to_owned(), stays)
            ]
        );
        let (old, new) = (
            before.desired.as_ref().unwrap(),
            after.desired.as_ref().unwrap(),
        );
        assert_eq!(customers(old), customers(new));
        assert!(new.broken.is_empty() && new.held.is_empty());
        let said = &after.diagnostics[0];
        assert_eq!(said.message, "unknown plan `pro`");
        let last = said.notes.last().unwrap();
        assert!(last.starts_with("customer acme stays at commit"), "{last}");
    }
    // What they write meanwhile is taken up as soon as the plan is back.
    commit(
        &fleet,
        &Edit::Order {
            customer: 0,
            domain: 4,
            mistake: false,
        }
        .changes(&keys),
    );
    let at = commit(
        &fleet,
        &[put("fleet/hub.yaml", &settings(&keys, 3, Fault::Nothing))],
    );
    let mended = load(&mut loader, &fleet, at);
    assert_eq!(frozen(&mended), []);
    let order = &mended.desired.as_ref().unwrap().customers["acme"].orders["website"];
    assert_eq!(order.document.domain.as_str(), "d4.example");
}

#[test]
fn a_decision_that_cannot_be_read_holds_one_customer() {
    let world = World::new(Layout::Bare);
    let (fleet, keys) = (world.fleet("data"), keys());
    let good = settled(&fleet, &keys);
    let mut loader = Loader::new(fleet.objects().clone());
    let before = load(&mut loader, &fleet, good);
    let mistake = Edit::Claim {
        customer: 0,
        domain: 0,
        mistake: true,
    };
    let at = commit(&fleet, &mistake.changes(&keys));
    for loader in [&mut loader, &mut Loader::new(fleet.objects().clone())] {
        let after = load(loader, &fleet, at);
        assert_eq!(
            frozen(&after),
            [("acme".to_owned(), Some(good.to_string()))]
        );
        let (old, new) = (
            before.desired.as_ref().unwrap(),
            after.desired.as_ref().unwrap(),
        );
        assert_eq!(customers(old), customers(new));
        assert!(new.held.iter().map(ToString::to_string).eq(["acme"]));
    }
}

fn server(customer: &str, key: Option<&SigningKey>) -> Change {
    let agent = key.map_or_else(String::new, |key| {
        let age = format!("age1{}", "q".repeat(58));
        format!("agent: {{ sign: {}, age: {age} }}\n", key.public())
    });
    put(
        &format!("fleet/customers/{customer}/servers/one.yaml"),
        &format!("provider: static\naddress: 192.0.2.1\n{agent}"),
    )
}

fn taken(loaded: &Loaded) -> Vec<String> {
    let pairs = loaded.taken.iter();
    pairs
        .map(|(server, holder)| format!("{server} of {holder}"))
        .collect()
}

#[test]
fn a_key_of_two_servers_stays_with_the_one_that_had_it() {
    let world = World::new(Layout::Bare);
    let (fleet, keys) = (world.fleet("data"), keys());
    settled(&fleet, &keys);
    let (one, two) = (
        SigningKey::generate(&mut rand::rng()),
        SigningKey::generate(&mut rand::rng()),
    );
    let mut loader = Loader::new(fleet.objects().clone());
    let mut both = |at: Oid| {
        let loaded = load(&mut loader, &fleet, at);
        let fresh = load(&mut Loader::new(fleet.objects().clone()), &fleet, at);
        assert_eq!(taken(&loaded), taken(&fresh));
        (taken(&loaded), loaded)
    };
    commit(&fleet, &[server("globex", Some(&one))]);
    let at = commit(&fleet, &[server("acme", Some(&two))]);
    assert!(both(at).0.is_empty());

    // The first by name is not the first in time.
    let at = commit(&fleet, &[server("acme", Some(&one))]);
    let (found, loaded) = both(at);
    assert_eq!(found, ["acme/one of globex/one"]);
    let said: Vec<&Diagnostic> = loaded.diagnostics.iter().collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(
        (said[0].code.0, said[0].place.line),
        (codes::AGENT_KEY_TAKEN, 3)
    );
    assert!(
        frozen(&loaded).is_empty(),
        "a key is no reason to hold anything else back"
    );

    // Whoever gives a key up and takes it again comes last.
    let at = commit(&fleet, &[server("globex", Some(&two))]);
    assert!(both(at).0.is_empty());
    let at = commit(&fleet, &[server("globex", Some(&one))]);
    assert_eq!(both(at).0, ["globex/one of acme/one"]);
    let at = commit(&fleet, &[server("acme", None)]);
    assert!(both(at).0.is_empty());
}

#[test]
fn an_activated_fleet_keeps_its_id_and_its_signing_key() {
    let world = World::new(Layout::Bare);
    let (fleet, keys) = (world.fleet("data"), keys());
    settled(&fleet, &keys);
    let age = format!("age1{}", "q".repeat(58));
    let activation = format!("fleet_id: test\nhub: {age}\nrelease: 1.2.3\n");
    let at = commit(&fleet, &[put("fleet/activation.yaml", &activation)]);
    let loaded = load(&mut Loader::new(fleet.objects().clone()), &fleet, at);
    let said = &loaded.diagnostics[0];
    assert_eq!(said.message, "the fleet has no `fleet/hub-key.yaml`");
    assert!(loaded.fleet_frozen);

    let renamed = settings(&keys, 1, Fault::Nothing).replace("fleet_id: test", "fleet_id: other");
    let at = commit(&fleet, &[put("fleet/hub.yaml", &renamed)]);
    let loaded = load(&mut Loader::new(fleet.objects().clone()), &fleet, at);
    let said = &loaded.diagnostics[0];
    assert_eq!((said.code.0, said.place.line), (codes::FLEET_ID_CHANGED, 1));
    let desired = loaded.desired.unwrap();
    assert_eq!(desired.head.hub.fleet_id.as_str(), "test");
}

#[test]
fn something_else_in_the_place_of_a_folder_leaves_customers_as_they_were() {
    for (path, whom, held) in [
        ("fleet/customers/acme", &["acme"][..], false),
        ("fleet/decisions/acme", &["acme"], true),
        ("fleet/decisions", &["acme", "globex", "initech"], true),
    ] {
        let world = World::new(Layout::Bare);
        let (fleet, keys) = (world.fleet("data"), keys());
        settled(&fleet, &keys);
        let mut loader = Loader::new(fleet.objects().clone());
        let before = load(&mut loader, &fleet, fleet.head().unwrap().unwrap());
        let old = before.desired.as_ref().unwrap();
        for kind in ["file", "link"] {
            let at = replaced(&world, path, kind);
            for loader in [&mut loader, &mut Loader::new(fleet.objects().clone())] {
                let after = load(loader, &fleet, at);
                let new = after.desired.as_ref().unwrap();
                assert_eq!(customers(old), customers(new), "{path} is a {kind}");
                let frozen = frozen(&after);
                let frozen: Vec<&str> = frozen.iter().map(|(id, _)| id.as_str()).collect();
                assert_eq!(frozen, whom, "{path} is a {kind}");
                assert!(new.broken.is_empty());
                assert_eq!(!new.held.is_empty(), held, "{path} is a {kind}");
                let said: Vec<_> = after
                    .diagnostics
                    .iter()
                    .map(|found| found.place.file.clone())
                    .collect();
                assert_eq!(said, [path], "{path} is a {kind}");
            }
        }
    }
}

/// Puts a file or a link in the place of a folder, as a person can.
fn replaced(world: &World, path: &str, kind: &str) -> Oid {
    let work = world.data(&format!("work-{kind}"));
    let bare = world.repo();
    git(
        &world.data("."),
        &[
            "clone",
            "-q",
            bare.to_str().unwrap(),
            work.to_str().unwrap(),
        ],
    );
    let place = work.join(path);
    if place.is_dir() && !place.is_symlink() {
        std::fs::remove_dir_all(&place).unwrap();
    } else {
        std::fs::remove_file(&place).unwrap();
    }
    match kind {
        "file" => std::fs::write(&place, "not a folder\n").unwrap(),
        _ => std::os::unix::fs::symlink("globex", &place).unwrap(),
    }
    git(&work, &["add", "-A"]);
    git(&work, &["commit", "-qm", kind]);
    git(&work, &["push", "-q"]);
    Oid::from_str(&git(&work, &["rev-parse", "HEAD"])).unwrap()
}

#[test]
fn a_stricter_policy_takes_nothing_down() {
    let world = World::new(Layout::Bare);
    let (fleet, keys) = (world.fleet("data"), keys());
    let good = settled(&fleet, &keys);
    let mut loader = Loader::new(fleet.objects().clone());
    let before = load(&mut loader, &fleet, good);
    let strict = settings(&keys, 1, Fault::Nothing) + "policy: { registries: [ghcr.io] }\n";
    let at = commit(&fleet, &[put("fleet/hub.yaml", &strict)]);
    for loader in [&mut loader, &mut Loader::new(fleet.objects().clone())] {
        let after = load(loader, &fleet, at);
        let stays = Some(good.to_string());
        assert_eq!(
            frozen(&after),
            [
                ("acme".to_owned(), stays.clone()),
                ("globex".to_owned(), stays)
            ]
        );
        let (old, new) = (before.desired.as_ref(), after.desired.as_ref());
        assert_eq!(customers(old.unwrap()), customers(new.unwrap()));
        let code = |found: &Diagnostic| found.code.0 == codes::NOT_ALLOWED;
        assert!(after.diagnostics.iter().any(code));
    }
}

/// A commit of a person with something else in the place of `fleet/customers`.
fn without_customers(fleet: &Fleet, base: Oid) -> Oid {
    let repo = git2::Repository::open_bare(fleet.objects().path()).unwrap();
    let parent = repo.find_commit(base).unwrap();
    let root = parent.tree().unwrap();
    let inside = root.get_name("fleet").unwrap().to_object(&repo).unwrap();
    let mut builder = repo.treebuilder(inside.as_tree()).unwrap();
    let file = repo.blob(b"oops").unwrap();
    builder.insert("customers", file, 0o100_644).unwrap();
    let inside = builder.write().unwrap();
    let mut builder = repo.treebuilder(Some(&root)).unwrap();
    builder.insert("fleet", inside, 0o040_000).unwrap();
    let tree = repo.find_tree(builder.write().unwrap()).unwrap();
    let who = git2::Signature::now("Person", "person@test.example").unwrap();
    let branch = Some("refs/heads/main");
    repo.commit(branch, &who, &who, "oops", &tree, &[&parent])
        .unwrap()
}

#[test]
fn a_file_in_the_place_of_all_customers_leaves_everybody_as_they_were() {
    let world = World::new(Layout::Bare);
    let (fleet, keys) = (world.fleet("data"), keys());
    let good = settled(&fleet, &keys);
    let mut loader = Loader::new(fleet.objects().clone());
    let before = load(&mut loader, &fleet, good);
    let at = without_customers(&fleet, good);
    let later = commit(&fleet, &[put("readme", "goes on")]);
    for at in [at, later] {
        for loader in [&mut loader, &mut Loader::new(fleet.objects().clone())] {
            let after = load(loader, &fleet, at);
            let each = |loaded: &Loaded| customers(loaded.desired.as_ref().unwrap());
            assert_eq!(each(&after), each(&before));
            let said: Vec<_> = after
                .diagnostics
                .iter()
                .map(|found| (found.code.0, found.place.file.as_str()))
                .collect();
            assert_eq!(said, [(codes::MISPLACED, "fleet/customers")]);
        }
    }
    // Back as it was: nothing is wrong any more.
    let text = put("fleet/customers/initech/customer.yaml", "language: de\n");
    let gone = Change {
        path: "fleet/customers".try_into().unwrap(),
        content: None,
    };
    commit(&fleet, &[gone]);
    let back = commit(&fleet, &[text]);
    let after = load(&mut loader, &fleet, back);
    assert_eq!(customers(after.desired.as_ref().unwrap()).len(), 1);
    assert_eq!(after.diagnostics.len(), 0, "{:?}", after.diagnostics);
}
