//! Reads `edits.yaml`: the agent and the planner are tested with the same edits of the same project.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tenantry_compose::{ComposeFile, PROFILES, Project};
use tenantry_schema::document::{Protection, Reload};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Edit {
    pub(super) key: String,
    #[serde(default)]
    pub(super) before: Side,
    pub(super) after: Side,
    pub(super) makes: Makes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Makes {
    Container,
    Network,
    Nothing,
}

/// What is added to the project on one side.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Side {
    service: Map<String, Value>,
    top: Map<String, Value>,
    pub(super) rules: Said,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Said {
    pub(super) memory: Option<u64>,
    pub(super) relax: BTreeMap<String, BTreeSet<Protection>>,
    pub(super) reload: BTreeMap<String, Reload>,
}

pub(super) fn edits() -> Vec<Edit> {
    let edits: Vec<Edit> = serde_yaml::from_str(include_str!("../edits.yaml")).unwrap();
    assert!(edits.len() > 90);
    edits
}

/// Files beside the Compose file.
pub(super) fn files() -> BTreeMap<String, Vec<u8>> {
    let files = [("web.env", "A=1\n"), ("files/a", "a")];
    files
        .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
        .into()
}

/// Two services: `web`, which is edited, and `db`, which never is.
pub(super) fn project(side: &Side) -> Project {
    let mut web = Map::from_iter([("image".to_owned(), json!("a:1"))]);
    web.extend(side.service.clone());
    let mut whole = side.top.clone();
    let db = json!({ "image": "b:1", "network_mode": "none", "mem_limit": "1g" });
    let services = json!({ "web": web, "db": db });
    whole.insert("services".to_owned(), services);
    let text = Value::Object(whole).to_string();
    let lookup = |name: &str| (name == PROFILES).then(|| "tenantry".to_owned());
    let loaded = ComposeFile::new(&text, &files()).load(&lookup);
    loaded.unwrap_or_else(|problems| panic!("{text}: {problems:?}"))
}
