//! What is left out because it is known changes nothing: verdict and plan are those of a loader that reads everybody, after any edit.

use super::{CUSTOMERS, Edit, Fault, commit, edit, keys, load, put, settings, stack};
use crate::cache::Cache;
use crate::foresee::{Foreseen, Foresight, Past};
use crate::git::tests::World;
use crate::git::{Change, Fleet, Layout, Oid, Scratch};
use crate::load::{Loaded, Loader, Need, Revision};
use crate::review::{End, Ends, Report};
use jiff::Timestamp;
use proptest::prelude::*;
use std::collections::HashMap;
use std::path::PathBuf;
use tenantry_planner::addresses;
use tenantry_planner::domains::contested;
use tenantry_planner::plan::PlanCache;
use tenantry_planner::{Inventory, Observed};
use tenantry_schema::Diagnostic;

const STAMP: [u8; 32] = [7; 32];

/// What customers see of each other, and what is said of them though they are good.
#[derive(Debug, Clone)]
enum Step {
    Any(Edit),
    /// A server whose agent has one of few keys.
    Server {
        customer: usize,
        key: usize,
    },
    /// An order for a name below one that others order.
    Below {
        customer: usize,
        domain: u8,
    },
    /// Two orders of one customer for the same name.
    Twice {
        customer: usize,
        domain: u8,
    },
    /// A one-time act, which is a warning.
    Operation {
        customer: usize,
    },
    /// What the plan costs.
    Price {
        euros: u8,
    },
    /// All that the hub would decide, decided.
    Decided,
    /// Something else in the cache's place.
    Damage {
        at: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let customer = 0..CUSTOMERS.len();
    prop_oneof![
        12 => edit().prop_map(Step::Any),
        4 => (customer.clone(), 0..4_usize).prop_map(|(customer, key)| Step::Server { customer, key }),
        2 => (customer.clone(), 0..5_u8).prop_map(|(customer, domain)| Step::Below { customer, domain }),
        1 => (customer.clone(), 0..5_u8).prop_map(|(customer, domain)| Step::Twice { customer, domain }),
        1 => customer.prop_map(|customer| Step::Operation { customer }),
        1 => (1..4_u8).prop_map(|euros| Step::Price { euros }),
        4 => Just(Step::Decided),
        1 => any::<usize>().prop_map(|at| Step::Damage { at }),
    ]
}

/// A fleet, and what was kept of it.
struct Desk {
    fleet: Fleet,
    keys: String,
    agents: Vec<String>,
    kept: PathBuf,
}

impl Desk {
    fn changes(&self, step: &Step, at: Oid) -> Vec<Change> {
        let file = |customer: &usize, rest: &str, text: &str| {
            vec![put(
                &format!("fleet/customers/{}/{rest}", CUSTOMERS[*customer]),
                text,
            )]
        };
        let order = |domain: String| format!("plan: pro\ndomain: {domain}\ntools: [html]\n");
        match step {
            Step::Any(edit) => edit.changes(&self.keys),
            Step::Server { customer, key } => {
                let agent = &self.agents[*key];
                // With keys that are others' as well, and addresses that are others' with keys that are not.
                let last = (3 * customer + 2 * key) % 4;
                let text = format!("provider: static\naddress: 192.0.2.{last}\nagent: {agent}\n");
                file(customer, "servers/one.yaml", &text)
            }
            Step::Below { customer, domain } => {
                let name = format!("below.d{domain}.example");
                file(customer, "orders/website.yaml", &order(name))
            }
            Step::Twice { customer, domain } => {
                let name = format!("d{domain}.example");
                file(customer, "orders/other.yaml", &order(name))
            }
            Step::Operation { customer } => {
                file(customer, "operations/2026-11-20-x.yaml", "retry: website\n")
            }
            Step::Price { euros } => {
                let text = settings(&self.keys, 1, Fault::Nothing);
                let priced = text.replace("1G }", &format!("1G, price: {euros} EUR }}"));
                vec![put("fleet/hub.yaml", &priced)]
            }
            Step::Decided => self.decisions(at),
            Step::Damage { at } => {
                if let Ok(mut content) = std::fs::read(&self.kept) {
                    let at = at % content.len();
                    content[at] ^= 1;
                    std::fs::write(&self.kept, content).unwrap();
                }
                Vec::new()
            }
        }
    }

