//! A commit that takes away too much: nobody loses anything by it until it is acknowledged or put back, whichever hub looks, and everybody else
//! moves on.

use super::{Fault, commit, customers, enough, keys, load, put, settings, stack, told};
use crate::git::tests::World;
use crate::git::{Change, Fleet, Layout, Oid};
use crate::load::{Loaded, Loader, Revision};
use proptest::prelude::*;
use tenantry_planner::codes;
use tenantry_planner::waiting::WaitingOn;

pub(super) const FOUR: [&str; 4] = ["acme", "globex", "hooli", "initech"];

pub(super) fn limited(keys: &str, limit: &str) -> Change {
    let text = settings(keys, 1, Fault::Nothing);
    put(
        "fleet/hub.yaml",
        &format!("{text}policy: {{ max_removed: {limit} }}\n"),
    )
}

pub(super) fn gone(path: String) -> Change {
    Change {
        path: path.as_str().try_into().unwrap(),
        content: None,
    }
}

const PIN: &str = "2222222222222222222222222222222222222222";

/// A customer with a server and an order that runs there; `tree` is what it is pinned to.
pub(super) fn customer(name: &str, tree: &str, revision: &str) -> Vec<Change> {
    let folder = format!("fleet/customers/{name}");
    let decisions = format!("fleet/decisions/{name}/web");
    let last = name.bytes().fold(0, u8::wrapping_add);
    vec![
        put(&format!("{folder}/customer.yaml"), "language: en\n"),
        put(
            &format!("{folder}/servers/one.yaml"),
            &format!("provider: static\naddress: 192.0.2.{last}\n"),
        ),
        put(
            &format!("{folder}/orders/web.yaml"),
            &format!("plan: pro\ndomain: {name}.example\ntools: {{ html: {revision} }}\n"),
        ),
        put(
            &format!("{decisions}/server.yaml"),
            "server: one\nbecause: the only one\n",
        ),
        put(
            &format!("{decisions}/domain.yaml"),
            &format!("domain: {name}.example\n"),
        ),
        put(
            &format!("{decisions}/tools/html.yaml"),
            &format!("pin: {{ tree: {tree}, nginx: {PIN} }}\nports: {{ site: 20000 }}\n"),
        ),
    ]
}

pub(super) fn leaves(name: &str) -> Vec<Change> {
    ["customer.yaml", "servers/one.yaml", "orders/web.yaml"]
        .map(|file| gone(format!("fleet/customers/{name}/{file}")))
        .into()
}

pub(super) fn entry(name: &str, loaded: &Loaded) -> String {
    let removal = &loaded.removals[0];
    removal.entry().replace("a-name-of-yours", name)
}

/// A fleet of four, with loaders that have seen it grow and loaders that have not.
pub(super) struct Watched {
    world: World,
    pub(super) fleet: Fleet,
    keys: String,
    pub(super) kept: Loader,
}

impl Watched {
    pub(super) fn new(limit: &str) -> Self {
        let world = World::new(Layout::Bare);
        let (fleet, keys) = (world.fleet("data"), keys());
        let mut first = stack(0);
        first.push(limited(&keys, limit));
        commit(&fleet, &first);
        let kept = Loader::new(fleet.objects().clone());
        let mut watched = Self {
            world,
            fleet,
            keys,
            kept,
        };
        let tree = watched.tree_of_stack();
        let four = FOUR.iter().flat_map(|name| customer(name, &tree, ""));
        watched.commit(&four.collect::<Vec<_>>());
        watched
    }

    pub(super) fn tree_of_stack(&self) -> String {
        let head = self.fleet.head().unwrap().unwrap();
        let objects = self.fleet.objects();
        let root = objects.root_tree(head).unwrap();
        let entry = objects.lookup(root, "stacks/html").unwrap().unwrap();
        entry.oid.to_string()
    }

