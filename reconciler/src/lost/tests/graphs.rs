//! Random histories of people and the hub, with merges: what was in force at any reachable commit and nobody gave up is known to the index.

use super::super::History;
use super::*;
use crate::git::Objects;
use git2::{Repository, Signature, Time};
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tenantry_planner::decision::What;

/// What one commit does.
#[derive(Debug, Clone)]
enum Act {
    /// The hub decides what is not decided and not lost.
    Decide(Index),
    /// A person deletes a decision.
    Delete(Index),
    /// A person puts a decision back as it was at some commit.
    Restore(Index, Index),
    /// A person does something else.
    Other,
    /// A person merges, each file as this says: that of the first parent, of the second, or what git would do.
    Merge(Index, Vec<u8>, bool),
    /// A person gives up what an order lost.
    GiveUp(Index, Index),
}

fn act() -> impl Strategy<Value = Act> {
    let any_index = any::<Index>;
    prop_oneof![
        3 => any_index().prop_map(Act::Decide),
        2 => any_index().prop_map(Act::Delete),
        1 => (any_index(), any_index()).prop_map(|(a, b)| Act::Restore(a, b)),
        1 => Just(Act::Other),
        4 => (any_index(), proptest::collection::vec(0u8..4, ORDERS.len()), any::<bool>())
            .prop_map(|(other, how, swapped)| Act::Merge(other, how, swapped)),
        1 => (any_index(), any_index()).prop_map(|(a, b)| Act::GiveUp(a, b)),
    ]
}

const ORDERS: [&str; 3] = ["one", "two", "three"];

/// What stands at a commit, and what the model knows of its past.
#[derive(Debug, Clone, Default, PartialEq)]
struct State {
    /// By order: which decision it is.
    decided: BTreeMap<&'static str, u32>,
    /// By order, the commit named by each entry.
    given: Vec<(&'static str, Oid)>,
}

/// A commit of the model.
#[derive(Debug, Clone)]
struct Made {
    commit: Oid,
    state: State,
    /// Places of the parents.
    parents: Vec<usize>,
}

struct Model {
    repo: Repository,
    made: Vec<Made>,
    next: u32,
    _folder: TempDir,
}

impl Model {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repo = Repository::init_bare(folder.path()).unwrap();
        let mut model = Self {
            repo,
            made: Vec::new(),
            next: 0,
            _folder: folder,
        };
        model.commit(false, State::default(), &[]);
        model
    }

    fn commit(&mut self, hub: bool, state: State, parents: &[usize]) -> usize {
        let tree = self.tree(&state);
        let email = if hub {
            HUB_EMAIL
        } else {
            "person@test.example"
        };
        let time = Time::new(1_700_000_000 + self.made.len() as i64, 0);
        let who = Signature::new("x", email, &time).unwrap();
        let find = |place: &usize| self.repo.find_commit(self.made[*place].commit).unwrap();
        let found: Vec<_> = parents.iter().map(find).collect();
        let refs: Vec<_> = found.iter().collect();
        let tree = self.repo.find_tree(tree).unwrap();
        let message = self.made.len().to_string();
        let commit = self
            .repo
            .commit(None, &who, &who, &message, &tree, &refs)
            .unwrap();
        self.made.push(Made {
            commit,
            state,
            parents: parents.to_vec(),
        });
        self.made.len() - 1
    }

    fn tree(&self, state: &State) -> Oid {
        let blob = |text: &str| self.repo.blob(text.as_bytes()).unwrap();
        let folder = |entries: Vec<(String, Oid, i32)>| {
            let mut builder = self.repo.treebuilder(None).unwrap();
            for (name, oid, mode) in entries {
                builder.insert(name, oid, mode).unwrap();
            }
            builder.write().unwrap()
        };
        const TREE: i32 = 0o040_000;
        const FILE: i32 = 0o100_644;
        let orders = state.decided.iter().map(|(order, number)| {
            let file = blob(&format!("server: s{number}\nbecause: x\n"));
            let inside = folder(vec![("server.yaml".to_owned(), file, FILE)]);
            ((*order).to_owned(), inside, TREE)
        });
        let customer = folder(orders.collect());
        let mut fleet = vec![(
            "decisions".to_owned(),
            folder(vec![("acme".to_owned(), customer, TREE)]),
            TREE,
        )];
        if !state.given.is_empty() {
            let mut text = String::new();
            for (number, (order, since)) in state.given.iter().enumerate() {
                let _ = writeln!(
                    text,
                    "e{number}: {{ anew: acme/{order}, since: {since}, reason: x }}"
                );
            }
            fleet.push(("acknowledged.yaml".to_owned(), blob(&text), FILE));
        }
        folder(vec![("fleet".to_owned(), folder(fleet), TREE)])
    }

    /// Places of everything reachable from a commit, itself included.
    fn reach(&self, from: usize) -> BTreeSet<usize> {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(place) = open.pop() {
            if seen.insert(place) {
                open.extend(&self.made[place].parents);
            }
        }
        seen
    }

