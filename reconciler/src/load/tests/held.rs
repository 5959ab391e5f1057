//! Removals that are too large in histories of every shape: merges with their parents swapped, of many parents, squashed, long; mistakes that are
//! repaired with other content; acknowledgements that were for something else.

mod random;
mod unread;

use super::removal::{FOUR, customer, entry, gone, leaves, limited, names, waits};
use super::{Fault, keys, put, settings, stack};
use crate::git::edit::apply;
use crate::git::tests::author;
use crate::git::{Change, Objects, Oid};
use crate::hub::HUB_EMAIL;
use crate::load::{Keep, Loaded, Loader, Need, Revision};
use git2::{Repository, Signature, Time};
use std::cell::Cell;
use tenantry_planner::codes;
use tenantry_schema::Diagnostic;

/// A repository in which commits are made with any parents.
pub(in crate::load) struct Graph {
    dir: tempfile::TempDir,
    repo: Repository,
    pub(in crate::load) objects: Objects,
    keys: String,
    clock: Cell<i64>,
}

impl Graph {
    pub(in crate::load) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let repo = Repository::init_bare(dir.path().join("fleet.git")).unwrap();
        let objects = Objects::open(repo.path()).unwrap();
        Self {
            dir,
            repo,
            objects,
            keys: keys(),
            clock: Cell::new(1_760_000_000),
        }
    }

    /// A commit with the tree of its first parent, changed.
    pub(in crate::load) fn commit(&self, parents: &[Oid], changes: &[Change]) -> Oid {
        let base = parents.first().map(|first| self.root(*first));
        self.make(parents, base, changes, &author().email)
    }

    fn by_hub(&self, parent: Oid, text: &str) -> Oid {
        self.decided(parent, put("fleet/decisions/README", text))
    }

    pub(in crate::load) fn decided(&self, parent: Oid, change: Change) -> Oid {
        self.make(&[parent], Some(self.root(parent)), &[change], HUB_EMAIL)
    }

    /// A merge with the tree of `tree`, changed.
    fn merge(&self, parents: &[Oid], tree: Oid, changes: &[Change]) -> Oid {
        self.make(parents, Some(self.root(tree)), changes, &author().email)
    }

    fn make(&self, parents: &[Oid], base: Option<Oid>, changes: &[Change], email: &str) -> Oid {
        let (root, staged) = apply(&self.repo, base, changes).unwrap();
        let database = self.repo.odb().unwrap();
        for object in staged {
            database.write(object.kind, &object.data).unwrap();
        }
        self.clock.set(self.clock.get() + 1);
        let who = Signature::new("somebody", email, &Time::new(self.clock.get(), 0)).unwrap();
        let tree = self.repo.find_tree(root).unwrap();
        let parents: Vec<_> = parents
            .iter()
            .map(|parent| self.repo.find_commit(*parent).unwrap())
            .collect();
        let parents: Vec<&git2::Commit<'_>> = parents.iter().collect();
        self.repo
            .commit(None, &who, &who, "an edit", &tree, &parents)
            .unwrap()
    }

    pub(in crate::load) fn root(&self, commit: Oid) -> Oid {
        self.objects.root_tree(commit).unwrap()
    }

    fn at(&self, commit: Oid) -> Revision {
        Revision {
            tree: self.root(commit),
            commit,
            generation: 0,
        }
    }

    /// As somebody sees it who never saw the fleet before.
    fn fresh(&self, commit: Oid) -> Loaded {
        Loader::new(self.objects.clone())
            .load(self.at(commit))
            .unwrap()
    }

    fn in_force(&self, commit: Oid) -> Vec<String> {
        names(&self.fresh(commit))
    }

    /// A fleet of four without a limit.
    pub(in crate::load) fn four(&self) -> Oid {
        let mut first = stack(0);
        first.push(put(
            "fleet/hub.yaml",
            &settings(&self.keys, 1, Fault::Nothing),
        ));
        let begin = self.commit(&[], &first);
        let tree = self.tree_of_stack(begin);
        let four = FOUR.iter().flat_map(|name| customer(name, &tree, ""));
        self.commit(&[begin], &four.collect::<Vec<_>>())
    }

    fn limit(&self, limit: &str) -> Change {
        limited(&self.keys, limit)
    }

    fn tree_of_stack(&self, commit: Oid) -> String {
        let entry = self.objects.lookup(self.root(commit), "stacks/html");
        entry.unwrap().unwrap().oid.to_string()
    }
}