    fn folder_of_customers(&self) -> Oid {
        let head = self.fleet.head().unwrap().unwrap();
        let objects = self.fleet.objects();
        let root = objects.root_tree(head).unwrap();
        let entry = objects.lookup(root, "fleet/customers").unwrap().unwrap();
        entry.oid
    }

    /// Commits something else where the folder of customers is, as people can, and loads it.
    fn put_in_place_of_customers(&mut self, what: Oid, mode: i32) -> Loaded {
        let repo = git2::Repository::open(self.world.repo()).unwrap();
        let head = repo
            .find_reference("refs/heads/main")
            .and_then(|main| main.peel_to_commit())
            .unwrap();
        let tree = head.tree().unwrap();
        let fleet = tree.get_name("fleet").unwrap().id();
        let fleet = repo.find_tree(fleet).unwrap();
        let mut inner = repo.treebuilder(Some(&fleet)).unwrap();
        inner.insert("customers", what, mode).unwrap();
        let mut outer = repo.treebuilder(Some(&tree)).unwrap();
        outer
            .insert("fleet", inner.write().unwrap(), 0o040_000)
            .unwrap();
        let tree = repo.find_tree(outer.write().unwrap()).unwrap();
        let who = git2::Signature::now("Pat", "pat@example.com").unwrap();
        let at = repo
            .commit(
                Some("refs/heads/main"),
                &who,
                &who,
                "something else",
                &tree,
                &[&head],
            )
            .unwrap();
        load(&mut self.kept, &self.fleet, at)
    }

    /// Commits and loads, twice: by one that goes on and by one that never saw the fleet before.
    #[track_caller]
    pub(super) fn commit(&mut self, changes: &[Change]) -> (Oid, Loaded) {
        let at = commit(&self.fleet, changes);
        let loaded = load(&mut self.kept, &self.fleet, at);
        let fresh = load(
            &mut Loader::new(self.fleet.objects().clone()),
            &self.fleet,
            at,
        );
        assert_eq!(told(&loaded), told(&fresh));
        (at, loaded)
    }
}

pub(super) fn names(loaded: &Loaded) -> Vec<String> {
    let desired = loaded.desired.as_ref().unwrap();
    customers(desired).into_keys().collect()
}

pub(super) fn waits(loaded: &Loaded, name: &str) -> bool {
    let customer = &loaded.desired.as_ref().unwrap().customers[name];
    let held = |wait: &WaitingOn| matches!(wait, WaitingOn::Acknowledgement { .. });
    customer.waiting.iter().any(held)
}

#[test]
fn a_slip_of_the_finger_stops_nothing_that_runs() {
    let mut watched = Watched::new("25%");
    let (before, _) = watched.commit(&[put("README.md", "hello")]);
    let mut slip: Vec<Change> = ["acme", "globex", "hooli"]
        .into_iter()
        .flat_map(leaves)
        .collect();
    let order = "plan: pro\ndomain: initech.example\ntools: { html: { state: stopped } }\n";
    slip.push(put("fleet/customers/initech/orders/web.yaml", order));
    let (_, loaded) = watched.commit(&slip);
    assert_eq!(names(&loaded), FOUR, "all of them are there");
    let desired = loaded.desired.as_ref().unwrap();
    for name in ["acme", "globex", "hooli"] {
        assert!(waits(&loaded, name));
        assert!(desired.held.contains(name), "nothing is decided for {name}");
        let order = &desired.customers[name].orders["web"];
        assert!(order.tools["html"].stack.is_some() && order.server.is_some());
    }
    assert!(!waits(&loaded, "initech"));
    let stopped = &desired.customers["initech"].orders["web"].tools["html"];
    assert_eq!(
        stopped.document.state,
        tenantry_schema::document::State::Stopped
    );
    let said = &loaded.diagnostics[0];
    assert_eq!((said.code.0, said.is_error()), (codes::TOO_MUCH_GOES, true));
    assert_eq!(
        said.message,
        "something goes on 3 of 4 servers at once, and `policy.max_removed` allows 25%, that is 1"
    );
    let stays: Vec<_> = loaded
        .frozen
        .iter()
        .map(|scope| scope.stays_at.clone())
        .collect();
    assert_eq!(stays, vec![Some(before.to_string()); 3]);

    // It stays so whatever is committed on top, by people or by a hub.
    watched.commit(&[put("README.md", "later")]);
    let claim = put(
        "fleet/decisions/initech/web/fulfilled.yaml",
        "order: null\ntools: {}\n",
    );
    let (_, loaded) = watched.commit(&[claim]);
    assert_eq!(names(&loaded), FOUR);
    assert!(waits(&loaded, "hooli"));

    // Two are put back: the one that is left may go.
    let tree = watched.tree_of_stack();
    let back: Vec<Change> = ["acme", "globex"]
        .iter()
        .flat_map(|name| customer(name, &tree, ""))
        .collect();
    let (_, loaded) = watched.commit(&back);
    assert_eq!(names(&loaded), ["acme", "globex", "initech"]);
    assert!(loaded.frozen.is_empty() && loaded.removals.is_empty());
    assert!(!waits(&loaded, "acme"));
}