    /// Whether a decision about an order was in force at some commit reachable from `at`, is not there now, and nobody gave it up: no commit that an entry
    /// covers ever had it. (A line that parted before it was given up, and still has it, brings nothing back.)
    fn must_be_known(&self, at: usize, order: &str) -> bool {
        let state = &self.made[at].state;
        if state.decided.contains_key(order) {
            return false;
        }
        let decided = |place: usize| self.made[place].state.decided.get(order);
        let entries = state.given.iter().filter(|(of, _)| *of == order);
        let given: BTreeSet<u32> = entries
            .filter_map(|(_, since)| self.made.iter().position(|made| made.commit == *since))
            .flat_map(|place| self.reach(place))
            .filter_map(|place| decided(place).copied())
            .collect();
        let ever: BTreeSet<u32> = self
            .reach(at)
            .into_iter()
            .filter_map(|place| decided(place).copied())
            .collect();
        !ever.is_subset(&given)
    }

    /// What the index says.
    fn lost(&self, history: &mut History, at: usize, order: &str) -> bool {
        let objects = Objects::open(self.repo.path()).unwrap();
        let commit = self.made[at].commit;
        let revision = Revision {
            commit,
            tree: objects.root_tree(commit).unwrap(),
            generation: 0,
        };
        let mut asked = missing(What::Server, &[]);
        asked.order.order = order.try_into().unwrap();
        let found = history.ask(&objects, revision, [&asked]).unwrap();
        if let Some((_, lost)) = found.first() {
            // The way out is one: the parent that it names has the file.
            let commit = lost.commit.as_deref().unwrap();
            let spec = format!("{commit}^{}:{}", lost.parent, lost.path);
            assert!(self.repo.revparse_single(&spec).is_ok(), "{spec}");
        }
        !found.is_empty()
    }

    fn do_it(&mut self, act: &Act, head: usize) -> usize {
        let mut state = self.made[head].state.clone();
        match act {
            Act::Decide(which) => {
                let order = ORDERS[which.index(ORDERS.len())];
                let lost = self.lost(&mut History::default(), head, order);
                if lost || state.decided.contains_key(order) {
                    return head;
                }
                self.next += 1;
                state.decided.insert(order, self.next);
                self.commit(true, state, &[head])
            }
            Act::Delete(which) => {
                let order = ORDERS[which.index(ORDERS.len())];
                state.decided.remove(order);
                self.commit(false, state, &[head])
            }
            Act::Restore(which, from) => {
                let order = ORDERS[which.index(ORDERS.len())];
                let from = &self.made[from.index(self.made.len())].state;
                if let Some(number) = from.decided.get(order) {
                    state.decided.insert(order, *number);
                }
                self.commit(false, state, &[head])
            }
            Act::Other => self.commit(false, state, &[head]),
            Act::GiveUp(which, since) => {
                let order = ORDERS[which.index(ORDERS.len())];
                let reach: Vec<usize> = self.reach(head).into_iter().collect();
                let since = self.made[reach[since.index(reach.len())]].commit;
                state.given.push((order, since));
                self.commit(false, state, &[head])
            }
            Act::Merge(other, how, swapped) => {
                let other = other.index(self.made.len());
                if self.reach(head).contains(&other) || self.reach(other).contains(&head) {
                    return head;
                }
                self.merge(head, other, how, *swapped)
            }
        }
    }

    fn merge(&mut self, head: usize, other: usize, how: &[u8], swapped: bool) -> usize {
        let (ours, theirs) = (self.made[head].clone(), self.made[other].clone());
        let base = self.repo.merge_base(ours.commit, theirs.commit).unwrap();
        let base = self.made.iter().find(|made| made.commit == base).unwrap();
        let base = base.state.clone();
        let mut state = State::default();
        for (order, how) in ORDERS.into_iter().zip(how) {
            let [a, b, o] =
                [&ours.state, &theirs.state, &base].map(|state| state.decided.get(order).copied());
            let kept = match how {
                0 => a,
                1 => b,
                _ if a == o => b,
                _ => a,
            };
            kept.map(|number| state.decided.insert(order, number));
        }
        state.given.extend(ours.state.given);
        for entry in theirs.state.given {
            if !state.given.contains(&entry) {
                state.given.push(entry);
            }
        }
        let parents = if swapped {
            [other, head]
        } else {
            [head, other]
        };
        self.commit(false, state, &parents)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn what_was_in_force_and_was_not_given_up_is_never_decided_anew(
        acts in proptest::collection::vec((act(), any::<Index>(), 0u8..4), 1..28),
    ) {
        let mut model = Model::new();
        let mut head = 0;
        let mut history = History::default();
        for (act, other, elsewhere) in &acts {
            // Now and then somebody works on another commit, which may be merged later.
            let at = if *elsewhere == 0 { other.index(model.made.len()) } else { head };
            let made = model.do_it(act, at);
            if *elsewhere != 0 {
                head = made;
            }
            let mut anew = History::default();
            for order in ORDERS {
                let fresh = model.lost(&mut anew, made, order);
                prop_assert_eq!(model.lost(&mut history, made, order), fresh, "one that follows");
                if model.must_be_known(made, order) {
                    prop_assert!(fresh, "{} at {} of {:?}", order, made, &model.made);
                }
                let never = model
                    .reach(made)
                    .iter()
                    .all(|place| !model.made[*place].state.decided.contains_key(order));
                let there = model.made[made].state.decided.contains_key(order);
                if never || there {
                    prop_assert!(!fresh || there, "{} was never decided", order);
                }
            }
        }
    }
}