fn three_leave() -> Vec<Change> {
    ["acme", "globex", "hooli"]
        .into_iter()
        .flat_map(leaves)
        .collect()
}

#[test]
fn a_merge_with_its_parents_swapped_takes_nothing_away() {
    let graph = Graph::new();
    let four = graph.four();
    let main = graph.commit(&[four], &[graph.limit("1")]);
    // A branch from before the limit.
    let old = graph.commit(&[four], &three_leave());
    let lacks = graph.commit(&[main], &three_leave());
    for parents in [[old, main], [main, old]] {
        let merge = graph.merge(&parents, lacks, &[]);
        assert_eq!(graph.in_force(merge), FOUR, "{parents:?}");
        // Whatever comes on top, and whatever is merged again.
        let later = graph.commit(&[merge], &[put("README.md", "x")]);
        assert_eq!(graph.in_force(later), FOUR);
        let again = graph.merge(&[old, later], later, &[]);
        assert_eq!(graph.in_force(again), FOUR);
        // It can be agreed to.
        let text = entry("they-leave", &graph.fresh(again));
        let agreed = graph.commit(&[again], &[put("fleet/acknowledged.yaml", &text)]);
        assert_eq!(graph.in_force(agreed), ["initech"]);
    }
    // `merge -s ours` of a branch that knows of nobody.
    let empty = graph.commit(&[], &stack(0));
    for parents in [
        vec![empty, main],
        vec![main, old, empty],
        vec![old, empty, main],
    ] {
        let merge = graph.merge(&parents, lacks, &[]);
        assert_eq!(graph.in_force(merge), FOUR, "{parents:?}");
    }
}

#[test]
fn a_branch_that_removes_too_much_is_held_however_it_is_merged() {
    let graph = Graph::new();
    let main = graph.commit(&[graph.four()], &[graph.limit("1")]);
    let branch = graph.commit(&[main], &three_leave());
    let mut one_by_one = main;
    for name in ["acme", "globex", "hooli"] {
        one_by_one = graph.commit(&[one_by_one], &leaves(name));
    }
    let main = graph.by_hub(main, "meanwhile");
    for branch in [branch, one_by_one] {
        let tree = graph.commit(&[main], &three_leave());
        let squashed = tree;
        let merged = graph.merge(&[main, branch], tree, &[]);
        // A person's `git pull` on the branch: the hub was on the other one.
        let pulled = graph.merge(&[branch, main], tree, &[]);
        for commit in [squashed, merged, pulled] {
            assert_eq!(graph.in_force(commit), FOUR);
        }
    }
}

#[test]
fn whoever_pulls_brings_nobody_back() {
    let graph = Graph::new();
    let main = graph.commit(&[graph.four()], &[graph.limit("1")]);
    let person = graph.commit(&[main], &[put("README.md", "my work")]);
    let mut later = main;
    for name in ["acme", "globex"] {
        later = graph.commit(&[later], &leaves(name));
    }
    let two_left = graph.merge(&[main], later, &[put("README.md", "my work")]);
    let later = graph.by_hub(later, "a decision");
    for parents in [[person, later], [later, person]] {
        let merge = graph.merge(&parents, two_left, &[]);
        assert_eq!(graph.in_force(merge), ["hooli", "initech"]);
    }
}