    /// What a hub would decide, as changes; secrets, of which there are none here, apart.
    fn decisions(&self, at: Oid) -> Vec<Change> {
        let loaded = load(
            &mut Loader::new(self.fleet.objects().clone()),
            &self.fleet,
            at,
        );
        let Some(desired) = loaded.desired else {
            return Vec::new();
        };
        let plan = observing(|observed| {
            tenantry_planner::plan::plan(&desired, observed, &mut PlanCache::default())
        });
        let decided = plan
            .decisions()
            .filter_map(|decision| Some(put(&decision.path(), &decision.content()?)));
        decided.collect()
    }

    fn revision(&self, commit: Oid) -> Revision {
        Revision {
            tree: self.fleet.objects().root_tree(commit).unwrap(),
            commit,
            generation: 0,
        }
    }

    /// Loads a commit with what is known, and keeps what was learned.
    fn sparse(&self, commit: Oid) -> Loaded {
        let cache = Cache::open(&self.kept, &STAMP);
        let objects = self.fleet.objects().clone();
        let mut loader = Loader::sparse(objects, cache, Need::Verdict).unwrap();
        let loaded = loader.load(self.revision(commit)).unwrap();
        loader
            .into_cache()
            .unwrap()
            .save(std::slice::from_ref(&self.kept), &STAMP);
        loaded
    }

