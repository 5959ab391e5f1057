//! Where broken customers stay, against a model that looks at every commit for each of them.

use super::{CUSTOMERS, Edit, Fault, Loader, commit, keys, load, settings, stack};
use crate::git::Layout;
use crate::git::tests::{World, put};
use proptest::prelude::*;

/// One customer's documents as they are from some commit on.
#[derive(Debug, Clone, PartialEq)]
struct Written {
    domain: u8,
    mistake: bool,
}

fn step() -> impl Strategy<Value = Edit> {
    // The first of them is there from the start, and was good.
    let customer = 1..CUSTOMERS.len();
    prop_oneof![
        5 => (customer, 0..2u8, prop::sample::select(vec![false, true, true]))
            .prop_map(|(customer, domain, mistake)| Edit::Order { customer, domain: domain + 10 * u8::try_from(customer).unwrap(), mistake }),
        2 => any::<u8>().prop_map(|text| Edit::Readme { text }),
        1 => (1..4u8).prop_map(|memory| Edit::Settings { memory, fault: Fault::Nothing }),
        1 => any::<bool>().prop_map(|there| Edit::Stranger { there }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    /// The first commit of the newest stretch of good documents, whatever others and the settings did meanwhile.
    #[test]
    fn a_broken_customer_stays_where_their_documents_were_good_last(steps in prop::collection::vec(step(), 1..30)) {
        let world = World::new(Layout::Bare);
        let (fleet, keys) = (world.fleet("data"), keys());
        let mut first = stack(0);
        first.push(put("fleet/hub.yaml", &settings(&keys, 1, Fault::Nothing)));
        let mut at = commit(&fleet, &first);
        let mut history = vec![(at, vec![None::<Written>; CUSTOMERS.len()])];
        for step in steps {
            let new = commit(&fleet, &step.changes(&keys));
            if new == at {
                continue;
            }
            at = new;
            let mut now = history.last().unwrap().1.clone();
            if let Edit::Order { customer, domain, mistake } = step {
                now[customer] = Some(Written { domain, mistake });
            }
            history.push((at, now));
        }
        let loaded = load(&mut Loader::new(fleet.objects().clone()), &fleet, at);
        for (customer, name) in CUSTOMERS.iter().enumerate() {
            let versions: Vec<_> = history.iter().rev().map(|(commit, all)| (*commit, all[customer].clone())).collect();
            let broken = versions[0].1.as_ref().is_some_and(|now| now.mistake);
            let stays = loaded.frozen.iter().find(|scope| scope.customer.as_ref().is_some_and(|id| id.as_str() == *name));
            prop_assert_eq!(stays.is_some(), broken, "{}", name);
            let mut good = versions.iter().skip_while(|(_, now)| now.as_ref().is_none_or(|now| now.mistake)).peekable();
            let newest = good.peek().map(|(_, now)| now.clone());
            let since = good.take_while(|(_, now)| Some(now) == newest.as_ref()).last();
            if let Some(stays) = stays {
                prop_assert_eq!(stays.stays_at.clone(), since.map(|(commit, _)| commit.to_string()), "{}", name);
            }
        }
    }
}
