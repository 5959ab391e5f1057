//! The loader keeps what has not changed; what it gives must be what a fresh one gives, whatever was committed before.

mod containment;
mod decisions;
pub(super) mod held;
mod removal;
mod revision;
mod sparse;
mod stays;

use super::{Loaded, Loader, Revision};
use crate::git::tests::{World, author, put};
use crate::git::{Change, Fleet, Layout, Oid, Outcome};
use jiff::Timestamp;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use tenantry_planner::Desired;
use tenantry_wire::SigningKey;

const CUSTOMERS: [&str; 4] = ["acme", "acme-2", "globex", "initech"];

/// Something that a person or the hub commits.
#[derive(Debug, Clone)]
enum Edit {
    /// An order for a domain; one in three has a mistake.
    Order {
        customer: usize,
        domain: u8,
        mistake: bool,
    },
    /// The decision that a domain is the order's.
    Claim {
        customer: usize,
        domain: u8,
        mistake: bool,
    },
    /// Everything that people wrote about a customer goes.
    Remove { customer: usize },
    /// What the fleet as a whole is set to.
    Settings { memory: u8, fault: Fault },
    /// The catalogue.
    Stack { title: u8 },
    /// Something among the customers that is none, or its end.
    Stranger { there: bool },
    /// Nothing that matters.
    Readme { text: u8 },
}

/// What is wrong with the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Nothing,
    /// An unknown key: the whole fleet stays as it was.
    Mistake,
    /// The plan that all orders have is not there.
    NoPlan,
}

fn edit() -> impl Strategy<Value = Edit> {
    let customer = 0..CUSTOMERS.len();
    let mistake = prop::sample::select(vec![false, false, true]);
    let fault = prop::sample::select(vec![Fault::Nothing, Fault::Mistake, Fault::NoPlan]);
    prop_oneof![
        6 => (customer.clone(), 0..5u8, mistake.clone())
            .prop_map(|(customer, domain, mistake)| Edit::Order { customer, domain, mistake }),
        4 => (customer.clone(), 0..5u8, mistake.clone())
            .prop_map(|(customer, domain, mistake)| Edit::Claim { customer, domain, mistake }),
        2 => customer.prop_map(|customer| Edit::Remove { customer }),
        2 => (1..4u8, fault).prop_map(|(memory, fault)| Edit::Settings { memory, fault }),
        1 => (0..3u8).prop_map(|title| Edit::Stack { title }),
        1 => any::<bool>().prop_map(|there| Edit::Stranger { there }),
        1 => any::<u8>().prop_map(|text| Edit::Readme { text }),
    ]
}

impl Edit {
    fn changes(&self, keys: &str) -> Vec<Change> {
        let gone = |path: String| Change {
            path: path.as_str().try_into().unwrap(),
            content: None,
        };
        match self {
            Self::Order {
                customer,
                domain,
                mistake,
            } => {
                let name = CUSTOMERS[*customer];
                let tool = if *mistake { "htlm" } else { "html" };
                let order = format!("plan: pro\ndomain: d{domain}.example\ntools: [{tool}]\n");
                let folder = format!("fleet/customers/{name}");
                vec![
                    put(&format!("{folder}/customer.yaml"), "language: en\n"),
                    put(&format!("{folder}/orders/website.yaml"), &order),
                ]
            }
            Self::Claim {
                customer,
                domain,
                mistake,
            } => {
                let key = if *mistake { "domian" } else { "domain" };
                let path = format!(
                    "fleet/decisions/{}/website/domain.yaml",
                    CUSTOMERS[*customer]
                );
                vec![put(&path, &format!("{key}: d{domain}.example\n"))]
            }
            Self::Remove { customer } => ["customer.yaml", "orders/website.yaml"]
                .into_iter()
                .map(|file| gone(format!("fleet/customers/{}/{file}", CUSTOMERS[*customer])))
                .collect(),
            Self::Settings { memory, fault } => {
                vec![put("fleet/hub.yaml", &settings(keys, *memory, *fault))]
            }
            Self::Stack { title } => stack(*title),
            Self::Stranger { there: true } => vec![put("fleet/customers/Notes.txt", "hello")],
            Self::Stranger { there: false } => vec![gone("fleet/customers/Notes.txt".to_owned())],
            Self::Readme { text } => vec![put("README.md", &text.to_string())],
        }
    }
}

fn settings(keys: &str, memory: u8, fault: Fault) -> String {
    let (plans, pro) = match fault {
        Fault::Nothing => ("plans", "pro"),
        Fault::Mistake => ("palns", "pro"),
        Fault::NoPlan => ("plans", "professional"),
    };
    format!(
        "fleet_id: test\nurl: http://127.0.0.1:1\nkeys:\n  hub: {keys}\n  recovery: {keys}\n{plans}:\n  {pro}: {{ memory: {memory}G }}\n"
    )
}

fn stack(title: u8) -> Vec<Change> {
    let manifest = format!(
        "title: Site {title}\nsite: {{ service: web, port: 80, host: \"@\" }}\nmemory: 64M\n"
    );
    let compose =
        "services:\n  web:\n    image: nginx:1.30\n    ports: [\"127.0.0.1:${SITE_PORT}:80\"]\n";
    vec![
        put("stacks/html/stack.yaml", &manifest),
        put("stacks/html/compose.yaml", compose),
        put(
            "nginx/default.conf",
            include_str!("../../../nginx/default.conf"),
        ),
    ]
}

