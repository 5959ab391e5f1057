//! What always holds, whatever is wanted and whatever happens.

use super::*;
use proptest::prelude::*;

fn wish() -> impl Strategy<Value = Wish> {
    let version = || proptest::option::weighted(0.8, 1u8..4);
    (
        any::<bool>(),
        version(),
        version(),
        version(),
        any::<bool>(),
    )
        .prop_map(|(running, file, secret, site, smoke)| Wish {
            running,
            file,
            secret,
            site,
            smoke,
        })
}

/// Something that happens to a server behind the agent's back.
#[derive(Debug, Clone)]
enum Mishap {
    Kill,
    Remove,
    EditFile,
    LoseFiles,
    LoseSecrets,
    EditSite,
    StraySite,
    StopWeb,
    LoseCertificates,
    ForgetLedger,
}

fn mishap() -> impl Strategy<Value = Mishap> {
    use Mishap::*;
    prop::sample::select(vec![
        Kill,
        Remove,
        EditFile,
        LoseFiles,
        LoseSecrets,
        EditSite,
        StraySite,
        StopWeb,
        LoseCertificates,
        ForgetLedger,
    ])
}

impl Server {
    fn suffer(&mut self, mishap: &Mishap) {
        match mishap {
            Mishap::Kill => self
                .engine
                .state
                .containers
                .iter_mut()
                .for_each(|one| one.state = Running::Exited),
            Mishap::Remove => drop(self.engine.state.containers.pop()),
            Mishap::EditFile => self.files.values_mut().for_each(|digest| digest.push('x')),
            Mishap::LoseFiles => self.files.clear(),
            Mishap::LoseSecrets => self.secrets.clear(),
            Mishap::EditSite => self
                .web
                .sites
                .values_mut()
                .for_each(|digest| digest.push('x')),
            Mishap::StraySite => self.web.strays = true,
            Mishap::StopWeb => self.web.running = false,
            Mishap::LoseCertificates => self.web.certificates.clear(),
            Mishap::ForgetLedger => self.ledger = Server::new().ledger,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_was_and_whatever_happens_it_ends_as_wanted_with_nothing_to_do(
        wishes in proptest::collection::vec((wish(), wish(), any::<bool>()), 1..4),
        mishaps in proptest::collection::vec(mishap(), 0..6),
    ) {
        let mut server = Server::new();
        for (one, two, both) in wishes {
            let mut all = vec![("one", one)];
            if both {
                all.push(("two", two));
            }
            let wanted = desired(&all);
            server.settle(&wanted);
            for mishap in &mishaps {
                server.suffer(mishap);
            }
            let volumes = server.engine.state.volumes.clone();
            let plan = server.settle(&wanted);
            prop_assert!(volumes.is_subset(&server.engine.state.volumes));
            prop_assert!(plan.steps.is_empty() && plan.converged);
            prop_assert_eq!(texts(&server.plan(&wanted)), Vec::<String>::new());
            let live: Vec<_> = server.web.sites.keys().cloned().collect();
            let wished = all.iter().filter(|(_, wish)| wish.running && wish.site.is_some());
            prop_assert_eq!(live, wished.map(|(project, _)| host(&format!("{project}.example"))).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_chain_of_slices_ends_where_a_fresh_server_begins_with_the_last(
        chain in proptest::collection::vec((wish(), proptest::option::of(wish())), 1..5),
        mishaps in proptest::collection::vec(mishap(), 0..3),
    ) {
        let slice = |(one, two): &(Wish, Option<Wish>)| {
            let mut all = vec![("one", one.clone())];
            all.extend(two.clone().map(|two| ("two", two)));
            desired(&all)
        };
        let mut server = Server::new();
        for wishes in &chain {
            server.settle(&slice(wishes));
            for mishap in mishaps.iter().filter(|mishap| !matches!(mishap, Mishap::ForgetLedger)) {
                server.suffer(mishap);
            }
        }
        let last = slice(chain.last().unwrap());
        let mut fresh = Server::new();
        // What was stopped before it ever ran has no containers to keep.
        let stopped = last.instances.values().any(|one| one.spec.state == State::Stopped);
        server.settle(&last);
        fresh.settle(&last);
        prop_assert_eq!(&server.files, &fresh.files);
        prop_assert_eq!(&server.secrets, &fresh.secrets);
        prop_assert_eq!(&server.web.sites, &fresh.web.sites);
        prop_assert_eq!(&server.ledger.files, &fresh.ledger.files);
        let shape = |server: &Server| {
            let all = server.engine.state.containers.iter();
            let mut all: Vec<_> = all.map(|one| (one.name.clone(), one.image_id.clone(), one.owner.inputs.clone(), one.state)).collect();
            all.sort_by(|a, b| a.0.cmp(&b.0));
            (all, server.engine.state.networks.keys().cloned().collect::<Vec<_>>())
        };
        prop_assert!(stopped || shape(&server) == shape(&fresh), "{:?} {:?}", shape(&server), shape(&fresh));
    }

    #[test]
    fn planning_twice_is_the_same(one in wish(), mishaps in proptest::collection::vec(mishap(), 0..4)) {
        let (mut server, wanted) = (Server::new(), desired(&[("one", one)]));
        server.settle(&wanted);
        for mishap in &mishaps {
            server.suffer(mishap);
        }
        prop_assert_eq!(texts(&server.plan(&wanted)), texts(&server.plan(&wanted)));
    }
}