#[test]
fn a_folder_that_was_something_else_meanwhile_makes_the_fleet_no_smaller() {
    let mut watched = Watched::new("50%");
    let folder = watched.folder_of_customers();
    let repo = git2::Repository::open(watched.world.repo()).unwrap();
    let file = repo.blob(b"what is this?").unwrap();
    let loaded = watched.put_in_place_of_customers(file, 0o100_644);
    assert_eq!(names(&loaded), FOUR, "an error, and nobody is gone");
    // The folder comes back with half of them: that is what the policy allows.
    let four = repo.find_tree(folder).unwrap();
    let mut two = repo.treebuilder(Some(&four)).unwrap();
    two.remove("hooli").unwrap();
    two.remove("initech").unwrap();
    let loaded = watched.put_in_place_of_customers(two.write().unwrap(), 0o040_000);
    assert_eq!(names(&loaded), ["acme", "globex"]);
    assert!(loaded.removals.is_empty() && loaded.frozen.is_empty());
    // With one more gone it is not.
    watched.put_in_place_of_customers(file, 0o100_644);
    two.insert("hooli", four.get_name("hooli").unwrap().id(), 0o040_000)
        .unwrap();
    for gone in ["acme", "globex"] {
        two.remove(gone).unwrap();
    }
    let loaded = watched.put_in_place_of_customers(two.write().unwrap(), 0o040_000);
    assert_eq!(names(&loaded), ["acme", "globex", "hooli"]);
    assert_eq!((loaded.removals[0].of, loaded.frozen.len()), (2, 2));
}

#[test]
fn what_is_acknowledged_goes() {
    let mut watched = Watched::new("1");
    let two: Vec<Change> = ["acme", "globex"].into_iter().flat_map(leaves).collect();
    let (_, loaded) = watched.commit(&two);
    assert_eq!(names(&loaded), FOUR);
    let text = entry("they-leave", &loaded);
    // One more goes meanwhile: that is not what the entry names.
    watched.commit(&leaves("hooli"));
    let (_, loaded) = watched.commit(&[put("fleet/acknowledged.yaml", &text)]);
    assert_eq!(names(&loaded), FOUR);
    let tree = watched.tree_of_stack();
    let (_, loaded) = watched.commit(&customer("hooli", &tree, ""));
    assert_eq!(names(&loaded), ["hooli", "initech"]);
    assert!(loaded.frozen.is_empty());

    // They come back and go again: an entry counts once.
    let back: Vec<Change> = ["acme", "globex"]
        .iter()
        .flat_map(|name| customer(name, &tree, ""))
        .collect();
    watched.commit(&back);
    let (_, loaded) = watched.commit(&two);
    assert_eq!(names(&loaded), FOUR);
    let again = format!("{text}{}", entry("again", &loaded));
    let (_, loaded) = watched.commit(&[put("fleet/acknowledged.yaml", &again)]);
    assert_eq!(names(&loaded), ["hooli", "initech"]);
}