#[test]
fn who_came_while_something_was_held_is_safe_as_well() {
    let graph = Graph::new();
    let main = graph.commit(&[graph.four()], &[graph.limit("1")]);
    let held = graph.commit(&[main], &three_leave());
    let tree = graph.tree_of_stack(main);
    let new = ["umbrella", "wayne"];
    let came: Vec<Change> = new
        .iter()
        .flat_map(|name| customer(name, &tree, ""))
        .collect();
    let came = graph.commit(&[held], &came);
    let all = ["acme", "globex", "hooli", "initech", "umbrella", "wayne"];
    assert_eq!(graph.in_force(came), all);
    let go: Vec<Change> = new.into_iter().flat_map(leaves).collect();
    let gone = graph.commit(&[came], &go);
    assert_eq!(graph.in_force(gone), all);
    let later = graph.commit(&[gone], &[put("README.md", "x")]);
    assert_eq!(graph.in_force(later), all);
    let loaded = graph.fresh(later);
    assert_eq!(loaded.removals[0].servers, 5);
    let agreed = put("fleet/acknowledged.yaml", &entry("all-of-them", &loaded));
    let agreed = graph.commit(&[later], &[agreed]);
    assert_eq!(graph.in_force(agreed), ["initech"]);
}

#[test]
fn nothing_is_forgotten_and_what_is_not_known_is_said() {
    let graph = Graph::new();
    let main = graph.commit(&[graph.four()], &[graph.limit("1")]);
    let mut at = graph.commit(&[main], &three_leave());
    let edit = |number: usize| {
        let text = format!("language: en\n# {number}\n");
        put("fleet/customers/initech/customer.yaml", &text)
    };
    for number in 0..12 {
        at = graph.commit(&[at], &[edit(number)]);
    }
    let near = |keep: Option<Keep>| {
        let loader = Loader::new(graph.objects.clone()).looking_back(5);
        loader.remembering(keep).load(graph.at(at)).unwrap()
    };
    let said = |loaded: &Loaded| {
        let found = loaded.diagnostics.iter();
        let found = found.filter(|found| found.code.0 == codes::TOO_MUCH_GOES);
        found.map(Diagnostic::is_error).collect::<Vec<_>>()
    };
    assert_eq!(said(&near(None)), [false], "a warning that it is not known");
    let far = || Loader::new(graph.objects.clone()).looking_far_back();
    let keep = Some(Keep {
        places: vec![graph.dir.path().join("held.cache")],
        program: [1; 32],
        after: 1,
    });
    let loaded = far().remembering(keep.clone()).load(graph.at(at)).unwrap();
    assert_eq!(
        (names(&loaded), said(&loaded)),
        (FOUR.map(String::from).into(), vec![true])
    );
    // Kept: whoever looks at little goes on from there.
    let loaded = near(keep.clone());
    assert_eq!(
        (names(&loaded), said(&loaded)),
        (FOUR.map(String::from).into(), vec![true])
    );
    for number in 12..20 {
        at = graph.commit(&[at], &[edit(number)]);
        let loader = Loader::new(graph.objects.clone()).looking_back(5);
        let loaded = loader.remembering(keep.clone()).load(graph.at(at)).unwrap();
        assert_eq!(names(&loaded), FOUR);
    }
}

#[test]
fn a_mistake_and_a_repair_with_other_content_is_a_change() {
    let graph = Graph::new();
    let main = graph.commit(&[graph.four()], &[graph.limit("1")]);
    let servers = |text: &str| -> Vec<Change> {
        let path = |name| format!("fleet/customers/{name}/servers/one.yaml");
        FOUR.map(|name| put(&path(name), text)).into()
    };
    let orders = |text: &str| -> Vec<Change> {
        let path = |name| format!("fleet/customers/{name}/orders/web.yaml");
        FOUR.map(|name| put(&path(name), &text.replace("NAME", name)))
            .into()
    };
    let cases = [
        (
            servers("provider: [\n"),
            servers("provider: static\naddress: 192.0.2.99\n"),
        ),
        (
            orders("plan: [\n"),
            orders("plan: pro\ndomain: NAME.example\ntools: {}\n"),
        ),
    ];
    for (mistake, other) in cases {
        let broken = graph.commit(&[main], &mistake);
        assert_eq!(graph.in_force(broken), FOUR);
        let repaired = graph.commit(&[broken], &other);
        let loaded = graph.fresh(repaired);
        assert!(FOUR.iter().all(|name| waits(&loaded, name)));
        assert_eq!(loaded.removals[0].servers, 4);
        // As it was: nothing is to be said.
        let undone = graph.merge(&[broken], main, &[]);
        assert!(graph.fresh(undone).removals.is_empty());
    }
}

