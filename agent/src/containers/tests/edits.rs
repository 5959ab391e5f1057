//! What each edit that `schema/compose/tests/edits.yaml` names makes anew. The planner foretells it and is tested with the same file.

#[path = "../../../../schema/compose/tests/edits/mod.rs"]
mod table;

use super::{KEEPER, PROJECT, key};
use crate::containers::desired::{InstanceInput, Wanted};
use crate::containers::inputs::Digest;
use crate::containers::spec::{Place, Rules, instance};
use std::path::Path;
use table::{Edit, Makes, Side, edits, files, project};

fn input(side: &Side) -> InstanceInput {
    let (project, files) = (project(side), files());
    let folder = Path::new("/live/acme");
    let digests = files.keys().map(|path| (folder.join(path), path.clone()));
    let rules = Rules {
        trusted: true,
        memory: side.rules.memory,
        relax: side.rules.relax.clone(),
        reload: side.rules.reload.clone(),
        ..Rules::default()
    };
    let place = Place {
        instance: PROJECT,
        keeper: KEEPER,
        state: Wanted::Running,
        folder,
        secrets: Path::new("/secrets/acme"),
        configs: Path::new("/configs/acme"),
        digests: &digests.collect(),
        key: &key(),
        rules: &rules,
    };
    instance(&project, &place).unwrap().input
}

fn digest(input: &InstanceInput, service: &str) -> Digest {
    let service = &input.services[service];
    // As if every image had an id of its own.
    key().container(service, &service.container.image)
}

#[test]
fn every_edit_makes_anew_what_it_is_said_to() {
    for Edit {
        key: edited,
        before,
        after,
        makes,
    } in edits()
    {
        let (old, new) = (input(&before), input(&after));
        let container = digest(&old, "web") != digest(&new, "web");
        let mut networks = old.networks.iter();
        let network = networks.any(|(name, spec)| {
            let now = new.networks.get(name);
            now.is_some_and(|now| key().network(now) != key().network(spec))
        });
        let made = match (container, network) {
            (true, false) => Makes::Container,
            (false, true) => Makes::Network,
            (false, false) => Makes::Nothing,
            (true, true) => panic!("{edited}: both"),
        };
        assert_eq!(made, makes, "{edited} {after:?}");
        assert_eq!(digest(&old, "db"), digest(&new, "db"), "{edited}");
    }
}