#[test]
fn a_branch_can_be_acknowledged_before_it_is_merged() {
    let mut watched = Watched::new("1");
    let main = watched.fleet.head().unwrap().unwrap();
    let two: Vec<Change> = ["acme", "globex"].into_iter().flat_map(leaves).collect();
    // What the branch would be, seen on top of main, as `check` and `plan` do.
    let objects = watched.fleet.objects().clone();
    let (at, _) = watched.commit(&two);
    let tree = objects.root_tree(at).unwrap();
    let revision = Revision {
        tree,
        commit: main,
        generation: 0,
    };
    let seen = Loader::new(objects).load(revision).unwrap();
    let text = entry("they-leave", &seen);
    // Merged with the entry in one commit, whatever its id.
    let mut other = Watched::new("1");
    let mut merged = two;
    merged.push(put("fleet/acknowledged.yaml", &text));
    let (_, loaded) = other.commit(&merged);
    assert_eq!(names(&loaded), ["hooli", "initech"]);
    assert!(loaded.diagnostics.is_empty());
}

#[test]
fn a_commit_cannot_lift_the_limit_for_itself() {
    let mut watched = Watched::new("1");
    let mut slip: Vec<Change> = ["acme", "globex"].into_iter().flat_map(leaves).collect();
    slip.push(limited(&watched.keys, "100%"));
    let (_, loaded) = watched.commit(&slip);
    assert_eq!(names(&loaded), FOUR);
    // Nor for the ones after it: what is held back stays so by the rule of then.
    for text in ["x", "y"] {
        let (_, loaded) = watched.commit(&[put("README.md", text)]);
        assert_eq!(names(&loaded), FOUR);
    }
    let (_, loaded) = watched.commit(&leaves("hooli"));
    assert_eq!(names(&loaded), FOUR);
    let text = entry("they-leave", &loaded);
    let (_, loaded) = watched.commit(&[put("fleet/acknowledged.yaml", &text)]);
    assert_eq!(names(&loaded), ["initech"]);
    // Now it is lifted.
    let (_, loaded) = watched.commit(&leaves("initech"));
    assert!(names(&loaded).is_empty());
}

#[test]
fn everything_below_customers_stays() {
    let mut watched = Watched::new("25%");
    let all: Vec<Change> = FOUR.into_iter().flat_map(leaves).collect();
    let (_, loaded) = watched.commit(&all);
    assert_eq!(names(&loaded), FOUR);
    assert!(FOUR.iter().all(|name| waits(&loaded, name)));
}

#[test]
fn a_new_version_that_many_follow_waits() {
    let mut watched = Watched::new("2");
    let tree = watched.tree_of_stack();
    let followers: Vec<Change> = ["acme", "globex", "hooli"]
        .iter()
        .flat_map(|name| customer(name, &tree, "{ revision: main }"))
        .collect();
    watched.commit(&followers);
    let (_, loaded) = watched.commit(&stack(1));
    let new = watched.tree_of_stack();
    assert_ne!(tree, new);
    let runs = |loaded: &Loaded, name: &str| {
        let desired = loaded.desired.as_ref().unwrap();
        let tool = &desired.customers[name].orders["web"].tools["html"];
        tool.stack.as_ref().unwrap().tree.to_string()
    };
    for name in ["acme", "globex", "hooli"] {
        assert_eq!(runs(&loaded, name), tree, "{name} stays at its version");
        assert!(waits(&loaded, name));
    }
    assert!(!waits(&loaded, "initech"));
    assert_eq!(loaded.diagnostics[0].code.0, codes::TOO_MUCH_GOES);
    // Edits of theirs go on meanwhile.
    let edited = customer("acme", &tree, "{ revision: main, state: stopped }");
    let (_, loaded) = watched.commit(&edited);
    let desired = loaded.desired.as_ref().unwrap();
    let tool = &desired.customers["acme"].orders["web"].tools["html"];
    assert_eq!(
        tool.document.state,
        tenantry_schema::document::State::Stopped
    );

    let text = entry("new-html", &loaded);
    let (_, loaded) = watched.commit(&[put("fleet/acknowledged.yaml", &text)]);
    for name in ["acme", "globex", "hooli"] {
        assert_eq!(runs(&loaded, name), new);
        assert!(!waits(&loaded, name));
    }
    // The next version takes an entry of its own.
    let (_, loaded) = watched.commit(&stack(2));
    assert!(waits(&loaded, "acme"));
}