#[test]
fn a_folder_that_became_a_file_and_went_is_a_customer_who_went() {
    let graph = Graph::new();
    let main = graph.commit(&[graph.four()], &[graph.limit("1")]);
    let without = graph.commit(&[main], &three_leave());
    let files =
        ["acme", "globex", "hooli"].map(|name| put(&format!("fleet/customers/{name}"), "x"));
    let broken = graph.merge(&[main], without, &files);
    assert_eq!(graph.in_force(broken), FOUR);
    let removal: Vec<Change> = ["acme", "globex", "hooli"]
        .map(|name| gone(format!("fleet/customers/{name}")))
        .into();
    let went = graph.commit(&[broken], &removal);
    assert_eq!(graph.in_force(went), FOUR);
    let later = graph.commit(&[went], &[put("README.md", "x")]);
    assert_eq!(graph.in_force(later), FOUR);
}

#[test]
fn decisions_that_went_first_hide_nothing() {
    let graph = Graph::new();
    let main = graph.commit(&[graph.four()], &[graph.limit("1")]);
    let decided = ["server.yaml", "domain.yaml", "tools/html.yaml"];
    let undecided: Vec<Change> = FOUR
        .iter()
        .flat_map(|name| decided.map(|file| gone(format!("fleet/decisions/{name}/web/{file}"))))
        .collect();
    let undecided = graph.commit(&[main], &undecided);
    let orders: Vec<Change> = FOUR
        .map(|name| gone(format!("fleet/customers/{name}/orders/web.yaml")))
        .into();
    let went = graph.commit(&[undecided], &orders);
    let loaded = graph.fresh(went);
    assert_eq!(loaded.removals[0].servers, 4);
    assert!(FOUR.iter().all(|name| waits(&loaded, name)));
    // Orders that never came to a server count for nothing.
    let new = put(
        "fleet/customers/acme/orders/new.yaml",
        "plan: pro\ndomain: new.example\ntools: [html]\n",
    );
    let new = graph.commit(&[main], &[new]);
    let went = graph.commit(
        &[new],
        &[gone("fleet/customers/acme/orders/new.yaml".into())],
    );
    assert!(graph.fresh(went).removals.is_empty());
}

#[test]
fn an_entry_of_one_machine_is_none_of_a_third() {
    let graph = Graph::new();
    let main = graph.commit(&[graph.four()], &[graph.limit("0")]);
    let moved = |last: u8| {
        let text = format!("provider: static\naddress: 192.0.2.{last}\n");
        put("fleet/customers/acme/servers/one.yaml", &text)
    };
    let second = graph.commit(&[main], &[moved(2)]);
    let text = entry("to-two", &graph.fresh(second));
    let third = graph.commit(
        &[second],
        &[moved(3), put("fleet/acknowledged.yaml", &text)],
    );
    assert!(waits(&graph.fresh(third), "acme"));
    let agreed = graph.commit(&[second], &[put("fleet/acknowledged.yaml", &text)]);
    assert!(!waits(&graph.fresh(agreed), "acme"));
}

#[test]
fn what_is_no_server_makes_no_limit_wider() {
    let graph = Graph::new();
    let main = graph.commit(&[graph.four()], &[graph.limit("10%")]);
    let junk: Vec<Change> = (0..40)
        .map(|number| match number % 2 {
            0 => put(
                &format!("fleet/customers/initech/servers/x{number}.yaml"),
                "x: 1\n",
            ),
            _ => put(
                &format!("fleet/customers/initech/servers/x{number}.txt"),
                "",
            ),
        })
        .collect();
    let padded = graph.commit(&[main], &junk);
    let two: Vec<Change> = ["acme", "globex"].into_iter().flat_map(leaves).collect();
    let removed = graph.commit(&[padded], &two);
    let loaded = graph.fresh(removed);
    assert!(names(&loaded).iter().eq(FOUR));
    assert_eq!(loaded.removals[0].of, 4);
}

const FOLLOW: [&str; 3] = ["acme", "globex", "hooli"];