    /// What changes between two commits, as JSON; with what is known, or without.
    fn planned(&self, from: Oid, to: Oid, known: bool) -> String {
        let scratch = Scratch::beside(self.fleet.objects().path()).unwrap();
        let ends =
            [from, to].map(|commit| (End::commit("a commit", commit), self.revision(commit)));
        let [from, to] = ends;
        let mut foresight = if known {
            let cache = Cache::open(&self.kept, &STAMP);
            Foresight::between(&scratch, cache, Past::default(), from.1, to.1).unwrap()
        } else {
            Foresight::new(&scratch, Past::default())
        };
        let (before, after): (Foreseen, Foreseen) = observing(|observed| {
            let before = foresight.look(from.1, observed).unwrap();
            (before, foresight.look(to.1, observed).unwrap())
        });
        let ends = Ends {
            from,
            to,
            conflict: false,
            note: None,
        };
        let report = Report::new(ends, &before, &after, Vec::new(), &|file| {
            foresight.marks(file)
        })
        .unwrap();
        if let Some(cache) = foresight.into_cache() {
            cache.save(std::slice::from_ref(&self.kept), &STAMP);
        }
        serde_json::to_string_pretty(&report).unwrap()
    }
}

fn observing<T>(look: impl FnOnce(Observed<'_>) -> T) -> T {
    let (inventory, attempts) = (Inventory::default(), HashMap::new());
    look(Observed {
        inventory: &inventory,
        attempts: &attempts,
        attempts_revision: 0,
        now: Timestamp::from_second(1_760_000_000).unwrap(),
    })
}

/// What `check` says of a load.
fn verdict(loaded: &Loaded) -> (Vec<Diagnostic>, String, usize) {
    let mut found = loaded.diagnostics.to_vec();
    if let Some(desired) = &loaded.desired {
        found.extend(contested(desired, &|_| None));
        found.extend(addresses::shared(desired, &|_| None));
    }
    let rest = format!(
        "{:#?} {} {:?}",
        loaded.frozen, loaded.fleet_frozen, loaded.taken
    );
    (found, rest, loaded.customers())
}

fn desk(world: &World) -> (Desk, Oid) {
    let desk = Desk {
        fleet: world.fleet("data"),
        keys: keys(),
        agents: (0..4).map(|_| keys()).collect(),
        kept: world.data("kept/customers.cache"),
    };
    let mut first = stack(0);
    first.push(put(
        "fleet/hub.yaml",
        &settings(&desk.keys, 1, Fault::Nothing),
    ));
    let at = commit(&desk.fleet, &first);
    (desk, at)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn what_is_known_changes_nothing(steps in prop::collection::vec(prop::collection::vec(step(), 1..3), 1..12)) {
        let world = World::new(Layout::Bare);
        let (desk, mut at) = desk(&world);
        for batch in steps {
            let before = at;
            for step in &batch {
                let changes = desk.changes(step, at);
                if !changes.is_empty() {
                    at = commit(&desk.fleet, &changes);
                }
            }
            let fresh = Loader::new(desk.fleet.objects().clone()).load(desk.revision(at)).unwrap();
            for known in [desk.sparse(at), desk.sparse(at)] {
                prop_assert_eq!(verdict(&known), verdict(&fresh));
                if let (Some(known), Some(fresh)) = (&known.desired, &fresh.desired) {
                    prop_assert_eq!(&known.broken, &fresh.broken);
                    prop_assert_eq!(&known.held, &fresh.held);
                    for (id, customer) in &known.customers {
                        prop_assert_eq!(format!("{customer:?}"), format!("{:?}", fresh.customers[id]));
                    }
                }
            }
            let expected = desk.planned(before, at, false);
            prop_assert_eq!(&desk.planned(before, at, true), &expected);
            prop_assert_eq!(&desk.planned(before, at, true), &expected);
        }
    }
}

/// Four customers for whom everything is decided.
fn four(desk: &Desk, mut at: Oid) -> Oid {
    for customer in 0..CUSTOMERS.len() {
        let domain = u8::try_from(customer).unwrap();
        let order = Step::Any(Edit::Order {
            customer,
            domain,
            mistake: false,
        });
        let server = Step::Server {
            customer,
            key: customer,
        };
        for step in [order, server] {
            at = commit(&desk.fleet, &desk.changes(&step, at));
        }
    }
    for _ in 0..4 {
        let decisions = desk.decisions(at);
        if !decisions.is_empty() {
            at = commit(&desk.fleet, &decisions);
        }
    }
    at
}

fn read(loaded: &Loaded) -> Vec<String> {
    let customers = loaded.desired.iter().flat_map(|desired| &desired.customers);
    customers.map(|(id, _)| id.to_string()).collect()
}

#[test]
fn only_what_differs_and_whom_it_concerns_is_read() {
    let world = World::new(Layout::Bare);
    let (desk, at) = desk(&world);
    let at = four(&desk, at);
    assert_eq!(read(&desk.sparse(at)), CUSTOMERS);
    let again = desk.sparse(at);
    assert_eq!((read(&again).len(), again.customers()), (0, 4));

    // An edit is read; it concerns nobody else.
    let edit = put("fleet/customers/acme/customer.yaml", "language: de\n");
    let edited = commit(&desk.fleet, &[edit]);
    assert_eq!(read(&desk.sparse(edited)), ["acme"]);
    assert!(read(&desk.sparse(edited)).is_empty());
    // Going back is known, too.
    assert!(read(&desk.sparse(at)).is_empty());

    // A name that somebody else holds concerns both; so does a key.
    let order = Step::Any(Edit::Order {
        customer: 3,
        domain: 1,
        mistake: false,
    });
    let taken = commit(&desk.fleet, &desk.changes(&order, edited));
    assert_eq!(read(&desk.sparse(taken)), ["acme-2", "initech"]);
    let server = Step::Server {
        customer: 2,
        key: 0,
    };
    let same_key = commit(&desk.fleet, &desk.changes(&server, taken));
    let loaded = desk.sparse(same_key);
    assert_eq!(read(&loaded), CUSTOMERS);
    assert_eq!(loaded.taken.len(), 1);

    // Another price concerns everybody.
    let price = commit(
        &desk.fleet,
        &desk.changes(&Step::Price { euros: 2 }, edited),
    );
    assert_eq!(read(&desk.sparse(price)).len(), 4);
}

#[test]
fn what_the_history_says_is_asked_of_each() {
    let world = World::new(Layout::Bare);
    let (desk, at) = desk(&world);
    four(&desk, at);
    let path = "fleet/customers/acme/orders/shop.yaml";
    let order = |more: &str| {
        let text = format!("plan: pro\ndomain: d9.example\n{more}tools: [html]\n");
        put(&path.replace("shop", "new"), &text)
    };
    let warned = |commit| {
        let loaded = desk.sparse(commit);
        let found = loaded.diagnostics.iter();
        let found = found.filter(|found| found.message.contains("was ever called `shop`"));
        found.count()
    };
    let never = commit(&desk.fleet, &[order("moved_from: shop\n")]);
    assert_eq!((warned(never), warned(never)), (1, 1));
    let there = put(path, "plan: pro\ndomain: d9.example\ntools: [html]\n");
    let gone = |path: &str| Change {
        path: path.try_into().unwrap(),
        content: None,
    };
    commit(&desk.fleet, &[there, gone(&path.replace("shop", "new"))]);
    // The same files as before, and now there was an order of that name.
    let once = commit(&desk.fleet, &[order("moved_from: shop\n"), gone(path)]);
    let root = |commit| desk.fleet.objects().root_tree(commit).unwrap();
    assert_eq!(root(once), root(never));
    assert_eq!((warned(once), warned(never)), (0, 1));
}

#[test]
fn a_plan_reads_what_differs() {
    let world = World::new(Layout::Bare);
    let (desk, at) = desk(&world);
    let at = four(&desk, at);
    let order =
        "plan: pro\ndomain: d0.example\ntools: { html: { parameters: {}, state: stopped } }\n";
    let edit = put("fleet/customers/acme/orders/website.yaml", order);
    let to = commit(&desk.fleet, &[edit]);
    let expected = desk.planned(at, to, false);
    assert!(expected.contains("stopped"), "{expected}");
    assert_eq!(desk.planned(at, to, true), expected);

    let scratch = Scratch::beside(desk.fleet.objects().path()).unwrap();
    let cache = Cache::open(&desk.kept, &STAMP);
    let (from, to) = (desk.revision(at), desk.revision(to));
    let mut foresight = Foresight::between(&scratch, cache, Past::default(), from, to).unwrap();
    let foreseen = observing(|observed| foresight.look(to, observed).unwrap());
    assert_eq!(read(&foreseen.loaded), ["acme"]);
    assert_eq!(foreseen.plan.customers.len(), 1);
}

#[test]
fn a_pinned_tree_that_is_gone_takes_with_it_what_rests_on_it() {
    let world = World::new(Layout::Bare);
    let (desk, at) = desk(&world);
    let at = four(&desk, at);
    desk.sparse(at);
    let objects = desk.fleet.objects().clone();
    let mut cache = Cache::open(&desk.kept, &STAMP);
    assert!(!cache.is_empty());
    let nowhere = tenantry_planner::ObjectId([9; 20]);
    cache.learn([1; 16], crate::cache::Facts::default(), [nowhere]);
    let mut loader = Loader::sparse(objects.clone(), cache, Need::Verdict).unwrap();
    let loaded = loader.load(desk.revision(at)).unwrap();
    assert_eq!(read(&loaded), [""; 0], "what others rest on is there");
    let mut cache = loader.into_cache().unwrap();
    assert!(cache.get(&[1; 16]).is_none());

    let root = objects.root_tree(at).unwrap();
    let stack = objects.lookup(root, "stacks/html").unwrap().unwrap().oid;
    let stack = crate::load::object_id(stack);
    assert!(cache.trees().contains(&stack));
    cache.forget(&[stack].into());
    let mut loader = Loader::sparse(objects, cache, Need::Verdict).unwrap();
    let loaded = loader.load(desk.revision(at)).unwrap();
    assert_eq!(read(&loaded), CUSTOMERS);
}