fn keys() -> String {
    let sign = SigningKey::generate(&mut rand::rng()).public();
    format!("{{ sign: {sign}, age: age1{} }}", "q".repeat(58))
}

/// Commits, and gives what the branch then points at. Changes that change nothing leave it.
fn commit(fleet: &Fleet, changes: &[Change]) -> Oid {
    let base = fleet.head().unwrap().unwrap();
    let time = Timestamp::from_second(1_760_000_000).unwrap();
    match fleet
        .commit(base, changes, &author(), "an edit", time)
        .unwrap()
    {
        Outcome::Committed(oid) => oid,
        Outcome::Unchanged => base,
        Outcome::Moved => panic!("nobody else commits here"),
    }
}

fn load(loader: &mut Loader, fleet: &Fleet, commit: Oid) -> Loaded {
    let revision = Revision {
        tree: fleet.objects().root_tree(commit).unwrap(),
        commit,
        generation: fleet.generation(commit).unwrap(),
    };
    loader.load(revision).unwrap()
}

/// Everything about a load that does not depend on how it came about.
fn told(loaded: &Loaded) -> String {
    let Loaded {
        desired,
        diagnostics,
        frozen,
        fleet_frozen,
        removals,
        ..
    } = loaded;
    format!("{desired:#?}\n{diagnostics:#?}\n{frozen:#?}\n{fleet_frozen}\n{removals:#?}")
}

fn customers(desired: &Desired) -> BTreeMap<String, String> {
    let each = desired.customers.iter();
    each.map(|(id, customer)| (id.to_string(), format!("{customer:?}")))
        .collect()
}

/// What is said to have changed is enough for whoever keeps what was made from the load before.
fn enough(before: &Loaded, after: &Loaded) -> Result<(), TestCaseError> {
    let Some(changed) = &after.changed else {
        return Ok(());
    };
    let (Some(old), Some(new)) = (&before.desired, &after.desired) else {
        return Err(TestCaseError::fail(
            "changes of something that was not there",
        ));
    };
    prop_assert!(Arc::ptr_eq(&old.head, &new.head));
    prop_assert!(Arc::ptr_eq(&old.domains, &new.domains));
    let (old, new) = (customers(old), customers(new));
    prop_assert!(old.keys().eq(new.keys()));
    for (id, customer) in new {
        let listed = changed.iter().any(|changed| changed.as_str() == id);
        prop_assert!(
            listed || old.get(&id) == Some(&customer),
            "{} changed in silence",
            id
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_is_kept_is_what_would_be_read(edits in prop::collection::vec(prop::collection::vec(edit(), 1..3), 1..14)) {
        let world = World::new(Layout::Bare);
        let (fleet, keys) = (world.fleet("data"), keys());
        let mut first = stack(0);
        first.push(put("fleet/hub.yaml", &settings(&keys, 1, Fault::Nothing)));
        let mut at = commit(&fleet, &first);
        let mut loader = Loader::new(fleet.objects().clone());
        let mut before = load(&mut loader, &fleet, at);
        prop_assert!(before.changed.is_none(), "nothing was there to compare with");
        for batch in edits {
            for edit in batch {
                at = commit(&fleet, &edit.changes(&keys));
            }
            let kept = load(&mut loader, &fleet, at);
            let fresh = load(&mut Loader::new(fleet.objects().clone()), &fleet, at);
            prop_assert_eq!(told(&kept), told(&fresh));
            enough(&before, &kept)?;
            before = kept;
        }
    }
}

#[test]
fn one_edit_names_one_customer() {
    let world = World::new(Layout::Bare);
    let (fleet, keys) = (world.fleet("data"), keys());
    let mut first = stack(0);
    first.push(put("fleet/hub.yaml", &settings(&keys, 1, Fault::Nothing)));
    let order = |customer, domain, mistake| {
        Edit::Order {
            customer,
            domain,
            mistake,
        }
        .changes(&keys)
    };
    first.extend(order(0, 0, false).into_iter().chain(order(2, 2, false)));
    let mut loader = Loader::new(fleet.objects().clone());
    let at = commit(&fleet, &first);
    assert_eq!(load(&mut loader, &fleet, at).changed, None);

    let edit = put("fleet/customers/acme/customer.yaml", "language: de\n");
    let at = commit(&fleet, &[edit]);
    let changed = load(&mut loader, &fleet, at).changed.unwrap();
    assert_eq!(changed, ["acme".try_into().unwrap()]);

    let at = commit(&fleet, &[put("README.md", "x")]);
    assert_eq!(load(&mut loader, &fleet, at).changed, Some(vec![]));

    // Another domain concerns whoever wants it, too.
    let at = commit(&fleet, &order(0, 3, false));
    assert_eq!(load(&mut loader, &fleet, at).changed, None);

    // A mistake leaves the customer as it was; that is said of them alone.
    let at = commit(&fleet, &order(2, 2, true));
    let loaded = load(&mut loader, &fleet, at);
    assert_eq!(loaded.changed, Some(vec!["globex".try_into().unwrap()]));
    assert_eq!(loaded.frozen.len(), 1);
}
