//! What always holds of roll-outs, whatever is asked for and whatever works.

use super::rollouts::{FIRST, Release, release};
use super::*;
use proptest::prelude::*;
use tenantry_schema::document::UpgradeRollback;

/// One thing that happens.
#[derive(Debug, Clone)]
enum Happening {
    /// The slice asks for this version.
    Ask(u8),
    /// The agent is restarted.
    Restart,
    /// Somebody edits a file.
    Edit,
    /// Somebody stops containers.
    Kill,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (1u8..6).prop_map(Happening::Ask),
        1 => Just(Happening::Restart),
        1 => Just(Happening::Edit),
        1 => Just(Happening::Kill),
    ]
}

fn rollback() -> impl Strategy<Value = UpgradeRollback> {
    prop::sample::select(vec![
        UpgradeRollback::Hold,
        UpgradeRollback::Image,
        UpgradeRollback::ImageAndData,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn versions_never_alternate_and_what_works_is_reached(
        happenings in proptest::collection::vec((happening(), 2i64..90), 1..10),
        broken in proptest::collection::btree_set(1u8..6, 0..5),
        (data, rollback) in (any::<bool>(), rollback()),
    ) {
        let version = |number: u8| release(Release { number, image: number, data, rollback, ..FIRST });
        let mut server = Server::new();
        server.broken = broken.iter().map(|number| version(*number).instances[&name("one")].digest.clone()).collect();
        let mut asked = version(1);
        for (happening, seconds) in happenings {
            match happening {
                Happening::Ask(number) => asked = version(number),
                Happening::Restart => server.history = History::default(),
                Happening::Edit => server.files.values_mut().for_each(|digest| digest.push('x')),
                Happening::Kill => server.engine.state.containers.iter_mut().for_each(|one| one.state = Running::Exited),
            }
            let until = server.now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
            let mut seen = vec![server.in_force_digest(&asked)];
            while server.now < until {
                server.pass(&asked, 2);
                seen.push(server.in_force_digest(&asked));
            }
            seen.dedup();
            prop_assert!(seen.len() <= 2, "back at most once: {:?}", seen);
        }
        let good = server.ledger.rollouts.get(&name("one")).and_then(|it| it.good.clone());
        let plan = server.run(&asked, 400);
        let (wanted, in_force) = (asked.instances[&name("one")].digest.clone(), server.in_force_digest(&asked));
        let verdict = &plan.verdicts[&name("one")];
        if !server.broken.contains(&wanted) {
            prop_assert_eq!(&in_force, &wanted);
            prop_assert!(plan.converged, "{:?} {:?}", verdict, texts(&plan));
        } else if in_force == wanted {
            let held = matches!(verdict.waiting, Some(AgentWait::Held { .. }));
            prop_assert!(held, "{:?}", verdict);
            let free = !data || rollback == UpgradeRollback::Image;
            prop_assert!(good.is_none() || !free, "what may go back goes back");
        } else {
            prop_assert_eq!(Some(in_force), good.map(|good| good.digest), "the last that was good");
            prop_assert!(plan.is_given_up(), "{:?}", texts(&plan));
            let back = matches!(verdict.waiting, Some(AgentWait::RolledBack { .. }));
            prop_assert!(back && (!data || rollback == UpgradeRollback::Image));
        }
        // And then nothing changes any more.
        let containers = server.engine.state.containers.clone();
        server.history = History::default();
        server.run(&asked, 300);
        prop_assert_eq!(containers, server.engine.state.containers);
    }
}