#[test]
fn without_a_limit_nothing_is_held() {
    let mut watched = Watched::new("1");
    let free = put(
        "fleet/hub.yaml",
        &settings(&watched.keys, 1, Fault::Nothing),
    );
    watched.commit(&[free]);
    let all: Vec<Change> = FOUR.into_iter().flat_map(leaves).collect();
    let (_, loaded) = watched.commit(&all);
    assert!(names(&loaded).is_empty() && loaded.removals.is_empty());
}

/// Something that people commit.
#[derive(Debug, Clone)]
enum Edit {
    Leaves(usize),
    Comes(usize),
    Mistake(usize),
    Limit(&'static str),
    Stack(u8),
    Acknowledge,
    Decision(u8),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        6 => (0..4usize).prop_map(Edit::Leaves),
        4 => (0..4usize).prop_map(Edit::Comes),
        1 => (0..4usize).prop_map(Edit::Mistake),
        1 => prop::sample::select(vec!["1", "50%", "0"]).prop_map(Edit::Limit),
        1 => (0..3u8).prop_map(Edit::Stack),
        2 => Just(Edit::Acknowledge),
        2 => any::<u8>().prop_map(Edit::Decision),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// What is told does not depend on when a hub began to look, nor on how many commits it saw at once.
    #[test]
    fn every_hub_finds_the_same(edits in prop::collection::vec(prop::collection::vec(edit(), 1..3), 1..10)) {
        let mut watched = Watched::new("1");
        let tree = watched.tree_of_stack();
        let at = watched.fleet.head().unwrap().unwrap();
        let mut before = load(&mut watched.kept, &watched.fleet, at);
        let (mut entries, mut last) = (String::new(), None::<String>);
        for (round, batch) in edits.into_iter().enumerate() {
            let mut changes = Vec::new();
            for edit in batch {
                changes.extend(match edit {
                    Edit::Leaves(who) => leaves(FOUR[who]),
                    Edit::Comes(who) => customer(FOUR[who], &tree, "{ revision: main }"),
                    Edit::Mistake(who) => {
                        vec![put(&format!("fleet/customers/{}/orders/web.yaml", FOUR[who]), "plan: [")]
                    }
                    Edit::Limit(limit) => vec![limited(&watched.keys, limit)],
                    Edit::Stack(title) => stack(title),
                    Edit::Acknowledge => last.take().map_or(Vec::new(), |entry| {
                        entries.push_str(&entry);
                        vec![put("fleet/acknowledged.yaml", &entries)]
                    }),
                    Edit::Decision(text) => vec![put("fleet/decisions/README", &text.to_string())],
                });
                let at = commit(&watched.fleet, &changes);
                changes.clear();
                let fresh = load(&mut Loader::new(watched.fleet.objects().clone()), &watched.fleet, at);
                last = fresh.removals.first().filter(|removal| removal.is_held()).map(|removal| {
                    removal.entry().replace("a-name-of-yours", &format!("entry-{round}-{}", entries.len()))
                });
            }
            let at = watched.fleet.head().unwrap().unwrap();
            let kept = load(&mut watched.kept, &watched.fleet, at);
            let fresh = load(&mut Loader::new(watched.fleet.objects().clone()), &watched.fleet, at);
            prop_assert_eq!(told(&kept), told(&fresh));
            enough(&before, &kept)?;
            before = kept;
        }
    }
}