/// Customers who follow the branch, as they are once they run what it has.
fn following(graph: &Graph, parent: Oid, names: &[&str]) -> Vec<Change> {
    let tree = graph.tree_of_stack(parent);
    let each = names.iter();
    each.flat_map(|name| customer(name, &tree, "{ revision: main }"))
        .collect()
}

/// Acme, Globex and Hooli follow the branch.
fn followers(graph: &Graph, parent: Oid) -> Oid {
    graph.commit(&[parent], &following(graph, parent, &FOLLOW))
}

/// The hub moves them.
fn moved(graph: &Graph, parent: Oid, names: &[&str]) -> Oid {
    let changes = following(graph, parent, names);
    graph.make(&[parent], Some(graph.root(parent)), &changes, HUB_EMAIL)
}

#[test]
fn an_entry_for_a_version_ends_when_everybody_moved() {
    let graph = Graph::new();
    let main = graph.commit(&[graph.four()], &[graph.limit("1")]);
    let main = followers(&graph, main);
    let second = graph.commit(&[main], &stack(1));
    let loaded = graph.fresh(second);
    assert!(waits(&loaded, "acme"));
    let first_entry = entry("to-one", &loaded);
    let agreed = graph.commit(&[second], &[put("fleet/acknowledged.yaml", &first_entry)]);
    assert!(!waits(&graph.fresh(agreed), "acme"));
    // It counts for as long as it takes: one moves, days later the others.
    let one = moved(&graph, agreed, &["acme"]);
    assert!(!waits(&graph.fresh(one), "globex"));
    let all = moved(&graph, one, &FOLLOW);
    // On to another version, and back: that is another move.
    let third = graph.commit(&[all], &stack(2));
    let both = format!("{first_entry}{}", entry("to-two", &graph.fresh(third)));
    let third = graph.commit(&[third], &[put("fleet/acknowledged.yaml", &both)]);
    assert!(!waits(&graph.fresh(third), "acme"));
    let third = moved(&graph, third, &FOLLOW);
    let back = graph.commit(&[third], &stack(1));
    let loaded = graph.fresh(back);
    assert!(
        ["acme", "globex", "hooli"]
            .iter()
            .all(|name| waits(&loaded, name))
    );
    // A limit that is lifted with the change of the stack is still the one that counts.
    let mut changes = stack(2);
    changes.push(graph.limit("100%"));
    let lifted = graph.commit(&[all], &changes);
    let later = graph.commit(&[lifted], &[put("README.md", "x")]);
    assert!(waits(&graph.fresh(lifted), "acme") && waits(&graph.fresh(later), "acme"));
}

#[test]
fn what_is_known_of_customers_serves_with_a_limit_as_well() {
    let graph = Graph::new();
    let four = graph.four();
    let nginx = graph.objects.lookup(graph.root(four), "nginx");
    let nginx = nginx.unwrap().unwrap().oid;
    let pin = format!(
        "pin: {{ tree: {}, nginx: {nginx} }}\nports: {{ site: 20000 }}\n",
        graph.tree_of_stack(four)
    );
    let mut changes: Vec<Change> = FOUR
        .map(|name| put(&format!("fleet/decisions/{name}/web/tools/html.yaml"), &pin))
        .into();
    changes.push(graph.limit("1"));
    let main = graph.commit(&[four], &changes);
    let load = |cache, commit| {
        let mut loader = Loader::sparse(graph.objects.clone(), cache, Need::Verdict).unwrap();
        let loaded = loader.load(graph.at(commit)).unwrap();
        (loaded, loader.into_cache().unwrap())
    };
    let path = graph.dir.path().join("customers.cache");
    let again = |cache: crate::cache::Cache| {
        cache.save(std::slice::from_ref(&path), &[1; 32]);
        crate::cache::Cache::open(&path, &[1; 32])
    };
    let (first, cache) = load(crate::cache::Cache::default(), main);
    assert_eq!(first.unread.len(), 0);
    let (second, cache) = load(again(cache), main);
    assert_eq!(second.unread.len(), 4, "nobody is read again");
    let held = graph.commit(&[main], &three_leave());
    let (third, _) = load(again(cache), held);
    assert_eq!((third.unread.len(), names(&third).len()), (1, 3));
    assert_eq!(third.removals, graph.fresh(held).removals);
}
