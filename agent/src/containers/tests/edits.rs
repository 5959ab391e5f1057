//! What each edit that `schema/compose/tests/edits.yaml` names makes anew. The planner foretells it and is tested with the same file.

use super::{KEEPER, PROJECT, key};
use crate::containers::desired::{InstanceInput, Wanted};
use crate::containers::inputs::Digest;
use crate::containers::spec::{Place, Rules, instance};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tenantry_compose::{ComposeFile, PROFILES};
use tenantry_schema::document::{Protection, Reload};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    key: String,
    #[serde(default)]
    before: Side,
    after: Side,
    makes: Makes,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Makes {
    Container,
    Network,
    Nothing,
}

/// What is added to the project on one side.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Side {
    service: Map<String, Value>,
    top: Map<String, Value>,
    rules: Said,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Said {
    memory: Option<u64>,
    relax: BTreeMap<String, BTreeSet<Protection>>,
    reload: BTreeMap<String, Reload>,
}

fn input(side: &Side) -> InstanceInput {
    let mut web = Map::from_iter([("image".to_owned(), json!("a:1"))]);
    web.extend(side.service.clone());
    let mut whole = side.top.clone();
    let db = json!({ "image": "b:1", "network_mode": "none", "mem_limit": "1g" });
    let services = json!({ "web": web, "db": db });
    whole.insert("services".to_owned(), services);
    let text = Value::Object(whole).to_string();
    let files: BTreeMap<String, Vec<u8>> = [("web.env", "A=1\n"), ("files/a", "a")]
        .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
        .into();
    let lookup = |name: &str| (name == PROFILES).then(|| "tenantry".to_owned());
    let project = ComposeFile::new(&text, &files).load(&lookup).unwrap();
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
    let edits = include_str!("../../../../schema/compose/tests/edits.yaml");
    let edits: Vec<Edit> = serde_yaml::from_str(edits).unwrap();
    assert!(edits.len() > 90);
    for Edit {
        key: edited,
        before,
        after,
        makes,
    } in edits
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
